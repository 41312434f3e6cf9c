"""Build the panels of a chart from samples: lines with their gaps, and the least, mean and greatest value of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, median

from core.charts.markers import Marker
from core.proxmox import Measure, Period, Sample

GAP_STEPS = 1.5
"""If two samples are more than this many steps apart, samples between them are missing."""
COVERED = 0.9
"""If the samples reach back over this share of the period, the chart begins with the first, else with the period.

Proxmox 9 keeps 360 days of a year.
"""
DIFFERENCE = 0.01
"""Share of the total by which the host's figure of the memory must differ from the guest's own to be shown, too.

Without a total it is a share of the guest's greatest figure.
"""


class ChartTopic(StrEnum):
    """The panels that a person can choose. The words are options of the command, and stored in custom_ids."""

    CPU = "cpu"
    MEMORY = "memory"
    NETWORK = "network"
    DISK = "disk"
    PRESSURE = "pressure"


class Unit(StrEnum):
    """Unit of a panel's values."""

    PERCENT = "percent"
    BYTES = "bytes"
    RATE = "bytes per second"


class PanelKind(StrEnum):
    """Kinds of panel."""

    CPU = "cpu"
    MEMORY = "memory"
    NETWORK = "network"
    DISK_RATE = "disk rate"
    DISK_USE = "disk use"
    CPU_PRESSURE = "cpu pressure"
    IO_PRESSURE = "io pressure"
    MEMORY_PRESSURE = "memory pressure"


@dataclass(frozen=True, slots=True)
class _Form:
    """How panels of one kind are built.

    `factor`: multiplies the samples' values into the panel's unit. `total`: the measure of the greatest possible
    value.
    """

    unit: Unit
    measures: tuple[Measure, ...]
    factor: float = 1.0
    total: Measure | None = None


_FORMS = {
    PanelKind.CPU: _Form(Unit.PERCENT, (Measure.CPU, Measure.IO_WAIT), 100.0),
    PanelKind.MEMORY: _Form(Unit.BYTES, (Measure.MEMORY, Measure.MEMORY_HOST), total=Measure.MEMORY_TOTAL),
    PanelKind.NETWORK: _Form(Unit.RATE, (Measure.NET_IN, Measure.NET_OUT)),
    PanelKind.DISK_RATE: _Form(Unit.RATE, (Measure.DISK_READ, Measure.DISK_WRITE)),
    PanelKind.DISK_USE: _Form(Unit.BYTES, (Measure.DISK_USED,), total=Measure.DISK_TOTAL),
    PanelKind.CPU_PRESSURE: _Form(Unit.PERCENT, (Measure.CPU_SOME, Measure.CPU_FULL)),
    PanelKind.IO_PRESSURE: _Form(Unit.PERCENT, (Measure.IO_SOME, Measure.IO_FULL)),
    PanelKind.MEMORY_PRESSURE: _Form(Unit.PERCENT, (Measure.MEMORY_SOME, Measure.MEMORY_FULL)),
}
PRESSURE_KINDS = (PanelKind.CPU_PRESSURE, PanelKind.IO_PRESSURE, PanelKind.MEMORY_PRESSURE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `values` belong to the chart's times; None: not known, a gap."""

    measure: Measure
    values: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None]

    @property
    def least(self) -> float:
        return min(self.known)

    @property
    def mean(self) -> float:
        return fmean(self.known)

    @property
    def greatest(self) -> float:
        return max(self.known)


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """One panel. A panel without lines has no data.

    `total`: the greatest possible value. `limit`: the threshold of the watch. Both are in the panel's unit.
    `percent`: the threshold as it was set. None if `limit` is not known.
    """

    kind: PanelKind
    unit: Unit
    lines: tuple[Line, ...]
    total: float | None = None
    limit: float | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """The data that a picture shows. `times`, `start` and `end` are Unix seconds.

    `step`: the usual seconds between two samples, None if there are fewer than two.
    """

    period: Period
    start: float
    end: float
    step: float | None
    times: tuple[float, ...]
    panels: tuple[ChartPanel, ...]
    markers: tuple[Marker, ...] = ()


def step_of(times: Sequence[float]) -> float | None:
    """Return the usual seconds between two samples, None if there are fewer than two."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    return median(steps) if steps else None


def has_pressure(samples: Iterable[Sample]) -> bool:
    """Return whether the samples have pressure. Proxmox 8 does not record it."""
    measures = {measure for kind in PRESSURE_KINDS for measure in _FORMS[kind].measures}
    return any(not measures.isdisjoint(sample.values) for sample in samples)


def build_chart(
    samples: Sequence[Sample],
    period: Period,
    now: float,
    kinds: Iterable[PanelKind],
    *,
    limits: dict[PanelKind, float] | None = None,
    markers: Sequence[Marker] = (),
) -> Chart:
    """Build the panels from samples in the order of their times.

    `limits`: thresholds in percent, of the total or of 100.
    Samples older than the period are left out: Proxmox 8 sends more than was asked for.
    """
    end = max(now, samples[-1].time if samples else now)
    begin = end - period.seconds
    kept = [sample for sample in samples if sample.time >= begin]
    step = step_of([sample.time for sample in samples])
    first = kept[0].time - (step or 0.0) if kept else begin  # a sample stands for the time before it
    covered = (end - first) / period.seconds >= COVERED
    start = max(begin, first) if covered else begin
    rows = _with_gaps(kept, step)
    panels = tuple(_panel(kind, rows, (limits or {}).get(kind)) for kind in kinds)
    seen = tuple(marker for marker in markers if marker.begin <= end and (marker.end or end) >= start)
    return Chart(period, start, end, step, tuple(row.time for row in rows), panels, seen)


def _with_gaps(samples: Sequence[Sample], step: float | None) -> list[Sample]:
    """Put an empty sample where some are missing altogether, so that no line is drawn across."""
    rows: list[Sample] = []
    for sample in samples:
        if rows and step and sample.time - rows[-1].time > GAP_STEPS * step:
            rows.append(Sample(rows[-1].time + step, {}))
        rows.append(sample)
    return rows


def _panel(kind: PanelKind, rows: Sequence[Sample], percent: float | None) -> ChartPanel:
    form = _FORMS[kind]
    lines = [_line(measure, rows, form.factor) for measure in form.measures]
    totals = [row.values[form.total] for row in rows if form.total in row.values] if form.total else []
    total = (totals[-1] or None) if totals else None
    if kind is PanelKind.MEMORY and not _differ(lines, total):
        del lines[1:]
    limit = None
    if percent is not None:
        limit = percent if form.unit is Unit.PERCENT else total and total * percent / 100
    known = tuple(line for line in lines if line.known)
    return ChartPanel(kind, form.unit, known, total, limit, percent if limit is not None else None)


def _line(measure: Measure, rows: Sequence[Sample], factor: float) -> Line:
    found = (row.values.get(measure) for row in rows)
    return Line(measure, tuple(None if value is None else value * factor for value in found))


def _differ(lines: Sequence[Line], total: float | None) -> bool:
    """Return whether the host's figure of the memory differs from the guest's own, or the guest reports none."""
    own, host = lines
    least = (total or own.greatest if own.known else 0.0) * DIFFERENCE
    return not own.known or any(
        abs(mine - theirs) > least
        for mine, theirs in zip(own.values, host.values, strict=True)
        if mine is not None and theirs is not None
    )
