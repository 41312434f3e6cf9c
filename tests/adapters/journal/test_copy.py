"""Test what is saved of a damaged journal, and what a full disk does to that."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.journal import copy
from core.audit.record import AuditRecord, AuditStep
from tests.adapters.journal.test_database import asked, batch, opened
from tests.support.journal.records import store_record


def rows_of(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        return {
            table: int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - fixed words
            for table in ("records", "incidents", "messages", "audit")
        }


def test_a_full_disk_leaves_no_row_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every size of the disk, the copy is complete or refused."""
    with opened(tmp_path) as journal:
        for number in range(1, 9):
            journal.commit(batch(number, "x" * 900))
            store_record(journal, asked(number, "y" * 400), float(number))
    source, target, outcomes = tmp_path / "journal.db", tmp_path / "copy.db", set[bool]()
    whole, connect = rows_of(source), sqlite3.connect
    for pages in range(15, 60):

        def cramped(*given: Any, most: int = pages, **more: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = connect(*given, **more)
            db.execute(f"PRAGMA max_page_count = {most}")
            return db

        with closing(connect(source)) as damaged, monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", cramped)
            try:
                copy.salvage(damaged, target, {}, 8)
            except sqlite3.Error:
                outcomes.add(False)
                continue
        outcomes.add(True)
        assert rows_of(target) == whole, pages
    assert outcomes == {True, False}


def test_no_id_is_used_again_after_everything_was_pruned(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        last = [store_record(journal, asked(number), float(number)) for number in range(1, 6)][-1]
        assert journal.audit_prune(1e12) is not None
        assert journal.audit_last() == 0
    with opened(tmp_path) as journal:
        with journal._file.transaction("BEGIN") as db:
            db.execute("PRAGMA cache_size = 1")
            db.execute("PRAGMA shrink_memory")
        with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.truncate(tmp_path / "journal.db", 0)
        renewed = journal.check_file()
        assert renewed is not None
        assert not renewed.whole
        assert store_record(journal, AuditRecord(AuditStep.REFUSED, asked(1).actor, "stop"), 9.0) > last
