"""Test the extents of the audit trail: changes and refusals only, and a question with its answer as one entry."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.journal.audit_rows import add_record, encode_row, page_queries
from adapters.journal.store import SqliteJournal
from core.access.policy import InteractionKind
from core.audit.folding import VARIOUS
from core.audit.record import CANCELLED, AuditRecord, AuditStep
from core.audit.relevance import ANSWER_SECONDS
from core.audit.store import AuditFilter, TrailExtent
from core.errors import NotHere
from core.guest_errors import GuestNotFound
from core.wanted_errors import BadVmid, NothingChosen
from tests.adapters.journal.test_audit_rows import EMMA, NOAH, record, shown
from tests.support.journal.records import store_record


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db")
    opened.open()
    yield opened
    opened.close()


def pressed(step: AuditStep, *, outcome: str = "", person: int = EMMA, vmid: int | None = 101) -> AuditRecord:
    """Return a record of a press on a question about the operation `stop`."""
    made = record(step, person, vmid=vmid, outcome=outcome)
    return replace(made, actor=replace(made.actor, interaction_kind=InteractionKind.BUTTON))


def entries(journal: SqliteJournal, extent: TrailExtent) -> list[int]:
    wanted = AuditFilter(extent=extent)
    found = shown(journal, wanted)
    assert journal.audit_page(wanted, 0, 0)[1] == len(found)
    assert [each.attempt for each in journal.audit_export(wanted, None, 99)[0]] == found
    return found


def test_changes_refusals_and_questions_are_distinguished_from_views(journal: SqliteJournal) -> None:
    told = [
        record(AuditStep.ASKED),
        record(AuditStep.ENDED, outcome="ProxmoxError"),
        record(AuditStep.ENDED, operation="readonly_on", vmid=None, outcome="OK"),
        record(AuditStep.ENDED, operation="p9:forged", outcome="unknown: KeyError"),
        record(AuditStep.REFUSED, operation="list", outcome=str(NotHere())),
        record(AuditStep.REFUSED, outcome=str(GuestNotFound(999))),
        record(AuditStep.REFUSED, outcome="CommandNotFound"),
        record(AuditStep.REFUSED, outcome=""),
        record(AuditStep.PLANNED),
    ]
    quiet = [
        record(AuditStep.ENDED, operation="list", outcome="OK"),
        record(AuditStep.ENDED, operation="info", outcome="NodeUnreachable"),
        record(AuditStep.ENDED, operation=VARIOUS, outcome="OK"),
        record(AuditStep.REFUSED, outcome=str(BadVmid("7"))),
        record(AuditStep.REFUSED, operation="info", outcome=str(NothingChosen())),
        record(AuditStep.PLANNED, detail="with_memory=True dry_run=True"),
    ]
    changes = [store_record(journal, each, number * 1000.0) for number, each in enumerate(told)]
    others = [store_record(journal, each, 1e6 + number) for number, each in enumerate(quiet)]
    assert entries(journal, TrailExtent.CHANGES) == changes[::-1]
    assert (
        entries(journal, TrailExtent.ENTRIES)
        == entries(journal, TrailExtent.RECORDS)
        == [*changes, *others][::-1]
    )


@pytest.mark.parametrize(
    "answer",
    [
        pressed(AuditStep.ASKED),
        pressed(AuditStep.REFUSED, outcome=str(NotHere())),
        pressed(AuditStep.PLANNED, outcome=CANCELLED),
    ],
)
def test_an_answered_question_is_one_entry(journal: SqliteJournal, answer: AuditRecord) -> None:
    question = store_record(journal, record(AuditStep.PLANNED), 10.0)
    store_record(journal, record(operation="info"), 20.0)
    answered = store_record(journal, answer, 69.0)
    assert entries(journal, TrailExtent.CHANGES) == [answered]
    assert len(entries(journal, TrailExtent.ENTRIES)) == 2
    assert entries(journal, TrailExtent.RECORDS)[-1] == question, (
        "it stays stored, and in the file of everything"
    )


@pytest.mark.parametrize(
    "other",
    [
        record(AuditStep.ASKED),  # a command, not the press
        record(AuditStep.PLANNED),  # the same question once more
        pressed(AuditStep.ASKED, person=NOAH),
        pressed(AuditStep.ASKED, vmid=102),
        replace(pressed(AuditStep.ASKED), operation="reboot"),
    ],
)
def test_a_question_is_only_joined_with_its_own_answer(journal: SqliteJournal, other: AuditRecord) -> None:
    question = store_record(journal, record(AuditStep.PLANNED), 10.0)
    another = store_record(journal, other, 20.0)
    assert entries(journal, TrailExtent.CHANGES) == [another, question]


def test_a_question_that_timed_out_is_not_answered_later(journal: SqliteJournal) -> None:
    question = store_record(journal, record(AuditStep.PLANNED), 10.0)
    later = store_record(journal, pressed(AuditStep.ASKED), 10.0 + ANSWER_SECONDS + 1)
    assert entries(journal, TrailExtent.ENTRIES) == [later, question]


def test_a_question_about_no_guest_is_joined_too(journal: SqliteJournal) -> None:
    store_record(journal, record(AuditStep.PLANNED, vmid=None), 10.0)
    answered = store_record(journal, pressed(AuditStep.ASKED, vmid=None), 20.0)
    assert entries(journal, TrailExtent.ENTRIES) == [answered]


def test_a_page_of_a_long_trail_costs_little(journal: SqliteJournal) -> None:
    """SQLite counts its own steps: a page reads a few questions, and each looks at a few records."""
    with journal._file.transaction() as db:
        for number in range(600):
            for each in (record(AuditStep.PLANNED), record(operation="list")):
                add_record(db, encode_row(each, number * 1000.0), None)
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with journal._file.transaction("BEGIN") as db:
        query, _, values = page_queries(AuditFilter(extent=TrailExtent.CHANGES))
        db.set_progress_handler(count, 1)
        db.execute(query, {**values, "offset": 0, "limit": 10}).fetchall()
        db.set_progress_handler(None, 0)
    assert 0 < steps[0] < 50_000, "of 900,000 for the whole trail"
