"""Keep the bot connected to Discord, however long Discord is away.

It logs in, registers the commands and holds the gateway. discord.py's own `start` gives up if Discord is away
at the first attempt, and later sleeps up to 17 minutes between two attempts. Here a failed attempt is repeated
after 1, 2, 4 … 60 s, or later if Discord asks for it or only a change elsewhere can help. The attempts end if Discord
refuses the token, or if it refuses the guild before the commands were ever registered.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord.ext import commands
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from core.clock import Clock
from core.delivery.outbox import PAUSES, sleep_until_set
from ui.i18n import Text
from ui.messages.discord_refusals import (
    ConnectStep,
    Diagnosis,
    RetryRule,
    closed_by_bot,
    closed_by_discord,
    diagnose,
    tried_again,
    works_again,
)

TRY_SECONDS = 60.0
"""Seconds that a log-in, or opening the gateway, may take."""
COMMANDS_SECONDS = 30.0
"""Maximum seconds for which the first attempt to register the commands delays the gateway.

If it takes longer, the commands of an earlier run work meanwhile.
"""
REFUSED_SECONDS = 600.0
"""Seconds between two attempts to open the gateway when only a change elsewhere can help.

Discord resets the token of a bot that identifies itself more than 1,000 times a day.
"""
COMMANDS_RETRY_SECONDS = 3600.0
"""Seconds between two attempts to register refused commands."""
LONGEST_WAIT = 3600.0
"""Maximum seconds to wait because an answer asks for it."""
CAUSES_MOST = 10
"""Number of the latest causes that are not logged again. An older one is logged once more."""
STEADY_SECONDS = 60.0
"""Seconds after which an open connection counts as good: failures before it then no longer lengthen the pauses."""

STAND_IN = "DISCORD_STAND_IN"
"""The environment variable that must be 1 before the addresses of another Discord are accepted."""

_AWAY = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)
_TROUBLE = (*_AWAY, TypeError, KeyError, ValueError)
"""Includes the errors that discord.py raises when it takes a proxy's page for Discord's JSON."""

_log = logging.getLogger(__name__)


class DiscordRefused(Exception):
    """Discord refuses the token or the guild. The text says so, for the terminal."""


class ConnectAttempts:
    """Count the failures in a row, and wait between attempts. Log each cause once, and the end of the problem once.

    `over`: is set when the bot ends. `step`: the work that is attempted.
    `lasting`: seconds between two attempts when only a change elsewhere can help.
    """

    def __init__(self, t: Text, clock: Clock, over: asyncio.Event, step: ConnectStep, lasting: float) -> None:
        self._t, self._clock, self._over, self._step, self._lasting = t, clock, over, step, lasting
        self.failures, self._since = 0, 0.0
        self._told = list[str]()
        """The causes that were logged since the last success, in order."""
        self._is_solved = True
        """Whether the end of the last problem is logged, or there was none."""

    def works(self) -> None:
        """Log that the problem is over. Its causes are not logged again before `succeeded`."""
        if not self._is_solved:
            seconds = self._clock.monotonic() - self._since
            _log.warning("%s", works_again(self._t, self._told[-1], seconds))
        self._is_solved = True

    def succeeded(self) -> None:
        """Start counting anew after a success."""
        self.works()
        self.failures, self._told = 0, []

    async def failed(self, error: BaseException) -> None:
        """Wait until the next attempt, or the end of the bot.

        Raises: DiscordRefused if another attempt is useless.
        """
        _log.debug("an attempt to reach Discord failed: %s: %s", type(error).__name__, error)
        diagnosis = diagnose(self._t, error, self._step)
        if diagnosis.retry is RetryRule.FINAL:
            raise DiscordRefused(diagnosis.text) from error
        await self.pause(diagnosis)

    async def pause(self, diagnosis: Diagnosis) -> None:
        """Wait until the next attempt, or the end of the bot. Log the cause unless it is logged already."""
        step = PAUSES[min(self.failures, len(PAUSES) - 1)]
        seconds = self._lasting if diagnosis.retry is RetryRule.LASTING else step
        seconds = max(seconds, min(diagnosis.wait, LONGEST_WAIT))
        if diagnosis.text not in self._told:
            _log.warning("%s", tried_again(self._t, diagnosis, seconds))
            self._told = [*self._told[1 - CAUSES_MOST :], diagnosis.text]
            if self._is_solved:
                self._since, self._is_solved = self._clock.monotonic(), False
        self.failures += 1
        await sleep_until_set(self._clock, seconds, self._over)


class Connection:
    """The connection of one bot. `register`: sends the commands to Discord. `over`: is set when the bot ends."""

    def __init__(
        self,
        client: commands.Bot,
        register: Callable[[], Awaitable[object]],
        t: Text,
        clock: Clock,
        over: asyncio.Event,
    ) -> None:
        self._client, self._register, self._t, self._clock, self._over = client, register, t, clock, over
        self._again = asyncio.Event()
        """Set when the commands are to be registered once more."""

    def register_again(self) -> None:
        """Register the commands once more, because Discord has forgotten them."""
        self._again.set()

    async def run(self, token: str) -> None:
        """Stay connected until the bot is closed.

        Raises: DiscordRefused.
        """
        await self._log_in(token)
        tried = asyncio.Event()
        tasks = {asyncio.create_task(self._commands(tried), name="commands")}
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMANDS_SECONDS):
                    await tried.wait()
            tasks.add(gateway := asyncio.create_task(self._gateway(), name="gateway"))
            while not gateway.done() and not self._over.is_set():
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                tasks -= done - {gateway}
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
                tries.succeeded()
                return
            except _TROUBLE as error:
                # each log-in opens a new session, and a closed one closes its connector too
                await self._client.http.close()
                self._client.http.connector = discord.utils.MISSING
                await tries.failed(error)

    async def _commands(self, tried: asyncio.Event) -> None:
        """Register the commands, and once more after each `register_again`. `tried` is set after the first attempt.

        No attempt has a deadline: a cancelled wait for a rate limit would block discord.py for good.
        Raises: DiscordRefused, if no registration has succeeded yet. A later refusal is only logged.
        """
        tries, registered = self._tries(ConnectStep.COMMANDS, COMMANDS_RETRY_SECONDS), False
        while not self._over.is_set():
            self._again.clear()
            trouble: BaseException | None = None
            try:
                await self._register()
            except _TROUBLE as error:
                trouble = error
            finally:
                tried.set()
            if trouble is None:
                registered = True
                tries.succeeded()
                await self._again.wait()
                continue
            try:
                await tries.failed(trouble)
            except DiscordRefused as refused:
                if not registered:
                    raise
                # the bot was removed from the guild again, or invited without applications.commands
                _log.error("%s", refused)
                await self._again.wait()

    async def _gateway(self) -> None:
        """Do the work of discord.py's Client.connect, with the pauses and the log of `ConnectAttempts`.

        Raises: DiscordRefused.
        """
        client, tries = self._client, self._tries(ConnectStep.GATEWAY, REFUSED_SECONDS)
        how: dict[str, Any] = {"initial": True}
        while not (client.is_closed() or self._over.is_set()):
            opened_at = math.inf
            error: BaseException | None = None
            why_closed = closed_by_discord(self._t)
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    opened = await DiscordWebSocket.from_client(client, shard_id=client.shard_id, **how)
                client.ws, opened_at = opened, self._clock.monotonic()
                while True:
                    await client.ws.poll_event()
                    if client.ws.session_id is not None:
                        tries.works()
            except ReconnectWebSocket as again:
                resumes = again.resume
            except _AWAY as trouble:
                error, resumes = trouble, True
            except Exception:  # noqa: BLE001 - an event that discord.py cannot handle must not end the bot
                _log.exception(
                    "an event from Discord could not be handled; reconnecting to receive the next ones"
                )
                why_closed, resumes, tries.failures = closed_by_bot(self._t), True, max(tries.failures, 1)
                await _close_for_resume(client.ws)
            if client.is_closed() or self._over.is_set():
                return
            client.dispatch("disconnect")
            how = _how_to_return(client.ws, resumes=resumes) or how
            if self._clock.monotonic() - opened_at >= STEADY_SECONDS:
                tries.succeeded()
            if error is not None:
                await tries.failed(error)
            elif tries.failures:
                await tries.pause(why_closed)
            else:
                # reconnect at once, but pause if the next connection is lost within STEADY_SECONDS
                tries.failures = 1

    def _tries(self, step: ConnectStep, lasting: float) -> ConnectAttempts:
        return ConnectAttempts(self._t, self._clock, self._over, step, lasting)


async def _close_for_resume(socket: DiscordWebSocket | None) -> None:
    """Close a connection with a code that lets its session be resumed. Code 1000 would end the session."""
    if socket is not None and socket.open:
        with contextlib.suppress(*_AWAY):
            await socket.close(code=4000)


def _how_to_return(socket: DiscordWebSocket | None, *, resumes: bool) -> dict[str, Any]:
    """Return the arguments of the next connection: resume the session, or start a new one.

    They are empty while there was no connection yet.
    """
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
    """Use the Discord that DISCORD_API_BASE and DISCORD_GATEWAY_URL name, if any, for the demo and the tests.

    Raises: SystemExit if one is named and `STAND_IN` is not 1, or if an address is not a loopback IP address (a
        name is refused, too).
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
        except ValueError:  # a name may lead anywhere
            here = False
        if not here:
            raise SystemExit(
                f"{host} is not a loopback IP address: DISCORD_API_BASE and DISCORD_GATEWAY_URL are for tests"
            )
    if given:
        _log.warning("this is a test: the bot talks to this machine, not to Discord (%s)", ", ".join(given))
    if base:
        discord.http.Route.BASE = base
    if gateway:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
