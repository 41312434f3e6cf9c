"""Report the figures that changed between two runs by more than the noise."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.bench.rows import ROWS, Row
from tests.bench.runs import Results
from tests.bench.table import number

LEAST_MOVE = 0.03
"""Share of a figure. A smaller move does not count, however little the rounds of the figure differ."""


@dataclass(frozen=True)
class Move:
    """The medians of a row in two runs, and how much of their difference is noise.

    Noise is half the spread of the rounds, in the run where they differ more, and at least 3 %.
    """

    before: float
    after: float
    noise: float

    @property
    def counts(self) -> bool:
        return abs(self.after - self.before) > self.noise


def move(before: list[float], after: list[float]) -> Move | None:
    """Compare the rounds of two runs. Return None if one run has no rounds."""
    if not before or not after:
        return None
    low, high = statistics.median(before), statistics.median(after)
    spread = max(max(before) - min(before), max(after) - min(after)) / 2
    return Move(low, high, max(spread, LEAST_MOVE * abs(low)))


def compare(old: Results, new: Results, rows: Iterable[Row] = ROWS) -> Iterator[str]:
    """Yield the rows that moved, line by line, and at the end how many they are.

    A row with a floor has moved only if its ratio to the floor has moved the same way. A slower machine slows a round
    and the floor of that round.
    """
    moved = 0
    compared = 0
    for row in rows:
        figures = move(*(one.figures(row.measurement, row.guests, row.figure) for one in (old, new)))
        if figures is None:
            continue
        compared += 1
        ratios = move(old.ratios(row), new.ratios(row))
        if not figures.counts or (ratios is not None and not _agree(figures, ratios)):
            continue
        moved += 1
        change = f"{figures.after / figures.before - 1:+.0%}" if figures.before else ""
        told = f"{number(figures.before)} → {number(figures.after)} {row.unit}".rstrip()
        yield f"{row.name:40} {told:24} {change:>6}  (noise ± {number(figures.noise)})"
    yield f"{moved} of {compared} rows moved by more than the noise"


def _agree(figures: Move, ratios: Move) -> bool:
    same_way = (figures.after > figures.before) == (ratios.after > ratios.before)
    return ratios.counts and same_way
