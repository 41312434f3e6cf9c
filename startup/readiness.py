"""Check at the start that everything named in the settings exists, and log `ready:` or the faults.

The bot runs in any case. Faults that keep it from being ready are checked again, every minute and when Discord is
back, until they are mended. After that the check ends: the watch reports on Proxmox, the delivery on its channels.
Each site is read by itself, so the others can be ready while one is down.
"""

from __future__ import annotations

import asyncio
import logging

import discord

from adapters.settings.load import Settings
from core.delivery.outbox import sleep_until_set
from core.errors import BotError
from core.guest import Cluster
from core.health.readiness import (
    ALERT_CHANNEL,
    AUDIT_CHANNEL,
    Finding,
    GuildView,
    Problem,
    RequiredSetup,
    check_discord,
    check_proxmox,
    name_setting,
)
from core.proxmox_errors import HalfGone, NothingVisible
from startup.greeting import Greeting
from ui.dashboard.messages import delete_all_orphans
from ui.discord.guild import read_guild
from ui.interaction.services import Services, Site
from ui.messages.readiness import back_line, finding_line, fixed_line, ready_line

AGAIN_SECONDS = 60.0
"""Seconds between two checks."""
FIRST_POLL_SECONDS = 60.0
"""Seconds to wait for the watch's first poll: this check uses its result."""
LATE_SECONDS = 6.0
"""Seconds from the start for which `ready:` waits for sites that do not answer, if another site is ready."""

_log = logging.getLogger("bot")


def required_setup(settings: Settings) -> RequiredSetup:
    """Return the objects that these settings need."""
    channels = {ALERT_CHANNEL: settings.alert_channel_id}
    for site in settings.sites:
        if site.alert_channel_id != settings.alert_channel_id:
            name = name_setting(ALERT_CHANNEL, site.name or settings.first_site or "")
            channels[name] = site.alert_channel_id
    if settings.audit_channel_id is not None:
        channels[AUDIT_CHANNEL] = settings.audit_channel_id
    mention = settings.alert_mention_role_id
    roles = {
        "VIEWER_ROLE_IDS": settings.viewer_role_ids,
        "OPERATOR_ROLE_IDS": settings.operator_role_ids,
        "ADMIN_ROLE_IDS": settings.admin_role_ids,
        "ALERT_MENTION_ROLE_ID": () if mention is None else (mention,),
    }
    nodes = {site.name: site.node_name for site in settings.sites}
    return RequiredSetup(nodes, settings.guild_id, settings.allowed_category_id, channels, roles, mention)


class StartCheck:
    """Check until every site is ready, the bot's first message is stored, and orphaned dashboards are deleted.

    `recheck` is called when Discord is connected or back, and when the commands are registered.
    """

    def __init__(self, client: discord.Client, services: Services, wanted: RequiredSetup) -> None:
        self._client, self._services, self._wanted = client, services, wanted
        self.greeting = Greeting(client, services, wanted)
        self._clock, self._t = services.clock, services.texts.public
        self._wake = asyncio.Event()
        self._read_again = {site.name: asyncio.Event() for site in services.sites}
        self._logged: dict[str, Finding] = {}
        self._seen: dict[str, Cluster | BotError] = {}
        """The result of the last read of each site. A site that has none yet is missing."""
        self._swept = False
        """Whether orphaned dashboards were searched for and deleted (ui/dashboard/messages.py)."""
        self._ready: set[str] = set()
        """The sites that a line has called ready."""

    def recheck(self) -> None:
        """Do the next check at once."""
        for event in (self._wake, *self._read_again.values()):
            event.set()

    async def run(self) -> None:
        """Check until everything is in order."""
        began = self._clock.monotonic()
        following = [asyncio.create_task(self._follow(site), name="site") for site in self._services.sites]
        try:
            while True:
                self._wake.clear()
                waited = self._clock.monotonic() - began
                is_late = len(following) == 1 or waited >= LATE_SECONDS
                try:
                    if self._seen and await self._check(is_late=is_late):
                        return
                except Exception:  # noqa: BLE001 - a bug in this check must not stop the bot
                    if self._client.is_closed():  # the bot ends: a request that had begun lost its session
                        return
                    _log.exception("the check at the start failed")
                await sleep_until_set(self._clock, AGAIN_SECONDS if is_late else LATE_SECONDS, self._wake)
        finally:
            for task in following:
                task.cancel()
            self._seen.clear()  # this object stays, and would keep the clusters in memory

    async def _follow(self, site: Site) -> None:
        """Read a site until nothing serious is wrong with it. Start a check at once when its findings change."""
        node, again = self._wanted.nodes[site.name], self._read_again[site.name]
        seen, before = await self._first_poll(site), None
        while True:
            again.clear()
            if seen is None:
                seen = await self._read(site)
            if seen is not None:
                self._seen[site.name] = seen
                found = check_proxmox(node, seen, site.name)
                if found != before:
                    self._wake.set()
                if not any(finding.is_serious for finding in found):
                    return
                seen, before = None, found
            await sleep_until_set(self._clock, AGAIN_SECONDS, again)

    async def _first_poll(self, site: Site) -> Cluster | BotError | None:
        """Return the result of the watch's first poll, or the last read of the site if that takes too long.

        None if there is neither.
        """
        watch, waited = site.watch, 0.0
        while watch.last_read is None and watch.read_error is None and waited < FIRST_POLL_SECONDS:
            await asyncio.sleep(0.1)
            waited += 0.1
        return watch.read_error or site.cluster_cache.last

    async def _read(self, site: Site) -> Cluster | BotError | None:
        """Return the cluster, or why it cannot be read or the watch doubts it. None if a bug prevents it."""
        try:
            found = await site.cluster_cache.read(max_age=0)
        except BotError as error:
            return error
        except Exception:  # noqa: BLE001 - as in `run`
            _log.exception("the check at the start failed")
            return None
        doubt = site.watch.read_error
        return doubt if isinstance(doubt, (NothingVisible, HalfGone)) else found

    async def _check(self, *, is_late: bool) -> bool:
        """Check once, and return whether nothing is left to check. `is_late`: do not wait for more sites."""
        found = [
            finding
            for site, seen in self._seen.items()
            for finding in check_proxmox(self._wanted.nodes[site], seen, site)
        ]
        guild: GuildView | None = None
        known = self._client.is_ready()
        if known:
            guild = await read_guild(self._client, self._wanted)
            found += check_discord(self._wanted, guild)
        self._log_findings(found, whole=known)
        sites = list(self._read_again)
        faulty = {finding.site for finding in found if finding.is_serious}
        if guild is None or (faulty if len(sites) == 1 else faulty - set(sites)):
            return False  # Discord is not connected, or a fault concerns every site
        clusters = {
            site: seen
            for site, seen in self._seen.items()
            if isinstance(seen, Cluster) and site not in faulty
        }
        is_ready = False
        if clusters and (is_late or len(self._seen) == len(sites)):
            seen = {site: clusters.get(site) for site in sites}
            self._log_ready(seen, guild)
            greeted = await self.greeting.post(seen, found)
            is_ready = greeted and len(clusters) == len(sites)
        if not self._swept:  # last, because there may be many channels
            guild_of = self._client.get_guild(self._wanted.guild)
            self._swept = await delete_all_orphans(guild_of, self._wanted.category, self._services.sites)
        return is_ready and self._swept

    def _log_ready(self, clusters: dict[str, Cluster | None], guild: GuildView) -> None:
        """Log once that the bot is ready, and later once for each site that has become ready."""
        if not self._ready:
            _log.info("%s", ready_line(self._t, self._wanted, clusters, guild))
        for site, cluster in clusters.items():
            if cluster is not None and self._ready and site not in self._ready:
                _log.info("%s", back_line(self._t, site, cluster))
        self._ready |= {site for site, cluster in clusters.items() if cluster is not None}

    def _log_findings(self, found: list[Finding], *, whole: bool) -> None:
        """Log new findings and mended ones. `whole=False`: Discord was not checked."""
        now = {finding_line(self._t, finding): finding for finding in found}
        unread = {finding.site for finding in found if finding.problem is Problem.PROXMOX}
        for line in now:
            if line not in self._logged:
                _log.warning("%s", line)
        for line, finding in list(self._logged.items()):
            if line not in now and (whole or finding.setting.startswith(("PROXMOX", "NODE"))):
                del self._logged[line]
                # a site that now cannot be read for another reason is not mended
                if finding.is_serious and not (finding.problem is Problem.PROXMOX and finding.site in unread):
                    _log.info("%s", fixed_line(self._t, finding))
        self._logged |= now
