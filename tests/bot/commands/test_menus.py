"""Test the menu of a list, which opens the panel of a guest, and the button that reads a list again."""

import pytest

from core.access.rate_limit import RATES, RequestKind
from core.audit.record import AuditStep
from core.audit.store import AuditEntry, AuditFilter
from core.errors import NotAllowed, QuestionOver
from core.guest_errors import GuestNotFound
from core.levels import Level
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, Sites
from tests.support.stage import Stage, post_of
from ui.interaction.selects import choice_id

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
cast = people.cast
clusters, sites = three_sites.clusters, three_sites.sites
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
RESOURCES = "/cluster/resources"


async def choose(scene: Stage, person: Person, on: SeenMessage | PressResult, value: str) -> PressResult:
    """Choose an option that the menu of the message has."""
    return await scene.whole(scene.server.select(person, post_of(on), [value]))


async def forge(
    scene: Stage, person: Person, on: SeenMessage | PressResult, custom_id: str, *values: str
) -> PressResult:
    """Send any choice, whether or not the message has it."""
    return await scene.choose(person, on, custom_id, list(values))


def values_of(post: SeenMessage) -> list[str]:
    (menu,) = post.selects
    return [value for _, value in menu.options]


async def newest(scene: Stage) -> AuditEntry:
    entries, _ = await scene.services.audit_store.audit_page(AuditFilter(), 0, 1)
    return entries[0]


def told(reply: PressResult) -> str:
    """Return what the person read, in private."""
    posts = [post for post in reply.followups if post.ephemeral]
    if posts:
        return posts[-1].text
    assert reply.ephemeral
    return reply.text


async def test_a_private_panel_has_the_buttons_of_its_reader_alone(bare_scene: Stage, cast: Cast) -> None:
    """A viewer reads only, an operator acts, and a protected guest is left to admins."""
    offered: dict[str, list[str | None]] = {}
    for name in ("viewer", "operator"):
        listed = await bare_scene.say(cast[name], "list", node="pve1")
        chosen = await choose(bare_scene, cast[name], listed, "101")
        assert post_of(chosen).ephemeral
        offered[name] = [button.label for button in post_of(chosen).buttons]
    assert offered["viewer"] == ["Refresh", "Chart", "Disks and backups"]
    assert set(offered["operator"]) > {"Start", "Reboot", "Shutdown"}


# -- the menu


@BOTH
async def test_the_menu_opens_the_panel_for_the_person_who_chooses(scene: Stage) -> None:
    shown = await scene.say(scene.akiko, "list")
    before = shown.text
    assert values_of(post_of(shown)) == [str(vmid) for vmid in (*range(101, 110), 201)]
    assert post_of(shown).selects[0].placeholder == scene.t()("Open a guest…")
    reply = await choose(scene, scene.emma, shown, "104")
    assert reply.ephemeral
    assert "**104** `palworld`" in reply.text
    assert scene.t(scene.emma)("Refresh") in [button.label for button in post_of(reply).buttons]
    assert shown.text == before, "the list stays for everybody"
    found = (await newest(scene)).record
    assert (found.operation, found.vmid, found.actor.user_id) == ("info", 104, scene.emma.id)
    assert (found.step, found.outcome) == (AuditStep.ENDED, "OK")


async def test_each_page_offers_its_own_guests_and_the_watch_list_too(scene: Stage) -> None:
    shown = await scene.say(scene.emma, "list")
    await scene.press(scene.emma, shown, "p1:list:next:1:::")
    assert values_of(post_of(shown)) == ["202", "203", "204", "205", "9000", "9001", "9100"]
    assert (await scene.say(scene.emma, "list", status="stopped", kind="lxc", node="pve1")).text
    await scene.say(scene.emma, "monitor add", vmid=102)
    watched = await scene.say(scene.emma, "monitor list")
    assert values_of(post_of(watched)) == ["102"]
    assert "**102**" in (await choose(scene, scene.emma, watched, "102")).text


async def test_a_list_without_guests_has_no_menu(scene: Stage) -> None:
    shown = await scene.say(scene.emma, "list", node="pve9")
    assert post_of(shown).selects == []
    assert [button.label for button in post_of(shown).buttons] == ["Refresh", "Show all"]
    everything = await scene.press(scene.emma, shown, "Show all")
    assert everything.text.startswith("### 17 guests")
    assert [button.label for button in post_of(everything).buttons if button.label] == []
    nonsense = await scene.say(scene.emma, "list", node="n" * 90)
    assert "No matching guests." in nonsense.text
    assert [button.label for button in post_of(nonsense).buttons] == ["Show all"]


async def test_the_menu_works_after_a_restart(scene: Stage) -> None:
    shown = await scene.say(scene.emma, "list")
    await scene.restart_bot()
    assert "**101** `web01`" in (await choose(scene, scene.emma, shown, "101")).text


async def test_a_guest_that_was_deleted_meanwhile_is_not_found(scene: Stage, pve: Pve) -> None:
    shown = await scene.say(scene.emma, "list")
    pve.vms.remove(pve.vm(104))
    scene.clock.skip(60.0)
    reply = await choose(scene, scene.emma, shown, "104")
    assert told(reply) == scene.told(scene.emma, GuestNotFound(104))


async def test_a_choice_is_decided_for_the_person_who_makes_it(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    shown = await scene.say(cast["viewer"], "list")
    game = await choose(scene, cast["game"], shown, "103")
    assert game.ephemeral
    assert "**103** `minecraft`" in game.text
    hidden = await choose(scene, cast["game"], shown, "101")
    assert told(hidden) == scene.told(cast["game"], GuestNotFound(101))
    assert ((await newest(scene)).record.operation, (await newest(scene)).record.step) == (
        "info",
        AuditStep.REFUSED,
    )
    nobody = await choose(scene, cast["nobody"], shown, "101")
    assert told(nobody) == scene.told(cast["nobody"], NotAllowed(Level.VIEWER, Level.NONE))
    assert (await newest(scene)).record.vmid == 101
    narrowed = await scene.say(cast["game"], "list")
    assert "101" not in values_of(post_of(narrowed))
    assert "103" in values_of(post_of(narrowed))


async def test_forged_choices_are_refused_like_forged_buttons(scene: Stage) -> None:
    shown = await scene.say(scene.emma, "list")
    before = len(scene.sent())
    for custom_id, values in (
        ("s1:guest", ["0101"]),
        ("s1:guest", ["101:5d0a"]),
        ("s1:guest", ["home/101"]),
        ("s1:guest", ["1" * 100]),
        ("s1:guest", ["@everyone"]),
        ("s1:guest", []),
        ("s1:guest", ["101", "102"]),
        ("s1:nodes", ["pve1"]),
        ("s2:home:guest", ["101"]),
        ("s2:*:guest", ["home/101"]),
        ("s2:*:guest", ["*/101"]),
        ("s9:x", ["101"]),
    ):
        reply = await forge(scene, scene.emma, shown, custom_id, *values)
        assert told(reply) == scene.told(scene.emma, QuestionOver()), (custom_id, values)
        found = (await newest(scene)).record
        assert (found.operation, found.step) == (custom_id, AuditStep.REFUSED)
        assert found.detail in (" ".join(values), "0101", "home/101"), "repeats of one operation are one row"
    assert len(scene.sent()) == before
    missing = await forge(scene, scene.emma, shown, "s1:guest", "777")
    assert told(missing) == scene.told(scene.emma, GuestNotFound(777))


async def test_choices_count_as_reads_of_the_person(bare_scene: Stage) -> None:
    scene = bare_scene
    scene.paced = True
    await scene.start_bot()
    shown = await scene.say(scene.emma, "list")
    replies = [
        await choose(scene, scene.emma, shown, "104") for _ in range(RATES[RequestKind.READ].burst + 1)
    ]
    assert "**104**" in replies[0].text
    assert "**104**" not in told(replies[-1])


async def test_a_blocked_name_is_left_out_of_the_menu(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    pve.guest(101).name = "free-nitro.example"
    await scene.start_bot()
    scene.server.block("free-nitro", 200000, "Message was blocked by automatic moderation")
    shown = await scene.say(scene.emma, "list")
    assert "**101**" in shown.text
    (menu,) = post_of(shown).selects
    assert menu.options[0] == ("101", "101")


# -- several sites


async def test_a_list_of_all_sites_names_the_site_of_each_guest(sites: Sites) -> None:
    await sites.start()
    scene = sites.scene
    shown = await scene.say(sites["admin"], "list")
    values = values_of(post_of(shown))
    assert values[:2] == [f"{COLO}/101", f"{COLO}/102"]
    labels = [label for label, _ in post_of(shown).selects[0].options]
    assert labels[0].startswith(f"{COLO}/101 ")
    reply = await choose(scene, sites["admin"], shown, f"{COLO}/103")
    assert reply.ephemeral
    assert reply.text.startswith(f"-# **{COLO}**\n###")
    assert ((await newest(scene)).site, (await newest(scene)).record.operation) == (COLO, "info")
    forged = await forge(scene, sites["admin"], shown, "s2:*:guest", f"{HOME}/103")
    assert forged.text.startswith(f"-# **{HOME}**\n###")


async def test_a_list_of_one_site_stays_on_it(sites: Sites) -> None:
    await sites.start()
    scene = sites.scene
    shown = await scene.say(sites["admin"], "list", site=COLO)
    (menu,) = post_of(shown).selects
    assert menu.custom_id == f"s2:{COLO}:guest"
    assert menu.options[0][1] == "101"
    reply = await choose(scene, sites["admin"], shown, "101")
    assert reply.text.startswith(f"-# **{COLO}**\n###")
    watched = await scene.say(sites["admin"], "monitor list", site=COLO)
    assert values_of(post_of(watched)) == ["101"]
    everywhere = await scene.say(sites["admin"], "monitor list")
    assert {f"{HOME}/101", f"{COLO}/101"} < set(values_of(post_of(everywhere)))


async def test_a_site_that_one_may_not_see_is_refused_as_one_that_is_not_there(sites: Sites) -> None:
    await sites.start()
    scene = sites.scene
    shown = await scene.say(sites["admin"], "list")
    sent = len(sites.clusters[COLO].requests)
    for custom_id, value in (
        ("s2:*:guest", f"{COLO}/101"),
        ("s2:*:guest", "nowhere/101"),
        ("s2:*:guest", "*/101"),
        ("s2:*:guest", "a:b/101"),
        (f"s2:{COLO}:guest", "101"),
        ("s2:nowhere:guest", "101"),
    ):
        reply = await forge(scene, sites[HOME], shown, custom_id, value)
        assert told(reply) == scene.told(sites[HOME], QuestionOver()), (custom_id, value)
        assert (await newest(scene)).site == ""
    assert len(sites.clusters[COLO].requests) == sent


def test_a_choice_becomes_the_id_of_a_button() -> None:
    assert choice_id("s1:guest", ["101"]) == "s1:guest:101"
    assert choice_id("s2:home:guest", ["101"]) == "s2:home:guest:101"
    assert choice_id("s2:*:guest", ["colo/101"]) == "s2:colo:guest:101"


# -- reading again


@BOTH
async def test_refresh_reads_the_shown_page_again_in_place(scene: Stage, pve: Pve) -> None:
    shown = await scene.say(scene.akiko, "list")
    await scene.press(scene.akiko, shown, "p1:list:next:1:::")
    assert "⚪ **205**" in shown.text
    pve.revive(205)
    scene.clock.skip(60.0)
    reply = await scene.press(scene.emma, shown, "p1:list:refresh:1:::")
    assert post_of(reply).id == post_of(shown).id
    assert "🟢 **205**" in shown.text
    assert "2/2" in shown.text
    found = (await newest(scene)).record
    assert (found.operation, found.detail) == ("list", "page=2")


async def test_refresh_shares_the_read_of_all(scene: Stage) -> None:
    shown = await scene.say(scene.akiko, "list")
    watched = await scene.say(scene.akiko, "monitor list")
    scene.clock.skip(60.0)
    before = len(scene.sent(path_part=RESOURCES))
    for _ in range(3):
        await scene.press(scene.akiko, shown, "p1:list:refresh:0:::")
        await scene.press(scene.emma, watched, "Refresh")
    assert len(scene.sent(path_part=RESOURCES)) == before + 1


async def test_refresh_of_a_scoped_reader_is_private_on_a_public_list(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    shown = await scene.say(cast["viewer"], "list")
    before = shown.text
    reply = await scene.press(cast["game"], shown, "p1:list:refresh:0:::")
    assert reply.ephemeral
    assert "3 guests" in reply.text
    assert "web01" not in str(post_of(reply).components)
    assert shown.text == before
