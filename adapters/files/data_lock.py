"""Lock DATA_DIR/.lock: only one process may use the data directory.

The lock belongs to the kernel (flock): it ends with the process, however that dies, and the file stays. The
file's content, the process id of the holder, is information only. If the holder runs in a container, this id belongs
to another namespace. On NFS and other network file systems the lock may be ineffective or hold for one
machine alone: two bots on two machines then both get it. If no lock is possible at all, the bot works without
one and logs a warning.

First the files of the bot are checked. Other users who can write to the directory might have replaced a file with a
link: the bot would then read or write the target of the link.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
from pathlib import Path

from adapters.files.atomic_file import mounted_read_only

_log = logging.getLogger(__name__)

LOCK_NAME = ".lock"
KEPT_NAMES = (
    LOCK_NAME,
    *("journal.db", "journal.db-wal", "journal.db-shm"),
    *("monitor_list.json", "monitor_list.json.bak", "readonly.json"),
)
"""The data files that the bot opens in the directory, besides those of `KEPT_OF_SITES`."""
KEPT_OF_SITES = "readonly-*.json"
"""Pattern of the files with a site's read-only switch. That of the site in FIRST_SITE is readonly.json."""
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL}

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a byte beyond the content, because Windows locks bytes even against reading

    def _lock(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class DataDirInUse(Exception):
    """Another process uses the directory `path`. `pid`: the id that this process wrote, None if unreadable."""

    def __init__(self, path: Path, pid: int | None) -> None:
        super().__init__(path, pid)
        self.path, self.pid = path, pid


class ForeignFile(Exception):
    """The file at `path` is not the bot's. `reason`: link | kind | owner.

    `owner`: the owner's user id if that is the reason, else None.
    """

    def __init__(self, path: Path, reason: str, owner: int | None = None) -> None:
        super().__init__(path, reason, owner)
        self.path, self.reason, self.owner = path, reason, owner


class DataLock:
    """The lock, held until `release` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        """Release the directory. Further calls do nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
            os.close(handle)


def lock_data_dir(directory: Path) -> DataLock:
    """Check the bot's files in the directory, and lock it.

    The lock file is never removed, because another process may have it open already and would lock a file that
    nobody else can find.
    Raises: DataDirInUse, ForeignFile; OSError if the directory cannot be read, or the lock file cannot be opened or
    locked.
    """
    flags = os.O_RDWR | os.O_CREAT | NO_FOLLOW
    try:
        refuse_foreign_files(directory)
        handle = os.open(directory / LOCK_NAME, flags, 0o600)  # not inherited by child processes
    except OSError as error:
        if mounted_read_only(directory):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(directory)) from error
        raise
    try:
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in _TAKEN:
                raise DataDirInUse(directory, _pid(handle)) from error
            if error.errno not in _NO_LOCKS:
                raise
            _log.warning(
                "%s cannot be locked (%s): make sure that only one bot uses this directory",
                directory / LOCK_NAME,
                errno.errorcode.get(error.errno, "EIO"),
            )
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode("ascii"))
    except BaseException:
        os.close(handle)
        raise
    return DataLock(handle)


def refuse_foreign_files(directory: Path) -> None:
    """Check the bot's files in the directory.

    Files of root and of the directory's owner count as the bot's, because these users could change everything
    anyway. A directory in the place of a file is reported by the code that opens the file.
    Raises: ForeignFile for a link, a special file, or another user's file; OSError if the directory cannot be read.
    """
    mine = {os.geteuid(), 0, directory.stat().st_uid} if hasattr(os, "geteuid") else None
    for path in (*(directory / name for name in KEPT_NAMES), *directory.glob(KEPT_OF_SITES)):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode):
            raise ForeignFile(path, "link")
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise ForeignFile(path, "kind")
        if mine is not None and found.st_uid not in mine:
            raise ForeignFile(path, "owner", found.st_uid)


def others_may_write(path: Path) -> Path | None:
    """Return the path that lets every user of this machine write or replace `path`, else None.

    It is `path` itself or its directory. In a directory with the sticky bit (such as /tmp) only the owner of a file
    can replace it, but everybody can create a missing one.
    """
    if os.name == "nt":  # modes there do not show who may write
        return None
    with contextlib.suppress(OSError):
        there = path.exists()
        if there and path.stat().st_mode & stat.S_IWOTH:
            return path
        above = path.resolve().parent
        if (mode := above.stat().st_mode) & stat.S_IWOTH and not (there and mode & stat.S_ISVTX):
            return above
    return None


def _pid(handle: int) -> int | None:
    try:
        written = os.read(handle, 32)
    except OSError:
        return None
    return int(written) if written.strip().isdigit() else None
