"""Test the bot's first message: once per data directory, what it says, and its buttons."""

import json
import re

import discord
import pytest

from core.audit.store import AuditFilter
from core.guest import Cluster, Guest, Kind, State
from core.health.readiness import HISTORY, Finding, Problem
from core.health.result import of_finding
from core.watch.journal import Batch
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import three_sites
from tests.support.sites.three_sites import HOME, LAB, Sites
from tests.support.stage import Stage, post_of
from ui.i18n import Texts
from ui.interaction.command_mentions import CommandMentions
from ui.messages.health import discord_line
from ui.messages.readiness import finding_line
from ui.watch.greeting import GreetedSite, greeting_text

bare_scene, pve = stage.bare_scene, stage.pve
clusters, sites = three_sites.clusters, three_sites.sites
WATCHED = {"MONITOR_VM_IDS": "101,102,103,201,202,203"}


async def greeted(scene: Stage, **settings: str) -> SeenMessage:
    """Start the bot for the first time and return its first message."""
    scene.greeted = False
    await scene.start_bot(**settings)
    await scene.until(scene.alerts_told, "the first message")
    (post,) = scene.server.messages(scene.alerts)
    return post


async def test_the_greeting_names_watched_guests_and_the_places_for_commands(bare_scene: Stage) -> None:
    post = await greeted(bare_scene, **WATCHED)
    first, watched, names, more, commands, *rest = post.text.splitlines()
    assert first == "👋 The bot is ready and watches 6 guests."
    assert (watched, names, more) == (
        "**Watched** · **101** `web01` · **102** `db01`",
        "**103** `minecraft` · **201** `dns`",
        "**202** `proxy` · … and 1 more",
    ), "no name is broken on a phone"
    assert f"<#{bare_scene.channel.id}>" in commands
    assert f"<#{bare_scene.outside.id}>" not in commands
    assert "Everyone in the category is an admin. Set your roles in ADMIN_ROLE_IDS" in "\n".join(rest)
    assert [button.label for button in post.buttons] == ["List", "Test alert", "My permissions"]


async def test_the_greeting_has_no_buttons_where_they_would_not_work(bare_scene: Stage) -> None:
    bare_scene.server.move(bare_scene.alerts, None)
    post = await greeted(bare_scene, **WATCHED)
    assert f"<#{bare_scene.channel.id}>" in post.text
    assert post.buttons == []


async def test_nobody_watched_names_the_command_that_helps(bare_scene: Stage) -> None:
    post = await greeted(bare_scene, LANGUAGE="ja")
    assert post.text.startswith("👋 準備ができました。監視しているゲストはまだありません。")
    assert "</monitor add:" in post.text


async def test_the_greeting_comes_once_through_restarts_and_crashes(bare_scene: Stage) -> None:
    await greeted(bare_scene)
    await bare_scene.restart_bot()
    await bare_scene.crash_bot()
    await bare_scene.until(lambda: bare_scene.bot._check.greeting._site is None)
    await bare_scene.say(bare_scene.emma, "monitor test")
    assert [text[0] for text in bare_scene.alerts_told()] == ["👋", "🔔"]


async def test_the_greeting_is_owed_until_proxmox_is_read(bare_scene: Stage, pve: Pve) -> None:
    """Proxmox is away at the first start, somebody uses the bot meanwhile, and it is killed."""
    bare_scene.greeted = False
    bare_scene.expected_errors.append("PROXMOX_HOST")
    pve.between.page("/api2/json/cluster/resources", 524, times=None)
    await bare_scene.start_bot()
    await bare_scene.say(bare_scene.emma, "help")
    assert bare_scene.alerts_told() == []
    pve.between.nothing()
    await bare_scene.crash_bot()
    await bare_scene.until(bare_scene.alerts_told, "the first message")
    assert bare_scene.alerts_told()[0].startswith("👋")


async def test_a_directory_in_use_is_not_greeted(bare_scene: Stage) -> None:
    """A directory from before this message existed has no mark, but records of what people did."""
    await bare_scene.start_bot()
    await bare_scene.say(bare_scene.emma, "list")
    await bare_scene.site.journal.commit(Batch({"greeting": None}))
    await bare_scene.restart_bot()
    assert bare_scene.bot._check.greeting._site is None
    assert bare_scene.alerts_told() == []


async def test_a_watch_list_older_than_the_journal_is_not_greeted(bare_scene: Stage) -> None:
    document = {"version": 1, "guests": [{"vmid": 101, "state": "running"}]}
    (bare_scene.directory / "monitor_list.json").write_text(json.dumps(document))
    bare_scene.greeted = False
    await bare_scene.start_bot()
    assert bare_scene.bot._check.greeting._site is None
    await bare_scene.poll()
    await bare_scene.delivered()
    assert bare_scene.alerts_told() == []


async def test_a_directory_without_its_journal_is_warned_and_not_greeted_again(bare_scene: Stage) -> None:
    await greeted(bare_scene, **WATCHED)
    await bare_scene.stop_bot()
    for path in bare_scene.directory.glob("journal.db*"):
        path.unlink()
    bare_scene.expected_errors.append("The journal was missing")
    bare_scene.greeted = False
    await bare_scene.start_bot(**WATCHED)
    await bare_scene.until(lambda: len(bare_scene.alerts_told()) > 1, "the warning")
    await bare_scene.say(bare_scene.emma, "monitor test")
    assert [text[0] for text in bare_scene.alerts_told()] == ["👋", "⚠", "🔔"]


async def test_the_greeting_waits_for_its_channel(bare_scene: Stage) -> None:
    mute = discord.PermissionOverwrite(send_messages=False)
    everyone = bare_scene.guild.default_role
    quiet = bare_scene.guild.create_text_channel(
        "quiet", category=bare_scene.category, overwrites={everyone: mute}
    )
    bare_scene.greeted = False
    await bare_scene.start_bot(ALERT_CHANNEL_ID=str(quiet.id))
    await bare_scene.until(lambda: bare_scene.bot._check._logged, "the check")
    assert await bare_scene.site.journal.to_post() == ()
    assert bare_scene.bot._check.greeting._site is not None
    await bare_scene.stop_bot()
    await bare_scene.start_bot()
    await bare_scene.until(bare_scene.alerts_told, "the first message")


@pytest.mark.parametrize(
    ("button", "shows"),
    [("List", "web01"), ("My permissions", "Actions you can use"), ("Test alert", "Test alert sent")],
)
async def test_each_button_answers_privately_in_the_readers_language(
    bare_scene: Stage, button: str, shows: str
) -> None:
    post = await greeted(bare_scene)
    await bare_scene.restart_bot()
    answer = await bare_scene.press(bare_scene.emma, post, button)
    assert answer.ephemeral
    assert post_of(answer).id != post.id
    assert shows in answer.text


async def test_a_press_passes_the_gate_the_decision_and_the_audit(bare_scene: Stage) -> None:
    viewers = bare_scene.guild.create_role("viewers")
    admins = bare_scene.guild.create_role("admins")
    post = await greeted(bare_scene, VIEWER_ROLE_IDS=str(viewers.id), ADMIN_ROLE_IDS=str(admins.id))
    viewer = bare_scene.server.person(
        bare_scene.guild, "vera", display="Vera", roles=[viewers], locale="en-US"
    )
    stranger = bare_scene.server.person(bare_scene.guild, "sam", display="Sam", locale="en-US")
    shown = await bare_scene.press(viewer, post, "List")
    assert "web01" in shown.text
    refused = await bare_scene.press(viewer, post, "Test alert")
    assert "You need the “admin” level" in refused.text
    nothing = await bare_scene.press(stranger, post, "List")
    assert "web01" not in nothing.text
    entries, _ = await bare_scene.services.audit_store.audit_page(AuditFilter(), 0, 9)
    words = [(entry.record.actor.name, entry.record.operation) for entry in entries]
    assert words == [("Sam", "list"), ("Vera", "monitor_test"), ("Vera", "list")]
    assert len(bare_scene.alerts_told()) == 1


async def test_several_sites_are_named_and_the_buttons_are_for_all(sites: Sites) -> None:
    scene = sites.scene
    scene.greeted = False
    await sites.start(SITE_HOME_MONITOR_VM_IDS="101", FIRST_SITE="")
    await scene.until(scene.alerts_told, "the first message")
    (post,) = scene.server.messages(scene.alerts)
    head, body = post.text.split("\n", 1)
    assert head == "👋 The bot is ready and watches 3 guests."
    assert f"**{HOME}** · **101** `web01`" in body
    assert f"**{LAB}** · **" in body
    shown = await scene.press(sites[LAB], post, "List")
    assert f"### {LAB}" in shown.text
    assert HOME not in shown.text


def test_the_greeting_fits_with_long_names_and_many_faults() -> None:
    """63 wide characters a name, in both languages, with every finding."""
    guests = tuple(Guest(100 + n, Kind.QEMU, "pve1", State.RUNNING, "名" * 63) for n in range(99))
    cluster = Cluster(guests, (), 0.0)
    some = [GreetedSite(f"site-{n}", cluster, tuple(range(100, 199)), True, ("pool",) * 9) for n in range(9)]
    findings = [
        Finding(problem, "SETTING", "値" * 99, (HISTORY,) * 30)
        for problem in Problem
        if problem is not Problem.PROXMOX  # it comes with an error
    ]
    for language in ("ja", "en"):
        text = greeting_text(
            Texts(language).public, some, range(10**19, 10**19 + 50), findings, CommandMentions()
        )
        assert len(text) < 2000
        assert "site-0" in text
        assert "SETTING" in text


def test_channels_that_it_does_not_name_are_counted() -> None:
    text = greeting_text(Texts("en").public, [GreetedSite("", None, ())], range(1, 9), [], CommandMentions())
    assert "<#1> <#2> <#3> <#4> <#5> … and 3 more" in text


def test_names_from_guests_and_settings_do_nothing_in_it() -> None:
    name = "@everyone <@&1> **x** `y` [a](http://x)\u202e\n# z"
    cluster = Cluster((Guest(101, Kind.QEMU, "pve1", State.RUNNING, name),), (), 0.0)
    site = GreetedSite("", cluster, (101,), unseen_pools=(name,))
    text = greeting_text(Texts("en").public, [site], [7], [], CommandMentions())
    assert "\u202e" not in text
    assert "\n#" not in text
    outside = "".join(text.split("`")[::2])
    for foreign in ("@everyone", "<@", "http"):
        assert foreign in text
        assert foreign not in outside


def test_names_from_discord_and_nodes_do_nothing_in_it_or_in_health() -> None:
    t, name = Texts("en").public, "[x](https://evil.example) @everyone `a`"
    findings = [
        Finding(Problem.PERMISSIONS, "ALERT_CHANNEL_ID", name, (HISTORY,)),
        Finding(Problem.NO_NODE, "NODE_NAME", name, (name, name)),
    ]
    told = [greeting_text(t, [GreetedSite("", None, ())], (), findings, CommandMentions())]
    told += [discord_line(t, of_finding("discord.channels", each)) for each in findings]
    for text in told:
        spans = re.findall(r"`[^`]*`", text)
        assert sum("evil" in span for span in spans) == text.count("evil") > 0
    assert "“[x]" in finding_line(t, findings[0]), "the log has no Markdown"
