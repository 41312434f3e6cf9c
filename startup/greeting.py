"""Say hello in the alert channel after the first good start of a data directory, once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import discord

from core.errors import JournalFailed
from core.guest import Cluster
from core.health.readiness import Finding, RequiredSetup
from core.watch.greeting import STORED, find_owing
from ui.discord.guild import channels_for_commands
from ui.interaction.services import Services, Site
from ui.watch.greeting import GreetedSite, greeting_text

_log = logging.getLogger("bot")


class Greeting:
    """The first message of one bot."""

    def __init__(self, client: discord.Client, services: Services, wanted: RequiredSetup) -> None:
        self._client, self._services, self._wanted = client, services, wanted
        self._site: Site | None = None
        """The site in whose alert channel the message is owed."""

    async def load(self) -> None:
        """Find out whether the message is owed. Call it before the first poll. Does not raise."""
        sites = list(self._services.sites)
        has_watched = any(site.watch.state.guests for site in sites)
        try:
            owing = await find_owing([site.journal for site in sites], has_watched=has_watched)
        except JournalFailed as error:
            _log.warning("the first message is left out: %s", error.reason)
            return
        self._site = None if owing is None else sites[owing]

    async def post(self, clusters: Mapping[str, Cluster | None], findings: Sequence[Finding]) -> bool:
        """Queue the message for the alert channel if it is owed, its site is ready and the commands' ids are known.

        `clusters`: by site, None for a site that is not ready.
        Return whether the message is no longer owed.
        """
        if self._site is None:
            return True
        mentions = self._services.command_mentions
        if not mentions.known or clusters.get(self._site.name) is None:
            return False
        sites = [_greeted(site, clusters.get(site.name)) for site in self._services.sites]
        t, channels = self._services.texts.public, channels_for_commands(self._client, self._wanted)
        try:
            await self._site.watch.alerts.post_notice(
                greeting_text(t, sites, channels, findings, mentions), STORED
            )
        except JournalFailed:
            return False
        self._site = None
        return True


def _greeted(site: Site, cluster: Cluster | None) -> GreetedSite:
    watched = tuple(entry.vmid for entry in site.watch.entries)
    sees_no_tasks = site.watch.sees_tasks is False
    return GreetedSite(site.name, cluster, watched, sees_no_tasks, site.authorizer.unseen_pools())
