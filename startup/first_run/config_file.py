"""Put config.py in its place: readable by its owner only, completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from adapters.files.atomic_file import create_file, sync_directory


def write_config(path: Path, text: str, today: str) -> Path | None:
    """Write the file and return where the previous one was moved, None if there was none or it was empty.

    `today`: the date for the name of the previous file.
    Nothing is written through a link: a link in this place is moved like a file.
    Raises: OSError. The previous file is then still in its place.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    create_file(temporary, text.encode("utf-8"))
    kept = None
    try:
        kept = _keep(path, today) if os.path.lexists(path) and not is_empty(path) else None
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            if kept is not None and not os.path.lexists(path):
                kept.rename(path)
            temporary.unlink()
        raise
    with contextlib.suppress(OSError):  # the file is in its place, and only a power cut could still undo that
        sync_directory(path.parent)
    return kept


def is_empty(path: Path) -> bool:
    """Return whether this is a file without content, and not a link. Then nothing is worth keeping."""
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _keep(path: Path, today: str) -> Path:
    """Give the file a further name that nothing has yet, and return this name.

    On a file system without hard links, the file loses its old name.
    Raises: OSError.
    """
    for number in range(1, 1000):
        kept = path.with_name(f"{path.name}.old-{today}" + (f"-{number}" if number > 1 else ""))
        if os.path.lexists(kept):
            continue
        try:
            os.link(path, kept, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            path.rename(kept)
        return kept
    raise FileExistsError(path)
