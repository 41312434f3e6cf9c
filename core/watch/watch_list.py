"""Keep the watch list: the watched guests and their thresholds. Each change is saved before it takes effect."""

from collections.abc import Callable
from typing import Protocol

from core.watch.incidents.model import WatchEntry


class WatchStore(Protocol):
    """The file that keeps the watch list."""

    def save(self, guests: tuple[WatchEntry, ...]) -> str | None:
        """Save the whole list or nothing.

        Return the name under which somebody else's changes to the file were kept, None if there were none.
        Raises: StoreFailed. The stored list is then unchanged.
        """


class WatchList:
    """The watched guests, ordered by VMID."""

    def __init__(self, store: WatchStore) -> None:
        self._store = store
        self.entries: tuple[WatchEntry, ...] = ()
        self.on_edited: Callable[[str], None] = lambda _name: None
        """Called with the name of a file that keeps another edit of the list, made while the bot ran."""

    def load(self, entries: tuple[WatchEntry, ...]) -> None:
        """Start with these entries. They are already stored."""
        self.entries = _ordered(entries)

    def find(self, vmid: int) -> WatchEntry | None:
        return next((entry for entry in self.entries if entry.vmid == vmid), None)

    def put(self, entry: WatchEntry) -> None:
        """Add an entry, or replace the one of this guest. Raises: StoreFailed."""
        self._save((*self._without(entry.vmid), entry))

    def remove(self, vmid: int) -> None:
        """Remove the entry of a guest. Raises: StoreFailed."""
        self._save(self._without(vmid))

    def _without(self, vmid: int) -> tuple[WatchEntry, ...]:
        return tuple(entry for entry in self.entries if entry.vmid != vmid)

    def _save(self, entries: tuple[WatchEntry, ...]) -> None:
        entries = _ordered(entries)
        aside = self._store.save(entries)
        self.entries = entries
        if aside is not None:
            self.on_edited(aside)


def _ordered(entries: tuple[WatchEntry, ...]) -> tuple[WatchEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.vmid))
