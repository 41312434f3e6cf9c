"""Define the objects that the bot has once (Services) and once per site (Site). bootstrap.py builds them."""

import datetime
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import discord

from core.access.authorizer import Authorizer
from core.access.rate_limit import ChangeLimit, Cooldown, RateLimiter
from core.access.recent_guests import RecentGuests
from core.access.turns import Turns
from core.actions.executor import Executor
from core.actions.inspector import Inspector
from core.actions.planner import Planner
from core.actions.recovery import ActionRecovery
from core.audit.measures import Measures, NoMeasures
from core.audit.store import AuditStore, PeopleReader
from core.audit.trail import AuditLog
from core.charts.pictures import Pictures, Renderer
from core.clock import Clock
from core.cluster.cache import ClusterCache, SnapshotCache
from core.cluster.storage_histories import StorageHistories
from core.dashboard.keeper import DashboardKeeper
from core.delivery.alerts import AlertDelivery
from core.delivery.audit import AuditDelivery
from core.health.reports import CheckReports
from core.proxmox import Proxmox
from core.watch.journal import Journal
from core.watch.service import Watch
from ui.discord.late import Arrivals, Awaited
from ui.discord.members import Members
from ui.i18n import Texts
from ui.interaction.command_mentions import CommandMentions
from ui.interaction.open_questions import Questions

EXPORTS_MOST, OWN_EXPORTS_MOST = 2, 2
"""Maximum number of people whose CSV files are made and sent at once, one file for each person.

`OWN_EXPORTS_MOST`: maximum number of files that one person waits for, with the one that is being made.
"""


class Heartbeat(Protocol):
    """Send heartbeats to a monitor outside of the bot.

    `error`: why the last heartbeat did not arrive, None if it did or none was sent yet.
    `last_beat`: Unix seconds of the last heartbeat that arrived in this run.
    `is_enabled`: whether a monitor is set up.
    """

    error: str | None
    last_beat: float | None

    @property
    def is_enabled(self) -> bool: ...

    async def beat(self) -> bool:
        """Send one heartbeat, and return whether it arrived. Does not raise."""


class OpenReply(Awaited, Protocol):
    """A reply that may still change its message."""

    async def say_farewell(self) -> None:
        """Show that the bot ends, if the answer was acknowledged and is not complete."""

    def step_back(self, message: discord.Message) -> bool:
        """Stop filling in this answer if the message shows it, because another takes its place.

        Return whether the message shows this answer.
        """

    async def wait_until_sent(self) -> None:
        """Wait until nothing is being sent, for about a second at most."""


@dataclass(frozen=True, slots=True)
class Services:
    """Hold everything that the bot has once, for all sites."""

    sites: "Sites"
    change_limit: ChangeLimit
    rate_limiter: RateLimiter
    people_cache: PeopleReader
    audit_store: AuditStore
    """The stored audit trail of all sites, to be read. Records are added through `trails`."""
    heartbeat: Heartbeat
    connected: Callable[[], bool]
    """Returns whether the connection to Discord's gateway is up now."""
    renderer: Renderer
    """Draws charts in a separate process."""
    pictures: Pictures[Any]
    """The charts that are being drawn, or were drawn just now (`ui.charts.view.ChartPicture`)."""
    alert_charts: Cooldown
    """Limits how often the chart button of an alert shows the chart to everybody; otherwise it is private."""
    orphan_searches: Cooldown
    """Limits how often a channel is searched for orphaned dashboards when a new one is made."""
    members: Members
    health: CheckReports
    """Checks the setup, for /health."""
    audit: AuditLog
    """Records the attempts that belong to no site. If there is only one site, it records those of the site, too."""
    audit_delivery: AuditDelivery
    clock: Clock
    texts: Texts
    questions: Questions
    press: Callable[[discord.Interaction[discord.Client], str], Awaitable[None]]
    """Handles a press on a button, or a choice in a menu: `on_button_press` in cogs/buttons.py."""
    guild_id: int
    category_id: int
    timezone: datetime.tzinfo
    """Time zone of dates and times that people type, and of those in charts, audit pages and exports (TIMEZONE)."""
    poll_seconds: float
    """Seconds between two polls of the watch."""
    heartbeat_sites: frozenset[str] = frozenset()
    """Names of the sites whose polls must be good for a heartbeat."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Measures how late interactions arrive."""
    command_mentions: CommandMentions = field(default_factory=CommandMentions)
    """Mentions the registered commands."""
    recent_guests: RecentGuests = field(default_factory=RecentGuests)
    """Remembers the guests that each person used last, to offer them first."""
    open_replies: set[OpenReply] = field(default_factory=set)
    """The answers that are being worked on. When the bot ends, the acknowledged and incomplete ones say so."""
    measures: Measures = field(default_factory=NoMeasures)
    gateway_age: Callable[[], float | None] = lambda: 0.0
    """Returns the seconds since Discord last acknowledged a heartbeat of the gateway, None without a connection.

    Until the first acknowledgement they count from the beginning of the connection.
    """
    exports: Turns = field(default_factory=lambda: Turns(EXPORTS_MOST, OWN_EXPORTS_MOST))
    """Limits the CSV files in memory: each takes up to 10 MB until Discord has received it."""

    @property
    def trails(self) -> tuple[AuditLog, ...]:
        """Return every audit trail: that of each site, and that of attempts without a site."""
        return tuple(dict.fromkeys((*(site.audit for site in self.sites), self.audit)))


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Hold everything that belongs to one Proxmox cluster or stand-alone host. `name`: "" if it is the only one."""

    name: str
    services: Services
    authorizer: Authorizer
    proxmox: Proxmox
    cluster_cache: ClusterCache
    snapshot_cache: SnapshotCache
    storage_histories: StorageHistories
    inspector: Inspector
    planner: Planner
    executor: Executor
    watch: Watch
    journal: Journal
    """The part of the journal that belongs to this site: incidents, messages to send, audit records and more."""
    alert_delivery: AlertDelivery
    audit: AuditLog
    dashboards: DashboardKeeper[Any]
    action_recovery: ActionRecovery
    """Finds out the results of actions that the end of an earlier run cut off, or that ended unknown in this run."""
    web_url: str | None = None
    """Address of Proxmox' web interface, None if links to it are not wanted."""


class Sites:
    """The sites, in the order of the settings. bootstrap.py adds them before anything runs."""

    def __init__(self, first: str | None = None) -> None:
        self._sites: dict[str, Site] = {}
        self._first = first

    def add(self, site: Site) -> None:
        self._sites[site.name] = site

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites.values())

    @property
    def several(self) -> bool:
        """Whether there is more than one site. Each then has to be named."""
        return len(self._sites) > 1

    @property
    def only(self) -> Site:
        """The only site. There is no default among several.

        Raises: LookupError.
        """
        if self.several:
            raise LookupError("no site is chosen")
        return next(iter(self))

    @property
    def first(self) -> Site | None:
        """The site of buttons and records without a site, which were made while there was only one (FIRST_SITE).

        None if there are several sites and FIRST_SITE names none of them.
        """
        return self._sites.get(self._first or "") if self.several else self.only

    def find(self, name: str) -> Site | None:
        return self._sites.get(name)

    @property
    def ending(self) -> bool:
        """Return whether the bot ends, so that no change begins any more."""
        return any(site.executor.ending for site in self)
