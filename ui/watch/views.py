"""Build cards of /monitor: the watch list, past incidents, and the answers to changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from discord import ui

from core.errors import BotError
from core.guest import Cluster, Guest, State
from core.watch.incidents.disks import is_asked, is_silent
from core.watch.incidents.model import ALL, Incident, Metric, Mute, WatchEntry, threshold_key
from core.watch.incidents.transition import guest_targets
from core.watch.service import Watch
from ui.cards import card
from ui.formatting import (
    FAILED,
    HALF_A_DAY,
    MESSAGE_MOST,
    MUTED,
    OK,
    STATE_EMOJI,
    WARNING,
    Colour,
    code,
    fit_lines,
    format_duration,
    format_percent,
    listed,
    person,
    state_word,
    timestamp,
    title,
    title_of,
    until_time,
)
from ui.guests.figures import memory_advice, shows_host_memory
from ui.guests.lists.cards import ROWS, list_footer, page_of
from ui.i18n import Text
from ui.interaction.buttons import list_buttons, page_buttons
from ui.interaction.selects import guest_menu
from ui.interaction.services import Site
from ui.messages.errors import error_sentence
from ui.messages.subjects import subject_name
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.watch.alert_text import outcome_word
from ui.watch.incidents.names import MOUNT_MOST, fill_percent, metric_word
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
    *,
    site: str,
) -> ui.LayoutView:
    """Return one page of the watched guests that the reader may see.

    Each row shows the guest as last read, and the watch's own data.
    `counts`: by VMID, number of incidents of the last COUNTED_DAYS days.
    `site`: name of the site, "" if there is only one.
    """
    page, pages = page_of(page, len(watched))
    shown = watched[page * ROWS : page * ROWS + ROWS]
    rows = [watch_row(t, watch, cluster, entry, now, counts.get(entry.vmid, 0)) for entry in shown]
    guests = [(site, guest) for entry in shown if cluster and (guest := cluster.find(entry.vmid))]
    if not rows:
        rows = [t("No watched guests yet. Add one with `/monitor add`.")]
    head = f"### {t.plural('{n} watched guest', '{n} watched guests', len(watched))}"
    trouble = f"{WARNING} {error_sentence(t, watch.read_error)}" if watch.read_error else ""
    below = guest_menu(t, guests, site), list_buttons(t, "watch", page, pages, ("", "", ""), site)
    colour = Colour.WARN if watch.read_error else Colour.BUSY
    return card(head, trouble, "\n".join(rows), list_footer(t, page, pages, now), colour=colour, more=below)


def watch_row(
    t: Text, watch: Watch, cluster: Cluster | None, entry: WatchEntry, now: float, incidents: int
) -> str:
    """Show a guest in a line. Below it are its state and since when, its mute, thresholds, disk usage and incidents.

    `incidents`: number of the last COUNTED_DAYS days.
    """
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
    since = t("since {time}", time=timestamp(began)) if began else ""
    if guest and state is State.RUNNING and began:
        since = t("up {time}", time=format_duration(t, guest.uptime or now - began))
    parts = [
        t("not found") if cluster and not guest else "" if state is State.RUNNING else state_word(t, state),
        since,
        f"{MUTED} {t('until {time}', time=until_time(until, now))}" if until else "",
        thresholds(t, entry),
        f"{WARNING} {t('memory is not measured')}" if _lacks_memory_use(guest, entry) else "",
        _fullest(t, watch, guest, entry),
        count if incidents else "",
    ]
    name = title(guest) if guest else f"**{entry.vmid}**"
    return "\n".join(filter(None, (f"{STATE_EMOJI[state]} {name}", phone_lines(parts, SMALL_PRINT, SMALL))))


def muted_until(watch: Watch, vmid: int, node: str) -> float | None:
    """Return the Unix time until which the guest is muted, also with its node or all. None if it is not muted."""
    targets = guest_targets(vmid, node)
    return max((mute.until for mute in watch.alerts.mutes() if mute.target in targets), default=None)


def thresholds(t: Text, entry: WatchEntry) -> str:
    """Return `alerts at CPU 90%, memory 80%`, "" if the guest has no thresholds."""
    limits = [
        t("{metric} {limit}", metric=metric_word(t, metric), limit=fill_percent(limit))
        for metric in Metric
        if (limit := entry.limit(metric)) is not None
    ]
    return t("alerts at {limits}", limits=listed(t, limits)) if limits else ""


def _lacks_memory_use(guest: Guest | None, entry: WatchEntry) -> bool:
    """Return whether there is a memory threshold but no measured value for it."""
    return entry.memory is not None and guest is not None and shows_host_memory(guest)


def _fullest(t: Text, watch: Watch, guest: Guest | None, entry: WatchEntry) -> str:
    """Return the fullest file system of a running VM with a disk threshold, or say that it is unknown."""
    if (
        entry.disk is None
        or guest is None
        or guest.state is not State.RUNNING
        or not is_asked(guest, Metric.DISK)
    ):
        return ""
    if is_silent(watch.state.thresholds.get(threshold_key(entry.vmid, Metric.DISK))):
        return f"{WARNING} {t('disk usage is unknown')}"
    found = watch.disks.known().get((guest.vmid, guest.fingerprint))
    if found is None:
        return t("disk usage is not yet known")
    return t(
        "{mount} {percent} full", mount=code(found.mountpoint, MOUNT_MOST), percent=format_percent(found.fill)
    )


def added_card(
    t: Text,
    guest: Guest,
    entry: WatchEntry,
    before: WatchEntry | None,
    now: float,
    until: float | None = None,
    steps: str = "",
) -> ui.LayoutView:
    """Return the answer to /monitor add.

    `guest`: as it is now. `before`: its entry before the change. `until`: Unix time at which its mute ends.
    `steps`: a line that names the next steps.
    """
    memory = f"{WARNING} {memory_advice(t)}" if _lacks_memory_use(guest, entry) else ""
    old = before.disk if before else None
    asks = is_asked(guest, Metric.DISK) and entry.disk not in (None, old)
    asking = t("The bot asks its guest agent for the disk usage every 10 minutes.") if asks else ""
    if before is None:
        text = t("Now watching {guest}.", guest=title(guest))
    elif entry == before:
        text = t("Nothing changed. The thresholds of {guest} stay the same.", guest=title(guest))
    else:
        text = t("The thresholds of {guest} were changed.", guest=title(guest))
    muted = f"{MUTED} {t('Muted until {time}.', time=until_time(until, now))}" if until else ""
    limits = thresholds(t, entry) or t("Alerts when it stops. No thresholds for CPU, memory or disk.")
    return success_card("\n-# ".join(part for part in (text, limits, asking, muted, memory) if part), steps)


def success_card(text: str, steps: str = "") -> ui.LayoutView:
    """Return the answer to a change that was made. `steps`: a line that names the next steps."""
    return card(f"{OK} {text}", steps, colour=Colour.GOOD)


# -- mutes


def muted_card(
    t: Text, mute: Mute, cluster: Cluster | None, now: float, *, watched: bool = True, steps: str = ""
) -> ui.LayoutView:
    """Return the answer to /monitor mute. The end has a date only if it is more than half a day away.

    `watched`: False for a guest that is not on the watch list. `steps`: how to lift it.
    """
    time = t("{time} ({relative})", time=until_time(mute.until, now), relative=timestamp(mute.until))
    if mute.target == ALL:
        text = t("All alerts muted until {time}.", time=time)
    else:
        text = t("{what}: alerts muted until {time}.", what=subject_name(t, mute.target, cluster), time=time)
    note = "" if watched else t("It is not on the watch list: only failed backups are reported.")
    return card(f"{MUTED} {text}", f"-# {WARNING} {note}" if note else "", steps, colour=Colour.QUIET)


def unmuted_card(t: Text, target: str, cluster: Cluster | None, steps: str = "") -> ui.LayoutView:
    """Return the answer to /monitor unmute."""
    if target == ALL:
        text = t("Alerts unmuted (mutes of individual guests, nodes and storages remain).")
    else:
        text = t("{what}: alerts unmuted.", what=subject_name(t, target, cluster))
    return success_card(text, steps)


def muted_everywhere_card(
    t: Text, made: Mapping[Site, Mute], failed: Mapping[Site, BotError], now: float
) -> ui.LayoutView:
    """Return the answer to a mute of everything on all sites.

    `made`: the mutes; at least one. `failed`: the errors of sites where the mute could not be stored.
    """
    mute = next(iter(made.values()))
    time = t("{time} ({relative})", time=until_time(mute.until, now), relative=timestamp(mute.until))
    text = t("All alerts of {sites} muted until {time}.", sites=_site_names(t, made), time=time)
    return card(f"{MUTED} {text}", _failures(t, failed), colour=Colour.WARN if failed else Colour.QUIET)


def unmuted_everywhere_card(
    t: Text, lifted: Iterable[Site], failed: Mapping[Site, BotError]
) -> ui.LayoutView:
    """Return the answer to lifting the mutes of everything on all sites."""
    text = t(
        "Alerts of {sites} unmuted (mutes of individual guests, nodes and storages remain).",
        sites=_site_names(t, lifted),
    )
    return card(f"{OK} {text}", _failures(t, failed), colour=Colour.WARN if failed else Colour.GOOD)


def _site_names(t: Text, sites: Iterable[Site]) -> str:
    return fit_lines(t, (code(site.name) for site in sites), 1000, t(", "))


def _failures(t: Text, failed: Mapping[Site, BotError]) -> str:
    lines = (f"{FAILED} **{site.name}** · {error_sentence(t, error)}" for site, error in failed.items())
    return fit_lines(t, lines, 2000) if failed else ""


# -- the history


def history_card(
    t: Text,
    incidents: Sequence[Incident],
    total: int,
    vmid: int | None,
    page: int,
    now: float,
    label: str = "",
    *,
    site: str,
    names: Mapping[int, str] | None = None,
) -> ui.LayoutView:
    """Return one page of incidents, newest first.

    `vmid`: the guest of all these incidents, None for all guests. `label`: its name.
    `page`: counts from 0 and is brought within bounds. `site`: name of the site, "" if there is only one.
    `names`: by incident id, the name of the site to show with the incident.
    """
    page, pages = page_of(page, total)
    count = t.plural("{n} incident", "{n} incidents", total)
    of_guest = t("History of {guest}", guest=title_of(vmid, label or str(vmid))) if vmid else ""
    head = f"### {of_guest or t('Incident history')} · {count}"
    rows = [_past_row(t, incident, now, (names or {}).get(incident.id, "")) for incident in incidents]
    body = fit_lines(t, rows, MESSAGE_MOST - 300) if rows else t("No incidents yet.")
    buttons = page_buttons("history", page, pages, (str(vmid) if vmid else "",), site)
    return card(head, body, list_footer(t, page, pages, now), colour=Colour.BUSY, buttons=buttons)


def _past_row(t: Text, incident: Incident, now: float, site: str = "") -> str:
    """Return one incident. Its date is left out if it began less than half a day ago.

    `site`: name of its site, if it is to be named.
    """
    acked = (
        t("acknowledged by {person}", person=person(incident.acked_by, incident.acked_by_id))
        if incident.acked
        else ""
    )
    name = f"**{site}**" if site else ""
    opened = timestamp(incident.opened, "t" if now - incident.opened < HALF_A_DAY else "f")
    small = phone_lines([name, opened, outcome_word(t, incident), acked], SMALL_PRINT, SMALL)
    return f"{sign_of(incident)} {short_text(t, incident)}\n{small}"
