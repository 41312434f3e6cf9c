"""Find the events to mark in the chart of a guest or node: starts, and incidents of the watch."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.watch.incidents.model import GuestEvent, Incident, Severity, Topic

SAME_START_SECONDS = 300.0
"""A start that the uptime shows gets no marker of its own if an incident notes one within this many seconds.

The watch sees a start up to a poll late.
"""
_STARTS = frozenset({GuestEvent.RESTARTED, GuestEvent.BACK, GuestEvent.ELSEWHERE})


class MarkerKind(StrEnum):
    START = "start"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Marker:
    """Something at a moment or during a time, in Unix seconds. `end`: None while it lasts."""

    kind: MarkerKind
    begin: float
    end: float | None


def markers_of(incidents: Iterable[Incident], started: float | None) -> tuple[Marker, ...]:
    """Return the markers, oldest first.

    Of the incidents with severity INFO only starts get one. A wanted stop shows as a gap in the lines.
    `started`: Unix seconds of the last start of the guest or node, None if unknown.
    """
    markers = [marker for incident in incidents if (marker := _marker_of(incident)) is not None]
    starts = [marker.begin for marker in markers if marker.kind is MarkerKind.START]
    if started is not None and not any(abs(begin - started) < SAME_START_SECONDS for begin in starts):
        markers.append(Marker(MarkerKind.START, started, started))
    return tuple(sorted(markers, key=lambda marker: marker.begin))


def _marker_of(incident: Incident) -> Marker | None:
    if incident.topic is Topic.RESTART or (
        incident.topic is Topic.NOTE and any(fact.what in _STARTS for fact in incident.guests)
    ):
        return Marker(MarkerKind.START, incident.opened, incident.opened)
    if incident.level is Severity.INFO:
        return None
    kind = MarkerKind.CRITICAL if incident.level is Severity.CRITICAL else MarkerKind.WARNING
    return Marker(kind, incident.opened, incident.ended)
