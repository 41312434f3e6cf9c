"""Build the message of a chart: its picture, described for screen readers, and a button for each period."""

from dataclasses import dataclass

import discord
from discord import ui

from core.charts.series import ChartTopic
from core.proxmox import Period
from ui.cards import card
from ui.charts.words import SHORT_PERIODS
from ui.formatting import Colour, timestamp
from ui.i18n import Text
from ui.interaction.buttons import chart_button

FILE_NAME = "chart.png"


@dataclass(frozen=True, slots=True)
class ChartPicture:
    """A picture and its description. `made`: Unix seconds. `empty`: there is no data for any of its panels."""

    png: bytes
    description: str
    made: float
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """A person's choice of a chart. `target`: as for `chart_button`. `topic`: None for the usual four panels."""

    target: str
    period: Period
    topic: ChartTopic | None = None

    @classmethod
    def of_guest(cls, vmid: int, period: Period, topic: ChartTopic | None = None) -> "Wish":
        return cls(f"g{vmid}", period, topic)

    @classmethod
    def of_node(cls, name: str, period: Period, topic: ChartTopic | None = None) -> "Wish":
        return cls(f"n{name}", period, topic)


def chart_card(
    t: Text, title: str, picture: ChartPicture, wish: Wish, site: str, note: str = ""
) -> ui.LayoutView:
    """Show the picture, and offer all periods. `note`: why there is no data."""
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery(
        discord.MediaGalleryItem(f"attachment://{FILE_NAME}", description=picture.description)
    )
    buttons = [
        chart_button(t(label), wish.target, period, wish.topic, site, current=period is wish.period)
        for period, label in SHORT_PERIODS.items()
    ]
    foot = "\n".join(filter(None, (note, f"-# {t('updated {time}', time=timestamp(picture.made))}")))
    return card(title, foot, colour=Colour.BUSY, buttons=buttons, picture=gallery)
