"""Show the info panel of one guest: its data, and the buttons that fit its state."""

import re
from collections.abc import Sequence

from discord import ui

from core.actions.inspector import GuestDetails, Part
from core.actions.preconditions import can_act
from core.actions.resizing import with_pending
from core.guest import Guest, GuestConfig, Kind, State, TaskSummary
from core.operations import Operation
from core.proxmox import FileSystem
from core.tasks import TaskEnd, end_of
from ui.bars import usage_bar
from ui.cards import Item, card
from ui.formatting import (
    FAILED,
    OK,
    WARNING,
    WORKING,
    Colour,
    code,
    colour_of,
    emoji_of,
    fit_lines,
    format_duration,
    kind_word,
    moment,
    plain,
    state_word,
    timestamp,
    title,
)
from ui.guests.figures import (
    cores_of,
    in_units,
    memory_advice,
    memory_of,
    number_of,
    shows_host_memory,
)
from ui.i18n import Text
from ui.interaction.buttons import disks_button, guest_button, guest_chart_button, refresh_button
from ui.messages.operations import BUTTONS, PANEL_ACTIONS
from ui.messages.task_words import end_words, lock_word, task_word
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines
from ui.sizes import format_memory, format_usage
from ui.web_links import guest_page, web_links

TAGS_MOST = 10
"""Maximum number of tags to show. Those left out are counted."""
UNREAD = "…"
"""Stands for a value that is still being read, so that the lines below do not move when it arrives."""


def guest_panel(
    t: Text,
    details: GuestDetails,
    note: str = "",
    operations: Sequence[Operation] = PANEL_ACTIONS,
    *,
    site: str,
    cut_off: bool = False,
    web_url: str | None = None,
    extras: Sequence[Item] = (),
    fullest: FileSystem | None = None,
) -> ui.LayoutView:
    """Return the panel as far as the details are known.

    `note`: outcome of a button that was just pressed. `operations`: those whose buttons the panel may have.
    `cut_off`: the details that are still unread will not be read.
    `extras`: buttons of the next step after the outcome in `note`, which the panel itself does not have.
    `site`: name of the guest's site, "" if there is only one. `web_url`: address of its web interface.
    `fullest`: the fullest file system of a VM, None if the watch does not know it.
    """
    guest = details.guest
    head = f"### {emoji_of(guest)} {title(guest)}\n{_headline(t, guest)}"
    body = "\n".join(f"**{name}** {value}" for name, value in _rows(t, details, fullest) if value)
    foot = f"-# {t('updated {time}', time=timestamp(details.read_at))}"
    if details.unread:
        foot += f" · {t('the rest was not read') if cut_off else t('reading…')}"
    colour = Colour.QUIET if guest.template else colour_of(guest)
    waits = any(item.is_waiting for item in details.pending or ()) and not details.protected
    buttons = guest_buttons(t, guest, site, operations, waits_for_restart=waits, web_url=web_url)
    return card(head, body, note, foot, colour=colour, buttons=buttons, more=[extras])


def guest_buttons(
    t: Text,
    guest: Guest,
    site: str,
    operations: Sequence[Operation] = PANEL_ACTIONS,
    *,
    disabled: bool = False,
    waits_for_restart: bool = False,
    web_url: str | None = None,
) -> list[Item]:
    """Return the buttons for the actions, and those that refresh, show the chart, the disks and the web interface.

    A template has only the refresh and the web interface. `waits_for_restart`: the reboot is the obvious next step.
    An action that does not fit the guest has no button. But as long as one action with a fixed place fits
    (`Button.always`), all of these have buttons, greyed out if they do not fit.
    """
    offered = () if guest.template else operations
    keeps_places = any(BUTTONS[each].always and can_act(each, guest) for each in offered)
    buttons: list[Item] = [
        guest_button(
            t,
            operation,
            guest,
            site,
            obvious=waits_for_restart and operation is Operation.REBOOT,
            disabled=disabled or not can_act(operation, guest),
        )
        for operation in offered
        if (keeps_places and BUTTONS[operation].always) or can_act(operation, guest)
    ]
    buttons.append(refresh_button(t, guest.vmid, site, disabled=disabled))
    if not guest.template:
        buttons.append(guest_chart_button(t, guest.vmid, site, disabled=disabled))
        buttons.append(disks_button(t, guest.vmid, site, disabled=disabled))
    return [*buttons, *web_links(t, web_url, guest_page(guest.kind, guest.vmid))]


def _headline(t: Text, guest: Guest) -> str:
    state = t("template") if guest.template else state_word(t, guest.state)
    parts = [f"**{state}**", kind_word(t, guest.kind), code(guest.node)]
    if guest.uptime:
        parts.append(t("up {time}", time=format_duration(t, guest.uptime)))
    lines = [phone_lines(parts)]
    if guest.state is State.UNKNOWN and not guest.template:
        lines.append(t("Proxmox does not report its state right now. Its node may be offline."))
    return "\n".join(lines)


def _rows(t: Text, details: GuestDetails, fullest: FileSystem | None) -> list[tuple[str, str]]:
    guest, config = details.guest, details.config
    return [
        (t("CPU"), _cpu(t, details)),
        (t("Memory"), _memory(t, details)),
        (t("Disk"), _disk(guest, fullest)),
        (t("IP"), _addresses(details)),
        (t("Tags"), fit_lines(t, (code(tag, 30) for tag in guest.tags), 400, " ", lines_most=TAGS_MOST)),
        (t("Lock"), f"{WARNING} {lock_word(t, guest.lock)}" if guest.lock else ""),
        (t("Protection"), _protection(t) if details.protected else ""),
        (t("HA"), t("managed") if guest.ha_managed else ""),
        (t("After reboot"), _waiting(t, details)),
        (t("Snapshot"), code(config.parent, 40) if config and config.parent else ""),
        (
            t("Last task"),
            UNREAD if Part.LAST_TASK in details.unread else _task(t, details.last_task, details.read_at),
        ),
        (t("Notes"), _notes_of(config.description) if config and config.description else ""),
    ]


_MARKUP = re.compile(r"<[^<>]{0,500}>|!?\[([^][]{0,200})\]\([^()]{0,500}\)|[*_#>`|~]{1,6}")
"""HTML and Markdown in Proxmox' notes. Scripts that set up guests fill the notes with pictures."""
NOTES_MOST, NOTE_MOST = 2000, 200
"""Maximum characters of the notes that are read, and that are shown."""


def _notes_of(description: str) -> str:
    """Return the beginning of the notes in a code span, where nothing in them has any effect."""
    text = _MARKUP.sub(lambda found: found[1] or "", description[:NOTES_MOST])
    lines = filter(None, (plain(each, NOTE_MOST) for each in text.splitlines()))
    return code(" / ".join(lines) or description[:NOTES_MOST], NOTE_MOST)


def _protection(t: Text) -> str:
    return f"{t('on')}\n{SMALL_PRINT}{t('Stopping, changing or deleting it asks for its name and a reason.')}"


def _cpu(t: Text, details: GuestDetails) -> str:
    config = details.config
    cores = details.guest.cpus or (config.total_cores if config else None)
    count, change = cores_of(t, cores) if cores else "", ""
    if cores and config and (after := _after_restart(details)) and after.total_cores != config.total_cores:
        later = cores_of(t, after.total_cores) if after.total_cores else t("all")
        change = t("{value} (after reboot)", value=f"{number_of(cores)} → {later}")
    if details.guest.state is State.STOPPED:
        return change or count
    used = usage_bar(details.guest.cpu)
    return f"{used}\n{SMALL_PRINT}{change}" if change else f"{used} {count}".rstrip()


def _after_restart(details: GuestDetails) -> GuestConfig | None:
    """Return the configuration as it will be after a restart, None if it is not known or no change waits for one."""
    if details.config is None or not details.pending:
        return None
    return with_pending(details.config, details.guest.kind, details.pending)


def _addresses(details: GuestDetails) -> str:
    """Return the addresses, or UNREAD while they are being read, if the guest can report any."""
    guest, config = details.guest, details.config
    may_come = guest.state is State.RUNNING and (guest.kind is Kind.LXC or bool(config and config.agent))
    if Part.ADDRESSES in details.unread:
        return UNREAD if may_come else ""
    return " ".join(code(address) for address in details.addresses or ())


def _memory(t: Text, details: GuestDetails) -> str:
    guest, config, later = details.guest, details.config, ""
    if (
        config
        and (after := _after_restart(details))
        and after.memory_mb
        and after.memory_mb != config.memory_mb
    ):
        later = f" → {t('{value} (after reboot)', value=format_memory(after.memory_mb))}"
    if guest.memory_total is None:
        return "" if guest.state is State.STOPPED else t("unknown")
    usage = f"{memory_of(t, guest)}{later}"
    if shows_host_memory(guest):  # usually near the total: a full bar would alarm people for nothing
        return f"{usage}\n{SMALL_PRINT}{memory_advice(t)}"
    return _with_bar(None if guest.state is State.STOPPED else guest.memory, guest.memory_total, usage)


def _disk(guest: Guest, fullest: FileSystem | None) -> str:
    """Show how full a container's disk is. For a VM show the fullest file system if it is known, else the size."""
    if fullest is not None and guest.state is State.RUNNING:
        usage = phone_lines(
            [format_usage(fullest.used, fullest.total), code(fullest.mountpoint, 40)], SMALL_PRINT, SMALL
        )
        return f"{usage_bar(fullest.fill)}\n{usage}"
    if not guest.disk_total:
        return ""
    return _with_bar(guest.disk, guest.disk_total, format_usage(guest.disk, guest.disk_total))


def _with_bar(used: int | None, total: int | None, usage: str) -> str:
    """Return a bar, with the figures `usage` below it in small print, because a phone has no room beside a bar.

    Return the figures alone if a number is missing for the bar.
    """
    return usage if used is None or not total else f"{usage_bar(used / total)}\n-# {usage}"


_IN_WORDS = frozenset({"cores", "sockets", "memory"})
"""Keys of the configuration whose pending changes are shown beside the present value."""


def _waiting(t: Text, details: GuestDetails) -> str:
    """List the changes that wait for a restart, except those that `_cpu` and `_memory` show."""
    rows = []
    for item in details.pending or ():
        if item.key in _IN_WORDS and details.config is not None:
            continue
        after = t("default") if item.delete or item.pending is None else code(in_units(item.pending), 40)
        before = code(in_units(item.value), 40) if item.value is not None else t("default")
        rows.append(f"{code(item.key, 20)} {before} → {after}")
    return fit_lines(t, rows, 300, " · ")


def _task(t: Text, task: TaskSummary | None, now: float) -> str:
    if task is None:
        return ""
    word = task_word(t, task.type)
    if task.status is None:
        return f"{WORKING} {word}\n{SMALL_PRINT}{moment(t, task.started, now)}"
    end = end_of(task.status)
    mark = {TaskEnd.OK: OK, TaskEnd.WARNINGS: WARNING}.get(end, FAILED)
    notes = [] if end is TaskEnd.OK else [end_words(t, task.status)]
    below = phone_lines([*notes, moment(t, task.ended or task.started, now)], SMALL_PRINT, SMALL)
    return f"{mark} {word}\n{below}"
