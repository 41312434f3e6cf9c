"""Answer one interaction: acknowledge it in time, edit the same message, and refuse in private.

Put `async with Reply(...) as reply:` around the work of a command or button. A BotError that leaves the block
becomes one sentence, in private unless the message already shows a running action. Any other exception is logged, and
the sentence has its error id. While many people wait for answers, each is acknowledged at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import discord
from discord import ui

from core.errors import AnswerTooLate, BotError
from core.operations import Operation
from core.tasks import OnProgress, Progress
from ui.cards import notice
from ui.discord.failures import DISCORD_ERRORS, log_unexpected, retry_after, send_with_retries
from ui.discord.late import GIVEN_UP, acknowledge_crowd, acknowledge_first, give_up
from ui.i18n import Text
from ui.interaction.answer import FIRST_RETRIES, FIRST_SECONDS, RETRIES, Answer, AnswerState, Attachment
from ui.interaction.context import Interaction
from ui.interaction.gate import measure_command, refusal_of
from ui.interaction.refusal import refusal_card
from ui.interaction.services import Services
from ui.messages.errors import unexpected_sentence

_log = logging.getLogger(__name__)

ACKNOWLEDGE_AFTER = 0.6
"""Seconds until an interaction is acknowledged. A quicker answer needs no acknowledgement, which saves a request."""
EDIT_EVERY = 2.0  # seconds between two edits that show progress
STEP_BACK_SECONDS = 1.0
"""Maximum seconds to wait until another answer has finished a request for the same message."""


class Reply:
    """Acknowledge one interaction, and show the views of its answer one after the other.

    ui/interaction/answer.py sends them, and explains `private`, `anew`, `reader` and `t`.
    """

    def __init__(
        self, services: Services, interaction: Interaction, *, private: bool = False, anew: bool = False
    ) -> None:
        self._services, self._clock = services, services.clock
        self._answer = Answer(services, interaction, private=private, anew=anew)
        self.reader, self.t = self._answer.reader, self._answer.t
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self._edited = self._clock.monotonic()
        self._pause_until = self._edited
        """Monotonic time until which the final edit waits after an edit that showed progress."""
        self._task: asyncio.Task[Any] | None = None  # the task that works on the answer
        self._entering = True
        self._farewell: ui.LayoutView | None = None
        self._replaced = False
        """Whether another answer or the farewell takes the place of this answer in its message."""
        self.about: int | None = None
        """VMID of the guest that an action is about, for the buttons under a refusal that does not name the guest."""

    async def __aenter__(self) -> "Reply":
        self._services.open_replies.add(self)
        try:
            if self._services.arrivals.late(self.interaction.id):
                await acknowledge_first(self._answer.acknowledge, self.interaction, self._services.arrivals)
            self._timer = asyncio.create_task(self._acknowledge_in_time())
            await acknowledge_crowd(self._services.open_replies, self._timer)
        except BaseException:  # `__aexit__` is not called then
            self._services.open_replies.discard(self)
            if self._timer and not self._lock.locked():
                self._timer.cancel()
            raise
        self._task, self._entering = asyncio.current_task(), False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._services.open_replies.discard(self)
        measure_command(self.interaction)
        task, self._task = self._task, None
        if self._timer and not self._lock.locked():
            self._timer.cancel()
        elif self._timer:  # a running acknowledgement cannot be cancelled: Discord may have it
            await asyncio.wait({self._timer})
        if GIVEN_UP in self.interaction.extras:
            if task and isinstance(error, asyncio.CancelledError):
                task.uncancel()
            self._close()
            _log.info("Discord no longer expects an answer; the work was given up")
            return isinstance(error, (AnswerTooLate, asyncio.CancelledError))
        if isinstance(error, BotError):
            await self._refuse(
                lambda t: refusal_card(self._services, t, error, self.interaction, about=self.about)
            )
            return True
        if isinstance(error, Exception):
            error_id = log_unexpected(error)
            self._services.measures.on_error(type(error).__name__)
            await self._refuse(lambda t: notice(unexpected_sentence(t, error_id)))
            return True
        return False

    # -- acknowledging

    async def _acknowledge_in_time(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGE_AFTER):
                await self._hurried.wait()
        async with self._lock:
            try:
                await self._answer.acknowledge()
            except DISCORD_ERRORS as error:
                _log.debug("not acknowledged", exc_info=error)  # the next request reports the reason
                unseen = self._answer.state in (AnswerState.NEW, AnswerState.DEFERRED)
                if (self._task or self._entering) and unseen and self._farewell is None:  # else a change runs
                    give_up(self.interaction, error, self._task)
            except Exception as error:  # noqa: BLE001 - nobody awaits this task
                log_unexpected(error)

    @property
    def interaction(self) -> Interaction:
        """The interaction that is answered."""
        return self._answer.interaction

    def mention(self, *operations: Operation) -> str:
        """Mention in small print the commands of these operations that the reader may use. "" if there are none."""
        mentions = self._services.command_mentions
        allowed = [mentions.of(each) for each in operations if refusal_of(self.interaction, each) is None]
        return f"-# {' · '.join(allowed)}" if allowed else ""

    @property
    def is_private(self) -> bool:
        """Whether only the person who asks sees the message."""
        return self._answer.private

    @property
    def awaited(self) -> bool:
        """Whether the person sees no answer yet, or only that the bot is thinking."""
        return self._answer.state in (AnswerState.NEW, AnswerState.DEFERRED)

    def hurry(self) -> None:
        """Acknowledge now, because many answers are awaited at once and this one may take long."""
        self._hurried.set()

    @property
    def working(self) -> bool:
        """Whether the message shows that the action is running."""
        return self._answer.state is AnswerState.WORKING

    async def start(self, working: ui.LayoutView, farewell: ui.LayoutView) -> int | None:
        """Send the first answer before something is changed. Return the id of the message.

        The id is None if it is unknown or the message is private, which another run of the bot could not edit.
        `working`: shown at once if the answer edits a message. `farewell`: shown if the bot ends before `show`.
        Raises: AnswerTooLate, if Discord does not accept the answer or the bot ends. Nothing may be changed then.
        """

        async def show_working() -> None:
            await self._answer.put(working)
            self._answer.move(AnswerState.WORKING)

        await self._take_place()
        await self._first(show_working if self._answer.in_place else self._answer.acknowledge)
        self._farewell = farewell
        return None if self.is_private else self._answer.message_id

    async def accept(self) -> None:
        """Acknowledge a press whose effect another part of the bot shows, before the work.

        Raises: AnswerTooLate.
        """
        await self._first(self._answer.acknowledge)

    async def _first(self, answer: Callable[[], Awaitable[None]]) -> None:
        async with self._lock:
            if self._services.sites.ending:
                raise AnswerTooLate
            error = await send_with_retries(self._clock, answer, FIRST_RETRIES, FIRST_SECONDS)
            if error is not None:
                raise AnswerTooLate from error

    # -- showing

    async def show(self, view: ui.LayoutView, *, farewell: ui.LayoutView | None = None) -> None:
        """Show the answer in the same message, or as a last resort in a new one. Try again if Discord fails.

        `farewell`: shown if the bot ends before `fill_in`.
        """
        wait = self._pause_until - self._clock.monotonic()
        if wait > 0:
            await self._clock.sleep(wait)
        await self._take_place()
        async with self._lock:
            await self._show(view)
            self._farewell = farewell

    async def fill_in(self, view: ui.LayoutView, *, farewell: ui.LayoutView | None = None) -> bool:
        """Show more of the answer that is shown.

        `farewell`: shown if the bot ends before the next `fill_in`.
        Return False if nothing more can be shown: Discord refuses the edit, or the message shows another answer.
        """

        async def put() -> None:
            if not self._replaced:
                await self._answer.fill_in(view)

        async with self._lock:
            error = await send_with_retries(self._clock, put, RETRIES, self._answer.seconds_left)
            self._farewell = None if error or self._replaced else farewell
        if error is not None:
            _log.info("an answer could not be completed: %r", error)
        return not (error or self._replaced)

    async def try_to_show(self, view: ui.LayoutView) -> None:
        """Show the view in place of the answer, in one try. Ignore a failure: the former view then stays."""
        async with self._lock:
            with contextlib.suppress(*DISCORD_ERRORS):
                await self._answer.fill_in(view)

    async def _take_place(self) -> None:
        """Keep other answers from filling in the message that this answer is about to change."""
        message = self.interaction.message
        if message is None or not self._answer.in_place:
            return
        self._replaced = False
        replies = self._services.open_replies
        others = [each for each in replies if each is not self and each.step_back(message)]
        await asyncio.gather(*(each.wait_until_sent() for each in others))

    def step_back(self, message: discord.Message) -> bool:
        """Stop filling in this answer if the message shows it. Return whether it does."""
        asked_by = message.interaction_metadata  # known before the id of a message that is just being sent
        shown_here = asked_by is not None and asked_by.id == self.interaction.id
        if not shown_here and message.id != self._answer.message_id:
            return False
        self._replaced = True
        if self._answer.state is AnswerState.SHOWN:
            self._farewell = None
        return True

    async def wait_until_sent(self) -> None:
        """Wait until nothing is being sent, at most STEP_BACK_SECONDS seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STEP_BACK_SECONDS), self._lock:
                pass

    async def show_file(self, view: ui.LayoutView, attached: Attachment, without: ui.LayoutView) -> None:
        """Show the answer with a file. Show `without` if that fails."""
        await self._take_place()
        self._answer.attached = attached
        try:
            async with self._lock:
                error = await send_with_retries(
                    self._clock, lambda: self._answer.put(view), RETRIES, self._answer.seconds_left
                )
        finally:
            self._answer.attached = None
        if error is None:
            self._answer.move(AnswerState.SHOWN)
        else:
            _log.warning("a file could not be delivered: %r", error)
            await self.show(without)

    async def _show(self, view: ui.LayoutView) -> None:
        await self._answer.show(view)
        self._answer.move(AnswerState.SHOWN)
        self._edited = self._clock.monotonic()

    def progress(self, render: Callable[[Progress], ui.LayoutView]) -> OnProgress:
        """Return a callback that shows progress, at most every 2 s. A failed edit is ignored: another follows."""

        async def tell(progress: Progress) -> None:
            now = self._clock.monotonic()
            if now - self._edited < EDIT_EVERY or self._lock.locked():
                return
            self._edited, self._pause_until = now, now + EDIT_EVERY
            async with self._lock:
                try:
                    await self._answer.put(render(progress), last=False)
                    self._answer.move(AnswerState.WORKING)
                except DISCORD_ERRORS as error:
                    self._edited += retry_after(error)
                    self._pause_until = self._edited + EDIT_EVERY

        return tell

    async def say_farewell(self) -> None:
        """Show the farewell, or that the bot ends if the person sees only that it is thinking.

        No action starts any more at this time (`Executor.ending`).
        """
        text = self.t("The bot is shutting down. Run the command again in a moment.")
        async with self._lock:
            if self._farewell is not None or self._answer.state is AnswerState.DEFERRED:
                self._replaced = True
                with contextlib.suppress(*DISCORD_ERRORS):
                    await self._answer.put(self._farewell or notice(text))

    # -- refusing

    async def _refuse(self, render: Callable[[Text], ui.LayoutView]) -> None:
        """Send the refusal privately, or in the shown message if that already shows a running action."""
        if self.interaction.client.is_closed():
            return
        async with self._lock:
            told = asyncio.Event()  # set once the person is told, so that a retry does not repeat it
            error = await send_with_retries(
                self._clock,
                lambda: self._answer.refuse(render, told),
                FIRST_RETRIES,
                self._answer.seconds_left,
            )
            self._close()
            if error is not None:
                _log.warning("a refusal could not be delivered: %r", error)

    def _close(self) -> None:
        self._answer.move(AnswerState.CLOSED)
        self._farewell = None
