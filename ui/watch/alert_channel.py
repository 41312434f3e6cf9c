"""Carry the alerts of `core/delivery/alerts.py` to their Discord channel, and report failures as `NotDelivered`."""

import contextlib
import datetime
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import aiohttp
import discord
from discord import ui
from discord.http import handle_message_parameters

from core.delivery.channel import AlertText, DeliveryFailure, NotDelivered, OwnReason
from core.delivery.outbox import send_with_fallbacks
from core.watch.incidents.model import MessageKind
from core.watch.journal import OutboxMessage
from ui.cards import ROW_MOST, Item
from ui.discord.blocked import blocked_note, is_blocked, without_foreign
from ui.discord.failures import DISCORD_ERRORS, LIMITED, LongRateLimit, retry_after
from ui.formatting import WARNING, Colour, plain
from ui.i18n import Text
from ui.interaction.buttons import PersistentButton, alert_buttons, welcome_buttons
from ui.interaction.custom_ids import ALERT, split_site
from ui.watch.alert_text import CONTENT_MOST, alert_text, text_with_site
from ui.watch.greeting import is_greeting
from ui.watch.incidents.details import DETAILS_MOST
from ui.watch.incidents.web_pages import incident_page
from ui.web_links import web_links

SEARCHED = 50
"""Maximum number of newest messages among which to search for one that may already have been posted."""
MARGIN_SECONDS = 60.0
"""Seconds by which Discord's clock may differ from ours."""
_UNKNOWN_MESSAGE, _PINS_FULL = 10008, 30003

_log = logging.getLogger(__name__)


class DiscordAlertChannel:
    """Implement `core.delivery.channel.AlertChannel`.

    `role_id`: role that alerts mention, None for no mention.
    `site`: name of the site at the head of each text, "" if there is only one. Sites may share a channel.
    `web_url`: address of the site's web interface.
    `category_id`: the category in which the bot may be used.
    """

    def __init__(
        self,
        client: discord.Client,
        channel_id: int,
        t: Text,
        role_id: int | None = None,
        site: str = "",
        web_url: str | None = None,
        category_id: int | None = None,
    ) -> None:
        self._client, self._channel_id, self._t, self._role_id = client, channel_id, t, role_id
        self._site, self._web_url, self._category_id = site, web_url, category_id

    def compose(self, message: OutboxMessage, late: float | None) -> AlertText:
        """Write the text, with the mention if there is to be one. The bot's first message gets no site name."""
        mention = f"<@&{self._role_id}>" if self._mentions(message) else ""
        text = alert_text(self._t, message, late, mention)
        return text if is_greeting(message) else replace(text, content=self._named(text.content))

    def fallback_texts(self, text: AlertText) -> tuple[AlertText, ...]:
        t = self._t
        told = t("Discord blocked this alert. See `/monitor history` for the details.")
        fixed = AlertText(self._named(f"{WARNING} {told}"))
        bare = replace(text, content=without_foreign(text.content), details=without_foreign(text.details))
        if bare == text:  # the bot's own words were blocked
            return (fixed,)
        note = f"-# {blocked_note(t)}"
        details = f"{bare.details[: DETAILS_MOST - len(note) - 1]}\n{note}".strip()
        return replace(bare, details=details, colour=text.colour or int(Colour.WARN)), fixed

    def _named(self, text: str) -> str:
        return text_with_site(text, self._site)[:CONTENT_MOST]

    async def post(self, message: OutboxMessage, text: AlertText, nonce: str) -> int:
        whom = discord.AllowedMentions.none()
        if self._mentions(message):
            whom = discord.AllowedMentions(
                everyone=False, users=False, roles=[discord.Object(self._role_id or 0)], replied_user=False
            )
        send = partial(
            self._channel.send,
            text.content,
            embed=_embed(text),
            view=self._view(message),
            nonce=nonce,
            silent=message.stored.silent,
            suppress_embeds=not text.details,
            allowed_mentions=whom,
        )
        async with translate_errors(self._client):
            if message.opening is None:
                return (await send()).id
            answered = discord.MessageReference(
                message_id=message.opening, channel_id=self._channel_id, fail_if_not_exists=False
            )
            try:
                return (await send(reference=answered)).id
            except discord.HTTPException as error:
                if error.status not in (400, 403):
                    raise
                return (await send()).id  # a reply needs the permission Read Message History

    async def edit(self, message: OutboxMessage, text: AlertText) -> None:
        """Edit the posted message to show this text.

        The details are shown even if an earlier version of the bot has suppressed the embeds of the message.
        """
        flags = discord.MessageFlags(
            suppress_notifications=message.stored.silent, suppress_embeds=not text.details
        )
        with handle_message_parameters(
            content=text.content,
            embed=_embed(text),
            view=self._view(message),
            flags=flags,
            allowed_mentions=discord.AllowedMentions.none(),
        ) as params:
            async with translate_errors(self._client):
                await self._client.http.edit_message(self._channel_id, message.posted or 0, params=params)

    async def find(
        self, content: str, since: float, known: frozenset[int], incidents: tuple[int, ...] = ()
    ) -> int | None:
        def fits(message: discord.Message) -> bool:
            answered = _answered_incidents(message)
            return not answered or not answered.isdisjoint(incidents)

        return await find_own_message(self._client, self._channel, content, since, known, fits)

    async def send_line(self, text: str) -> None:
        """Send one line without the journal, which may be unable to store it now. Try once, and do not raise."""
        try:
            await send_with_fallbacks(self, AlertText(self._named(text)), self._send_line)
        except NotDelivered as error:
            _log.warning("a line to the alert channel could not be sent: %s", error.reason)

    async def _send_line(self, text: AlertText) -> None:
        async with translate_errors(self._client):
            await self._channel.send(
                text.content, suppress_embeds=True, allowed_mentions=discord.AllowedMentions.none()
            )

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(self._channel_id)

    def _mentions(self, message: OutboxMessage) -> bool:
        """Return whether to mention the role. Mention nobody if all incidents are over, unless one was over at once.

        A failed backup, for example, is over as soon as it is known (`ONE_OFF`), and `seconds` is 0.
        """
        over = [not incident.open and bool(incident.seconds) for incident in message.incidents]
        return self._role_id is not None and message.stored.mention and not (over and all(over))

    def _view(self, message: OutboxMessage) -> ui.View | None:
        """Return the buttons of the message, None if it has none.

        Buttons are on the first message, and on messages about one incident other than recoveries.
        """
        buttons = self._welcome_buttons() if is_greeting(message) else self._alert_buttons(message)
        if not buttons:
            return None
        view = ui.View(timeout=None)
        # if one row has no room for all, the buttons that only show something are below those that act
        looks = sum(_only_looks(button) for button in buttons) if len(buttons) > ROW_MOST else 0
        for place, button in enumerate(buttons):
            button.row = int(place >= len(buttons) - looks)
            view.add_item(button)
        return view

    def _welcome_buttons(self) -> Sequence[Item]:
        """Return the buttons of the first message. There are none outside of the category, where they do not work."""
        channel = self._client.get_channel(self._channel_id)
        is_inside = getattr(channel, "category_id", None) == self._category_id
        return welcome_buttons(self._t) if is_inside else ()

    def _alert_buttons(self, message: OutboxMessage) -> list[Item]:
        if len(message.incidents) != 1 or message.stored.post is MessageKind.RECOVERY:
            return []
        incident, is_edited = message.incidents[0], message.stored.post is MessageKind.OPENING
        buttons = alert_buttons(self._t, incident, self._site, edited=is_edited)
        return [*buttons, *web_links(self._t, self._web_url, incident_page(incident))] if buttons else []


def _embed(text: AlertText) -> discord.Embed | None:
    """Return the details with their coloured edge, None if there are none."""
    return discord.Embed(description=text.details, colour=text.colour) if text.details else None


def _answered_incidents(message: discord.Message) -> set[int]:
    """Return the incidents that the buttons of an alert answer."""
    found = set()
    for row in message.components:
        for button in getattr(row, "children", ()):
            _, unnamed = split_site(getattr(button, "custom_id", None) or "")
            if match := ALERT.fullmatch(unnamed):
                found.add(int(match["incident"]))
    return found


async def find_own_message(
    client: discord.Client,
    channel: discord.PartialMessageable,
    content: str,
    since: float,
    known: Collection[int] = (),
    fits: Callable[[discord.Message], bool] = lambda _message: True,
) -> int | None:
    """Find the bot's own message with this content among the newest ones, and return its id.

    `since`: Unix seconds of the oldest message to look at. `known`: ids to ignore.
    `fits`: tells whether a message with this content can be the one.
    Return None if there is none, or if the bot may not read the history: a message that is sent twice is better than
    a lost one.
    Raises: NotDelivered.
    """
    after = datetime.datetime.fromtimestamp(max(0.0, since - MARGIN_SECONDS), datetime.UTC)
    me = client.user.id if client.user else 0
    async with translate_errors(client):
        try:
            async for message in channel.history(limit=SEARCHED, after=after, oldest_first=False):
                mine = message.author.id == me and message.content == content
                if mine and message.id not in known and fits(message):
                    return message.id
        except discord.Forbidden:
            return None
    return None


@contextlib.asynccontextmanager
async def translate_errors(client: discord.Client) -> AsyncIterator[None]:
    """Turn Discord's errors into `NotDelivered`. Any other exception is a bug and passes unchanged.

    Raises: NotDelivered, also before the first login and while the bot ends.
    """
    if client.is_closed():
        raise NotDelivered(DeliveryFailure.PASSING, OwnReason.ENDING, not_taken=True)
    if client.application is None:  # not logged in yet
        raise NotDelivered(DeliveryFailure.PASSING, OwnReason.NO_CONNECTION, not_taken=True)
    try:
        yield
    except discord.HTTPException as error:
        raise NotDelivered(
            _failure_of(error),
            _reason(error),
            not_taken=error.status < 500,
            wait=retry_after(error),
            delays_all=isinstance(error, LongRateLimit) and error.is_global,
        ) from error
    except discord.RateLimited as error:
        raise NotDelivered(DeliveryFailure.PASSING, "429", not_taken=True, wait=error.retry_after) from error
    except aiohttp.ClientConnectorError as error:
        raise NotDelivered(DeliveryFailure.PASSING, OwnReason.NO_CONNECTION, not_taken=True) from error
    except DISCORD_ERRORS as error:
        raise NotDelivered(DeliveryFailure.PASSING, f"connection lost ({type(error).__name__})") from error


def _failure_of(error: discord.HTTPException) -> DeliveryFailure:
    """Classify an error. An unknown one with status 400 is BLOCKED, and a shorter text is tried.

    Any other unknown one is PASSING or REFUSED: both are tried again, so that no alert is lost.
    """
    if error.status >= 500 or error.status in (408, 429) or error.code in LIMITED:
        return DeliveryFailure.PASSING
    if error.code == _UNKNOWN_MESSAGE:
        return DeliveryFailure.GONE
    return DeliveryFailure.BLOCKED if is_blocked(error) else DeliveryFailure.REFUSED


def _reason(error: discord.HTTPException) -> str:
    """Return the status and Discord's own words, without the HTML page of a proxy."""
    if error.code == _PINS_FULL:
        return OwnReason.PINS_FULL
    text = "" if "<" in error.text else plain(error.text, 120)
    return f"{error.status} {text}".strip()


def _only_looks(button: Item) -> bool:
    """Return whether the button of an alert only shows a chart or the web interface. Such buttons are the last."""
    found = ALERT.fullmatch(split_site(button.custom_id)[1]) if isinstance(button, PersistentButton) else None
    return found is None or found["what"] in ("chart", "nodechart")
