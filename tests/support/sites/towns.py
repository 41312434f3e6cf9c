"""Hold the guests of three sites, whose private texts have numbers that show their site.

`oslo` and `bern` share VMIDs and nodes, all three share names of guests. `rome` is a single host.
"""

import random
from dataclasses import dataclass
from typing import Any

from playground.cluster.demo_cluster import NODES, build_demo
from playground.pve.server import Pve
from tests.support.scenes.shown import numbers

SITES = ("oslo", "bern", "rome")
"""In the order of the settings. The ids of a site's incidents begin at its index times 10**12."""
FIRST_SITE, NO_SITE = "oslo", "kiel"
"""The site of FIRST_SITE, and a name that no site has."""
NODES_OF = {"oslo": NODES, "bern": NODES, "rome": ("solo",)}
SINGLE = 731_000_103
"""VMID of the only guest that the role `single` covers: that of `oslo` (tests/support/sites/meaning.py)."""
SHARED = (*range(731_000_101, 731_000_108), 731_000_109)
VMIDS = {
    "oslo": (*SHARED, 731_001_101, 731_001_102),
    "bern": (*SHARED, 731_002_101, 731_002_102),
    "rome": (*range(731_003_101, 731_003_105), 731_003_109),
}
TEMPLATES = (731_000_109, 731_003_109)
NAMES = tuple(f"n{831_000_000 + each}" for each in range(1, 13))
"""Names of guests, the same on all sites. All other private texts have numbers of one site."""
POOLS, TAGS = ("lan", "lan/inner", "lanes", "out"), ("game", "Web", "gamer", "")


@dataclass(frozen=True)
class Sight:
    """A guest that a person may see, with all its numbers."""

    vmid: int
    name: str
    told: frozenset[str]

    def fits(self, typed: str) -> bool:
        return str(self.vmid) == typed or self.name.lower() == typed


@dataclass(frozen=True)
class Known:
    """A guest, with the properties that decide who may see it."""

    sight: Sight
    tags: frozenset[str]
    node: str
    pool: str

    def is_within(self, scopes: list[tuple[str, str]] | None, owner: str) -> bool:
        """Return whether a person may see it.

        `scopes`: those of the person on its site; None: without any limit. `owner`: the person's owner tag.
        """
        if scopes is None or owner in self.tags:
            return True
        return any(
            kind == "site"
            or (kind == "tag" and value in self.tags)
            or (kind == "node" and value == self.node)
            or (kind == "pool" and (self.pool == value or self.pool.startswith(f"{value}/")))
            or (kind == "vmid" and value == str(self.sight.vmid))
            for kind, value in scopes
        )


class Town:
    """Hold the guests of one site. Their private texts, except names, carry numbers of this site only."""

    def __init__(self, site: str, pve: Pve, chance: random.Random) -> None:
        self.site, self.pve, self.chance = site, pve, chance
        self._last = 831_100_000 + 100_000 * SITES.index(site)
        self.ever: set[int] = set()
        self.told: set[str] = set()
        """VMIDs and numbers of all guests that `look` has ever found here."""
        if site != "rome":
            build_demo(pve)  # provides the nodes and storages
        pve.auth_delay = 0.0
        pve.vms.clear()
        pve.cts.clear()
        for vmid in VMIDS[site]:
            self.add(vmid)

    @property
    def guests(self) -> list[Any]:
        return [*self.pve.vms, *self.pve.cts]

    def secret(self) -> int:
        """Return a new number of this site, for private texts."""
        self._last += 1
        return self._last

    def add(self, vmid: int) -> None:
        own, chance = self.secret(), self.chance
        template = vmid in TEMPLATES
        config = {
            "cores": 2,
            "memory": "2048",
            "scsi0": f"local-lvm:vm-{vmid}-disk-0,size=8G",
            "tags": f"{chance.choice(TAGS)};t{own}".strip(";"),
            "description": f"d{own}",
        }
        more: dict[str, Any] = (
            {"template": True} if template else {"status": chance.choice(("running", "stopped"))}
        )
        make = self.pve.add_vm
        if not template and vmid % 3 == 0:
            config["rootfs"], make = config.pop("scsi0"), self.pve.add_ct
        name, node = chance.choice(NAMES), chance.choice(NODES_OF[self.site])
        config["name" if make == self.pve.add_vm else "hostname"] = name
        guest: Any = make(vmid, name, node=node, config=config, **more)
        for at in range(0 if template else 2):
            made = f"s{own}x{at}"
            guest.snapshots[made] = {"name": made, "snaptime": 1_700_000_000 + at, "description": f"d{own}"}
        self.put(guest)

    def put(self, guest: Any) -> None:
        """Move the guest into a random pool."""
        self.pve._pool_leave(guest.vmid)
        pool = self.chance.choice(POOLS)
        name = self.chance.choice((pool, f"{pool}/p{self.secret()}"))
        self.pve.pools.setdefault(name, set()).add(guest.vmid)
        guest.pool = name

    def rename(self, guest: Any) -> None:
        name = self.chance.choice(NAMES)
        if guest in self.pve.cts:
            guest.config["hostname"] = name
        else:
            guest.name = guest.config["name"] = name

    def look(self) -> list[Known]:
        """Return the guests as they are now, and note them in `ever` and `told`."""
        found = []
        for guest in self.guests:
            told = frozenset(numbers(guest.vmid, guest.name, guest.config, guest.snapshots, guest.pool))
            self.ever.add(guest.vmid)
            self.told |= told
            name = str(guest.config.get("hostname") or guest.name)
            tags = str(guest.config.get("tags") or "").lower().split(";")
            found.append(Known(Sight(guest.vmid, name, told), frozenset(tags), guest.node, str(guest.pool)))
        return found
