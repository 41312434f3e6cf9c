"""Build the demo guild, and the web page on which every command, completion, button and form can be tried.

The page is SimCord's Preview. It shows one channel, and links to two more pages: the audit channel, and a channel
where the bot must refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord
import simcord

from playground.discord.people import Person
from playground.discord.preview import (
    Answerer,
    Tab,
    answer_beside,
    link_pages,
    listen_on,
    open_preview,
)
from playground.discord.server import Channel, DiscordServer, Guild, Role
from playground.discord.simcord_changes import ZONE

if TYPE_CHECKING:
    from simcord import Preview

_GATHER = 0.15
"""Seconds in which changes are collected before the page is published again."""


LOOPBACK = "127.0.0.1"
_TRIES = 20
"""Number of port ranges in a row that are tried for the page."""


class PortTaken(OSError):
    """Something else listens on the port of the page."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port


@dataclass(frozen=True, slots=True)
class GuildNames:
    """The names of the guild, its channels, roles and people, in one language.

    `locale`: the language of the guild and of all people but emma, who always reads English.
    """

    locale: str
    guild: str
    category: str
    outside: str
    audit: str
    topics: tuple[str, str, str]
    """The topics of the channel for commands, of the one outside, and of the audit channel."""
    roles: tuple[str, str, str, str]
    """The roles of the admin, the operator, the viewer and the gamer."""
    admin: str
    operator: str
    viewer: str
    gamer: str
    newcomer: str


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
    newcomer: Person
    """Somebody without any role."""
    levels: Mapping[str, Role]
    """The roles by level: ADMIN, OPERATOR, VIEWER and GAME."""
    names: GuildNames

    @property
    def language(self) -> str:
        """The language that the demo is in: "ja" or "en"."""
        return "en" if self.names.locale == NAMES["en"].locale else "ja"

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.admin, self.operator, self.viewer, self.gamer, self.newcomer)


NAMES = {
    "ja": GuildNames(
        "ja",
        "Proxmox デモ",
        "サーバー管理",
        "雑談",
        "監査",
        ("コマンドと通知。/ と入力", "ボットはここでは動きません", "変更と拒否の記録"),
        ("管理者", "オペレーター", "閲覧者", "ゲーム"),
        "管理者 akiko",
        "オペレーター taro",
        "閲覧者 emma",
        "ゲーム担当 ken",
        "ロールなし mio",
    ),
    "en": GuildNames(
        "en-US",
        "Proxmox demo",
        "Servers",
        "lobby",
        "audit",
        ("Commands and alerts: type /", "The bot does not work here", "Every change and refusal"),
        ("Admin", "Operator", "Viewer", "Game"),
        "admin akiko",
        "operator taro",
        "viewer emma",
        "game admin ken",
        "mio without a role",
    ),
}


def build_guild(server: DiscordServer, language: str = "ja") -> DemoGuild:
    """Set up the guild.

    The allowed category has a channel for commands and alerts and one for the audit. A third channel is outside
    of it. `language`: "ja" or "en".
    """
    names = NAMES[language]
    guild = server.guild(names.guild, locale=names.locale)
    admin, operator, viewer, game = names.roles
    admins = guild.create_role(admin, permissions=discord.Permissions(manage_guild=True), color=0xE5700E)
    operators = guild.create_role(operator, color=0x3498DB)
    viewers = guild.create_role(viewer, color=0x95A5A6)
    gamers = guild.create_role(game, color=0x2ECC71)
    category = guild.create_category(names.category)
    channel = guild.create_text_channel("proxmox", category=category, topic=names.topics[0])
    outside = guild.create_text_channel(names.outside, topic=names.topics[1])
    audit = guild.create_text_channel(names.audit, category=category, topic=names.topics[2])

    def person(name: str, display: str, *roles: Role, locale: str = names.locale) -> Person:
        return server.person(guild, name, display=display, roles=roles, locale=locale)

    return DemoGuild(
        guild=guild,
        category=category,
        channel=channel,
        outside=outside,
        audit=audit,
        admin=person("akiko", names.admin, admins),
        operator=person("taro", names.operator, operators),
        viewer=person("emma", names.viewer, viewers, locale="en-US"),
        gamer=person("ken", names.gamer, gamers),
        newcomer=person("mio", names.newcomer),
        levels={"ADMIN": admins, "OPERATOR": operators, "VIEWER": viewers, "GAME": gamers},
        names=names,
    )


@dataclass(frozen=True, slots=True)
class PageAddress:
    """The address of the page. `ports`: one for each channel, 0 for any. `secret`: None for a new one."""

    host: str = LOOPBACK
    ports: tuple[int, int, int] = (0, 0, 0)
    secret: str | None = None


def free_ports(first: int, host: str = LOOPBACK) -> tuple[int, int, int]:
    """Return three free ports in a row, at `first` or above. If `first` is 0, return zeros: the system chooses.

    Raises: PortTaken, if something else uses a port of each range that was tried; OSError, if the host or a port
    cannot be used.
    """
    if not first:
        return (0, 0, 0)
    for port in range(first, min(first + 3 * _TRIES, 65534), 3):
        if all(_is_free(host, port + at) for at in range(3)):
            return (port, port + 1, port + 2)
    raise PortTaken(first)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the page's own socket
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


class DemoPage:
    """Serve the demo guild to a browser, and publish the bot's changes in the background.

    Each channel has a page with links to the others. The first one is the main page.
    """

    def __init__(self, server: DiscordServer, demo: DemoGuild, place: PageAddress | None = None) -> None:
        self._server, self._demo, self._place = server, demo, place or PageAddress()
        self._previews: list[Preview] = []
        self._publisher: asyncio.Task[None] | None = None
        self._published = 0

    async def start(self, beside: Answerer | None = None) -> None:
        """Start serving. `beside`: answers the requests of the pages that are not for SimCord.

        If another program has taken one of the ports since they were chosen, the next three are used, unless people
        know the address already.
        Raises: PortTaken; OSError, if the host or a port cannot be used.
        """
        while True:
            try:
                await self._open(beside)
                break
            except PortTaken:
                await self._close()
                if self._place.secret:
                    raise
                host, ports = self._place.host, self._place.ports
                self._place = PageAddress(host, free_ports(ports[0] + 3, host))
        self._publisher = asyncio.create_task(self._publish())

    async def _open(self, beside: Answerer | None) -> None:
        """Open the pages. Raises: PortTaken; OSError, if the host cannot be used."""
        pages: list[tuple[Preview, list[Tab]]] = []
        channels = (self._demo.channel, self._demo.audit, self._demo.outside)
        for channel, port in zip(channels, self._place.ports, strict=True):
            tabs = list[Tab]()
            preview = open_preview(
                self._server.world,
                channel,
                self._demo.people,
                tabs,
                locale=self._demo.names.locale,
                timezone=ZONE.key,
                port=port,
            )
            preview.capability = self._place.secret or preview.capability
            try:
                await preview.__aenter__()
            except simcord.SetupError as error:
                if not port:
                    raise
                raise PortTaken(port) from error
            self._previews.append(preview)
            pages.append((preview, tabs))
            if beside is not None:
                answer_beside(preview, beside)
            if self._place.host != LOOPBACK:
                await listen_on(preview, self._place.host)
        link_pages(pages, [f"# {channel.name}" for channel in channels])

    async def _close(self) -> None:
        for preview in self._previews:
            await preview.close()
        self._previews.clear()

    @property
    def url(self) -> str:
        """Return the address of the page of the allowed channel.

        It holds a secret: everybody who has the address can press buttons.
        """
        return self._previews[0].url

    @property
    def place(self) -> PageAddress:
        """Return the present address of the page, for a page that replaces it later."""
        ports = [int(preview.url.split(":")[2].split("/")[0]) for preview in self._previews]
        return PageAddress(self._place.host, (ports[0], ports[1], ports[2]), self._previews[0].capability)

    async def closed(self) -> None:
        """Wait until somebody ends the main page with its "End preview session"."""
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
