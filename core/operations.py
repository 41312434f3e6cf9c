"""Define every operation of the bot in one table: who may do it, and how Proxmox does it."""

from collections.abc import Mapping
from enum import StrEnum

from core.guest import Kind, State
from core.levels import Effect, Level, Reach
from core.operation_row import OperationRow


class Operation(StrEnum):
    """The operations, by the name of their command; `acknowledge` is a button only.

    The words are stored in the audit trail and in custom_ids.
    """

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
    Operation.ACCESS: OperationRow(Level.NONE, _SEEN),
    Operation.HELP: OperationRow(Level.VIEWER, _SEEN),
    Operation.STATUS: OperationRow(Level.VIEWER, _SEEN),
    Operation.LIST: OperationRow(Level.VIEWER, _SEEN),
    Operation.INFO: OperationRow(Level.VIEWER, _GUEST, on_alerts=True),
    Operation.NODE_LIST: OperationRow(Level.VIEWER, _SEEN),
    Operation.NODE_INFO: OperationRow(Level.VIEWER, _SEEN),
    Operation.STORAGE: OperationRow(Level.VIEWER, _SEEN),
    Operation.GRAPH_GUEST: OperationRow(Level.VIEWER, _GUEST, on_alerts=True),
    Operation.GRAPH_NODE: OperationRow(Level.VIEWER, _SEEN, on_alerts=True),
    Operation.SNAPSHOT_LIST: OperationRow(Level.VIEWER, _GUEST),
    Operation.MONITOR_LIST: OperationRow(Level.VIEWER, _SEEN),
    Operation.MONITOR_HISTORY: OperationRow(Level.VIEWER, _SEEN),
    Operation.MONITOR_STATUS: OperationRow(Level.VIEWER, _SEEN),
    # A guest suspended to disk is stopped with the lock `suspended`; start resumes it.
    Operation.START: OperationRow(
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
    Operation.REBOOT: OperationRow(
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
    Operation.SHUTDOWN: OperationRow(
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
    Operation.STOP: OperationRow(
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
    Operation.SUSPEND: OperationRow(
        Level.OPERATOR,
        _GUEST,
        Effect.GUEST,
        guarded=True,
        tasks={Kind.QEMU: frozenset({"qmpause"})},
        states=frozenset({State.RUNNING}),
        becomes=State.PAUSED,
        power="suspend",
    ),
    Operation.RESUME: OperationRow(
        Level.OPERATOR,
        _GUEST,
        Effect.GUEST,
        tasks={Kind.QEMU: frozenset({"qmresume"})},
        states=frozenset({State.PAUSED, State.SUSPENDED}),
        becomes=State.RUNNING,
        power="resume",
    ),
    # The QEMU process lives on, so a paused VM would stay paused.
    Operation.RESET: OperationRow(
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
    Operation.CREATE: OperationRow(
        Level.ADMIN,
        _GUEST,
        Effect.GUEST,
        tasks=_tasks("clone"),
        states=ANY_STATE,
        template=True,
    ),
    Operation.RESIZE: OperationRow(
        Level.ADMIN,
        _GUEST,
        Effect.GUEST,
        guarded=True,
        tasks=_tasks("config"),
        states=KNOWN,
    ),
    Operation.DELETE: OperationRow(
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
    Operation.SNAPSHOT_CREATE: OperationRow(
        Level.OPERATOR,
        _GUEST,
        Effect.GUEST,
        tasks=_tasks("snapshot"),
        states=KNOWN,
    ),
    Operation.SNAPSHOT_ROLLBACK: OperationRow(
        Level.ADMIN,
        _GUEST,
        Effect.GUEST,
        guarded=True,
        tasks=_tasks("rollback"),
        states=KNOWN,
        asks=True,
        stops=True,
    ),
    Operation.SNAPSHOT_DELETE: OperationRow(
        Level.ADMIN,
        _GUEST,
        Effect.GUEST,
        guarded=True,
        tasks=_tasks("delsnapshot"),
        states=KNOWN,
        asks=True,
    ),
    Operation.ACKNOWLEDGE: OperationRow(Level.OPERATOR, _GUEST, Effect.WORDS, on_alerts=True),
    Operation.MONITOR_MUTE: OperationRow(
        Level.OPERATOR,
        _GUEST,
        Effect.WORDS,
        guarded_after=LONG_MUTE_SECONDS,
        on_alerts=True,
    ),
    Operation.MONITOR_UNMUTE: OperationRow(Level.OPERATOR, _GUEST, Effect.WORDS, on_alerts=True),
    Operation.MONITOR_ADD: OperationRow(Level.ADMIN, _GUEST, Effect.LIST),
    Operation.MONITOR_REMOVE: OperationRow(Level.ADMIN, _GUEST, Effect.LIST, guarded=True),
    Operation.AUDIT: OperationRow(Level.ADMIN, _WHOLE),
    Operation.HEALTH: OperationRow(Level.ADMIN, _WHOLE),
    Operation.MONITOR_TEST: OperationRow(Level.ADMIN, _WHOLE, Effect.WORDS),
    Operation.READONLY_ON: OperationRow(Level.ADMIN, _WHOLE, Effect.WORDS),
    Operation.READONLY_OFF: OperationRow(Level.ADMIN, _WHOLE, Effect.WORDS),
    Operation.DASHBOARD_CREATE: OperationRow(Level.ADMIN, _SEEN, Effect.WORDS),
    Operation.DASHBOARD_REMOVE: OperationRow(Level.ADMIN, _SEEN, Effect.WORDS),
    Operation.DASHBOARD_LIST: OperationRow(Level.ADMIN, _SEEN),
}
"""One row per operation.

A mute, or a button of an alert, need not be about one guest. If it is about several guests, the person needs the
level on each of them. If it is about a node, a storage or everything, they need it on the whole cluster.
"""

ACTIONS = tuple(operation for operation in Operation if OPERATIONS[operation].effect is Effect.GUEST)
"""The operations that change a guest."""
