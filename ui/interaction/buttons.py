"""Create the buttons. They still work after a restart, except those of a question.

ui/interaction/custom_ids.py says how each names its object. `cogs/buttons.py` handles the presses and is called
through `Services`.
"""

import re
from collections.abc import Sequence
from typing import Any, Self

import discord
from discord import ui

from core.charts.series import ChartTopic
from core.guest import Guest
from core.operations import Operation
from core.proxmox import Period
from core.watch.incidents.model import Incident
from core.watch.incidents.offers import can_start, chart_of, guest_of, has_log
from ui.formatting import format_duration
from ui.i18n import Text
from ui.interaction.context import Interaction, services_of
from ui.interaction.custom_ids import PAGE, shorten, with_site
from ui.messages.operations import BUTTONS, operation_noun

AGAIN = "🔄"
MUTES = {"mute1": 3600, "mute8": 8 * 3600}
"""Seconds of the two mute buttons of an alert."""


class PersistentButton(ui.DynamicItem[ui.Button[Any]], template=r"[a-rt-z][0-9]:.{1,97}"):
    """A button of this bot. discord.py creates it again from its `custom_id` for each press."""

    @classmethod
    async def from_custom_id(
        cls, _interaction: Interaction, item: ui.Item[Any], _match: re.Match[str], /
    ) -> Self:
        if not isinstance(item, ui.Button):
            raise TypeError(f"not a button: {item!r}")
        return cls(item)

    async def callback(self, interaction: Interaction) -> None:
        await services_of(interaction).press(interaction, self.custom_id)


def guest_button(
    t: Text,
    operation: Operation,
    guest: Guest,
    site: str,
    *,
    label: str | None = None,
    obvious: bool = False,
    disabled: bool = False,
) -> PersistentButton:
    """Return the button of an action. `site`: name of the guest's site, "" if there is only one.

    `obvious`: make it blue, because it is the one obvious next step.
    """
    text = label or operation_noun(t, operation)
    style = discord.ButtonStyle.primary if obvious else BUTTONS[operation].style
    custom_id = with_site(f"g1:{operation.value}:{guest.vmid}:{guest.fingerprint}", site)
    return PersistentButton(ui.Button(style=style, label=text, custom_id=custom_id, disabled=disabled))


def details_button(t: Text, vmid: int, site: str) -> PersistentButton:
    """Return the button that opens the guest's panel as a private message."""
    return PersistentButton(ui.Button(label=t("Details"), custom_id=with_site(f"g1:details:{vmid}", site)))


def snapshots_button(t: Text, vmid: int, site: str) -> PersistentButton:
    """Return the button that opens the guest's snapshots as a private message."""
    custom_id = with_site(f"g1:snapshots:{vmid}", site)
    return PersistentButton(ui.Button(label=t("Snapshots"), custom_id=custom_id))


def disks_button(t: Text, vmid: int, site: str, *, disabled: bool = False) -> PersistentButton:
    """Return the button that opens the guest's file systems and backups as a private message."""
    custom_id = with_site(f"g1:disks:{vmid}", site)
    return PersistentButton(ui.Button(label=t("Disks and backups"), custom_id=custom_id, disabled=disabled))


def guest_chart_button(t: Text, vmid: int, site: str, *, disabled: bool = False) -> PersistentButton:
    """Return the button that shows a chart of the guest as a private message."""
    custom_id = with_site(f"g1:chart:{vmid}", site)
    return PersistentButton(ui.Button(label=t("Chart"), custom_id=custom_id, disabled=disabled))


def chart_button(
    label: str, target: str, period: Period, topic: ChartTopic | None, site: str, *, current: bool
) -> PersistentButton:
    """Return the button that shows another period in a chart's message.

    `target`: `g101` for a guest, `npve1` for a node. `current`: the chart shows this period, and a press renews it.
    """
    style = discord.ButtonStyle.primary if current else discord.ButtonStyle.secondary
    custom_id = with_site(f"c1:{period.value}:{topic.value if topic else ''}:{target}", site)
    return PersistentButton(ui.Button(label=label, custom_id=custom_id, style=style))


def node_chart_button(t: Text, node: str, site: str) -> PersistentButton:
    """Return the button that shows a chart of the node as a private message."""
    return PersistentButton(ui.Button(label=t("Chart"), custom_id=with_site(f"n1:chart:{node}", site)))


def refresh_button(t: Text, vmid: int, site: str, *, disabled: bool = False) -> PersistentButton:
    """Return the button that reads the guest again and shows its panel in the same message."""
    custom_id = with_site(f"g1:refresh:{vmid}", site)
    return PersistentButton(ui.Button(label=t("Refresh"), custom_id=custom_id, disabled=disabled))


def status_button(t: Text, site: str) -> PersistentButton:
    """Return the button that reads the cluster again. `site`: name of the site, or ALL_SITES."""
    return PersistentButton(ui.Button(label=t("Refresh"), custom_id=with_site("p1:status:refresh", site)))


def health_buttons(
    t: Text, page: int, pages: int, site: str, *, full: bool, more: bool
) -> list[PersistentButton]:
    """Return the buttons of a report of the health check: its pages, and one that checks again.

    `site`: as in `page_buttons`. `full`: good results are shown in full. `more`: offer to show them in full.
    """
    filters = ("all",) if full else ()
    turns = page_buttons("doctor", page, pages, filters, site)
    again = _again_button(t, _page_id("doctor", "refresh", 0, filters, site), beside=bool(turns))
    details = ui.Button[Any](label=t("Show all"), custom_id=_page_id("doctor", "first", 0, ("all",), site))
    return [*turns, again, *([PersistentButton(details)] if more else [])]


def _again_button(t: Text, custom_id: str, *, beside: bool) -> PersistentButton:
    """Return the button that reads again. `beside`: show a symbol, because symbols of pages are beside it."""
    again: ui.Button[Any] = ui.Button(custom_id=custom_id)
    if beside:
        again.emoji = discord.PartialEmoji(name=AGAIN)
    else:
        again.label = t("Refresh")
    return PersistentButton(again)


def dashboard_buttons(t: Text, mark: str, site: str) -> list[PersistentButton]:
    """Return the buttons under a dashboard. `mark`: the 16 hex digits that name the dashboard."""
    labels = {"refresh": t("Refresh"), "alerts": t("Alerts")}
    return [
        PersistentButton(ui.Button(label=label, custom_id=with_site(f"d1:{what}:{mark}", site)))
        for what, label in labels.items()
    ]


def alert_buttons(t: Text, incident: Incident, site: str, *, edited: bool = True) -> list[PersistentButton]:
    """Return the buttons for what can be done about the incident now.

    `edited`: the message is kept up to date, so it will show the effect of a press.
    """
    tail = f"{incident.id}" if edited else f"{incident.id}:r"
    guest = guest_of(incident)
    offers: list[tuple[str, str, discord.ButtonStyle]] = []
    if can_start(incident):
        offers.append(("start", operation_noun(t, Operation.START), discord.ButtonStyle.success))
    if guest is not None or has_log(incident):
        offers.append(("details", t("Details"), discord.ButtonStyle.secondary))
    if incident.open and incident.acked is None:
        offers.append(("ack", t("Acknowledge"), discord.ButtonStyle.primary))
    if incident.open:
        offers += [
            (what, t("Mute {time}", time=format_duration(t, seconds)), discord.ButtonStyle.secondary)
            for what, seconds in MUTES.items()
        ]
    elif incident.can_unmute:
        offers.append(("unmute", t("Unmute"), discord.ButtonStyle.secondary))
    if chart := chart_of(incident):
        offers.append((chart, t("Chart"), discord.ButtonStyle.secondary))
    return [
        PersistentButton(ui.Button(style=style, label=label, custom_id=with_site(f"a1:{what}:{tail}", site)))
        for what, label, style in offers
    ]


def guest_list_button(t: Text) -> PersistentButton:
    """Return the button that opens the list of guests as a private message."""
    return PersistentButton(ui.Button(label=t("List"), custom_id="w1:list"))


def welcome_buttons(t: Text) -> list[PersistentButton]:
    """Return the buttons of the bot's first message."""
    labels = {"list": t("List"), "test": t("Test alert"), "access": t("My permissions")}
    return [
        PersistentButton(ui.Button(label=label, custom_id=f"w1:{what}")) for what, label in labels.items()
    ]


def page_buttons(
    what: str, page: int, pages: int, filters: Sequence[str], site: str
) -> list[PersistentButton]:
    """Return the buttons first, previous, next and last, or none if there is only one page.

    `what`, `filters`: the kind of page and its last fields, as in the `custom_id`. `page` counts from 0.
    `site`: name of the site, "" if there is only one; ALL_SITES for a list of several sites.
    """
    if pages <= 1:
        return []
    moves = (
        ("first", "⏮️", 0, page == 0),
        ("prev", "◀️", max(0, page - 1), page == 0),
        ("next", "▶️", min(pages - 1, page + 1), page == pages - 1),
        ("last", "⏭️", pages - 1, page == pages - 1),
    )
    return [
        PersistentButton(
            ui.Button(emoji=emoji, custom_id=_page_id(what, move, goal, filters, site), disabled=off)
        )
        for move, emoji, goal, off in moves
    ]


def _page_id(what: str, move: str, goal: int, filters: Sequence[str], site: str) -> str:
    custom_id = ":".join(("p1", what, move, str(goal), *filters))
    return shorten(custom_id) if what == "audit" and not site else with_site(custom_id, site)


def extent_button(t: Text, filters: Sequence[str], site: str, *, readings: bool) -> PersistentButton:
    """Return the button that shows the audit trail with reading operations, or without them.

    `readings`: whether a press adds them. `filters`: those of the trail's pages.
    """
    label = t("Include views") if readings else t("Changes and refusals only")
    custom_id = _page_id("audit", "first", 0, (*filters, str(int(readings))), site)
    return PersistentButton(ui.Button(label=label, custom_id=custom_id))


def list_buttons(
    t: Text, what: str, page: int, pages: int, filters: Sequence[str], site: str, *, empty: bool = False
) -> list[PersistentButton]:
    """Return the buttons of a list: its pages, and one that reads the shown page again.

    Beside the pages the refresh button is a symbol too, so that all fit in a row on a phone.
    No guest matches a typed filter that does not fit a `custom_id`, so there are neither pages nor a refresh then.
    `empty`: the filters match nothing, so a button to drop them is added. `site`: as in `page_buttons`.
    """
    unfiltered: list[PersistentButton] = []
    if empty and any(filters):
        custom_id = _page_id(what, "first", 0, ("", "", ""), site)
        unfiltered = [PersistentButton(ui.Button(label=t("Show all"), custom_id=custom_id))]
    refresh = f"p1:{what}:refresh:{page}:{':'.join(filters)}"
    if not PAGE.fullmatch(refresh):
        return unfiltered
    turns = page_buttons(what, page, pages, filters, site)
    again = _again_button(t, with_site(refresh, site), beside=bool(turns))
    return [*turns, again, *unfiltered]


def question_buttons(
    t: Text, nonce: str, yes: str, *, severe: bool, disabled: bool = False
) -> list[PersistentButton]:
    """Return a button whose label `yes` names the action, and a grey one that cancels.

    `severe`: the action destroys or forces something, so the button is red.
    """
    style = discord.ButtonStyle.danger if severe else discord.ButtonStyle.primary
    return [
        PersistentButton(
            ui.Button(style=style, label=yes[:80], custom_id=f"q1:yes:{nonce}", disabled=disabled)
        ),
        PersistentButton(ui.Button(label=t("Cancel"), custom_id=f"q1:no:{nonce}", disabled=disabled)),
    ]
