"""Describe a person's permissions in a few sentences: their level, where it is higher, and the guests they own."""

from collections.abc import Iterable, Iterator, Mapping

from core.access.authorizer import Authorizer
from core.access.policy import Actor, grants, is_owner, is_protected, level_everywhere, level_on
from core.access.rows import NO_ROWS, Rows
from core.guest import Cluster, Guest
from core.levels import Level
from core.operations import Operation
from ui.formatting import PROTECTED, fit_lines, title
from ui.i18n import N_, Marked, Text

GUESTS_MOST = 300
"""Maximum characters of the guests' names in one place."""

_EVERYWHERE: Mapping[Level, Marked] = {
    Level.VIEWER: N_("You are a viewer."),
    Level.OPERATOR: N_("You are an operator."),
    Level.ADMIN: N_("You are an admin."),
}
_HIGHER: Mapping[Level, Marked] = {
    Level.OPERATOR: N_("You are also an operator of {guests}."),
    Level.ADMIN: N_("You are also an admin of {guests}."),
}
"""For guests on which the level is higher than what an earlier sentence tells."""
_FIRST: Mapping[Level, Marked] = {
    Level.VIEWER: N_("You are a viewer of {guests}."),
    Level.OPERATOR: N_("You are an operator of {guests}."),
    Level.ADMIN: N_("You are an admin of {guests}."),
}
_OF_GUEST: Mapping[Level, Marked] = {
    Level.VIEWER: N_("You are a viewer of this guest."),
    Level.OPERATOR: N_("You are an operator of this guest."),
    Level.ADMIN: N_("You are an admin of this guest."),
}


def everybody(t: Text) -> str:
    return t("No roles are configured: everyone in this category is an admin.")


def summary(t: Text, authorizer: Authorizer, actor: Actor, cluster: Cluster | None) -> str:
    """Describe the person's level on the whole site, then on some guests, then as owner."""
    rules = authorizer.rules
    if not rules.levels:
        return everybody(t)
    everywhere = level_everywhere(rules, actor)
    parts = [t(_EVERYWHERE[everywhere])] if everywhere > Level.NONE else []
    for level, guests in _by_level(authorizer, actor, cluster):
        words = _HIGHER if parts else _FIRST
        parts.append(t(words[level], guests=named_guests(t, authorizer, guests)))
    parts += _as_owner(t, authorizer, actor, cluster, alone=not parts)
    if parts:
        return (" " if t.language == "en" else "").join(parts)
    if not grants(rules, actor):
        return t("None of your roles has permissions here.")
    return (
        t("Your roles apply to no guest right now.")
        if cluster
        else t("The guest list has not been read yet.")
    )


def _by_level(
    authorizer: Authorizer, actor: Actor, cluster: Cluster | None
) -> Iterator[tuple[Level, list[Guest]]]:
    """Yield the guests on which roles give a higher level than on the whole site, the highest level first."""
    taken = NO_ROWS
    for level in sorted(Level, reverse=True):
        if level <= level_everywhere(authorizer.rules, actor):
            return
        rows = _in_scopes(authorizer, actor, cluster, level) & ~taken
        taken |= rows
        if cluster is not None and rows:
            yield level, list(authorizer.guest_index(cluster).guests_in(rows))


def _in_scopes(authorizer: Authorizer, actor: Actor, cluster: Cluster | None, *levels: Level) -> Rows:
    """Return the guests in the scopes of the person's roles of exactly these levels."""
    if cluster is None:
        return NO_ROWS
    held = grants(authorizer.rules, actor).values()
    scopes = (scopes for level, scopes in held if level in levels and scopes)
    return authorizer.guest_index(cluster).table.in_scopes(scopes)


def _as_owner(
    t: Text, authorizer: Authorizer, actor: Actor, cluster: Cluster | None, *, alone: bool
) -> Iterator[str]:
    """Yield the person's permissions as owner. `alone`: they may do nothing else here."""
    if cluster is None or level_everywhere(authorizer.rules, actor) >= Level.OPERATOR:
        return
    guest_index = authorizer.guest_index(cluster)
    by_roles = _in_scopes(authorizer, actor, cluster, Level.OPERATOR, Level.ADMIN)
    owned = list(guest_index.guests_in(guest_index.table.in_scopes((), actor.user_id) & ~by_roles))
    powered = [guest for guest in owned if _has_power(authorizer, actor, guest)]
    others = [guest for guest in owned if guest not in powered]
    if powered:
        words = N_("As owner you may also control the power of {guests}.")
        if alone:
            words = N_("As owner you may view {guests} and control the power.")
        yield t(words, guests=named_guests(t, authorizer, powered))
    if others:
        yield t("As owner you are an operator of {guests}.", guests=named_guests(t, authorizer, others))


def _has_power(authorizer: Authorizer, actor: Actor, guest: Guest) -> bool:
    """Return whether the person may start the guest and shut it down. A protected guest needs an admin."""
    wanted = (Operation.START, Operation.SHUTDOWN)
    return not guest.template and all(authorizer.refusal(actor, each, guest) is None for each in wanted)


def summary_on(t: Text, authorizer: Authorizer, actor: Actor, guest: Guest) -> str:
    """Describe the person's level on this guest, which they may see."""
    rules = authorizer.rules
    if not rules.levels:
        return everybody(t)
    level = level_on(rules, actor, guest)
    by_roles = [
        held
        for held, scopes in grants(rules, actor).values()
        if not scopes or any(scope.covers(guest) for scope in scopes)
    ]
    if is_owner(actor, guest) and max(by_roles, default=Level.NONE) < level:
        return t("As its owner you are an operator of this guest.")
    return t(_OF_GUEST[level])


def named_guests(t: Text, authorizer: Authorizer, guests: Iterable[Guest]) -> str:
    """Return the guests' names, as many as fit, with a sign for protected ones."""
    names = (
        title(each) + (f" {PROTECTED}" if is_protected(authorizer.rules, each) else "") for each in guests
    )
    return fit_lines(t, names, GUESTS_MOST, t(", "))
