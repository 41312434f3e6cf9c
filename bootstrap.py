"""Build the services and the sites from the settings, and connect them with each other."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from adapters.files.disk_thread import DiskCalls
from adapters.files.read_only_file import ReadOnlyFile
from adapters.heartbeat import Heartbeat
from adapters.journal.off_loop import JournalOffLoop, SiteJournalOffLoop
from adapters.settings.load import Settings, SiteSettings, minute_of_day
from cogs.access import Access
from cogs.audit import Audit
from cogs.buttons import on_button_press
from cogs.dashboard import Dashboards
from cogs.general import General
from cogs.graph import Graph
from cogs.monitor import Monitor, WatchLoop
from cogs.nodes import Nodes
from cogs.power import Power
from cogs.snapshot import Snapshots
from core.access.authorizer import Authorizer
from core.access.policy import AccessRules
from core.access.rate_limit import ChangeLimit, Cooldown, RateLimiter
from core.access.read_only import ReadOnlySwitch
from core.actions.executor import Executor
from core.actions.expected_stops import ExpectedStops
from core.actions.inspector import Inspector
from core.actions.planner import Planner
from core.actions.recovery import ActionRecovery, OutcomeNotifier
from core.audit.measures import Measures
from core.audit.store import PeopleReader
from core.audit.trail import AuditTrail
from core.charts.pictures import Pictures, Renderer
from core.clock import Clock
from core.cluster.cache import ClusterCache, SnapshotCache
from core.cluster.storage_histories import StorageHistories
from core.dashboard.keeper import DashboardKeeper
from core.dashboard.source import ContentsSource
from core.delivery.alerts import AlertDelivery
from core.delivery.audit import AuditChannel, AuditDelivery
from core.delivery.channel import AlertChannel
from core.errors import JournalFailed
from core.health.reports import CheckReports, HealthCheck
from core.levels import Level
from core.proxmox import Lane
from core.watch.incidents.state import WatchRules
from core.watch.polling.disk_poller import DiskPoller
from core.watch.service import Watch
from core.watch.watch_list import WatchStore
from monitor_store import MonitorStore
from proxmox_client import Endpoint, ProxmoxClient
from ui.dashboard.channel import DiscordDashboards
from ui.dashboard.presence import Presence
from ui.discord.members import Members
from ui.formatting import WARNING
from ui.i18n import Text, Texts
from ui.interaction.open_questions import Questions
from ui.interaction.services import Services, Site, Sites
from ui.messages.startup import list_edited
from ui.watch.alert_channel import DiscordAlertChannel
from ui.watch.reports import Pulse, WatchReports

_log = logging.getLogger(__name__)

PLAIN_COGS = (General, Graph, Nodes, Power, Snapshots, Access, Dashboards)
"""The cogs that need the services alone. bot.py makes the others itself."""
COGS = (*PLAIN_COGS, Audit, Monitor)
ALERT_CHART_SECONDS = 600.0
"""Minimum seconds between two public charts below the same alert, whoever asks for them."""
ORPHAN_SEARCH_SECONDS = 60.0
"""Minimum seconds between two searches of a channel for orphaned dashboards, when new ones are made in it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The parts that `ProxmoxBot` (bot.py) makes itself.

    `store`: the watch lists. `disk`: makes the blocking calls to their file and to those of the read-only switches.
    `audit_channel`: None without AUDIT_CHANNEL_ID.
    `alert_channel`: returns the alert channel of a site.
    `notifier`: tells people how their cut-off actions ended.
    `dashboards`: returns the channels of a site's dashboards.
    `presence`: shows how many guests run and how many incidents are open.
    `connected`: returns whether Discord's gateway is connected.
    `renderer`: draws charts.
    `gateway_age`: returns the seconds since Discord last acknowledged a heartbeat of the gateway, None without one.
    `measures`: takes the measurements for /metrics.
    `health`: checks the setup.
    """

    journal: JournalOffLoop
    store: MonitorStore
    disk: DiskCalls
    heartbeat: Heartbeat
    audit_channel: AuditChannel | None
    alert_channel: Callable[[SiteSettings], DiscordAlertChannel]
    notifier: OutcomeNotifier
    dashboards: Callable[[SiteSettings], DiscordDashboards]
    presence: Presence
    connected: Callable[[], bool]
    renderer: Renderer
    gateway_age: Callable[[], float | None]
    measures: Measures
    health: HealthCheck


@dataclass(frozen=True, slots=True)
class SiteResources:
    """The parts of `Resources` for one site: its stored data and its channels. All sites share `notifier`."""

    store: WatchStore
    read_only_file: ReadOnlyFile
    journal: SiteJournalOffLoop
    channel: AlertChannel
    notifier: OutcomeNotifier
    dashboards: DiscordDashboards


def build_services(settings: Settings, clock: Clock, texts: Texts, resources: Resources) -> Services:
    """Build the services that all sites share. Nothing is opened or read."""
    audit_delivery = AuditDelivery(resources.journal, resources.audit_channel, clock)
    audit = _trail(resources.journal, clock, audit_delivery)
    return Services(
        sites=Sites(settings.first_site),
        change_limit=ChangeLimit(clock, settings.changes_per_minute),
        rate_limiter=RateLimiter(clock),
        people_cache=PeopleReader(resources.journal, clock),
        audit_store=resources.journal,
        heartbeat=resources.heartbeat,
        connected=resources.connected,
        renderer=resources.renderer,
        pictures=Pictures(clock),
        alert_charts=Cooldown(clock, ALERT_CHART_SECONDS),
        orphan_searches=Cooldown(clock, ORPHAN_SEARCH_SECONDS),
        gateway_age=resources.gateway_age,
        measures=resources.measures,
        members=Members(clock),
        health=CheckReports(resources.health, clock, len(settings.sites)),
        audit=audit,
        audit_delivery=audit_delivery,
        clock=clock,
        texts=texts,
        questions=Questions(),
        press=on_button_press,
        guild_id=settings.guild_id,
        category_id=settings.allowed_category_id,
        timezone=settings.timezone,
        poll_seconds=settings.monitor_interval_seconds,
        heartbeat_sites=frozenset(own.name for own in settings.sites)
        - frozenset(settings.heartbeat_ignores_sites),
    )


def add_sites(services: Services, settings: Settings, resources: Resources) -> list[WatchLoop]:
    """Build every site, add it to `services.sites`, and return the loops that watch them. Nothing is opened or read.

    One heartbeat stands for all sites, except those that HEARTBEAT_IGNORES_SITES names.
    """
    pulse = Pulse(resources.heartbeat, services.heartbeat_sites)
    loops = list[WatchLoop]()
    for own in settings.sites:
        channel = resources.alert_channel(own)
        parts = SiteResources(
            resources.store.of_site(own.name, resources.disk),
            ReadOnlyFile.of_site(settings.data_dir, own.name, settings.first_site, resources.disk),
            resources.journal.of_site(own.name),
            channel,
            resources.notifier,
            resources.dashboards(own),
        )
        site = add_site(services, settings, own, parts)
        reports = WatchReports(site, channel.send_line, leads=not loops)
        loops.append(WatchLoop(site, reports, pulse, resources.presence))
    return loops


def add_site(services: Services, settings: Settings, own: SiteSettings, resources: SiteResources) -> Site:
    """Build everything between Discord and one cluster, and add the site to `services.sites`. Nothing is opened."""
    clock = services.clock
    endpoint = Endpoint(
        own.entry_points,
        user=own.proxmox_user,
        token_name=own.proxmox_token_name,
        token_value=own.proxmox_token_value.reveal(),
        verify_ssl=own.proxmox_verify_ssl,
    )
    rules = AccessRules(
        settings.guild_id,
        settings.allowed_category_id,
        own.alert_channel_id,
        _levels_of(settings),
        own.role_scopes,
        frozenset(own.protected_vm_ids),
    )
    proxmox = ProxmoxClient(endpoint, clock, partial(services.measures.on_request, own.name))
    watching, changing = proxmox.in_lane(Lane.WATCH), proxmox.in_lane(Lane.CHANGES)
    cluster_cache, expected, audit = (
        ClusterCache(watching, clock),  # one read serves everybody, so it may use the watch's slots
        ExpectedStops(clock),
        services.audit if own.name == "" else _trail(resources.journal, clock, services.audit_delivery),
    )
    authorizer = Authorizer(
        rules, cluster_cache, ReadOnlySwitch(resources.journal, clock, resources.read_only_file)
    )
    cluster_cache.subscribe(authorizer.forget_read)
    planner = Planner(proxmox, cluster_cache, clock, authorizer, own.node_name)
    quiet = settings.quiet_hours
    alert_delivery = AlertDelivery(resources.journal, resources.channel, clock)
    watch = Watch(
        cluster_cache,
        watching,
        DiskPoller(proxmox, clock),  # among the reads, so that a hung agent takes no slot of the watch
        clock,
        expected,
        resources.store,
        resources.journal,
        WatchRules(settings.alert_repeat_minutes * 60.0, settings.storage_alert_percent, settings.audit_days),
        lambda unix: quiet is not None and quiet.holds(minute_of_day(settings.timezone, unix)),
    )
    source = ContentsSource(
        watch, cluster_cache, watching, authorizer, clock, settings.monitor_interval_seconds
    )
    changes_planner = Planner(changing, cluster_cache, clock, authorizer, own.node_name)
    executor = Executor(
        changing, cluster_cache, clock, changes_planner, audit, expected, services.change_limit
    )
    recovery = ActionRecovery(
        changing, clock, resources.journal, audit, expected, resources.notifier, executor.is_busy
    )
    executor.subscribe_unknown(recovery.recover)
    recovery.subscribe_deleted(watch.on_guest_deleted)
    watch.subscribe_messages(lambda ids: alert_delivery.on_stored(*ids))
    watch.subscribe_edits(partial(_post_edit_notice, watch, services.texts.public))
    site = Site(
        name=own.name,
        services=services,
        authorizer=authorizer,
        proxmox=proxmox,
        cluster_cache=cluster_cache,
        snapshot_cache=SnapshotCache(proxmox, clock),
        storage_histories=StorageHistories(proxmox, clock),
        inspector=Inspector(proxmox, planner, clock),
        planner=planner,
        executor=executor,
        watch=watch,
        journal=resources.journal,
        alert_delivery=alert_delivery,
        audit=audit,
        dashboards=DashboardKeeper(resources.journal, resources.dashboards, source, clock),
        action_recovery=recovery,
        web_url=own.proxmox_web_url,
    )
    services.sites.add(site)
    return site


def _trail(journal: SiteJournalOffLoop, clock: Clock, delivery: AuditDelivery) -> AuditTrail:
    trail = AuditTrail(journal, clock)
    trail.subscribe(delivery.wake)
    return trail


async def _post_edit_notice(watch: Watch, t: Text, name: str) -> None:
    text = list_edited(t, name)
    _log.error("%s", text)
    with contextlib.suppress(JournalFailed):  # if it cannot be stored, it is in the log
        await watch.alerts.post_notice(f"{WARNING} {text}")


def _levels_of(settings: Settings) -> dict[int, Level]:
    """Return the level of each role, the highest if it is named more than once."""
    return (
        dict.fromkeys(settings.viewer_role_ids, Level.VIEWER)
        | dict.fromkeys(settings.operator_role_ids, Level.OPERATOR)
        | dict.fromkeys(settings.admin_role_ids, Level.ADMIN)
    )
