"""Put the operations into groups, in the order in which /help and /access show them."""

from collections.abc import Collection, Iterator

from core.operations import Operation
from ui.i18n import N_, Marked

GROUPS: tuple[tuple[Marked, tuple[Operation, ...]], ...] = (
    (
        N_("View"),
        (
            *(Operation.STATUS, Operation.LIST, Operation.INFO),
            *(Operation.GRAPH_GUEST, Operation.GRAPH_NODE, Operation.NODE_LIST, Operation.NODE_INFO),
            *(Operation.STORAGE, Operation.ACCESS, Operation.HELP),
        ),
    ),
    (
        N_("Power"),
        (
            *(Operation.START, Operation.SHUTDOWN, Operation.REBOOT),
            *(Operation.SUSPEND, Operation.RESUME, Operation.STOP, Operation.RESET),
        ),
    ),
    (
        N_("Snapshots"),
        (
            *(Operation.SNAPSHOT_LIST, Operation.SNAPSHOT_CREATE),
            *(Operation.SNAPSHOT_ROLLBACK, Operation.SNAPSHOT_DELETE),
        ),
    ),
    (
        N_("Monitoring"),
        (
            *(Operation.MONITOR_STATUS, Operation.MONITOR_LIST, Operation.MONITOR_HISTORY),
            *(Operation.ACKNOWLEDGE, Operation.MONITOR_MUTE, Operation.MONITOR_UNMUTE),
            *(Operation.MONITOR_ADD, Operation.MONITOR_REMOVE, Operation.MONITOR_TEST),
        ),
    ),
    (
        N_("Administration"),
        (
            *(Operation.CREATE, Operation.RESIZE, Operation.DELETE),
            *(Operation.AUDIT, Operation.HEALTH, Operation.READONLY_ON, Operation.READONLY_OFF),
            *(Operation.DASHBOARD_LIST, Operation.DASHBOARD_CREATE, Operation.DASHBOARD_REMOVE),
        ),
    ),
)
"""Each operation is in exactly one group."""


def in_groups(operations: Collection[Operation]) -> Iterator[tuple[Marked, list[Operation]]]:
    """Yield each group that has any of these operations, with those that it has."""
    for name, group in GROUPS:
        if found := [each for each in group if each in operations]:
            yield name, found
