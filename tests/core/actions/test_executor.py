"""Test an action from order to outcome, on a cluster that keeps its state.

It is sent once, followed to its end, and reported truthfully.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.access.policy import AccessRules, Scope, ScopeKind
from core.actions.expected_stops import GRACE_SECONDS, LAG_SECONDS
from core.actions.order import Change, Order, Plan
from core.actions.result import SETTLE_SECONDS, SETTLE_SECONDS_HA
from core.actions.sender import CLOCK_SKEW, ID_TRIES
from core.audit.record import NOTHING_STARTED, Ending, ending_of
from core.cluster.cache import OVERLAY_SECONDS
from core.error_codec import word_of
from core.errors import (
    AnswerTooLate,
    BotError,
    ChangedMeanwhile,
    JournalFailed,
    NameMismatch,
    NoReason,
    NotHere,
    Refused,
    TooManyChanges,
    Unconfirmed,
)
from core.guest import Backup, Backups, Fallback, Guest, GuestConfig, Kind, Node, Snapshot, State
from core.guest_errors import (
    BalloonTooLarge,
    GuestBusy,
    GuestLocked,
    GuestNotFound,
    GuestProtected,
    MemoryNotSaved,
    NotATemplate,
    NothingGiven,
    NothingToChange,
    SnapshotExists,
    SnapshotNotFound,
    SnapshotUnsupported,
    TemplateRefused,
    VmidTaken,
    WrongState,
)
from core.levels import Level
from core.operations import ACTIONS, OPERATIONS, Operation
from core.proxmox import Pending
from core.proxmox_errors import (
    BadAnswer,
    GuestMoved,
    LinkedCloneUnsupported,
    MissingPrivilege,
    NodeUnreachable,
    TargetNotShared,
    TimedOut,
    TokenRefused,
    Unreachable,
)
from core.tasks import Progress, TaskEnd
from core.wanted_errors import BadAmount, BadGuestName, BadSnapshotName, BadVmid
from tests.support.catalogue import ACTION, COMMANDS
from tests.support.fakes import AKIKO, CONFIG, RULES, STRANGER, TEMPLATE, FakeWorld, Lost, guest, refusal
from tests.support.walked import walked

LATE = TimedOut("pve1", True)
SNAPSHOT = Snapshot("before", 1_789_000_000, "before the update", False, None)


def create(world: FakeWorld, **values: Any) -> Order:
    return world.order(Operation.CREATE, 900, **{"name": "new01", **values})


async def assert_not_held(world: FakeWorld, vmid: int) -> None:
    """Check that no action holds the guest, whatever else may refuse it."""
    try:
        await world.executor.plan(world.order(Operation.STOP, vmid))
    except GuestBusy:
        raise AssertionError(f"{vmid} is still held") from None
    except BotError:
        return


def clones(world: FakeWorld) -> list[dict[str, object]]:
    return [sent.values for sent in world.proxmox.sent if sent.what == "clone"]


# --- every action, to its good end ---


@walked(
    ("operation", "before", "after", "kind"),
    [
        (operation, before, action.becomes or before, kind)
        for operation, action in ACTION.items()
        if action.power
        for before in action.states & {State.RUNNING, State.PAUSED, State.STOPPED}
        for kind in action.tasks
    ],
)
async def test_power(operation: Operation, before: State, after: State, kind: Kind) -> None:
    world = FakeWorld([guest(101, before, kind=kind)])
    report = await world.executor.execute(world.order(operation))
    assert world.sent == [(operation.value, 101, "pve1")]
    assert report.task is not None
    assert report.task.end is TaskEnd.OK
    assert report.after is not None
    assert (report.after.state, report.settled, report.good) == (after, True, True)
    assert world.proxmox.guests[101].state is after
    task = world.proxmox.tasks[report.task.upid]
    assert task.type in OPERATIONS[operation].tasks[kind]


async def test_create() -> None:
    world = FakeWorld([TEMPLATE])
    report = await world.executor.execute(create(world))
    assert clones(world) == [{"newid": 200, "name": "new01", "target": None, "full": False}]
    assert report.after == Guest(200, Kind.QEMU, "pve1", State.STOPPED, "new01")
    assert world.proxmox.guests[200].name == "new01"
    assert report.plan.new_vmid == 200


async def test_create_with_a_requested_vmid_asks_for_no_other() -> None:
    world = FakeWorld([TEMPLATE])
    report = await world.executor.execute(create(world, new_vmid=555))
    assert report.after is not None
    assert report.after.vmid == 555
    assert "next_id" not in world.proxmox.asked


async def test_delete() -> None:
    world = FakeWorld([guest(101, State.STOPPED)])
    report = await world.executor.execute(world.order(Operation.DELETE))
    assert (report.good, report.after, report.settled) == (True, None, True)
    assert 101 not in world.proxmox.guests
    assert world.cluster_cache.last is not None
    assert world.cluster_cache.last.find(101) is None


async def test_snapshots() -> None:
    world = FakeWorld([guest(101)])
    await world.executor.execute(world.order(Operation.SNAPSHOT_CREATE, snapshot="before", with_memory=True))
    (kept,) = world.proxmox.kept[101]
    assert (kept.name, kept.memory) == ("before", True)
    report = await world.executor.execute(world.order(Operation.SNAPSHOT_ROLLBACK, snapshot="before"))
    assert report.after is not None
    assert report.after.state is State.RUNNING
    await world.executor.execute(world.order(Operation.SNAPSHOT_DELETE, snapshot="before"))
    assert world.proxmox.kept[101] == ()


async def test_resize_of_a_container_takes_effect_at_once_without_a_task() -> None:
    world = FakeWorld([guest(101, kind=Kind.LXC)])
    report = await world.executor.execute(world.order(Operation.RESIZE, cores=4, memory_mb=4096))
    assert report.task is None
    assert report.good
    assert report.change == Change((2, 4), (2048, 4096), waits_for_restart=False)


async def test_resize_of_a_running_vm_waits_for_a_restart() -> None:
    world = FakeWorld([guest(101)])
    report = await world.executor.execute(world.order(Operation.RESIZE, cores=4))
    assert report.change == Change((2, 4), None, waits_for_restart=True)
    assert world.proxmox.sent[0].values == {"cores": 4, "memory_mb": None, "digest": "d1"}


async def test_resize_of_a_stopped_vm_waits_for_nothing() -> None:
    world = FakeWorld([guest(101, State.STOPPED)])
    report = await world.executor.execute(world.order(Operation.RESIZE, memory_mb=1024))
    assert report.change == Change(None, (2048, 1024), waits_for_restart=False)


async def test_other_pending_values_do_not_count_as_the_resize() -> None:
    world = FakeWorld([guest(101, State.STOPPED)])
    world.proxmox.waiting[101] = (Pending("boot", "order=scsi0", "order=net0"), Pending("cores", "2", None))
    report = await world.executor.execute(world.order(Operation.RESIZE, memory_mb=1024))
    assert report.change is not None
    assert not report.change.waits_for_restart


@pytest.mark.parametrize(
    ("earlier", "resize"),
    [
        (Pending("cores", "2", "8"), {"memory_mb": 1024}),
        (Pending("memory", "2048", "4096"), {"cores": 3}),
    ],
)
async def test_an_earlier_resize_that_waits_does_not_count_as_this_one(
    earlier: Pending, resize: dict[str, Any]
) -> None:
    world = FakeWorld([guest(101, kind=Kind.LXC)])
    world.proxmox.waiting[101] = (earlier,)
    report = await world.executor.execute(world.order(Operation.RESIZE, **resize))
    assert report.change is not None
    assert not report.change.waits_for_restart


@pytest.mark.parametrize(
    ("kind", "state", "waits"),
    [
        (Kind.QEMU, State.RUNNING, True),
        (Kind.QEMU, State.STOPPED, False),
        (Kind.LXC, State.RUNNING, False),
    ],
)
async def test_where_pending_values_cannot_be_read_kind_and_state_decide(
    kind: Kind, state: State, waits: bool
) -> None:
    world = FakeWorld([guest(101, state, kind=kind)])
    for _ in ("the plan", "the outcome"):
        world.proxmox.next("pending", MissingPrivilege("VM.Audit", "/vms/101"))
    report = await world.executor.execute(world.order(Operation.RESIZE, cores=3))
    assert report.change is not None
    assert report.change.waits_for_restart is waits


@pytest.mark.parametrize(
    ("live", "wished"),
    [({"cores": 2}, {"cores": 4}), ({"memory_mb": 2048}, {"memory_mb": 4096})],
)
async def test_a_resize_that_waits_for_a_restart_can_be_taken_back(
    live: dict[str, Any], wished: dict[str, Any]
) -> None:
    world = FakeWorld([RUNNING])
    first = await world.executor.execute(world.order(Operation.RESIZE, **wished))
    assert first.change is not None
    assert first.change.waits_for_restart
    assert [len(waiting) for waiting in world.proxmox.waiting.values()] == [1]
    report = await world.executor.execute(world.order(Operation.RESIZE, **live))
    assert report.good
    assert report.change is None
    assert [len(waiting) for waiting in world.proxmox.waiting.values()] == [0]
    with pytest.raises(NothingToChange):
        await world.executor.execute(world.order(Operation.RESIZE, **live))


@pytest.mark.parametrize(
    "waiting",
    [
        (Pending("memory", "2048", "4096"),),
        (Pending("cores", "2", None),),
        (Pending("boot", "order=scsi0", "order=net0"),),
    ],
)
async def test_a_resize_that_changes_nothing_is_refused_where_something_else_waits(
    waiting: tuple[Pending, ...],
) -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.waiting[101] = waiting
    with pytest.raises(NothingToChange):
        await world.executor.execute(world.order(Operation.RESIZE, cores=2))
    assert world.sent == []


async def test_a_resize_of_nothing_asks_proxmox_nothing() -> None:
    world = FakeWorld([RUNNING])
    with pytest.raises(NothingGiven):
        await world.executor.plan(world.order(Operation.RESIZE))
    assert world.proxmox.asked == []


async def test_cores_are_counted_over_all_sockets() -> None:
    world = FakeWorld([guest(101)])
    world.proxmox.configs[101] = replace(CONFIG, sockets=2)
    report = await world.executor.execute(world.order(Operation.RESIZE, cores=3))
    assert report.change is not None
    assert report.change.cores == (4, 6)


# --- refused before anything is sent ---

Prepare = Callable[[FakeWorld], None]


def nothing(world: FakeWorld) -> None:
    """Change nothing."""


def protected(world: FakeWorld) -> None:
    world.proxmox.configs[101] = replace(CONFIG, protection=True)


def ballooning(world: FakeWorld) -> None:
    world.proxmox.configs[101] = replace(CONFIG, balloon_mb=1024)


def with_snapshot(world: FakeWorld) -> None:
    world.proxmox.kept[101] = (SNAPSHOT,)


def without_snapshots(world: FakeWorld) -> None:
    world.proxmox.snapshots_possible = False


def node_down(world: FakeWorld) -> None:
    world.proxmox.nodes = (Node("pve1", False), Node("pve2", True))


STOPPED, RUNNING = guest(101, State.STOPPED), guest(101)


@walked(
    ("operation", "vmid", "found", "values", "prepare", "error"),
    [
        (Operation.START, 101, RUNNING, {}, nothing, WrongState),
        (Operation.STOP, 101, STOPPED, {}, nothing, WrongState),
        (Operation.SHUTDOWN, 101, guest(101, lock="backup"), {}, nothing, GuestLocked),
        (Operation.START, 900, RUNNING, {}, nothing, TemplateRefused),
        (Operation.START, 102, RUNNING, {}, nothing, GuestNotFound),
        (Operation.START, 99, RUNNING, {}, nothing, BadVmid),
        (Operation.START, -1, RUNNING, {}, nothing, BadVmid),
        (Operation.REBOOT, 101, RUNNING, {}, node_down, NodeUnreachable),
        (Operation.DELETE, 101, STOPPED, {}, protected, GuestProtected),
        (Operation.DELETE, 101, RUNNING, {}, nothing, WrongState),
        (Operation.CREATE, 101, STOPPED, {"name": "new01"}, nothing, NotATemplate),
        (Operation.CREATE, 900, STOPPED, {"name": "a_b"}, nothing, BadGuestName),
        (Operation.CREATE, 900, STOPPED, {}, nothing, BadGuestName),
        (Operation.CREATE, 900, STOPPED, {"name": "a", "new_vmid": 101}, nothing, VmidTaken),
        (Operation.CREATE, 900, STOPPED, {"name": "a", "new_vmid": 5}, nothing, BadVmid),
        (Operation.RESIZE, 101, RUNNING, {"cores": 0}, nothing, BadAmount),
        (Operation.RESIZE, 101, RUNNING, {"memory_mb": 15}, nothing, BadAmount),
        (Operation.RESIZE, 101, RUNNING, {"cores": 2, "memory_mb": 2048}, nothing, NothingToChange),
        (Operation.RESIZE, 101, RUNNING, {}, nothing, NothingGiven),
        (Operation.RESIZE, 101, RUNNING, {"memory_mb": 512}, ballooning, BalloonTooLarge),
        (Operation.SNAPSHOT_CREATE, 101, RUNNING, {"snapshot": "1st"}, nothing, BadSnapshotName),
        (Operation.SNAPSHOT_CREATE, 101, RUNNING, {}, nothing, BadSnapshotName),
        (Operation.SNAPSHOT_CREATE, 101, RUNNING, {"snapshot": "before"}, with_snapshot, SnapshotExists),
        (Operation.SNAPSHOT_CREATE, 101, RUNNING, {"snapshot": "ab"}, without_snapshots, SnapshotUnsupported),
        (
            Operation.SNAPSHOT_CREATE,
            101,
            STOPPED,
            {"snapshot": "ab", "with_memory": True},
            nothing,
            MemoryNotSaved,
        ),
        (
            Operation.SNAPSHOT_CREATE,
            101,
            guest(101, kind=Kind.LXC),
            {"snapshot": "ab", "with_memory": True},
            nothing,
            MemoryNotSaved,
        ),
        (
            Operation.SNAPSHOT_CREATE,
            101,
            guest(101, kind=Kind.LXC),
            {"snapshot": "vzdump"},
            nothing,
            BadSnapshotName,
        ),
        (Operation.SNAPSHOT_ROLLBACK, 101, RUNNING, {"snapshot": "other"}, with_snapshot, SnapshotNotFound),
        (Operation.SNAPSHOT_DELETE, 101, RUNNING, {"snapshot": "other"}, with_snapshot, SnapshotNotFound),
        (Operation.SNAPSHOT_DELETE, 101, RUNNING, {"snapshot": "../x"}, with_snapshot, BadSnapshotName),
    ],
)
async def test_refused_before_anything_is_sent(
    operation: Operation,
    vmid: int,
    found: Guest,
    values: dict[str, Any],
    prepare: Prepare,
    error: type[BotError],
) -> None:
    world = FakeWorld([found, TEMPLATE])
    prepare(world)
    order = world.order(operation, vmid, **values)
    for attempt in (world.executor.plan(order), world.executor.execute(order)):
        with pytest.raises(error) as caught:
            await attempt
        assert type(caught.value) is error
    assert world.sent == []
    assert world.ledger.steps == ["refused" if issubclass(error, Refused) else "ended"] * 2
    assert world.ledger.entries[0].outcome == str(caught.value)
    assert world.expected.current() == {}
    await assert_not_held(world, vmid)


@walked("operation", ACTIONS)
async def test_access_is_decided_again_in_the_action(operation: Operation) -> None:
    world = FakeWorld([RUNNING, TEMPLATE])
    order = world.order(operation, actor=STRANGER, name="new01", cores=8, snapshot="before")
    for attempt in (world.executor.plan(order), world.executor.execute(order)):
        with pytest.raises(NotHere):
            await attempt
    assert world.proxmox.asked in (["cluster"], ["cluster"] * 2), "no more than the list is read"
    assert [(entry.step, entry.actor) for entry in world.ledger.entries] == [("refused", STRANGER)] * 2


async def test_a_plan_changes_nothing_and_shows_the_losses() -> None:
    world = FakeWorld([STOPPED])
    world.proxmox.kept[101] = (SNAPSHOT,)
    plan = await world.executor.plan(world.order(Operation.DELETE))
    assert (plan.guest, plan.config, plan.snapshots) == (STOPPED, CONFIG, (SNAPSHOT,))
    assert world.sent == []
    assert world.ledger.steps == ["planned"]


async def test_no_text_of_an_unexpected_error_is_kept() -> None:
    world, secret = FakeWorld([RUNNING]), "PVEAPIToken=bot@pve!discord=1234"

    def break_down() -> None:
        raise RuntimeError(secret)

    world.proxmox.next("power", break_down)
    with pytest.raises(RuntimeError):
        await world.executor.execute(world.order(Operation.STOP))
    assert world.ledger.steps == ["asked", "ended"]
    assert world.ledger.entries[-1].outcome == "unknown: RuntimeError"
    assert secret not in str(world.ledger.entries)


# --- what has to be typed ---

VALUES = {
    Operation.RESIZE: {"cores": 8},
    Operation.SNAPSHOT_ROLLBACK: {"snapshot": "before"},
    Operation.SNAPSHOT_DELETE: {"snapshot": "before"},
}
"""What the order of an operation needs besides the guest."""
GUARDED = [
    (command.operation, guest(101, command.action.begins), VALUES.get(command.operation, {}))
    for command in COMMANDS
    if command.guarded and command.action is not None
]


def protecting(how: str, found: Guest) -> FakeWorld:
    """Return a world in which 101 is protected: by the bot's configuration, its tag or Proxmox' flag."""
    tagged = replace(found, tags=("protected",)) if how == "tag" else found
    world = FakeWorld(
        [tagged], rules=replace(RULES, protected=frozenset({101}) if how == "setting" else frozenset())
    )
    world.proxmox.configs[101] = replace(CONFIG, protection=how == "flag")
    world.proxmox.kept[101] = (SNAPSHOT,)
    return world


@walked("how", ["setting", "tag", "flag"])
@walked(("operation", "found", "values"), GUARDED)
async def test_a_protected_guest_is_guarded_in_every_way(
    operation: Operation, found: Guest, values: dict[str, Any], how: str
) -> None:
    if (operation, how) == (Operation.DELETE, "flag"):
        return  # Proxmox itself refuses: GuestProtected
    name: dict[str, Any] = {"typed": found.label, "reason": "why"}
    for words, error in (
        ({"typed": None}, Unconfirmed),
        ({"typed": None, "reason": "why"}, Unconfirmed),
        ({"typed": found.label}, NoReason),
        ({"typed": "web", "reason": "why"}, NameMismatch),
    ):
        world = protecting(how, found)
        with pytest.raises(error):
            await world.executor.execute(world.order(operation, **values, **words))
        assert world.sent == []
        assert world.ledger.steps == ["refused"]
    world = protecting(how, found)
    assert (await world.executor.execute(world.order(operation, **values, **name))).good
    assert [entry.reason for entry in world.ledger.entries] == ["why", "why"]


@pytest.mark.parametrize(("typed", "error"), [(None, Unconfirmed), ("", NameMismatch), ("web", NameMismatch)])
async def test_nothing_is_deleted_without_its_name(typed: str | None, error: type[BotError]) -> None:
    world = FakeWorld([STOPPED])
    with pytest.raises(error):
        await world.executor.execute(world.order(Operation.DELETE, typed=typed))
    assert world.sent == []


@pytest.mark.parametrize("may_ask", [False, True])
async def test_a_guest_that_moves_and_is_protected_there_is_left_alone(may_ask: bool) -> None:
    world = FakeWorld([RUNNING])

    def moved() -> None:
        world.proxmox.change(101, node="pve2")
        world.proxmox.configs[101] = replace(CONFIG, protection=True)

    world.proxmox.next("power", moved)
    with pytest.raises(Unconfirmed):
        await world.executor.execute(world.order(Operation.STOP), may_ask=may_ask)
    assert world.sent == [("stop", 101, "pve1")]
    assert world.ledger.steps == ["asked", "ended"], "the attempt does not stay open"


async def test_remaining_backups_and_snapshots_are_read_only_for_the_question() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.kept[101] = (SNAPSHOT,)
    saved = Backups((Backup("pbs", "pbs:x", 1_789_000_000, 5),))
    world.proxmox.saved[101] = saved
    shown = await world.executor.plan(world.order(Operation.STOP))
    assert shown.fallback == Fallback(saved, (SNAPSHOT,))
    single = await world.executor.plan(world.order(Operation.SNAPSHOT_DELETE, snapshot="before"))
    assert single.fallback == Fallback(saved, ())
    assert (await world.executor.plan(world.order(Operation.SHUTDOWN))).fallback is None
    asked = world.proxmox.asked.count("backups")
    await world.executor.execute(world.order(Operation.STOP), shown=shown)
    assert world.proxmox.asked.count("backups") == asked == 2


# --- where the guest is ---


async def test_a_guest_that_has_moved_since_the_last_read_is_found_again() -> None:
    world = FakeWorld([STOPPED])
    await world.cluster_cache.read()
    world.proxmox.change(101, node="pve2")
    report = await world.executor.execute(world.order(Operation.START))
    assert world.sent == [("start", 101, "pve2")]
    assert report.after is not None
    assert report.after.node == "pve2"


async def test_a_guest_that_moves_just_before_the_request_is_found_again() -> None:
    world = FakeWorld([STOPPED])
    world.proxmox.next("power", lambda: world.proxmox.change(101, node="pve2"))
    report = await world.executor.execute(world.order(Operation.START))
    assert world.sent == [("start", 101, "pve1"), ("start", 101, "pve2")]
    assert report.good
    assert report.plan.guest.node == "pve2"
    assert world.ledger.steps == ["asked", "ended"]
    assert world.ledger.entries[-1].node == "pve2"


MOVES = [
    (Operation.DELETE, STOPPED, {}, "config"),
    (Operation.DELETE, STOPPED, {}, "snapshots"),
    (Operation.RESIZE, RUNNING, {"cores": 4}, "config"),
    (Operation.RESIZE, RUNNING, {"cores": 2}, "pending"),
    (Operation.SNAPSHOT_CREATE, RUNNING, {"snapshot": "ab"}, "snapshots"),
    (Operation.SNAPSHOT_CREATE, RUNNING, {"snapshot": "ab"}, "can_snapshot"),
    (Operation.SNAPSHOT_ROLLBACK, RUNNING, {"snapshot": "before"}, "snapshots"),
    (Operation.SNAPSHOT_DELETE, RUNNING, {"snapshot": "before"}, "snapshots"),
]


@walked(("operation", "found", "values", "method"), MOVES)
async def test_a_guest_that_moves_during_the_planning_is_planned_for_again(
    operation: Operation, found: Guest, values: dict[str, Any], method: str
) -> None:
    world = FakeWorld([found])
    world.proxmox.kept[101] = (SNAPSHOT,)
    world.proxmox.waiting[101] = (Pending("cores", "2", "8"),)
    world.proxmox.next(method, lambda: world.proxmox.change(101, node="pve2"))
    plan = await world.executor.plan(world.order(operation, **values))
    assert plan.guest == replace(found, node="pve2")
    assert (await world.executor.execute(world.order(operation, **values))).good
    assert [node for _, _, node in world.sent] == ["pve2"]


async def test_a_guest_that_keeps_moving_is_planned_for_twice_only() -> None:
    world = FakeWorld([STOPPED])
    flee = [lambda node=node: world.proxmox.change(101, node=node) for node in ("pve2", "pve1", "pve2")]
    world.proxmox.next("config", *flee)
    with pytest.raises(GuestMoved):
        await world.executor.plan(world.order(Operation.DELETE))
    assert world.proxmox.asked.count("config") == 2


async def test_a_guest_that_moves_right_after_an_action_is_found() -> None:
    """The state that the action saw is shown in place of the list's, and must not hide the guest's new node."""
    world = FakeWorld([RUNNING])
    await world.executor.execute(world.order(Operation.STOP))
    world.proxmox.change(101, node="pve2")
    assert (await world.executor.execute(world.order(Operation.START))).good
    assert world.sent == [("stop", 101, "pve1"), ("start", 101, "pve2")]


async def test_a_guest_that_keeps_moving_is_found_again_once_only() -> None:
    world = FakeWorld([STOPPED])
    flee = [lambda node=node: world.proxmox.change(101, node=node) for node in ("pve2", "pve1", "pve2")]
    world.proxmox.next("power", *flee)
    with pytest.raises(GuestMoved):
        await world.executor.execute(world.order(Operation.START))
    assert len(world.sent) == 2
    assert world.ledger.steps == ["asked", "ended"]


async def test_a_moved_guest_that_is_another_one_now_is_left_alone() -> None:
    world = FakeWorld([STOPPED])

    def replaced() -> None:
        world.proxmox.change(101, node="pve2", name="other")

    world.proxmox.next("power", replaced)
    with pytest.raises(ChangedMeanwhile):
        await world.executor.execute(world.order(Operation.START))
    assert world.sent == [("start", 101, "pve1")]


async def test_a_guest_gone_in_the_meantime_is_not_found() -> None:
    world = FakeWorld([STOPPED])
    await world.cluster_cache.read()
    del world.proxmox.guests[101]
    with pytest.raises(GuestNotFound):
        await world.executor.execute(world.order(Operation.START))
    assert world.sent == []


async def test_a_guest_made_a_moment_ago_is_found() -> None:
    world = FakeWorld([])
    await world.cluster_cache.read()
    world.proxmox.add(STOPPED)
    assert (await world.executor.execute(world.order(Operation.START))).good


# --- the one request ---


@walked("error", [LATE, NodeUnreachable("pve1", changing=True)])
@walked("kind", Kind)
async def test_a_lost_answer_is_not_asked_for_again_and_the_started_task_is_followed(
    error: BotError, kind: Kind
) -> None:
    world = FakeWorld([guest(101, kind=kind)])
    world.proxmox.next("power", Lost(error))
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert world.sent == [("shutdown", 101, "pve1")]
    assert report.good
    assert report.task is not None
    assert report.task.upid == next(iter(world.proxmox.tasks))
    assert world.proxmox.guests[101].state is State.STOPPED


@pytest.mark.parametrize("error", [LATE, NodeUnreachable("pve1", changing=True)])
async def test_without_a_task_the_time_out_is_reported(error: BotError) -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("power", error)
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert len(world.sent) == 1
    assert world.expected.current() == {101: "Akiko"}


async def test_where_nothing_was_sent_no_task_is_looked_for() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.start_task("qmshutdown", 101, "pve1", lambda: None)
    world.proxmox.next("power", NodeUnreachable("pve1", changing=False))
    with pytest.raises(NodeUnreachable):
        await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert "recent_tasks" not in world.proxmox.asked
    assert world.expected.current() == {}


@walked(
    ("kind", "vmid", "user", "ago", "adopted"),
    [
        ("qmshutdown", 101, "bot@pve!discord", 0, True),
        ("hastop", 101, "bot@pve!discord", 0, True),
        ("qmshutdown", 101, "bot@pve!discord", CLOCK_SKEW - 1, True),
        ("qmshutdown", 101, "bot@pve!discord", CLOCK_SKEW + 2, False),
        ("qmshutdown", 101, "bot@pve!other", 0, False),
        ("qmshutdown", 101, "bot@pve", 0, False),
        ("qmshutdown", 101, "root@pam", 0, False),
        ("qmstop", 101, "bot@pve!discord", 0, False),
        ("vzshutdown", 101, "bot@pve!discord", 0, False),
        ("qmshutdown", 102, "bot@pve!discord", 0, False),
    ],
)
async def test_only_ones_own_task_of_the_right_type_and_time_is_adopted(
    kind: str, vmid: int, user: str, ago: float, adopted: bool
) -> None:
    world = FakeWorld([RUNNING, guest(102)])
    upid = world.proxmox.start_task(
        kind,
        vmid,
        "pve1",
        lambda: world.proxmox.change(vmid, state=State.STOPPED),
        user=user,
        began=world.clock.mono - ago,
        seconds=ago + 2,
    )
    world.proxmox.next("power", LATE)
    if adopted:
        report = await world.executor.execute(world.order(Operation.SHUTDOWN))
        assert report.task is not None
        assert report.task.upid == upid
    else:
        with pytest.raises(TimedOut):
            await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert len(world.sent) == 1


async def test_a_task_list_that_cannot_be_read_leaves_the_time_out_as_it_is() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("power", Lost(LATE))
    world.proxmox.next("recent_tasks", Unreachable("pve1"))
    with pytest.raises(TimedOut):
        await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert len(world.sent) == 1


@walked("error", [refusal(), TokenRefused(), Unreachable("pve1"), LATE])
async def test_no_refusal_makes_a_second_request(error: BotError) -> None:
    for operation, values in (
        (Operation.SHUTDOWN, {}),
        (Operation.RESIZE, {"cores": 8}),
        (Operation.SNAPSHOT_CREATE, {"snapshot": "ab"}),
    ):
        world = FakeWorld([RUNNING])
        for method in ("power", "resize", "snapshot_create"):
            world.proxmox.next(method, error)
        with pytest.raises(type(error)):
            await world.executor.execute(world.order(operation, **values))
        assert len(world.sent) == 1
        assert world.ledger.steps == ["asked", "ended"]
        await assert_not_held(world, 101)


async def test_a_time_out_after_a_move_leaves_the_stop_expected() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("power", lambda: world.proxmox.change(101, node="pve2"), LATE)
    with pytest.raises(TimedOut):
        await world.executor.execute(world.order(Operation.STOP))
    assert world.expected.current() == {101: "Akiko"}


# --- copies ---


async def test_a_taken_vmid_is_replaced_by_the_next_one() -> None:
    world = FakeWorld([TEMPLATE])

    def somebody_was_faster() -> None:
        world.proxmox.add(guest(world.proxmox.next_free, State.STOPPED))
        raise VmidTaken(world.proxmox.next_free)

    world.proxmox.next("clone", somebody_was_faster, somebody_was_faster)
    report = await world.executor.execute(create(world))
    assert [values["newid"] for values in clones(world)] == [200, 201, 202]
    assert report.after is not None
    assert report.after.vmid == 202


async def test_after_five_taken_vmids_it_is_reported() -> None:
    world = FakeWorld([TEMPLATE])
    world.proxmox.next("clone", *[VmidTaken(200)] * 20)
    with pytest.raises(VmidTaken):
        await world.executor.execute(create(world))
    assert len(clones(world)) == ID_TRIES == 5
    assert world.ledger.steps == ["asked", "ended"]


async def test_a_requested_vmid_is_not_replaced() -> None:
    world = FakeWorld([TEMPLATE])
    world.proxmox.next("clone", VmidTaken(555))
    with pytest.raises(VmidTaken):
        await world.executor.execute(create(world, new_vmid=555))
    assert len(clones(world)) == 1


async def test_a_copy_goes_to_the_home_node() -> None:
    world = FakeWorld([TEMPLATE], home="pve2")
    report = await world.executor.execute(create(world))
    assert clones(world)[0]["target"] == "pve2"
    assert report.after is not None
    assert report.after.node == "pve2"


async def test_with_local_storage_the_copy_stays_on_the_templates_node() -> None:
    world = FakeWorld([TEMPLATE], home="pve2")
    world.proxmox.next("clone", TargetNotShared("can't clone to non-shared storage 'local'"))
    report = await world.executor.execute(create(world))
    assert [values["target"] for values in clones(world)] == ["pve2", None]
    assert report.after is not None
    assert report.after.node == "pve1"


async def test_without_linked_clones_the_copy_is_a_full_one() -> None:
    world = FakeWorld([TEMPLATE])
    world.proxmox.next("clone", LinkedCloneUnsupported("Linked clone feature is not supported"))
    await world.executor.execute(create(world))
    assert [values["full"] for values in clones(world)] == [False, True]


async def test_every_trouble_of_a_copy_at_once() -> None:
    world = FakeWorld([TEMPLATE], home="pve2")
    world.proxmox.next("clone", TargetNotShared("x"), VmidTaken(200), LinkedCloneUnsupported("x"))
    await world.executor.execute(create(world))
    assert [(values["target"], values["full"]) for values in clones(world)] == [
        ("pve2", False),
        (None, False),
        (None, False),
        (None, True),
    ]


@pytest.mark.parametrize("error", [TargetNotShared("x"), LinkedCloneUnsupported("x")])
async def test_useless_attempts_end(error: BotError) -> None:
    world = FakeWorld([TEMPLATE], home="pve2")
    world.proxmox.next("clone", *[error] * 20)
    with pytest.raises(type(error)):
        await world.executor.execute(create(world))
    assert len(clones(world)) == 2


async def test_a_lost_answer_to_a_copy_makes_no_second_copy() -> None:
    world = FakeWorld([TEMPLATE])
    world.proxmox.next("clone", Lost(LATE))
    report = await world.executor.execute(create(world))
    assert len(clones(world)) == 1
    assert report.after is not None
    assert report.after.vmid == 200
    assert sorted(world.proxmox.guests) == [200, 900]


# --- called off at the last moment ---


async def test_on_start_is_called_after_all_checks_and_before_the_request() -> None:
    world = FakeWorld([RUNNING])
    seen: list[tuple[list[str], int, dict[int, str]]] = []

    async def begin() -> None:
        seen.append((list(world.ledger.steps), len(world.sent), world.expected.current()))
        with pytest.raises(GuestBusy):
            await world.executor.execute(world.order(Operation.STOP))
        assert "status" in world.proxmox.asked
        world.ledger.entries.clear()

    assert (await world.executor.execute(world.order(Operation.SHUTDOWN), on_start=begin)).good
    assert seen == [(["asked"], 0, {})]
    assert world.sent == [("shutdown", 101, "pve1")]
    assert world.ledger.steps == ["ended"]


async def test_on_start_is_not_called_for_a_refused_action() -> None:
    world = FakeWorld([STOPPED])
    begun: list[bool] = []

    async def begin() -> None:
        begun.append(True)

    shown = Plan(world.order(Operation.START), replace(STOPPED, name="other"))
    with pytest.raises(WrongState):
        await world.executor.execute(world.order(Operation.STOP), on_start=begin)
    with pytest.raises(ChangedMeanwhile):
        await world.executor.execute(world.order(Operation.START), shown=shown, on_start=begin)
    assert begun == []


@pytest.mark.parametrize("error", [AnswerTooLate(), RuntimeError("broken"), asyncio.CancelledError()])
async def test_a_press_that_cannot_be_answered_any_more_does_nothing(error: BaseException) -> None:
    """Discord replays interactions after a gap of the gateway. It has told the person that they failed."""
    world = FakeWorld([RUNNING])

    async def begin() -> None:
        raise error

    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.STOP), on_start=begin)
    assert world.sent == []
    assert world.expected.current() == {}
    assert world.ledger.steps == ["asked", "refused" if isinstance(error, Refused) else "ended"]
    ended = NOTHING_STARTED if isinstance(error, asyncio.CancelledError) else type(error).__name__
    assert ended in world.ledger.entries[1].outcome
    assert not world.ledger.entries[1].outcome.startswith("unknown: ")
    await assert_not_held(world, 101)


# --- one at a time, and only what was agreed to ---


async def test_a_second_action_on_a_busy_guest_is_told_who_is_at_work() -> None:
    world = FakeWorld([RUNNING, guest(102)])
    await world.cluster_cache.read()
    refused: list[GuestBusy] = []

    async def meanwhile(_progress: Progress) -> None:
        if not refused:
            order = world.order(Operation.STOP)
            for attempt in (world.executor.plan(order), world.executor.execute(order)):
                with pytest.raises(GuestBusy) as caught:
                    await attempt
                refused.append(caught.value)
            await world.executor.execute(world.order(Operation.SHUTDOWN, 102))

    began = world.clock.unix
    await world.executor.execute(world.order(Operation.REBOOT), meanwhile)
    assert [(e.vmid, e.label, e.verb, e.by, e.since) for e in refused] == [
        (101, "web101", "reboot", "Akiko", began)
    ] * 2
    assert refused[0] is not refused[1]
    assert [what for what, _, _ in world.sent] == ["reboot", "shutdown"]
    assert (await world.executor.execute(world.order(Operation.SHUTDOWN))).good


async def test_one_of_ten_orders_at_the_same_moment_acts() -> None:
    world = FakeWorld([RUNNING])
    order = world.order(Operation.STOP)
    results = await asyncio.gather(
        *(world.executor.execute(order) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, GuestBusy) for result in results) == 9
    assert len(world.sent) == 1


async def test_a_cancelled_action_frees_the_guest() -> None:
    world = FakeWorld([RUNNING])
    begun = asyncio.Event()

    async def hold(_progress: Progress) -> None:
        begun.set()
        await asyncio.Event().wait()

    action = asyncio.create_task(world.executor.execute(world.order(Operation.STOP), hold))
    await begun.wait()
    with pytest.raises(GuestBusy):
        await world.executor.plan(world.order(Operation.STOP))
    action.cancel()
    with pytest.raises(asyncio.CancelledError):
        await action
    await assert_not_held(world, 101)
    assert world.expected.current() == {101: "Akiko"}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "other"},
        {"name": None},
        {"kind": Kind.LXC},
    ],
)
async def test_another_guest_under_the_same_vmid_is_refused(changed: dict[str, object]) -> None:
    world = FakeWorld([STOPPED])
    order = world.order(Operation.DELETE)
    shown = await world.executor.plan(order)
    world.proxmox.change(101, **changed)
    with pytest.raises(ChangedMeanwhile):
        await world.executor.execute(order, shown=shown)
    assert world.sent == []
    assert world.ledger.steps == ["planned", "refused"]
    assert 101 in world.proxmox.guests


@walked(
    ("config", "snapshots"),
    [
        (replace(CONFIG, digest="d2"), (SNAPSHOT,)),
        (replace(CONFIG, disks=()), (SNAPSHOT,)),
        (CONFIG, ()),
        (CONFIG, (SNAPSHOT, replace(SNAPSHOT, name="later"))),
        (CONFIG, (replace(SNAPSHOT, taken=1_789_000_001),)),
    ],
)
async def test_a_guest_of_the_same_name_with_other_disks_or_snapshots_is_not_deleted(
    config: GuestConfig, snapshots: tuple[Snapshot, ...]
) -> None:
    """The guest was deleted and recreated from the same template.

    The confirmation named losses that differ from this guest's data.
    """
    world = FakeWorld([STOPPED])
    world.proxmox.kept[101] = (SNAPSHOT,)
    order = world.order(Operation.DELETE)
    shown = await world.executor.plan(order)
    world.proxmox.configs[101], world.proxmox.kept[101] = config, snapshots
    with pytest.raises(ChangedMeanwhile):
        await world.executor.execute(order, shown=shown)
    assert world.sent == []
    world.proxmox.configs[101], world.proxmox.kept[101] = CONFIG, (SNAPSHOT,)
    assert (await world.executor.execute(order, shown=shown)).good


async def test_a_snapshot_taken_meanwhile_does_not_hinder_the_rollback_to_another() -> None:
    world = FakeWorld([STOPPED])
    world.proxmox.kept[101] = (SNAPSHOT,)
    order = world.order(Operation.SNAPSHOT_ROLLBACK, snapshot="before")
    shown = await world.executor.plan(order)
    world.proxmox.kept[101] = (SNAPSHOT, replace(SNAPSHOT, name="later"))
    assert (await world.executor.execute(order, shown=shown)).good


async def test_a_button_acts_on_the_guest_it_was_drawn_for() -> None:
    world = FakeWorld([RUNNING])
    order = world.order(Operation.SHUTDOWN, fingerprint=RUNNING.fingerprint)
    assert (await world.executor.execute(order)).good
    world.proxmox.guests[101] = guest(101, name="other")
    world.clock.advance(OVERLAY_SECONDS)
    for attempt in (world.executor.plan, world.executor.execute):
        with pytest.raises(ChangedMeanwhile):
            await attempt(order)
    assert len(world.sent) == 1


async def test_a_button_finds_its_guest_after_a_move_or_a_change() -> None:
    world = FakeWorld([RUNNING])
    seen = replace(RUNNING, node="pve2", state=State.STOPPED, uptime=5, lock="backup", tags=("x",))
    assert (await world.executor.execute(world.order(Operation.SHUTDOWN, fingerprint=seen.fingerprint))).good
    others = [replace(RUNNING, kind=Kind.LXC), replace(RUNNING, name="web102"), replace(RUNNING, name=None)]
    assert len({RUNNING.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert all(len(bytes.fromhex(other.fingerprint)) == 16 for other in others)


async def test_another_snapshot_under_the_same_name_is_refused() -> None:
    world = FakeWorld([STOPPED])
    world.proxmox.kept[101] = (SNAPSHOT,)
    order = world.order(Operation.SNAPSHOT_ROLLBACK, snapshot="before")
    shown = await world.executor.plan(order)
    world.proxmox.kept[101] = (replace(SNAPSHOT, taken=1_789_000_001),)
    with pytest.raises(ChangedMeanwhile):
        await world.executor.execute(order, shown=shown)
    assert world.sent == []


async def test_a_confirmed_action_is_done_even_after_a_move() -> None:
    world = FakeWorld([STOPPED])
    order = world.order(Operation.DELETE)
    shown = await world.executor.plan(order)
    world.proxmox.change(101, node="pve2")
    assert (await world.executor.execute(order, shown=shown)).good
    assert world.sent == [("delete", 101, "pve2")]


async def test_the_state_is_judged_again_after_the_question() -> None:
    world = FakeWorld([STOPPED])
    order = world.order(Operation.DELETE)
    shown = await world.executor.plan(order)
    world.proxmox.change(101, state=State.RUNNING)
    with pytest.raises(WrongState):
        await world.executor.execute(order, shown=shown)
    assert world.sent == []


# --- told truly ---


async def test_the_audit_says_asked_before_and_ended_after() -> None:
    world = FakeWorld([RUNNING])
    seen: list[list[str]] = []
    world.proxmox.next("power", lambda: seen.append(list(world.ledger.steps)))
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert seen == [["asked"]]
    asked, ended = world.ledger.entries
    assert (asked.step, asked.upid, asked.outcome) == ("asked", "", "")
    assert report.task is not None
    assert (ended.step, ended.upid, ended.outcome) == ("ended", report.task.upid, "OK")
    assert ended.seconds == report.seconds > 0
    for entry in (asked, ended):
        assert (entry.actor, entry.operation, entry.vmid) == (AKIKO, "shutdown", 101)
        assert (entry.guest, entry.node, entry.state) == ("web101", "pve1", "running"), "as it was before"


async def test_the_audit_of_a_failed_task_has_proxmox_words() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.exit = "VM quit/powerdown failed - got timeout"
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert not report.good
    assert report.after is not None
    assert report.after.state is State.RUNNING
    assert world.ledger.entries[-1].outcome == "VM quit/powerdown failed - got timeout"


@walked(
    ("error", "unknown"),
    [
        (TimedOut("pve1", True), True),
        (NodeUnreachable("pve1", changing=True), True),
        (BadAnswer("pve1", changing=True), True),
        (NodeUnreachable("pve1", changing=False), False),
        (BadAnswer("pve1", changing=False), False),
        (Unreachable("pve1"), False),
        (TokenRefused(), False),
        (refusal(), False),
    ],
)
async def test_the_audit_tells_not_started_from_unknown(error: BotError, unknown: bool) -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("power", error)
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.STOP))
    asked, ended = world.ledger.entries
    assert (asked.step, ended.step) == ("asked", "ended")
    assert str(error) in ended.outcome
    assert ended.outcome.startswith("unknown: ") is unknown
    assert world.expected.current() == ({101: "Akiko"} if unknown else {})


@walked("error", [RuntimeError("broken"), KeyError("x")])
@walked("method", ["power", "task_status"])
async def test_a_failure_after_asking_ends_as_unknown(error: BaseException, method: str) -> None:
    world = FakeWorld([RUNNING])

    def broken() -> None:
        raise error

    world.proxmox.next(method, broken)
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.STOP))
    assert world.ledger.steps == ["asked", "ended"]
    assert world.ledger.entries[-1].outcome.startswith(f"unknown: {type(error).__name__}")
    await assert_not_held(world, 101)


async def test_an_action_cut_off_by_the_end_of_the_bot_is_left_open() -> None:
    """The next bot finds out how it ended: tests/bot/actions/test_recovery.py."""
    world = FakeWorld([RUNNING])
    begun = asyncio.Event()

    async def hold(_progress: Progress) -> None:
        begun.set()
        await asyncio.Event().wait()

    action = asyncio.create_task(world.executor.execute(world.order(Operation.STOP), hold))
    await begun.wait()
    world.clock.advance(7)
    action.cancel()
    with pytest.raises(asyncio.CancelledError):
        await action
    assert world.ledger.steps == ["asked"]
    assert [each.step for each in world.ledger.requests] == ["sending", "sent"]


@pytest.mark.parametrize("error", [Unreachable("pve1"), RuntimeError("broken"), asyncio.CancelledError()])
async def test_a_failure_before_sending_is_failed_and_not_unknown(
    error: BaseException,
) -> None:
    world = FakeWorld([RUNNING])

    def broken() -> None:
        raise error

    world.proxmox.next("status", broken)
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.STOP))
    (entry,) = world.ledger.entries
    assert ending_of(entry) is Ending.FAILED
    ended = NOTHING_STARTED if isinstance(error, asyncio.CancelledError) else type(error).__name__
    assert word_of(entry.outcome) == ended


async def test_the_audit_has_the_options() -> None:
    world = FakeWorld([TEMPLATE])
    await world.executor.execute(create(world, new_vmid=555))
    assert world.ledger.entries[0].detail == "name=new01 new_vmid=555"


@pytest.mark.parametrize("operation", [Operation.SHUTDOWN, Operation.STOP, Operation.REBOOT])
async def test_the_stop_is_expected_before_the_request_is_sent(operation: Operation) -> None:
    world = FakeWorld([RUNNING])
    seen: list[dict[int, str]] = []
    world.proxmox.next("power", lambda: seen.append(world.expected.current()))
    await world.executor.execute(world.order(operation))
    assert seen == [{101: "Akiko"}]


@pytest.mark.parametrize(
    ("found", "exit_text"),
    [(RUNNING, "VM quit/powerdown failed - got timeout"), (guest(101, ha_managed=True), "OK")],
)
async def test_a_guest_that_did_not_obey_in_time_may_obey_late(found: Guest, exit_text: str) -> None:
    world = FakeWorld([found])
    world.proxmox.exit, world.proxmox.ha_seconds = exit_text, 10_000
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert report.after is not None
    assert report.after.state is State.RUNNING
    world.clock.advance(GRACE_SECONDS - 1)
    assert world.expected.current() == {101: "Akiko"}
    world.clock.advance(2)
    assert world.expected.current() == {}


async def test_after_a_reboot_the_next_stop_is_soon_an_alarm() -> None:
    world = FakeWorld([RUNNING])
    await world.executor.execute(world.order(Operation.REBOOT))
    world.clock.advance(LAG_SECONDS + 1)
    assert world.expected.current() == {}


async def test_progress_begins_with_the_upid() -> None:
    world = FakeWorld([RUNNING])
    seen: list[Progress] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress)

    report = await world.executor.execute(world.order(Operation.SHUTDOWN), watch)
    assert report.task is not None
    assert seen[0].upid == report.task.upid
    assert [progress.elapsed for progress in seen] == sorted(progress.elapsed for progress in seen)


async def test_a_vanished_task_is_reported_as_such() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.seconds = 60
    world.clock.at(5, world.proxmox.tasks.clear)
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert report.task is not None
    assert report.task.end is TaskEnd.VANISHED
    assert not report.good


async def test_warnings_are_a_good_end() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.exit, world.proxmox.lines = "WARNINGS: 1", ((0.0, "WARN: careful"),)
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert report.task is not None
    assert (report.good, report.task.end, report.task.log) == (True, TaskEnd.WARNINGS, ("WARN: careful",))


# --- HA, and guests that take their time ---


async def test_ha_is_waited_for_until_the_state_is_reached() -> None:
    world = FakeWorld([guest(101, ha_managed=True)])
    world.proxmox.ha_seconds = SETTLE_SECONDS_HA - 20
    seen: list[Progress] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress)

    report = await world.executor.execute(world.order(Operation.SHUTDOWN), watch)
    assert report.after is not None
    assert (report.after.state, report.settled) == (State.STOPPED, True)
    assert report.seconds > SETTLE_SECONDS_HA - 20
    assert len(seen) > 10


async def test_ha_that_does_not_act_in_time_is_reported() -> None:
    world = FakeWorld([guest(101, ha_managed=True)])
    world.proxmox.ha_seconds = 10_000
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert report.good
    assert report.after is not None
    assert (report.after.state, report.settled) == (State.RUNNING, False)
    assert SETTLE_SECONDS_HA <= report.seconds < SETTLE_SECONDS_HA + 30
    assert world.ledger.steps == ["asked", "ended"]


async def test_a_good_task_without_its_state_is_not_waited_for_so_long_without_ha() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("task_status", *[None] * 3)
    world.proxmox.seconds = 2
    world.clock.at(10_000, lambda: None)
    original = world.proxmox.power

    async def idle(guest: Guest, operation: Operation) -> str:
        upid = await original(guest, operation)
        world.proxmox.tasks[upid].effect = lambda: None
        return upid

    world.proxmox.power = idle  # type: ignore[method-assign]  # a task that ends well and does nothing
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert not report.settled
    assert SETTLE_SECONDS <= report.seconds < SETTLE_SECONDS + 20


async def test_a_guest_out_of_sight_while_it_settles_is_looked_for_again() -> None:
    world = FakeWorld([guest(101, ha_managed=True)])

    def out_of_sight() -> None:
        world.proxmox.next("status", Unreachable("pve1"), Unreachable("pve1"))

    world.clock.at(4, out_of_sight)
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert (report.settled, report.after is not None) == (True, True)


async def test_settling_is_measured_by_the_clock_and_not_by_its_pauses() -> None:
    """Each read may itself take seconds, up to the client's time-out."""
    world = FakeWorld([guest(101, ha_managed=True)])
    world.proxmox.ha_seconds = 10_000
    world.proxmox.next("status", None, *[lambda: world.clock.advance(20)] * 1000)
    report = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert not report.settled
    assert SETTLE_SECONDS_HA <= report.seconds < SETTLE_SECONDS_HA + 40


@walked(
    ("operation", "found", "values", "exit_text"),
    [
        (Operation.SHUTDOWN, RUNNING, {}, "OK"),
        (Operation.SHUTDOWN, RUNNING, {}, "VM quit/powerdown failed - got timeout"),
        (Operation.RESIZE, RUNNING, {"cores": 4}, "OK"),
        (Operation.SNAPSHOT_CREATE, RUNNING, {"snapshot": "ab"}, "OK"),
        (Operation.DELETE, STOPPED, {}, "lvremove failed"),
    ],
)
async def test_a_guest_that_cannot_be_read_again_is_not_shown_as_it_was_before(
    operation: Operation, found: Guest, values: dict[str, Any], exit_text: str
) -> None:
    world = FakeWorld([found])
    world.proxmox.exit = exit_text
    world.proxmox.next("status", None, *[Unreachable("pve1")] * 1000)
    report = await world.executor.execute(world.order(operation, **values))
    assert report.after is None
    assert report.good is (exit_text == "OK")
    assert report.settled is (operation is not Operation.SHUTDOWN or exit_text != "OK")
    assert world.ledger.steps == ["asked", "ended"]


async def test_a_guest_deleted_by_somebody_meanwhile_is_not_shown_as_it_was_before() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("task_status", world.proxmox.guests.clear)
    world.proxmox.seconds = 0
    report = await world.executor.execute(world.order(Operation.STOP))
    assert report.after is None
    assert not report.settled


async def test_a_copy_that_cannot_be_read_yet_is_reported_as_it_was_ordered() -> None:
    world = FakeWorld([TEMPLATE])
    world.proxmox.next("status", None, Unreachable("pve1"))
    report = await world.executor.execute(create(world))
    assert report.after == Guest(200, Kind.QEMU, "pve1", State.STOPPED, "new01")


async def test_lists_show_an_action_although_proxmox_lags() -> None:
    """pvestatd writes its figures every ten seconds. The list still says "running" after the guest has stopped."""
    world = FakeWorld([RUNNING, guest(102)])
    world.proxmox.listed[101] = RUNNING
    assert (await world.executor.execute(world.order(Operation.STOP))).good
    for age in (10.0, 0.0):
        found = (await world.cluster_cache.read(max_age=age)).find(101)
        assert found is not None
        assert found.state is State.STOPPED
    world.clock.advance(OVERLAY_SECONDS)
    found = (await world.cluster_cache.read()).find(101)
    assert found is not None
    assert found.state is State.RUNNING  # the list no longer lags after this time, so it counts


async def test_a_deleted_guest_is_gone_from_lists_and_a_copy_is_in_them_at_once() -> None:
    world = FakeWorld([STOPPED, TEMPLATE])
    world.proxmox.listed[101] = STOPPED
    await world.executor.execute(world.order(Operation.DELETE))
    assert [each.vmid for each in (await world.cluster_cache.read(max_age=0)).guests] == [900]
    before = await world.proxmox.cluster()
    await world.executor.execute(create(world))
    assert before.find(200) is None
    assert [each.vmid for each in (await world.cluster_cache.read()).guests] == [200, 900]
    with pytest.raises(GuestNotFound):
        await world.executor.plan(world.order(Operation.START))


async def test_the_end_of_an_action_costs_no_read_of_the_cluster() -> None:
    world = FakeWorld([RUNNING])
    await world.cluster_cache.read()
    await world.executor.execute(world.order(Operation.STOP))
    assert world.proxmox.asked.count("cluster") == 1


async def test_lists_show_an_action_right_after_it() -> None:
    world = FakeWorld([RUNNING])
    await world.cluster_cache.read()
    await world.executor.execute(world.order(Operation.STOP))
    assert world.cluster_cache.last is not None
    found = world.cluster_cache.last.find(101)
    assert found is not None
    assert found.state is State.STOPPED


async def test_a_refresh_that_fails_spoils_nothing() -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("cluster", None, Unreachable("pve1"), Unreachable("pve1"))
    assert (await world.executor.execute(world.order(Operation.STOP))).good


def test_a_plan_is_compared_with_the_one_that_was_shown() -> None:
    order = Order(Operation.STOP, 101, AKIKO)
    Plan(order, RUNNING).ensure_unchanged(Plan(order, replace(RUNNING, node="pve2", uptime=5, cpu=0.5)))
    with pytest.raises(ChangedMeanwhile):
        Plan(order, RUNNING).ensure_unchanged(Plan(order, replace(RUNNING, name="other")))
    assert RULES.guild_id == AKIKO.place.guild_id


# --- who may, how much, and what cannot be kept ---

NARROW = AccessRules(1, 2, levels={7: Level.ADMIN}, scopes={7: (Scope(ScopeKind.TAG, "mine"),)})


@walked("operation", ACTIONS)
@walked("online", [True, False])
async def test_a_hidden_guest_is_not_found_whatever_its_state(operation: Operation, online: bool) -> None:
    hidden = guest(101, State.PAUSED, lock="backup", node="pve1")
    world = FakeWorld([hidden, guest(900, State.STOPPED, template=True)], rules=NARROW)
    world.proxmox.nodes = (Node("pve1", online),)
    actor = replace(AKIKO, roles=frozenset({7}))
    vmid = 900 if operation is Operation.CREATE else 101
    order = world.order(operation, vmid, actor, name="new01", cores=8, snapshot="before")
    world.executor._claims.busy[vmid] = GuestBusy(vmid, "web101", "stop", "Emma", 0.0)
    for _ in range(2):
        for attempt in (world.executor.plan(order), world.executor.execute(order)):
            with pytest.raises(GuestNotFound) as caught:
                await attempt
            assert caught.value.vmid == vmid
        world.executor._claims.busy.clear()
    assert world.sent == []
    assert "status" not in world.proxmox.asked, "nothing but the list was asked for"


async def test_tags_of_this_moment_count() -> None:
    """The list still has a tag that the guest's own status no longer has, and the other way round."""
    world = FakeWorld([guest(101)], rules=NARROW)
    order = world.order(Operation.STOP, 101, replace(AKIKO, roles=frozenset({7})))
    world.proxmox.listed[101] = guest(101, tags=("mine",))
    with pytest.raises(GuestNotFound):
        await world.executor.execute(order)
    world.proxmox.change(101, tags=("mine",))
    assert (await world.executor.execute(order)).good


async def test_the_changes_of_each_person_per_minute_are_limited() -> None:
    world = FakeWorld([guest(vmid, State.STOPPED) for vmid in range(101, 110)], most=3)
    for vmid in (101, 102, 103):
        await world.executor.execute(world.order(Operation.START, vmid))
    sent = len(world.sent)
    with pytest.raises(TooManyChanges) as caught:
        await world.executor.execute(world.order(Operation.START, 104))
    assert caught.value.most == 3
    assert 0 < caught.value.wait <= 60
    assert len(world.sent) == sent
    assert world.ledger.steps[-1] == "refused"
    emma = replace(AKIKO, user_id=8, name="Emma")
    assert (await world.executor.execute(world.order(Operation.START, 105, emma))).good
    world.clock.advance(caught.value.wait)
    assert (await world.executor.execute(world.order(Operation.START, 104))).good


@walked("operation", [operation for operation in ACTIONS if operation is not Operation.CREATE])
async def test_an_action_without_its_audit_record_is_not_done(operation: Operation) -> None:
    world = FakeWorld([replace(RUNNING, state=ACTION[operation].begins)])
    world.proxmox.kept[101] = (SNAPSHOT,)
    world.ledger.fails = JournalFailed("SQLITE_FULL")
    name = "new" if operation is Operation.SNAPSHOT_CREATE else "before"
    begun: list[bool] = []

    async def begin() -> None:
        begun.append(True)

    with pytest.raises(JournalFailed):
        await world.executor.execute(world.order(operation, cores=8, snapshot=name), on_start=begin)
    assert world.sent == []
    assert begun == []
    world.ledger.fails = None
    assert (await world.executor.execute(world.order(operation, cores=8, snapshot=name))).good


@pytest.mark.parametrize("refuses", ["journal", "discord", "nobody"])
async def test_attempts_that_end_before_the_request_do_not_count(refuses: str) -> None:
    world = FakeWorld([RUNNING], most=1)

    async def begin() -> None:
        if refuses == "discord":
            raise AnswerTooLate

    world.ledger.fails = JournalFailed("disk full") if refuses == "journal" else None
    if refuses != "nobody":
        with pytest.raises((AnswerTooLate, JournalFailed)):
            await world.executor.execute(world.order(Operation.SHUTDOWN), on_start=begin)
    world.ledger.fails = None
    await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert len(world.sent) == 1
    with pytest.raises(TooManyChanges):
        await world.executor.execute(world.order(Operation.START))
