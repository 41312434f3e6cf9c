"""Write files completely or not at all. Name the errors of the disk, and detect read-only file systems."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

_NO_DIRECTORY_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}  # some network and FUSE file systems


def errno_name(error: OSError) -> str:
    """Return the errno name, for example ENOSPC. EIO if the error has none."""
    return errno.errorcode.get(error.errno or 0, "EIO")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a whole file, or create it. Every reader sees the old or the new content, even after a power cut.

    Raises: OSError. The old file is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    create_file(temporary, content)
    try:
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def create_file(path: Path, content: bytes) -> None:
    """Create a file that must not exist yet, readable by its owner only and synced to the disk.

    Raises: FileExistsError, and OSError if it cannot be written. No part of it is left then.
    """
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


def sync_directory(directory: Path) -> None:
    """Sync the names of the files in a directory to the disk, where the file system can do that.

    Raises: OSError.
    """
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


def mounted_read_only(path: Path) -> bool:
    """Return whether the file system at this path is mounted read-only. The path need not exist."""
    if not hasattr(os, "statvfs"):
        return False
    for place in (path, *path.parents):
        try:
            return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return False
