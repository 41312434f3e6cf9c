"""Let things happen in the demo cluster from time to time, because a quiet cluster raises no alerts."""

from __future__ import annotations

import contextlib
import random
from typing import Protocol

from playground.pve.network.http import PveError
from playground.pve.server import Pve, TaskPlan

# Guests that crash from time to time. They are watched, so each crash raises an alert.
FRAGILE = (103, 102)
# A watched guest that root@pam shuts down once.
MAINTAINED = 201
# A guest whose backup fails, and the reason.
UNLUCKY, REASON = 107, "job errors"
# A shared storage. It raises one alert, not one per node.
FILLING = "nfs-backup"
# A node that becomes unreachable for a while.
LONELY = "pve3"
# A node whose pvestatd hangs for a while, and a guest whose long backup fails without being listed.
DAZED, LONG = "pve2", 108


class Happening(Protocol):
    """Something that happens by itself."""

    def step(self, now: float) -> None:
        """Do everything that is due at `now`."""


def _able(pve: Pve, vmid: int) -> bool:
    """Return whether the guest runs on an online node, has no lock, and was left alone for two minutes."""
    guest = pve.guest(vmid)
    return (
        guest is not None
        and guest.status == "running"
        and pve.nodes[guest.node].get("online", True)
        and not guest.lock
        and not pve.busy(vmid, within=120)
    )


class Crashes:
    """Let a guest crash and come back about two minutes later.

    The first crash comes 60 to 90 seconds after `started`, the next ones every 3 to 6 minutes. A guest that
    somebody acted on in the last two minutes is left alone.
    """

    def __init__(self, pve: Pve, started: float, seed: int) -> None:
        self._pve, self._rng = pve, random.Random(seed)
        self._next = started + self._rng.uniform(60, 90)
        self._crashed: tuple[int, float] | None = None

    def step(self, now: float) -> None:
        if self._crashed is not None:
            vmid, back_at = self._crashed
            guest = self._pve.guest(vmid)
            if guest is None or guest.status == "running" or self._pve.busy(vmid):
                self._crashed = None  # deleted, or somebody takes care of it
            elif now >= back_at:
                self._crashed = None
                self._pve.start_as_root(vmid)
        elif now >= self._next:
            self._next = now + self._rng.uniform(180, 360)
            able = [vmid for vmid in FRAGILE if _able(self._pve, vmid)]
            if able:
                self._pve.crash(able[0] if self._rng.random() < 0.75 else able[-1])
                chosen = [vmid for vmid in able if self._pve.guest(vmid).status == "stopped"]
                self._crashed = (chosen[0], now + self._rng.uniform(110, 130))


class Maintenance:
    """Let root@pam shut a guest down after about 3 minutes and start it about a minute later.

    This raises no alert.
    """

    def __init__(self, pve: Pve, started: float, seed: int) -> None:
        self._pve, rng = pve, random.Random(f"{seed}/maintenance")
        self._at, self._length = started + rng.uniform(175, 195), rng.uniform(50, 70)
        self._back_at: float | None = None
        self._over = False

    def step(self, now: float) -> None:
        if self._over or now < self._at:
            return
        if self._back_at is None:
            if _able(self._pve, MAINTAINED):
                self._pve.stop_as(MAINTAINED, how="shutdown")
                self._back_at = now + self._length
        elif now >= self._back_at:
            self._over = True
            guest = self._pve.guest(MAINTAINED)
            if guest is not None and guest.status == "stopped" and not self._pve.busy(MAINTAINED):
                self._pve.start_as_root(MAINTAINED)


class FailedBackup:
    """Let one backup fail after about 5 minutes."""

    def __init__(self, pve: Pve, started: float, seed: int) -> None:
        self._pve = pve
        self._at = started + random.Random(f"{seed}/backup").uniform(290, 310)
        self._over = False

    def step(self, now: float) -> None:
        if not self._over and now >= self._at and _able(self._pve, UNLUCKY):
            self._over = True
            seconds = 10.0 if self._pve.time_scale else 0.0
            self._pve.backup_job(UNLUCKY, ends=REASON, seconds=seconds)


class FillingStorage:
    """Fill a storage with backups: from minute 4 on, up to 94 % in minute 11. Delete old ones in minute 13."""

    FULL = 0.94

    def __init__(self, pve: Pve, started: float) -> None:
        self._pve, self._from, self._full_at, self._until = pve, started + 240, started + 660, started + 780
        store = pve.storages[FILLING]
        self._usual = 1 - store["avail"] / store["total"]
        self._over = False

    def step(self, now: float) -> None:
        if self._over or now < self._from:
            return
        done = min(1.0, (now - self._from) / (self._full_at - self._from))
        self._over = now >= self._until
        fill = self._usual if self._over else self._usual + (self.FULL - self._usual) * done
        self._pve.fill_storage(FILLING, fill)


class LonelyNode:
    """Make a node unreachable for about 90 seconds, after about 8 minutes. Its guests keep running."""

    def __init__(self, pve: Pve, started: float, seed: int) -> None:
        self._pve, rng = pve, random.Random(f"{seed}/node")
        self._at = started + rng.uniform(470, 490)
        self._back_at = self._at + rng.uniform(85, 95)
        self._gone = self._over = False

    def step(self, now: float) -> None:
        if not self._gone and self._at <= now < self._back_at:
            self._gone = True
            self._pve.node_offline(LONELY)
        elif self._gone and not self._over and now >= self._back_at:
            self._over = True
            self._pve.node_online(LONELY)


class LongBackup:
    """Start a backup after a quarter of an hour, and let it fail two minutes later.

    Then 26 other tasks push the backup out of the cluster's task list.
    """

    def __init__(self, pve: Pve, started: float) -> None:
        self._pve, self._at, self._ends_at = pve, started + 905, started + 1025
        self._plan: TaskPlan | None = None
        self._over = False

    def step(self, now: float) -> None:
        if self._over or now < self._at:
            return
        if self._plan is None:
            self._over = not _able(self._pve, LONG)
            if not self._over:
                self._plan = self._pve.backup_job(LONG, ends=REASON, hold=True)
        elif now >= self._ends_at:
            backup = self._pve.tasks[self._plan.upid]
            self._plan.release()
            if "exitstatus" in backup:  # at the next step, as a rule
                self._over = True
                self._pve.other_tasks(backup["node"])


class HungStatistics:
    """Let a node's pvestatd hang after 17 minutes, for 4 minutes: its guests answer, but are listed as unknown."""

    def __init__(self, pve: Pve, started: float) -> None:
        self._pve, self._at, self._back_at = pve, started + 1020, started + 1260
        self._hung = self._over = False

    def step(self, now: float) -> None:
        if not self._hung and self._at <= now < self._back_at:
            self._hung = True
            self._pve.hang_pvestatd(DAZED)
        elif self._hung and not self._over and now >= self._back_at:
            self._over = True
            self._pve.free_pvestatd(DAZED)


class Tunnel:
    """Let a proxy answer everything with its own page for half a minute, after about 14 minutes.

    The requests are carried out all the same.
    """

    STATUS = 524

    def __init__(self, pve: Pve, started: float, seed: int) -> None:
        self._pve = pve
        self._at = started + random.Random(f"{seed}/tunnel").uniform(835, 845)
        self._begun = self._over = False

    def step(self, now: float) -> None:
        if not self._begun and now >= self._at:
            self._begun = True
            self._pve.between.page("/api2/json/", self.STATUS, times=None)
        elif self._begun and not self._over and now >= self._at + 30:
            self._over = True
            self._pve.between.nothing()


class Life:
    """Run all happenings, with one `step` per second.

    Within a quarter of an hour each usual kind of event happens at least once. Then come two that are hard to
    notice. Crashes go on all the time. The same seed gives the same events if nobody interferes.
    """

    def __init__(self, pve: Pve, started: float, seed: int = 1) -> None:
        self._happenings: tuple[Happening, ...] = (
            Crashes(pve, started, seed),
            Maintenance(pve, started, seed),
            FailedBackup(pve, started, seed),
            FillingStorage(pve, started),
            LonelyNode(pve, started, seed),
            LongBackup(pve, started),
            HungStatistics(pve, started),
            Tunnel(pve, started, seed),
        )

    def step(self, now: float) -> None:
        """Do everything that is due at `now` (seconds of the clock that gave `started`)."""
        for happening in self._happenings:
            with contextlib.suppress(PveError):  # somebody else acted first
                happening.step(now)
