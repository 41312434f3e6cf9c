"""Keep the watch list: the watched guests and their thresholds. Each change is saved before it takes effect."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from core.errors import DISK_HUNG, StoreFailed
from core.watch.change_queue import ChangeQueue
from core.watch.incidents.model import WatchEntry


class WatchStore(Protocol):
    """The file that keeps the watch list."""

    async def save(self, guests: tuple[WatchEntry, ...]) -> str | None:
        """Save the whole list or nothing.

        Return the name under which somebody else's changes to the file were kept, None if there were none.
        It returns, or raises, only when it is known whether the list is saved, however long a hung disk takes.
        Raises: StoreFailed. The stored list is then unchanged.
        """


class WatchList:
    """The watched guests, ordered by VMID."""

    def __init__(self, store: WatchStore) -> None:
        self._store, self._changes = store, ChangeQueue()
        self.entries: tuple[WatchEntry, ...] = ()
        self.on_edited: Callable[[str], Awaitable[None]] = _ignore
        """Called if somebody else had edited the list's file, with the name under which that file was kept."""

    def load(self, entries: tuple[WatchEntry, ...]) -> None:
        """Start with these entries. They are already stored."""
        self.entries = _ordered(entries)

    def find(self, vmid: int) -> WatchEntry | None:
        return next((entry for entry in self.entries if entry.vmid == vmid), None)

    async def put(self, entry: WatchEntry) -> None:
        """Add an entry, or replace the one of this guest. Raises: StoreFailed."""
        await self._change(lambda: (*self._without(entry.vmid), entry))

    async def remove(self, vmid: int) -> None:
        """Remove the entry of a guest. Raises: StoreFailed."""
        await self._change(lambda: self._without(vmid))

    def _without(self, vmid: int) -> tuple[WatchEntry, ...]:
        return tuple(entry for entry in self.entries if entry.vmid != vmid)

    async def _change(self, make: Callable[[], tuple[WatchEntry, ...]]) -> None:
        async def save() -> None:
            entries = _ordered(make())
            aside = await self._store.save(entries)
            self.entries = entries
            if aside is not None:
                await self.on_edited(aside)

        try:
            await self._changes.make(save)
        except TimeoutError as error:
            raise StoreFailed(DISK_HUNG) from error


async def _ignore(name: str) -> None:
    """Ignore an edit until the callback is set."""


def _ordered(entries: tuple[WatchEntry, ...]) -> tuple[WatchEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.vmid))
