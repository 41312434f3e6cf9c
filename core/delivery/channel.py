"""Define the port to the alert channel and the kinds of failed delivery."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from core.watch.journal import OutboxMessage


class DeliveryFailure(StrEnum):
    """Kinds of failed delivery.

    PASSING: temporary trouble. BLOCKED: Discord blocks this text, and another may pass. REJECTED: every version of
    the text was blocked. GONE: the posted message no longer exists. REFUSED: any other refusal, such as a 403 or 404.
    """

    PASSING = "passing"
    REFUSED = "refused"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    GONE = "gone"


class OwnReason(StrEnum):
    """Reasons in the bot's own words. The journal stores them, and ui/messages/errors.py translates them.

    TOO_OLD: given up because of its age, although no attempt has failed. OWN_ERROR: a bug; the log has the details.
    """

    NO_CONNECTION = "no connection to Discord"
    ENDING = "the bot is ending"
    TOO_OLD = "too old"
    OWN_ERROR = "an error of the bot's own"
    OUTSIDE = "outside of the category"
    PINS_FULL = "too many pinned messages"


class NotDelivered(Exception):
    """A delivery attempt failed.

    `reason`: an `OwnReason`, or the words of Discord or of an error.
    `not_taken`: Discord certainly does not have the message.
    `wait`: seconds that Discord asked for, 0 if it named none.
    `delays_all`: the wait applies to all messages and not only to this one.
    """

    def __init__(
        self,
        failure: DeliveryFailure,
        reason: str,
        *,
        not_taken: bool = False,
        wait: float = 0.0,
        delays_all: bool = False,
    ) -> None:
        super().__init__(failure, reason)
        self.failure, self.reason, self.not_taken = failure, reason, not_taken
        self.wait, self.delays_all = wait, delays_all


@dataclass(frozen=True, slots=True)
class AlertText:
    """The words of one alert.

    `content`: one line, shown by a notification. The message is found again by it.
    `details`: the text below `content`, "" for none. `colour`: of the message's edge, as 0xRRGGBB.
    """

    content: str
    details: str = ""
    colour: int = 0


class AlertChannel(Protocol):
    """The channel that receives alerts. The three asynchronous methods raise `NotDelivered` and nothing else."""

    def compose(self, message: OutboxMessage, late: float | None) -> AlertText:
        """Return the current text of the message.

        `late`: seconds of delay to mention, None if it is on time.
        """

    def fallback_texts(self, text: AlertText) -> tuple[AlertText, ...]:
        """Return replacements for a text that Discord blocks, best first.

        The first has no external text. The last, or only one, is a fixed sentence.
        """

    async def post(self, message: OutboxMessage, text: AlertText, nonce: str) -> int:
        """Post the message with its buttons and return its Discord id. It replies to `message.opening`, if set."""

    async def edit(self, message: OutboxMessage, text: AlertText) -> None:
        """Edit the existing message to show this version."""

    async def find(
        self, content: str, since: float, known: frozenset[int], incidents: tuple[int, ...] = ()
    ) -> int | None:
        """Find the bot's own message with this content and return its id.

        Ignore messages in `known`, and messages older than `since` (Unix seconds), with a margin because Discord's
        clock may differ. Ignore messages with buttons of other incidents than `incidents`: two incidents may have
        the same first line.
        Return None if there is none, or if the bot may not read the history.
        """
