"""Show the status of the watch itself, of one site or of several."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from discord import ui

from core.delivery.alerts import TOO_OLD
from core.delivery.outbox import OWN_ERROR
from core.errors import BotError, JournalFailed, ReadOnly
from core.guest import Cluster
from core.watch.incidents.model import Mute
from core.watch.incidents.state import GuestState
from core.watch.incidents.unknown import BLIND_SECONDS
from core.watch.journal import Backlog
from ui.cards import card
from ui.formatting import (
    MESSAGE_MOST,
    MUTED,
    OK,
    READ_ONLY,
    WARNING,
    Colour,
    code,
    fit_lines,
    format_duration,
    person,
    timestamp,
    title_of,
    until_time,
)
from ui.guests.lists.cards import list_footer
from ui.i18n import Text
from ui.messages.errors import error_sentence, read_only_line, reason_of
from ui.messages.startup import journal_stuck, tasks_unseen
from ui.messages.subjects import subject_name
from ui.sites.sections import fit_sections
from ui.watch.alert_channel import ENDING, NO_CONNECTION, OUTSIDE, PINS_FULL

LATE_READS = 3
"""Number of intervals without a successful read after which the status warns."""

LATE_LINES = 30.0
"""Seconds that a line may wait for the audit channel before the status warns."""


@dataclass(frozen=True, slots=True)
class AuditStatus:
    """Status of the audit channel.

    `error`: why the last attempt to post failed, or why the journal cannot be read; "" if all is well.
    `unsent`: the waiting lines.
    `blocked`: why the last line was posted without names, "" if it was not. `rejected`: why it was not posted at all.
    `left_out_at`: Unix seconds at which a line was last left out, 0 if that was long ago or never.
    """

    error: str = ""
    unsent: Backlog = field(default_factory=Backlog)
    blocked: str = ""
    rejected: str = ""
    left_out_at: float = 0.0


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """Status of the watch itself.

    `last_read`: Unix seconds of the last good read in this run. `interval`: seconds between two polls.
    `failures`: failed reads in a row. `open`: number of open incidents.
    `undelivered`: the alerts that did not arrive as they should, or an error if the journal cannot be read.
    `stuck`: why the last attempt to post or to edit alerts failed, "" if it did not.
    `heartbeat`: why it fails, "" while it arrives, None if it is not set up.
    `last_beat`: Unix seconds of the last heartbeat that arrived.
    `sees_no_tasks`: the token sees no task of the cluster, although there are always some.
    """

    last_read: float | None
    interval: float
    read_error: BotError | None
    failures: int
    open: int
    undelivered: Backlog | JournalFailed
    stuck: str
    journal_error: JournalFailed | None
    heartbeat: str | None
    last_beat: float | None
    read_only: ReadOnly | None = None
    audit: AuditStatus | None = None
    """None if no audit channel is set."""
    mutes: tuple[Mute, ...] = ()
    sees_no_tasks: bool = False
    unknown: tuple[GuestState, ...] = ()
    """Watched guests whose state has been unknown for `BLIND_SECONDS`."""
    unmeasured: tuple[GuestState, ...] = ()
    """Running watched guests whose disk use is not known although it has a threshold."""
    stale: tuple[str, ...] = ()
    """Nodes for which Proxmox has no new figures."""
    dashboards: int = 0
    """Number of dashboards that the person may know of."""
    troubled_dashboards: int = 0
    """Number of these dashboards that cannot be kept up to date or pinned."""


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
    yield _line(t("Proxmox"), _reading(t, status, now))
    if status.unknown:
        yield _line(t("Guests"), _unknown(t, status, most))
    if status.unmeasured:
        yield _line(t("Disks"), _unmeasured(t, status, most))
    if status.stale:
        yield _line(t("Nodes"), _stale(t, status.stale, min(most, 300)))
    yield _line(t("Alerts"), _delivery(t, status))


def fault_lines(t: Text, status: WatchStatus, now: float) -> tuple[str, ...]:
    """Return the lines about what is not read, not sent or not stored. Empty if all is well."""
    lines = (*_reading_lines(t, status, now, 300), _line(t("Journal"), _journal(t, status.journal_error)))
    warnings = [line for line in lines if WARNING in line]
    return (*warnings, f"{WARNING} {tasks_unseen(t)}") if status.sees_no_tasks else tuple(warnings)


def _bot_lines(t: Text, status: WatchStatus, now: float, needed: str = "") -> Iterator[str]:
    """Yield the lines that all sites share. `needed`: says on which sites the heartbeat depends."""
    yield _line(t("Journal"), _journal(t, status.journal_error))
    beat = _heartbeat(t, status.heartbeat, status.last_beat)
    yield _line(t("Heartbeat"), f"{beat} · {needed}" if needed and status.heartbeat is not None else beat)
    if status.audit is not None:
        yield _line(t("Audit channel"), _audit(t, status.audit, now))


def _state_lines(
    t: Text, status: WatchStatus, cluster: Cluster | None, now: float, most: int = 1500
) -> Iterator[str]:
    """Yield the lines on read-only mode, open incidents, mutes and dashboards. `most`: characters of the mutes."""
    if status.read_only:
        yield _line(t("Read-only mode"), f"{READ_ONLY} {read_only_line(t, status.read_only)}")
    yield _line(t("Open incidents"), t("{incidents}", incidents=status.open))
    yield _line(t("Muted"), _mutes(t, status.mutes, cluster, now, most))
    if status.dashboards:
        yield _line(t("Dashboards"), _dashboards(t, status))


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


def _audit(t: Text, audit: AuditStatus, now: float) -> str:
    """Return the status of the audit channel. A line of the trail may wait for a moment without a warning."""
    parts = []
    if audit.error:
        parts.append(t("cannot be sent: {reason}", reason=reason_words(t, audit.error)))
    if audit.unsent.waiting:
        parts.append(
            t.plural(
                "{n} line waiting since {time}",
                "{n} lines waiting, the oldest since {time}",
                audit.unsent.waiting,
                time=timestamp(audit.unsent.oldest or 0),
            )
        )
    elif audit.rejected and not audit.error:
        parts.append(f"{t('Discord rejected the last line')}\n-# {code(audit.rejected, 120)}")
    elif audit.left_out_at and not audit.error:
        left_out = t("Discord rejected a line {time}", time=timestamp(audit.left_out_at))
        parts.append(f"{t('nothing waiting')} · {left_out}")
    elif audit.blocked and not audit.error:
        parts.append(f"{t('all delivered, the last line without names')}\n-# {code(audit.blocked, 120)}")
    late = now - (audit.unsent.oldest or now) > LATE_LINES
    is_faulty = audit.error or audit.blocked or audit.rejected or late
    return f"{WARNING if is_faulty else OK} {' · '.join(parts) or t('all delivered')}"


def _reading(t: Text, status: WatchStatus, now: float) -> str:
    read = t("last read {time}", time=timestamp(status.last_read)) if status.last_read else t("not read yet")
    late = status.last_read is None or now - status.last_read > LATE_READS * status.interval
    parts = [f"{WARNING if status.read_error or late else OK} {read}"]
    if status.failures:
        parts.append(t.plural("{n} failure in a row", "{n} failures in a row", status.failures))
    text = " · ".join(parts)
    return f"{text}\n-# {error_sentence(t, status.read_error)}" if status.read_error else text


def _names(t: Text, guests: Sequence[GuestState], most: int) -> str:
    return fit_lines(t, (title_of(each.vmid, each.name or str(each.vmid)) for each in guests), most, t(", "))


def _unmeasured(t: Text, status: WatchStatus, most: int) -> str:
    names = _names(t, status.unmeasured, most)
    return f"{WARNING} {t('usage unknown, the guest agent cannot be read: {guests}', guests=names)}"


def _unknown(t: Text, status: WatchStatus, most: int) -> str:
    names = _names(t, status.unknown, most)
    time = format_duration(t, BLIND_SECONDS)
    return f"{WARNING} {t('state unknown for over {time}: {guests}', time=time, guests=names)}"


def _stale(t: Text, nodes: Sequence[str], most: int) -> str:
    names = fit_lines(t, (code(name) for name in nodes), most, t(", "))
    return f"{WARNING} {t('no data from {nodes}', nodes=names)}"


def _delivery(t: Text, status: WatchStatus) -> str:
    unsent = status.undelivered
    if isinstance(unsent, JournalFailed):
        return f"{WARNING} {error_sentence(t, unsent)}"
    parts = []
    if unsent.waiting:
        parts.append(
            t.plural(
                "{n} message waiting since {time}",
                "{n} messages waiting, the oldest since {time}",
                unsent.waiting,
                time=timestamp(unsent.oldest or 0),
            )
        )
    if unsent.given_up:
        parts.append(t.plural("{n} message given up", "{n} messages given up", unsent.given_up))
    if unsent.blocked:
        parts.append(
            t.plural("{n} message sent without names", "{n} messages sent without names", unsent.blocked)
        )
    error = status.stuck or unsent.error if unsent.waiting or status.stuck else unsent.blocked_error
    if not unsent.waiting and not status.stuck and not unsent.blocked:
        return " · ".join((f"{OK} {t('nothing waiting') if parts else t('all delivered')}", *parts))
    said = f"\n-# {reason_words(t, error)}" if error else ""
    return f"{WARNING} {' · '.join(parts or [t('some messages are out of date')])}{said}"


def reason_words(t: Text, reason: str) -> str:
    """Return why a message was not delivered. The bot's own reasons are translated, others are quoted."""
    ours = {
        NO_CONNECTION: t("Cannot reach Discord"),
        ENDING: t("the bot is shutting down"),
        TOO_OLD: t("too old"),
        OWN_ERROR: t("internal error, see the log"),
        OUTSIDE: t("the channel is outside of the bot's category"),
        PINS_FULL: t("the channel has as many pinned messages as Discord allows; unpin one of them"),
    }
    return ours.get(reason) or reason_of(t, reason, 150)


def _dashboards(t: Text, status: WatchStatus) -> str:
    if not status.troubled_dashboards:
        return f"{OK} {t('all up to date')}"
    bad = t.plural("{n} cannot be updated", "{n} cannot be updated", status.troubled_dashboards)
    return f"{WARNING} {bad}. {t('See `/dashboard list`.')}"


def _journal(t: Text, error: JournalFailed | None) -> str:
    return f"{WARNING} {journal_stuck(t, error.reason)}" if error else f"{OK} {t('all stored')}"


def _heartbeat(t: Text, failing: str | None, beaten: float | None) -> str:
    if failing is None:
        return t("not configured")
    last = t("last sent {time}", time=timestamp(beaten)) if beaten else t("none sent yet")
    return f"{WARNING} {code(failing, 150)} · {last}" if failing else f"{OK if beaten else WARNING} {last}"


def _mutes(t: Text, mutes: Sequence[Mute], cluster: Cluster | None, now: float, most: int) -> str:
    if not mutes:
        return t("none")
    return fit_lines(t, (f"\n-# {MUTED} {_mute(t, mute, cluster, now)}" for mute in mutes), most, "")


def _mute(t: Text, mute: Mute, cluster: Cluster | None, now: float) -> str:
    until = t("until {time}", time=until_time(mute.until, now))
    by = [person(mute.by, mute.by_id)] if mute.by else []
    return " · ".join((subject_name(t, mute.target, cluster), until, *by))
