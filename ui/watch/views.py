"""Show the cards of /monitor: the watch list, past incidents, and the answers to changes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from discord import ui

from core.guest import Cluster, Guest, State
from core.watch.incidents.model import Incident, Metric, Mute, WatchEntry
from core.watch.incidents.transition import guest_targets
from core.watch.service import Watch
from ui.cards import card
from ui.formatting import (
    MESSAGE_MOST,
    MUTED,
    OK,
    STATE_EMOJI,
    WARNING,
    Colour,
    fit_lines,
    person,
    state_word,
    timestamp,
    title,
)
from ui.guests.figures import is_seen_by_host, memory_advice
from ui.guests.lists import ROWS, list_footer, page_of
from ui.i18n import Text
from ui.interaction.buttons import page_buttons
from ui.messages.errors import error_sentence
from ui.messages.subjects import subject_name
from ui.watch.alert_text import outcome_word
from ui.watch.incidents.names import fill_percent, metric_word
from ui.watch.incidents.text import short_text, sign_of

COUNTED_DAYS = 7


# -- the list


def watch_list_card(
    t: Text,
    watch: Watch,
    watched: Sequence[WatchEntry],
    cluster: Cluster | None,
    page: int,
    now: float,
    counts: Mapping[int, int],
) -> ui.LayoutView:
    """Return one page of the watched guests that the reader may see.

    Each row shows the guest as last read, and the watch's own data. `counts`: number of incidents by VMID.
    """
    page, pages = page_of(page, len(watched))
    rows = [
        _row(t, watch, cluster, entry, now, counts.get(entry.vmid, 0))
        for entry in watched[page * ROWS : page * ROWS + ROWS]
    ]
    if not rows:
        rows = [t("Nothing is watched yet. `/monitor add` puts a guest on the list.")]
    head = f"### {t.plural('Watching {n} guest', 'Watching {n} guests', len(watched))}"
    trouble = f"{WARNING} {error_sentence(t, watch.read_error)}" if watch.read_error else ""
    buttons = page_buttons("watch", page, pages, ("", "", ""))
    colour = Colour.WARN if watch.read_error else Colour.BUSY
    return card(
        head, trouble, "\n".join(rows), list_footer(t, page, pages, now), colour=colour, buttons=buttons
    )


def _row(
    t: Text, watch: Watch, cluster: Cluster | None, entry: WatchEntry, now: float, incidents: int
) -> str:
    known = watch.state.guests.get(entry.vmid)
    guest = cluster.find(entry.vmid) if cluster else None
    if guest and not guest.name and known:  # missing while a node has no new figures
        guest = replace(guest, name=known.name)
    state = guest.state if guest else State.UNKNOWN
    began = known.since if known and known.state is state and not known.missing else None
    if began is None and state is State.RUNNING and guest and guest.uptime:
        began = now - guest.uptime
    until = muted_until(watch, entry.vmid, guest.node if guest else known.node if known else "")
    count = t.plural("{n} incident in 7 days", "{n} incidents in 7 days", incidents)
    parts = [
        t("not found") if cluster and not guest else state_word(t, state),
        t("since {time}", time=timestamp(began)) if began else "",
        f"{MUTED} {t('until {time}', time=timestamp(until, 'f'))}" if until else "",
        thresholds(t, entry),
        f"{WARNING} {t('memory is not measured')}" if _blind(guest, entry) else "",
        count if incidents else "",
    ]
    name = title(guest) if guest else f"**{entry.vmid}**"
    return f"{STATE_EMOJI[state]} {name}\n-# {' · '.join(part for part in parts if part)}"


def muted_until(watch: Watch, vmid: int, node: str) -> float | None:
    """Return the Unix time until which the guest is muted, None if it is not muted."""
    targets = guest_targets(vmid, node)
    return max((mute.until for mute in watch.mutes() if mute.target in targets), default=None)


def thresholds(t: Text, entry: WatchEntry) -> str:
    """Return `CPU ≥ 90% / Memory ≥ 80%`, "" if there are no thresholds."""
    limits = ((metric, entry.limit(metric)) for metric in Metric)
    return " / ".join(
        f"{metric_word(t, metric)} ≥ {fill_percent(limit)}" for metric, limit in limits if limit is not None
    )


def _blind(guest: Guest | None, entry: WatchEntry) -> bool:
    """Return whether there is a memory threshold but no measured value for it."""
    return entry.memory is not None and guest is not None and is_seen_by_host(guest)


def added_card(
    t: Text, guest: Guest, entry: WatchEntry, before: WatchEntry | None, until: float | None = None
) -> ui.LayoutView:
    """Return the answer to /monitor add.

    `guest`: as it is now. `before`: its entry before the change. `until`: Unix time at which its mute ends.
    """
    blind = f"{WARNING} {memory_advice(t)}" if _blind(guest, entry) else ""
    if before is None:
        text = t("{guest} is being watched from now on.", guest=title(guest))
    elif entry == before:
        text = t("Nothing changed: the thresholds of {guest} stay as they are.", guest=title(guest))
    else:
        text = t("The thresholds of {guest} were changed.", guest=title(guest))
    muted = f"{MUTED} {t('Muted until {time}.', time=timestamp(until, 'f'))}" if until else ""
    return success_card("\n-# ".join(part for part in (text, thresholds(t, entry), muted, blind) if part))


def success_card(text: str) -> ui.LayoutView:
    return card(f"{OK} {text}", colour=Colour.GOOD)


# -- mutes


def muted_card(t: Text, mute: Mute, cluster: Cluster | None, *, watched: bool = True) -> ui.LayoutView:
    """Return the answer to a mute. `watched=False`: the guest is not on the watch list."""
    text = t(
        "{what}: nothing is told until {time}.",
        what=subject_name(t, mute.target, cluster),
        time=timestamp(mute.until, "f"),
    )
    note = "" if watched else t("It is not on the watch list: only its failed backups would be reported.")
    return card(f"{MUTED} {text}", f"-# {WARNING} {note}" if note else "", colour=Colour.QUIET)


def unmuted_card(t: Text, target: str, cluster: Cluster | None) -> ui.LayoutView:
    return success_card(t("{what}: alerts are sent again.", what=subject_name(t, target, cluster)))


# -- the history


def history_card(
    t: Text, incidents: Sequence[Incident], total: int, vmid: int | None, page: int, now: float
) -> ui.LayoutView:
    """Return one page of incidents, newest first; only those of one guest if `vmid` is given.

    `page` counts from 0 and is corrected to the existing pages.
    """
    page, pages = page_of(page, total)
    count = t.plural("{n} incident", "{n} incidents", total)
    head = f"### {t('History')} · {f'**{vmid}** · {count}' if vmid else count}"
    rows = [_past(t, incident) for incident in incidents]
    body = fit_lines(t, rows, MESSAGE_MOST - 300) if rows else t("Nothing has happened yet.")
    buttons = page_buttons("history", page, pages, (str(vmid) if vmid else "",))
    return card(head, body, list_footer(t, page, pages, now), colour=Colour.BUSY, buttons=buttons)


def _past(t: Text, incident: Incident) -> str:
    acked = (
        t("acknowledged by {person}", person=person(incident.acked_by, incident.acked_by_id))
        if incident.acked
        else ""
    )
    parts = [timestamp(incident.opened, "f"), outcome_word(t, incident), acked]
    return f"{sign_of(incident)} {short_text(t, incident)}\n-# {' · '.join(part for part in parts if part)}"
