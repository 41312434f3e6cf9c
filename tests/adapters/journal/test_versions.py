"""Test that journals of former versions are opened without loss.

tests/journals/version-<n>.sql is the dump of a file that the bot of that version wrote.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.journal.schema import MIGRATIONS
from adapters.journal.store import JournalReport, OpenOutcome, SqliteJournal
from core.access.policy import Actor, Place
from core.access.read_only import ReadOnlySwitch
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditCursor, AuditFilter, Stream
from core.audit.trail import AuditTrail
from core.watch.incidents.model import MessageKind
from core.watch.journal import Batch
from tests.support.fakes import FakeClock
from tests.support.journal.records import store_record
from tests.support.watch.at_once import at_once

JOURNALS = Path(__file__).parents[2] / "journals"
FORMER = range(1, len(MIGRATIONS))
SOMEBODY = Actor(1, "Somebody", Place(1, 2))
every_version = pytest.mark.parametrize("version", FORMER)


def restored(directory: Path, version: int) -> SqliteJournal:
    with closing(sqlite3.connect(directory / "journal.db")) as db:
        db.executescript((JOURNALS / f"version-{version}.sql").read_text("utf-8"))
        assert db.execute("PRAGMA user_version").fetchone() == (version,)
    (directory / "journal.db").chmod(0o600)
    return SqliteJournal(directory / "journal.db")


async def test_every_former_version_has_its_file() -> None:
    assert sorted(path.name for path in JOURNALS.iterdir()) == [f"version-{n}.sql" for n in FORMER]


@every_version
def test_the_file_is_kept_as_it_was_before_it_is_migrated(tmp_path: Path, version: int) -> None:
    restored(tmp_path, version).open()
    kept = tmp_path / f"journal.db.version-{version}"
    assert kept.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (version,)
        assert db.execute("SELECT id FROM incidents WHERE ended IS NULL").fetchall() == [(17,)]
    before = kept.stat().st_mtime_ns
    SqliteJournal(tmp_path / "journal.db").open()
    assert kept.stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.glob("*version-*")) == [kept.name]


@every_version
async def test_data_of_former_versions_is_kept(tmp_path: Path, version: int) -> None:
    journal = restored(tmp_path, version)
    assert journal.open() == JournalReport(OpenOutcome.READ)
    assert journal.run == 2
    (incident,) = journal.open_incidents()
    assert (incident.id, incident.guests[0].name) == (17, "web01 \ud83d")
    assert [(each.stored.id, each.stored.post) for each in journal.to_post()] == [(19, MessageKind.WORD)]
    assert journal.discord_ids() == {4711}
    assert journal.records()["ordered/102"] == "Emma"
    switch = ReadOnlySwitch(at_once(journal), FakeClock())
    await switch.load()
    assert switch.refusal is not None
    assert switch.refusal.by == "Akiko"
    journal.commit(Batch({"new": "1"}))
    number = store_record(
        journal, AuditRecord(AuditStep.SENT, SOMEBODY, "start", 101, message_id=5, times=3), 1.0
    )
    found, _ = journal.audit_page(AuditFilter(), 0, 1)
    assert (found[0].id, found[0].record.message_id, found[0].record.times) == (number, 5, 3)
    journal.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE audit SET times = 9")


async def test_the_trail_of_the_second_version(tmp_path: Path) -> None:
    journal = restored(tmp_path, 2)
    journal.open()
    found, count = journal.audit_page(AuditFilter(), 0, 9)
    assert count == 3
    assert [(each.record.step, each.record.times, each.record.message_id) for each in found] == [
        (AuditStep.ASKED, 1, None),
        (AuditStep.REFUSED, 1, None),
        (AuditStep.ENDED, 1, None),
    ]
    assert journal.audit_cursor() == journal.audit_cursor(Stream.CHANGES) == AuditCursor(2, 4712)
    assert journal.audit_cursor(Stream.REFUSALS) is None
    audit = AuditTrail(at_once(journal), FakeClock())
    await audit.close_cut_off()
    assert [each.record.vmid for each in audit.cut_off] == [104], "its end is found out"
    journal.close()
