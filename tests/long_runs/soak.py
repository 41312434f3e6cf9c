"""Compare the watch with the oracle in ten thousand generated histories, on all cores: `make soak`.

    python -m tests.long_runs.soak [--histories N] [--seed N]

Each seed makes HISTORIES_A_SEED histories. The run prints its seeds, and the story of each history that went wrong.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.long_runs.test_histories import Histories, run
from tests.support.watch.trial import Wrong

HISTORIES_A_SEED = 50


@dataclass
class SeedResult:
    """Hold the result of one seed. `wrong` is the story, or empty if all went well. `kind`: of the fault."""

    seed: int
    wrong: str = ""
    kind: str = ""
    figures: Counter[str] = field(default_factory=Counter)


def run_seed(seed: int) -> SeedResult:
    logging.disable(logging.CRITICAL)
    Histories.figures, Histories.count = {}, 0
    ran = SeedResult(seed)
    try:
        run(Histories, HISTORIES_A_SEED, seed, shrink=False)
    except Wrong as wrong:
        ran.wrong, ran.kind = str(wrong), wrong.kind
    ran.figures.update(Histories.figures, histories=Histories.count)
    return ran


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if any history went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.long_runs.soak", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1000, help="the first seed")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + -(-options.histories // HISTORIES_A_SEED))
    began, total, wrong = time.monotonic(), Counter[str](), Counter[str]()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for ran in pool.imap_unordered(run_seed, seeds):
            total.update(ran.figures)
            if ran.wrong:
                wrong[ran.kind] += 1
                print(f"seed {ran.seed}: {ran.wrong}\n", flush=True)
    print(
        f"seeds {seeds[0]}-{seeds[-1]}: {total['histories']} histories, {total['polls']} polls, "
        f"{total['messages']} messages; lost {wrong['lost']}, duplicated {wrong['duplicated']}, "
        f"false {wrong['false']}, otherwise wrong {wrong.total() - sum(wrong[k] for k in KINDS)}; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if wrong else 0


KINDS = ("lost", "duplicated", "false")


if __name__ == "__main__":
    sys.exit(main())
