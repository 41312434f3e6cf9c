"""Put the demo together: Proxmox at two sites, a Discord, the real bot between them, and the page.

Proxmox and the bot are separate processes, as in reality. Discord and the page run in this one. A reset ends all of
it and starts it again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from adapters.settings.credentials import DIRECTORY
from adapters.settings.load import KNOWN_NAMES
from playground.announcements import BLOCKED, PORT_MOVED, PORT_TAKEN, READY, SITES
from playground.children import Child, ChildDied
from playground.cluster.demo_cluster import OWNER
from playground.cluster.orders import STATE
from playground.discord.server import DiscordServer
from playground.history import write_history
from playground.panel.page import (
    LOOPBACK,
    DemoGuild,
    DemoPage,
    PageAddress,
    PortTaken,
    build_guild,
    free_ports,
)
from playground.panel.panel import ClusterState, Panel

ROOT = Path(__file__).resolve().parent.parent
_CLUSTER_PATIENCE = 30.0  # seconds
_BOT_PATIENCE = 45.0  # seconds
_FOREIGN = frozenset((*KNOWN_NAMES, DIRECTORY))


class Demo:
    """The whole demo.

    `bot` and `cluster`: arguments of Python for these programs; tests use stand-ins. `port`: the first of the page's
    three ports, 0 for any free ones; if one of the three is taken, the next three that are free. `host`: where the
    page is served. `verbose`: show the output of bot and cluster. `one_site`: leave out the second site. `calm`:
    nothing happens by itself, the number of changes is not limited, the page has no panel, and the bot is that of
    calm_bot.py.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = LOOPBACK,
        verbose: bool = False,
        one_site: bool = False,
        calm: bool = False,
        bot: Sequence[str] = (),
        cluster: Sequence[str] = ("-m", "playground.cluster.demo_cluster"),
    ) -> None:
        self._port, self._host, self._verbose = port, host, verbose
        usual = ("-m", "playground.calm_bot") if calm else ("bot.py",)
        self._programs = tuple(bot) or usual, tuple(cluster)
        self._one_site, self._calm = one_site, calm
        self._language = language()
        self._runs = itertools.count(1)
        self._children: tuple[Child, ...] = ()

    async def run(self) -> int:
        """Run until Ctrl-C, SIGTERM or the page's "End preview session", and return 0.

        If a child ends by itself, the page cannot have its ports or the start fails, report it and return 1.
        """
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(self._play())

        def handle_signals(handler: Callable[[], object]) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, handler)

        def end() -> None:
            handle_signals(lambda: None)  # a second signal must not cut the end of the children short
            task.cancel()

        handle_signals(end)
        try:
            await task
        except asyncio.CancelledError:
            pass  # the usual end
        except ChildDied as death:
            lines = "".join(f"\n  {line}" for line in death.lines)
            print(f"{death}." + (f" Its last lines:{lines}" if lines else ""), file=sys.stderr, flush=True)
            return 1
        except PortTaken as taken:
            print(PORT_TAKEN[self._language].format(port=taken.port), file=sys.stderr, flush=True)
            return 1
        except (TimeoutError, OSError) as error:
            lines = "\n".join(f"  {line}" for child in self._children for line in child.lines)
            print(f"The demo did not start: {error}\n{lines}", file=sys.stderr, flush=True)
            return 1
        finally:
            handle_signals(lambda: None)  # everything has ended
        return 0

    async def _play(self) -> None:
        """Run the demo, anew after each reset, at the same address."""
        place = PageAddress(self._host, free_ports(self._port, self._host))
        if place.ports[0] != self._port:
            print(PORT_MOVED[self._language].format(port=self._port, found=place.ports[0]), flush=True)
        again: PageAddress | None = place
        while again is not None:
            again = await self._play_once(again)

    async def _play_once(self, place: PageAddress) -> PageAddress | None:
        """Run the demo until somebody ends or resets it. After a reset, return the address for the next run."""
        run, wanted = next(self._runs), asyncio.get_running_loop().create_future()
        async with AsyncExitStack() as stack:
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="proxmox-demo-"))
            server = await stack.enter_async_context(DiscordServer())
            # The page takes no other press during this time. An answer that comes later appears on it, too.
            server.answer_wait = 0.5
            guild = build_guild(server, self._language)
            page, state = DemoPage(server, guild, place), ClusterState()
            stack.push_async_callback(page.stop)
            cluster = self._cluster(state)
            self._children = (cluster,)
            stack.push_async_callback(cluster.stop)
            await cluster.start({**clean_environment(), OWNER: str(guild.viewer.id)})
            sites = _parse_sites(await cluster.first_line(_CLUSTER_PATIENCE))
            server.block(BLOCKED)
            write_history(Path(data), list(sites), guild.admin, guild.names.admin)
            # a config.py that does not exist: the one beside bot.py is for a real server
            program = (*self._programs[0], "--config", str(Path(data) / "config.py"))
            bot = Child("bot", program, directory=ROOT, show=self._verbose)
            self._children = (cluster, bot)
            stack.push_async_callback(bot.stop)
            settings = bot_environment(server, guild, sites, Path(data))
            unlimited = {"CHANGES_PER_MINUTE": "0"} if self._calm else {}
            await bot.start({**clean_environment(), **settings, **unlimited})
            await self._unless_a_child_dies(server.wait_ready(_BOT_PATIENCE))
            panel = Panel(
                server,
                guild,
                site=next(iter(sites)),
                run=run,
                cluster=state,
                order=lambda order: cluster.say(json.dumps(order)),
                reset=wanted.set_result,
            )
            stack.push_async_callback(panel.close)
            await page.start(None if self._calm else panel)
            # The ports may have been taken since they were chosen.
            if run == 1 and place.ports[0] and page.place.ports != place.ports:
                moved = PORT_MOVED[self._language]
                print(moved.format(port=place.ports[0], found=page.place.ports[0]), flush=True)
            if run == 1:
                sites_told = "" if self._one_site else SITES[self._language]
                told = READY[self._language].format(url=page.url, blocked=BLOCKED, sites=sites_told)
                print(told, flush=True)
            ended = asyncio.ensure_future(page.closed())
            stack.callback(ended.cancel)
            await self._unless_a_child_dies(
                asyncio.wait((ended, wanted), return_when=asyncio.FIRST_COMPLETED)
            )
            if not wanted.done():
                return None
            self._language = wanted.result()
            return page.place

    def _cluster(self, state: ClusterState) -> Child:
        """Return the cluster's program, not yet started. `state` gets the states that it prints."""

        def hears(line: str) -> bool:
            is_state = line.startswith(STATE)
            if is_state:
                state.hear(line.removeprefix(STATE))
            return is_state

        set_options = (
            name for name, is_set in (("--one-site", self._one_site), ("--calm", self._calm)) if is_set
        )
        arguments = (*self._programs[1], "--language", self._language, *set_options)
        return Child("cluster", arguments, directory=ROOT, show=self._verbose, announces=True, hears=hears)

    async def _unless_a_child_dies(self, awaitable: Any) -> None:
        """Await `awaitable` as long as all children run. Raises: ChildDied as soon as one of them ends."""
        deaths = (child.died() for child in self._children)
        tasks = [asyncio.ensure_future(one) for one in (awaitable, *deaths)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _parse_sites(line: str) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(line)["sites"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"the cluster did not say where it is, but: {line[:200]}") from error


def bot_environment(
    server: DiscordServer, guild: DemoGuild, sites: Mapping[str, Mapping[str, Any]], data: Path
) -> dict[str, str]:
    """Return the bot's settings for the demo.

    `sites`: as the demo cluster prints them, by name. The name of an only site is "".
    """
    first = next(iter(sites))
    prefix = f"{first}/" if first else ""
    settings = {
        **server.environment(),
        "GUILD_ID": str(guild.guild.id),
        "ALLOWED_CATEGORY_ID": str(guild.category.id),
        "ALERT_CHANNEL_ID": str(guild.channel.id),
        "MONITOR_INTERVAL_SECONDS": "5",
        "LANGUAGE": guild.language,
        "ADMIN_ROLE_IDS": f"{guild.levels['ADMIN'].id} {guild.levels['GAME'].id}",
        "OPERATOR_ROLE_IDS": str(guild.levels["OPERATOR"].id),
        "VIEWER_ROLE_IDS": str(guild.levels["VIEWER"].id),
        "ROLE_SCOPES": json.dumps({str(guild.levels["GAME"].id): [f"tag:{prefix}game"]}),
        "PROTECTED_VM_IDS": f"{prefix}108",
        "AUDIT_CHANNEL_ID": str(guild.audit.id),
        "DATA_DIR": str(data),
    }
    for name, site in sites.items():
        settings |= _site_settings(f"SITE_{name.upper()}_" if name else "", site)
    return settings


def _site_settings(prefix: str, site: Mapping[str, Any]) -> dict[str, str]:
    settings = {
        "PROXMOX_HOST": f"{site['host']}:{site['port']}",
        "PROXMOX_USER": site["user"],
        "PROXMOX_TOKEN_NAME": site["token_name"],
        "PROXMOX_TOKEN_VALUE": site["token_value"],
        "PROXMOX_VERIFY_SSL": site["ca_file"],
        "NODE_NAME": site["node"],
        "PROXMOX_WEB_URL": "https://pve.example.com:8006",
        "MONITOR_VM_IDS": ",".join(str(vmid) for vmid in site["watched"]),
    }
    return {f"{prefix}{name}": value for name, value in settings.items()}


def language() -> str:
    """Return the language that the demo begins in, from LANGUAGE."""
    return "en" if os.environ.get("LANGUAGE") == "en" else "ja"


def clean_environment() -> dict[str, str]:
    """Return this process's environment without a real bot's settings: the demo must never reach a real server."""
    return {
        key: value
        for key, value in os.environ.items()
        if key not in _FOREIGN and not key.startswith(("DISCORD_", "SITE_"))
    }
