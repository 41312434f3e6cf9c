"""What /monitor shows: the watch list, the incidents of the past, how the watch itself is, and its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from discord import ui

from core.errors import BotError, JournalFailed, ReadOnly
from core.guest import Cluster, State
from core.journal import Posting, Undelivered
from core.watch.delivery import BROKEN, TOO_OLD
from core.watch.keeper import Watch
from core.watch.model import Incident, Metric, Mute, Watched
from core.watch.work import guest_targets
from ui.alert_text import outcome_word
from ui.alerts import ENDING, NO_CONNECTION
from ui.buttons import page_buttons
from ui.cards import card
from ui.incident_names import full, metric_word
from ui.incidents import short, sign
from ui.listing import ROWS, foot, page_of
from ui.render import (
    FAILED,
    MESSAGE_MOST,
    OK,
    READ_ONLY,
    STATE_EMOJI,
    WARNING,
    Colour,
    code,
    duration,
    fit,
    state_word,
    title,
    when,
)
from ui.sentences import read_only_line, sentence
from ui.start_words import journal_stuck
from ui.subjects import subject_name
from ui.text import Text

MUTED = "🔕"
COUNTED_DAYS = 7
LATE_READS = 3
"""So many intervals without a good read are said to be too many."""


# -- the list


def watch_list(
    t: Text,
    watch: Watch,
    watched: Sequence[Watched],
    cluster: Cluster | None,
    page: int,
    now: float,
    counts: Mapping[int, int],
) -> ui.LayoutView:
    """The watched guests (those the reader may see), each as last read, and what the watch knows of it; `counts`:
    incidents by VMID."""
    page, pages = page_of(page, len(watched))
    rows = [
        _row(t, watch, cluster, entry, now, counts.get(entry.vmid, 0))
        for entry in watched[page * ROWS : page * ROWS + ROWS]
    ]
    if not rows:
        rows = [t("Nothing is watched yet. `/monitor add` puts a guest on the list.")]
    head = f"### {t.plural('Watching {n} guest', 'Watching {n} guests', len(watched))}"
    trouble = f"{WARNING} {sentence(t, watch.trouble)}" if watch.trouble else ""
    buttons = page_buttons("watch", page, pages, ("", "", ""))
    colour = Colour.WARN if watch.trouble else Colour.BUSY
    return card(head, trouble, "\n".join(rows), foot(t, page, pages, now), colour=colour, buttons=buttons)


def _row(t: Text, watch: Watch, cluster: Cluster | None, entry: Watched, now: float, incidents: int) -> str:
    guest = cluster.find(entry.vmid) if cluster else None
    known = watch.state.guests.get(entry.vmid)
    state = guest.state if guest else State.UNKNOWN
    began = known.since if known and known.state is state and not known.missing else None
    if began is None and state is State.RUNNING and guest and guest.uptime:
        began = now - guest.uptime
    until = muted_until(watch, entry.vmid, guest.node if guest else known.node if known else "")
    count = t.plural("{n} incident in 7 days", "{n} incidents in 7 days", incidents)
    parts = [
        t("not found") if cluster and not guest else state_word(t, state),
        t("since {time}", time=when(began)) if began else "",
        f"{MUTED} {t('until {time}', time=when(until, 'f'))}" if until else "",
        thresholds(t, entry),
        count if incidents else "",
    ]
    name = title(guest) if guest else f"**{entry.vmid}**"
    return f"{STATE_EMOJI[state]} {name}\n-# {' · '.join(part for part in parts if part)}"


def muted_until(watch: Watch, vmid: int, node: str) -> float | None:
    """Until when nothing is told of a guest."""
    targets = guest_targets(vmid, node)
    return max((mute.until for mute in watch.mutes() if mute.target in targets), default=None)


def thresholds(t: Text, entry: Watched) -> str:
    """`CPU ≥ 90% / Memory ≥ 80%`; nothing where there is none."""
    limits = ((metric, entry.limit(metric)) for metric in Metric)
    return " / ".join(
        f"{metric_word(t, metric)} ≥ {full(limit)}" for metric, limit in limits if limit is not None
    )


def added(t: Text, guest: str, entry: Watched, until: float | None = None, *, new: bool) -> ui.LayoutView:
    """The answer to /monitor add. `guest` as it is named; `until`: it is muted so long."""
    if new:
        text = t("{guest} is being watched from now on.", guest=guest)
    else:
        text = t("The thresholds of {guest} were changed.", guest=guest)
    muted = f"{MUTED} {t('Muted until {time}.', time=when(until, 'f'))}" if until else ""
    return good("\n-# ".join(part for part in (text, thresholds(t, entry), muted) if part))


def good(text: str) -> ui.LayoutView:
    return card(f"{OK} {text}", colour=Colour.GOOD)


# -- mutes


def muted(t: Text, mute: Mute, cluster: Cluster | None) -> ui.LayoutView:
    text = t(
        "{what}: nothing is told until {time}.",
        what=subject_name(t, mute.target, cluster),
        time=when(mute.until, "f"),
    )
    return card(f"{MUTED} {text}", colour=Colour.QUIET)


def unmuted(t: Text, target: str, cluster: Cluster | None) -> ui.LayoutView:
    return good(t("{what}: alerts are sent again.", what=subject_name(t, target, cluster)))


# -- the history


def history(
    t: Text, incidents: Sequence[Incident], total: int, vmid: int | None, page: int, now: float
) -> ui.LayoutView:
    """One page (from 0, within bounds) of what happened, newest first; of one guest if `vmid` says so."""
    page, pages = page_of(page, total)
    count = t.plural("{n} incident", "{n} incidents", total)
    head = f"### {t('History')} · {f'**{vmid}** · {count}' if vmid else count}"
    rows = [_past(t, incident) for incident in incidents]
    body = fit(t, rows, MESSAGE_MOST - 300) if rows else t("Nothing has happened yet.")
    buttons = page_buttons("history", page, pages, (str(vmid) if vmid else "",))
    return card(head, body, foot(t, page, pages, now), colour=Colour.BUSY, buttons=buttons)


def _past(t: Text, incident: Incident) -> str:
    acked = t("acknowledged by {person}", person=code(incident.acked_by)) if incident.acked else ""
    parts = [when(incident.opened, "f"), outcome_word(t, incident), acked]
    return f"{sign(incident)} {short(t, incident)}\n-# {' · '.join(part for part in parts if part)}"


# -- how the watch is


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the watch itself. `undelivered` is an error where the journal cannot be read.

    `heartbeat`: why it fails, empty while it arrives, None where it is not set up; `beaten`: when one last arrived.
    `blind`: the token sees no task of the cluster, of which there are always some.
    """

    last_read: float | None
    interval: float
    trouble: BotError | None
    failures: int
    open: int
    undelivered: Undelivered | JournalFailed
    stuck: str
    journal_trouble: JournalFailed | None
    heartbeat: str | None
    beaten: float | None
    read_only: ReadOnly | None = None
    audit: str | None = None
    """Why the audit channel gets nothing, empty while it does, None where none is set."""
    mutes: tuple[Mute, ...] = ()
    blind: bool = False


def status(t: Text, health: Health, cluster: Cluster | None, now: float) -> ui.LayoutView:
    """One line for each, with a sign of how it is."""
    lines = [
        (t("Proxmox"), _reading(t, health, now)),
        (t("Alerts"), _delivery(t, health)),
        (t("Journal"), _journal(t, health.journal_trouble)),
        (t("Heartbeat"), _heartbeat(t, health.heartbeat, health.beaten)),
        *([(t("Audit channel"), _audit(t, health.audit))] if health.audit is not None else []),
        *([(t("Changes"), f"{READ_ONLY} {read_only_line(t, health.read_only)}")] if health.read_only else []),
        (t("Going on"), t.plural("{n} incident", "{n} incidents", health.open)),
        (t("Muted"), _mutes(t, health.mutes, cluster)),
    ]
    body = "\n".join(f"**{name}** {text}" for name, text in lines)
    blind = _blind(t) if health.blind else ""
    well = not blind and WARNING not in body
    colour = Colour.GOOD if well else Colour.WARN
    return card(f"### {t('The watch')}", body, blind, foot(t, 0, 1, now), colour=colour)


def _audit(t: Text, error: str) -> str:
    if not error:
        return f"{OK} {t('up to date')}"
    return f"{WARNING} {t('could not be posted: {reason}', reason=code(error, 120))}"


def _reading(t: Text, health: Health, now: float) -> str:
    read = t("read {time}", time=when(health.last_read)) if health.last_read else t("not read yet")
    late = health.last_read is None or now - health.last_read > LATE_READS * health.interval
    parts = [f"{WARNING if health.trouble or late else OK} {read}"]
    if health.failures:
        parts.append(t.plural("{n} failure in a row", "{n} failures in a row", health.failures))
    text = " · ".join(parts)
    return f"{text}\n-# {sentence(t, health.trouble)}" if health.trouble else text


def _delivery(t: Text, health: Health) -> str:
    unsent = health.undelivered
    if isinstance(unsent, JournalFailed):
        return f"{WARNING} {sentence(t, unsent)}"
    parts = []
    if unsent.waiting:
        parts.append(
            t.plural(
                "{n} message waits, since {time}",
                "{n} messages wait, the oldest since {time}",
                unsent.waiting,
                time=when(unsent.oldest or 0),
            )
        )
    if unsent.given_up:
        parts.append(t.plural("{n} message given up", "{n} messages given up", unsent.given_up))
    error = health.stuck or unsent.error
    if not unsent.waiting and not health.stuck:
        return " · ".join((f"{OK} {t('nothing waits') if parts else t('all delivered')}", *parts))
    said = f"\n-# {reason_words(t, error)}" if error else ""
    return f"{WARNING} {' · '.join(parts or [t('not up to date')])}{said}"


def reason_words(t: Text, reason: str) -> str:
    """Why a message did not get through: our own words are translated, those of others quoted."""
    ours = {
        NO_CONNECTION: t("Discord cannot be reached"),
        ENDING: t("the bot is being stopped"),
        TOO_OLD: t("it was too old"),
        BROKEN: t("an error of the bot's own, see the log"),
    }
    return ours.get(reason) or code(reason, 150)


def _journal(t: Text, error: JournalFailed | None) -> str:
    return f"{WARNING} {journal_stuck(t, error.reason)}" if error else OK


def _heartbeat(t: Text, failing: str | None, beaten: float | None) -> str:
    if failing is None:
        return t("not set up")
    last = t("taken {time}", time=when(beaten)) if beaten else t("none taken yet")
    return f"{WARNING} {code(failing, 150)} · {last}" if failing else f"{OK if beaten else WARNING} {last}"


def _mutes(t: Text, mutes: Sequence[Mute], cluster: Cluster | None) -> str:
    if not mutes:
        return t("nothing")
    lines = [
        f"\n-# {MUTED} {subject_name(t, mute.target, cluster)} · {t('until {time}', time=when(mute.until, 'f'))}"
        f"{' · ' + code(mute.by) if mute.by else ''}"
        for mute in mutes
    ]
    return fit(t, lines, 1500, "")


def _blind(t: Text) -> str:
    text = t(
        "The API token lacks `Sys.Audit` on `/`: who stopped a guest and which backups failed is not seen."
    )
    return f"{WARNING} {text}"


# -- the test


def outcome_of_test(
    t: Text, posting: Posting | None, stuck: str, seconds: float, guild_id: int, channel_id: int
) -> ui.LayoutView:
    """What became of a test message. `stuck`: why the messages before it do not get through."""
    channel = f"<#{channel_id}>"
    if posting is not None and posting.posted is not None:
        link = f"https://discord.com/channels/{guild_id}/{channel_id}/{posting.posted}"
        return good(t("The test message is in {channel}: {link}", channel=channel, link=link))
    reason = (posting.error if posting else "") or stuck
    if reason:
        text = t(
            "Discord did not take the test message for {channel}: {reason}",
            channel=channel,
            reason=reason_words(t, reason),
        )
    else:
        text = t(
            "The test message for {channel} did not get through within {time}.",
            channel=channel,
            time=duration(t, seconds),
        )
    advice = t(
        "The test is not sent again; alerts are, until they arrive. Check the channel and the bot's rights there."
    )
    return card(f"{FAILED} {text}", advice, colour=Colour.BAD)
