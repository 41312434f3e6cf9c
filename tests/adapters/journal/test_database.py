"""Test the journal's file: corrupt, full, locked, forbidden, and a death at any moment."""

from __future__ import annotations

import errno
import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.journal import database
from adapters.journal.store import JournalError, JournalErrorKind, JournalReport, OpenOutcome, SqliteJournal
from core.access.policy import Actor, Place
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.errors import JournalFailed
from core.guest import Kind
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Message, MessageKind, Severity, Topic
from core.watch.journal import Batch
from tests.support.journal.records import store_record
from tests.support.random_deaths import RandomDeaths

ROOT = Path(database.__file__).parents[2]
NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
ASIDE = "journal.db.corrupt-20260921T141320Z"


def made(tmp: Path) -> SqliteJournal:
    return SqliteJournal(tmp / "journal.db", lambda: NOW)


@contextmanager
def opened(tmp: Path) -> Iterator[SqliteJournal]:
    journal = made(tmp)
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


def batch(number: int, text: str = "") -> Batch:
    """Return a batch of one incident, its message and its record."""
    fact = GuestFact(100 + number, GuestEvent.STOPPED, Kind.QEMU, "pve1", text)
    incident = Incident(
        number, Topic.GUEST, "guest/101", Severity.CRITICAL, float(number), 1.0, guests=(fact,)
    )
    message = Message(1_000_000 + number, MessageKind.OPENING, float(number), (number,))
    return Batch({"last": str(number), f"record/{number}": text}, (incident,), (message,))


def asked(number: int, text: str = "") -> AuditRecord:
    return AuditRecord(AuditStep.ASKED, Actor(number, text, Place(1, 2, 3)), "stop", 100 + number, text)


def content(journal: SqliteJournal) -> list[object]:
    """Return everything that can be read from the journal."""
    incidents, count = journal.history(None, 0, 10**6)
    messages = [journal.outbox_message(1_000_000 + each.id) for each in incidents]
    guests = [journal.history({100 + each.id}, 0, 9) for each in incidents]
    trail = journal.audit_page(AuditFilter(), 0, 10**6)
    return [journal.records(), incidents, count, messages, guests, journal.backlog(), trail]


def names(tmp: Path) -> list[str]:
    return sorted(path.name for path in tmp.iterdir())


def refused(tmp: Path) -> tuple[JournalErrorKind, str]:
    with pytest.raises(JournalError) as caught:
        made(tmp).open()
    assert caught.value.path == tmp / "journal.db"
    return caught.value.kind, caught.value.reason


WRITES: dict[str, Callable[[SqliteJournal], object]] = {
    "commit": lambda journal: journal.commit(batch(9, "x" * 20_000)),
    "trying": lambda journal: journal.note_try(1_000_001, "x" * 20_000, 5.0, 1_000_002),
    "posted": lambda journal: journal.note_posted(1_000_001, 77, 0),
    "edited": lambda journal: journal.note_edited(1_000_001, 3),
    "refused": lambda journal: journal.note_refused(1_000_001, "x" * 20_000, not_taken=False),
    "give_up": lambda journal: journal.give_up(1_000_001, "x" * 20_000),
    "prune": lambda journal: journal.prune(10.0**9),
    "audit": lambda journal: store_record(journal, asked(9, "x" * 20_000), 5.0),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))


# --- spoilt files ---


def fill(tmp: Path) -> None:
    with opened(tmp) as journal:
        for number in range(1, 60):
            journal.commit(batch(number, "x" * 500))


def garbage(path: Path) -> None:
    path.write_bytes(b"\x13garbage" * 5000)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_to_a_stump(path: Path) -> None:
    os.truncate(path, 50)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def inner_pages(path: Path) -> None:
    """Damage inner pages. The header is intact, so only a check of the whole file finds it."""
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 12288) + whole[-4096:])


def one_page(path: Path) -> None:
    """Damage a page of the incidents, which the start itself does not read."""
    whole = path.read_bytes()
    page = whole.rindex(b"guest/101") // 4096 * 4096
    path.write_bytes(whole[:page] + b"\xff" * 4096 + whole[page + 4096 :])


def a_name_in_the_schema(path: Path) -> None:
    """Damage the definition of a table. SQLite quotes its name in the error, and Python cannot decode the error."""
    whole = path.read_bytes().replace(b"tablerecordsrecords", b"tablerec\xffrdsrec\xffrds")
    path.write_bytes(whole.replace(b"CREATE TABLE records", b"CREATE TABLX records"))


SPOILT = (garbage, cut, cut_to_a_stump, emptied, inner_pages, one_page, a_name_in_the_schema)


@pytest.mark.parametrize("spoil", SPOILT, ids=[each.__name__ for each in SPOILT])
def test_a_spoilt_file_is_kept_and_a_new_one_made(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    fill(tmp_path)
    spoil(tmp_path / "journal.db")
    spoilt = (tmp_path / "journal.db").read_bytes()
    for name in ("-wal", "-shm"):
        (tmp_path / f"journal.db{name}").write_bytes(b"")
    journal = made(tmp_path)
    assert journal.open() == JournalReport(OpenOutcome.RECREATED, tmp_path / ASIDE)
    assert (tmp_path / ASIDE).read_bytes() == spoilt
    assert journal.run == 1
    assert journal.records() == {}
    journal.commit(batch(1))
    journal.close()
    assert [name for name in names(tmp_path) if not name.startswith(ASIDE)] == ["journal.db"]

    spoil(tmp_path / "journal.db")
    second = made(tmp_path)
    assert second.open() == JournalReport(OpenOutcome.RECREATED, tmp_path / f"{ASIDE}-2")
    second.close()
    assert made(tmp_path).open() == JournalReport(OpenOutcome.READ)


def test_files_beside_a_damaged_journal_are_set_aside_with_it(tmp_path: Path) -> None:
    fill(tmp_path)
    emptied(tmp_path / "journal.db")
    (tmp_path / "journal.db-wal").write_bytes(b"frames of it")
    with opened(tmp_path) as journal:
        assert journal.records() == {}
    assert (tmp_path / f"{ASIDE}-wal").read_bytes() == b"frames of it"
    assert names(tmp_path) == ["journal.db", ASIDE, f"{ASIDE}-wal"]


def test_a_healthy_file_is_never_set_aside(tmp_path: Path) -> None:
    """`quick_check` of some SQLite versions reports faults in tables of unusual form."""
    for number in range(1, 30):
        with opened(tmp_path) as journal:
            journal.commit(batch(number))
            journal.note_try(1_000_000 + number, "text", NOW)
            journal.note_posted(1_000_000 + number, 2**62, 0)
        assert names(tmp_path) == ["journal.db"]
    with sqlite3.connect(tmp_path / "journal.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("PRAGMA user_version = 1000")
    db.close()
    before = (tmp_path / "journal.db").read_bytes()
    for _ in range(2):
        assert refused(tmp_path) == (JournalErrorKind.NEWER_VERSION, "1000")
    assert (tmp_path / "journal.db").read_bytes() == before
    assert names(tmp_path) == ["journal.db"]


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("CREATE TABLE meta (something, other)")
    db.close()
    assert refused(tmp_path) == (JournalErrorKind.UNREADABLE, "SQLITE_ERROR")
    assert names(tmp_path) == ["journal.db"]
    db = sqlite3.connect(tmp_path / "journal.db")
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("meta",)]
    db.close()


def test_rows_that_this_version_did_not_write_are_no_crash(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.commit(batch(1))
        with journal._file.transaction() as db:
            db.execute("""UPDATE incidents SET json = '{"id":1,"topic":"of tomorrow"}'""")
        reads: list[Callable[[], object]] = [
            journal.open_incidents,
            lambda: journal.incident(1),
            lambda: journal.history(None, 0, 9),
        ]
        for read in reads:
            with pytest.raises(JournalFailed) as failed:
                read()
            assert failed.value.reason == "unreadable"
        assert [message.incidents for message in journal.to_post()] == [()], "the message holds up no other"
        with journal._file.transaction() as db:
            db.execute("""UPDATE messages SET json = '{"post":"of tomorrow"}'""")
        assert journal.to_post() == ()
        assert journal.backlog().waiting == 1
        journal.commit(batch(3))
        journal.commit(batch(4))
        with journal._file.transaction() as db:
            db.execute("UPDATE messages SET tried = 'a text and no BLOB' WHERE id = ?", (1_000_003,))
        assert [message.stored.id for message in journal.to_post()] == [1_000_004]
        journal.note_posted(1_000_004, 77, 0)
        with journal._file.transaction() as db:
            db.execute("UPDATE messages SET discord_id = 'a text and no number' WHERE id = ?", (1_000_003,))
        assert journal.discord_ids() == {77}
        journal.prune(1e12)
        journal.commit(batch(2))
        assert journal.incident(2) is not None


# --- permissions ---


def test_all_files_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with opened(tmp_path) as journal:
            journal.commit(batch(1))
            assert names(tmp_path) == ["journal.db", "journal.db-shm", "journal.db-wal"]
            assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
        (tmp_path / "journal.db").chmod(0o644)
        with opened(tmp_path):
            assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(old)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "journal.db").symlink_to(data / "real.db")
    for there in (False, True):
        if there:
            garbage(data / "real.db")
        before = names(data)
        with pytest.raises(JournalError) as caught, opened(tmp_path):
            pass
        assert (caught.value.kind, caught.value.reason) == (JournalErrorKind.UNREADABLE, "ELOOP")
        assert names(data) == before


def raising(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_why_it_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "missing") == (JournalErrorKind.NOT_WRITABLE, "ENOENT")
    (tmp_path / "sub" / "journal.db").mkdir(parents=True)
    assert refused(tmp_path / "sub") == (JournalErrorKind.UNREADABLE, "EISDIR")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", raising(errno.ENOSPC))
        assert refused(tmp_path) == (JournalErrorKind.NOT_WRITABLE, "ENOSPC")
    fill(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", raising(errno.EACCES))
        assert refused(tmp_path) == (JournalErrorKind.UNREADABLE, "EACCES")
    garbage(tmp_path / "journal.db")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", raising(errno.EROFS))
        assert refused(tmp_path) == (JournalErrorKind.NOT_WRITABLE, "EROFS")
    assert names(tmp_path) == ["journal.db", "sub"]


def test_a_first_start_that_fails_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: sqlite3.Connection) -> int:
        raise sqlite3.OperationalError("no such luck")

    with monkeypatch.context() as patch:
        patch.setattr(database, "checked_version", fail)
        assert refused(tmp_path) == (JournalErrorKind.UNREADABLE, "OperationalError")
    assert names(tmp_path) == []
    assert made(tmp_path).open().outcome is OpenOutcome.CREATED


# Opens the journal as a user who may only read it. chmod does nothing, so this also holds for the files' owner.
FORBIDDEN = """
import os, sys
from pathlib import Path
from adapters.journal.store import JournalError, SqliteJournal
path = Path(sys.argv[1])
path.chmod(0o444)
path.parent.chmod(0o555)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.chmod = lambda *_, **__: None
try:
    SqliteJournal(path).open()
except JournalError as error:
    print(error.kind, error.reason)
"""


def test_a_journal_that_may_only_be_read() -> None:
    with tempfile.TemporaryDirectory() as made_here:
        directory = Path(made_here)
        fill(directory)
        before = (directory / "journal.db").read_bytes()
        done = run(FORBIDDEN, directory / "journal.db")
        directory.chmod(0o700)
        assert done.split() in (["not_writable", "SQLITE_READONLY"], ["not_writable", "SQLITE_CANTOPEN"])
        assert (directory / "journal.db").read_bytes() == before
        with opened(directory) as journal:
            assert len(journal.open_incidents()) == 59
            assert journal.run == 2


def run(text: str, *arguments: object) -> str:
    return subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout


# --- a disk that refuses ---


@every_write
def test_a_full_disk_changes_nothing_and_is_recovered_from(
    tmp_path: Path, write: Callable[[SqliteJournal], object]
) -> None:
    """SQLite treats a limit of pages like a full disk: SQLITE_FULL in the middle of a transaction."""
    with opened(tmp_path) as journal:
        for number in range(1, 4):
            journal.commit(batch(number))
        before = content(journal)
        with journal._file.transaction() as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
        allowed = pages
        while True:
            with journal._file.transaction("BEGIN") as db:
                db.execute(f"PRAGMA max_page_count = {allowed}")
            try:
                write(journal)
            except JournalFailed as failed:
                assert failed.reason == "SQLITE_FULL"
                assert content(journal) == before
                allowed += 1
                assert allowed < pages + 50
            else:
                break
        assert content(journal) != before or write is WRITES["prune"]
        after = content(journal)
    with opened(tmp_path) as journal:
        assert content(journal) == after


def test_a_full_disk_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cramped(*given: Any, **more: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*given, **more)
        db.execute("PRAGMA max_page_count = 3")
        return db

    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", cramped)
        for _ in range(2):
            assert refused(tmp_path) == (JournalErrorKind.NOT_WRITABLE, "SQLITE_FULL")
    with opened(tmp_path) as journal:
        assert journal.run == 1
        journal.commit(batch(1))
    assert names(tmp_path) == ["journal.db"]


@every_write
def test_a_lock_of_somebody_else_is_not_waited_for_long(
    tmp_path: Path, write: Callable[[SqliteJournal], object]
) -> None:
    with opened(tmp_path) as journal:
        journal.commit(batch(1))
        before = content(journal)
        other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(JournalFailed) as failed:
            write(journal)
        assert failed.value.reason == "SQLITE_BUSY"
        assert time.monotonic() - began < 5
        assert content(journal) == before  # the stored data can still be read
        other.execute("ROLLBACK")
        other.close()
        write(journal)


HOLD = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode = EXCLUSIVE")
db.execute("BEGIN EXCLUSIVE")
db.execute("UPDATE meta SET value = value")
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_of_somebody_else_at_the_start(tmp_path: Path) -> None:
    fill(tmp_path)
    holder = subprocess.Popen(  # noqa: S603 - our own text
        [sys.executable, "-c", HOLD, str(tmp_path / "journal.db")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        assert refused(tmp_path) == (JournalErrorKind.NOT_WRITABLE, "SQLITE_BUSY")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with opened(tmp_path) as journal:
        assert len(journal.open_incidents()) == 59


@every_write
def test_a_read_only_disk(tmp_path: Path, write: Callable[[SqliteJournal], object]) -> None:
    with opened(tmp_path) as journal:
        journal.commit(batch(1))
        before = content(journal)
        with journal._file.transaction("BEGIN") as db:
            db.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalFailed) as failed:
            write(journal)
        assert failed.value.reason == "SQLITE_READONLY"
        assert content(journal) == before
        with journal._file.transaction("BEGIN") as db:
            db.execute("PRAGMA query_only = OFF")
        write(journal)


def test_an_interrupted_call_is_undone(tmp_path: Path) -> None:
    """This includes interruptions that are not SQLite errors, such as Ctrl+C."""
    with opened(tmp_path) as journal:
        journal.commit(batch(1))
        before = content(journal)
        with pytest.raises(KeyboardInterrupt), journal._file.transaction() as db:  # noqa: PT012  # the block itself fails
            db.execute("DELETE FROM messages")
            raise KeyboardInterrupt
        assert content(journal) == before
        journal.commit(batch(2))


def test_a_close_that_fails_loses_nothing(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.open()
    journal.commit(batch(1))
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM meta").fetchall()
    journal.commit(batch(2))
    journal.close()  # the reader prevents a checkpoint of the pages it reads
    other.close()
    with opened(tmp_path) as again:
        assert again.records()["last"] == "2"


# --- kill -9 ---

# Rehearses the write once, to learn what the files contain at each step: before a statement, or within one (SQLite
# calls the progress handler between its instructions). Then forks children, each in a directory of its own, and kills
# one with SIGKILL at every step that finds the files changed since the step before. A death in between leaves what
# the step before left. The last child comes through. Prints the steps.
DIE_AT_EACH_STEP = """
import json, os, shutil, signal, sqlite3, sys
from pathlib import Path
from tests.adapters.journal.test_database import WRITES, batch, made

root, scenario = Path(sys.argv[1]), sys.argv[2]
connect = sqlite3.connect

def stepwise(db, on_step):
    db.set_trace_callback(on_step)
    # the first start has thousands of instructions
    db.set_progress_handler(on_step, 8 if scenario == "first start" else 1)
    return db

def write(here, on_step):
    journal = made(here)
    if scenario in ("start", "first start"):
        sqlite3.connect = lambda *given, **more: stepwise(connect(*given, **more), on_step)
        journal.open()
    else:
        journal.open()
        stepwise(journal._file._db, on_step)
        WRITES[scenario](journal)
    os._exit(0)

def rehearse(here):
    last, step, changed = None, 0, root / "changed"
    def compare(*_):
        nonlocal last, step
        files = {path.name: path.read_bytes() for path in here.iterdir()}
        if files != last:
            with changed.open("a") as out:
                out.write(f"{step}\\n")
        last, step = files, step + 1
        (root / "steps").write_text(str(step))
    write(here, compare)

def die(here, left):
    def count(*_):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    write(here, count)

def status_of(name, work, *more):
    here = root / name
    shutil.copytree(ready, here)
    child = os.fork()
    if child == 0:
        work(here, *more)
    return os.waitpid(child, 0)[1]

ready = root / "ready"
ready.mkdir()
if scenario != "first start":
    journal = made(ready)
    journal.open()
    journal.commit(batch(1))
    journal.commit(batch(2))
    journal.close()
assert status_of("rehearsal", rehearse) == 0
end = int((root / "steps").read_text())
steps = [*map(int, (root / "changed").read_text().split()), end]
for step in steps:
    status = status_of(str(step), die, step)
    assert status == (0 if step == end else signal.SIGKILL), (step, status)
print(json.dumps(steps))
"""


@pytest.mark.parametrize("scenario", ["first start", "start", "commit", "trying", "prune", "audit"])
def test_kill_9_at_every_step(tmp_path: Path, scenario: str) -> None:
    steps: list[int] = json.loads(run(DIE_AT_EACH_STEP, tmp_path, scenario))
    assert steps[-1] >= 3
    with opened(tmp_path / "ready") as journal:
        before = content(journal)
        if scenario in WRITES:
            assert journal.run == 2
            WRITES[scenario](journal)
        after = content(journal)
    done: list[bool] = []
    for step in steps:
        with opened(tmp_path / str(step)) as journal:
            found = content(journal)
            assert found in (before, after), step
            done.append(found == after)
            runs = {"first start": (1, 2), "start": (2, 3)}.get(scenario, (3,))
            assert journal.run in runs
    # once it is stored it stays: the last steps are those of a COMMIT that is on the disk
    assert done == sorted(done)
    assert done[-1]
    assert before == after or not done[bisect_right(steps, steps[-1] // 2) - 1]


WORK_FOR_EVER = """
from pathlib import Path
from tests.adapters.journal.test_database import batch, made

def work(start):
    journal, number = made(Path(sys.argv[1])), int(start)
    journal.open()
    while True:
        number += 1
        message = 1_000_000 + number
        journal.commit(batch(number, "x" * (number % 7 * 900)))
        told(f"c{number}")
        journal.note_try(message, f"content {number}", 5.0)
        told(f"t{number}")
        if number % 5 == 0:
            journal.give_up(message, "400")
        else:
            journal.note_posted(message, number, 0)
        told(f"d{number}")
"""


def test_kill_9_at_random_moments(tmp_path: Path, deep: bool) -> None:
    with opened(tmp_path):
        pass
    with RandomDeaths(WORK_FOR_EVER, str(tmp_path)) as deaths:
        survive(deaths, tmp_path, 15 if deep else 6)


def survive(deaths: RandomDeaths, tmp_path: Path, kills: int) -> None:
    chance = random.Random(3)  # noqa: S311 - moments, no secrets
    number, run_number = 0, 1
    for _ in range(kills):
        told = deaths.start_and_kill(str(number), chance.uniform(0, 0.03))
        acknowledged = [(line[0], int(line[1:])) for line in told]
        journal = made(tmp_path)
        assert journal.open() == JournalReport(OpenOutcome.READ)
        assert journal.run == run_number + 2
        last = int(journal.records()["last"])
        word, newest = acknowledged[-1]
        assert last in ((newest,) if word != "d" else (newest, newest + 1))
        for each in range(number + 1, last + 1):  # everything that was acknowledged is complete
            check_commit(journal, each, acknowledged)
        assert journal.incident(last + 1) is None
        assert journal.outbox_message(1_000_000 + last + 1) is None
        assert f"record/{last + 1}" not in journal.records()
        if journal.outbox_message(1_000_000 + last) in journal.to_post():
            journal.note_posted(1_000_000 + last, last, 0)
        journal.close()
        number, run_number = last, run_number + 2
    with opened(tmp_path) as journal:
        assert [each.id for each in journal.open_incidents()] == list(range(1, number + 1))
        assert journal.to_post() == ()
    assert names(tmp_path) == ["journal.db"]


def check_commit(journal: SqliteJournal, number: int, acknowledged: list[tuple[str, int]]) -> None:
    """Check that a commit has all its parts, and that its message shows at least the acknowledged state."""
    given = batch(number, "x" * (number % 7 * 900))
    assert journal.incident(number) == given.incidents[0]
    assert journal.history({100 + number}, 0, 9) == (given.incidents, 1)
    assert journal.records()[f"record/{number}"] == given.records[f"record/{number}"]
    message = journal.outbox_message(1_000_000 + number)
    assert message is not None
    assert message.stored == given.messages[0]
    waits = message in journal.to_post()
    if ("d", number) in acknowledged:
        assert not waits
    if not waits:
        assert message.posted == (None if number % 5 == 0 else number)
    elif message.attempts:
        assert message.tried == f"content {number}"
    else:
        assert ("t", number) not in acknowledged
