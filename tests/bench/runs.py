"""Run the measurements, and keep their figures: as objects, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.rows import MEASUREMENTS, Measurement, Row
from tests.bench.stage import Running, bench_stage

FORM = 1
"""Version of the JSON."""
Key = tuple[str, int]
"""Name of a measurement and the number of guests."""


@dataclass
class Results:
    """The figures of every round, and where they were measured."""

    machine: dict[str, object]
    rounds: dict[Key, list[dict[str, float]]] = field(default_factory=dict)

    def figures(self, measurement: str, guests: int, figure: str) -> list[float]:
        return [one[figure] for one in self.rounds.get((measurement, guests), []) if figure in one]

    def figure(self, row: Row) -> float | None:
        """Return the median of the rounds, None if the row was not measured."""
        found = self.figures(row.measurement, row.guests, row.figure)
        return statistics.median(found) if found else None

    def floor(self, row: Row) -> float | None:
        found = self.figures(row.measurement, row.guests, row.floor)
        return statistics.median(found) if found else None

    def ratios(self, row: Row) -> list[float]:
        """Return the ratio of each round to the floor of the same round."""
        rounds = self.rounds.get((row.measurement, row.guests), []) if row.floor else []
        return [one[row.figure] / one[row.floor] for one in rounds if one.get(row.floor)]

    def ratio(self, row: Row) -> float | None:
        found = self.ratios(row)
        return statistics.median(found) if found else None

    def write(self, path: Path) -> None:
        kept = [
            {"measurement": name, "guests": guests, "rounds": rounds}
            for (name, guests), rounds in self.rounds.items()
        ]
        document = {"form": FORM, "machine": self.machine, "measurements": kept}
        path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a file that `write` wrote.

        Raises: OSError, ValueError.
        """
        document = json.loads(path.read_text("utf-8"))
        if document.get("form") != FORM:
            raise ValueError(f"{path} was written by another version of the bench")
        rounds = {(one["measurement"], one["guests"]): one["rounds"] for one in document["measurements"]}
        return cls(document["machine"], rounds)


def this_machine() -> dict[str, object]:
    """Return the conditions of the figures, without the machine's name."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d"),
    }


async def run(
    plan: Iterable[Measurement] = MEASUREMENTS,
    *,
    only: Container[Key] | None = None,
    small: Iterable[int] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Results:
    """Measure everything in the plan, one number of guests after the other.

    `only`: measure these, and "idle" with the same numbers of guests. None: measure all.
    `small`: use these numbers of guests instead of those in the plan, and measure each once and briefly.
    """
    results = Results(this_machine())
    sizes = tuple(small)
    due = [
        (guests, one)
        for one in plan
        for guests in sizes or one.sizes
        if only is None or (one.name, guests) in only or one.name == "idle"
    ]
    for guests in sorted({guests for guests, one in due if one.name != "idle"}):
        async with bench_stage(guests, small=bool(sizes)) as stage:
            for how in Running:
                here = [one for size, one in due if size == guests and one.running is how]
                if not here:
                    continue
                async with stage.started(how):
                    for one in here:
                        began = time.monotonic()
                        results.rounds[one.name, guests] = [
                            await one.measure(stage) for _ in range(1 if sizes else one.rounds)
                        ]
                        tell(f"{guests:6,} guests  {one.name:18} {time.monotonic() - began:5.1f} s")
    return results


def tell_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
