"""Answer a message with a known nonce without posting it again.

Source: "Create Message" in Discord's developer documentation, `enforce_nonce`: "If another message was created
by the same author with the same nonce, that message will be returned and no new message will be created."
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from playground.discord.rest import Call

_CREATE = re.compile(r"/channels/\d+/messages")


class Nonces:
    """The messages of one author (the bot) by nonce.

    `seconds`: how long a nonce is remembered; in Discord, for "the past few minutes".
    """

    def __init__(self, seconds: float = 180.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._sent: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def forget(self) -> None:
        """Forget all nonces, as Discord does after some minutes."""
        self._sent.clear()

    def answer(self, call: Call, create: Callable[[Call], Any]) -> Any:
        """Answer with the message that already has the nonce, if the call enforces it, else with that of `create`."""
        body = call.body if isinstance(call.body, Mapping) else {}
        nonce = body.get("nonce")
        if nonce is None or call.method != "POST" or not _CREATE.fullmatch(call.path):
            return create(call)
        now, key = self._clock(), str(nonce)
        self._sent = {one: kept for one, kept in self._sent.items() if now - kept[0] < self._seconds}
        if body.get("enforce_nonce") and key in self._sent:
            return self._sent[key][1]
        message = {**create(call), "nonce": nonce}
        self._sent[key] = now, message
        return message
