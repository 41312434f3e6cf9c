"""Remember stops that were ordered through the bot: they raise no alert.

A stop is noted before its request is sent, in memory and in the journal. It still counts after a restart of the bot.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from core.actions.order import Plan
from core.clock import Clock
from core.operations import OPERATIONS

GRACE_SECONDS = 300.0
"""Seconds after the action, or after the bot's start, in which a stop still counts as ordered.

A guest may obey late, and HA acts in rounds.
"""
BLIND_SECONDS = 1800.0
"""Additional seconds in which a stop counts as ordered while the bot cannot see the guest."""
LAG_SECONDS = 30.0
"""Seconds after the action in which a stop counts as ordered if the guest was seen running again.

Only the cluster's list (10 s behind) may still show the stop then.
"""


@dataclass(slots=True)
class ExpectedStop:
    """One ordered stop.

    `by`: display name of the person who ordered it.
    `sent`: Proxmox has, or may have, the request.
    `running_again`: the action is done, and the guest was seen running after it.
    `seen`: the guest was seen stopped during the action. No stop after the action is then expected.
    `began` and `until` are on the monotonic clock. `until` is None while the action runs.
    """

    by: str
    began: float
    until: float | None = None
    sent: bool = False
    running_again: bool = False
    seen: bool = False


class StopStore(Protocol):
    """Store the ordered stops for the next run."""

    async def store_expected_stop(self, vmid: int, by: str) -> None:
        """Store durably the display name of the person who ordered a guest's stop. Raises: JournalFailed."""

    def drop_expected_stop(self, vmid: int) -> None:
        """Delete the stored stop soon, after all earlier writes. Does not raise."""


class ExpectedStops:
    """The ordered stops, at most one per guest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stops: dict[int, ExpectedStop] = {}
        self._store: StopStore | None = None

    def load(self, stored: Mapping[int, str], store: StopStore) -> None:
        """Expect the stops that an earlier run stored (VMID -> display name), because they may still happen.

        Further stops are stored in `store`.
        """
        now = self._clock.monotonic()
        self._stops |= {
            vmid: ExpectedStop(by, now, now + GRACE_SECONDS, sent=True) for vmid, by in stored.items()
        }
        self._store = store

    @asynccontextmanager
    async def expect_stop(self, plan: Plan) -> AsyncIterator[ExpectedStop]:
        """Expect the guest's stop during the `async with` block, if the operation stops the guest.

        After the block it is expected for GRACE_SECONDS or LAG_SECONDS more. It is not if the request was not sent,
        or if the stop was seen. If the request was not sent, an earlier stop that was not seen counts again.
        Raises: JournalFailed before the block.
        """
        expected_stop = ExpectedStop(plan.order.actor.name, self._clock.monotonic())
        vmid = plan.order.vmid
        if not OPERATIONS[plan.order.operation].stops:
            yield expected_stop
            return
        former = self._stops.get(vmid)
        self._stops[vmid] = expected_stop  # first: a poll that is stored next must not delete the new record
        try:
            if self._store is not None:
                await self._store.store_expected_stop(vmid, expected_stop.by)
            yield expected_stop
        finally:
            if former is not None and not expected_stop.sent and not expected_stop.seen:
                self._stops[vmid] = former  # the guest may still obey the earlier request
            elif not expected_stop.sent or expected_stop.seen:
                self._drop(vmid)
            else:
                grace = LAG_SECONDS if expected_stop.running_again else GRACE_SECONDS
                expected_stop.until = self._clock.monotonic() + grace

    def current(self, *, blind: bool = False) -> dict[int, str]:
        """Return the stops expected now: VMID -> display name of the person who ordered it.

        `blind`: include recently expired ones, because nobody could see whether the guest obeyed. They count
        for half an hour more, unless the guest was seen running again.
        """
        over = self.expired()
        if blind:
            late = self._clock.monotonic() - BLIND_SECONDS
            over = frozenset(
                v for v in over if self._stops[v].running_again or late > (self._stops[v].until or 0.0)
            )
        return {vmid: stop.by for vmid, stop in self._stops.items() if vmid not in over}

    def renew(self, vmid: int) -> None:
        """Expect a stop for GRACE_SECONDS from now, because the result of its action is not known yet.

        Does nothing if no stop of this guest is remembered, or while an action of this run is running.
        """
        stop = self._stops.get(vmid)
        if stop is not None and stop.until is not None:
            stop.until = self._clock.monotonic() + GRACE_SECONDS

    def withdraw(self, vmid: int, before: float) -> None:
        """Remove a stop that was ordered up to this monotonic time, because its action never began."""
        stop = self._stops.get(vmid)
        if stop is not None and stop.until is not None and stop.began <= before:
            self._drop(vmid)

    def expired(self) -> frozenset[int]:
        now = self._clock.monotonic()
        return frozenset(
            vmid for vmid, stop in self._stops.items() if stop.until is not None and now > stop.until
        )

    def forget(self, vmids: Iterable[int]) -> None:
        """Forget these expired stops. Their records are deleted already. A stop that counts again by now stays."""
        for vmid in self.expired().intersection(vmids):
            del self._stops[vmid]

    def on_stop_seen(self, vmid: int) -> None:
        """Note that the ordered stop was seen. A later stop after the action raises an alert again."""
        stop = self._stops.get(vmid)
        if stop is not None and stop.until is None:
            stop.seen = True
        elif stop is not None:
            self._drop(vmid)

    def _drop(self, vmid: int) -> None:
        """Remove the stop of this guest. If it cannot be deleted from the store, the next run still expects it."""
        del self._stops[vmid]
        if self._store is not None:
            self._store.drop_expected_stop(vmid)
