"""Check at the start that everything named in the settings exists, and log `ready:` or the faults.

The bot runs in any case. Faults are checked again, every minute and when Discord is back, until they are
mended. After that the check ends: the watch reports on Proxmox, and the delivery on its channels.
"""

from __future__ import annotations

import asyncio
import logging

import discord

from adapters.settings.load import Settings
from core.delivery.outbox import sleep_until_set
from core.errors import BotError
from core.guest import Cluster
from core.proxmox_errors import HalfGone, NothingVisible
from core.readiness import Finding, GuildView, RequiredSetup, check_discord, check_proxmox
from ui.discord.guild import read_guild
from ui.interaction.context import Site
from ui.messages.readiness import finding_line, fixed_line, ready_line

AGAIN_SECONDS = 60.0
FIRST_POLL_SECONDS = 60.0
"""Seconds to wait for the watch's first poll: this check uses its result."""

_log = logging.getLogger("bot")


def required_setup(settings: Settings) -> RequiredSetup:
    """Return the objects that these settings need."""
    channels = {"ALERT_CHANNEL_ID": settings.alert_channel_id}
    for site in settings.sites:
        if site.alert_channel_id != settings.alert_channel_id:
            channels[f"ALERT_CHANNEL_ID ({site.name or settings.first_site})"] = site.alert_channel_id
    if settings.audit_channel_id is not None:
        channels["AUDIT_CHANNEL_ID"] = settings.audit_channel_id
    mention = settings.alert_mention_role_id
    roles = {
        "VIEWER_ROLE_IDS": settings.viewer_role_ids,
        "OPERATOR_ROLE_IDS": settings.operator_role_ids,
        "ADMIN_ROLE_IDS": settings.admin_role_ids,
        "ALERT_MENTION_ROLE_ID": () if mention is None else (mention,),
    }
    return RequiredSetup(
        settings.sites[0].node_name, settings.guild_id, settings.allowed_category_id, channels, roles, mention
    )


class StartCheck:
    """Check one bot until it is ready. `recheck` is called when Discord is connected, or back."""

    def __init__(self, client: discord.Client, site: Site, wanted: RequiredSetup) -> None:
        self._client, self._site, self._services, self._wanted = client, site, site.services, wanted
        self._wake = asyncio.Event()
        self._logged: dict[str, Finding] = {}
        self._cluster: Cluster | BotError | None = None

    def recheck(self) -> None:
        """Do the next check at once."""
        self._wake.set()

    async def run(self) -> None:
        """Check until everything is in order."""
        await self._await_first_poll()
        while True:
            self._wake.clear()
            try:
                if await self._check():
                    return
            except Exception:  # noqa: BLE001 - a bug in this check must not stop the bot
                _log.exception("the check at the start failed")
            await sleep_until_set(self._services.clock, AGAIN_SECONDS, self._wake)

    async def _await_first_poll(self) -> None:
        watch, waited = self._site.watch, 0.0
        while watch.last_read is None and watch.read_error is None and waited < FIRST_POLL_SECONDS:
            await asyncio.sleep(0.1)
            waited += 0.1
        self._cluster = watch.read_error or self._site.cluster_cache.last

    async def _check(self) -> bool:
        """Check once, and return whether the bot is ready."""
        cluster = await self._proxmox()
        found = check_proxmox(self._wanted, cluster)
        guild: GuildView | None = None
        known = self._client.is_ready()
        if known:
            guild = await read_guild(self._client, self._wanted)
            found += check_discord(self._wanted, guild)
        self._log_findings(found, whole=known)
        if not known or any(finding.is_serious for finding in found):
            return False
        if isinstance(cluster, Cluster) and guild is not None:
            _log.info("%s", ready_line(self._services.texts.public, self._wanted, cluster, guild))
        return True

    async def _proxmox(self) -> Cluster | BotError:
        """Return the cluster, or why it cannot be read. Proxmox is read again only after a fault there."""
        last = self._cluster
        if last is not None and not (
            self._logged and any(f.is_serious for f in check_proxmox(self._wanted, last))
        ):
            return last
        try:
            self._cluster = found = await self._site.cluster_cache.read(max_age=0)
        except BotError as error:
            self._cluster = error
            return error
        doubt = self._site.watch.read_error
        return doubt if isinstance(doubt, (NothingVisible, HalfGone)) else found

    def _log_findings(self, found: tuple[Finding, ...], *, whole: bool) -> None:
        """Log new findings and mended ones. `whole=False`: Discord was not checked."""
        t = self._services.texts.public
        now = {finding_line(t, finding): finding for finding in found}
        for line in now:
            if line not in self._logged:
                _log.warning("%s", line)
        for line, finding in list(self._logged.items()):
            if line not in now and (whole or finding.setting.startswith(("PROXMOX", "NODE"))):
                del self._logged[line]
                if finding.is_serious:
                    _log.info("%s", fixed_line(t, finding))
        self._logged |= now
