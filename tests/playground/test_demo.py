"""Test the demo as a process: it starts everything, says where the page is, and leaves no process behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from adapters.settings.credentials import with_credentials
from adapters.settings.load import load
from playground import __main__ as command_line
from playground.demo import Demo, bot_environment, clean_environment, language
from playground.discord.server import DiscordServer
from playground.panel.page import DemoPage, build_guild
from playground.visitor import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
BOT = ROOT / "tests" / "support" / "tiny_discord_bot.py"
READY = {
    "host": "127.0.0.1",
    "port": 8006,
    "fingerprint": "AA:BB",
    "ca_file": "ca.pem",
    "user": "discordbot@pve",
    "token_name": "bot",
    "token_value": "value",
    "node": "pve1",
    "watched": [101, 102, 201],
}
SITES = {"home": READY, "parents": {**READY, "port": 8007, "node": "nuc", "watched": [101]}}
TOLD = json.dumps({"sites": SITES})
CLUSTER = f"import json, sys; print({json.dumps(TOLD)}, flush=True); sys.stdin.read()"


class DemoProcess:
    """Run `Demo.run` in a separate process, with stand-ins for bot and cluster. Each child notes its PID."""

    def __init__(self, folder: Path, bot: str, cluster: str = CLUSTER) -> None:
        self._folder, self._programs = folder, {"bot": bot, "cluster": cluster}
        self.process: asyncio.subprocess.Process | None = None

    def write(self) -> list[str]:
        """Write the stand-ins, and return the paths of bot and cluster."""
        for name, program in self._programs.items():
            note = (
                f"import os, pathlib; pathlib.Path({str(self._folder / name)!r}).write_text(str(os.getpid()))"
            )
            self._folder.joinpath(f"{name}.py").write_text(f"{note}\n{program}\n", "utf-8")
        return [str(self._folder / f"{name}.py") for name in ("bot", "cluster")]

    async def start(self) -> None:
        paths = self.write()
        program = (
            "import asyncio, sys; from playground.demo import Demo; "
            f"sys.exit(asyncio.run(Demo(bot=[{paths[0]!r}], cluster=[{paths[1]!r}]).run()))"
        )
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "DISCORD_TOKEN": "a real one",
                "TMPDIR": str(self._folder),
            },
        )

    async def said(self, wanted: str) -> str:
        """Return the output up to and including the line that contains `wanted`."""
        assert self.process is not None
        assert self.process.stdout is not None
        told = ""
        while wanted not in told:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, f"{told}\n{await self.process.stderr.read() if self.process.stderr else b''!r}"
            told += line.decode()
        return told

    async def ended(self) -> tuple[int, str]:
        """Wait for the end. Return the exit code and the rest of standard error."""
        assert self.process is not None
        _, errors = await asyncio.wait_for(self.process.communicate(), PATIENCE)
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()

    def started(self, name: str) -> bool:
        return self._folder.joinpath(name).exists()

    def child(self, name: str) -> int:
        return int(self._folder.joinpath(name).read_text())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


async def gone(*pids: int) -> bool:
    """Return whether all processes end within `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


RUN_BOT = f"import runpy; runpy.run_path({str(BOT)!r}, run_name='__main__')"


@pytest_asyncio.fixture
async def demo(tmp_path: Path) -> AsyncIterator[DemoProcess]:
    process = DemoProcess(tmp_path, RUN_BOT)
    await process.start()
    yield process
    if process.process is not None and process.process.returncode is None:
        process.process.kill()
        await process.ended()


async def test_the_demo_serves_a_page_and_ends_with_everything(demo: DemoProcess) -> None:
    """Ctrl-C is tested with the real demo (test_page.py)."""
    told = await demo.said("Ctrl-C")
    (address,) = re.findall(r"(http://127\.0\.0\.1:\d+/)#\S+", told)
    async with aiohttp.ClientSession() as session:
        async with session.get(address) as response:
            ports = re.findall(r'data-port="(\d+)"', await response.text())
        assert len(ports) == 2
        for one in (address, *(f"http://127.0.0.1:{port}/" for port in ports)):
            async with session.get(one) as response:
                assert response.status == 200
                assert "channel-composer" in await response.text()
            async with session.get(one + "timeline.js") as response:
                assert '<= 600 ? "bottom"' in await response.text()  # the page scrolls with the conversation
    children = demo.child("bot"), demo.child("cluster")
    assert all(alive(pid) for pid in children)
    assert demo.process is not None
    demo.process.send_signal(signal.SIGTERM)
    assert await demo.ended() == (0, "")
    assert not any(alive(pid) for pid in children)


async def test_a_second_signal_does_not_cut_the_end_short(tmp_path: Path) -> None:
    """The children get their time to end, however often somebody presses Ctrl-C."""
    slow = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), os._exit(0)))"
    demo = DemoProcess(tmp_path, f"{slow}\n{RUN_BOT}")
    await demo.start()
    assert demo.process is not None
    try:
        await demo.said("Ctrl-C")
        demo.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        demo.process.send_signal(signal.SIGTERM)
        assert await demo.ended() == (0, "")
        assert not alive(demo.child("bot"))
    finally:
        if demo.process.returncode is None:
            demo.process.kill()
            await demo.ended()


async def test_the_children_of_the_demo_do_not_outlive_a_kill(demo: DemoProcess) -> None:
    await demo.said("Ctrl-C")
    assert demo.process is not None
    demo.process.kill()
    assert await gone(demo.child("bot"), demo.child("cluster"))


@pytest.mark.parametrize(
    ("bot", "cluster", "name", "last"),
    [
        ("print('bad token'); raise SystemExit(2)", CLUSTER, "bot ended with code 2", "bad token"),
        (RUN_BOT, "import sys; sys.exit('no port')", "cluster ended with code 1", "no port"),
        (RUN_BOT, f"{CLUSTER.removesuffix('sys.stdin.read()')}raise SystemExit(3)", "cluster ended", ""),
        (RUN_BOT, "print('hello', flush=True); import sys; sys.stdin.read()", "did not say where", "hello"),
    ],
    ids=["bot", "cluster", "cluster, later", "cluster says nothing useful"],
)
async def test_a_child_that_fails_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bot: str,
    cluster: str,
    name: str,
    last: str,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    stand_ins = DemoProcess(tmp_path, bot, cluster)
    bot_path, cluster_path = stand_ins.write()
    assert await Demo(bot=[bot_path], cluster=[cluster_path]).run() == 1
    errors = capsys.readouterr().err
    assert name in errors
    assert last in errors
    assert "Traceback" not in errors
    assert await gone(*[stand_ins.child(name) for name in ("bot", "cluster") if stand_ins.started(name)])


async def test_the_bot_gets_settings_of_the_demo_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROXMOX_FINGERPRINT", "a real one")
    monkeypatch.setenv("HEARTBEAT_URL", "https://example.com/real")
    monkeypatch.setenv("ADMIN_ROLE_IDS", "1")
    monkeypatch.setenv("LANGUAGE", "en_US:en")  # gettext's own variable
    server = DiscordServer()
    stage = build_guild(server)
    told = bot_environment(server, stage, {"": READY}, tmp_path)
    assert told["LANGUAGE"] == "ja"
    assert bot_environment(server, build_guild(server, "en"), {"": READY}, tmp_path)["LANGUAGE"] == "en"
    assert language() == "ja"
    monkeypatch.setenv("LANGUAGE", "en")
    assert language() == "en"
    assert told["PROXMOX_HOST"] == "127.0.0.1:8006"
    assert told["MONITOR_VM_IDS"] == "101,102,201"
    assert told["ALLOWED_CATEGORY_ID"] == str(stage.category.id) != told["GUILD_ID"]
    assert told["DISCORD_TOKEN"] == server.token
    assert told["DATA_DIR"] == str(tmp_path)
    assert not {"PROXMOX_FINGERPRINT", "HEARTBEAT_URL", "ADMIN_ROLE_IDS"} & clean_environment().keys()
    monkeypatch.setenv("SITE_HOME_PROXMOX_HOST", "pve1")
    assert not [name for name in clean_environment() if name.startswith("SITE_")]
    assert clean_environment()["PATH"] == os.environ["PATH"]
    (tmp_path / "heartbeat_url").write_text("https://example.com/real")
    monkeypatch.delenv("HEARTBEAT_URL")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))  # as in a service with LoadCredential=
    given = with_credentials(clean_environment() | told, ("HEARTBEAT_URL",))
    assert "HEARTBEAT_URL_FILE" not in given, "a secret of a real bot"


async def test_the_bot_gets_settings_of_every_site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings are valid together, and each setting of a site names the site."""
    monkeypatch.setenv("SITE_REAL_PROXMOX_HOST", "a real one")
    server = DiscordServer()
    told = bot_environment(server, build_guild(server), SITES, tmp_path)
    assert not [name for name in clean_environment() if name.startswith("SITE_")]
    no_file = {name: "false" for name in told if name.endswith("VERIFY_SSL")}
    settings = load(tmp_path / "config.py", told | no_file)
    assert settings.first_site is None
    seen = {
        site.name: (site.entry_points[0].port, site.node_name, site.monitor_vm_ids, site.protected_vm_ids)
        for site in settings.sites
    }
    assert seen == {"home": (8006, "pve1", (101, 102, 201), (108,)), "parents": (8007, "nuc", (101,), ())}
    assert [list(site.role_scopes.values()) == [()] for site in settings.sites] == [False, True]


async def test_the_page_shows_the_bots_own_messages() -> None:
    async with DiscordServer() as server:
        stage = build_guild(server)
        pages = DemoPage(server, stage)
        await pages.start()
        base, secret = pages.url.split("#")
        first: dict[str, Any] = {}
        async with aiohttp.ClientSession(headers={"X-Simcord-Capability": secret}) as browser:
            async with browser.post(f"{base}api/pages", json={}) as response:
                first = await response.json()
            assert first["channel"]["name"] == "proxmox"
            assert first["messages"] == {}
            token = {"Authorization": f"Bot {server.token}"}
            address = f"{server.api_base}/channels/{stage.channel.id}/messages"
            async with browser.post(address, json={"content": "web01 stopped"}, headers=token) as response:
                assert response.status == 200
            context = {"X-Simcord-Context": first["context"]["id"]}
            shown: dict[str, Any] = {}
            for _ in range(100):
                async with browser.get(f"{base}api/state", headers=context) as response:
                    shown = await response.json()
                if shown["messages"]:
                    break
                await asyncio.sleep(0.05)
            assert [message["content"] for message in shown["messages"].values()] == ["web01 stopped"]

            press = {
                "protocol_version": 3,
                "sequence": 1,
                "request_id": "r",
                "generation": 1,
                "bot_generation": 1,
            }
            stale = {**press, "kind": "send_message", "content": "hello", "published_revision": 1}
            assert shown["publishedRevision"] > 1
            async with browser.post(f"{base}api/action", json=stale, headers=context) as response:
                assert (await response.json())["rejected"] is False
            assert [post.text for post in server.messages(stage.channel)] == ["web01 stopped", "hello"]
            assert not server.messages(stage.outside)
        await pages.stop()


def test_missing_parts_are_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "_NEEDED", ("asyncio", "no_such_module"))
    assert command_line.main([]) == 2
    told = capsys.readouterr().err
    assert "no_such_module" in told
    assert "asyncio" not in told
    assert "requirements-demo.txt" in told


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_the_guild_speaks_one_language(language: str) -> None:
    async with DiscordServer() as server:
        stage = build_guild(server, language)
        assert len(stage.people) == 5
        names = stage.names
        told = [stage.guild.name, stage.category.name, *names.topics, *names.roles]
        told += [names.admin, names.operator, names.viewer, names.gamer, names.newcomer]
        is_japanese = [bool(re.search("[ぁ-ん一-龥ァ-ヶ]", str(text))) for text in told]
        assert set(is_japanese) == {language == "ja"}
