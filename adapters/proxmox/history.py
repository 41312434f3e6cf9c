"""Parse the past usage of guests and nodes (`rrddata`)."""

from collections.abc import Iterable
from typing import Any

from adapters.proxmox.values import parse_number, parse_time
from core.proxmox import Measure, Sample

SAMPLES_MOST = 5_000
"""Maximum number of rows read. Proxmox 9 sends up to 1,440, Proxmox 8 up to 70."""
_MEASURES = {
    "cpu": Measure.CPU,
    "iowait": Measure.IO_WAIT,
    "mem": Measure.MEMORY,
    "memused": Measure.MEMORY,
    "maxmem": Measure.MEMORY_TOTAL,
    "memtotal": Measure.MEMORY_TOTAL,
    "memhost": Measure.MEMORY_HOST,
    "netin": Measure.NET_IN,
    "netout": Measure.NET_OUT,
    "diskread": Measure.DISK_READ,
    "diskwrite": Measure.DISK_WRITE,
    "disk": Measure.DISK_USED,
    "rootused": Measure.DISK_USED,
    "maxdisk": Measure.DISK_TOTAL,
    "roottotal": Measure.DISK_TOTAL,
    "pressurecpusome": Measure.CPU_SOME,
    "pressurecpufull": Measure.CPU_FULL,
    "pressureiosome": Measure.IO_SOME,
    "pressureiofull": Measure.IO_FULL,
    "pressurememorysome": Measure.MEMORY_SOME,
    "pressurememoryfull": Measure.MEMORY_FULL,
}
"""Proxmox' names of guests' and nodes' values. A guest has `mem`, `maxmem`, …, a node `memused`, `memtotal`, …"""


def parse_history(rows: Iterable[Any]) -> tuple[Sample, ...]:
    """Parse `rrddata`, in the order of the times. If several rows have the same time, the last one counts.

    A value is missing while a guest is stopped (RRD.pm create_rrd_data leaves out what RRD does not know).
    """
    found: dict[int, Sample] = {}
    for row in rows:
        time = parse_time(row.get("time")) if isinstance(row, dict) else None
        if time is None:
            continue
        values = {
            measure: number
            for name, measure in _MEASURES.items()
            if name in row and (number := parse_number(row[name])) is not None
        }
        found[time] = Sample(time, values)
    return tuple(found[time] for time in sorted(found))
