"""Test the loop behind the alerts: no exception ends it, no clock stalls it, and missed polls lead to a single one.

The cog is the real one, at an interval of a fifth of a second instead of a minute.
"""

import asyncio
import contextlib
import datetime
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self

import aiohttp
import discord
import pytest

from cogs.monitor import WatchLoop
from core.clock import Clock
from core.delivery.alerts import AlertDelivery
from core.errors import JournalFailed, StoreFailed
from core.proxmox_errors import Unreachable
from core.watch.incidents.state import GuestState
from core.watch.service import Watch
from tests.support import stage
from tests.support.stage import Stage
from ui.messages.startup import journal_stuck, journal_well, watch_broken, watch_hangs, watch_works
from ui.watch.alert_channel import DiscordAlertChannel
from ui.watch.reports import Pulse, WatchReports

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

INTERVAL = 0.2


class RecordingWatch(Watch):
    """Record when the watch polls, and fail when told to."""

    def __init__(self, real: Watch) -> None:
        self.maintenance, self.disks = real.maintenance, real.disks
        self.polls: list[float] = []
        self.stumbles: list[BaseException] = []
        self.seconds = 0.0
        self.read_error = self.journal_error = None

    @property
    def read_age(self) -> float:
        return 0.0

    async def poll(self) -> None:
        self.polls.append(time.monotonic())
        await asyncio.sleep(self.seconds)
        if self.stumbles:
            raise self.stumbles.pop(0)


class Beats:
    """Count the heartbeats."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.error: str | None = None
        self.last_beat: float | None = None
        self.is_enabled = True
        self.seconds = seconds
        self.count = 0

    async def beat(self) -> bool:
        self.count += 1
        await asyncio.sleep(self.seconds)
        return True


@contextlib.asynccontextmanager
async def watching(
    scene: Stage, beats: Beats | None = None, *, connected: bool = True, silence: float = 0.0
) -> AsyncIterator[tuple[WatchLoop, RecordingWatch]]:
    watch = RecordingWatch(scene.site.watch)
    channel = DiscordAlertChannel(scene.bot, scene.alerts.id, scene.t())
    services = replace(
        scene.services,
        poll_seconds=INTERVAL,
        clock=Clock(),
        connected=lambda: connected,
        gateway_age=lambda: silence,
        heartbeat=beats or Beats(),
    )
    site = replace(
        scene.site,
        services=services,
        watch=watch,
        alert_delivery=AlertDelivery(scene.site.journal, channel, Clock()),
    )
    reports = WatchReports(site, channel.send_line, leads=True)
    loop = WatchLoop(site, reports, Pulse(beats or Beats(), {site.name}), scene.bot.presence)
    loop.start()
    try:
        yield loop, watch
    finally:
        loop.cancel()


async def polls_again(scene: Stage, watch: RecordingWatch, times: int = 3) -> None:
    before = len(watch.polls)
    await scene.until(lambda: len(watch.polls) >= before + times, "more polls")


async def test_the_loop_polls_at_every_interval(scene: Stage) -> None:
    async with watching(scene) as (_, watch):
        await scene.until(lambda: len(watch.polls) >= 5)
        taken = watch.polls[-1] - watch.polls[0]
        assert taken > 0.9 * INTERVAL * (len(watch.polls) - 1)


async def test_no_exception_ends_or_delays_it(scene: Stage) -> None:
    """Trap T1: foreign exceptions end a `tasks.loop`. Trap T2: after OSErrors it pauses for up to 1024 s."""
    scene.expected_errors.append("unexpected error")
    stumbles = [
        KeyError("data"),
        RuntimeError("no running event loop"),
        StoreFailed("ENOSPC"),
        discord.DiscordException("anything"),
        MemoryError(),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        aiohttp.ClientError("broken"),
        OSError("once more"),
    ]
    async with watching(scene) as (loop, watch):
        watch.stumbles = list(stumbles)
        await polls_again(scene, watch, len(stumbles) + 2)
        assert not watch.stumbles
        assert max(later - earlier for earlier, later in itertools.pairwise(watch.polls)) < 2.0
        assert loop._poll.is_running()
        assert not loop._poll.failed()
    assert len([line for line in scene.logged if "unexpected error" in line]) == len(stumbles)


async def test_a_loop_that_ended_all_the_same_is_started_again(scene: Stage) -> None:
    scene.expected_errors.append("is started again")
    async with watching(scene) as (loop, watch):
        await polls_again(scene, watch)
        watch.stumbles = [asyncio.CancelledError()]
        await scene.until(lambda: not loop._poll.is_running(), "the loop's end")
        await polls_again(scene, watch, 5)
        assert loop._poll.is_running()


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Shift the wall clock that `tasks.loop` and `discord.utils` read."""
    real = datetime.datetime

    class Shifted(real):  # type: ignore[valid-type, misc]  # the class as it is at this moment
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return real.now(tz) + datetime.timedelta(seconds=seconds)  # type: ignore[return-value]  # a datetime

    monkeypatch.setattr(datetime, "datetime", Shifted)


async def test_a_clock_set_forward_makes_no_burst(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap T3: an hour forward would mean sixty polls at once."""
    async with watching(scene) as (_, watch):
        await polls_again(scene, watch)
        set_clock(monkeypatch, 60 * INTERVAL)
        began = len(watch.polls)
        await polls_again(scene, watch, 6)
        taken = watch.polls[began + 5] - watch.polls[began]
        assert taken > 2 * INTERVAL, "six polls at once, or nearly"


async def test_a_clock_set_back_makes_no_stall(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap T3: an hour back would mean an hour without a poll. The watchdog starts the loop again."""
    scene.expected_errors.append("is started again")
    async with watching(scene) as (_, watch):
        await polls_again(scene, watch)
        set_clock(monkeypatch, -600 * INTERVAL)
        began = time.monotonic()
        await polls_again(scene, watch, 5)
        assert time.monotonic() - began < 100 * INTERVAL


async def test_a_poll_that_takes_long_is_not_taken_for_dead(scene: Stage) -> None:
    """The watchdog lets a slow read finish and begins no other beside it."""
    async with watching(scene) as (loop, watch):
        await polls_again(scene, watch)
        watch.seconds = 1.5 * INTERVAL
        await polls_again(scene, watch, 4)
        gaps = [later - earlier for earlier, later in itertools.pairwise(watch.polls[-4:])]
        assert min(gaps) > 1.4 * INTERVAL
        assert loop._poll.is_running()
    assert scene.logged == []


# -- the sign of life


async def test_every_good_poll_is_a_heartbeat(scene: Stage) -> None:
    beats = Beats()
    async with watching(scene, beats) as (_, watch):
        await polls_again(scene, watch, 4)
        await scene.until(lambda: beats.count >= len(watch.polls) - 1, "a beat for each poll")


@pytest.mark.parametrize("why", ["Proxmox", "the journal", "Discord", "a guest", "a silent gateway"])
async def test_no_heartbeat_while_something_is_wrong(scene: Stage, why: str) -> None:
    """The outside monitor must notice if the bot cannot report."""
    beats = Beats()
    silence = 90.0 if why == "a silent gateway" else 0.0
    async with watching(scene, beats, connected=why != "Discord", silence=silence) as (_, watch):
        watch.read_error = Unreachable("pve1") if why == "Proxmox" else None
        watch.journal_error = JournalFailed("ENOSPC") if why == "the journal" else None
        watch.blind = (GuestState(101, unknown=1.0),) if why == "a guest" else ()
        scene.expected_errors.append("the journal cannot be written")
        await polls_again(scene, watch)
        assert beats.count == 0


async def test_a_poll_that_stumbles_is_no_heartbeat(scene: Stage) -> None:
    scene.expected_errors.append("unexpected error")
    beats = Beats()
    async with watching(scene, beats) as (_, watch):
        watch.stumbles = [KeyError("x") for _ in range(100)]
        await polls_again(scene, watch)
        assert beats.count == 0


async def test_a_slow_heartbeat_delays_no_poll(scene: Stage) -> None:
    beats = Beats(seconds=30.0)
    async with watching(scene, beats) as (_, watch):
        began = time.monotonic()
        await polls_again(scene, watch, 5)
        assert time.monotonic() - began < 100 * INTERVAL
        assert beats.count >= 4


async def test_the_gateway_coming_and_going_is_known(scene: Stage) -> None:
    assert scene.services.connected()
    scene.expected_errors.append("Attempting a reconnect")
    async with scene.server.outage():
        await scene.until(lambda: not scene.services.connected(), "the loss")
    await scene.until(scene.services.connected, "the return")


# -- a journal that cannot be written


async def test_a_journal_that_refuses_is_reported_once_and_once_when_it_is_well(scene: Stage) -> None:
    """The report bypasses the journal, which can store nothing."""
    t = scene.t()
    scene.expected_errors.append("the journal cannot be written")
    async with watching(scene) as (_, watch):
        await polls_again(scene, watch)
        assert scene.alerts_told() == []
        watch.journal_error = JournalFailed("ENOSPC")
        await scene.until(scene.alerts_told)
        watch.journal_error = JournalFailed("EIO")
        await polls_again(scene, watch)
        assert scene.alerts_told() == [f"🔴 {journal_stuck(t, 'ENOSPC')}"]
        watch.journal_error = None
        await scene.until(lambda: len(scene.alerts_told()) > 1)
        await polls_again(scene, watch)
        assert scene.alerts_told()[1:] == [f"🟢 {journal_well(t)}"]


async def test_a_watch_that_fails_by_a_bug_is_reported_once_and_once_when_it_works(scene: Stage) -> None:
    """A single failure may pass. From the second on, guests would silently be unwatched."""
    scene.expected_errors.append("unexpected error")
    t = scene.t()
    async with watching(scene) as (_, watch):
        watch.stumbles = [KeyError("one")]
        await polls_again(scene, watch, 4)
        assert scene.alerts_told() == []
        watch.stumbles = [KeyError("data")] * 5
        await scene.until(lambda: len(scene.alerts_told()) > 1)
        await polls_again(scene, watch, 4)
    first, second = scene.alerts_told()
    assert first.split("`")[::2] == f"🔴 {watch_broken(t, '0')}".split("`")[::2]
    assert second == f"🟢 {watch_works(t)}"


async def test_a_message_that_does_not_get_through_is_not_waited_for(scene: Stage) -> None:
    scene.expected_errors.append("the journal cannot be written")
    scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 503, 1)
    async with watching(scene) as (_, watch):
        watch.journal_error = JournalFailed("ENOSPC")
        await polls_again(scene, watch, 4)
    assert scene.alerts_told() == []


async def test_a_poll_that_hangs_is_reported_by_the_watchdog(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report comes once, bypassing the watch itself, and once more when a poll has ended again."""
    monkeypatch.setattr("cogs.monitor.POLL_SECONDS", 3 * INTERVAL)
    scene.expected_errors.append("is started again")
    t = scene.t()
    async with watching(scene) as (_, watch):
        await polls_again(scene, watch)
        watch.seconds = 3600.0
        await scene.until(scene.alerts_told)
        began = len(watch.polls)
        await scene.until(lambda: len(watch.polls) >= began + 3, "several polls that hang")
        assert len(scene.alerts_told()) == 1
        watch.seconds = 0.0
        await scene.until(lambda: len(scene.alerts_told()) > 1)
    first, second = scene.alerts_told()
    assert first == f"🔴 {watch_hangs(t, 3 * INTERVAL)}"
    assert second == f"🟢 {watch_works(t)}"
