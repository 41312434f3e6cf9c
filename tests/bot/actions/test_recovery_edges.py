"""Test that the trail of a change is enough to find out how it ended, wherever the bot is killed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.access.rate_limit import ChangeLimit
from core.actions.executor import Executor
from core.actions.recovery import FIRST_ANSWER_SECONDS
from core.audit.record import NOTHING_STARTED, AuditRecord, AuditStep, Ending, ending_of
from core.audit.store import AuditFilter
from core.guest import Guest, Kind, Snapshot
from core.operations import Operation
from core.proxmox_errors import TimedOut, Unreachable
from core.tasks import Progress
from playground.pve.server import Pve
from tests.bot.actions.test_recovery import Case, NotedStops
from tests.support import stage as stages
from tests.support.catalogue import ACTION
from tests.support.fakes import TEMPLATE, Lost, guest
from tests.support.journal.records import store_record
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stages.scene, stages.bare_scene, stages.pve, stages.language

SNAPSHOT = Snapshot("before", 1_789_000_000, "", False, None)
KILLED: Any = asyncio.CancelledError()
"""Ends a run like `kill -9`: nothing more is written to the trail from then on."""
TYPED = {"typed": "web101", "reason": "why"}
ALL: dict[str, tuple[Operation, dict[str, Any]]] = {
    **{each.value: (each, {}) for each, action in ACTION.items() if action.power},
    "delete": (Operation.DELETE, {}),
    "create": (Operation.CREATE, {"name": "new"}),
    "resize": (Operation.RESIZE, {"cores": 3}),
    "resize lxc": (Operation.RESIZE, {"cores": 3, "memory_mb": 1024}),
    "snapshot_create": (Operation.SNAPSHOT_CREATE, {"snapshot": "now"}),
    "snapshot_rollback": (Operation.SNAPSHOT_ROLLBACK, {"snapshot": "before"}),
    "snapshot_delete": (Operation.SNAPSHOT_DELETE, {"snapshot": "before"}),
}
METHODS = {each.value: "power" for each, action in ACTION.items() if action.power} | {"create": "clone"}


def test_every_action_is_cut_off_here() -> None:
    missing = ACTION.keys() - {operation for operation, _ in ALL.values()}
    assert not missing, f"give it a row in ALL: {missing}"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def operations_of(case: Case) -> Executor:
    world, limit = case.world, ChangeLimit(case.world.clock, 0)
    made = Executor(
        world.proxmox, world.cluster_cache, world.clock, world.planner, case.audit, world.expected, limit
    )
    made.subscribe_unknown(case.cut_off.recover)
    return made


def ordered(case: Case, what: str) -> Any:
    operation, values = ALL[what]
    kind = Kind.LXC if what == "resize lxc" else Kind.QEMU
    there = guest(101, ACTION[operation].begins, kind=kind)
    case.world.proxmox.add(there, replace(TEMPLATE, node="pve1"))
    case.world.proxmox.kept[101] = (SNAPSHOT,)
    return case.world.order(operation, 900 if operation is Operation.CREATE else 101, **values)


def last(case: Case) -> AuditRecord:
    return case.journal.audit_page(AuditFilter(), 0, 1)[0][0].record


@pytest.mark.parametrize("what", ALL)
async def test_killed_while_the_answer_is_on_its_way(case: Case, what: str) -> None:
    order, operations = ordered(case, what), operations_of(case)
    case.world.proxmox.next(METHODS.get(what, order.operation.value.partition(" ")[0]), Lost(KILLED))
    with pytest.raises(asyncio.CancelledError):
        await operations.execute(order)
    sent = len(case.world.sent)
    (ended,) = await case.run()
    assert ended.outcome == "OK"
    assert ending_of(ended) is Ending.DONE
    assert len(case.world.sent) == sent == 1, "and nothing is sent a second time"
    assert len(case.told.found) == 1
    await case.audit.close_cut_off()
    assert case.audit.cut_off == (), "a further start has nothing to ask"


@pytest.mark.parametrize("what", ALL)
async def test_killed_before_the_request(case: Case, what: str) -> None:
    order, operations = ordered(case, what), operations_of(case)

    async def begin() -> None:
        case.audit.record = lambda *_entry, **_more: None  # type: ignore[method-assign]  # nothing is written any more
        raise KILLED

    with pytest.raises(asyncio.CancelledError):
        await operations.execute(order, on_start=begin)
    del case.audit.record  # the next run uses the class's own method again
    (ended,) = await case.run()
    assert (ended.outcome, case.world.sent) == (NOTHING_STARTED, [])


@pytest.mark.parametrize("killed", [True, False])
async def test_a_guest_that_moved_just_before_is_asked_about_where_the_request_went(
    case: Case, killed: bool
) -> None:
    """The bot is killed, or gets no answer, at the second node. Its task is there, and not at the first."""
    order, operations, proxmox = ordered(case, "shutdown"), operations_of(case), case.world.proxmox
    error: Any = KILLED if killed else TimedOut("pve2", changing=True)
    proxmox.next("power", lambda: proxmox.change(101, node="pve2"), Lost(error))
    proxmox.next("recent_tasks", *([] if killed else [Unreachable("pve2")]))
    with pytest.raises(type(error)):
        await operations.execute(order)
    if killed:
        await case.run()
    else:
        await asyncio.wait(case.cut_off._recovering, timeout=60)
        await case.audit.flush()
    assert (last(case).outcome, last(case).node) == ("OK", "pve2")


async def test_a_failure_after_the_request_was_accepted_follows_the_task(case: Case) -> None:
    """A bug of ours strikes while the task runs. The task is known, and its end can be queried."""
    order, operations = ordered(case, "shutdown"), operations_of(case)

    async def broken(_progress: Progress) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await operations.execute(order, broken)
    await case.audit.flush()
    assert ending_of(last(case)) is Ending.UNKNOWN
    assert last(case).upid in case.world.proxmox.tasks
    await asyncio.wait(case.cut_off._recovering, timeout=60)
    await case.audit.flush()
    assert last(case).outcome == "OK"


async def test_a_task_that_the_trail_knows_as_its_own_is_not_passed_over(case: Case) -> None:
    """Its end was written without a task, by a bot that had found none."""
    order, operations = ordered(case, "shutdown"), operations_of(case)
    await operations.execute(order)
    (found,) = case.journal.audit_page(AuditFilter(), 0, 1)[0]
    unknown = replace(found.record, outcome="unknown: KeyError", upid="")
    store_record(case.journal, unknown, case.world.clock.now(), found.attempt)
    (ended,) = await case.run()
    assert ended.outcome == "OK"


async def test_an_action_cancelled_before_sending_is_reported_as_not_begun(case: Case) -> None:
    order, operations = ordered(case, "shutdown"), operations_of(case)
    asked = asyncio.Event()

    async def begin() -> None:
        asked.set()
        await asyncio.Event().wait()

    action = asyncio.create_task(operations.execute(order, on_start=begin))
    await asked.wait()
    await operations.stop()
    await case.audit.flush()
    assert last(case).outcome == NOTHING_STARTED
    with pytest.raises(asyncio.CancelledError):
        await action


@pytest.mark.parametrize("other", ["", "before", "after"])
async def test_a_stop_that_was_never_sent_excuses_no_crash(case: Case, other: str) -> None:
    """The guest may crash by itself right after the start.

    A stop that was ordered earlier, or is ordered meanwhile, is a different one and stays expected.
    """
    order, operations, expected = ordered(case, "shutdown"), operations_of(case), case.world.expected
    stops = NotedStops()
    expected.load({101: "Akiko"}, stops)
    case.left(AuditStep.ASKED, *([] if other == "before" else [AuditStep.SENDING]))
    await case.audit.close_cut_off()
    assert expected.current() == {101: "Akiko"}
    cases = [case.cut_off._open_attempt(each) for each in case.audit.cut_off]
    if other == "after":
        case.world.clock.advance(1)
        assert (await operations.execute(order)).good
        stops.noted.clear()
    await case.cut_off._close(cases[0], NOTHING_STARTED)
    assert expected.current() == ({101: "Akiko"} if other else {})
    assert stops.noted == ([] if other else [(101, None)])


async def test_the_task_of_an_action_of_this_run_is_not_taken_for_that_of_the_one_before(case: Case) -> None:
    """The person repeats the order, and Proxmox' answer to the new request is still on its way."""
    order, operations = ordered(case, "shutdown"), operations_of(case)
    case.cut_off._is_busy = operations.is_busy
    case.left(AuditStep.ASKED, AuditStep.SENDING)
    await case.audit.close_cut_off()
    (former,) = [case.cut_off._open_attempt(each) for each in case.audit.cut_off]
    asked: list[object] = []
    send = case.world.proxmox.power

    async def power(guest: Guest, operation: Operation) -> str:
        upid = await send(guest, operation)
        asked.append(await case.cut_off._find_outcome(former))
        return upid

    case.world.proxmox.power = power  # type: ignore[method-assign]  # asked while the answer is on its way
    assert (await operations.execute(order)).good
    assert asked == [None]
    assert former.upid == ""
    await case.cut_off._settle(former)
    await case.audit.flush()
    ends = [each.record.outcome for each in case.journal.audit_page(AuditFilter(), 0, 2)[0]]
    assert ends == ["OK", NOTHING_STARTED]


async def test_a_result_found_in_this_run_follows_the_unknown_one(case: Case) -> None:
    """Both texts go into the same message."""
    order, operations = ordered(case, "shutdown"), operations_of(case)
    case.world.proxmox.next("power", Lost(TimedOut("pve1", changing=True)))
    case.world.proxmox.next("recent_tasks", Unreachable("pve1"))
    with pytest.raises(TimedOut):
        await operations.execute(order)
    case.world.clock.slept.clear()
    await asyncio.wait(case.cut_off._recovering, timeout=60)
    await case.audit.flush()
    assert case.world.clock.slept[0] == FIRST_ANSWER_SECONDS
    assert len(case.told.found) == 1


async def nothing_is_noted(*_report: object) -> bool:
    return False


async def test_a_guest_whose_deletion_was_cut_off_is_no_longer_watched(scene: Stage, pve: Pve) -> None:
    """It ends like any `/delete`: no alarm follows, however many polls run."""
    await scene.say(scene.emma, "monitor add", vmid=104)
    await scene.poll(2)
    plan = pve.next_task("qmdestroy", vmid=104, hold=True)
    form = await scene.press(scene.emma, await scene.say(scene.emma, "delete", vmid=104), "Delete palworld…")
    scene.server.answer_wait = 0.0
    await scene.server.submit(scene.emma, form, "palworld")
    await scene.until(lambda: [each for each in rows_of(scene.site.journal).audit_open() if each.record.upid])
    scene.services.audit.record = lambda *_entry, **_more: None  # type: ignore[method-assign]  # killed, it writes no more
    scene.site.watch.on_action_done = nothing_is_noted  # type: ignore[method-assign,assignment]  # nor anything else
    await scene.crash_bot()
    plan.release()
    await scene.until(lambda: scene.site.watch.find(104) is None, "off the list")
    await scene.poll(12)
    await scene.delivered()
    assert scene.alerts_told() == []


async def test_a_new_guest_of_a_deleted_ones_number_stays_watched(case: Case) -> None:
    told: list[int] = []

    async def on_deleted(vmid: int) -> None:
        told.append(vmid)

    case.cut_off.subscribe_deleted(on_deleted)
    case.left(AuditStep.ASKED, AuditStep.SENDING, operation="delete")
    case.world.proxmox.start_task("qmdestroy", 101, "pve1", lambda: None)
    (ended,) = await case.run()
    assert ended.outcome == "OK"
    assert told == [], "there is a guest of this VMID"
