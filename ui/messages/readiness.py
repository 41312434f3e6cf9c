"""Put findings about the setup into words: a line per problem, and the "ready:" line of the log.

The check at the start and the health check have such findings.
"""

from __future__ import annotations

from collections.abc import Mapping

from core import proxmox_errors as p
from core.guest import Cluster
from core.health.readiness import (
    ALERT_CHANNEL,
    WISHED,
    WISHED_FOR_COMMANDS,
    Finding,
    GuildView,
    Problem,
    RequiredSetup,
    name_setting,
    split_setting,
)
from ui.discord.permissions import permission_names
from ui.formatting import FAILED, OK, WARNING, code, fit_lines, plain
from ui.i18n import N_, Marked, Text
from ui.messages.errors import error_sentence

_MOST, _NAMES_MOST = 100, 20
"""Maximum characters of a value or a name, and maximum number of names in a line. Names left out are counted."""
_LINE_MOST = 2500
"""Maximum characters of the names in a line: enough for `_NAMES_MOST` of the longest."""
_SETTING: dict[str, str] = {
    p.CertificateNotTrusted.__name__: "PROXMOX_VERIFY_SSL",
    p.TokenRefused.__name__: "PROXMOX_TOKEN_VALUE",
    p.MissingPrivilege.__name__: "PROXMOX_TOKEN_NAME",
    p.NothingVisible.__name__: "PROXMOX_TOKEN_NAME",
    p.HalfGone.__name__: "PROXMOX_TOKEN_NAME",
}
"""By error, the setting to check first. For any other error it is the finding's setting, PROXMOX_HOST."""

_LINES: Mapping[Problem, Marked] = {
    Problem.NO_GUESTS: N_(
        "Proxmox answers but shows no guests. Grant `VM.Audit` to both the user and the token."
    ),
    Problem.NO_NODE: N_("the cluster has no node {value}. Its nodes: {names}."),
    Problem.NODE_OFFLINE: N_("the node {value} is offline."),
    Problem.NO_GUILD: N_("the bot is not in the server {value}. Check the ID, and invite the bot."),
    Problem.GUILD_AWAY: N_(
        "Discord currently gives no information about the server. The bot will check again."
    ),
    Problem.NO_CATEGORY: N_("the server has no category {value}. Copy the category ID again."),
    Problem.NO_CHANNEL: N_("the server has no channel {value}. Copy the channel ID again."),
    Problem.NOT_TOLD: N_(
        "Discord currently gives no information about the channel {value}. The bot will check again."
    ),
    Problem.IS_A_CATEGORY: N_("{value} is a category. Copy the ID of a channel in it."),
    Problem.IS_A_CHANNEL: N_("{value} is a channel, not a category. Copy the ID of the category it is in."),
    Problem.TAKES_NO_MESSAGES: N_(
        "{value} cannot receive messages (it may be a forum). Choose a text channel."
    ),
    Problem.PERMISSIONS: N_("the bot lacks permissions in {value}: {names}. Grant them to its role."),
    Problem.NO_HISTORY: N_(
        "the bot lacks permissions in {value}: {names}. A message may arrive twice if Discord's answer is lost."
    ),
    Problem.NO_FILES: N_(
        "the bot lacks permissions in {value}: {names}. Grant them to its role, or alerts there show no charts."
    ),
    Problem.NO_CHARTS: N_(
        "the bot lacks permissions in {value}: {names}. Grant them to its role, or `/graph` does not work there."
    ),
    Problem.NO_PINS: N_(
        "the bot lacks permissions in {value}: {names}. Grant them to its role, or `/dashboard create` does not "
        "work there."
    ),
    Problem.NO_ROLE: N_("the server has no role {value}. Copy the role ID again."),
    Problem.ROLE_IS_SILENT: N_(
        "the bot cannot mention the role {value}, so nobody is notified. Allow anyone to "
        "mention the role, or give the bot the permission to mention all roles."
    ),
    Problem.EVERYBODY_IS_ADMIN: N_("no roles are configured, so everyone in the category is an admin."),
}


def finding_line(t: Text, finding: Finding, *, in_discord: bool = False) -> str:
    """Return one line with the severity, the setting, the problem and any remedy."""
    sign = FAILED if finding.is_serious else WARNING
    return f"{sign} {finding_text(t, finding, in_discord=in_discord)}"


def fixed_line(t: Text, finding: Finding) -> str:
    """Return the line for a problem that has been fixed."""
    return f"{OK} {t('Fixed: {what}', what=finding_text(t, finding))}"


def ready_line(
    t: Text, wanted: RequiredSetup, clusters: Mapping[str, Cluster | None], guild: GuildView
) -> str:
    """Return the line that names the sites with their size, the server, the category and the channels.

    `clusters`: by site; None for a site that is not ready.
    """
    parts = [_site_line(t, site, cluster) for site, cluster in clusters.items()]
    parts += [
        t("server {name}", name=_quoted(t, guild.name)),
        t("category {name}", name=_quoted(t, guild.channels[wanted.category].name)),
    ]
    for name, number in wanted.channels.items():
        channel = guild.channels.get(number)  # one of a site may be missing
        setting, site = split_setting(name)
        if channel is not None:
            shown = f"#{plain(channel.name, _MOST)}"
            if setting != ALERT_CHANNEL:
                parts.append(t("audit in {name}", name=shown))
            elif site and len(clusters) > 1:
                parts.append(t("alerts of {site} in {name}", site=site, name=shown))
            else:
                parts.append(t("alerts in {name}", name=shown))
    return "ready: " + " · ".join(parts)


def back_line(t: Text, site: str, cluster: Cluster) -> str:
    """Return the line for a site that became ready after the others."""
    return f"{OK} {_site_line(t, site, cluster)}"


def _site_line(t: Text, site: str, cluster: Cluster | None) -> str:
    """Return the site's name and size. `cluster=None`: the site is not ready."""
    if cluster is None:
        return t("{site}: not ready", site=site)
    size = [
        t.plural("{n} guest", "{n} guests", len(cluster.guests)),
        t.plural("{n} node", "{n} nodes", len(cluster.nodes)),
    ]
    return f"{site}: {', '.join(size)}" if site else " · ".join(size)


def finding_text(t: Text, finding: Finding, *, in_discord: bool = False) -> str:
    """Return the setting, the problem and any remedy. `in_discord`: foreign names are in code spans."""
    if finding.error is not None:
        setting = _SETTING.get(type(finding.error).__name__, finding.setting)
        sentence = " ".join(error_sentence(t, finding.error).split())
        return f"{name_setting(setting, finding.site)}: {sentence}"
    if finding.problem in (Problem.PERMISSIONS, *WISHED.values(), *WISHED_FOR_COMMANDS.values()):
        words = permission_names(t)
        shown = [words[name] for name in finding.names if name in words]
    else:
        show = code if in_discord else plain
        shown = [show(name, _MOST) for name in finding.names]
    names = fit_lines(t, shown, _LINE_MOST, t(", "), lines_most=_NAMES_MOST)
    value = code(finding.value, _MOST) if in_discord else _quoted(t, finding.value)
    values = {"value": value, "names": names}
    return f"{name_setting(finding.setting, finding.site)}: {t(_LINES[finding.problem], **values)}"


def _quoted(t: Text, value: str) -> str:
    return t("“{value}”", value=plain(value, _MOST))
