"""Index one read of the cluster for completions: by words, tags, pools and nodes, and by access.

It is built once per read: each keystroke is then cheap in a large cluster. It only offers guests and grants
nothing. Access is checked again for the chosen one (core/access/policy.py). A test ensures that both agree.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from core.access.policy import OWNER_TAG, PROTECTED_TAG, AccessRules, Actor, Scope, ScopeKind, place_refusal
from core.guest import Cluster, Guest
from core.levels import Level, Reach
from core.operations import OPERATIONS, Operation

TYPED_MOST, WORDS_MOST = 100, 5
"""Characters and words of the typed text that are used."""


def normalized(typed: str) -> str:
    """Return the used part of the text, in lower case."""
    return typed[:TYPED_MOST].casefold().strip()


def words_of(typed: str) -> tuple[str, ...]:
    """Return the words that must all match."""
    return tuple(dict.fromkeys(normalized(typed).split()))[:WORDS_MOST]


@dataclass(frozen=True, slots=True)
class IndexedGuest:
    """A guest and its lower-case search text."""

    guest: Guest
    text: str
    name: str


class GuestIndex:
    """The index of one read. Each part is built when it is first used."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._by_scopes: dict[tuple[Scope, ...], frozenset[int]] = {}

    @cached_property
    def rows(self) -> tuple[IndexedGuest, ...]:
        """All guests, ordered by VMID."""
        return tuple(
            IndexedGuest(guest, f"{guest.vmid} {name} {guest.node.casefold()}", name)
            for guest in self.cluster.guests
            for name in ((guest.name or "").casefold(),)
        )

    @cached_property
    def _by_tag(self) -> dict[str, set[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        for guest in self.cluster.guests:
            for tag in guest.tags:
                found[tag.casefold()].add(guest.vmid)
        return dict(found)

    @cached_property
    def _by_pool(self) -> dict[str, set[int]]:
        return _group_by(self.cluster.guests, lambda guest: guest.pool or "")

    @cached_property
    def _by_node(self) -> dict[str, set[int]]:
        return _group_by(self.cluster.guests, lambda guest: guest.node)

    @cached_property
    def _by_name(self) -> dict[str, set[int]]:
        return _group_by(self.cluster.guests, lambda guest: guest.name or "")

    @cached_property
    def protected(self) -> frozenset[int]:
        """Guests protected by their tag, or by Proxmox' flag if that was read."""
        flagged = (guest.vmid for guest in self.cluster.guests if guest.protected)
        return frozenset(self._by_tag.get(PROTECTED_TAG, ())).union(flagged)

    def vmids_named(self, name: str) -> Collection[int]:
        """Return the guests with exactly this name."""
        return self._by_name.get(name, ())

    def vmids_owned_by(self, user_id: int) -> Collection[int]:
        return self._by_tag.get(f"{OWNER_TAG}{user_id}", ())

    def guests_owned_by(self, user_id: int) -> tuple[Guest, ...]:
        """Return the guests that have this person as owner in their tags."""
        found = (self.cluster.find(vmid) for vmid in self.vmids_owned_by(user_id))
        return tuple(guest for guest in found if guest)

    def vmids_in_scopes(self, scopes: tuple[Scope, ...]) -> frozenset[int]:
        """Return the guests for which `Scope.covers`. VMIDs are included even if no such guest exists."""
        if scopes not in self._by_scopes:  # at most one entry per role
            self._by_scopes[scopes] = frozenset().union(*map(self._vmids_in_scope, scopes))
        return self._by_scopes[scopes]

    def _vmids_in_scope(self, scope: Scope) -> Iterable[int]:
        match scope.kind:
            case ScopeKind.VMID:
                return (int(scope.value),)
            case ScopeKind.TAG:
                return self._by_tag.get(scope.value.casefold(), ())
            case ScopeKind.NODE:
                return self._by_node.get(scope.value, ())
            case ScopeKind.POOL:
                inside = (pool for pool in self._by_pool if f"{pool}/".startswith(f"{scope.value}/"))
                return set[int]().union(*(self._by_pool[pool] for pool in inside))

    def vmids_at_level(self, rules: AccessRules, actor: Actor, least: Level) -> frozenset[int] | None:
        """Return the guests on which the person has at least this level; None: every guest."""
        if not rules.levels:
            return None
        held = [role for role, level in rules.levels.items() if role in actor.roles and level >= least]
        if any(role not in rules.scopes for role in held):
            return None
        found = frozenset[int]().union(*(self.vmids_in_scopes(rules.scopes[role]) for role in held))
        return found.union(self.vmids_owned_by(actor.user_id)) if least <= Level.OPERATOR else found

    def matching(self, typed: str) -> Iterator[IndexedGuest]:
        """Yield the rows that contain all words, ordered by VMID."""
        words = words_of(typed)
        if not words:
            return iter(self.rows)
        first, *more = words
        found = (row for row in self.rows if first in row.text)
        return (row for row in found if all(word in row.text for word in more))


def _group_by(guests: Iterable[Guest], key: Callable[[Guest], str]) -> dict[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for guest in guests:
        found[key(guest)].add(guest.vmid)
    return dict(found)


@dataclass(frozen=True, slots=True)
class Offer:
    """The guests to offer to a person for an operation. `within=None`: all."""

    within: frozenset[int] | None
    protected: frozenset[int] = frozenset()
    """Protected guests, on which only an admin may do it."""
    admin_of: frozenset[int] | None = None
    """Guests on which the person is an admin; None: all."""

    @property
    def is_empty(self) -> bool:
        return self.within is not None and not self.within

    def allows(self, vmid: int) -> bool:
        if self.within is not None and vmid not in self.within:
            return False
        return vmid not in self.protected or self.admin_of is None or vmid in self.admin_of


NO_OFFER = Offer(frozenset())


def offer_for(
    rules: AccessRules, actor: Actor, operation: Operation, guest_index: GuestIndex, *, read_only: bool
) -> Offer:
    """Return the guests for which `decide` would not refuse the operation. `read_only`: it refuses every change."""
    right = OPERATIONS[operation]
    if place_refusal(rules, actor, operation) or (read_only and right.changes):
        return NO_OFFER
    if right.reach is Reach.WHOLE:
        everywhere = Offer(guest_index.vmids_at_level(rules, actor, right.level))
        return everywhere if everywhere.within is None else NO_OFFER
    within = guest_index.vmids_at_level(rules, actor, max(right.level, Level.VIEWER))
    if not right.guarded:
        return Offer(within)
    return Offer(
        within, guest_index.protected | rules.protected, guest_index.vmids_at_level(rules, actor, Level.ADMIN)
    )
