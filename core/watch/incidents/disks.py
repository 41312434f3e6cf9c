"""Choose the file system of a VM that counts, and report once that its guest agent is silent.

Proxmox itself does not know how full the disks of a VM are. thresholds.py judges the values.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.guest import Guest, Kind, State
from core.proxmox import FileSystem
from core.watch.incidents.model import (
    GuestEvent,
    GuestFact,
    Metric,
    Severity,
    SourceFault,
    Topic,
    WatchEntry,
    guest_subject,
    threshold_key,
)
from core.watch.incidents.observation import DiskReading
from core.watch.incidents.state import GuestState, ThresholdState, WatchState
from core.watch.incidents.transition import Transition

SILENT_READINGS = 2
"""Silent readings in a row after which the disk use is reported as unknown.

A reading is silent if the agent did not answer, or named no file system of the guest's own.
"""
UNREPORTED = 3
"""`ThresholdState.silent` of a silence that is not reported yet, because the guest is muted."""
ANSWERS_IN_A_ROW = 3
"""Answers in a row after which a new silence is reported."""
DISKS = "disks"
"""Subject of an incident about the disks of several guests."""

_ELSEWHERE = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "smbmount", "afs", "ncpfs", "davfs"),
        *(
            "9p",
            "virtiofs",
            "vboxsf",
            "prl_fs",
            "vmhgfs",
            "ceph",
            "glusterfs",
            "lustre",
            "gfs",
            "gfs2",
            "ocfs2",
        ),
    }
)
"""Types of file systems that others fill, too: network shares, and directories of the host."""
_ELSEWHERE_START = ("fuse.", "nfs.", "cifs.")
_PATH = re.compile(r"/|[A-Za-z]:[\\/]|[A-Za-z]:$")
"""The start of a mount point. A name such as `System Reserved`, for a Windows volume without a letter, is none."""


def fullest_of(systems: Iterable[FileSystem]) -> FileSystem | None:
    """Return the fullest of the guest's own file systems, None if it names none."""
    own = (each for each in systems if _is_own(each))
    return max(own, key=lambda each: each.fill, default=None)


def _is_own(system: FileSystem) -> bool:
    kind = system.type.casefold()
    shared = kind in _ELSEWHERE or kind.startswith(_ELSEWHERE_START)
    return not shared and _PATH.match(system.mountpoint) is not None


def is_asked(guest: Guest, metric: Metric) -> bool:
    """Return whether the guest agent must be asked for the guest's use of this resource."""
    return metric is Metric.DISK and guest.kind is Kind.QEMU


# -- in a step


@dataclass(frozen=True, slots=True)
class Silence:
    """A reading without the use of this guest's disks. `fault`: why, None if the agent named no own file system."""

    fact: GuestFact
    fault: SourceFault | None


def unjudged_reading(transition: Transition, vmid: int) -> DiskReading | None:
    """Return the last reading of a VM, None if there is none or it was judged already: each counts once."""
    reading = transition.observation.disks.get(vmid)
    return None if reading is None or reading.judged else reading


def silence_of(guest: Guest, reading: DiskReading) -> Silence:
    fact = GuestFact(guest.vmid, GuestEvent.UNKNOWN, guest.kind, guest.node, guest.name)
    return Silence(fact, SourceFault.of(reading.error) if reading.error else None)


def report_silence(transition: Transition, silences: Sequence[Silence]) -> None:
    """Report the guests whose agents have just become silent: their disk use is not known.

    Name the reason if it is the same for all.
    """
    if not silences:
        return
    first = silences[0]
    alike = all(each.fault and first.fault and each.fault.error == first.fault.error for each in silences)
    transition.open_incident(
        Topic.UNMEASURED,
        guest_subject(first.fact.vmid) if len(silences) == 1 else DISKS,
        Severity.WARNING,
        guests=tuple(each.fact for each in silences),
        metric=Metric.DISK,
        fault=first.fault if alike else None,
    )


def is_silent(threshold: ThresholdState | None) -> bool:
    """Return whether so many readings in a row were silent that the value is not known."""
    return threshold is not None and threshold.silent >= SILENT_READINGS


def was_reported(threshold: ThresholdState) -> bool:
    """Return whether a silence was reported, and the agent has not yet answered often enough to report another."""
    return threshold.silent == SILENT_READINGS or threshold.silent < 0


def after_silent_reading(threshold: ThresholdState, *, muted: bool) -> int:
    """Return `ThresholdState.silent` after a silent reading. `muted`: do not report the silence now."""
    if was_reported(threshold):
        return SILENT_READINGS
    silent = min(threshold.silent + 1, SILENT_READINGS)
    return UNREPORTED if muted and silent == SILENT_READINGS else silent


def after_answer(threshold: ThresholdState) -> int:
    """Return `ThresholdState.silent` after a reading that is not silent."""
    answers = 1 if is_silent(threshold) else 1 - threshold.silent
    return -answers if was_reported(threshold) and answers < ANSWERS_IN_A_ROW else 0


def silent_guests(state: WatchState, entries: Iterable[WatchEntry]) -> tuple[GuestState, ...]:
    """Return the running guests with a disk threshold whose disk use is not known."""
    found = []
    for entry in entries:
        guest = state.guests.get(entry.vmid)
        if (
            guest
            and guest.state is State.RUNNING
            and is_silent(state.thresholds.get(threshold_key(entry.vmid, Metric.DISK)))
        ):
            found.append(guest)
    return tuple(found)
