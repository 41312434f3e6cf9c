"""Test the parts of the cluster that a person may see."""

from dataclasses import replace

from core.access.policy import AccessRules, Scope, ScopeKind
from core.guest import Cluster, Node, Storage
from core.levels import Level
from tests.support.fakes import AKIKO, FakeWorld, guest

MINE, OTHER = guest(101, tags=("mine",), node="pve1"), guest(102, node="pve2")
CLUSTER = Cluster(
    guests=(MINE, OTHER),
    nodes=(Node("pve1", online=True), Node("pve2", online=True)),
    read_at=0.0,
    storages=(Storage("local", "pve1", shared=False, available=True),),
    pools=("lab", "secret"),
)


def test_a_person_limited_to_some_guests_sees_them_and_their_nodes_and_nothing_else() -> None:
    scopes = {7: (Scope(ScopeKind.TAG, "mine"),)}
    narrow = FakeWorld(rules=AccessRules(1, 2, levels={7: Level.ADMIN}, scopes=scopes)).authorizer
    seen = narrow.visible_cluster(replace(AKIKO, roles=frozenset({7})), CLUSTER)
    assert (seen.guests, [node.name for node in seen.nodes]) == ((MINE,), ["pve1"])
    assert (seen.storages, seen.pools) == ((), ())
    everything = FakeWorld(rules=AccessRules(1, 2, levels={7: Level.VIEWER})).authorizer
    assert everything.visible_cluster(replace(AKIKO, roles=frozenset({7})), CLUSTER) is CLUSTER
