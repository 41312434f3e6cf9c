"""Keep a copy of the read-only switch (core/access/read_only.py) in readonly.json, or in readonly-<site>.json.

The first copy is in the journal. The file exists while changes are switched off. Losing or restoring the journal
then does not allow them again.
"""

from __future__ import annotations

import os
from pathlib import Path

from adapters.files.atomic_file import errno_name, replace_file, sync_directory
from adapters.files.stored_sites import stored_key
from core.errors import StoreFailed

READ_ONLY_NAME = "readonly.json"
"""Name of the file of the only site, and of the one in FIRST_SITE."""


class ReadOnlyFile:
    """Implement `core.access.read_only.SwitchFile`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_site(cls, directory: Path, name: str, first: str | None) -> ReadOnlyFile:
        """Return the file of a site. `first`: FIRST_SITE."""
        key = stored_key(name, first)
        return cls(directory / (f"readonly-{key}.json" if key else READ_ONLY_NAME))

    def read(self) -> str | None:
        """Return the content, None if there is no file.

        Raises: StoreFailed.
        """
        try:
            return self._path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error

    def write(self, text: str) -> None:
        """Write the file. It is on the disk when this returns.

        Raises: StoreFailed.
        """
        try:
            replace_file(self._path, text.encode("utf-8", "backslashreplace"))
            sync_directory(self._path.parent)
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error

    def remove(self) -> None:
        """Remove the file.

        Raises: StoreFailed. The file may then still exist.
        """
        try:
            self._path.unlink(missing_ok=True)
            sync_directory(Path(os.path.realpath(self._path.parent)))
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error
