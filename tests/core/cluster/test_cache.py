"""Test that one read serves everybody who asks for it, and shows what an action has just seen."""

import asyncio
from collections.abc import Callable

import pytest

from core.cluster.cache import FRESH_SECONDS, OVERLAY_SECONDS, ClusterCache, SnapshotCache
from core.guest import Cluster, Guest, Snapshot, State
from core.proxmox_errors import ProxmoxError, Unreachable
from tests.support.fakes import FakeClock, FakeProxmox, guest

GONE = Unreachable("pve1")


class SlowProxmox(FakeProxmox):
    """Answer a cluster read only when released, with the state at the time of the request."""

    gates: list[asyncio.Event]

    async def cluster(self) -> Cluster:
        gate = asyncio.Event()
        self.gates.append(gate)
        before = dict(self.guests)
        await gate.wait()
        await self._meet("cluster")
        return Cluster(tuple(before.values()), self.nodes, self.clock.mono)


async def settled(condition: Callable[[], object]) -> None:
    """Let the other tasks run until the condition holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


async def idle() -> None:
    """Let the other tasks run for fifty turns of the event loop, more than they can use by themselves."""
    for _ in range(50):
        await asyncio.sleep(0)


def slow() -> tuple[SlowProxmox, ClusterCache]:
    proxmox = SlowProxmox(FakeClock())
    proxmox.gates = []
    proxmox.add(guest(101))
    return proxmox, ClusterCache(proxmox, proxmox.clock)


def quick() -> tuple[FakeProxmox, ClusterCache]:
    proxmox = FakeProxmox(FakeClock())
    proxmox.add(guest(101))
    return proxmox, ClusterCache(proxmox, proxmox.clock)


async def test_twenty_five_ask_at_once_and_proxmox_is_read_once() -> None:
    proxmox, reader = slow()
    askers = [asyncio.create_task(reader.read()) for _ in range(25)]
    await settled(lambda: proxmox.gates)
    proxmox.gates[0].set()
    clusters = await asyncio.gather(*askers)
    assert len(proxmox.gates) == 1
    assert all(cluster is clusters[0] for cluster in clusters)
    assert reader.last is clusters[0]


async def test_later_callers_share_the_running_read() -> None:
    proxmox, reader = slow()
    first = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    second = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    proxmox.gates[0].set()
    assert await second is await first
    assert len(proxmox.gates) == 1


async def test_nothing_is_read_while_the_last_read_is_fresh() -> None:
    proxmox, reader = quick()
    first = await reader.read()
    proxmox.clock.advance(FRESH_SECONDS - 0.01)
    assert await reader.read() is first
    assert proxmox.asked == ["cluster"]
    proxmox.clock.advance(0.01)
    assert await reader.read() is not first
    assert proxmox.asked == ["cluster"] * 2


async def test_the_wall_clock_does_not_age_a_read() -> None:
    proxmox, reader = quick()
    first = await reader.read()
    for jump in (3600, -7200):
        proxmox.clock.unix += jump
        assert await reader.read() is first


async def test_an_age_of_nothing_means_a_read_made_after_the_call() -> None:
    proxmox, reader = slow()
    early = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    proxmox.change(101, state=State.STOPPED)
    late = asyncio.create_task(reader.read(max_age=0))
    await idle()
    assert len(proxmox.gates) == 1  # one request at a time, however many callers wait
    proxmox.gates[0].set()
    await settled(lambda: len(proxmox.gates) == 2)
    assert not late.done()
    proxmox.gates[1].set()
    found = (await late).find(101)
    assert found is not None
    assert found.state is State.STOPPED
    before = (await early).find(101)
    assert before is not None
    assert before.state is State.RUNNING


async def test_eight_callers_who_want_it_fresh_make_two_requests_at_most() -> None:
    proxmox, reader = slow()
    first = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    askers = [asyncio.create_task(reader.read(max_age=0)) for _ in range(8)]
    await idle()
    proxmox.gates[0].set()
    await settled(lambda: len(proxmox.gates) == 2)
    proxmox.gates[1].set()
    clusters = await asyncio.gather(*askers)
    assert len(proxmox.gates) == 2
    assert all(cluster is clusters[0] for cluster in clusters)
    assert await first is not clusters[0]
    assert reader.last is clusters[0]


async def test_eight_at_once_with_nothing_under_way_make_two_requests_at_most() -> None:
    proxmox, reader = slow()
    askers = [asyncio.create_task(reader.read(max_age=0)) for _ in range(8)]
    await settled(lambda: proxmox.gates)
    proxmox.gates[0].set()
    await settled(lambda: len(proxmox.gates) == 2)
    proxmox.gates[1].set()
    await asyncio.gather(*askers)
    await idle()
    assert len(proxmox.gates) == 2


async def test_a_caller_right_after_a_read_joins_the_queued_one() -> None:
    """The case is a /start of a VMID that the first read did not have, while others wait for the next one."""
    proxmox, reader = slow()

    async def reads_twice() -> Cluster:
        await reader.read()
        return await reader.read(max_age=0)

    twice = [asyncio.create_task(reads_twice()) for _ in range(3)]
    await settled(lambda: proxmox.gates)
    new = asyncio.create_task(reader.read(max_age=0))
    await idle()
    proxmox.gates[0].set()
    await settled(lambda: len(proxmox.gates) > 1)
    await idle()
    assert len(proxmox.gates) == 2
    proxmox.gates[1].set()
    assert [await each is await new for each in twice] == [True] * 3
    assert len(proxmox.gates) == 2


async def test_a_caller_during_the_queued_read_gets_another_read() -> None:
    proxmox, reader = slow()
    askers = [asyncio.create_task(reader.read())]
    for number in (1, 2, 3):
        await settled(lambda number=number: len(proxmox.gates) == number)  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
        askers.append(asyncio.create_task(reader.read(max_age=0)))
        await idle()
        assert len(proxmox.gates) == number
        proxmox.gates[-1].set()
    await settled(lambda: len(proxmox.gates) == 4)
    proxmox.gates[-1].set()
    clusters = await asyncio.gather(*askers)
    assert len({id(cluster) for cluster in clusters}) == 4
    assert reader.last is clusters[-1]


async def test_a_failed_read_does_not_spoil_the_queued_one() -> None:
    proxmox, reader = slow()
    proxmox.next("cluster", GONE)
    first = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    second = asyncio.create_task(reader.read(max_age=0))
    await idle()
    proxmox.gates[0].set()
    await settled(lambda: len(proxmox.gates) == 2)
    proxmox.gates[1].set()
    assert (await second).find(101) is not None
    with pytest.raises(Unreachable):
        await first


async def test_a_failed_queued_read_fails_only_for_its_waiters() -> None:
    proxmox, reader = slow()
    proxmox.next("cluster", None, GONE)
    first = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    queued = [asyncio.create_task(reader.read(max_age=0)) for _ in range(3)]
    await idle()
    proxmox.gates[0].set()
    assert (await first).find(101) is not None
    await settled(lambda: len(proxmox.gates) == 2)
    proxmox.gates[1].set()
    assert await asyncio.gather(*queued, return_exceptions=True) == [GONE] * 3
    assert reader.last is await first
    again = asyncio.create_task(reader.read(max_age=0))
    await settled(lambda: len(proxmox.gates) == 3)
    proxmox.gates[2].set()
    assert (await again).find(101) is not None


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    proxmox, reader = slow()
    proxmox.next("cluster", GONE)
    askers = [asyncio.create_task(reader.read()) for _ in range(5)]
    await settled(lambda: proxmox.gates)
    proxmox.gates[0].set()
    results = await asyncio.gather(*askers, return_exceptions=True)
    assert results == [GONE] * 5
    assert reader.last is None
    again = asyncio.create_task(reader.read())
    await settled(lambda: len(proxmox.gates) == 2)
    proxmox.gates[1].set()
    assert (await again).find(101) is not None


async def test_a_failure_keeps_the_last_good_read() -> None:
    proxmox, reader = quick()
    first = await reader.read()
    proxmox.clock.advance(FRESH_SECONDS)
    proxmox.next("cluster", GONE)
    with pytest.raises(ProxmoxError):
        await reader.read()
    assert reader.last is first


async def test_a_caller_that_gives_up_does_not_end_the_read() -> None:
    proxmox, reader = slow()
    impatient = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    patient = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert not patient.done()
    proxmox.gates[0].set()
    assert (await patient).find(101) is not None
    assert len(proxmox.gates) == 1


async def test_a_read_nobody_waits_for_any_more_still_counts() -> None:
    proxmox, reader = slow()
    asker = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    asker.cancel()
    proxmox.gates[0].set()
    await settled(lambda: reader.last)
    assert await reader.read() is reader.last
    assert len(proxmox.gates) == 1


# --- what an action has just seen ---


def shown(reader: ClusterCache, vmid: int = 101) -> Guest:
    found = reader.find(vmid)
    assert found is not None
    return found


async def test_seen_states_are_shown_at_once_over_a_list_that_lags() -> None:
    proxmox, reader = quick()
    await reader.read()
    reader.overlay(101, guest(101, State.STOPPED))
    assert shown(reader).state is State.STOPPED
    assert proxmox.asked == ["cluster"]
    await reader.read(max_age=0)
    assert shown(reader).state is State.STOPPED
    proxmox.clock.advance(OVERLAY_SECONDS - 0.01)
    await reader.read(max_age=0)
    assert shown(reader).state is State.STOPPED
    proxmox.clock.advance(0.01)
    await reader.read(max_age=0)
    assert shown(reader).state is State.RUNNING


async def test_an_overlay_lasts_longer_than_a_read_is_fresh() -> None:
    """Otherwise the first list after the action would show the guest as it was before."""
    assert OVERLAY_SECONDS > FRESH_SECONDS


async def test_learned_states_make_no_read_younger() -> None:
    proxmox, reader = quick()
    await reader.read()
    proxmox.clock.advance(FRESH_SECONDS - 1)
    reader.overlay(101, guest(101, State.STOPPED))
    proxmox.clock.advance(1)
    await reader.read()
    assert proxmox.asked == ["cluster"] * 2


async def test_gone_and_new_guests_are_learned_too() -> None:
    proxmox, reader = quick()
    proxmox.add(guest(103), guest(105))
    await reader.read()
    reader.overlay(103, None)
    reader.overlay(104, guest(104, State.STOPPED))
    reader.overlay(999, None)
    for cluster in (reader.last, await reader.read(max_age=0)):
        assert cluster is not None
        assert [each.vmid for each in cluster.guests] == [101, 104, 105]
    assert (reader.find(103), reader.find(999)) == (None, None)


async def test_the_last_learned_state_holds() -> None:
    _, reader = quick()
    reader.overlay(101, guest(101, State.STOPPED))
    reader.overlay(101, guest(101, State.PAUSED))
    await reader.read()
    assert shown(reader).state is State.PAUSED
    reader.overlay(101, None)
    assert reader.find(101) is None


async def test_a_state_is_learned_also_while_a_read_is_under_way() -> None:
    proxmox, reader = slow()
    asker = asyncio.create_task(reader.read())
    await settled(lambda: proxmox.gates)
    reader.overlay(101, guest(101, State.STOPPED))
    assert reader.find(101) is None  # nothing was read yet
    proxmox.gates[0].set()
    found = (await asker).find(101)
    assert found is not None
    assert found.state is State.STOPPED


async def test_the_wall_clock_does_not_age_learned_states() -> None:
    proxmox, reader = quick()
    reader.overlay(101, guest(101, State.STOPPED))
    proxmox.clock.unix += 3600
    await reader.read()
    assert shown(reader).state is State.STOPPED


# --- snapshots, for completions ---

SNAPSHOT = Snapshot("before", 1, "", False, None)


def snapshots() -> tuple[FakeProxmox, SnapshotCache]:
    proxmox = FakeProxmox(FakeClock())
    proxmox.add(guest(101), guest(102))
    proxmox.kept[101] = (SNAPSHOT,)
    return proxmox, SnapshotCache(proxmox, proxmox.clock)


async def test_snapshots_are_read_once_in_ten_seconds_for_each_guest() -> None:
    proxmox, reader = snapshots()
    assert await reader.read(guest(101)) == (SNAPSHOT,)
    proxmox.kept[101] = ()
    proxmox.clock.advance(FRESH_SECONDS - 0.01)
    assert await reader.read(guest(101)) == (SNAPSHOT,)
    assert await reader.read(guest(102)) == ()
    assert proxmox.asked == ["snapshots"] * 2
    proxmox.clock.advance(0.01)
    assert await reader.read(guest(101)) == ()
    assert proxmox.asked == ["snapshots"] * 3


async def test_a_failed_read_of_snapshots_is_not_kept() -> None:
    proxmox, reader = snapshots()
    proxmox.next("snapshots", GONE)
    with pytest.raises(Unreachable):
        await reader.read(guest(101))
    assert await reader.read(guest(101)) == (SNAPSHOT,)


class SlowSnapshots(FakeProxmox):
    """Answer for snapshots only when released."""

    gate: asyncio.Event

    async def snapshots(self, guest: Guest) -> tuple[Snapshot, ...]:
        await self.gate.wait()
        return await super().snapshots(guest)


def slow_snapshots() -> tuple[SlowSnapshots, SnapshotCache]:
    proxmox = SlowSnapshots(FakeClock())
    proxmox.gate = asyncio.Event()
    proxmox.add(guest(101))
    proxmox.kept[101] = (SNAPSHOT,)
    return proxmox, SnapshotCache(proxmox, proxmox.clock)


async def test_every_letter_typed_asks_for_snapshots_and_proxmox_is_asked_once() -> None:
    proxmox, reader = slow_snapshots()
    askers = [asyncio.create_task(reader.read(guest(101))) for _ in range(8)]
    await idle()
    proxmox.gate.set()
    assert await asyncio.gather(*askers) == [(SNAPSHOT,)] * 8
    assert proxmox.asked == ["snapshots"]


async def test_a_read_of_snapshots_survives_a_caller_that_gives_up() -> None:
    """A completion has three seconds. If the node is slow, its answer serves the next letter."""
    proxmox, reader = slow_snapshots()
    impatient = asyncio.create_task(reader.read(guest(101)))
    await idle()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    proxmox.gate.set()
    assert await reader.read(guest(101)) == (SNAPSHOT,)
    assert proxmox.asked == ["snapshots"]


async def test_a_read_of_snapshots_that_failed_when_nobody_waited_any_more_is_not_kept() -> None:
    proxmox, reader = slow_snapshots()
    proxmox.next("snapshots", GONE)
    impatient = asyncio.create_task(reader.read(guest(101)))
    await idle()
    impatient.cancel()
    await asyncio.wait({impatient})
    proxmox.gate.set()
    await settled(lambda: proxmox.asked)
    await idle()
    assert await reader.read(guest(101)) == (SNAPSHOT,)
