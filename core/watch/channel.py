"""The alert channel as the delivery knows it, and what a failed try means."""

from enum import StrEnum
from typing import Protocol

from core.journal import Posting


class Fate(StrEnum):
    """What a failed try means: PASSING trouble; the channel REFUSED us (403, 404); the message is REJECTED (400);
    the message to be edited is GONE."""

    PASSING = "passing"
    REFUSED = "refused"
    REJECTED = "rejected"
    GONE = "gone"


class NotDelivered(Exception):
    """A failed try. `reason` is for people; `not_taken`: Discord surely does not have the message."""

    def __init__(self, fate: Fate, reason: str, *, not_taken: bool = False) -> None:
        super().__init__(fate, reason)
        self.fate, self.reason, self.not_taken = fate, reason, not_taken


class AlertChannel(Protocol):
    """The channel that alerts go to. The three asynchronous calls raise NotDelivered and nothing else."""

    def compose(self, posting: Posting, late: float | None) -> str:
        """The message's text as it is now. `late`: seconds of delay to be told, None if it is in time."""

    async def post(self, posting: Posting, content: str, nonce: str) -> int:
        """Post it with its buttons; Discord's id of the message."""

    async def edit(self, posting: Posting, content: str) -> None:
        """Show this edition in the message that is there."""

    async def find(self, content: str, since: float, known: frozenset[int]) -> int | None:
        """The bot's own message of this content, not older than `since` (Unix seconds), if it is there and none of
        the `known` ones."""
