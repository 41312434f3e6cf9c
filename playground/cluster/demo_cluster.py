"""Run the demo's Proxmox: a cluster of three nodes and a stand-alone host, which behave like real ones.

    python -m playground.cluster.demo_cluster [--one-site] [--port N] [--seed N] [--language en]

With --calm nothing happens by itself. Each SIGUSR1 lets the next guests of `BURST` crash. Once all of them have
crashed, a SIGUSR1 lets a backup fail. SIGUSR2 starts the guests again.
Once the sites answer, the program prints one line of JSON: for each site its address, CA file, certificate
fingerprint, API token, a node and the guests to watch. Then it takes orders to break and mend the first site
(playground/cluster/orders.py). It ends on SIGTERM, on SIGINT, or when its standard input closes, which happens when
the parent ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from playground.cluster import parents
from playground.cluster.breakages import Breakages
from playground.cluster.guests import build_demo
from playground.cluster.life import FRAGILE, REASON, UNLUCKY, Happening, Life
from playground.cluster.orders import Orders, read_orders
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve

__all__ = ["FRAGILE", "HOME", "NODE", "NODES", "PARENTS", "WATCHED", "Life", "build_demo", "main"]

HOME, PARENTS = "home", "parents"
"""The names of the sites."""
NODES = ("pve1", "pve2", "pve3")
NODE = "pve1"
OWNER = "DEMO_OWNER_ID"
"""Environment variable: the Discord id of the person who gets a guest by its tag. Unset, no guest has an owner."""
OWNED = 204
"""VMID of the guest that this person owns."""
WITHOUT_BALLOON, LIMITED = 106, 203
"""VMIDs of a Windows VM without the balloon service, and of a container limited to half a CPU."""
WATCHED = (101, 102, 103, 107, 201)
"""VMIDs of the watched guests: at least one on each node."""


BURST = ((101, 102, 103), (107, 201, 202))
"""Guests that crash one group after the other. All of them at once would raise one alert."""


class Calm:
    """Let guests crash and come back, and a backup fail, on signals only."""

    def __init__(self, pve: Pve) -> None:
        self._pve, self._groups = pve, iter(BURST)
        self._crashes, self._returns = 0, 0
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        if number == signal.SIGUSR1:
            self._crashes += 1
        else:
            self._returns += 1

    def step(self, _now: float) -> None:
        """Carry out the signals that came since the last step."""
        while self._crashes:
            self._crashes -= 1
            if group := next(self._groups, ()):
                self._pve.crash_all(group)
            else:
                self._pve.backup_job(UNLUCKY, ends=REASON)
        if self._returns:
            self._returns = 0
            for vmid in (vmid for group in BURST for vmid in group):
                if self._pve.guest(vmid).status == "stopped":
                    self._pve.start_as_root(vmid)


def _home(port: int, seed: int, language: str) -> Pve:
    pve = Pve(nodes=NODES, port=port, seed=seed)
    build_demo(pve, language)
    if owner := os.environ.get(OWNER):
        config = pve.guest(OWNED).config
        config["tags"] = f"{config['tags']};owner-{owner}"
    pve.lose_balloon(WITHOUT_BALLOON)
    pve.guest(LIMITED).config["cpulimit"] = 0.5
    pve.time_scale = 1.0
    return pve


def _access_to(pve: Pve, node: str, watched: Sequence[int]) -> dict[str, object]:
    """Create the bot's account at an opened site, and return the values with which the bot uses the site."""
    return {
        "host": pve.host,
        "port": pve.port,
        "fingerprint": pve.fingerprint,
        "ca_file": pve.ca_file,
        "user": BOT_USER,
        "token_name": BOT_TOKEN,
        "token_value": pve.give_bot(),
        "node": node,
        "watched": list(watched),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the demo's sites until told to stop, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m playground.cluster.demo_cluster", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--one-site", action="store_true", help="the cluster alone, without the second site")
    parser.add_argument("--port", type=int, default=0, help="port of the cluster; a free one by default")
    parser.add_argument("--seed", type=int, default=1, help="makes use and crashes repeatable")
    parser.add_argument("--calm", action="store_true", help="nothing happens by itself, only on signals")
    parser.add_argument("--language", choices=("ja", "en"), default="ja", help="of the notes in the guests")
    options = parser.parse_args(arguments)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())  # noticed within a second
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(_home(options.port, options.seed, options.language))
        sites = {"" if options.one_site else HOME: _access_to(home, NODE, WATCHED)}
        orders = Orders(Breakages(home), time.monotonic, lambda line: print(line, flush=True))
        lives: list[Happening] = [Calm(home) if options.calm else Life(home, orders.lived(), options.seed)]
        if not options.one_site:
            host = Pve(nodes=(parents.NODE,), seed=options.seed)
            parents.build_parents(host)
            host.time_scale = 1.0
            stack.enter_context(host)
            sites[PARENTS] = _access_to(host, parents.NODE, parents.WATCHED)
            if not options.calm:
                lives.append(parents.ParentsLife(host, orders.lived()))
        print(json.dumps({"sites": sites}), flush=True)
        read_orders(orders.receive, stop)
        while not stop.is_set():
            orders.wait(1.0)
            for life in lives:
                life.step(orders.lived())
    return 0


if __name__ == "__main__":
    sys.exit(main())
