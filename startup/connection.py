"""Keeps the bot at Discord: logs in, registers the commands and holds the gateway, however long Discord is away.

discord.py's own `start` gives up where Discord is away at the first try, and sleeps up to 17 minutes between two
tries later. Here a try that fails is repeated after 1, 2, 4 … 60 s; only a refused token or guild ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord.ext import commands
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from core.clock import Clock
from core.delivery.retries import PAUSES, sleep_until_set
from ui.i18n import Text
from ui.messages.discord_refusals import ConnectStep, RetryRule, Verdict, diagnose, ended_there, tried_again

TRY_SECONDS = 60.0
"""How long a log-in, or the opening of the gateway, may take."""
COMMANDS_SECONDS = 30.0
"""How long the gateway waits for the first registration of the commands: those of before work meanwhile."""
REFUSED_SECONDS = 600.0
"""Between two tries at what trying alone does not change: Discord takes back a token that identifies itself more
than 1,000 times a day."""
COMMANDS_RETRY_SECONDS = 3600.0
"""The same for refused commands."""
LONGEST_WAIT = 3600.0
"""Discord's own "try again in …" is heeded up to here."""
STEADY_SECONDS = 60.0
"""A connection that lasted so many seconds was a good one: the next try comes at once."""

STAND_IN = "DISCORD_STAND_IN"
"""The variable without which the addresses of another Discord are refused."""

_AWAY = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)
_TROUBLE = (*_AWAY, TypeError, KeyError, ValueError)
"""With what discord.py stumbles over where what answers is not Discord: it takes the page for JSON."""

_log = logging.getLogger(__name__)


class DiscordRefused(Exception):
    """Discord refuses the token or the guild; its text says so, for the terminal."""


class ConnectAttempts:
    """Counts what failed in a row, says it in the log, and waits."""

    def __init__(self, t: Text, clock: Clock, over: asyncio.Event, step: ConnectStep, lasting: float) -> None:
        self._t, self._clock, self._over, self._step, self._lasting = t, clock, over, step, lasting
        self.failures, self._told = 0, ""

    def succeeded(self) -> None:
        """It worked."""
        self.failures, self._told = 0, ""

    async def failed(self, error: BaseException) -> None:
        """Wait until the next try, or the end. Raises DiscordRefused where there is to be none."""
        _log.debug("a try at Discord failed: %s: %s", type(error).__name__, error)
        verdict = diagnose(self._t, error, self._step)
        if verdict.retry is RetryRule.FINAL:
            raise DiscordRefused(verdict.text) from error
        await self.pause(verdict)

    async def pause(self, verdict: Verdict) -> None:
        """Wait; say why unless it was said often enough."""
        step = PAUSES[min(self.failures, len(PAUSES) - 1)]
        seconds = self._lasting if verdict.retry is RetryRule.LASTING else step
        seconds = max(seconds, min(verdict.wait, LONGEST_WAIT))
        if self.failures < len(PAUSES) or verdict.text != self._told:
            _log.warning("%s", tried_again(self._t, verdict, seconds))
        self.failures, self._told = self.failures + 1, verdict.text
        await sleep_until_set(self._clock, seconds, self._over)


class Connection:
    """One bot's way to Discord. `register` tells Discord the commands; `over` is set when the bot ends."""

    def __init__(
        self,
        client: commands.Bot,
        register: Callable[[], Awaitable[object]],
        t: Text,
        clock: Clock,
        over: asyncio.Event,
    ) -> None:
        self._client, self._register, self._t, self._clock, self._over = client, register, t, clock, over

    async def run(self, token: str) -> None:
        """Until the bot is closed. Raises DiscordRefused."""
        await self._log_in(token)
        tried = asyncio.Event()
        tasks = {asyncio.create_task(self._commands(tried), name="commands")}
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMANDS_SECONDS):
                    await tried.wait()
            tasks.add(holding := asyncio.create_task(self._gateway(), name="gateway"))
            while not holding.done() and not self._over.is_set():
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                tasks -= done - {holding}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _log_in(self, token: str) -> None:
        tries = self._tries(ConnectStep.LOG_IN, REFUSED_SECONDS)
        while not self._over.is_set():
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    await self._client.login(token)
                return
            except _TROUBLE as error:
                # each log-in makes a session of its own, and a closed one takes its connector with it
                await self._client.http.close()
                self._client.http.connector = discord.utils.MISSING
                await tries.failed(error)

    async def _commands(self, tried: asyncio.Event) -> None:
        """Register the commands; `tried` is set when the first try is over.

        Nothing is cancelled here: within the wait for a rate limit that would block discord.py for good.
        """
        tries = self._tries(ConnectStep.COMMANDS, COMMANDS_RETRY_SECONDS)
        while not self._over.is_set():
            try:
                await self._register()
                return
            except _TROUBLE as error:
                trouble = error
            finally:
                tried.set()
            await tries.failed(trouble)

    async def _gateway(self) -> None:
        """What discord.py's Client.connect does, with pauses of at most a minute and without its traceback a try."""
        client, tries = self._client, self._tries(ConnectStep.GATEWAY, REFUSED_SECONDS)
        how: dict[str, Any] = {"initial": True}
        while not (client.is_closed() or self._over.is_set()):
            began = self._clock.monotonic()
            error: BaseException | None = None
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    opened = await DiscordWebSocket.from_client(client, shard_id=client.shard_id, **how)
                client.ws = opened
                while True:
                    await client.ws.poll_event()
            except ReconnectWebSocket as again:
                resumes = again.resume
            except _AWAY as trouble:
                error, resumes = trouble, True
            except Exception:  # noqa: BLE001 - an event that discord.py stumbles over must not end the bot
                _log.exception("an event of Discord could not be taken; what follows it is asked for again")
                resumes, tries.failures = True, max(tries.failures, 1)
                await _hang_up(client.ws)
            if client.is_closed() or self._over.is_set():
                return
            client.dispatch("disconnect")
            how = _how_to_return(client.ws, resumes=resumes) or how
            if self._clock.monotonic() - began >= STEADY_SECONDS:
                tries.succeeded()
            if error is not None:
                await tries.failed(error)
            elif tries.failures:
                await tries.pause(ended_there(self._t))
            else:
                tries.failures = 1  # at once, but not again within a minute

    def _tries(self, step: ConnectStep, lasting: float) -> ConnectAttempts:
        return ConnectAttempts(self._t, self._clock, self._over, step, lasting)


async def _hang_up(socket: DiscordWebSocket | None) -> None:
    """Leave a connection so that its session can be taken up again, which 1000 would end."""
    if socket is not None and socket.open:
        with contextlib.suppress(*_AWAY):
            await socket.close(code=4000)


def _how_to_return(socket: DiscordWebSocket | None, *, resumes: bool) -> dict[str, Any]:
    """How the next connection begins: where the last one ended, or anew; empty if there never was one."""
    if socket is None:
        return {}
    if not (resumes and socket.session_id):
        return {"initial": False}
    return {
        "initial": False,
        "resume": True,
        "session": socket.session_id,
        "sequence": socket.sequence,
        "gateway": socket.gateway,
    }


def use_other_discord(environ: Mapping[str, str]) -> None:
    """For the demo and the tests: another Discord, which must be on this machine. Not a setting.

    Raises SystemExit for one elsewhere, and where STAND_IN does not say that it is meant.
    """
    base, gateway = environ.get("DISCORD_API_BASE"), environ.get("DISCORD_GATEWAY_URL")
    given = [name for name in ("DISCORD_API_BASE", "DISCORD_GATEWAY_URL") if environ.get(name)]
    if given and environ.get(STAND_IN) != "1":
        raise SystemExit(
            f"{' and '.join(given)} would lead the bot to something that is not Discord, and is for tests alone: "
            f"take it out of the environment (or set {STAND_IN}=1 for a test)"
        )
    for url in filter(None, (base, gateway)):
        host = urlsplit(url).hostname or url
        try:
            here = ipaddress.ip_address(host).is_loopback
        except ValueError:  # a name, which may lead anywhere
            here = False
        if not here:
            raise SystemExit(
                f"{host} is not this machine's own address: DISCORD_API_BASE and DISCORD_GATEWAY_URL are for tests"
            )
    if given:
        _log.warning("this is a test: the bot talks to this machine, not to Discord (%s)", ", ".join(given))
    if base:
        discord.http.Route.BASE = base
    if gateway:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
