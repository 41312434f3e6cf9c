"""Store the watch list in monitor_list.json. A crash at any moment loses no entry.

adapters/files/watch_list_format.py defines the format; the lists of all sites are in one file. Beside it are
monitor_list.json.bak (an earlier good version) and, for a moment, .monitor_list.json.<hex>.tmp. A file that is no
watch list is kept as monitor_list.json.corrupt-<UTC time>. A watch list that somebody changed while the bot ran is
kept as monitor_list.json.edited-<UTC time>. The bot never overwrites or removes these two kinds. The calls of
`MonitorStore` block; `SiteStore` saves in a thread. adapters/files/data_lock.py keeps other bots away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from adapters.files.atomic_file import create_file, errno_name, replace_file, sync_directory
from adapters.files.disk_thread import DiskCalls, DiskHung
from adapters.files.stored_sites import SiteNames
from adapters.files.watch_list_format import (
    Document,
    NewerVersion,
    SiteList,
    Unreadable,
    arrange,
    checked,
    decode_watch_list,
    encode_watch_list,
)
from core.errors import DISK_HUNG, StoreFailed
from core.guest import State
from core.watch.incidents.model import WatchEntry


class StoreErrorKind(StrEnum):
    """Why the list cannot be used."""

    UNREADABLE = "unreadable"  # reason: errno name; permission or I/O error, the content was not judged
    NOT_WRITABLE = "not_writable"  # reason: errno name (ENOSPC disk full, EROFS, ENOENT no directory, …)
    NEWER_VERSION = "newer_version"  # reason: the version found


class StoreError(Exception):
    """The list could not be read or saved. A backup or a copy may have been written before."""

    def __init__(self, kind: StoreErrorKind, path: Path, reason: str) -> None:
        super().__init__(kind, path, reason)
        self.kind = kind
        self.path = path
        self.reason = reason


class LoadOutcome(StrEnum):
    """Results of `load` and `load_sites`."""

    CREATED = "created"  # the site had no list; it gets the initial one
    READ = "read"
    UPGRADED = "upgraded"  # the file was the plain list of older bots
    RECOVERED_FROM_BACKUP = "recovered_from_backup"  # the file is missing or no watch list
    UNREADABLE_NO_BACKUP = "unreadable_no_backup"  # neither file nor backup is a watch list, and one exists


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The list of a site and how it was loaded.

    `set_aside`: the copy of a file that was no watch list. None if there was none, or with CREATED.
    `states`: guest states from a file of a former version, by VMID. They are not written again.
    """

    entries: tuple[WatchEntry, ...]
    outcome: LoadOutcome
    set_aside: Path | None = None
    states: Mapping[int, State] = field(default_factory=dict)


class MonitorStore:
    """The file of all sites' watch lists. `clock` returns Unix seconds, used only in names of files set aside."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._given_path = path
        self._clock = clock
        self._document = Document()
        self._own = ""
        """The key of the only site's list; "" if there are several sites."""
        self._known: bytes | None = None
        """The file's content as the bot loaded or last wrote it. None: there was no file."""
        self._lock = threading.Lock()

    def check(self, configured: SiteNames, first: str | None) -> None:
        """Check that `load_sites` can assign each list to a site. Changes nothing.

        Raises: SiteFault, StoreError.
        """
        with self._lock:
            document = self._read(self._path())[1] or self._read(_backup_path(self._path()))[1]
        if document is not None:
            arrange(document, configured, first)

    def load(self, initial: Iterable[int]) -> LoadReport:
        """Load the list of the only site. `initial`: VMIDs, used only if it has no readable list.

        Raises: StoreError, SiteFault, ValueError, as `load_sites` does.
        """
        return self.load_sites({"": initial})[""]

    def load_sites(
        self, initial: Mapping[str, Iterable[int]], first: str | None = None
    ) -> dict[str, LoadReport]:
        """Load the list of each site.

        `initial`: VMIDs by site. They are used only if the site has no readable list.
        `first`: the site that owns a list that was stored without a site.
        Raises: StoreError (a file that is no watch list may have been copied aside, and the backup put in its place),
        SiteFault, ValueError for an invalid VMID in `initial`.
        """
        new = {name: SiteList(checked(WatchEntry(vmid) for vmid in vmids)) for name, vmids in initial.items()}
        with self._lock:
            path = self._path()
            _sweep(path)
            content, document = self._read(path)
            spare, spare_document = (None, None) if document else self._read(_backup_path(path))
            found, own = arrange(document or spare_document or Document(), SiteNames(tuple(initial)), first)
            missing = [name for name in new if (name or own) not in found.sites]
            self._known = content
            aside = [] if document is not None or content is None else [self._set_aside(path, content)]
            if document is not None:
                outcome = LoadOutcome.UPGRADED if document.upgraded else LoadOutcome.READ
            elif spare is not None and spare_document is not None:
                # restored as it is: encoding would drop what a former version stored
                self._write(path, spare, content, keep=False)
                content, outcome = spare, LoadOutcome.RECOVERED_FROM_BACKUP
            else:
                if spare is not None:
                    aside.append(self._set_aside(_backup_path(path), spare))
                outcome = LoadOutcome.UNREADABLE_NO_BACKUP if aside else LoadOutcome.CREATED
            is_new = outcome in (LoadOutcome.UNREADABLE_NO_BACKUP, LoadOutcome.CREATED)
            for name in missing:
                found = found.with_list(name or own, new[name])
            if missing or outcome is LoadOutcome.UPGRADED:
                self._write(path, encode_watch_list(found), content, keep=not is_new)
            self._document, self._own = found, own
        added = () if is_new else missing
        return {
            name: LoadReport(found.sites[name].entries, LoadOutcome.CREATED)
            if name in added
            else _report(found.sites[name or own], outcome, aside)
            for name in new
        }

    def of_site(self, name: str, disk: DiskCalls) -> SiteStore:
        """Return the store of one site's list. `disk`: makes its blocking calls."""
        return SiteStore(self, name, disk)

    def save(self, guests: tuple[WatchEntry, ...], name: str = "") -> str | None:
        """Replace the list of a site ("": the only one). It is on the disk when this returns.

        The first entry of a repeated VMID counts.
        Return a file name if somebody changed the file since the bot loaded or last wrote it: their version is
        kept under that name.
        Raises: StoreFailed (the former list stays in use; the cause is the StoreError), ValueError for an
        invalid entry.
        """
        entries, key = checked(guests), name or self._own
        with self._lock:
            former = self._document.sites.get(key, SiteList())
            document = self._document.with_list(key, former.changed_to(entries))
            try:
                aside = self._replace(encode_watch_list(document))
            except StoreError as error:
                newer = error.kind is StoreErrorKind.NEWER_VERSION
                raise StoreFailed(f"newer version {error.reason}" if newer else error.reason) from error
            self._document = document
            return aside

    def _replace(self, content: bytes) -> str | None:
        path, aside = self._path(), None
        former, document = self._read(path)
        if former is not None and (document is None or self._known not in (None, former)):
            aside = self._set_aside(path, former, "edited" if document else "corrupt")
        self._write(path, content, former, keep=document is not None and aside is None)
        return aside.name if aside else None

    def _path(self) -> Path:
        return self._given_path.parent.resolve() / self._given_path.name

    def _read(self, path: Path) -> tuple[bytes | None, Document | None]:
        """Return the file's content (None: no file) and its parsed form (None: no file, or no watch list).

        Raises: StoreError.
        """
        try:
            if path.is_symlink():  # the target of the link is not the bot's
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            content = path.read_bytes()
        except FileNotFoundError:
            return None, None
        except OSError as error:
            raise StoreError(StoreErrorKind.UNREADABLE, path, errno_name(error)) from error
        try:
            return content, decode_watch_list(content)
        except Unreadable:
            return content, None
        except NewerVersion as newer:
            raise StoreError(StoreErrorKind.NEWER_VERSION, path, str(newer)) from newer

    def _set_aside(self, path: Path, content: bytes, word: str = "corrupt") -> Path:
        """Copy a file to a free name, which contains `word`. The original stays until it is replaced.

        Raises: StoreError.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        stem, number = f"{path.name}.{word}-{stamp}", 1
        with _translated_errors(path):
            while True:
                aside = path.with_name(stem if number == 1 else f"{stem}-{number}")
                try:
                    create_file(aside, content)
                    return aside
                except FileExistsError:
                    number += 1

    def _write(self, path: Path, content: bytes, former: bytes | None, *, keep: bool) -> None:
        """Replace `former` (None: no file) by `content`. With `keep`, `former` becomes the backup.

        If the directory cannot be synced, `former` is put back if possible.
        Raises: StoreError.
        """
        with _translated_errors(path):
            if former is not None and keep:
                replace_file(_backup_path(path), former)
            replace_file(path, content)
            known, self._known = self._known, content
            try:
                sync_directory(path.parent)
            except OSError:
                with contextlib.suppress(OSError):
                    if former is None:
                        path.unlink()
                    else:
                        replace_file(path, former)
                    self._known = known
                raise


@dataclass(frozen=True, slots=True)
class SiteStore:
    """Implement `core.watch.watch_list.WatchStore` for one site."""

    store: MonitorStore
    name: str
    disk: DiskCalls

    async def save(self, guests: tuple[WatchEntry, ...]) -> str | None:
        """Save the list as `MonitorStore.save` does. Raises: StoreFailed, ValueError."""
        try:
            return await self.disk.run(lambda: self.store.save(guests, self.name), certain=True)
        except DiskHung as error:
            raise StoreFailed(DISK_HUNG) from error


def _report(listed: SiteList, outcome: LoadOutcome, aside: Sequence[Path]) -> LoadReport:
    return LoadReport(listed.entries, outcome, aside[0] if aside else None, listed.states)


def _backup_path(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


@contextlib.contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(StoreErrorKind.NOT_WRITABLE, path, errno_name(error)) from error


def _sweep(path: Path) -> None:
    """Remove temporary files that a crash left behind, if possible."""
    with contextlib.suppress(OSError):
        for stale in list(path.parent.iterdir()):
            if stale.name.startswith(f".{path.name}.") and stale.name.endswith(".tmp"):
                stale.unlink(missing_ok=True)
