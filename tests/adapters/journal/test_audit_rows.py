"""Test the audit trail in journal.db: records come back, never change, and are deleted by whole attempts."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.journal import schema
from adapters.journal.audit_rows import page_queries
from adapters.journal.site_journal import SiteJournal
from adapters.journal.store import JournalReport, OpenOutcome, SqliteJournal
from core.access.policy import Actor, InteractionKind, Place
from core.audit.record import CUT_OFF, AuditRecord, AuditStep
from core.audit.store import AuditCursor, AuditEntry, AuditFilter, TrailExtent
from core.audit.trail import AuditTrail
from core.codec import encode
from core.errors import JournalFailed
from core.watch.incidents.model import Message, MessageKind
from tests.support.fakes import NOW, FakeClock
from tests.support.journal.records import store_record
from tests.support.watch.at_once import at_once

ODD = "\ud83d\x00'\"; DROP TABLE audit;--\u202e\u2066abc\u2069\udfff\nライブ"
"""Text as a hostile person or a broken Proxmox may write it.

It contains halves of surrogate pairs, NUL, quotes, bidi characters and a line break.
"""
ALL = AuditFilter()
EMMA, NOAH = 2**62 + 1, 2**62 + 2


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db")
    opened.open()
    yield opened
    opened.close()


def record(
    step: AuditStep = AuditStep.ENDED,
    person: int = EMMA,
    operation: str = "stop",
    vmid: int | None = 101,
    **more: str,
) -> AuditRecord:
    actor = Actor(person, more.pop("name", f"person {person}"), Place(1, 2, 3))
    return AuditRecord(step, actor, operation, vmid, **more)  # type: ignore[arg-type]  # its texts


def shown(journal: SiteJournal, wanted: AuditFilter = ALL, offset: int = 0, limit: int = 99) -> list[int]:
    """Return the IDs of the attempts on a page."""
    return [each.attempt for each in journal.audit_page(wanted, offset, limit)[0]]


def stored_trail(journal: SqliteJournal) -> list[object]:
    """Return everything that can be read from the trail."""
    with journal._file.transaction("BEGIN") as db:
        return [tuple(row) for row in db.execute("SELECT * FROM audit ORDER BY id")]


# --- what is kept ---


def full(text: str, number: int) -> AuditRecord:
    actor = Actor(
        number, text, Place(number - 1, number - 2, number - 3), frozenset({7, 8}), InteractionKind.BUTTON
    )
    return AuditRecord(
        *(AuditStep.ENDED, actor, text, 999_999_999, text, text, text, text, text, text, text),
        seconds=0.1 + 0.2,
        message_id=2**63 - 2,
        times=2**62,
        interaction_id=2**63 - 3,
    )


@pytest.mark.parametrize("text", [ODD, "", "plain", "x" * 6000])
def test_everything_of_a_record_comes_back_but_the_roles(journal: SqliteJournal, text: str) -> None:
    kept = full(text, 2**63 - 1)
    names = {each.name for each in fields(AuditRecord)} - {
        "step",
        "actor",
        "vmid",
        "seconds",
        "message_id",
        "times",
        "interaction_id",
    }
    assert {getattr(kept, name) for name in names} == {text}, "a new field belongs in the table, and here"
    number = store_record(journal, kept, 1_790_000_000.125)
    without_roles = replace(kept, actor=replace(kept.actor, roles=frozenset()))
    expected = AuditEntry(number, number, 1_790_000_000.125, 1_790_000_000.125, without_roles)
    assert journal.audit_page(ALL, 0, 9) == ((expected,), 1)
    assert journal.audit_people(9) == ((2**63 - 1, text),)


@pytest.mark.parametrize("step", AuditStep)
@pytest.mark.parametrize("way", InteractionKind)
def test_every_step_and_way_comes_back(journal: SqliteJournal, step: AuditStep, way: InteractionKind) -> None:
    kept = AuditRecord(step, Actor(1, "a", Place(None, None), interaction_kind=way), "list")
    store_record(journal, kept, 5.0)
    ((found,), _) = journal.audit_page(ALL, 0, 9)
    assert found.record == kept


def test_the_trail_survives_a_start(tmp_path: Path) -> None:
    for start in range(1, 4):
        tested = SqliteJournal(tmp_path / "journal.db")
        tested.open()
        assert shown(tested) == list(range(start - 1, 0, -1))
        store_record(tested, record(), float(start))
        tested.close()


def test_values_that_sqlite_cannot_hold_change_nothing(journal: SqliteJournal) -> None:
    with pytest.raises(OverflowError):
        store_record(journal, record(person=2**63), 1.0)
    with pytest.raises(JournalFailed) as failed:
        store_record(journal, record(), float("nan"))
    assert failed.value.reason == "SQLITE_CONSTRAINT"
    assert journal.audit_page(ALL, 0, 9) == ((), 0)
    assert store_record(journal, record(), 1.0) == 1


# --- attempts ---


def test_an_attempt_shows_its_latest_record_and_when_it_began(journal: SqliteJournal) -> None:
    first = store_record(journal, record(AuditStep.ASKED), 10.0)
    second = store_record(journal, record(AuditStep.ASKED, operation="start"), 11.0)
    refused = store_record(journal, record(AuditStep.REFUSED), 12.0)
    no_end_yet = AuditEntry(first, first, 10.0, 10.0, record(AuditStep.ASKED))
    assert journal.audit_page(ALL, 2, 1) == ((no_end_yet,), 3)
    end = record(outcome="OK", upid="UPID:pve1:…")
    ended = store_record(journal, end, 13.5, first)
    found, count = journal.audit_page(ALL, 0, 9)
    assert ([each.attempt for each in found], count) == ([refused, second, first], 3)
    assert found[2] == AuditEntry(ended, first, 10.0, 13.5, end)
    assert found[1].record.step is AuditStep.ASKED, "an attempt without its end"


def test_the_latest_record_is_the_last_written_one_despite_the_clock(journal: SqliteJournal) -> None:
    first = store_record(journal, record(AuditStep.ASKED), 100.0)
    store_record(journal, record(outcome="before it was asked"), 50.0, first)
    later = store_record(journal, record(AuditStep.ASKED), 20.0)
    assert shown(journal) == [later, first]
    found = journal.audit_page(ALL, 1, 1)[0][0]
    assert (found.began, found.at, found.record.outcome) == (100.0, 50.0, "before it was asked")
    assert shown(journal, AuditFilter(since=60.0)) == [first]


def test_a_record_may_follow_one_that_follows(journal: SqliteJournal) -> None:
    first = store_record(journal, record(AuditStep.PLANNED), 1.0)
    second = store_record(journal, record(AuditStep.ASKED), 2.0, first)
    third = store_record(journal, record(AuditStep.ENDED), 3.0, second)
    assert journal.audit_page(ALL, 0, 9) == ((AuditEntry(third, first, 1.0, 3.0, record()),), 1)


def test_records_that_follow_a_forgotten_one_are_kept(journal: SqliteJournal) -> None:
    first = store_record(journal, record(AuditStep.ASKED), 1.0)
    journal.audit_prune(2.0)
    ended = store_record(journal, record(), 3.0, first)
    assert journal.audit_page(ALL, 0, 9) == ((AuditEntry(ended, ended, 3.0, 3.0, record()),), 1)


def test_filters(journal: SqliteJournal) -> None:
    kept = [
        record(person=EMMA, operation="stop", vmid=101),
        record(person=EMMA, operation="start", vmid=102),
        record(person=NOAH, operation="stop", vmid=102),
        record(person=NOAH, operation="list", vmid=None),
        record(person=EMMA, operation=ODD, vmid=101),
    ]
    for number, each in enumerate(kept, 1):
        asked = store_record(journal, replace(each, step=AuditStep.ASKED), number * 10.0)
        store_record(journal, each, number * 10.0 + 25, asked)
    found: dict[AuditFilter, list[int]] = {
        AuditFilter(): [9, 7, 5, 3, 1],
        AuditFilter(vmid=101): [9, 1],
        AuditFilter(vmid=999): [],
        AuditFilter(vmid=0): [],
        AuditFilter(person_id=NOAH): [7, 5],
        AuditFilter(person_id=0): [],
        AuditFilter(operation="stop"): [5, 1],
        AuditFilter(operation="STOP"): [],
        AuditFilter(operation=ODD): [9],
        AuditFilter(since=30.0): [9, 7, 5],
        AuditFilter(since=30.5): [9, 7],
        AuditFilter(since=0.0): [9, 7, 5, 3, 1],
        AuditFilter(vmid=102, person_id=NOAH): [5],
        AuditFilter(vmid=101, person_id=NOAH): [],
        AuditFilter(102, EMMA, "start", 20.0): [3],
        AuditFilter(102, EMMA, "start", 20.5): [],
    }
    for wanted, attempts in found.items():
        assert shown(journal, wanted) == attempts, wanted
        assert journal.audit_page(wanted, 0, 0) == ((), len(attempts))
        assert shown(journal, wanted, 1, 2) == attempts[1:3]
        assert journal.audit_page(wanted, 99, 2) == ((), len(attempts))


def test_people_by_their_latest_attempt_and_name(journal: SqliteJournal) -> None:
    assert journal.audit_people(9) == ()
    emma = store_record(journal, record(AuditStep.ASKED, EMMA, name="Emma"), 1.0)
    store_record(journal, record(AuditStep.REFUSED, NOAH, name="Noah"), 2.0)
    store_record(journal, record(AuditStep.ENDED, EMMA, name="Emma"), 3.0, emma)
    assert journal.audit_people(9) == ((NOAH, "Noah"), (EMMA, "Emma"))
    store_record(journal, record(AuditStep.PLANNED, EMMA, name=ODD), 0.5)
    assert journal.audit_people(9) == ((EMMA, ODD), (NOAH, "Noah"))
    assert journal.audit_people(1) == ((EMMA, ODD),)


# --- read on ---


def test_a_file_is_read_in_pages_that_nothing_new_shifts(journal: SqliteJournal) -> None:
    for number in range(1, 6):
        asked = store_record(journal, record(AuditStep.ASKED, vmid=100 + number), number * 10.0)
        store_record(journal, record(vmid=100 + number), number * 10.0 + 1, asked)
    found, on = journal.audit_export(ALL, None, 2)
    assert ([each.attempt for each in found], on) == ([9, 7], 7)
    store_record(journal, record(), 99.0)
    found, on = journal.audit_export(ALL, on, 2)
    assert ([each.attempt for each in found], on) == ([5, 3], 3)
    assert {each.record.step for each in found} == {AuditStep.ENDED}, "the latest of each"
    found, on = journal.audit_export(ALL, on, 2)
    assert ([each.attempt for each in found], on) == ([1], None)
    assert journal.audit_export(AuditFilter(vmid=103), None, 2)[0][0].attempt == 5
    assert journal.audit_export(AuditFilter(vmid=103), 5, 2) == ((), None)


def test_unreadable_records_end_no_file_and_no_delivery(journal: SqliteJournal) -> None:
    for number in range(6):
        store_record(journal, record(), float(number))
    with journal._file.transaction() as db:
        db.execute("DROP TRIGGER audit_never_changed")
        db.execute("UPDATE audit SET step = 'of tomorrow' WHERE id IN (3, 4)")
    found, on = journal.audit_export(ALL, 5, 2)
    assert (found, on) == ((), 3)
    assert [each.id for each in journal.audit_export(ALL, on, 9)[0]] == [2, 1]
    assert journal.audit_after(2, 2) == ((), 4)
    assert [each.id for each in journal.audit_after(4, 9)[0]] == [5, 6]
    assert journal.audit_after(6, 9) == ((), 6)


def test_records_after_an_id_in_their_order_with_when_their_attempt_began(journal: SqliteJournal) -> None:
    first = store_record(journal, record(AuditStep.ASKED), 1.0)
    second = store_record(journal, record(AuditStep.ASKED), 2.0)
    store_record(journal, record(), 3.0, second)
    store_record(journal, record(), 4.0, first)
    found, last = journal.audit_after(1, 9)
    assert [(each.id, each.attempt, each.began, each.at) for each in found] == [
        (2, 2, 2.0, 2.0),
        (3, 2, 2.0, 3.0),
        (4, 1, 1.0, 4.0),
    ]
    assert last == journal.audit_last() == 4
    assert [each.id for each in journal.audit_after(0, 2)[0]] == [1, 2]


async def test_attempts_without_an_end_get_one_at_the_next_start(journal: SqliteJournal) -> None:
    open_one = store_record(journal, record(AuditStep.ASKED, operation="monitor_add"), 1.0)
    ended = store_record(journal, record(AuditStep.ASKED), 2.0)
    store_record(journal, record(), 3.0, ended)
    refused = store_record(journal, record(AuditStep.ASKED), 4.0)
    store_record(journal, record(AuditStep.REFUSED), 5.0, refused)
    store_record(journal, record(AuditStep.PLANNED), 6.0)
    assert [each.attempt for each in journal.audit_open()] == [open_one]
    kept = AuditTrail(at_once(journal), FakeClock())
    await kept.close_cut_off()
    await kept.flush()
    assert journal.audit_open() == ()
    latest = journal.audit_page(ALL, 3, 1)[0][0]
    assert (latest.attempt, latest.began, latest.at) == (open_one, 1.0, NOW)
    assert latest.record == replace(record(operation="monitor_add"), outcome=CUT_OFF)
    await kept.close_cut_off()
    await kept.flush()
    assert journal.audit_last() == 7


async def test_the_subscriber_is_called_after_a_record_is_stored(journal: SqliteJournal) -> None:
    told: list[int] = []
    kept = AuditTrail(at_once(journal), FakeClock())
    kept.subscribe(lambda: told.append(journal.audit_last()))
    kept.record(record())
    await kept.flush()
    assert told == [1], "when it is there to be read"
    journal.close()
    kept.record(record())
    await kept.flush()
    assert told == [1]


def test_the_cursor_of_posted_records(tmp_path: Path) -> None:
    for mark in (
        AuditCursor(1),
        AuditCursor(2**62, 2**62, 3, 1_790_000_000.125),
        None,
        AuditCursor(7, tried=9),
    ):
        tested = SqliteJournal(tmp_path / "journal.db")
        tested.open()
        tested.audit_put_cursor(mark)
        tested.close()
        tested.open()
        assert tested.audit_cursor() == mark
        tested.close()


# --- only added to ---


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET outcome = x'00' WHERE id = 1",
        "UPDATE audit SET at = at",
        "UPDATE OR IGNORE audit SET id = 9 WHERE id = 1",
        "UPDATE OR REPLACE audit SET id = 2 WHERE id = 1",
        "REPLACE INTO audit SELECT * FROM audit WHERE id = 1",
        "INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT DO UPDATE SET step = 'ended'",
    ],
)
def test_nothing_is_ever_changed(journal: SqliteJournal, tmp_path: Path, change: str) -> None:
    first = store_record(journal, record(AuditStep.ASKED), 1.0)
    store_record(journal, record(), 2.0, first)
    before = stored_trail(journal)
    with pytest.raises(JournalFailed) as failed, journal._file.transaction() as db:
        db.execute(change)
    assert failed.value.reason == "SQLITE_CONSTRAINT"
    with (
        closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as by_hand,
        pytest.raises(sqlite3.IntegrityError, match="only added to"),
    ):
        by_hand.execute(change)
    assert stored_trail(journal) == before


def test_only_whole_attempts_are_forgotten(journal: SqliteJournal) -> None:
    def attempt(*times: float) -> int:
        first = store_record(journal, record(AuditStep.ASKED), times[0])
        for at in times[1:]:
            store_record(journal, record(), at, first)
        return first

    old, none, young, back = attempt(1.0, 2.0), attempt(1.0), attempt(1.0, 5.0, 2.0), attempt(6.0, 1.0)
    journal.audit_prune(1.0)
    assert shown(journal) == [back, young, none, old]
    before = stored_trail(journal)
    journal.audit_prune(2.0)
    assert shown(journal) == [back, young, old], "written at that very moment is not before it"
    journal.audit_prune(5.0)
    assert shown(journal) == [back, young]
    assert stored_trail(journal) == before[3:], "whole"
    journal.audit_prune(6.0)
    assert shown(journal) == [back]
    journal.audit_prune(7.0)
    assert stored_trail(journal) == []


def test_an_id_is_never_used_again(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(3):
        tested = SqliteJournal(tmp_path / "journal.db")
        tested.open()
        seen.append(store_record(tested, record(AuditStep.ASKED), 1.0))
        seen.append(store_record(tested, record(), 1.0, seen[-1]))
        tested.audit_prune(2.0)
        assert stored_trail(tested) == []
        seen.append(store_record(tested, record(), 1.0))
        tested.audit_prune(2.0)
        tested.prune(2.0)
        tested.close()
    assert seen == list(range(1, 10))


def test_pruning_the_watch_leaves_the_trail_alone(journal: SqliteJournal) -> None:
    store_record(journal, record(), 1.0)
    journal.prune(1e12)
    assert shown(journal) == [1]


# --- rows that this version did not write ---

BROKEN = """
    INSERT INTO audit (attempt, at, step, way, person_id, person, operation, detail, vmid, guest, node, state,
        reason, upid, outcome, seconds)
    SELECT {attempt}, at, {step}, {way}, person_id, {person}, operation, detail, vmid, guest, node, state,
        reason, upid, outcome, seconds FROM audit WHERE id = 1
"""


@pytest.mark.parametrize(
    "spoilt",
    [{"step": "'of tomorrow'"}, {"way": "'by mail'"}, {"person": "x'ff'"}, {"person": "'a text'"}],
    ids=["step", "way", "bytes", "type"],
)
def test_a_row_that_cannot_be_read_hides_no_other_and_is_reported_once(
    journal: SqliteJournal, caplog: pytest.LogCaptureFixture, spoilt: dict[str, str]
) -> None:
    store_record(journal, record(), 1.0)
    ended_oddly = store_record(journal, record(AuditStep.ASKED), 2.0)
    with journal._file.transaction() as db:
        well = {"attempt": "NULL", "step": "step", "way": "way", "person": "person"}
        db.execute(BROKEN.format(**well | spoilt | {"attempt": ended_oddly}))
        db.execute(BROKEN.format(**well | {"person": "x'ff'"} | spoilt))
    store_record(journal, record(person=NOAH, name="Noah"), 4.0)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            found, count = journal.audit_page(ALL, 0, 9)
            assert ([each.id for each in found], count) == ([5, 1], 4), "the gap shows in the count"
            assert journal.audit_page(ALL, 1, 1) == ((), 4)
    assert [each.getMessage() for each in caplog.records] == [
        f"record {number} of the audit trail cannot be read, and is not shown" for number in (4, 3)
    ]
    assert (NOAH, "Noah") in journal.audit_people(9)
    journal.audit_prune(1e12)
    assert stored_trail(journal) == []


# --- the file of a former version ---


def test_a_file_of_the_first_version_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = Message(1, MessageKind.TEST, 1.0, ())
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        former = SqliteJournal(tmp_path / "journal.db")
        former.open()
        prefix = former.nonce_prefix
        with former._file.transaction() as db:
            db.execute("INSERT INTO records VALUES (?, ?)", (b"a", schema.encode_text(ODD)))
            row = (message.id, message.post.value, message.created, encode(message))
            db.execute("INSERT INTO messages (id, post, created, json) VALUES (?, ?, ?, ?)", row)
        former.close()
    assert version(tmp_path) == 1
    for start in (2, 3):
        present = SqliteJournal(tmp_path / "journal.db")
        assert present.open() == JournalReport(OpenOutcome.READ)
        assert (present.run, present.nonce_prefix) == (start, prefix)
        assert present.records() == {"a": ODD}
        assert [waiting.stored for waiting in present.to_post()] == [message]
        assert store_record(present, record(), 1.0) == start - 1
        present.close()
        assert version(tmp_path) == len(schema.MIGRATIONS)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def version(tmp: Path) -> int:
    with closing(sqlite3.connect(tmp / "journal.db")) as db:
        (number,) = db.execute("PRAGMA user_version").fetchone()
    return int(number)


# --- a disk that refuses ---


def some(journal: SqliteJournal) -> None:
    for number in range(1, 60):
        asked = store_record(journal, record(AuditStep.ASKED, detail="x" * 200), float(number))
        store_record(journal, record(detail="x" * 200), number + 0.5, asked)


WRITES: dict[str, Callable[[SqliteJournal], object]] = {
    "asked": lambda journal: store_record(journal, record(AuditStep.ASKED, detail="x" * 20_000), 99.0),
    "ended": lambda journal: store_record(journal, record(outcome="x" * 20_000), 99.0, 1),
    "prune": lambda journal: journal.audit_prune(40.0),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))


@every_write
def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, write: Callable[[SqliteJournal], object]
) -> None:
    """SQLite treats a limit of pages like a full disk (see tests/adapters/journal/test_database.py)."""
    tested = SqliteJournal(tmp_path / "journal.db")
    tested.open()
    some(tested)
    before = stored_trail(tested)
    with tested._file.transaction() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
    refusals = 0
    while True:
        with tested._file.transaction("BEGIN") as db:
            db.execute(f"PRAGMA max_page_count = {pages + refusals}")
        try:
            write(tested)
        except JournalFailed as failed:
            assert (failed.reason, failed.reading) == ("SQLITE_FULL", False)
            assert stored_trail(tested) == before
            refusals += 1
            assert refusals < 50
        else:
            break
    assert refusals > 0 or write is WRITES["prune"]
    after = stored_trail(tested)
    assert after != before
    tested.close()
    again = SqliteJournal(tmp_path / "journal.db")
    again.open()
    assert stored_trail(again) == after
    again.close()


@every_write
def test_a_lock_of_somebody_else_is_not_waited_for_long(
    journal: SqliteJournal, tmp_path: Path, write: Callable[[SqliteJournal], object]
) -> None:
    some(journal)
    before = stored_trail(journal)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(JournalFailed) as failed:
            write(journal)
        assert failed.value.reason == "SQLITE_BUSY"
        assert time.monotonic() - began < 5
        assert stored_trail(journal) == before, "what is there can be read meanwhile"
        assert journal.audit_page(ALL, 0, 9)[1] == 59
        other.execute("ROLLBACK")
    write(journal)
    assert stored_trail(journal) != before


def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    closed = SqliteJournal(tmp_path / "journal.db")
    calls: list[Callable[[], object]] = [
        lambda: store_record(closed, record(), 1.0),
        lambda: closed.audit_page(ALL, 0, 9),
        lambda: closed.audit_people(9),
        lambda: closed.audit_prune(1.0),
        lambda: closed.audit_export(ALL, None, 9),
        lambda: closed.audit_after(0, 9),
        closed.audit_last,
        closed.audit_open,
        closed.audit_cursor,
        lambda: closed.audit_put_cursor(None),
    ]
    for call in calls:
        with pytest.raises(JournalFailed) as failed:
            call()
        assert failed.value.reason == "closed"


# --- quick, however long the trail is ---


@pytest.mark.parametrize(
    "wanted",
    [
        ALL,
        AuditFilter(vmid=101),
        AuditFilter(person_id=EMMA),
        AuditFilter(operation="stop"),
        AuditFilter(since=1.0),
        AuditFilter(101, EMMA, "stop", 1.0),
        AuditFilter(until=9, extent=TrailExtent.CHANGES),
        AuditFilter(vmid=101, extent=TrailExtent.ENTRIES),
    ],
    ids=["all", "vmid", "person", "operation", "since", "combined", "changes", "entries"],
)
def test_no_page_and_no_count_reads_the_whole_table(journal: SqliteJournal, wanted: AuditFilter) -> None:
    """The indexes cover first records only. Without an index the query plan would contain SCAN audit."""
    query, count, values = page_queries(wanted)
    with journal._file.transaction("BEGIN") as db:
        for text in (query, count):
            rows = db.execute(f"EXPLAIN QUERY PLAN {text}", {**values, "offset": 0, "limit": 9})
            plan = [row["detail"] for row in rows]
            assert any("INDEX audit_" in line for line in plan)
            assert not any(line in ("SCAN audit", "SCAN latest") for line in plan), plan


# --- against a plain list ---


@dataclass
class Plain:
    """Model the trail's promises without a disk."""

    kept: list[AuditEntry]
    last: int = 0

    def audit(self, given: AuditRecord, at: float, follows: int | None) -> int:
        self.last += 1
        before = next((each for each in self.kept if each.id == follows), None)
        attempt, began = (before.attempt, before.began) if before else (self.last, at)
        self.kept.append(AuditEntry(self.last, attempt, began, at, given))
        return self.last

    def attempts(self) -> list[list[AuditEntry]]:
        """Return the attempts, newest first, each with its records in order."""
        numbers = sorted({each.attempt for each in self.kept}, reverse=True)
        return [[each for each in self.kept if each.attempt == number] for number in numbers]

    def audited(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        return tuple(
            records[-1]
            for records in self.attempts()
            if wanted.vmid in (None, records[0].record.vmid)
            and wanted.person_id in (None, records[0].record.actor.user_id)
            and wanted.operation in ("", records[0].record.operation)
            and (wanted.since is None or records[0].at >= wanted.since)
        )

    def people(self) -> tuple[tuple[int, str], ...]:
        found: dict[int, str] = {}
        for records in self.attempts():
            found.setdefault(records[0].record.actor.user_id, records[0].record.actor.name)
        return tuple(found.items())

    def prune(self, before: float) -> None:
        gone = {records[0].id for records in self.attempts() if all(each.at < before for each in records)}
        self.kept = [each for each in self.kept if each.attempt not in gone]


PEOPLE, VMIDS, WORDS = (EMMA, NOAH, 3), (None, 101, 102), ("stop", "start", ODD)
TIMES = st.integers(0, 12).map(float)
RECORDS = st.builds(
    lambda step, person, word, vmid, name: record(step, person, word, vmid, name=name),
    st.sampled_from(AuditStep),
    st.sampled_from(PEOPLE),
    st.sampled_from(WORDS),
    st.sampled_from(VMIDS),
    st.text(max_size=3),
)
FILTERS = st.builds(
    AuditFilter,
    st.sampled_from(VMIDS),
    st.none() | st.sampled_from(PEOPLE),
    st.sampled_from(("", *WORDS)),
    st.none() | TIMES,
)
ADDED = st.tuples(RECORDS, TIMES, st.none() | st.integers(1, 20))


@given(
    st.lists(ADDED | TIMES, max_size=25),
    st.lists(st.tuples(FILTERS, st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8),
)
def test_the_index_agrees_with_a_plain_list(
    steps: Iterable[tuple[AuditRecord, float, int | None] | float],
    queries: Iterable[tuple[AuditFilter, int, int]],
) -> None:
    """A step is a record, which may follow any ID (existing or not), or a time before which everything is deleted."""
    with tempfile.TemporaryDirectory() as directory:
        tested, model = SqliteJournal(Path(directory) / "journal.db"), Plain([])
        tested.open()
        try:
            for step in steps:
                if isinstance(step, float):
                    tested.audit_prune(step)
                    model.prune(step)
                else:
                    assert store_record(tested, *step) == model.audit(*step)
            assert tested.audit_page(ALL, 0, 99) == (model.audited(ALL), len(model.attempts()))
            for wanted, offset, limit in queries:
                expected = model.audited(wanted)
                assert tested.audit_page(wanted, offset, limit) == (
                    expected[offset : offset + limit],
                    len(expected),
                )
            assert tested.audit_people(2) == model.people()[:2]
        finally:
            tested.close()
