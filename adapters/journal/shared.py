"""Hold the parts that all views of one open journal share: its file, its sites, and the checks of the file.

A part of adapters/journal/store.py.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from adapters.files.stored_sites import NO_SITE, ONLY_SITE, SiteNames, stored_key
from adapters.journal import site_rows
from adapters.journal.database import READ, JournalFile
from adapters.journal.errors import CORRUPT_CODES
from core.audit.store import AuditEntry
from core.errors import JournalFailed
from core.watch.journal import JournalRenewal

T = TypeVar("T")

_log = logging.getLogger(__name__)


class SharedJournal:
    """The file, the sites and the renewals that all views share.

    A view is the journal of one site (`SiteJournal`). `view`: the name of its site.
    `last_audit`: the last id that a record of the audit trail got, even if the record is pruned.
    """

    def __init__(self, file: JournalFile) -> None:
        self.file = file
        self.last_audit = 0
        self._configured = ONLY_SITE
        self._first: str | None = None
        self._numbers: dict[str, int] = {}
        self._logged: set[tuple[str, int]] = set()
        self._checks = 0
        self._seen: dict[str, int] = {}
        """Number of checks of the file that each view knows of."""
        self._renewals: dict[str, JournalRenewal] = {}
        """By view: a renewal that the view does not know of yet."""

    # -- the sites

    def begin(self, configured: SiteNames) -> None:
        """Store the configured sites in the open file if there are several, and read all known sites.

        Raises: JournalFailed.
        """
        self._configured = configured
        with self.file.transaction() if configured.several else self.file.transaction(READ) as db:
            if configured.several:
                site_rows.write_sites(db, configured)
            self._first, self._numbers = site_rows.read_site_numbers(db)

    @property
    def first_site(self) -> str | None:
        return self._first

    def key_of(self, name: str) -> str:
        """Return the stored key of a site.

        "" and NO_SITE: the key of the only site or, with several, that of data without a site.
        """
        if name in ("", NO_SITE):
            return NO_SITE if self._configured.several else self._key_of_the_only_one()
        return stored_key(name, self._first)

    def _key_of_the_only_one(self) -> str:
        """Return the key of the only site. If it was one of several, or others were, it keeps apart from their data.

        Without a name it takes the data under "".
        """
        name = self._configured.first
        if name is None or name == self._first or (self._first is None and name not in self._numbers):
            return ""
        return name

    def name_of(self, key: str) -> str:
        """Return the name to show for a stored key, "" for the only site and for data without a site."""
        return "" if key in (NO_SITE, self.key_of("")) else key or self._first or ""

    def site_number(self, key: str) -> int:
        """Return the number of a site, and store one if it has none. `key`: stored key. Raises: JournalFailed."""
        if key and key not in self._numbers:
            with self.file.transaction() as db:
                self._numbers[key] = site_rows.site_number(db, key)
        return self._numbers.get(key, 0)

    def unknown_sites(self, names: frozenset[str]) -> tuple[str, ...]:
        """Return the named sites that were ever configured, except these.

        The site that owned the key "" is left out, too, if its data is now that of the only site.
        """
        ours = self.key_of("")
        known = {*self._numbers} - {NO_SITE, ours}
        if self._first is not None and ours:
            known.add(self._first)
        return tuple(sorted(known - names))

    # -- the file

    def join(self, view: str) -> None:
        """Let a view learn of renewals from now on."""
        self._seen[view] = self._checks

    def check_file(self, view: str) -> JournalRenewal | None:
        """Check the file, unless another view has checked it since the last call for this view.

        Return a renewal that this view does not know of yet, None if there is none.
        Raises: JournalFailed.
        """
        if self._seen[view] == self._checks:
            self._check()
            self._checks += 1
        self._seen[view] = self._checks
        return self._renewals.pop(view, None)

    def _check(self) -> None:
        """Renew the file if it is lost or damaged, and note this for every view.

        Raises: JournalFailed.
        """
        lost = self.file.lost()
        if not lost:
            try:
                self.file.probe()
            except JournalFailed as error:
                if error.reason not in CORRUPT_CODES:
                    raise
                lost = True
        if not lost:
            return
        renewed = self.file.renew(self.last_audit, site_rows.as_meta(self._first, self._numbers))
        for view in self._seen:
            former = self._renewals.get(view, renewed)
            self._renewals[view] = JournalRenewal(
                former.whole and renewed.whole, renewed.aside or former.aside
            )
        self.file.probe()

    # -- rows

    def readable(self, found: Mapping[int, T | None], sentence: str) -> tuple[T, ...]:
        """Return the readable values. Each unreadable one is logged once, stays stored and blocks no other.

        `found`: values by id, None for an unreadable one. `sentence`: the log entry, with %d for the id.
        """
        for number in (number for number, value in found.items() if value is None):
            if (sentence, number) not in self._logged:
                self._logged.add((sentence, number))
                _log.error(sentence, number)
        return tuple(value for value in found.values() if value is not None)

    def named(self, entries: tuple[AuditEntry, ...]) -> tuple[AuditEntry, ...]:
        """Replace the stored keys of the sites by their names."""
        return tuple(replace(each, site=self.name_of(each.site)) for each in entries)
