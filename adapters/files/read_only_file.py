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

    def __init__(self, path: Path, *, only: bool = False) -> None:
        """Set the path. `only`: it is the file of the only site, and a site that is gone may have left its own."""
        self._path, self._only = path, only

    @classmethod
    def of_site(cls, directory: Path, name: str, first: str | None) -> ReadOnlyFile:
        """Return the file of a site. `first`: FIRST_SITE."""
        key = stored_key(name, first)
        return cls(directory / (f"readonly-{key}.json" if key else READ_ONLY_NAME), only=not name)

    def _places(self) -> list[Path]:
        """Return the file, and those that the sites left behind of which this is the last one."""
        return [self._path, *(sorted(self._path.parent.glob("readonly-*.json")) if self._only else ())]

    def read(self) -> str | None:
        """Return the content, None if there is no file.

        Raises: StoreFailed.
        """
        for path in self._places():
            try:
                return path.read_text("utf-8", "replace")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreFailed(errno_name(error)) from error
        return None

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
            for path in self._places():
                path.unlink(missing_ok=True)
            sync_directory(Path(os.path.realpath(self._path.parent)))
        except OSError as error:
            raise StoreFailed(errno_name(error)) from error
