"""Test that `ready:` means ready: each missing thing named in a setting gets a line with its remedy.

Its repair is reported too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import discord
import pytest

from adapters.settings.load import load
from adapters.settings.table import SITE_NAMES
from core.errors import BotError
from core.guest import Cluster, Guest, Kind, Node, State
from core.health.readiness import (
    ATTACH,
    HISTORY,
    PIN,
    SEND,
    VIEW,
    ChannelKind,
    ChannelView,
    Finding,
    GuildView,
    Problem,
    RequiredSetup,
    check_discord,
    check_proxmox,
)
from core.proxmox_errors import CertificateNotTrusted, TokenRefused, Unreachable
from playground.cluster.demo_cluster import NODES as NODE_NAMES
from playground.cluster.demo_cluster import build_demo
from playground.discord.faults import PlannedFault
from playground.pve.network.listeners import Listener
from playground.pve.server import Pve
from startup.readiness import required_setup
from tests.support.process_stage import ProcessStage, process_stage
from tests.support.walked import walked
from ui.i18n import Texts
from ui.messages.readiness import back_line, finding_line, fixed_line, ready_line

GUEST = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01")
NODES = (Node("pve1", online=True), Node("pve2", online=True))
SOUND = Cluster((GUEST,), NODES, 0.0)
CATEGORY, ALERTS, AUDIT, ADMINS, PAGED = 11, 12, 13, 21, 22
WANTED = RequiredSetup(
    {"": "pve1"},
    10,
    CATEGORY,
    {"ALERT_CHANNEL_ID": ALERTS, "AUDIT_CHANNEL_ID": AUDIT},
    {"ADMIN_ROLE_IDS": (ADMINS,), "ALERT_MENTION_ROLE_ID": (PAGED,)},
    PAGED,
)
CHANNELS = {
    CATEGORY: ChannelView("Proxmox", ChannelKind.CATEGORY),
    ALERTS: ChannelView("alerts", ChannelKind.MESSAGES),
    AUDIT: ChannelView("audit", ChannelKind.MESSAGES),
}
ROLES = {ADMINS: "admins", PAGED: "on-call"}
GUILD = GuildView("Home", True, CHANNELS, ROLES)
NAMED = ("ALLOWED_CATEGORY_ID", "ALERT_CHANNEL_ID", "AUDIT_CHANNEL_ID")
WRONG = "999999999999999999"


def test_the_alert_channels_of_sites_are_looked_for(tmp_path: Path) -> None:
    ids = {"GUILD_ID": WRONG, "ALLOWED_CATEGORY_ID": WRONG[:-1] + "1", "ALERT_CHANNEL_ID": WRONG[:-1] + "2"}
    environ = ids | {"DISCORD_TOKEN": "x"}
    for site in ("HOME", "COLO"):
        values = {"HOST": site, "USER": "bot@pve", "TOKEN_NAME": "bot", "TOKEN_VALUE": "x"}
        environ |= {f"SITE_{site}_PROXMOX_{name}": value for name, value in values.items()}
        environ[f"SITE_{site}_NODE_NAME"] = "pve1"
    environ["SITE_COLO_ALERT_CHANNEL_ID"] = WRONG[:-1] + "3"
    wanted = required_setup(load(tmp_path / "config.py", environ))
    assert wanted.channels == {
        "ALERT_CHANNEL_ID": int(ids["ALERT_CHANNEL_ID"]),
        "ALERT_CHANNEL_ID (colo)": int(environ["SITE_COLO_ALERT_CHANNEL_ID"]),
    }


def guild(*, silent: bool = False, without: int = 0, **changed: ChannelView) -> GuildView:
    """Return the guild with changes. The keys of `changed` are the purposes of the channels."""
    ids = {"category": CATEGORY, "alerts": ALERTS, "audit": AUDIT}
    channels = CHANNELS | {ids[name]: channel for name, channel in changed.items()}
    kept = {number: channel for number, channel in channels.items() if number != without}
    roles = {number: name for number, name in ROLES.items() if number != without}
    return GuildView("Home", True, kept, roles, silent)


# ---------------------------------------------------------------------- the judgement


@walked(
    ("seen", "lacks"),
    [
        (SOUND, []),
        (Cluster((), NODES, 0.0), [Problem.NO_GUESTS]),
        (Cluster((GUEST,), (), 0.0), []),  # the nodes are unknown
        (Cluster((GUEST,), NODES[1:], 0.0), [Problem.NO_NODE]),
        (Cluster((GUEST,), (Node("PVE1", online=True),), 0.0), [Problem.NO_NODE]),
        (Cluster((GUEST,), (Node("pve1", online=False),), 0.0), [Problem.NODE_OFFLINE]),
        (Unreachable("pve"), [Problem.PROXMOX]),
        (TokenRefused(), [Problem.PROXMOX]),
    ],
)
def test_faults_on_the_proxmox_side(seen: Cluster | BotError, lacks: list[Problem]) -> None:
    assert [finding.problem for finding in check_proxmox("pve1", seen)] == lacks


@walked(
    ("seen", "lacks"),
    [
        (GUILD, []),
        (None, [("GUILD_ID", Problem.NO_GUILD)]),
        (GuildView("Home", available=False), [("GUILD_ID", Problem.GUILD_AWAY)]),
        (guild(without=CATEGORY), [("ALLOWED_CATEGORY_ID", Problem.NO_CATEGORY)]),
        (
            guild(category=ChannelView("x", ChannelKind.MESSAGES)),
            [("ALLOWED_CATEGORY_ID", Problem.IS_A_CHANNEL)],
        ),
        (
            guild(category=ChannelView("x", ChannelKind.CATEGORY, (VIEW,))),
            [("ALLOWED_CATEGORY_ID", Problem.PERMISSIONS)],
        ),
        (guild(without=ALERTS), [("ALERT_CHANNEL_ID", Problem.NO_CHANNEL)]),
        (guild(without=AUDIT), [("AUDIT_CHANNEL_ID", Problem.NO_CHANNEL)]),
        (
            GuildView("Home", roles=ROLES, untold=frozenset(CHANNELS)),
            [(name, Problem.NOT_TOLD) for name in NAMED],
        ),
        (guild(alerts=ChannelView("x", ChannelKind.CATEGORY)), [("ALERT_CHANNEL_ID", Problem.IS_A_CATEGORY)]),
        (guild(audit=ChannelView("x", ChannelKind.OTHER)), [("AUDIT_CHANNEL_ID", Problem.TAKES_NO_MESSAGES)]),
        (
            guild(alerts=ChannelView("x", ChannelKind.MESSAGES, (SEND,))),
            [("ALERT_CHANNEL_ID", Problem.PERMISSIONS)],
        ),
        (
            guild(audit=ChannelView("x", ChannelKind.MESSAGES, (HISTORY,))),
            [("AUDIT_CHANNEL_ID", Problem.NO_HISTORY)],
        ),
        (guild(audit=ChannelView("x", ChannelKind.MESSAGES, (ATTACH,))), []),
        (
            guild(alerts=ChannelView("x", ChannelKind.MESSAGES, (HISTORY, ATTACH))),
            [("ALERT_CHANNEL_ID", Problem.NO_HISTORY), ("ALERT_CHANNEL_ID", Problem.NO_FILES)],
        ),
        (
            guild(category=ChannelView("x", ChannelKind.CATEGORY, (HISTORY, ATTACH, PIN))),
            [("ALLOWED_CATEGORY_ID", Problem.NO_CHARTS), ("ALLOWED_CATEGORY_ID", Problem.NO_PINS)],
        ),
        (guild(without=ADMINS), [("ADMIN_ROLE_IDS", Problem.NO_ROLE)]),
        (guild(without=PAGED, silent=True), [("ALERT_MENTION_ROLE_ID", Problem.NO_ROLE)]),
        (guild(silent=True), [("ALERT_MENTION_ROLE_ID", Problem.ROLE_IS_SILENT)]),
    ],
)
def test_faults_on_the_discord_side(seen: GuildView | None, lacks: list[tuple[str, Problem]]) -> None:
    assert [(finding.setting, finding.problem) for finding in check_discord(WANTED, seen)] == lacks


PERMISSIONS = (Problem.PERMISSIONS, Problem.NO_HISTORY, Problem.NO_FILES, Problem.NO_CHARTS, Problem.NO_PINS)


@walked("lack", Problem)
def test_each_is_one_line_with_its_setting_in_both_languages(lack: Problem) -> None:
    error = CertificateNotTrusted("pve", "AA:BB") if lack is Problem.PROXMOX else None
    names: tuple[str, ...] = (VIEW, SEND, ATTACH) if lack in PERMISSIONS else ()
    names = tuple(f"node{n}" for n in range(99)) if lack is Problem.NO_NODE else names
    finding = Finding(lack, "SOME_SETTING", "a\n“b”", names, error)
    texts = Texts("ja")
    lines = [finding_line(texts.of(language), finding) for language in ("ja", "en")]
    lines += [fixed_line(texts.of(language), finding) for language in ("ja", "en")]
    assert len(set(lines)) == 4
    for line in lines:
        assert "\n" not in line
        assert len(line) < 900
        assert ("PROXMOX_VERIFY_SSL" if error else "SOME_SETTING") in line
        assert line[0] in ("❌✅" if finding.is_serious else "⚠✅")


def test_a_line_says_how_many_nodes_it_leaves_out() -> None:
    names = tuple(f"node{n}" for n in range(23))
    line = finding_line(Texts("en").public, Finding(Problem.NO_NODE, "NODE_NAME", "pve9", names))
    assert "node19 … and 3 more." in line
    assert "node20" not in line


def test_ready_names_the_things_found() -> None:
    told = ready_line(Texts("en").public, WANTED, {"": SOUND}, GUILD)
    assert told == (
        "ready: 1 guest · 2 nodes · server “Home” · category “Proxmox” · alerts in #alerts · audit in #audit"
    )
    assert ready_line(Texts("ja").public, WANTED, {"": SOUND}, GUILD).startswith(
        "ready: ゲスト 1 台 · ノード 2 台"
    )


SITES = RequiredSetup(
    {"home": "pve1", "colo": "pve1"},
    10,
    CATEGORY,
    {"ALERT_CHANNEL_ID": ALERTS, "ALERT_CHANNEL_ID (colo)": AUDIT},
    WANTED.roles,
    PAGED,
)


def test_a_site_is_named_where_there_are_several() -> None:
    en = Texts("en").public
    for found in (
        *check_proxmox("pve9", SOUND, "colo"),
        *check_proxmox("pve1", Cluster((), NODES, 0.0), "colo"),
        *check_proxmox("pve1", TokenRefused(), "colo"),
        *check_discord(SITES, guild(without=AUDIT)),
    ):
        assert found.site == "colo"
        assert finding_line(en, found).split(": ")[0].endswith(" (colo)"), finding_line(en, found)
    assert SITES.alert_channels == (ALERTS, AUDIT)


def test_ready_names_every_site() -> None:
    seen = {"home": SOUND, "colo": None}
    assert ready_line(Texts("en").public, SITES, seen, GUILD) == (
        "ready: home: 1 guest, 2 nodes · colo: not ready · server “Home” · category “Proxmox” · "
        "alerts in #alerts · alerts of colo in #audit"
    )
    ja = Texts("ja").public
    assert ready_line(ja, SITES, seen, GUILD) == (
        "ready: home: ゲスト 1 台, ノード 2 台 · colo: 準備ができていません · サーバー「Home」 · "
        "カテゴリ「Proxmox」 · 通知 #alerts · colo の通知 #audit"
    )
    assert "の通知" not in ready_line(ja, SITES, seen, guild(without=AUDIT))
    assert back_line(ja, "colo", SOUND) == "✅ colo: ゲスト 1 台, ノード 2 台"


# ---------------------------------------------------------------------- the real bot


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


async def found(stage: ProcessStage, *words: str) -> str:
    """Wait until the log contains these words, and return it."""
    await stage.until(lambda: all(word in stage.bot.output() for word in words), f"{words}", alive=True)
    return stage.bot.output()


async def test_a_site_with_a_name_starts_as_one_without(stage: ProcessStage) -> None:
    """The name of the only site is not shown anywhere."""
    plain = {name: text for name, text in stage.environment().items() if name in SITE_NAMES}
    plain.pop("ALERT_CHANNEL_ID")
    site = {f"SITE_HOME_{name}": text for name, text in plain.items()}
    roles = str(stage.guild.create_role("admins").id)
    await stage.start(**dict.fromkeys(plain, ""), **site, ADMIN_ROLE_IDS=roles)
    told = await found(stage, "ready: ")
    assert "server “Test” · category “Proxmox” · alerts in #alerts" in told
    assert "❌" not in told
    assert "home" not in told


async def test_a_good_start_names_the_things_it_found(stage: ProcessStage) -> None:
    await stage.start(ADMIN_ROLE_IDS=str(stage.guild.create_role("admins").id))
    told = await found(stage, "ready: ")
    assert "server “Test” · category “Proxmox” · alerts in #alerts" in told
    assert "❌" not in told
    assert "⚠️" not in told
    reads = stage.reads()
    assert reads == 1, "the watch's own poll is enough for both"
    for words in ("PyNaCl", "davey", "Session ID", "discord.", "static token"):
        assert words not in told, told


async def test_every_wrong_setting_is_a_line_and_not_ready(stage: ProcessStage) -> None:
    numbers = [WRONG[:-1] + digit for digit in "12345"]
    category, alerts, audit, admins, mention = numbers
    await stage.start(
        PROXMOX_VERIFY_SSL="true",
        ALLOWED_CATEGORY_ID=category,
        ALERT_CHANNEL_ID=alerts,
        AUDIT_CHANNEL_ID=audit,
        ADMIN_ROLE_IDS=admins,
        ALERT_MENTION_ROLE_ID=mention,
    )
    told = await found(
        stage,
        "❌ PROXMOX_VERIFY_SSL: The certificate of `127.0.0.1` is not trusted",
        f"❌ ALLOWED_CATEGORY_ID: the server has no category “{category}”",
        f"❌ ALERT_CHANNEL_ID: the server has no channel “{alerts}”",
        f"❌ AUDIT_CHANNEL_ID: the server has no channel “{audit}”",
        f"❌ ADMIN_ROLE_IDS: the server has no role “{admins}”",
        f"❌ ALERT_MENTION_ROLE_ID: the server has no role “{mention}”",
    )
    assert told.count("❌") == 6
    assert "ready:" not in told


async def test_wrong_settings_are_reported_in_the_language_of_the_bot(stage: ProcessStage) -> None:
    await stage.start(LANGUAGE="ja", NODE_NAME="pve9", ALERT_CHANNEL_ID=WRONG)
    told = await found(
        stage,
        "❌ NODE_NAME: ノード「pve9」はありません。このクラスタのノード: pve1・",
        f"❌ ALERT_CHANNEL_ID: チャンネル「{WRONG}」がサーバーに",
        "⚠️ ADMIN_ROLE_IDS",
    )
    assert "ready:" not in told


async def test_a_token_that_sees_nothing_and_then_does(stage: ProcessStage) -> None:
    """The repair is reported when Discord is back after a short outage, if not sooner."""
    stage.pve.deny("VM.Audit")
    await stage.start(ADMIN_ROLE_IDS=str(stage.guild.create_role("admins").id))
    told = await found(stage, "❌ PROXMOX_TOKEN_NAME: Proxmox answers but shows no guests")
    assert "ready:" not in told
    stage.pve.allow_again()
    await stage.server.drop_gateway(4000)
    told = await found(stage, "✅ Fixed: PROXMOX_TOKEN_NAME: Proxmox answers but shows no guests", "ready: ")
    assert told.count("❌") == 1


async def test_channels_of_the_wrong_kind_and_missing_permissions_are_named(stage: ProcessStage) -> None:
    everyone = stage.guild.default_role
    mute = discord.PermissionOverwrite(view_channel=False, send_messages=False)
    quiet = stage.guild.create_text_channel("quiet", category=stage.category, overwrites={everyone: mute})
    blind = discord.PermissionOverwrite(read_message_history=False, attach_files=False)
    audit = stage.guild.create_text_channel("audit", category=stage.category, overwrites={everyone: blind})
    forum = stage.server.forum(stage.guild, "forum", category=stage.category)
    stage.add_site("home", stage.pve, ALERT_CHANNEL_ID=str(stage.category.id))
    stage.add_site("lab", stage.pve, PROXMOX_HOST="127.0.0.1:9", ALERT_CHANNEL_ID=str(forum.id))
    bare = discord.PermissionOverwrite(attach_files=False)
    plain = stage.guild.create_text_channel("plain", category=stage.category, overwrites={everyone: bare})
    stage.add_site("barn", stage.pve, PROXMOX_HOST="127.0.0.1:11", ALERT_CHANNEL_ID=str(plain.id))
    stage.add_site("shed", stage.pve, PROXMOX_HOST="127.0.0.1:10", ALERT_CHANNEL_ID=str(quiet.id))
    await stage.start(ALLOWED_CATEGORY_ID=str(stage.channel.id), AUDIT_CHANNEL_ID=str(audit.id))
    await found(
        stage,
        "❌ ALLOWED_CATEGORY_ID: “proxmox” is a channel, not a category",
        "❌ ALERT_CHANNEL_ID (home): “Proxmox” is a category",
        "❌ ALERT_CHANNEL_ID (lab): “forum” cannot receive messages",
        "❌ ALERT_CHANNEL_ID (shed): the bot lacks permissions in “quiet”: View Channel, Send Messages, Read",
        "⚠️ AUDIT_CHANNEL_ID: the bot lacks permissions in “audit”: Read Message History. A message",
        "⚠️ ALERT_CHANNEL_ID (barn): the bot lacks permissions in “plain”: Attach Files. Grant them",
    )


async def test_a_role_that_cannot_be_mentioned_is_a_warning(stage: ProcessStage) -> None:
    role = stage.guild.create_role("on-call", mentionable=False)
    no_ping = discord.PermissionOverwrite(mention_everyone=False)
    channel = stage.guild.create_text_channel(
        "silent", category=stage.category, overwrites={stage.guild.default_role: no_ping}
    )
    await stage.start(ALERT_MENTION_ROLE_ID=str(role.id), ALERT_CHANNEL_ID=str(channel.id))
    await found(stage, "⚠️ ALERT_MENTION_ROLE_ID: the bot cannot mention the role “on-call”", "ready: ")


async def test_a_server_that_the_bot_is_not_in(stage: ProcessStage) -> None:
    """Commands can be registered there: that takes a permission, but no membership."""
    stage.server.rest.faults.add(PlannedFault("PUT", "/commands", 99, 200))
    await stage.launch(GUILD_ID=WRONG)
    told = await found(stage, f"❌ GUILD_ID: the bot is not in the server “{WRONG}”")
    assert "ready:" not in told


async def test_a_channel_that_discord_hides_for_now_is_not_called_wrong(stage: ProcessStage) -> None:
    """The channel may be an archived thread, which must be queried. Nobody should replace an ID that may be right."""
    category, alerts, audit, lab = numbers = [WRONG[:-1] + digit for digit in "1234"]
    answers = ((429, ""), (503, ""), (200, "<title>Hotel WLAN</title>"), (0, ""))
    for number, (status, page) in zip(numbers, answers, strict=True):
        path = f"/channels/{number}"
        stage.server.rest.faults.add(PlannedFault("GET", path, 9, status, retry_after=60.0, page=page))
    stage.add_site("home", stage.pve)
    stage.add_site("lab", stage.pve, PROXMOX_HOST="127.0.0.1:9", ALERT_CHANNEL_ID=lab)
    await stage.start(ALLOWED_CATEGORY_ID=category, ALERT_CHANNEL_ID=alerts, AUDIT_CHANNEL_ID=audit)
    told = await found(
        stage,
        f"❌ ALLOWED_CATEGORY_ID: Discord currently gives no information about the channel “{category}”",
        f"❌ ALERT_CHANNEL_ID: Discord currently gives no information about the channel “{alerts}”",
        f"❌ AUDIT_CHANNEL_ID: Discord currently gives no information about the channel “{audit}”",
        f"❌ ALERT_CHANNEL_ID (lab): Discord currently gives no information about the channel “{lab}”",
    )
    assert "Copy the category ID" not in told
    assert "ready:" not in told
    stage.server.rest.faults.clear()
    await stage.server.drop_gateway(4000)
    await found(
        stage,
        f"❌ ALLOWED_CATEGORY_ID: the server has no category “{category}”",
        f"❌ ALERT_CHANNEL_ID: the server has no channel “{alerts}”",
        f"❌ AUDIT_CHANNEL_ID: the server has no channel “{audit}”",
        f"❌ ALERT_CHANNEL_ID (lab): the server has no channel “{lab}”",
    )


async def test_proxmox_is_reported_on_while_discord_is_away(stage: ProcessStage) -> None:
    async with stage.server.outage():
        await stage.launch(NODE_NAME="pve9")
        told = await found(stage, "❌ NODE_NAME: the cluster has no node “pve9”")
        assert "GUILD_ID" not in told
    await stage.until(lambda: "everyone in the category" in stage.bot.output(), "the rest", alive=True)
    assert "ready:" not in stage.bot.output()


# ---------------------------------------------------------------------- several sites


@pytest.fixture
def colo() -> Iterator[Pve]:
    with Pve(nodes=NODE_NAMES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        yield made


async def answer_again(listener: Listener) -> None:
    """End the hang. The bot's requests are cut, and it sends them again."""
    listener.hung = False
    await listener.kill()
    await listener.open()


async def test_a_site_that_is_down_keeps_no_other_from_being_ready(stage: ProcessStage, colo: Pve) -> None:
    """The line `ready:` does not wait for the site that hangs. A later line says that the site is back."""
    stage.add_site("home", stage.pve)
    stage.add_site("colo", colo)
    colo.listeners[0].hung = True
    await stage.start(ADMIN_ROLE_IDS=str(stage.guild.create_role("admins").id))
    told = await found(stage, "ready: ")
    assert "ready: colo: not ready · home: 17 guests, 3 nodes · server “Test”" in told
    assert "❌" not in told
    colo.call(answer_again(colo.listeners[0]))
    told = await found(stage, "✅ colo: 17 guests, 3 nodes")
    assert told.count("ready: ") == 1
    assert stage.reads() == 1, "the watch's own poll is enough for both"


async def test_a_site_with_a_wrong_setting_is_named(stage: ProcessStage, colo: Pve) -> None:
    stage.add_site("home", stage.pve)
    stage.add_site("colo", colo, NODE_NAME="pve9", ALERT_CHANNEL_ID=WRONG)
    stage.add_site("lab", colo, PROXMOX_HOST="127.0.0.1:9")
    await stage.start()
    told = await found(stage, "ready: ")
    assert "ready: colo: not ready · home: 17 guests, 3 nodes · lab: not ready" in told
    for line in (
        "❌ NODE_NAME (colo): the cluster has no node “pve9”",
        f"❌ ALERT_CHANNEL_ID (colo): the server has no channel “{WRONG}”",
        "❌ PROXMOX_HOST (lab): Cannot reach Proxmox",
    ):
        assert line in told


async def test_without_any_site_nothing_is_ready(stage: ProcessStage, colo: Pve) -> None:
    stage.add_site("home", stage.pve, NODE_NAME="pve9")
    stage.add_site("colo", colo, PROXMOX_TOKEN_VALUE="12345678-1234-1234-1234-123456789abc")
    stage.add_site("lab", stage.pve, PROXMOX_HOST="127.0.0.1:9")
    stage.add_site(
        "shed",
        stage.pve,
        PROXMOX_HOST=f"localhost:{stage.pve.port}",
        PROXMOX_VERIFY_SSL="true",
        PROXMOX_FINGERPRINT=":".join(["AB"] * 32),
    )
    await stage.start()
    told = await found(
        stage,
        "❌ NODE_NAME (home): the cluster has no node “pve9”. Its nodes: pve1, ",
        "❌ PROXMOX_TOKEN_VALUE (colo): Proxmox refused",
        "❌ PROXMOX_HOST (lab): Cannot reach Proxmox (`127.0.0.1`)",
        "❌ PROXMOX_VERIFY_SSL (shed): The",
        "⚠️ ADMIN_ROLE_IDS",
    )
    assert "ready:" not in told
