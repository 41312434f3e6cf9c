"""Who may do what, to which guest, where. One pure function decides: the gate, every view and form and the action
itself call it.

Roles are those of the interaction that is judged; a role may be narrowed to some guests by scopes. A guest whose
tags say `owner-<user id>` has that person as its operator. What one may not see does not exist for one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import GuestNotFound, NotAllowed, NotHere, OnlySomeGuests, Refused
from core.guest import Cluster, Guest, Kind, State
from core.rights import ON_ALERTS, RIGHTS, Level, Operation, Reach

OWNER_TAG = "owner-"
PROTECTED_TAG = "protected"


class InteractionKind(StrEnum):
    """How a person came to ask."""

    COMMAND = "command"
    COMPLETION = "completion"
    BUTTON = "button"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an interaction happened. None means: not in a guild, or not to be known (which is a no).

    `category_id` is that of the channel, or of the parent for threads and forum posts; `channel_id` that of the
    channel or thread itself.
    """

    guild_id: int | None
    category_id: int | None
    channel_id: int | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """The person behind one interaction, as Discord describes them in that interaction."""

    user_id: int
    name: str
    place: Place
    roles: frozenset[int] = frozenset()
    interaction_kind: InteractionKind = InteractionKind.COMMAND


class ScopeKind(StrEnum):
    """What a scope goes by, by the word before its colon."""

    VMID = "vmid"
    TAG = "tag"
    POOL = "pool"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Scope:
    """Some of the guests. `value` as Proxmox writes it, of VMID its digits; tags whatever their case."""

    kind: ScopeKind
    value: str

    def covers(self, guest: Guest) -> bool:
        match self.kind:
            case ScopeKind.VMID:
                return str(guest.vmid) == self.value
            case ScopeKind.TAG:
                return has_tag(guest, self.value)
            case ScopeKind.POOL:  # a pool may be in another: `lab/web` is in `lab`
                return f"{guest.pool or ''}/".startswith(f"{self.value}/")
            case ScopeKind.NODE:
                return guest.node == self.value


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The one guild and the one category the bot may be used in, the channel that alerts go to, and who may what.

    `levels` by role id; none: everybody is ADMIN. `scopes` narrows roles that are in `levels`. `protected`: VMIDs.
    """

    guild_id: int
    category_id: int
    alert_channel_id: int | None = None
    levels: Mapping[int, Level] = field(default_factory=dict)
    scopes: Mapping[int, tuple[Scope, ...]] = field(default_factory=dict)
    protected: frozenset[int] = frozenset()


def has_tag(guest: Guest, tag: str) -> bool:
    return tag.casefold() in (each.casefold() for each in guest.tags)


def is_protected(rules: AccessRules, guest: Guest) -> bool:
    """By the bot's configuration, by its tag, or by Proxmox' flag."""
    return guest.vmid in rules.protected or has_tag(guest, PROTECTED_TAG) or guest.protected


def unknown_guest(vmid: int) -> Guest:
    """A guest of which nothing is known but its VMID: it is in no scope but its own."""
    return Guest(vmid, Kind.QEMU, "", State.UNKNOWN)


def listed_or_unknown(cluster: Cluster | None, vmid: int) -> Guest:
    """As the cluster lists it, or as nothing but its VMID."""
    guest = cluster.find(vmid) if cluster else None
    return guest or unknown_guest(vmid)


def is_owner(actor: Actor, guest: Guest) -> bool:
    return has_tag(guest, f"{OWNER_TAG}{actor.user_id}")


def grants(rules: AccessRules, actor: Actor) -> dict[int, tuple[Level, tuple[Scope, ...]]]:
    """The person's roles that count: what each allows, and the guests it is narrowed to (none: all)."""
    return {
        role: (level, rules.scopes.get(role, ()))
        for role, level in sorted(rules.levels.items())
        if role in actor.roles
    }


def level_on(rules: AccessRules, actor: Actor, guest: Guest) -> Level:
    """What the person may do to this guest; NONE: it is hidden from them."""
    if not rules.levels:
        return Level.ADMIN
    held = [
        level
        for role, level in rules.levels.items()
        if role in actor.roles
        and (role not in rules.scopes or any(scope.covers(guest) for scope in rules.scopes[role]))
    ]
    return max([*held, Level.OPERATOR if is_owner(actor, guest) else Level.NONE])


def level_everywhere(rules: AccessRules, actor: Actor) -> Level:
    """What the person may do to the cluster as a whole, and so to every guest."""
    if not rules.levels:
        return Level.ADMIN
    held = [level for role, level in rules.levels.items() if role in actor.roles - rules.scopes.keys()]
    return max(held, default=Level.NONE)


def level_anywhere(rules: AccessRules, actor: Actor, guests: Iterable[Guest]) -> Level:
    """The most the person may do to any guest; `guests`: those that may be the person's own."""
    if not rules.levels:
        return Level.ADMIN
    held = [level for role, level in rules.levels.items() if role in actor.roles]
    if max(held, default=Level.NONE) < Level.OPERATOR and any(is_owner(actor, guest) for guest in guests):
        held.append(Level.OPERATOR)
    return max(held, default=Level.NONE)


def place_refusal(rules: AccessRules, actor: Actor, operation: Operation | None = None) -> Refused | None:
    """Why nothing may be asked here. An alert's button works where alerts are, wherever that is."""
    place = actor.place
    if place.guild_id == rules.guild_id:
        if place.category_id == rules.category_id:
            return None
        at_alerts = place.channel_id is not None and place.channel_id == rules.alert_channel_id
        if at_alerts and actor.interaction_kind is InteractionKind.BUTTON and operation in ON_ALERTS:
            return None
    return NotHere()


def decide(
    rules: AccessRules,
    actor: Actor,
    operation: Operation,
    guest: Guest | None = None,
    *,
    guests: Iterable[Guest] = (),
    whole: bool = False,
    read_only: Refused | None = None,
    seconds: float = 0.0,
) -> Refused | None:
    """Why this person may not do this (to this guest) here, or None. Deny is the default.

    `guest` None, where the operation is about one: which is not known yet, so that the person must have the level
    on some guest. `guests`: what is known of the cluster, for whom tags make an owner. `whole`: it is about more
    than guests (a node, everything). `read_only`: what to say to changes while there are to be none.
    `seconds`: how long it would last.
    """
    refusal = place_refusal(rules, actor, operation)
    if refusal is not None:
        return refusal
    right = RIGHTS[operation]
    protected = right.guards(seconds) and guest is not None and is_protected(rules, guest)
    needed = Level.ADMIN if protected else right.level
    if whole or right.reach is Reach.WHOLE:
        level = level_everywhere(rules, actor)
        if level < needed:
            level = level_anywhere(rules, actor, guests)
            if level >= needed:
                return OnlySomeGuests()
    elif guest is not None:
        level = level_on(rules, actor, guest)
        if level is Level.NONE:
            return GuestNotFound(guest.vmid)
    else:
        level = level_anywhere(rules, actor, guests)
    if level < needed:
        return NotAllowed(needed, level, protected=protected and level >= right.level)
    return read_only if right.changes else None


def depends_on_list(rules: AccessRules, actor: Actor, operation: Operation, vmid: int) -> bool:
    """Whether the person may do this to the guest, were it protected, only because of its tags, pool or node, which
    others can change."""
    right, sure = RIGHTS[operation], level_everywhere(rules, actor)
    for level, scopes in grants(rules, actor).values():
        if any(scope.kind is ScopeKind.VMID and scope.value == str(vmid) for scope in scopes):
            sure = max(sure, level)
    if sure < right.level:
        return True
    guarded = right.guarded or right.guarded_after is not None
    more = (level for level, scopes in grants(rules, actor).values() if scopes)
    return guarded and sure < Level.ADMIN <= max(more, default=Level.NONE)


def scoped_vmids(rules: AccessRules, actor: Actor) -> frozenset[int]:
    """The guests that the person's roles name by their VMID, also those that are gone."""
    scopes = (scope for _, scopes in grants(rules, actor).values() for scope in scopes)
    return frozenset(int(scope.value) for scope in scopes if scope.kind is ScopeKind.VMID)


def unseen_pools(rules: AccessRules, cluster: Cluster, actor: Actor | None = None) -> tuple[str, ...]:
    """The pools that scopes name and the cluster does not show, so that nobody gets a guest by them: they do not
    exist, or the token lacks Pool.Audit on `/pool/NAME` (Proxmox then leaves a guest's pool out).

    `actor`: only of the roles this person has.
    """
    scopes = rules.scopes if actor is None else {role: rules.scopes.get(role, ()) for role in actor.roles}
    named = {scope.value for some in scopes.values() for scope in some if scope.kind is ScopeKind.POOL}
    return tuple(sorted(named - set(cluster.pools)))


def visible_guests(rules: AccessRules, actor: Actor, guests: Iterable[Guest]) -> tuple[Guest, ...]:
    """Those that exist for this person."""
    return tuple(guest for guest in guests if level_on(rules, actor, guest) > Level.NONE)
