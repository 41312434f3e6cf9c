"""Put the health check's results into words: one line each, with any remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from core.health.result import Result, Verdict
from ui.formatting import FAILED, OK, WARNING, code, fit_lines, listed, plain
from ui.i18n import N_, Marked, Text
from ui.messages.errors import error_sentence
from ui.messages.readiness import finding_text

_MOST = 1500  # characters
_FOLDED_MOST = 1000
"""Maximum characters of the names in one line. The names that do not fit are counted."""
_SIGNS = {Verdict.OK: OK, Verdict.WARNING: WARNING, Verdict.ERROR: FAILED, Verdict.UNCHECKED: "▫️"}
LABELS: Mapping[str, Marked] = {
    "host.packages": N_("Python and packages"),
    "host.files": N_("File permissions"),
    "host.data_dir": N_("Data directory"),
    "settings": N_("Settings"),
    "proxmox": N_("Proxmox"),
    "proxmox.dns": N_("Name resolution"),
    "proxmox.tcp": N_("Connection"),
    "proxmox.tls": N_("Certificate"),
    "proxmox.clock": N_("Clock"),
    "proxmox.token": N_("API token"),
    "proxmox.version": N_("Proxmox version"),
    "proxmox.privileges": N_("Privileges"),
    "proxmox.too_much": N_("Privileges"),
    "proxmox.guests": N_("Guests and nodes"),
    "proxmox.tags": N_("Tags"),
    "discord": N_("Discord"),
    "discord.token": N_("Discord token"),
    "discord.guild": N_("Discord server"),
    "discord.channels": N_("Channels"),
    "discord.roles": N_("Roles"),
    "discord.permissions": N_("Bot permissions"),
    "discord.commands": N_("Commands"),
}
"""The name of each check."""

_AREAS: Mapping[str, Marked] = {"proxmox": N_("Proxmox"), "discord": N_("Discord")}

WORDS: Mapping[str, Marked] = {
    "told": N_("{reason}"),
    "not_checked": N_("not checked, because an earlier check failed."),
    "packages_ok": N_("Python {python}, all {count} packages as required."),
    "packages_other": N_(
        "other versions than required: {names}. Run `pip install --require-hashes -r requirements.txt`."
    ),
    "settings_ok": N_("no errors."),
    "files_ok": N_("secrets are not open to other users."),
    "file_open": N_("every user of this machine can read {path} ({mode}). Run `{line}`."),
    "data_dir_ok": N_("{path} is writable, {free} free."),
    "data_dir_in_use": N_("{path} is writable, {free} free; a bot is running there."),
    "data_dir_low": N_("only {free} free in {path}. Free up space."),
    "data_dir_hung": N_("no answer from the disk of {path}. Check the disk."),
    "data_dir_full": N_("no space left in {path} ({free}). Free up space."),
    "dns_ok": N_("{addresses}"),
    "dns_failed": N_("the name {host} cannot be resolved. Check PROXMOX_HOST, or use the IP address."),
    "tcp_ok": N_("port {port} answers."),
    "tcp_refused": N_(
        "{host} refuses port {port}. Check the port in PROXMOX_HOST, and on the node `systemctl "
        "status pveproxy`."
    ),
    "tcp_failed": N_(
        "no answer from {host}, port {port}. Check the address, the firewall and that the node is on."
    ),
    "no_tls": N_(
        "{host}, port {port}, does not speak HTTPS. Set the port of Proxmox' web interface (8006) in "
        "PROXMOX_HOST."
    ),
    "tls_failed": N_("the certificate of {host} could not be read. Check that port {port} is Proxmox' own."),
    "tls_ok": N_("trusted, valid until {date}, SHA-256 {fingerprint}."),
    "tls_untrusted": N_(
        "not trusted. Compare SHA-256 {fingerprint} with `pvenode cert info` on the node; if it is "
        "the same, write in config.py: {line}"
    ),
    "tls_other_fingerprint": N_(
        "not the one in PROXMOX_FINGERPRINT. Compare SHA-256 {fingerprint} with `pvenode cert info` "
        "on the node; if it is the same, write in config.py: {line}"
    ),
    "tls_unverified": N_(
        "not verified: anyone in between can read the token. Compare SHA-256 {fingerprint} with "
        "`pvenode cert info` on the node, then write in config.py: {line}"
    ),
    "tls_expired": N_(
        "expired on {date}. Renew it on the node: `pvecm updatecerts --force && systemctl restart pveproxy`."
    ),
    "tls_future": N_("not valid before {date}. Set the clock of this machine or of the node."),
    "tls_ends_soon": N_(
        "expires on {date} (days left: {days}). Renew it on the node: `pvecm updatecerts --force && "
        "systemctl restart pveproxy`."
    ),
    "clock_ok": N_("the clocks agree."),
    "clock_untold": N_("The time of Proxmox is unknown."),
    "clock_behind": N_(
        "this machine's clock is {minutes} min behind that of Proxmox. Synchronize both with NTP: "
        "`timedatectl set-ntp true`."
    ),
    "clock_ahead": N_(
        "this machine's clock is {minutes} min ahead of that of Proxmox. Synchronize both with NTP: "
        "`timedatectl set-ntp true`."
    ),
    "token_ok": N_("{token} is valid and does not expire."),
    "token_works": N_("{token} is valid."),
    "token_ok_untold": N_(
        "{token} is valid. Proxmox does not show when it expires (needs `Sys.Audit` on `/`)."
    ),
    "token_ends": N_("{token} is valid for {days} more days."),
    "token_ends_soon": N_("days until {token} expires: {days}. Run on a node: `{line}`"),
    "token_refused": N_(
        "Proxmox refused {token}. Set PROXMOX_TOKEN_VALUE again. Whether the token exists and has not expired: "
        "{list} · A new secret (Proxmox VE 9.2 or newer; before that, remove the token and add it again): {line}"
    ),
    "version_ok": N_("version {version}."),
    "version_old": N_("version {version} is too old. Upgrade to 8.4 or newer."),
    "version_new": N_("version {version} is newer than this bot supports. Update the bot."),
    "privileges_ok": N_("the token has everything that the commands need."),
    "privilege_missing": N_("{privileges} missing on {paths}, for {used}. Run on a node: `{line}`"),
    "pool_privilege_missing": N_(
        "{privileges} missing on {paths}, so `pool:` in {used} matches no guest. Run on a node: `{line}`"
    ),
    "token_of_root": N_(
        "{token} belongs to root: whoever steals it controls the host. Create a user for the bot, as "
        "docs/proxmox.md shows."
    ),
    "token_is_administrator": N_(
        "{token} has the role Administrator: whoever steals it controls the host. Grant only what "
        "docs/proxmox.md lists, then run on a node: `{line}`"
    ),
    "privilege_too_much": N_(
        "more than the bot needs: {privileges} on {paths}. Find the role on a node and remove it: `{line}`"
    ),
    "guests_ok": N_("visible guests: {guests}, nodes: {nodes}."),
    "tags_none": N_("no guest has a tag that grants access here."),
    "tags_ok": N_("only trusted users can set the tags that grant access here."),
    "tags_open": N_(
        "every Proxmox user with `VM.Config.Options` can set tags that grant access here: {tags}. Run "
        "on a node: `{line}`"
    ),
    "discord_token_ok": N_("valid, the bot is {name}."),
    "discord_login_failed": N_("{reason}"),
    "discord_failed": N_("{reason}"),
    "guild_ok": N_("the bot is in {guild}."),
    "no_guild": N_("the bot is not in the server {guild}. Check GUILD_ID, or invite the bot: {line}"),
    "channels_ok": N_("the bot can view {names} and post there."),
    "everybody_is_admin": N_("no roles are configured, so everyone in the category is an admin."),
    "discord_administrator": N_(
        "the bot is a server administrator, which it never needs. Turn Administrator off in its "
        "role, or invite it again: {line}"
    ),
    "invitation": N_("no unneeded permissions. Minimal invitation: {line}"),
    "commands_ok": N_("{count} commands are registered."),
    "commands_at_start": N_("none registered yet; the bot registers them when it starts."),
    "commands_missing": N_("not registered: {names}. Start the bot once; it registers them."),
    "commands_not_allowed": N_(
        "the invitation lacks `applications.commands`, so no command appears. Invite the bot again "
        "(nothing is lost): {line}"
    ),
}
"""The result and any remedy, by `Result.word`. Results with a finding or an error take their words from there."""


def result_line(t: Text, result: Result) -> str:
    """Return one line with the verdict, the check, the result and any remedy."""
    label = t(LABELS[result.check])
    where = f" ({plain(result.where, 200)})" if result.where else ""
    return f"{_SIGNS[result.level]} {label}{where}: {result_text(t, result)}"


def discord_line(t: Text, result: Result) -> str:
    """Return what `result_line` does, but for Discord: with foreign values in code spans."""
    where = f" ({code(result.where, 200)})" if result.where else ""
    return f"{_SIGNS[result.level]} **{t(LABELS[result.check])}**{where}: {_discord_text(t, result)}"


def _discord_text(t: Text, result: Result) -> str:
    if result.finding is not None:
        return finding_text(t, result.finding, in_discord=True)
    if result.error is not None:
        return result_text(t, result)
    words = WORDS[result.word]
    values = {
        name: plain(value, _MOST).replace("`", "ˋ") if f"`{{{name}}}`" in words else code(value, _MOST)
        for name, value in result.values.items()
    }
    return " ".join(t(words, **values).split())


def result_text(t: Text, result: Result) -> str:
    """Return the result and any remedy, with harmless values."""
    if result.finding is not None:
        return finding_text(t, result.finding)
    if result.error is not None:
        return " ".join(error_sentence(t, result.error).split())
    values = {name: plain(value, _MOST) for name, value in result.values.items()}
    return " ".join(t(WORDS[result.word], **values).split())


def summary_line(t: Text, results: Sequence[Result]) -> str:
    """Return the numbers of errors, of warnings and of checks that were not made."""
    levels = [result.level for result in results]
    errors, warnings, unchecked = map(levels.count, (Verdict.ERROR, Verdict.WARNING, Verdict.UNCHECKED))
    parts = [t.plural("{n} error", "{n} errors", errors)] if errors else []
    parts += [t.plural("{n} warning", "{n} warnings", warnings)] if warnings else []
    parts += [t("{n} not checked", n=unchecked)] if unchecked else []
    return listed(t, parts) if parts else t("No errors or warnings")


def passed_lines(t: Text, results: Sequence[Result], mixed: Collection[str] = ()) -> list[str]:
    """Return the names of the checks that passed: one text for the bot, one for Proxmox and one for Discord.

    `results`: the good ones. `mixed`: checks that passed at some places only. These places follow their names.
    """
    named: dict[Marked, dict[str, None]] = {}
    for result in results:
        area = _AREAS.get(result.check.partition(".")[0], N_("The bot"))
        where = f" ({code(result.where, 200)})" if result.where and result.check in mixed else ""
        named.setdefault(area, {})[f"{t(LABELS[result.check])}{where}"] = None
    folded = {area: fit_lines(t, names, _FOLDED_MOST, t(", ")) for area, names in named.items()}
    return [f"{OK} **{t(area)}**\n-# {text}" for area, text in folded.items()]


def sent_line(t: Text, channel: int, *, arrived: bool) -> str:
    """Return the result of a test alert that the command line has sent to a channel."""
    if arrived:
        return f"{OK} {t('Test alert sent to the channel {channel}.', channel=channel)}"
    told = t(
        "The test alert for the channel {channel} did not arrive. Run `python bot.py --check`.",
        channel=channel,
    )
    return f"{FAILED} {told}"
