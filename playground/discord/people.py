"""Represent people of the demo Discord, and the bot's reaction to one of their presses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import simcord

from playground.discord.posts import Form, SeenMessage
from playground.discord.world import Press

T = TypeVar("T")


class ReplySource(Protocol):
    """The part of a DiscordServer that a PressResult needs."""

    ack_seconds: dict[int, float]

    def find(self, channel_id: int, message_id: int | None) -> SeenMessage | None: ...

    async def wait_until(self, condition: Callable[[], T], timeout: float = 60.0, what: str = "") -> T: ...


class Person:
    """A member of a guild, with the language of their Discord client ("ja", "en-US")."""

    def __init__(self, actor: simcord.MemberActor, locale: str) -> None:
        self.actor, self.locale = actor, locale

    @property
    def id(self) -> int:
        return self.actor.id

    @property
    def name(self) -> str:
        return self.actor.name

    def __repr__(self) -> str:
        return f"<Person {self.name} {self.id} {self.locale}>"


class PressResult:
    """The bot's reaction to one press. It is live: later edits and followups appear in it."""

    def __init__(self, result: simcord.InteractionResult, record: Press, server: ReplySource) -> None:
        self.result, self._record, self._server = result, record, server

    @property
    def interaction_id(self) -> int:
        return self._record.id

    @property
    def acknowledged(self) -> bool:
        """Whether the bot answered in time. If not, a person reads "The application did not respond"."""
        return self._record.responded

    @property
    def ack_seconds(self) -> float | None:
        """Seconds from the press to the acknowledgement."""
        return self._server.ack_seconds.get(self._record.id)

    @property
    def kind(self) -> str | None:
        """The response: "message", "deferred", "deferred_update", "update", "modal", "autocomplete" or None."""
        return None if self._record.response_kind is None else str(self._record.response_kind)

    @property
    def ephemeral(self) -> bool:
        return self.answer is not None and self.answer.ephemeral

    @property
    def form(self) -> Form | None:
        return None if self._record.modal is None else Form.of(self._record.modal)

    @property
    def choices(self) -> list[dict[str, Any]]:
        return self.result.autocomplete_choices or []

    @property
    def post(self) -> SeenMessage | None:
        """The first response. If the press edits or keeps the message with the button: that message."""
        return self._server.find(self._record.channel_id, self._record.message_id)

    @property
    def followups(self) -> list[SeenMessage]:
        found = (self._server.find(self._record.channel_id, one) for one in self._record.followup_ids)
        return [post for post in found if post is not None]

    @property
    def answer(self) -> SeenMessage | None:
        """The message that answers the person, whether or not the bot acknowledged the press before it.

        This is the first followup, if the first response was deleted or only acknowledged a button or a form.
        """
        first, only_acknowledged = self.post, self.kind == "deferred_update"
        return next(iter(self.followups), first) if first is None or only_acknowledged else first

    @property
    def text(self) -> str:
        """The first response and then the followups, as text."""
        posts = [] if self.post is None else [self.post]
        return "\n".join(post.text for post in [*posts, *self.followups])

    async def until(
        self, wanted: str | Callable[[PressResult], object], timeout: float = 60.0
    ) -> PressResult:
        """Wait until the text contains `wanted`, or until `wanted(result)` is true.

        Raises: TimeoutError.
        """
        check = wanted if callable(wanted) else lambda reply: wanted in reply.text
        await self._server.wait_until(lambda: check(self), timeout, f"{wanted!r} in {self!r}")
        return self

    def __repr__(self) -> str:
        return f"<Reply {self.kind} {self.text[:200]!r}>"
