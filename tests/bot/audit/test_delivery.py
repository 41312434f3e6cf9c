"""Test the audit channel: every change and every refusal once, in order, despite outages, lost answers and deaths."""

import asyncio
import logging
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.journal.store import SqliteJournal
from core.access.policy import Actor, Place
from core.audit.record import CUT_OFF, AuditRecord, AuditStep, Ending, ending_of
from core.audit.relevance import is_posted
from core.audit.store import AuditCursor, AuditEntry, AuditFilter, Stream
from core.delivery.audit import CONTENT_MOST, SPACING_SECONDS, AuditDelivery, count_fitting
from core.delivery.channel import DeliveryFailure, NotDelivered, OwnReason
from core.delivery.outbox import LONG_PAUSE
from core.errors import BotError, NotHere
from core.guest import State
from core.guest_errors import GuestNotFound, WrongState
from core.levels import Effect
from core.operations import OPERATIONS, Operation
from core.wanted_errors import BadDuration, BadVmid, NoSuchGuest, NothingChosen, SitesUnread
from playground.discord.faults import PlannedFault
from playground.discord.server import Channel
from playground.pve.server import Pve
from tests.support import stage
from tests.support.cards.hostile import EVIL, harmless
from tests.support.cards.sent import JA_AND_EN
from tests.support.fakes import NOW, FakeClock
from tests.support.journal.records import store_record
from tests.support.stage import Stage
from tests.support.walked import walked
from tests.support.watch.at_once import at_once, rows_of
from ui.audit.text import audit_line
from ui.formatting import format_duration
from ui.i18n import Text

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

EMMA = Actor(2**62, "Emma", Place(1, 2, 3))
SILENT = 1 << 12


# --- packing ---

LINES = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=900), max_size=30)


@given(LINES)
def test_every_message_is_full_and_within_its_limit_and_no_line_is_lost_or_cut(lines: list[str]) -> None:
    messages, left = [], list(lines)
    while left:
        count = count_fitting(left)
        assert count >= 1
        messages.append(left[:count])
        if count < len(left):
            assert len("\n".join(left[: count + 1])) > CONTENT_MOST, "it would have had room"
        left = left[count:]
    assert all(len("\n".join(message)) <= CONTENT_MOST for message in messages)
    assert [line for message in messages for line in message] == lines


def test_no_line_is_no_message_and_a_long_one_is_alone() -> None:
    assert count_fitting([]) == 0
    assert count_fitting(["x" * 5000]) == 1, "Discord says no to it, and the trail goes on"


TEXTS = st.text(max_size=400) | st.sampled_from(EVIL) | st.just("`" * 400) | st.just("😀" * 400)
RECORDS = st.builds(
    AuditRecord,
    st.sampled_from(AuditStep),
    st.builds(Actor, st.integers(1, 2**63 - 1), TEXTS, st.just(Place(1, 2, 3))),
    st.sampled_from([each.value for each in Operation]) | TEXTS,
    st.none() | st.just(999_999_999),
    *[TEXTS] * 6,
    TEXTS | st.sampled_from(["OK", CUT_OFF, "WARNINGS: 3", "vanished", "unknown: TimeoutError: x"]),
    st.floats(0, 1e9),
)


@pytest.mark.parametrize("t", JA_AND_EN, ids=["ja", "en"])
@given(record=RECORDS)
def test_a_line_is_short_and_harmless_for_any_record(t: Text, record: AuditRecord) -> None:
    line = audit_line(t, AuditEntry(1, 1, 1e10, 1e10, record))
    assert len(line.encode("utf-16-le")) // 2 <= CONTENT_MOST
    assert "\n" not in line
    harmless(re.sub(r"<t:\d+:t>", "", line), record.actor.user_id)


# --- what is told ---


@walked("operation", Operation)
def test_changes_and_refusals_are_reported_and_readings_and_plans_are_not(operation: Operation) -> None:
    def told(step: AuditStep) -> bool:
        return is_posted(AuditRecord(step, EMMA, operation.value))

    assert told(AuditStep.REFUSED)
    assert not told(AuditStep.PLANNED)
    assert not told(AuditStep.ASKED)
    assert told(AuditStep.ENDED) is (OPERATIONS[operation].effect is not Effect.NOTHING)


@walked(
    ("error", "told"),
    [
        (BadVmid("7"), False),
        (BadDuration("x"), False),
        (NoSuchGuest("web"), False),
        (NothingChosen(), False),
        (SitesUnread("101", "home"), True),
        (GuestNotFound(999), True),
        (NotHere(), True),
        (WrongState(101, "web01", "start", State.RUNNING), True),
    ],
)
def test_a_mistyped_option_is_not_posted(error: BotError, told: bool) -> None:
    assert is_posted(AuditRecord(AuditStep.REFUSED, EMMA, "start", outcome=str(error))) is told


async def test_a_mistyped_option_stays_in_the_trail_only(bare_scene: Stage, audits: Channel) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    await scene.say(scene.emma, "monitor mute", target="all", duration="soon")
    await scene.say(scene.emma, "start", vmid=100_001)
    (line,) = await posted_lines(scene, audits)
    assert "**100001**" in line
    _, count = await scene.site.journal.audit_page(AuditFilter(), 0, 0)
    assert count == 2


def test_unknown_operations_are_refused_in_words() -> None:
    assert is_posted(AuditRecord(AuditStep.ENDED, EMMA, "p9:forged", outcome="unknown: KeyError"))


# --- against a model of Discord ---


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture the log of the delivery, whatever level other tests have set for `core`."""
    caplog.set_level(logging.WARNING, logger="core.delivery")
    return caplog


class Room:
    """Simulate the audit channel: its history, and nonces for three minutes.

    `fate`: the fault of the next request.
    `taken`: the request takes effect all the same, and only its answer is lost.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.shown: list[str] = []
        self.at: list[float] = []
        self.fate: NotDelivered | None = None
        self.taken = False
        self._nonces: dict[str, tuple[float, int]] = {}

    def line(self, audited: AuditEntry) -> str:
        if audited.record.detail == "broken":
            raise KeyError("broken")
        return f"{audited.attempt} {ending_of(audited.record)}"

    def fallback_texts(self, content: str) -> tuple[str, ...]:
        return f"bare {content.split(maxsplit=1)[0]}", "fixed"

    async def post(self, content: str, nonce: str) -> int:
        assert len(nonce) <= 25
        await asyncio.sleep(0)
        fate, self.fate = self.fate, None
        if fate is None or self.taken:
            kept = self._nonces.get(nonce)
            if kept is None or self.clock.mono - kept[0] >= 180:
                self.shown.append(content)
                self.at.append(self.clock.mono)
                self._nonces[nonce] = self.clock.mono, len(self.shown)
        if fate is not None:
            raise fate
        return self._nonces[nonce][1]

    async def find(self, content: str, since: float, known: frozenset[int]) -> int | None:
        await asyncio.sleep(0)
        posted = enumerate(zip(self.shown, self.at, strict=True), 1)
        found = (
            n
            for n, (text, at) in posted
            if text == content and n not in known and at - self.clock.mono + self.clock.now() >= since
        )
        return next(found, None)

    @property
    def lines(self) -> list[str]:
        return "\n".join(self.shown).splitlines()


class Office:
    """Hold a trail and the channel behind it. `kill` starts a new process, which has only the file."""

    def __init__(self, directory: Path) -> None:
        self.path, self.clock = directory / "journal.db", FakeClock()
        self.room: Room | None = Room(self.clock)
        self._open()

    def _open(self) -> None:
        self.journal = SqliteJournal(self.path, self.clock.now)
        self.journal.open()
        self.delivery = AuditDelivery(at_once(self.journal), self.room, self.clock)

    def kill(self) -> None:
        self.journal.close()
        self._open()

    def record(
        self, step: AuditStep = AuditStep.ENDED, operation: str = "stop", follows: int | None = None
    ) -> int:
        outcome = "OK" if step is AuditStep.ENDED else ""
        return store_record(
            self.journal, AuditRecord(step, EMMA, operation, 101, outcome=outcome), self.clock.now(), follows
        )

    async def post(self) -> float | None:
        """Make one attempt. Return the seconds until the next."""
        assert self.room is not None
        return await self.delivery._attempt(self.room)

    def shown(self) -> list[str]:
        assert self.room is not None
        return self.room.lines


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.journal.close()


async def test_nothing_from_before_the_first_start_is_reported(office: Office) -> None:
    office.record()
    assert await office.post() is None
    assert office.shown() == []
    office.record()
    assert await office.post() is None
    office.kill()
    office.record()
    assert await office.post() is None
    assert office.shown() == ["2 done", "3 done"]


async def test_switched_off_and_on_again_it_starts_over(office: Office) -> None:
    await office.post()
    kept = office.room
    office.room = None
    office.kill()
    await office.delivery.run()
    await office.delivery.drain()
    assert office.journal.audit_cursor() is None
    office.record()
    office.room = kept
    office.kill()
    await office.post()
    office.record()
    await office.post()
    assert office.shown() == ["2 done"]


async def test_what_a_version_with_one_cursor_left_waiting_is_posted(office: Office) -> None:
    await office.post()
    office.record(AuditStep.REFUSED)
    office.record()
    with office.journal._file.transaction() as db:
        db.execute("DELETE FROM meta WHERE name = 'audit_posting_refusals'")
    office.kill()
    await office.post()
    assert office.shown() == ["2 done", "1 refused"]


async def test_an_attempt_is_one_line_when_it_ends(office: Office) -> None:
    await office.post()
    first, second = office.record(AuditStep.ASKED), office.record(AuditStep.ASKED, "start")
    office.record(AuditStep.PLANNED)
    await office.post()
    assert office.shown() == []
    office.record(follows=second)
    office.record(operation="list")
    office.record(follows=first)
    await office.post()
    assert office.shown() == ["2 done", "1 done"]


async def test_many_lines_are_one_message_and_messages_keep_their_distance(office: Office) -> None:
    await office.post()
    for _ in range(1000):
        office.record(AuditStep.REFUSED)
    await office.post()
    assert office.room is not None
    assert len(office.room.shown) == len("\n".join(office.shown())) // CONTENT_MOST + 1
    assert office.shown() == [f"{number} refused" for number in range(1, 1001)]
    gaps = [after - before for before, after in pairwise(office.room.at)]
    assert min(gaps) >= SPACING_SECONDS


async def test_readings_cost_no_writes(office: Office) -> None:
    await office.post()
    for _ in range(499):
        office.record(operation="list")
        await office.post()
    assert office.journal.audit_cursor() == AuditCursor(0)
    office.record(operation="list")
    await office.post()
    assert office.journal.audit_cursor() == AuditCursor(500), "so that a start need not read all of them"


async def test_pauses_grow_to_five_minutes_and_are_reported_once(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    await office.post()
    office.record()
    assert office.room is not None
    pauses = []
    for _ in range(9):
        office.room.fate = NotDelivered(DeliveryFailure.PASSING, "503")
        pauses.append(await office.post())
    assert pauses == [1, 2, 4, 8, 16, 32, 60, LONG_PAUSE, LONG_PAUSE]
    assert [record.levelname for record in log.records] == ["WARNING"]
    assert await office.post() is None
    office.room.fate = NotDelivered(DeliveryFailure.REFUSED, "403 Missing Access", not_taken=True)
    office.record()
    assert await office.post() == LONG_PAUSE
    assert await office.post() is None
    assert office.shown() == ["1 done", "2 done"]


async def test_while_it_fails_only_a_reconnect_shortens_its_pause(office: Office) -> None:
    await office.post()
    office.record()
    assert office.room is not None

    class Waiting(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    office.delivery._clock = Waiting()
    office.room.fate = NotDelivered(DeliveryFailure.PASSING, "503", not_taken=True)
    running = asyncio.create_task(office.delivery.run())
    for _ in range(20):
        office.delivery.wake()
        await asyncio.sleep(0)
    assert office.shown() == []
    assert office.delivery.error == "503"
    office.delivery.on_reconnect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert office.shown() == ["1 done"]
    running.cancel()


@pytest.mark.parametrize("fate", [DeliveryFailure.PASSING, DeliveryFailure.REFUSED])
async def test_messages_that_discord_surely_has_not_got_are_written_again(
    office: Office, fate: DeliveryFailure
) -> None:
    """The new message includes the lines added since.

    Nothing is searched for, and no nonce is used for another text.
    """
    await office.post()
    office.record()
    assert office.room is not None
    office.room.fate = NotDelivered(fate, "503", not_taken=True)
    await office.post()
    mark = office.journal.audit_cursor()
    assert mark is not None
    assert (mark.posted, mark.tried) == (0, 0)
    office.record()
    await office.post()
    assert office.room.shown == ["1 done\n2 done"]


async def test_an_edit_that_discord_never_takes_holds_up_nothing(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    await office.post()
    office.record()
    assert office.room is not None
    office.room.fate = NotDelivered(DeliveryFailure.REJECTED, "400 Invalid Form Body", not_taken=True)
    await office.post()
    office.record()
    await office.post()
    assert office.shown() == ["2 done"]
    assert "Invalid Form Body" in log.text


async def test_one_line_that_discord_never_takes_costs_no_other(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    await office.post()
    for _ in range(5):
        office.record()
    room = office.room
    assert room is not None
    take = room.post

    async def picky(content: str, nonce: str) -> int:
        if "3 done" in content:
            raise NotDelivered(DeliveryFailure.REJECTED, "400 Invalid Form Body", not_taken=True)
        return await take(content, nonce)

    room.post = picky  # type: ignore[method-assign]  # for this test
    await office.post()
    assert office.shown() == ["1 done", "2 done", "4 done", "5 done"]
    assert "the line of record 3" in log.text
    office.record()
    office.record()
    await office.post()
    assert office.room is not None
    assert office.room.shown[-1] == "6 done\n7 done", "together again"


async def test_a_search_that_discord_rejects_counts_as_finding_nothing(office: Office) -> None:
    await office.post()
    office.record()
    room = office.room
    assert room is not None
    room.fate, room.taken = NotDelivered(DeliveryFailure.PASSING, "reset"), False
    await office.post()
    office.clock.mono += 500

    async def refuse(*_given: object, **_more: object) -> int | None:
        raise NotDelivered(DeliveryFailure.REJECTED, "400", not_taken=True)

    room.find = refuse  # type: ignore[method-assign]  # for this test
    await office.post()
    assert office.shown() == ["1 done"]


async def test_a_line_that_breaks_holds_up_no_other(office: Office, log: pytest.LogCaptureFixture) -> None:
    await office.post()
    office.record()
    store_record(office.journal, AuditRecord(AuditStep.REFUSED, EMMA, "stop", detail="broken"), NOW)
    await office.post()
    office.record()
    await office.post()
    assert office.shown() == ["1 done", "3 done"]
    assert "record 2 of the audit trail is not posted" in log.text


async def test_an_unexpected_error_is_the_reason_until_the_lines_get_through(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_given: object, **_more: object) -> int:
        raise KeyError("name")

    await office.post()
    office.record()
    with monkeypatch.context() as patch:
        patch.setattr(office.room, "post", broken)  # a bug of ours
        assert await office.post() == 1.0
    assert office.delivery.error == OwnReason.OWN_ERROR
    assert await office.post() is None
    assert (office.delivery.error, office.shown()) == ("", ["1 done"])


async def test_a_journal_that_refuses_sends_nothing_that_would_come_twice(office: Office) -> None:
    await office.post()
    office.record()
    with closing(sqlite3.connect(office.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await office.post() == 1.0
        assert office.shown() == []
        assert "SQLITE_BUSY" in office.delivery.error
        other.execute("ROLLBACK")
    assert await office.post() is None
    assert office.shown() == ["1 done"]


@pytest.mark.parametrize("damage", ["{", b"\xff", 17, None, '{"posted":"x"}'])
async def test_a_cursor_that_cannot_be_read_starts_over(office: Office, damage: object) -> None:
    await office.post()
    office.record()
    await office.post()
    office.record()
    with office.journal._file.transaction() as db:
        if damage is None:
            db.execute("DELETE FROM meta WHERE name = 'audit_posting'")
        else:
            db.execute("UPDATE meta SET value = ? WHERE name = 'audit_posting'", (damage,))
    office.kill()
    await office.post()
    office.record()
    await office.post()
    assert office.shown() == ["1 done", "3 done"]


@pytest.mark.parametrize("taken", [False, True])
async def test_a_message_is_not_taken_for_the_one_before_that_reads_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """Two refusals in the same second have a message each. The answer to the second is lost with the bot."""
    await office.post()
    assert office.room is not None
    monkeypatch.setattr(office.room, "line", lambda _audited: "refused")
    office.record(AuditStep.REFUSED)
    await office.post()
    office.record(AuditStep.REFUSED)
    office.room.fate, office.room.taken = NotDelivered(DeliveryFailure.PASSING, "lost"), taken
    await office.post()
    assert len(office.shown()) == 1 + taken
    office.kill()
    office.clock.advance(400.0)
    await office.post()
    assert office.shown() == ["refused", "refused"]


STEPS = st.lists(
    st.sampled_from(
        ("stop", "list", "refused", "asked", "end", "ok", "lost", "taken", "slow", "kill", "later", "minute")
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(STEPS)
def test_every_line_arrives_once_and_in_order(steps: list[str]) -> None:
    """The steps include answers lost with or without the message, deaths, and nonces that Discord has forgotten."""

    async def history(directory: Path) -> None:
        office, expected, asked = Office(directory), list[str](), list[int]()
        room = office.room
        assert room is not None
        await office.post()
        for step in steps:
            match step:
                case "stop":
                    expected.append(f"{office.record()} done")
                case "refused":
                    expected.append(f"{office.record(AuditStep.REFUSED)} refused")
                case "list":
                    office.record(operation="list")
                case "asked":
                    asked.append(office.record(AuditStep.ASKED))
                case "end" if asked:
                    number = asked.pop()
                    office.record(follows=number)
                    expected.append(f"{number} done")
                case "ok":
                    await office.post()
                case "lost" | "taken" | "slow":
                    room.fate = NotDelivered(DeliveryFailure.PASSING, step, not_taken=step == "slow")
                    room.taken = step == "taken"
                    await office.post()
                    room.fate = None
                case "kill":
                    office.kill()
                case "later":
                    office.clock.advance(400.0)
                case "minute":
                    office.clock.advance(60.0)
        await office.post()
        office.journal.close()
        for ending in ("done", "refused"):  # each stream keeps its order
            stream = [line for line in expected if line.endswith(ending)]
            assert [line for line in room.lines if line.endswith(ending)] == stream
        assert len(room.lines) == len(expected)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(history(Path(directory)))


# --- the real bot ---


@pytest.fixture
def audits(bare_scene: Stage) -> Channel:
    return bare_scene.guild.create_text_channel("audit")


async def start_delivery(scene: Stage, audits: Channel, **settings: str) -> None:
    await scene.start_bot(**{"AUDIT_CHANNEL_ID": str(audits.id), **settings})
    await scene.until(rows_of(scene.site.journal).audit_cursor, "the delivery to have begun")


async def posted_lines(scene: Stage, audits: Channel) -> list[str]:
    """Wait until everything is posted and return the lines of the channel."""
    rows = rows_of(scene.site.journal)

    def posted(stream: Stream) -> bool:
        mark = rows.audit_cursor(stream)
        if mark is None or mark.tried:
            return False
        return not any(is_posted(each.record) for each in rows.audit_after(mark.posted, 1000, stream)[0])

    await scene.until(lambda: all(posted(stream) for stream in Stream), "every line posted")
    return [line for post in scene.server.messages(audits) for line in re.split(r"\n(?!-# )", post.content)]


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_only_changes_and_refusals_are_posted(
    bare_scene: Stage, audits: Channel, pve: Pve, language: str
) -> None:
    scene = bare_scene
    await start_delivery(scene, audits, LANGUAGE=language)
    t = scene.t()
    await scene.say(scene.emma, "start", vmid=104)
    await scene.say(scene.emma, "list")
    question = await scene.say(scene.akiko, "stop", vmid=101)
    await scene.press(scene.emma, question, t("Force-stop {name}", name="web01"))
    pve.next_task("qmshutdown", vmid=103, ends="got timeout")
    await scene.say(scene.akiko, "shutdown", vmid=103)
    await scene.say(scene.akiko, "monitor mute", target="all", duration="1h")
    lines = await posted_lines(scene, audits)
    assert len(lines) == 4
    done, refused, failed, muted = lines
    assert done.startswith("✅ <t:")
    assert done.endswith(f":t> **{t('Start')}** · **104** `palworld` <@{scene.emma.id}>")
    assert refused.startswith("⛔")
    assert t("someone else's confirmation") in refused
    assert f"**{t('Stop')}** · **101** `web01` <@{scene.emma.id}>" in refused
    assert failed.startswith("❌")
    assert "`got timeout`" in failed
    assert "**103**" in failed
    assert muted.startswith("✅")
    assert f"**{t('Mute')}**" in muted
    assert f"`all {format_duration(t, 3600)}`" in muted
    for post in scene.server.messages(audits):
        assert post.flags & SILENT
        assert not post.buttons
    assert scene.alerts_told() == []


async def test_without_the_setting_nothing_is_posted(bare_scene: Stage, audits: Channel) -> None:
    await bare_scene.start_bot()
    await bare_scene.say(bare_scene.emma, "start", vmid=104)
    assert bare_scene.server.messages(audits) == []
    assert await bare_scene.site.journal.audit_cursor() is None


async def test_audit_lines_may_go_to_the_alert_channel(bare_scene: Stage) -> None:
    await start_delivery(bare_scene, bare_scene.alerts)
    await bare_scene.say(bare_scene.emma, "start", vmid=104)
    await bare_scene.say(bare_scene.emma, "monitor test")
    await posted_lines(bare_scene, bare_scene.alerts)
    await bare_scene.delivered()
    assert sorted(text[0] for text in bare_scene.alerts_told()) == ["✅", "✅", "🔔"]


@pytest.mark.parametrize("evil", EVIL[1::2])
async def test_a_hostile_name_does_nothing(bare_scene: Stage, audits: Channel, pve: Pve, evil: str) -> None:
    pve.vm(104).name = pve.vm(104).config["name"] = evil
    await start_delivery(bare_scene, audits)
    mallory = bare_scene.server.person(bare_scene.guild, "mallory", display=evil[:32], locale="en-US")
    await bare_scene.say(mallory, "start", vmid=104)
    await bare_scene.say(mallory, "snapshot create", vmid=104, name=evil)
    await bare_scene.say(mallory, "monitor mute", target=evil, duration=evil)
    for line in await posted_lines(bare_scene, audits):
        harmless(re.sub(r"<t:\d+:t>", "", line), mallory.id)


async def test_a_flood_of_refusals_is_no_flood_of_messages(bare_scene: Stage, audits: Channel) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    for number in range(60):
        vmid = 100_000 + number
        scene.services.audit.record(
            AuditRecord(
                AuditStep.REFUSED,
                replace(EMMA, user_id=number),
                "info",
                vmid,
                outcome=f"GuestNotFound(vmid={vmid})",
            )
        )
    await scene.services.audit.flush()
    lines = await posted_lines(scene, audits)
    assert [re.findall(r"\*\*(1\d{5})\*\*", line) for line in lines] == [
        [str(100_000 + number)] for number in range(60)
    ]
    posts = scene.server.requests("POST", f"/channels/{audits.id}/messages")
    times = [scene.clock.at(request.at) for request in posts]
    assert all(after - before >= SPACING_SECONDS - 0.1 for before, after in pairwise(times))
    assert 2 < len(posts) < 8


async def test_actions_running_when_the_bot_died_are_reported_once(
    bare_scene: Stage, audits: Channel, pve: Pve
) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    await scene.start_command(scene.emma, "start", vmid=104)
    assert await posted_lines(scene, audits) == []
    (asked,) = await scene.site.journal.audit_open()
    assert asked.record.step is AuditStep.SENT
    scene.services.audit.record = lambda *_entry, **_more: None  # type: ignore[method-assign]  # killed, it writes no more
    await scene.crash_bot()
    assert await posted_lines(scene, audits) == [], "it runs on"
    plan.release()
    await scene.until(lambda: rows_of(scene.site.journal).audit_open() == ())
    (line,) = await posted_lines(scene, audits)
    assert line.startswith("✅")
    assert f"<@{scene.emma.id}>" in line
    assert "**104**" in line
    await scene.crash_bot()
    assert await posted_lines(scene, audits) == [line]
    (kept,) = (await scene.site.journal.audit_page(AuditFilter(), 0, 1))[0]
    assert ending_of(kept.record) is Ending.DONE


async def test_posting_goes_on_after_a_restart_where_it_was(bare_scene: Stage, audits: Channel) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    await scene.say(scene.emma, "info", vmid=100_001)
    await posted_lines(scene, audits)
    fault = scene.server.fail("POST", f"/channels/{audits.id}/messages", 503, 1000)
    await scene.say(scene.emma, "info", vmid=100_002)
    await scene.until(lambda: scene.services.audit_delivery.error)
    await scene.restart_bot()
    await scene.say(scene.emma, "info", vmid=100_003)
    fault.times = fault.met
    scene.services.audit_delivery.on_reconnect()
    lines = await posted_lines(scene, audits)
    assert ["100001" in lines[0], "100002" in lines[1], "100003" in lines[2]] == [True] * 3
    assert len(lines) == 3


@pytest.mark.parametrize("restart", [False, True])
async def test_an_answer_that_got_lost_makes_no_second_message(
    bare_scene: Stage, audits: Channel, restart: bool
) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    scene.server.reset("POST", f"/channels/{audits.id}/messages", after=True)
    await scene.say(scene.emma, "info", vmid=100_001)
    await scene.until(lambda: scene.services.audit_delivery.error)
    if restart:
        await scene.crash_bot()
    assert len(await posted_lines(scene, audits)) == 1
    assert len(scene.server.messages(audits)) == 1


async def test_a_forbidden_channel_hinders_nothing_and_is_reported_once(
    bare_scene: Stage, audits: Channel, log: pytest.LogCaptureFixture
) -> None:
    scene = bare_scene
    fault = scene.server.fail("POST", f"/channels/{audits.id}/messages", 403, 1000)
    await start_delivery(scene, audits)
    reply = await scene.say(scene.emma, "start", vmid=104)
    assert "was started" in reply.text
    await scene.until(lambda: fault.met)
    for tries in (2, 3, 4):
        scene.services.audit_delivery.on_reconnect()
        await scene.until(partial(_met, fault, tries))
    tried = fault.met
    await scene.say(scene.emma, "info", vmid=100_001)
    assert fault.met == tried, "news do not hurry it"
    warnings = [r for r in log.records if r.name == "core.delivery.outbox"]
    assert [record.levelname for record in warnings] == ["WARNING"]
    assert "403" in warnings[0].getMessage()
    fault.times = fault.met
    scene.clock.skip(LONG_PAUSE)
    assert len(await posted_lines(scene, audits)) == 2


def _met(fault: PlannedFault, times: int) -> bool:
    return fault.met >= times


async def test_the_bots_end_has_a_last_try(bare_scene: Stage, audits: Channel) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    fault = scene.server.fail("POST", f"/channels/{audits.id}/messages", 503)
    await scene.say(scene.emma, "info", vmid=100_001)
    await scene.until(lambda: fault.met)
    scene.services.audit_delivery._retry = asyncio.Event()  # only the end wakes it
    await scene.stop_bot()
    assert len(scene.server.messages(audits)) == 1


async def test_an_outage_of_discord_loses_nothing(bare_scene: Stage, audits: Channel) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    scene.expected_errors.append("Attempting a reconnect")
    async with scene.server.outage():
        for vmid in (100_001, 100_002):
            scene.services.audit.record(
                AuditRecord(AuditStep.REFUSED, EMMA, "info", vmid, outcome=f"GuestNotFound(vmid={vmid})")
            )
        await scene.until(lambda: scene.services.audit_delivery.error)
    scene.clock.skip(LONG_PAUSE)
    lines = await posted_lines(scene, audits)
    assert len(lines) == 2
    assert "guest not found or hidden" in lines[1]
