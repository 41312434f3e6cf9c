"""Open journal.db, renew it if it is lost or damaged, and run its transactions.

Errors of SQLite and of the disk become `JournalError` (at the start) or `JournalFailed` (later).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import sqlite3
import string
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.files.atomic_file import mounted_read_only
from adapters.files.stored_sites import StoredSites
from adapters.journal.copy import copy_all, keep_former, salvage
from adapters.journal.errors import (
    CORRUPT_CODES,
    UNDECODED,
    JournalError,
    JournalErrorKind,
    JournalReport,
    OpenOutcome,
    error_kind,
    error_reason,
)
from adapters.journal.schema import NewerSchema, checked_version, migrate
from adapters.journal.site_rows import read_stored
from core.errors import JournalFailed
from core.watch.journal import JournalRenewal

_log = logging.getLogger(__name__)

BUSY_SECONDS = 0.25
"""Seconds that one try waits for the lock of another connection."""
_LETTERS, _LENGTH = string.ascii_lowercase + string.digits, 10
PROBE_BYTES = 16_384
"""Bytes written to learn whether the disk accepts data: more than most changes need."""
READ = "BEGIN"
"""Starts a transaction that changes nothing."""


@dataclass(frozen=True, slots=True)
class _FileIdentity:
    """Identity of the file and its -wal (device and inode), and the greatest size that the file has had, in bytes."""

    file: tuple[int, int]
    wal: tuple[int, int] | None
    size: int


class _CorruptFile(Exception):
    """The content is not a database, or is a damaged one."""


class JournalFile:
    """Hold one connection to the file.

    `run` and `nonce_prefix`: see `Journal` (core/watch/journal.py).
    `clock`: returns Unix seconds, for the names of files that are set aside.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._given_path = path
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._path, self._identity = path, _FileIdentity((0, 0), None, 0)
        self.run = 0
        self.nonce_prefix = ""
        self.opened = 0
        """How many times a file was opened. Each time it may be another file."""
        self._unopened: JournalRenewal | None = None
        """A renewal whose new file is in its place, but could not be opened yet."""

    @property
    def path(self) -> Path:
        """The path of the open file."""
        return self._path

    def open(self, check: Callable[[StoredSites], None]) -> JournalReport:
        """Create or read the file, migrate its tables and count the run.

        Content that cannot be understood is set aside, and a new file is made.
        `check` gets the sites that have data in the file. If it raises, no data is changed.
        Raises: JournalError, or the errors of `check`.
        """
        # only links of the directory are followed, because the file's own name may be a planted link
        self._path = path = self._given_path.parent.resolve() / self._given_path.name
        try:
            for stale in path.parent.glob(f".{path.name}.*.tmp*"):  # left by a crash amid a copy
                stale.unlink(missing_ok=True)
            fresh = _create_if_missing(path)
            try:
                created = self._begin(path, fresh, check)
            except _CorruptFile as corrupt:
                aside = self._set_aside(path)
                _log.error("%s cannot be understood (%s) and is kept as %s", path, corrupt, aside.name)
                self._begin(path, _create_if_missing(path), check)
                return JournalReport(OpenOutcome.RECREATED, aside)
        except NewerSchema as newer:
            raise JournalError(JournalErrorKind.NEWER_VERSION, path, str(newer)) from newer
        except (sqlite3.Error, OSError) as error:
            reason = error_reason(error)
            if error_kind(error) is JournalErrorKind.NOT_WRITABLE and mounted_read_only(path):
                reason = "EROFS"  # for SQLite this is the same as missing permission
            raise JournalError(error_kind(error), path, reason) from error
        return JournalReport(OpenOutcome.CREATED if created else OpenOutcome.READ)

    def close(self) -> None:
        """Close the file, and merge the -wal into it if the disk allows that. Nothing is lost if it does not."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _begin(
        self, path: Path, fresh: bool, check: Callable[[StoredSites], None] | None, *, again: bool = False
    ) -> bool:
        """Connect, check and migrate the file, and count the run. Return whether the file had no tables yet.

        `fresh`: it was just created. `check`: see `open`. `again`: the run is counted already.
        Raises: _CorruptFile, NewerSchema, sqlite3.Error, OSError, or the errors of `check`.
        """
        if not fresh and path.stat().st_size == 0:
            raise _CorruptFile("empty")  # SQLite would take it for a new file and ignore the content of -wal
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            version = checked_version(db)
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _CorruptFile(verdict)
            if check is not None:
                check(read_stored(db, version))
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                db.execute(f"PRAGMA {pragma}")
            keep_former(db, path, version)
            migrate(db, version)
            self.run, self.nonce_prefix = _count_run(db, 0 if again else 1)
            with contextlib.suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint")  # now the loss of the -wal takes no data with it
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error, OSError):
                db.close()
                if fresh and path.stat().st_size == 0:
                    path.unlink()  # the next start would take it for a truncated one
            if isinstance(error, Exception) and error_reason(error) in (*CORRUPT_CODES, UNDECODED):
                raise _CorruptFile(error_reason(error)) from error
            raise
        db.row_factory = sqlite3.Row
        self._db, self._identity = db, _identity_of(path)
        self.opened += 1
        return version == 0

    # -- while it is open

    def probe(self) -> None:
        """Write new data to learn whether the disk accepts it, and then delete the previous probe.

        While both are stored, the new data cannot take the pages of the previous probe.
        Raises: JournalFailed.
        """
        with self.transaction() as db:
            db.execute("INSERT INTO probe (value) VALUES (randomblob(?))", (PROBE_BYTES,))
            db.execute("DELETE FROM probe WHERE id < last_insert_rowid()")

    def lost(self) -> bool:
        """Return whether the open file was truncated, or it or its -wal was deleted or replaced.

        Also return True if its state cannot be read, or if the last `renew` made a new file and could not open it.
        """
        if self._db is None:
            return self._unopened is not None
        try:
            now = _identity_of(self._path)
        except OSError:
            return True
        before, self._identity = self._identity, now
        gone = now.file != before.file or now.wal != before.wal or now.size < before.size
        if gone:
            self._identity = before
        return gone

    def _note_size(self) -> None:
        """Note how far the file has grown. SQLite moves data from the -wal into it now and then."""
        with contextlib.suppress(OSError):
            now = _identity_of(self._path)
            if now.file == self._identity.file and now.size > self._identity.size:
                self._identity = replace(self._identity, size=now.size)

    def renew(self, last_audit: int, known: Mapping[str, object]) -> JournalRenewal:
        """Replace the file by a new one with everything that can still be read from the open one.

        `last_audit`: the last id of the audit trail. No new record gets it or a lower one.
        `known`: rows of `meta` that are kept even if they cannot be read.
        Raises: JournalFailed. The old connection then stays in use, or the next call opens the new file.
        """
        try:
            if self._unopened is None:
                self._unopened = self._replace(last_audit, known)
            self._begin(self._path, False, None, again=True)
        except (sqlite3.Error, OSError, _CorruptFile, NewerSchema) as error:
            raise JournalFailed(error_reason(error)) from error
        renewal, self._unopened = self._unopened, None
        return renewal

    def _replace(self, last_audit: int, known: Mapping[str, object]) -> JournalRenewal:
        """Put a copy in the place of the file, and close the old connection.

        Raises: JournalFailed if no file is open; sqlite3.Error, OSError. An old connection then stays in use.
        """
        if self._db is None:
            raise JournalFailed("closed")
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.tmp")
        meta = {**known, "run": self.run, "nonce_prefix": self.nonce_prefix}
        try:
            os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            whole = copy_all(self._db, fresh)
            if not whole:
                salvage(self._db, fresh, meta, last_audit)
            aside = self._set_aside(self._path, "replaced")
            fresh.rename(self._path)
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(OSError):
                    fresh.with_name(fresh.name + suffix).unlink()
        old, self._db = self._db, None
        with contextlib.suppress(sqlite3.Error):
            old.close()
        _log.error(
            "%s was gone, replaced or damaged, and was recreated%s", self._path, "" if whole else ", in part"
        )
        if aside.exists():
            return JournalRenewal(whole, aside.name)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                aside.with_name(aside.name + suffix).unlink()
        return JournalRenewal(whole)

    def _set_aside(self, path: Path, word: str = "corrupt") -> Path:
        """Rename a file, its -wal and its -shm to free names with `word` in them. Return the new path of the file."""
        stem = f"{path.name}.{word}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(self._clock()))}"
        aside, number = path.with_name(stem), 1
        while os.path.lexists(aside):
            number += 1
            aside = path.with_name(f"{stem}-{number}")
        for suffix in ("", "-wal", "-shm"):  # otherwise they would be taken for those of the next file
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        return aside

    @contextlib.contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction, completely or not at all.

        Raises: JournalFailed if no file is open, and for an error of SQLite, an OSError or a ValueError; the block's
        other errors.
        """
        if self._db is None:
            raise JournalFailed("closed")
        try:
            self._db.execute(begin)
            try:
                yield self._db
                self._db.execute("COMMIT")
                if begin != READ:
                    self._note_size()
            except BaseException:
                if self._db.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(error_reason(error), reading=begin == READ) from error
        except ValueError as error:  # a row that this version cannot decode
            raise JournalFailed("unreadable", reading=True) from error


def _identity_of(path: Path) -> _FileIdentity:
    """Return the identity of a file and its -wal.

    Raises: OSError if the file does not exist.
    """
    found, wal = path.stat(), None
    with contextlib.suppress(FileNotFoundError):
        beside = path.with_name(path.name + "-wal").stat()
        wal = beside.st_dev, beside.st_ino
    return _FileIdentity((found.st_dev, found.st_ino), wal, found.st_size)


def _count_run(db: sqlite3.Connection, more: int) -> tuple[int, str]:
    """Add `more` to the number of runs. Return this number, and the prefix that was made in the first run."""
    prefix = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('run', 0), ('nonce_prefix', ?)", (prefix,))
    db.execute("UPDATE meta SET value = value + ? WHERE name = 'run'", (more,))
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    db.execute("COMMIT")
    return int(meta["run"]), str(meta["nonce_prefix"])


def _create_if_missing(path: Path) -> bool:
    """Create the file if needed, and return whether that was needed. Let only its owner read it and its -wal.

    SQLite gives the files that it creates beside it the same mode.
    Raises: JournalError for an unreadable file or a link, OSError if the file cannot be created.
    """
    try:
        if path.is_symlink():  # the target of the link is not the bot's
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        path.open("rb").close()  # before SQLite opens it: a close drops all locks of the process on a file
    except FileNotFoundError:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return True
    except OSError as error:
        raise JournalError(JournalErrorKind.UNREADABLE, path, error_reason(error)) from error
    for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        with contextlib.suppress(OSError):
            each.chmod(0o600)
    return False
