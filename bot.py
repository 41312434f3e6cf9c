"""Build the bot, run it and close it. This is also the command line.

    python bot.py          run the bot with config.py and the environment
    python bot.py --init   ask for the settings and write config.py (startup/first_run)
    python bot.py --check  check the whole setup and say what is wrong (startup/health)
    python bot.py --demo   try it without an account or server (needs requirements-demo.txt); others: --help

Exit codes: 0 the bot was told to stop, 1 Discord refused the token or the guild, DATA_DIR cannot be used, or a bug
ended it, 2 the options, the configuration, Python or its packages are not usable. Those of --check: 0 all is well,
1 warnings or unchecked parts, 2 errors. Those of --init: 0 config.py is written, 1 it is not.
"""

import sys

from startup.requirements_check import missing_requirements

# before the first import that needs a package: a sentence helps more than a traceback
if missing_requirements():
    print(missing_requirements(), file=sys.stderr)
    sys.exit(2)

import gc
import os
import signal

from startup.signals import ENDING

if __name__ == "__main__":  # the other imports take a second, and nothing has started until they are done
    for end in ENDING:
        signal.signal(end, lambda *_: os._exit(0))
    gc.disable()  # hardly anything that is imported is garbage; `settle_memory` enables it again

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import discord
from discord import app_commands
from discord.ext import commands

from adapters.charts.process import ChartProcess
from adapters.files.data_lock import DataLock, lock_data_dir, others_may_write
from adapters.files.disk_thread import DiskThread
from adapters.heartbeat import Heartbeat
from adapters.journal.off_loop import JournalOffLoop
from adapters.logging_setup import set_up_logging
from adapters.settings.load import Settings, SettingsError, load
from bootstrap import COGS, PLAIN_COGS, Resources, add_sites, build_services
from cogs.audit import Audit
from cogs.monitor import Monitor
from core.clock import Clock
from monitor_store import MonitorStore
from proxmox_client import threads
from startup.command_line import commands_of, parse_command_line, wants_no_bot
from startup.connection import Connection, DiscordRefused, use_other_discord
from startup.data_dir import JOURNAL_NAME, LIST_NAME, SiteData, StartFailed, read_data_dir, start_failures
from startup.demo import run_demo
from startup.health.run import RunningCheck
from startup.membership import Membership
from startup.memory import limit_heap, settle_memory
from startup.operating.gateway import acknowledged_age
from startup.operating.service import Operating
from startup.readiness import StartCheck, required_setup
from startup.sd_notify import ServiceManager
from startup.serving import run_until_told
from startup.threads import UnjoinedThreads, exit_process
from ui.audit.channel import DiscordAuditChannel
from ui.audit.recovery import DiscordOutcomeNotifier
from ui.dashboard.channel import DiscordDashboards
from ui.dashboard.presence import Presence
from ui.discord.proxy_pages import refuse_proxy_pages
from ui.discord.rate_limits import RateLimitWatch, limit_request_time
from ui.guests.confirm import close_questions, on_submit
from ui.i18n import CatalogueTranslator, Texts
from ui.interaction.buttons import PersistentButton
from ui.interaction.context import Interaction
from ui.interaction.gate import GatedTree
from ui.interaction.incoming import GatewayGuard, answer_unreadable_press
from ui.interaction.selects import PersistentSelect
from ui.messages.startup import open_to_all
from ui.sites.option import hide_site_options
from ui.watch.alert_channel import DiscordAlertChannel

HERE = Path(__file__).resolve().parent
FAREWELL_SECONDS = 3.0
"""Maximum seconds for the last messages before the bot closes."""

_log = logging.getLogger("bot")


class ProxmoxBot(commands.Bot):
    """The client of discord.py, with the services. Nothing happens before `start`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        trace = RateLimitWatch(clock).trace()
        trace.on_request_end.append(refuse_proxy_pages)
        guilds = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
        super().__init__(
            command_prefix=(),
            intents=discord.Intents(guilds=True),
            help_command=None,
            tree_cls=GatedTree,
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_contexts=guilds,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            http_trace=trace,
            max_ratelimit_timeout=30.0,  # a longer wait is an error (ui/discord/failures.py)
        )
        limit_request_time(self.http)
        self._settings = settings
        self._lock: DataLock | None = None
        self.store = MonitorStore(settings.data_dir / LIST_NAME, clock.now)
        self.journal = JournalOffLoop(settings.data_dir / JOURNAL_NAME, clock.now)
        self.disk = DiskThread("files")
        url = settings.heartbeat_url
        self.heartbeat = Heartbeat(url.reveal() if url else None, clock=clock.now)
        texts = Texts(settings.language)
        self.presence = Presence(self, texts.public, clock)
        audits, category = settings.audit_channel_id, settings.allowed_category_id
        mentioned = settings.alert_mention_role_id
        self._operating = Operating(settings.metrics_listen)
        resources = Resources(
            self.journal,
            self.store,
            self.disk,
            self.heartbeat,
            DiscordAuditChannel(self, audits, texts.public) if audits else None,
            lambda own: DiscordAlertChannel(
                self, own.alert_channel_id, texts.public, mentioned, own.name, own.proxmox_web_url, category
            ),
            DiscordOutcomeNotifier(self, texts.public, clock),
            lambda own: DiscordDashboards(self, texts.public, category, own.name),
            self.presence,
            lambda: self.connected,
            ChartProcess(clock),
            lambda: acknowledged_age(self),
            self._operating.measures,
            RunningCheck(settings, HERE, commands_of(COGS), self.disk).results,
        )
        self.services = build_services(settings, clock, texts, resources)
        loops = add_sites(self.services, settings, resources)
        self.monitor = Monitor(self.services, loops)
        self.audit = Audit(self.services)
        GatewayGuard(self, texts).guard()
        self._check = StartCheck(self, self.services, required_setup(settings))
        self._ending = asyncio.Event()
        self._discord = Connection(self, self._register, texts.public, clock, self._ending)
        Membership(self, texts.public, settings.guild_id, self._discord.register_again, self._send_waiting)
        self.connected = False
        """Whether the gateway is connected now."""
        self.on_started: Callable[[], None] = lambda: None
        """Called when everything that does not need Discord runs, above all the watch."""
        self.running: asyncio.Task[None] | None = None
        """The task that runs `start`, None before it. `close` cancels the task, unless `close` runs in it."""

    async def start(self, token: str, *, reconnect: bool = True) -> None:  # noqa: ARG002  # discord.py's signature
        """Start watching Proxmox, and stay connected to Discord whenever it can be reached.

        Raises: StartFailed, DiscordRefused.
        """
        # calls to Proxmox and Discord's DNS look-ups share these threads: no look-up may queue behind the calls
        asyncio.get_running_loop().set_default_executor(UnjoinedThreads(threads(len(self._settings.sites))))
        await self._open()
        await self._check.greeting.load()
        await self._add_cogs()
        checking = asyncio.create_task(self._check.run(), name="start check")
        await self._operating.open(self.services, lambda: self.latency)
        self.on_started()
        try:
            await self._discord.run(token)
        finally:
            checking.cancel()

    async def _open(self) -> None:
        """Lock the data directory, and then read it.

        Raises: StartFailed.
        """
        t, directory = self.services.texts.public, self._settings.data_dir
        with start_failures(t, directory):
            self._lock = lock_data_dir(directory)
            sites = [
                SiteData.of(site, own.monitor_vm_ids)
                for own, site in zip(self._settings.sites, self.services.sites, strict=True)
            ]
            first, shared = self._settings.first_site, self.services.audit if len(sites) > 1 else None
            await read_data_dir(t, directory, self.journal, self.store, sites, first=first, audit=shared)

    async def _add_cogs(self) -> None:
        """Add the cogs. They start the background work, above all the watch, without waiting for Discord."""
        services, guild = self.services, discord.Object(self._settings.guild_id)
        self.add_dynamic_items(PersistentButton, PersistentSelect)
        await self.tree.set_translator(CatalogueTranslator(services.texts))
        for cog in (*(kind(services) for kind in PLAIN_COGS), self.audit, self.monitor):
            await self.add_cog(cog, guild=guild)
        if not services.sites.several:
            hide_site_options(self.tree.get_commands(guild=guild))

    async def setup_hook(self) -> None:
        """Send waiting messages after the log-in, even while the gateway is not connected."""
        self._send_waiting()

    def _send_waiting(self) -> None:
        for site in self.services.sites:
            site.alert_delivery.wake()
            site.dashboards.on_reconnect()
        self.services.audit_delivery.on_reconnect()

    async def _register(self) -> None:
        synced = await self.tree.sync(guild=discord.Object(self._settings.guild_id))
        self.services.command_mentions.learn(synced)
        self._check.recheck()

    async def on_ready(self) -> None:
        self.presence.forget()
        await self.presence.show(self.services.sites)
        self._check.recheck()
        self._send_waiting()

    async def on_connect(self) -> None:
        self.connected = True
        _log.info("connected to Discord as %s", self.user)

    async def on_resumed(self) -> None:
        self.connected = True
        _log.info("the connection to Discord is back")
        self._check.recheck()
        self._send_waiting()

    async def on_disconnect(self) -> None:
        self.connected = False

    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer unreadable presses, and handle modals: discord.py knows none from before a restart."""
        await answer_unreadable_press(interaction)
        if interaction.type is discord.InteractionType.modal_submit:
            await on_submit(interaction, dict(interaction.data or {}))

    async def close(self) -> None:
        """Say farewell in the messages of running work and open questions, end everything, and release DATA_DIR."""
        last_words: set[asyncio.Future[None]] = set()
        if not self.is_closed():
            replies = list(self.services.open_replies)
            await asyncio.gather(*(site.executor.stop() for site in self.services.sites))
            farewells = [reply.say_farewell() for reply in replies]
            farewells += [close_questions(self.services), self.monitor.finish(), self.audit.finish()]
            last_words = {asyncio.ensure_future(farewell) for farewell in farewells}
            # not cancelled when it takes too long: a cancelled wait for a rate limit would block discord.py's
            # other requests for good
            await asyncio.wait(last_words, timeout=FAREWELL_SECONDS)
        if self.running is not None and self.running is not asyncio.current_task():
            # discord.py would wait for an answer on a dead connection, or leave a session to resume: the bot
            # would stay "online"
            self.running.cancel()
        self._ending.set()
        await self.heartbeat.close()
        await self._operating.close()
        ready = self._connection._ready_task  # noqa: SLF001  # discord.py's own close lets it run on
        if ready is not None:
            ready.cancel()  # it would report "ready" to a client that is closed
        await super().close()
        for word in last_words:  # nothing can be sent any more
            word.cancel()
        await self.services.members.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.gather(*last_words, return_exceptions=True)
        await asyncio.gather(*(trail.finish() for trail in self.services.trails))
        await asyncio.gather(self.disk.close(), self.journal.close(), self.services.renderer.close())
        if self._lock is not None:
            self._lock.release()


async def serve(settings: Settings, environ: Mapping[str, str]) -> int:
    """Run until told to stop, and return the exit code."""
    bot = ProxmoxBot(settings, Clock())
    settle_memory()
    try:
        await run_until_told(bot, settings.discord_token.reveal(), ServiceManager(environ))
    except (StartFailed, DiscordRefused) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        for site in bot.services.sites:
            site.proxmox.close()
    return 0


def main(arguments: list[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    options = parse_command_line(arguments, HERE / "config.py")
    if options.demo:
        run_demo(HERE, options.port)
    if wants_no_bot(options):
        from startup.first_run.command import run_instead  # noqa: PLC0415 - half a MB that no running bot needs

        return run_instead(options, HERE, environ, COGS)
    try:
        settings = load(options.config, environ)
    except SettingsError as error:
        from startup.first_run.command import explain  # noqa: PLC0415 - as above

        return explain(error, options, HERE, environ, COGS)
    limit_heap()
    set_up_logging(settings)
    for path in filter(None, map(others_may_write, (options.config, settings.data_dir))):
        _log.warning("%s", open_to_all(Texts(settings.language).public, str(path)))
    use_other_discord(environ)
    try:
        return asyncio.run(serve(settings, environ))
    except Exception:  # noqa: BLE001 - the log masks the secrets, and a traceback does not
        _log.critical("the bot ended because of an internal error", exc_info=True)
        return 1


if __name__ == "__main__":
    exit_process(main())
