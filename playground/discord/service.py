"""Run the sockets of the demo Discord: lifecycle, waiting, time limits, faults.

The world behind the sockets is playground/discord/world.py. playground/discord/server.py acts in it as a person.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import discord
from aiohttp import web

from playground.discord.contract import Contract
from playground.discord.faults import PlannedFault, RateLimits, Request
from playground.discord.gateway import Gateway, Session
from playground.discord.nonces import Nonces
from playground.discord.people import Person
from playground.discord.posts import SeenMessage
from playground.discord.rest import PREFIX, Call, Rest, json_answer
from playground.discord.world import Press, World

T = TypeVar("T")
_AUTOCOMPLETE_RESULT = 8


class DiscordService:
    """REST and gateway on 127.0.0.1 in front of a World.

    `contract` (or the environment variable DISCORD_CONTRACT) names Discord's OpenAPI file. With it every
    request body is checked against its schema. All breaches are listed in `violations`.
    """

    def __init__(
        self, *, bot_name: str = "Proxmox", port: int = 0, contract: str | Path | None = None
    ) -> None:
        self._port, self._change = port, asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._opened_at: dict[int, float] = {}
        self.people: dict[int, Person] = {}
        """The acting people by user id; each press is sent with their language."""
        self.ack_seconds: dict[int, float] = {}
        """Seconds that the bot took to acknowledge a press, by the id of the interaction."""
        self.ack_limit = 3.0
        """Seconds that the bot has to acknowledge a press; a later acknowledgement gets 404, code 10062."""
        self.token_limit = 15 * 60.0
        """Seconds that the token of a press lives; later edits and followups get 404, code 10015."""
        self.answer_wait = 10.0
        """Seconds that `slash`, `click` and the like wait for the answer to a deferred press."""
        self.approved_intents = discord.Intents.none()
        """Privileged intents granted in the (imagined) developer portal; others are refused with 4014."""
        self.message_version = 0
        """Grows with every request of the bot that may change what people see."""
        self.world = World(self, bot_name)
        self._nonces = Nonces()
        self.token = _made_up_token(self.world.bot_id)
        self.rest = Rest(lambda: self.token, self._answer, self._done)
        self.gateway = Gateway(self, self._notify)
        file = contract or os.environ.get("DISCORD_CONTRACT")
        self.rest.contract = Contract(file) if file else None
        self.world.listen(self._broadcast)

    # ------------------------------------------------------------------ running

    async def start(self) -> None:
        """Listen on 127.0.0.1.

        Raises: OSError if the port is taken.
        """
        app = web.Application(client_max_size=32 << 20)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get(f"{PREFIX}/gateway", self._gateway_address)
        app.router.add_get(f"{PREFIX}/gateway/bot", self._gateway_address)
        app.router.add_route("*", PREFIX + "/{tail:.*}", self.rest.handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the pages, the sockets and the port."""
        await self.world.close()
        self.gateway.closed = True
        await self.gateway.drop(1001)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def api_base(self) -> str:
        """For DISCORD_API_BASE, for example http://127.0.0.1:4711/api/v10."""
        return f"http://127.0.0.1:{self._port}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        """For DISCORD_GATEWAY_URL, for example ws://127.0.0.1:4711/gateway."""
        return f"ws://127.0.0.1:{self._port}/gateway"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead a bot here instead of to Discord."""
        return {
            "DISCORD_TOKEN": self.token,
            "DISCORD_API_BASE": self.api_base,
            "DISCORD_GATEWAY_URL": self.gateway_url,
            "DISCORD_STAND_IN": "1",
        }

    # ------------------------------------------------------------------ waiting

    def _notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    async def wait_until(
        self, condition: Callable[[], T], timeout: float | None = 60.0, what: str = "the condition"
    ) -> T:
        """Return the first true value of `condition`.

        It is checked at once, and after each request, connection, disconnection and presence of the bot.
        `timeout`: seconds; None waits for ever.
        Raises: TimeoutError, with the latest requests in its message.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not (value := condition()):
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                latest = "\n".join(f"  {c.method} {c.path} -> {c.status}" for c in self.journal[-8:])
                raise TimeoutError(f"not within {timeout} s: {what}; latest requests:\n{latest}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._change.wait(), left)
        return value

    async def wait_ready(self, timeout: float = 20.0, *, commands: bool = True) -> None:
        """Wait until a bot is connected and, with `commands`, has registered some. Raises: TimeoutError."""
        await self.wait_until(
            lambda: self.gateway.connected and (not commands or self.world.has_commands),
            timeout,
            "a connected bot with its commands registered",
        )

    def opened(self, record: Press) -> None:
        """Start the time limits of a press that is about to be sent."""
        self.world.limit(record, ack=self.ack_limit, token=self.token_limit)
        self._opened_at[record.id] = time.monotonic()

    async def answered(self, record: Press) -> None:
        """Wait at most `ack_limit` for an acknowledgement, then at most `answer_wait` for the answer."""

        def complete() -> bool:
            return not record.loading or self.find(record.channel_id, record.message_id) is None

        with contextlib.suppress(TimeoutError):
            await self.wait_until(lambda: record.responded, self.ack_limit)
            await self.wait_until(complete, self.answer_wait)

    # ------------------------------------------------------------------ watching

    def find(self, channel_id: int, message_id: int | None) -> SeenMessage | None:
        """Return a message by its id, whoever may see it; None if there is none (any more)."""
        return self.world.find(channel_id, message_id)

    @property
    def journal(self) -> list[Request]:
        """The last 20,000 REST requests of the bot, oldest first."""
        return self.rest.journal

    def requests(self, method: str, path_part: str = "") -> list[Request]:
        """Return the journal's requests with this method ("*" for any) and this text in their path."""
        return [r for r in self.journal if method in ("*", r.method) and path_part in r.path]

    @property
    def violations(self) -> list[str]:
        """The breaches by requests, as "METHOD path: what".

        They concern the limits of limits.py, Discord's schema (with a contract), and requests that the World refuses
        with 400, does not know (501) or does not understand (500).
        """
        return self.rest.violations

    # ------------------------------------------------------------------ breaking

    @property
    def limits(self) -> RateLimits:
        """The rate limits. `limits.windows` has those that differ from the default."""
        return self.rest.limits

    def fail(
        self,
        method: str,
        path_part: str,
        status: int,
        times: int = 1,
        *,
        retry_after: float | None = None,
        is_global: bool = False,
        via: bool = True,
        after: bool = False,
        code: int = 0,
        message: str = "",
        page: str = "",
        kind: str = "text/html",
    ) -> PlannedFault:
        """Answer the next `times` matching requests with an error. `method` may be "*".

        429 sends `retry_after` (0.3 by default); without `via` it looks like a ban. With `after` the request
        takes effect all the same. `code` and `message` are Discord's, for example 30046. `page` is the answer
        of a proxy in front of Discord, with `kind` as its content type.
        """
        fault = PlannedFault(
            method,
            path_part,
            times,
            status,
            retry_after,
            is_global=is_global,
            via=via,
            after=after,
            code=code,
            message=message,
            page=page,
            kind=kind,
        )
        return self.rest.faults.add(fault)

    def block(
        self,
        text: str,
        code: int = 240000,
        message: str = "Message blocked by harmful links filter",
        *,
        status: int = 400,
        path_part: str = "",
    ) -> PlannedFault:
        """Refuse every request whose body contains this text, as the link filter or AutoMod (200000) does."""
        fault = PlannedFault("*", path_part, 1_000_000, status, code=code, message=message, holding=text)
        return self.rest.faults.add(fault)

    def reset(self, method: str, path_part: str, times: int = 1, *, after: bool = False) -> PlannedFault:
        """Cut the TCP connection instead of answering. With `after` the request takes effect all the same."""
        return self.rest.faults.add(PlannedFault(method, path_part, times, after=after))

    def delay(
        self, method: str, path_part: str, seconds: float, times: int = 1, *, after: bool = False
    ) -> PlannedFault:
        """Delay matching requests before they take effect. With `after` only their answer is late."""
        return self.rest.faults.add(PlannedFault(method, path_part, times, seconds=seconds, after=after))

    def forget_nonces(self) -> None:
        """Let a message with a known nonce count as new, as after some minutes."""
        self._nonces.forget()

    async def drop_gateway(self, code: int | None = 4000) -> None:
        """Close the websocket; None cuts the connection (1006). The bot is expected to RESUME."""
        await self.gateway.drop(code)

    async def invalidate_session(self, *, resumable: bool = False) -> None:
        """Send opcode 9. Unless `resumable`, the bot must IDENTIFY again, and events it missed are lost."""
        await self.gateway.invalidate(resumable=resumable)

    @contextlib.asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Take Discord down: REST answers 503, and the gateway closes and refuses connections.

        A press meanwhile reaches the bot when it resumes.
        """
        self.rest.down = self.gateway.closed = True
        await self.gateway.drop(1001)
        try:
            yield
        finally:
            self.rest.down = self.gateway.closed = False
            self._notify()

    # ------------------------------------------------------------------ the bot's side

    def _answer(self, call: Call) -> Any:
        result = self._nonces.answer(call, self.world.answer)
        if call.path.startswith("/interactions/"):
            interaction_id = int(call.path.split("/")[2])
            self.ack_seconds[interaction_id] = time.monotonic() - self._opened_at[interaction_id]
        return result

    def _done(self, request: Request) -> None:
        body = request.body if isinstance(request.body, Mapping) else {}
        completes = request.path.endswith("/callback") and body.get("type") == _AUTOCOMPLETE_RESULT
        if request.method != "GET" and 200 <= request.status < 300 and not completes:
            self.message_version += 1
        self._notify()

    async def _gateway_address(self, _request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return json_answer(200, {"url": self.gateway_url, "shards": 1, "session_start_limit": limit})

    def _broadcast(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "INTERACTION_CREATE":
            user = (payload.get("member") or payload).get("user") or {}
            person = self.people.get(int(user.get("id") or 0))
            guild_locale = self.world.locale_of(int(payload.get("guild_id") or 0))
            payload = {**payload, "locale": person.locale if person else "en-US"}
            if guild_locale is not None:
                payload["guild_locale"] = guild_locale
        self.gateway.broadcast(event, payload)

    def identified(self, session: Session, intents: int) -> int | None:
        return self.world.identify(session, intents, self.approved_intents, self.gateway_url)


def _made_up_token(bot_id: int) -> str:
    """Return a token in Discord's form (id, time, signature) that is valid for this server only."""
    owner = base64.b64encode(str(bot_id).encode()).decode().rstrip("=")
    return f"{owner}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(20)}"
