"""Add facts of the playground's nodes and storages: HA's state, and the history of a storage.

Ninth layer over fakepve. It follows HA/Status.pm, RRD.pm and API2/Storage/Status.pm.
"""

from __future__ import annotations

import math
import time
from typing import Any

from playground.pve.network.http import Values
from playground.pve.resources import ResourceTruth

DAY = 86400.0  # seconds
OLD_WEEK = (10800, 60)
"""Step in seconds and number of rows of a storage's week in Proxmox 8. The bot reads no other timeframe."""


class NodeFacts(ResourceTruth):
    """fakepve with the state of high availability, and with the history of storages."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        super().__init__(host, port, seed)
        self.ha_armed = "armed"
        """The word for `armed-state`. Earlier versions than 9.2 do not send it."""
        self.ha_modes: dict[str, str] = {}
        """State of a node's local resource manager, if it is not the usual one."""
        self.storage_paces: dict[str, float] = {}
        """Growth of a storage in a day, as a fraction of its total. Others rise and fall."""
        self.storage_gaps: set[str] = set()
        """Storages that have a history of one day only."""

    async def _ha_status(self, _v: Values, _user: str) -> list[Values]:
        """Follow HA/Status.pm: without HA guests only the quorum is listed. A node without HA guests is idle."""
        when = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())
        managed = [guest for guest in [*self.vms, *self.cts] if guest.ha_state]
        names = sorted(self.nodes)
        here = names[0]
        rows: list[Values] = [
            {
                "id": "quorum",
                "type": "quorum",
                "node": here,
                "status": "OK" if self.quorate else f"No quorum on node '{here}'!",
                "quorate": int(self.quorate),
            }
        ]
        if not managed:
            return rows
        rows.append({"id": "master", "type": "master", "node": here, "status": f"{here} (active, {when})"})
        if self.version.startswith(("9.2", "9.3")):
            rows.append({"id": "fencing", "type": "fencing", "node": here, "status": self.ha_armed})
            rows[-1]["armed-state"] = self.ha_armed
        for name in names:
            usual = "active" if any(guest.node == name for guest in managed) else "idle"
            state = self.ha_modes.get(name, usual)
            if not self.nodes[name].get("online", True):
                state = "old timestamp - dead?"
            rows.append(
                {"id": f"lrm:{name}", "type": "lrm", "node": name, "status": f"{name} ({state}, {when})"}
            )
        rows += [
            {
                "id": f"service:{guest.guest}",
                "type": "service",
                "sid": guest.guest,
                "node": guest.node,
                "state": guest.ha_state,
                "status": f"{guest.guest} ({guest.node}, {guest.ha_state})",
            }
            for guest in managed
        ]
        return rows

    async def _storage_history(self, v: Values, user: str) -> list[Values]:
        """Serve rrddata of a storage: floats, and a row with its time alone where there was no data."""
        node, name = str(v["node"]), str(v["storage"])
        row = self._storage_row(node, name, user) or {}
        times = self._times(v["timeframe"])
        if self.is_old:
            step, count = OLD_WEEK
            times = [times[-1] - step * (count - 1 - place) for place in range(count)]
        total, pace = row.get("maxdisk"), self.storage_paces.get(name)
        rows: list[Values] = []
        for when in times:
            age = times[-1] - when
            if total is None or (name in self.storage_gaps and age > DAY):
                rows.append({"time": when})
                continue
            wave = math.sin(when / DAY * 2 * math.pi) * 0.002
            drift = pace * age / DAY if pace is not None else 0.02 * math.sin(age / DAY * 2 * math.pi / 3)
            used = min(1.0, max(0.0, row["disk"] / total - drift + (wave if age else 0.0))) * total
            rows.append({"time": when, "total": float(total), "used": used})
        return rows

    def _routes_truth_node_facts(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/cluster/ha/status/current", self._ha_status),
            ("GET", "/nodes/{node}/storage/{storage}/rrddata", self._storage_history),
        ]
