"""Show what a person may do here, and why not.

The one access decision is asked for every operation and every guest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from discord import ui

from core.access.authorizer import Authorizer
from core.access.policy import (
    Actor,
    Scope,
    grants,
    is_owner,
    is_protected,
    level_everywhere,
    level_on,
    visible_guests,
)
from core.actions.preconditions import failed_precondition
from core.errors import BotError, CannotWatchTemplate
from core.guest import Cluster, Guest
from core.guest_errors import GuestProtected, NotATemplate, TemplateRefused, WrongKind
from core.levels import Level, Reach
from core.operations import ACTIONS, LONG_MUTE_SECONDS, OPERATIONS, Operation
from ui.cards import card
from ui.formatting import (
    FAILED,
    MESSAGE_MOST,
    OK,
    PROTECTED,
    READ_ONLY,
    WARNING,
    Colour,
    code,
    fit_lines,
    format_duration,
    level_word,
    title,
)
from ui.i18n import Text
from ui.interaction.refusal import mixed_levels_text
from ui.messages.errors import error_sentence, read_only_line
from ui.messages.operations import operation_command
from ui.messages.startup import pools_unseen
from ui.sites.sections import fit_sections

GUESTS_MOST = 300
"""Maximum characters of the guests' names in one line."""


def refusals(authorizer: Authorizer, actor: Actor, guest: Guest | None) -> dict[Operation, BotError | None]:
    """Return for each operation the refusal it would get, or None. `guest=None` asks about any guest.

    Refusals that follow from the kind of guest, or from a template, are included.
    """
    return {
        operation: authorizer.refusal(actor, operation, guest) or _never(operation, guest)
        for operation in Operation
    }


LASTING = (GuestProtected, NotATemplate, TemplateRefused, WrongKind)
"""Errors that refuse an action in every state of the guest."""


def _never(operation: Operation, guest: Guest | None) -> BotError | None:
    """Return the error that refuses the operation in every state of the guest, or None."""
    if guest is not None and guest.template and operation is Operation.MONITOR_ADD:
        return CannotWatchTemplate(guest.vmid, guest.label)
    if guest is None or operation not in ACTIONS:
        return None
    found = failed_precondition(OPERATIONS[operation], guest)
    return found if isinstance(found, LASTING) else None


@dataclass(frozen=True, slots=True)
class Extent:
    """The guests that a person sees, divided by whether an operation is allowed on them.

    `hidden`: there may be more guests that the person does not see.
    """

    on: tuple[Guest, ...]
    off: tuple[Guest, ...]
    hidden: bool

    @property
    def whole(self) -> bool:
        return not self.off and not self.hidden


def extents(
    authorizer: Authorizer, actor: Actor, cluster: Cluster | None, wanted: Iterable[Operation]
) -> dict[Operation, Extent]:
    """Return for each operation on a single guest where it is allowed, guest by guest.

    The decision is the same for all guests with the same level and protection, so it is asked for one of them.
    """
    seen = visible_guests(authorizer.rules, actor, cluster.guests) if cluster else ()
    alike: dict[tuple[Level, bool], list[Guest]] = {}
    for guest in seen:
        nature = level_on(authorizer.rules, actor, guest), is_protected(authorizer.rules, guest)
        alike.setdefault(nature, []).append(guest)
    found = {}
    for operation in wanted:
        if OPERATIONS[operation].reach is Reach.GUEST:
            allowed = [
                nature
                for nature, guests in alike.items()
                if authorizer.refusal(actor, operation, guests[0]) is None
            ]
            on = [guest for nature in allowed for guest in alike[nature]]
            off = [guest for nature, guests in alike.items() if nature not in allowed for guest in guests]
            found[operation] = Extent(_sorted(on), _sorted(off), authorizer.has_hidden_guests(actor))
    return found


def _sorted(guests: Iterable[Guest]) -> tuple[Guest, ...]:
    return tuple(sorted(guests, key=lambda guest: guest.vmid))


def access_card(
    t: Text,
    authorizer: Authorizer,
    actor: Actor,
    guest: Guest | None,
    wanted: Operation | None,
    cluster: Cluster | None = None,
) -> ui.LayoutView:
    """Build the card of /access. The parameters are those of `access_texts`."""
    head = t("Actions you can use")
    if guest is not None:
        head = t("Actions you can use on {guest}", guest=title(guest))
    why, *parts = access_texts(t, authorizer, actor, guest, wanted, cluster)
    return card(f"### {head}\n{why}", *parts, colour=Colour.QUIET)


def access_of_sites_card(t: Text, sites: Iterable[tuple[str, Sequence[str]]]) -> ui.LayoutView:
    """Build the card of /access for several sites, of their names and texts. Sites with the same texts share them."""
    alike: dict[str, list[str]] = {}
    for name, texts in sites:
        alike.setdefault("\n".join(texts), []).append(name)
    named = {text: fit_lines(t, names, 500, ", ") for text, names in alike.items()}
    sections = [(f"### {names}\n{text}", f"**{names}**") for text, names in named.items()]
    note = f"-# {t('Choose one in `site` for the details.')}"
    body = fit_sections(sections, MESSAGE_MOST - 100, note)
    return card(f"### {t('Actions you can use')}", body, colour=Colour.QUIET)


def access_texts(
    t: Text,
    authorizer: Authorizer,
    actor: Actor,
    guest: Guest | None,
    wanted: Operation | None,
    cluster: Cluster | None = None,
) -> list[str]:
    """Return why the person has which level, and then what they may do and why not.

    `wanted`: show only this operation.
    `guest`: show only this guest, otherwise the guests of `cluster` as last read.
    """
    found = refusals(authorizer, actor, guest)
    if wanted is not None:
        found = {wanted: found[wanted]}
    elif guest is not None:  # only the operations on a single guest
        found = {each: found[each] for each in found if OPERATIONS[each].reach is Reach.GUEST}
    allowed = [each for each, refusal in found.items() if refusal is None]
    where = extents(authorizer, actor, cluster, allowed) if guest is None else {}
    parts = _allowed(t, authorizer, allowed, where)
    reasons: dict[str, list[str]] = {}
    for each, refusal in found.items():
        if refusal is not None:
            reason = _why_not(t, authorizer, actor, guest, refusal)
            reasons.setdefault(reason, []).append(code(operation_command(t, each)))
    parts += [f"{FAILED} {' '.join(names)}\n-# {reason}" for reason, names in reasons.items()]
    risky = any(OPERATIONS[each].guarded and OPERATIONS[each].level < Level.ADMIN for each in allowed)
    if guest is None and risky and level_everywhere(authorizer.rules, actor) < Level.ADMIN:
        parts.append(f"-# {t('Protection set in Proxmox is only shown with `vmid`.')}")
    seen = cluster.guests if cluster and guest is None else ()
    if Operation.MONITOR_MUTE in allowed and _mutes_briefly(authorizer, actor, [guest] if guest else seen):
        words = t(
            "`/monitor mute` of a protected guest: at most {time}", time=format_duration(t, LONG_MUTE_SECONDS)
        )
        parts.append(f"-# {words}")
    if guest is not None and is_protected(authorizer.rules, guest):
        words = t("This guest is protected: risky actions need an admin, its name and a reason.")
        parts.append(f"{PROTECTED} {words}")
    if authorizer.read_only.refusal and not any(OPERATIONS[each].effect for each in found):
        parts.append(f"{READ_ONLY} {read_only_line(t, authorizer.read_only.refusal)}")
    why = _why_on(t, authorizer, actor, guest) if guest else _why(t, authorizer, actor, cluster)
    return [why, *parts]


def _mutes_briefly(authorizer: Authorizer, actor: Actor, guests: Iterable[Guest]) -> bool:
    """Return whether at least one of the guests may be muted, but only for a short time."""
    return any(
        is_protected(authorizer.rules, guest)
        and authorizer.refusal(actor, Operation.MONITOR_MUTE, guest) is None
        and authorizer.refusal(actor, Operation.MONITOR_MUTE, guest, seconds=LONG_MUTE_SECONDS + 1)
        is not None
        for guest in guests
    )


def _allowed(
    t: Text, authorizer: Authorizer, allowed: Sequence[Operation], where: Mapping[Operation, Extent]
) -> list[str]:
    """Return one paragraph per set of guests. Operations allowed everywhere come first."""
    groups: dict[Extent | None, list[str]] = {None: []}
    for each in allowed:
        extent = where.get(each)
        groups.setdefault(None if extent is None or extent.whole else extent, []).append(
            code(operation_command(t, each))
        )
    parts = []
    for extent, names in groups.items():
        if extent is not None:
            sign = OK if extent.on else FAILED
            parts.append(f"{sign} {' '.join(names)}\n-# {_where(t, authorizer, extent)}")
        elif names:
            parts.append(f"{OK} {' '.join(names)}")
    return parts


def _why_not(t: Text, authorizer: Authorizer, actor: Actor, guest: Guest | None, refusal: BotError) -> str:
    asker = actor if guest is None else None
    return mixed_levels_text(t, authorizer, asker, refusal, Level.NONE) or error_sentence(t, refusal)


def _where(t: Text, authorizer: Authorizer, extent: Extent) -> str:
    if not extent.on:
        return t("You cannot do this with any guest right now.")
    if extent.hidden or len(extent.on) <= len(extent.off):
        return t("only for {guests}", guests=_names(t, authorizer, extent.on))
    return t("except {guests}", guests=_names(t, authorizer, extent.off))


def _names(t: Text, authorizer: Authorizer, guests: Iterable[Guest]) -> str:
    names = (
        title(each) + (f" {PROTECTED}" if is_protected(authorizer.rules, each) else "") for each in guests
    )
    return fit_lines(t, names, GUESTS_MOST, " · ")


def _why(t: Text, authorizer: Authorizer, actor: Actor, cluster: Cluster | None) -> str:
    """List the person's roles that grant something, with their levels, and the guests the person owns."""
    if not authorizer.rules.levels:
        return _everybody(t)
    lines = [_role_line(t, role, *granted) for role, granted in grants(authorizer.rules, actor).items()]
    whole = level_everywhere(authorizer.rules, actor) >= Level.ADMIN
    if unseen := authorizer.unseen_pools(None if whole else actor):
        lines.append(f"{WARNING} {pools_unseen(t, unseen)}")
    own = [guest for guest in (cluster.guests if cluster else ()) if is_owner(actor, guest)]
    if own:
        level = level_word(t, Level.OPERATOR)
        lines.append(t("owner of {guests}: {level}", guests=_names(t, authorizer, own), level=level))
    return _small(t, lines or [t("None of your roles has permissions here.")])


def _why_on(t: Text, authorizer: Authorizer, actor: Actor, guest: Guest) -> str:
    """Show the level on this guest and its sources. A role that does not apply to the guest is marked so."""
    if not authorizer.rules.levels:
        return _everybody(t)
    lines = [
        t("Your level on this guest: {level}", level=level_word(t, level_on(authorizer.rules, actor, guest)))
    ]
    for role, (level, scopes) in grants(authorizer.rules, actor).items():
        line = _role_line(t, role, level, scopes)
        if scopes and not any(scope.covers(guest) for scope in scopes):
            line += f" · {t('does not apply to this guest')}"
        lines.append(line)
    if is_owner(actor, guest):
        lines.append(t("owner of this guest: {level}", level=level_word(t, Level.OPERATOR)))
    return _small(t, lines)


def _everybody(t: Text) -> str:
    return f"-# {t('No roles are configured: everyone in this category is an admin.')}"


def _small(t: Text, lines: Iterable[str]) -> str:
    return fit_lines(t, (f"-# {line}" for line in lines), 1200)


def _role_line(t: Text, role: int, level: Level, scopes: Sequence[Scope]) -> str:
    words = fit_lines(t, (code(f"{scope.kind}:{scope.value}", 80) for scope in scopes), 400, " ")
    narrowed = f" · {t('only {scopes}', scopes=words)}" if words else ""
    return f"<@&{role}>: {level_word(t, level)}{narrowed}"
