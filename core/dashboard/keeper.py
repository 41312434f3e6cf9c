"""Keep one message for each dashboard of a site: post it, edit it when something changed, replace it if it is gone.

An attempt to post is stored before it is sent, and the success after it, as for alerts (core/delivery/outbox.py).
core/dashboard/steps.py decides the next step, core/dashboard/messages.py takes it. A single task sends.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from core.access.rate_limit import Rate
from core.clock import Clock
from core.dashboard.contents import Contents
from core.dashboard.live import DashboardFault, LiveDashboard
from core.dashboard.messages import DashboardMessages
from core.dashboard.model import DASHBOARDS_MOST, LIMITED_MOST, Dashboard, Extent
from core.dashboard.pace import Pace
from core.dashboard.ports import AddOutcome, DashboardChannel, DashboardStore
from core.dashboard.source import ContentsSource
from core.dashboard.steps import NEVER, NEW_SECONDS, MessageStep, Moment, next_step
from core.delivery.channel import DeliveryFailure, NotDelivered, OwnReason
from core.delivery.outbox import LIMIT_MOST, LONG_PAUSE, PAUSES, sleep_until_set
from core.errors import JournalFailed
from core.wanted_errors import DashboardExists, NoSuchDashboard, TooManyDashboards, TooManyOwnDashboards

C = TypeVar("C")

TURN = Rate(1, 2 * NEW_SECONDS)
"""A new message puts its person's dashboards behind those of others for `every` seconds. Several times add up."""

_log = logging.getLogger(__name__)


class DashboardKeeper(Generic[C]):
    """The dashboards of one site."""

    def __init__(
        self, store: DashboardStore, channel: DashboardChannel[C], source: ContentsSource, clock: Clock
    ) -> None:
        self._store, self._channel, self._source, self._clock = store, channel, source, clock
        self._messages = DashboardMessages(store, channel, clock)
        self._new_messages = Pace(clock, Rate(DASHBOARDS_MOST, NEW_SECONDS))
        self._live: dict[str, LiveDashboard[C]] = {}
        self._taken: dict[int, float] = {}
        """Monotonic time until which a person's dashboards come after those of others (`TURN`), by user id."""
        self._work, self._ending, self._busy = asyncio.Event(), asyncio.Event(), asyncio.Lock()
        self._rounds = asyncio.Condition()
        self._limited_until = NEVER
        self._is_loaded = False

    # -- for others

    def dashboards(self) -> tuple[tuple[Dashboard, DashboardFault | None], ...]:
        """Return the dashboards that are not being removed, oldest first, each with its fault."""
        return tuple(
            (each.dashboard, each.fault) for each in self._live.values() if not each.dashboard.ending
        )

    def find(self, mark: str) -> Dashboard | None:
        live = self._live.get(mark)
        return live.dashboard if live and not live.dashboard.ending else None

    async def stored_marks(self) -> frozenset[str]:
        """Return the marks of all dashboards, including those that are being removed. Raises: JournalFailed."""
        await self._load()
        return frozenset(self._live)

    def contents(self, extent: Extent) -> Contents | None:
        """Return the contents of a dashboard of this extent, None before the first attempt to read the cluster."""
        return self._source.contents(extent)

    async def create(self, dashboard: Dashboard) -> None:
        """Store a new dashboard. Its message follows.

        Raises: DashboardExists, TooManyDashboards, TooManyOwnDashboards, JournalFailed.
        """
        await self._load()
        outcome = await self._store.add_dashboard(dashboard)
        if outcome is AddOutcome.EXISTS:
            raise DashboardExists(dashboard.channel_id)
        if outcome is AddOutcome.FULL:
            raise TooManyDashboards(DASHBOARDS_MOST)
        if outcome is AddOutcome.OWN_FULL:
            raise TooManyOwnDashboards(LIMITED_MOST)
        self._live.setdefault(dashboard.mark, LiveDashboard(dashboard))
        self.wake()

    async def remove(self, mark: str) -> Dashboard:
        """Remove a dashboard. Its message is deleted as soon as Discord allows it.

        Raises: NoSuchDashboard, JournalFailed.
        """
        if (live := self._live.get(mark)) is None or live.dashboard.ending:
            raise NoSuchDashboard(mark)
        live.change(ending=True)
        try:
            await self._messages.save(live)
        except JournalFailed:
            live.change(ending=False)
            raise
        live.note(retry_at=live.limited_until)
        self.wake()
        return live.dashboard

    async def refresh(self, mark: str, seconds: float) -> None:
        """Edit the message now, if something newer is known. Wait for the edit up to `seconds`.

        Do nothing if the last edit was less than `REFRESH_SECONDS` ago (core/dashboard/steps.py).
        """
        if (live := self._live.get(mark)) is None:
            return
        live.note(asked=True)
        self.wake()
        await self.wait_until(lambda: not live.shown.asked, seconds)

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition is true, up to `seconds`. Return whether it is. Each `attend` checks it again."""
        try:
            async with asyncio.timeout(seconds), self._rounds:
                await self._rounds.wait_for(condition)
        except TimeoutError:
            return False
        return True

    # -- the loop

    def on_poll(self) -> None:
        """Note that the watch has polled: there may be something new to show."""
        self._source.on_poll()
        self.wake()

    def wake(self) -> None:
        """Let `run` look at all dashboards now, because something may have changed."""
        self._work.set()

    def store_again(self) -> None:
        """Store all dashboards again, because the journal has lost rows."""
        for live in self._live.values():
            live.is_stored = False
        self.wake()

    def on_reconnect(self) -> None:
        """Try failed steps again: Discord is back. A wait that Discord asked for still holds, except for a pin."""
        for live in self._live.values():
            live.note(retry_at=live.limited_until, pin_at=NEVER)
        self.wake()

    async def run(self) -> None:
        """Keep the messages until the bot ends. Unexpected errors are logged and do not end the loop."""
        async with self._busy:
            while not self._ending.is_set():
                self._work.clear()
                try:
                    pause = await self.attend()
                except Exception:  # noqa: BLE001 - any exception that left this loop would end it for good
                    _log.exception("the dashboards cannot be kept")
                    pause = LONG_PAUSE
                if not self._ending.is_set():
                    await (
                        self._work.wait()
                        if pause is None
                        else sleep_until_set(self._clock, pause, self._work)
                    )

    async def finish(self) -> None:
        """Wait for the current request before the bot ends. No call of discord.py may be cancelled."""
        self._ending.set()
        self._work.set()
        async with self._busy:
            pass

    async def attend(self) -> float | None:
        """Do everything that is due. Return the seconds until more is due, None if that takes a call of `wake`."""
        try:
            await self._load()
        except JournalFailed as error:
            _log.warning("the dashboards could not be read: %s", error.reason)
            return PAUSES[-1]
        for live in list(self._live.values()):
            if not live.is_stored:
                with contextlib.suppress(JournalFailed):  # the next step tries it again, and pauses
                    await self._messages.save(live)
        if self._live:
            await self._source.prepare()
        due: list[float] = []
        for live in self._in_turn():
            until = await self._attend_one(live)
            if until is not None:
                due.append(until)
        async with self._rounds:
            self._rounds.notify_all()
        return max(0.0, min(due) - self._clock.monotonic()) if due else None

    def _in_turn(self) -> list[LiveDashboard[C]]:
        """Return the dashboards in the order of `TURN`, and within it the oldest first.

        New messages of a site are limited. Somebody who makes and removes dashboards in a loop delays others little.
        """
        now = self._clock.monotonic()
        return sorted(
            self._live.values(), key=lambda live: max(now, self._taken.get(live.dashboard.by_id, now))
        )

    async def _load(self) -> None:
        """Read the stored dashboards once. Raises: JournalFailed."""
        if self._is_loaded:
            return
        for dashboard in await self._store.dashboards():
            self._live.setdefault(dashboard.mark, LiveDashboard(dashboard))
        self._is_loaded = True

    async def _attend_one(self, live: LiveDashboard[C]) -> float | None:
        """Take the steps that are due. Return the monotonic time of the next one, None if none is foreseen."""
        for _ in range(len(MessageStep)):
            if self._ending.is_set():
                return None
            if self._limited_until > self._clock.monotonic():
                return self._limited_until
            try:
                if not live.is_stored:
                    await self._messages.save(live)
                step, until = await self._step(live)
            except NotDelivered as error:
                self._pause_after(live, error)
            except JournalFailed as error:
                self._pause(live, live.next_pause(), f"the journal: {error.reason}")
            except Exception:  # noqa: BLE001 - a bug in one dashboard must not stop the others
                _log.exception("the dashboard %s cannot be kept", live.dashboard.mark)
                self._pause(live, LONG_PAUSE, OwnReason.OWN_ERROR)
            else:
                if step is MessageStep.WAIT:
                    live.note(asked=False)
                    return until
                if step is MessageStep.FORGET:
                    return None
                continue
            live.note(asked=False)
            return live.shown.retry_at
        return self._clock.monotonic() + PAUSES[-1]

    async def _step(self, live: LiveDashboard[C]) -> tuple[MessageStep, float | None]:
        """Take the next step, and return it as `next_step` does. A POST that comes too early becomes WAIT.

        Raises: NotDelivered, JournalFailed.
        """
        contents = self._source.contents(live.dashboard.extent)
        view = None if contents is None else self._channel.compose(live.dashboard, contents)
        true_at = contents.true_at if contents else None
        live.note(is_current=view is not None and view == live.view)
        now = Moment(
            self._clock.monotonic(), self._clock.now(), true_at, contents is not None, self._store.run
        )
        step, until = next_step(live.dashboard, live.shown, now)
        if step is MessageStep.POST and now.monotonic < self._new_messages.free_at:
            return MessageStep.WAIT, self._new_messages.free_at
        match step:
            case MessageStep.POST if view is not None:
                self._new_messages.take()
                by = live.dashboard.by_id
                self._taken[by] = TURN.full_after_one(self._taken.get(by, NEVER), now.monotonic)
                await self._messages.post(live, view, true_at)
            case MessageStep.FIND:
                await self._messages.find(live)
            case MessageStep.EDIT if view is not None:
                await self._messages.unless_gone(live, self._messages.edit(live, view, true_at))
            case MessageStep.PIN:
                await self._messages.unless_gone(live, self._messages.pin(live))
            case MessageStep.DELETE:
                await self._messages.delete(live)
            case MessageStep.FORGET:
                await self._store.drop_dashboard(live.dashboard.mark)
                self._live.pop(live.dashboard.mark, None)
        return step, until

    # -- failures

    def _pause_after(self, live: LiveDashboard[C], error: NotDelivered) -> None:
        if error.wait:
            pause = max(PAUSES[0], min(error.wait, LIMIT_MOST))
            live.limited_until = self._clock.monotonic() + pause
        elif error.failure is DeliveryFailure.PASSING:
            pause = live.next_pause()
        else:
            pause = LONG_PAUSE
        if error.wait and error.delays_all:
            self._limited_until = self._clock.monotonic() + pause
        self._pause(live, pause, error.reason)

    def _pause(self, live: LiveDashboard[C], seconds: float, reason: str) -> None:
        live.note(retry_at=self._clock.monotonic() + seconds)
        live.note_fault(reason, self._clock.now())
