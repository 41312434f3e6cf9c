"""Break the demo's cluster on request, and mend it, for the panel of the demo's page.

For the same faults the life of the cluster (playground/cluster/life.py) uses other nodes and storages, so that
neither mends what the other has broken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from playground.pve.network.http import PveError
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve

VICTIMS = (102, 103, 201, 107, 101)
"""Watched guests. The first one that runs is killed."""
CUT, HUNG, FILLED = "pve2", "pve1", "ceph-vm"
FULL = 0.97  # used fraction
TOKEN = f"{BOT_USER}!{BOT_TOKEN}"


@dataclass(frozen=True, slots=True)
class Breakage:
    """One thing that can be broken. `breaks` is called only while it is whole, `mends` only while it is broken."""

    name: str
    breaks: Callable[[], None]
    mends: Callable[[], None]
    is_broken: Callable[[], bool]


class Breakages:
    """Everything that can be broken in this cluster, by name."""

    def __init__(self, pve: Pve) -> None:
        self._pve = pve
        self._secret: str | None = None
        self._killed: int | None = None
        self._usual = _fill(pve, FILLED)
        self.known = {
            each.name: each
            for each in (
                Breakage("guest", self._kill, self._start, self._is_dead),
                Breakage("node", self._cut_node, self._join_node, self._is_cut),
                Breakage("proxmox", self._unplug, self._plug_in, self._is_unplugged),
                Breakage("storage", self._fill_storage, self._empty_storage, self._is_full),
                Breakage("token", self._revoke, self._restore, lambda: self._secret is not None),
                Breakage("pvestatd", self._hang, self._free, lambda: HUNG in pve.hung_nodes),
            )
        }

    def broken(self) -> list[str]:
        """Return the names of everything that is broken now."""
        return [name for name, each in self.known.items() if each.is_broken()]

    def change(self, name: str, *, broken: bool) -> None:
        """Break or mend one thing. Do nothing for an unknown name, or if the thing is in that state already."""
        each = self.known.get(name)
        if each is None or each.is_broken() == broken:
            return
        with contextlib.suppress(PveError):  # somebody else acted first
            (each.breaks if broken else each.mends)()

    # ------------------------------------------------------------------ guest

    def _is_dead(self) -> bool:
        guest = None if self._killed is None else self._pve.guest(self._killed)
        return guest is not None and guest.status != "running"

    def _kill(self) -> None:
        guests = [guest for guest in map(self._pve.guest, VICTIMS) if guest is not None]
        self._killed = next((guest.vmid for guest in guests if guest.status == "running"), None)
        if self._killed is not None:
            self._pve.crash(self._killed)

    def _start(self) -> None:
        if self._killed is not None:
            self._pve.start_as_root(self._killed)

    # ------------------------------------------------------------------ node

    def _is_cut(self) -> bool:
        return not self._pve.nodes[CUT].get("online", True)

    def _cut_node(self) -> None:
        self._pve.node_offline(CUT)

    def _join_node(self) -> None:
        self._pve.node_online(CUT)

    def _hang(self) -> None:
        self._pve.hang_pvestatd(HUNG)

    def _free(self) -> None:
        self._pve.free_pvestatd(HUNG)

    # ------------------------------------------------------------------ Proxmox as a whole

    def _is_unplugged(self) -> bool:
        return not self._pve.listeners[0].is_open

    def _unplug(self) -> None:
        for listener in self._pve.listeners:
            self._pve.call(listener.kill())

    def _plug_in(self) -> None:
        for listener in self._pve.listeners:
            self._pve.call(listener.open())

    def _revoke(self) -> None:
        self._secret = self._pve.at_once(lambda: self._pve.apitokens.pop(TOKEN, None))

    def _restore(self) -> None:
        secret, self._secret = self._secret, None
        if secret is not None:
            self._pve.apitokens[TOKEN] = secret

    # ------------------------------------------------------------------ storage

    def _is_full(self) -> bool:
        return _fill(self._pve, FILLED) > (FULL + self._usual) / 2

    def _fill_storage(self) -> None:
        self._pve.fill_storage(FILLED, FULL)

    def _empty_storage(self) -> None:
        self._pve.fill_storage(FILLED, self._usual)


def _fill(pve: Pve, name: str) -> float:
    store = pve.storages[name]
    return 1 - float(store["avail"]) / float(store["total"])
