"""The measurement of tests/flood.py, a short one: that it measures. Figures of a busy machine would be no test."""

import asyncio

import pytest

from tests.flood import CALM, Felt, measure, table


def felt(name: str, **values: object) -> Felt:
    found = Felt(name, [3.0], [0.6], [1.0], 0, 10, 1.0, 0.1, 60.0)
    for key, value in values.items():
        setattr(found, key, value)
    return found


@pytest.mark.parametrize(
    "missed",
    [
        {"alerts": [4.6]},
        {"acknowledged": [0.2, 1.1]},
        {"started": [6.0]},
        {"memory": 100.0},
        {"journal": 2.0},
    ],
)
def test_what_misses_a_goal_is_told(missed: dict[str, object]) -> None:
    lines = list(table([felt(CALM), felt("reads", **missed)]))
    assert [good for _, good in lines] == [True, True, False, True]
    assert lines[2][0].endswith("missed")
    assert all(good for _, good in table([felt(CALM), felt("reads")]))


def test_it_measures_the_real_process() -> None:
    calm, reads = asyncio.run(measure(300, 2.0, 20.0, ("reads",)))
    assert calm.sent == 0 and reads.sent > 20
    assert reads.asked < 6 * (10 + reads.seconds) + 300, "what one person reads is bounded by their pace"
    assert calm.alerts and reads.alerts and reads.started and reads.acknowledged
