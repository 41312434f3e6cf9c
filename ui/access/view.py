"""Show a person the allowed and refused operations here, grouped by where they are allowed, then by task."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeGuard

from discord import ui

from core.access.authorizer import Authorizer
from core.access.policy import Actor, Scope, grants, is_protected, level_everywhere
from core.errors import BotError, NotAllowed, OnlySomeGuests
from core.guest import Cluster, Guest
from core.levels import Level, Reach
from core.operations import LONG_MUTE_SECONDS, OPERATIONS, Operation
from ui.access.extents import NOT_FOR_IT, AllowedGuests, extents, refusals
from ui.access.groups import GROUPS, in_groups
from ui.access.summary import named_guests, summary, summary_on
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
from ui.messages.errors import error_sentence, read_only_line
from ui.messages.operations import operation_command
from ui.messages.startup import pools_unseen
from ui.sites.sections import fit_sections

_FOR_EVERYBODY = (Operation.ACCESS,)
"""Operations that are not refused to a person without any role."""
_UNBROKEN = "\N{NO-BREAK SPACE}"
"""Replaces spaces in a command, so that a narrow screen does not break it."""


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
    return card(f"### {head}\n{why}", *parts, colour=Colour.QUIET, apart=True)


def access_of_sites_card(t: Text, sites: Iterable[tuple[str, Sequence[str]]]) -> ui.LayoutView:
    """Build the card of /access for several sites from their names and texts.

    Sites with the same texts share them.
    """
    alike: dict[str, list[str]] = {}
    for name, texts in sites:
        alike.setdefault("\n".join(texts), []).append(name)
    named = {text: fit_lines(t, names, 500, t(", ")) for text, names in alike.items()}
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
    """Return the person's level here with their roles, then the allowed and refused operations, then notes.

    `wanted`: show only this operation.
    `guest`: show only this guest, otherwise the guests of `cluster` as last read.
    """
    found = refusals(authorizer, actor, guest)
    if wanted is not None:
        found = {wanted: found[wanted]}
    elif guest is not None:  # only the operations on a single guest
        found = {each: found[each] for each in found if OPERATIONS[each].reach is Reach.GUEST}
    allowed = [each for each, refusal in found.items() if refusal is None]
    groups: dict[_Answer, list[Operation]] = {}
    where = extents(authorizer, actor, cluster, allowed) if guest is None else {}
    for each, refusal in found.items():
        if refusal is None:
            answer = _allowed(t, authorizer, where.get(each))
        else:
            answer = _Answer(_Rank.NOWHERE, _why_not(t, refusal))
        groups.setdefault(answer, []).append(each)
    parts = [_group(t, *each) for each in sorted(groups.items(), key=lambda each: each[0].rank)]
    parts += _notes(t, authorizer, actor, guest, cluster, allowed)
    if any(map(_lacks_level, found.values())):
        parts.append(f"-# {t('Need more? Ask an administrator of this server.')}")
    if authorizer.read_only.refusal and not any(OPERATIONS[each].effect for each in found):
        parts.append(f"{READ_ONLY} {read_only_line(t, authorizer.read_only.refusal)}")
    why = summary_on(t, authorizer, actor, guest) if guest else summary(t, authorizer, actor, cluster)
    roles = _roles(t, authorizer, actor, guest)
    return [f"{why}\n{roles}" if roles else why, *parts]


class _Rank(IntEnum):
    """Order of the paragraphs."""

    EVERYWHERE = 0
    SOMEWHERE = 1
    NOWHERE = 2


class _Answer(NamedTuple):
    """Heading of a paragraph, the same for all operations in it."""

    rank: _Rank
    head: str


def _group(t: Text, answer: _Answer, operations: Collection[Operation]) -> str:
    """Return a paragraph: the heading of the answer, and the operations by task.

    Refused operations are in small print. If all operations are refused except those open to everybody, only the
    heading is left.
    """
    lines = list(_group_lines(t, operations))
    if answer.rank is not _Rank.NOWHERE:
        return "\n".join((f"{OK} {answer.head}", *lines))
    if len(operations) >= len(Operation) - len(_FOR_EVERYBODY):
        return f"{FAILED} {answer.head}"
    return f"{FAILED} {answer.head}\n-# {' · '.join(lines)}"


def _group_lines(t: Text, operations: Collection[Operation]) -> Iterator[str]:
    """Yield a line for each group: its operations, or a note that all of them are meant."""
    whole = {name: len(group) for name, group in GROUPS}
    for name, group in in_groups(operations):
        names = " ".join(code(operation_command(t, each)).replace(" ", _UNBROKEN) for each in group)
        yield f"**{t(name)}** {t('all actions') if len(group) == whole[name] else names}"


def _notes(
    t: Text,
    authorizer: Authorizer,
    actor: Actor,
    guest: Guest | None,
    cluster: Cluster | None,
    allowed: Sequence[Operation],
) -> Iterator[str]:
    """Yield the limits besides the operations: protection, and the longest mute."""
    rules = authorizer.rules
    risky = any(OPERATIONS[each].guarded and OPERATIONS[each].level < Level.ADMIN for each in allowed)
    if guest is None and risky and level_everywhere(rules, actor) < Level.ADMIN:
        yield f"-# {t('Protection set in Proxmox is only shown with `vmid`.')}"
    seen = cluster.guests if cluster and guest is None else ()
    if Operation.MONITOR_MUTE in allowed and _mutes_briefly(authorizer, actor, [guest] if guest else seen):
        words = t(
            "`/monitor mute` of a protected guest: at most {time}", time=format_duration(t, LONG_MUTE_SECONDS)
        )
        yield f"-# {words}"
    if guest is not None and is_protected(rules, guest):
        words = t("This guest is protected: risky actions need an admin, its name and a reason.")
        yield f"{PROTECTED} {words}"


def _mutes_briefly(authorizer: Authorizer, actor: Actor, guests: Iterable[Guest]) -> bool:
    """Return whether at least one of the guests may be muted, but only for a short time."""
    return any(
        is_protected(authorizer.rules, guest)
        and authorizer.refusal(actor, Operation.MONITOR_MUTE, guest) is None
        and authorizer.refusal(actor, Operation.MONITOR_MUTE, guest, seconds=LONG_MUTE_SECONDS + 1)
        is not None
        for guest in guests
    )


def _allowed(t: Text, authorizer: Authorizer, extent: AllowedGuests | None) -> _Answer:
    if extent is None or extent.whole:
        return _Answer(_Rank.EVERYWHERE, f"**{t('Allowed')}**")
    if not extent.on:
        return _Answer(_Rank.NOWHERE, f"**{t('No suitable guest right now')}**")
    if extent.hidden or len(extent.on) <= len(extent.off):
        head = t("Only for {guests}", guests=named_guests(t, authorizer, extent.on))
    else:
        head = t("Allowed except for {guests}", guests=named_guests(t, authorizer, extent.off))
    return _Answer(_Rank.SOMEWHERE, head)


def _why_not(t: Text, refusal: BotError) -> str:
    """Return the heading of the refused operations. The sentence at the top names the person's level."""
    if _lacks_level(refusal):
        return f"**{t('Needs the “{needed}” level', needed=level_word(t, refusal.needed))}**"
    if isinstance(refusal, OnlySomeGuests):
        return f"**{t('Needs a role for all guests')}**"
    if isinstance(refusal, NOT_FOR_IT):
        return f"**{t('Not available for this guest')}**"
    return error_sentence(t, refusal)


def _lacks_level(refusal: BotError | None) -> TypeGuard[NotAllowed]:
    """Return whether the person has a level already, and a higher level would allow the refused operation."""
    return isinstance(refusal, NotAllowed) and refusal.level > Level.NONE and not refusal.protected


def _roles(t: Text, authorizer: Authorizer, actor: Actor, guest: Guest | None) -> str:
    """List the person's roles that grant something, with their levels, and pools that Proxmox does not show.

    A role that does not apply to the guest is marked as such.
    """
    lines = []
    for role, (level, scopes) in grants(authorizer.rules, actor).items():
        line = _role_line(t, role, level, scopes)
        if guest is not None and scopes and not any(scope.covers(guest) for scope in scopes):
            line += f" · {t('does not apply to this guest')}"
        lines.append(line)
    whole = level_everywhere(authorizer.rules, actor) >= Level.ADMIN
    if guest is None and (unseen := authorizer.unseen_pools(None if whole else actor)):
        lines.append(f"{WARNING} {pools_unseen(t, unseen)}")
    return fit_lines(t, (f"-# {line}" for line in lines), 1200)


def _role_line(t: Text, role: int, level: Level, scopes: Sequence[Scope]) -> str:
    words = fit_lines(t, (code(f"{scope.kind}:{scope.value}", 80) for scope in scopes), 400, " ")
    narrowed = f" · {t('only {scopes}', scopes=words)}" if words else ""
    return f"<@&{role}>: {level_word(t, level)}{narrowed}"
