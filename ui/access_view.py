"""What a person may do here, and why not: from the one decision, asked of every operation."""

from collections.abc import Iterable

from discord import ui

from core.access import Actor, Scope, grants, is_protected, level_everywhere, owns
from core.actions import ACTIONS, Verb, objection
from core.errors import BotError, GuestProtected, NotATemplate, TemplateRefused
from core.guest import Guest
from core.judge import Judge
from core.rights import RIGHTS, Level, Operation, Reach
from ui.cards import card
from ui.operation_words import written
from ui.render import FAILED, OK, PROTECTED, READ_ONLY, WARNING, Colour, code, fit, title
from ui.sentences import level_word, read_only_line, sentence
from ui.start_words import pools_unseen
from ui.text import Text


def refusals(judge: Judge, actor: Actor, guest: Guest | None) -> dict[Operation, BotError | None]:
    """What would be said to each operation, on this guest or on any: also what the guest's nature forbids."""
    return {
        operation: judge.refusal(actor, operation, guest) or _never(operation, guest)
        for operation in Operation
    }


def _never(operation: Operation, guest: Guest | None) -> BotError | None:
    """What no state of the guest would change."""
    if guest is None or operation.value not in list(Verb):
        return None
    found = objection(ACTIONS[Verb(operation.value)], guest)
    return found if isinstance(found, (GuestProtected, NotATemplate, TemplateRefused)) else None


def access_card(
    t: Text, judge: Judge, actor: Actor, guest: Guest | None, wanted: Operation | None
) -> ui.LayoutView:
    """`wanted`: this operation alone; `guest`: on this one alone, else on any."""
    found = refusals(judge, actor, guest)
    if wanted is not None:
        found = {wanted: found[wanted]}
    elif guest is not None:  # what is about one guest
        found = {each: found[each] for each in found if RIGHTS[each].reach is Reach.GUEST}
    allowed = [code(written(t, each)) for each, refusal in found.items() if refusal is None]
    parts = [f"{OK} {' '.join(allowed)}"] if allowed else []
    reasons: dict[str, list[str]] = {}
    for each, refusal in found.items():
        if refusal is not None:
            reasons.setdefault(sentence(t, refusal), []).append(code(written(t, each)))
    parts += [f"{FAILED} {' '.join(names)}\n-# {reason}" for reason, names in reasons.items()]
    head = t("What you may do here")
    if guest is not None:
        head = t("What you may do to {guest}", guest=title(guest))
        if is_protected(judge.rules, guest):
            words = t("This guest is protected: risky actions take an admin, its name and a reason.")
            parts.append(f"{PROTECTED} {words}")
    if judge.read_only.held and not any(RIGHTS[each].effect for each in found):
        parts.append(f"{READ_ONLY} {read_only_line(t, judge.read_only.held)}")
    return card(f"### {head}\n{_why(t, judge, actor, guest)}", *parts, colour=Colour.QUIET)


def _why(t: Text, judge: Judge, actor: Actor, guest: Guest | None) -> str:
    """The roles that count, by what they allow."""
    if not judge.rules.levels:
        return f"-# {t('No roles are set up: everybody in this category is an admin.')}"
    lines = [
        f"<@&{role}>: {level_word(t, level)}{_narrowed(t, scopes)}"
        for role, (level, scopes) in grants(judge.rules, actor).items()
    ]
    whole = level_everywhere(judge.rules, actor) >= Level.ADMIN
    if unseen := judge.unseen_pools(None if whole else actor):
        lines.append(f"{WARNING} {pools_unseen(t, unseen)}")
    if guest is not None and owns(actor, guest):
        lines.append(t("owner of this guest: {level}", level=level_word(t, Level.OPERATOR)))
    return fit(t, (f"-# {line}" for line in lines or [t("None of your roles counts here.")]), 1200)


def _narrowed(t: Text, scopes: Iterable[Scope]) -> str:
    words = fit(t, (code(f"{scope.trait}:{scope.value}", 80) for scope in scopes), 400, " ")
    return f" · {t('only {scopes}', scopes=words)}" if words else ""
