"""Define the errors for actions and views that a guest does not allow, a part of the tree of `core/errors.py`.

Refused
├── GuestNotFound            no guest has this VMID, or the person may not see it
├── WrongState               the guest's state (running, stopped, …) does not fit the action
├── WrongKind                a container cannot do this, or a VM cannot
├── TemplateRefused          a template cannot do this
├── NotATemplate             only a template can be cloned here
├── GuestLocked              Proxmox holds a lock on the guest
├── GuestProtected           Proxmox' protection flag is set
├── GuestBusy                another action of the bot is running
├── VmidTaken                the VMID belongs to another guest
├── NothingGiven             /resize with neither cores nor memory
├── NothingToChange          /resize to the values that the guest already has
├── BalloonTooLarge          the memory is below the ballooning minimum
└── SnapshotNotFound, SnapshotExists, SnapshotUnsupported, MemoryNotSaved
"""

from dataclasses import dataclass

from core.errors import Refused
from core.guest import Kind, State


@dataclass(eq=False)
class GuestNotFound(Refused):
    """No guest has this VMID, or the person may not see it. The two cases look the same on purpose."""

    vmid: int


@dataclass(eq=False)
class WrongState(Refused):
    vmid: int
    label: str
    verb: str
    state: State


@dataclass(eq=False)
class WrongKind(Refused):
    vmid: int
    label: str
    verb: str
    kind: Kind


@dataclass(eq=False)
class TemplateRefused(Refused):
    vmid: int
    label: str
    verb: str


@dataclass(eq=False)
class NotATemplate(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class GuestLocked(Refused):
    vmid: int
    label: str
    lock: str


@dataclass(eq=False)
class GuestProtected(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class GuestBusy(Refused):
    """Another action of the bot is running on the guest.

    `by`, `by_id`: display name and user id of the person who started it.
    `since`: Unix seconds.
    """

    vmid: int
    label: str
    verb: str
    by: str
    since: float
    by_id: int = 0


@dataclass(eq=False)
class VmidTaken(Refused):
    vmid: int


class NothingGiven(Refused):
    pass


@dataclass(eq=False)
class NothingToChange(Refused):
    """The guest already has the given values.

    `cores`, `memory_mb`: given values that are stored but not in effect. They take effect after `/reboot`.
    """

    vmid: int
    label: str
    cores: int | None = None
    memory_mb: int | None = None


@dataclass(eq=False)
class BalloonTooLarge(Refused):
    vmid: int
    label: str
    memory_mb: int
    balloon_mb: int


@dataclass(eq=False)
class SnapshotNotFound(Refused):
    vmid: int
    label: str
    snapshot: str


@dataclass(eq=False)
class SnapshotExists(Refused):
    vmid: int
    label: str
    snapshot: str


@dataclass(eq=False)
class SnapshotUnsupported(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class MemoryNotSaved(Refused):
    """`with_memory` was requested for a container, or for a guest that is not running."""

    vmid: int
    label: str
    kind: Kind
