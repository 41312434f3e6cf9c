"""Test that a bug in the read of one storage leaves out that storage only, until the next request."""

from core.cluster.storage_histories import StorageHistories
from core.guest import Storage
from tests.support.fakes import FakeWorld


async def test_a_bug_leaves_out_one_storage_until_the_next_request() -> None:
    def fail() -> None:
        raise KeyError("used")

    world = FakeWorld()
    histories = StorageHistories(world.proxmox, world.clock)
    one, other = (Storage("local", node, shared=False, available=True) for node in ("pve1", "pve2"))
    world.proxmox.next("storage_history", fail)
    assert await histories.read([one, other]) == {other: ()}
    assert await histories.read([one, other]) == {one: (), other: ()}
