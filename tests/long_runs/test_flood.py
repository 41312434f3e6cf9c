"""Test that the measurement in tests/long_runs/flood.py works, with a short run.

Its times are not checked, because those of a busy machine prove nothing.
"""

import asyncio

from tests.long_runs.flood import CALM, FloodResult, measure, table
from tests.support.walked import walked


def result(name: str, **values: object) -> FloodResult:
    found = FloodResult(name, [3.0], [0.6], [1.0], asked=10, memory=1.0, journal=0.1, seconds=60.0)
    for key, value in values.items():
        setattr(found, key, value)
    return found


@walked(
    "missed",
    [
        {"alerts": [4.6]},
        {"acknowledged": [0.2, 1.1]},
        {"started": [6.0]},
        {"memory": 100.0},
        {"journal": 2.0},
    ],
)
def test_a_missed_goal_is_reported(missed: dict[str, object]) -> None:
    lines = list(table([result(CALM), result("reads", **missed)]))
    assert [good for _, good in lines] == [True, True, False, True]
    assert lines[2][0].endswith("missed")
    assert all(good for _, good in table([result(CALM), result("reads")]))


def test_the_reads_of_one_person_are_bounded_in_a_real_process() -> None:
    """Count the requests to Proxmox, because times on a busy machine prove nothing."""
    (reads,) = asyncio.run(measure(1000, 1.0, 20.0, ("reads",), samples=1))
    assert reads.sent > 15 * reads.seconds
    theirs = 6 * (10 + reads.seconds)  # a panel takes six requests, and ten may come at once
    others = 12 * (len(reads.started) + len(reads.acknowledged)) + 3 * reads.seconds
    assert reads.asked < theirs + others < 6 * reads.sent
    assert reads.alerts
    assert reads.started
    assert reads.acknowledged
