"""Test that the next bot finds out how an interrupted action ended.

The tests use a real process, the real bot, and the rules alone.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.journal.store import SqliteJournal
from core.access.rate_limit import ChangeLimit
from core.actions.executor import Executor
from core.actions.expected_stops import GRACE_SECONDS
from core.actions.recovery import GIVE_UP, MAY_START_SECONDS, ActionRecovery
from core.audit.record import (
    CUT_OFF,
    NOT_SETTLED,
    NOTHING_STARTED,
    UNKNOWN,
    AuditRecord,
    AuditStep,
    Ending,
    ending_of,
)
from core.audit.store import AuditEntry, AuditFilter
from core.audit.trail import AuditTrail
from core.guest import Kind
from core.operations import Operation
from core.proxmox import TaskStatus
from core.proxmox_errors import TaskUnknown, TimedOut, Unreachable
from core.tasks import TaskEnd
from playground.pve.server import Pve
from tests.support import stage as stages
from tests.support.fakes import AKIKO, NOW, FakeWorld, Lost, guest
from tests.support.journal.records import store_record
from tests.support.process_stage import SOON, ProcessStage, process_stage
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import at_once

scene, bare_scene, pve, language = stages.scene, stages.bare_scene, stages.pve, stages.language

VM = 104
"""A stopped guest of the demo cluster."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


def ends(directory: Path) -> list[tuple[str, str, str]]:
    """Return operation, step and outcome of the latest record of each attempt, oldest first."""
    with closing(sqlite3.connect(directory / "journal.db")) as db:
        rows = db.execute(
            "SELECT CAST(operation AS TEXT), step, CAST(outcome AS TEXT) FROM audit AS each WHERE NOT EXISTS"
            " (SELECT 1 FROM audit WHERE attempt = coalesce(each.attempt, each.id) AND id > each.id) ORDER BY id"
        )
        return rows.fetchall()


# ---------------------------------------------------------------------- kill -9


@pytest.mark.parametrize("word", ["OK", "timeout waiting on systemd"])
async def test_a_killed_bots_task_is_followed_by_the_next_one(stage: ProcessStage, word: str) -> None:
    await stage.start()
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True, ends=word)
    stage.server.answer_wait = 0.0
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("Starting")
    await stage.until(lambda: ends(stage.directory) == [("start", "sent", "")], "the request taken")
    await stage.restart(signal.SIGKILL)
    assert ends(stage.directory) == [("start", "sent", "")], "it runs on: nothing is made up"
    plan.release()
    await stage.until(lambda: ends(stage.directory)[0][1] == "ended", "the true end", alive=True)
    assert ends(stage.directory) == [("start", "ended", word)]
    assert ("done" in reply.text) is (word == "OK")
    assert word == "OK" or word in reply.text
    assert "Found out later" in reply.text
    assert len(stage.server.messages(stage.channel)) == 1, "in the message that showed it, and no other"


async def test_a_killed_bots_lost_answer_is_looked_for(stage: ProcessStage) -> None:
    """The request is carried out, and the bot is gone before the answer comes."""
    await stage.start()
    stage.server.answer_wait = 0.0
    stage.pve.hang("/status/start", 60.0, acts=True)
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await stage.until(lambda: stage.pve.guest(VM).status == "running", "the request carried out")
    assert ends(stage.directory) == [("start", "sending", "")]
    await stage.restart(signal.SIGKILL)
    await stage.until(lambda: ends(stage.directory)[0][1] == "ended", "the true end", alive=True)
    assert ends(stage.directory) == [("start", "ended", "OK")]
    await reply.until(lambda shown: "done" in shown.text)


async def test_sigterm_leaves_the_end_open_and_the_next_bot_tells_it(stage: ProcessStage) -> None:
    """The bot stops following the task. The trail gets no guess, and the log promises nothing."""
    await stage.start()
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
    stage.server.answer_wait = 0.0
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("Starting")
    await stage.until(lambda: ends(stage.directory) == [("start", "sent", "")], "the request taken")
    code, seconds = await stage.bot.end()
    assert (code, seconds < SOON) == (0, True), seconds
    assert "The bot is shutting down" in reply.text
    assert ends(stage.directory) == [("start", "sent", "")]
    assert "tried again later" not in stage.bot.output()
    plan.release()
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start()
    await stage.until(lambda: ends(stage.directory)[0][1] == "ended", "the true end", alive=True)
    assert ends(stage.directory) == [("start", "ended", "OK")]
    await stage.until(lambda: "done" in reply.text, "the person told")


async def test_after_sigterm_waiting_requests_are_not_sent(stage: ProcessStage) -> None:
    """The change has been ordered and waits for Discord's answer when the end comes."""
    await stage.start()
    stage.server.answer_wait = 0.0
    stage.server.delay("POST", "/callback", 2.0)
    acting = asyncio.create_task(stage.say(stage.akiko, "start", vmid=VM))
    await stage.until(lambda: ends(stage.directory) == [("start", "asked", "")], "asked for")
    code, seconds = await stage.bot.end()
    await acting
    assert (code, seconds < SOON) == (0, True), seconds
    assert [request for request in stage.pve.requests if request[0] != "GET"] == []
    ((operation, step, outcome),) = ends(stage.directory)
    assert (operation, step) == ("start", "ended"), outcome
    assert not outcome.startswith("unknown"), outcome
    assert "tried again later" not in stage.bot.output()


async def test_a_found_result_is_posted_without_blocked_words(stage: ProcessStage) -> None:
    stage.pve.guest(VM).name = name = "free-nitro.example"
    await stage.start()
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
    stage.server.answer_wait = 0.0
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("Starting")
    await stage.until(lambda: ends(stage.directory) == [("start", "sent", "")], "the request taken")
    await stage.bot.end(signal.SIGKILL)
    stage.server.block(name, path_part=f"/channels/{stage.channel.id}/")
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    plan.release()
    await stage.start()
    await reply.until("Found out later")
    assert name not in reply.text
    assert f"**{VM}**" in reply.text
    assert "Discord blocked" in reply.text
    assert len(stage.server.messages(stage.channel)) == 1


# ---------------------------------------------------------------------- at the real bot


async def test_an_ordered_stop_stays_expected_while_its_task_is_followed(scene: Stage, pve: Pve) -> None:
    """The next bot keeps the order however long the task takes."""
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.poll()
    plan = pve.next_task("qmshutdown", vmid=101, hold=True)
    reply = await scene.start_command(scene.emma, "shutdown", vmid=101)
    scene.services.audit.record = lambda *_entry, **_more: None  # type: ignore[method-assign]  # killed, it writes no more
    await scene.crash_bot()
    for _ in range(8):
        await scene.poll(later=GRACE_SECONDS / 3)
        await asyncio.sleep(0.05)
    plan.release()
    await scene.poll(2)
    await scene.delivered()
    assert [text for text in scene.alerts_told() if "🔴" in text] == []
    await scene.until(lambda: "done" in reply.text, "the person told")


async def test_where_the_message_is_gone_a_new_one_is_made(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    await scene.start_bot()
    plan = pve.next_task("qmstart", vmid=VM, hold=True)
    reply = await scene.start_command(scene.emma, "start", vmid=VM)
    scene.services.audit.record = lambda *_entry, **_more: None  # type: ignore[method-assign]  # killed, it writes no more
    scene.server.fail("PATCH", f"/messages/{post_of(reply).id}", 404)
    plan.release()
    await scene.crash_bot()
    await scene.until(lambda: len(scene.server.messages(scene.channel)) == 2, "a new message")
    assert "done" in scene.server.messages(scene.channel)[-1].text


# ---------------------------------------------------------------------- by rules


class Told:
    """Record who is notified, and the trail's content at that moment."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.found: list[AuditEntry] = []
        self.open: list[int] = []

    async def notify(self, entry: AuditEntry) -> None:
        self.found.append(entry)
        self.open.append(len(self.journal.audit_open()))


class NotedStops:
    """Note each write about expected stops: guest and person, None for a deletion."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, str | None]] = []

    async def store_expected_stop(self, vmid: int, by: str) -> None:
        self.noted.append((vmid, by))

    def drop_expected_stop(self, vmid: int) -> None:
        self.noted.append((vmid, None))


class Case:
    """Hold a trail left open by a former run, over the fake cluster."""

    def __init__(self, directory: Path) -> None:
        self.world = FakeWorld([guest(101), guest(102, kind=Kind.LXC)])
        self.journal = SqliteJournal(directory / "journal.db", self.world.clock.now)
        self.journal.open()
        self.audit = AuditTrail(at_once(self.journal), self.world.clock)
        self.told = Told(self.journal)
        world = self.world
        self.cut_off = ActionRecovery(
            world.proxmox, world.clock, at_once(self.journal), self.audit, world.expected, self.told
        )

    def left(self, *steps: AuditStep, operation: str = "shutdown", vmid: int = 101, **more: str) -> int:
        upid, more = more.pop("upid", ""), dict(more)
        first = None
        for step in steps:
            record = AuditRecord(step, AKIKO, operation, vmid, node="pve1", guest="web101", **more)  # type: ignore[arg-type]  # texts only
            if step is AuditStep.SENT:
                record = AuditRecord(step, AKIKO, operation, vmid, node="pve1", upid=upid)
            first = (
                store_record(self.journal, record, self.world.clock.now(), first) if first is None else first
            )
            if step is not steps[0]:
                store_record(self.journal, record, self.world.clock.now(), first)
        assert first is not None
        return first

    async def run(self) -> list[AuditRecord]:
        await self.audit.close_cut_off()
        await self.cut_off.run()
        await self.audit.flush()
        return [each.record for each in reversed(self.journal.audit_page(AuditFilter(), 0, 50)[0])]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def begun(case: Case, kind: str = "qmshutdown", vmid: int = 101, seconds: float = 3.0) -> str:
    return case.world.proxmox.start_task(kind, vmid, "pve1", lambda: None, seconds=seconds)


async def test_a_task_is_followed_to_its_end(case: Case) -> None:
    case.world.proxmox.exit = "WARNINGS: 1"
    upid = begun(case, seconds=1000.0)
    case.left(AuditStep.ASKED, AuditStep.SENDING, AuditStep.SENT, upid=upid)
    (ended,) = await case.run()
    assert (ended.step, ended.outcome, ended.upid) == (AuditStep.ENDED, "WARNINGS: 1", upid)
    assert case.told.open == [1], "told first: an end in between tells twice, not never"
    assert [each.record for each in case.told.found] == [ended]


async def test_a_lost_answers_task_is_found_and_no_other_taken_for_it(case: Case) -> None:
    known = begun(case)
    earlier = case.left(AuditStep.ASKED, AuditStep.SENT, upid=known)
    store_record(
        case.journal,
        AuditRecord(AuditStep.ENDED, AKIKO, "shutdown", 101, upid=known, outcome="OK"),
        NOW,
        earlier,
    )
    case.world.proxmox.start_task("qmshutdown", 101, "pve1", lambda: None, user="root@pam")
    begun(case, "qmstart")
    case.world.clock.advance(5)
    case.world.proxmox.exit = "got timeout"
    case.left(AuditStep.ASKED, AuditStep.SENDING)
    wanted = begun(case)
    case.world.clock.advance(30)
    later = begun(case)
    ended = (await case.run())[-1]
    assert (ended.outcome, ended.upid) == ("got timeout", wanted)
    assert later != wanted


async def test_requests_that_never_reached_proxmox_say_so(case: Case) -> None:
    case.left(AuditStep.ASKED)
    case.left(AuditStep.ASKED, AuditStep.SENDING, vmid=102)
    began = case.world.clock.mono
    asked, sending = await case.run()
    assert asked.outcome == sending.outcome == NOTHING_STARTED
    assert ending_of(asked) is Ending.FAILED
    assert case.world.clock.mono - began >= MAY_START_SECONDS, "its task may yet have come"


async def test_a_task_that_proxmox_has_forgotten_is_not_known(case: Case) -> None:
    case.left(
        AuditStep.ASKED, AuditStep.SENT, upid="UPID:pve1:00000001:00000001:6AB13B80:qmshutdown:101:a@pve!b:"
    )
    case.world.proxmox.next("task_status", TaskUnknown("x"))
    (ended,) = await case.run()
    assert ended.outcome == TaskEnd.VANISHED
    assert ending_of(ended) is Ending.UNKNOWN


async def test_a_proxmox_that_is_away_is_asked_until_it_answers(case: Case) -> None:
    case.left(AuditStep.ASKED, AuditStep.SENT, upid=begun(case, seconds=1.0))
    case.world.proxmox.next("task_status", *[Unreachable("pve1"), TimedOut("pve1", False)] * 20)
    (ended,) = await case.run()
    assert ended.outcome == "OK"
    assert len(case.world.clock.slept) == 40
    assert max(case.world.clock.slept) <= 30


async def test_a_proxmox_that_is_away_for_ever_is_given_up(case: Case) -> None:
    case.left(AuditStep.ASKED, AuditStep.SENT, upid=begun(case))
    case.world.proxmox.next("task_status", *[Unreachable("pve1")] * 5000)
    (ended,) = await case.run()
    assert ended.outcome == CUT_OFF
    assert GIVE_UP <= sum(case.world.clock.slept) < GIVE_UP + 60


async def test_a_long_task_is_not_given_up_for_one_failed_answer(case: Case) -> None:
    case.left(AuditStep.ASKED, AuditStep.SENT, upid=begun(case, seconds=GIVE_UP + 7200))
    proxmox, ask, hours = case.world.proxmox, case.world.proxmox.task_status, itertools.count()

    async def status(upid: str) -> TaskStatus:
        case.world.clock.advance(3600)
        if next(hours) == 25:
            raise Unreachable("pve1")
        return await ask(upid)

    proxmox.task_status = status  # type: ignore[method-assign]  # away once after a day
    (ended,) = await case.run()
    assert ended.outcome == "OK"
    assert next(hours) > 26


@pytest.mark.parametrize(("cores", "outcome"), [(2, "OK"), (7, NOTHING_STARTED)])
async def test_a_containers_size_is_read_because_a_resize_makes_no_task(
    case: Case, cores: int, outcome: str
) -> None:
    case.left(
        AuditStep.ASKED,
        AuditStep.SENDING,
        operation="resize",
        vmid=102,
        detail=f"cores={cores} memory_mb=2048",
    )
    (ended,) = await case.run()
    assert ended.outcome == outcome


async def test_a_stop_is_expected_for_as_long_as_it_is_asked_for(case: Case) -> None:
    case.world.expected.load({101: "Akiko"}, NotedStops())
    case.left(AuditStep.ASKED, AuditStep.SENT, upid=begun(case, seconds=5 * GRACE_SECONDS))
    await case.run()
    assert case.world.expected.current() == {101: "Akiko"}
    case.world.clock.advance(GRACE_SECONDS + 10)
    assert case.world.expected.current() == {}


async def test_other_attempts_are_closed_at_once(case: Case) -> None:
    case.left(AuditStep.ASKED, operation="monitor_add")
    assert [each.outcome for each in await case.run()] == [CUT_OFF]
    assert case.told.found == []


async def test_an_attempt_that_raises_a_bug_keeps_no_other_open(case: Case) -> None:
    case.left(AuditStep.ASKED, AuditStep.SENT, upid=begun(case))
    case.left(AuditStep.ASKED, AuditStep.SENT, vmid=102, upid=begun(case, "vzshutdown", 102))

    def broken() -> None:
        raise KeyError

    case.world.proxmox.next("task_status", broken)
    first, second = await case.run()
    assert (first.step, second.step) == (AuditStep.SENT, AuditStep.ENDED)


# ---------------------------------------------------------------------- the end of the bot


async def test_operations_end_before_they_send(case: Case) -> None:
    world = case.world
    asked = asyncio.Event()

    async def begin() -> None:
        asked.set()
        await asyncio.Event().wait()

    action = asyncio.create_task(world.executor.execute(world.order(Operation.SHUTDOWN), on_start=begin))
    await asked.wait()
    await world.executor.stop()
    assert action.done() or world.executor._running == set()
    assert world.sent == []
    assert world.ledger.steps == ["asked", "ended"]
    with pytest.raises(asyncio.CancelledError):
        await action


async def test_an_operation_that_was_sent_stays_open(case: Case) -> None:
    world, at_work = case.world, asyncio.Event()

    async def hold(_progress: object) -> None:
        at_work.set()
        await asyncio.Event().wait()

    action = asyncio.create_task(world.executor.execute(world.order(Operation.SHUTDOWN), hold))
    await at_work.wait()
    await world.executor.stop()
    assert world.ledger.steps == ["asked"]
    assert [each.step for each in world.ledger.requests] == [AuditStep.SENDING, AuditStep.SENT]
    assert world.ledger.requests[-1].upid in world.proxmox.tasks
    assert world.expected.current() == {101: "Akiko"}
    with pytest.raises(asyncio.CancelledError):
        await action


# ---------------------------------------------------------------------- what got no answer


async def test_an_end_that_nobody_knew_is_asked_for_again(case: Case) -> None:
    """It is queried again by the same run, and by later starts for a day."""
    upid = begun(case)
    attempt = case.left(AuditStep.ASKED, AuditStep.SENDING)
    store_record(
        case.journal,
        AuditRecord(AuditStep.ENDED, AKIKO, "shutdown", 101, node="pve1", outcome="unknown: TimedOut()"),
        NOW,
        attempt,
    )
    settled = case.left(AuditStep.ASKED, AuditStep.SENDING, vmid=102)
    store_record(
        case.journal,
        AuditRecord(AuditStep.ENDED, AKIKO, "shutdown", 102, outcome=f"{UNKNOWN}{NOT_SETTLED}"),
        NOW,
        settled,
    )
    first, second = await case.run()
    assert (first.outcome, first.upid) == ("OK", upid)
    assert second.outcome == f"{UNKNOWN}{NOT_SETTLED}", "of which the task is known"
    await case.audit.close_cut_off()
    assert case.audit.cut_off == ()


async def test_an_end_that_stays_unknown_is_not_reported_twice(case: Case) -> None:
    attempt = case.left(AuditStep.ASKED, AuditStep.SENT, upid=begun(case))
    store_record(
        case.journal,
        AuditRecord(AuditStep.ENDED, AKIKO, "shutdown", 101, upid=begun(case), outcome=TaskEnd.VANISHED),
        NOW,
        attempt,
    )
    case.world.proxmox.next("task_status", TaskUnknown("x"))
    before = case.journal.audit_last()
    await case.run()
    assert case.told.found == []
    assert case.journal.audit_last() == before


async def test_a_lost_answer_of_this_run_is_found_out(tmp_path: Path) -> None:
    """Proxmox is away just when the bot looks for the task."""
    case = Case(tmp_path)
    world = case.world
    operations = Executor(
        world.proxmox,
        world.cluster_cache,
        world.clock,
        world.planner,
        case.audit,
        world.expected,
        ChangeLimit(world.clock, 0),
    )
    operations.subscribe_unknown(case.cut_off.recover)
    world.proxmox.next("power", Lost(TimedOut("pve1", changing=True)))
    world.proxmox.next("recent_tasks", Unreachable("pve1"))

    async def begin() -> int:
        return 4711

    with pytest.raises(TimedOut):
        await operations.execute(world.order(Operation.SHUTDOWN), on_start=begin)
    await case.audit.flush()
    (unknown,) = case.journal.audit_page(AuditFilter(), 0, 9)[0]
    assert ending_of(unknown.record) is Ending.UNKNOWN
    await asyncio.wait(case.cut_off._recovering, timeout=60)
    await case.audit.flush()
    (found,) = case.journal.audit_page(AuditFilter(), 0, 9)[0]
    assert ending_of(found.record) is Ending.DONE
    assert found.record.upid in world.proxmox.tasks
    assert [each.record.message_id for each in case.told.found] == [4711]
    assert world.expected.current() == {101: "Akiko"}
