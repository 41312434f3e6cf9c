"""Test the lines of the log about stored incidents."""

from core.guest import Kind
from core.watch.incidents.model import (
    BackupFact,
    GuestEvent,
    GuestFact,
    Incident,
    Metric,
    Severity,
    Topic,
)
from core.watch.persistence import incident_line


def test_backups_that_a_line_does_not_name_are_counted() -> None:
    facts = tuple(BackupFact("a", vmid, "root@pam", "no space") for vmid in range(101, 113))
    line = incident_line(Incident(1, Topic.BACKUP, "backups", Severity.WARNING, 0.0, 0.0, backups=facts))
    assert line.endswith("110 on a: no space, and 2 more")


def test_a_line_shows_no_value_that_is_not_known() -> None:
    fact = GuestFact(101, GuestEvent.UNKNOWN, Kind.QEMU, "a", "web")
    incident = Incident(
        2, Topic.UNMEASURED, "guest/101", Severity.WARNING, 0.0, 0.0, (fact,), metric=Metric.DISK
    )
    assert (
        incident_line(incident) == "incident 2 (warning, open): unmeasured guest/101, 101 web on a: unknown"
    )
