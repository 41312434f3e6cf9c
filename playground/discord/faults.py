"""Define planned faults, rate limits, and the entries of the journal of requests between a bot and Discord."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One REST request of the bot and its answer.

    `path`: relative to the API base, without query. `body`: the decoded JSON (of a multipart request its
    payload_json), or None. `files`: names of uploaded files.
    `status`: the HTTP status, 0 if the connection was cut instead. `at`: seconds of time.monotonic() at
    arrival.
    """

    method: str
    path: str
    body: Any
    files: tuple[str, ...]
    status: int
    at: float


@dataclass(slots=True)
class PlannedFault:
    """A planned fault for the next `times` requests with a matching method, path and body.

    `method`: "*" for any. `path_part`: text that the path must contain. `holding`: text that the body must contain.
    `status`: of the answer; 0 cuts the connection. `code` and `message`: Discord's JSON error in the answer.
    `retry_after` (seconds), `is_global`: of a 429. `via`: whether the answer has the header Via.
    `seconds`: delay the request by this long, and answer as usual.
    `after`: the request takes effect first, and only its answer is lost, replaced or delayed.
    `hits`: the requests that the fault has affected, as `METHOD path`.
    """

    method: str
    path_part: str
    times: int
    status: int = 0
    retry_after: float | None = None
    seconds: float = 0.0
    is_global: bool = False
    via: bool = True
    after: bool = False
    code: int = 0
    message: str = ""
    holding: str = ""
    page: str = ""
    """Body of the answer instead of Discord's JSON, like a page of Cloudflare. The header Via is left out."""
    kind: str = "text/html"
    """Content type of the page."""
    hits: list[str] = field(default_factory=list)

    @property
    def met(self) -> int:
        """The number of requests that the fault has affected."""
        return len(self.hits)

    def fits(self, method: str, path: str, body: Any = None) -> bool:
        place = self.method in ("*", method) and self.path_part in path
        return len(self.hits) < self.times and place and self.holding in _written(body, self.holding)


def _written(body: Any, wanted: str) -> str:
    """Return the body as text to search in, "" if nothing is searched for."""
    return json.dumps(body, ensure_ascii=False) if wanted else ""


class FaultPlan:
    """The planned faults. The first one planned that fits a request is used."""

    def __init__(self) -> None:
        self.faults: list[PlannedFault] = []

    def add(self, fault: PlannedFault) -> PlannedFault:
        self.faults.append(fault)
        return fault

    def take(self, method: str, path: str, body: Any = None) -> PlannedFault | None:
        for fault in self.faults:
            if fault.fits(method, path, body):
                fault.hits.append(f"{method} {path}")
                return fault
        return None

    def clear(self) -> None:
        self.faults.clear()


@dataclass(frozen=True, slots=True)
class Window:
    """A rate limit: `requests` in `seconds`."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Budget:
    """The rest of one bucket after a request; the source of the X-RateLimit headers. `reset_after`: in seconds."""

    bucket: str
    window: Window
    remaining: int
    reset_after: float
    exceeded: bool

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Bucket": self.bucket,
            "X-RateLimit-Limit": str(self.window.requests),
            "X-RateLimit-Remaining": str(max(0, self.remaining)),
            "X-RateLimit-Reset-After": f"{self.reset_after:.3f}",
            "X-RateLimit-Reset": f"{time.time() + self.reset_after:.3f}",
        }


_SNOWFLAKE = re.compile(r"/\d+")
_TOKEN = re.compile(r"(/webhooks|/interactions)/:id/[^/]+")
_MAJOR = re.compile(r"/(channels|guilds|webhooks)/(\d+)")


class RateLimits:
    """Fixed windows per route and major parameter, counted exactly, so that the headers are always right.

    `windows` maps "METHOD /route/:id" to its window; every other route has `default`. `clock` returns seconds.
    """

    def __init__(
        self, default: Window = Window(50, 1.0), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.default = default
        self.windows: dict[str, Window] = {}
        self._clock = clock
        self._used: dict[tuple[str, str], tuple[float, int]] = {}

    def spend(self, method: str, path: str) -> Budget:
        """Count one request. If the window is used up, nothing is counted and `exceeded` is True."""
        route = f"{method} {route_of(path)}"
        window = self.windows.get(route, self.default)
        key = (route, _major(path))
        now = self._clock()
        start, used = self._used.get(key, (now, 0))
        if now - start >= window.seconds:
            start, used = now, 0
        exceeded = used >= window.requests
        used += 0 if exceeded else 1
        self._used[key] = (start, used)
        bucket = hashlib.sha256(route.encode()).hexdigest()[:32]
        return Budget(
            bucket, window, window.requests - used, max(0.0, start + window.seconds - now), exceeded
        )


def route_of(path: str) -> str:
    """Return the route of a path, with ids and tokens replaced: "/channels/:id/messages/:id"."""
    return _TOKEN.sub(r"\1/:id/:token", _SNOWFLAKE.sub("/:id", path))


def _major(path: str) -> str:
    if path.startswith(("/webhooks/", "/interactions/")):
        return "/".join(path.split("/")[:4])
    found = _MAJOR.match(path)
    return found.group(0) if found else ""
