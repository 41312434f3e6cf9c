"""Test /list over several sites, its pages, and the option `site`."""

from __future__ import annotations

import re
import time

import pytest
from discord import ui

from core.errors import QuestionOver
from core.guest import Guest, Kind, State
from core.proxmox_errors import TimedOut
from core.wanted_errors import UnknownSite
from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import people as several
from tests.support.sites.people import People
from tests.support.stage import Stage, post_of
from ui.guests.lists.filters import Filters, Selection
from ui.guests.lists.sites import SiteGuests, site_lists_card
from ui.i18n import Language, Texts
from ui.interaction.buttons import PersistentButton
from ui.interaction.custom_ids import split_site
from ui.messages.errors import reason_of

bare_scene, scene, pve, language = stage.bare_scene, stage.scene, stage.pve, stage.language
colo, people = several.colo, several.people

WITH_SITE = {
    *("dashboard create", "dashboard list"),
    "status",
    "list",
    "node list",
    "storage",
    "monitor list",
    "monitor status",
    "monitor history",
    "monitor test",
    "readonly on",
    "readonly off",
    "audit",
    "health",
    "access",
}


def options_of(scene: Stage) -> dict[str, list[str]]:
    """Return the names of the options that Discord has registered, by command."""
    found: dict[str, list[str]] = {}

    def walk(commands: list[dict[str, object]], before: str) -> None:
        for command in commands:
            options = command.get("options", [])
            assert isinstance(options, list)
            inner = [option for option in options if option["type"] == 1]
            name = f"{before}{command['name']}"
            if inner:
                walk(inner, f"{name} ")
            else:
                found[name] = [option["name"] for option in options]

    walk(scene.server.commands(scene.guild), "")
    return found


def shown(text: str) -> list[tuple[str, int]]:
    """Return the site and VMID of each row of a list, in order."""
    rows, site = [], ""
    for line in text.splitlines():
        if line.startswith("### "):
            site = line.split()[1]
        elif match := re.match(r"\S+ \*\*(\d+)\*\*", line):
            rows.append((site, int(match[1])))
    return rows


async def test_with_one_site_no_command_has_the_option(scene: Stage) -> None:
    assert [name for name, options in options_of(scene).items() if "site" in options] == []
    assert "site" not in (await scene.say(scene.emma, "help")).text
    assert (await scene.say(scene.emma, "list")).text.startswith("### 17 guests")


async def test_with_several_sites_these_commands_have_the_option(bare_scene: Stage, people: People) -> None:
    assert {name for name, options in options_of(bare_scene).items() if "site" in options} == WITH_SITE
    assert "site/VMID (`colo/101`)" in (await bare_scene.say(people["chief"], "help")).text
    assert "site/VMID" not in (await bare_scene.say(people["homely"], "help")).text, "who sees one site only"


async def test_all_pages_show_every_guest_of_every_site_once(bare_scene: Stage, people: People) -> None:
    scene = bare_scene
    reply = await scene.say(people["reader"], "list")
    found, pages = shown(reply.text), 1
    while not next(button for button in post_of(reply).buttons if button.emoji == "▶️").disabled:
        button = next(button for button in post_of(reply).buttons if button.emoji == "▶️")
        assert str(button.custom_id).startswith("p2:*:l:n:")
        reply = await scene.press(people["reader"], reply, str(button.custom_id))
        assert len(post_of(reply).text) < 4000
        found += shown(post_of(reply).text)
        pages += 1
    expected = [
        (site.name, guest.vmid)
        for site in scene.services.sites
        for guest in site.cluster_cache.last.guests  # type: ignore[union-attr]  # it was read
    ]
    assert found == expected
    assert pages == 4
    assert f"{pages}/{pages}" in post_of(reply).text


async def test_one_site_is_listed_by_name(bare_scene: Stage, people: People) -> None:
    scene = bare_scene
    for name, options in (("101 `web01`", {"site": "home"}), ("101 `other`", {"site": "COLO"})):
        reply = await scene.say(people["reader"], "list", **options)
        assert {site for site, _ in shown(reply.text)} == {options["site"].lower()}
        assert name.replace("101", "**101**") in reply.text
    button = next(button for button in post_of(reply).buttons if button.emoji == "▶️")
    assert {
        site for site, _ in shown((await scene.press(people["reader"], reply, str(button.custom_id))).text)
    } == {"colo"}
    assert await scene.choices(people["reader"], "list", "site") == ["colo", "home"]
    assert await scene.choices(people["reader"], "list", "site", "co") == ["colo"]


async def test_a_node_may_name_its_site(bare_scene: Stage, people: People) -> None:
    scene, reader = bare_scene, people["reader"]
    nodes = await scene.choices(reader, "list", "node")
    assert nodes == [f"{site}/{node}" for site in ("colo", "home") for node in ("pve1", "pve2", "pve3")]
    assert {site for site, _ in shown((await scene.say(reader, "list", node="colo/pve2")).text)} == {"colo"}
    assert {site for site, _ in shown((await scene.say(reader, "list", node="pve2")).text)} == {
        "home",
        "colo",
    }
    assert shown((await scene.say(reader, "list", node="colo/pve2", site="home")).text) == []
    scene.assert_refused(await scene.say(reader, "list", node="nas/pve1"), reader, UnknownSite("nas"))


@pytest.mark.parametrize("typed", [{"site": "colo"}, {"node": "colo/pve1"}])
async def test_a_site_without_anything_visible_does_not_exist(
    bare_scene: Stage, people: People, typed: dict[str, str]
) -> None:
    scene, guest = bare_scene, people["guest"]
    scene.assert_refused(await scene.say(guest, "list", **typed), guest, UnknownSite("colo"))
    reply = await scene.say(guest, "list")
    assert shown(reply.text) == [("home", 101)]
    assert "colo" not in reply.text
    assert await scene.choices(guest, "list", "site") == ["home"]
    assert await scene.choices(guest, "list", "node") == ["home/pve1"]
    whole = await scene.say(people["reader"], "list")
    pressed = await scene.press(guest, whole, str(post_of(whole).buttons[2].custom_id))
    assert pressed.ephemeral
    assert shown(pressed.text) == [("home", 101)], "a page beyond the end is the last"
    assert "colo" not in pressed.text
    forged = await scene.press(guest, whole, "p2:colo:l:f:0:::", force=True)
    scene.assert_refused(forged, guest, QuestionOver())


async def test_a_site_that_hangs_is_named_and_the_others_are_shown(
    bare_scene: Stage, people: People, colo: Pve
) -> None:
    scene, reader = bare_scene, people["reader"]
    colo.hang("cluster/resources")
    scene.clock.skip(60.0)
    began = time.monotonic()
    text = (await scene.say(reader, "list", status="template")).text
    assert time.monotonic() - began < 10.0
    assert re.search(r"### colo · 3 guests\n-# ⚠️ timed out.* · as of <t:\d+:R>\n", text)
    assert "### home · 3 guests\n📄" in text
    colo.hang("cluster/resources", 0)


async def test_a_site_that_was_never_read_is_named_with_the_reason(
    bare_scene: Stage, people: People, colo: Pve
) -> None:
    scene, reader = bare_scene, people["reader"]
    colo.apitokens.clear()
    scene.site_named("colo").cluster_cache.last = None
    reply = await scene.say(reader, "list", status="template")
    assert shown(reply.text) == [("home", vmid) for vmid in (9000, 9001, 9100)]
    assert "### colo\n⚠️ API token refused" in reply.text


async def test_a_page_from_before_there_were_several_sites_is_of_the_first(
    bare_scene: Stage, people: People
) -> None:
    scene, reader = bare_scene, people["reader"]
    whole = await scene.say(reader, "list")
    reply = await scene.press(reader, whole, "p1:list:next:1:::", force=True)
    assert {site for site, _ in shown(reply.text)} == {"home"}
    colonist = people["colonist"]
    reply = await scene.press(colonist, whole, "p1:list:next:1:::", force=True)
    scene.assert_refused(reply, colonist, QuestionOver())


@pytest.mark.parametrize("word", ["en", "ja"])
def test_the_longest_pages_fit(word: Language) -> None:
    guest = Guest(
        999_999_999,
        Kind.LXC,
        "n" * 63,
        State.RUNNING,
        name="`" * 300,
        uptime=1,
        lock="snapshot-delete-x" * 3,
        cpu=1.0,
        cpus=128,
        memory=999 * 2**30,
        memory_total=999 * 2**30,
    )
    t = Texts("en").of(word)
    note = f"⚠️ {reason_of(t, str(TimedOut('h' * 300, changing=True)))} · {t('as of {time}', time='<t:1790000000:R>')}"
    filters = Filters("template", "lxc", "n" * 63, "memory", "t" * 64, "p" * 64)
    some = [Selection((guest,) * n, {guest.state: n}, filters) for n in range(4)]
    groups = [SiteGuests("s" * 16, some[number % 4], note, "x" * 200) for number in range(99)]
    found = 0
    for page in range(40):
        view = site_lists_card(t, groups, filters, "s" * 16, page, 1_790_000_000.0)
        text = "".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))
        assert len(text) < 3900
        found += text.count("**999999999**")
        ids = [item.custom_id for item in view.walk_children() if isinstance(item, PersistentButton)]
        assert len(ids) == 5
        assert all(len(each) <= 100 and split_site(each)[1].startswith("p1:list:") for each in ids)
        if f" {page + 1}/{page + 1} " in text:
            break
    assert found == sum(number % 4 for number in range(99))


# -- /status


async def test_the_status_of_all_sites_has_a_section_each(bare_scene: Stage, people: People) -> None:
    scene = bare_scene
    reply = await scene.say(people["reader"], "status")
    assert reply.text.index("### colo\n") < reply.text.index("### home\n")
    (button,) = post_of(reply).buttons
    assert button.custom_id == "p2:*:s:r"
    assert "### home\n" in (await scene.press(people["reader"], reply, "p2:*:s:r")).text
    one = await scene.say(people["reader"], "status", site="home")
    assert "colo" not in one.text
    assert one.text.startswith("-# **home**\n### Cluster status")
    assert post_of(one).buttons[0].custom_id == "p2:home:s:r"
    refused = await scene.press(people["guest"], one, "p2:colo:s:r", force=True)
    assert "colo" not in refused.text
    for options in ({}, {"site": "home"}):
        text = (await scene.say(people["guest"], "status", **options)).text
        assert "1 guest" in text
        assert "colo" not in text


async def test_the_status_names_a_site_that_does_not_answer(
    bare_scene: Stage, people: People, pve: Pve
) -> None:
    scene = bare_scene
    await scene.say(people["reader"], "status")
    scene.clock.skip(30.0)
    pve.fail("GET", "/cluster/resources", 595, "No route to host", times=4)
    text = (await scene.say(people["reader"], "status")).text
    colo, home = text.split("### home\n")
    assert "as of <t:" in home
    assert "⚠️" not in colo
