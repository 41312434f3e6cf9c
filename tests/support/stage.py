"""The stage of the tests: the real bot between a Discord and a Proxmox cluster on loopback.

Real discord.py over real sockets to SimCord's model, real proxmoxer over HTTPS to fakepve. Only time is the
stage's own (tests/support/stage_clock.py). What a test does not announce must not happen: see `Stage.faults_found`.

A test module takes the fixtures by assignment: `scene, pve, language = stage.scene, stage.pve, stage.language`.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import discord
import pytest
import yarl
from discord.ext import commands

from adapters.settings.load import load
from bot import ProxmoxBot
from core.errors import BotError
from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.faults import Request
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.discord.server import DiscordServer
from playground.pve.server import Pve
from tests.support.stage_clock import StageClock
from ui.i18n import Text
from ui.interaction.context import Services
from ui.messages.errors import error_sentence

T = TypeVar("T")

PATIENCE = 20.0
"""Real seconds after which what a test waits for is taken not to come."""
_HANDLERS = ("CommandTree-invoker", "discord-ui-", "discord.py: on_interaction")
"""How discord.py names the tasks in which it runs commands, buttons and forms."""


class _Errors(logging.Handler):
    """Keeps what is logged at ERROR and above, asyncio's "never retrieved" among it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.lines.append(f"{record.name}: {record.getMessage()} {trace}".strip())


class Stage:
    """Everything a test acts on. `say`, `press` and `submit` return when the bot has done all of its answer."""

    def __init__(self, pve: Pve, server: DiscordServer, directory: Path, token: str) -> None:
        self.pve, self.server, self.directory, self.token = pve, server, directory, token
        self.clock = StageClock()
        self.guild = server.guild("Test")
        self.category = self.guild.create_category("Proxmox")
        self.channel = self.guild.create_text_channel("proxmox", category=self.category)
        self.alerts = self.guild.create_text_channel("alerts", category=self.category)
        self.outside = self.guild.create_text_channel("lobby")
        self.akiko = server.person(self.guild, "akiko", display="Akiko", locale="ja")
        self.emma = server.person(self.guild, "emma", display="Emma", locale="en-US")
        self.expected_statuses: set[int] = set()
        """HTTP errors of Discord that this test brings about, besides those it plans by `server.fail`."""
        self.expected_errors: list[str] = []
        """Words of log lines at ERROR, and of breached rules, that this test brings about."""
        self.mentionable: set[int] = set()
        """Roles that alerts may mention in this test."""
        self._ca_file = directory / "pve-root-ca.pem"  # which outlives the cluster's end
        self._ca_file.write_text(Path(pve.ca_file).read_text())
        self.paced = False
        """Whether people are held to the bot's pace: most tests ask as quickly as they can."""
        self._settings: dict[str, str] = {}
        self._bot: ProxmoxBot | None = None
        self._running: asyncio.Task[None] | None = None
        self._log = _Errors()

    # -- the bot

    @property
    def bot(self) -> ProxmoxBot:
        assert self._bot is not None, "the bot is not running"
        return self._bot

    @property
    def services(self) -> Services:
        return self.bot.services

    def environment(self) -> dict[str, str]:
        """The bot's whole configuration."""
        return {
            **self.server.environment(),
            "GUILD_ID": str(self.guild.id),
            "ALLOWED_CATEGORY_ID": str(self.category.id),
            "ALERT_CHANNEL_ID": str(self.alerts.id),
            "PROXMOX_HOST": f"{self.pve.host}:{self.pve.port}",
            "PROXMOX_USER": "discordbot@pve",
            "PROXMOX_TOKEN_NAME": "bot",
            "PROXMOX_TOKEN_VALUE": self.token,
            "PROXMOX_VERIFY_SSL": str(self._ca_file),
            "NODE_NAME": "pve1",
            "MONITOR_VM_IDS": "",
            "MONITOR_INTERVAL_SECONDS": "3600",
            "LANGUAGE": "en",
            "DATA_DIR": str(self.directory),
            **self._settings,
        }

    async def start_bot(self, **settings: str) -> None:
        """A new bot in this process: connected, its commands registered, its first look at Proxmox over."""
        self._settings = settings
        self._bot = bot = ProxmoxBot(load(self.directory / "config.py", self.environment()), self.clock)
        if not self.paced:
            bot.services.rate_limiter.rates = {}
        bot._connection.guild_ready_timeout = (
            0.05  # the one guild comes at once; others need not be waited for
        )
        self._running = asyncio.create_task(bot.start(self.server.token))
        try:
            await self.server.wait_ready()
            await bot.wait_until_ready()
        except TimeoutError:
            if self._running.done():
                self._running.result()
            raise
        await self.until(lambda: self.services.watch.last_read or self.services.watch.read_error)

    async def stop_bot(self) -> None:
        if self._bot is not None and self._running is not None:
            await self._bot.close()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._bot = None

    async def restart_bot(self) -> None:
        """The same bot as a new process would be: nothing kept but what is on the disk."""
        await self.stop_bot()
        await self.start_bot(**self._settings)

    async def crash_bot(self) -> None:
        """As after `kill -9`, then a new bot: it had no time for a last word."""
        assert self._running is not None
        for question in self.services.questions._open.values():
            if question.lapse is not None:
                question.lapse.cancel()
        await commands.Bot.close(self.bot)
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        if self.bot._lock is not None:
            self.bot._lock.release()  # as the kernel does when a process dies
        self._bot = None
        await self.start_bot(**self._settings)

    # -- acting

    async def say(
        self, person: Person, command: str, /, *, channel: Any = None, **options: Any
    ) -> PressResult:
        """Run a command, in the bot's channel unless `channel` names another (no command has such an option)."""
        return await self.whole(self.server.slash(person, channel or self.channel, command, **options))

    async def start_command(
        self, person: Person, command: str, /, *, channel: Any = None, **options: Any
    ) -> PressResult:
        """Run a command and return as soon as the bot shows that it is at work, the end being open."""
        before = self.server.answer_wait
        self.server.answer_wait = 0.0
        try:
            reply = await self.server.slash(person, channel or self.channel, command, **options)
        finally:
            self.server.answer_wait = before
        return await reply.until(lambda shown: shown.text)

    async def press(
        self, person: Person, on: SeenMessage | PressResult, button: str, *, force: bool = False
    ) -> PressResult:
        """Press a button of a message."""
        return await self.whole(self.server.click(person, post_of(on), button, force=force))

    async def submit(self, person: Person, shown: PressResult, typed: str | Mapping[str, str]) -> PressResult:
        """Send the form that a press brought up: what stands in its fields, or in its only one."""
        return await self.whole(self.server.submit(person, shown, typed))

    async def whole(self, acting: Awaitable[T]) -> T:
        """Do it, and wait until the bot has finished everything it is handling."""
        result = await acting
        await self.settled()
        return result

    async def settled(self) -> None:
        """Wait until no command, button or form is being handled."""
        while tasks := working_tasks():
            _, late = await asyncio.wait(tasks, timeout=PATIENCE)
            assert not late, f"still at work after {PATIENCE} s: {late}"
        await asyncio.sleep(0)  # what the handlers left behind (a question's lapse) has begun to wait

    async def choices(
        self, person: Person, command: str, option: str, typed: str = "", /, **filled: Any
    ) -> list[str]:
        """The labels offered while typing in the bot's channel."""
        found = await self.server.autocomplete(person, self.channel, command, option, typed, **filled)
        return [str(choice["name"]) for choice in found]

    async def until(self, condition: Callable[[], T], what: str = "the condition") -> T:
        """The first true value of a condition about anything, such as the cluster."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
            await asyncio.sleep(0.005)
        return value

    # -- reading

    def t(self, person: Person | None = None) -> Text:
        """The language of public answers, or a person's own."""
        texts = self.services.texts
        return texts.of_locale(person.locale) if person else texts.public

    def told(self, person: Person, error: BotError) -> str:
        """The sentence that this person reads of an error."""
        return error_sentence(self.t(person), error)

    def sent(self, method: str = "*", path_part: str = "") -> list[tuple[str, str, dict[str, Any]]]:
        """What the bot asked of Proxmox so far: method, path, parameters."""
        return [r for r in list(self.pve.requests) if method in ("*", r[0]) and path_part in r[1]]

    def changes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The requests that may change something."""
        return [r for r in list(self.pve.requests) if r[0] != "GET"]

    def cluster(self) -> dict[int, dict[str, Any]]:
        """Everything of every guest that a request could change."""
        ids = [guest.vmid for guest in [*self.pve.vms, *self.pve.cts]]
        return {vmid: self.pve.copy_guest_state(vmid) for vmid in ids}

    async def poll(self, times: int = 1, *, later: float = 60.0) -> None:
        """The watch's next looks, as its loop makes them every minute; a second read in them is waited for."""
        for _ in range(times):
            self.clock.skip(later)
            looking = asyncio.create_task(self.bot.monitor._poll_once())
            while (await asyncio.wait({looking}, timeout=0.3))[1]:
                self.clock.skip(12.0)
            looking.result()

    async def delivered(self) -> None:
        """Wait until every alert is posted and shows what is now."""
        journal = self.services.journal
        await self.until(lambda: not (journal.to_post() or journal.to_edit()), "all alerts sent")

    def alerts_told(self) -> list[str]:
        return [post.text for post in self.server.messages(self.alerts)]

    @property
    def logged(self) -> list[str]:
        """What was logged at ERROR, tracebacks included."""
        return self._log.lines

    # -- checking

    def assert_refused(self, reply: PressResult, person: Person, error: BotError) -> None:
        """One private sentence in the person's own language, and nothing else to press or read."""
        told = self.told(person, error)
        assert reply.text == told, f"{reply.text!r} is not {told!r}"
        self.assert_private(reply)

    def assert_pressed_in_vain(self, reply: PressResult, person: Person, error: BotError) -> None:
        """The same of a press that also brought its own, public message up to date."""
        assert [post.text for post in reply.followups] == [self.told(person, error)], reply.text
        assert reply.followups[0].ephemeral
        assert not reply.followups[0].buttons
        assert self.told(person, error) not in post_of(reply).text
        assert not post_of(reply).ephemeral

    def fingerprint(self, vmid: int) -> str:
        """The last part of the custom_id of this guest's buttons."""
        guest = self.services.cluster_cache.find(vmid)
        assert guest is not None
        return guest.fingerprint

    def assert_private(self, reply: PressResult) -> None:
        posts = [post for post in [reply.post, *reply.followups] if post is not None]
        shown = [post for post in posts if post.text == reply.text]
        assert len(shown) == 1
        assert shown[0].ephemeral
        assert not shown[0].buttons

    def faults_found(self) -> list[str]:
        """What happened unannounced: refusals at Discord, breached rules, errors logged, mentions allowed."""
        planned = Counter(hit for fault in self.server.rest.faults.faults for hit in fault.hits)
        found = list(self.server.violations)
        for request in self.server.journal:
            line = f"{request.method} {request.path}"
            if request.status >= 400 or request.status == 0:
                if planned[line]:
                    planned[line] -= 1
                elif request.status not in self.expected_statuses:
                    found.append(f"{line} -> {request.status}")
            if _may_mention(request, self.mentionable):
                found.append(f"{line} may mention: {request.body}")
        found += self._log.lines
        return [line for line in found if not any(words in line for words in self.expected_errors)]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Note errors that are logged meanwhile."""
        logging.getLogger().addHandler(self._log)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self._log)


def working_tasks() -> set[asyncio.Task[Any]]:
    """What handles a command, a button or a form just now."""
    return {task for task in asyncio.all_tasks() if task.get_name().startswith(_HANDLERS)}


def post_of(on: SeenMessage | PressResult) -> SeenMessage:
    """The message itself; of a reply, the one it brought."""
    post = on.post if isinstance(on, PressResult) else on
    assert post is not None, f"no message: {on}"
    return post


def _may_mention(request: Request, mentionable: Collection[int]) -> bool:
    """Whether a message was sent in which Discord would let mentions work, but for those of these roles."""
    body = request.body if isinstance(request.body, Mapping) else {}
    message = body.get("data", body) if request.path.endswith("/callback") else body
    if not isinstance(message, Mapping) or body.get("type") == discord.InteractionResponseType.modal.value:
        return False
    if not (message.get("content") or message.get("components") or message.get("embeds")):
        return False
    allowed = message.get("allowed_mentions")
    if allowed is None or any(allowed.get(key) for key in ("parse", "users", "replied_user")):
        return True
    return not {int(role) for role in allowed.get("roles", ())} <= set(mentionable)


@contextlib.asynccontextmanager
async def stage(pve: Pve, directory: Path) -> AsyncIterator[Stage]:
    """Discord's side up, discord.py pointed at it, the bot's token made; the bot is started by the test."""
    async with DiscordServer() as server:
        route, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        discord.http.Route.BASE = server.api_base
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
        scene = Stage(pve, server, directory, pve.give_bot())
        gc.freeze()  # what is there already need not be looked through below
        try:
            with scene.listening():
                try:
                    yield scene
                finally:
                    await scene.stop_bot()
                gc.collect()  # so that exceptions nobody retrieved are told of now
            found = scene.faults_found()
            assert not found, "unannounced:\n" + "\n".join(found)
        finally:
            gc.unfreeze()
            discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = route, gateway


@pytest.fixture
def pve() -> Iterator[Pve]:
    """The demo's cluster, its tasks done at once."""
    with Pve(nodes=NODES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        yield made


@pytest.fixture
def language() -> str:
    """LANGUAGE of the bot; a test that is about sentences parametrizes it."""
    return "en"


@pytest.fixture
async def bare_scene(pve: Pve, tmp_path: Path) -> AsyncIterator[Stage]:
    """The stage with no bot on it yet."""
    async with stage(pve, tmp_path) as scene:
        yield scene


@pytest.fixture
async def scene(bare_scene: Stage, language: str) -> Stage:
    """The stage with the bot at work."""
    await bare_scene.start_bot(LANGUAGE=language)
    return bare_scene
