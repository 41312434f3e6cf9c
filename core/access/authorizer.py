"""Where the one decision (core/access/policy.py) meets what is known just now."""

from collections.abc import Callable
from dataclasses import replace

from core.access.guest_index import Lookup, Offer, offer
from core.access.policy import (
    AccessRules,
    Actor,
    decide,
    hangs_on_list,
    level_everywhere,
    out_of_place,
    unseen_pools,
)
from core.access.read_only import ReadOnlySwitch
from core.cluster_cache import ClusterReader
from core.errors import Refused
from core.guest import Cluster, Guest
from core.rights import RIGHTS, Effect, Level, Operation

Admit = Callable[[Guest], Refused | None]
"""Why somebody may not do to a guest what they want to, or None."""


def anyone(guest: Guest) -> Refused | None:
    """For what the bot itself looks at after an action that was allowed."""
    return None


class Judge:
    """Knows the rules, whom the tags of the last read make an owner, and whether changes are switched off."""

    def __init__(self, rules: AccessRules, reader: ClusterReader, read_only: ReadOnlySwitch) -> None:
        self.rules, self._reader, self.read_only = rules, reader, read_only
        self._lookup: Lookup | None = None

    def refusal(
        self,
        actor: Actor,
        operation: Operation | None,
        guest: Guest | None = None,
        *,
        whole: bool = False,
        seconds: float = 0.0,
    ) -> Refused | None:
        """As `decide` says. `operation` None: what is none at all, so that the place alone is asked about."""
        if operation is None:
            return out_of_place(self.rules, actor)
        last = self._reader.last
        theirs = self.lookup(last).guests_of(actor.user_id) if last and (guest is None or whole) else ()
        return decide(
            self.rules,
            actor,
            operation,
            guest,
            guests=theirs,
            whole=whole,
            read_only=self._fresh(),
            seconds=seconds,
        )

    def _fresh(self) -> Refused | None:
        """An error of its own for everybody who is told: a traceback belongs to one of them."""
        held = self.read_only.held
        return replace(held) if held else None

    def permit(
        self,
        actor: Actor,
        operation: Operation,
        guest: Guest | None = None,
        *,
        whole: bool = False,
        seconds: float = 0.0,
    ) -> None:
        """Raises what `refusal` says."""
        if refusal := self.refusal(actor, operation, guest, whole=whole, seconds=seconds):
            raise refusal

    def admits(self, actor: Actor, operation: Operation) -> Admit:
        return lambda guest: self.refusal(actor, operation, guest)

    def needs_news(self, actor: Actor, operation: Operation, vmid: int) -> bool:
        """Whether the list has to be read anew before this change is decided: what was read may be true no more."""
        changes = RIGHTS[operation].effect is not Effect.NOTHING
        return changes and hangs_on_list(self.rules, actor, operation, vmid)

    def lookup(self, cluster: Cluster) -> Lookup:
        """What is looked up in this read, made once for each."""
        if self._lookup is None or self._lookup.cluster is not cluster:
            self._lookup = Lookup(cluster)
        return self._lookup

    def offer(self, actor: Actor, operation: Operation, cluster: Cluster) -> Offer:
        """The guests that may be offered to this person: those that `refusal` would say nothing of."""
        held = self.read_only.held is not None
        return offer(self.rules, actor, operation, self.lookup(cluster), read_only=held)

    def narrowed(self, actor: Actor) -> bool:
        """Whether there may be guests that are hidden from this person."""
        return level_everywhere(self.rules, actor) is Level.NONE

    def unseen_pools(self, actor: Actor | None = None) -> tuple[str, ...]:
        """As `unseen_pools` of core/access/policy.py says of the last read; none before the first."""
        last = self._reader.last
        return unseen_pools(self.rules, last, actor) if last else ()

    def seen(self, actor: Actor, cluster: Cluster) -> Cluster:
        """The cluster without what is hidden from this person: guests, the nodes that have none of theirs, and
        storages."""
        if not self.narrowed(actor):
            return cluster
        reach = self.lookup(cluster).reach(self.rules, actor, Level.VIEWER)
        guests = tuple(guest for guest in cluster.guests if reach is None or guest.vmid in reach)
        names = {guest.node for guest in guests}
        nodes = tuple(node for node in cluster.nodes if node.name in names)
        return replace(cluster, guests=guests, nodes=nodes, storages=())
