"""Put a chart into words: the texts of its picture, and the same figures for people who cannot see it."""

import datetime
from dataclasses import dataclass

from core.charts.drawing import Drawing, DrawnLine, DrawnMarker, DrawnPanel
from core.charts.markers import MarkerKind
from core.charts.scale import Scale, scale_of
from core.charts.series import Chart, ChartPanel, Line, PanelKind, Unit
from core.proxmox import Measure, Period
from ui.charts.axis import day_text, moment_text, time_ticks, zone_name
from ui.charts.words import HOST_VIEW, LAST, LINES, MARKERS, PANELS, ROOT_DISK
from ui.i18n import Text

TITLE_MOST = 38
"""Maximum characters of a name in the title of a picture."""
NONSENSE_FROM = 10_000
"""Numbers from here on are written with an exponent.

Such a number is invalid data, because a valid number is shown in a larger unit.
"""
ALT_MOST = 1000
"""Maximum characters of a picture's description (Discord: 1,024)."""


@dataclass(frozen=True, slots=True)
class ChartSubject:
    """The subject of a chart. `host_view`: the guest does not report its own memory use."""

    name: str
    is_node: bool = False
    host_view: bool = False


def drawing_of(t: Text, chart: Chart, subject: ChartSubject, zone: datetime.tzinfo) -> Drawing:
    """Return the picture of a chart in this language."""
    kinds = dict.fromkeys(marker.kind for marker in chart.markers)
    name = subject.name
    return Drawing(
        title=name if len(name) <= TITLE_MOST else f"{name[: TITLE_MOST - 1]}…",
        subtitle=subtitle(t, chart, zone),
        start=chart.start,
        end=chart.end,
        times=chart.times,
        ticks=time_ticks(t, chart.start, chart.end, zone),
        panels=tuple(_panel(t, panel, subject) for panel in chart.panels),
        markers=tuple(
            DrawnMarker(marker.kind.value, marker.begin, chart.end if marker.end is None else marker.end)
            for marker in chart.markers
        ),
        legend=tuple((kind.value, t(MARKERS[kind])) for kind in MarkerKind if kind in kinds),
    )


def subtitle(t: Text, chart: Chart, zone: datetime.tzinfo) -> str:
    """Return the period, its ends and the time zone."""
    text = day_text if chart.period is Period.YEAR else moment_text
    ends = f"{text(t, chart.start, zone)} – {text(t, chart.end, zone)}"
    return f"{t(LAST[chart.period])} · {ends} ({zone_name(chart.end, zone)})"


def description(t: Text, chart: Chart, subject: ChartSubject) -> str:
    """Return the figures of a chart as text, for screen readers."""
    lines = [
        f"{_title(t, panel, subject)}: {'; '.join(_figures(t, panel, subject)) or t('no data')}"
        for panel in chart.panels
    ]
    return "\n".join([t(LAST[chart.period]), *lines])[:ALT_MOST]


def _title(t: Text, panel: ChartPanel, subject: ChartSubject) -> str:
    if subject.is_node and panel.kind is PanelKind.DISK_USE:
        return t(ROOT_DISK)
    return t(PANELS[panel.kind])


def _panel(t: Text, panel: ChartPanel, subject: ChartSubject) -> DrawnPanel:
    scale = scale_of(panel)
    title = _title(t, panel, subject)
    unit = _unit(panel, scale)
    if panel.total is not None and panel.lines:
        title += f" · {t('of {total}', total=f'{_number(panel.total / scale.factor)} {unit}')}"
    elif panel.unit is not Unit.PERCENT and panel.lines:
        title += f" ({unit})"
    if panel.percent is not None:
        title += f" · {t('threshold {percent}%', percent=f'{panel.percent:.0f}')}"
    limit = None if panel.limit is None else panel.limit / scale.factor
    texts = _figures(t, panel, subject)
    return DrawnPanel(
        title=title,
        lines=tuple(
            DrawnLine(text, _scaled(line, scale)) for text, line in zip(texts, panel.lines, strict=True)
        ),
        top=scale.top,
        ticks=tuple(
            (value, f"{_tick(value, scale)}{'%' if panel.unit is Unit.PERCENT else ''}")
            for value in (scale.ticks if panel.lines else ())
        ),
        limit=limit,
        empty=t("no data"),
    )


def _tick(value: float, scale: Scale) -> str:
    """Return a label that fits into the margin, even if Proxmox sends nonsense."""
    if value < NONSENSE_FROM:
        return f"{value:.{scale.digits}f}"
    number, _, power = f"{value:.0e}".partition("e")
    return f"{number}e{int(power)}"


def _scaled(line: Line, scale: Scale) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(value / scale.factor, 4) for value in line.values)


def _figures(t: Text, panel: ChartPanel, subject: ChartSubject) -> list[str]:
    """Return the least, mean and greatest value of each line, with its name if it has one (`_name`)."""
    scale = scale_of(panel)
    found = []
    for line in panel.lines:
        figures = t(
            "min {least} · avg {mean} · max {greatest} {unit}",
            least=_number(line.least / scale.factor),
            mean=_number(line.mean / scale.factor),
            greatest=_number(line.greatest / scale.factor),
            unit=_unit(panel, scale),
        )
        name = _name(t, panel, line, subject)
        found.append(f"{name}: {figures}" if name else figures)
    return found


def _name(t: Text, panel: ChartPanel, line: Line, subject: ChartSubject) -> str:
    """Return the name of a line, "" if the panel's title says enough."""
    alone = len(panel.lines) == 1
    # with a line of the host beside it, the guest did report its own use for a part of the time
    if line.measure is Measure.MEMORY and subject.host_view and alone:
        return t(HOST_VIEW)
    is_clear = alone and line.measure is not Measure.MEMORY_HOST
    return "" if is_clear or line.measure not in LINES else t(LINES[line.measure])


def _unit(panel: ChartPanel, scale: Scale) -> str:
    return f"{scale.suffix}/s" if panel.unit is Unit.RATE else scale.suffix


def _number(value: float) -> str:
    """Return a number with two digits after the point at most. Greater and whole numbers have fewer."""
    if value >= NONSENSE_FROM:
        return f"{value:.0e}"
    if value >= 100 or value < 0.005 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
