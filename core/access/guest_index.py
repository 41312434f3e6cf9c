"""One read of the cluster, made ready for keystrokes: by words, by tags, pools and nodes, and by who may do what.

Made once per read, so that what a person types costs little however large the cluster is. Nothing here permits
anything: it offers, and what is chosen is decided anew (core/access/policy.py). Both agree, which a test holds.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from core.access.policy import OWNER_TAG, PROTECTED_TAG, AccessRules, Actor, Scope, Trait, out_of_place
from core.guest import Cluster, Guest
from core.rights import RIGHTS, Level, Operation, Reach

TYPED_MOST, WORDS_MOST = 100, 5
"""How much of what was typed counts: so many characters, and so many words of them."""


def cut(typed: str) -> str:
    """What counts of it, whatever its case."""
    return typed[:TYPED_MOST].casefold().strip()


def words_of(typed: str) -> tuple[str, ...]:
    """The words that all have to be found."""
    return tuple(dict.fromkeys(cut(typed).split()))[:WORDS_MOST]


@dataclass(frozen=True, slots=True)
class Row:
    """A guest and what it is found by, in lower case."""

    guest: Guest
    text: str
    name: str


class Lookup:
    """What is looked up in one read of the cluster. Each part is made when it is first asked for."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._scoped: dict[tuple[Scope, ...], frozenset[int]] = {}

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """By VMID."""
        return tuple(
            Row(guest, f"{guest.vmid} {name} {guest.node.casefold()}", name)
            for guest in self.cluster.guests
            for name in ((guest.name or "").casefold(),)
        )

    @cached_property
    def _tagged(self) -> dict[str, set[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        for guest in self.cluster.guests:
            for tag in guest.tags:
                found[tag.casefold()].add(guest.vmid)
        return dict(found)

    @cached_property
    def _pooled(self) -> dict[str, set[int]]:
        return _by(self.cluster.guests, lambda guest: guest.pool or "")

    @cached_property
    def _on_node(self) -> dict[str, set[int]]:
        return _by(self.cluster.guests, lambda guest: guest.node)

    @cached_property
    def _called(self) -> dict[str, set[int]]:
        return _by(self.cluster.guests, lambda guest: guest.name or "")

    @cached_property
    def protected(self) -> frozenset[int]:
        """By their tag, or by Proxmox' flag as far as that was read."""
        flagged = (guest.vmid for guest in self.cluster.guests if guest.protected)
        return frozenset(self._tagged.get(PROTECTED_TAG, ())).union(flagged)

    def named(self, name: str) -> Collection[int]:
        """The guests of exactly this name."""
        return self._called.get(name, ())

    def owned_by(self, user_id: int) -> Collection[int]:
        return self._tagged.get(f"{OWNER_TAG}{user_id}", ())

    def guests_of(self, user_id: int) -> tuple[Guest, ...]:
        """Those whose tags make this person their owner."""
        found = (self.cluster.find(vmid) for vmid in self.owned_by(user_id))
        return tuple(guest for guest in found if guest)

    def in_scopes(self, scopes: tuple[Scope, ...]) -> frozenset[int]:
        """As Scope.holds says of each guest. VMIDs count also where there is no such guest."""
        if scopes not in self._scoped:  # which are as many as there are roles
            self._scoped[scopes] = frozenset().union(*map(self._in_scope, scopes))
        return self._scoped[scopes]

    def _in_scope(self, scope: Scope) -> Iterable[int]:
        match scope.trait:
            case Trait.VMID:
                return (int(scope.value),)
            case Trait.TAG:
                return self._tagged.get(scope.value.casefold(), ())
            case Trait.NODE:
                return self._on_node.get(scope.value, ())
            case Trait.POOL:
                inside = (pool for pool in self._pooled if f"{pool}/".startswith(f"{scope.value}/"))
                return set[int]().union(*(self._pooled[pool] for pool in inside))

    def reach(self, rules: AccessRules, actor: Actor, least: Level) -> frozenset[int] | None:
        """The guests on which the person has at least this level; None: every guest."""
        if not rules.levels:
            return None
        held = [role for role, level in rules.levels.items() if role in actor.roles and level >= least]
        if any(role not in rules.scopes for role in held):
            return None
        found = frozenset[int]().union(*(self.in_scopes(rules.scopes[role]) for role in held))
        return found.union(self.owned_by(actor.user_id)) if least <= Level.OPERATOR else found

    def matching(self, typed: str) -> Iterator[Row]:
        """Those in which all words occur, by VMID."""
        words = words_of(typed)
        if not words:
            return iter(self.rows)
        first, *more = words
        found = (row for row in self.rows if first in row.text)
        return (row for row in found if all(word in row.text for word in more))


def _by(guests: Iterable[Guest], trait: Callable[[Guest], str]) -> dict[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for guest in guests:
        found[trait(guest)].add(guest.vmid)
    return dict(found)


@dataclass(frozen=True, slots=True)
class Offer:
    """The guests that a person may be offered for an operation. `within` None: all."""

    within: frozenset[int] | None
    but: frozenset[int] = frozenset()
    """Protected ones, to which only an admin may do it."""
    admin: frozenset[int] | None = None
    """Where the person is an admin; None: everywhere."""

    @property
    def nothing(self) -> bool:
        return self.within is not None and not self.within

    def holds(self, vmid: int) -> bool:
        if self.within is not None and vmid not in self.within:
            return False
        return vmid not in self.but or self.admin is None or vmid in self.admin


NOTHING = Offer(frozenset())


def offer(
    rules: AccessRules, actor: Actor, operation: Operation, lookup: Lookup, *, read_only: bool
) -> Offer:
    """The guests of which `decide` says nothing against it. `read_only`: it would, to every change."""
    right = RIGHTS[operation]
    if out_of_place(rules, actor, operation) or (read_only and right.changes):
        return NOTHING
    if right.reach is Reach.WHOLE:
        everywhere = Offer(lookup.reach(rules, actor, right.level))
        return everywhere if everywhere.within is None else NOTHING
    within = lookup.reach(rules, actor, max(right.level, Level.VIEWER))
    if not right.guarded:
        return Offer(within)
    return Offer(within, lookup.protected | rules.protected, lookup.reach(rules, actor, Level.ADMIN))
