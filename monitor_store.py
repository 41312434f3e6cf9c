"""monitor_list.json: the watch list, written so that no moment of death loses an entry.

Its form is in adapters/files/watch_list_format.py. Beside it stand monitor_list.json.bak (the former good
one), for a moment .monitor_list.json.<hex>.tmp; what could not be read, monitor_list.json.corrupt-<UTC time>,
and what somebody changed while the bot ran, monitor_list.json.edited-<UTC time>, which nothing here
overwrites or removes. All calls block, for about a millisecond with fsync; they are made on the event loop,
so that nothing comes between a change and its storing. They assume that no other process writes the list
(adapters/files/data_lock.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from adapters.files.atomic_file import create_file, errno_name, replace_file, sync_directory
from adapters.files.watch_list_format import (
    Document,
    NewerVersion,
    UnknownKeys,
    Unreadable,
    checked,
    decode_watch_list,
    encode_watch_list,
)
from core.errors import StoreFailed
from core.guest import State
from core.watch.incidents.model import WatchEntry


class StoreErrorKind(StrEnum):
    """Why the list cannot be used."""

    UNREADABLE = "unreadable"  # reason: errno name; permission or I/O, the content is not judged
    NOT_WRITABLE = "not_writable"  # reason: errno name (ENOSPC disk full, EROFS, ENOENT no directory, …)
    NEWER_VERSION = "newer_version"  # reason: the version found


class StoreError(Exception):
    """The list could not be read or saved; what stood on the disk still stands there."""

    def __init__(self, kind: StoreErrorKind, path: Path, reason: str) -> None:
        super().__init__(kind, path, reason)
        self.kind = kind
        self.path = path
        self.reason = reason


class LoadOutcome(StrEnum):
    """What `load` found."""

    CREATED = "created"
    READ = "read"
    UPGRADED = "upgraded"
    RECOVERED_FROM_BACKUP = "recovered_from_backup"
    UNREADABLE_NO_BACKUP = "unreadable_no_backup"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The list, how it was come by, and where an unreadable file was put (None if there was none).

    `states`: of the guests of which a file of a former version says one, by VMID; the next save drops them.
    """

    entries: tuple[WatchEntry, ...]
    outcome: LoadOutcome
    set_aside: Path | None = None
    states: Mapping[int, State] = field(default_factory=dict)


class MonitorStore:
    """The watch list in a file. `clock` gives Unix seconds and only names files that are set aside."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._given_path = path
        self._clock = clock
        self._foreign = UnknownKeys()
        self._known: bytes | None = None
        """The file's content as it was read or written last."""
        self._lock = threading.Lock()

    def load(self, initial: Iterable[int]) -> LoadReport:
        """The list of the file; `initial` (VMIDs) counts only if there never was one, or none can be read.

        Raises StoreError (the list is unchanged then; an unreadable file may have been copied aside) and
        ValueError for a VMID of `initial` that is none.
        """
        first = checked(WatchEntry(vmid) for vmid in initial)
        with self._lock:
            path = self._path()
            _sweep(path)
            content, document = self._read(path)
            self._known = content
            if document is not None:
                if document.upgraded:
                    self._write(
                        path, encode_watch_list(document.entries, document.foreign), content, keep=True
                    )
                self._foreign = document.foreign
                happened = LoadOutcome.UPGRADED if document.upgraded else LoadOutcome.READ
                return LoadReport(document.entries, happened, states=document.states)
            spare, spared = self._read(_backup_path(path))
            aside = [] if content is None else [self._set_aside(path, content)]
            if (
                spare is not None and spared is not None
            ):  # put back as it is, with all that only it still knows
                restored, found, happened = spare, spared, LoadOutcome.RECOVERED_FROM_BACKUP
            else:
                if spare is not None:
                    aside.append(self._set_aside(_backup_path(path), spare))
                restored, found = encode_watch_list(first, UnknownKeys()), Document(first)
                happened = LoadOutcome.UNREADABLE_NO_BACKUP if aside else LoadOutcome.CREATED
            self._write(path, restored, content, keep=False)
            self._foreign = found.foreign
            return LoadReport(found.entries, happened, aside[0] if aside else None, found.states)

    def save(self, guests: tuple[WatchEntry, ...]) -> str | None:
        """Replaces the list; on the disk when this returns. A VMID that comes twice counts once: the first.

        Returns a name if somebody has changed the file since it was read or written last: theirs is kept under it.
        Raises StoreFailed (the former list still stands; its cause is the StoreError); ValueError for what no file
        can hold.
        """
        entries = checked(guests)
        with self._lock:
            kept = {each.vmid: self._foreign.guests.get(each.vmid, {}) for each in entries}
            foreign = UnknownKeys(self._foreign.document, kept)
            try:
                aside = self._replace(encode_watch_list(entries, foreign))
            except StoreError as error:
                newer = error.kind is StoreErrorKind.NEWER_VERSION
                raise StoreFailed(f"newer version {error.reason}" if newer else error.reason) from error
            self._foreign = foreign
            return aside

    def _replace(self, content: bytes) -> str | None:
        path, aside = self._path(), None
        former, document = self._read(path)
        if former is not None and self._known is not None and former != self._known:
            aside = self._set_aside(path, former, "edited" if document else "corrupt")
        elif former is not None and document is None:  # spoilt behind our back: no backup to anybody
            aside = self._set_aside(path, former)
        self._write(path, content, former, keep=document is not None and aside is None)
        return aside.name if aside else None

    def _path(self) -> Path:
        return self._given_path.parent.resolve() / self._given_path.name

    def _read(self, path: Path) -> tuple[bytes | None, Document | None]:
        """Content (None: no file) and its meaning (None: it has none). Raises StoreError."""
        try:
            if path.is_symlink():  # what it leads to is not the bot's
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
        """Copies a file to a name that is free; the original stays until it is replaced whole."""
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
        """Puts `content` in the place of `former` (None: no file), which becomes the backup with `keep`."""
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


def _backup_path(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


@contextlib.contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(StoreErrorKind.NOT_WRITABLE, path, errno_name(error)) from error


def _sweep(path: Path) -> None:
    """Removes temporary files that a death left behind; what cannot be removed is left."""
    with contextlib.suppress(OSError):
        for stale in list(path.parent.iterdir()):
            if stale.name.startswith(f".{path.name}.") and stale.name.endswith(".tmp"):
                stale.unlink(missing_ok=True)
