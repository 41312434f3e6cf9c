"""Test what a dashboard shows when the watch hangs: a read that is too old no longer counts as the present."""

from types import SimpleNamespace
from typing import Any

from core.dashboard.model import WHOLE
from core.dashboard.source import STALE_INTERVALS, ContentsSource
from core.proxmox_errors import TimedOut, Unreachable
from tests.support.fakes import FakeWorld

INTERVAL = 60.0  # seconds


async def test_figures_are_not_current_for_ever() -> None:
    world = FakeWorld()
    state = SimpleNamespace(open={}, source=SimpleNamespace(opened=None))
    watch: Any = SimpleNamespace(read_error=None, last_read=None, tasks=None, state=state)
    source = ContentsSource(
        watch, world.cluster_cache, world.proxmox, world.authorizer, world.clock, INTERVAL
    )
    assert source.contents(WHOLE) is None, "nothing is known yet"
    await world.cluster_cache.read()
    read = world.clock.now()
    watch.last_read = read
    world.clock.advance(STALE_INTERVALS * INTERVAL)
    shown = source.contents(WHOLE)
    assert shown is not None
    assert shown.cluster is not None
    assert shown.true_at == read
    world.clock.advance(1.0)
    shown = source.contents(WHOLE)
    assert shown is not None
    assert (shown.cluster, shown.since, shown.true_at) == (None, read, None)
    assert isinstance(shown.fault, TimedOut)
    await world.cluster_cache.read(max_age=0)
    shown = source.contents(WHOLE)
    assert shown is not None
    assert shown.cluster is not None, "a read for somebody else is as good"
    watch.read_error = Unreachable("pve1")
    shown = source.contents(WHOLE)
    assert shown is not None
    assert (shown.cluster, shown.fault) == (None, watch.read_error)
