"""Decide access (core/access/policy.py) with the data that is known now."""

from collections.abc import Callable
from dataclasses import replace

from core.access.guest_index import GuestIndex, offered_rows
from core.access.policy import (
    AccessRules,
    Actor,
    decide,
    depends_on_list,
    level_anywhere,
    level_everywhere,
    place_refusal,
    unseen_pools,
)
from core.access.read_only import ReadOnlySwitch
from core.access.rows import Rows
from core.cluster.cache import ClusterCache
from core.errors import Refused
from core.guest import Cluster, Guest
from core.levels import Effect, Level
from core.operations import OPERATIONS, Operation

Check = Callable[[Guest], Refused | None]
"""Returns why a person may not act on a guest, or None."""


def allow_anyone(_guest: Guest) -> Refused | None:
    """Allow everybody, for the bot's own reads after an allowed action."""
    return None


class Authorizer:
    """Decide access by the rules, the owner tags in the last read, and the read-only switch."""

    def __init__(self, rules: AccessRules, cluster_cache: ClusterCache, read_only: ReadOnlySwitch) -> None:
        self.rules, self._cluster_cache, self.read_only = rules, cluster_cache, read_only
        self._guest_index: GuestIndex | None = None

    def forget_read(self) -> None:
        """Release the former read. Otherwise its index would keep it in memory until a new index is needed."""
        if self._guest_index is not None:
            self._guest_index = self._guest_index.without_read()

    def refusal(
        self,
        actor: Actor,
        operation: Operation | None,
        guest: Guest | None = None,
        *,
        whole: bool = False,
        seconds: float = 0.0,
    ) -> Refused | None:
        """Return the refusal of `decide`, or None. `operation=None` checks the place only."""
        if operation is None:
            return place_refusal(self.rules, actor)
        last = self._cluster_cache.last
        theirs = (
            self.guest_index(last).guests_owned_by(actor.user_id) if last and (guest is None or whole) else ()
        )
        return decide(
            self.rules,
            actor,
            operation,
            guest,
            guests=theirs,
            whole=whole,
            read_only=self._read_only_refusal(),
            seconds=seconds,
        )

    def _read_only_refusal(self) -> Refused | None:
        """Return a new copy of the read-only error, because a raised error keeps its own traceback."""
        held = self.read_only.refusal
        return replace(held) if held else None

    def authorize(
        self,
        actor: Actor,
        operation: Operation,
        guest: Guest | None = None,
        *,
        whole: bool = False,
        seconds: float = 0.0,
    ) -> None:
        """Check access.

        Raises: Refused, as returned by `refusal`.
        """
        if refusal := self.refusal(actor, operation, guest, whole=whole, seconds=seconds):
            raise refusal

    def check_for(self, actor: Actor, operation: Operation) -> Check:
        return lambda guest: self.refusal(actor, operation, guest)

    def needs_fresh_list(self, actor: Actor, operation: Operation, vmid: int) -> bool:
        """Return whether the list must be read again before this change is decided, because it may be outdated."""
        changes = OPERATIONS[operation].effect is not Effect.NOTHING
        return changes and depends_on_list(self.rules, actor, operation, vmid)

    def guest_index(self, cluster: Cluster) -> GuestIndex:
        """Return the index of this read. The latest one is kept."""
        known = self._guest_index
        if known is None or known.cluster is not cluster:
            self._guest_index = known = known.next(cluster) if known else GuestIndex(cluster)
        return known

    def offered_rows(self, actor: Actor, operation: Operation, cluster: Cluster) -> Rows:
        """Return the guests to offer to this person: those for which `refusal` returns None with `seconds` 0."""
        held = self.read_only.refusal is not None
        return offered_rows(self.rules, actor, operation, self.guest_index(cluster), read_only=held)

    def visible_rows(self, actor: Actor, cluster: Cluster) -> Rows:
        """Return the guests that this person may see."""
        return self.guest_index(cluster).table.at_level(self.rules, actor, Level.VIEWER)

    def sees_anything(self, actor: Actor) -> bool:
        """Return whether the person has any level here: by a role, or as owner of a guest in the last read."""
        last = self._cluster_cache.last
        theirs = self.guest_index(last).guests_owned_by(actor.user_id) if last else ()
        return level_anywhere(self.rules, actor, theirs) > Level.NONE

    def has_hidden_guests(self, actor: Actor) -> bool:
        """Return whether some guests may be hidden from this person."""
        return level_everywhere(self.rules, actor) is Level.NONE

    def unseen_pools(self, actor: Actor | None = None) -> tuple[str, ...]:
        """Return `unseen_pools` of core/access/policy.py for the last read; empty before the first one."""
        last = self._cluster_cache.last
        return unseen_pools(self.rules, last, actor) if last else ()

    def visible_cluster(self, actor: Actor, cluster: Cluster) -> Cluster:
        """Return the cluster without the parts that are hidden from this person.

        Scoped users see their guests, the nodes that host them, and no storages or pools.
        """
        if not self.has_hidden_guests(actor):
            return cluster
        index, rows = self.guest_index(cluster), self.visible_rows(actor, cluster)
        found: Cluster = index.views.get(
            ("cluster", rows), lambda: _narrowed(cluster, tuple(index.guests_in(rows)))
        )
        return found


def _narrowed(cluster: Cluster, guests: tuple[Guest, ...]) -> Cluster:
    names = {guest.node for guest in guests}
    nodes = tuple(node for node in cluster.nodes if node.name in names)
    return replace(cluster, guests=guests, nodes=nodes, storages=(), pools=())
