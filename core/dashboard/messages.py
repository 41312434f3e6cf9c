"""Post, find, edit, pin and delete the messages of dashboards. An attempt to post is stored before it is sent."""

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from core.clock import Clock
from core.dashboard.live import LiveDashboard
from core.dashboard.ports import DashboardChannel, DashboardStore
from core.dashboard.steps import after_loss
from core.delivery.channel import DeliveryFailure, NotDelivered
from core.delivery.outbox import LIMIT_MOST, LONG_PAUSE
from core.errors import JournalFailed

C = TypeVar("C")


class DashboardMessages(Generic[C]):
    """Carry out the steps on the message of a dashboard. Each step may raise NotDelivered and JournalFailed."""

    def __init__(self, store: DashboardStore, channel: DashboardChannel[C], clock: Clock) -> None:
        self._store, self._channel, self._clock = store, channel, clock

    async def post(self, live: LiveDashboard[C], view: C, true_at: float | None) -> None:
        """Post the message. An attempt whose outcome is unknown is repeated with the same nonce."""
        is_repeat = bool(live.dashboard.tried)
        if not is_repeat:
            live.change(tried=max(1.0, self._clock.now()), run=self._store.run)
            try:
                await self.save(live)
            except JournalFailed:
                live.change(tried=0.0)
                raise
            live.note(tried=self._clock.monotonic())
        try:
            message_id = await self._channel.post(live.dashboard, view, true_at)
        except NotDelivered as error:
            if error.not_taken and not is_repeat:
                live.change(tried=0.0)
            raise
        # a repeat may be answered with the message of the first attempt, which shows the contents of that time
        self._note_sent(live, None if is_repeat else view, true_at)
        await self._note_arrived(live, message_id)

    async def find(self, live: LiveDashboard[C]) -> None:
        """Search for the message of an attempt that may have arrived.

        If it is not there, let the next step send it again, unless the dashboard is being removed.
        """
        found = await self._channel.find(live.dashboard)
        if found is not None:
            await self._note_arrived(live, found)
        elif live.dashboard.ending:
            live.change(tried=0.0)
        else:
            live.change(run=self._store.run)  # the nonce is the same, in case Discord still knows it
            live.note(tried=self._clock.monotonic())

    async def _note_arrived(self, live: LiveDashboard[C], message_id: int) -> None:
        live.change(message_id=message_id, tried=0.0, posted=self._clock.now(), pinned=False)
        await self.save(live)

    async def edit(self, live: LiveDashboard[C], view: C, true_at: float | None) -> None:
        """Edit the message to show this view. `true_at`: Unix seconds of the read that it shows."""
        live.view = None  # not known until the edit has arrived
        live.note(sent=self._clock.monotonic())
        await self._channel.edit(live.dashboard, view, true_at)
        self._note_sent(live, view, true_at)
        if live.fault and not live.fault.pinning:
            live.fault = None

    def _note_sent(self, live: LiveDashboard[C], view: C | None, true_at: float | None) -> None:
        live.view, live.failures = view, 0
        live.note(sent=self._clock.monotonic(), true_at=true_at)

    async def pin(self, live: LiveDashboard[C]) -> None:
        """Pin the message. If that fails, the message stays without a pin, and pinning is tried again later."""
        try:
            await self._channel.pin(live.dashboard)
        except NotDelivered as error:
            if error.failure is DeliveryFailure.GONE or error.delays_all:
                raise
            live.note(pin_at=self._clock.monotonic() + max(LONG_PAUSE, min(error.wait, LIMIT_MOST)))
            live.note_fault(error.reason, self._clock.now(), pinning=True)
            return
        live.fault = None
        live.change(pinned=True)
        await self.save(live)

    async def delete(self, live: LiveDashboard[C]) -> None:
        """Delete the message, and store that there is none any more."""
        await self.unless_gone(live, self._channel.delete(live.dashboard))
        if live.dashboard.message_id is not None:
            live.dashboard = after_loss(live.dashboard)
            await self.save(live)

    async def unless_gone(self, live: LiveDashboard[C], work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, which needs the message. If Discord no longer has it, store that there is no message.

        A new message follows, unless the dashboard is being removed.
        """
        try:
            await work
        except NotDelivered as error:
            if error.failure is not DeliveryFailure.GONE:
                raise
            live.dashboard, live.view = after_loss(live.dashboard), None
            await self.save(live)

    async def save(self, live: LiveDashboard[C]) -> None:
        """Store the dashboard. Raises: JournalFailed."""
        live.is_stored = False
        saved = live.dashboard
        await self._store.put_dashboard(saved)
        live.is_stored = live.dashboard is saved
