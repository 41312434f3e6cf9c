"""Who may do what, where. One pure function decides; the gate, every view and the action itself call it."""

from dataclasses import dataclass
from enum import StrEnum

from core.errors import NotHere, Refused


@dataclass(frozen=True, slots=True)
class Place:
    """Where an interaction happened. None means: not in a guild, or not to be known (which is a no).

    `category_id` is that of the channel, or of the parent for threads and forum posts; `channel_id` that of the
    channel or thread itself.
    """

    guild_id: int | None
    category_id: int | None
    channel_id: int | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """The person behind one interaction, as Discord describes them in that interaction."""

    user_id: int
    name: str
    place: Place


class Operation(StrEnum):
    """Everything a person can ask for, reading included; the changing ones share their word with Verb."""

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


ON_ALERTS = frozenset({Operation.START, Operation.INFO, Operation.ACKNOWLEDGE, Operation.MONITOR_MUTE})
"""What the buttons of alerts do, which have to work where alerts are, also outside of the category."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The one guild and the one category the bot may be used in, and the channel that alerts go to."""

    guild_id: int
    category_id: int
    alert_channel_id: int | None = None


def decide(rules: AccessRules, actor: Actor, operation: Operation | None = None) -> Refused | None:
    """Why this person may not do this here, or None. Deny is the default.

    `operation` None asks about the place alone (a gate that does not know yet what will be asked).
    """
    place = actor.place
    if place.guild_id != rules.guild_id:
        return NotHere()
    if place.category_id == rules.category_id:
        return None
    if place.channel_id is not None and place.channel_id == rules.alert_channel_id and operation in ON_ALERTS:
        return None
    return NotHere()
