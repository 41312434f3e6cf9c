"""Mark the events of a guest or node: starts, and incidents of the watch."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.watch.incidents.model import GuestEvent, Incident, Severity, Topic

SAME_SECONDS = 300.0
"""Seconds within which two starts are one: the watch sees a restart a poll later, and Proxmox knows the start."""
_STARTS = frozenset({GuestEvent.RESTARTED, GuestEvent.BACK, GuestEvent.ELSEWHERE})


class MarkKind(StrEnum):
    START = "start"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment or during a time, in Unix seconds. `end`: None while it lasts."""

    kind: MarkKind
    begin: float
    end: float | None


def marks_of(incidents: Iterable[Incident], started: float | None) -> tuple[Mark, ...]:
    """Return the marks, oldest first. `started`: when the guest or node was started last, None if unknown.

    Wanted stops are no incidents, and the gap in the lines shows them.
    """
    marks = [mark for incident in incidents if (mark := _mark_of(incident)) is not None]
    starts = [mark.begin for mark in marks if mark.kind is MarkKind.START]
    if started is not None and not any(abs(begin - started) < SAME_SECONDS for begin in starts):
        marks.append(Mark(MarkKind.START, started, started))
    return tuple(sorted(marks, key=lambda mark: mark.begin))


def _mark_of(incident: Incident) -> Mark | None:
    if incident.topic is Topic.RESTART or (
        incident.topic is Topic.NOTE and any(fact.what in _STARTS for fact in incident.guests)
    ):
        return Mark(MarkKind.START, incident.opened, incident.opened)
    if incident.level is Severity.INFO:
        return None
    kind = MarkKind.CRITICAL if incident.level is Severity.CRITICAL else MarkKind.WARNING
    return Mark(kind, incident.opened, incident.ended)
