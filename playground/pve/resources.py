"""Serve /cluster/resources and the nodes of the playground's Proxmox.

Eighth layer over fakepve. It follows API2/Cluster.pm, API2Tools.pm extract_vm_stats and API2/Nodes.pm.
"""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from playground.pve.history import HistoryTruth
from playground.pve.metrics import GIB
from playground.pve.network.http import Values


class ResourceTruth(HistoryTruth):
    """fakepve with /cluster/resources as pvestatd and pmxcfs make it, and nodes with figures."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        super().__init__(host, port, seed)
        # The last round of a held pvestatd by VMID, None while /cluster/resources is always fresh.
        self._broadcast: dict[int, Values] | None = None
        # Offline nodes whose broadcasts are older than 300 s: their guests have lost name and usage.
        self.expired_nodes: set[str] = set()
        # Nodes whose pvestatd has hung for more than 300 s: they are online, but their broadcasts are
        # forgotten.
        self.hung_nodes: set[str] = set()
        # Fill level of a storage on one node only: (storage, node) -> fraction.
        self.node_fills: dict[tuple[str, str], float] = {}
        # Rows added to /cluster/resources, of a kind that Proxmox should not send.
        self.stray_rows: list[Any] = []

    def _resource(self, guest: Any, user: str) -> Values:
        """Follow API2Tools.pm extract_vm_stats.

        Without a broadcast there is no name and the status is `unknown`. The pool is left out for users without
        Pool.Audit on it (Cluster.pm resources).
        """
        row: Values = {
            "id": guest.guest,
            "vmid": guest.vmid,
            "node": guest.node,
            "type": guest.guest.split("/")[0],
            "status": "unknown",
        }
        if guest.node not in self.expired_nodes | self.hung_nodes:
            row |= self._guest_row(guest) if self._broadcast is None else self._broadcast.get(guest.vmid, {})
        extra = {
            "lock": guest.lock,
            "tags": guest.config.get("tags"),
            "pool": guest.pool if guest.pool and self._sees_pool(user, guest.pool) else None,
            "hastate": guest.ha_state,
        }
        return row | {key: value for key, value in extra.items() if value}

    def hold_pvestatd(self) -> None:
        """Freeze /cluster/resources at this moment, until pvestatd_round() or release_pvestatd().

        This is Proxmox between two of its 10 s rounds: states are stale, and a new guest has neither name nor usage
        and the status `unknown`.
        """
        self._broadcast = {}
        self.pvestatd_round()

    def pvestatd_round(self) -> None:
        """Broadcast the present state of all guests to the frozen /cluster/resources."""
        if self._broadcast is not None:
            self._broadcast = {guest.vmid: self._guest_row(guest) for guest in [*self.vms, *self.cts]}

    def release_pvestatd(self) -> None:
        """Keep /cluster/resources always fresh again, as at the start."""
        self._broadcast = None

    # ---------------------------------------------------------- resources

    async def _resources(self, request: web.Request) -> web.Response:
        return await self._served(request, self._cluster_resources)

    async def _cluster_resources(self, v: Values, user: str) -> list[Values]:
        """Follow API2/Cluster.pm resources.

        It lists guests, nodes, storages per node, and rows that a client must filter out.
        """
        kind, rows = v.get("type"), list(self.stray_rows)
        if kind in (None, "vm"):
            rows += [
                self._resource(guest, user)
                for guest in [*self.vms, *self.cts]
                if self.allowed(user, f"/vms/{guest.vmid}", "VM.Audit")
            ]
        if kind in (None, "node"):
            rows += [self._node_row(name, user) for name in sorted(self.nodes)]
        if kind in (None, "storage"):
            for node in sorted(self.nodes):
                rows += [
                    row
                    for row in (self._storage_row(node, sid, user) for sid in sorted(self.storages))
                    if row
                ]
        if kind in (None, "sdn"):
            rows += [
                {
                    "id": f"sdn/{node}/localnetwork",
                    "type": "sdn",
                    "sdn": "localnetwork",
                    "node": node,
                    "status": "ok",
                }
                for node in sorted(self.nodes)
            ]
        if kind is None:
            rows += [
                {"id": f"/pool/{pool}", "type": "pool", "pool": pool}
                for pool in sorted(self.pools)
                if self._sees_pool(user, pool)
            ]
        return rows

    def _sees_pool(self, user: str, pool: str) -> bool:
        return self.allowed(user, f"/pool/{pool}", "Pool.Audit")

    def _storage_row(self, node: str, sid: str, user: str) -> Values | None:
        """Return a storage of a node; None if the node does not have it, or the user must not see it.

        Inactive or without a broadcast it is `unknown` and has no figures (API2Tools.pm extract_storage_stats).
        """
        row: Values | None = self._storage_resource(node, sid)
        if row is None or not self.allowed(user, f"/storage/{sid}", "Datastore.Audit"):
            return None
        store = self.storages[sid]
        if not store.get("active") or node in self.expired_nodes | self.hung_nodes:
            del row["disk"], row["maxdisk"]
            return row | {"status": "unknown"}
        total = store.get("total", 500 * GIB)
        used = total - store["avail"] if "avail" in store else int(total * 0.42)
        fill = self.node_fills.get((sid, node))
        return row | {"maxdisk": total, "disk": used if fill is None else int(total * fill)}

    # -------------------------------------------------------------- nodes

    def _node_row(self, name: str, user: str) -> Values:
        """Return a node. It has no figures if it is offline or hung, or if Sys.Audit is missing.

        Follows API2Tools.pm extract_node_stats and Cluster.pm resources.
        """
        online = self.nodes[name].get("online", True)
        row: Values = {
            "id": "node/" + name,
            "node": name,
            "type": "node",
            "level": "",
            "cgroup-mode": 2,
            "status": "online" if online else "offline",
        }
        if online and name in self.hung_nodes:
            row["status"] = "unknown"
        elif online and self.allowed(user, "/nodes/" + name, "Sys.Audit"):
            use = self._node_use(name, time.time(), now=True)
            del use["net"]
            row |= use | {"uptime": self._uptime_of(name)}
        return row

    async def _nodes(self, request: web.Request) -> web.Response:
        async def listed(_v: Values, user: str) -> list[Values]:
            return [
                {**self._node_row(name, user), "ssl_fingerprint": self.fingerprint}
                for name in sorted(self.nodes)
            ]

        return await self._served(request, listed)

    def _routes_truth_resources(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/nodes/{node}/status", self._node_status)]

    async def _node_status(self, v: Values, _user: str) -> Values:
        """Follow API2/Nodes.pm status: load averages and MHz are strings."""
        use = self._node_use(v["node"], time.time(), now=True)
        load = use["cpu"] * use["maxcpu"]
        swap = 8 * GIB
        return {
            "cpu": use["cpu"],
            "wait": use["cpu"] / 40,
            "idle": 0,
            "uptime": self._uptime_of(v["node"]),
            "loadavg": [f"{load * factor:.2f}" for factor in (1.0, 0.94, 0.9)],
            "memory": {
                "total": use["maxmem"],
                "used": use["mem"],
                "free": use["maxmem"] - use["mem"],
                "available": use["maxmem"] - use["mem"],
            },
            "swap": {"total": swap, "used": 0, "free": swap},
            "rootfs": {
                "total": use["maxdisk"],
                "used": use["disk"],
                "free": use["maxdisk"] - use["disk"],
                "avail": use["maxdisk"] - use["disk"],
            },
            "cpuinfo": {
                "model": "AMD Ryzen 9 7945HX",
                "cpus": use["maxcpu"],
                "cores": use["maxcpu"] // 2,
                "sockets": 1,
                "mhz": "2500.000",
                "user_hz": 100,
                "hvm": "1",
                "flags": "fpu vme de pse",
            },
            "ksm": {"shared": 0},
            "kversion": "Linux 6.17.2-1-pve #1 SMP PREEMPT_DYNAMIC",
            "current-kernel": {
                "sysname": "Linux",
                "release": "6.17.2-1-pve",
                "machine": "x86_64",
                "version": "#1 SMP PREEMPT_DYNAMIC",
            },
            "boot-info": {"mode": "efi", "secureboot": 0},
            "pveversion": f"pve-manager/{self.version}/0000000000000000",
        }
