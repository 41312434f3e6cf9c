"""Test one read of the cluster: looking up guests and nodes, and replacing guests in it."""

from dataclasses import replace

from core.guest import Cluster, Guest, Node, State
from tests.support.fakes import guest

NODES = (Node("pve1", online=True), Node("pve2", online=False))
READ = Cluster((guest(101), guest(103), guest(105)), NODES, 7.0, pools=("prod",))


def vmids(cluster: Cluster) -> list[int]:
    return [each.vmid for each in cluster.guests]


def stopped(vmid: int) -> Guest:
    return replace(guest(vmid), state=State.STOPPED)


def test_other_guests_stay_the_same_objects_and_the_rest_of_the_read_too() -> None:
    changed = READ.with_guests({103: stopped(103)})
    assert vmids(changed) == [101, 103, 105]
    found = changed.find(103)
    assert found is not None
    assert found.state is State.STOPPED
    assert changed.find(101) is READ.find(101)
    assert (changed.nodes, changed.pools, changed.read_at) == (NODES, ("prod",), 7.0)
    assert READ.find(103) == guest(103), "the read itself is frozen"


def test_new_guests_take_their_place_and_gone_ones_leave_none() -> None:
    changed = READ.with_guests({104: guest(104), 101: None, 99: None, 1: guest(1)})
    assert vmids(changed) == [1, 103, 104, 105]
    assert changed.vmids == {1, 103, 104, 105}
    assert changed.find(101) is None


def test_replacing_no_guest_returns_the_same_read() -> None:
    assert READ.with_guests({}) is READ


def test_only_a_node_that_is_listed_as_offline_is_offline() -> None:
    assert [READ.node_online(name) for name in ("pve1", "pve2", "unheard of")] == [True, False, True]
