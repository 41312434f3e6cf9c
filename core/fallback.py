"""Describe what a guest can be restored from: its backups and snapshots."""

from dataclasses import dataclass

from core.guest import Snapshot


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup of a guest. `taken`: Unix seconds. `size`: bytes, None if the storage does not report it."""

    storage: str
    volume: str
    taken: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups visible to the bot's token, newest first. `unread`: storages that could not be asked."""

    found: tuple[Backup, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """The backups and snapshots that an action leaves. None if Proxmox did not report them, or not in time."""

    backups: Backups | None
    snapshots: tuple[Snapshot, ...] | None
