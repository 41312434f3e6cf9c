"""Looks at the start whether what the settings name is there, and says so in the log: `ready:`, or what is wrong.

The bot goes on in any case. What is wrong is looked at again, every minute and when Discord is back, until it is
mended; after that never again: from then on the watch tells of Proxmox, and the delivery of its channels.
"""

from __future__ import annotations

import asyncio
import logging

import discord

from adapters.settings.load import Settings
from core.delivery.retries import sleep_until_set
from core.errors import BotError
from core.guest import Cluster
from core.proxmox_errors import HalfGone, NothingVisible
from core.readiness import Finding, GuildView, RequiredSetup, check_discord, check_proxmox
from ui.discord.guild import read_guild
from ui.interaction.context import Services
from ui.messages.readiness import finding_line, mended_line, ready_line

AGAIN_SECONDS = 60.0
FIRST_LOOK_SECONDS = 60.0
"""How long the watch's own first look at Proxmox is waited for: it is enough for both."""

_log = logging.getLogger("bot")


def required_setup(settings: Settings) -> RequiredSetup:
    """What has to be there for these settings."""
    channels = {"ALERT_CHANNEL_ID": settings.alert_channel_id}
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
        settings.node_name, settings.guild_id, settings.allowed_category_id, channels, roles, mention
    )


class StartCheck:
    """The look of one bot. `recheck` says that Discord is there, or back."""

    def __init__(self, client: discord.Client, services: Services, wanted: RequiredSetup) -> None:
        self._client, self._services, self._wanted = client, services, wanted
        self._wake = asyncio.Event()
        self._logged: dict[str, Finding] = {}
        self._cluster: Cluster | BotError | None = None

    def recheck(self) -> None:
        """Do not wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Until everything is as it should be."""
        await self._await_first_poll()
        while True:
            self._wake.clear()
            try:
                if await self._check():
                    return
            except Exception:  # noqa: BLE001 - a bug of ours in this look must not cost the bot
                _log.exception("the look at the start failed")
            await sleep_until_set(self._services.clock, AGAIN_SECONDS, self._wake)

    async def _await_first_poll(self) -> None:
        watch, waited = self._services.watch, 0.0
        while watch.last_read is None and watch.read_error is None and waited < FIRST_LOOK_SECONDS:
            await asyncio.sleep(0.1)
            waited += 0.1
        self._cluster = watch.read_error or self._services.cluster_cache.last

    async def _check(self) -> bool:
        """Whether the bot is ready."""
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
        """Proxmox is asked again only where something was wrong there."""
        last = self._cluster
        if last is not None and not (
            self._logged and any(f.is_serious for f in check_proxmox(self._wanted, last))
        ):
            return last
        try:
            self._cluster = found = await self._services.cluster_cache.read(max_age=0)
        except BotError as error:
            self._cluster = error
            return error
        doubt = self._services.watch.read_error
        return doubt if isinstance(doubt, (NothingVisible, HalfGone)) else found

    def _log_findings(self, found: tuple[Finding, ...], *, whole: bool) -> None:
        """What is new, and what is no longer so. Not `whole`: nothing is known of Discord's part."""
        t = self._services.texts.public
        now = {finding_line(t, finding): finding for finding in found}
        for line in now:
            if line not in self._logged:
                _log.warning("%s", line)
        for line, finding in list(self._logged.items()):
            if line not in now and (whole or finding.setting.startswith(("PROXMOX", "NODE"))):
                del self._logged[line]
                if finding.is_serious:
                    _log.info("%s", mended_line(t, finding))
        self._logged |= now
