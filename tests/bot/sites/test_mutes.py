"""Test /monitor mute and unmute with several sites."""

from __future__ import annotations

from core.audit.store import AuditFilter
from core.errors import BotError, NoReason, NotAllowed, NotMuted, OnlySomeGuests, OnlySomeSites
from core.levels import Level
from core.wanted_errors import BadDuration, SeveralTargets, UnknownTarget
from core.watch.incidents.model import ALL
from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import people as several
from tests.support.sites.people import People
from tests.support.stage import Stage
from tests.support.walked import walked

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
colo, people = several.colo, several.people


def mutes(scene: Stage) -> dict[str, set[str]]:
    return {site.name: {mute.target for mute in site.watch.alerts.mutes()} for site in scene.services.sites}


async def values(scene: Stage, people: People, name: str, command: str, typed: str = "") -> list[str]:
    found = await scene.server.autocomplete(people[name], scene.channel, command, "target", typed)
    return [str(choice["value"]) for choice in found]


@walked(
    ("typed", "site", "subject"),
    [
        ("home/101", "home", "guest/101"),
        ("colo/101", "colo", "guest/101"),
        ("other", "colo", "guest/101"),
        ("home/web01", "home", "guest/101"),
        ("HOME / guest/101", "home", "guest/101"),
        ("colo/pve1", "colo", "node/pve1"),
        ("colo/node/pve1", "colo", "node/pve1"),
        ("home/storage/nfs-backup", "home", "storage/nfs-backup"),
        ("home/everything", "home", ALL),
        ("home/all", "home", ALL),
    ],
)
async def test_a_target_names_its_site(
    bare_scene: Stage, people: People, typed: str, site: str, subject: str
) -> None:
    scene, chief = bare_scene, people["chief"]
    other = {"home": "colo", "colo": "home"}[site]
    await scene.say(chief, "monitor mute", target=typed, duration="1h")
    assert mutes(scene) == {site: {subject}, other: set()}
    found, _ = await scene.services.audit_store.audit_page(AuditFilter(), 0, 1)
    assert [(each.site, each.record.operation) for each in found] == [(site, "monitor_mute")]
    await scene.say(chief, "monitor unmute", target=typed)
    assert mutes(scene) == {site: set(), other: set()}


@walked(
    ("typed", "choices"),
    [
        ("101", "colo/101, home/101"),
        ("guest/101", "colo/101, home/101"),
        ("pve1", "colo/node/pve1, home/node/pve1"),
        ("minecraft", "colo/103, home/103"),
        ("source", "colo/source, home/source"),
    ],
)
async def test_a_text_that_matches_several_sites_is_refused_with_the_choices(
    bare_scene: Stage, people: People, typed: str, choices: str
) -> None:
    scene, chief, guest = bare_scene, people["chief"], people["guest"]
    reply = await scene.say(chief, "monitor mute", target=typed, duration="1h")
    scene.assert_refused(reply, chief, SeveralTargets(typed, choices))
    assert choices in reply.text
    scene.assert_refused(
        await scene.say(chief, "monitor unmute", target=typed), chief, SeveralTargets(typed, choices)
    )
    assert mutes(scene) == {"home": set(), "colo": set()}
    colonist = people["colonist"]
    await scene.say(colonist, "monitor mute", target=typed, duration="1h")
    assert mutes(scene)["home"] == set(), "what they may not see does not count"
    assert len(mutes(scene)["colo"]) == 1
    await scene.say(chief, "monitor unmute", target=typed)
    assert mutes(scene) == {"home": set(), "colo": set()}, "only one is muted"
    await scene.say(guest, "monitor mute", target=typed, duration="1h")
    assert mutes(scene)["home"] == set()


async def test_targets_that_are_not_listed_in_a_refusal_are_counted(
    bare_scene: Stage, people: People, pve: Pve
) -> None:
    scene = bare_scene
    for vmid in range(101, 108):
        pve.vm(vmid).name = "twin"
    scene.clock.skip(60.0)
    reply = await scene.say(people["chief"], "monitor mute", target="twin", duration="1h")
    assert "matches more than one target" in reply.text
    assert reply.text.count("home/10") == 5
    assert "… and 2 more" in reply.text


async def test_the_mute_of_a_deleted_guest_is_offered_and_lifted(
    bare_scene: Stage, people: People, pve: Pve
) -> None:
    scene, chief = bare_scene, people["chief"]
    await scene.say(chief, "monitor mute", target="home/104", duration="1h")
    assert mutes(scene)["home"] == {"guest/104"}
    pve.remove_guest(104)
    scene.clock.skip(60.0)
    await scene.site_named("home").cluster_cache.read(max_age=0)
    assert await values(scene, people, "chief", "monitor unmute") == ["home/104"]
    refused = await scene.say(people["colonist"], "monitor unmute", target="home/104")
    scene.assert_refused(refused, people["colonist"], UnknownTarget("home/104"))
    await scene.say(chief, "monitor unmute", target="home/104")
    assert mutes(scene) == {"home": set(), "colo": set()}


@walked(
    ("name", "typed", "error"),
    [
        ("homely", "colo/101", UnknownTarget("colo/101")),
        ("homely", "nas/101", UnknownTarget("nas/101")),
        ("chief", "nas/101", UnknownTarget("nas/101")),
        ("chief", "home/999", UnknownTarget("home/999")),
        ("colonist", "colo/nobody", UnknownTarget("colo/nobody")),
    ],
)
async def test_unknown_and_hidden_targets_are_refused(
    bare_scene: Stage, people: People, name: str, typed: str, error: BotError
) -> None:
    scene, person = bare_scene, people[name]
    scene.assert_refused(await scene.say(person, "monitor mute", target=typed, duration="1h"), person, error)
    scene.assert_refused(await scene.say(person, "monitor unmute", target=typed), person, error)
    assert mutes(scene) == {"home": set(), "colo": set()}


async def test_everything_means_all_that_the_person_sees(bare_scene: Stage, people: People) -> None:
    scene, homely = bare_scene, people["homely"]
    scene.server.give_role(homely, people.roles["reader"])
    refused = await scene.say(homely, "monitor mute", target="everything", duration="1h")
    scene.assert_refused(refused, homely, OnlySomeSites())
    scene.server.take_role(homely, people.roles["reader"])
    assert await scene.choices(homely, "monitor mute", "target", "everything") == ["home · Everything"]
    shown = (await scene.say(homely, "monitor mute", target="everything", duration="1h")).text
    assert "colo" not in shown
    assert mutes(scene) == {"home": {"all"}, "colo": set()}
    await scene.say(homely, "monitor unmute", target="everything")
    assert mutes(scene) == {"home": set(), "colo": set()}


async def test_an_owner_cannot_mute_everything_with_several_sites_either(
    bare_scene: Stage, people: People, pve: Pve
) -> None:
    scene = bare_scene
    owner = scene.server.person(scene.guild, "owner", display="Owner", locale="en-US")
    pve.guest(104).config["tags"] = f"owner-{owner.id}"
    await scene.site_named("home").cluster_cache.read(max_age=0)
    for command in ("monitor mute", "monitor unmute"):
        options = {"duration": "1h"} if command == "monitor mute" else {}
        reply = await scene.say(owner, command, target="everything", **options)
        scene.assert_refused(reply, owner, OnlySomeGuests())
    assert people["chief"]
    assert mutes(scene) == {"home": set(), "colo": set()}


async def test_everything_on_all_sites(bare_scene: Stage, people: People) -> None:
    scene, chief = bare_scene, people["chief"]
    scene.assert_refused(await scene.say(chief, "monitor unmute", target="all"), chief, NotMuted(ALL))
    scene.assert_refused(
        await scene.say(chief, "monitor mute", target="all", duration="soon"), chief, BadDuration("soon")
    )
    reply = await scene.say(chief, "monitor mute", target="everything", duration="1h")
    assert "All alerts of `colo`, `home` muted until" in reply.text
    assert mutes(scene) == {"home": {ALL}, "colo": {ALL}}
    found, _ = await scene.services.audit_store.audit_page(AuditFilter(operation="monitor_mute"), 0, 9)
    assert [each.site for each in found] == ["home", "colo", ""]
    await scene.say(chief, "monitor unmute", target="colo/everything")
    assert mutes(scene) == {"home": {ALL}, "colo": set()}
    reply = await scene.say(chief, "monitor unmute", target="everything")
    assert "Alerts of `home` unmuted" in reply.text
    assert mutes(scene) == {"home": set(), "colo": set()}


async def test_a_long_mute_of_everything_needs_a_reason_if_a_site_has_a_protected_guest(
    bare_scene: Stage, people: People, colo: Pve
) -> None:
    scene, chief = bare_scene, people["chief"]
    colo.vm(101).config["tags"] = "protected"
    scene.clock.skip(11.0)
    site = scene.site_named("colo")
    await site.cluster_cache.read(0)
    guest = site.cluster_cache.find(101)
    assert guest is not None
    await site.watch.add(guest)
    reply = await scene.say(chief, "monitor mute", target="all", duration="2d")
    scene.assert_refused(reply, chief, NoReason())
    assert mutes(scene) == {"home": set(), "colo": set()}, "nothing by halves"
    await scene.say(chief, "monitor mute", target="all", duration="2d", reason="move")
    assert mutes(scene) == {"home": {ALL}, "colo": {ALL}}


async def test_people_with_less_than_the_whole_site_cannot_mute_it(bare_scene: Stage, people: People) -> None:
    scene, reader, guest = bare_scene, people["reader"], people["guest"]
    reply = await scene.say(reader, "monitor mute", target="home/everything", duration="1h")
    scene.assert_refused(reply, reader, NotAllowed(Level.OPERATOR, Level.VIEWER))
    reply = await scene.say(guest, "monitor mute", target="home/everything", duration="1h")
    scene.assert_refused(reply, guest, NotAllowed(Level.OPERATOR, Level.VIEWER))


async def test_targets_are_offered_with_their_sites(bare_scene: Stage, people: People) -> None:
    scene = bare_scene
    found = await values(scene, people, "chief", "monitor mute")
    assert found[:3] == ["all", "colo/everything", "home/everything"]
    assert {value.partition("/")[0] for value in found[3:]} == {"colo", "home"}
    assert len(found) == 25
    assert (await values(scene, people, "chief", "monitor mute", "home/101"))[0] == "home/101"
    assert await values(scene, people, "chief", "monitor mute", "101") == ["colo/101", "home/101"]
    assert await values(scene, people, "chief", "monitor mute", "home pve1 node") == ["home/node/pve1"]
    assert "home/storage/nfs-backup" in await values(scene, people, "chief", "monitor mute", "home/nfs")
    found = await values(scene, people, "homely", "monitor mute")
    assert found[0] == "home/everything"
    assert all(value.startswith("home/") for value in found)
    assert await values(scene, people, "guest", "monitor mute") == ["!nothing"]


async def test_mutes_are_offered_with_their_sites(bare_scene: Stage, people: People) -> None:
    scene, chief = bare_scene, people["chief"]
    for target in ("home/101", "colo/node/pve2", "colo/everything"):
        await scene.say(chief, "monitor mute", target=target, duration="1h")
    everything = ["all", "colo/node/pve2", "home/101", "colo/everything"]
    assert sorted(await values(scene, people, "chief", "monitor unmute")) == sorted(everything)
    assert await values(scene, people, "homely", "monitor unmute") == ["home/101"]
    assert await values(scene, people, "chief", "monitor unmute", "colo/") == everything[1::2]
    text = (await scene.say(people["reader"], "monitor status")).text
    assert text.count("🔕") == 3
