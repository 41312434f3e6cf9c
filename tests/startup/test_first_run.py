"""Test `bot.py --init` as a newcomer uses it: at a terminal, through a pipe, interrupted, and against silence."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import shlex
import socket
import stat
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import discord
import pytest

from adapters.settings.load import Secret, SettingsError, load
from core.entry_point import EntryPoint
from core.health.result import Verdict
from core.proxmox_errors import TimedOut
from playground.demo import clean_environment
from playground.pve.server import Pve
from startup.first_run.command import explain
from startup.first_run.discord_reads import BotAccount
from startup.first_run.discord_steps import ask_guild
from startup.first_run.draft import Draft, Given, SiteDraft
from startup.first_run.host_steps import ask_hosts
from startup.first_run.talk import Talk
from startup.first_run.terminal import Back, Cancelled, Terminal
from startup.health.deadline import in_time
from startup.health.proxmox import ClusterCheck
from tests.startup.typist import typing
from tests.support.home_guild import PATIENCE
from tests.support.process_stage import ROOT, BotProcess, ProcessStage, process_stage

ROLE = '運用 "A\\B"'


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path / "stage") as made:
        yield made


def environment_of(stage: ProcessStage, **more: str) -> dict[str, str]:
    """Return an environment that leads to the doubles, and has no setting and no secret."""
    hidden = ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "TZ", "COLUMNS")
    outer = {name: value for name, value in clean_environment().items() if name not in hidden}
    doubles = {name: value for name, value in stage.server.environment().items() if name != "DISCORD_TOKEN"}
    return {**outer, **doubles, "LANG": "C.UTF-8", "NO_COLOR": "1", **more}


class Root:
    """A root shell on a node, for the `pveum` commands that the dialogue prints."""

    def __init__(self, pve: Pve, secret: str) -> None:
        self._pve, self._secret, self._roles = pve, secret, dict[str, list[str]]()

    def run(self, lines: Iterable[str]) -> None:
        for line in lines:
            match shlex.split(line):
                case ["pveum", "role", "add", role, "--privs", names]:
                    self._roles[role] = names.split()
                case ["pveum", "user", "add", *_]:
                    pass
                case ["pveum", "user", "token", "add", user, name, "--privsep", "1"]:
                    self._pve.apitokens[f"{user}!{name}"] = self._secret
                case ["pveum", "acl", "modify", path, "--users", user, "--tokens", token, "--roles", role]:
                    for who in (user, token):
                        self._pve.grant(who, path, *self._roles[role])
                case other:
                    raise AssertionError(f"no such command: {other}")


@pytest.fixture
def other() -> Iterator[Pve]:
    """Provide a host that is in no cluster."""
    with Pve(nodes=("solo",)) as made:
        made.auth_delay = 0.0
        made.add_vm(900, "bench", node="solo", status="running")
        yield made


async def test_a_newcomer_is_led_to_a_working_bot(stage: ProcessStage, other: Pve, tmp_path: Path) -> None:
    token, secret = stage.server.token, str(uuid.uuid4())
    elsewhere, config = tmp_path / "elsewhere.py", tmp_path / "config.py"
    elsewhere.write_text("# not to be touched")
    config.symlink_to(elsewhere)
    mute = discord.PermissionOverwrite(send_messages=False)
    everyone = stage.guild.default_role
    stage.guild.create_text_channel("quiet", category=stage.category, overwrites={everyone: mute})
    stage.guild.create_role(ROLE)
    guild = stage.server.world.backend.guilds[stage.guild.id]
    membership = guild.members.pop(stage.server.world.bot_id)
    root = Root(stage.pve, secret)
    theirs = other.give_bot("discord-bot@pve", "bot")
    async with typing(environment_of(stage), "--init", "--config", str(config)) as typist:
        answer = typist.answer
        await answer("Language", "1")
        await answer(r"続けますか", "<")
        await answer("Language", "2")
        await answer(r"already exists.*Continue\?", "y")
        await answer("token", "MTIz.wrong.token")
        told = await answer("token", f" Bot {token[:30]}\n{token[30:]} ")
        assert "Discord refused the token." in told
        told = await answer("Press Enter", "")
        assert "The token belongs to the bot Proxmox" in told
        assert re.search(r"\n  https://discord\.com/oauth2/authorize\?client_id=\d+&scope=bot\S+\n", told)
        guild.members[stage.server.world.bot_id] = membership
        await answer("Press Enter|Category for commands", "<")
        # the only server is taken by itself, so there is nothing to go back to
        await answer("empty: keep it", "")
        await answer("Category for commands", "proxmox")
        told = await answer("Channel for alerts", "#quiet")
        assert "the bot lacks: Send Messages" in told
        told = await answer("c: choose another", "c")
        assert "ALERT_CHANNEL_ID: the bot lacks permissions in “quiet”: Send\n   Messages" in told
        await answer("Channel for alerts", "alerts")
        await answer("Channel for the audit trail", "")
        told = await answer("Roles of admins", "")
        assert ROLE in told
        told = await answer(r"everyone be an admin\?", "")
        assert "can stop, change and delete" in " ".join(told.split())
        await answer("Roles of operators", "")
        await answer("Roles of viewers", "")
        told = await answer("Roles of admins", ROLE)
        assert "Choose at least one role" in told
        await answer("Roles of operators", "")
        await answer("Roles of viewers", "@everyone")
        await answer("Proxmox host", "127.0.0.1:9")
        told = await answer("Proxmox host", f"https://{stage.pve.host}:{stage.pve.port}/#v1:0")
        assert "refuses port 9" in told
        told = await answer(r"Are they the same\?", "ｙ")
        assert re.search(r"\n  (..:){31}..\n", told)
        await answer("What may the bot do", "everything")
        await answer("Version of Proxmox", "")
        await answer("Storages for new guests", "local-lvm, ローカル")
        told = await answer("Storages for new guests", "local-lvm")
        assert "“ローカル” is not a storage name." in told
        told = await answer("Token ID", "")
        commands = re.findall(r"^pveum .*$", told, re.M)
        root.run(line for line in commands if "/storage/" not in line)
        await answer("Token value", f"│ value        │ {secret} │")
        told = await answer("Press Enter to check again", "")
        assert "certificate" not in told.lower()
        (mending,) = re.findall(r"`(pveum [^`]*)`", told)
        assert "Datastore.AllocateSpace missing on" in told
        root.run(mending.split("; "))
        told = await answer("Node for new guests", "")
        assert "the token has everything" in told
        await answer("Guests to watch", "101, nothing")
        await answer("Guests to watch", "101-102")
        await answer("Time zone", "")
        told = await answer("Press Enter to write", "Guests")
        assert "Guests: 101, 102" in told
        await answer("Guests to watch", "101")
        assert config.is_symlink()
        told = await answer("Press Enter to write", "+")
        assert "To add another cluster" in told
        await answer("Name of the first cluster", "-")
        await answer("Name of the first cluster", "home")
        await answer("Name of the other cluster", "home")
        told = await answer("Name of the other cluster", "Parents")
        assert "Another cluster has this name." in told
        told = await answer("Name of the other cluster", "parents")
        assert "“Parents” is not a name for a site" in told
        await answer("Proxmox host", f"{stage.pve.host}:{stage.pve.port}")
        told = await answer("Proxmox host", f"{other.host}:{other.port}")
        assert "is also in home" in told
        await answer(r"Are they the same\?", str(other.ca_file))
        await answer("What may the bot do", "watch only")
        await answer("Version of Proxmox", "")
        await answer("Token ID", "")
        await answer("Token value", theirs)
        await answer("Guests to watch", "-")
        told = await answer("Press Enter to write", "+")
        assert "Name (parents): parents" in told
        assert f"Proxmox host (home): {stage.pve.host}:" in told
        await answer("Name of the other cluster", "-")
        await answer("Press Enter to write", "")
        await answer("Check the whole setup", "")
        await typist.until(r"No errors or warnings.*bot\.py --config \S+config\.py")
        assert await typist.ended() == 0
        for hidden in (token, token[30:], secret, theirs):
            assert hidden not in typist.seen
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    (old,) = left_in(tmp_path, "config.py.old-*")
    assert old.is_symlink()
    assert elsewhere.read_text() == "# not to be touched"
    assert left_in(tmp_path, ".*.tmp") == []
    bot = await BotProcess.start(environment_of(stage), tmp_path / "log", "bot.py", "--config", str(config))
    try:
        await stage.server.wait_ready(PATIENCE)
        assert json.loads((tmp_path / "monitor_list.json").read_text())["sites"]["home"][0]["vmid"] == 101
    finally:
        code, _ = await bot.end()
    assert code == 0


def left_in(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern))


async def test_without_config_py_it_is_offered_and_ctrl_c_leaves_nothing(
    stage: ProcessStage, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    async with typing(
        environment_of(stage, LANG="en_US.UTF-8"), "--config", str(folder / "config.py")
    ) as typist:
        told = await typist.answer(r"Start --init now\?", "")
        lines = told.splitlines()[:5]
        assert [
            word in line
            for word, line in zip(("yet", "--init", "cp ", "--demo", "--check"), lines, strict=True)
        ]
        await typist.answer("Language", "")  # English, by the locale
        await typist.until("token [^\n]*: $")
        assert not typist.echoes()
        typist.type("half a secr", enter=False)
        typist.type("\x03", enter=False)
        assert await typist.ended() == 1
        await typist.until("Nothing was written")
        assert typist.echoes()
        assert "half a secr" not in typist.seen
        assert "Traceback" not in typist.seen
    assert left_in(folder) == []


@pytest.mark.parametrize(("text", "hinted"), [("", True), ("GUILD_ID = 'x'\n", False)])
def test_init_is_mentioned_for_an_empty_config_py_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, hinted: bool
) -> None:
    config = tmp_path / "config.py"
    config.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load(config, {"LANGUAGE": "en"})
    assert explain(refused.value, argparse.Namespace(config=config), ROOT, {}, ()) == 2
    told = capsys.readouterr().err
    assert "DISCORD_TOKEN is not set" in told
    assert (f"--init --config {config}" in told) is hinted


async def test_a_pipe_answers_in_japanese_and_secrets_come_from_elsewhere(
    stage: ProcessStage, tmp_path: Path
) -> None:
    secret = stage.pve.give_bot("bot@pve", "discord")
    file = tmp_path / "discord token"
    file.write_text(f"{stage.server.token}\n")
    answers = [
        "1",
        "Proxmox",
        "alerts",
        "-",
        "-",
        "y",
        f"{stage.pve.host}:{stage.pve.port}",
        stage.pve.ca_file,
    ]
    answers += ["すべて", "9", "local-lvm", "bot@pve!discord", "pve2", "-", "Asia/Tokyo", "", "<"]
    environment = environment_of(stage, DISCORD_TOKEN_FILE=str(file), PROXMOX_TOKEN_VALUE=secret)

    async def run(lines: list[str]) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("bot.py", "--init", "--config", str(tmp_path / "config.py")),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        text, _ = await asyncio.wait_for(process.communicate("\n".join(lines).encode()), PATIENCE)
        return process.returncode, text.decode()

    code, told = await run(answers[:5])
    assert (code, (tmp_path / "config.py").exists()) == (1, False)
    assert "何も書き込んでいません" in told
    code, told = await run(answers)
    assert code == 0, told
    assert "標準入力が端末ではありません" in told
    assert "\x1b" not in told
    assert not any(hidden in told for hidden in (stage.server.token, secret))
    text = (tmp_path / "config.py").read_text("utf-8")
    assert f'\nDISCORD_TOKEN_FILE = "{file}"\n' in text
    assert f'\nPROXMOX_TOKEN_VALUE = "{secret}"\n' in text
    assert f'\nPROXMOX_VERIFY_SSL = "{stage.pve.ca_file}"\n' in text
    assert "\nDISCORD_TOKEN = " not in text
    checked = await BotProcess.start(
        environment_of(stage),
        tmp_path / "log",
        "bot.py",
        "--check",
        "--json",
        "--config",
        str(tmp_path / "config.py"),
    )
    assert await checked.wait() == 0, checked.output()


async def test_a_token_that_is_reset_meanwhile_is_asked_for_again(
    stage: ProcessStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", stage.server.api_base)
    account, shown = BotAccount("Proxmox", 1, {stage.guild.id: "Test"}), io.StringIO()
    draft = Draft("en", Given(Secret("MTIz.former.token")), account)
    talk = Talk(Terminal({}, io.StringIO(), shown), {}, tmp_path, draft)
    with pytest.raises(Back):  # to the step before, which asks for the token
        await asyncio.to_thread(ask_guild, talk)
    assert shown.getvalue().count("Discord refused the token.") == 1


async def test_a_token_that_is_reset_before_the_bot_is_invited_is_asked_for_again(
    stage: ProcessStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", stage.server.api_base)
    draft = Draft("en", Given(Secret("MTIz.former.token")), BotAccount("Proxmox", 1, {}))
    talk = Talk(Terminal({}, io.StringIO("\n"), shown := io.StringIO()), {}, tmp_path, draft)
    monkeypatch.setattr(Talk, "wait", Talk.ask)  # as at a terminal, where Enter is pressed once
    with pytest.raises(Back):
        await asyncio.to_thread(ask_guild, talk)
    assert shown.getvalue().count("Discord refused the token.") == 1


async def test_an_answer_that_comes_too_late_is_an_error_of_its_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_time, "__defaults__", (0.2,))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point = EntryPoint("127.0.0.1", silent.getsockname()[1])
        site = replace(SiteDraft(points=(point,)).probe, name="home")
        first, *others = await ClusterCheck(site, point).run()
    assert (first.check, first.level, first.where) == ("proxmox.token", Verdict.ERROR, "home")
    assert isinstance(first.error, TimedOut)
    assert {result.level for result in others} == {Verdict.UNCHECKED}


def test_a_proxmox_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(in_time, "__defaults__", (0.2,))
    shown = io.StringIO()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel connects, and nobody answers
        port = silent.getsockname()[1]
        talk = Talk(Terminal({}, io.StringIO(f"127.0.0.1:{port}\n"), shown), {}, tmp_path, Draft("en"))
        with pytest.raises(Cancelled):
            ask_hosts(talk)
    told = " ".join(shown.getvalue().split())
    assert f"the certificate of 127.0.0.1 could not be read. Check that port {port}" in told
