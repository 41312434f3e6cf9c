"""Test the one request of a change: it is never repeated, and no older task is taken for a lost answer."""

from typing import Any

import pytest

from core.actions.order import Order
from core.errors import BotError
from core.guest import Guest, Kind, State
from core.operations import Operation
from core.proxmox_errors import BadAnswer, NodeUnreachable, TimedOut, Unreachable
from core.tasks import Progress, TaskEnd
from tests.support.fakes import TEMPLATE, FakeTask, FakeWorld, Lost, guest

RUNNING, STOPPED = guest(101), guest(101, State.STOPPED)
UNANSWERED: list[BotError] = [
    TimedOut("pve1", True),
    NodeUnreachable("pve1", changing=True),
    BadAnswer("pve1", changing=True),
]
"""Errors after which the change may have been made all the same."""
unanswered = pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)


def create(world: FakeWorld, name: str = "new01", new_vmid: int | None = None) -> Order:
    return world.order(Operation.CREATE, 900, name=name, new_vmid=new_vmid)


def earlier(world: FakeWorld, kind: str, vmid: int, user: str | None = None) -> str:
    """Add a recent task that this run of the bot does not know."""
    return world.proxmox.start_task(kind, vmid, "pve1", lambda: None, user=user, seconds=1)


def tasks(world: FakeWorld) -> list[FakeTask]:
    return list(world.proxmox.tasks.values())


@unanswered
async def test_the_task_of_the_request_before_is_no_answer(error: BotError) -> None:
    """There are two shutdowns within a minute. The first one's task is younger than the clock's tolerance."""
    world = FakeWorld([RUNNING])
    assert (await world.executor.execute(world.order(Operation.SHUTDOWN))).good
    world.proxmox.change(101, state=State.RUNNING)
    world.clock.advance(10)
    world.proxmox.next("power", error)
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert world.proxmox.guests[101].state is State.RUNNING
    assert len(world.sent) == 2
    assert world.ledger.entries[-1].outcome.startswith("unknown: ")


@unanswered
async def test_the_newer_of_two_tasks_is_the_answer(error: BotError) -> None:
    world = FakeWorld([RUNNING])
    first = await world.executor.execute(world.order(Operation.SHUTDOWN))
    world.proxmox.change(101, state=State.RUNNING)
    world.proxmox.next("power", Lost(error))
    second = await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert first.task is not None
    assert second.task is not None
    assert [first.task.upid, second.task.upid] == [task.upid for task in tasks(world)]
    assert first.task.upid != second.task.upid
    assert len(world.sent) == 2


@unanswered
async def test_a_task_found_after_a_lost_answer_is_found_once(error: BotError) -> None:
    world = FakeWorld([RUNNING])
    world.proxmox.next("power", Lost(error), error)
    assert (await world.executor.execute(world.order(Operation.SHUTDOWN))).good
    world.proxmox.change(101, state=State.RUNNING)
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert len(tasks(world)) == 1


@unanswered
@pytest.mark.parametrize(
    ("operation", "found", "values"),
    [
        (Operation.START, STOPPED, {}),
        (Operation.RESIZE, RUNNING, {"cores": 8}),
        (Operation.DELETE, STOPPED, {}),
        (Operation.SNAPSHOT_CREATE, RUNNING, {"snapshot": "ab"}),
    ],
)
async def test_the_lost_answer_of_an_order_is_looked_for(
    operation: Operation, found: Guest, values: dict[str, Any], error: BotError
) -> None:
    world = FakeWorld([found])
    for method in ("power", "resize", "delete", "snapshot_create"):
        world.proxmox.next(method, Lost(error))
    report = await world.executor.execute(world.order(operation, **values))
    assert report.good
    assert report.task is not None
    assert [report.task.upid] == [task.upid for task in tasks(world)]
    assert world.ledger.steps == ["asked", "ended"]
    assert world.ledger.entries[-1].outcome == "OK"


async def test_no_task_is_looked_for_if_nothing_can_have_changed() -> None:
    """`changing=False`: the request only read, or was refused on the way."""
    world = FakeWorld([RUNNING])
    earlier(world, "qmshutdown", 101)
    world.proxmox.next("power", BadAnswer("pve1", changing=False))
    with pytest.raises(BadAnswer):
        await world.executor.execute(world.order(Operation.SHUTDOWN))
    assert "recent_tasks" not in world.proxmox.asked
    assert world.expected.current() == {}
    assert not world.ledger.entries[-1].outcome.startswith("unknown: ")


@unanswered
async def test_a_container_that_may_have_been_resized_is_reported_as_unknown(error: BotError) -> None:
    """There is no task to look for: the change took effect at once, or never."""
    world = FakeWorld([guest(101, kind=Kind.LXC)])
    world.proxmox.next("resize", Lost(error))
    with pytest.raises(type(error)):
        await world.executor.execute(world.order(Operation.RESIZE, cores=4))
    assert len(world.sent) == 1
    assert world.ledger.entries[-1].outcome.startswith("unknown: ")


# --- copies ---


@unanswered
async def test_a_copy_that_does_not_exist_was_not_started(error: BotError) -> None:
    """The template's recent clone task created another guest."""
    world = FakeWorld([TEMPLATE])
    earlier(world, "qmclone", 900)
    world.proxmox.next("clone", error)
    with pytest.raises(type(error)):
        await world.executor.execute(create(world))
    assert len(world.sent) == 1
    assert sorted(world.proxmox.guests) == [900]


@unanswered
async def test_a_lost_answer_to_a_second_copy_follows_the_second_task(error: BotError) -> None:
    world = FakeWorld([TEMPLATE])
    first = await world.executor.execute(create(world))
    world.proxmox.next("clone", Lost(error))
    second = await world.executor.execute(create(world, "new02"))
    assert first.task is not None
    assert second.task is not None
    assert [first.task.upid, second.task.upid] == [task.upid for task in tasks(world)]
    assert second.after == Guest(201, Kind.QEMU, "pve1", State.STOPPED, "new02")


@unanswered
async def test_where_the_cluster_cannot_be_read_nobody_knows_whether_the_copy_exists(error: BotError) -> None:
    world = FakeWorld([TEMPLATE])

    def out_of_sight() -> None:
        world.proxmox.next("cluster", *[Unreachable("pve1")] * 5)

    await world.cluster_cache.read()
    world.proxmox.next("recent_tasks", out_of_sight)
    world.proxmox.next("clone", Lost(error))
    with pytest.raises(type(error)):
        await world.executor.execute(create(world))
    assert len(world.sent) == 1
    assert world.ledger.entries[-1].outcome.startswith("unknown: ")


async def test_a_copy_that_fails_is_reported_and_leaves_nothing() -> None:
    world = FakeWorld([TEMPLATE])
    world.proxmox.exit = "clone failed: no space left"
    report = await world.executor.execute(create(world))
    assert report.task is not None
    assert (report.good, report.task.end) == (False, TaskEnd.ERROR)
    assert sorted(world.proxmox.guests) == [900]
    assert (await world.cluster_cache.read()).find(200) is None


async def test_two_copies_at_once_get_a_vmid_each() -> None:
    """Two clones of the same template run one after the other. From two templates they compete for the VMID."""
    world = FakeWorld([TEMPLATE, guest(901, State.STOPPED, name="alpine", template=True)])
    seen: list[int | None] = []

    async def meanwhile(_progress: Progress) -> None:
        if not seen:
            seen.append(None)
            report = await world.executor.execute(world.order(Operation.CREATE, 901, name="new02"))
            seen[0] = report.plan.new_vmid

    report = await world.executor.execute(create(world), meanwhile)
    assert (report.plan.new_vmid, seen) == (200, [201])


async def test_a_read_whose_answer_is_lost_fails() -> None:
    world = FakeWorld([RUNNING])
    for method in ("status", "cluster"):
        world.proxmox.next(method, Lost(Unreachable("pve1")))
    with pytest.raises(Unreachable):
        await world.proxmox.status(RUNNING)
    with pytest.raises(Unreachable):
        await world.proxmox.cluster()
