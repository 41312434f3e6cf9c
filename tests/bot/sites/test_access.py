"""Test /readonly, /audit and /access with several sites."""

from __future__ import annotations

import csv
import io

import pytest

from core.access.read_only import ReadOnlySwitch
from core.audit.store import AuditFilter
from core.errors import BotError, NotAllowed, OnlySomeSites, StoreFailed
from core.levels import Level
from core.wanted_errors import NoSuchGuest, UnknownSite
from tests.support import stage
from tests.support.sites import people as several
from tests.support.sites.people import People
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import rows_of
from ui.access.view import access_of_sites_card
from ui.i18n import Texts

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
colo, people = several.colo, several.people

ADMIN_NEEDED = NotAllowed(Level.ADMIN, Level.VIEWER)


def held(scene: Stage) -> set[str]:
    """Return the sites in read-only mode."""
    return {site.name for site in scene.services.sites if site.authorizer.read_only.refusal}


def trail(scene: Stage, operation: str) -> list[str]:
    """Return the site of each attempt, newest first."""
    found, _ = rows_of(scene.services.audit_store).audit_page(AuditFilter(operation=operation), 0, 20)
    return [each.site for each in found]


# -- /readonly


async def test_read_only_mode_of_all_sites(bare_scene: Stage, people: People) -> None:
    scene, chief = bare_scene, people["chief"]
    text = (await scene.say(chief, "readonly on")).text
    assert held(scene) == {"home", "colo"}
    assert "**colo** · 🚧 Read-only mode was turned on" in text
    assert "**home** · 🚧 Read-only mode was turned on" in text
    assert trail(scene, "readonly_on") == ["home", "colo"]
    await scene.say(chief, "readonly off", site="colo")
    assert held(scene) == {"home"}
    text = (await scene.say(chief, "readonly on")).text
    assert "**home** · Read-only mode is already on. 🚧" in text
    await scene.say(chief, "readonly off")
    await scene.say(chief, "readonly on", site="home")
    assert held(scene) == {"home"}
    text = (await scene.say(chief, "readonly off")).text
    assert "**colo** · ✅ Read-only mode is already off." in text
    assert "**home** · ✅ Read-only mode is now off." in text
    assert held(scene) == set()


async def test_an_admin_of_one_site_switches_that_one(bare_scene: Stage, people: People) -> None:
    """For this person "all sites" means this one. A person who can see the other site, too, has to name one."""
    scene, homely = bare_scene, people["homely"]
    for word in ("readonly on", "readonly off"):
        shown = (await scene.say(homely, word)).text
        assert "home" in shown
        assert "colo" not in shown
        assert held(scene) == ({"home"} if word == "readonly on" else set())
    scene.server.give_role(homely, people.roles["reader"])
    for word in ("readonly on", "readonly off"):
        scene.assert_refused(await scene.say(homely, word), homely, OnlySomeSites())
    scene.server.take_role(homely, people.roles["reader"])
    for word in ("readonly on", "readonly off"):
        scene.assert_refused(await scene.say(homely, word, site="colo"), homely, UnknownSite("colo"))
        assert "colo" not in (await scene.say(homely, word, site="home")).text
        assert held(scene) == ({"home"} if word == "readonly on" else set())
        assert await scene.choices(homely, word, "site") == ["home"]
        for name in ("reader", "guest", "colonist"):
            reply = await scene.say(people[name], word)
            scene.assert_private(reply)
    assert held(scene) == set()
    assert trail(scene, "readonly_on")[-4:] == ["home", "", "", "home"]


async def test_a_site_that_stays_read_only_is_named(
    bare_scene: Stage, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, chief = bare_scene, people["chief"]
    await scene.say(chief, "readonly on")
    broken, turn_off = scene.site_named("colo").authorizer.read_only, ReadOnlySwitch.turn_off

    async def fail(switch: ReadOnlySwitch) -> None:
        if switch is broken:
            raise StoreFailed("EROFS")
        await turn_off(switch)

    monkeypatch.setattr(ReadOnlySwitch, "turn_off", fail)
    text = (await scene.say(chief, "readonly off")).text
    assert "**colo** · ❌ Read-only mode is still on." in text
    assert "`EROFS`" in text
    assert "**home** · ✅ Read-only mode is now off." in text
    assert held(scene) == {"colo"}
    reply = await scene.say(chief, "readonly off", site="colo")
    assert scene.told(chief, StoreFailed("EROFS")) in reply.text


# -- /audit


async def acted(scene: Stage, people: People) -> None:
    """Let several people act on both sites, and on none."""
    await scene.say(people["chief"], "list", site="home")
    await scene.say(people["reader"], "list", site="colo")
    await scene.say(people["colonist"], "monitor mute", target="101", duration="1h")
    await scene.say(people["chief"], "help")


async def test_each_person_sees_their_own_trail(bare_scene: Stage, people: People) -> None:
    scene, chief, homely = bare_scene, people["chief"], people["homely"]
    await acted(scene, people)
    text = (await scene.say(chief, "audit", readings=True)).text
    assert "4 entries" in text
    assert f"<@{people['colonist'].id}>" in text
    text = (await scene.say(chief, "audit", site="colo", readings=True)).text
    assert "2 entries" in text
    assert "**colo**" in text
    for options in ({}, {"site": "home"}):
        text = (await scene.say(homely, "audit", readings=True, **options)).text
        assert "**home**" in text
        assert f"<@{chief.id}>" in text
        assert f"<@{people['colonist'].id}>" not in text
        assert "colo" not in text
    scene.assert_refused(await scene.say(homely, "audit", site="colo"), homely, UnknownSite("colo"))
    reader = people["reader"]
    scene.assert_refused(await scene.say(reader, "audit"), reader, ADMIN_NEEDED)
    assert await scene.choices(homely, "audit", "who") == [f"Homely · {homely.id}", f"Chief · {chief.id}"]
    assert len(await scene.choices(chief, "audit", "who")) == 4
    assert len(await scene.choices(chief, "audit", "who", site="colo")) == 3


async def test_the_pages_and_the_file_of_one_trail(bare_scene: Stage, people: People) -> None:
    scene, homely = bare_scene, people["homely"]
    for _ in range(12):
        await scene.say(people["chief"], "list", site="home")
        await scene.say(people["chief"], "list", site="colo")
        scene.clock.skip(61.0)
    reply = await scene.say(homely, "audit", readings=True)
    button = next(button for button in post_of(reply).buttons if button.emoji == "▶️")
    assert str(button.custom_id).startswith("p2:home:a:n:")
    turned = await scene.press(homely, reply, str(button.custom_id))
    assert "colo" not in turned.text
    whole = await scene.say(people["chief"], "audit", readings=True)
    every = next(button for button in post_of(whole).buttons if button.emoji == "▶️")
    assert str(every.custom_id).startswith("p2:*:a:n:")
    forged = await scene.press(homely, reply, str(every.custom_id), force=True)
    assert "colo" not in forged.text
    reply = await scene.say(homely, "audit", csv=True, readings=True)
    data = scene.server.attached(post_of(reply), "audit.csv")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert {row["site"] for row in rows} == {"home"}


# -- /access


async def test_access_is_explained_for_each_site(bare_scene: Stage, people: People) -> None:
    scene = bare_scene
    text = (await scene.say(people["chief"], "access")).text
    assert "### colo, home\n" in text, "both say the same"
    await scene.say(people["chief"], "readonly on", site="home")
    text = (await scene.say(people["reader"], "access", action="list")).text
    assert text.index("### colo\n") < text.index("### home\n") < text.index("🚧")
    for name, other in (("homely", "colo"), ("guest", "colo"), ("colonist", "home")):
        text = (await scene.say(people[name], "access")).text
        assert other not in text
        assert f"### {'home' if other == 'colo' else 'colo'}\n" in text
        reply = await scene.say(people[name], "access", site=other)
        scene.assert_refused(reply, people[name], UnknownSite(other))
    text = (await scene.say(people["chief"], "access", site="home")).text
    assert "colo" not in text
    nobody = scene.server.person(scene.guild, "nobody", display="Nobody", locale="en-US")
    text = (await scene.say(nobody, "access")).text
    assert "None of your roles has permissions here." in text
    assert "home" not in text
    assert "colo" not in text


@pytest.mark.parametrize("count", [2, 30, 99])
def test_the_access_on_many_sites_fits(count: int) -> None:
    sites = [(f"a-site-{number:09}", (f"-# why {number}", "✅ `/list`" * 40)) for number in range(count)]
    view = access_of_sites_card(Texts("en").of("en"), sites)
    text = "".join(getattr(item, "content", "") for item in view.walk_children())
    assert len(text) <= 4000
    assert all(name in text for name, _ in sites)


@walked("operation", ["readonly on", "readonly off", "audit", "monitor test"])
async def test_people_who_see_nothing_read_the_same_as_with_one_site(
    bare_scene: Stage, people: People, operation: str
) -> None:
    scene = bare_scene
    assert people["chief"]
    nobody = scene.server.person(scene.guild, "nobody", display="Nobody", locale="en-US")
    error: BotError = NotAllowed(Level.ADMIN, Level.NONE)
    for options in ({}, {"site": "home"}, {"site": "nas"}):
        scene.assert_refused(await scene.say(nobody, operation, **options), nobody, error)


# -- a guest, and the site as an option beside it


async def test_a_guest_with_or_without_the_option(bare_scene: Stage, people: People) -> None:
    scene, chief = bare_scene, people["chief"]
    for options, site, name in (
        ({"vmid": "101", "site": "home"}, "home", "web01"),
        ({"vmid": "101", "site": "colo"}, "colo", "other"),
        ({"vmid": "colo/101"}, "colo", "other"),
        ({"vmid": "home/101", "site": "home"}, "home", "web01"),
    ):
        other = {"home": "colo", "colo": "home"}[site]
        for command in ("access", "monitor history", "audit"):
            text = (await scene.say(chief, command, **options)).text
            assert other not in text, (command, options)
            assert command == "audit" or f"**101** `{name}`" in text
            assert trail(scene, command.replace(" ", "_"))[0] == site
    refused = {"vmid": "colo/101", "site": "home"}
    for command in ("access", "monitor history", "audit"):
        reply = await scene.say(chief, command, **refused)
        scene.assert_refused(reply, chief, NoSuchGuest("home/colo/101"))
    homely = people["homely"]
    reply = await scene.say(homely, "access", vmid="101", site="colo")
    scene.assert_refused(reply, homely, NoSuchGuest("colo/101"))
