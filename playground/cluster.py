"""The demo cluster: three nodes of a small game-server team, alive and behaving like a real one.

    python -m playground.cluster [--port N] [--seed N]

prints one line of JSON when it serves (address, certificate fingerprint, API token, guests to watch) and ends on
SIGTERM, SIGINT or when its standard input closes, which it does when the parent is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence

from playground.cluster_guests import build_demo
from playground.pve import BOT_TOKEN, BOT_USER, Pve

__all__ = ["FRAGILE", "NODE", "NODES", "WATCHED", "Life", "build_demo", "main"]

NODES = ("pve1", "pve2", "pve3")
NODE = "pve1"
WATCHED = (101, 102, 103, 201)
# Guests that crash now and then: watched ones, so that an alert is raised.
FRAGILE = (103, 102)


class Life:
    """Guests that crash now and then and come back by themselves; one step() a second.

    First crash 60 to 90 seconds after `started`, the next ones every 3 to 6 minutes; back after about 45 s. A guest
    that somebody acts on, or did within the last two minutes, is left alone.
    """

    def __init__(self, pve: Pve, started: float, seed: int = 1) -> None:
        self._pve = pve
        self._rng = random.Random(seed)
        self._next = started + self._rng.uniform(60, 90)
        self._crashed: tuple[int, float] | None = None

    def step(self, now: float) -> None:
        """Do what is due at `now` (seconds of the clock that `started` was read from)."""
        if self._crashed is not None:
            vmid, back_at = self._crashed
            guest = self._pve.guest(vmid)
            if guest is None or guest.status == "running" or self._pve.busy(vmid):
                self._crashed = None  # deleted, or somebody takes care of it
            elif now >= back_at:
                self._crashed = None
                self._pve.start_as_root(vmid)
        elif now >= self._next:
            self._next = now + self._rng.uniform(180, 360)
            able = [vmid for vmid in FRAGILE if self._able(vmid)]
            if able:
                self._pve.crash(able[0] if self._rng.random() < 0.75 else able[-1])
                chosen = [vmid for vmid in able if self._pve.guest(vmid).status == "stopped"]
                self._crashed = (chosen[0], now + self._rng.uniform(40, 50))

    def _able(self, vmid: int) -> bool:
        guest = self._pve.guest(vmid)
        return (
            guest is not None
            and guest.status == "running"
            and not guest.lock
            and not self._pve.busy(vmid, within=120)
        )


def _end_with_parent(stop: threading.Event) -> None:
    """Set `stop` when standard input ends."""

    def read() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        stop.set()

    threading.Thread(target=read, name="stdin", daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the demo cluster until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m playground.cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one by default")
    parser.add_argument("--seed", type=int, default=1, help="makes use and crashes repeatable")
    options = parser.parse_args(arguments)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pve = Pve(nodes=NODES, port=options.port, seed=options.seed)
    build_demo(pve)
    secret = pve.give_bot()
    pve.time_scale = 1.0
    with pve:
        print(
            json.dumps(
                {
                    "host": pve.host,
                    "port": pve.port,
                    "fingerprint": pve.fingerprint,
                    "ca_file": pve.ca_file,
                    "user": BOT_USER,
                    "token_name": BOT_TOKEN,
                    "token_value": secret,
                    "node": NODE,
                    "watched": list(WATCHED),
                }
            ),
            flush=True,
        )
        _end_with_parent(stop)
        life = Life(pve, time.monotonic(), options.seed)
        while not stop.wait(1.0):
            life.step(time.monotonic())
    return 0


if __name__ == "__main__":
    sys.exit(main())
