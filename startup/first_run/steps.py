"""List the steps of the dialogue in order, and walk through them: forward, back, and again at the end.

Every step raises Back or Cancelled (startup/first_run/terminal.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.health.grants import Use
from core.levels import Level
from startup.first_run.answers import MORE, find_row
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
from startup.first_run.draft import Draft, SiteDraft
from startup.first_run.host_steps import ask_hosts, ask_name, label
from startup.first_run.proxmox_steps import USES, ask_access, ask_guests, ask_node, ask_use
from startup.first_run.talk import Row, Talk
from startup.first_run.terminal import Back
from ui.formatting import level_word, plain
from ui.i18n import N_, Marked, Text

_LANGUAGES = (("ja", "日本語"), ("en", "English"))


def _ask_language(talk: Talk) -> None:
    """Ask for the language of the bot, and of this dialogue."""
    rows = [Row(name, name) for _, name in _LANGUAGES]
    words = [word for word, _ in _LANGUAGES]
    chosen = talk.choose("言語 / Language", rows, words.index(talk.draft.language))
    talk.draft.language = "ja" if words[chosen] == "ja" else "en"


def _ask_timezone(talk: Talk) -> None:
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
    """Return the IANA name of this machine's time zone; "" if it is not known, or only UTC."""
    name = environ.get("TZ", "").lstrip(":")
    if not name:
        try:
            name = str(link.readlink()).partition("zoneinfo/")[2]
        except OSError:
            name = ""
    if name.removeprefix("Etc/").upper() in ("UTC", "UCT", "UNIVERSAL", "ZULU", "GMT"):
        return ""
    try:
        return ZoneInfo(name).key
    except (ValueError, ZoneInfoNotFoundError, OSError):  # TZ may also be a rule, such as JST-9, or a path
        return ""


@dataclass(frozen=True, slots=True)
class DialogueStep:
    """One step. `shown`: returns its answer for the summary. `again`: titles of the later steps to ask again, too."""

    title: Marked
    ask: Callable[[Talk], None]
    shown: Callable[[Text, Draft, SiteDraft], str]
    again: tuple[str, ...] = ()


def _name(text: str) -> str:
    return plain(text, NAME_MOST)


def _roles(t: Text, draft: Draft, _: SiteDraft) -> str:
    known = {
        **(draft.seen.roles if draft.seen else {}),
        (draft.seen.number if draft.seen else 0): "@everyone",
    }
    if not any(draft.roles.values()):
        return t("everyone is an admin")
    parts = []
    for word, level in zip((Level.ADMIN, Level.OPERATOR, Level.VIEWER), LEVELS, strict=True):
        names = ", ".join(_name(known.get(each, str(each))) for each in draft.roles.get(level, ()))
        parts.append(f"{level_word(t, word)}: {names or '-'}")
    return " · ".join(parts)


def _use(t: Text, _: Draft, site: SiteDraft) -> str:
    return t(dict(USES)[site.use]) + (f" ({', '.join(site.storages)})" if site.use is Use.ALL else "")


_GUILD = ("Server", "Category", "Alerts", "Audit trail", "Who may use it")
_BEFORE = (
    DialogueStep(N_("Language"), _ask_language, lambda _t, draft, _: dict(_LANGUAGES)[draft.language]),
    DialogueStep(
        N_("Discord token"),
        ask_token,
        lambda _t, draft, _: _name(draft.account.name) if draft.account else "",
        _GUILD,
    ),
    DialogueStep(
        N_("Server"), ask_guild, lambda _t, draft, _: _name(draft.seen.name) if draft.seen else "", _GUILD[1:]
    ),
    DialogueStep(
        N_("Category"),
        ask_category,
        lambda _t, draft, _: _name(draft.category.view.name) if draft.category else "",
    ),
    DialogueStep(
        N_("Alerts"),
        ask_alerts,
        lambda _t, draft, _: f"#{_name(draft.alerts.view.name)}" if draft.alerts else "",
    ),
    DialogueStep(
        N_("Audit trail"),
        ask_audit,
        lambda _t, draft, _: f"#{_name(draft.audit.view.name)}" if draft.audit else "-",
    ),
    DialogueStep(N_("Who may use it"), ask_roles, _roles),
)
_NAMING = DialogueStep(N_("Name"), ask_name, lambda _t, _, site: site.name)
"""The step for the name of each cluster, if there are several."""
_OF_CLUSTER = (
    DialogueStep(
        N_("Proxmox host"),
        ask_hosts,
        lambda _t, _, site: ", ".join(map(label, site.points)),
        ("API token", "Node", "Guests"),
    ),
    DialogueStep(N_("Permissions in Proxmox"), ask_use, _use, ("API token", "Node", "Guests")),
    DialogueStep(
        N_("API token"),
        ask_access,
        lambda _t, _, site: f"{site.user}!{site.token_name}",
        ("Node", "Guests"),
    ),
    DialogueStep(N_("Node"), ask_node, lambda _t, _, site: _name(site.node)),
    DialogueStep(N_("Guests"), ask_guests, lambda _t, _, site: ", ".join(map(str, site.watched)) or "-"),
)
_AFTER = (DialogueStep(N_("Time zone"), _ask_timezone, lambda _t, draft, _: draft.timezone),)
STEPS = (*_BEFORE, _NAMING, *_OF_CLUSTER, *_AFTER)


@dataclass(frozen=True, slots=True)
class ListedStep:
    """A step in the list of this dialogue.

    `site`: the cluster that it is about; the first one, if it is about none.
    """

    step: DialogueStep
    site: SiteDraft

    def title(self, t: Text, draft: Draft) -> str:
        """Return the title of the step, with the name of its cluster if there are several."""
        of_cluster = self.step in (_NAMING, *_OF_CLUSTER)
        named = draft.several and of_cluster and self.site.name
        return f"{t(self.step.title)} ({self.site.name})" if named else t(self.step.title)


def list_steps(draft: Draft) -> list[ListedStep]:
    """Return the steps in order. Those about a cluster are there once for each cluster."""
    first, of_cluster = draft.sites[0], (_NAMING, *_OF_CLUSTER) if draft.several else _OF_CLUSTER
    return [
        *(ListedStep(step, first) for step in _BEFORE),
        *(ListedStep(step, site) for site in draft.sites for step in of_cluster),
        *(ListedStep(step, first) for step in _AFTER),
    ]


def walk(talk: Talk, pending: set[ListedStep]) -> None:
    """Ask the pending steps in order.

    Going back asks the previous step again, and passes over steps that ask nothing.
    Raises: Cancelled.
    """
    draft, is_back = talk.draft, False
    while True:
        steps = list_steps(draft)
        at = next((at for at, each in enumerate(steps) if each in pending), None)
        if at is None:
            return
        draft.site = steps[at].site
        talk.terminal.head(f"{at + 1}/{len(steps)} {steps[at].title(talk.t, draft)}")
        questions = talk.terminal.questions
        try:
            steps[at].step.ask(talk)
            is_back = is_back and talk.terminal.questions == questions
            pending.discard(steps[at])
        except Back:
            is_back = True
        if is_back:
            pending |= {steps[at], steps[max(at - 1, 0)]}


def ask_every_step(talk: Talk) -> None:
    """Ask every step after the language. Then ask again what the person wants to change, until all is right.

    Raises: Cancelled.
    """
    pending = {*list_steps(talk.draft)[1:]}
    while True:
        walk(talk, pending)
        t, draft = talk.t, talk.draft
        steps = list_steps(draft)
        talk.terminal.head(t("Your answers"))
        titles = [each.title(t, draft) for each in steps]
        shown = [each.step.shown(t, draft, each.site) for each in steps]
        talk.show([Row(title, f"{title}: {text}") for title, text in zip(titles, shown, strict=True)])
        talk.say(t("To add another cluster or a stand-alone host, type +."))
        try:
            pending = _steps_to_change(talk, steps, titles)
        except Back:
            pending = {steps[-1]}
        if not pending:
            return


def _steps_to_change(talk: Talk, steps: list[ListedStep], titles: list[str]) -> set[ListedStep]:
    """Return the steps to ask again. Empty: the answers are right.

    If the person wants one more cluster, add it to the draft, and return every step that this adds.
    Raises: Back, Cancelled.
    """
    while typed := talk.ask(talk.t("Press Enter to write config.py, or type a number to change that answer")):
        if typed in MORE:
            talk.draft.sites.append(SiteDraft())
            return {each for each in list_steps(talk.draft) if each not in steps}
        at = find_row(typed, titles)
        if at is not None:
            return {steps[at], *_dependents(steps[at], steps)}
        talk.refuse(talk.t("Type a number or a name from the list."))
    return set()


def _dependents(changed: ListedStep, steps: list[ListedStep]) -> Iterator[ListedStep]:
    return (each for each in steps if each.site is changed.site and each.step.title in changed.step.again)
