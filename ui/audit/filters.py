"""Parse the options of /audit (site, filters), and offer completions for people and times."""

import datetime
import re
import unicodedata

from discord import app_commands

from core.access.guest_table import TYPED_MOST, words_of
from core.audit.record import format_options
from core.audit.relevance import READS
from core.audit.store import AuditFilter, TrailExtent
from core.errors import JournalFailed, Refused
from core.operations import Operation
from core.validation import checked_vmid, parse_duration
from core.wanted_errors import BadDuration, BadSince, SeveralPeople, UnknownPerson
from ui.formatting import plain, plain_label
from ui.interaction.attempt import Attempt, attempt_of
from ui.interaction.context import Interaction, choose_site, chosen_site, services_of
from ui.interaction.empty_choices import Choices, explain_empty, unmatched_choice
from ui.interaction.services import Services
from ui.messages.nothing import Nothing
from ui.messages.operations import operation_named
from ui.options.completions import CHOICES_MOST, duration_choices
from ui.sites.everywhere import allowed_sites, refusal_on_all
from ui.sites.option import choose_typed_site

PEOPLE_MOST = 1000
"""Maximum number of people to search in the trail of all sites, the latest first."""
ATTEMPTS_MOST = 300
"""Number of newest attempts to search for people in the trail of one site."""
SINCE_MOST = 3650 * 86_400  # seconds
OFFERED = ("1h", "8h", "1d", "7d", "30d", "365d")
_ID = re.compile(r"(?:<@!?)?([0-9]{17,19})>?")
_DATE = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")


def choose_trail(attempt: Attempt, typed: str) -> str | None:
    """Return the site whose trail is shown: the typed or chosen site, or the only one whose trail the person may see.

    None: all sites, and attempts that belong to no site. If the bot has one site only, it is always None.
    Raises: UnknownSite, and the refusal by access.
    """
    interaction = attempt.interaction
    choose_typed_site(interaction, typed)
    if chosen_site(interaction) is None:
        allowed = allowed_sites(interaction, Operation.AUDIT)
        if len(allowed) == 1:
            choose_site(interaction, allowed[0])
        elif refusal := refusal_on_all(interaction, Operation.AUDIT, attempt.services.sites):
            raise refusal
        else:
            return None
    attempt.authorize(whole=True)
    return attempt.site.name or None


async def filter_of(
    services: Services,
    vmid: int | None,
    who: str,
    action: str,
    since: str,
    site: str | None = None,
    *,
    readings: bool = True,
) -> AuditFilter:
    """Build the filter from the options as they were typed.

    `readings`: whether to include reads, dry runs and refusals of mistyped options. They are always included if
    `action` is a read.
    Raises: BadVmid, UnknownPerson, SeveralPeople, UnknownOperation, BadSince, JournalFailed.
    """
    operation = operation_named(services.texts, action).value if action else ""
    return AuditFilter(
        None if vmid is None else checked_vmid(vmid),
        await _person(services, who, site) if who else None,
        operation,
        parse_since(since, services.clock.now(), services.timezone) if since else None,
        site=site,
        extent=TrailExtent.ENTRIES if readings or operation in READS else TrailExtent.CHANGES,
    )


async def _person(services: Services, who: str, site: str | None) -> int:
    """Return the user id for an id, a mention, or the name that somebody had at their latest attempt.

    Raises: UnknownPerson, SeveralPeople, JournalFailed.
    """
    meant = who.strip()
    if (match := _ID.fullmatch(meant)) and int(match[1]) < 2**63:
        return int(match[1])
    people = await _people_of(services, site)
    for same in (_exactly, _nearly):
        found = [number for number, name in people if same(name) == same(meant)]
        if len(found) > 1:
            raise SeveralPeople(who)
        if found:
            return found[0]
    raise UnknownPerson(who)


async def _people_of(services: Services, site: str | None) -> tuple[tuple[int, str], ...]:
    """Return the people in a trail with their latest names, the person of the latest attempt first.

    `site`: None searches the trail of all sites. In the trail of one site, search only the newest attempts.
    Raises: JournalFailed.
    """
    if site is None:
        return await services.audit_store.audit_people(PEOPLE_MOST)
    found, _ = await services.audit_store.audit_page(AuditFilter(site=site), 0, ATTEMPTS_MOST)
    people: dict[int, str] = {}
    for entry in found:
        people.setdefault(entry.record.actor.user_id, entry.record.actor.name)
    return tuple(people.items())


def _exactly(name: str) -> str:
    return name.strip()


def _nearly(name: str) -> str:
    return unicodedata.normalize("NFKC", plain(name)).casefold()


def parse_since(text: str, now: float, zone: datetime.tzinfo) -> float:
    """Parse a duration before `now`, or a date. Return Unix seconds.

    A date means the start of that day in this time zone.
    Raises: BadSince.
    """
    written = unicodedata.normalize("NFKC", text).strip()
    try:
        if match := _DATE.fullmatch(written):
            year, month, day = map(int, match.groups())
            return float(max(0, int(datetime.datetime(year, month, day, tzinfo=zone).timestamp())))
        return float(int(now) - parse_duration(written, SINCE_MOST))
    except (BadDuration, ValueError, OverflowError, OSError) as error:
        raise BadSince(text) from error


# -- completions


def _nobody(interaction: Interaction, typed: str) -> Choices:
    return unmatched_choice(interaction, typed, UnknownPerson(typed.strip()))


@explain_empty(Nothing.PERSON, _nobody)
async def complete_people(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Offer the people in the audit trail, the latest first, even if they have left the server."""
    try:
        site = choose_trail(attempt_of(interaction), str(getattr(interaction.namespace, "site", "") or ""))
        services = services_of(interaction)
        known = await (_people_of(services, site) if site else services.people_cache.read(PEOPLE_MOST))
    except (JournalFailed, Refused):
        return []
    words = words_of(current)
    found = [
        (number, name)
        for number, name in known
        if all(word in f"{name} {number}".casefold() for word in words)
    ]
    return [
        app_commands.Choice(name=plain_label(f"{plain(name)} · {number}"), value=str(number))
        for number, name in found[:CHOICES_MOST]
    ]


async def complete_since(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Offer the typed date, or durations."""
    services = services_of(interaction)
    t = services.texts.of_locale(str(interaction.locale))
    typed = unicodedata.normalize("NFKC", current[:TYPED_MOST]).strip()
    if date := _date_typed(typed, services):
        return [app_commands.Choice(name=date, value=date)]
    return duration_choices(t, typed, OFFERED, SINCE_MOST)


def _date_typed(typed: str, services: Services) -> str:
    try:
        parse_since(typed, services.clock.now(), services.timezone)
    except BadSince:
        return ""
    return typed if _DATE.fullmatch(typed) else ""


def detail_of(who: str, action: str, since: str, *, readings: bool, csv: bool) -> str:
    """Return the options in one line, for the audit trail."""
    return format_options({"who": who, "action": action, "since": since, "readings": readings, "csv": csv})


async def name_of(services: Services, person_id: int, site: str | None) -> str:
    """Return the name that the person had at their latest attempt, or the id if the search does not find one."""
    return dict(await _people_of(services, site)).get(person_id, str(person_id))
