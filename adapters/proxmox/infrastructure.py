"""Parse Proxmox' answers about nodes, HA and the history of storages. As in parse.py, nothing is raised."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.proxmox.values import parse_flag, parse_number, parse_text, parse_time, parse_whole
from core.proxmox import HaStatus, NodeStatus, StorageUse

_STATE = re.compile(r"\(([^(),]{1,60})")
"""The state in the text of a local resource manager: `pve1 (idle, Fri Nov 27 …)` (HA/Status.pm)."""
LOADS = 3


def parse_node_status(row: Mapping[str, Any]) -> NodeStatus:
    """Parse `/nodes/{node}/status`. Loads are strings there, and the version is inside a text."""
    memory, swap, root = (_inner(row, key) for key in ("memory", "swap", "rootfs"))
    loads = row.get("loadavg")
    load = [parse_number(each) for each in loads[:LOADS]] if isinstance(loads, list) else []
    return NodeStatus(
        cpu=parse_number(row.get("cpu")),
        cpus=parse_whole(_inner(row, "cpuinfo").get("cpus")),
        load=tuple(each for each in load if each is not None),
        memory=parse_whole(memory.get("used")),
        memory_total=parse_whole(memory.get("total")),
        swap=parse_whole(swap.get("used")),
        swap_total=parse_whole(swap.get("total")),
        root=parse_whole(root.get("used")),
        root_total=parse_whole(root.get("total")),
        uptime=parse_whole(row.get("uptime")),
        version=_part(row.get("pveversion"), "/"),
        kernel=parse_text(_inner(row, "current-kernel").get("release")) or _part(row.get("kversion"), " "),
    )


def _inner(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _part(value: object, between: str) -> str | None:
    """Return the second part of `pve-manager/9.1.4/…` or `Linux 6.17.2-1-pve #1 …`."""
    parts = (parse_text(value) or "")[:200].split(between)
    return parts[1] or None if len(parts) > 1 else None


def parse_ha_status(rows: Iterable[Any]) -> HaStatus:
    """Parse `/cluster/ha/status/current`. Only Proxmox 9.2 and later have the row `fencing`."""
    quorate, armed, nodes = None, "", dict[str, str]()
    for row in rows:
        if not isinstance(row, dict):
            continue
        match row.get("type"):
            case "quorum":
                quorate = parse_flag(row.get("quorate"))
            case "fencing":
                armed = parse_text(row.get("armed-state")) or ""
            case "lrm" if node := parse_text(row.get("node")):
                found = _STATE.search((parse_text(row.get("status")) or "")[:300])
                nodes[node] = found[1].strip() if found else ""
    return HaStatus(quorate, armed, nodes)


def parse_storage_history(rows: Iterable[Any]) -> tuple[StorageUse, ...]:
    """Parse rrddata of a storage, in the order of time. Rows without figures (gaps) are left out."""
    found = [
        StorageUse(when, used, total)
        for row in rows
        if isinstance(row, dict)
        and (when := parse_time(row.get("time"))) is not None
        and (used := parse_number(row.get("used"))) is not None
        and (total := parse_number(row.get("total")))
    ]
    return tuple(sorted(found, key=lambda use: use.time))
