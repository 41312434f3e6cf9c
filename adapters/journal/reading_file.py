"""Read the journal with a further connection. A part of adapters/journal/store.py."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from adapters.journal.database import BUSY_SECONDS, READ, JournalFile
from adapters.journal.errors import error_reason
from core.errors import JournalFailed


class ReadingFile(JournalFile):
    """Read the file that another `JournalFile` has open, with a connection of its own for another thread.

    With a -wal, reads and commits do not wait for each other. A long read only delays emptying the -wal.
    """

    def __init__(self, writing: JournalFile) -> None:
        super().__init__(Path(), time.time)
        self._writing = writing
        self._connected_to = 0
        """The value of `writing.opened` when this connection was made, 0 before the first."""

    @contextlib.contextmanager
    def transaction(self, begin: str = READ) -> Iterator[sqlite3.Connection]:
        self._connect()
        with super().transaction(begin) as db:
            yield db

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _connect(self) -> None:
        """Connect if the file was opened since the last connection. Raises: JournalFailed."""
        current = self._writing.opened
        if current == self._connected_to:
            return
        self.close()
        try:
            address = f"file:{quote(str(self._writing.path))}?mode=rw"  # never creates a file
            self._db = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            self.close()
            raise JournalFailed(error_reason(error), reading=True) from error
        self._db.row_factory = sqlite3.Row
        self._connected_to = current
