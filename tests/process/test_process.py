"""Test the bot as people run it: `python bot.py` between a Discord and a Proxmox cluster on real sockets."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest

from playground.discord.people import PressResult
from startup.connection import use_other_discord
from tests.support import catalogue
from tests.support.home_guild import PATIENCE
from tests.support.process_stage import CONTRACTS, INTERVAL, ROOT, SOON, ProcessStage, Wire, process_stage

COMMANDS = {command.word.split()[0] for command in catalogue.COMMANDS}
KILLS = 12
"""Number of kills in the test of the watch list. Without `--deep` there are half as many.

The bot is killed after each of the first `SPREAD` acknowledgements, and in between.
"""
SPREAD = 6
VM, CT = 104, 205
"""Stopped guests of the demo cluster, one of each kind."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


# ---------------------------------------------------------------------- starting


async def test_the_bot_registers_its_commands_for_the_guild_only(stage: ProcessStage) -> None:
    stage.cold = True
    await stage.start(MONITOR_VM_IDS="101, 201")
    registered = [(r.path, r.status) for r in stage.server.requests("PUT") + stage.server.requests("POST")]
    path = f"/applications/{stage.server.world.application_id}/guilds/{stage.guild.id}/commands"
    assert registered == [(path, 200)]
    told = stage.server.commands(stage.guild)
    assert {command["name"] for command in told} == COMMANDS
    assert all(command["contexts"] == [0] and command["integration_types"] == [0] for command in told)
    permissions = {command.get("default_member_permissions") for command in told}
    assert permissions == {None}, "finer permissions are left to the guild's own settings of integrations"
    assert stage.watched() == [101, 201]


async def test_the_list_made_at_the_first_start_rules_from_then_on(stage: ProcessStage) -> None:
    assert not stage.list_file.exists()
    await stage.start(MONITOR_VM_IDS="101")
    assert stage.watched() == [101]
    assert stage.list_file.stat().st_mode & 0o077 == 0
    reply = await stage.say(stage.akiko, "monitor add", vmid=201)
    await reply.until("Now watching")
    await stage.bot.end()
    await stage.start(MONITOR_VM_IDS="102,103")
    assert stage.watched() == [101, 201]


async def test_the_plain_list_of_older_bots_is_read(stage: ProcessStage) -> None:
    stage.list_file.write_text('[101, "201"]')
    await stage.start(MONITOR_VM_IDS="102")
    assert stage.watched() == [101, 201]
    shown = await stage.say(stage.akiko, "monitor list")
    assert "web01" in shown.text
    assert "dns" in shown.text
    assert "db01" not in shown.text


@pytest.mark.parametrize("spare", [True, False])
async def test_an_unreadable_list_is_set_aside_and_reported(stage: ProcessStage, spare: bool) -> None:
    spoilt = b'{"version": 1, "guests": [{"vm'
    stage.list_file.write_bytes(spoilt)
    if spare:
        stage.list_file.with_name("monitor_list.json.bak").write_text(
            '{"version": 1, "guests": [{"vmid": 103}]}'
        )
    await stage.start(MONITOR_VM_IDS="101")
    assert stage.watched() == ([103] if spare else [101])
    told = await stage.server.wait_message(stage.alerts, "Cannot read the watch list")
    aside = next(stage.directory.glob("monitor_list.json.corrupt-*"))
    assert aside.read_bytes() == spoilt
    assert aside.name in told.text
    assert ("last backup copy" in told.text) is spare
    await stage.restart()
    assert len(stage.alerts_told()) == 1


# ---------------------------------------------------------------------- ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
async def test_a_signal_ends_it(stage: ProcessStage, number: signal.Signals) -> None:
    await stage.start()
    code, seconds = await stage.bot.end(number)
    assert (code, seconds < SOON) == (0, True), seconds
    await stage.until(lambda: not stage.server.gateway.sessions, "a farewell to Discord's gateway")


async def test_a_signal_ends_it_while_it_is_starting(stage: ProcessStage) -> None:
    stage.server.delay("PUT", "/commands", 60.0)
    bot = await stage.launch()
    await stage.until(lambda: stage.server.requests("GET", "/@me"), "a log-in", alive=True)
    code, seconds = await bot.end()
    assert (code, seconds < SOON) == (0, True), seconds


async def test_the_answer_about_a_running_task_says_that_the_bot_ends(stage: ProcessStage) -> None:
    await stage.start()
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
    stage.server.answer_wait = 0.0
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("Starting")
    code, seconds = await stage.bot.end()
    assert (code, seconds < SOON) == (0, True), seconds
    assert "The bot is shutting down" in reply.text
    assert "104" in reply.text
    plan.release()
    await stage.until(lambda: stage.pve.guest(VM).status == "running", "the work to go on in Proxmox")


async def test_a_signal_ends_it_while_proxmox_hangs(stage: ProcessStage) -> None:
    await stage.start(MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    stage.pve.hang("/", 60.0)
    stage.server.answer_wait = 0.0
    replies = [await stage.say(stage.akiko, "info", vmid=vmid) for vmid in (101, 102, 103, 201, 202)]
    await stage.until(lambda: all(reply.acknowledged for reply in replies), "deferred answers")
    code, seconds = await stage.bot.end()
    assert (code, seconds < SOON) == (0, True), seconds


async def test_a_signal_ends_it_while_discord_is_down(stage: ProcessStage) -> None:
    await stage.start()
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
    stage.server.answer_wait = 0.0
    await (await stage.say(stage.akiko, "start", vmid=VM)).until("Starting")
    async with stage.server.outage():
        code, seconds = await stage.bot.end()
    plan.release()
    assert (code, seconds < SOON) == (0, True), seconds


async def test_a_signal_ends_it_while_the_line_to_discord_is_dead(stage: ProcessStage) -> None:
    """Neither an answer nor an end of the connection comes, as with a pulled cable."""
    wire = Wire("127.0.0.1", int(stage.server.api_base.split(":")[2].split("/")[0]))
    await wire.join()
    try:
        await stage.start(
            DISCORD_API_BASE=f"http://127.0.0.1:{wire.port}/api/v10",
            DISCORD_GATEWAY_URL=f"ws://127.0.0.1:{wire.port}/gateway",
        )
        plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
        stage.server.answer_wait = 0.0
        await (await stage.say(stage.akiko, "start", vmid=VM)).until("Starting")
        wire.frozen = True
        code, seconds = await stage.bot.end()
        plan.release()
        assert (code, seconds < SOON) == (0, True), seconds
    finally:
        await wire.cut()


async def test_a_second_signal_changes_nothing(stage: ProcessStage) -> None:
    await stage.start()
    stage.server.delay("PATCH", "/messages/@original", 1.0)
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
    stage.server.answer_wait = 0.0
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("Starting")
    stage.bot.process.send_signal(signal.SIGINT)
    code, seconds = await stage.bot.end(signal.SIGTERM)
    plan.release()
    assert (code, seconds < SOON) == (0, True), seconds


def alerts_path(stage: ProcessStage) -> str:
    return f"/channels/{stage.alerts.id}/messages"


def with_a_waiting_alert(stage: ProcessStage) -> None:
    """Make the watch list unreadable, so that the next bot has an alert to send from the start."""
    stage.list_file.write_bytes(b"[101,")


async def test_an_open_question_is_over_when_the_bot_ends(stage: ProcessStage) -> None:
    """Its buttons are disabled, it says why, and nothing was done."""
    await stage.start()
    questions = [
        await stage.say(stage.akiko, "stop", vmid=101),
        await stage.say(stage.emma, "delete", vmid=VM),
    ]
    posts = [question.post for question in questions if question.post is not None]
    assert [len(post.buttons) for post in posts] == [2, 2]
    assert not any(button.disabled for post in posts for button in post.buttons)
    code, seconds = await stage.bot.end(signal.SIGINT)
    assert (code, seconds < SOON) == (0, True), seconds
    for post in posts:
        assert [button.disabled for button in post.buttons] == [True, True]
        assert "The bot is shutting down, so nothing was done." in post.text
        assert "Answer <t:" not in post.text
    assert [r for r in stage.pve.requests if r[0] != "GET"] == []
    assert [len(question.followups) for question in questions] == [0, 0]


async def test_alerts_that_wait_are_sent_before_the_end(stage: ProcessStage) -> None:
    """Each is sent once and in order, although Discord loses an answer.

    The farewells of an open question and of work under way are sent too.
    """
    await stage.start(MONITOR_VM_IDS="101,201", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.first_poll()
    plan = stage.pve.next_task("qmstart", vmid=VM, hold=True)
    question = await stage.say(stage.akiko, "stop", vmid=103)
    stage.server.answer_wait = 0.0
    started = await stage.say(stage.akiko, "start", vmid=VM)
    await started.until("Starting")
    lost = stage.server.reset("POST", alerts_path(stage), after=True)
    stage.pve.crash(101)
    stage.pve.crash(201)
    await stage.until(lambda: lost.met, "a first try", alive=True)
    code, seconds = await stage.bot.end()
    plan.release()
    assert (code, seconds < SOON) == (0, True), seconds
    told = stage.alerts_told()
    assert [name in line for name, line in zip(("web01", "dns"), told, strict=True)] == [True, True]
    assert "othing was done" in question.text
    assert "The bot is shutting down" in started.text


async def test_an_alert_that_cannot_be_sent_does_not_hold_up_the_end(stage: ProcessStage) -> None:
    with_a_waiting_alert(stage)
    refused = stage.server.fail("POST", alerts_path(stage), 503, times=99)
    await stage.start()
    await stage.until(lambda: refused.met, "a refusal", alive=True)
    code, seconds = await stage.bot.end()
    assert (code, seconds < SOON) == (0, True), seconds


# ---------------------------------------------------------------------- refusing to run


async def refused(stage: ProcessStage, *arguments: str, **settings: str) -> tuple[int, str]:
    """Return exit code and output of a bot that refuses to run."""
    bot = await stage.launch(*arguments, **settings)
    return await bot.wait(), bot.output()


FAULTY = {
    "DISCORD_TOKEN": "",
    "GUILD_ID": "12",
    "PROXMOX_HOST": "https://pve.example:8006",
    "PROXMOX_USER": "discordbot",
    "MONITOR_VM_IDS": "101,x",
    "MONITOR_INTERVAL_SECONDS": "1",
    "PROXMOX_VERIFY_SSL": "no such file.pem",
}


@pytest.mark.parametrize(
    ("told", "head"),
    [
        ({"LANGUAGE": "ja", "LANG": "en_US.UTF-8"}, "設定に 7 件の誤りがあります:"),
        ({"LANGUAGE": "", "LANG": "de_DE.UTF-8"}, "The configuration has 7 errors:"),
    ],
)
async def test_all_faults_are_reported_at_once(stage: ProcessStage, told: dict[str, str], head: str) -> None:
    code, output = await refused(stage, **FAULTY, **told)
    lines = output.splitlines()
    assert (code, lines[0]) == (2, head)
    assert all(line.startswith("- ") for line in lines[1:])
    assert len(lines) == 8
    for name in FAULTY:
        assert sum(name in line for line in lines) == 1, name


async def test_faults_of_a_config_file_are_reported_without_its_secrets(stage: ProcessStage) -> None:
    secret = "Zk9-this-is-what-nobody-may-read"
    config = stage.directory / "config.py"
    config.write_text(
        f'DISCORD_TOKEN = "{secret}"\nPROXMOX_TOKEN_VALEU = "{secret}"\nGUILD_ID = "{secret}"\n'
    )
    nothing = dict.fromkeys(("DISCORD_TOKEN", "PROXMOX_TOKEN_VALUE", "GUILD_ID"), "")
    code, output = await refused(stage, "bot.py", "--config", str(config), **nothing)
    assert code == 2
    assert secret not in output
    assert "PROXMOX_TOKEN_VALEU" in output
    assert "PROXMOX_TOKEN_VALUE" in output
    assert "GUILD_ID" in output

    config.write_text(f'DISCORD_TOKEN = "{secret}"\nraise RuntimeError(DISCORD_TOKEN)\n')
    code, output = await refused(stage, "bot.py", "--config", str(config), **nothing)
    assert code == 2
    assert secret not in output
    config.write_text(f'DISCORD_TOKEN = "{secret}\n')
    code, output = await refused(stage, "bot.py", "--config", str(config), **nothing)
    assert code == 2
    assert secret not in output


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Discord refused the token. Check DISCORD_TOKEN."),
        ("ja", "Discord にトークンを拒否されました。DISCORD_TOKEN を確認してください。"),
    ],
)
async def test_a_wrong_token_is_explained_in_a_sentence(
    stage: ProcessStage, language: str, sentence: str
) -> None:
    wrong = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.this-is-not-the-token-of-this-bot"
    code, output = await refused(stage, DISCORD_TOKEN=wrong, LANGUAGE=language)
    assert code == 1
    assert sentence in output.splitlines()[-1]
    assert wrong not in output


async def test_a_guild_that_the_bot_is_not_in_is_explained_in_a_sentence(stage: ProcessStage) -> None:
    stage.server.fail("PUT", "/commands", 403)
    code, output = await refused(stage)
    assert code == 1
    assert "Check GUILD_ID" in output.splitlines()[-1]


ELSEWHERE = (
    "https://192.0.2.1/api/v10",
    "https://discord.example/api/v10",
    "http://[2001:db8::1]:1/",
    "nonsense",
)


@pytest.mark.parametrize("name", ["DISCORD_API_BASE", "DISCORD_GATEWAY_URL"])
async def test_another_discord_is_refused_unless_it_is_on_this_machine(
    stage: ProcessStage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", discord.http.Route.BASE)  # it would be replaced
    default = discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", default)
    for url in ELSEWHERE:
        with pytest.raises(SystemExit, match="is not a loopback IP address"):
            use_other_discord({**stage.server.environment(), name: url})
    code, output = await refused(stage, **{name: ELSEWHERE[0]})
    assert code == 1
    assert "is not a loopback IP address" in output.splitlines()[-1]
    assert stage.server.journal == []


@pytest.mark.parametrize("name", ["DISCORD_API_BASE", "DISCORD_GATEWAY_URL"])
async def test_another_discord_is_refused_unless_it_is_declared_as_one(
    stage: ProcessStage, name: str
) -> None:
    """Somebody who can set a variable must not read data meant for Discord."""
    both = {"DISCORD_API_BASE": "", "DISCORD_GATEWAY_URL": "", "DISCORD_STAND_IN": ""}
    code, output = await refused(stage, **{**both, name: stage.server.environment()[name]})
    assert code == 1
    assert name in output.splitlines()[-1]
    assert "is for tests alone" in output
    assert stage.server.journal == []


async def test_another_discord_is_warned_of(stage: ProcessStage) -> None:
    await stage.start()
    told = [line for line in stage.bot.output().splitlines() if "not to Discord" in line]
    assert len(told) == 1
    assert "WARNING" in told[0]


# ---------------------------------------------------------------------- secrets

PLANTED = """
import sys

sys.path.insert(0, {root!r})
import bot, core.actions.sender, ui.guests.lists.cards, monitor_store

def boom(*arguments, **more):
    import os
    secret = os.environ["PROXMOX_TOKEN_VALUE"]
    raise RuntimeError("headers: PVEAPIToken=discordbot@pve!bot=" + secret, os.environ["DISCORD_TOKEN"])

{where} = boom
sys.exit(bot.main(["--config", "no config.py"]))
"""


def planted(stage: ProcessStage, where: str) -> str:
    """Write a program that runs a bot whose function `where` fails with secrets, and return its path."""
    program = stage.directory / "planted.py"
    program.write_text(PLANTED.format(root=str(ROOT), where=where))
    return str(program)


async def test_no_secret_is_kept_of_a_crash_within_an_action(stage: ProcessStage) -> None:
    """This covers the audit, too: every file in the data directory is read at the end of the test."""
    stage.crashes_expected = True
    await stage.start(planted(stage, "core.actions.sender._request"))
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until(lambda shown: re.search(r"`[0-9a-f]{8}`", shown.text))
    await stage.bot.end()
    assert "RuntimeError" in stage.bot.output()
    assert b"unknown: RuntimeError" in b"".join(
        path.read_bytes() for path in stage.directory.glob("journal.db*")
    )


async def test_no_secret_is_written_at_debug_or_after_a_crash_inside(stage: ProcessStage) -> None:
    """The output of every test here is read at its end. This test makes the bot write a lot, and crash."""
    stage.crashes_expected = True
    await stage.start(planted(stage, "ui.guests.lists.cards.guest_list_card"), LOG_LEVEL="DEBUG")
    reply = await stage.say(stage.akiko, "list")
    error_id = re.search(r"[0-9a-f]{8}", reply.text)
    assert error_id is not None
    assert reply.ephemeral
    assert "RuntimeError" not in reply.text
    await (await stage.say(stage.akiko, "start", vmid=VM)).until("was started")
    stage.pve.fail("GET", "/status/current", 595, "no route to host")
    await (await stage.say(stage.emma, "info", vmid=101)).until(lambda shown: shown.text)
    await stage.server.drop_gateway(None)
    await stage.until(lambda: stage.server.gateway.resumes, "a resumed session", alive=True)
    await stage.bot.end()
    output = stage.bot.output()
    assert "DEBUG" in output
    assert f"unexpected error {error_id[0]}" in output
    answered = [r.path.split("/") for r in stage.server.journal if r.path.startswith(("/inter", "/webhooks"))]
    assert len(answered) > 2
    assert not any(path[3] in output for path in answered), "a token of an interaction"
    assert "RuntimeError" in output
    assert "PVEAPIToken=***" in output


async def test_no_secret_is_written_when_it_cannot_go_on(stage: ProcessStage) -> None:
    stage.crashes_expected = True
    code, output = await refused(stage, planted(stage, "monitor_store.MonitorStore.load_sites"))
    assert code == 1
    assert "RuntimeError" in output


# ---------------------------------------------------------------------- Discord in trouble


async def test_a_rate_limit_is_waited_for(stage: ProcessStage) -> None:
    await stage.start()
    first = stage.server.fail("POST", "/callback", 429, retry_after=0.4)
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("was started")
    second = stage.server.fail("POST", "/callback", 429, retry_after=0.4, is_global=True)
    await (await stage.say(stage.akiko, "list")).until("palworld")
    assert (first.met, second.met) == (1, 1)
    assert not any("/webhooks/" in r.path and r.method == "POST" for r in stage.server.journal)


@pytest.mark.parametrize("how", ["503", "reset"])
async def test_an_answer_that_discord_did_not_take_is_sent_again(stage: ProcessStage, how: str) -> None:
    await stage.start()
    server = stage.server
    fault = server.fail("POST", "/callback", 503) if how == "503" else server.reset("POST", "/callback")
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("was started")
    assert fault.met == 1
    assert stage.pve.guest(VM).status == "running"
    assert [r for r in stage.pve.requests if r[0] == "POST"] == [
        r for r in stage.pve.requests if r[1].endswith("/status/start")
    ]
    assert len([r for r in stage.pve.requests if r[0] == "POST"]) == 1
    assert len(stage.server.messages(stage.channel)) == 1


@pytest.mark.parametrize("code", [4000, None])
async def test_a_command_given_while_the_gateway_is_away_is_replayed(
    stage: ProcessStage, code: int | None
) -> None:
    await stage.start()
    await stage.server.drop_gateway(code)
    reply = await stage.say(stage.akiko, "start", vmid=VM)
    await reply.until("was started")
    gateway = stage.server.gateway
    assert (gateway.identifies, gateway.resumes, gateway.refused_resumes) == (1, 1, 0)
    assert len([r for r in stage.pve.requests if r[0] == "POST"]) == 1


@pytest.mark.parametrize("how", ["command", "panel", "question"])
async def test_expired_replayed_interactions_do_nothing(stage: ProcessStage, how: str) -> None:
    """The person has read "The application did not respond", and may have done something else since."""
    await stage.start()
    command, vmid = ("stop", 101) if how == "question" else ("info", VM)
    shown = None if how == "command" else await stage.say(stage.akiko, command, vmid=vmid)
    server, gateway = stage.server, stage.server.gateway
    server.ack_limit, gateway.closed = 0.3, True
    await server.drop_gateway(None)
    await stage.until(lambda: not gateway.connected, "Discord to notice")
    if shown is None or shown.post is None:
        reply = await stage.say(stage.akiko, "start", vmid=vmid)
    else:
        reply = await stage.press(stage.akiko, shown, shown.post.buttons[0].label)
    assert not reply.acknowledged
    gateway.closed, server.ack_limit = False, 3.0
    await stage.until(lambda: gateway.resumes == 1, "a resumed session", alive=True)
    ends = ("a refusal could not be delivered", "Discord no longer expects an answer")
    await stage.until(
        lambda: any(each in stage.bot.output() for each in ends), "the end of what was replayed", alive=True
    )
    assert {r.status for r in server.requests("POST", f"/interactions/{reply.interaction_id}/")} == {404}
    await (await stage.say(stage.emma, "list")).until("palworld")
    assert [r for r in stage.pve.requests if r[0] != "GET"] == []
    assert stage.pve.guest(VM).status == "stopped"
    assert stage.pve.guest(101).status == "running"


async def test_an_invalid_session_is_begun_again(stage: ProcessStage) -> None:
    await stage.start()
    await stage.server.invalidate_session()
    await stage.until(lambda: stage.server.gateway.identifies == 2, "another session", alive=True)
    await (await stage.say(stage.akiko, "start", vmid=VM)).until("was started")


# ---------------------------------------------------------------------- kill -9


class Ledger:
    """Record which guests must be on the watch list after the acknowledged changes, and the changes under way."""

    def __init__(self) -> None:
        self.sure: dict[int, bool] = {}
        self.open: set[int] = set()
        self.acknowledged = 0

    async def work(self, stage: ProcessStage, vmids: list[int], rng: random.Random) -> None:
        """Add and remove guests forever, one command after another."""
        while True:
            vmid = rng.choice(vmids)
            add = not self.sure.get(vmid, False)
            self.open.add(vmid)
            reply = await stage.say(stage.akiko, "monitor add" if add else "monitor remove", vmid=vmid)
            await reply.until("Now watching" if add else "was removed from the watch list")
            self.open.discard(vmid)
            self.sure[vmid] = add
            self.acknowledged += 1

    def compare_with(self, watched: set[int]) -> None:
        """Check that the list has every acknowledged change. A change under way may have happened or not."""
        for vmid, expected in self.sure.items():
            if vmid not in self.open:
                assert (vmid in watched) is expected, (vmid, expected, watched)
        for vmid in self.open:
            self.sure[vmid] = vmid in watched
        self.open.clear()


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """End the tasks. Several cancellations may be needed, because Python 3.11's `wait_for` may swallow one."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.05)
    assert all(task.cancelled() for task in tasks), tasks


def shown_vmids(reply: PressResult) -> set[int]:
    return {int(found) for found in re.findall(r"\*\*(\d{3,9})\*\*", reply.text)}


async def test_kill_9_loses_no_entry_of_the_watch_list(stage: ProcessStage, deep: bool) -> None:
    """The commands of two workers overlap, so that the kill meets writes in every state."""
    kills = KILLS if deep else KILLS // 2
    rng, ledger = random.Random(20261123), Ledger()  # noqa: S311  # when to kill is no secret
    parts = [[101, 103, 201, 203], [104, 106, 204, 205]]
    stage.server.ack_limit = PATIENCE
    for kill in range(kills):
        await stage.start()
        listed = await stage.say(stage.akiko, "monitor list")
        ledger.compare_with(shown_vmids(listed))
        assert set(stage.watched()) == shown_vmids(listed)
        goal = ledger.acknowledged + kill % SPREAD
        workers = [asyncio.create_task(ledger.work(stage, part, rng)) for part in parts]

        def due(goal: int = goal, workers: list[asyncio.Task[None]] = workers) -> bool:
            return ledger.acknowledged >= goal or any(task.done() for task in workers)

        await stage.until(due, "commands to be answered", alive=True)
        done, _ = await asyncio.wait(workers, timeout=rng.uniform(0.0, 0.04))
        await stage.bot.end(signal.SIGKILL)
        assert not done, [task.exception() for task in done]
        await cancelled(workers)
        json.loads(stage.list_file.read_text())
        await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start()
    ledger.compare_with(set(stage.watched()))
    assert ledger.acknowledged >= sum(kill % SPREAD for kill in range(kills)), ledger.acknowledged
    assert not list(stage.directory.glob("*.corrupt-*"))
    assert not list(stage.directory.glob(".*.tmp"))


# ---------------------------------------------------------------------- restart


async def test_a_panels_button_works_after_a_restart(stage: ProcessStage) -> None:
    await stage.start()
    panel = await stage.say(stage.akiko, "info", vmid=VM)
    await stage.restart(signal.SIGKILL)
    assert panel.post is not None
    await stage.press(stage.emma, panel.post, "Start")
    await stage.until(lambda: "was started" in panel.text, "the panel to tell", alive=True)
    assert stage.pve.guest(VM).status == "running"
    assert {b.label: b.disabled for b in panel.post.buttons}["Shutdown"] is False
    assert len(stage.server.messages(stage.channel)) == 1


async def test_a_question_from_before_a_restart_is_over(stage: ProcessStage) -> None:
    await stage.start()
    question = await stage.say(stage.akiko, "stop", vmid=101)
    await stage.restart(signal.SIGKILL)
    assert question.post is not None
    button = question.post.buttons[0]
    pressed = await stage.press(stage.akiko, question.post, button.label)
    await pressed.until(lambda shown: shown.followups)
    assert [post.ephemeral for post in pressed.followups] == [True]
    assert all(button.disabled for button in question.post.buttons)
    assert stage.pve.guest(101).status == "running"
    assert [r for r in stage.pve.requests if r[0] != "GET"] == []


async def test_a_return_is_reported_by_a_bot_that_was_restarted_meanwhile(stage: ProcessStage) -> None:
    await stage.start(MONITOR_VM_IDS="101", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.first_poll()
    stage.pve.crash(101)
    await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
    await stage.bot.end(signal.SIGKILL)
    stage.pve.revive(101)
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start(MONITOR_VM_IDS="101", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.server.wait_message(stage.alerts, "recovered after", PATIENCE)
    assert len(stage.alerts_told()) == 2


# ---------------------------------------------------------------------- watching


async def test_each_alert_is_posted_once(stage: ProcessStage) -> None:
    """101 crashes and comes back, 201 crashes and stays down, 203 is shut down by order."""
    await stage.start(MONITOR_VM_IDS="101,201,203", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.first_poll()
    await (await stage.say(stage.akiko, "shutdown", vmid=203)).until("was shut down")
    stage.pve.crash(101)
    stage.pve.crash(201)
    await stage.server.wait_message(stage.alerts, "dns", PATIENCE)
    down, also = stage.alerts_told()
    assert "web01" in down
    assert "pve1" in down
    assert "stopped unexpectedly" in down
    assert "stopped unexpectedly" in also
    stage.pve.revive(101)
    back = await stage.server.wait_message(stage.alerts, "recovered after", PATIENCE)
    assert "web01" in back.text
    await stage.polled()
    assert len(stage.alerts_told()) == 3


async def test_an_outage_of_proxmox_and_what_happened_meanwhile_are_reported_once(
    stage: ProcessStage,
) -> None:
    wire = Wire(stage.pve.host, stage.pve.port)
    await wire.join()
    try:
        await stage.start(
            MONITOR_VM_IDS="101,201",
            MONITOR_INTERVAL_SECONDS=str(INTERVAL),
            PROXMOX_HOST=f"127.0.0.1:{wire.port}",
        )
        await stage.first_poll()
        await wire.cut()
        await stage.server.wait_message(
            stage.alerts, "No connection to Proxmox: 2 guests are not monitored", 2 * PATIENCE
        )
        stage.pve.crash(101)
        await wire.join()
        await stage.server.wait_message(stage.alerts, "stopped unexpectedly", PATIENCE)
        await stage.polled()
        kinds = [
            "The connection to Proxmox was down for",
            "Connected to Proxmox again",
            "stopped unexpectedly",
        ]
        told = stage.alerts_told()
        assert len(told) == len(kinds), told
        assert all(kind in line for kind, line in zip(kinds, told, strict=True)), told
        assert "web01" in told[-1]
        await stage.bot.end()
    finally:
        await wire.cut()


@pytest.mark.parametrize("how", ["refused", "cut", "taken, refused", "taken, cut"])
async def test_an_alert_outlives_discords_trouble(stage: ProcessStage, how: str) -> None:
    """Each fault is tried, including one in which Discord accepted the alert and only the answer was lost."""
    taken = how.startswith("taken")
    with_a_waiting_alert(stage)
    path = alerts_path(stage)
    if how.endswith("refused"):
        fault = stage.server.fail("POST", path, 503, after=taken)
    else:
        fault = stage.server.reset("POST", path, after=taken)
    await stage.start()
    await stage.until(lambda: len(stage.server.requests("POST", path)) == 2, "another try", alive=True)
    first, second = stage.server.requests("POST", path)
    assert fault.met == 1
    assert second.status == 200
    assert first.body["nonce"] == second.body["nonce"]
    assert first.body["enforce_nonce"] is True
    assert len(stage.alerts_told()) == 1


# ---------------------------------------------------------------------- every command


@pytest.mark.parametrize("contract", CONTRACTS or [None], ids=lambda path: path.name if path else "none")
@pytest.mark.parametrize(
    ("kind", "template", "made", "name"),
    [("VM", 9000, 321, "web-02"), ("CT", 9100, 322, "dns-02")],
    ids=["qemu", "lxc"],
)
async def test_every_command(
    tmp_path: Path, contract: Path | None, kind: str, template: int, made: int, name: str
) -> None:
    """The commands of the table take one guest from its template to its end."""
    async with process_stage(tmp_path, contract) as stage:
        await stage.start()
        pve, server, akiko, channel = stage.pve, stage.server, stage.akiko, stage.channel

        async def done(words: str, command: str, /, **options: Any) -> PressResult:
            return await (await stage.say(akiko, command, **options)).until(words)

        async def answered(words: str, question: PressResult) -> None:
            assert question.post is not None
            red = question.post.buttons[0]
            assert red.style == "danger"
            await stage.press(akiko, question, red.label)
            await question.until(words)

        offered = await server.autocomplete(akiko, channel, "create", "template_id")
        assert {choice["value"] for choice in offered} == {"9000", "9001", "9100"}
        created = await done("was created", "create", template_id=template, name=name, new_vmid=made)
        assert pve.guest(made).name == name
        assert pve.guest(made).status == "stopped"
        await stage.press(akiko, created, "Start")
        await created.until("was started")
        assert pve.guest(made).status == "running"

        listed = await done(name, "list", kind="qemu" if kind == "VM" else "lxc", status="running")
        assert kind in listed.text
        assert str(made) in listed.text
        panel = await done(name, "info", vmid=made)
        assert panel.post is not None
        pause = ["Pause"] if kind == "VM" else []
        assert [b.label for b in panel.post.buttons] == [
            *("Start", "Reboot", "Shutdown", *pause, "Refresh", "Chart", "Disks and backups")
        ]
        await stage.press(akiko, panel, "Refresh")

        offered = await server.autocomplete(akiko, channel, "shutdown", "vmid", name)
        assert [choice["value"] for choice in offered] == [str(made)]
        assert kind in offered[0]["name"]
        started = pve.guest(made).started_at
        await done("was rebooted", "reboot", vmid=made)
        assert pve.guest(made).started_at > started
        await done("was shut down", "shutdown", vmid=made)
        assert pve.guest(made).status == "stopped"
        await done("was started", "start", vmid=made)
        assert pve.guest(made).status == "running"
        resized = await done("was resized", "resize", vmid=made, cores=3, memory_mb=768)
        if kind == "VM":
            assert "Memory: 2.0 GiB → 768 MiB" in resized.text
            await stage.press(akiko, resized, "Reboot now")
            await resized.until("was rebooted")
        assert (pve.guest(made).config["cores"], str(pve.guest(made).config["memory"])) == (3, "768")

        memory = {"with_memory": True} if kind == "VM" else {}
        await done(
            "was created", "snapshot create", vmid=made, name="before-x", description="更新の前", **memory
        )
        assert bool(pve.guest(made).snapshots["before-x"].get("vmstate")) is (kind == "VM")
        shown = await done("before-x", "snapshot list", vmid=made)
        assert "更新の前" in shown.text
        assert "current" not in shown.text
        offered = await server.autocomplete(akiko, channel, "snapshot rollback", "name", "", vmid=made)
        assert [choice["value"] for choice in offered] == ["before-x"]
        await answered(
            "was rolled back", await stage.say(akiko, "snapshot rollback", vmid=made, name="before-x")
        )
        await answered("was deleted", await stage.say(akiko, "snapshot delete", vmid=made, name="before-x"))
        assert "before-x" not in pve.guest(made).snapshots

        await done("Now watching", "monitor add", vmid=made)
        assert stage.watched() == [made]
        assert name in (await stage.say(akiko, "monitor list")).text
        await done("was removed from the watch list", "monitor remove", vmid=made)
        assert stage.watched() == []
        helped = await stage.say(akiko, "help")
        assert helped.ephemeral
        assert [each for each in COMMANDS - {"help"} if f"</{each}" not in helped.text] == []

        if pve.guest(made).status != "running":  # a rollback without memory leaves it stopped
            await done("was started", "start", vmid=made)
        await answered("was force-stopped", await stage.say(akiko, "stop", vmid=made))
        assert pve.guest(made).status == "stopped"
        lost = await done(name, "delete", vmid=made)
        assert lost.post is not None
        form = await stage.press(akiko, lost, lost.post.buttons[0].label)
        await server.submit(akiko, form, name)
        await lost.until("was deleted")
        assert pve.guest(made) is None
        assert [r.path for r in server.journal if r.status >= 400] == []
