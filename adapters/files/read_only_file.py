"""readonly.json: the second place of the switch that refuses every change (core/access/read_only.py).

The first is the journal. The file is there while changes are switched off; who loses the journal, or sets it back,
does not allow them again.
"""

from __future__ import annotations

import os
from pathlib import Path

from adapters.files.atomic_file import errno_name, replace_file, sync_directory
from core.errors import StoreFailed


class ReadOnlyFile:
    """Keeps core.access.read_only.SwitchFile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str | None:
        """What is written in it, None where it is not there. Raises StoreFailed."""
        try:
            return self._path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error

    def write(self, text: str) -> None:
        """On the disk when this returns. Raises StoreFailed."""
        try:
            replace_file(self._path, text.encode("utf-8", "backslashreplace"))
            sync_directory(self._path.parent)
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error

    def remove(self) -> None:
        """Raises StoreFailed; then it may still be there."""
        try:
            self._path.unlink(missing_ok=True)
            sync_directory(Path(os.path.realpath(self._path.parent)))
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error
