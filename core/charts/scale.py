"""Choose the unit, the end and the ticks of a value axis."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.charts.series import ChartPanel, Unit

BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
HEADROOM = 1.04
"""Factor by which the axis goes beyond its greatest value, so that a line at the top is seen."""
SMALL_PERCENT = 40.0
"""Up to this percentage the axis is shorter than 100 %. Otherwise the line of an idle guest could not be seen."""
LEAST_PERCENT = 10.0
"""End of the shortest axis in percent, so that noise does not look like load."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The value axis of a panel.

    `factor`: a value of the panel divided by it is in the shown unit. `top` and `ticks` are in that unit.
    `suffix`: the unit's name, such as "%" or "MiB". `digits`: digits after the point that tell the ticks apart.
    """

    factor: float
    suffix: str
    top: float
    ticks: tuple[float, ...]
    digits: int


def scale_of(panel: ChartPanel) -> Scale:
    """Return the scale of a panel.

    If the total is known, such as all of the memory, the axis reaches it. An axis of percentages reaches 100 unless
    all values are small.
    """
    highest = max((line.greatest for line in panel.lines), default=0.0)
    reach = max(highest, panel.limit or 0.0)
    if panel.unit is Unit.PERCENT:
        whole = 100.0 if reach > SMALL_PERCENT else LEAST_PERCENT
        return _scale(1.0, "%", max(whole, reach), _decimal_step)
    reach = max(reach, panel.total or 0.0)
    power = 0
    while reach >= 1024 ** (power + 1) and power < len(BINARY) - 1:
        power += 1
    factor = 1024.0**power
    step = _binary_step if panel.unit is Unit.BYTES else _decimal_step
    return _scale(factor, BINARY[power], max(reach / factor, 1.0), step)


def _decimal_step(reach: float) -> float:
    """Return a step of 1, 2 or 5 times a power of ten: at most four steps reach the top."""
    rough = reach / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    return next(nice * magnitude for nice in (1, 2, 5, 10) if nice * magnitude >= rough * (1 - 1e-9))


def _binary_step(reach: float) -> float:
    """Return a step that is a power of two, like sizes of memory: two or three steps fit into the axis."""
    return 2.0 ** math.floor(math.log2(reach * HEADROOM / 2))


def _scale(factor: float, suffix: str, reach: float, step_from: Callable[[float], float]) -> Scale:
    step = step_from(reach)
    ticks = tuple(step * index for index in range(math.floor(reach * HEADROOM / step) + 1))
    digits = next(digits for digits in range(4) if round(step, digits) == step or digits == 3)
    return Scale(factor, suffix, reach * HEADROOM, ticks, digits)
