"""Create, remove and list dashboards, and report the result."""

import secrets

import discord

from core.access.policy import grants, level_everywhere
from core.audit.record import format_options
from core.dashboard.live import DashboardFault
from core.dashboard.model import Dashboard, Extent
from core.levels import Level
from core.operations import Operation
from core.wanted_errors import ChannelPermissionsMissing, NothingWithin, UnfitChannel, UnknownSite
from ui.cards import card
from ui.dashboard.card import extent_words
from ui.dashboard.messages import delete_orphans
from ui.dashboard.options import find_dashboard
from ui.discord.guild import missing_for_dashboard
from ui.formatting import MESSAGE_MOST, OK, WARNING, Colour, fit_lines, person, timestamp
from ui.guests.lists.filters import Filters
from ui.guests.lists.sites import typed_filters
from ui.i18n import Text
from ui.interaction.attempt import Attempt, record_attempt
from ui.interaction.context import Interaction, actor_of, choose_site, gone_from, services_of
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import delivery_reason
from ui.phone_lines import phone_lines
from ui.sites.option import asked_sites
from ui.watch.access import dashboards_of

POST_SECONDS = 6.0
"""Seconds to wait for the first message before saying that it follows."""


async def create_dashboard(
    reply: Reply, channel: discord.TextChannel | None, site: str, filters: Filters, extent: Extent
) -> None:
    """Create a dashboard in the chosen channel, else in the channel of the command.

    `filters`: their node is used, which may name its site. `extent`: its tag and its pool are used.
    Raises: Refused, JournalFailed.
    """
    interaction = reply.interaction
    place = channel or interaction.channel
    options = {
        "channel": channel.id if channel else None,
        "node": filters.node,
        "tag": extent.tag,
        "pool": extent.pool,
    }
    with record_attempt(interaction, Operation.DASHBOARD_CREATE, detail=format_options(options)) as attempt:
        chosen = _choose_site(interaction, site, filters)
        attempt.authorize()
        extent = Extent(chosen.node, extent.tag.strip(), extent.pool.strip(), roles_of(attempt))
        keeper = attempt.site.dashboards
        _ensure_shows_something(attempt.site, extent)
        checked = _checked_channel(interaction, place)
        actor = attempt.actor
        dashboard = Dashboard(
            secrets.token_hex(8),
            checked.id,
            extent,
            actor.name,
            actor.user_id,
            attempt.services.clock.now(),
        )
        await attempt.start()
        await keeper.create(dashboard)
        if attempt.services.orphan_searches.take((attempt.site.name, checked.id)):
            await delete_orphans(checked, [attempt.site])
    mark = dashboard.mark
    await keeper.wait_until(lambda: _is_settled(attempt.site, mark), POST_SECONDS)
    await reply.show(_created_card(reply.t, attempt.site, keeper.find(mark) or dashboard))


def _choose_site(interaction: Interaction, typed: str, filters: Filters) -> Filters:
    """Note the site: the typed one, the one before the node (`home/pve1`), or the only one that the person sees.

    Return the filters without the site.
    Raises: UnknownSite.
    """
    within = typed_filters(interaction, filters, typed)
    sites = asked_sites(interaction)
    if len(sites) != 1:
        raise UnknownSite(typed)
    choose_site(interaction, sites[0])
    return within


def roles_of(attempt: Attempt) -> tuple[int, ...]:
    """Return the admin roles to whose guests a dashboard of this person is limited. Empty: it is not limited."""
    rules = attempt.site.authorizer.rules
    if level_everywhere(rules, attempt.actor) >= Level.ADMIN:
        return ()
    held = grants(rules, attempt.actor)
    return tuple(role for role, (level, scopes) in held.items() if level >= Level.ADMIN and scopes)


def _checked_channel(interaction: Interaction, place: object) -> discord.TextChannel:
    """Return the channel, if a dashboard in it will work.

    Raises: UnfitChannel, ChannelPermissionsMissing.
    """
    number = getattr(place, "id", 0)
    channel = interaction.guild.get_channel(number) if interaction.guild else None
    if (
        not isinstance(channel, discord.TextChannel)
        or channel.category_id != services_of(interaction).category_id
    ):
        raise UnfitChannel(number)
    if missing := missing_for_dashboard(channel):
        raise ChannelPermissionsMissing(number, "\n".join(missing))
    return channel


def _ensure_shows_something(site: Site, extent: Extent) -> None:
    """Check that a limited dashboard shows a guest or a node. While Proxmox cannot be read, any limit passes.

    Raises: NothingWithin.
    """
    contents = site.dashboards.contents(extent)
    cluster = contents.cluster if contents else None
    if cluster is not None and not extent.is_whole and not (cluster.guests or cluster.nodes):
        raise NothingWithin


def _is_settled(site: Site, mark: str) -> bool:
    """Return whether the message is posted and pinned, or cannot be."""
    return any(
        fault is not None or (dashboard.message_id is not None and dashboard.pinned)
        for dashboard, fault in site.dashboards.dashboards()
        if dashboard.mark == mark
    )


def _created_card(t: Text, site: Site, dashboard: Dashboard) -> discord.ui.LayoutView:
    fault = next((why for each, why in site.dashboards.dashboards() if each.mark == dashboard.mark), None)
    channel = f"<#{dashboard.channel_id}>"
    lines = []
    if dashboard.message_id is not None:
        lines.append(
            f"{OK} {t('The dashboard is in {channel}: {link}', channel=channel, link=_link_of(t, site, dashboard))}"
        )
    elif fault:
        lines.append(
            t("The dashboard will appear in {channel} as soon as Discord accepts it.", channel=channel)
        )
    else:
        lines.append(t("The dashboard will appear in {channel} in a moment.", channel=channel))
    if words := extent_words(t, dashboard.extent):
        lines.append(words)
    if fault:
        lines.append(_fault_line(t, fault))
    if dashboard.extent.roles:
        note = t(
            "Everyone in {channel} can see it. It shows only the guests that your roles cover.",
            channel=channel,
        )
    else:
        note = t(
            "Everyone in {channel} can see it. It shows what a viewer of all guests may see.", channel=channel
        )
    lines.append(f"-# {note}")
    well = fault is None and dashboard.message_id is not None
    return card("\n".join(lines), colour=Colour.GOOD if well else Colour.WARN)


async def remove_dashboard(reply: Reply, typed: str) -> None:
    """Remove a dashboard. Its message is deleted when Discord allows it. Raises: Refused, JournalFailed."""
    interaction = reply.interaction
    with record_attempt(
        interaction, Operation.DASHBOARD_REMOVE, detail=format_options({"dashboard": typed})
    ) as attempt:
        site, dashboard = find_dashboard(interaction, typed)
        choose_site(interaction, site)
        attempt.authorize()
        await attempt.start()
        await site.dashboards.remove(dashboard.mark)
    t, channel = reply.t, f"<#{dashboard.channel_id}>"
    await reply.show(
        card(f"{OK} {t('The dashboard in {channel} was removed.', channel=channel)}", colour=Colour.GOOD)
    )


async def list_dashboards(reply: Reply) -> None:
    """List the dashboards that the person may know of, each with the reason if it is not up to date or not pinned."""
    t, actor = reply.t, actor_of(reply.interaction)
    found = [(site, *each) for site in asked_sites(reply.interaction) for each in dashboards_of(site, actor)]
    gone = await gone_from(reply.interaction, (dashboard.by_id for _, dashboard, _ in found))
    lines = [_row(t, site, dashboard, fault, gone) for site, dashboard, fault in found]
    troubled = any(fault for _, _, fault in found)
    count = t.plural("{n} dashboard", "{n} dashboards", len(found))
    body = fit_lines(t, lines, MESSAGE_MOST - 300) if lines else t("There are no dashboards yet.")
    steps = reply.mention(Operation.DASHBOARD_CREATE, Operation.DASHBOARD_REMOVE)
    colour = Colour.WARN if troubled else Colour.BUSY
    await reply.show(card(f"### {count}" if lines else "", body, steps, colour=colour))


def _row(
    t: Text, site: Site, dashboard: Dashboard, fault: DashboardFault | None, gone: frozenset[int]
) -> str:
    """Show a dashboard. `gone`: ids of people who have left, so that they cannot be mentioned."""
    where = f"<#{dashboard.channel_id}>"
    shows = extent_words(t, dashboard.extent) or t("whole cluster")
    made = t(
        "made by {person} {time}",
        person=person(dashboard.by, 0 if dashboard.by_id in gone else dashboard.by_id),
        time=timestamp(dashboard.made),
    )
    parts = [where, *([f"**{site.name}**"] if site.name else []), shows]
    parts += [_link_of(t, site, dashboard)] if dashboard.message_id else []
    lines = [phone_lines(parts), f"-# {made}"]
    if fault:
        lines.append(_fault_line(t, fault))
    return "\n".join(lines)


def _fault_line(t: Text, fault: DashboardFault) -> str:
    """Say why a dashboard is not as it should be, and since when."""
    told = t("not pinned") if fault.pinning else t("not up to date")
    since = t("since {time}", time=timestamp(fault.since))
    return f"{WARNING} {told} · {since}\n-# {delivery_reason(t, fault.reason)}"


def _link_of(t: Text, site: Site, dashboard: Dashboard) -> str:
    """Return a link to the message. Its address would fill two lines of a phone."""
    place = f"{site.services.guild_id}/{dashboard.channel_id}/{dashboard.message_id}"
    return f"[{t('Open the message')}](https://discord.com/channels/{place})"
