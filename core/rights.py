"""What a person can ask for, and what each wish takes: one row an operation, all of them here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Operation(StrEnum):
    """Everything a person can ask for, reading included, by its command's name; the changing ones share their
    word with Verb."""

    LIST = "list"
    INFO = "info"
    HELP = "help"
    SNAPSHOT_LIST = "snapshot_list"
    MONITOR_LIST = "monitor_list"
    MONITOR_ADD = "monitor_add"
    MONITOR_REMOVE = "monitor_remove"
    MONITOR_MUTE = "monitor_mute"
    MONITOR_UNMUTE = "monitor_unmute"
    MONITOR_HISTORY = "monitor_history"
    MONITOR_STATUS = "monitor_status"
    MONITOR_TEST = "monitor_test"
    ACKNOWLEDGE = "acknowledge"
    AUDIT = "audit"
    START = "start"
    REBOOT = "reboot"
    SHUTDOWN = "shutdown"
    STOP = "stop"
    CREATE = "create"
    RESIZE = "resize"
    DELETE = "delete"
    SNAPSHOT_CREATE = "snapshot_create"
    SNAPSHOT_ROLLBACK = "snapshot_rollback"
    SNAPSHOT_DELETE = "snapshot_delete"
    ACCESS = "access"
    READONLY_ON = "readonly_on"
    READONLY_OFF = "readonly_off"


class Level(IntEnum):
    """Access level of a role. Each level includes the lower ones."""

    NONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Reach(StrEnum):
    """The guests on which the person needs the level for an operation."""

    GUEST = "guest"  # one guest
    SEEN = "seen"  # the guests that the person may see
    WHOLE = "whole"  # the whole cluster


class Effect(IntEnum):
    """Kind of change that an operation makes."""

    NOTHING = 0
    WORDS = 1  # only the bot's messages: acknowledging, muting
    LIST = 2  # the watch list
    GUEST = 3  # a guest


@dataclass(frozen=True, slots=True)
class Right:
    """The level it takes, where, and what it changes.

    `guarded`: to a protected guest it is done by admins only, who type its name and a reason. `guarded_after`: so
    it is where it would last for more seconds than this.
    """

    level: Level
    reach: Reach
    effect: Effect = Effect.NOTHING
    guarded: bool = False
    guarded_after: float | None = None

    @property
    def changes(self) -> bool:
        """Whether `/readonly` refuses it and the limit of changes per minute counts it."""
        return self.effect >= Effect.LIST

    def guards(self, seconds: float) -> bool:
        """Return whether it needs an admin on a protected guest. `seconds`: how long it would last."""
        return self.guarded or (self.guarded_after is not None and seconds > self.guarded_after)


LONG_MUTE_SECONDS = 8 * 3600.0
"""Longest mute, in seconds, that an alert's button offers.

A longer one is like removing the guest from the watch list.
"""

_GUEST, _SEEN, _WHOLE = Reach.GUEST, Reach.SEEN, Reach.WHOLE
RIGHTS: Mapping[Operation, Right] = {
    Operation.ACCESS: Right(Level.NONE, _SEEN),
    Operation.HELP: Right(Level.VIEWER, _SEEN),
    Operation.LIST: Right(Level.VIEWER, _SEEN),
    Operation.INFO: Right(Level.VIEWER, _GUEST),
    Operation.SNAPSHOT_LIST: Right(Level.VIEWER, _GUEST),
    Operation.MONITOR_LIST: Right(Level.VIEWER, _SEEN),
    Operation.MONITOR_HISTORY: Right(Level.VIEWER, _SEEN),
    Operation.MONITOR_STATUS: Right(Level.VIEWER, _SEEN),
    Operation.START: Right(Level.OPERATOR, _GUEST, Effect.GUEST),
    Operation.REBOOT: Right(Level.OPERATOR, _GUEST, Effect.GUEST, guarded=True),
    Operation.SHUTDOWN: Right(Level.OPERATOR, _GUEST, Effect.GUEST, guarded=True),
    Operation.SNAPSHOT_CREATE: Right(Level.OPERATOR, _GUEST, Effect.GUEST),
    Operation.ACKNOWLEDGE: Right(Level.OPERATOR, _GUEST, Effect.WORDS),
    Operation.MONITOR_MUTE: Right(Level.OPERATOR, _GUEST, Effect.WORDS, guarded_after=LONG_MUTE_SECONDS),
    Operation.MONITOR_UNMUTE: Right(Level.OPERATOR, _GUEST, Effect.WORDS),
    Operation.STOP: Right(Level.ADMIN, _GUEST, Effect.GUEST, guarded=True),
    Operation.CREATE: Right(Level.ADMIN, _GUEST, Effect.GUEST),
    Operation.RESIZE: Right(Level.ADMIN, _GUEST, Effect.GUEST, guarded=True),
    Operation.DELETE: Right(Level.ADMIN, _GUEST, Effect.GUEST, guarded=True),
    Operation.SNAPSHOT_ROLLBACK: Right(Level.ADMIN, _GUEST, Effect.GUEST, guarded=True),
    Operation.SNAPSHOT_DELETE: Right(Level.ADMIN, _GUEST, Effect.GUEST, guarded=True),
    Operation.MONITOR_ADD: Right(Level.ADMIN, _GUEST, Effect.LIST),
    Operation.MONITOR_REMOVE: Right(Level.ADMIN, _GUEST, Effect.LIST, guarded=True),
    Operation.AUDIT: Right(Level.ADMIN, _WHOLE),
    Operation.MONITOR_TEST: Right(Level.ADMIN, _WHOLE, Effect.WORDS),
    Operation.READONLY_ON: Right(Level.ADMIN, _WHOLE, Effect.WORDS),
    Operation.READONLY_OFF: Right(Level.ADMIN, _WHOLE, Effect.WORDS),
}
"""One row per operation.

A mute or an alert may be about several guests, a node or everything. It then needs the level on each of the
guests, or on the whole cluster.
"""

ON_ALERTS = frozenset({Operation.START, Operation.INFO, Operation.ACKNOWLEDGE, Operation.MONITOR_MUTE})
"""What the buttons of alerts do, which have to work where alerts are, also outside of the category."""
