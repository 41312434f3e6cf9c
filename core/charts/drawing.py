"""Define the input of the process that draws: numbers and finished texts.

That process (adapters/charts/process.py) knows no language, no unit and no time zone.
"""

import json
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """One line of a panel. `text`: its figures, shown after a dot in its colour. `values`: None for a gap."""

    text: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """One panel. All values are in the unit of its axis.

    `top`: the end of the axis. `ticks`: values of the axis with their labels. `limit`: the threshold.
    `empty`: the text in a panel without lines.
    """

    title: str
    lines: tuple[DrawnLine, ...]
    top: float
    ticks: tuple[tuple[float, str], ...]
    limit: float | None
    empty: str


@dataclass(frozen=True, slots=True)
class DrawnMarker:
    """Something that happened, as `core.charts.markers.Marker`. `kind`: the value of its MarkerKind.

    `end`: the end of the chart if it still lasts.
    """

    kind: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture. All times are Unix seconds. `ticks`: times of the axis with their labels.

    `legend`: the kinds of the markers with their words.
    """

    title: str
    subtitle: str
    start: float
    end: float
    times: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    panels: tuple[DrawnPanel, ...]
    markers: tuple[DrawnMarker, ...]
    legend: tuple[tuple[str, str], ...]


def encode(drawing: Drawing) -> bytes:
    """Return the drawing as JSON. Do not use `asdict`: it would copy each of the thousands of numbers."""
    return json.dumps(drawing, default=_fields, allow_nan=False, separators=(",", ":")).encode()


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def decode(data: bytes) -> Drawing:
    """Return the drawing that `encode` wrote.

    Raises: ValueError, KeyError, TypeError.
    """
    found = json.loads(data)
    panels = tuple(
        DrawnPanel(**{**panel, "lines": tuple(DrawnLine(**line) for line in panel["lines"])})
        for panel in found["panels"]
    )
    markers = tuple(DrawnMarker(**marker) for marker in found["markers"])
    return Drawing(**{**found, "panels": panels, "markers": markers})
