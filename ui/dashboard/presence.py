"""Show in the bot's presence how many guests run and how many incidents are open, on all sites together."""

import logging
from collections import deque
from collections.abc import Iterable

import discord

from core.clock import Clock
from core.guest import State
from ui.discord.failures import DISCORD_ERRORS
from ui.i18n import Text
from ui.interaction.services import Site

UPDATES_MOST, UPDATES_SECONDS = 4, 20.0
"""Maximum number of changes of the presence in this many seconds. Discord drops the sixth."""

_log = logging.getLogger(__name__)


def _presence_text(t: Text, sites: Iterable[Site]) -> str | None:
    """Return the numbers of all sites that can be read, None if nothing was read yet.

    Sites that cannot be read are counted. If no site can be read, only that is said.
    """
    running = incidents = known = unknown = 0
    for site in sites:
        cluster, watch = site.cluster_cache.last, site.watch
        if watch.read_error is not None:
            unknown += 1
        elif cluster is not None:
            known += 1
            running += sum(guest.state is State.RUNNING and not guest.template for guest in cluster.guests)
            incidents += len(watch.state.open)
    if not known:
        return t("No connection to Proxmox") if unknown else None
    parts = [
        t("{n} running", n=running),
        t.plural("{n} open incident", "{n} open incidents", incidents)
        if incidents
        else t("no open incidents"),
    ]
    if unknown:
        parts.append(t.plural("{n} site unknown", "{n} sites unknown", unknown))
    return " · ".join(parts)


class Presence:
    """Keep the presence up to date. The gateway forgets it with each new session."""

    def __init__(self, client: discord.Client, t: Text, clock: Clock) -> None:
        self._client, self._t, self._clock = client, t, clock
        self._shown: str | None = None
        self._sent: deque[float] = deque(maxlen=UPDATES_MOST)

    def forget(self) -> None:
        """Note that Discord shows nothing any more, because a new session has begun."""
        self._shown = None

    async def show(self, sites: Iterable[Site]) -> None:
        """Show the known numbers, if they changed and Discord takes another change now. Does not raise."""
        text, now = _presence_text(self._t, sites), self._clock.monotonic()
        full = len(self._sent) == UPDATES_MOST and now - self._sent[0] < UPDATES_SECONDS
        if text == self._shown or full or self._client.ws is None or not self._client.is_ready():
            return
        try:
            await self._client.change_presence(activity=discord.CustomActivity(text) if text else None)
        except DISCORD_ERRORS as error:
            _log.debug("the presence could not be changed", exc_info=error)
            return
        self._sent.append(now)
        self._shown = text
