"""Complete and read the option of /dashboard that names an existing dashboard."""

import re

from discord import app_commands

from core.access.guest_table import normalized
from core.dashboard.model import Dashboard
from core.wanted_errors import NoSuchDashboard
from ui.dashboard.card import extent_words
from ui.formatting import plain, plain_label
from ui.i18n import Text
from ui.interaction.context import Interaction, actor_of, services_of, visible_sites
from ui.interaction.empty_choices import Choices, explain_empty, unmatched_choice
from ui.interaction.services import Site
from ui.messages.nothing import Nothing
from ui.options.completions import CHOICES_MOST
from ui.watch.access import dashboards_of

_LAST_NUMBER = re.compile(r"([0-9]{15,20})/?$")
_CODE = re.compile(r"`([^`]*)`")


def find_dashboard(interaction: Interaction, typed: str) -> tuple[Site, Dashboard]:
    """Return the dashboard of a completion's value, of a message's link or of a message's ID.

    Raises: NoSuchDashboard, also for one that the person may not know of.
    """
    number = _LAST_NUMBER.search(typed.strip())
    for site in visible_sites(interaction):
        for dashboard, _ in dashboards_of(site, actor_of(interaction)):
            if typed.strip() == dashboard.mark or (number and int(number[1]) == dashboard.message_id):
                return site, dashboard
    raise NoSuchDashboard(typed)


def _no_such_dashboard(interaction: Interaction, typed: str) -> Choices:
    return unmatched_choice(interaction, typed, NoSuchDashboard(typed.strip()))


@explain_empty(Nothing.DASHBOARD, _no_such_dashboard)
async def complete_dashboards(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    services, typed = services_of(interaction), normalized(current)
    t, actor = services.texts.of_locale(str(interaction.locale)), actor_of(interaction)
    found = [
        app_commands.Choice(name=label, value=dashboard.mark)
        for site in visible_sites(interaction)
        for dashboard, _ in dashboards_of(site, actor)
        if typed in (label := _label(t, interaction, site, dashboard)).casefold() or typed == dashboard.mark
    ]
    return found[:CHOICES_MOST]


def _label(t: Text, interaction: Interaction, site: Site, dashboard: Dashboard) -> str:
    """Return `#status · home · Node pve1` without formatting."""
    channel = interaction.guild.get_channel(dashboard.channel_id) if interaction.guild else None
    extent = _CODE.sub(r"\1", extent_words(t, dashboard.extent))
    for role in interaction.guild.roles if interaction.guild else ():
        extent = extent.replace(f"<@&{role.id}>", f"@{plain(role.name)}")
    parts = (
        f"#{plain(channel.name)}" if channel else t("deleted channel"),
        site.name,
        extent or t("whole cluster"),
    )
    return plain_label(" · ".join(filter(None, parts)))
