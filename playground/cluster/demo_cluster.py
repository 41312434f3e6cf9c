"""Run the demo's Proxmox: a cluster of three nodes and a stand-alone host, which behave like real ones.

    python -m playground.cluster.demo_cluster [--one-site] [--port N] [--seed N]

When they serve, it prints one line of JSON: for each site its address, certificate fingerprint, API token and guests
to watch. It ends on SIGTERM, on SIGINT, or when its standard input closes, which happens when the parent ends.
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
from playground.cluster.guests import build_demo
from playground.cluster.life import FRAGILE, Happening, Life
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve

__all__ = ["FRAGILE", "HOME", "NODE", "NODES", "PARENTS", "WATCHED", "Life", "build_demo", "main"]

HOME, PARENTS = "home", "parents"
"""The names of the sites."""
NODES = ("pve1", "pve2", "pve3")
NODE = "pve1"
OWNER = "DEMO_OWNER_ID"
"""Environment variable with the Discord id of the person who owns a guest by its tag, if there is one."""
OWNED = 204
WITHOUT_BALLOON, LIMITED = 106, 203
"""A Windows VM without the balloon service, and a container limited to half a CPU."""
WATCHED = (101, 102, 103, 201)


def _end_with_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input ends."""

    def read() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        stop.set()

    threading.Thread(target=read, name="stdin", daemon=True).start()


def _home(port: int, seed: int) -> Pve:
    pve = Pve(nodes=NODES, port=port, seed=seed)
    build_demo(pve)
    if owner := os.environ.get(OWNER):
        config = pve.guest(OWNED).config
        config["tags"] = f"{config['tags']};owner-{owner}"
    pve.lose_balloon(WITHOUT_BALLOON)
    pve.guest(LIMITED).config["cpulimit"] = 0.5
    pve.time_scale = 1.0
    return pve


def _access_to(pve: Pve, node: str, watched: Sequence[int]) -> dict[str, object]:
    """Return what the bot needs to use an opened site."""
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
    options = parser.parse_args(arguments)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(_home(options.port, options.seed))
        sites = {"" if options.one_site else HOME: _access_to(home, NODE, WATCHED)}
        lives: list[Happening] = [Life(home, time.monotonic(), options.seed)]
        if not options.one_site:
            host = Pve(nodes=(parents.NODE,), seed=options.seed)
            parents.build_parents(host)
            host.time_scale = 1.0
            stack.enter_context(host)
            sites[PARENTS] = _access_to(host, parents.NODE, parents.WATCHED)
            lives.append(parents.ParentsLife(host, time.monotonic()))
        print(json.dumps({"sites": sites}), flush=True)
        _end_with_parent(stop)
        while not stop.wait(1.0):
            for life in lives:
                life.step(time.monotonic())
    return 0


if __name__ == "__main__":
    sys.exit(main())
