"""List the measurements, and the rows of the table with their goals.

A new row is one entry of ROWS, and a line in both halves of docs/performance.md. A new measurement is one entry of
MEASUREMENTS, and a function beside its siblings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench import answers, bursts, costs
from tests.bench.stage import Running, Stage

SIZES = (10, 100, 1_000, 10_000)
"""Numbers of guests."""


@dataclass(frozen=True)
class Measurement:
    """A function that measures once, and how it is called.

    `running`: how the bot runs meanwhile. `sizes`: numbers of guests. `rounds`: number of calls for each of `sizes`.
    """

    name: str
    measure: Callable[[Stage], Awaitable[dict[str, float]]]
    running: Running
    sizes: tuple[int, ...] = SIZES
    rounds: int = 3


MEASUREMENTS = (
    Measurement("start", costs.start, Running.NO_BOT, (1_000,)),
    Measurement("idle", costs.idle, Running.CALM, rounds=1),
    Measurement("completions", answers.completions, Running.CALM),
    Measurement("narrow completions", answers.narrow_completions, Running.CALM, (10_000,)),
    Measurement("lists", answers.lists, Running.CALM),
    Measurement("info", answers.info, Running.CALM, rounds=1),
    Measurement("slow info", answers.slow_info, Running.CALM, (1_000, 10_000)),
    Measurement("hung info", answers.hung_info, Running.CALM, (1_000,), rounds=2),
    Measurement("same guest", bursts.same_guest, Running.CALM, (1_000,)),
    Measurement("different guests", bursts.different_guests, Running.CALM, (1_000,)),
    Measurement("many commands", bursts.many_commands, Running.CALM, (1_000,)),
    Measurement("acknowledgements", bursts.acknowledgements, Running.CALM, (1_000,)),
    Measurement("charts", costs.charts, Running.CALM, (5_000,), rounds=1),
    Measurement("dashboards", costs.dashboards, Running.POLLING, (5_000,), rounds=1),
    Measurement("memory", costs.memory, Running.POLLING, rounds=1),
    Measurement("reads", costs.reads, Running.POLLING),
    Measurement("loop", costs.loop, Running.POLLING, (10_000,)),
)


@dataclass(frozen=True)
class Goal:
    """An upper (`most`) or a lower limit of a figure, or of its ratio to the floor (`of_ratio`)."""

    value: float
    most: bool = True
    of_ratio: bool = False

    def met(self, figure: float, ratio: float | None) -> bool:
        value = ratio if self.of_ratio else figure
        assert value is not None, "a goal of a ratio needs a floor"
        return value <= self.value if self.most else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.value:g}{' ×' if self.of_ratio else ''}"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    `figure`, `floor`: names of figures of the measurement.
    """

    name: str
    measurement: str
    guests: int
    figure: str
    unit: str
    goal: Goal | None
    floor: str = ""


def at_most(value: float) -> Goal:
    return Goal(value)


def at_least(value: float) -> Goal:
    return Goal(value, most=False)


def times_floor(value: float) -> Goal:
    return Goal(value, of_ratio=True)


ROWS = (
    Row("completion p50, 10 guests", "completions", 10, "p50", "ms", at_most(2), "floor p50"),
    Row("completion p50, 1,000 guests", "completions", 1_000, "p50", "ms", at_most(2), "floor p50"),
    Row("completion p50, 10,000 guests", "completions", 10_000, "p50", "ms", at_most(2), "floor p50"),
    Row("completion p99, 10,000 guests", "completions", 10_000, "p99", "ms", at_most(6), "floor p99"),
    Row(
        "completion p50, 10,000, sees 600",
        "narrow completions",
        10_000,
        "p50",
        "ms",
        at_most(2),
        "floor p50",
    ),
    Row("/info, first useful answer", "slow info", 1_000, "first", "ms", times_floor(1.3), "floor"),
    Row("/info, complete answer", "slow info", 1_000, "complete", "ms", times_floor(2.3), "floor"),
    Row("/info, requests to Proxmox", "slow info", 1_000, "requests", "", at_most(4)),
    Row("/info, agent hangs 3 s, first answer", "hung info", 1_000, "first", "ms", times_floor(1.3), "floor"),
    Row("/info, agent hangs 3 s, the rest", "hung info", 1_000, "complete", "ms", times_floor(2.3), "floor"),
    Row("50 × /info of one guest", "same guest", 1_000, "seconds", "s", at_most(0.5)),
    Row("50 × /info of one guest, requests", "same guest", 1_000, "requests", "", at_most(15)),
    Row(
        "50 guests at once, share of 3 workers",
        "different guests",
        1_000,
        "share",
        "%",
        at_least(90),
        "floor",
    ),
    Row("200 commands, share of 3 workers", "many commands", 1_000, "share", "%", at_least(90), "floor"),
    Row("200 commands, most in flight", "many commands", 1_000, "in flight", "", at_most(4)),
    Row("200 commands, latest answer", "many commands", 1_000, "latest", "s", at_most(3)),
    Row("200 commands, last person / median", "many commands", 1_000, "starved", "×", at_most(2)),
    Row("/list p50, 10,000 guests", "lists", 10_000, "p50", "ms", at_most(4), "floor p50"),
    Row("/list p99, 10,000 guests", "lists", 10_000, "p99", "ms", at_most(8), "floor p99"),
    Row(
        "acknowledged p99, 20 people", "acknowledgements", 1_000, "20 p99", "ms", at_most(50), "20 floor p99"
    ),
    Row("acknowledged worst, 50 people", "acknowledgements", 1_000, "50 worst", "ms", None, "50 floor worst"),
    Row("memory, 10 guests", "memory", 10, "mb", "MB", at_most(58), "floor"),
    Row("memory, 1,000 guests", "memory", 1_000, "mb", "MB", at_most(60), "floor"),
    Row("memory, 10,000 guests", "memory", 10_000, "mb", "MB", at_most(75), "floor"),
    Row("10 dashboards, memory", "dashboards", 5_000, "mb", "MB", at_most(80), "floor"),
    Row("10 dashboards, reads per interval", "dashboards", 5_000, "reads", "", at_most(1.05)),
    Row("10 dashboards, further requests per interval", "dashboards", 5_000, "others", "", at_most(1.05)),
    Row("chart, first picture", "charts", 5_000, "first", "ms", at_most(2_000)),
    Row("chart, further pictures p50", "charts", 5_000, "p50", "ms", at_most(300)),
    Row("chart, memory of its process", "dashboards", 5_000, "worker mb", "MB", None),
    Row("chart, its process is gone after", "dashboards", 5_000, "gone", "s", at_most(330)),
    Row("CPU of a read, 1,000 guests", "reads", 1_000, "cpu", "ms", at_most(8), "floor"),
    Row("CPU of a read, 10,000 guests", "reads", 10_000, "cpu", "ms", at_most(60), "floor"),
    Row("event loop late p99, 10,000 guests", "loop", 10_000, "p99", "ms", at_most(20), "floor p99"),
    Row("event loop late worst, 10,000 guests", "loop", 10_000, "worst", "ms", at_most(50), "floor worst"),
    Row("start to ready, 1,000 guests", "start", 1_000, "seconds", "s", at_most(0.8), "floor"),
)

CURVES = (
    ("completion p50", "completions", "p50", "ms"),
    ("/list p50", "lists", "p50", "ms"),
    ("/info, Proxmox in 0 ms, complete", "info", "complete", "ms"),
    ("CPU of a read", "reads", "cpu", "ms"),
    ("memory", "memory", "mb", "MB"),
)
"""Figures drawn against the number of guests: title, measurement, figure, unit."""
