"""Send the views of an answer to where the person reads them.

The first view goes to the interaction, and later ones use its token. If the token has expired or does not work, the
bot edits or sends the message with its own permissions in the channel. A private answer is never sent there.
Discord's limits: 3 s for the first answer, 15 min for the token.
"""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

import discord
from discord import ui
from discord.utils import MISSING

from ui.cards import notice
from ui.discord.blocked import is_blocked, send_card_with_fallbacks
from ui.discord.failures import DISCORD_ERRORS, is_transient, retry_after, send_with_retries
from ui.formatting import Colour
from ui.i18n import Text
from ui.interaction.context import Interaction, is_private, named_site
from ui.interaction.services import Services

T = TypeVar("T")

_log = logging.getLogger(__name__)

FIRST_SECONDS = 3.0
"""Seconds in which Discord accepts the first answer."""
TOKEN_SECONDS = 14 * 60.0
"""Seconds for which the token is used: a minute less than Discord accepts it."""
CHANNEL_SECONDS = 15 * 60.0
"""Maximum seconds to wait for a rate limit of the channel, which is the last way to answer."""
FIRST_RETRIES = (0.3, 0.6, 0.9)
"""Seconds between the tries of a first answer or a refusal. Discord waits only 3 s for a first answer."""
RETRIES = (1.0, 2.0, 4.0)
"""Seconds between the tries of an answer."""
ALREADY_ACKNOWLEDGED = 40060
"""Discord's error code for an interaction that already has a first answer."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to an answer. The answer's view must show it."""

    name: str
    data: bytes = field(repr=False)


class AnswerState(Enum):
    """The states of an answer."""

    NEW = auto()
    """Discord has no first answer."""
    DEFERRED = auto()
    """Discord has a first answer, but the person does not see one yet."""
    WORKING = auto()
    """The message says that work is running."""
    SHOWN = auto()
    """The message shows the answer."""
    CLOSED = auto()
    """The request was refused, or nobody waits for the answer. Nothing follows."""


_NEW, _DEFERRED, _WORKING, _SHOWN, _CLOSED = AnswerState
NEXT: Mapping[AnswerState, frozenset[AnswerState]] = {
    _NEW: frozenset({_DEFERRED, _WORKING, _SHOWN, _CLOSED}),
    _DEFERRED: frozenset({_WORKING, _SHOWN, _CLOSED}),
    _WORKING: frozenset({_WORKING, _SHOWN, _CLOSED}),
    _SHOWN: frozenset({_SHOWN, _CLOSED}),
    _CLOSED: frozenset(),
}
"""The states that may follow each state. An answer may be shown again, as when a question expires."""


class Answer:
    """Show views as the answer. The caller makes one call at a time.

    `private`: only the person who asks sees the answer. An answer that edits a private message is always private.
    `anew`: the answer to a press is a new message. Otherwise it edits the message with the button (`in_place`).
    `reader`: the person's language. `t`: the language of the answer, the reader's if it is private, else LANGUAGE.
    """

    def __init__(self, services: Services, interaction: Interaction, *, private: bool, anew: bool) -> None:
        message = None if anew else interaction.message
        self.interaction, self.in_place = interaction, message is not None
        self.message_id = message.id if message else None
        self.private = private or (not anew and is_private(interaction))
        self.reader = services.texts.of_locale(str(interaction.locale))
        self.t = self.reader if self.private else services.texts.public
        self.attached: Attachment | None = None
        self._clock, self._began = services.clock, services.clock.monotonic()
        self._in_channel = False
        """Whether the message was sent to the channel, where the token does not edit it."""
        self.state = _DEFERRED if interaction.response.is_done() else _NEW

    @property
    def answered(self) -> bool:
        """Return whether Discord has a first answer from the bot."""
        return self.state is not _NEW

    def move(self, state: AnswerState) -> None:
        """Change the state.

        Raises: AssertionError, if the new state may not follow the old one.
        """
        if state not in NEXT[self.state]:
            raise AssertionError(f"an answer went from {self.state.name} to {state.name}")
        self.state = state

    def _accept_duplicate(self, error: discord.HTTPException) -> None:
        """Accept the error that Discord already has the first answer, because only its response was lost.

        Raises: `error` itself, if it is any other error.
        """
        if error.code != ALREADY_ACKNOWLEDGED:
            raise error
        self._note_first()

    def _note_first(self) -> None:
        if self.state is _NEW:
            self.move(_DEFERRED)

    @property
    def seconds_left(self) -> float:
        """Return the seconds in which Discord accepts the first answer, or after that the token."""
        age = self._clock.monotonic() - self._began
        return max(0.0, (TOKEN_SECONDS if self.answered else FIRST_SECONDS) - age)

    async def acknowledge(self) -> None:
        """Defer the answer, unless Discord already has one."""
        if self.answered:
            return
        try:
            if self.in_place:
                await self.interaction.response.defer()
            else:
                answer = await self.interaction.response.defer(ephemeral=self.private, thinking=True)
                self.message_id = answer.message_id if answer else None
        except discord.HTTPException as error:
            self._accept_duplicate(error)
        self._note_first()

    async def show(self, view: ui.LayoutView) -> None:
        """Show the view. Retry when Discord fails, and use the channel as the last resort."""
        error = await send_with_retries(self._clock, lambda: self.put(view), RETRIES, self.seconds_left)
        if error is not None:
            await self._show_in_channel(view, error)

    async def fill_in(self, view: ui.LayoutView) -> None:
        """Replace the view that is shown, in its message. Send no new message.

        Raises: DISCORD_ERRORS.
        """
        try:
            await self.put(view, last=False)
        except discord.HTTPException as error:
            if is_transient(error) or self.private:
                raise
            await self._send(view, self._edit_in_channel)

    async def put(self, view: ui.LayoutView, *, last: bool = True) -> None:
        """Show the view by the way that is open now. Do nothing if the client is closed.

        `last=False`: in the channel, only edit the message, in one try.
        Raises: DISCORD_ERRORS. With `last`, a failure in the channel is logged instead.
        """
        interaction = self.interaction
        if interaction.client.is_closed():
            return
        if not self.answered:
            try:
                await self._send(view, self._send_first)
            except discord.HTTPException as error:
                self._accept_duplicate(error)
                await self.put(view)
            self._note_first()
        elif self._clock.monotonic() - self._began < TOKEN_SECONDS and not self._in_channel:
            message = await self._send(view, self._edit_sent)
            self.message_id = message.id
        elif last:
            await self._show_in_channel(view, None)
        elif not self.private:
            await self._send(view, self._edit_in_channel)

    async def refuse(self, render: Callable[[Text], ui.LayoutView], told: asyncio.Event) -> None:
        """Send a refusal privately, or in the shown message if that already shows a running action.

        `told`: set once the person is told, so that another try does not repeat it.
        Raises: DISCORD_ERRORS.
        """
        if self.state is _WORKING:
            await self.show(render(self.t))
            return
        if not self.answered:
            try:
                await self._say_privately(render, self._send_privately)
                return
            except discord.HTTPException as error:
                self._accept_duplicate(error)
        if self.private and not self.in_place:
            await self.put(render(self.reader))
            return
        thinking = not self.in_place and self.state is _DEFERRED
        if thinking:  # the first followup would become this public message, so it gets a body first
            await self.put(notice("…", Colour.QUIET))
        if not told.is_set():
            await self._say_privately(render, self._follow_up)
            told.set()
        if thinking:
            await self.interaction.delete_original_response()

    async def _say_privately(
        self, render: Callable[[Text], ui.LayoutView], send: Callable[[ui.LayoutView], Awaitable[None]]
    ) -> None:
        site = named_site(self.interaction)
        await send_card_with_fallbacks(self.reader, render(self.reader), send, site=site)

    async def _send_privately(self, view: ui.LayoutView) -> None:
        await self.interaction.response.send_message(view=view, ephemeral=True)

    async def _follow_up(self, view: ui.LayoutView) -> None:
        await self.interaction.followup.send(view=view, ephemeral=True)

    async def _send(self, view: ui.LayoutView, send: Callable[[ui.LayoutView], Awaitable[T]]) -> T:
        """Send the view under the name of the site that it is about.

        Raises: the errors of `send`.
        """
        return await send_card_with_fallbacks(self.t, view, send, site=named_site(self.interaction))

    async def _send_first(self, view: ui.LayoutView) -> None:
        response = self.interaction.response
        if self.in_place:
            await response.edit_message(view=view, attachments=self._files() or MISSING)
        else:
            answer = await response.send_message(
                view=view, ephemeral=self.private, files=self._files() or MISSING
            )
            self.message_id = answer.message_id

    async def _edit_sent(self, view: ui.LayoutView) -> discord.InteractionMessage:
        return await self.interaction.edit_original_response(view=view, attachments=self._files() or MISSING)

    def _files(self) -> list[discord.File]:
        """Return new file objects for each try, because a try reads them to the end."""
        kept = self.attached
        return [discord.File(io.BytesIO(kept.data), kept.name)] if kept else []

    async def _show_in_channel(self, view: ui.LayoutView, error: Exception | None) -> None:
        """Show the view in the channel with the bot's own permissions, because the token has expired or failed.

        A private view is not sent there. A failure is logged.
        `error`: why the token failed, None if it was not tried.
        """
        if self.private:
            _log.warning("a private answer could not be delivered: %r", error)
            return
        second = await send_with_retries(
            self._clock, lambda: self._send(view, self._put_in_channel), RETRIES, CHANNEL_SECONDS
        )
        if second is not None:
            _log.warning("an answer could not be delivered: %r, then %r", error, second)

    async def _edit_in_channel(self, view: ui.LayoutView) -> None:
        if self.message_id is not None:
            nobody = discord.AllowedMentions.none()  # only this call ignores the client's default
            message = self._channel.get_partial_message(self.message_id)
            await message.edit(view=view, attachments=self._files() or MISSING, allowed_mentions=nobody)

    async def _put_in_channel(self, view: ui.LayoutView) -> None:
        """Edit the message, or send a new one if there is none or that fails.

        Raises: DISCORD_ERRORS. The error of the edit, if Discord blocks the words or names a time to wait.
        """
        try:
            await self._edit_in_channel(view)
        except DISCORD_ERRORS as error:
            if is_blocked(error) or retry_after(error):
                raise
        else:
            if self.message_id is not None:
                return
        sent = await self._channel.send(view=view, files=self._files() or MISSING)
        self.message_id, self._in_channel = sent.id, True

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self.interaction.client.get_partial_messageable(self.interaction.channel_id or 0)
