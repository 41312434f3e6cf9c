"""The file of journal.py: opening it, whatever is found there, and its transactions.

Every error of SQLite and of the disk becomes JournalError (at the start) or JournalFailed (later) here.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.errors import JournalFailed
from parts.journal_schema import NewerSchema, checked_version, migrate

_log = logging.getLogger(__name__)

BUSY_SECONDS = 0.25
"""How long another connection's lock is waited for: all calls are made on the event loop."""
_LETTERS, _LENGTH = string.ascii_lowercase + string.digits, 10
READ = "BEGIN"
"""How a transaction begins that changes nothing."""
_SPOILT = {"SQLITE_NOTADB", "SQLITE_CORRUPT"}
_NOT_WRITABLE = {"SQLITE_READONLY", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_BUSY", "SQLITE_LOCKED"}
"""CANTOPEN: the file itself was opened before, so it is the -wal beside it."""


class JournalErrorKind(StrEnum):
    """Why the journal cannot be used. The reason is an errno name or one of SQLite (SQLITE_IOERR, …)."""

    UNREADABLE = "unreadable"  # permission or I/O, the content is not judged
    NOT_WRITABLE = "not_writable"
    NEWER_VERSION = "newer_version"  # reason: the version found


class JournalError(Exception):
    """The journal could not be opened; what stood on the disk still stands there."""

    def __init__(self, kind: JournalErrorKind, path: Path, reason: str) -> None:
        super().__init__(kind, path, reason)
        self.kind, self.path, self.reason = kind, path, reason


class Opened(StrEnum):
    """What `open` found. RECREATED: the file could not be understood and a new one was made."""

    CREATED = "created"
    READ = "read"
    RECREATED = "recreated"


@dataclass(frozen=True, slots=True)
class JournalReport:
    """How the journal was come by, and where an unreadable file was put (None if there was none)."""

    happened: Opened
    set_aside: Path | None = None


class _Spoilt(Exception):
    """The content is not a database, or a broken one."""


class JournalFile:
    """One connection. `run` counts the starts; `nonce_prefix` was made with the file."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._given_path = path
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self.run = 0
        self.nonce_prefix = ""

    def open(self) -> JournalReport:
        """Make or read the file, bring its tables up to date and count the run. Raises JournalError."""
        path = self._given_path.parent.resolve() / self._given_path.name
        try:
            fresh = _made(path)
            try:
                created = self._begin(path, fresh)
            except _Spoilt as spoilt:
                aside = self._set_aside(path)
                _log.error("%s cannot be understood (%s) and is kept as %s", path, spoilt, aside.name)
                self._begin(path, _made(path))
                return JournalReport(Opened.RECREATED, aside)
        except NewerSchema as newer:
            raise JournalError(JournalErrorKind.NEWER_VERSION, path, str(newer)) from newer
        except (sqlite3.Error, OSError) as error:
            raise JournalError(_kind(error), path, _reason(error)) from error
        return JournalReport(Opened.CREATED if created else Opened.READ)

    def close(self) -> None:
        """Leave one file behind, as far as the disk allows; without it nothing is lost either."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _begin(self, path: Path, fresh: bool) -> bool:
        """Whether it is a new one. Raises _Spoilt, NewerSchema, sqlite3.Error."""
        if not fresh and path.stat().st_size == 0:
            raise _Spoilt("empty")  # SQLite would take it for a new one, and what stands in -wal for nothing
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            version = checked_version(db)
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _Spoilt(verdict)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                db.execute(f"PRAGMA {pragma}")
            migrate(db, version)
            self.run, self.nonce_prefix = _counted(db)
            with contextlib.suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint")  # the less stands in -wal alone, the less is lost with it
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error, OSError):
                db.close()
                if fresh and path.stat().st_size == 0:
                    path.unlink()  # the next start would take it for one that was cut off
            if isinstance(error, sqlite3.Error) and _reason(error) in _SPOILT:
                raise _Spoilt(_reason(error)) from error
            raise
        db.row_factory = sqlite3.Row
        self._db = db
        return version == 0

    def _set_aside(self, path: Path) -> Path:
        """Moves a spoilt file, and what stands beside it, to a name that is free."""
        stem = f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(self._clock()))}"
        aside, number = path.with_name(stem), 1
        while os.path.lexists(aside):
            number += 1
            aside = path.with_name(f"{stem}-{number}")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        return aside

    @contextlib.contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """All that happens within, or nothing. The one place where SQLite's errors become JournalFailed."""
        if self._db is None:
            raise JournalFailed("closed")
        try:
            self._db.execute(begin)
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise JournalFailed(_reason(error), reading=begin == READ) from error
        except ValueError as error:  # `decode`: not what this version writes
            raise JournalFailed("unreadable", reading=True) from error


def _counted(db: sqlite3.Connection) -> tuple[int, str]:
    """The number of this run, and the prefix that was made in the first."""
    prefix = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('run', 0), ('nonce_prefix', ?)", (prefix,))
    db.execute("UPDATE meta SET value = value + 1 WHERE name = 'run'")
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    db.execute("COMMIT")
    return int(meta["run"]), str(meta["nonce_prefix"])


def _made(path: Path) -> bool:
    """Whether the file had to be made. In both cases only its owner may read it; SQLite gives what it makes
    beside it the same mode."""
    try:
        if path.is_symlink():  # what it leads to is not the bot's
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        path.open("rb").close()  # before SQLite opens it: a close drops all locks of the process on a file
    except FileNotFoundError:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return True
    except OSError as error:
        raise JournalError(JournalErrorKind.UNREADABLE, path, _reason(error)) from error
    for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        with contextlib.suppress(OSError):
            each.chmod(0o600)
    return False


def _kind(error: Exception) -> JournalErrorKind:
    if isinstance(error, OSError) or _reason(error) in _NOT_WRITABLE:
        return JournalErrorKind.NOT_WRITABLE
    return JournalErrorKind.UNREADABLE


def _reason(error: Exception) -> str:
    """The name of an errno, or of SQLite's primary result code (SQLITE_IOERR_WRITE is an SQLITE_IOERR)."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "EIO")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return "_".join(name.split("_")[:2])
