"""Measure the bot between the playground's servers, and print a table of the figures and their goals.

    python -m tests.bench [--only TEXT] [--json PATH] [--compare OLD.json]

The figures are also written to PATH (bench.json by default). The exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tests.bench.chart import chart
from tests.bench.compare import compare
from tests.bench.rows import MEASUREMENTS, ROWS
from tests.bench.runs import Results, run, tell_progress
from tests.bench.table import is_met, table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows whose name contains this text")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="PATH")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="an earlier run")
    options = parser.parse_args(arguments)
    old = Results.read(options.compare) if options.compare else None
    rows = [row for row in ROWS if options.only in row.name]
    if not rows:
        parser.error(
            f"no row has {options.only!r} in its name; all rows:\n" + "\n".join(row.name for row in ROWS)
        )
    plan = list(MEASUREMENTS)
    wanted = None
    if options.only:
        wanted = {(row.measurement, row.guests) for row in rows}
    results = asyncio.run(run(plan, only=wanted, tell=tell_progress))
    results.write(options.json)
    print(*table(results, rows), "", *chart(results), sep="\n")
    if old is not None:
        print(*compare(old, results, rows), sep="\n")
    return 1 if any(is_met(results, row) is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
