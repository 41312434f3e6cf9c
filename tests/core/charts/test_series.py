"""Test the contents of a chart: steps from the data, gaps, figures, thresholds, markers and scales."""

import math
from collections.abc import Sequence

import pytest

from core.charts.markers import Marker, MarkerKind, markers_of
from core.charts.scale import scale_of
from core.charts.series import ChartPanel, Line, PanelKind, Unit, build_chart, has_pressure, step_of
from core.guest import Kind
from core.proxmox import Measure, Period, Sample
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Severity, Topic
from tests.support.walked import walked

NOW = 1_000_000.0
GIB = 2.0**30


def samples(step: float, count: int, **more: float) -> list[Sample]:
    """Return samples up to now, each with a CPU use of a tenth. `step`: seconds. `more`: further measures."""
    values = {Measure.CPU: 0.1} | {Measure(name.replace("_", " ")): value for name, value in more.items()}
    return [Sample(NOW - step * (count - 1 - index), values) for index in range(count)]


def panel_of(
    found: Sequence[Sample], kind: PanelKind = PanelKind.CPU, limit: float | None = None
) -> ChartPanel:
    limits = {} if limit is None else {kind: limit}
    return build_chart(found, Period.HOUR, NOW, (kind,), limits=limits).panels[0]


@walked(("step", "count"), [(60.0, 60), (60.0, 70), (1800.0, 70), (21_600.0, 1440)])
def test_the_step_is_taken_from_the_data(step: float, count: int) -> None:
    assert build_chart(samples(step, count), Period.YEAR, NOW, ()).step == step
    assert step_of([5.0]) is None
    assert step_of([]) is None


def test_samples_older_than_the_period_are_left_out() -> None:
    chart = build_chart(samples(1800.0, 70), Period.DAY, NOW, ())
    assert len(chart.times) == 49
    assert (chart.start, chart.end) == (NOW - 86_400, NOW)
    young = build_chart(samples(60.0, 10), Period.HOUR, NOW, ())
    assert (young.start, young.end) == (NOW - 3600, NOW), "nothing is known before"
    year = build_chart(samples(21_600.0, 1440), Period.YEAR, NOW, ())
    assert (year.start, year.end) == (NOW - 360 * 86_400, NOW), "Proxmox 9 keeps no more"


def test_a_clock_that_is_ahead_moves_the_end() -> None:
    chart = build_chart([Sample(NOW + 90, {Measure.CPU: 1.0})], Period.HOUR, NOW, (PanelKind.CPU,))
    assert chart.end == NOW + 90
    assert chart.panels[0].lines[0].known == [100.0]


def test_gaps_are_values_that_are_not_known_and_rows_that_are_not_there() -> None:
    found = samples(60.0, 10)
    found[4] = Sample(found[4].time, {})
    del found[7]
    chart = build_chart(found, Period.HOUR, NOW, (PanelKind.CPU,))
    (line,) = chart.panels[0].lines
    assert [value is None for value in line.values] == [index in (4, 7) for index in range(10)]
    assert chart.times[7] == found[6].time + 60


def test_the_figures_count_known_values_only() -> None:
    line = Line(Measure.CPU, (None, 1.0, 2.0, 6.0, None))
    assert (line.least, line.mean, line.greatest) == (1.0, 3.0, 6.0)
    assert build_chart([], Period.HOUR, NOW, (PanelKind.CPU,)).panels[0].lines == ()


def test_the_hosts_figure_of_the_memory_is_shown_where_it_differs() -> None:
    same = samples(60.0, 5, memory=GIB, memory_host=GIB, memory_total=4 * GIB)
    other = samples(60.0, 5, memory=GIB, memory_host=1.5 * GIB, memory_total=4 * GIB)
    measures = [[line.measure for line in panel_of(found, PanelKind.MEMORY).lines] for found in (same, other)]
    assert measures == [[Measure.MEMORY], [Measure.MEMORY, Measure.MEMORY_HOST]]


def test_a_threshold_is_of_the_total() -> None:
    memory = panel_of(samples(60.0, 5, memory=GIB, memory_total=4 * GIB), PanelKind.MEMORY, 75.0)
    assert (memory.limit, memory.total, memory.percent) == (3 * GIB, 4 * GIB, 75.0)
    assert panel_of(samples(60.0, 5), limit=90.0).limit == 90.0
    unknown = panel_of(samples(60.0, 5, memory=GIB), PanelKind.MEMORY, 75.0)
    assert (unknown.limit, unknown.percent) == (None, None)


def test_pressure_is_found_in_the_samples() -> None:
    assert not has_pressure(samples(60.0, 5))
    assert has_pressure(samples(60.0, 5, io_full=0.0))


def incident(topic: Topic, level: Severity, opened: float, ended: float | None, what: GuestEvent) -> Incident:
    fact = GuestFact(101, what, Kind.QEMU, "pve1")
    return Incident(1, topic, "guest/101", level, opened, 0.0, guests=(fact,), ended=ended)


def test_starts_and_incidents_are_marked() -> None:
    down = incident(Topic.GUEST, Severity.CRITICAL, 100.0, 900.0, GuestEvent.STOPPED)
    hot = incident(Topic.THRESHOLD, Severity.WARNING, 5000.0, None, GuestEvent.STOPPED)
    again = incident(Topic.RESTART, Severity.WARNING, 2000.0, 2000.0, GuestEvent.RESTARTED)
    wanted = incident(Topic.NOTE, Severity.INFO, 3000.0, 3000.0, GuestEvent.STOPPED)
    found = markers_of([hot, again, down, wanted], started=1950.0)
    assert found == (
        Marker(MarkerKind.CRITICAL, 100.0, 900.0),
        Marker(MarkerKind.START, 2000.0, 2000.0),
        Marker(MarkerKind.WARNING, 5000.0, None),
    ), "one restart, seen by Proxmox and by the watch; a wanted stop is no incident"
    assert markers_of([], started=7.0) == (Marker(MarkerKind.START, 7.0, 7.0),)
    chart = build_chart(samples(60.0, 60), Period.HOUR, NOW, (), markers=found)
    assert chart.markers == (found[2],), "what ended before is not shown, and what lasts is"


def scaled(unit: Unit, greatest: float, total: float | None = None) -> tuple[str, tuple[float, ...]]:
    panel = ChartPanel(PanelKind.CPU, unit, (Line(Measure.CPU, (0.0, greatest)),), total)
    scale = scale_of(panel)
    return scale.suffix, scale.ticks


def test_units_and_ticks_are_round() -> None:
    assert scaled(Unit.PERCENT, 0.0) == ("%", (0.0, 5.0, 10.0))
    assert scaled(Unit.PERCENT, 41.0) == ("%", (0.0, 50.0, 100.0))
    assert scaled(Unit.BYTES, GIB, 8 * GIB) == ("GiB", (0.0, 4.0, 8.0))
    assert scaled(Unit.RATE, 3.2 * 2**20) == ("MiB", (0.0, 1.0, 2.0, 3.0))
    assert scaled(Unit.RATE, 0.0) == ("B", (0.0, 0.5, 1.0))


@pytest.mark.parametrize("unit", Unit)
def test_every_value_has_a_scale_that_reaches_it(unit: Unit) -> None:
    for power in range(0, 300, 3):
        for factor in (1.0, 1.5, 3.7, 9.99):
            value = factor * 10.0 ** (power / 10)
            panel = ChartPanel(PanelKind.CPU, unit, (Line(Measure.CPU, (value,)),))
            scale = scale_of(panel)
            assert scale.top >= value / scale.factor
            assert 2 <= len(scale.ticks) <= 6
            assert all(math.isclose(round(tick, scale.digits), tick) for tick in scale.ticks)
