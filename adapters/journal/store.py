"""Store in journal.db, with SQLite, everything that must survive a crash, except the watch list.

While the bot runs, journal.db-wal and journal.db-shm are beside it. A file that cannot be understood at the start is
kept as journal.db.corrupt-<UTC time>. One that is found damaged, or is not the opened one any more, is kept as
journal.db.replaced-<UTC time>. A copy from before a migration is kept as journal.db.version-<number>. Only one bot at
a time may use journal.db (adapters/files/data_lock.py).

In adapters/journal, database.py opens the file and runs transactions. reading_file.py makes further connections, and
copy.py makes copies. schema.py has the tables, watch_rows.py the incidents and messages, audit_rows.py the audit
trail, dashboard_rows.py the dashboards, and site_rows.py the sites. shared.py has the parts that all sites share, and
site_journal.py the rows of one site. All this blocks: off_loop.py calls it in threads and implements the `Journal`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from adapters.files.stored_sites import NO_SITE, ONLY_SITE, SiteNames, StoredSites, check_sites
from adapters.journal.database import JournalFile
from adapters.journal.errors import JournalError, JournalErrorKind, JournalReport, OpenOutcome
from adapters.journal.reading_file import ReadingFile
from adapters.journal.shared import SharedJournal
from adapters.journal.site_journal import SiteJournal
from core.errors import JournalFailed

__all__ = ["JournalError", "JournalErrorKind", "JournalReport", "OpenOutcome", "SqliteJournal"]


class SqliteJournal(SiteJournal):
    """The journal in a file, for the only site or, with several, for data that belongs to none of them.

    `clock`: returns Unix seconds, used only in names of files that are set aside.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(SharedJournal(JournalFile(path, clock)), NO_SITE)
        self._views: dict[str, SiteJournal] = {"": self}

    def open(
        self,
        sites: SiteNames = ONLY_SITE,
        check: Callable[[SiteNames, StoredSites], None] = check_sites,
    ) -> JournalReport:
        """Create or read the file, migrate its tables and count the run.

        The configured sites are noted if there are several.
        `check` raises if the stored data does not fit the sites. No data is changed then.
        Raises: JournalError, JournalFailed, or the error of `check`: SiteFault (adapters/files/stored_sites.py).
        """
        report = self._file.open(lambda stored: check(sites, stored))
        with contextlib.suppress(JournalFailed):  # every later read reports unreadable content itself
            self._shared.last_audit = self.audit_last_given()
        self._shared.begin(sites)
        return report

    def close(self) -> None:
        """Close the file, and merge the -wal into it if the disk allows that. Nothing is lost if it does not."""
        self._file.close()

    def reading_file(self) -> ReadingFile:
        """Return a further connection to the file, for another thread. It is made on first use."""
        return ReadingFile(self._file)

    # -- the sites

    def of_site(self, name: str) -> SiteJournal:
        """Return the journal of one site, even of one that is not configured any more.

        "": the journal of the only site or, with several, that of data without a site.
        """
        if name not in self._views:
            self._views[name] = SiteJournal(self._shared, name)
        return self._views[name]

    @property
    def first_site(self) -> str | None:
        """The site that owns the data from before there were several. None if FIRST_SITE never named it."""
        return self._shared.first_site

    def unknown_sites(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the named sites in the journal that are not among these."""
        return self._shared.unknown_sites(frozenset(names))
