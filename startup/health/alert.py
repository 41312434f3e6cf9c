"""Send a test alert from the command line, over REST alone: a running bot is not disturbed."""

from __future__ import annotations

import discord

from adapters.settings.load import Settings
from startup.health.deadline import Late, in_time
from startup.health.discord import AWAY, logged_in
from ui.discord.failures import DISCORD_ERRORS
from ui.formatting import FAILED
from ui.i18n import Text
from ui.messages.discord_refusals import ConnectStep, diagnose
from ui.messages.health import sent_line
from ui.watch.alert_text import test_alert


async def send_test_alerts(t: Text, settings: Settings) -> tuple[list[str], bool]:
    """Send a test alert to each alert channel. Return a line for each, and whether all arrived.

    If the log-in fails, the only line says why.
    """
    channels = dict.fromkeys((settings.alert_channel_id, *(site.alert_channel_id for site in settings.sites)))
    lines, all_arrived = list[str](), True
    try:
        async with logged_in(settings.discord_token.reveal()) as client:
            for channel_id in channels:
                line, arrived = await _send(t, client, channel_id)
                lines.append(line)
                all_arrived = all_arrived and arrived
    except AWAY as fault:
        return [f"{FAILED} {diagnose(t, fault, ConnectStep.LOG_IN).text}"], False
    return lines, all_arrived


async def _send(t: Text, client: discord.Client, channel_id: int) -> tuple[str, bool]:
    try:
        await in_time(client.get_partial_messageable(channel_id).send(test_alert(t)))
    except (*DISCORD_ERRORS, Late):
        return sent_line(t, channel_id, arrived=False), False
    return sent_line(t, channel_id, arrived=True), True
