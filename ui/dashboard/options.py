"""Complete and read the options of /dashboard: tags, pools, and the dashboards that exist."""

import re
from collections.abc import Iterable

from discord import app_commands

from core.access.guest_table import normalized
from core.dashboard.model import Dashboard
from core.guest import Guest
from core.wanted_errors import NoSuchDashboard
from ui.dashboard.card import extent_words
from ui.formatting import UNSURE, plain, plain_label
from ui.i18n import Text
from ui.interaction.context import Interaction, Site, actor_of, services_of, visible_sites
from ui.interaction.empty_choices import Choices, explain_empty, unmatched_choice
from ui.messages.nothing import Nothing
from ui.options.completions import CHOICES_MOST
from ui.sites.reads import reads_for_completion
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


def _unmatched(interaction: Interaction, typed: str) -> Choices:
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    name = plain_label(f"{UNSURE} {t('No matching guests.')}")
    return [app_commands.Choice(name=name, value=typed.strip()[:100])]


@explain_empty(Nothing.TAG, _unmatched)
async def complete_tags(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    guests = await _seen_guests(interaction)
    return _choices((tag for guest in guests for tag in guest.tags), current)


@explain_empty(Nothing.POOL, _unmatched)
async def complete_pools(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    guests = await _seen_guests(interaction)
    return _choices((guest.pool for guest in guests if guest.pool), current)


async def _seen_guests(interaction: Interaction) -> list[Guest]:
    """Return the guests that the person may see, on all sites."""
    actor, found = actor_of(interaction), list[Guest]()
    for read in await reads_for_completion(visible_sites(interaction)):
        if read.cluster is not None:
            found += read.site.authorizer.visible_cluster(actor, read.cluster).guests
    return found


def _choices(values: Iterable[str], current: str) -> list[app_commands.Choice[str]]:
    typed = normalized(current)
    found = sorted(
        {value for value in values if typed in value.casefold() and len(value) <= 100 and plain(value)}
    )
    return [
        app_commands.Choice(name=plain_label(plain(value)), value=value) for value in found[:CHOICES_MOST]
    ]
