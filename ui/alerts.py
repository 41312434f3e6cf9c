"""What the watch tells, in the channel's language, and the way there: sent again until Discord takes it."""

import asyncio
import logging
from collections import deque

import discord

from core.clock import Clock
from core.errors import BotError
from core.watch import Event, GuestBack, GuestDown, OrderedStop, SourceBack, SourceDown
from ui.render import ALARM, BACK, WARNING, code, duration, kind_word, title, when
from ui.reply import Trouble
from ui.sentences import sentence
from ui.text import Text

_log = logging.getLogger(__name__)

RETRY_LONGEST = 60.0
WAITING_MOST = 1000


def alert_text(t: Text, event: Event, trouble: BotError | None = None) -> str | None:
    """A line for the alert channel (a notification shows plain text best), or None where nothing is told.

    `trouble` is why Proxmox cannot be read.
    """
    match event:
        case GuestDown(guest, at):
            text = t(
                "{guest} ({kind} on {node}) has stopped, {time}.",
                guest=title(guest),
                kind=kind_word(t, guest.kind),
                node=code(guest.node),
                time=when(at),
            )
            return f"{ALARM} {text}"
        case GuestBack(guest, seconds):
            text = t(
                "{guest} is running again on {node}. It was down for {time}.",
                guest=title(guest),
                node=code(guest.node),
                time=duration(t, seconds),
            )
            return f"{BACK} {text}"
        case SourceDown(since, watched):
            text = t.plural(
                "Proxmox cannot be read since {time}. {n} guest is not being watched meanwhile.",
                "Proxmox cannot be read since {time}. {n} guests are not being watched meanwhile.",
                watched,
                time=when(since, "t"),
            )
            return "\n".join((f"{WARNING} {text}", f"-# {sentence(t, trouble)}" if trouble else "")).strip()
        case SourceBack(seconds):
            text = t("Proxmox can be read again after {time}. Watching goes on.", time=duration(t, seconds))
            return f"{BACK} {text}"
        case OrderedStop():
            return None


class AlertSender:
    """A queue into one channel. Nothing overtakes; what Discord refuses for good is logged and left out."""

    def __init__(self, client: discord.Client, channel_id: int, clock: Clock) -> None:
        self._client, self._channel_id, self._clock = client, channel_id, clock
        self._waiting: deque[str] = deque(maxlen=WAITING_MOST)
        self._something = asyncio.Event()

    def put(self, text: str) -> None:
        self._waiting.append(text)
        self._something.set()

    async def run(self) -> None:
        """For ever. Waits 1, 2, 4 … 60 s between tries while Discord is in trouble."""
        delay = 1.0
        while True:
            await self._something.wait()
            if not self._waiting:
                self._something.clear()
                continue
            try:
                await self._send(self._waiting[0])
            except (discord.Forbidden, discord.NotFound) as error:
                _log.error("the alert channel %d cannot be written to: %s", self._channel_id, error.text)
            except Trouble as error:
                _log.warning("an alert could not be sent, it is tried again in %.0f s: %r", delay, error)
                await self._clock.sleep(delay)
                delay = min(delay * 2, RETRY_LONGEST)
                continue
            delay = 1.0
            self._waiting.popleft()

    async def _send(self, text: str) -> None:
        channel = self._client.get_partial_messageable(self._channel_id)
        await channel.send(text, allowed_mentions=discord.AllowedMentions.none(), suppress_embeds=True)
