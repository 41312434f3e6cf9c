"""Plant faults on the way to Discord, and of the server there: token, channels, roles and the invitation."""

from __future__ import annotations

from collections.abc import Iterator

import discord

from playground.discord.faults import PlannedFault
from tests.support.misconfigured.fault import BAD, DOUBT, NOWHERE, Faults, Settings
from tests.support.process_stage import ProcessStage

FAULTS = Faults()
fault = FAULTS.add


@fault("discord_login_failed", BAD, "DISCORD_TOKEN")
def discord_token_is_wrong(_s: ProcessStage) -> Iterator[Settings]:
    yield {"DISCORD_TOKEN": "wrong.token"}


@fault("discord_login_failed", BAD, "proxy|プロキシ")
def page_answers_instead_of_discord(s: ProcessStage) -> Iterator[Settings]:
    s.server.rest.faults.add(PlannedFault("GET", "/users/@me", 2, 200, page="<title>Hotel WLAN</title>"))
    yield {}


@fault("discord_login_failed", BAD, "proxy|プロキシ")
def json_of_another_program_answers(s: ProcessStage) -> Iterator[Settings]:
    other = PlannedFault("GET", "/users/@me", 2, 200, page='{"status": "ok"}', kind="application/json")
    s.server.rest.faults.add(other)
    yield {}


@fault("discord_login_failed", BAD, r"\(401\).*(proxy|プロキシ|network|ネットワーク)|(proxy|プロキシ).*401")
def proxy_wants_a_login(s: ProcessStage) -> Iterator[Settings]:
    s.server.rest.faults.add(PlannedFault("GET", "/users/@me", 2, 401, page="<p>Log in"))
    yield {}


@fault(
    "no_guild", BAD, r"GUILD_ID.*https://discord\.com/oauth2/authorize\?client_id=\d+&scope=bot\+applications"
)
def guild_is_another(_s: ProcessStage) -> Iterator[Settings]:
    yield {"GUILD_ID": NOWHERE}


@fault("is_a_channel", BAD, "ALLOWED_CATEGORY_ID")
def category_is_a_text_channel(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALLOWED_CATEGORY_ID": str(s.channel.id)}


@fault("no_category", BAD, "ALLOWED_CATEGORY_ID")
def category_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"ALLOWED_CATEGORY_ID": NOWHERE}


@fault("no_channel", BAD, "ALERT_CHANNEL_ID")
def channel_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": NOWHERE}


@fault("is_a_category", BAD, "ALERT_CHANNEL_ID")
def channel_is_a_category(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": str(s.category.id)}


@fault("permissions", BAD, "ALERT_CHANNEL_ID")
def channel_cannot_be_written(s: ProcessStage) -> Iterator[Settings]:
    mute = discord.PermissionOverwrite(send_messages=False)
    quiet = s.guild.create_text_channel("quiet", category=s.category, overwrites={s.guild.default_role: mute})
    yield {"ALERT_CHANNEL_ID": str(quiet.id)}


@fault("takes_no_messages", BAD, "ALERT_CHANNEL_ID")
def channel_is_a_forum(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": str(s.server.forum(s.guild, "ideas", category=s.category).id)}


@fault("no_history", DOUBT, "ALERT_CHANNEL_ID.*(Read Message History|メッセージ履歴を読む)")
def history_cannot_be_read(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": _channel_without(s, read_message_history=False)}


@fault("no_files", DOUBT, "ALERT_CHANNEL_ID.*(Attach Files|ファイルを添付)")
def files_cannot_be_attached(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALERT_CHANNEL_ID": _channel_without(s, attach_files=False)}


@fault("no_charts", DOUBT, "ALLOWED_CATEGORY_ID.*(Attach Files|ファイルを添付).*/graph")
def charts_cannot_be_sent(s: ProcessStage) -> Iterator[Settings]:
    yield {"ALLOWED_CATEGORY_ID": _category_without(s, attach_files=False)}


@fault("no_pins", DOUBT, "ALLOWED_CATEGORY_ID.*(Pin Messages|メッセージをピン留め).*/dashboard create")
def dashboards_cannot_be_pinned(s: ProcessStage) -> Iterator[Settings]:
    # as after an invitation from before Discord made this a permission of its own
    yield {"ALLOWED_CATEGORY_ID": _category_without(s, pin_messages=False)}


@fault("not_told", BAD, "ALERT_CHANNEL_ID")
def discord_does_not_tell_of_a_channel(s: ProcessStage) -> Iterator[Settings]:
    s.server.rest.faults.add(PlannedFault("GET", f"/channels/{NOWHERE}", 1, 429, retry_after=60.0))
    yield {"ALERT_CHANNEL_ID": NOWHERE}


@fault("no_role", BAD, "ADMIN_ROLE_IDS")
def role_is_unknown(_s: ProcessStage) -> Iterator[Settings]:
    yield {"ADMIN_ROLE_IDS": NOWHERE}


@fault("role_is_silent", DOUBT, "ALERT_MENTION_ROLE_ID")
def role_cannot_be_mentioned(s: ProcessStage) -> Iterator[Settings]:
    silent = discord.PermissionOverwrite(mention_everyone=False)
    role = s.guild.create_role("on-call")
    quiet = s.guild.create_text_channel(
        "silent", category=s.category, overwrites={s.guild.default_role: silent}
    )
    yield {"ALERT_MENTION_ROLE_ID": str(role.id), "ALERT_CHANNEL_ID": str(quiet.id)}


@fault("discord_failed", BAD, "(?i)limit|制限")
def discord_limits_the_bot(s: ProcessStage) -> Iterator[Settings]:
    s.server.rest.faults.add(PlannedFault("GET", f"/guilds/{s.guild.id}", 1, 429, retry_after=60.0))
    yield {}


@fault(
    "discord_administrator",
    DOUBT,
    r"(Administrator|管理者).*https://discord\.com/oauth2/authorize.*permissions",
)
def bot_is_an_administrator(s: ProcessStage) -> Iterator[Settings]:
    role = s.guild.create_role("too much", permissions=discord.Permissions(administrator=True))
    s.server.world.set_role(role, s.server.world.bot_id, given=True)
    yield {}
    s.server.world.set_role(role, s.server.world.bot_id, given=False)


@fault("commands_missing", DOUBT, "/info")
def command_is_missing(s: ProcessStage) -> Iterator[Settings]:
    known = PlannedFault("GET", "/commands", 1, 200, page='[{"name": "list"}]', kind="application/json")
    s.server.rest.faults.add(known)
    yield {}


@fault("commands_not_allowed", BAD, r"applications\.commands.*https://discord\.com/oauth2/authorize")
def invitation_is_old(s: ProcessStage) -> Iterator[Settings]:
    refused = PlannedFault("GET", "/commands", 1, 403, code=50001, message="Missing Access")
    s.server.rest.faults.add(refused)
    yield {}


def _channel_without(s: ProcessStage, **denied: bool) -> str:
    """Return a new channel of the category in which the bot lacks a permission."""
    overwrite = discord.PermissionOverwrite(**denied)
    channel = s.guild.create_text_channel(
        "lacking", category=s.category, overwrites={s.guild.default_role: overwrite}
    )
    return str(channel.id)


def _category_without(s: ProcessStage, **denied: bool) -> str:
    """Return a new category in which the bot lacks a permission."""
    channels = s.server.world.backend.channels
    category = s.guild.create_category("lacking")
    channels[category.id].overwrites = channels[int(_channel_without(s, **denied))].overwrites
    return str(category.id)
