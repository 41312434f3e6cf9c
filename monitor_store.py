"""monitor_list.json: the watch list, written so that no moment of death loses an entry.

Its form is in watch_list_format.py. Beside it stand monitor_list.json.bak (the former good one), for a moment
.monitor_list.json.<hex>.tmp, and what could not be read, monitor_list.json.corrupt-<UTC time>, which nothing
here overwrites or removes.
All calls block, for about a millisecond with fsync; they are made on the event loop, so that nothing comes
between a change and its storing. They assume that no other process writes the list (data_lock.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.errors import StoreFailed
from core.guest import State
from core.watch.model import Watched
from parts.watch_list_format import Document, Foreign, Newer, Unreadable, checked, decode, encode

_NO_DIRECTORY_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}  # some network and FUSE file systems


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


class Happened(StrEnum):
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

    entries: tuple[Watched, ...]
    happened: Happened
    set_aside: Path | None = None
    states: Mapping[int, State] = field(default_factory=dict)


class MonitorStore:
    """The watch list in a file. `clock` gives Unix seconds and only names files that are set aside."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._given_path = path
        self._clock = clock
        self._foreign = Foreign()
        self._lock = threading.Lock()

    def load(self, initial: Iterable[int]) -> LoadReport:
        """The list of the file; `initial` (VMIDs) counts only if there never was one, or none can be read.

        Raises StoreError (the list is unchanged then; an unreadable file may have been copied aside) and
        ValueError for a VMID of `initial` that is none.
        """
        first = checked(Watched(vmid) for vmid in initial)
        with self._lock:
            path = self._path()
            _sweep(path)
            content, document = self._look(path)
            if document is not None:
                if document.upgraded:
                    self._write(path, encode(document.entries, document.foreign), content, keep=True)
                self._foreign = document.foreign
                happened = Happened.UPGRADED if document.upgraded else Happened.READ
                return LoadReport(document.entries, happened, states=document.states)
            spare, spared = self._look(_bak(path))
            aside = [] if content is None else [self._set_aside(path, content)]
            if (
                spare is not None and spared is not None
            ):  # put back as it is, with all that only it still knows
                restored, found, happened = spare, spared, Happened.RECOVERED_FROM_BACKUP
            else:
                if spare is not None:
                    aside.append(self._set_aside(_bak(path), spare))
                restored, found = encode(first, Foreign()), Document(first)
                happened = Happened.UNREADABLE_NO_BACKUP if aside else Happened.CREATED
            self._write(path, restored, content, keep=False)
            self._foreign = found.foreign
            return LoadReport(found.entries, happened, aside[0] if aside else None, found.states)

    def save(self, guests: tuple[Watched, ...]) -> None:
        """Replaces the list; on the disk when this returns. A VMID that comes twice counts once: the first.

        Raises StoreFailed (the former list still stands; its cause is the StoreError); ValueError for what no
        file can hold.
        """
        entries = checked(guests)
        with self._lock:
            kept = {each.vmid: self._foreign.guests.get(each.vmid, {}) for each in entries}
            foreign = Foreign(self._foreign.document, kept)
            try:
                self._replace(encode(entries, foreign))
            except StoreError as error:
                newer = error.kind is StoreErrorKind.NEWER_VERSION
                raise StoreFailed(f"newer version {error.reason}" if newer else error.reason) from error
            self._foreign = foreign

    def _replace(self, content: bytes) -> None:
        path = self._path()
        former, document = self._look(path)
        if former is not None and document is None:  # spoilt behind our back: no backup to anybody
            self._set_aside(path, former)
        self._write(path, content, former, keep=document is not None)

    def _path(self) -> Path:
        return self._given_path.parent.resolve() / self._given_path.name

    def _look(self, path: Path) -> tuple[bytes | None, Document | None]:
        """Content (None: no file) and its meaning (None: it has none). Raises StoreError."""
        try:
            if path.is_symlink():  # what it leads to is not the bot's
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            content = path.read_bytes()
        except FileNotFoundError:
            return None, None
        except OSError as error:
            raise StoreError(StoreErrorKind.UNREADABLE, path, _errno_name(error)) from error
        try:
            return content, decode(content)
        except Unreadable:
            return content, None
        except Newer as newer:
            raise StoreError(StoreErrorKind.NEWER_VERSION, path, str(newer)) from newer

    def _set_aside(self, path: Path, content: bytes) -> Path:
        """Copies an unreadable file to a name that is free; the original stays until it is replaced whole."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        stem, number = f"{path.name}.corrupt-{stamp}", 1
        with _storing(path):
            while True:
                aside = path.with_name(stem if number == 1 else f"{stem}-{number}")
                try:
                    _create(aside, content)
                    return aside
                except FileExistsError:
                    number += 1

    def _write(self, path: Path, content: bytes, former: bytes | None, *, keep: bool) -> None:
        """Puts `content` in the place of `former` (None: no file), which becomes the backup with `keep`."""
        with _storing(path):
            if former is not None and keep:
                _put(_bak(path), former)
            _put(path, content)
            try:
                _sync_directory(path.parent)
            except OSError:
                with contextlib.suppress(OSError):
                    if former is None:
                        path.unlink()
                    else:
                        _put(path, former)
                raise


def _bak(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(StoreErrorKind.NOT_WRITABLE, path, _errno_name(error)) from error


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")


def _put(path: Path, content: bytes) -> None:
    """Replaces a file whole: whoever opens it sees the old or the new content, even after a power cut."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    _create(temporary, content)
    try:
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _create(path: Path, content: bytes) -> None:
    """Makes a file that must not exist (FileExistsError), readable by its owner only, synced to the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a directory
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise
    finally:
        os.close(handle)


def _sweep(path: Path) -> None:
    """Removes temporary files that a death left behind; what cannot be removed is left."""
    with contextlib.suppress(OSError):
        for stale in list(path.parent.iterdir()):
            if stale.name.startswith(f".{path.name}.") and stale.name.endswith(".tmp"):
                stale.unlink(missing_ok=True)
