"""Build the demo guild, and the web page on which every command, completion, button and form can be tried.

The page is SimCord's Preview. It shows one channel. Two more pages show the audit channel, and a channel where the
bot must refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord
import simcord

from playground.discord.people import Person
from playground.discord.preview import open_preview
from playground.discord.server import Channel, DiscordServer, Guild, Role

if TYPE_CHECKING:
    from simcord import Preview

_GATHER = 0.15
"""Seconds in which changes are collected before the page is published again."""


@dataclass(frozen=True, slots=True)
class DemoGuild:
    """The demo guild: its channels, people and roles."""

    guild: Guild
    category: Channel
    channel: Channel
    outside: Channel
    audit: Channel
    admin: Person
    operator: Person
    viewer: Person
    gamer: Person
    """An admin of the guests with the tag `game`, who sees no others."""
    levels: Mapping[str, Role]
    """The roles by level: ADMIN, OPERATOR, VIEWER and GAME."""
    language: str = "ja"
    """Language of the bot, and of the page's dates and times."""

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.admin, self.operator, self.viewer, self.gamer)


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of the guild and its people, and their language. emma reads English in both."""

    locale: str
    guild: str
    category: str
    outside: str
    audit: str
    admin: str
    operator: str
    gamer: str


_NAMES = {
    "ja": _Names(
        "ja",
        "Proxmox デモ",
        "サーバー管理",
        "雑談",
        "監査",
        "管理者 akiko",
        "オペレーター taro",
        "ゲーム担当 ken",
    ),
    "en": _Names(
        "en-US", "Proxmox demo", "Servers", "lobby", "audit", "admin akiko", "operator taro", "game admin ken"
    ),
}


def build_guild(server: DiscordServer, language: str = "ja") -> DemoGuild:
    """Set up the guild.

    The allowed category has a channel for commands and alerts and one for the audit. A third channel is outside
    of it. `language`: "ja" or "en".
    """
    names = _NAMES[language]
    guild = server.guild(names.guild, locale=names.locale)
    admins = guild.create_role("Admin", permissions=discord.Permissions(manage_guild=True), color=0xE5700E)
    operators = guild.create_role("Operator", color=0x3498DB)
    viewers = guild.create_role("Viewer", color=0x95A5A6)
    gamers = guild.create_role("Game", color=0x2ECC71)
    category = guild.create_category(names.category)
    channel = guild.create_text_channel(
        "proxmox", category=category, topic="コマンドと通知 · commands and alerts — / と入力 · type /"
    )
    outside = guild.create_text_channel(
        names.outside, topic="ボットはここでは動きません · the bot refuses to work here"
    )
    audit = guild.create_text_channel(
        names.audit, category=category, topic="変更と拒否の記録 · every change and refusal"
    )

    def person(name: str, display: str, role: Role, locale: str = names.locale) -> Person:
        return server.person(guild, name, display=display, roles=[role], locale=locale)

    return DemoGuild(
        guild=guild,
        category=category,
        channel=channel,
        outside=outside,
        audit=audit,
        admin=person("akiko", names.admin, admins),
        operator=person("taro", names.operator, operators),
        viewer=person("emma", "viewer emma", viewers, "en-US"),
        gamer=person("ken", names.gamer, gamers),
        levels={"ADMIN": admins, "OPERATOR": operators, "VIEWER": viewers, "GAME": gamers},
        language=language,
    )


class DemoPage:
    """Serve a stage to a browser on 127.0.0.1, and publish the bot's changes in the background.

    `port` is the main page's, and the others take the next ones; 0 lets the system choose all.
    Raises: OSError if a port is taken.
    """

    def __init__(self, server: DiscordServer, stage: DemoGuild, port: int = 0) -> None:
        self._server, self._stage, self._port = server, stage, port
        self._previews: list[Preview] = []
        self._publisher: asyncio.Task[None] | None = None
        self._published = 0

    async def start(self) -> None:
        for channel in (self._stage.channel, self._stage.outside, self._stage.audit):
            preview = open_preview(
                self._server.world,
                channel,
                self._stage.people,
                locale=_NAMES[self._stage.language].locale,
                timezone="Asia/Tokyo",
                port=self._port + len(self._previews) if self._port else 0,
            )
            await preview.__aenter__()
            self._previews.append(preview)
        self._publisher = asyncio.create_task(self._publish())

    @property
    def url(self) -> str:
        """The page of the allowed channel. Its address holds a secret: everybody who has it can press buttons."""
        return self._previews[0].url

    @property
    def outside_url(self) -> str:
        """The page of the channel outside of the allowed category."""
        return self._previews[1].url

    @property
    def audit_url(self) -> str:
        """The page of the audit channel."""
        return self._previews[2].url

    async def closed(self) -> None:
        """Return when somebody ends the main page with its "End preview session"."""
        await self._previews[0].wait_closed()

    async def stop(self) -> None:
        if self._publisher is not None:
            self._publisher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._publisher
        for preview in self._previews:
            await preview.close()

    async def _publish(self) -> None:
        while True:
            await self._server.wait_until(lambda: self._server.message_version != self._published, None)
            await asyncio.sleep(_GATHER)
            self._published = self._server.message_version
            for preview in self._previews:
                with contextlib.suppress(simcord.SetupError):  # this page was ended; the others continue
                    await preview.refresh()
