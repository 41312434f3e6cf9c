"""Test the journal in its threads: what is stored is read, locks are waited for, and a new file is read at once."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.journal import off_loop
from adapters.journal.off_loop import JournalOffLoop
from adapters.journal.site_journal import SiteJournal
from core.access.turns import Turns
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter, NewRecord
from core.errors import JournalFailed
from core.proxmox import asker
from core.watch.journal import Batch
from tests.support.fakes import AKIKO


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[JournalOffLoop]:
    made = JournalOffLoop(tmp_path / "journal.db")
    made.open()
    yield made
    await made.close()


def lock(path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_stored_records_are_seen_by_the_next_read(journal: JournalOffLoop) -> None:
    record = AuditRecord(AuditStep.ENDED, AKIKO, "list")
    for number in range(1, 51):
        await journal.commit(Batch({"last": str(number)}))
        assert (await journal.records())["last"] == str(number)
        assert await journal.audit_add_all([NewRecord(record, 1.0)] * 2) == (2 * number - 1, 2 * number)
        assert await journal.audit_last() == 2 * number


async def test_records_of_one_call_are_all_stored_or_none(journal: JournalOffLoop) -> None:
    record = AuditRecord(AuditStep.ENDED, AKIKO, "list")
    with pytest.raises((JournalFailed, OverflowError)):
        await journal.audit_add_all([NewRecord(record, 1.0), NewRecord(record, 1.0, attempt=2**70)])
    assert await journal.audit_last() == 0


async def test_a_lock_is_waited_for_and_holds_up_no_read(tmp_path: Path, journal: JournalOffLoop) -> None:
    await journal.put_record("kept", "1")
    other = lock(tmp_path)
    writing = asyncio.create_task(journal.put_record("new", "2"))
    assert await journal.records() == {"kept": "1"}
    await asyncio.sleep(0.3)
    assert not writing.done()
    other.execute("ROLLBACK")
    await writing
    assert await journal.records() == {"kept": "1", "new": "2"}
    other.close()


async def test_writes_refused_by_a_lock_are_not_made_later(
    tmp_path: Path, journal: JournalOffLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(off_loop, "PATIENCE_SECONDS", 0.3)
    other = lock(tmp_path)
    results = await asyncio.gather(
        *(journal.put_record(f"{number}", "late") for number in range(20)), return_exceptions=True
    )
    other.execute("ROLLBACK")
    other.close()
    assert {type(each) for each in results} == {JournalFailed}
    await journal.put_record("new", "in time")
    assert await journal.records() == {"new": "in time"}


async def test_a_file_that_was_made_again_is_read_from_then_on(
    tmp_path: Path, journal: JournalOffLoop
) -> None:
    await journal.put_record("kept", "1")
    assert await journal.records() == {"kept": "1"}
    for path in tmp_path.iterdir():  # noqa: ASYNC240  # a few names, and nobody waits
        path.unlink()
    renewed = await journal.check_file()
    assert renewed is not None
    assert renewed.whole
    await journal.put_record("new", "2")
    assert await journal.records() == {"kept": "1", "new": "2"}


async def test_after_the_end_nothing_is_read_or_written(tmp_path: Path) -> None:
    journal = JournalOffLoop(tmp_path / "journal.db")
    journal.open()
    pending = [asyncio.create_task(journal.put_record(f"{number}", "x")) for number in range(10)]
    await asyncio.sleep(0)
    await journal.close()
    await asyncio.gather(*pending)
    for late in (journal.records(), journal.put_record("late", "x")):
        with pytest.raises(JournalFailed):
            await late
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.db"]  # noqa: ASYNC240  # as above
    again = JournalOffLoop(tmp_path / "journal.db")
    again.open()
    assert len(await again.records()) == 10
    await again.close()


async def test_searches_of_one_person_hold_up_neither_the_watch_nor_others(
    journal: JournalOffLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.put_record("kept", "1")
    order = list[int]()
    begun, read = threading.Event(), threading.Event()

    def search(_searches: object, wanted: AuditFilter, _offset: int, _limit: int) -> tuple[tuple[()], int]:
        begun.set()
        assert read.wait(60.0)
        time.sleep(0.3)
        order.append(wanted.person_id or 0)
        return (), 0

    monkeypatch.setattr(SiteJournal, "audit_page", search)

    async def ask(person: int) -> None:
        asker.set(person)
        await journal.audit_page(AuditFilter(person_id=person), 0, 10)

    greedy = [asyncio.create_task(ask(1)) for _ in range(8)]
    assert await asyncio.to_thread(begun.wait, 60.0)
    other = asyncio.create_task(ask(2))
    assert await journal.records() == {"kept": "1"}, "read while the first search is held"
    read.set()
    await other
    assert order == [1, 2]
    await asyncio.gather(*greedy)  # nobody is told that the disk hangs
    assert order == [1, 2, *[1] * 7]


async def test_turns_are_limited_and_nobody_has_two() -> None:
    turns, running, most = Turns(2), list[int](), list[tuple[int, ...]]()

    async def take(person: int) -> None:
        asker.set(person)
        async with turns.take():
            running.append(person)
            most.append(tuple(sorted(running)))
            await asyncio.sleep(0.01)
            running.remove(person)

    await asyncio.gather(*(asyncio.create_task(take(person)) for person in (1, 1, 1, 2, 3)))
    assert all(len(set(people)) == len(people) <= 2 for people in most)
    assert (1, 2) in most
