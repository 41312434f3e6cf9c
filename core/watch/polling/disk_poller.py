"""Ask the guest agents of VMs with a disk threshold how full their file systems are.

One VM is asked after the other, and each at most every ten minutes, beside the polls of the cluster: an agent that
hangs holds up nothing else. The VMs are spread over the ten minutes, also after a start of the bot.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from core.clock import Clock
from core.errors import BotError
from core.guest import Cluster, Guest, State
from core.proxmox import FileSystem, Proxmox
from core.proxmox_errors import (
    CertificateNotTrusted,
    GuestMoved,
    NoQuorum,
    QueueFull,
    TokenRefused,
    Unreachable,
)
from core.watch.incidents.disks import fullest_of, is_asked
from core.watch.incidents.model import Metric, WatchEntry
from core.watch.incidents.observation import DiskReading, Observation
from core.watch.incidents.thresholds import BETWEEN_STATES

EVERY_SECONDS = 600.0
"""Minimum seconds between two readings of one VM."""
GAP_SECONDS = 10.0
"""Seconds between readings of two VMs. The gap is shorter if there are more VMs than fit into `EVERY_SECONDS`."""
FRESH_SECONDS = 2 * EVERY_SECONDS
"""Age at which a value counts as not known."""
BOOT_SECONDS = 120
"""Uptime below which a VM is not asked: its agent may not be running yet."""
SILENT_DELAY = 10 * EVERY_SECONDS
"""Seconds by which VMs whose agents were silent let others go first, if there is no time for all."""
ROUNDING = 0.01
"""Seconds of a gap that are not waited for."""

_NOT_ASKED = (
    *(CertificateNotTrusted, GuestMoved, NoQuorum, QueueFull, TokenRefused, Unreachable),
    ValueError,  # the list contains an invalid node name
)
"""Errors that say nothing about the agent, and that do not last while the polls of the cluster succeed.

A node whose API alone is down is listed as online for ever, so that its disks would stay unknown in silence.
"""

_log = logging.getLogger(__name__)


class DiskPoller:
    """Remember the VMs to be asked, the time of each last request, and the answers.

    `proxmox`: a client of its own, so that the polls of the cluster do not wait for its calls.
    """

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._targets: dict[int, Guest] = {}
        self._asked: dict[int, float] = {}
        self._readings: dict[int, DiskReading] = {}
        self._values: dict[int, tuple[float, FileSystem, str]] = {}  # with the guest's fingerprint
        self._count, self._last = 0, -GAP_SECONDS
        self._has_targets = asyncio.Event()

    def aim(self, entries: Iterable[WatchEntry], cluster: Cluster | None) -> None:
        """Set which VMs are asked from now on. `cluster`: the last poll; None if it failed, and nobody is asked."""
        self._targets.clear()
        if cluster is not None:
            guests = {entry.vmid: cluster.find(entry.vmid) for entry in entries if entry.disk is not None}
            kept = {
                vmid: guest
                for vmid, guest in guests.items()
                if guest and (guest.state is State.RUNNING or guest.state in BETWEEN_STATES)
            }
            self._targets = {vmid: guest for vmid, guest in kept.items() if _may_ask(guest, cluster)}
            self._readings = {vmid: look for vmid, look in self._readings.items() if vmid in kept}
            # another guest may have the VMID now, and other readers. While its state is unknown, so is its name
            self._values = {
                vmid: value
                for vmid, value in self._values.items()
                if vmid in kept and (kept[vmid].state is State.UNKNOWN or kept[vmid].fingerprint == value[2])
            }
        if self._targets:
            self._has_targets.set()
        else:
            self._has_targets.clear()

    def readings(self, previous: Observation | None) -> dict[int, DiskReading]:
        """Return the last readings by VMID. `previous`: the last stored poll, whose readings are judged."""
        former = previous.disks if previous else {}
        return {
            vmid: DiskReading(reading.number, reading.fullest, reading.error, judged=True)
            if vmid in former and former[vmid].number == reading.number
            else reading
            for vmid, reading in self._readings.items()
        }

    def known(self) -> Mapping[int, FileSystem]:
        """Return the fullest file systems by VMID, as far as they are known now."""
        now = self._clock.monotonic()
        return {vmid: found for vmid, (at, found, _) in self._values.items() if now - at < FRESH_SECONDS}

    async def run(self) -> None:
        """Ask one VM after the other until cancelled."""
        while True:
            await self._has_targets.wait()
            try:
                wait = await self.read_next()
            except Exception:  # noqa: BLE001 - any exception that left this loop would end the readings for good
                _log.exception("reading the disks of a VM failed")
                wait = GAP_SECONDS
            await self._clock.sleep(wait)

    async def read_next(self) -> float:
        """Ask the VM whose turn it is, if there is one. Return the seconds until the next turn."""
        if (rest := self._rest) > ROUNDING:
            return rest
        guest = self._next()
        if guest is None:
            return self._gap
        await self._ask(guest)
        return self._rest

    @property
    def _gap(self) -> float:
        return min(GAP_SECONDS, EVERY_SECONDS / max(1, len(self._targets)))

    @property
    def _rest(self) -> float:
        """Seconds that are left of the present gap."""
        return max(0.0, self._last + self._gap - self._clock.monotonic())

    def _next(self) -> Guest | None:
        """Return the VM whose turn it is. VMs that answered last time go first."""
        now = self._clock.monotonic()
        self._asked = {vmid: at for vmid, at in self._asked.items() if now - at < 2 * SILENT_DELAY}
        due = [vmid for vmid in self._targets if now - self._asked.get(vmid, -EVERY_SECONDS) >= EVERY_SECONDS]
        return self._targets[min(due, key=self._place)] if due else None

    def _place(self, vmid: int) -> tuple[float, int]:
        reading = self._readings.get(vmid)
        delay = SILENT_DELAY if reading and reading.fullest is None else 0.0
        return (self._asked.get(vmid, 0.0) + delay, vmid)

    async def _ask(self, guest: Guest) -> None:
        self._last = self._asked[guest.vmid] = self._clock.monotonic()
        error: BotError | None = None
        fullest: FileSystem | None = None
        try:
            fullest = fullest_of(await self._proxmox.file_systems(guest))
        except _NOT_ASKED as failed:
            _log.info("the file systems of guest %d could not be asked for: %s", guest.vmid, failed)
            return
        except BotError as failed:
            _log.info("the agent of guest %d does not tell its file systems: %s", guest.vmid, failed)
            error = failed
        present = self._targets.get(guest.vmid)
        if present is None or present.fingerprint != guest.fingerprint:
            return  # it is of no interest any more, has just stopped, or another guest has its VMID
        self._count += 1
        self._readings[guest.vmid] = DiskReading(self._count, fullest, error)
        if fullest is not None:
            self._values[guest.vmid] = (self._last, fullest, guest.fingerprint)


def _may_ask(guest: Guest, cluster: Cluster) -> bool:
    booted = guest.uptime is None or guest.uptime >= BOOT_SECONDS
    runs = guest.state is State.RUNNING and not guest.template and cluster.node_online(guest.node)
    return is_asked(guest, Metric.DISK) and runs and booted
