"""Run generated sequences of events around dashboards, and check that none appears twice or is silently stale.

    python -m tests.long_runs.dashboards [sequences] [--seed N] [--processes N]

The bot dies at any request, messages and channels are deleted, permissions and answers are lost, Proxmox is away, and
two people create the same dashboard at once (tests/support/dashboard/world.py).
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

from tests.support.dashboard.world import run_sequence
from tests.support.watch.quiet import quiet_core

MEMORY = Path("/dev/shm")


def run_one(seed: int, folder: Path) -> tuple[int, str, Counter[str]]:
    """Run one sequence. Return the seed, the fault ("" if none), and how often each event and request happened."""
    try:
        with quiet_core():
            return seed, "", asyncio.run(run_sequence(seed, folder / f"dashboards-{seed}.db"))
    except AssertionError as error:
        return seed, str(error) or "failed", Counter()
    finally:
        for path in folder.glob(f"dashboards-{seed}.db*"):
            path.unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sequences", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    began, happened, wrong = time.monotonic(), Counter[str](), 0
    seeds = range(options.seed, options.seed + options.sequences)
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        multiprocessing.get_context("spawn").Pool(options.processes) as pool,
    ):
        for seed, fault, counted in pool.imap_unordered(partial(run_one, folder=Path(folder)), seeds):
            happened += counted
            if fault:
                wrong += 1
                print(f"seed {seed}: {fault}", flush=True)
    print("meanwhile: " + ", ".join(f"{word} {count}" for word, count in sorted(happened.items())))
    print(f"{options.sequences} sequences; {wrong} wrong; {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
