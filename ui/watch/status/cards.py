"""Show the status of the watch itself, of one site or of several."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from discord import ui

from core.guest import Cluster
from ui.cards import card
from ui.formatting import MESSAGE_MOST, OK, READ_ONLY, WARNING, Colour, code, fit_lines
from ui.guests.lists.cards import list_footer
from ui.i18n import Text
from ui.messages.errors import read_only_line
from ui.messages.startup import tasks_unseen
from ui.sites.sections import fit_sections
from ui.watch.status.words import (
    WatchStatus,
    audit_words,
    dashboards_words,
    delivery_words,
    heartbeat_words,
    journal_words,
    mutes_words,
    reading_words,
    stale_words,
    unknown_words,
    unmeasured_words,
)


def status_card(
    t: Text, status: WatchStatus, cluster: Cluster | None, now: float, steps: str = ""
) -> ui.LayoutView:
    """Return the card: one line per part of the watch, with a sign if something is wrong. `steps`: the next steps."""
    body = "\n".join(
        (
            *_reading_lines(t, status, now),
            *_bot_lines(t, status, now),
            *_state_lines(t, status, cluster, now),
        )
    )
    tasks = f"{WARNING} {tasks_unseen(t)}" if status.sees_no_tasks else ""
    well = not tasks and WARNING not in body
    colour = Colour.GOOD if well else Colour.WARN
    head = f"### {t('Monitoring status')}"
    return card(head, body, tasks, steps, list_footer(t, 0, 1, now), colour=colour)


def _reading_lines(t: Text, status: WatchStatus, now: float, most: int = 500) -> Iterator[str]:
    """Yield the lines on reading and sending. `most`: maximum characters of a row of names."""
    yield _line(t("Proxmox"), reading_words(t, status, now))
    if status.unknown:
        yield _line(t("Guests"), unknown_words(t, status, most))
    if status.unmeasured:
        yield _line(t("Disks"), unmeasured_words(t, status, most))
    if status.stale:
        yield _line(t("Nodes"), stale_words(t, status.stale, min(most, 300)))
    yield _line(t("Alerts"), delivery_words(t, status))


def fault_lines(t: Text, status: WatchStatus, now: float) -> tuple[str, ...]:
    """Return the lines about what is not read, not sent or not stored. Empty if all is well."""
    lines = (
        *_reading_lines(t, status, now, 300),
        _line(t("Journal"), journal_words(t, status.journal_error)),
    )
    warnings = [line for line in lines if WARNING in line]
    return (*warnings, f"{WARNING} {tasks_unseen(t)}") if status.sees_no_tasks else tuple(warnings)


def _bot_lines(t: Text, status: WatchStatus, now: float, needed: str = "") -> Iterator[str]:
    """Yield the lines that all sites share. `needed`: says on which sites the heartbeat depends."""
    yield _line(t("Journal"), journal_words(t, status.journal_error))
    beat = heartbeat_words(t, status.heartbeat, status.last_beat)
    yield _line(t("Heartbeat"), f"{beat} · {needed}" if needed and status.heartbeat is not None else beat)
    if status.audit is not None:
        yield _line(t("Audit channel"), audit_words(t, status.audit, now))


def _state_lines(
    t: Text, status: WatchStatus, cluster: Cluster | None, now: float, most: int = 1500
) -> Iterator[str]:
    """Yield the lines on read-only mode, open incidents, mutes and dashboards. `most`: characters of the mutes."""
    if status.read_only:
        yield _line(t("Read-only mode"), f"{READ_ONLY} {read_only_line(t, status.read_only)}")
    yield _line(t("Open incidents"), t("{incidents}", incidents=status.open))
    yield _line(t("Muted"), mutes_words(t, status.mutes, cluster, now, most))
    if status.dashboards:
        yield _line(t("Dashboards"), dashboards_words(t, status))


def _line(name: str, text: str) -> str:
    return f"**{name}** {text}"


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """Status of one of several sites."""

    name: str
    status: WatchStatus
    cluster: Cluster | None


def status_of_sites_card(
    t: Text, sites: Sequence[SiteStatus], counting: Collection[str], now: float
) -> ui.LayoutView:
    """Return the card: a section for each site, and one for the bot as a whole.

    `counting`: names of the sites on which the heartbeat depends. A site that does not fit is shown in brief.
    """
    journal_error = next((each.status.journal_error for each in sites if each.status.journal_error), None)
    shared = replace(sites[0].status, journal_error=journal_error)
    named = [code(each.name) for each in sites if each.name in counting]
    names = fit_lines(t, named, 300, t(", "))
    needed = t("depends on {sites}", sites=names) if named else t("depends on none of these sites")
    foot = "\n".join((f"### {t('The bot')}", *_bot_lines(t, shared, now, needed)))
    room = MESSAGE_MOST - 300 - len(foot)
    most = max(100, room // len(sites) // 3)
    sections = [_section(t, each, now, most) for each in sites]
    body = fit_sections(sections, room, f"-# {t('Choose one in `site` for the details.')}")
    well = all(WARNING not in text for text in (foot, *(full for full, _ in sections)))
    colour = Colour.GOOD if well else Colour.WARN
    return card(f"### {t('Monitoring status')}", body, foot, list_footer(t, 0, 1, now), colour=colour)


def _section(t: Text, site: SiteStatus, now: float, most: int) -> tuple[str, str]:
    """Return the section of a site in full and in brief. `most`: maximum characters of names and of mutes."""
    status = site.status
    lines = [*_reading_lines(t, status, now, most), *_state_lines(t, status, site.cluster, now, most)]
    full = "\n".join(
        (f"### {site.name}", *lines, *([f"{WARNING} {tasks_unseen(t)}"] if status.sees_no_tasks else []))
    )
    return full, f"{WARNING if WARNING in full else OK} **{site.name}**"
