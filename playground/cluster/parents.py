"""Define the demo's second site: a stand-alone host at the parents' house, with four guests and a life of its own.

Its VMIDs 101, 201 and 203 also exist in the cluster at home, and so does the name `dns`.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from playground.cluster.guests import DAY, GuestRow, add_guests, set_pace
from playground.pve.metrics import GIB
from playground.pve.network.http import PveError
from playground.pve.server import Pve

NODE = "nuc"
WATCHED = (101, 201)
"""VMIDs of the watched guests."""
FRAGILE = 101
"""VMID of a guest that crashes once."""

VMS: tuple[GuestRow, ...] = (
    (101, "homeassistant", NODE, 34.2, 2, 4096, 32, "prod", {"agent": "1", "onboot": 1}),
    (110, "offsite", NODE, 34.2, 2, 4096, 500, "backup", {"onboot": 1}),
)
CTS: tuple[GuestRow, ...] = (
    (201, "dns", NODE, 34.2, 1, 512, 8, "net;prod", {"onboot": 1}),
    (203, "photos", NODE, None, 2, 2048, 64, "web", {}),
)


def build_parents(pve: Pve) -> None:
    """Put the node, storages and guests of the second site into a host, which may be running already."""
    pve.nodes = {
        NODE: {
            "online": True,
            "maxcpu": 4,
            "maxmem": 16 * GIB,
            "maxdisk": 60 * GIB,
            "booted": time.time() - 34.2 * DAY,
        }
    }
    storages: dict[str, dict[str, Any]] = {
        "local": {
            "type": "dir",
            "active": 1,
            "content": "iso,vztmpl,backup",
            "files": set(),
            "path": "/var/lib/vz",
            "avail": 40 * GIB,
            "total": 60 * GIB,
        },
        "local-lvm": {
            "type": "lvmthin",
            "active": 1,
            "content": "images,rootdir",
            "files": set(),
            "vgname": "pve",
            "thinpool": "data",
            "avail": 200 * GIB,
            "total": 850 * GIB,
        },
    }
    pve.storages = storages
    add_guests(pve, VMS, CTS, "192.168.1")
    pve.past_task(NODE, "aptupdate", "", 0.4)
    set_pace(pve)


class Crash:
    """Let a guest crash after 2 min 10 s, and start it a minute later.

    There is no crash if the guest does not run, or if somebody acted on it within the two minutes before. It is not
    started if somebody has started it, or is acting on it.
    """

    def __init__(self, pve: Pve, started: float) -> None:
        self._pve, self._at, self._back_at = pve, started + 130, started + 190
        self._down = self._over = False

    def step(self, now: float) -> None:
        guest = self._pve.guest(FRAGILE)
        if self._over or now < self._at or guest is None:
            return
        if not self._down:
            self._down, self._over = True, guest.status != "running" or self._pve.busy(FRAGILE, within=120)
            if not self._over:
                self._pve.crash(FRAGILE)
        elif now >= self._back_at:
            self._over = True
            if guest.status == "stopped" and not self._pve.busy(FRAGILE):
                self._pve.start_as_root(FRAGILE)


class Outage:
    """Cut the host off for a minute, after 5 min 40 s. Its guests keep running."""

    def __init__(self, pve: Pve, started: float) -> None:
        self._pve, self._at, self._back_at = pve, started + 340, started + 400
        self._gone = self._over = False

    def step(self, now: float) -> None:
        if not self._gone and self._at <= now < self._back_at:
            self._gone = True
            for listener in self._pve.listeners:
                self._pve.call(listener.kill())
        elif self._gone and not self._over and now >= self._back_at:
            self._over = True
            for listener in self._pve.listeners:
                self._pve.call(listener.open())


class ParentsLife:
    """Run all happenings at the second site, with one `step` per second."""

    def __init__(self, pve: Pve, started: float) -> None:
        self._happenings = (Crash(pve, started), Outage(pve, started))

    def step(self, now: float) -> None:
        """Do everything that is due at `now` (seconds of the clock that gave `started`)."""
        for happening in self._happenings:
            with contextlib.suppress(PveError):  # somebody else acted first
                happening.step(now)
