"""Builds everything, runs it, closes it; and the command line.

    python bot.py          run the bot with config.py and the environment
    python bot.py --demo   try it without an account or server (needs requirements-dev.txt)

Exit codes: 0 ended as wished, 1 Discord refused or DATA_DIR cannot be used, 2 the configuration is not usable.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands

from cogs.access import Access
from cogs.audit import Audit
from cogs.general import General
from cogs.monitor import Monitor
from cogs.power import Power
from cogs.snapshot import Snapshots
from core.clock import Clock
from core.errors import JournalFailed
from data_lock import DataDirInUse, DataLock, lock_data_dir
from heartbeat import Heartbeat
from journal import JournalError, SqliteJournal
from log_setup import set_up_logging
from monitor_store import MonitorStore, StoreError
from read_only_file import ReadOnlyFile
from settings import Settings, SettingsError, load
from ui.alerts import DiscordAlertChannel
from ui.audit_channel import DiscordAuditChannel
from ui.buttons import Lasting
from ui.faults import fault_lines
from ui.found_out import DiscordTeller
from ui.gate import GatedTree
from ui.question import submitted, typed_into
from ui.render import WARNING
from ui.services import Interaction
from ui.text import Text, Texts
from ui.translator import CatalogueTranslator
from wiring import JOURNAL_NAME, LIST_NAME, READ_ONLY_NAME, Parts, build_services, failure_line, what_was_lost

HERE = Path(__file__).resolve().parent
FAREWELL_SECONDS = 3.0

_log = logging.getLogger("bot")


class StartFailed(Exception):
    """The bot cannot begin; its text says why, for the terminal."""


class ProxmoxBot(commands.Bot):
    """discord.py's client with the services. Nothing happens here before `setup_hook`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
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
        )
        self._settings = settings
        self._lock: DataLock | None = None
        self.store = MonitorStore(settings.data_dir / LIST_NAME, clock.now)
        self.journal = SqliteJournal(settings.data_dir / JOURNAL_NAME, clock.now)
        url = settings.heartbeat_url
        self.heartbeat = Heartbeat(url.reveal() if url else None, clock=clock.now)
        texts = Texts(settings.language)
        channel = DiscordAlertChannel(
            self, settings.alert_channel_id, texts.public, settings.alert_mention_role_id
        )
        audits = settings.audit_channel_id
        audit_channel = DiscordAuditChannel(self, audits, texts.public) if audits else None
        teller = DiscordTeller(self, texts.public, clock)
        parts = Parts(
            self.store,
            ReadOnlyFile(settings.data_dir / READ_ONLY_NAME),
            self.journal,
            channel,
            audit_channel,
            teller,
            self.heartbeat,
            lambda: self.connected,
        )
        self.services = build_services(settings, clock, texts, parts)
        self.monitor = Monitor(self.services, channel.say)
        self.audit = Audit(self.services)
        self.connected = False
        """Whether the gateway is there just now."""
        self.running: asyncio.Task[None] | None = None
        """What runs `start`, if it is to be ended by `close`."""

    async def start(self, token: str, *, reconnect: bool = True) -> None:
        self._open()
        await super().start(token, reconnect=reconnect)

    def _open(self) -> None:
        """Nothing is read before the directory is this bot's alone. Raises StartFailed."""
        t, directory = self.services.texts.public, self._settings.data_dir
        try:
            self._lock = lock_data_dir(directory)
            opened = self.journal.open()
            loaded = self.store.load(self._settings.monitor_vm_ids)
            self.services.judge.read_only.begin()
            self.services.audit.close_cut_off()
            self.services.watch.begin(loaded.entries, loaded.states)
        except (DataDirInUse, JournalError, JournalFailed, StoreError, OSError) as error:
            raise StartFailed(failure_line(t, error, directory)) from error
        off = self.services.judge.read_only.held is not None
        for text in what_was_lost(t, opened, loaded, off=off):
            _log.error("%s", text)
            with contextlib.suppress(JournalFailed):  # what cannot be stored is in the log at least
                self.services.watch.say(f"{WARNING} {text}")

    async def setup_hook(self) -> None:
        services, guild = self.services, discord.Object(self._settings.guild_id)
        self.add_dynamic_items(Lasting)
        await self.tree.set_translator(CatalogueTranslator(services.texts))
        cogs: Iterable[commands.Cog] = (
            General(services),
            Power(services),
            Snapshots(services),
            self.audit,
            self.monitor,
            Access(services),
        )
        for cog in cogs:
            await self.add_cog(cog, guild=guild)
        await self.tree.sync(guild=guild)

    async def on_ready(self) -> None:
        if not self.services.judge.rules.levels:
            _log.warning("no role is set (ADMIN_ROLE_IDS and others): everybody in the category is an admin")
        _log.info("ready: %s in guild %d", self.user, self._settings.guild_id)
        self.services.delivery.wake()
        self.services.audit_posting.back()

    async def on_connect(self) -> None:
        self.connected = True

    async def on_resumed(self) -> None:
        self.connected = True
        self.services.delivery.wake()
        self.services.audit_posting.back()

    async def on_disconnect(self) -> None:
        self.connected = False

    async def on_interaction(self, interaction: Interaction) -> None:
        """Forms come here, also those from before a restart, of which discord.py knows nothing."""
        if interaction.type is discord.InteractionType.modal_submit:
            data: Mapping[str, object] = dict(interaction.data or {})
            await submitted(interaction, str(data.get("custom_id", "")), typed_into(data))

    async def close(self) -> None:
        """Say farewell where work is shown under way, then go."""
        if not self.is_closed():
            replies = list(self.services.open_replies)
            await self.services.operations.end()
            farewells = [reply.say_farewell() for reply in replies]
            farewells += [self.services.questions.close(self.services), self.monitor.finish()]
            farewells.append(self.audit.finish())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await asyncio.gather(*farewells, return_exceptions=True)
        if self.running is not None and self.running is not asyncio.current_task():
            # discord.py would sleep on until its next try to connect, for up to 17 minutes of an outage, or wait
            # for an answer on a dead line, or close the session as one to resume, which leaves the bot "online"
            self.running.cancel()
        await self.heartbeat.close()
        await super().close()
        self.services.audit.finish()
        self.journal.close()
        if self._lock is not None:
            self._lock.release()


def point_at(environ: Mapping[str, str]) -> None:
    """For the demo and the tests: another Discord, which must be on this machine. Not a setting."""
    base, gateway = environ.get("DISCORD_API_BASE"), environ.get("DISCORD_GATEWAY_URL")
    for url in filter(None, (base, gateway)):
        host = urlsplit(url).hostname or url
        try:
            here = ipaddress.ip_address(host).is_loopback
        except ValueError:  # a name, which may lead anywhere
            here = False
        if not here:
            raise SystemExit(
                f"{host} is not this machine's own address: DISCORD_API_BASE and DISCORD_GATEWAY_URL are for tests"
            )
    if base:
        discord.http.Route.BASE = base
    if gateway:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


async def serve(settings: Settings) -> int:
    """Run until told to stop. The exit code."""
    bot = ProxmoxBot(settings, Clock())
    t = bot.services.texts.public
    stopping: set[asyncio.Task[None]] = set()

    def stop() -> None:
        stopping.add(asyncio.ensure_future(bot.close()))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        async with bot:
            bot.running = asyncio.ensure_future(bot.start(settings.discord_token.reveal()))
            try:
                await bot.running
            except asyncio.CancelledError:
                if not stopping:
                    raise
                await asyncio.gather(*stopping)
    except StartFailed as error:
        return _fail(str(error))
    except discord.LoginFailure:
        return _fail(t("Discord refused the token. Check DISCORD_TOKEN."))
    except discord.Forbidden:
        return _fail(
            t("Discord does not let the bot into the guild. Check GUILD_ID, and invite the bot to it.")
        )
    except (discord.DiscordServerError, discord.GatewayNotFound, aiohttp.ClientError, OSError) as error:
        _log.debug("no way to Discord", exc_info=error)
        return _fail(t("Discord cannot be reached. Check the network, then start the bot again."))
    finally:
        bot.services.proxmox.close()
    return 0


def _fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def main(arguments: list[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    parser = argparse.ArgumentParser(prog="bot.py", description="Manage and watch Proxmox VE from Discord.")
    parser.add_argument(
        "--demo", action="store_true", help="try it on this machine, without account or server"
    )
    parser.add_argument(
        "--config", type=Path, default=HERE / "config.py", metavar="PATH", help="another config.py"
    )
    options = parser.parse_args(arguments)
    if options.demo:
        demo()
    try:
        settings = load(options.config, environ)
    except SettingsError as error:
        t = Texts(error.language).public
        print(*config_report(t, error), sep="\n", file=sys.stderr)
        return 2
    set_up_logging(settings)
    point_at(environ)
    try:
        return asyncio.run(serve(settings))
    except Exception:  # noqa: BLE001 - logged, because the log masks the secrets and a traceback does not
        _log.critical("the bot ended by an error of its own", exc_info=True)
        return 1


def config_report(t: Text, error: SettingsError) -> list[str]:
    """Every fault at once, each with its remedy."""
    head = t.plural(
        "The configuration has {n} fault:", "The configuration has {n} faults:", len(error.faults)
    )
    return [head, *(f"- {line}" for line in fault_lines(t, error.faults))]


def demo() -> NoReturn:
    """Become the playground, which starts this file as its bot."""
    if find_spec("simcord") is None or find_spec("fakepve") is None:
        print(
            "The demo needs more packages: pip install -r requirements-dev.txt (or: make demo)",
            file=sys.stderr,
        )
        sys.exit(2)
    os.chdir(HERE)
    os.execv(sys.executable, [sys.executable, "-m", "playground"])  # noqa: S606 - this very Python, no shell


if __name__ == "__main__":
    sys.exit(main())
