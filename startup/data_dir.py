"""Open the data directory, and explain its faults: why the bot cannot start, or which data was lost."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.files.data_lock import DataDirInUse, ForeignFile
from adapters.files.read_only_file import READ_ONLY_NAME
from adapters.files.stored_sites import SiteFault, SiteNames, StoredSites, check_sites
from adapters.journal.errors import JournalError, JournalErrorKind, JournalReport, OpenOutcome
from adapters.journal.off_loop import JournalOffLoop
from core.access.read_only import ReadOnlySwitch
from core.audit.trail import AuditLog
from core.errors import JournalFailed
from core.watch.service import Watch
from monitor_store import LoadOutcome, LoadReport, MonitorStore, StoreError
from ui.formatting import WARNING
from ui.i18n import Text
from ui.interaction.services import Site
from ui.messages.faults import (
    foreign_file_line,
    in_use_line,
    journal_error_line,
    site_fault_line,
    store_error_line,
)
from ui.messages.startup import (
    journal_gone,
    journal_lost,
    list_lost,
    list_recovered,
    no_data_dir_line,
    read_only_data_dir_line,
)

LIST_NAME, JOURNAL_NAME = "monitor_list.json", "journal.db"

_log = logging.getLogger("bot")


@dataclass(frozen=True, slots=True)
class SiteData:
    """The parts that hold the data of one site.

    `name`: "" for the only site. `vm_ids`: MONITOR_VM_IDS, for a first start.
    """

    name: str
    vm_ids: Sequence[int]
    watch: Watch
    audit: AuditLog
    read_only: ReadOnlySwitch

    @classmethod
    def of(cls, site: Site, vm_ids: Sequence[int]) -> SiteData:
        return cls(site.name, vm_ids, site.watch, site.audit, site.authorizer.read_only)


class StartFailed(Exception):
    """The bot cannot start. The text says why, for the terminal."""


@contextlib.contextmanager
def start_failures(t: Text, directory: Path) -> Iterator[None]:
    """Turn any fault of the data directory in the `with` block into StartFailed.

    Raises: StartFailed.
    """
    try:
        yield
    except (DataDirInUse, ForeignFile, JournalError, JournalFailed, SiteFault, StoreError, OSError) as error:
        raise StartFailed(failure_line(t, error, directory)) from error


async def read_data_dir(
    t: Text,
    directory: Path,
    journal: JournalOffLoop,
    store: MonitorStore,
    sites: Sequence[SiteData],
    *,
    first: str | None = None,
    audit: AuditLog | None = None,
) -> None:
    """Read the locked data directory, and end the attempts that earlier runs left open, except actions.

    Losses are logged, and reported in the alert channel of the first of `sites`.
    `first`: see `SiteNames`. `audit`: the trail of attempts that belong to none of several sites.
    Raises: JournalError, JournalFailed, StoreError; SiteFault if the data does not fit the sites (it is then
    unchanged).
    """

    def check(configured: SiteNames, stored: StoredSites) -> None:
        # without the journal, this file still shows that there is data without the name of a site
        is_read_only = os.path.lexists(directory / READ_ONLY_NAME)
        check_sites(configured, replace(stored, plain=stored.plain or is_read_only))
        store.check(configured, configured.first or stored.first)

    opened = journal.open(SiteNames(tuple(site.name for site in sites), first), check)
    loaded = store.load_sites({site.name: site.vm_ids for site in sites}, first or journal.first_site)
    for site in sites:
        await site.read_only.load()
        await site.audit.close_cut_off()
        await site.watch.load(loaded[site.name].entries, loaded[site.name].states)
    if audit is not None:
        await audit.close_cut_off()
    gone = journal.unknown_sites(site.name for site in sites)
    if gone:
        _log.warning("%s has data of sites that are not configured: %s", JOURNAL_NAME, ", ".join(gone))
    switches = {site.read_only.refusal is not None for site in sites}
    read_only = switches.pop() if len(switches) == 1 else None
    for text in data_loss_lines(t, opened, tuple(loaded.values()), read_only=read_only):
        _log.error("%s", text)
        with contextlib.suppress(JournalFailed):  # if it cannot be stored, it is in the log
            await sites[0].watch.alerts.post_notice(f"{WARNING} {text}")


def failure_line(t: Text, error: Exception, directory: Path) -> str:
    """Say why the bot cannot start with this data directory, and what to do."""
    match error:
        case DataDirInUse():
            return in_use_line(t, error)
        case ForeignFile():
            return foreign_file_line(t, error)
        case JournalError():
            return journal_error_line(t, error)
        case JournalFailed():  # opened, but unreadable
            unreadable = JournalError(JournalErrorKind.UNREADABLE, directory / JOURNAL_NAME, error.reason)
            return journal_error_line(t, unreadable)
        case SiteFault():
            return site_fault_line(t, error)
        case StoreError():
            return store_error_line(t, error)
    if getattr(error, "errno", None) == errno.EROFS:
        return read_only_data_dir_line(t, str(directory))
    reason = str(getattr(error, "strerror", None) or error)
    return no_data_dir_line(t, str(directory), reason)


def data_loss_lines(
    t: Text, opened: JournalReport, loaded: Sequence[LoadReport], *, read_only: bool | None
) -> list[str]:
    """Return a line for each part of the data directory that was missing or unreadable, for the alert channel.

    `loaded`: the watch list of each site. `read_only`: whether changes are refused; None: on some sites only.
    """
    lines = []
    if opened.outcome is OpenOutcome.RECREATED:
        lines.append(journal_lost(t, _name(opened.set_aside), read_only=read_only))
    # older bots kept the states in the list, and had no journal
    had_journal = any(each.outcome is LoadOutcome.READ and not each.states for each in loaded)
    if opened.outcome is OpenOutcome.CREATED and had_journal:
        lines.append(journal_gone(t, read_only=read_only))
    for outcome, line in _LIST_LOSSES.items():
        lost = [each for each in loaded if each.outcome is outcome]
        if lost:
            lines.append(line(t, sum(len(each.entries) for each in lost), _name(lost[0].set_aside)))
    return lines


_LIST_LOSSES = {
    LoadOutcome.RECOVERED_FROM_BACKUP: list_recovered,
    LoadOutcome.UNREADABLE_NO_BACKUP: list_lost,
}


def _name(path: Path | None) -> str:
    return path.name if path else "—"
