"""Calculate the size of a guest after its next restart, and compare a resize with the size of the node."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from core.guest import GuestConfig, Kind, Node
from core.proxmox import Pending

DEFAULT_MEMORY_MB = 512
"""Default of QEMU and LXC if the configuration names none (QemuServer/Memory.pm, LXC/Config.pm)."""


@dataclass(frozen=True, slots=True)
class Excess:
    """Requests above the node's size, as (asked, available): CPUs over all sockets, memory in bytes."""

    cores: tuple[int, int] | None = None
    memory: tuple[int, int] | None = None


def find_excess(
    config: GuestConfig | None, node: Node | None, cores: int | None, memory_mb: int | None
) -> Excess | None:
    """Return the requests that the node cannot meet; None if it can meet all, or its size is unknown."""
    if node is None:
        return None
    total = cores * (config.sockets if config else 1) if cores is not None else None
    asked = memory_mb * 1024**2 if memory_mb is not None else None
    found = Excess(
        (total, int(node.cpus)) if total and node.cpus and total > node.cpus else None,
        (asked, node.memory_total) if asked and node.memory_total and asked > node.memory_total else None,
    )
    return found if found != Excess() else None


def with_pending(config: GuestConfig, kind: Kind, pending: Iterable[Pending]) -> GuestConfig:
    """Return the configuration with the cores, sockets and memory that it will have after the next restart."""
    waiting = {item.key: item for item in pending if item.is_waiting}
    cores, sockets, memory = config.cores, config.sockets, config.memory_mb
    if "cores" in waiting:
        cores = _amount(waiting, "cores") or (1 if kind is Kind.QEMU else None)
    if "sockets" in waiting and kind is Kind.QEMU:
        sockets = _amount(waiting, "sockets") or 1
    if "memory" in waiting:
        memory = _amount(waiting, "memory") or DEFAULT_MEMORY_MB
    return replace(config, cores=cores, sockets=sockets, memory_mb=memory)


def _amount(waiting: Mapping[str, Pending], key: str) -> int | None:
    """Return the number of a value such as `2048` or `current=2048`. None if the value will be removed."""
    match = re.search(r"[0-9]{1,9}", waiting[key].pending or "")
    return int(match.group()) if match else None
