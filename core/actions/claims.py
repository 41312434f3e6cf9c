"""One action at a time per guest: who is at work on it, and how many have ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from core.actions.order import Plan
from core.clock import Clock
from core.errors import ChangedMeanwhile, GuestBusy
from core.verbs import Verb


class Claims:
    """`busy`, by VMID: what to say to everybody else while an action on the guest is under way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.busy: dict[int, GuestBusy] = {}
        self._ended: dict[int, int] = {}
        """By VMID: how many actions have ended. Only guests that were acted on are in it."""

    def ended(self, vmid: int) -> int:
        """How many actions on this guest have ended."""
        return self._ended.get(vmid, 0)

    @contextmanager
    def alone(self, plan: Plan, ended: int) -> Iterator[None]:
        """Around the action. Nothing was awaited since the plan was made, which admits the person.

        Raises GuestBusy, and ChangedMeanwhile where an action has ended since `ended` were counted: the plan is
        older than what it did.
        """
        order, vmid = plan.order, plan.order.vmid
        if running := self.busy.get(vmid):
            raise replace(running)
        if self.ended(vmid) != ended and order.verb is not Verb.CREATE:
            raise ChangedMeanwhile(vmid)
        self.busy[vmid] = GuestBusy(
            vmid=vmid,
            label=plan.guest.label,
            verb=order.verb.value,
            by=order.actor.name,
            since=self._clock.now(),
            by_id=order.actor.user_id,
        )
        try:
            yield
        finally:
            del self.busy[vmid]
            self._ended[vmid] = self.ended(vmid) + 1
