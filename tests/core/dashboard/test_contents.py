"""Test the contents of a dashboard, and the reads that they cost."""

from pathlib import Path

from core.access.guest_index import GuestIndex
from core.access.policy import AccessRules, Scope, ScopeKind
from core.dashboard.contents import contents_of, part_of
from core.dashboard.model import DASHBOARDS_MOST, WHOLE, Extent
from core.guest import Cluster, Guest, Kind, Node, State, Storage, TaskSummary
from core.levels import Level
from core.watch.incidents.model import Incident, Severity, Topic
from tests.support.dashboard.world import BoardTrial
from tests.support.fakes import RULES
from tests.support.walked import walked

GUESTS = (
    Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web", cpu=0.2, tags=("web",), pool="lab/a"),
    Guest(102, Kind.LXC, "pve1", State.RUNNING, "db", cpu=0.9, tags=("Web", "game")),
    Guest(103, Kind.QEMU, "pve2", State.STOPPED, "old", pool="labs"),
    Guest(104, Kind.QEMU, "pve2", State.RUNNING, "template", template=True),
)
CLUSTER = Cluster(
    GUESTS,
    (Node("pve1", True), Node("pve2", True)),
    0.0,
    (Storage("local", "pve1", False, True), Storage("nas", "pve2", True, True)),
)
TASKS = (
    TaskSummary("U1", "vzdump", "root@pam", 10, None, None, "pve1", ""),
    TaskSummary("U2", "qmstart", "root@pam", 5, None, None, "pve2", "103"),
    TaskSummary("U3", "qmstart", "root@pam", 5, 6, "OK", "pve1", "101"),
    TaskSummary("U4", "vncproxy", "root@pam", 1, None, None, "pve1", "101"),
)
DOWN = Incident(1, Topic.NODE, "node/pve2", Severity.CRITICAL, 1.0, 1.0, node="pve2")
SCOPED = AccessRules(1, 2, levels={5: Level.ADMIN}, scopes={5: (Scope(ScopeKind.TAG, "game"),)})


@walked(
    ("extent", "vmids", "nodes", "storages", "incidents", "tasks"),
    [
        (WHOLE, [101, 102, 103, 104], ["pve1", "pve2"], ["local", "nas"], [1], ["U2", "U1"]),
        (Extent(node="pve2"), [103, 104], ["pve2"], ["nas"], [1], ["U2"]),
        (Extent(tag="web"), [101, 102], ["pve1"], [], [], []),
        (Extent(pool="lab"), [101], ["pve1"], [], [], []),
        (Extent(node="pve2", tag="web"), [], [], [], [], []),
        (Extent(roles=(5,)), [102], ["pve1"], [], [], []),
        (Extent(roles=(6,)), [], [], [], [], []),
    ],
)
def test_an_extent_limits_everything(
    extent: Extent,
    vmids: list[int],
    nodes: list[str],
    storages: list[str],
    incidents: list[int],
    tasks: list[str],
) -> None:
    shown = contents_of(extent, part_of(extent, SCOPED, GuestIndex(CLUSTER)), (DOWN,), TASKS, 0.0)
    assert shown.cluster is not None
    assert [guest.vmid for guest in shown.cluster.guests] == vmids
    assert [node.name for node in shown.cluster.nodes] == nodes
    assert [storage.name for storage in shown.cluster.storages] == storages
    assert [incident.id for incident in shown.incidents] == incidents
    assert [task.upid for task in shown.tasks or ()] == tasks
    assert [guest.vmid for guest in shown.menu] == vmids


def test_the_busiest_come_first_and_the_menu_holds_no_more_than_it_may() -> None:
    shown = contents_of(WHOLE, part_of(WHOLE, RULES, GuestIndex(CLUSTER)), (), None, 0.0)
    assert [guest.vmid for guest in shown.busiest] == [102, 101]
    many = tuple(
        Guest(number, Kind.QEMU, "pve1", State.RUNNING, f"vm{number}", cpu=(number % 100) / 100)
        for number in range(1000, 6000)
    )
    shown = contents_of(WHOLE, part_of(WHOLE, RULES, GuestIndex(Cluster(many, (), 0.0))), (), None, 0.0)
    assert [guest.vmid for guest in shown.busiest] == [1099, 1199, 1299, 1399, 1499, 1599]
    assert len(shown.menu) == 25
    assert {guest.vmid for guest in shown.busiest} <= {guest.vmid for guest in shown.menu}


async def test_ten_dashboards_of_5000_guests_cost_one_read_per_interval(tmp_path: Path) -> None:
    trial = BoardTrial(tmp_path / "journal.db")
    try:
        trial.proxmox.add(
            *(
                Guest(number, Kind.QEMU, "pve1", State.RUNNING, f"vm{number}", tags=("web",))
                for number in range(1000, 6000)
            )
        )
        trial.change(1000, State.RUNNING)  # from here on the truth has the new guests
        extents = (WHOLE, Extent(node="pve1"), Extent(tag="web"), Extent(node="pve1", tag="web"))
        places = [(channel, extent) for extent in extents for channel in (1, 2, 3)][: DASHBOARDS_MOST + 1]
        await trial.pass_time(0.0)
        made = [await trial.create(trial.new(*place)) for place in places]
        assert made == [True] * DASHBOARDS_MOST + [False]
        await trial.pass_time(59.0)
        trial.proxmox.asked.clear()
        trial.checks = False
        for minute in range(3):
            trial.change(1000 + minute, State.STOPPED)
            await trial.pass_time(60.0)
        assert trial.proxmox.asked.count("cluster") == 3
        assert trial.proxmox.asked.count("cluster_tasks") == 3
        assert len(trial.proxmox.asked) == 6
        assert len(trial.discord.edits) == DASHBOARDS_MOST, "and each was kept up to date"
        trial.check_all_well()
    finally:
        trial.close()
