"""Allow one action at a time per guest, and count the ended ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from core.actions.order import Plan
from core.clock import Clock
from core.errors import ChangedMeanwhile
from core.guest_errors import GuestBusy
from core.operations import Operation


class Claims:
    """Hold the claims. `busy`: by VMID, the error for any other action on the guest while one runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.busy: dict[int, GuestBusy] = {}
        self._ended: dict[int, int] = {}
        """By VMID, the number of ended actions. It contains only guests that were acted on."""

    def count_ended(self, vmid: int) -> int:
        """Return the number of ended actions on this guest."""
        return self._ended.get(vmid, 0)

    @contextmanager
    def alone(self, plan: Plan, ended: int) -> Iterator[None]:
        """Claim the guest for the action in the `with` block.

        Access was checked when the plan was made: there must be no await between that and this call.
        `ended`: the result of `count_ended` before the plan was made.
        Raises: GuestBusy; ChangedMeanwhile if an action on the guest has ended since then, because the plan is
        outdated (except for CREATE).
        """
        order, vmid = plan.order, plan.order.vmid
        if running := self.busy.get(vmid):
            raise replace(running)
        if self.count_ended(vmid) != ended and order.operation is not Operation.CREATE:
            raise ChangedMeanwhile(vmid)
        self.busy[vmid] = GuestBusy(
            vmid=vmid,
            label=plan.guest.label,
            verb=order.operation.value,
            by=order.actor.name,
            since=self._clock.now(),
            by_id=order.actor.user_id,
        )
        try:
            yield
        finally:
            del self.busy[vmid]
            self._ended[vmid] = self.count_ended(vmid) + 1
