"""Hold the status of the watch itself, and put each part of it into words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.errors import BotError, JournalFailed, ReadOnly
from core.guest import Cluster
from core.watch.incidents.model import Mute
from core.watch.incidents.state import GuestState
from core.watch.incidents.unknown import BLIND_SECONDS
from core.watch.journal import Backlog
from ui.formatting import (
    MUTED,
    OK,
    WARNING,
    code,
    fit_lines,
    format_duration,
    person,
    timestamp,
    title_of,
    until_time,
)
from ui.i18n import Text
from ui.messages.errors import delivery_reason, error_sentence
from ui.messages.startup import journal_stuck
from ui.messages.subjects import subject_name

LATE_READS = 3
"""Number of intervals without a successful read after which the status warns."""

LATE_LINE_SECONDS = 30.0
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


def audit_words(t: Text, audit: AuditStatus, now: float) -> str:
    """Return the status of the audit channel. A line of the trail may wait for a moment without a warning."""
    parts = []
    if audit.error:
        parts.append(t("cannot be sent: {reason}", reason=delivery_reason(t, audit.error)))
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
    late = now - (audit.unsent.oldest or now) > LATE_LINE_SECONDS
    is_faulty = audit.error or audit.blocked or audit.rejected or late
    return f"{WARNING if is_faulty else OK} {' · '.join(parts) or t('all delivered')}"


def reading_words(t: Text, status: WatchStatus, now: float) -> str:
    read = t("last read {time}", time=timestamp(status.last_read)) if status.last_read else t("not read yet")
    late = status.last_read is None or now - status.last_read > LATE_READS * status.interval
    parts = [f"{WARNING if status.read_error or late else OK} {read}"]
    if status.failures:
        parts.append(t.plural("{n} failure in a row", "{n} failures in a row", status.failures))
    text = " · ".join(parts)
    return f"{text}\n-# {error_sentence(t, status.read_error)}" if status.read_error else text


def _names(t: Text, guests: Sequence[GuestState], most: int) -> str:
    return fit_lines(t, (title_of(each.vmid, each.name or str(each.vmid)) for each in guests), most, t(", "))


def unmeasured_words(t: Text, status: WatchStatus, most: int) -> str:
    names = _names(t, status.unmeasured, most)
    return f"{WARNING} {t('usage unknown, the guest agent cannot be read: {guests}', guests=names)}"


def unknown_words(t: Text, status: WatchStatus, most: int) -> str:
    names = _names(t, status.unknown, most)
    time = format_duration(t, BLIND_SECONDS)
    return f"{WARNING} {t('state unknown for over {time}: {guests}', time=time, guests=names)}"


def stale_words(t: Text, nodes: Sequence[str], most: int) -> str:
    names = fit_lines(t, (code(name) for name in nodes), most, t(", "))
    return f"{WARNING} {t('no data from {nodes}', nodes=names)}"


def delivery_words(t: Text, status: WatchStatus) -> str:
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
    said = f"\n-# {delivery_reason(t, error)}" if error else ""
    return f"{WARNING} {' · '.join(parts or [t('some messages are out of date')])}{said}"


def dashboards_words(t: Text, status: WatchStatus) -> str:
    if not status.troubled_dashboards:
        return f"{OK} {t('all up to date')}"
    bad = t.plural("{n} cannot be updated", "{n} cannot be updated", status.troubled_dashboards)
    return f"{WARNING} {bad}. {t('See `/dashboard list`.')}"


def journal_words(t: Text, error: JournalFailed | None) -> str:
    return f"{WARNING} {journal_stuck(t, error.reason)}" if error else f"{OK} {t('all stored')}"


def heartbeat_words(t: Text, failing: str | None, beaten: float | None) -> str:
    if failing is None:
        return t("not configured")
    last = t("last sent {time}", time=timestamp(beaten)) if beaten else t("none sent yet")
    return f"{WARNING} {code(failing, 150)} · {last}" if failing else f"{OK if beaten else WARNING} {last}"


def mutes_words(t: Text, mutes: Sequence[Mute], cluster: Cluster | None, now: float, most: int) -> str:
    if not mutes:
        return t("none")
    return fit_lines(t, (f"\n-# {MUTED} {_mute(t, mute, cluster, now)}" for mute in mutes), most, "")


def _mute(t: Text, mute: Mute, cluster: Cluster | None, now: float) -> str:
    until = t("until {time}", time=until_time(mute.until, now))
    by = [person(mute.by, mute.by_id)] if mute.by else []
    return " · ".join((subject_name(t, mute.target, cluster), until, *by))
