"""Serve the past usage of the playground's guests and nodes: rrddata, as Proxmox 8 and 9 answer it.

A part of the seventh layer over fakepve. Follows RRD.pm create_rrd_data: a row for each step, with its time alone
where nothing is known.
"""

from __future__ import annotations

import time
from typing import Any

from playground.pve.metrics import GIB, MetricTruth, use_at
from playground.pve.network.http import Values

TIMEFRAMES_9 = {
    "hour": (60, 60),
    "day": (60, 1440),
    "week": (1800, 336),
    "month": (1800, 1440),
    "year": (21600, 1440),
    "decade": (604800, 520),
}
"""Proxmox 9: step in seconds and number of rows of each timeframe."""
TIMEFRAMES_8 = {
    "hour": (60, 70),
    "day": (1800, 70),
    "week": (10800, 70),
    "month": (43200, 70),
    "year": (604800, 70),
}
"""The same for Proxmox 8. Its rows reach further back than the timeframe."""


class HistoryTruth(MetricTruth):
    """fakepve with the past usage of guests and nodes."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        super().__init__(host, port, seed)
        self.histories: dict[str, list[Values]] = {}
        """Rows set by a test, by VMID or node name, instead of those that follow from the clock."""

    def _times(self, timeframe: str) -> list[int]:
        step, rows = (TIMEFRAMES_8 if self.is_old else TIMEFRAMES_9)[timeframe]
        last = int(time.time()) // step * step
        return [last - step * (rows - 1 - n) for n in range(rows)]

    def _pressure(self, cpu: float, *, node: bool) -> Values:
        """Return the pressures in percent. Proxmox 8 has none. A node has no `pressurecpufull`."""
        if self.is_old:
            return {}
        found = {
            "pressurecpusome": cpu * 9,
            "pressureiosome": cpu * 6,
            "pressureiofull": cpu * 4,
            "pressurememorysome": cpu * 0.5,
            "pressurememoryfull": 0.0,
        }
        return found if node else found | {"pressurecpufull": cpu * 2}

    async def _guest_history(self, v: Values, _user: str) -> list[Values]:
        """Serve rrddata of a guest: rates in B/s, cpu 0..1. A row has only its time if the guest did not run then."""
        guest = self.vm(v["vmid"]) or self.ct(v["vmid"])
        guest = self.find(v["node"], v["vmid"]) if guest in self.vms else self._find_ct(v["node"], v["vmid"])
        if str(guest.vmid) in self.histories:
            return self.histories[str(guest.vmid)]
        row = self._guest_row(guest)
        maxima = {"maxcpu": row["maxcpu"], "maxmem": row["maxmem"], "maxdisk": row["maxdisk"]}
        rows: list[Values] = []
        for when in self._times(v["timeframe"]):
            if not self._ran(guest, when):
                rows.append({"time": when})
                continue
            use = use_at(self.seed, str(guest.vmid), when)
            # without balloon data both are the host's figure, which grows to all that the VM ever used
            seen_by_host = guest.vmid in self.without_balloon
            mem = float(row["mem"]) if seen_by_host and guest.status == "running" else use.mem * row["maxmem"]
            host = mem if seen_by_host else mem * 1.04
            rows.append(
                {
                    "time": when,
                    **maxima,
                    "cpu": use.cpu,
                    "mem": mem,
                    **({"memhost": host} if "memhost" in row else {}),
                    "disk": float(row["disk"]),
                    "netin": use.netin,
                    "netout": use.netout,
                    "diskread": use.diskread,
                    "diskwrite": use.diskwrite,
                    **self._pressure(use.cpu, node=False),
                }
            )
        return rows

    async def _node_history(self, v: Values, _user: str) -> list[Values]:
        """Serve rrddata of a node."""
        if v["node"] in self.histories:
            return self.histories[v["node"]]
        rows = []
        for when in self._times(v["timeframe"]):
            use = self._node_use(v["node"], when, now=False)
            rows.append(
                {
                    "time": when,
                    "cpu": use["cpu"],
                    "maxcpu": use["maxcpu"],
                    "iowait": use["cpu"] / 40,
                    "loadavg": use["cpu"] * use["maxcpu"],
                    "memtotal": use["maxmem"],
                    "memused": use["mem"],
                    **({} if self.is_old else {"memavailable": use["maxmem"] - use["mem"]}),
                    "swaptotal": 8 * GIB,
                    "swapused": 0,
                    "roottotal": use["maxdisk"],
                    "rootused": use["disk"],
                    "netin": use["net"],
                    "netout": use["net"] * 0.7,
                    **self._pressure(use["cpu"], node=True),
                }
            )
        return rows

    def _routes_truth_metrics(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/nodes/{node}/qemu/{vmid}/rrddata", self._guest_history),
            ("GET", "/nodes/{node}/lxc/{vmid}/rrddata", self._guest_history),
            ("GET", "/nodes/{node}/rrddata", self._node_history),
        ]
