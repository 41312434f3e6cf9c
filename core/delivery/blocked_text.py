"""Send a text that Discord blocks again with fewer words."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeVar

from core.delivery.channel import DeliveryFailure, NotDelivered

T = TypeVar("T")

_log = logging.getLogger(__name__)


class FallbackTexts(Protocol):
    def fallback_texts(self, content: str) -> tuple[str, ...]:
        """Return replacements for a text that Discord blocks, best first."""


async def send_with_fallbacks(
    channel: FallbackTexts, content: str, send: Callable[[str], Awaitable[T]]
) -> tuple[T, str]:
    """Send a text, and shorter versions if Discord blocks it.

    Return the result, and why the text was shortened ("" if it was not).
    Raises: NotDelivered as `send` raises it; with REJECTED if no version passes.
    """
    blocked = ""
    for text in _texts(channel, content):
        try:
            return await send(text), blocked
        except NotDelivered as error:
            if error.failure is not DeliveryFailure.BLOCKED:
                raise
            blocked = blocked or error.reason
            _log.warning("Discord blocks the words of a message: %s", error.reason)
    raise NotDelivered(DeliveryFailure.REJECTED, blocked, not_taken=True)


def _texts(channel: FallbackTexts, content: str) -> Iterator[str]:
    yield content
    yield from channel.fallback_texts(content)
