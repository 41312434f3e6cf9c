"""Run the demo cluster: three nodes of a small game-server team that behave like real ones.

    python -m playground.cluster.demo_cluster [--port N] [--seed N]

When it serves, it prints one line of JSON (address, certificate fingerprint, API token, guests to watch). It
ends on SIGTERM, on SIGINT, or when its standard input closes, which happens when the parent ends.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from playground.cluster.guests import build_demo
from playground.cluster.life import FRAGILE, Life
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve

__all__ = ["FRAGILE", "NODE", "NODES", "WATCHED", "Life", "build_demo", "main"]

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the demo cluster until told to stop, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m playground.cluster.demo_cluster", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one by default")
    parser.add_argument("--seed", type=int, default=1, help="makes use and crashes repeatable")
    options = parser.parse_args(arguments)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pve = Pve(nodes=NODES, port=options.port, seed=options.seed)
    build_demo(pve)
    if owner := os.environ.get(OWNER):
        config = pve.guest(OWNED).config
        config["tags"] = f"{config['tags']};owner-{owner}"
    pve.lose_balloon(WITHOUT_BALLOON)
    pve.guest(LIMITED).config["cpulimit"] = 0.5
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
