"""DATA_DIR/.lock: one process at a time works on the data directory.

The lock is the kernel's (flock), so it ends with the process however that dies, and the file stays. What is written
in it is only for telling: the process id of the holder, which in a container is that of another world. On NFS and
other network file systems the lock may lie, or be of one machine alone: two bots on two machines can then both have
it. Where it cannot be had at all, the bot works without one and says so in the log.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from pathlib import Path

from parts.whole_file import mounted_read_only

_log = logging.getLogger(__name__)

LOCK_NAME = ".lock"
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL}

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks bytes, against reading too: one that holds nothing

    def _lock(handle: int) -> None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class DataDirInUse(Exception):
    """Another process works on `path`, the directory. `pid`: as it wrote, None where that cannot be read."""

    def __init__(self, path: Path, pid: int | None) -> None:
        super().__init__(path, pid)
        self.path, self.pid = path, pid


class DataLock:
    """The lock, held until `release` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        """Let another process have the directory; once is enough."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
            os.close(handle)


def lock_data_dir(directory: Path) -> DataLock:
    """Take the lock, or raise DataDirInUse. OSError where the file cannot be made.

    The file is never removed: somebody may have it open already and would lock what nobody else can find.
    """
    try:
        handle = os.open(
            directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600
        )  # not inherited by child processes
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
                "%s cannot be locked (%s): see to it that only one bot uses this directory",
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


def _pid(handle: int) -> int | None:
    try:
        written = os.read(handle, 32)
    except OSError:
        return None
    return int(written) if written.strip().isdigit() else None
