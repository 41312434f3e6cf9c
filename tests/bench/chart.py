"""Draw the curves over the number of guests, as plain text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.bench.rows import CURVES, SIZES
from tests.bench.runs import Results
from tests.bench.table import number

WIDTH = 40
"""Characters of the longest bar."""


def chart(results: Results) -> Iterator[str]:
    """Yield a group of bars for each curve that has at least two figures, line by line.

    The longest bar of a group is its largest figure.
    """
    for title, measurement, figure, unit in CURVES:
        found = {
            guests: statistics.median(rounds)
            for guests in SIZES
            if (rounds := results.figures(measurement, guests, figure))
        }
        if len(found) < 2:
            continue
        yield f"{title} ({unit})"
        for guests, value in found.items():
            bar = "█" * max(1, round(WIDTH * value / max(found.values())))
            yield f"{guests:>8,} {bar:{WIDTH}} {number(value)}"
        yield ""
