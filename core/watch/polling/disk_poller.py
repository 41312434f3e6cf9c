"""Ask the guest agents of VMs with a disk threshold how full their file systems are.

One VM is asked after the other, and each at most every ten minutes, beside the polls of the cluster: an agent that
hangs holds up no poll. There is a gap between two VMs, even after a start of the bot.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

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
from core.watch.incidents.observation import DiskReading
from core.watch.incidents.thresholds import BETWEEN_STATES

EVERY_SECONDS = 600.0
"""Minimum seconds between two readings of one VM."""
GAP_SECONDS = 10.0
"""Seconds between readings of two VMs. The gap is shorter if there are more VMs than fit into `EVERY_SECONDS`."""
FRESH_SECONDS = 2 * EVERY_SECONDS
"""Age in seconds at which an answer counts as not known."""
BOOT_SECONDS = 120
"""Uptime in seconds below which a VM is not asked: its agent may not be running yet."""
SILENT_DELAY = 10 * EVERY_SECONDS
"""Seconds by which VMs whose agents were silent let others go first, if there is no time for all."""
ROUNDING = 0.01
"""Seconds of a gap that are not waited for."""

_NOT_ASKED = (
    *(CertificateNotTrusted, GuestMoved, NoQuorum, QueueFull, TokenRefused, Unreachable),
    ValueError,  # the list contains an invalid node name
)
"""Errors that say nothing about the agent. Except ValueError they do not last while the polls of the cluster succeed.

NodeUnreachable is not among them: a node whose API alone is down stays listed as online, and nobody would learn that
its disks are unknown.
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The result of one request. `at`: monotonic time of the request. `fingerprint`: of the guest that was asked."""

    at: float
    fingerprint: str
    reading: DiskReading


class DiskPoller:
    """Ask VMs in turn, and keep their answers.

    `proxmox`: in another lane than the polls of the cluster, so that these do not wait for its calls.
    """

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._targets: dict[int, Guest] = {}
        """The VMs that are asked in turn."""
        self._running: dict[int, Guest] = {}
        """The guests with a disk threshold that run or may run, as the last good poll shows them."""
        self._doubtful: set[int] = set()
        """The guests whose identity the last good poll could not confirm: another guest may have got the VMID."""
        self._asked: dict[int, float] = {}
        """Monotonic time of the last request, by VMID."""
        self._answers: dict[int, _Answer] = {}
        """The last answer of each VM."""
        self._known: dict[int, _Answer] = {}
        """The last answer of each VM that named file systems."""
        self._count = 0  # answers of this run
        self._last = -GAP_SECONDS  # monotonic time of the last request
        self._has_targets = asyncio.Event()

    def aim(
        self, entries: Iterable[WatchEntry], cluster: Cluster | None, unsure: Collection[int] = ()
    ) -> None:
        """Set which VMs are asked from now on, and drop the answers that `_keeps` does not keep.

        `cluster`: the last poll; None if it failed: then no VM is asked, and no answer is dropped.
        `unsure`: the guests that the last poll does not judge. Their answers are kept.
        """
        self._targets.clear()
        if cluster is not None:
            guests = {entry.vmid: cluster.find(entry.vmid) for entry in entries if entry.disk is not None}
            self._running = {
                vmid: guest
                for vmid, guest in guests.items()
                if guest and (guest.state is State.RUNNING or guest.state in BETWEEN_STATES)
            }
            # while the state of a guest is unknown, so is its name
            unknown = (vmid for vmid, guest in self._running.items() if guest.state is State.UNKNOWN)
            self._doubtful = guests.keys() & {*unsure, *unknown}
            self._targets = {vmid: guest for vmid, guest in self._running.items() if _may_ask(guest, cluster)}
            self._answers = {vmid: each for vmid, each in self._answers.items() if self._keeps(vmid, each)}
            self._known = {vmid: each for vmid, each in self._known.items() if self._keeps(vmid, each)}
        if self._targets:
            self._has_targets.set()
        else:
            self._has_targets.clear()

    def _keeps(self, vmid: int, answer: _Answer) -> bool:
        """Return whether to keep the answer: its guest still has the VMID, runs or may run, and has a disk threshold.

        Keep it, too, while the guest's identity is in doubt.
        """
        return vmid in self._doubtful or _is_of(answer, self._running.get(vmid))

    def readings(self, cluster: Cluster | None = None) -> dict[int, DiskReading]:
        """Return the last readings by VMID, without outdated ones.

        `cluster`: leave out readings of another guest that had the VMID before.
        """
        return {
            vmid: answer.reading
            for vmid, answer in self._answers.items()
            if self._is_fresh(answer) and (cluster is None or _is_of(answer, cluster.find(vmid)))
        }

    def on_judged(self, readings: Mapping[int, DiskReading]) -> None:
        """Note that these readings are judged, and that this is stored: each counts once."""
        for vmid, reading in readings.items():
            answer = self._answers.get(vmid)
            if answer and answer.reading.number == reading.number:
                self._answers[vmid] = replace(answer, reading=replace(reading, judged=True))

    def known(self) -> Mapping[tuple[int, str], FileSystem]:
        """Return the fullest file systems by VMID and fingerprint, as far as they are known now.

        The fingerprint matters, because another guest, which other people may see, may have got the VMID since.
        """
        return {
            (vmid, answer.fingerprint): answer.reading.fullest
            for vmid, answer in self._known.items()
            if answer.reading.fullest and self._is_fresh(answer)
        }

    def _is_fresh(self, answer: _Answer) -> bool:
        return self._clock.monotonic() - answer.at < FRESH_SECONDS

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
        """Ask the VM whose turn it is, if the gap is over and a VM is due. Return the seconds until the next turn."""
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
        """Return the VM whose turn it is, None if none is due. VMs with a silent agent let others go first."""
        now = self._clock.monotonic()
        self._asked = {vmid: at for vmid, at in self._asked.items() if now - at < 2 * SILENT_DELAY}
        due = [vmid for vmid in self._targets if now - self._asked.get(vmid, -EVERY_SECONDS) >= EVERY_SECONDS]
        return self._targets[min(due, key=self._place)] if due else None

    def _place(self, vmid: int) -> tuple[float, int]:
        answer = self._answers.get(vmid)
        delay = SILENT_DELAY if answer and answer.reading.fullest is None else 0.0
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
            _log.info("the agent of guest %d does not report its file systems: %s", guest.vmid, failed)
            error = failed
        answer = _Answer(self._last, guest.fingerprint, DiskReading(self._count + 1, fullest, error))
        if not self._keeps(guest.vmid, answer):
            return
        self._count += 1
        self._answers[guest.vmid] = answer
        if fullest is not None:
            self._known[guest.vmid] = answer


def _is_of(answer: _Answer, guest: Guest | None) -> bool:
    return guest is not None and guest.fingerprint == answer.fingerprint


def _may_ask(guest: Guest, cluster: Cluster) -> bool:
    booted = guest.uptime is None or guest.uptime >= BOOT_SECONDS
    runs = guest.state is State.RUNNING and not guest.template and cluster.node_online(guest.node)
    return is_asked(guest, Metric.DISK) and runs and booted
