"""What is left of a guest to go back to, when something is lost: its backups and snapshots."""

from dataclasses import dataclass

from core.guest import Snapshot


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup of a guest. `taken` is Unix seconds, `size` bytes (None where the storage does not tell)."""

    storage: str
    volume: str
    taken: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Backups:
    """Those the bot's token may see, newest first. `unread`: storages that could not be asked."""

    found: tuple[Backup, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """What an action does not touch; None where Proxmox does not tell, or not in time."""

    backups: Backups | None
    snapshots: tuple[Snapshot, ...] | None
