"""Test that the journal keeps its data, against a model of plain dictionaries and case by case."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.journal.site_journal import SiteJournal
from adapters.journal.store import JournalReport, OpenOutcome, SqliteJournal
from core.errors import JournalFailed
from core.guest import Kind
from core.watch.incidents.model import (
    BackupFact,
    GuestEvent,
    GuestFact,
    Incident,
    Message,
    MessageKind,
    Metric,
    Severity,
    SourceFault,
    Topic,
    guest_subject,
)
from core.watch.journal import Backlog, Batch, OutboxMessage

ODD = "pve\ud800\x00'\"; DROP TABLE records;--\u202e"
"""Name as a hostile or broken Proxmox may send it: half a surrogate pair, NUL, quotes."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal.db")
    opened.open()
    yield opened
    opened.close()


def incident(number: int, *vmids: int, topic: Topic = Topic.GUEST, ended: float | None = None) -> Incident:
    facts = tuple(GuestFact(vmid, GuestEvent.STOPPED, Kind.QEMU, "pve1", f"vm{vmid}") for vmid in vmids)
    subject = guest_subject(vmids[0]) if vmids else "all"
    return Incident(number, topic, subject, Severity.CRITICAL, float(number), 5.0, facts, ended=ended)


def opening(number: int, *incidents: int, created: float = 1.0) -> Message:
    return Message(number, MessageKind.OPENING, created, incidents, mention=True)


def ids(messages: tuple[OutboxMessage, ...]) -> list[int]:
    return [message.stored.id for message in messages]


def editions(journal: SiteJournal, message_id: int) -> tuple[int, int]:
    message = journal.outbox_message(message_id)
    assert message is not None
    return message.wanted, message.shown


# --- the file ---


def test_nothing_happens_before_it_is_opened(tmp_path: Path) -> None:
    tested: SiteJournal = SqliteJournal(tmp_path / "journal.db")
    assert (tested.run, tested.nonce_prefix) == (0, "")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(JournalFailed) as failed:
        tested.records()
    assert failed.value.reason == "closed"


def test_the_journal_counts_its_runs_and_keeps_its_prefix(tmp_path: Path) -> None:
    prefixes = set()
    for run in range(1, 4):
        tested = SqliteJournal(tmp_path / "journal.db")
        assert tested.open() == JournalReport(OpenOutcome.CREATED if run == 1 else OpenOutcome.READ)
        assert tested.run == run
        prefixes.add(tested.nonce_prefix)
        tested.close()
        tested.close()
        assert [path.name for path in tmp_path.iterdir()] == ["journal.db"]  # a closed journal is one file
    (prefix,) = prefixes
    assert re.fullmatch("[a-z0-9]{10}", prefix)
    other = SqliteJournal(tmp_path / "other.db")
    other.open()
    assert other.nonce_prefix != prefix
    other.close()
    for call in (other.records, other.to_post, other.backlog):
        with pytest.raises(JournalFailed):
            call()


def test_the_disk_is_waited_for(journal: SqliteJournal) -> None:
    with journal._file.transaction() as db:
        found = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 250,
        "user_version": 6,
    }


# --- what is kept ---


def test_everything_of_an_incident_comes_back(journal: SqliteJournal) -> None:
    full = Incident(
        7,
        Topic.GROUP,
        "all",
        Severity.WARNING,
        1.25,
        2.5,
        (
            GuestFact(
                101, GuestEvent.MISSING, Kind.LXC, ODD, ODD, "root@pam", "qmstop", away=True, after_node=True
            ),
        ),
        ODD,
        ODD,
        Metric.MEMORY,
        99.5,
        90,
        SourceFault("NodeUnreachable", (("node", ODD),)),
        3,
        (BackupFact("pve1", None, "a@b", ODD), BackupFact("pve1", 102, "", "")),
        10.0,
        8.75,
        ODD,
        9.0,
        11.0,
        told=True,
        said=3.0,
        forgotten=True,
    )
    message = Message(8, MessageKind.WORD, 4.5, (7,), mention=True, silent=True, text=ODD)
    journal.commit(Batch(incidents=(full,), messages=(message,)))
    assert journal.incident(7) == full
    assert journal.incident(8) is None
    assert journal.to_post() == (OutboxMessage(message, (full,)),)


def test_odd_text_comes_back_wherever_it_stands(journal: SqliteJournal) -> None:
    journal.commit(Batch({ODD: ODD, "": "", "pve": "x"}, messages=(opening(1),)))
    assert journal.records() == {ODD: ODD, "": "", "pve": "x"}
    journal.note_try(1, ODD, 5.0)
    journal.note_refused(1, ODD, not_taken=False)
    (message,) = journal.to_post()
    assert (message.tried, message.error) == (ODD, ODD)
    assert journal.backlog().error == ODD
    journal.commit(Batch({ODD: None, "never": None}))
    assert journal.records() == {"": "", "pve": "x"}


def test_a_batch_is_written_whole_or_not_at_all(journal: SqliteJournal) -> None:
    journal.commit(Batch({"a": "1"}, (incident(1, 101),), (opening(2, 1),)))
    before = (journal.records(), journal.open_incidents(), journal.to_post())
    twice = Batch({"a": None, "b": "2"}, (incident(1, 102), incident(3, 103)), (opening(4, 3), opening(2, 1)))
    with pytest.raises(JournalFailed) as failed:
        journal.commit(twice)
    assert failed.value.reason == "SQLITE_CONSTRAINT"
    assert isinstance(failed.value.__cause__, sqlite3.IntegrityError)
    with pytest.raises(ValueError, match="JSON"):
        journal.commit(Batch({"a": None}, (replace(incident(1), percent=float("nan")),)))
    with pytest.raises(OverflowError):
        journal.commit(Batch({"a": None}, (incident(2**63),)))
    assert (journal.records(), journal.open_incidents(), journal.to_post()) == before
    assert journal.history({102}, 0, 9) == ((), 0)
    journal.commit(Batch({"b": "2"}))
    assert journal.records() == {"a": "1", "b": "2"}


def test_the_last_version_of_an_incident_in_a_batch_counts(journal: SqliteJournal) -> None:
    journal.commit(Batch(incidents=(incident(1, 101), incident(1, 102)), messages=()))
    assert journal.open_incidents() == (incident(1, 102),)
    assert journal.history({101}, 0, 9) == ((), 0)


# --- delivery ---


def test_a_message_on_its_way(journal: SqliteJournal) -> None:
    journal.commit(Batch(incidents=(incident(1, 101),), messages=(opening(3, 1, 9), opening(2))))
    assert journal.to_post() == (
        OutboxMessage(opening(2), ()),
        OutboxMessage(opening(3, 1, 9), (incident(1, 101),)),
    )
    journal.note_try(2, "hello", 5.5)
    journal.note_try(2, "hello again", 6.5)
    assert journal.outbox_message(2) == OutboxMessage(
        opening(2), (), tried="hello again", tried_at=6.5, run=1, attempts=2
    )
    journal.note_refused(2, "503", not_taken=False)
    message = journal.outbox_message(2)
    assert message is not None
    assert (message.tried, message.error, message.attempts) == ("hello again", "503", 2)
    journal.note_refused(2, "429", not_taken=True)
    message = journal.outbox_message(2)
    assert message is not None
    assert (message.tried, message.error, message.tried_at) == ("", "429", 6.5)
    journal.note_posted(2, 2**62, 0)
    assert journal.outbox_message(2) == OutboxMessage(
        opening(2), (), posted=2**62, tried_at=6.5, run=1, attempts=2
    )
    assert ids(journal.to_post()) == [3]
    assert journal.to_edit() == ()
    journal.give_up(3, "400")
    assert journal.to_post() == ()
    given_up = journal.outbox_message(3)
    assert given_up is not None
    assert (given_up.posted, given_up.error) == (None, "400")
    assert journal.outbox_message(4) is None


def test_the_run_that_tried_is_known_in_the_next(tmp_path: Path) -> None:
    for run in (1, 2):
        tested = SqliteJournal(tmp_path / "journal.db")
        tested.open()
        if run == 1:
            tested.commit(Batch(messages=(opening(1),)))
        else:
            (message,) = tested.to_post()
            assert (message.tried, message.run, tested.run) == ("run 1", 1, 2)
        tested.note_try(1, f"run {run}", 1.0)
        (message,) = tested.to_post()
        assert (message.tried, message.run, message.attempts) == (f"run {run}", run, run)
        tested.close()


def test_a_changed_incident_asks_for_a_new_edition_of_its_opening_alone(journal: SqliteJournal) -> None:
    others = [
        Message(10 + n, post, 1.0, (1,))
        for n, post in enumerate(MessageKind)
        if post is not MessageKind.OPENING
    ]
    journal.commit(Batch(incidents=(incident(1, 101), incident(2, 102)), messages=(opening(3, 1), *others)))
    journal.commit(Batch(messages=(opening(4, 2, 1), Message(5, MessageKind.DIGEST, 1.0, (2, 1)))))
    for message in (3, 4, 5, *(other.id for other in others)):
        assert editions(journal, message) == (0, 0)
        journal.note_posted(message, message, 0)
    journal.commit(Batch(incidents=(incident(1, 101, ended=9.0),)))
    (edit,) = journal.to_edit()
    assert edit == OutboxMessage(opening(3, 1), (incident(1, 101, ended=9.0),), posted=3, wanted=1)
    journal.commit(Batch(incidents=(incident(1, 101, ended=10.0),)))
    journal.note_edited(3, 1)  # the edition that was composed before
    assert editions(journal, 3) == (2, 1)
    assert ids(journal.to_edit()) == [3]
    journal.note_edited(3, 2)
    assert journal.to_edit() == ()
    journal.commit(Batch(incidents=(incident(2, 102, ended=9.0), incident(1)), messages=(opening(6, 2),)))
    assert ids(journal.to_edit()) == [3, 4]
    assert editions(journal, 6) == (0, 0)


def test_an_incident_that_changes_while_its_message_is_being_sent(journal: SqliteJournal) -> None:
    journal.commit(Batch(incidents=(incident(1, 101),), messages=(opening(2, 1),)))
    journal.commit(Batch(incidents=(incident(1, 101, 102),)))
    (composed,) = journal.to_post()
    assert (composed.wanted, composed.incidents) == (1, (incident(1, 101, 102),))
    journal.note_try(2, "101, 102", 1.0)
    journal.commit(Batch(incidents=(incident(1, 101, 102, 103),)))
    journal.note_posted(2, 77, composed.wanted)
    (edit,) = journal.to_edit()
    assert (edit.posted, edit.wanted, edit.shown) == (77, 2, 1)
    journal.note_edited(2, edit.wanted)
    assert journal.to_edit() == ()


def test_a_message_found_from_a_former_try_is_edited(journal: SqliteJournal) -> None:
    journal.commit(Batch(incidents=(incident(1, 101),), messages=(opening(2, 1),)))
    journal.note_try(2, "old", 1.0)
    journal.note_posted(2, 77, -1)
    assert ids(journal.to_edit()) == [2]
    journal.note_edited(2, 0)
    assert journal.to_edit() == ()


def test_a_message_that_another_says_too_is_not_sent(journal: SqliteJournal) -> None:
    recovery = Message(3, MessageKind.RECOVERY, 8.0, (1,))
    journal.commit(Batch(incidents=(incident(1, 101, ended=8.0),), messages=(opening(2, 1), recovery)))
    journal.note_try(2, "down and up", 9.0, absorbs=3)
    assert ids(journal.to_post()) == [2]
    absorbed = journal.outbox_message(3)
    assert absorbed is not None
    assert (absorbed.posted, absorbed.error, absorbed.attempts) == (None, "", 0)
    assert journal.backlog() == Backlog(waiting=1, oldest=1.0)
    journal.note_posted(2, 77, 0)
    journal.commit(Batch(messages=(opening(4),)))
    journal.note_try(4, "x", 9.0, absorbs=2)  # a posted message stays posted
    assert journal.outbox_message(2) == OutboxMessage(
        opening(2, 1), (incident(1, 101, ended=8.0),), posted=77, tried_at=9.0, run=1, attempts=1
    )


def test_given_up_and_absorbed_messages_are_not_edited(journal: SqliteJournal) -> None:
    journal.commit(Batch(incidents=(incident(1, 101),), messages=(opening(2, 1), opening(3, 1), opening(4))))
    journal.give_up(2, "400")
    journal.note_try(4, "", 1.0, absorbs=3)
    journal.commit(Batch(incidents=(incident(1, 102),)))
    assert journal.to_edit() == ()
    assert editions(journal, 2) == editions(journal, 3) == (0, 0)


def test_the_backlog_counts_undelivered_messages(journal: SqliteJournal) -> None:
    assert journal.backlog() == Backlog(0, None, 0, "")
    journal.commit(Batch(messages=(opening(1, created=50), opening(2, created=40), opening(3, created=60))))
    assert journal.backlog() == Backlog(3, 40.0, 0, "")
    for message, at in ((3, 70.0), (1, 80.0), (2, 75.0)):
        journal.note_try(message, "x", at)
        journal.note_refused(message, f"error {message}", not_taken=True)
    assert journal.backlog() == Backlog(3, 40.0, 0, "error 1")
    journal.give_up(2, "too old")
    assert journal.backlog() == Backlog(2, 50.0, 1, "error 1")
    journal.note_posted(1, 77, 0)
    journal.note_posted(3, 78, 0)
    assert journal.backlog() == Backlog(0, None, 1, "too old")


# --- reading ---


def test_history_of_one_guest_and_of_all(journal: SqliteJournal) -> None:
    backup = replace(
        incident(5, topic=Topic.BACKUP, ended=5.0),
        backups=(BackupFact("pve1", 101, "", "no space"), BackupFact("pve1", None, "", "")),
    )
    all_of_them = (
        incident(1, 101),
        incident(2, 102, ended=3.0),
        incident(3, 101, 102, 103, topic=Topic.GROUP),
        replace(incident(4, 101, 101, topic=Topic.NODE), opened=0.0),  # the clock was set back
        backup,
        replace(incident(6, topic=Topic.SOURCE), watched=3),
    )
    journal.commit(Batch(incidents=all_of_them))
    newest = tuple(reversed(all_of_them))
    assert journal.history(None, 0, 10) == (newest, 6)
    assert journal.history(None, 2, 3) == (newest[2:5], 6)
    assert journal.history(None, 6, 3) == ((), 6)
    found, count = journal.history({101}, 0, 10)
    assert ([each.id for each in found], count) == ([5, 4, 3, 1], 4)
    assert journal.history({101}, 1, 1) == ((all_of_them[3],), 4)
    assert journal.history({999}, 0, 10) == ((), 0)
    assert [journal.earliest_beginning(None, count) for count in (0, 1, 2, 3, 9)] == [0.0, 6.0, 5.0, 0.0, 0.0]
    assert [journal.earliest_beginning({102}, count) for count in (1, 2)] == [3.0, 2.0]
    assert journal.open_incidents() == (*all_of_them[:1], *all_of_them[2:4], all_of_them[5])


def test_counts_leave_notes_out(journal: SqliteJournal) -> None:
    journal.commit(
        Batch(
            incidents=(
                incident(10, 101, 101),
                incident(20, 101, 102, topic=Topic.GROUP),
                incident(30, 101, 103, topic=Topic.NOTE, ended=30.0),
                incident(40, topic=Topic.SOURCE),
                incident(50, 102, topic=Topic.FLAPPING),
            )
        )
    )
    assert journal.counts(0) == {101: 2, 102: 2}
    assert journal.counts(20.0) == {101: 1, 102: 2}
    assert journal.counts(20.5) == {102: 1}
    assert journal.counts(51) == {}


def test_pruning_keeps_open_waiting_and_editable_messages(journal: SqliteJournal) -> None:
    journal.commit(
        Batch(
            {"a": "1"},
            tuple(incident(number, 101, ended=None if number == 1 else 10.0) for number in range(1, 8)),
            (
                opening(11, 1),  # of an open incident, so it will be edited
                opening(12, 2),
                opening(13, 3),  # waits
                opening(14, 4),  # needs an edit
                # waits, and also reports an incident that is not listed first
                Message(15, MessageKind.DIGEST, 1.0, (12345, 5)),
                opening(16, 6),  # tried late
                Message(17, MessageKind.REMINDER, 1.0, (1,)),
                opening(18),  # given up
            ),
        )
    )
    for message in (11, 12, 14, 16, 17):
        journal.note_try(message, "x", 99.0 if message == 16 else 5.0)
        journal.note_posted(message, message, -1 if message == 14 else 0)
    journal.give_up(18, "400")
    journal.prune(10.0)
    assert journal.history(None, 0, 99)[1] == 7  # ended at that very moment, not before it
    journal.prune(50.0)
    assert [each.id for each in journal.history(None, 0, 99)[0]] == [5, 4, 3, 1]
    kept = [number for number in range(10, 20) if journal.outbox_message(number)]
    assert kept == [11, 13, 14, 15, 16]
    assert journal.history({101}, 0, 99)[1] == 4
    late = journal.outbox_message(16)
    assert late is not None
    assert late.incidents == ()
    journal.note_edited(14, 0)
    for message in (13, 15):
        journal.note_posted(message, message, 0)
    journal.commit(Batch(incidents=(incident(1, 101, ended=20.0),)))
    journal.note_edited(11, 1)
    journal.prune(100.0)
    assert journal.history(None, 0, 99) == ((), 0)
    assert [number for number in range(10, 20) if journal.outbox_message(number)] == []
    assert journal.records() == {"a": "1"}


# --- against plain dictionaries ---


class Plain:
    """Model the journal's promises without a disk."""

    def __init__(self) -> None:
        self.run = 0
        self.kept: dict[str, str] = {}
        self.incidents: dict[int, Incident] = {}
        self.messages: dict[int, OutboxMessage] = {}
        self.status: dict[int, str] = {}

    def commit(self, batch: Batch) -> None:
        for key, value in batch.records.items():
            self.kept.pop(key, None)
            if value is not None:
                self.kept[key] = value
        changed = {each.id: each for each in batch.incidents}
        self.incidents |= changed
        for number, message in self.messages.items():
            speaks = message.stored.post is MessageKind.OPENING and set(message.stored.incidents[:1]) & set(
                changed
            )
            if speaks and self.status[number] in ("waiting", "posted"):
                self.change(number, wanted=message.wanted + 1)
        for stored in batch.messages:
            self.messages[stored.id], self.status[stored.id] = OutboxMessage(stored, ()), "waiting"

    def change(self, number: int, **values: object) -> None:
        self.messages[number] = replace(self.messages[number], **values)  # type: ignore[arg-type]  # fields of it

    def note_try(self, number: int, content: str, at: float, absorbs: int | None, *, late: float) -> None:
        if self.status[number] == "waiting":
            attempts = self.messages[number].attempts + 1
            self.change(number, tried=content, tried_at=at, late=late, run=self.run, attempts=attempts)
        if absorbs is not None and self.status[absorbs] == "waiting":
            self.status[absorbs] = "absorbed"

    def outbox_message(self, number: int) -> OutboxMessage:
        message = self.messages[number]
        present = tuple(self.incidents[n] for n in message.stored.incidents if n in self.incidents)
        return replace(message, incidents=present, opening=self.posted_opening(message.stored))

    def posted_opening(self, recovery: Message) -> int | None:
        """Return Discord's id of the opening that a recovery replies to."""
        if recovery.post is not MessageKind.RECOVERY or not recovery.incidents:
            return None
        about = recovery.incidents[:1]
        openings = (
            each
            for _, each in sorted(self.messages.items())
            if each.stored.post is MessageKind.OPENING and each.stored.incidents[:1] == about
        )
        return next((each.posted for each in openings if self.status[each.stored.id] == "posted"), None)

    def having(self, status: str) -> tuple[OutboxMessage, ...]:
        return tuple(
            self.outbox_message(number) for number in sorted(self.messages) if self.status[number] == status
        )

    def to_edit(self) -> tuple[OutboxMessage, ...]:
        return tuple(message for message in self.having("posted") if message.shown < message.wanted)

    def history(self, vmid: int | None) -> tuple[Incident, ...]:
        return tuple(
            self.incidents[number]
            for number in sorted(self.incidents, reverse=True)
            if vmid is None or vmid in {fact.vmid for fact in self.incidents[number].guests}
        )

    def backlog(self) -> Backlog:
        waiting = self.having("waiting")
        given_up = [each for each in self.having("given_up") if each.stored.post is not MessageKind.TEST]
        told = [
            each for each in (*waiting, *given_up) if each.error and each.stored.post is not MessageKind.TEST
        ]
        last = max(told, key=lambda message: (message.tried_at, message.stored.id), default=None)
        oldest = min((message.stored.created for message in waiting), default=None)
        return Backlog(len(waiting), oldest, len(given_up), last.error if last else "")

    def prune(self, before: float) -> None:
        stay = {n for n, each in self.incidents.items() if each.ended is None or each.ended >= before}
        for number, message in list(self.messages.items()):
            settled = self.status[number] != "waiting" and message not in self.to_edit_raw()
            old = max(message.stored.created, message.tried_at) < before
            held = message.stored.post is MessageKind.OPENING and bool(
                stay & set(message.stored.incidents[:1])
            )
            if settled and old and not held:
                del self.messages[number], self.status[number]
        unsettled = [p for n, p in self.messages.items() if self.status[n] == "waiting"] + self.to_edit_raw()
        stay |= {number for message in unsettled for number in message.stored.incidents}
        self.incidents = {number: each for number, each in self.incidents.items() if number in stay}

    def to_edit_raw(self) -> list[OutboxMessage]:
        return [p for n, p in self.messages.items() if self.status[n] == "posted" and p.shown < p.wanted]


VMIDS = st.integers(100, 104)
TIMES = st.integers(0, 30).map(float)
TEXT = st.text(max_size=8) | st.just(ODD)
INCIDENTS = st.builds(
    lambda number, topic, opened, vmids, ended: replace(
        incident(number, *vmids, topic=topic, ended=ended), opened=opened
    ),
    st.integers(1, 8),
    st.sampled_from(Topic),
    TIMES,
    st.lists(VMIDS, max_size=3),
    st.none() | TIMES,
)


class Agreement(RuleBasedStateMachine):
    """Apply each step to both and check that they agree, even after a restart."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.model, self.last = Plain(), 0
        self.tested = SqliteJournal(Path(self.directory.name) / "journal.db")
        self.open()

    def open(self) -> None:
        self.tested.open()
        self.model.run += 1

    def teardown(self) -> None:
        if hasattr(self, "tested"):
            self.tested.close()
            self.directory.cleanup()

    def both(self) -> tuple[SqliteJournal, Plain]:
        return self.tested, self.model

    @rule(
        records=st.dictionaries(TEXT, st.none() | TEXT, max_size=3),
        incidents=st.lists(INCIDENTS, max_size=3),
        posts=st.lists(
            st.tuples(
                st.sampled_from(MessageKind), TIMES, st.lists(st.integers(1, 9), max_size=3, unique=True)
            ),
            max_size=3,
        ),
    )
    def commit(
        self,
        records: dict[str, str | None],
        incidents: list[Incident],
        posts: list[tuple[MessageKind, float, list[int]]],
    ) -> None:
        messages = tuple(
            Message(self.last + n, post, created, tuple(about))
            for n, (post, created, about) in enumerate(posts, 1)
        )
        self.last += len(messages)
        for each in self.both():
            each.commit(Batch(records, tuple(incidents), messages))

    def some(self, data: st.DataObject) -> int | None:
        return data.draw(st.sampled_from(sorted(self.model.messages))) if self.model.messages else None

    @rule(data=st.data(), content=TEXT, at=TIMES, absorb=st.booleans())
    def trying(self, data: st.DataObject, content: str, at: float, absorb: bool) -> None:
        number = self.some(data)
        other = self.some(data) if absorb else None
        if number is not None:
            for each in self.both():
                each.note_try(number, content, at, other if other != number else None, late=at / 7)

    @rule(data=st.data(), edition=st.integers(-1, 3))
    def posted(self, data: st.DataObject, edition: int) -> None:
        number = self.some(data)
        if number is not None:
            self.tested.note_posted(number, number + 2**60, edition)
            self.model.status[number] = "posted"
            self.model.change(number, posted=number + 2**60, shown=edition, tried="", error="")

    @rule(data=st.data(), edition=st.integers(0, 3))
    def edited(self, data: st.DataObject, edition: int) -> None:
        number = self.some(data)
        if number is not None:
            self.tested.note_edited(number, edition)
            self.model.change(number, shown=edition)

    @rule(data=st.data(), error=TEXT, not_taken=st.booleans())
    def refused(self, data: st.DataObject, error: str, not_taken: bool) -> None:
        number = self.some(data)
        if number is not None:
            self.tested.note_refused(number, error, not_taken=not_taken)
            tried = "" if not_taken else self.model.messages[number].tried
            self.model.change(number, error=error, tried=tried)

    @rule(data=st.data(), error=TEXT)
    def give_up(self, data: st.DataObject, error: str) -> None:
        number = self.some(data)
        if number is not None:
            self.tested.give_up(number, error)
            if self.model.status[number] == "waiting":
                self.model.status[number] = "given_up"
                self.model.change(number, error=error)

    @rule(before=TIMES)
    def prune(self, before: float) -> None:
        for each in self.both():
            each.prune(before)

    @rule(cleanly=st.booleans())
    def restart(self, cleanly: bool) -> None:
        if cleanly:
            self.tested.close()
        elif self.tested._file._db is not None:
            self.tested._file._db.close()
        self.tested = SqliteJournal(Path(self.directory.name) / "journal.db")
        self.open()

    @invariant()
    def they_agree(self) -> None:
        tested, model = self.tested, self.model
        assert tested.run == model.run
        assert tested.records() == model.kept
        by_id = [model.incidents[number] for number in sorted(model.incidents)]
        assert tested.open_incidents() == tuple(each for each in by_id if each.open)
        assert tested.to_post() == model.having("waiting")
        assert tested.to_edit() == model.to_edit()
        assert tested.backlog() == model.backlog()
        for number in range(1, self.last + 1):
            assert tested.outbox_message(number) == (
                model.outbox_message(number) if number in model.messages else None
            )
        for number in range(1, 10):
            assert tested.incident(number) == model.incidents.get(number)
        for vmid in (None, *range(100, 105)):
            expected = model.history(vmid)
            assert tested.history(None if vmid is None else {vmid}, 0, 100) == (expected, len(expected))
            assert tested.history(None if vmid is None else {vmid}, 1, 2) == (expected[1:3], len(expected))
        for since in (0.0, 10.0):
            counted = [each for each in by_id if each.opened >= since and each.topic is not Topic.NOTE]
            vmids = [vmid for each in counted for vmid in {fact.vmid for fact in each.guests}]
            assert tested.counts(since) == {vmid: vmids.count(vmid) for vmid in vmids}


Agreement.TestCase.settings = settings(
    max_examples=settings().max_examples * 2 // 3, stateful_step_count=30, report_multiple_bugs=False
)
TestAgreement = Agreement.TestCase
