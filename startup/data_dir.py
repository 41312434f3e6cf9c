"""Open the data directory, and explain its faults: why the bot cannot start, or which data was lost."""

import contextlib
import errno
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.files.data_lock import DataDirInUse, ForeignFile
from adapters.journal.store import JournalError, JournalErrorKind, JournalReport, OpenOutcome
from core.errors import JournalFailed
from monitor_store import LoadOutcome, LoadReport, MonitorStore, StoreError
from ui.formatting import WARNING
from ui.i18n import Text
from ui.interaction.context import Site
from ui.messages.faults import foreign_file_line, in_use_line, journal_error_line, store_error_line
from ui.messages.startup import (
    journal_gone,
    journal_lost,
    list_lost,
    list_recovered,
    no_data_dir_line,
    read_only_data_dir_line,
)

LIST_NAME, JOURNAL_NAME, READ_ONLY_NAME = "monitor_list.json", "journal.db", "readonly.json"

_log = logging.getLogger("bot")


class StartFailed(Exception):
    """The bot cannot start. The text says why, for the terminal."""


@contextlib.contextmanager
def start_failures(t: Text, directory: Path) -> Iterator[None]:
    """Turn any fault of the data directory into StartFailed."""
    try:
        yield
    except (DataDirInUse, ForeignFile, JournalError, JournalFailed, StoreError, OSError) as error:
        raise StartFailed(failure_line(t, error, directory)) from error


def read_data_dir(site: Site, opened: JournalReport, store: MonitorStore, vm_ids: Sequence[int]) -> None:
    """Read the locked data directory. Losses are reported in the alert channel.

    `vm_ids`: MONITOR_VM_IDS, for a first start.
    """
    loaded = store.load(vm_ids)
    site.authorizer.read_only.load()
    site.audit.close_cut_off()
    site.watch.load(loaded.entries, loaded.states)
    off = site.authorizer.read_only.refusal is not None
    for text in data_loss_lines(site.services.texts.public, opened, loaded, off=off):
        _log.error("%s", text)
        with contextlib.suppress(JournalFailed):  # if it cannot be stored, it is in the log
            site.watch.post_notice(f"{WARNING} {text}")


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
        case StoreError():
            return store_error_line(t, error)
    if getattr(error, "errno", None) == errno.EROFS:
        return read_only_data_dir_line(t, str(directory))
    reason = str(getattr(error, "strerror", None) or error)
    return no_data_dir_line(t, str(directory), reason)


def data_loss_lines(t: Text, opened: JournalReport, loaded: LoadReport, *, off: bool) -> list[str]:
    """List the parts of the data directory that could not be read, for the alert channel.

    `off`: changes are switched off.
    """
    lines = []
    if opened.outcome is OpenOutcome.RECREATED:
        lines.append(journal_lost(t, _name(opened.set_aside), off=off))
    had_one = (
        loaded.outcome is LoadOutcome.READ and not loaded.states
    )  # lists of older bots had states, and no journal
    if opened.outcome is OpenOutcome.CREATED and had_one:
        lines.append(journal_gone(t, off=off))
    if loaded.outcome is LoadOutcome.RECOVERED_FROM_BACKUP:
        lines.append(list_recovered(t, len(loaded.entries), _name(loaded.set_aside)))
    if loaded.outcome is LoadOutcome.UNREADABLE_NO_BACKUP:
        lines.append(list_lost(t, len(loaded.entries), _name(loaded.set_aside)))
    return lines


def _name(path: Path | None) -> str:
    return path.name if path else "—"
