"""Test the health check against doubles that are set up wrongly, one fault at a time.

Each fault is named in one line, in both languages, with the remedy that mends it. A clean setup has no warning.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import tempfile
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest

from adapters.proxmox.health_reads import HealthReads
from adapters.settings.load import load
from bootstrap import COGS
from core.entry_point import EntryPoint
from core.health.proxmox import Account
from core.health.readiness import Problem
from core.health.result import Result, Verdict, exit_code
from playground.pve.server import BOT_USER
from proxmox_client import Endpoint
from startup.command_line import commands_of, parse_command_line
from startup.health.host import check_data_dir
from startup.health.report import json_report, text_report
from startup.health.run import SetupPlace, check_all
from tests.support.catalogue import COMMANDS
from tests.support.misconfigured import account, entry_points, machine, server
from tests.support.misconfigured.fault import BAD, NOWHERE
from tests.support.process_stage import ROOT, ProcessStage, process_stage
from ui.i18n import Texts
from ui.messages.health import LABELS, WORDS, result_line

TEXTS = Texts("en")
FAULTS = [*machine.FAULTS, *entry_points.FAULTS, *account.FAULTS, *server.FAULTS]


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        monkeypatch.setattr(discord.http.Route, "BASE", made.server.environment()["DISCORD_API_BASE"])
        yield made


async def examine(stage: ProcessStage, **settings: str) -> list[Result]:
    place = SetupPlace(
        ROOT, stage.directory / "config.py", stage.environment(**settings), frozenset({"list", "info"})
    )
    _, found = await check_all(place)
    return found


def amiss(found: list[Result]) -> list[Result]:
    return [result for result in found if result.level is not Verdict.OK]


# With one of the faults, no certificate is checked.
@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
async def test_each_fault_is_named_with_its_remedy_and_a_clean_setup_has_none(stage: ProcessStage) -> None:
    assert len(FAULTS) >= 30
    english, japanese = TEXTS.of("en"), TEXTS.of("ja")
    told: list[str] = []
    wrong: list[str] = []
    for each in FAULTS:
        playing = each.play(stage)
        settings = next(playing)
        found = await examine(stage, **settings)
        translated = (
            await examine(stage, **settings, LANGUAGE="ja")
            if each.word in ("told", "discord_login_failed")
            else found
        )
        assert next(playing, None) is None
        mine = [r for r in found if (r.word, r.level) == (each.word, each.level)]
        lines = [result_line(english, r) for r in mine]
        ours = [result_line(japanese, r) for r in translated if r.word == each.word]
        named = [line for line in lines if re.search(each.remedy, line)]
        if not named or not any(re.search(each.remedy, line) for line in ours):
            wrong.append(
                f"{each.play.__name__} {each.word}: {[result_line(english, r) for r in amiss(found)]}"
            )
        if any("\n" in line for line in (*lines, *ours)) or exit_code(found) != (
            2 if each.level is BAD else 1
        ):
            wrong.append(
                f"{each.play.__name__}: exit {exit_code(found)}, {[result_line(english, r) for r in amiss(found)]}"
            )
        told += [*(result_line(english, r) for r in found), *(result_line(japanese, r) for r in translated)]
    assert not wrong, "\n".join(wrong)

    clean = await examine(stage)
    assert [result_line(english, result) for result in amiss(clean)] == []
    assert exit_code(clean) == 0
    report = text_report(japanese, clean)
    assert json.loads(json_report(english, clean))["exit"] == 0
    for secret in (stage.server.token, *stage._tokens.values()):
        assert secret not in report + json_report(english, clean) + "\n".join(told)


async def test_the_command_line(stage: ProcessStage) -> None:
    """While one site is down, everything of the other is checked. The exit code tells of the one that is down."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    stage.add_site("home", stage.pve)
    stage.add_site("colo", stage.pve, PROXMOX_HOST=f"127.0.0.1:{closed.getsockname()[1]}")
    config = str(stage.directory / "no config.py")
    bot = await stage.launch("bot.py", "--check", "--json", "--config", config, FIRST_SITE="home")
    assert await bot.wait() == 2
    closed.close()
    output = bot.output()
    report = json.loads(output[output.index("{") :])
    rows = {(row["check"], row["where"]): row for row in report["results"]}
    assert rows["proxmox.guests", "home"]["level"] == "ok"
    assert rows["proxmox.guests", "colo"]["level"] == "unchecked"
    assert rows["discord.guild", ""]["level"] == "ok"
    assert not list(stage.directory.glob(".check-*"))


async def test_the_other_options(stage: ProcessStage, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing secret is printed, and the test alert arrives while no bot runs."""
    config = ("--config", str(stage.directory / "no config.py"))
    pinned = ":".join(["AB"] * 32)
    bot = await stage.launch(
        "bot.py", "--print-config", *config, PROXMOX_FINGERPRINT=pinned, QUIET_HOURS="23:00-07:00"
    )
    assert await bot.wait() == 0
    printed = bot.output()
    assert f"GUILD_ID = {stage.guild.id}\n" in printed
    assert "PROXMOX_TOKEN_VALUE = ***\n" in printed
    assert pinned in printed

    bot = await stage.launch("bot.py", "--send-test-alert", *config)
    assert await bot.wait() == 0
    assert [str(stage.alerts.id) in bot.output(), len(stage.alerts_told())] == [True, 1]
    bot = await stage.launch("bot.py", "--send-test-alert", *config, ALERT_CHANNEL_ID=NOWHERE)
    assert await bot.wait() == 2
    assert f"{NOWHERE} did not arrive. Run `python bot.py --check`" in bot.output()
    for page, kind in (("<title>Hotel WLAN</title>", "text/html"), ('{"status": "ok"}', "application/json")):
        stage.server.fail("GET", "/users/@me", 200, 1, page=page, kind=kind)
        bot = await stage.launch("bot.py", "--send-test-alert", *config)
        assert await bot.wait() == 2
        assert bot.output().splitlines()[-1].startswith("❌ Something other than Discord answered")

    with pytest.raises(SystemExit):
        parse_command_line(["--version"], ROOT / "config.py")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert capsys.readouterr().out == f"{project['name']} {project['version']}\n"


async def test_a_user_list_with_nonsense_is_read() -> None:
    """Its times decide only how long the token lasts. No other check may fail because of them."""
    rows = [{"userid": BOT_USER, "expire": "²", "tokens": [{"tokenid": "bot", "expire": "9" * 400}]}]
    reads = HealthReads(
        Endpoint((EntryPoint("127.0.0.1", 1),), user=BOT_USER, token_name="bot", token_value="")
    )
    assert reads._account(rows) == Account(0.0, 0.0)
    reads.close()


def test_the_commands_are_those_of_the_tree() -> None:
    assert commands_of(COGS) == {command.word.split()[0] for command in COMMANDS}


def test_every_bad_outcome_has_a_fault_that_brings_it_about() -> None:
    """Some outcomes of the machine, of Discord and of Proxmox have no such fault: they are tested without a stage."""
    judged = {"packages_other", "data_dir_full", "data_dir_low", "data_dir_hung", "guild_away", "proxmox"}
    good = {"not_checked", "clock_untold", *(problem.value for problem in (Problem.EVERYBODY_IS_ADMIN,))}
    for folder in ("core/health", "startup/health"):
        for path in (ROOT / folder).glob("*.py"):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "ok":
                    good |= {str(part.value) for part in ast.walk(call) if isinstance(part, ast.Constant)}
    bad = {*WORDS, *(problem.value for problem in Problem)} - good
    assert bad - {fault.word for fault in FAULTS} == judged


def test_a_data_folder_that_the_bot_may_not_use_is_named(tmp_path: Path) -> None:
    """Root may use every folder, so for root the check runs as the user `nobody`."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    data, user = place / "data", os.geteuid()
    data.mkdir()
    environ = dict.fromkeys(("GUILD_ID", "ALLOWED_CATEGORY_ID", "ALERT_CHANNEL_ID"), NOWHERE)
    environ |= {"DISCORD_TOKEN": "x", "PROXMOX_HOST": "pve", "PROXMOX_USER": "bot@pve", "NODE_NAME": "pve1"}
    environ |= {"PROXMOX_TOKEN_NAME": "bot", "PROXMOX_TOKEN_VALUE": "x", "DATA_DIR": str(data)}
    settings = load(tmp_path / "config.py", environ)
    lines = []
    try:
        for mode in (0o000, 0o555):
            data.chmod(mode)
            if user == 0:
                os.seteuid(65534)
            for language in ("en", "ja"):
                found = check_data_dir(TEXTS.of(language), settings)
                assert (found.level, found.word) == (BAD, "told")
                lines.append(result_line(TEXTS.of(language), found))
            os.seteuid(user)
    finally:
        os.seteuid(user)
        shutil.rmtree(place)
    assert len(set(lines)) == 2
    assert all(str(data) in line and "DATA_DIR" in line and "\n" not in line for line in lines), lines


def test_every_word_is_used() -> None:
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("core/health", "startup/health")
        for path in (ROOT / folder).glob("*.py")
    )
    assert [word for word in (*WORDS, *LABELS) if f'"{word}"' not in code] == []
