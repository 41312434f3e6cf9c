"""What the watch tells, in the channel's language, and the way there: sent again until Discord takes it."""

import asyncio
import logging
import secrets

import discord

from core.clock import Clock
from core.errors import BotError
from core.watch import Event, GuestBack, GuestDown, ListUnsaved, OrderedStop, SourceBack, SourceDown
from ui.render import ALARM, BACK, WARNING, code, duration, kind_word, title, when
from ui.reply import Trouble, incident_of
from ui.sentences import sentence
from ui.text import Text

_log = logging.getLogger(__name__)

RETRY_LONGEST = 60.0
ENDING_PAUSE = 0.5


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
        case ListUnsaved(reason):
            text = t(
                "The watch list cannot be saved ({reason}). Watching goes on, but a restart would forget what "
                "happened since. Check the disk.",
                reason=code(reason),
            )
            return f"{WARNING} {text}"
        case OrderedStop():
            return None


class AlertSender:
    """A queue into one channel. Nothing overtakes; what Discord refuses for good is logged and left out."""

    def __init__(self, client: discord.Client, channel_id: int, clock: Clock) -> None:
        self._client, self._channel_id, self._clock = client, channel_id, clock
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._ending = asyncio.Event()

    def put(self, text: str) -> None:
        self._waiting.put_nowait(text)

    async def run(self) -> None:
        """For ever."""
        while True:
            text = await self._waiting.get()
            try:
                await self._deliver(text)
            except Exception as error:  # noqa: BLE001 - one alert that cannot be sent must not end all others
                incident_of(error)
            finally:
                self._waiting.task_done()

    async def drain(self) -> None:
        """Until nothing waits any more; the bot ends, so no pause between two tries is long any more."""
        self._ending.set()
        await self._waiting.join()

    async def _deliver(self, text: str) -> None:
        """Tried again after 1, 2, 4 … 60 s while Discord is in trouble. One nonce, so that Discord, having
        taken a message whose answer got lost, does not show it twice."""
        delay, nonce = 1.0, secrets.randbits(62)
        channel = self._client.get_partial_messageable(self._channel_id)
        while True:
            try:
                await channel.send(
                    text, nonce=nonce, suppress_embeds=True, allowed_mentions=discord.AllowedMentions.none()
                )
            except discord.HTTPException as error:
                if error.status < 500 and error.status != 429:
                    _log.error("the alert channel %d refuses: %s", self._channel_id, error.text)
                    return
                _log.warning("an alert could not be sent, next try in %.0f s: %r", delay, error)
            except Trouble as error:
                _log.warning("an alert could not be sent, next try in %.0f s: %r", delay, error)
            else:
                return
            await self._pause(delay)
            delay = min(delay * 2, RETRY_LONGEST)

    async def _pause(self, seconds: float) -> None:
        """Between two tries; cut short when the bot ends."""
        if self._ending.is_set():
            await self._clock.sleep(min(seconds, ENDING_PAUSE))
            return
        waits = {
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._ending.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
