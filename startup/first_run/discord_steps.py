"""Ask for the settings of Discord: token, server, category and channels, and the roles that may use the bot.

Every step raises Back or Cancelled (startup/first_run/terminal.py).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from core.health.discord import invitation, judge_guild
from core.health.readiness import ALERT_CHANNEL, AUDIT_CHANNEL, Finding, Problem, RequiredSetup
from core.health.result import Result, Verdict, of_finding
from startup.first_run.answers import clean_secret
from startup.first_run.discord_reads import ChannelPlace, SeenGuild, read_account, read_server
from startup.first_run.talk import Row, Talk
from startup.first_run.terminal import Back
from startup.health.discord import AWAY
from ui.discord.permissions import permission_names
from ui.formatting import OK, WARNING, plain
from ui.messages.discord_refusals import ConnectStep, RetryRule, diagnose

T = TypeVar("T")
NAME_MOST = 60  # characters
LEVELS = ("ADMIN_ROLE_IDS", "OPERATOR_ROLE_IDS", "VIEWER_ROLE_IDS")


def ask_token(talk: Talk) -> None:
    """Ask for the bot's token until Discord accepts it."""
    t, draft = talk.t, talk.draft
    talk.say(
        t(
            "Create the bot at https://discord.com/developers/applications: New Application, then Bot → Reset Token."
        )
    )
    kept = (
        t("Discord bot token (not shown; empty: keep it)")
        if draft.discord_token
        else t("Discord bot token (not shown)")
    )
    first = draft.discord_token is None
    while True:
        given = talk.secret("DISCORD_TOKEN", kept, first=first)
        first = False
        given = given or draft.discord_token
        if given is None:
            continue
        given = given.cleaned(clean_secret)
        if talk.parsed("DISCORD_TOKEN", given.secret.reveal()) is None:
            continue
        account = read(talk, partial(read_account, given.secret.reveal()))
        if account is not None:
            draft.discord_token, draft.account = given, account
            talk.say(f"{OK} {t('The token belongs to the bot {name}.', name=plain(account.name, NAME_MOST))}")
            return


def read(talk: Talk, probe: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
    """Return Discord's answer, and try again while there is none. None: Discord refuses the token.

    Raises: Back, Cancelled.
    """
    t = talk.t
    talk.say(t("Asking Discord…"))
    while True:
        try:
            return talk.run(probe())
        except (*AWAY, TypeError, KeyError, ValueError) as fault:  # the last three: JSON of something else
            verdict = diagnose(t, fault, ConnectStep.LOG_IN)
        talk.refuse(verdict.text)
        if verdict.retry is RetryRule.FINAL:
            return None
        talk.wait(t("Press Enter to try again"))


def ask_guild(talk: Talk) -> None:
    """Ask for the server if the bot is in several. If it is in none, ask for an invitation first.

    If Discord now refuses the token, go back to the step that asks for it.
    """
    t, draft = talk.t, talk.draft
    account, given = draft.account, draft.discord_token
    assert account is not None and given is not None  # noqa: S101, PT018  # the step before
    token = given.secret.reveal()
    if draft.seen is not None:  # asked again: the bot may be in another server by now
        account = _accepted(read(talk, partial(read_account, token)))
    while not account.guilds:
        talk.say(t("The bot is in no server yet. Open this link, and invite it to yours:"))
        talk.terminal.copy(f"  {invitation(account.application)}")
        talk.wait(t("Press Enter when it is done"))
        account = _accepted(read(talk, partial(read_account, token)))
    draft.account = account
    numbers = list(account.guilds)
    rows = [Row(name, plain(name, NAME_MOST), number) for number, name in account.guilds.items()]
    at, before = 0, draft.seen.number if draft.seen else 0
    if len(rows) > 1:
        at = talk.choose(t("Server"), rows, numbers.index(before) if before in numbers else None)
    seen = draft.seen = _accepted(read(talk, partial(read_server, token, numbers[at])))
    talk.say(f"{OK} {t('Server: {name}', name=plain(seen.name, NAME_MOST))}")


def _accepted(found: T | None) -> T:
    """Return what Discord let the token read.

    Raises: Back, if Discord refused the token.
    """
    if found is None:
        raise Back
    return found


def ask_category(talk: Talk) -> None:
    """Ask for the category in which commands can be used."""
    t, draft = talk.t, talk.draft
    talk.say(t("Commands can be used in the channels of one category."))
    while True:
        seen = _seen(talk)
        if not seen.categories:
            talk.say(t("The server has no category. Create one in Discord, with a text channel in it."))
            talk.wait(t("Press Enter when it is done"))
            _read_again(talk)
            continue
        rows = [_row(talk, place, place.view.name) for place in seen.categories]
        chosen = seen.categories[
            talk.choose(t("Category for commands"), rows, _index(seen.categories, draft.category))
        ]
        if settle(talk, "ALLOWED_CATEGORY_ID", chosen):
            draft.category = _seen(talk).find(chosen)
            return


def ask_alerts(talk: Talk) -> None:
    """Ask for the channel of the alerts."""
    talk.say(talk.t("Alerts are posted to one channel."))
    while True:
        chosen = _channel(talk, talk.t("Channel for alerts"), talk.draft.alerts)
        if chosen is not None and settle(talk, ALERT_CHANNEL, chosen):
            talk.draft.alerts = _seen(talk).find(chosen)
            return


def ask_audit(talk: Talk) -> None:
    """Ask for the channel of the audit trail, which is optional."""
    t, draft = talk.t, talk.draft
    talk.say(
        t(
            "A second channel can receive a line for each change and refusal. It names guests and people, so choose "
            "one that only admins can see, or none (-)."
        )
    )
    while True:
        chosen = _channel(talk, t("Channel for the audit trail"), draft.audit, optional=True)
        if chosen is None or settle(talk, AUDIT_CHANNEL, chosen):
            draft.audit = _seen(talk).find(chosen)
            return


def ask_roles(talk: Talk) -> None:
    """Ask which roles may use the bot. Making everyone an admin has to be confirmed."""
    t, draft = talk.t, talk.draft
    seen = _seen(talk)
    everyone = Row("@everyone", "@everyone", seen.number)
    rows = [Row(name, plain(name, NAME_MOST), number) for number, name in seen.roles.items()]
    talk.say(
        t(
            "Roles decide who may use the bot: viewers only look, operators also start, shut down and reboot, admins "
            "can do everything. Several: 1, 3. None: -"
        )
    )
    questions = (t("Roles of admins"), t("Roles of operators"), t("Roles of viewers"))
    while True:
        talk.show([*rows, everyone])
        chosen = dict[str, tuple[int, ...]]()
        for level, question in zip(LEVELS, questions, strict=True):
            chosen[level] = _roles(talk, question, [*rows, everyone], level)
            if level == LEVELS[0] and not chosen[level] and _all_are_admins(talk):
                draft.roles = dict.fromkeys(LEVELS, ())
                return
        if any(chosen.values()):
            draft.roles = chosen
            return
        talk.refuse(t("Choose at least one role, or confirm that everyone is an admin."))


def _roles(talk: Talk, question: str, rows: list[Row], level: str) -> tuple[int, ...]:
    """Return the ids of the chosen roles. The last row is @everyone, who can only be a viewer."""
    before = talk.draft.roles.get(level, ())
    while True:
        chosen = talk.choose_some(question, rows, [at for at, row in enumerate(rows) if row.number in before])
        if level == LEVELS[-1] or len(rows) - 1 not in chosen:
            return tuple(rows[at].number for at in chosen)
        talk.refuse(talk.t("@everyone can only be a viewer. Leave it out here."))


def _all_are_admins(talk: Talk) -> bool:
    t = talk.t
    warning = t(
        "Without roles, everyone who can write in the category is an admin: they can stop, change and delete every "
        "guest."
    )
    talk.say(f"{WARNING} {warning}", indent=3)
    return talk.yes(t("Should everyone be an admin?"), default=False)


def _channel(
    talk: Talk, question: str, before: ChannelPlace | None, *, optional: bool = False
) -> ChannelPlace | None:
    """Return the chosen channel. The channels of the category are listed first.

    None: none is wanted (`optional`), or the server had no text channel yet.
    """
    t, seen, category = talk.t, _seen(talk), talk.draft.category
    inside = category.number if category else 0
    places = sorted(seen.channels, key=lambda place: place.category_id != inside)
    if not places and not optional:
        talk.say(t("The server has no text channel. Create one in Discord."))
        talk.wait(t("Press Enter when it is done"))
        _read_again(talk)
        return None
    rows = [
        _row(talk, place, f"#{place.view.name}" + (f" ({place.category})" if place.category else ""))
        for place in places
    ]
    if optional:
        at = talk.choose_or_none(question, rows, _index(places, before) if before else None)
        return None if at is None else places[at]
    return places[talk.choose(question, rows, _index(places, before))]


def settle(talk: Talk, setting: str, chosen: ChannelPlace) -> bool:
    """Return whether a category or channel is accepted. If permissions are missing, the person decides.

    Without a terminal, warnings are accepted.
    Raises: Back; Cancelled, without a terminal after an error.
    """
    t = talk.t
    while True:
        place = _seen(talk).find(chosen)
        missing = _amiss(talk, setting, place, chosen)
        if not missing:
            talk.say(f"{OK} {plain(chosen.view.name, NAME_MOST)}")
            return True
        talk.tell(missing)
        if place is None:
            return False
        if all(result.level is not Verdict.ERROR for result in missing) and not talk.terminal.interactive:
            return True
        typed = talk.wait(
            t("Grant them in Discord and press Enter to check again (c: choose another, s: continue anyway)")
        )
        if typed.casefold() in ("c", "s"):
            return typed.casefold() == "s"
        _read_again(talk)


def _amiss(talk: Talk, setting: str, place: ChannelPlace | None, chosen: ChannelPlace) -> list[Result]:
    """Return the health check's faults of a category or channel in this setting."""
    seen = _seen(talk)
    is_category = setting == "ALLOWED_CATEGORY_ID"
    if place is None:
        problem = Problem.NO_CATEGORY if is_category else Problem.NO_CHANNEL
        return [of_finding("discord.channels", Finding(problem, setting, chosen.view.name))]
    # beside a channel any category will do: what is wrong with the category is left out below
    category = chosen.number if is_category else seen.categories[0].number if seen.categories else 0
    channels: Mapping[str, int] = {} if is_category else {setting: chosen.number}
    wanted = RequiredSetup({}, seen.number, category, channels, {})
    mine = [result for result in judge_guild(wanted, seen.view, "") if result.finding is not None]
    return [result for result in mine if result.finding and result.finding.setting == setting]


def _row(talk: Talk, place: ChannelPlace, name: str) -> Row:
    names = permission_names(talk.t)
    missing = ", ".join(names.get(each, each) for each in place.view.missing)
    lacks = f" {WARNING} {talk.t('the bot lacks: {names}', names=missing)}" if missing else ""
    return Row(place.view.name, plain(name, NAME_MOST) + lacks, place.number)


def _index(places: tuple[ChannelPlace, ...] | list[ChannelPlace], before: ChannelPlace | None) -> int | None:
    numbers = [place.number for place in places]
    if before is not None and before.number in numbers:
        return numbers.index(before.number)
    return 0 if len(numbers) == 1 else None


def _seen(talk: Talk) -> SeenGuild:
    assert talk.draft.seen is not None  # noqa: S101  # the step of the server comes first
    return talk.draft.seen


def _read_again(talk: Talk) -> None:
    draft = talk.draft
    assert draft.discord_token is not None  # noqa: S101  # the first step
    token, number = draft.discord_token.secret.reveal(), _seen(talk).number
    seen = read(talk, partial(read_server, token, number))
    draft.seen = seen or draft.seen
