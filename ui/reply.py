"""One answer to one interaction: acknowledged in time, edited in place, refused in private.

`async with Reply(...) as reply:` around a command's or button's work. A BotError that leaves the block becomes
one private sentence; anything else an incident id. Discord's limits: 3 s to acknowledge, 15 min for the token.
"""

import asyncio
import contextlib
import io
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import discord
from discord import ui
from discord.utils import MISSING

from core.errors import AnswerTooLate, BotError
from core.tasks import OnProgress, Progress
from ui.blocked import blocks, let_through
from ui.cards import notice
from ui.late import GIVEN_UP, acknowledge_first, give_up
from ui.refusal import refusal_card
from ui.render import Colour
from ui.sentences import unexpected
from ui.services import Interaction, Services
from ui.text import Text
from ui.trouble import Trouble, incident_of, insist, wait_of

_log = logging.getLogger(__name__)

ACKNOWLEDGE_AFTER = 0.6
FIRST_SECONDS = 3.0
"""Discord takes the first answer no later; one that is limited for longer goes another way."""
TOKEN_SECONDS = 14 * 60.0
CHANNEL_SECONDS = 15 * 60.0
"""How long a limit of the channel is waited for with an answer that has no other way."""
EDIT_EVERY = 2.0
RETRIES = (1.0, 2.0, 4.0)
BEGIN_RETRIES = (0.3, 0.6, 0.9)
"""Before a change there is less patience: Discord waits 3 s for the first answer."""
ALREADY_ACKNOWLEDGED = 40060
"""Discord's error code for a second first answer."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of an answer, whose view shows it."""

    name: str
    data: bytes = field(repr=False)


class Reply:
    """`t` is the language of the answer: the reader's own when private, otherwise the channel's.

    The answer to a press is its message edited, or with `anew` a new message.
    """

    def __init__(
        self, services: Services, interaction: Interaction, *, private: bool = False, anew: bool = False
    ) -> None:
        self._services, self._interaction, self._private = services, interaction, private
        self.reader = services.texts.of_locale(str(interaction.locale))
        self.t = self.reader if private else services.texts.public
        self._message_id = interaction.message.id if interaction.message and not anew else None
        self._in_place = self._message_id is not None
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._began = services.clock.monotonic()
        self._edited = self._began
        self._progressed = False
        self._shown = False
        self._working = False
        self._taken = False
        self._told = False
        self._over = False
        self._task: asyncio.Task[Any] | None = None  # what works on the answer
        self._attached: Attached | None = None
        self._farewell: ui.LayoutView | None = None

    async def __aenter__(self) -> "Reply":
        self._services.open_replies.add(self)
        self._task = asyncio.current_task()
        if self._services.arrivals.late(self._interaction.id):
            await acknowledge_first(self._acknowledge, self._interaction, self._services.arrivals)
        self._timer = asyncio.create_task(self._acknowledge_in_time())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._services.open_replies.discard(self)
        task, self._task = self._task, None
        if self._timer and not self._lock.locked():
            self._timer.cancel()
        elif self._timer:  # an acknowledgement under way cannot be called back: Discord may have taken it
            await asyncio.wait({self._timer})
        if GIVEN_UP in self._interaction.extras:
            if task and isinstance(error, asyncio.CancelledError):
                task.uncancel()
            _log.info("Discord awaits no answer any more; the work for it was given up")
            return isinstance(error, (AnswerTooLate, asyncio.CancelledError))
        if isinstance(error, BotError):
            await self._refuse(lambda t: refusal_card(self._services, t, error))
            return True
        if isinstance(error, Exception):
            incident = incident_of(error)
            await self._refuse(lambda t: notice(unexpected(t, incident)))
            return True
        return False

    # -- acknowledging

    async def _acknowledge_in_time(self) -> None:
        await asyncio.sleep(ACKNOWLEDGE_AFTER)
        async with self._lock:
            try:
                await self._acknowledge()
            except Trouble as error:
                _log.debug("not acknowledged", exc_info=error)  # whoever answers next finds out why
                if (
                    self._task and not self._shown and self._farewell is None
                ):  # a change that has begun goes on
                    give_up(self._interaction, error, self._task)
            except Exception as error:  # noqa: BLE001 - nobody awaits this task
                incident_of(error)

    async def _acknowledge(self) -> None:
        """Tell Discord that an answer comes, unless one has come."""
        if self._answered:
            return
        try:
            if self._in_place:
                await self._interaction.response.defer()
            else:
                answer = await self._interaction.response.defer(ephemeral=self._private, thinking=True)
                self._message_id = answer.message_id if answer else None
        except discord.HTTPException as error:
            self._take(error)

    @property
    def interaction(self) -> Interaction:
        """What is answered."""
        return self._interaction

    @property
    def working(self) -> bool:
        """Whether the message says that work goes on."""
        return self._working

    @property
    def _answered(self) -> bool:
        """Whether Discord has a first answer of ours."""
        return self._taken or self._interaction.response.is_done()

    def _take(self, error: discord.HTTPException) -> None:
        """An earlier try took effect, only its answer was lost. Raises any other error."""
        if error.code != ALREADY_ACKNOWLEDGED:
            raise error
        self._taken = True

    async def begin(self, working: ui.LayoutView, farewell: ui.LayoutView) -> int | None:
        """Just before something is changed: Discord has to take the answer first. Raises AnswerTooLate.

        A press shows `working` in its message at once. `farewell` is shown if the bot ends from now on. The id of the
        message, None where it is private: another run of the bot cannot edit that.
        """

        async def show_working() -> None:
            await self._put(working)
            self._shown = self._working = True

        await self._first(show_working if self._in_place else self._acknowledge)
        self._farewell = farewell
        shown_in = self._interaction.message if self._in_place else None
        hidden = self._private or (shown_in is not None and shown_in.flags.ephemeral)
        return None if hidden else self._message_id

    async def accept(self) -> None:
        """The same for a press that changes what somebody else then shows. Raises AnswerTooLate."""
        await self._first(self._acknowledge)

    async def _first(self, answer: Callable[[], Awaitable[None]]) -> None:
        async with self._lock:
            if self._over:
                raise AnswerTooLate
            error = await insist(self._services.clock, answer, BEGIN_RETRIES, FIRST_SECONDS)
            if error is not None:
                raise AnswerTooLate from error

    # -- showing

    async def show(self, view: ui.LayoutView) -> None:
        """The answer: always the same message. Tried again when Discord stumbles."""
        if self._progressed:
            wait = EDIT_EVERY - (self._services.clock.monotonic() - self._edited)
            if wait > 0:
                await self._services.clock.sleep(wait)
        async with self._lock:
            await self._show(view)
            self._working, self._farewell = False, None

    async def show_file(self, view: ui.LayoutView, attached: Attached, without: ui.LayoutView) -> None:
        """The same with a file, which only a private answer may have; `without` where Discord does not take it."""
        self._attached = attached
        try:
            async with self._lock:
                error = await insist(self._services.clock, lambda: self._put(view), RETRIES, self._patience)
        finally:
            self._attached = None
        if error is None:
            self._shown = True
        else:
            _log.warning("a file could not be delivered: %r", error)
            await self.show(without)

    @property
    def _patience(self) -> float:
        """Seconds in which the way that is open now stays open."""
        age = self._services.clock.monotonic() - self._began
        return max(0.0, (TOKEN_SECONDS if self._answered else FIRST_SECONDS) - age)

    async def _show(self, view: ui.LayoutView) -> None:
        clock = self._services.clock
        error = await insist(clock, lambda: self._put(view), RETRIES, self._patience)
        if error is not None:
            await self._show_in_channel(view, error)
        self._shown = True
        self._edited = clock.monotonic()

    async def _put(self, view: ui.LayoutView, *, last: bool = True) -> None:
        """Show it by the way that is open now. What is not the `last` word makes no new message."""
        interaction = self._interaction
        if interaction.client.is_closed():
            return
        if not self._answered:
            try:
                await let_through(self.t, view, self._put_first)
            except discord.HTTPException as error:
                self._take(error)
                await self._put(view)
        elif self._services.clock.monotonic() - self._began < TOKEN_SECONDS:
            message = await let_through(self.t, view, self._put_again)
            self._message_id = message.id
        else:
            await self._show_in_channel(view, None, last=last)

    async def _put_first(self, view: ui.LayoutView) -> None:
        response = self._interaction.response
        if self._in_place:
            await response.edit_message(view=view, attachments=self._files() or MISSING)
        else:
            answer = await response.send_message(
                view=view, ephemeral=self._private, files=self._files() or MISSING
            )
            self._message_id = answer.message_id

    async def _put_again(self, view: ui.LayoutView) -> discord.InteractionMessage:
        return await self._interaction.edit_original_response(view=view, attachments=self._files() or MISSING)

    def _files(self) -> list[discord.File]:
        """Anew for each try, which reads them to their end."""
        kept = self._attached
        return [discord.File(io.BytesIO(kept.data), kept.name)] if kept else []

    async def _show_in_channel(
        self, view: ui.LayoutView, error: Exception | None, *, last: bool = True
    ) -> None:
        """Past the token's life (or when it was refused) with the bot's own rights; nothing private goes there."""
        if self._private:
            _log.warning("a private answer could not be delivered: %r", error)
            return
        put = self._put_in_channel if last else self._edit_in_channel
        pauses = RETRIES if last else ()
        second = await insist(
            self._services.clock, lambda: let_through(self.t, view, put), pauses, CHANNEL_SECONDS
        )
        if second is not None and last:
            _log.warning("an answer could not be delivered: %r, then %r", error, second)

    async def _edit_in_channel(self, view: ui.LayoutView) -> None:
        if self._message_id is not None:
            nobody = discord.AllowedMentions.none()  # this call alone does not take the bot's default
            await self._channel.get_partial_message(self._message_id).edit(view=view, allowed_mentions=nobody)

    async def _put_in_channel(self, view: ui.LayoutView) -> None:
        """Edit the message, and where that does not go send a new one."""
        try:
            await self._edit_in_channel(view)
        except Trouble as error:
            if blocks(error) or wait_of(error):
                raise
        else:
            if self._message_id is not None:
                return
        self._message_id = (await self._channel.send(view=view)).id

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self._interaction.client.get_partial_messageable(self._interaction.channel_id or 0)

    def progress(self, render: Callable[[Progress], ui.LayoutView]) -> OnProgress:
        """Show running work, no more often than every 2 s. A missed edit does not matter: another follows."""

        async def tell(progress: Progress) -> None:
            now = self._services.clock.monotonic()
            if now - self._edited < EDIT_EVERY or self._lock.locked():
                return
            self._edited, self._progressed = now, True
            async with self._lock:
                try:
                    await self._put(render(progress), last=False)
                    self._shown = self._working = True
                except Trouble as error:
                    self._edited += wait_of(error)

        return tell

    async def say_farewell(self) -> None:
        """The bot ends while this answer is under way. What was not sent to Proxmox by now is not sent any more."""
        text = self.t("The bot is being stopped. Please give the command again in a moment.")
        async with self._lock:
            self._over = True
            if self._farewell is not None or (self._answered and not self._shown):
                with contextlib.suppress(*Trouble):
                    await self._put(self._farewell or notice(text))

    # -- refusing

    async def _refuse(self, render: Callable[[Text], ui.LayoutView]) -> None:
        """Private where that is still possible; in the shown message where work was already seen to begin."""
        if self._interaction.client.is_closed():
            return
        async with self._lock:
            error = await insist(
                self._services.clock, lambda: self._put_refusal(render), BEGIN_RETRIES, self._patience
            )
            if error is not None:
                _log.warning("a refusal could not be delivered: %r", error)

    async def _put_refusal(self, render: Callable[[Text], ui.LayoutView]) -> None:
        if self._working:
            await self._show(render(self.t))
            return
        if not self._answered:
            try:
                await let_through(self.reader, render(self.reader), self._say_privately)
                return
            except discord.HTTPException as error:
                self._take(error)
        if self._private:
            await self._put(render(self.reader))
            return
        thinking = not self._in_place and not self._shown
        if thinking:  # the first followup would become this public message, so it gets a body first
            await self._put(notice("…", Colour.QUIET))
        if not self._told:  # a second try goes on where the first one broke off
            await let_through(self.reader, render(self.reader), self._follow_up)
            self._told = True
        if thinking:
            await self._interaction.delete_original_response()

    async def _say_privately(self, view: ui.LayoutView) -> None:
        await self._interaction.response.send_message(view=view, ephemeral=True)

    async def _follow_up(self, view: ui.LayoutView) -> None:
        await self._interaction.followup.send(view=view, ephemeral=True)
