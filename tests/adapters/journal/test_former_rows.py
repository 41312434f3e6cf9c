"""Test that every row and every field that a former version wrote is read.

The codec passes over fields that it does not know. So the decoded data is written again and compared.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.journal.audit_rows import encode_row
from adapters.journal.store import JournalReport, OpenOutcome, SqliteJournal
from core.access.policy import InteractionKind
from core.audit.record import AuditStep
from core.audit.store import AuditCursor, Stream
from core.codec import decode, encode
from core.guest import Kind, State
from core.operations import Operation
from core.tasks import TaskEnd
from core.watch.incidents.model import (
    BackupFact,
    GuestEvent,
    GuestFact,
    Incident,
    Message,
    MessageKind,
    Metric,
    Mute,
    Severity,
    SourceFault,
    Topic,
)
from core.watch.incidents.state import (
    GuestState,
    HeldStop,
    HoldReason,
    NodeState,
    PollState,
    SourceState,
    ThresholdState,
    WatchState,
)
from core.watch.records import changed_records, decode_state, split_state
from monitor_store import LoadOutcome, MonitorStore
from tests.support.former_data import ALL, JOURNAL, OF_25, OF_26, WATCH_LIST, FormerData
from tests.support.walked import walked

Rows = dict[str, list[dict[str, Any]]]
ADDED: dict[str, dict[str, Any]] = {
    "audit": {"message_id": None, "times": 1, "site": "", "interaction_id": None},
    "incidents": {"site": ""},
    "messages": {"site": ""},
}
"""The columns that came after version 2, and their values in its rows."""
NOT_OF_THE_WATCH = {
    OF_25.name: {"access/read_only", "ordered/102"},
    OF_26.name: {"access/read_only", "ordered/203"},
}
"""The records that are not part of the watch's state."""


WORDS: dict[str, Any] = {
    "incident": Incident,
    "guest of an incident": GuestFact,
    "backup of an incident": BackupFact,
    "fault of an incident": SourceFault,
    "message": Message,
    "mute": Mute,
    "guest": GuestState,
    "guest held": HeldStop,
    "node": NodeState,
    "gauge": ThresholdState,
    "source": SourceState,
    "pulse": PollState,
    "mark of a posting": AuditCursor,
    "topics": Topic,
    "severities": Severity,
    "what became of a guest": GuestEvent,
    "why a stop is held": HoldReason,
    "posts": MessageKind,
    "metrics": Metric,
    "kinds": Kind,
    "states": State,
    "steps": AuditStep,
    "ways": InteractionKind,
    "operations": Operation,
    "ends of tasks": TaskEnd,
}
"""The stored kinds of data, and the class that reads each."""


@pytest.fixture(params=ALL, ids=lambda former: former.name)
def former(request: pytest.FixtureRequest) -> FormerData:
    data: FormerData = request.param
    return data


@pytest.fixture
def rows(former: FormerData, tmp_path: Path) -> Rows:
    """Return all tables as that bot left them."""
    former.lay_out(tmp_path)
    return rows_of(tmp_path / JOURNAL)


@pytest.fixture
def journal(
    rows: Rows,  # noqa: ARG001  # they are read before the journal is opened
    tmp_path: Path,
) -> Iterator[SqliteJournal]:
    """Open the journal of that directory."""
    opened = SqliteJournal(tmp_path / JOURNAL)
    assert opened.open() == JournalReport(OpenOutcome.READ)
    yield opened
    opened.close()


def rows_of(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [dict(row) for row in db.execute(f"SELECT * FROM {name} ORDER BY rowid")]  # noqa: S608 - a table's own name
            for (name,) in tables
        }


def test_every_row_is_there_after_it_was_opened(rows: Rows, journal: SqliteJournal, tmp_path: Path) -> None:
    journal.close()
    after = rows_of(tmp_path / JOURNAL)
    for run in (row for row in rows["meta"] if row["name"] == "run"):
        run["value"] += 1
    for table, before in rows.items():
        assert after[table] == [ADDED.get(table, {}) | row for row in before], table


@pytest.mark.parametrize(("table", "kind"), [("incidents", Incident), ("messages", Message)])
def test_every_field_of_the_watch_is_understood(rows: Rows, table: str, kind: type) -> None:
    assert rows[table]
    for row in rows[table]:
        kept: Any = decode(kind, row["json"])
        again = encode(kept)
        assert decode(kind, again) == kept
        if not getattr(kept, "fault", None):  # an error of that time is written as errors are now
            assert again == row["json"]


def test_every_record_of_the_state_is_understood(former: FormerData, journal: SqliteJournal) -> None:
    records = journal.records()
    state = decode_state(records, journal.open_incidents())
    again = changed_records(split_state(WatchState()), split_state(state))
    kept = {key: text for key, text in records.items() if key not in NOT_OF_THE_WATCH[former.name]}
    assert {key: json.loads(text or "null") for key, text in again.items()} == {
        key: json.loads(text) for key, text in kept.items()
    }
    assert NOT_OF_THE_WATCH[former.name] == records.keys() - kept.keys()


def test_every_message_that_waits_is_to_be_posted(rows: Rows, journal: SqliteJournal) -> None:
    waiting = {row["id"]: row for row in rows["messages"] if row["status"] == "waiting"}
    messages = {message.stored.id: message for message in journal.to_post()}
    assert messages.keys() == waiting.keys()
    for number, row in waiting.items():
        message = messages[number]
        assert (message.tried.encode(), message.error.encode()) == (row["tried"], row["error"])
        assert (message.tried_at, message.late) == (row["tried_at"], row["late"])
        assert (message.run, message.attempts, message.wanted) == (row["run"], row["attempts"], row["wanted"])
        assert message.incidents[0].id == row["incident"]


def test_every_audit_record_is_read_whole(rows: Rows, journal: SqliteJournal) -> None:
    found, _ = journal.audit_after(0, 1000)
    first = {row["id"]: row["attempt"] or row["id"] for row in rows["audit"]}
    read = [
        {"id": each.id, "attempt": None if each.id == each.attempt else each.attempt}
        | encode_row(each.record, each.at)
        for each in found
    ]
    assert read == [ADDED["audit"] | row for row in rows["audit"]]
    assert {each.id: each.attempt for each in found} == first
    assert {each.record.operation for each in found} <= {operation.value for operation in Operation}


def test_how_far_the_trail_was_posted_is_known(rows: Rows, journal: SqliteJournal) -> None:
    kept = {row["name"]: row["value"] for row in rows["meta"]}
    names = {"audit_posting": Stream.CHANGES, "audit_posting_refusals": Stream.REFUSALS}
    for name, stream in names.items():
        mark = journal.audit_cursor(stream)
        assert (mark and encode(mark)) == kept.get(name)
    assert (journal.nonce_prefix, journal.run) == (kept["nonce_prefix"], kept["run"] + 1)


def test_the_watch_list_is_read_and_written_as_it_was(former: FormerData, tmp_path: Path) -> None:
    former.lay_out(tmp_path)
    path = tmp_path / WATCH_LIST
    kept = path.read_bytes()
    store = MonitorStore(path)
    loaded = store.load(())
    assert loaded.outcome is LoadOutcome.READ
    assert [
        {"vmid": each.vmid}
        | {name: value for name in ("cpu", "memory", "disk") if (value := getattr(each, name))}
        for each in loaded.entries
    ] == json.loads(kept)["guests"]
    store.save(loaded.entries)
    assert path.read_bytes() == kept


@walked("name", sorted(WORDS))
def test_no_stored_word_was_renamed(name: str) -> None:
    """words.json lists all fields and values of its day, even those that the latest directory happens not to hold."""
    stored = json.loads((OF_26.directory / "words.json").read_text("utf-8"))
    kind = WORDS[name]
    words = [field.name for field in fields(kind)] if is_dataclass(kind) else [each.value for each in kind]
    assert set(stored[name]) <= set(words)
