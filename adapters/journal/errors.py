"""Define how the journal was opened, or why it cannot be used. A part of adapters/journal/store.py."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

CORRUPT_CODES = {"SQLITE_NOTADB", "SQLITE_CORRUPT"}
"""Error codes that mean a damaged file and not a failing disk."""
UNDECODED = "UnicodeDecodeError"
"""Reason if SQLite's error quotes bytes of the file that are no text: the file is damaged."""
_NOT_WRITABLE = {"SQLITE_READONLY", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_BUSY", "SQLITE_LOCKED"}
"""Error codes that mean a file that cannot be written. CANTOPEN: the -wal cannot be opened."""


class JournalErrorKind(StrEnum):
    """Why the journal cannot be used. The reason is an errno name or a code of SQLite (SQLITE_IOERR, …)."""

    UNREADABLE = "unreadable"  # permission or I/O error, or a database that may be another program's
    NOT_WRITABLE = "not_writable"
    NEWER_VERSION = "newer_version"  # reason: the version found


class JournalError(Exception):
    """The journal could not be opened. All its data is still on the disk."""

    def __init__(self, kind: JournalErrorKind, path: Path, reason: str) -> None:
        super().__init__(kind, path, reason)
        self.kind, self.path, self.reason = kind, path, reason


class OpenOutcome(StrEnum):
    """Results of `JournalFile.open`. RECREATED: the content could not be understood, and a new file was made."""

    CREATED = "created"
    READ = "read"
    RECREATED = "recreated"


@dataclass(frozen=True, slots=True)
class JournalReport:
    """How the journal was opened. `set_aside`: with RECREATED, the path to which the former file was moved."""

    outcome: OpenOutcome
    set_aside: Path | None = None


def error_kind(error: Exception) -> JournalErrorKind:
    if isinstance(error, OSError) or error_reason(error) in _NOT_WRITABLE:
        return JournalErrorKind.NOT_WRITABLE
    return JournalErrorKind.UNREADABLE


def error_reason(error: Exception) -> str:
    """Return the errno name, or SQLite's primary result code (SQLITE_IOERR for SQLITE_IOERR_WRITE).

    For an error that has neither, return the name of its class.
    """
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "EIO")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return "_".join(name.split("_")[:2])
