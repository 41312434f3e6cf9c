"""One read of the cluster serves everybody who asks for it."""

import asyncio
from collections.abc import Callable

import pytest

from core.errors import ProxmoxError, Unreachable
from core.guest import Cluster, Snapshot, State
from core.reading import FRESH, ClusterReader, SnapshotReader
from tests.fakes import FakeClock, FakeProxmox, guest

GONE = Unreachable("pve1")


class SlowProxmox(FakeProxmox):
    """Answers a cluster read only when it is let go; what it will answer is what stood there when it was asked."""

    gates: list[asyncio.Event]

    async def cluster(self) -> Cluster:
        gate = asyncio.Event()
        self.gates.append(gate)
        before = dict(self.guests)
        await gate.wait()
        await self._meet("cluster")
        return Cluster(tuple(before.values()), self.nodes, self.clock.mono)


async def settled(condition: Callable[[], object]) -> None:
    """Let the other tasks run until it holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


def slow() -> tuple[SlowProxmox, ClusterReader]:
    proxmox = SlowProxmox(FakeClock())
    proxmox.gates = []
    proxmox.add(guest(101))
    return proxmox, ClusterReader(proxmox, proxmox.clock)


def quick() -> tuple[FakeProxmox, ClusterReader]:
    proxmox = FakeProxmox(FakeClock())
    proxmox.add(guest(101))
    return proxmox, ClusterReader(proxmox, proxmox.clock)


async def test_twenty_five_ask_at_once_and_proxmox_is_read_once() -> None:
    proxmox, reader = slow()
    askers = [asyncio.create_task(reader.read()) for _ in range(25)]
    await settled(lambda: proxmox.gates)
    proxmox.gates[0].set()
    clusters = await asyncio.gather(*askers)
    assert len(proxmox.gates) == 1
    assert all(cluster is clusters[0] for cluster in clusters)
    assert reader.last is clusters[0]


async def test_whoever_comes_later_joins_the_flight() -> None:
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
    proxmox.clock.advance(FRESH - 0.01)
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
    await settled(lambda: len(proxmox.gates) == 2)
    for gate in proxmox.gates:
        gate.set()
    found = (await late).find(101)
    assert found is not None
    assert found.state is State.STOPPED
    before = (await early).find(101)
    assert before is not None
    assert before.state is State.RUNNING


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
    proxmox.clock.advance(FRESH)
    proxmox.next("cluster", GONE)
    with pytest.raises(ProxmoxError):
        await reader.read()
    assert reader.last is first


async def test_who_gives_up_does_not_end_the_read_of_the_others() -> None:
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


# --- snapshots, for completions ---

SNAPSHOT = Snapshot("before", 1, "", False, None)


def snapshots() -> tuple[FakeProxmox, SnapshotReader]:
    proxmox = FakeProxmox(FakeClock())
    proxmox.add(guest(101), guest(102))
    proxmox.kept[101] = (SNAPSHOT,)
    return proxmox, SnapshotReader(proxmox, proxmox.clock)


async def test_snapshots_are_read_once_in_ten_seconds_for_each_guest() -> None:
    proxmox, reader = snapshots()
    assert await reader.read(guest(101)) == (SNAPSHOT,)
    proxmox.kept[101] = ()
    proxmox.clock.advance(FRESH - 0.01)
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
