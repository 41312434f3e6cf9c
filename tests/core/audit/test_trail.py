"""Test how the audit trail is written: in order and once, also if the disk refuses or a caller gives up."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.journal.off_loop import SiteJournalOffLoop
from adapters.journal.store import SqliteJournal
from core.access.turns import Turns
from core.audit import trail as module
from core.audit.record import NOTHING_STARTED, AuditRecord, AuditStep
from core.audit.store import NewRecord
from core.audit.trail import LATE_MOST, AuditTrail
from core.errors import JournalFailed
from tests.support.fakes import AKIKO, FakeClock
from tests.support.watch.at_once import AT_ONCE


class Slow(SiteJournalOffLoop):
    """A journal that writes while `ready` is set, fails with `error`, and counts its transactions."""

    def __init__(self, rows: SqliteJournal) -> None:
        super().__init__(rows, rows, rows, AT_ONCE, AT_ONCE, AT_ONCE, Turns(1))
        self.ready, self.error, self.writes = asyncio.Event(), "", 0
        self.ready.set()

    async def audit_add_all(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        await self.ready.wait()
        await asyncio.sleep(0)
        if self.error:
            raise JournalFailed(self.error)
        self.writes += 1
        return await super().audit_add_all(records)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal(tmp_path / "journal.db")
    made.open()
    yield made
    made.close()


@pytest.fixture
def slow(rows: SqliteJournal) -> Slow:
    return Slow(rows)


@pytest.fixture
def trail(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> AuditTrail:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    return AuditTrail(slow, FakeClock())


def entry(step: AuditStep, **more: Any) -> AuditRecord:
    return AuditRecord(step, AKIKO, "stop", 101, **more)


def stored(rows: SqliteJournal) -> list[tuple[int, str, str]]:
    """Return attempt, step and outcome of each record, in the order of the ids."""
    found, _ = rows.audit_after(0, 10_000)
    return [(each.attempt, each.record.step.value, each.record.outcome) for each in found]


async def test_records_wait_together_and_keep_their_order(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal
) -> None:
    slow.ready.clear()
    attempts = [asyncio.create_task(trail.record_first(entry(AuditStep.ASKED))) for _ in range(40)]
    await asyncio.sleep(0)
    slow.ready.set()
    tickets = await asyncio.gather(*attempts)
    for ticket in tickets:
        trail.record(entry(AuditStep.SENT), ticket)
        trail.record(entry(AuditStep.ENDED, outcome="OK"), ticket)
    await trail.flush()
    firsts = [ticket.id for ticket in tickets]
    assert firsts == sorted(firsts, key=lambda number: number or 0)
    found = stored(rows)
    assert [each for each in found if each[1] == "asked"] == [(number, "asked", "") for number in firsts]
    for number in firsts:
        assert [step for attempt, step, _ in found if attempt == number] == ["asked", "sent", "ended"]
    assert slow.writes < 6


async def test_an_action_given_up_while_it_waits_leaves_no_trace(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal
) -> None:
    slow.ready.clear()
    trail.record(entry(AuditStep.REFUSED, outcome="NotHere()"))
    await asyncio.sleep(0)
    with pytest.raises(JournalFailed, match="ETIMEDOUT"):
        await trail.record_first(entry(AuditStep.ASKED))
    slow.ready.set()
    await trail.flush()
    assert stored(rows) == [(1, "refused", "NotHere()")]


@pytest.mark.parametrize("how", ["too late", "cancelled"])
async def test_an_action_given_up_while_it_is_written_is_ended(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal, how: str
) -> None:
    slow.ready.clear()
    asking = asyncio.create_task(trail.record_first(entry(AuditStep.ASKED)))
    await asyncio.sleep(0.01)
    if how == "cancelled":
        asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled() if how == "cancelled" else isinstance(asking.exception(), JournalFailed)
    assert stored(rows) == []
    slow.ready.set()
    await trail.flush()
    assert stored(rows) == [(1, "asked", ""), (1, "ended", NOTHING_STARTED)]
    assert rows.audit_open() == ()


async def test_records_refused_by_the_disk_are_written_later_once_and_in_order(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal
) -> None:
    slow.error = "SQLITE_FULL"
    for number in range(5):
        trail.record(entry(AuditStep.PLANNED, detail=str(number)))
        with pytest.raises(JournalFailed, match="SQLITE_FULL"):
            await trail.record_first(entry(AuditStep.ASKED))
    await trail.flush()
    slow.error = ""
    trail.write_late()
    await trail.flush()
    found, _ = rows.audit_after(0, 100)
    assert [(each.record.step.value, each.record.detail) for each in found] == [
        ("planned", str(number)) for number in range(5)
    ]


async def test_the_number_of_waiting_records_is_limited(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal
) -> None:
    ticket = await trail.record_first(entry(AuditStep.ASKED))
    slow.error = "EIO"
    for number in range(LATE_MOST + 50):
        trail.record(entry(AuditStep.SENT, detail=str(number)), ticket)
    await trail.flush()
    assert len(trail._rows) == LATE_MOST
    slow.error = ""
    trail.write_late()
    while trail._writing is not None and not trail._writing.done():
        await trail.flush()
    found, _ = rows.audit_after(1, 10_000)
    assert [each.record.detail for each in found] == [str(number) for number in range(50, LATE_MOST + 50)]


async def test_the_subscriber_is_called_once_a_record_can_be_read(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal
) -> None:
    told: list[int] = []
    trail.subscribe(lambda: told.append(rows.audit_last()))
    slow.ready.clear()
    trail.record(entry(AuditStep.REFUSED))
    await asyncio.sleep(0.01)
    assert told == []
    slow.ready.set()
    await trail.flush()
    assert told == [1]


async def test_flush_waits_for_earlier_records_only(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal
) -> None:
    left = iter(range(50))

    def record_another() -> None:
        if next(left, None) is not None:
            trail.record(entry(AuditStep.SENT, detail="later"), 1)

    trail.subscribe(record_another)
    trail.record(entry(AuditStep.PLANNED, detail="before"))
    await trail.flush()
    found, _ = rows.audit_after(0, 100)
    assert found[0].record.detail == "before"
    assert slow.writes < 5


async def test_a_record_that_no_store_can_hold_does_not_hold_up_the_others(
    trail: AuditTrail, slow: Slow, rows: SqliteJournal, caplog: pytest.LogCaptureFixture
) -> None:
    odd = replace(entry(AuditStep.ASKED), actor=replace(AKIKO, user_id=2**63))
    slow.ready.clear()
    trail.record(entry(AuditStep.PLANNED))
    await asyncio.sleep(0)
    trail.record(replace(odd, step=AuditStep.REFUSED))
    asking = [asyncio.create_task(trail.record_first(each)) for each in (odd, entry(AuditStep.ASKED))]
    await asyncio.sleep(0)
    slow.ready.set()
    refused, _ = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(refused, JournalFailed), "an action without a record does not begin"
    await trail.flush()
    assert stored(rows) == [(1, "planned", ""), (2, "asked", "")]
    assert caplog.text.count("cannot be stored") == 2
    writes = slow.writes
    for number in range(5):
        trail.record(entry(AuditStep.PLANNED, detail=str(number)))
    await trail.flush()
    assert (len(stored(rows)), slow.writes - writes) == (7, 1), "all together again"
