"""Answer the requests of the panel beside the channels: for its files, its state, and the wishes of a visitor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import simcord
from aiohttp import web

from playground.discord.server import DiscordServer
from playground.panel.page import DemoGuild
from playground.panel.seen import Seen
from playground.panel.steps import STEPS, Guide, TourStep
from playground.panel.words import BREAKAGES, LABELS

HERE = Path(__file__).parent
_TYPES = {"/demo.js": "application/javascript", "/demo.css": "text/css"}
_MOST_BODY = 1024  # bytes
_LOOK_EVERY = 0.25
"""Seconds between two checks of a step that the panel does for a visitor."""
LANGUAGES = ("ja", "en")
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ClusterState:
    """The state of the cluster, as it last reported it."""

    broken: frozenset[str] = frozenset()
    by_itself: bool = True

    def hear(self, told: str) -> None:
        """Take a report of the cluster, as JSON (playground/cluster/orders.py)."""
        state = json.loads(told)
        self.broken, self.by_itself = frozenset(state["broken"]), state["by_itself"]


@dataclass(slots=True)
class Panel:
    """The panel of one run of the demo.

    `run`: grows with each reset. `order` sends an order to the cluster. `reset` is called with the language to start
    again in.
    """

    server: DiscordServer
    guild: DemoGuild
    site: str
    """The name of the first site; "" if there is only one."""
    run: int
    cluster: ClusterState
    order: Callable[[dict[str, object]], None]
    reset: Callable[[str], None]
    files: tuple[str, ...] = tuple(_TYPES)
    patience: float = 30.0
    """Seconds that a step may take when it is done for a visitor."""
    _done: set[str] = field(default_factory=set)
    _acting: asyncio.Task[None] | None = None
    _failed: bool = False
    _resetting: bool = False
    _seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        self._seen = Seen(self.server, self.guild)

    async def answer(self, request: web.BaseRequest, *, trusted: bool) -> web.Response | None:
        """Answer a request for the panel; None for any other.

        `trusted`: the request comes from a page with the secret.
        """
        if request.path in _TYPES and request.method == "GET":
            return web.Response(
                text=(HERE / request.path[1:]).read_text("utf-8"), content_type=_TYPES[request.path]
            )
        if not request.path.startswith("/demo/"):
            return None
        if not trusted:
            return _json_answer(401, error="unauthorized")
        if request.path == "/demo/state" and request.method == "GET":
            return _json_answer(200, **self.state())
        if request.method != "POST":
            return _json_answer(405, error="method")
        wish = self._wishes().get(request.path.removeprefix("/demo/"))
        if wish is None:
            return _json_answer(404, error="unknown")
        try:
            wish(await _body(request))
        except (KeyError, TypeError, ValueError):
            return _json_answer(400, error="unknown")
        return _json_answer(200, **self.state())

    def state(self) -> dict[str, Any]:
        """Return everything that the panel shows."""
        self._look()
        say = self.guild.language
        site = f" site:{self.site}" if self.site else ""
        return {
            "run": self.run,
            "language": say,
            "labels": {name: words[say] for name, words in LABELS.items()},
            "steps": [
                {
                    "key": step.key,
                    "title": step.title[say],
                    "text": step.text[say].format(site=site),
                    "place": step.place,
                    "viewer": str(getattr(self.guild, step.who).id),
                    "done": step.key in self._done,
                }
                for step in STEPS
            ],
            "begun": self._seen.begun,
            "acting": self._acting is not None and not self._acting.done(),
            "failed": self._failed,
            "breakages": [
                {
                    "name": name,
                    "title": words.title[say],
                    "sight": words.sight[say],
                    "broken": name in self.cluster.broken,
                }
                for name, words in BREAKAGES.items()
            ],
            "byItself": self.cluster.by_itself,
            "resetting": self._resetting,
        }

    async def close(self) -> None:
        """Stop the step that is being done for a visitor."""
        if self._acting is not None:
            self._acting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._acting

    def _look(self) -> None:
        """Note the steps that are done. A step that was done once stays done."""
        for step in STEPS:
            if step.key not in self._done and step.is_done(self._seen):
                self._done.add(step.key)
                self._failed = False

    # ------------------------------------------------------------------ wishes

    def _wishes(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        return {
            "begin": self._begin,
            "act": self._act,
            "skip": lambda body: self._done.add(_step(body).key),
            "break": lambda body: self.order({"break": _breakage(body)}),
            "mend": lambda body: self.order({"mend": _breakage(body)}),
            "by-itself": lambda body: self.order({"by_itself": _flag(body)}),
            "reset": self._reset,
        }

    def _begin(self, _body: dict[str, Any]) -> None:
        """Begin the tour, or go on with it. Meanwhile nothing happens by itself."""
        self._seen.begin()
        self.order({"by_itself": False})

    def _act(self, body: dict[str, Any]) -> None:
        """Do a step for the visitor. Do nothing if the step is done already, or if any step is under way."""
        step = _step(body)
        if step.key in self._done or (self._acting is not None and not self._acting.done()):
            return
        self._failed = False
        self._acting = asyncio.create_task(self._do(step))

    async def _do(self, step: TourStep) -> None:
        """Do a step and wait until it is done, so that an impatient press asks for nothing twice."""
        guide = Guide(
            self.server, self.guild, self._seen, self.site, lambda name: self.order({"break": name})
        )
        try:
            async with asyncio.timeout(self.patience):
                await step.act(guide)
                while step.key not in self._done:
                    await asyncio.sleep(_LOOK_EVERY)
                    self._look()
        except (LookupError, TimeoutError, simcord.SetupError) as error:
            logger.info("step %s: %r", step.key, error)
            self._failed = True
        except Exception:  # the visitor can go on, whatever it is, and the demo ends as usual
            logger.exception("step %s", step.key)
            self._failed = True

    def _reset(self, body: dict[str, Any]) -> None:
        """Start everything again. Further presses do nothing."""
        language = body.get("language", self.guild.language)
        if language not in LANGUAGES:
            raise ValueError(language)
        if not self._resetting:
            self._resetting = True
            self.reset(language)


def _step(body: dict[str, Any]) -> TourStep:
    return {step.key: step for step in STEPS}[body["step"]]


def _breakage(body: dict[str, Any]) -> str:
    if body["name"] not in BREAKAGES:
        raise KeyError(body["name"])
    return str(body["name"])


def _flag(body: dict[str, Any]) -> bool:
    if not isinstance(body["on"], bool):
        raise TypeError(body["on"])
    return body["on"]


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    """Return the JSON object that was sent.

    Raises: ValueError, if the body is something else or too long.
    """
    raw = await request.read()
    value = json.loads(raw) if 0 < len(raw) <= _MOST_BODY else None
    if not isinstance(value, dict):
        raise ValueError("an object is needed")  # noqa: TRY004 - one kind of error for all bad bodies
    return value


def _json_answer(status: int, **values: Any) -> web.Response:
    return web.json_response(values, status=status)
