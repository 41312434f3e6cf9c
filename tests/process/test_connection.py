"""Test refusals and silence of Discord: the watch goes on, the bot tries again, and each reason is one sentence."""

from __future__ import annotations

import errno
import re
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import discord
import pytest
from aiohttp.client_reqrep import ConnectionKey

from playground.discord.faults import Request
from playground.discord.gateway import Op
from tests.support.home_guild import PATIENCE
from tests.support.process_stage import INTERVAL, SOON, ProcessStage, process_stage
from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.discord_refusals import ConnectStep, RetryRule, diagnose

BAN = "<!doctype html><title>Access denied</title><h1>Error 1015</h1>You are being rate limited"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


async def watching(stage: ProcessStage) -> None:
    """Launch a bot that watches 101, and wait until it knows the guest."""
    await stage.launch(MONITOR_VM_IDS="101", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.until(
        lambda: (stage.directory / "journal.db").exists() and stage.reads(), "a poll", alive=True
    )
    await stage.first_poll()


async def back(stage: ProcessStage) -> None:
    await stage.until(lambda: stage.server.gateway.connected, "Discord to be tried again", alive=True)


# ---------------------------------------------------------------------- away


async def test_the_watch_does_not_wait_for_discord(stage: ProcessStage) -> None:
    """A stop that happened while Discord was away from the start is reported once Discord is back."""

    def refused() -> list[Request]:
        return [each for each in stage.server.requests("GET", "/users/@me") if each.status == 503]

    async with stage.server.outage():
        await watching(stage)
        stage.pve.crash(101)
        await stage.polled()
        await stage.polled()
        assert stage.alerts_told() == []
        await stage.until(lambda: len(refused()) >= 3, "more attempts", alive=True)
    await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
    assert len(stage.alerts_told()) == 1
    await back(stage)
    await (await stage.say(stage.akiko, "list")).until("palworld")
    lost, found = (
        line for line in stage.bot.output().splitlines() if "has a problem right now (503)" in line
    )
    assert "Further attempts are not logged." in lost
    assert "Discord works again after" in found
    assert len(stage.server.requests("PUT", "/commands")) == 1


async def test_nobody_listens_at_the_start(stage: ProcessStage) -> None:
    await stage.launch(DISCORD_API_BASE="http://127.0.0.1:9/api/v10", MONITOR_VM_IDS="101")
    await stage.until(lambda: "ECONNREFUSED" in stage.bot.output() and stage.reads(), "a try", alive=True)
    assert "Cannot reach Discord (ECONNREFUSED). The token is not the cause." in stage.bot.output()
    await stage.until(stage.reads, "the first poll", alive=True)


async def test_the_gateway_refuses_the_first_connections(stage: ProcessStage) -> None:
    """REST answers meanwhile, so alerts get through."""
    stage.server.gateway.closed = True
    await watching(stage)
    stage.pve.crash(101)
    await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
    stage.server.gateway.closed = False
    await back(stage)
    await (await stage.say(stage.akiko, "list")).until("palworld")


@pytest.mark.parametrize(
    ("where", "number"),
    [("log-in", signal.SIGTERM), ("gateway", signal.SIGINT), ("refused", signal.SIGTERM)],
)
async def test_a_signal_ends_the_waiting_at_once(
    stage: ProcessStage, where: str, number: signal.Signals
) -> None:
    if where == "log-in":
        stage.server.rest.down = True
    elif where == "gateway":
        stage.server.gateway.closed = True
    else:
        stage.server.gateway.refuses = 4014
    bot = await stage.launch()
    await stage.until(lambda: "Retrying in" in bot.output(), "a first try", alive=True)
    code, seconds = await bot.end(number)
    assert (code, seconds < SOON) == (0, True), seconds


# ---------------------------------------------------------------------- refused


async def test_a_token_reset_while_running_ends_it_with_a_sentence(stage: ProcessStage) -> None:
    await stage.start()
    stage.server.gateway.refuses = 4004
    await stage.server.drop_gateway(4000)
    assert await stage.bot.wait() == 1
    assert "close code 4004" in stage.bot.output().splitlines()[-1]


@pytest.mark.parametrize("code", [4010, 4014])
async def test_other_refusals_of_the_gateway_leave_the_watch_at_work(stage: ProcessStage, code: int) -> None:
    """The bot tries again only from time to time, because Discord counts each attempt."""
    stage.server.gateway.refuses = code
    await watching(stage)
    await stage.until(lambda: f"close code {code}" in stage.bot.output(), "the sentence", alive=True)
    stage.pve.crash(101)
    await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
    lines = [line for line in stage.bot.output().splitlines() if f"close code {code}" in line]
    assert len(lines) == 1
    assert "600 s" in lines[0]


async def test_commands_that_cannot_be_registered_are_explained_in_a_sentence(stage: ProcessStage) -> None:
    """The commands registered at the first start still work."""
    await stage.start()
    for status, code, words in (
        (400, 30034, "The daily limit for new Discord commands is reached (30034"),
        (400, 50035, "Discord does not accept the bot's commands (400, 50035"),
        (503, 0, "Discord has a problem right now (503)"),
    ):
        await stage.bot.end()
        await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
        stage.server.fail("PUT", "/commands", status, code=code, message="Invalid Form Body")
        await stage.launch()
        await back(stage)
        await stage.until(lambda words=words: words in stage.bot.output(), words, alive=True)  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
        await (await stage.say(stage.akiko, "list")).until("palworld")


async def test_a_guild_that_discord_does_not_know_is_explained_in_a_sentence(stage: ProcessStage) -> None:
    stage.server.fail("PUT", "/commands", 403, code=50001, message="Missing Access")
    bot = await stage.launch()
    assert await bot.wait() == 1
    assert "Check GUILD_ID" in bot.output().splitlines()[-1]


@pytest.mark.parametrize(
    ("status", "page", "words"),
    [
        (
            429,
            BAN,
            "Cloudflare in front of Discord is temporarily blocking this machine's IP address (429)",
        ),
        (403, BAN, "is blocking this machine (403)"),
        (407, "<p>Log in", "is blocking this machine (407)"),
        (503, BAN, "has a problem right now (503)"),
        (200, "<title>Hotel WLAN</title>", "Something other than Discord answered"),
        (403, "", "Discord refused the login (403"),
    ],
)
async def test_answers_of_a_server_in_front_of_discord_are_explained(
    stage: ProcessStage, status: int, page: str, words: str
) -> None:
    stage.server.fail("GET", "/users/@me", status, 2, page=page)
    await watching(stage)
    await back(stage)
    told = stage.bot.output()
    assert words in told
    assert "not the cause" in told
    assert "<" not in re.sub(r"<t:|<@", "", told)
    assert len(stage.server.requests("GET", "/users/@me")) == 3


async def test_a_long_limit_at_the_log_in_is_kept_to(stage: ProcessStage) -> None:
    stage.server.fail("GET", "/users/@me", 429, retry_after=3000.0)
    bot = await stage.launch()
    words = "Discord is rate limiting the bot"
    await stage.until(lambda: words in bot.output(), "the sentence", alive=True)
    assert "Retrying in 3000 s." in bot.output()


@pytest.mark.parametrize("is_global", [False, True])
async def test_a_limit_at_the_log_in_is_not_reported_as_a_silent_network(
    stage: ProcessStage, *, is_global: bool
) -> None:
    """discord.py would wait for this limit by itself, longer than a log-in may take in total."""
    stage.server.fail("GET", "/users/@me", 429, retry_after=8.0, is_global=is_global)
    bot = await stage.launch()
    await back(stage)
    assert "Discord is rate limiting the bot" in bot.output()
    assert "Retrying in 8 s." in bot.output()
    assert "timeout" not in bot.output()


async def test_a_limit_on_the_commands_holds_up_neither_the_gateway_nor_alerts(stage: ProcessStage) -> None:
    await stage.start(MONITOR_VM_IDS="101", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.first_poll()
    await stage.bot.end()
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    stage.server.fail("PUT", "/commands", 429, 99, retry_after=29.0)
    await watching(stage)
    await back(stage)
    stage.pve.crash(101)
    await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
    await (await stage.say(stage.akiko, "list")).until("palworld")
    assert "Retrying in 29 s." in stage.bot.output()


async def test_a_page_at_the_registration_of_commands_is_not_taken_for_a_refused_guild(
    stage: ProcessStage,
) -> None:
    stage.server.fail("PUT", "/commands", 403, page=BAN)
    await stage.start()
    await stage.until(lambda: len(stage.server.requests("PUT", "/commands")) == 2, "another try", alive=True)
    assert "is blocking this machine (403)" in stage.bot.output()


async def test_connections_that_end_at_once_are_not_begun_without_a_pause(stage: ProcessStage) -> None:
    """Discord revokes a token that identifies itself too often."""
    stage.server.gateway.refuses = 4000
    await stage.launch()
    await stage.until(
        lambda: "Discord closed the connection. Retrying in" in stage.bot.output(), "pauses", alive=True
    )
    stage.server.gateway.refuses = None
    await back(stage)


# ---------------------------------------------------------------------- the sentences


GONE: aiohttp.ClientWebSocketResponse = object.__new__(aiohttp.ClientWebSocketResponse)
"""The connection that discord.py's error must be given. The error does not use it if it is given a close code."""


def every_error() -> list[BaseException]:
    key = ConnectionKey("discord.com", 443, True, True, None, None, None)
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    return [
        discord.LoginFailure("Improper token has been passed."),
        discord.PrivilegedIntentsRequired(None),
        discord.RateLimited(65.0),
        aiohttp.ClientConnectorError(key, refused),
        aiohttp.ClientConnectorDNSError(key, OSError(-2, "Name or service not known")),
        aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("self-signed")),
        aiohttp.ServerDisconnectedError(),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        TimeoutError(),
        TypeError("string indices must be integers"),
        KeyError("id"),
    ]


@walked("error", every_error())
@walked("step", ConnectStep)
def test_every_error_is_one_line_in_both_languages(error: BaseException, step: ConnectStep) -> None:
    texts = Texts("ja")
    told = [diagnose(texts.of(language), error, step) for language in ("ja", "en")]
    assert told[0].text != told[1].text
    for verdict in told:
        assert "\n" not in verdict.text
        assert verdict.text.endswith((".", "。"))
        assert (verdict.retry is RetryRule.FINAL) is isinstance(error, discord.LoginFailure)
    if isinstance(error, discord.RateLimited):
        assert told[0].wait == 65.0


@walked("code", (4010, 4011, 4012, 4013, 4014))
def test_a_lasting_refusal_of_the_gateway_names_its_code(code: int) -> None:
    texts, closed = Texts("ja"), discord.ConnectionClosed(GONE, shard_id=None, code=code)
    for language in ("ja", "en"):
        verdict = diagnose(texts.of(language), closed, ConnectStep.GATEWAY)
        assert (verdict.retry, str(code) in verdict.text) == (RetryRule.LASTING, True)


async def test_an_event_that_cannot_be_taken_does_not_end_the_bot(stage: ProcessStage) -> None:
    """A role without its fields is such an event. Later events are still handled."""
    stage.crashes_expected = True
    await stage.start()
    for session in stage.server.gateway.sessions.values():
        session.push("GUILD_ROLE_UPDATE", {"guild_id": str(stage.guild.id)})
    await stage.until(lambda: "GUILD_ROLE_UPDATE" in stage.bot.output(), "a word about it", alive=True)
    await (await stage.say(stage.akiko, "list")).until("palworld")


async def test_a_frame_that_cannot_be_read_does_not_count_as_closed_by_discord(stage: ProcessStage) -> None:
    """A greeting without its interval is such a frame. The bot closes the connection, and resumes its session."""
    stage.crashes_expected = True
    await stage.start()
    for session in stage.server.gateway.sessions.values():
        assert session.socket is not None
        session.socket.send({"op": Op.HELLO, "d": {}})
    await stage.until(lambda: "Retrying in" in stage.bot.output(), "a pause", alive=True)
    assert "Discord closed the connection" not in stage.bot.output()
    await back(stage)
    await (await stage.say(stage.akiko, "list")).until("palworld")


async def test_results_of_interrupted_actions_are_posted_once_discord_is_back(stage: ProcessStage) -> None:
    """The bot is killed while a guest starts, and begins again while Discord is away."""
    await stage.start()
    plan = stage.pve.next_task("qmstart", vmid=104, hold=True)
    stage.server.answer_wait = 0.0
    reply = await stage.say(stage.akiko, "start", vmid=104)
    await reply.until("Starting")
    await stage.bot.end(signal.SIGKILL)
    plan.release()
    async with stage.server.outage():
        bot = await stage.launch()
        await stage.until(lambda: "Retrying in" in bot.output(), "a try", alive=True)
    await stage.until(lambda: "Found out later" in reply.text, "the person told", alive=True)
