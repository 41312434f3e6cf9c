"""Run the real bot inside the test process, between a simulated Discord and a simulated Proxmox cluster on loopback.

discord.py talks over real sockets to SimCord's model, and proxmoxer talks over HTTPS to fakepve. The bot's clock
shortens waits (`tests/support/stage_clock.py`). A test fails on every fault that it did not announce; see
`Stage.faults_found`.

A test module takes the fixtures by assignment: `scene, pve, language = stage.scene, stage.pve, stage.language`.
"""

import asyncio
import contextlib
import gc
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import discord
import pytest
import yarl
from discord.ext import commands

from adapters.charts.frames import PNG
from adapters.charts.process import ChartProcess
from adapters.settings.load import load
from bot import ProxmoxBot
from core.charts.drawing import Drawing
from core.errors import BotError, NotHere
from core.proxmox import Proxmox
from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.faults import Request
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.discord.server import DiscordServer
from playground.pve.server import Pve
from tests.support.cards.sent import has_bare_markup
from tests.support.charts import warm_charts
from tests.support.home_guild import BUSY_ACK, PATIENCE, HomeGuild, access_to, mark_greeted
from tests.support.remembered_commands import remember_commands
from tests.support.stage_clock import StageClock
from ui.i18n import Text
from ui.interaction import reply as reply_module
from ui.interaction.custom_ids import GUEST, split_site
from ui.interaction.next_steps import steps_after_refusal
from ui.interaction.services import Services, Site
from ui.messages.errors import error_sentence

T = TypeVar("T")

_PERSON = re.compile(r"GET /guilds/[0-9]+/members/[0-9]+")
"""The request that looks for a person. Discord refuses it if they have left."""
_HANDLERS = ("CommandTree-invoker", "discord-ui-", "discord.py: on_interaction")
"""Name prefixes of the tasks in which discord.py runs commands, buttons and forms."""


_DISCORD = str(Path(discord.__file__).parent)


class _Errors(logging.Handler):
    """Collect log records at ERROR and above, including asyncio's "never retrieved"."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.lines.append(f"{record.name}: {record.getMessage()} {trace}".strip())


class Stage(HomeGuild):
    """Hold everything that a test acts on.

    `say`, `press` and `submit` return after the bot has finished its answer.
    """

    def __init__(self, pve: Pve, server: DiscordServer, directory: Path, token: str) -> None:
        super().__init__(server)
        self.pve, self.directory, self.token = pve, directory, token
        self.clock = StageClock()
        self.expected_statuses: set[int] = set()
        """HTTP error statuses of Discord that this test causes, besides those planned with `server.fail`."""
        self.expected_errors: list[str] = []
        """Parts of the lines of `faults_found` that this test causes, such as parts of ERROR log lines."""
        self.mentionable: set[int] = set()
        """Role IDs that alerts may mention in this test."""
        self.paced = False
        """Whether the bot's rate limits apply. Off by default: most tests send commands as fast as they can."""
        self._settings: dict[str, str] = {}
        self._sites: dict[str, dict[str, str]] = {}
        """The Proxmox settings of each site, if there are several."""
        self._bot: ProxmoxBot | None = None
        self._running: asyncio.Task[None] | None = None
        self.clients: list[Proxmox] = []
        """The connections to Proxmox of every bot that was started."""
        self._log = _Errors()

    # -- the bot

    @property
    def bot(self) -> ProxmoxBot:
        assert self._bot is not None, "the bot is not running"
        return self._bot

    @property
    def services(self) -> Services:
        return self.bot.services

    @property
    def site(self) -> Site:
        return self.services.sites.only

    def site_named(self, name: str) -> Site:
        site = self.services.sites.find(name)
        assert site is not None, name
        return site

    def add_site(self, name: str, pve: Pve, **settings: str) -> None:
        """Give the bot this cluster as one of several sites. Call it for each site before the start.

        `settings`: further settings of the site, such as ALERT_CHANNEL_ID.
        """
        self._sites[name] = {**access_to(pve, pve.give_bot()), **settings}

    def environment(self) -> dict[str, str]:
        """Return the bot's whole configuration."""
        return {
            **self.server.environment(),
            "GUILD_ID": str(self.guild.id),
            "ALLOWED_CATEGORY_ID": str(self.category.id),
            "ALERT_CHANNEL_ID": str(self.alerts.id),
            **self._access(),
            "MONITOR_INTERVAL_SECONDS": "3600",
            "LANGUAGE": "en",
            "DATA_DIR": str(self.directory),
            **self._settings,
        }

    def _access(self) -> dict[str, str]:
        if not self._sites:
            return {**access_to(self.pve, self.token), "MONITOR_VM_IDS": ""}
        return {
            f"SITE_{name.upper()}_{setting}": value
            for name, settings in self._sites.items()
            for setting, value in settings.items()
            if value
        }

    async def start_bot(self, **settings: str) -> None:
        """Start a new bot in this process.

        Returns when it is connected, its commands are registered and its first poll of Proxmox is over.
        """
        self._settings = settings
        if self.greeted:
            mark_greeted(self.directory, self._sites, settings.get("FIRST_SITE"))
        self._bot = bot = ProxmoxBot(load(self.directory / "config.py", self.environment()), self.clock)
        self.clients += [site.proxmox for site in bot.services.sites]
        if warm_charts.POSSIBLE and isinstance(bot.services.renderer, ChartProcess):
            bot.services.renderer.command = warm_charts.COMMAND
        if not self.paced:
            bot.services.rate_limiter.rates = {}
        bot._connection.guild_ready_timeout = 0.05  # the only guild comes at once
        self._running = asyncio.create_task(bot.start(self.server.token))
        try:
            await self.server.wait_ready(PATIENCE)
            await bot.wait_until_ready()
        except TimeoutError:
            if self._running.done():
                self._running.result()
            raise
        watches = [site.watch for site in self.services.sites]
        # the first poll is over only when its read is judged and stored
        await self.until(
            lambda: (
                all(watch.last_read or watch.read_error for watch in watches)
                and not any(loop._polling for loop in bot.monitor.loops)
            )
        )

    async def stop_bot(self) -> None:
        if self._bot is not None and self._running is not None:
            await self._bot.close()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
            self._bot = None

    async def restart_bot(self) -> None:
        """Restart the bot as a new process would: only the data on disk remains."""
        await self.stop_bot()
        await self.start_bot(**self._settings)

    async def crash_bot(self) -> None:
        """Start a new bot as after `kill -9`."""
        await self.kill_bot()
        await self.start_bot(**self._settings)

    async def kill_bot(self) -> None:
        """End the bot as `kill -9` does: it cannot send or store anything more."""
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

    # -- acting

    async def say(
        self, person: Person, command: str, /, *, channel: Any = None, **options: Any
    ) -> PressResult:
        """Run a command and wait for its end.

        `channel`: where to run it; default: the bot's channel. No command has an option of this name.
        """
        return await self.whole(self.server.slash(person, channel or self.channel, command, **options))

    async def start_command(
        self, person: Person, command: str, /, *, channel: Any = None, **options: Any
    ) -> PressResult:
        """Run a command and return as soon as the bot shows that it is working on it."""
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
        """Press a button of a message and wait for the end of the answer."""
        return await self.whole(self.server.click(person, post_of(on), button, force=force))

    async def choose(
        self, person: Person, on: SeenMessage | PressResult, custom_id: str, values: list[str]
    ) -> PressResult:
        """Choose in a menu, whether or not the message has it, and wait for the end of the answer."""
        return await self.whole(self.server.choose(person, post_of(on), custom_id, values))

    async def submit(self, person: Person, shown: PressResult, typed: str | Mapping[str, str]) -> PressResult:
        """Submit the form that a press opened.

        `typed`: the text of each field by its custom_id, or the text of the only field.
        """
        return await self.whole(self.server.submit(person, shown, typed))

    async def whole(self, acting: Awaitable[T]) -> T:
        """Await the action, then wait until the bot has finished everything it is handling."""
        result = await acting
        await self.settled()
        return result

    async def settled(self) -> None:
        """Wait until no command, button or form is being handled."""
        while tasks := working_tasks():
            _, late = await asyncio.wait(tasks, timeout=PATIENCE)
            assert not late, f"still at work after {PATIENCE} s: {late}"
        await self.recorded()
        await asyncio.sleep(0)  # let tasks that the handlers started (a question's time-out) begin to wait

    async def recorded(self) -> None:
        """Wait until the audit trail is written."""
        if self._bot is not None:
            for trail in self.services.trails:
                await trail.flush()

    async def choices(
        self, person: Person, command: str, option: str, typed: str = "", /, **filled: Any
    ) -> list[str]:
        """Return the labels offered while `typed` is entered in the bot's channel."""
        found = await self.server.autocomplete(person, self.channel, command, option, typed, **filled)
        return [str(choice["name"]) for choice in found]

    async def until(self, condition: Callable[[], T], what: str = "the condition") -> T:
        """Wait until the condition is true and return its value."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
            await asyncio.sleep(0.005)
        return value

    # -- reading

    def t(self, person: Person | None = None) -> Text:
        """Return the language of public answers, or the person's own."""
        texts = self.services.texts
        return texts.of_locale(person.locale) if person else texts.public

    def told(self, person: Person, error: BotError) -> str:
        """Return the sentence that this person reads for an error."""
        return error_sentence(self.t(person), error)

    def try_in(self, person: Person, channel: int) -> str:
        """Return the refusal that names a channel in which the bot works."""
        t = self.t(person)
        return t("The bot does not work in this channel. Try {channel}.", channel=f"<#{channel}>")

    def sent(self, method: str = "*", path_part: str = "") -> list[tuple[str, str, dict[str, Any]]]:
        """Return the requests sent to Proxmox so far, as (method, path, parameters)."""
        return [r for r in list(self.pve.requests) if method in ("*", r[0]) and path_part in r[1]]

    def changes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the requests that may change something: all but GET."""
        return [r for r in list(self.pve.requests) if r[0] != "GET"]

    def cluster(self) -> dict[int, dict[str, Any]]:
        """Return everything of each guest that a request could change, by VMID."""
        ids = [guest.vmid for guest in [*self.pve.vms, *self.pve.cts]]
        return {vmid: self.pve.copy_guest_state(vmid) for vmid in ids}

    async def poll(self, times: int = 1, *, later: float = 60.0) -> None:
        """Run the next polls of the first site's watch, as its loop does every minute.

        `later`: seconds that pass before each poll.
        """
        for _ in range(times):
            self.clock.skip(later)
            await self.seen_through(self.bot.monitor.loops[0].poll_once())

    def kill_token(self, reply: PressResult) -> None:
        """Make Discord reject the token of this press, as it does after fifteen minutes."""
        self.server.world.limit(self.server.world.press_of(reply.result), ack=-1.0, token=-1.0)

    async def seen_through(self, poll: Coroutine[Any, Any, None]) -> None:
        """Run a poll to its end. Skip the pause before its second read as soon as the poll waits for nothing else."""
        running = asyncio.create_task(poll)
        while (await asyncio.wait({running}, timeout=0.01))[1]:
            if running in self.clock.waiting:
                self.clock.skip(12.0)  # the seconds of this pause
        running.result()

    async def delivered(self) -> None:
        """Wait until every alert of the only site is posted and up to date."""
        journal, end = self.site.journal, time.monotonic() + PATIENCE
        while await journal.to_post() or await journal.to_edit():
            assert time.monotonic() < end, f"not within {PATIENCE} s: all alerts sent"
            await asyncio.sleep(0.005)

    def alerts_told(self) -> list[str]:
        return [post.text for post in self.server.messages(self.alerts)]

    @property
    def logged(self) -> list[str]:
        """Return the log lines at ERROR, with tracebacks."""
        return self._log.lines

    # -- checking

    def assert_refused(self, reply: PressResult, person: Person, error: BotError) -> None:
        """Check that the reply is one private sentence in the person's language, with no buttons but next steps."""
        told = [self.told(person, error)]
        if isinstance(error, NotHere):  # the reply names a usable channel if the person sees one
            told += [self.try_in(person, channel.id) for channel in (self.channel, self.alerts)]
        assert answer_of(reply).text in told, f"{reply.text!r} is not {told!r}"
        self.assert_private(reply, error)

    def assert_pressed_in_vain(self, reply: PressResult, person: Person, error: BotError) -> None:
        """Check that a press was refused with one private follow-up message, and not in the public message."""
        assert [post.text for post in reply.followups] == [self.told(person, error)], reply.text
        assert reply.followups[0].ephemeral
        assert_only_next_steps(reply.followups[0], error)
        assert self.told(person, error) not in post_of(reply).text
        assert not post_of(reply).ephemeral

    def fingerprint(self, vmid: int) -> str:
        """Return the fingerprint that ends the custom_ids of this guest's buttons."""
        guest = self.site.cluster_cache.find(vmid)
        assert guest is not None
        return guest.fingerprint

    def assert_private(self, reply: PressResult, error: BotError | None = None) -> None:
        """Check that the reply is private, and has no buttons, or only next steps after `error`."""
        answer = answer_of(reply)
        assert answer.ephemeral
        assert [post.id for post in reply.followups] in ([], [answer.id])
        assert_only_next_steps(answer, error)

    def faults_found(self) -> list[str]:
        """Return all faults that the test did not announce.

        These are refusals by Discord, rule violations, logged errors, and messages that allow mentions or have a line
        with a bare `#` or `-#`.
        """
        planned = Counter(hit for fault in self.server.rest.faults.faults for hit in fault.hits)
        planned.update(self.server.rest.missed)
        found = list(self.server.violations)
        for request in self.server.journal:
            line = f"{request.method} {request.path}"
            if request.status >= 400 or request.status == 0:
                if planned[line]:
                    planned[line] -= 1
                elif request.status not in self.expected_statuses and not _PERSON.fullmatch(line):
                    found.append(f"{line} -> {request.status}")
            if _may_mention(request, self.mentionable):
                found.append(f"{line} may mention: {request.body}")
            found += [
                f"{line} shows markup: {text}" for text in _texts(request.body) if has_bare_markup(text)
            ]
        found += self._log.lines
        return [line for line in found if not any(words in line for words in self.expected_errors)]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Collect errors that are logged in this block."""
        logging.getLogger().addHandler(self._log)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self._log)


_discord_tasks: set[asyncio.Task[Any]] = set()
"""The unfinished tasks of discord.py. `asyncio.all_tasks` takes long where hundreds of questions wait."""


def _note_discord_tasks(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """Make a task as the loop does without a factory, and note it if it is one of discord.py."""
    task = asyncio.Task(work, loop=loop, **options)
    code = getattr(work, "cr_code", None)
    if code is not None and code.co_filename.startswith(_DISCORD):
        _discord_tasks.add(task)
        task.add_done_callback(_discord_tasks.discard)
    return task


def working_tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks that currently handle a command, a button or a form."""
    return {task for task in _discord_tasks if task.get_name().startswith(_HANDLERS)}


def post_of(on: SeenMessage | PressResult) -> SeenMessage:
    """Return the message itself, or the message of a reply."""
    post = on.post or on.answer if isinstance(on, PressResult) else on
    assert post is not None, f"no message: {on}"
    return post


def answer_of(reply: PressResult) -> SeenMessage:
    """Return the message that answers the person, whether or not the press was acknowledged before."""
    assert reply.answer is not None, f"no answer: {reply}"
    return reply.answer


def assert_only_next_steps(post: SeenMessage, error: BotError | None) -> None:
    """Check that the message of a refusal has buttons of guests only, and none if the error has no next step."""
    if error is None or not steps_after_refusal(error):
        assert not post.buttons
    for button in post.buttons:
        assert GUEST.fullmatch(split_site(button.custom_id or "")[1]), button


def _may_mention(request: Request, mentionable: Collection[int]) -> bool:
    """Return whether a message was sent with mentions allowed, other than of the roles in `mentionable`."""
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


def _texts(body: object) -> Iterator[str]:
    """Yield every text of the messages in the body of a request."""
    if isinstance(body, Mapping):
        if isinstance(content := body.get("content"), str):
            yield content
        body = list(body.values())
    for each in body if isinstance(body, list) else ():
        yield from _texts(each)


@contextlib.asynccontextmanager
async def stage(pve: Pve, directory: Path) -> AsyncIterator[Stage]:
    """Start Discord, point discord.py at it, and create the bot's token for Proxmox. The test starts the bot."""
    async with DiscordServer() as server:
        route, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
        discord.http.Route.BASE = server.api_base
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
        scene = Stage(pve, server, directory, pve.give_bot())
        server.ack_limit = BUSY_ACK
        asyncio.get_running_loop().set_task_factory(_note_discord_tasks)  # type: ignore[arg-type]  # typeshed wants names and contexts spelt out
        remember_commands()
        try:
            with scene.listening():
                try:
                    yield scene
                finally:
                    await scene.stop_bot()
                    for client in scene.clients:  # as the end of the process does
                        client.close()
                gc.collect()  # exceptions that nobody retrieved are logged now
            found = scene.faults_found()
            assert not found, "unannounced:\n" + "\n".join(found)
        finally:
            discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = route, gateway


@pytest.fixture
def pve() -> Iterator[Pve]:
    """Provide the demo cluster, whose tasks end at once."""
    with Pve(nodes=NODES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        yield made


@pytest.fixture
def language() -> str:
    """Return the bot's `LANGUAGE`. Tests of sentences parametrize it."""
    return "en"


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bot never acknowledge a slow command, so that its first response is the answer."""
    monkeypatch.setattr(reply_module, "ACKNOWLEDGE_AFTER", 3600.0)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no chart: each picture is only the first bytes of a PNG."""

    async def picture(_self: ChartProcess, _drawing: Drawing) -> bytes:
        return PNG

    monkeypatch.setattr(ChartProcess, "draw", picture)


@pytest.fixture
async def bare_scene(pve: Pve, tmp_path: Path) -> AsyncIterator[Stage]:
    """Provide the stage before the bot is started."""
    async with stage(pve, tmp_path) as scene:
        yield scene


@pytest.fixture
async def scene(bare_scene: Stage, language: str) -> Stage:
    """Provide the stage with the bot running."""
    await bare_scene.start_bot(LANGUAGE=language)
    return bare_scene
