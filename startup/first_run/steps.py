"""List the steps of the dialogue in order, and walk through them: forward, back, and again at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.health.grants import Use
from core.levels import Level
from startup.first_run.answers import find_row
from startup.first_run.discord_steps import (
    LEVELS,
    NAME_MOST,
    ask_alerts,
    ask_audit,
    ask_category,
    ask_guild,
    ask_roles,
    ask_token,
)
from startup.first_run.draft import Draft
from startup.first_run.proxmox_steps import USES, ask_access, ask_guests, ask_hosts, ask_node, ask_use, label
from startup.first_run.talk import Row, Talk
from startup.first_run.terminal import Back
from ui.formatting import level_word, plain
from ui.i18n import N_, Marked, Text

_LANGUAGES = (("ja", "日本語"), ("en", "English"))


def ask_language(talk: Talk) -> None:
    """Ask for the language of the bot, and of this dialogue."""
    rows = [Row(name, name) for _, name in _LANGUAGES]
    words = [word for word, _ in _LANGUAGES]
    chosen = talk.choose("言語 / Language", rows, words.index(talk.draft.language))
    talk.draft.language = "ja" if words[chosen] == "ja" else "en"


def ask_timezone(talk: Talk) -> None:
    """Ask for the time zone."""
    t, draft = talk.t, talk.draft
    default = (
        draft.timezone or system_timezone(talk.environ) or ("Asia/Tokyo" if draft.language == "ja" else "UTC")
    )
    while True:
        zone = talk.parsed("TIMEZONE", talk.ask(t("Time zone of quiet hours and dates (IANA name)"), default))
        if zone is not None:
            draft.timezone = str(zone)
            return


def system_timezone(environ: Mapping[str, str], link: Path = Path("/etc/localtime")) -> str:
    """Return the time zone of this machine; "" if it is not known, or only UTC."""
    name = environ.get("TZ", "").lstrip(":")
    if not name:
        try:
            name = str(link.readlink()).partition("zoneinfo/")[2]
        except OSError:
            name = ""
    return "" if name.removeprefix("Etc/").upper() in ("UTC", "UCT", "UNIVERSAL", "ZULU", "GMT") else name


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `shown`: its answer for the summary. `again`: titles of later steps that a new answer calls for."""

    title: Marked
    ask: Callable[[Talk], None]
    shown: Callable[[Text, Draft], str]
    again: tuple[str, ...] = ()


def _name(text: str) -> str:
    return plain(text, NAME_MOST)


def _roles(t: Text, draft: Draft) -> str:
    known = {
        **(draft.seen.roles if draft.seen else {}),
        (draft.seen.number if draft.seen else 0): "@everyone",
    }
    if not any(draft.roles.values()):
        return t("everybody is an admin")
    parts = []
    for word, level in zip((Level.ADMIN, Level.OPERATOR, Level.VIEWER), LEVELS, strict=True):
        names = ", ".join(_name(known.get(each, str(each))) for each in draft.roles.get(level, ()))
        parts.append(f"{level_word(t, word)}: {names or '-'}")
    return " · ".join(parts)


def _use(t: Text, draft: Draft) -> str:
    return t(dict(USES)[draft.use]) + (f" ({', '.join(draft.storages)})" if draft.use is Use.ALL else "")


_GUILD = ("Server", "Category", "Alerts", "Audit trail", "Who may use it")
STEPS = (
    Step(N_("Language"), ask_language, lambda _, draft: dict(_LANGUAGES)[draft.language]),
    Step(
        N_("Discord token"),
        ask_token,
        lambda _, draft: _name(draft.account.name) if draft.account else "",
        _GUILD,
    ),
    Step(N_("Server"), ask_guild, lambda _, draft: _name(draft.seen.name) if draft.seen else "", _GUILD[1:]),
    Step(
        N_("Category"),
        ask_category,
        lambda _, draft: _name(draft.category.view.name) if draft.category else "",
    ),
    Step(
        N_("Alerts"), ask_alerts, lambda _, draft: f"#{_name(draft.alerts.view.name)}" if draft.alerts else ""
    ),
    Step(
        N_("Audit trail"),
        ask_audit,
        lambda _, draft: f"#{_name(draft.audit.view.name)}" if draft.audit else "-",
    ),
    Step(N_("Who may use it"), ask_roles, _roles),
    Step(
        N_("Proxmox host"),
        ask_hosts,
        lambda _, draft: ", ".join(map(label, draft.points)),
        ("API token", "Node", "Guests"),
    ),
    Step(N_("Rights in Proxmox"), ask_use, _use, ("API token", "Node", "Guests")),
    Step(
        N_("API token"), ask_access, lambda _, draft: f"{draft.user}!{draft.token_name}", ("Node", "Guests")
    ),
    Step(N_("Node"), ask_node, lambda _, draft: _name(draft.node)),
    Step(N_("Guests"), ask_guests, lambda _, draft: ", ".join(map(str, draft.watched)) or "-"),
    Step(N_("Time zone"), ask_timezone, lambda _, draft: draft.timezone),
)


def walk(talk: Talk, pending: set[int]) -> None:
    """Ask the pending steps in order. Going back asks the step before again.

    Raises: Cancelled.
    """
    while pending:
        at = min(pending)
        talk.terminal.head(f"{at + 1}/{len(STEPS)} {talk.t(STEPS[at].title)}")
        try:
            STEPS[at].ask(talk)
            pending.discard(at)
        except Back:
            pending |= {at, max(at - 1, 0)}


def ask_all(talk: Talk) -> None:
    """Ask every step after the language, and then any of them again until all is right.

    Raises: Cancelled.
    """
    pending = set(range(1, len(STEPS)))
    while True:
        walk(talk, pending)
        t = talk.t
        talk.terminal.head(t("Your answers"))
        rows = [Row(t(step.title), f"{t(step.title)}: {step.shown(t, talk.draft)}") for step in STEPS]
        talk.show(rows)
        try:
            pending = _asked_again(talk, rows)
        except Back:
            pending = {len(STEPS) - 1}
        if not pending:
            return


def _asked_again(talk: Talk, rows: list[Row]) -> set[int]:
    """Return the steps to ask again; none if the answers are right."""
    while typed := talk.ask(talk.t("Press Enter to write config.py, or type a number to change that answer")):
        at = find_row(typed, [row.name for row in rows])
        if at is not None:
            return {at, *_dependents(at)}
        talk.refuse(talk.t("Type a number or a name from the list."))
    return set()


def _dependents(at: int) -> Iterator[int]:
    return (later for later, step in enumerate(STEPS) if step.title in STEPS[at].again)
