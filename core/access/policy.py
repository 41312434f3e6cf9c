"""Decide who may do what, to which guest, and where.

One pure function, `decide`, decides for the gate, the views and forms, and the action itself. The roles are those
of the current interaction. Scopes may limit a role to some guests. The tag `owner-<user id>` makes that
person an operator of the guest. A guest that a person may not see does not exist for them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import NotAllowed, NotHere, OnlySomeGuests, ReadOnly, Refused
from core.guest import Cluster, Guest, Kind, State
from core.guest_errors import GuestNotFound
from core.levels import Level, Reach
from core.operations import OPERATIONS, Operation

OWNER_TAG = "owner-"
PROTECTED_TAG = "protected"


class InteractionKind(StrEnum):
    """Kind of interaction by which a person asks."""

    COMMAND = "command"
    COMPLETION = "completion"
    BUTTON = "button"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Place:
    """Place of an interaction. A value that does not exist or is unknown is None, and fits no setting.

    `category_id`: category of the channel; for threads and forum posts, of the parent channel.
    `channel_id`: the channel or thread itself.
    """

    guild_id: int | None
    category_id: int | None
    channel_id: int | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """The person behind one interaction, as Discord describes them in it. `name`: their display name."""

    user_id: int
    name: str
    place: Place
    roles: frozenset[int] = frozenset()
    interaction_kind: InteractionKind = InteractionKind.COMMAND


class ScopeKind(StrEnum):
    """Property by which a scope selects guests. Its value is the word before the colon in the setting."""

    VMID = "vmid"
    TAG = "tag"
    POOL = "pool"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of guests. `value` is written as in Proxmox, a VMID as its digits. The case of tags does not matter."""

    kind: ScopeKind
    value: str

    def covers(self, guest: Guest) -> bool:
        match self.kind:
            case ScopeKind.VMID:
                return str(guest.vmid) == self.value
            case ScopeKind.TAG:
                return _has_tag(guest, self.value)
            case ScopeKind.POOL:  # pools may be nested: `lab/web` is in `lab`
                return f"{guest.pool or ''}/".startswith(f"{self.value}/")
            case ScopeKind.NODE:
                return guest.node == self.value


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The guild and the category in which the bot may be used, the alert channel, and the rights of roles.

    `levels`: by role id; empty: everybody is ADMIN. `scopes`: by role id, the guests to which a role in `levels`
    is limited; a role limited to () can do nothing in this cluster. `protected`: VMIDs.
    """

    guild_id: int
    category_id: int
    alert_channel_id: int | None = None
    levels: Mapping[int, Level] = field(default_factory=dict)
    scopes: Mapping[int, tuple[Scope, ...]] = field(default_factory=dict)
    protected: frozenset[int] = frozenset()


def _has_tag(guest: Guest, tag: str) -> bool:
    return tag.casefold() in (each.casefold() for each in guest.tags)


def is_protected(rules: AccessRules, guest: Guest) -> bool:
    """Return whether the bot's configuration, a tag, or Proxmox' flag (if it was read) protects the guest."""
    return guest.vmid in rules.protected or _has_tag(guest, PROTECTED_TAG) or guest.protected


def unknown_guest(vmid: int) -> Guest:
    """Return a guest with nothing known but its VMID. Only the scope of that VMID contains it."""
    return Guest(vmid, Kind.QEMU, "", State.UNKNOWN)


def listed_or_unknown(cluster: Cluster | None, vmid: int) -> Guest:
    """Return the guest as listed in the cluster, or with nothing but its VMID."""
    guest = cluster.find(vmid) if cluster else None
    return guest or unknown_guest(vmid)


def is_owner(actor: Actor, guest: Guest) -> bool:
    return _has_tag(guest, f"{OWNER_TAG}{actor.user_id}")


def grants(rules: AccessRules, actor: Actor) -> dict[int, tuple[Level, tuple[Scope, ...]]]:
    """Return the person's roles that grant something: each with its level and its scopes (none: all guests)."""
    return {
        role: (level, rules.scopes.get(role, ()))
        for role, level in sorted(rules.levels.items())
        if role in actor.roles and _has_anything(rules, role)
    }


def _has_anything(rules: AccessRules, role: int) -> bool:
    """Return whether a role with a level may have guests here. A role limited to other clusters has none."""
    return role not in rules.scopes or bool(rules.scopes[role])


def level_on(rules: AccessRules, actor: Actor, guest: Guest) -> Level:
    """Return the person's level on this guest. NONE: the guest is hidden from them."""
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
    """Return the person's level on the whole cluster. On each guest the level is at least this one."""
    if not rules.levels:
        return Level.ADMIN
    held = [level for role, level in rules.levels.items() if role in actor.roles - rules.scopes.keys()]
    return max(held, default=Level.NONE)


def level_anywhere(rules: AccessRules, actor: Actor, guests: Iterable[Guest]) -> Level:
    """Return the person's highest level on any guest. A role's scopes count even if no guest is in them now.

    `guests`: the guests whose owner tags are checked.
    """
    if not rules.levels:
        return Level.ADMIN
    held = [level for level, _ in grants(rules, actor).values()]
    if max(held, default=Level.NONE) < Level.OPERATOR and any(is_owner(actor, guest) for guest in guests):
        held.append(Level.OPERATOR)
    return max(held, default=Level.NONE)


def place_refusal(rules: AccessRules, actor: Actor, operation: Operation | None = None) -> Refused | None:
    """Return the refusal of a place where the bot may not be used, or None.

    An alert's button works in the alert channel, even outside the category.
    """
    place = actor.place
    if place.guild_id == rules.guild_id:
        if place.category_id == rules.category_id:
            return None
        at_alerts = place.channel_id is not None and place.channel_id == rules.alert_channel_id
        if (
            at_alerts
            and actor.interaction_kind is InteractionKind.BUTTON
            and operation is not None
            and OPERATIONS[operation].on_alerts
        ):
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
    """Return why this person may not do this here, to this guest, or None.

    `guest`: None if it is not known yet, or if there is none. `level_anywhere` then counts, or `level_everywhere` if
    the whole cluster is concerned.
    `guests`: the guests whose owner tags are checked if no guest is given, or with `whole`.
    `whole`: the operation is about more than guests (a node, everything).
    `read_only`: the refusal of every change while changes are switched off.
    `seconds`: how long the operation would last.
    """
    refusal = place_refusal(rules, actor, operation)
    if refusal is not None:
        return refusal
    right = OPERATIONS[operation]
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


def mildest(refusals: Iterable[Refused | None]) -> Refused | None:
    """Return the refusal to show for something that was asked of several sites. None if one of them allows it.

    ReadOnly comes first, then OnlySomeGuests, then NotAllowed, the one with the person's highest level first.
    """
    found = tuple(refusals)
    if None in found:
        return None

    def rank(refusal: Refused | None) -> tuple[bool, bool, Level]:
        level = refusal.level if isinstance(refusal, NotAllowed) else Level.NONE
        return isinstance(refusal, ReadOnly), isinstance(refusal, OnlySomeGuests), level

    return max(found, key=rank, default=None)


def depends_on_list(rules: AccessRules, actor: Actor, operation: Operation, vmid: int) -> bool:
    """Return whether the person's access may depend on the guest's tags, pool or node, which other people can change.

    The tag `protected` does not count: the guest is assumed to be protected.
    """
    right, sure = OPERATIONS[operation], level_everywhere(rules, actor)
    for level, scopes in grants(rules, actor).values():
        if any(scope.kind is ScopeKind.VMID and scope.value == str(vmid) for scope in scopes):
            sure = max(sure, level)
    if sure < right.level:
        return True
    guarded = right.guarded or right.guarded_after is not None
    more = (level for level, scopes in grants(rules, actor).values() if scopes)
    return guarded and sure < Level.ADMIN <= max(more, default=Level.NONE)


def scoped_vmids(rules: AccessRules, actor: Actor) -> frozenset[int]:
    """Return the VMIDs in the scopes of the person's roles, including those of deleted guests."""
    scopes = (scope for _, scopes in grants(rules, actor).values() for scope in scopes)
    return frozenset(int(scope.value) for scope in scopes if scope.kind is ScopeKind.VMID)


def unseen_pools(rules: AccessRules, cluster: Cluster, actor: Actor | None = None) -> tuple[str, ...]:
    """Return the pools that scopes name but the cluster does not show.

    Such a pool does not exist, or the token lacks Pool.Audit on `/pool/NAME` (Proxmox then omits the pool of a
    guest). `actor`: check only the roles of this person.
    """
    scopes = rules.scopes if actor is None else {role: rules.scopes.get(role, ()) for role in actor.roles}
    named = {scope.value for some in scopes.values() for scope in some if scope.kind is ScopeKind.POOL}
    return tuple(sorted(named - set(cluster.pools)))


def visible_guests(rules: AccessRules, actor: Actor, guests: Iterable[Guest]) -> tuple[Guest, ...]:
    """Return the guests that this person may see."""
    return tuple(guest for guest in guests if level_on(rules, actor, guest) > Level.NONE)
