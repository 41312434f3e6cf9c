"""Define every operation of the bot in one table: who may do it, and how Proxmox does it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.guest import Kind, State
from core.levels import Effect, Level, Reach


class Operation(StrEnum):
    """The operations, by the name of their command. The words are stored in the audit trail and in custom_ids."""

    STATUS = "status"
    LIST = "list"
    INFO = "info"
    HELP = "help"
    NODE_LIST = "node_list"
    NODE_INFO = "node_info"
    STORAGE = "storage"
    GRAPH_GUEST = "graph_guest"
    GRAPH_NODE = "graph_node"
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
    HEALTH = "health"
    START = "start"
    REBOOT = "reboot"
    SHUTDOWN = "shutdown"
    STOP = "stop"
    SUSPEND = "suspend"
    RESUME = "resume"
    RESET = "reset"
    CREATE = "create"
    RESIZE = "resize"
    DELETE = "delete"
    SNAPSHOT_CREATE = "snapshot_create"
    SNAPSHOT_ROLLBACK = "snapshot_rollback"
    SNAPSHOT_DELETE = "snapshot_delete"
    ACCESS = "access"
    READONLY_ON = "readonly_on"
    READONLY_OFF = "readonly_off"
    DASHBOARD_CREATE = "dashboard_create"
    DASHBOARD_REMOVE = "dashboard_remove"
    DASHBOARD_LIST = "dashboard_list"


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation. The fields from `tasks` on describe an action on a guest (`Effect.GUEST`)."""

    operation: Operation
    level: Level
    reach: Reach
    effect: Effect = Effect.NOTHING
    guarded: bool = False
    """Whether on a protected guest it needs an admin, the guest's name and a reason."""
    guarded_after: float | None = None
    """The same as `guarded`, if it lasts for more seconds than this."""
    on_alerts: bool = False
    """Whether an alert has a button for it. The button works in the alert channel, even outside the category."""
    tasks: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    """By kind, the types of Proxmox' task, including those of HA. Other kinds do not have this operation."""
    states: frozenset[State] = frozenset()
    """States of the guest in which it may start."""
    becomes: State | None = None
    """State of the guest after success; None: unchanged."""
    power: str = ""
    """Proxmox' word in `POST …/status/WORD`, if that is the whole request."""
    template: bool = False
    """Whether it applies to templates."""
    locks: frozenset[str] = frozenset()
    """Proxmox locks that do not prevent it."""
    asks: bool = False
    """Whether it asks for confirmation first."""
    asks_name: bool = False
    """Whether the guest's name must be typed even if the guest is not protected."""
    needs_unprotected: bool = False
    """Whether Proxmox refuses it while its own protection flag is set."""
    stops: bool = False
    """Whether the guest stops during it. The watch reports no such stop."""

    @property
    def changes(self) -> bool:
        """Whether `/readonly` refuses it and the limit of changes per minute counts it."""
        return self.effect >= Effect.LIST

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of guests that have this operation."""
        return frozenset(self.tasks)

    def guards(self, seconds: float) -> bool:
        """Return whether it needs an admin on a protected guest. `seconds`: how long it would last."""
        return self.guarded or (self.guarded_after is not None and seconds > self.guarded_after)


LONG_MUTE_SECONDS = 8 * 3600.0
"""Longest mute, in seconds, that an alert's button offers.

A longer one is like removing the guest from the watch list.
"""

ANY_STATE = frozenset(State)
ALIVE = ANY_STATE - {State.STOPPED}
KNOWN = ANY_STATE - {State.UNKNOWN}

_GUEST, _SEEN, _WHOLE = Reach.GUEST, Reach.SEEN, Reach.WHOLE


def _tasks(suffix: str, *also: str) -> dict[Kind, frozenset[str]]:
    return {Kind.QEMU: frozenset({f"qm{suffix}", *also}), Kind.LXC: frozenset({f"vz{suffix}", *also})}


OPERATIONS: Mapping[Operation, OperationRow] = {
    row.operation: row
    for row in (
        OperationRow(Operation.ACCESS, Level.NONE, _SEEN),
        OperationRow(Operation.HELP, Level.VIEWER, _SEEN),
        OperationRow(Operation.STATUS, Level.VIEWER, _SEEN),
        OperationRow(Operation.LIST, Level.VIEWER, _SEEN),
        OperationRow(Operation.INFO, Level.VIEWER, _GUEST, on_alerts=True),
        OperationRow(Operation.NODE_LIST, Level.VIEWER, _SEEN),
        OperationRow(Operation.NODE_INFO, Level.VIEWER, _SEEN),
        OperationRow(Operation.STORAGE, Level.VIEWER, _SEEN),
        OperationRow(Operation.GRAPH_GUEST, Level.VIEWER, _GUEST, on_alerts=True),
        OperationRow(Operation.GRAPH_NODE, Level.VIEWER, _SEEN, on_alerts=True),
        OperationRow(Operation.SNAPSHOT_LIST, Level.VIEWER, _GUEST),
        OperationRow(Operation.MONITOR_LIST, Level.VIEWER, _SEEN),
        OperationRow(Operation.MONITOR_HISTORY, Level.VIEWER, _SEEN),
        OperationRow(Operation.MONITOR_STATUS, Level.VIEWER, _SEEN),
        # A guest suspended to disk is stopped with the lock `suspended`; start resumes it.
        OperationRow(
            Operation.START,
            Level.OPERATOR,
            _GUEST,
            Effect.GUEST,
            on_alerts=True,
            tasks=_tasks("start", "hastart", "qmresume"),
            states=frozenset({State.STOPPED}),
            becomes=State.RUNNING,
            power="start",
            locks=frozenset({"suspended"}),
        ),
        OperationRow(
            Operation.REBOOT,
            Level.OPERATOR,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("reboot"),
            states=frozenset({State.RUNNING}),
            becomes=State.RUNNING,
            power="reboot",
            stops=True,
        ),
        OperationRow(
            Operation.SHUTDOWN,
            Level.OPERATOR,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("shutdown", "hastop"),
            states=frozenset({State.RUNNING}),
            becomes=State.STOPPED,
            power="shutdown",
            stops=True,
        ),
        OperationRow(
            Operation.STOP,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("stop", "hastop"),
            states=ALIVE,
            becomes=State.STOPPED,
            power="stop",
            asks=True,
            stops=True,
        ),
        # To RAM: Proxmox shows the guest as paused. qmsuspend would be hibernation to disk.
        OperationRow(
            Operation.SUSPEND,
            Level.OPERATOR,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks={Kind.QEMU: frozenset({"qmpause"})},
            states=frozenset({State.RUNNING}),
            becomes=State.PAUSED,
            power="suspend",
        ),
        OperationRow(
            Operation.RESUME,
            Level.OPERATOR,
            _GUEST,
            Effect.GUEST,
            tasks={Kind.QEMU: frozenset({"qmresume"})},
            states=frozenset({State.PAUSED, State.SUSPENDED}),
            becomes=State.RUNNING,
            power="resume",
        ),
        # The QEMU process lives on, so a paused VM would stay paused.
        OperationRow(
            Operation.RESET,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks={Kind.QEMU: frozenset({"qmreset"})},
            states=frozenset({State.RUNNING}),
            becomes=State.RUNNING,
            power="reset",
            asks=True,
            stops=True,
        ),
        OperationRow(
            Operation.CREATE,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            tasks=_tasks("clone"),
            states=ANY_STATE,
            template=True,
        ),
        OperationRow(
            Operation.RESIZE,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("config"),
            states=KNOWN,
        ),
        OperationRow(
            Operation.DELETE,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("destroy"),
            states=frozenset({State.STOPPED}),
            template=True,
            asks=True,
            asks_name=True,
            needs_unprotected=True,
            stops=True,
        ),
        OperationRow(
            Operation.SNAPSHOT_CREATE,
            Level.OPERATOR,
            _GUEST,
            Effect.GUEST,
            tasks=_tasks("snapshot"),
            states=KNOWN,
        ),
        OperationRow(
            Operation.SNAPSHOT_ROLLBACK,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("rollback"),
            states=KNOWN,
            asks=True,
            stops=True,
        ),
        OperationRow(
            Operation.SNAPSHOT_DELETE,
            Level.ADMIN,
            _GUEST,
            Effect.GUEST,
            guarded=True,
            tasks=_tasks("delsnapshot"),
            states=KNOWN,
            asks=True,
        ),
        OperationRow(Operation.ACKNOWLEDGE, Level.OPERATOR, _GUEST, Effect.WORDS, on_alerts=True),
        OperationRow(
            Operation.MONITOR_MUTE,
            Level.OPERATOR,
            _GUEST,
            Effect.WORDS,
            guarded_after=LONG_MUTE_SECONDS,
            on_alerts=True,
        ),
        OperationRow(Operation.MONITOR_UNMUTE, Level.OPERATOR, _GUEST, Effect.WORDS, on_alerts=True),
        OperationRow(Operation.MONITOR_ADD, Level.ADMIN, _GUEST, Effect.LIST),
        OperationRow(Operation.MONITOR_REMOVE, Level.ADMIN, _GUEST, Effect.LIST, guarded=True),
        OperationRow(Operation.AUDIT, Level.ADMIN, _WHOLE),
        OperationRow(Operation.HEALTH, Level.ADMIN, _WHOLE),
        OperationRow(Operation.MONITOR_TEST, Level.ADMIN, _WHOLE, Effect.WORDS),
        OperationRow(Operation.READONLY_ON, Level.ADMIN, _WHOLE, Effect.WORDS),
        OperationRow(Operation.READONLY_OFF, Level.ADMIN, _WHOLE, Effect.WORDS),
        OperationRow(Operation.DASHBOARD_CREATE, Level.ADMIN, _SEEN, Effect.WORDS),
        OperationRow(Operation.DASHBOARD_REMOVE, Level.ADMIN, _SEEN, Effect.WORDS),
        OperationRow(Operation.DASHBOARD_LIST, Level.ADMIN, _SEEN),
    )
}
"""One row per operation.

A mute or an alert may be about several guests, a node or everything. It then needs the level on each of the
guests, or on the whole cluster.
"""

ACTIONS = tuple(operation for operation in Operation if OPERATIONS[operation].effect is Effect.GUEST)
"""The operations that change a guest."""
