"""Define the worker's input: numbers and finished texts. It knows no language, no unit and no time zone."""

import json
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """One line of a panel. `text`: its figures, drawn in its colour. `values`: None for a gap."""

    text: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """One panel. `ticks`: values of its axis with their labels. `limit`: the threshold.

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
    """Something that happened, as `core.charts.markers.Marker`. `kind`: the value of its MarkerKind."""

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
    """Return the drawing as JSON. This is quick, because a year in steps of half an hour is thousands of numbers."""
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
