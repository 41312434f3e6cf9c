"""Run generated requests over many seeds, in several processes, and print everything that was found."""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

REQUESTS_A_SEED = 250
NO_VMID = 731_900_000
"""First of a thousand VMIDs that no guest has."""
NO_MARK = "0123456789abcdef"
"""The mark of no dashboard, and the nonce of no question."""


@dataclass(frozen=True)
class Finding:
    """Describe a fault. `request`: the person and the request. `told`: the wrong text or effect."""

    request: str
    told: str


@dataclass
class SeedResult:
    """Hold the result of one seed."""

    seed: int
    found: list[Finding] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)


Trial = Callable[[int, int, Path], Coroutine[Any, Any, SeedResult]]
"""Takes a seed, the number of requests and an empty directory. Other processes must be able to import it."""


def run_seeds(
    program: str,
    about: str | None,
    trial: Trial,
    happenings: Collection[str],
    summary: Callable[[Counter[str]], str],
    arguments: list[str] | None,
) -> int:
    """Run from the command line. Return 1 if anything was found.

    `happenings`: names of the figures that are printed after "meanwhile:". `summary`: puts the others into words.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("requests", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    count = -(-options.requests // REQUESTS_A_SEED)
    seeds = range(options.seed, options.seed + count)
    began, figures, found = time.monotonic(), Counter[str](), 0
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for ran in pool.imap_unordered(partial(_run_seed, trial), seeds):
            figures += ran.figures
            found += len(ran.found)
            for each in ran.found:
                print(f"seed {ran.seed}: {each.request}\n    {each.told}", flush=True)
    told = ", ".join(f"{word} {n}" for word, n in sorted(figures.items()) if word in happenings)
    print(f"meanwhile: {told}")
    print(
        f"seeds {seeds[0]}-{seeds[-1]}: {summary(figures)}; {found} found; {time.monotonic() - began:.0f} s"
    )
    return 1 if found else 0


def _run_seed(trial: Trial, seed: int) -> SeedResult:
    logging.getLogger().addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as directory:
        try:
            return asyncio.run(trial(seed, REQUESTS_A_SEED, Path(directory)))
        except Exception as error:
            error.add_note(f"in the seed {seed}")
            raise
