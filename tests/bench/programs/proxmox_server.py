"""Run the playground's Proxmox as a process of its own, and take orders on its standard input.

The first line that it writes is JSON and tells how to reach the cluster. Each order is a line of JSON with values to
set, such as `{"latency": 0.03, "workers": 3}`. Each answer is a line of JSON, with the requests since the last order.
The process ends with its standard input.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any

from aiohttp import web

from playground.cluster.demo_cluster import NODES, build_demo
from playground.pve.network.http import Values
from playground.pve.server import Pve

FIRST = 20_000
"""VMID of the first guest."""
DETAILED = 600
"""Number of guests, from the first one, whose panel has all its parts."""
TAG = "web"
"""Tag of the detailed guests. People with the narrow role see no others."""
OTHER_TAGS = ("prod", "dev;db", "game", "backup;prod;storage")
VARIANTS = 3
"""Number of prepared lists. Each read shows other figures of every guest than the read before, as in Proxmox."""
_LIST = "/api2/json/cluster/resources"


class BenchPve(Pve):
    """A cluster that keeps its list ready, and takes a set time for each answer.

    Listing ten thousand guests takes the simulated Proxmox half a second. That must not be measured.
    """

    vms: list[Any]
    cts: list[Any]
    latency = 0.0
    """Seconds from a request to its answer, besides the wait for a worker."""
    workers = 0
    """Number of requests that are worked on at once, 0 for any number."""

    def __init__(self) -> None:
        super().__init__(nodes=NODES)
        self.max_requests = 1
        self.asked: list[str] = []
        self._open = self._most_open = 0  # the server's own `in_flight` would count each of them again
        self._free_at: list[float] = []
        self._lists: itertools.cycle[bytes] = itertools.cycle([b""])

    def build(self, guests: int) -> None:
        """Add the guests, and prepare their list."""
        build_demo(self)
        self.vms.clear()
        self.cts.clear()
        self.auth_delay = 0.0
        self.add_many(guests, first=FIRST)
        for at, guest in enumerate((*self.vms, *self.cts)):
            guest.config["tags"] = OTHER_TAGS[at % len(OTHER_TAGS)]
        for vmid in range(FIRST, FIRST + min(guests, DETAILED)):
            self._detail(vmid)
        rows = [self._resource(guest, "root@pam") for guest in (*self.vms, *self.cts)]
        others: list[Values] = [self._node_row(name, "root@pam") for name in sorted(self.nodes)]
        for node, name in itertools.product(sorted(self.nodes), sorted(self.storages)):
            if storage := self._storage_row(node, name, "root@pam"):
                others.append(storage)
        lists = []
        for variant in range(VARIANTS):
            for row in rows:
                row["uptime"] += 10
                row["cpu"], row["mem"] = row["cpu"] * (0.9 + variant / 10), row["mem"] - 4096
                row["netin"], row["netout"] = row["netin"] + 1500, row["netout"] + 700
            lists.append(json.dumps({"data": [*rows, *others]}).encode())
        self._lists = itertools.cycle(lists)

    def _detail(self, vmid: int) -> None:
        guest = self.guest(vmid)
        self.past_task(guest.node, "vzdump", vmid, 0.4)
        guest.snapshots["before-update"] = {**guest.config, "snaptime": int(time.time() - 86400)}
        guest.config["parent"] = "before-update"
        guest.config["tags"] = f"prod;{TAG}"
        if guest in self.vms:
            guest.config["agent"] = "1"
            address = {"ip-address": f"192.0.2.{vmid % 250}", "ip-address-type": "ipv4", "prefix": 24}
            mac = "bc:24:11:00:00:01"
            guest.agent = {
                "interfaces": [{"name": "eth0", "hardware-address": mac, "ip-addresses": [address]}]
            }

    def order(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Set the named values. Return the requests since the last order."""

        def change() -> dict[str, Any]:
            told = {"asked": self.asked, "most_in_flight": self._most_open}
            self.asked, self._most_open = [], self._open
            if "workers" in wanted:
                self.workers = wanted["workers"]
                self._free_at = [0.0] * self.workers
            self.latency = wanted.get("latency", self.latency)
            if "hang" in wanted:
                self.hang("/agent/", wanted["hang"])
            return told

        return self.at_once(change)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path.removeprefix("/api2/json"))
        counted = request.path != _LIST  # the shared read of the list runs beside the others
        self._open += counted
        self._most_open = max(self._most_open, self._open)
        try:
            until = self._until()
            response = await super()._middleware(request, handler)
            await asyncio.sleep(max(0.0, until - time.monotonic()))
            return response
        finally:
            self._open -= counted

    def _until(self) -> float:
        """Return when the answer is due. The worker that is free first takes the request."""
        now = time.monotonic()
        if not self.workers:
            return now + self.latency
        first = self._free_at.index(min(self._free_at))
        self._free_at[first] = max(now, self._free_at[first]) + self.latency
        return self._free_at[first]

    async def _resources(self, request: web.Request) -> web.Response:
        if request.query:
            return await super()._resources(request)
        return web.Response(body=next(self._lists), content_type="application/json")


def main(guests: int) -> None:
    with BenchPve() as pve:
        token = pve.give_bot()
        pve.build(guests)
        reach = {"host": pve.host, "port": pve.port, "ca_file": pve.ca_file, "token": token}
        print(json.dumps(reach), flush=True)
        for line in sys.stdin:
            print(json.dumps(pve.order(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
