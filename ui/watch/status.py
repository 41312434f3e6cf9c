"""Show the health of the watch itself, and the result of a test message."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from discord import ui

from core.delivery.alerts import BROKEN, TOO_OLD
from core.errors import BotError, JournalFailed, ReadOnly
from core.guest import Cluster
from core.watch.incidents.model import Mute
from core.watch.incidents.state import GuestState
from core.watch.incidents.unknown import BLIND_SECONDS
from core.watch.journal import Backlog, OutboxMessage
from ui.cards import card
from ui.formatting import (
    FAILED,
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
)
from ui.guests.lists import list_footer
from ui.i18n import Text
from ui.messages.errors import error_sentence, read_only_line, reason_of
from ui.messages.startup import journal_stuck
from ui.messages.subjects import subject_name
from ui.watch.alert_channel import ENDING, NO_CONNECTION
from ui.watch.views import success_card

LATE_READS = 3
"""Number of intervals without a successful read after which the status warns."""

LATE_LINES = 30.0
"""Seconds that a line may wait for the audit channel before the status warns."""


@dataclass(frozen=True, slots=True)
class AuditHealth:
    """Health of the audit channel.

    `error`: why nothing can be posted, "" while posting works. `unsent`: the waiting lines.
    `blocked`: why the last line was posted without names, "" if it is complete.
    """

    error: str = ""
    unsent: Backlog = field(default_factory=Backlog)
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Health of the watch itself.

    `undelivered`: an error if the journal cannot be read.
    `heartbeat`: why it fails, "" while it arrives, None if it is not set up.
    `last_beat`: Unix seconds of the last heartbeat that arrived.
    `blind`: the token sees no task of the cluster, although there are always some.
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
    audit: AuditHealth | None = None
    """None if no audit channel is set."""
    mutes: tuple[Mute, ...] = ()
    blind: bool = False
    unknown: tuple[GuestState, ...] = ()
    """Watched guests whose state has been unknown for long."""
    stale: tuple[str, ...] = ()
    """Nodes for which Proxmox has no new figures."""


def status_card(t: Text, health: Health, cluster: Cluster | None, now: float) -> ui.LayoutView:
    """Return the card: one line per part of the watch, each with a sign of its health."""
    lines = [
        (t("Proxmox"), _reading(t, health, now)),
        *([(t("Guests"), _unknown(t, health))] if health.unknown else []),
        *([(t("Nodes"), _stale(t, health.stale))] if health.stale else []),
        (t("Alerts"), _delivery(t, health)),
        (t("Journal"), _journal(t, health.journal_error)),
        (t("Heartbeat"), _heartbeat(t, health.heartbeat, health.last_beat)),
        *([(t("Audit channel"), _audit(t, health.audit, now))] if health.audit is not None else []),
        *(
            [(t("Read-only mode"), f"{READ_ONLY} {read_only_line(t, health.read_only)}")]
            if health.read_only
            else []
        ),
        (t("Open incidents"), t("{incidents}", incidents=health.open)),
        (t("Muted"), _mutes(t, health.mutes, cluster)),
    ]
    body = "\n".join(f"**{name}** {text}" for name, text in lines)
    blind = _blind(t) if health.blind else ""
    well = not blind and WARNING not in body
    colour = Colour.GOOD if well else Colour.WARN
    return card(f"### {t('Monitoring status')}", body, blind, list_footer(t, 0, 1, now), colour=colour)


def _audit(t: Text, audit: AuditHealth, now: float) -> str:
    """Return the line of the audit channel. A line that was just written may still wait."""
    parts = []
    if audit.error:
        parts.append(t("cannot be sent: {reason}", reason=code(audit.error, 120)))
    if audit.unsent.waiting:
        parts.append(
            t.plural(
                "{n} line waiting since {time}",
                "{n} lines waiting, the oldest since {time}",
                audit.unsent.waiting,
                time=timestamp(audit.unsent.oldest or 0),
            )
        )
    elif audit.blocked and not audit.error:
        parts.append(f"{t('all delivered, the last line without names')}\n-# {code(audit.blocked, 120)}")
    late = now - (audit.unsent.oldest or now) > LATE_LINES
    return (
        f"{WARNING if audit.error or audit.blocked or late else OK} {' · '.join(parts) or t('all delivered')}"
    )


def _reading(t: Text, health: Health, now: float) -> str:
    read = t("last read {time}", time=timestamp(health.last_read)) if health.last_read else t("not read yet")
    late = health.last_read is None or now - health.last_read > LATE_READS * health.interval
    parts = [f"{WARNING if health.read_error or late else OK} {read}"]
    if health.failures:
        parts.append(t.plural("{n} failure in a row", "{n} failures in a row", health.failures))
    text = " · ".join(parts)
    return f"{text}\n-# {error_sentence(t, health.read_error)}" if health.read_error else text


def _unknown(t: Text, health: Health) -> str:
    names = fit_lines(
        t, (title_of(each.vmid, each.name or str(each.vmid)) for each in health.unknown), 500, ", "
    )
    time = format_duration(t, BLIND_SECONDS)
    return f"{WARNING} {t('state unknown for over {time}: {guests}', time=time, guests=names)}"


def _stale(t: Text, nodes: Sequence[str]) -> str:
    names = fit_lines(t, (code(name) for name in nodes), 300, ", ")
    return f"{WARNING} {t('no data from {nodes}', nodes=names)}"


def _delivery(t: Text, health: Health) -> str:
    unsent = health.undelivered
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
    error = health.stuck or unsent.error if unsent.waiting or health.stuck else unsent.blocked_error
    if not unsent.waiting and not health.stuck and not unsent.blocked:
        return " · ".join((f"{OK} {t('nothing waiting') if parts else t('all delivered')}", *parts))
    said = f"\n-# {reason_words(t, error)}" if error else ""
    return f"{WARNING} {' · '.join(parts or [t('some messages are out of date')])}{said}"


def reason_words(t: Text, reason: str) -> str:
    """Return why a message was not delivered. The bot's own reasons are translated, others are quoted."""
    ours = {
        NO_CONNECTION: t("Cannot reach Discord"),
        ENDING: t("the bot is shutting down"),
        TOO_OLD: t("too old"),
        BROKEN: t("internal error, see the log"),
    }
    return ours.get(reason) or reason_of(t, reason, 150)


def _journal(t: Text, error: JournalFailed | None) -> str:
    return f"{WARNING} {journal_stuck(t, error.reason)}" if error else OK


def _heartbeat(t: Text, failing: str | None, beaten: float | None) -> str:
    if failing is None:
        return t("not configured")
    last = t("last sent {time}", time=timestamp(beaten)) if beaten else t("none sent yet")
    return f"{WARNING} {code(failing, 150)} · {last}" if failing else f"{OK if beaten else WARNING} {last}"


def _mutes(t: Text, mutes: Sequence[Mute], cluster: Cluster | None) -> str:
    if not mutes:
        return t("none")
    lines = [
        f"\n-# {MUTED} {subject_name(t, mute.target, cluster)} · {t('until {time}', time=timestamp(mute.until, 'f'))}"
        f"{' · ' + person(mute.by, mute.by_id) if mute.by else ''}"
        for mute in mutes
    ]
    return fit_lines(t, lines, 1500, "")


def _blind(t: Text) -> str:
    text = t(
        "The API token lacks `Sys.Audit` on `/`, so the bot cannot see who stopped a guest or "
        "which backups failed."
    )
    return f"{WARNING} {text}"


# -- the test


def outcome_of_test(
    t: Text, message: OutboxMessage | None, stuck: str, seconds: float, guild_id: int, channel_id: int
) -> ui.LayoutView:
    """Return the result of a test message. `stuck`: why the messages before it are not delivered."""
    channel = f"<#{channel_id}>"
    if message is not None and message.posted is not None:
        link = f"https://discord.com/channels/{guild_id}/{channel_id}/{message.posted}"
        return success_card(t("Test alert sent to {channel}: {link}", channel=channel, link=link))
    reason = (message.error if message else "") or stuck
    if reason:
        text = t(
            "Discord did not accept the test alert for {channel}: {reason}",
            channel=channel,
            reason=reason_words(t, reason),
        )
    else:
        text = t(
            "The test alert for {channel} did not arrive within {time}.",
            channel=channel,
            time=format_duration(t, seconds),
        )
    advice = t(
        "A test alert is not sent again; real alerts are repeated until they arrive. Check the "
        "channel and the bot's permissions there."
    )
    return card(f"{FAILED} {text}", advice, colour=Colour.BAD)
