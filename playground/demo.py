"""Put the demo together: Proxmox at two sites, a Discord, the real bot between them, and the page.

Proxmox and the bot are separate processes, as in reality. Discord and the page run in this one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from adapters.settings.load import KNOWN_NAMES
from playground.children import Child, ChildDied
from playground.cluster.demo_cluster import OWNER
from playground.discord.server import DiscordServer
from playground.history import write_history
from playground.page import DemoGuild, DemoPage, PortTaken, build_guild

ROOT = Path(__file__).resolve().parent.parent
_CLUSTER_PATIENCE = 30.0
_BOT_PATIENCE = 45.0
_FOREIGN = frozenset(KNOWN_NAMES)
BLOCKED = "free-nitro"
"""A text that the link filter of the demo's Discord blocks."""

_READY = {
    "ja": """
デモの準備ができました。ブラウザーで開いてください:

  {url}

  · 下の欄に / と入力: /list、/info vmid:（候補から選択）、/stop、/snapshot create …
  · 上のリンクで監査チャンネルと、ボットが断るチャンネルへ
  · 「Viewing as」で人を切り替え: akiko は管理者、taro はオペレーター、emma は閲覧者（英語で読み、タグにより
    204 の所有者）、ken はタグ game のゲストだけの管理者、mio はロールがなく、何もできません
{sites}  · かかる時間: 開始は 2 秒、スナップショットは 2 秒、クローンは 8 秒、バックアップは 10 秒。通知はゲストが
    止まってから 10 秒ほどで届きます（最初は 60～90 秒後。そのあと数分おきに何かが起こります）
  · この Discord のリンクフィルターは {blocked} をブロックします: /create name:{blocked} は名前なしで表示されます

終了は Ctrl-C
""",
    "en": """
The demo is ready. Open this in a browser:

  {url}

  · Type / in the box at the bottom: /list, /info vmid: (pick a completion), /stop, /snapshot create …
  · The links at the top lead to the audit channel, and to a channel where the bot refuses to work
  · Switch the person with "Viewing as": akiko is an admin, taro an operator, emma a viewer (and the owner of 204 by
    its tag), ken an admin of the guests with the tag game, and mio has no role and may do nothing
{sites}  · What takes how long: a start 2 s, a snapshot 2 s, a clone 8 s, a backup 10 s. An alert comes about 10 s
    after a guest stops (the first after 60 to 90 s; then something happens every few minutes)
  · The link filter of this Discord blocks {blocked}: /create name:{blocked} is shown without names

Ctrl-C ends it
""",
}

_SITES = {
    "ja": """\
  · Proxmox は 2 か所: home（3 ノードのクラスタ）と parents（実家の単独ホスト）。1 か所だけなら --one-site
""",
    "en": """\
  · Proxmox at two sites: home, a cluster of three nodes, and parents, a stand-alone host that has some VMIDs and
    names too (101, dns). With --one-site there is only the cluster
""",
}

_PORT_TAKEN = {
    "ja": "ポート {port} はほかのプログラムが使っています。--port で別の番号を指定するか、--port を外してください。",
    "en": "Port {port} is used by another program. Choose another with --port, or leave --port out.",
}


class Demo:
    """The whole demo.

    `bot` and `cluster`: arguments of Python for these programs; tests use stand-ins. `port`: of the page (0:
    any free one). `verbose`: show the output of bot and cluster. `one_site`: leave out the second site.
    `calm`: nothing happens by itself, and the number of changes is not limited.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        verbose: bool = False,
        one_site: bool = False,
        calm: bool = False,
        bot: Sequence[str] = ("bot.py",),
        cluster: Sequence[str] = ("-m", "playground.cluster.demo_cluster"),
    ) -> None:
        self._port, self._verbose, self._program = port, verbose, tuple(bot)
        self._one_site, self._calm = one_site, calm
        self._bot: Child | None = None
        set_options = (name for name, is_set in (("--one-site", one_site), ("--calm", calm)) if is_set)
        cluster = (*cluster, "--language", language(), *set_options)
        self._cluster = Child("cluster", cluster, directory=ROOT, show=verbose, announces=True)

    async def run(self) -> int:
        """Run until Ctrl-C, SIGTERM or the end of the page, and return 0.

        If a child ends by itself, report it and return 1.
        """
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(self._play())
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            pass  # the usual end
        except ChildDied as death:
            lines = "".join(f"\n  {line}" for line in death.lines)
            print(f"{death}." + (f" Its last lines:{lines}" if lines else ""), file=sys.stderr, flush=True)
            return 1
        except PortTaken as taken:
            print(_PORT_TAKEN[language()].format(port=taken.port), file=sys.stderr, flush=True)
            return 1
        except (TimeoutError, OSError) as error:
            children = (self._cluster, *((self._bot,) if self._bot else ()))
            lines = "\n".join(f"  {line}" for child in children for line in child.lines)
            print(f"The demo did not start: {error}\n{lines}", file=sys.stderr, flush=True)
            return 1
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, lambda: None)  # the end has begun: ignore further signals
        return 0

    async def _play(self) -> None:
        async with AsyncExitStack() as stack:
            data = stack.enter_context(tempfile.TemporaryDirectory(prefix="proxmox-demo-"))
            server = await stack.enter_async_context(DiscordServer())
            server.answer_wait = (
                0.5  # the page soon takes the next press; a later answer is published by itself
            )
            stage = build_guild(server, language())
            page = DemoPage(server, stage, self._port)
            stack.push_async_callback(page.stop)
            await page.start()
            stack.push_async_callback(self._cluster.stop)
            await self._cluster.start({**clean_environment(), OWNER: str(stage.viewer.id)})
            sites = _sites_told(await self._cluster.first_line(_CLUSTER_PATIENCE))
            server.block(BLOCKED)
            write_history(Path(data), list(sites), stage.admin, stage.names.admin)
            # no such config.py: the user's own, beside bot.py, is for a real server
            program = (*self._program, "--config", str(Path(data) / "config.py"))
            self._bot = bot = Child("bot", program, directory=ROOT, show=self._verbose)
            stack.push_async_callback(bot.stop)
            settings = bot_environment(server, stage, sites, Path(data))
            unlimited = {"CHANGES_PER_MINUTE": "0"} if self._calm else {}
            await bot.start({**clean_environment(), **settings, **unlimited})
            await self._unless_a_child_dies(server.wait_ready(_BOT_PATIENCE))
            print(
                _READY[language()].format(
                    url=page.url,
                    blocked=BLOCKED,
                    sites="" if self._one_site else _SITES[language()],
                ),
                flush=True,
            )
            await self._unless_a_child_dies(page.closed())

    async def _unless_a_child_dies(self, awaitable: Any) -> None:
        """Await it, as long as all children run.

        Raises: ChildDied, as soon as one of the children ends.
        """
        children = [child for child in (self._bot, self._cluster) if child is not None]
        tasks = [asyncio.ensure_future(one) for one in (awaitable, *(child.died() for child in children))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _sites_told(line: str) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(line)["sites"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"the cluster did not say where it is, but: {line[:200]}") from error


def bot_environment(
    server: DiscordServer, stage: DemoGuild, sites: Mapping[str, Mapping[str, Any]], data: Path
) -> dict[str, str]:
    """Return the bot's settings for the demo. `sites`: as the demo cluster prints them, by name ("" for one)."""
    first = next(iter(sites))
    prefix = f"{first}/" if first else ""
    settings = {
        **server.environment(),
        "GUILD_ID": str(stage.guild.id),
        "ALLOWED_CATEGORY_ID": str(stage.category.id),
        "ALERT_CHANNEL_ID": str(stage.channel.id),
        "MONITOR_INTERVAL_SECONDS": "5",
        "LANGUAGE": language(),
        "ADMIN_ROLE_IDS": f"{stage.levels['ADMIN'].id} {stage.levels['GAME'].id}",
        "OPERATOR_ROLE_IDS": str(stage.levels["OPERATOR"].id),
        "VIEWER_ROLE_IDS": str(stage.levels["VIEWER"].id),
        "ROLE_SCOPES": json.dumps({str(stage.levels["GAME"].id): [f"tag:{prefix}game"]}),
        "PROTECTED_VM_IDS": f"{prefix}108",
        "AUDIT_CHANNEL_ID": str(stage.audit.id),
        "DATA_DIR": str(data),
    }
    for name, site in sites.items():
        settings |= _site_settings(f"SITE_{name.upper()}_" if name else "", site)
    return settings


def _site_settings(prefix: str, site: Mapping[str, Any]) -> dict[str, str]:
    own = {
        "PROXMOX_HOST": f"{site['host']}:{site['port']}",
        "PROXMOX_USER": site["user"],
        "PROXMOX_TOKEN_NAME": site["token_name"],
        "PROXMOX_TOKEN_VALUE": site["token_value"],
        "PROXMOX_VERIFY_SSL": site["ca_file"],
        "NODE_NAME": site["node"],
        "PROXMOX_WEB_URL": "https://pve.example.com:8006",
        "MONITOR_VM_IDS": ",".join(str(vmid) for vmid in site["watched"]),
    }
    return {f"{prefix}{name}": value for name, value in own.items()}


def language() -> str:
    """Return the demo's language, from LANGUAGE."""
    return "en" if os.environ.get("LANGUAGE") == "en" else "ja"


def clean_environment() -> dict[str, str]:
    """Return this process's environment without a real bot's settings: the demo must never reach a real server."""
    return {
        key: value
        for key, value in os.environ.items()
        if key not in _FOREIGN and not key.startswith(("DISCORD_", "SITE_"))
    }
