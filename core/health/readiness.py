"""Compare the settings with the existing nodes, channels and roles. Pure functions.

The check at the start and the health check both use them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import BotError
from core.guest import Cluster


class Problem(StrEnum):
    """Kinds of findings. Each comment lists the fields of `Finding` that it fills."""

    PROXMOX = "proxmox"  # value (the error's class), error
    NO_GUESTS = "no_guests"
    NO_NODE = "no_node"  # value (as set), names (of the existing nodes)
    NODE_OFFLINE = "node_offline"  # value
    NO_GUILD = "no_guild"  # value (its id)
    GUILD_AWAY = "guild_away"
    NO_CHANNEL = "no_channel"  # value (its id)
    NOT_TOLD = "not_told"  # value (the id of a channel or category)
    NO_CATEGORY = "no_category"  # value (its id)
    IS_A_CATEGORY = "is_a_category"  # value (its name)
    IS_A_CHANNEL = "is_a_channel"  # value (its name)
    TAKES_NO_MESSAGES = "takes_no_messages"  # value (its name)
    PERMISSIONS = "permissions"  # value (name of the channel or category), names (of the missing permissions)
    NO_HISTORY = "no_history"  # value (the channel's name), names (of the permission)
    NO_FILES = "no_files"  # value (the channel's name), names (of the permission)
    NO_CHARTS = "no_charts"  # value (the category's name), names (of the permission)
    NO_PINS = "no_pins"  # value (the category's name), names (of the permission)
    NO_ROLE = "no_role"  # value (its id)
    ROLE_IS_SILENT = "role_is_silent"  # value (the role's name)
    EVERYBODY_IS_ADMIN = "everybody_is_admin"


NOTES = {
    Problem.NODE_OFFLINE,
    Problem.NO_HISTORY,
    Problem.NO_FILES,
    Problem.NO_CHARTS,
    Problem.NO_PINS,
    Problem.ROLE_IS_SILENT,
    Problem.EVERYBODY_IS_ADMIN,
}
"""Findings that are reported but prevent nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or note about `setting`. `site`: the site concerned, "" if it is the bot or the only site."""

    problem: Problem
    setting: str
    value: str = ""
    names: tuple[str, ...] = ()
    error: BotError | None = field(default=None, compare=False)
    site: str = ""

    @property
    def is_serious(self) -> bool:
        """Whether it keeps the bot from being ready."""
        return self.problem not in NOTES


ALERT_CHANNEL, AUDIT_CHANNEL = "ALERT_CHANNEL_ID", "AUDIT_CHANNEL_ID"


class ChannelKind(StrEnum):
    """Kinds of Discord channels, by their use."""

    MESSAGES = "messages"  # text, announcements, a voice channel's own chat, a thread
    CATEGORY = "category"
    OTHER = "other"  # a forum, a directory


VIEW, SEND, SEND_IN_THREAD, HISTORY, ATTACH, PIN = (
    "view_channel",
    "send_messages",
    "send_messages_in_threads",
    "read_message_history",
    "attach_files",
    "pin_messages",
)
"""Permissions, as Discord's API names them. `ATTACH` is for charts, `PIN` for dashboards."""
WISHED = {HISTORY: Problem.NO_HISTORY, ATTACH: Problem.NO_FILES}
"""The permissions without which a channel of alerts or the audit trail still works, and the note about each."""
WISHED_FOR_COMMANDS = {ATTACH: Problem.NO_CHARTS, PIN: Problem.NO_PINS}
"""The permissions that only some commands need in the category, and the note about each.

Pinning has a permission of its own since February 2026.
"""


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel of the guild. `missing`: permissions that the bot needs or could use there and does not have."""

    name: str
    kind: ChannelKind
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuildView:
    """The guild as Discord shows it to the bot.

    `channels` and `roles`: by id, those that were looked for and exist.
    `silent`: in at least one alert channel a mention of `RequiredSetup.mention_role` would notify nobody.
    `untold`: ids of channels whose existence Discord does not reveal now.
    """

    name: str
    available: bool = True
    channels: Mapping[int, ChannelView] = field(default_factory=dict)
    roles: Mapping[int, str] = field(default_factory=dict)
    silent: bool = False
    untold: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class RequiredSetup:
    """The objects named in the settings.

    `nodes`: the node of each site. `channels` and `roles`: by the setting's name. Alert channels of single sites have
    names made by `name_setting`.
    """

    nodes: Mapping[str, str]
    guild: int
    category: int
    channels: Mapping[str, int]
    roles: Mapping[str, tuple[int, ...]]
    mention_role: int | None = None

    @property
    def has_levels(self) -> bool:
        """Whether any role has a level."""
        return any(
            self.roles.get(name) for name in ("ADMIN_ROLE_IDS", "OPERATOR_ROLE_IDS", "VIEWER_ROLE_IDS")
        )

    @property
    def alert_channels(self) -> tuple[int, ...]:
        """The alert channels of the bot and of single sites."""
        return tuple(
            number for name, number in self.channels.items() if split_setting(name)[0] == ALERT_CHANNEL
        )


def name_setting(setting: str, site: str) -> str:
    """Return the name of a setting of one site. `site` "": of the bot or the only site."""
    return f"{setting} ({site})" if site else setting


def split_setting(name: str) -> tuple[str, str]:
    """Return the setting and the site in a name made by `name_setting`."""
    setting, _, site = name.partition(" (")
    return setting, site.removesuffix(")")


def check_proxmox(node: str, seen: Cluster | BotError, site: str = "") -> tuple[Finding, ...]:
    """Return the findings about the Proxmox of one site. `node`: NODE_NAME."""
    if isinstance(seen, BotError):
        return (Finding(Problem.PROXMOX, "PROXMOX_HOST", type(seen).__name__, error=seen, site=site),)
    found = [] if seen.guests else [Finding(Problem.NO_GUESTS, "PROXMOX_TOKEN_NAME", site=site)]
    nodes = {each.name: each for each in seen.nodes}
    if nodes and node not in nodes:
        found.append(Finding(Problem.NO_NODE, "NODE_NAME", node, tuple(sorted(nodes)), site=site))
    elif nodes and not nodes[node].online:
        found.append(Finding(Problem.NODE_OFFLINE, "NODE_NAME", node, site=site))
    return tuple(found)


def check_discord(wanted: RequiredSetup, seen: GuildView | None) -> tuple[Finding, ...]:
    """Return the findings about Discord. `seen=None`: the bot is not in the guild."""
    if seen is None:
        return (Finding(Problem.NO_GUILD, "GUILD_ID", str(wanted.guild)),)
    if not seen.available:
        return (Finding(Problem.GUILD_AWAY, "GUILD_ID"),)
    found = [*_category(wanted, seen), *_channels(wanted, seen), *_roles(wanted, seen)]
    if not wanted.has_levels:
        found.append(Finding(Problem.EVERYBODY_IS_ADMIN, "ADMIN_ROLE_IDS"))
    return tuple(found)


def _category(wanted: RequiredSetup, seen: GuildView) -> Iterator[Finding]:
    setting, category = "ALLOWED_CATEGORY_ID", seen.channels.get(wanted.category)
    if category is None:
        problem = Problem.NOT_TOLD if wanted.category in seen.untold else Problem.NO_CATEGORY
        yield Finding(problem, setting, str(wanted.category))
    elif category.kind is not ChannelKind.CATEGORY:
        yield Finding(Problem.IS_A_CHANNEL, setting, category.name)
    elif missing := tuple(name for name in category.missing if name not in (*WISHED, *WISHED_FOR_COMMANDS)):
        yield Finding(Problem.PERMISSIONS, setting, category.name, missing)
    else:
        for name, problem in WISHED_FOR_COMMANDS.items():
            if name in category.missing:
                yield Finding(problem, setting, category.name, (name,))


def _channels(wanted: RequiredSetup, seen: GuildView) -> Iterator[Finding]:
    for name, number in wanted.channels.items():
        setting, site = split_setting(name)
        channel = seen.channels.get(number)
        if channel is None:
            problem = Problem.NOT_TOLD if number in seen.untold else Problem.NO_CHANNEL
            yield Finding(problem, setting, str(number), site=site)
        elif channel.kind is not ChannelKind.MESSAGES:
            problem = (
                Problem.IS_A_CATEGORY if channel.kind is ChannelKind.CATEGORY else Problem.TAKES_NO_MESSAGES
            )
            yield Finding(problem, setting, channel.name, site=site)
        else:
            yield from _permissions(setting, site, channel)


def _permissions(setting: str, site: str, channel: ChannelView) -> Iterator[Finding]:
    missing = tuple(name for name in channel.missing if name != ATTACH or setting == ALERT_CHANNEL)
    if set(missing) - WISHED.keys():
        yield Finding(Problem.PERMISSIONS, setting, channel.name, missing, site=site)
        return
    for name in missing:
        yield Finding(WISHED[name], setting, channel.name, (name,), site=site)


def _roles(wanted: RequiredSetup, seen: GuildView) -> Iterator[Finding]:
    for setting, numbers in wanted.roles.items():
        for number in numbers:
            if number not in seen.roles:
                yield Finding(Problem.NO_ROLE, setting, str(number))
    role = wanted.mention_role
    if role in seen.roles and seen.silent and role is not None:
        yield Finding(Problem.ROLE_IS_SILENT, "ALERT_MENTION_ROLE_ID", seen.roles[role])
