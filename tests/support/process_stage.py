"""Run `python bot.py` as a separate process between a simulated Discord and Proxmox cluster on loopback.

Tests set the bot's environment and read its output and its files.
`tests/support/stage.py` runs the bot inside the test process instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from playground.cluster.demo_cluster import NODES, build_demo
from playground.demo import clean_environment
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.discord.server import DiscordServer
from playground.pve.server import Pve
from tests.support.home_guild import BUSY_ACK, PATIENCE, HomeGuild, access_to, mark_greeted
from tests.support.warm_start import POSSIBLE, WarmProcess, starter

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
SOON = 15.0
"""Maximum seconds until the bot has ended, even on a busy machine. A bot that waits in vain takes a minute."""
INTERVAL = 5
"""Seconds between two polls of Proxmox; the minimum that the bot allows."""
HASTE = 5.0
"""Seconds that pass on the clock of a warm bot in each second. Its own waits are shorter by this factor."""
_CONNECTED = "connected to Discord as"
"""Log text of a connected bot. It appears after the first attempt to register the commands, or 30 s into it."""
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")


def _contracts() -> list[Path]:
    told = os.environ.get("DISCORD_CONTRACT")
    beside = ROOT.parent / "shared" / "contracts" / "discord-openapi.json.gz"
    return list(dict.fromkeys(path.resolve() for path in (Path(told or beside), beside) if path.is_file()))


CONTRACTS = _contracts()
"""Paths of Discord's OpenAPI description, if present. It is not part of this repository."""


class BotProcess:
    """Run one `python bot.py`.

    Its output goes to a file, so that nothing is lost and the process never blocks on it.
    """

    def __init__(self, process: asyncio.subprocess.Process | WarmProcess, log: Path) -> None:
        self.process, self._log = process, log

    @classmethod
    async def start(
        cls,
        environment: Mapping[str, str],
        log: Path,
        *arguments: str,
        cold: bool = False,
        haste: float = 1.0,
    ) -> BotProcess:
        """Start a bot.

        `arguments`: command line of Python, by default bot.py without a config.py.
        `cold`: use a new Python instead of the warm starter. Its time passes as usual. The same is done for arguments
        that do not begin with a program's file, such as `-c`.
        `haste`: seconds that pass on a warm bot's clock in each second.
        """
        command = arguments or ("bot.py", "--config", str(log.with_name("no config.py")))
        if POSSIBLE and command[0].endswith(".py") and not cold:
            return cls(starter().start(ROOT / command[0], command[1:], environment, log, haste), log)
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                cwd=ROOT,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        return cls(process, log)

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def output(self) -> str:
        """Return standard output and standard error of all processes that share this log."""
        return self._log.read_text("utf-8", "replace")

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and return the exit code and the seconds until the end.

        A negative exit code means death by a signal.
        """
        began = time.monotonic()
        if self.running:
            self.process.send_signal(number)
        try:
            code = await self.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"still there {PATIENCE} s after {number.name}:\n{self.output()}") from None
        return code, time.monotonic() - began


class ProcessStage(HomeGuild):
    """Hold a guild, a cluster and the bot process between them.

    At the end of `process_stage`, the bot is stopped and its output is checked with `assert_well`.
    """

    def __init__(self, pve: Pve, server: DiscordServer, directory: Path) -> None:
        super().__init__(server)
        self.pve, self.directory = pve, directory
        self._tokens = {pve: pve.give_bot()}
        self.cold = False
        """Whether bots start in a new Python, for tests of the start itself."""
        self.haste = HASTE
        """Seconds that pass on the clock of a warm bot in each second."""
        self.crashes_expected = False
        """Whether this test makes the bot log a traceback."""
        self._settings: dict[str, str] = {}
        self._sites: dict[str, dict[str, str]] = {}
        """The Proxmox settings of each site, if there are several."""
        self._bot: BotProcess | None = None

    # -- the bot

    @property
    def bot(self) -> BotProcess:
        assert self._bot is not None, "no bot was started"
        return self._bot

    @property
    def list_file(self) -> Path:
        return self.directory / "monitor_list.json"

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the bot's whole environment. Empty values are left out."""
        outer = {key: value for key, value in clean_environment().items() if key not in _LOCALE}
        told = {
            **outer,
            "LANG": "C.UTF-8",
            **self.server.environment(),
            "GUILD_ID": str(self.guild.id),
            "ALLOWED_CATEGORY_ID": str(self.category.id),
            "ALERT_CHANNEL_ID": str(self.alerts.id),
            **self._access(),
            "MONITOR_INTERVAL_SECONDS": "3600",
            "CHANGES_PER_MINUTE": "0",
            "LANGUAGE": "en",
            "DATA_DIR": str(self.directory),
            **settings,
        }
        return {key: value for key, value in told.items() if value}

    def _access(self) -> dict[str, str]:
        if not self._sites:
            return access_to(self.pve, self._tokens[self.pve])
        return {
            f"SITE_{name.upper()}_{setting}": value
            for name, settings in self._sites.items()
            for setting, value in settings.items()
        }

    def add_site(self, name: str, pve: Pve, **settings: str) -> None:
        """Give the bot this cluster as one of several sites. Call it for each site before the start.

        `settings`: further settings of the site, or values that replace the usual ones.
        """
        if pve not in self._tokens:
            self._tokens[pve] = pve.give_bot()
        self._sites[name] = {**access_to(pve, self._tokens[pve]), **settings}

    async def launch(self, *arguments: str, **settings: str) -> BotProcess:
        """Start a bot process without waiting for anything."""
        self._settings = settings
        if self.greeted:
            mark_greeted(self.directory, self._sites, settings.get("FIRST_SITE"))
        self._bot = await BotProcess.start(
            self.environment(**settings),
            self.directory / "bot.log",
            *arguments,
            cold=self.cold,
            haste=self.haste,
        )
        return self._bot

    async def start(self, *arguments: str, **settings: str) -> None:
        """Start a bot process and wait until it is connected.

        It has tried to register its commands by then, unless that takes over 30 s.
        """
        log = self.directory / "bot.log"
        before = log.read_text("utf-8").count(_CONNECTED) if log.exists() else 0
        bot = await self.launch(*arguments, **settings)
        await self.until(lambda: bot.output().count(_CONNECTED) > before, "a connected bot", alive=True)

    async def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the bot and start it again with the same settings."""
        await self.bot.end(number)
        await self.until(lambda: not self.server.gateway.connected, "Discord to notice")
        await self.start(**self._settings)

    # -- acting and waiting

    async def say(self, person: Person, command: str, /, **options: Any) -> PressResult:
        """Run a command in the bot's channel."""
        return await self.server.slash(person, self.channel, command, **options)

    async def press(self, person: Person, on: SeenMessage | PressResult, button: str) -> PressResult:
        """Press a button, given its label."""
        post = on.post if isinstance(on, PressResult) else on
        assert post is not None, f"no message: {on}"
        return await self.server.click(person, post, button)

    async def until(
        self, condition: Callable[[], T], what: str = "the condition", *, alive: bool = False
    ) -> T:
        """Wait until the condition is true and return its value.

        `alive`: fail if the bot ends meanwhile.
        """
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}\n{self.bot.output()}"
            assert not alive or self.bot.running, f"the bot has ended:\n{self.bot.output()}"
            await asyncio.sleep(0.01)
        return value

    async def first_poll(self) -> None:
        """Wait until the bot knows the state of every guest on its list."""

        def known() -> bool:
            with contextlib.closing(sqlite3.connect(self.directory / "journal.db")) as journal:
                seen = journal.execute("SELECT CAST(key AS TEXT) FROM records").fetchall()
            return {(f"guest/{vmid}",) for vmid in self.watched()} <= set(seen)

        await self.until(known, "a first poll of the cluster", alive=True)

    async def polled(self) -> None:
        """Wait for the next read of the cluster by the bot.

        The read may belong to a poll that has already started.
        """
        before = self.reads()
        await self.until(lambda: self.reads() > before, "another poll of the cluster", alive=True)

    def reads(self) -> int:
        return sum(path.endswith("/cluster/resources") for _, path, _ in list(self.pve.requests))

    def alerts_told(self) -> list[str]:
        return [post.text for post in self.server.messages(self.alerts)]

    def watched(self) -> list[int]:
        """Return the VMIDs in `monitor_list.json`."""
        return [guest["vmid"] for guest in json.loads(self.list_file.read_text())["guests"]]

    # -- checking

    def assert_well(self) -> None:
        """Check that Discord found no rule violation.

        Also check that no secret, traceback or forgotten exception was written.
        """
        assert self.server.violations == []
        told = self.bot.output() if self._bot is not None else ""
        kept = [path for name in ("journal.db*", "monitor_list.json*") for path in self.directory.glob(name)]
        written = [told.encode(), *(path.read_bytes() for path in kept)]
        written += [repr(request.body).encode() for request in self.server.journal]
        for secret in (self.server.token, *self._tokens.values()):
            assert not any(secret.encode() in text for text in written)
        for words in ("never retrieved", "was never awaited", "Task was destroyed", "Unclosed"):
            assert words not in told, told
        if not self.crashes_expected:
            assert "Traceback" not in told, told


@contextlib.asynccontextmanager
async def process_stage(
    directory: Path,
    contract: Path | None = None,
    prepare: Callable[[Any], object] = build_demo,
    made: Callable[..., Pve] = Pve,
) -> AsyncIterator[ProcessStage]:
    """Start Discord and a Proxmox cluster whose tasks end at once. The test starts the bot.

    `contract`: Discord's OpenAPI description. `made`: the class of Pve to use; `prepare` receives its instance.
    """
    with made(nodes=NODES) as pve:
        prepare(pve)
        pve.auth_delay = 0.0
        async with DiscordServer(contract=contract) as server:
            server.ack_limit = BUSY_ACK
            stage = ProcessStage(pve, server, directory)
            try:
                yield stage
                if stage._bot is not None and stage.bot.running:
                    code, seconds = await stage.bot.end()
                    assert code == 0, (code, seconds, stage.bot.output())
                    assert seconds < SOON, (code, seconds, stage.bot.output())
                stage.assert_well()
            finally:
                if stage._bot is not None and stage.bot.running:
                    await stage.bot.end(signal.SIGKILL)


class Wire:
    """Relay TCP and break it on demand.

    After `cut` nobody listens. While `frozen` is set, all data is dropped.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target, self.port = (host, port), 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.frozen = False

    async def join(self) -> None:
        """Start to listen, always on the same port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Stop listening and abort all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ends = {writer, there_writer}
        self._open |= ends
        try:
            await asyncio.gather(self._pour(reader, there_writer), self._pour(there_reader, writer))
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _pour(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if not self.frozen:
                    target.write(data)
                    await target.drain()
        target.transport.abort()
