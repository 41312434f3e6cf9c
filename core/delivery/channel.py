"""The alert channel as the delivery knows it, and what a failed try means."""

from enum import StrEnum
from typing import Protocol

from core.watch.journal import OutboxMessage


class DeliveryFailure(StrEnum):
    """What a failed try means: PASSING trouble; the channel REFUSED us (403, 404); this text is BLOCKED, and others
    may pass; the message is REJECTED whatever it says; the message to be edited is GONE."""

    PASSING = "passing"
    REFUSED = "refused"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    GONE = "gone"


class NotDelivered(Exception):
    """A failed try. `reason` is for people; `not_taken`: Discord surely does not have the message; `wait`: seconds
    that Discord has named, 0 where it has named none; `everywhere`: they hold for everything, not for this alone."""

    def __init__(
        self,
        failure: DeliveryFailure,
        reason: str,
        *,
        not_taken: bool = False,
        wait: float = 0.0,
        everywhere: bool = False,
    ) -> None:
        super().__init__(failure, reason)
        self.failure, self.reason, self.not_taken = failure, reason, not_taken
        self.wait, self.everywhere = wait, everywhere


class AlertChannel(Protocol):
    """The channel that alerts go to. The three asynchronous calls raise NotDelivered and nothing else."""

    def compose(self, posting: OutboxMessage, late: float | None) -> str:
        """The message's text as it is now. `late`: seconds of delay to be told, None if it is in time."""

    def fallback_texts(self, content: str) -> tuple[str, ...]:
        """What is shown instead where Discord blocks this text: without foreign words, then a fixed sentence."""

    async def post(self, posting: OutboxMessage, content: str, nonce: str) -> int:
        """Post it with its buttons; Discord's id of the message."""

    async def edit(self, posting: OutboxMessage, content: str) -> None:
        """Show this edition in the message that is there."""

    async def find(self, content: str, since: float, known: frozenset[int]) -> int | None:
        """The bot's own message of this content, not older than `since` (Unix seconds), if it is there and none of
        the `known` ones."""
