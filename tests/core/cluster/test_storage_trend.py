"""Test the prediction of when a storage will be full, and that there is none on weak grounds."""

import math
import time
from collections.abc import Callable

import pytest

from core.cluster.storage_trend import DAY, days_until_full
from core.proxmox import StorageUse
from tests.support.walked import walked

NOW = 1_790_000_000
NINE, EIGHT = (1800, 336), (10800, 70)
"""Step in seconds and number of rows of the history of a week, in Proxmox 9 and 8."""


def week(
    use: Callable[[float], float], step: int = 1800, rows: int = 336, total: float = 1000.0
) -> list[StorageUse]:
    """Return a history. `use`: a function of the days from now, which are negative for the past."""
    times = [NOW - step * (rows - 1 - place) for place in range(rows)]
    return [StorageUse(when, use((when - NOW) / DAY), total) for when in times]


@pytest.mark.parametrize(("step", "rows"), [NINE, EIGHT])
def test_steady_growth(step: int, rows: int) -> None:
    found = days_until_full(week(lambda day: 800 + 20 * day + 3 * math.sin(day * 6.28), step, rows))
    assert found == pytest.approx(10, rel=0.1)
    assert days_until_full(week(lambda day: 1000 + 20 * day, step, rows)) == 0


@walked(
    "history",
    [
        [],
        week(lambda _day: 500),
        week(lambda day: 500 - 20 * day),  # it shrinks
        week(lambda day: 500 + 200 * (day % 3) / 3),  # backups come, and are pruned
        week(lambda day: 800 + 20 * day, 60, 60),  # an hour is no week
        week(lambda day: 800 + 20 * day, 1800, 100),  # three days
        week(lambda day: 500 + 0.5 * day),  # in years
        [*week(lambda day: 900 + 20 * day)[:200], *week(lambda day: 900 + 20 * day, total=2000)[200:]],
        week(lambda day: 800 + 20 * day, total=0),
    ],
)
def test_without_a_clear_trend_nothing_is_predicted(history: list[StorageUse]) -> None:
    assert days_until_full(history) is None


def test_gaps_do_no_harm() -> None:
    gappy = [row for row in week(lambda day: 800 + 20 * day) if row.time // DAY % 3]
    assert days_until_full(gappy) == pytest.approx(10, rel=0.1)


def test_nonsense_is_bounded() -> None:
    """Ten thousand rows, a day apart, as no Proxmox sends them. Comparing all days would take a minute."""
    rows = [StorageUse(NOW + DAY * day, 1.0 + day / 1e5, 1.0 + 1e6) for day in range(10_000)]
    began = time.process_time()
    assert days_until_full(rows) is None
    assert days_until_full([StorageUse(NOW + DAY * day, 1e17, -1e17) for day in range(9)]) is None
    assert time.process_time() - began < 1.0
