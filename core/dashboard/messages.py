"""Post, find, edit, pin and delete the message of one dashboard. Everything is stored before or after it is sent."""

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from core.clock import Clock
from core.dashboard.kept import Kept
from core.dashboard.ports import DashboardChannel, DashboardStore
from core.dashboard.steps import after_loss
from core.delivery.channel import DeliveryFailure, NotDelivered
from core.delivery.outbox import LIMIT_MOST, LONG_PAUSE
from core.errors import JournalFailed

C = TypeVar("C")


class DashboardMessages(Generic[C]):
    """Carry out one step on the message. Every method raises NotDelivered and JournalFailed."""

    def __init__(self, store: DashboardStore, channel: DashboardChannel[C], clock: Clock) -> None:
        self._store, self._channel, self._clock = store, channel, clock

    async def post(self, kept: Kept[C], view: C, true_at: float | None) -> None:
        """Post the message. An attempt whose outcome is unknown is repeated with the same nonce."""
        is_repeat = bool(kept.dashboard.tried)
        if not is_repeat:
            kept.change(tried=max(1.0, self._clock.now()), run=self._store.run)
            try:
                await self.save(kept)
            except JournalFailed:
                kept.change(tried=0.0)
                raise
            kept.note(tried=self._clock.monotonic())
        try:
            message_id = await self._channel.post(kept.dashboard, view, true_at)
        except NotDelivered as error:
            if error.not_taken and not is_repeat:
                kept.change(tried=0.0)
            raise
        # a repeat may be answered with the message of the first attempt, which shows the contents of that time
        self._note_sent(kept, None if is_repeat else view, true_at)
        await self._note_arrived(kept, message_id)

    async def find(self, kept: Kept[C]) -> None:
        """Search for the message of an attempt that may have arrived. If it is not there, it is sent once more."""
        found = await self._channel.find(kept.dashboard)
        if found is not None:
            await self._note_arrived(kept, found)
        elif kept.dashboard.ending:
            kept.change(tried=0.0)
        else:
            kept.change(run=self._store.run)  # the nonce is the same, in case Discord still knows it
            kept.note(tried=self._clock.monotonic())

    async def _note_arrived(self, kept: Kept[C], message_id: int) -> None:
        kept.change(message_id=message_id, tried=0.0, posted=self._clock.now(), pinned=False)
        await self.save(kept)

    async def edit(self, kept: Kept[C], view: C, true_at: float | None) -> None:
        kept.view = None  # not known until the edit has arrived
        kept.note(sent=self._clock.monotonic())
        await self._channel.edit(kept.dashboard, view, true_at)
        self._note_sent(kept, view, true_at)
        if kept.trouble and not kept.trouble.pinning:
            kept.trouble = None

    def _note_sent(self, kept: Kept[C], view: C | None, true_at: float | None) -> None:
        kept.view, kept.failures = view, 0
        kept.note(sent=self._clock.monotonic(), true_at=true_at)

    async def pin(self, kept: Kept[C]) -> None:
        """Pin the message. If that is refused, the dashboard lives on without it, and it is tried again later."""
        try:
            await self._channel.pin(kept.dashboard)
        except NotDelivered as error:
            if error.failure is DeliveryFailure.GONE or error.everywhere:
                raise
            kept.note(pin_at=self._clock.monotonic() + max(LONG_PAUSE, min(error.wait, LIMIT_MOST)))
            kept.note_trouble(error.reason, self._clock.now(), pinning=True)
            return
        kept.trouble = None
        kept.change(pinned=True)
        await self.save(kept)

    async def delete(self, kept: Kept[C]) -> None:
        await self.unless_gone(kept, self._channel.delete(kept.dashboard))
        if kept.dashboard.message_id is not None:
            kept.dashboard = after_loss(kept.dashboard)
            await self.save(kept)

    async def unless_gone(self, kept: Kept[C], work: Coroutine[Any, Any, None]) -> None:
        """Do something with the message. If it is gone, forget it: a new one follows, unless it is being removed."""
        try:
            await work
        except NotDelivered as error:
            if error.failure is not DeliveryFailure.GONE:
                raise
            kept.dashboard, kept.view = after_loss(kept.dashboard), None
            await self.save(kept)

    async def save(self, kept: Kept[C]) -> None:
        """Store the dashboard. Raises: JournalFailed."""
        kept.is_stored = False
        saved = kept.dashboard
        await self._store.put_dashboard(saved)
        kept.is_stored = kept.dashboard is saved
