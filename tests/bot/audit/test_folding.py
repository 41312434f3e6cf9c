"""Test the audit trail under a flood: few rows with a count, no delayed change, and old rows deleted in pieces."""

import csv
import io
import time
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.journal.audit_rows import PIECE
from adapters.journal.store import SqliteJournal
from core.access.policy import Actor, Place
from core.audit.folding import ROWS_MOST, VARIOUS, WINDOW_SECONDS
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.audit.trail import AuditTrail
from core.delivery.audit import AuditDelivery
from core.errors import JournalFailed
from playground.discord.server import Channel
from tests.bot.audit.test_delivery import Room
from tests.support import stage
from tests.support.fakes import FakeClock
from tests.support.journal.records import store_record
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import at_once, rows_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

EMMA, MALLORY = Actor(7, "Emma", Place(1, 2, 3)), Actor(8, "Mallory", Place(1, 2, 3))
ALL = AuditFilter()


class Trail:
    """Keep an audit over a real journal, on a clock that the test moves."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.path = directory / "journal.db"
        self.journal = SqliteJournal(self.path, self.clock.now)
        self.journal.open()
        self.port = at_once(self.journal)
        self.audit = AuditTrail(self.port, self.clock)

    def refuse(self, vmid: int = 101, outcome: str = "NotHere()", actor: Actor = MALLORY) -> None:
        self.audit.record(AuditRecord(AuditStep.REFUSED, actor, "start", vmid, outcome=outcome))

    def read(self, vmid: int | None = None) -> None:
        self.audit.record(AuditRecord(AuditStep.ENDED, MALLORY, "list", vmid, outcome="OK"))

    async def minute_over(self) -> None:
        self.clock.advance(WINDOW_SECONDS)
        await self.audit.flush()

    async def shown(self) -> list[tuple[str, int | None, int]]:
        """Return operation, guest and count of each attempt, oldest first."""
        await self.audit.flush()
        found, _ = self.journal.audit_page(ALL, 0, 10_000)
        return [(each.record.operation, each.record.vmid, each.record.times) for each in reversed(found)]

    async def rows(self) -> int:
        await self.audit.flush()
        return self.journal.audit_last()


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path)


# --- folding ---


async def test_a_refusal_that_repeats_is_one_row_with_a_count(trail: Trail) -> None:
    for number in range(600):
        trail.refuse(outcome=f"TooManyChanges(most=5, wait={number / 10})")
    trail.refuse(102)
    trail.refuse(actor=EMMA)
    assert await trail.rows() == 3
    await trail.minute_over()
    assert await trail.shown() == [("start", 101, 600), ("start", 102, 1), ("start", 101, 1)]
    assert await trail.rows() == 4


async def test_after_its_minute_it_is_a_row_again(trail: Trail) -> None:
    for _ in range(3):
        trail.refuse()
        trail.refuse()
        trail.clock.advance(WINDOW_SECONDS)
    await trail.audit.flush()
    assert await trail.shown() == [("start", 101, 2)] * 3


@pytest.mark.parametrize("kind", ["refused", "read"])
async def test_the_rows_of_one_person_are_limited(trail: Trail, kind: str) -> None:
    for number in range(5000):
        trail.refuse(100 + number) if kind == "refused" else trail.read(100 + number)
    assert await trail.rows() == ROWS_MOST + 1
    await trail.minute_over()
    shown = await trail.shown()
    assert [times for _, _, times in shown[:-1]] == [1] * ROWS_MOST
    assert shown[-1] == (VARIOUS, None, 5000 - ROWS_MOST)
    trail.refuse(actor=EMMA)
    assert (await trail.shown())[-1] == ("start", 101, 1), "nobody else is counted with them"


async def test_ordinary_readings_are_rows_each(trail: Trail) -> None:
    for _ in range(ROWS_MOST):
        trail.read()
    assert await trail.shown() == [("list", None, 1)] * ROWS_MOST


async def test_changes_are_never_folded(trail: Trail) -> None:
    for _ in range(100):
        first = await trail.audit.record_first(AuditRecord(AuditStep.ASKED, EMMA, "start", 101))
        trail.audit.record(AuditRecord(AuditStep.ENDED, EMMA, "start", 101, outcome="OK"), first)
    assert await trail.rows() == 200


async def test_a_disk_that_refuses_loses_no_count(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> tuple[int, ...]:
        raise JournalFailed("SQLITE_FULL")

    with monkeypatch.context() as patch:
        patch.setattr(trail.journal, "audit_add_all", full)
        for _ in range(50):
            trail.refuse()
        await trail.audit.flush()
    await trail.minute_over()
    assert sum(times for _, _, times in (await trail.shown())) == 50


async def test_the_end_of_the_bot_writes_the_counts(trail: Trail) -> None:
    for _ in range(7):
        trail.refuse()
    await trail.audit.finish()
    assert await trail.shown() == [("start", 101, 7)]


async def test_a_day_of_it_is_a_few_megabytes(trail: Trail) -> None:
    """There are 20 attempts a second for ten minutes, half of them alike."""
    for number in range(12_000):
        trail.refuse(101 if number % 2 else 100 + number, f"GuestNotFound(vmid={number})")
        trail.clock.advance(0.05)
    await trail.audit.finish()
    trail.journal.close()
    size = trail.path.stat().st_size
    assert sum(times for _, _, times in await Trail(trail.path.parent).shown()) == 12_000
    assert size < 600_000, f"{size * 144 / 1e6:.0f} MB a day"
    assert len(trail.audit._folding._windows) <= 1


async def test_audit_and_its_file_show_the_count(scene: Stage) -> None:
    for _ in range(4):
        await scene.say(scene.emma, "info", vmid=999)
    reply = await scene.say(scene.emma, "audit", vmid=999)
    assert "1 entry" in reply.text
    assert "×4" in reply.text
    reply = await scene.say(scene.emma, "audit", vmid=999, csv=True)
    data = scene.server.attached(post_of(reply), "audit.csv")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [(row["operation"], row["times"]) for row in rows] == [("info", "4")]


# --- changes before refusals ---


async def test_a_change_is_posted_before_the_refusals_that_wait(trail: Trail) -> None:
    room = Room(trail.clock)
    delivery = AuditDelivery(trail.port, room, trail.clock)
    await delivery._attempt(room)
    for number in range(2000):
        store_record(trail.journal, AuditRecord(AuditStep.REFUSED, MALLORY, "start", number), 1.0)
    change = store_record(trail.journal, AuditRecord(AuditStep.ENDED, EMMA, "stop", 101, outcome="OK"), 2.0)
    began = trail.clock.mono
    await delivery._attempt(room)
    assert room.lines[0] == f"{change} done"
    assert len(room.lines) == 2001
    assert room.at[0] - began < 5


async def test_a_change_passes_refusals_while_these_are_posted(bare_scene: Stage) -> None:
    scene = bare_scene
    audits: Channel = scene.guild.create_text_channel("audit")
    await scene.start_bot(AUDIT_CHANNEL_ID=str(audits.id))
    await scene.until(rows_of(scene.site.journal).audit_cursor, "the delivery to have begun")
    hold = scene.server.delay("POST", f"/channels/{audits.id}/messages", 0.2, times=1)
    refusals = 300
    for number in range(refusals):
        one = replace(MALLORY, user_id=10_000 + number)
        scene.services.audit.record(
            AuditRecord(AuditStep.REFUSED, one, "start", 100 + number, outcome="NotHere()")
        )
    await scene.until(lambda: hold.met, "the first message")
    await scene.say(scene.emma, "start", vmid=104)
    await scene.until(
        lambda: any(
            "✅" in post.content and "**104** `palworld`" in post.content
            for post in scene.server.messages(audits)
        ),
        "the change told",
    )
    posts = [post.content for post in scene.server.messages(audits)]
    change = next(index for index, content in enumerate(posts) if "✅" in content)
    before = sum(content.count("⛔") for content in posts[:change])
    assert before < refusals / 2, "not behind the refusals"


# --- forgetting ---


async def test_old_attempts_are_forgotten_in_pieces(trail: Trail) -> None:
    for number in range(3 * PIECE):
        first = store_record(trail.journal, AuditRecord(AuditStep.ASKED, EMMA, "start", 101), float(number))
        store_record(
            trail.journal,
            AuditRecord(AuditStep.ENDED, EMMA, "start", 101, outcome="OK"),
            float(number),
            first,
        )
    before, pieces, longest = 2.5 * PIECE, 0, 0.0
    after: int | None = 0
    while after is not None:
        count = len(await trail.shown())
        began = time.thread_time()
        after = trail.journal.audit_prune(before, after)
        longest = max(longest, time.thread_time() - began)
        assert count - len(await trail.shown()) <= PIECE
        pieces += 1
    assert pieces == 4
    assert len(await trail.shown()) == PIECE // 2
    assert longest < 1.0
