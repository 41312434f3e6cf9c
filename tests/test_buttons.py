"""Buttons of panels and lists: pressed twice, by others, after a restart, when out of date, forged."""

import asyncio

import pytest

from core.errors import (
    GuestNotFound,
    NodeUnreachable,
    QuestionOver,
    TemplateRefused,
    WrongState,
)
from core.guest import State
from playground.discord_people import Reply
from playground.pve import Pve
from tests import stage
from tests.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


def enabled(reply: Reply) -> list[str]:
    return [button.label for button in post_of(reply).buttons if not button.disabled]


# -- panels


@BOTH
@pytest.mark.parametrize(
    ("vmid", "button", "state", "then"),
    [
        (104, "Start", "running", ["Reboot", "Shutdown", "Refresh"]),
        (205, "Start", "running", ["Reboot", "Shutdown", "Refresh"]),
        (101, "Shutdown", "stopped", ["Start", "Refresh"]),
        (201, "Shutdown", "stopped", ["Start", "Refresh"]),
        (101, "Reboot", "running", ["Reboot", "Shutdown", "Refresh"]),
    ],
)
async def test_a_panel_acts_and_edits_itself(
    scene: Stage, pve: Pve, vmid: int, button: str, state: str, then: list[str]
) -> None:
    """Asked for by one person, pressed by another: the presser is named."""
    t = scene.t()
    panel = await scene.say(scene.akiko, "info", vmid=vmid)
    messages = len(scene.server.messages(scene.channel))
    await scene.press(scene.emma, panel, t(button))
    assert pve.guest(vmid).status == state
    assert f"**{t(state)}**" in panel.text
    assert f"<@{scene.emma.id}>" in panel.text
    assert enabled(panel) == [t(label) for label in then]
    assert len(scene.server.messages(scene.channel)) == messages, "the same message"


async def test_while_it_acts_the_panels_buttons_are_grey(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    pressing = asyncio.create_task(scene.press(scene.emma, panel, "Start"))
    await panel.until(lambda shown: "Starting" in shown.text)
    assert enabled(panel) == []
    plan.release()
    await pressing
    assert enabled(panel) == ["Reboot", "Shutdown", "Refresh"]


async def test_refresh_shows_what_is_now(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    pve.crash(101)
    await scene.press(scene.akiko, panel, "Refresh")
    assert "**stopped**" in panel.text
    assert enabled(panel) == ["Start", "Refresh"]


async def test_a_panel_that_is_out_of_date_is_refused_and_brought_up_to_date(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.revive(104)
    reply = await scene.press(scene.akiko, panel, "Start")
    assert scene.told(scene.akiko, WrongState(104, "palworld", "start", State.RUNNING)) in reply.text
    assert scene.changes() == []
    assert enabled(panel) == ["Reboot", "Shutdown", "Refresh"]


async def test_a_panel_of_a_guest_that_is_gone(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.vms.remove(pve.vm(104))
    scene.clock.skip(11)
    reply = await scene.press(scene.akiko, panel, "Start")
    assert scene.told(scene.akiko, GuestNotFound(104)) in reply.text
    assert scene.changes() == []
    assert scene.told(scene.emma, GuestNotFound(104)) in panel.text
    assert enabled(panel) == ["Refresh"]


async def test_a_panel_while_proxmox_is_away_can_be_refreshed_later(scene: Stage, pve: Pve) -> None:
    """It neither says for ever that it is at work, nor loses its buttons for good."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.fail("GET", "/status/current", 595, "No route to host")
    reply = await scene.press(scene.akiko, panel, "Start")
    assert scene.told(scene.akiko, NodeUnreachable("pve2")) in reply.text
    assert scene.told(scene.emma, NodeUnreachable("pve2")) in panel.text
    assert "Starting" not in panel.text and enabled(panel) == ["Refresh"]
    pve.failures.clear()
    await scene.press(scene.akiko, panel, "Refresh")
    assert enabled(panel) == ["Start", "Refresh"]


async def test_a_panel_whose_outcome_cannot_be_read_again_still_tells_it(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    pressing = asyncio.create_task(scene.press(scene.emma, panel, "Start"))
    await scene.until(lambda: plan.upid)
    pve.fail("GET", "/status/current", 595, "No route to host")
    plan.release("WARNINGS: 1")
    await pressing
    assert "but **104** `palworld` is still “unknown”" in panel.text
    assert enabled(panel) == ["Refresh"]


@BOTH
async def test_a_panel_works_after_a_restart(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    panel = await scene.say(scene.akiko, "info", vmid=104)
    pages = await scene.say(scene.akiko, "list")
    await scene.restart_bot()
    await scene.press(scene.emma, panel, t("Start"))
    assert pve.vm(104).status == "running"
    assert f"**{t('running')}**" in panel.text
    forward = next(button.custom_id for button in post_of(pages).buttons if button.emoji == "▶️")
    await scene.press(scene.emma, pages, forward or "")
    assert "2/2" in pages.text


async def test_a_panels_double_press_acts_once(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.next_task("qmstart", vmid=104, seconds=0.2)
    press = scene.server.click(scene.emma, post_of(panel), "g1:start:104", force=True)
    again = scene.server.click(scene.akiko, post_of(panel), "g1:start:104", force=True)
    await scene.whole(asyncio.gather(press, again))
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve2/qemu/104/status/start"]
    assert "**running**" in panel.text


# -- forged


@pytest.mark.parametrize(
    "custom_id",
    [
        "g1:stop:101",
        "g1:delete:104",
        "g1:start:../../x",
        "g1:start:99",
        "g1:start:1234567890",
        "g1:start:104;101",
        "g1:start:１０４",
        "g1:start:",
        "g1:" + "9" * 97,
        "q1:yes:0123456789abcdef",
        "q1:maybe:0123456789abcdef",
        "p1:list:next:999999:::",
        "f1:0123456789abcdef",
        "x9:whatever",
    ],
)
async def test_a_forged_button_changes_nothing_and_is_told_so(scene: Stage, custom_id: str) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    before, text = scene.cluster(), panel.text
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.press(person, panel, custom_id, force=True), person, QuestionOver())
    assert scene.cluster() == before and scene.changes() == []
    assert panel.text == text


@pytest.mark.parametrize(
    ("custom_id", "error"),
    [
        ("g1:start:101", WrongState(101, "web01", "start", State.RUNNING)),
        ("g1:start:9000", TemplateRefused(9000, "debian13-cloud", "start")),
        ("g1:shutdown:777", GuestNotFound(777)),
    ],
)
async def test_a_button_for_another_guest_is_judged_as_any_wish(
    scene: Stage, custom_id: str, error: WrongState
) -> None:
    """A custom_id is a wish, not a right: the guest it names is checked like a typed one."""
    before = scene.cluster()
    panel = await scene.say(scene.emma, "info", vmid=104)
    reply = await scene.press(scene.akiko, panel, custom_id, force=True)
    assert scene.told(scene.akiko, error) in reply.text
    assert scene.cluster() == before and scene.changes() == []


async def test_pages_of_nonsense_filters_are_answered(scene: Stage) -> None:
    post = post_of(await scene.say(scene.emma, "list"))
    await scene.press(scene.emma, post, "p1:list:next:00042:other:qemu:pve9", force=True)
    assert "No guest matches." in post.text
    for custom_id in ("p1:list:next:0:bogus::", "p1:list:next:0:running:zzzz:", "p1:list:next:0:::`@a`"):
        reply = await scene.press(scene.emma, post, custom_id, force=True)
        scene.assert_refused(reply, scene.emma, QuestionOver())
