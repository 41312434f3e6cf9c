"""Define the target of the contract: its guests and storages, and all that its host must be able to arrange."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from adapters.proxmox.transport.connections import Endpoint
from core.guest import Guest, Kind, State

VM, VM_TEMPLATE, CT, CT_TEMPLATE = 9101, 9102, 9201, 9202
MEMORY, CORES, SOCKETS, DISK_GIB = 128, 1, 2, 1
"""MiB of memory, cores per socket, sockets of a VM (a container has none), and GiB of the only disk."""
TAGS = ("contract", "owner-nobody")
NOTES = "Target of the contract"
POOL = "contract"
ADDRESS = "192.0.2.10"
STORAGE, BACKUPS = "local-lvm", "local"
"""The storages of guests and of backups, as the documentation's commands name them."""
BRIDGE = "vmbr0"


def name_of(vmid: int) -> str:
    return {VM: "contract-vm", VM_TEMPLATE: "contract-vm-template", CT: "contract-ct"}.get(
        vmid, "contract-ct-template"
    )


@dataclass(frozen=True)
class Facts:
    """The facts of the target that are known beforehand. `generation`: the first number of its version.

    `pause`: seconds between two reads while waiting. `patience`: seconds after which a wait fails.
    """

    generation: int
    node: str
    endpoint: Endpoint
    pause: float
    patience: float

    def guest(self, vmid: int) -> Guest:
        kind = Kind.LXC if vmid in (CT, CT_TEMPLATE) else Kind.QEMU
        return Guest(vmid, kind, self.node, State.UNKNOWN, name_of(vmid))

    @property
    def agent_privilege(self) -> str:
        return "VM.Monitor" if self.generation < 9 else "VM.GuestAgent.Audit"


def cpus_of(vmid: int) -> int:
    return CORES * (SOCKETS if vmid in (VM, VM_TEMPLATE) else 1)


class Host(Protocol):
    """Arrange what the bot must not do itself: directly in the playground, by a root shell on a real Proxmox.

    `played`: whether it can play scenes.
    """

    played: bool

    def set_running(self, vmid: int, running: bool) -> None: ...

    def set_lock(self, vmid: int, locked: bool) -> None: ...

    def set_protection(self, vmid: int, protected: bool) -> None: ...

    def hold_config(self, vmid: int, held: bool) -> None:
        """Hold the lock of the configuration file, or give it back."""
        ...

    def deny(self, privileges: Iterable[str]) -> None:
        """Take privileges from the bot's user and token."""
        ...

    def allow(self) -> None:
        """Give everything back that deny() took."""
        ...

    def keep_backup(self, vmid: int) -> None:
        """Back the guest up to the backup storage."""
        ...

    def fail_backup(self) -> None:
        """Let root's backup of the VM fail."""
        ...

    def play(self, scene: str) -> None:
        """Arrange a scene that only the playground can play, and end the one before.

        `scene`: `agent`, `ha`, `no quorum`, `lost node` or `full`, "" for none.
        """
        ...


class NoHost:
    """Arrange nothing, because kept answers are replayed."""

    played = True

    def set_running(self, vmid: int, running: bool) -> None: ...

    def set_lock(self, vmid: int, locked: bool) -> None: ...

    def set_protection(self, vmid: int, protected: bool) -> None: ...

    def hold_config(self, vmid: int, held: bool) -> None: ...

    def deny(self, privileges: Iterable[str]) -> None: ...

    def allow(self) -> None: ...

    def keep_backup(self, vmid: int) -> None: ...

    def fail_backup(self) -> None: ...

    def play(self, scene: str) -> None: ...
