"""Judge the bot's guild, channels, roles and commands in Discord. Make the invitation with the least permissions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.health.readiness import (
    ATTACH,
    HISTORY,
    PIN,
    SEND,
    SEND_IN_THREAD,
    VIEW,
    GuildView,
    Problem,
    RequiredSetup,
    check_discord,
)
from core.health.result import Result, error, names_text, of_finding, ok, warning

BITS = {VIEW: 10, SEND: 11, ATTACH: 15, HISTORY: 16, SEND_IN_THREAD: 38, PIN: 51}
"""The bit of each permission that the bot uses.

Discord's documentation, "Permissions". Pinning has a bit of its own since 2026.
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """The commands that Discord has. `allowed`: the bot was invited with `applications.commands`."""

    names: frozenset[str] = frozenset()
    allowed: bool = True


def invitation(application: int, guild: int = 0) -> str:
    """Return the link that invites the bot with the least permissions."""
    permissions = sum(1 << bit for bit in BITS.values())
    link = (
        f"https://discord.com/oauth2/authorize?client_id={application}"
        f"&scope=bot+applications.commands&permissions={permissions}"
    )
    return f"{link}&guild_id={guild}" if guild else link


def judge_guild(wanted: RequiredSetup, seen: GuildView | None, link: str) -> list[Result]:
    """Judge the guild, its channels and its roles. `link`: the invitation."""
    found = []
    for finding in check_discord(wanted, seen):
        check = (
            "discord.guild"
            if finding.problem in (Problem.NO_GUILD, Problem.GUILD_AWAY)
            else "discord.channels"
        )
        if finding.problem is Problem.NO_GUILD:
            found.append(error(check, "no_guild", guild=finding.value, line=link))
        elif finding.problem is Problem.EVERYBODY_IS_ADMIN:
            found.append(ok("discord.roles", "everybody_is_admin"))
        else:
            found.append(of_finding(check, finding))
    if seen is not None and seen.available:
        found.insert(0, ok("discord.guild", "guild_ok", guild=seen.name))
        if not any(result.check == "discord.channels" for result in found):
            written = {seen.channels[number].name for number in wanted.channels.values()}
            names = ", ".join(f"#{name}" for name in sorted(written))
            found.append(ok("discord.channels", "channels_ok", names=names))
    return found


def judge_permissions(*, administrator: bool, link: str) -> Result:
    """Judge whether the bot is an administrator of the guild, which it need not be."""
    if administrator:
        return warning("discord.permissions", "discord_administrator", line=link)
    return ok("discord.permissions", "invitation", line=link)


def judge_commands(registered: Registered, wanted: Iterable[str], link: str) -> Result:
    """Judge whether Discord has the bot's commands."""
    if not registered.allowed:
        return error("discord.commands", "commands_not_allowed", line=link)
    missing = sorted(set(wanted) - registered.names)
    if not registered.names:
        return ok("discord.commands", "commands_at_start")
    if missing:
        names = [f"/{name}" for name in missing]
        return warning("discord.commands", "commands_missing", names=names_text(names))
    return ok("discord.commands", "commands_ok", count=str(len(registered.names)))
