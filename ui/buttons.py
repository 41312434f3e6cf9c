"""The buttons that outlive a restart. Their custom_id says which guest and what; nothing else in it is trusted.

`g1:start:101:5d0ab3f2` acts on a guest (the last part is Guest.mark, so that a stale button does not reach another
guest that got its VMID), `g1:refresh:101` reads it again, `p1:…` turns a page, `q1:…` answers a question.
What a press does is in presses.py, which reaches here through the Services: this module only makes buttons.
"""

import re
from typing import Any, Self

import discord
from discord import ui

from core.actions import Verb
from core.guest import Guest
from ui.sentences import verb_noun
from ui.services import Interaction, services_of
from ui.text import Text

GUEST = re.compile(
    r"g1:(?:(?P<action>start|reboot|shutdown):(?P<vmid>[1-9][0-9]{2,8}):(?P<mark>[0-9a-f]{8})"
    r"|refresh:(?P<read>[1-9][0-9]{2,8}))"
)
PAGE = re.compile(
    r"p1:(?P<what>list|watch):(?P<move>first|prev|next|last):(?P<page>[0-9]{1,5})"
    r":(?P<status>(?:running|stopped|other|template)?):(?P<kind>(?:qemu|lxc)?):(?P<node>[A-Za-z0-9-]{0,63})"
)
FORM = re.compile(r"f1:(?P<nonce>[0-9a-f]{16})")
QUESTION = re.compile(r"q1:(?P<answer>yes|no):(?P<nonce>[0-9a-f]{16})")


class Lasting(ui.DynamicItem[ui.Button[Any]], template=r"[a-z][0-9]:.{1,97}"):
    """Every button of this bot. discord.py makes it anew from its custom_id for each press."""

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        if not isinstance(item, ui.Button):
            raise TypeError(f"not a button: {item!r}")
        return cls(item)

    async def callback(self, interaction: Interaction) -> None:
        await services_of(interaction).press(interaction, self.custom_id)


_STYLES = {
    Verb.START: discord.ButtonStyle.success,
    Verb.REBOOT: discord.ButtonStyle.primary,
    Verb.SHUTDOWN: discord.ButtonStyle.danger,
}


def guest_button(
    t: Text, verb: Verb, guest: Guest, *, label: str | None = None, disabled: bool = False
) -> Lasting:
    text = label or verb_noun(t, verb)
    custom_id = f"g1:{verb.value}:{guest.vmid}:{guest.mark}"
    return Lasting(ui.Button(style=_STYLES[verb], label=text, custom_id=custom_id, disabled=disabled))


def refresh_button(t: Text, vmid: int, *, disabled: bool = False) -> Lasting:
    return Lasting(ui.Button(label=t("Refresh"), custom_id=f"g1:refresh:{vmid}", disabled=disabled))


def page_buttons(what: str, page: int, pages: int, filters: tuple[str, str, str]) -> list[Lasting]:
    """First, previous, next, last; none where there is one page only. `page` counts from 0."""
    if pages <= 1:
        return []
    tail = ":".join(filters)
    moves = (
        ("first", "⏮️", 0, page == 0),
        ("prev", "◀️", max(0, page - 1), page == 0),
        ("next", "▶️", min(pages - 1, page + 1), page == pages - 1),
        ("last", "⏭️", pages - 1, page == pages - 1),
    )
    return [
        Lasting(ui.Button(emoji=emoji, custom_id=f"p1:{what}:{move}:{goal}:{tail}", disabled=off))
        for move, emoji, goal, off in moves
    ]


def question_buttons(t: Text, nonce: str, yes: str, *, disabled: bool = False) -> list[Lasting]:
    """The red one says what it does; the grey one leaves everything as it is."""
    red = discord.ButtonStyle.danger
    return [
        Lasting(ui.Button(style=red, label=yes[:80], custom_id=f"q1:yes:{nonce}", disabled=disabled)),
        Lasting(ui.Button(label=t("Cancel"), custom_id=f"q1:no:{nonce}", disabled=disabled)),
    ]
