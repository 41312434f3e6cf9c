"""Stops that a person ordered through the bot, noted before the request is sent: they are no alarm.

They are noted in the journal, too, so that the bot's own end makes no alarm of them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from core.actions.order import Plan
from core.clock import Clock
from core.errors import JournalFailed
from core.verbs import ACTIONS

_log = logging.getLogger(__name__)

GRACE_SECONDS = 300.0
"""How long after the action a stop still counts as ordered: a guest may obey late, and HA acts in rounds."""
BLIND_SECONDS = 1800.0
"""How much longer an order counts while nothing can be seen."""
LAG_SECONDS = 30.0
"""The same once the guest was seen running again: only the cluster's list (10 s behind) may still show the stop."""


@dataclass(slots=True)
class ExpectedStop:
    """`sent`: Proxmox has (or may have) the request. `over`: the guest was seen running again. `observed`: it
    was seen stopped while the action still ran, which uses it up with the action's end.

    `began` and `until` are on the monotonic clock; `until` is None while the action runs.
    """

    by: str
    began: float
    until: float | None = None
    sent: bool = False
    running_again: bool = False
    seen: bool = False


StoreStop = Callable[[int, str | None], None]
"""Keeps who ordered a guest's stop (None: nobody any more) for the next run. May raise JournalFailed."""


def _store_nothing(vmid: int, by: str | None) -> None:
    """Before `begin`."""


class ExpectedStops:
    """Which guests are meant to go down just now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stops: dict[int, ExpectedStop] = {}
        self._store: StoreStop = _store_nothing

    def load(self, orders: Mapping[int, str], store: StoreStop) -> None:
        """What a former run had ordered may still happen; from now on orders are noted."""
        now = self._clock.monotonic()
        self._stops |= {
            vmid: ExpectedStop(by, now, now + GRACE_SECONDS, sent=True) for vmid, by in orders.items()
        }
        self._store = store

    @contextmanager
    def expect_stop(self, plan: Plan) -> Iterator[ExpectedStop]:
        """Around the action. What was refused is expected no longer. Raises JournalFailed first."""
        expected_stop = ExpectedStop(plan.order.actor.name, self._clock.monotonic())
        vmid = plan.order.vmid
        if not ACTIONS[plan.order.verb].stops:
            yield expected_stop
            return
        former = self._stops.get(vmid)
        self._store(vmid, expected_stop.by)
        self._stops[vmid] = expected_stop
        try:
            yield expected_stop
        finally:
            if former is not None and not expected_stop.sent and not expected_stop.seen:
                self._stops[vmid] = former  # a guest may still obey the order before
            elif not expected_stop.sent or expected_stop.seen:
                self._drop(vmid)
            else:
                grace = LAG_SECONDS if expected_stop.running_again else GRACE_SECONDS
                expected_stop.until = self._clock.monotonic() + grace

    def current(self, *, blind: bool = False) -> dict[int, str]:
        """VMID -> display name of who ordered the stop, for every stop expected now.

        `blind`: what has expired lately is expected yet, since nobody could see whether the guest obeyed; but half
        an hour at most, and not of a guest that was seen running again.
        """
        over = self.expired()
        if blind:
            late = self._clock.monotonic() - BLIND_SECONDS
            over = frozenset(
                v for v in over if self._stops[v].running_again or late > (self._stops[v].until or 0.0)
            )
        return {vmid: stop.by for vmid, stop in self._stops.items() if vmid not in over}

    def renew(self, vmid: int) -> None:
        """What a former run had ordered is at work still: its stop is expected for as long again, if it is at all."""
        stop = self._stops.get(vmid)
        if stop is not None and stop.until is not None:
            stop.until = self._clock.monotonic() + GRACE_SECONDS

    def withdraw(self, vmid: int, before: float) -> None:
        """The stop that was ordered before then (monotonic) has turned out never to have begun."""
        stop = self._stops.get(vmid)
        if stop is not None and stop.until is not None and stop.began <= before:
            self._drop(vmid)

    def expired(self) -> frozenset[int]:
        now = self._clock.monotonic()
        return frozenset(
            vmid for vmid, stop in self._stops.items() if stop.until is not None and now > stop.until
        )

    def forget(self, vmids: Iterable[int]) -> None:
        """These are not expected any more, and no longer noted."""
        for vmid in vmids:
            self._stops.pop(vmid, None)

    def on_stop_seen(self, vmid: int) -> None:
        """The ordered stop has been observed: the next one is an alarm again."""
        stop = self._stops.get(vmid)
        if stop is not None and stop.until is None:
            stop.seen = True
        elif stop is not None:
            self._drop(vmid)

    def _drop(self, vmid: int) -> None:
        """Expected no longer. What cannot be noted now excuses no more than it did before."""
        del self._stops[vmid]
        try:
            self._store(vmid, None)
        except JournalFailed as error:
            _log.warning("that a stop is over could not be noted: %s", error.reason)
