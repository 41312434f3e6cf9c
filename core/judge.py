"""Where the one decision (core/access.py) meets what is known just now."""

from collections.abc import Callable
from dataclasses import replace

from core.access import (
    AccessRules,
    Actor,
    decide,
    level_everywhere,
    out_of_place,
    unseen_pools,
    visible,
)
from core.errors import Refused
from core.guest import Cluster, Guest
from core.read_only import ReadOnlySwitch
from core.reading import ClusterReader
from core.rights import Level, Operation

Admit = Callable[[Guest], Refused | None]
"""Why somebody may not do to a guest what they want to, or None."""


def anyone(guest: Guest) -> Refused | None:
    """For what the bot itself looks at after an action that was allowed."""
    return None


class Judge:
    """Knows the rules, whom the tags of the last read make an owner, and whether changes are switched off."""

    def __init__(self, rules: AccessRules, reader: ClusterReader, read_only: ReadOnlySwitch) -> None:
        self.rules, self._reader, self.read_only = rules, reader, read_only

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
        return decide(
            self.rules,
            actor,
            operation,
            guest,
            guests=last.guests if last else (),
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

    def narrowed(self, actor: Actor) -> bool:
        """Whether there may be guests that are hidden from this person."""
        return level_everywhere(self.rules, actor) is Level.NONE

    def unseen_pools(self, actor: Actor | None = None) -> tuple[str, ...]:
        """As `unseen_pools` of core/access.py says of the last read; none before the first."""
        last = self._reader.last
        return unseen_pools(self.rules, last, actor) if last else ()

    def seen(self, actor: Actor, cluster: Cluster) -> Cluster:
        """The cluster without what is hidden from this person: guests, the nodes that have none of theirs, and
        storages."""
        if not self.narrowed(actor):
            return cluster
        guests = visible(self.rules, actor, cluster.guests)
        names = {guest.node for guest in guests}
        nodes = tuple(node for node in cluster.nodes if node.name in names)
        return replace(cluster, guests=guests, nodes=nodes, storages=())
