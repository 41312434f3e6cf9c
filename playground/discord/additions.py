"""Add to SimCord's model the limit and the pages of pins, and let a guild remove and invite the bot.

Sources: "Messages" in Discord's developer documentation (pins, 50 on a page), and its help pages (250 pins).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import discord
from simcord.backend import Backend, serializers
from simcord.backend.models import Role

from playground.discord.rest import Call, CallRefused

PINS_MOST, PAGE_MOST = 250, 50
"""Maximum number of pins in a channel, and in one answer."""
_PINS = re.compile(r"/channels/(?P<channel>\d+)/messages/pins(?:/(?P<message>\d+))?")
_GUILD = re.compile(r"(?:/applications/\d+)?/guilds/(?P<guild>\d+)(?:/.*)?")
_CHANNEL = re.compile(r"/channels/(?P<channel>\d+)(?:/.*)?")


class Pins:
    """Refuse a pin beyond the limit, and list pins in pages, the newest first."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._order: dict[int, int] = {}
        self._counter = itertools.count(1)

    def ensure_below_limit(self, call: Call) -> None:
        """Refuse a new pin beyond the limit, and note the order of the allowed ones. Let all other calls pass.

        Raises: CallRefused.
        """
        found = _PINS.fullmatch(call.path)
        if found is None or call.method != "PUT" or found["message"] is None:
            return
        number = int(found["message"])
        messages = self._backend.messages.get(int(found["channel"]), {})
        if sum(each.pinned for each in messages.values() if each.id != number) >= PINS_MOST:
            text = f"Maximum number of pins reached for the channel ({PINS_MOST})"
            raise CallRefused(400, {"message": text, "code": 30003})
        self._order[number] = next(self._counter)

    def page(self, call: Call, answer: Any) -> Any:
        """Return the wanted page of SimCord's answer, which has all pins. All other answers stay as they are."""
        found = _PINS.fullmatch(call.path)
        if found is None or call.method != "GET":
            return answer
        items = [{**each, "pinned_at": self._pinned_at(each)} for each in answer["items"]]
        before = str(call.params.get("before") or "9")  # sorts after each time
        limit = int(call.params.get("limit") or PAGE_MOST)
        left = sorted(
            (each for each in items if each["pinned_at"] < before),
            key=lambda each: each["pinned_at"],
            reverse=True,
        )
        most = min(limit, PAGE_MOST)
        return {"items": left[:most], "has_more": len(left) > most}

    def _pinned_at(self, item: Mapping[str, Any]) -> str:
        """Return a made-up time of a pin: the bot's pins in their order, after those of others."""
        number = int(item["message"]["id"])
        micro = self._order.get(number, 0) or number % 1_000_000
        minute = 1 if number in self._order else 0
        return f"2026-01-01T00:{minute:02}:{micro // 1_000_000:02}.{micro % 1_000_000:06}+00:00"


def ensure_member(backend: Backend, call: Call) -> None:
    """Check that the bot is in the guild of a call.

    Raises: CallRefused.
    """
    guild_id: int | None = None
    if found := _GUILD.fullmatch(call.path):
        guild_id = int(found["guild"])
    elif found := _CHANNEL.fullmatch(call.path):
        channel = backend.channels.get(int(found["channel"]))
        guild_id = channel.guild_id if channel else None
    guild = backend.guilds.get(guild_id or 0)
    if guild is not None and backend.bot_user.id not in guild.members:
        raise CallRefused(403, {"message": "Missing Access", "code": 50001})


def remove_bot(backend: Backend, guild_id: int) -> None:
    """Remove the bot from a guild, with its role and its commands. Its messages stay."""
    guild, me = backend.guilds[guild_id], backend.bot_user.id
    for number in guild.members.pop(me).role_ids:
        if guild.roles[number].managed:
            del guild.roles[number]
    backend.commands.pop(guild_id, None)
    backend.emit("GUILD_DELETE", {"id": str(guild_id)})


def invite_bot(backend: Backend, guild_id: int) -> None:
    """Add the bot to a guild, with a new role of its own."""
    guild, rights = backend.guilds[guild_id], discord.Permissions.all()
    rights.administrator = False
    role = Role(
        id=backend.snowflake(),
        name=backend.bot_user.name,
        permissions=rights.value,
        position=len(guild.roles),
        managed=True,
    )
    guild.roles[role.id] = role
    backend.add_member(guild_id, backend.bot_user.id, roles=[role.id])
    payload = dict(serializers.guild_create_payload(backend, guild))
    del payload["unavailable"]  # Discord sends it for guilds that a session begins with
    backend.emit("GUILD_CREATE", payload)
