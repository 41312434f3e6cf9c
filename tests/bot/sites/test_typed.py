"""Test what people type for a guest or a node, with one site and with several."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.errors import ChangedMeanwhile
from core.guest_errors import GuestNotFound
from core.proxmox_errors import BadAnswer
from core.wanted_errors import NoSuchGuest, SeveralTargets, UnknownNode
from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


@pytest.fixture
def colo() -> Iterator[Pve]:
    """Provide a second cluster with the same VMIDs, names and node names, and a guest of its own."""
    with Pve(nodes=NODES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        made.add_vm(300, "only-colo", node="pve1", status="stopped")
        yield made


@pytest.fixture
def unstarted(bare_scene: Stage, pve: Pve, colo: Pve) -> Stage:
    """Provide the stage with the sites home and colo, before the bot starts."""
    bare_scene.add_site("home", pve)
    bare_scene.add_site("colo", colo)
    return bare_scene


@pytest.fixture
async def two(unstarted: Stage, pve: Pve) -> Stage:
    """Provide the bot with the sites home and colo."""
    pve.add_vm(301, "only-home", node="pve1", status="stopped")
    await unstarted.start_bot()
    return unstarted


def begun(cluster: Pve) -> list[str]:
    return [path for method, path, _ in cluster.requests if method != "GET"]


@walked_anew("typed", ["104", " 104 ", "１０４", "palworld", "PALWORLD"])
async def test_with_one_site_a_vmid_or_a_name_is_enough(scene: Stage, typed: str) -> None:
    await scene.say(scene.akiko, "start", vmid=typed)
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve2/qemu/104/status/start"]


@walked("typed", ["nobody", "home/104", "pal", "104 palworld", "/", "104/", "-"])
async def test_texts_that_are_no_guest_are_refused(scene: Stage, typed: str) -> None:
    reply = await scene.say(scene.emma, "start", vmid=typed)
    scene.assert_refused(reply, scene.emma, NoSuchGuest(typed))
    assert scene.changes() == []


@walked("typed", ["0", "99", "-104", "1" * 90])
async def test_a_number_that_is_no_vmid_is_refused_as_before(scene: Stage, typed: str) -> None:
    reply = await scene.say(scene.emma, "start", vmid=typed)
    assert "is not a VMID" in reply.text
    assert scene.changes() == []


async def test_a_name_of_two_guests_is_refused_with_the_choices(scene: Stage, pve: Pve) -> None:
    pve.add_ct(400, "palworld", node="pve1", status="stopped")
    await scene.site.cluster_cache.read(max_age=0)
    reply = await scene.say(scene.emma, "start", vmid="palworld")
    assert "104 palworld · pve2 · VM" in reply.text
    assert "400 palworld · pve1 · CT" in reply.text
    scene.assert_private(reply)
    assert scene.changes() == []


@pytest.mark.parametrize("typed", ["home/104", "HOME/104", "home / 104", "home/palworld"])
async def test_a_site_before_it_says_which(two: Stage, pve: Pve, colo: Pve, typed: str) -> None:
    await two.say(two.akiko, "start", vmid=typed)
    assert begun(pve) == ["/nodes/pve2/qemu/104/status/start"]
    assert begun(colo) == []


@pytest.mark.parametrize("typed", ["104", "palworld"])
async def test_nothing_is_done_on_one_of_two_by_default(two: Stage, pve: Pve, colo: Pve, typed: str) -> None:
    reply = await two.say(two.emma, "start", vmid=typed)
    assert "home/104 palworld" in reply.text
    assert "colo/104 palworld" in reply.text
    two.assert_private(reply)
    assert begun(pve) + begun(colo) == []


@pytest.mark.parametrize("typed", ["300", "only-colo", "colo/300"])
async def test_a_text_that_matches_one_guest_needs_no_site(
    two: Stage, pve: Pve, colo: Pve, typed: str
) -> None:
    await two.say(two.akiko, "start", vmid=typed)
    assert begun(colo) == ["/nodes/pve1/qemu/300/status/start"]
    assert begun(pve) == []


async def test_a_text_that_matches_no_guest_is_refused(two: Stage) -> None:
    two.assert_refused(await two.say(two.emma, "start", vmid="999"), two.emma, GuestNotFound(999))
    for typed in ("nobody", "lab/104", "colo/only-home"):
        two.assert_refused(await two.say(two.emma, "start", vmid=typed), two.emma, NoSuchGuest(typed))


async def test_a_vmid_alone_is_not_guessed_while_a_site_was_never_read(
    unstarted: Stage, pve: Pve, colo: Pve
) -> None:
    two = unstarted
    colo.html_instead_of_json(times=99)
    await two.start_bot()
    reply = await two.say(two.emma, "start", vmid="104")
    assert "`colo`" in reply.text
    assert begun(pve) == []
    await two.say(two.emma, "start", vmid="home/104")
    assert begun(pve) == ["/nodes/pve2/qemu/104/status/start"]


@pytest.mark.parametrize("command", ["info", "start"])
async def test_a_name_is_not_called_unknown_while_the_only_site_was_never_read(
    bare_scene: Stage, pve: Pve, command: str
) -> None:
    pve.html_instead_of_json(times=99)
    await bare_scene.start_bot()
    reply = await bare_scene.say(bare_scene.emma, command, vmid="palworld")
    bare_scene.assert_refused(reply, bare_scene.emma, BadAnswer(pve.host))
    pve.html_instead_of_json(times=0)
    assert "palworld" in (await bare_scene.say(bare_scene.emma, command, vmid="palworld")).text


@pytest.mark.parametrize("command", ["start", "delete"])
async def test_a_name_never_reaches_the_guest_that_had_it_before(
    two: Stage, pve: Pve, colo: Pve, command: str
) -> None:
    names = [site.name for site in two.services.sites]
    colo.html_instead_of_json(times=99)
    two.clock.skip(60.0)
    await two.seen_through(two.bot.monitor.loops[names.index("colo")].poll_once())
    assert two.site_named("colo").watch.read_error is not None
    colo.html_instead_of_json(times=0)  # before the next poll
    colo.vm(300).name = colo.vm(300).config["name"] = "other"
    colo.add_vm(302, "only-colo", node="pve1", status="stopped")
    reply = await two.say(two.emma, command, vmid="only-colo")
    assert two.told(two.emma, ChangedMeanwhile(300)) in reply.text
    two.assert_private(reply, ChangedMeanwhile(300))
    assert begun(colo) + begun(pve) == []


@pytest.mark.parametrize("typed", [" ", "\u3000", "home/ "])
async def test_an_empty_text_does_not_mean_a_guest_without_a_name(two: Stage, pve: Pve, typed: str) -> None:
    pve.vm(301).name = pve.vm(301).config["name"] = ""
    await two.site_named("home").cluster_cache.read(max_age=0)
    reply = await two.say(two.emma, "start", vmid=typed)
    assert "No guest" in reply.text
    assert begun(pve) == []


async def test_guests_that_are_hidden_do_not_count_and_are_not_named(
    unstarted: Stage, pve: Pve, colo: Pve
) -> None:
    two = unstarted
    role = two.guild.create_role("home only")
    mika = two.server.person(two.guild, "mika", locale="en-US", roles=[role])
    await two.start_bot(OPERATOR_ROLE_IDS=str(role.id), ROLE_SCOPES=f'{{"{role.id}": ["site:home"]}}')
    reply: PressResult = await two.say(mika, "start", vmid="104")
    assert "colo" not in reply.text
    assert begun(pve) == ["/nodes/pve2/qemu/104/status/start"]
    hidden = await two.say(mika, "start", vmid="colo/104")
    two.assert_refused(hidden, mika, NoSuchGuest("colo/104"))
    assert begun(colo) == []
    offered = await two.choices(mika, "start", "vmid", "")
    assert offered
    assert all(" home/" in label for label in offered)


async def test_a_completion_says_that_the_only_visible_site_was_never_read(
    unstarted: Stage, colo: Pve
) -> None:
    two = unstarted
    colo.html_instead_of_json(times=99)
    role = two.guild.create_role("colo only")
    mika = two.server.person(two.guild, "mika", locale="en-US", roles=[role])
    await two.start_bot(OPERATOR_ROLE_IDS=str(role.id), ROLE_SCOPES=f'{{"{role.id}": ["site:colo"]}}')
    for command, option in (("info", "vmid"), ("list", "node")):
        assert await two.choices(mika, command, option, "") == ["⛔ Cannot read from Proxmox right now."]


async def test_completions_insert_the_site(two: Stage) -> None:
    found = await two.server.autocomplete(two.emma, two.channel, "start", "vmid", "104")
    assert [(each["name"][2:], each["value"]) for each in found] == [
        ("colo/104 palworld · pve2 · VM", "colo/104"),
        ("home/104 palworld · pve2 · VM", "home/104"),
    ]
    for typed in ("colo/104", "colo 104", "colo/pal"):
        found = await two.server.autocomplete(two.emma, two.channel, "start", "vmid", typed)
        assert [each["value"] for each in found] == ["colo/104"], typed


async def test_completions_take_turns_between_the_sites(two: Stage) -> None:
    found = await two.server.autocomplete(two.emma, two.channel, "info", "vmid", "")
    assert len(found) == 25
    assert [each["value"] for each in found[:4]] == ["colo/101", "home/101", "colo/102", "home/102"]


async def test_snapshots_are_those_of_the_site(two: Stage, pve: Pve, colo: Pve) -> None:
    found = await two.server.autocomplete(
        two.emma, two.channel, "snapshot rollback", "name", "", vmid="colo/101"
    )
    assert found
    assert any("/snapshot" in path for _, path, _ in colo.requests)
    assert not any("/snapshot" in path for _, path, _ in pve.requests)


@walked("command", ["node info", "graph node"])
async def test_a_node_of_several_sites_is_refused_with_the_choices(two: Stage, command: str) -> None:
    refused = await two.say(two.emma, command, node="pve1")
    two.assert_refused(refused, two.emma, SeveralTargets("pve1", "colo/pve1, home/pve1"))
    for typed in ("colo / pve1", "COLO/pve1"):
        assert "**colo**" in (await two.say(two.emma, command, node=typed)).text
    for typed in ("colo/nowhere", "nowhere/pve1", "pve1/colo", "../pve1"):
        two.assert_refused(await two.say(two.emma, command, node=typed), two.emma, UnknownNode(typed))
