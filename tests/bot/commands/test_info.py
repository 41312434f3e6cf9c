"""Test how /info reads a guest and shows it: which requests, in which steps, and who shares them."""

import asyncio
from collections import Counter

import pytest

from adapters.proxmox.transport.slots import HANGING_MOST
from core.actions.inspector import SHARED_SECONDS
from core.guest import State
from core.proxmox_errors import Rejected
from playground.discord.faults import Request
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
unhurried = stage.unhurried

BOTH = pytest.mark.parametrize("language", ["ja", "en"])

STATUS, CONFIG, TASKS, INTERFACES = "status/current", "pending", "tasks", "interfaces"
AGENT = "agent/network-get-interfaces"
AGENT_OF_101 = "/qemu/101/agent/"
DEFERRED = 5
HELD = 1.5
"""Seconds for which a request is held: longer than what the test waits for meanwhile."""


def asked(scene: Stage, before: int) -> list[str]:
    """Return the ends of the paths of the requests to Proxmox after the first `before`, sorted."""
    ends = (STATUS, CONFIG, TASKS, AGENT, INTERFACES)
    paths = [path for _, path, _ in scene.sent()[before:]]
    return sorted(next((end for end in ends if path.endswith(end)), path) for path in paths)


def written(scene: Stage) -> list[Request]:
    """Return the requests that showed or edited an answer, oldest first."""
    return [r for r in scene.server.journal if "/callback" in r.path or "@original" in r.path]


# -- what it asks


@walked(
    ("vmid", "expected"),
    [
        (101, [STATUS, CONFIG, TASKS, AGENT]),  # a running VM with an agent
        (105, [STATUS, CONFIG, TASKS]),  # without an agent
        (104, [STATUS, CONFIG, TASKS]),  # stopped
        (109, [STATUS, CONFIG, TASKS]),  # paused
        (9000, [STATUS, CONFIG, TASKS]),  # a template
        (201, [STATUS, CONFIG, TASKS, INTERFACES]),  # a running container
        (205, [STATUS, CONFIG, TASKS]),  # a stopped one
    ],
)
async def test_each_kind_of_guest_takes_at_most_four_requests(
    scene: Stage, vmid: int, expected: list[str]
) -> None:
    before = len(scene.sent())
    await scene.say(scene.emma, "info", vmid=vmid)
    assert asked(scene, before) == sorted(expected)


async def test_an_agent_that_is_switched_off_is_not_asked(scene: Stage, pve: Pve) -> None:
    pve.vm(101).config["agent"] = "enabled=0,fstrim_cloned_disks=1"
    before = len(scene.sent())
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert asked(scene, before) == sorted([STATUS, CONFIG, TASKS])
    assert "**IP**" not in reply.text


async def test_an_agent_that_has_been_seen_is_asked_at_once(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "info", vmid=101)
    scene.clock.skip(SHARED_SECONDS)
    pve.hang("/qemu/101/pending", HELD, times=1)
    reply = await scene.start_command(scene.emma, "info", vmid=101)
    await reply.until("**IP** `192.168.10.11`")
    assert scene.t()("reading…") in reply.text, "the configuration is still held"
    await scene.settled()
    pve.vm(101).config["agent"] = "0"
    scene.clock.skip(SHARED_SECONDS)
    before = len(scene.sent())
    await scene.say(scene.emma, "info", vmid=101)
    scene.clock.skip(SHARED_SECONDS)
    await scene.say(scene.emma, "info", vmid=101)
    assert asked(scene, before).count(AGENT) <= 1, "forgotten when the configuration has none"


async def test_a_guest_that_stopped_since_the_list_was_read_has_no_addresses(scene: Stage, pve: Pve) -> None:
    pve.crash(201)
    reply = await scene.say(scene.emma, "info", vmid=201)
    assert "**stopped**" in reply.text
    assert "**IP**" not in reply.text


async def test_a_guest_that_started_since_the_list_was_read_has_addresses(scene: Stage, pve: Pve) -> None:
    pve.crash(201)
    scene.clock.skip(11)
    await scene.say(scene.emma, "list")
    pve.ct(201).status = State.RUNNING.value
    assert "`192.168.10.201`" in (await scene.say(scene.emma, "info", vmid=201)).text


async def test_the_reads_do_not_wait_for_a_newer_list(scene: Stage, pve: Pve) -> None:
    scene.clock.skip(11)
    pve.hang("/cluster/resources", HELD, times=1)
    before = len(scene.sent())
    saying = asyncio.create_task(scene.say(scene.emma, "info", vmid=101))
    await scene.until(lambda: len(asked(scene, before)) == 5)
    assert not saying.done()
    assert "web01" in (await saying).text


async def test_parts_that_a_newer_list_forbids_are_not_shown(bare_scene: Stage, pve: Pve) -> None:
    """The reads have begun, because the guest had the tag of the person's scope in the last list."""
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    assert "minecraft" in (await scene.say(cast["game"], "info", vmid=103)).text
    pve.vm(103).config["tags"] = "prod"
    scene.clock.skip(11)
    reply = await scene.say(cast["game"], "info", vmid=103)
    assert "minecraft" not in reply.text


async def test_for_a_person_who_may_not_see_it_the_guest_is_not_read(bare_scene: Stage) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    for name in ("game", "nobody"):
        await scene.say(cast[name], "info", vmid=101)
    assert scene.sent("GET", "/qemu/101/") == []


# -- in steps


@pytest.mark.usefixtures("unhurried")
@BOTH
async def test_the_state_comes_first_and_the_rest_into_the_same_message(scene: Stage, pve: Pve) -> None:
    """A value that is not known yet is not shown as absent: 102 is protected by Proxmox' flag, which comes later."""
    t = scene.t()
    pve.hang("/qemu/102/pending", HELD, times=1)
    saying = asyncio.create_task(scene.start_command(scene.akiko, "info", vmid=102))
    reply = await (await saying).until(t("reading…"))
    assert f"**{t('running')}**" in reply.text
    assert t("up {time}", time="") in reply.text
    assert f"**{t('Protection')}**" not in reply.text
    assert "IP" not in reply.text
    assert [button.label for button in post_of(reply).buttons]
    messages = len(scene.server.messages(scene.channel))
    await scene.settled()
    assert t("reading…") not in reply.text
    assert f"**{t('Protection')}** {t('on')}" in reply.text
    assert "**IP** `192.168.10.12`" in reply.text
    assert len(scene.server.messages(scene.channel)) == messages
    assert len(written(scene)) <= 3


@BOTH
async def test_a_hanging_agent_delays_only_its_own_line(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    pve.hang(AGENT_OF_101, HELD, times=1)
    await scene.say(scene.akiko, "start", vmid=104)  # so that there is a last task to show
    reply = await scene.start_command(scene.akiko, "info", vmid=101)
    await reply.until("**IP** …")
    assert f"**{t('Snapshot')}** `nginx-ok`" in reply.text
    assert t("reading…") in reply.text
    other = await scene.start_command(scene.emma, "info", vmid=104)
    await other.until(lambda shown: t("reading…") not in shown.text)
    assert f"**{t('Last task')}** ✅ {t('start')}\n-# " in other.text
    assert "**IP** …" in reply.text, "still held"
    await scene.settled()
    assert "**IP** `192.168.10.11`" in reply.text
    assert t("reading…") not in reply.text


async def test_many_hanging_agents_leave_a_slot_for_other_guests(scene: Stage, pve: Pve) -> None:
    for vmid in (101, 102, 103, 105, 106):
        pve.vm(vmid).config["agent"] = "1"
        pve.hang(f"/qemu/{vmid}/agent/", HELD, times=1)
        await (await scene.start_command(scene.emma, "info", vmid=vmid)).until("**IP** …")
    reply = await scene.start_command(scene.akiko, "info", vmid=104)
    await reply.until(lambda shown: "reading…" not in shown.text)
    of_nodes = Counter(path.split("/")[2] for _, path, _ in scene.sent("GET", "/agent/"))
    assert of_nodes
    assert max(of_nodes.values()) <= HANGING_MOST
    await scene.settled()
    assert len(scene.sent("GET", "/agent/")) == 5


async def test_a_part_that_is_refused_is_left_out(scene: Stage, pve: Pve) -> None:
    pve.fail("GET", "/qemu/101/pending", 500, "unable to open file")
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert "**running**" in reply.text
    assert "`192.168.10.11`" in reply.text, "the agent may be there"
    assert "Snapshot" not in reply.text
    assert "reading…" not in reply.text


async def test_a_refused_state_is_reported_and_nothing_else_is_shown(scene: Stage, pve: Pve) -> None:
    pve.fail("GET", "/qemu/101/status/current", 500, "something new")
    reply = await scene.say(scene.emma, "info", vmid=101)
    scene.assert_refused(reply, scene.emma, Rejected(500, "something new"))
    assert scene.site.inspector._reads == {}


async def test_a_state_that_takes_long_is_shown_in_the_acknowledged_answer(scene: Stage, pve: Pve) -> None:
    pve.hang("/qemu/101/status/current", HELD, times=1)
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert [request.body["type"] for request in scene.server.requests("POST", "/callback")] == [DEFERRED]
    assert "`192.168.10.11`" in reply.text
    assert len(written(scene)) <= 3


# -- what happens between the steps


@pytest.mark.parametrize("button", ["Shutdown", "Refresh"])
async def test_a_press_is_not_overwritten_by_later_parts(scene: Stage, pve: Pve, button: str) -> None:
    pve.hang(AGENT_OF_101, HELD, times=1)
    reply = await scene.start_command(scene.emma, "info", vmid=101)
    await reply.until("**IP** …")
    scene.clock.skip(SHARED_SECONDS)
    pve.vm(101).config["tags"] = "new"
    await scene.server.click(scene.akiko, post_of(reply), button)
    await scene.settled()
    assert ("**stopped**" if button == "Shutdown" else "`new`") in reply.text
    assert "reading…" not in reply.text
    own = [r for r in written(scene) if r.method == "PATCH"]
    assert all("`new`" in str(r.body) or "…" in str(r.body) for r in own), "the first answer came no more"


async def test_presses_at_the_same_time_leave_a_complete_panel(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    scene.clock.skip(SHARED_SECONDS)
    pve.hang(AGENT_OF_101, HELD, times=1)
    pressing = (scene.server.click(one, post_of(panel), "Refresh") for one in (scene.akiko, scene.emma))
    await asyncio.gather(*pressing)
    await scene.settled()
    assert "reading…" not in panel.text
    assert "`192.168.10.11`" in panel.text


async def test_a_refused_press_leaves_the_panel_to_be_filled_in(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    pve.hang(AGENT_OF_101, HELD, times=1)
    reply = await scene.start_command(cast["viewer"], "info", vmid=101)
    await reply.until("**IP** …")
    for name, button in (("nobody", "Refresh"), ("viewer", "Reboot")):
        pressed = await scene.server.click(cast[name], post_of(reply), button)
        assert pressed.followups or pressed.ephemeral
    assert "**IP** …" in reply.text, "still held"
    await scene.settled()
    assert "`192.168.10.11`" in reply.text


async def test_a_message_that_is_deleted_meanwhile_is_not_sent_again(scene: Stage, pve: Pve) -> None:
    scene.expected_statuses.add(404)
    pve.hang(AGENT_OF_101, HELD, times=1)
    reply = await scene.start_command(scene.emma, "info", vmid=101)
    await reply.until("**IP** …")
    scene.server.world.backend.delete_message(scene.channel.id, post_of(reply).id)
    messages = len(scene.server.messages(scene.channel))
    await scene.settled()
    assert len(scene.server.messages(scene.channel)) == messages


async def test_a_dead_token_does_not_keep_the_panel_from_being_filled_in(scene: Stage, pve: Pve) -> None:
    scene.expected_statuses |= {401, 404}
    pve.hang(AGENT_OF_101, HELD, times=1)
    reply = await scene.start_command(scene.emma, "info", vmid=101)
    await reply.until("**IP** …")
    scene.kill_token(reply)
    await scene.settled()
    assert "`192.168.10.11`" in reply.text


@BOTH
async def test_a_bot_that_ends_meanwhile_leaves_no_panel_that_reads(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    pve.hang(AGENT_OF_101, 60.0, times=1)
    reply = await scene.start_command(scene.akiko, "info", vmid=101)
    await reply.until("**IP** …")
    await scene.stop_bot()
    assert t("the rest was not read") in reply.text
    assert t("reading…") not in reply.text


# -- who shares a read


async def test_many_at_once_take_one_read(scene: Stage) -> None:
    people = [scene.server.person(scene.guild, f"p{n}", locale="en-US") for n in range(50)]
    before = len(scene.sent())
    asking = [scene.server.slash(one, scene.channel, "info", vmid=101) for one in people]
    replies = await asyncio.gather(*asking)
    await scene.settled()
    assert asked(scene, before) == sorted([STATUS, CONFIG, TASKS, AGENT])
    assert all("`192.168.10.11`" in reply.text for reply in replies)
    assert len(written(scene)) <= 3 * len(people)


async def test_a_read_is_shared_for_a_moment_and_tells_its_own_time(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    before, shown = len(scene.sent()), panel.text
    pve.crash(101)
    scene.clock.skip(SHARED_SECONDS / 2)
    await scene.press(scene.emma, panel, "Refresh")
    assert panel.text == shown, "with the time of the read"
    assert (await scene.say(scene.akiko, "info", vmid=101)).text == shown
    assert len(scene.sent()) == before
    scene.clock.skip(SHARED_SECONDS)
    await scene.press(scene.emma, panel, "Refresh")
    assert "**stopped**" in panel.text


async def test_a_shared_read_is_not_kept(scene: Stage) -> None:
    await scene.say(scene.emma, "info", vmid=101)
    await scene.until(lambda: scene.site.inspector._reads == {})


async def test_a_read_that_nobody_waits_for_is_ended(scene: Stage, pve: Pve) -> None:
    scene.expected_statuses.add(404)
    scene.server.ack_limit = 0.3
    pve.hang("/qemu/101/status/current", HELD, times=1)
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert not reply.acknowledged
    assert scene.site.inspector._reads == {}
    assert scene.services.open_replies == set()
