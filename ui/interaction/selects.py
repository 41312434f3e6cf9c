"""Create the menu of a list. A choice opens the guest or node. The menu still works after a restart.

The values of `s1:guest` are the VMIDs of the shown page, those of `s1:node` its nodes. With several sites the menu
names the site, as in `s2:home:guest`. In a list of all sites (`s2:*:guest`) each value names its site, as in
`home/101`. A value may be forged: a choice is checked like a press on a button with the `custom_id` `s1:guest:101`.
"""

import re
from collections.abc import Sequence
from typing import Any, Self

import discord
from discord import ui

from core.guest import Guest, Node
from core.validation import is_node
from ui.cards import Item
from ui.formatting import ALARM, UNSURE, emoji_of, kind_word, plain, plain_label
from ui.i18n import Text
from ui.interaction.context import Interaction, services_of
from ui.interaction.custom_ids import ALL_SITES, split_site, with_site

OPTIONS_MOST = 25
"""Maximum number of options in a menu (Discord)."""
_GUEST, _NODE = "s1:guest", "s1:node"
CHOICE = re.compile(rf"{_GUEST}:(?P<vmid>[1-9][0-9]{{2,8}})")
"""Matches the choice of a guest, as `choice_id` returns it but without the site. For nodes: `custom_ids.NODE`."""


class PersistentSelect(ui.DynamicItem[ui.Select[Any]], template=r"s[0-9]:.{1,97}"):
    """A menu of this bot. discord.py creates it again from its `custom_id` for each choice."""

    @classmethod
    async def from_custom_id(
        cls, _interaction: Interaction, item: ui.Item[Any], _match: re.Match[str], /
    ) -> Self:
        if not isinstance(item, ui.Select):
            raise TypeError(f"not a menu: {item!r}")
        return cls(item)

    async def callback(self, interaction: Interaction) -> None:
        await services_of(interaction).press(interaction, choice_id(self.custom_id, self.item.values))


def choice_id(custom_id: str, values: Sequence[object]) -> str:
    """Return a choice as the `custom_id` of a button. A forged choice may give one that no pattern fits."""
    value = str(values[0]) if len(values) == 1 else ""
    named, unnamed = split_site(custom_id)
    if named != ALL_SITES:
        return f"{custom_id}:{value}"
    site, _, chosen = value.rpartition("/")
    return with_site(f"{unnamed}:{chosen}", site)


def guest_menu(t: Text, guests: Sequence[tuple[str, Guest]], site: str) -> list[Item]:
    """Return the menu of these guests, none if there are no guests.

    `guests`: each with the name of its site. `site`: ALL_SITES for a list of several sites.
    """
    if not guests:
        return []
    options = [_option(t, name if site == ALL_SITES else "", guest) for name, guest in guests[:OPTIONS_MOST]]
    return _menu(with_site(_GUEST, site), t("Open a guest…"), options)


def node_menu(t: Text, nodes: Sequence[tuple[str, Node]], site: str) -> list[Item]:
    """Return the menu of these nodes, none if there are no nodes. The parameters are like those of `guest_menu`.

    A node whose name Proxmox itself would refuse is left out.
    """
    fit = [(name, node) for name, node in nodes if is_node(node.name)][:OPTIONS_MOST]
    options = [_node_option(t, name if site == ALL_SITES else "", node) for name, node in fit]
    return _menu(with_site(_NODE, site), t("Open a node…"), options) if options else []


def _menu(custom_id: str, placeholder: str, options: list[discord.SelectOption]) -> list[Item]:
    menu: ui.Select[Any] = ui.Select(custom_id=custom_id, placeholder=placeholder, options=options)
    return [PersistentSelect(menu)]


def _option(t: Text, site: str, guest: Guest) -> discord.SelectOption:
    value, kind = f"{site}/{guest.vmid}" if site else str(guest.vmid), kind_word(t, guest.kind)
    return discord.SelectOption(
        label=plain_label(f"{value} {plain(guest.name)}" if guest.name else value),
        value=value,
        description=plain_label(f"{plain(guest.node, 30)} · {kind}" if guest.node else kind),
        emoji=emoji_of(guest),
    )


def _node_option(t: Text, site: str, node: Node) -> discord.SelectOption:
    value = f"{site}/{node.name}" if site else node.name
    sign, word = ("🟢", t("online")) if node.known else (UNSURE, t("no new data"))
    if not node.online:
        sign, word = ALARM, t("offline")
    return discord.SelectOption(label=plain_label(value), value=value, description=word, emoji=sign)
