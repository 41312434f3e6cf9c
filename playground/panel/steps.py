"""Define the guided tour: what to do in each step, how to do it for the visitor, and how to see that it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from core.operations import Operation
from playground.discord.people import Person, PressResult
from playground.discord.server import DiscordServer
from playground.panel.page import DemoGuild
from playground.panel.seen import Seen

Words = dict[str, str]
"""A text in "ja" and "en"."""
_READING = 2.0
"""Seconds for the visitor to read a question before it is answered for them."""


@dataclass(frozen=True, slots=True)
class Guide:
    """Act for the visitor.

    `site`: the site's name, "" if there is only one. `break_` breaks one thing by its name.
    """

    server: DiscordServer
    guild: DemoGuild
    seen: Seen
    site: str
    break_: Callable[[str], None]

    async def run(self, command: str, /, **options: Any) -> PressResult:
        """Run a command in the main channel, as the admin."""
        return await self.run_as(self.guild.admin, command, **options)

    async def run_as(self, person: Person, command: str, /, **options: Any) -> PressResult:
        """Run a command in the main channel."""
        return await self.server.slash(person, self.guild.channel, command, **options)

    @property
    def of_site(self) -> dict[str, Any]:
        """The option that names the site, where there are several."""
        return {"site": self.site} if self.site else {}


Act = Callable[[Guide], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class TourStep:
    """One step. `who`: whose view it needs, a field of DemoGuild. `place`: where on the page, for demo.css.

    `text` may hold {site}, which is replaced by " site:home" or nothing.
    """

    key: str
    title: Words
    text: Words
    act: Act
    is_done: Callable[[Seen], bool]
    who: str = "admin"
    place: str = "composer"


async def _roll_back(guide: Guide) -> None:
    """Ask for the roll-back, let the visitor read the question, and confirm it.

    Raises: LookupError or TimeoutError, if the bot asks nothing: the visitor may have deleted the snapshot.
    """
    asked = await guide.run("snapshot rollback", vmid="web01", name="nginx-ok")
    question = (await asked.until(lambda reply: reply.post and reply.post.buttons)).post
    yes = [button for button in question.buttons if button.style == "danger"] if question is not None else []
    if question is None or not yes:
        raise LookupError("no question to confirm")
    await asyncio.sleep(_READING)
    await guide.server.click(guide.guild.admin, question, yes[0].custom_id or "")


async def _answer_alert(guide: Guide) -> None:
    """Start the guest of the newest alert that offers a start, else acknowledge the newest alert.

    Raises: LookupError, if there is no alert to answer.
    """
    alerts = guide.seen.alerts()
    for what in ("start", "ack"):
        for post, offers in reversed(alerts):
            if what in offers:
                await guide.server.click(guide.guild.admin, post, offers[what])
                return
    raise LookupError("no alert to answer")


async def _kill(guide: Guide) -> None:
    guide.break_("guest")


STEPS: tuple[TourStep, ...] = (
    TourStep(
        "list",
        {"ja": "一覧を見る", "en": "See what there is"},
        {
            "ja": "下の欄に `/list` と入力して選び、右端の矢印で送信します。",
            "en": "Type `/list` in the box at the bottom, choose it, and send it with the arrow on the right.",
        },
        lambda guide: guide.run("list"),
        lambda seen: seen.answered("list"),
    ),
    TourStep(
        "info",
        {"ja": "1 台を詳しく", "en": "Look at one guest"},
        {
            "ja": "`/info vmid:minecraft` で、状態と操作ボタンのある詳細が出ます。",
            "en": "`/info vmid:minecraft` shows its state, with buttons to control it.",
        },
        lambda guide: guide.run("info", vmid="minecraft"),
        lambda seen: seen.answered("info"),
    ),
    TourStep(
        "start",
        {"ja": "開始する", "en": "Start a guest"},
        {
            "ja": "停止中の palworld を `/start vmid:palworld` で開始します。進み具合は同じメッセージに出ます。",
            "en": "palworld is stopped: `/start vmid:palworld` starts it. One message shows progress and result.",
        },
        lambda guide: guide.run("start", vmid="palworld"),
        lambda seen: seen.succeeded(Operation.START),
    ),
    TourStep(
        "crash",
        {"ja": "ゲストが落ちると", "en": "A guest crashes"},
        {
            "ja": "「壊す」の「ゲストを落とす」を押すか、ここで落とします。10 秒ほどで通知が届きます。",
            "en": "Press “Kill a guest” under “Break”, or do it here. The alert comes within about 10 seconds.",
        },
        _kill,
        lambda seen: bool(seen.alerts()) or seen.alert_answered(),
        place="break",
    ),
    TourStep(
        "alert",
        {"ja": "通知に応える", "en": "Answer the alert"},
        {
            "ja": "通知の「開始」を押します。同じ通知が書き換わり、復旧まで分かります。",
            "en": "Press Start on the alert. The alert is updated, and says when the guest is back.",
        },
        _answer_alert,
        lambda seen: seen.alert_answered(),
        place="alert",
    ),
    TourStep(
        "rollback",
        {"ja": "スナップショットに戻す", "en": "Roll back"},
        {
            "ja": "`/snapshot rollback vmid:web01 name:nginx-ok` で、失われるものを見て、赤いボタンで進みます。",
            "en": "`/snapshot rollback vmid:web01 name:nginx-ok` shows what will be lost. The red button confirms.",
        },
        _roll_back,
        lambda seen: seen.succeeded(Operation.SNAPSHOT_ROLLBACK),
    ),
    TourStep(
        "stranger",
        {"ja": "権限のない人は", "en": "Without permission"},
        {
            "ja": "上の「Viewing as」で mio（ロールなし）になり、`/list` を試します。断りは本人にだけ見えます。",
            "en": "Choose mio, who has no role, under “Viewing as” and try `/list`. Only mio sees the refusal.",
        },
        lambda guide: guide.run_as(guide.guild.newcomer, "list"),
        lambda seen: seen.refused(),
        who="newcomer",
        place="viewer",
    ),
    TourStep(
        "chart",
        {"ja": "グラフ", "en": "A chart"},
        {
            "ja": "「Viewing as」を akiko に戻し、`/graph guest vmid:web01` で 1 日の使用状況を見ます。",
            "en": "Switch back to akiko (“Viewing as”). `/graph guest vmid:web01` charts the usage of the past day.",
        },
        lambda guide: guide.run("graph guest", vmid="web01"),
        lambda seen: seen.has_picture(),
    ),
    TourStep(
        "dashboard",
        {"ja": "ダッシュボード", "en": "A dashboard"},
        {
            "ja": "`/dashboard create{site}` で、いつも最新の状態を示すメッセージが 1 つできます。",
            "en": "`/dashboard create{site}` posts one message that stays up to date.",
        },
        lambda guide: guide.run("dashboard create", **guide.of_site),
        lambda seen: seen.has_dashboard(),
    ),
    TourStep(
        "audit",
        {"ja": "監査記録", "en": "Who did what"},
        {
            "ja": "`/audit` で、ここまでの操作と拒否を確かめます。# 監査 のチャンネルにも同じ記録があります。",
            "en": "`/audit` lists what was done and refused so far. The channel # audit has it too.",
        },
        lambda guide: guide.run("audit"),
        lambda seen: seen.audit_read(),
    ),
)
