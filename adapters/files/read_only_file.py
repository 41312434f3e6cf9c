"""Keep a copy of the read-only switch (core/access/read_only.py) in readonly.json, or in readonly-<site>.json.

The other copy is in the journal. The file is written when changes are switched off, and removed when they are allowed
again. So they stay switched off even if the journal is lost or restored.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from adapters.files.atomic_file import errno_name, replace_file, sync_directory
from adapters.files.disk_thread import DiskCalls, DiskHung
from adapters.files.stored_sites import stored_key
from core.errors import DISK_HUNG, SwitchFailed

T = TypeVar("T")

READ_ONLY_NAME = "readonly.json"
"""Name of the file of the only site, or of the site in FIRST_SITE."""


class ReadOnlyFile:
    """Implement `core.access.read_only.SwitchFile`."""

    def __init__(self, path: Path, disk: DiskCalls, *, only: bool = False) -> None:
        """Keep the path and `disk`, which makes the blocking calls.

        `only`: whether the bot has one site only. Sites that are gone may then have left files of their own.
        """
        self._path, self._disk, self._only = path, disk, only

    @classmethod
    def of_site(cls, directory: Path, name: str, first: str | None, disk: DiskCalls) -> ReadOnlyFile:
        """Return the file of a site. `first`: FIRST_SITE."""
        key = stored_key(name, first)
        return cls(directory / (f"readonly-{key}.json" if key else READ_ONLY_NAME), disk, only=not name)

    def _places(self) -> list[Path]:
        """Return the file and, for the only site, the files of sites that are gone."""
        return [self._path, *(sorted(self._path.parent.glob("readonly-*.json")) if self._only else ())]

    async def read(self) -> str | None:
        """Return the content, None if there is no file.

        For the only site, the file of a site that is gone counts, too.
        Raises: SwitchFailed.
        """
        return await self._run(self._read)

    async def write(self, text: str) -> None:
        """Write the file. It is on the disk when this returns.

        Raises: SwitchFailed.
        """
        await self._run(lambda: self._write(text))

    async def remove(self) -> None:
        """Remove the file and, for the only site, the files of sites that are gone.

        Raises: SwitchFailed. A file may then still exist.
        """
        await self._run(self._remove)

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await self._disk.run(call)
        except DiskHung as error:
            raise SwitchFailed(DISK_HUNG) from error
        except OSError as error:
            raise SwitchFailed(errno_name(error)) from error

    def _read(self) -> str | None:
        for path in self._places():
            try:
                return path.read_text("utf-8", "replace")
            except FileNotFoundError:
                continue
        return None

    def _write(self, text: str) -> None:
        replace_file(self._path, text.encode("utf-8", "backslashreplace"))
        sync_directory(self._path.parent)

    def _remove(self) -> None:
        for path in self._places():
            path.unlink(missing_ok=True)
        sync_directory(Path(os.path.realpath(self._path.parent)))
