"""Tell an outside monitor that the bot is alive: one GET of its URL per beat.

The URL is a secret, because everybody who has it can report that the bot is alive. The text of aiohttp's errors
contains the URL, so only a word for the error is logged or shown, and no traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import re
import time
from collections.abc import Callable

import aiohttp
import yarl

SECONDS = 10.0
"""Maximum seconds of a beat."""
REDIRECTS = 3
"""Maximum number of redirects that are followed."""
BODY_MOST, BODY_SECONDS = 2048, 1.0
"""Maximum bytes read of an answer, and maximum seconds to wait for them."""
SENTENCE_MOST = 300
"""Maximum characters of a plain text that is searched for words of a refusal. A longer one counts as accepted."""

_log = logging.getLogger("heartbeat")
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "DNS"),
    (aiohttp.ClientConnectorCertificateError, "certificate"),
    (aiohttp.ClientSSLError, "TLS"),
    (aiohttp.TooManyRedirects, "too many redirects"),
    (aiohttp.RedirectClientError, "redirect"),
    (aiohttp.ClientResponseError, "not HTTP"),
    (aiohttp.ServerDisconnectedError, "disconnected"),
)
"""Names of the errors; the first match counts."""


class Heartbeat:
    """Send beats to a URL, if there is one.

    `error`: why the last beat was not accepted, as a technical word without translation ("HTTP 500",
    "ECONNREFUSED", "timeout"). None if it was accepted, or before the first.
    """

    def __init__(
        self, url: str | None, seconds: float = SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self.error: str | None = None
        self.last_beat: float | None = None
        """Unix seconds of the last accepted beat."""
        self._url = url
        self._seconds = seconds
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def is_enabled(self) -> bool:
        """Whether a monitor is configured."""
        return self._url is not None

    async def beat(self) -> bool:
        """Send a beat and return whether the monitor accepted it.

        Return False without a URL and after `close`, too. Never raises.
        """
        if self._url is None or self._closed:
            return False
        return self._note(await self._fetch(self._url))

    async def close(self) -> None:
        """Send no more beats, and end a running one."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _note(self, reason: str | None) -> bool:
        """Note why a beat was not accepted (None: it was), and return whether it was accepted.

        The first of several failures is logged, and the first success after them.
        """
        if self._closed:  # closed during the beat: not the monitor's fault
            return False
        if reason and not self.error:
            _log.warning("the heartbeat was not accepted: %s", reason)
        elif self.error and not reason:
            _log.info("the heartbeat is accepted again")
        self.error = reason
        if reason is None:
            self.last_beat = self._clock()
        return reason is None

    async def _fetch(self, url: str) -> str | None:
        """Send the GET and return why it failed, None if it succeeded.

        Only the beginning of the body is read; then the connection is closed.
        """
        try:
            async with self._opened().get(
                yarl.URL(url, encoded=True),  # as it was given, not as yarl would write it
                max_redirects=REDIRECTS + 1,  # aiohttp refuses the last of them
            ) as response:
                if response.status >= 400:
                    return f"HTTP {response.status}"
                return _refusal_in(await _beginning(response.content))
        except Exception as error:  # noqa: BLE001 - a broken monitor must not stop the bot
            return _word(error)

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session. It is made on first use, because it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
                trust_env=False,  # no proxy and no .netrc: the request goes to the URL itself
            )
        return self._session


def _word(error: Exception) -> str:
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, type(error).__name__)


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """Return the part of the body that arrives in time. An incomplete body does not make the beat fail."""
    body = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) < BODY_MOST and (part := await content.read(BODY_MOST - len(body))):
                body += part
    return body


_PAGE = re.compile(r"\s*(?:<!doctype html|<html|<head|<body)\b", re.IGNORECASE)
_NO = re.compile(r"\s*(?:error|fail(?:ed|ure)?|nok|ko|not ok|unauthori[sz]ed|forbidden)\b", re.IGNORECASE)
_CAVEAT = re.compile(r"\s*ok\s*\((?P<why>.*)\)\s*", re.IGNORECASE | re.DOTALL)
_REFUSALS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\bnot[ _-]?found\b|\bdoes not exist\b|\bunknown (?:check|monitor)\b", re.IGNORECASE),
        "not found",
    ),
    (
        re.compile(
            r"\b(?:invalid|wrong|expired|unknown) (?:\w+ )?(?:token|key|id|uuid|url)\b", re.IGNORECASE
        ),
        "not found",
    ),
    (re.compile(r"\brate[ _-]?limit|\btoo many requests\b", re.IGNORECASE), "rate limited"),
    (re.compile(r"\b(?:not active|inactive|paused|disabled)\b", re.IGNORECASE), "not active"),
)
"""Phrases with which a service refuses a beat in spite of a good status, and the reason to report."""


def _refusal_in(body: bytes) -> str | None:
    """Return why a service refused the beat in spite of a good status, None if its answer does not say so.

    These are refusals; any other answer counts as accepted:

    - `OK (…)`: healthchecks.io answers `OK (not found)` for a deleted check, and `OK (rate limited)`;
    - a JSON object that reports a failure, such as `{"ok":false,"msg":"…"}` of Uptime Kuma;
    - an HTML page: Uptime Kuma answers its own at an address that is not the push monitor's;
    - a text that begins with a word such as `error`, or contains a phrase of `_REFUSALS`.
    """
    text = body.decode("utf-8", "replace").strip()
    answer = _object(text)
    if answer is not None:
        return (_named(text) or "not taken") if _is_failure(answer) else None
    if _PAGE.match(text):
        return "page"
    if len(text) > SENTENCE_MOST:
        return None
    caveat = _CAVEAT.fullmatch(text)
    refused = _NO.match(text) or (caveat and caveat["why"].strip())
    return _named(text) or ("not taken" if refused else None)


def _is_failure(answer: dict[str, object]) -> bool:
    for key in ("ok", "success"):
        if key in answer:
            return answer[key] in (False, None) or str(answer[key]).lower() in ("false", "no", "0")
    words = (answer.get(key) for key in ("status", "result", "state"))
    return any(isinstance(word, str) and _NO.match(word) for word in words) or bool(answer.get("error"))


def _object(text: str) -> dict[str, object] | None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _named(text: str) -> str | None:
    return next((word for pattern, word in _REFUSALS if pattern.search(text)), None)
