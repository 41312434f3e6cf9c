"""Test the buttons of panels and lists: pressed twice, by others, after a restart, out of date, and forged."""

import asyncio

import pytest

from core.actions.inspector import SHARED_SECONDS
from core.errors import BotError, ChangedMeanwhile, QuestionOver
from core.guest import Kind, State
from core.guest_errors import GuestBusy, GuestNotFound, TemplateRefused, WrongState
from core.proxmox_errors import NodeUnreachable
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import enabled_buttons
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from ui.messages.errors import error_sentence

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

DISKS = "Disks and backups"
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


def enabled(reply: PressResult) -> list[str]:
    return [button.label for button in post_of(reply).buttons if not button.disabled]


# -- panels


@BOTH
@pytest.mark.parametrize(
    ("vmid", "kind", "button", "state"),
    [
        (104, Kind.QEMU, "Start", State.RUNNING),
        (205, Kind.LXC, "Start", State.RUNNING),
        (101, Kind.QEMU, "Shutdown", State.STOPPED),
        (201, Kind.LXC, "Shutdown", State.STOPPED),
        (101, Kind.QEMU, "Reboot", State.RUNNING),
    ],
)
async def test_a_panel_acts_and_edits_itself(
    scene: Stage, pve: Pve, vmid: int, kind: Kind, button: str, state: State
) -> None:
    """One person asks for the panel and another presses it. The answer names the presser."""
    t = scene.t()
    panel = await scene.say(scene.akiko, "info", vmid=vmid)
    messages = len(scene.server.messages(scene.channel))
    await scene.press(scene.emma, panel, t(button))
    assert pve.guest(vmid).status == state
    assert f"**{t(state.value)}**" in panel.text
    assert f"<@{scene.emma.id}>" in panel.text
    assert enabled(panel) == enabled_buttons(t, kind, state)
    assert len(scene.server.messages(scene.channel)) == messages, "the same message"


async def test_while_it_acts_the_panels_buttons_are_grey(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    pressing = asyncio.create_task(scene.press(scene.emma, panel, "Start"))
    await panel.until(lambda shown: "Starting" in shown.text)
    assert enabled(panel) == []
    plan.release()
    await pressing
    assert enabled(panel) == enabled_buttons(scene.t(scene.emma), Kind.QEMU, State.RUNNING)


async def test_refresh_shows_the_current_state(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    pve.crash(101)
    scene.clock.skip(SHARED_SECONDS)
    await scene.press(scene.akiko, panel, "Refresh")
    assert "**stopped**" in panel.text
    assert enabled(panel) == ["Start", "Refresh", "Chart", DISKS]


async def test_a_panel_that_is_out_of_date_is_refused_and_brought_up_to_date(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.revive(104)
    reply = await scene.press(scene.akiko, panel, "Start")
    scene.assert_pressed_in_vain(reply, scene.akiko, WrongState(104, "palworld", "start", State.RUNNING))
    assert scene.changes() == []
    assert enabled(panel) == enabled_buttons(scene.t(scene.emma), Kind.QEMU, State.RUNNING)


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
    """It neither claims to be working forever nor loses its buttons for good."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.fail("GET", "/status/current", 595, "No route to host")
    reply = await scene.press(scene.akiko, panel, "Start")
    assert scene.told(scene.akiko, NodeUnreachable("pve2")) in reply.text
    assert scene.told(scene.emma, NodeUnreachable("pve2")) in panel.text
    assert "Starting" not in panel.text
    assert enabled(panel) == ["Refresh"]
    pve.failures.clear()
    await scene.press(scene.akiko, panel, "Refresh")
    assert enabled(panel) == ["Start", "Refresh", "Chart", DISKS]


@BOTH
@pytest.mark.parametrize("readable", [True, False])
async def test_a_panel_whose_work_was_refused_after_it_was_shown_as_begun(
    scene: Stage, pve: Pve, readable: bool
) -> None:
    """Everybody saw the work begin, so everybody reads how it ended. The panel stays a panel."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.fail("POST", "/status/start", 596, "Connection timed out")
    if not readable:
        first = len(scene.sent("GET", "/qemu/104/status/current"))
        pve.hang("/status/start", 0.2, times=1)
    pressing = asyncio.create_task(scene.press(scene.akiko, panel, scene.t()("Start")))
    if not readable:
        await scene.until(lambda: len(scene.sent("GET", "/qemu/104/status/current")) > first)
        await scene.until(scene.changes)
        pve.fail("GET", "/status/current", 596, "Connection timed out")
    reply = await pressing
    told = error_sentence(scene.t(), NodeUnreachable("pve2", changing=True))
    assert told in panel.text
    assert reply.followups == []
    expected = ["Start", "Refresh", "Chart", DISKS] if readable else ["Refresh"]
    assert enabled(panel) == [scene.t()(label) for label in expected]
    assert len(scene.changes()) == 1


async def test_a_panel_that_shows_anothers_work_is_left_alone(scene: Stage, pve: Pve) -> None:
    """A press on an outdated panel does not hide the work under way on the busy guest."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    await scene.start_command(scene.emma, "start", vmid=104)
    shown, since = panel.text, scene.site.executor._claims.busy[104].since
    reply = await scene.server.click(scene.akiko, post_of(panel), "Start")
    scene.assert_refused(
        reply, scene.akiko, GuestBusy(104, "palworld", "start", "Emma", since, scene.emma.id)
    )
    assert panel.text == shown
    plan.release()
    await scene.settled()


async def test_a_panel_whose_outcome_cannot_be_read_again_still_tells_it(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    pressing = asyncio.create_task(scene.press(scene.emma, panel, "Start"))
    await scene.until(lambda: plan.upid)
    pve.fail("GET", "/status/current", 595, "No route to host")
    plan.release("WARNINGS: 1")
    await pressing
    assert "The task succeeded, but **104** `palworld` cannot be read right now." in panel.text
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


@pytest.mark.parametrize("slow", [0.0, 0.4])
async def test_a_panels_double_press_acts_once(scene: Stage, pve: Pve, slow: float) -> None:
    """This also holds if Discord is slow to accept the first answer. The second press finds the guest busy."""
    panel = await scene.say(scene.emma, "info", vmid=101)
    custom_id = f"g1:reboot:101:{scene.fingerprint(101)}"
    if slow:
        scene.server.delay("POST", "/callback", slow, 1)
    plan = pve.next_task("qmreboot", vmid=101, hold=True)
    presses = [
        asyncio.create_task(scene.server.click(person, post_of(panel), custom_id, force=True))
        for person in (scene.emma, scene.akiko)
    ]
    await scene.until(lambda: plan.upid)
    await scene.until(lambda: any(press.done() for press in presses), "the second press to be refused")
    plan.release()
    replies = await scene.whole(asyncio.gather(*presses))
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve1/qemu/101/status/reboot"]
    assert "**running**" in panel.text
    refused = [reply for reply in replies if reply.followups or reply.ephemeral]
    assert len(refused) == 1
    assert "`web01`" in refused[0].text


@BOTH
@pytest.mark.parametrize("state", ["running", "stopped"])
async def test_a_stale_panel_does_not_reach_another_guest_with_its_vmid(
    scene: Stage, pve: Pve, state: str
) -> None:
    """104 was deleted, and its VMID was given to somebody's payroll server."""
    t = scene.t()
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.vms.remove(pve.vm(104))
    pve.add_vm(104, "payroll", node="pve2", status=state)
    scene.clock.skip(11)
    before = scene.cluster()
    for label, operation in (("Start", "start"), ("Shutdown", "shutdown"), ("Reboot", "reboot")):
        button = next(b for b in post_of(panel).buttons if b.label == t(label)).custom_id or ""
        assert button.startswith(f"g1:{operation}:104:")
        reply = await scene.press(scene.akiko, panel, button, force=True)
        scene.assert_refused(reply, scene.akiko, ChangedMeanwhile(104))
    assert scene.cluster() == before
    assert scene.changes() == []
    await scene.press(scene.akiko, panel, t("Refresh"))
    assert "`payroll`" in panel.text
    assert f"**{t(state)}**" in panel.text
    now = "Start" if state == "stopped" else "Shutdown"
    await scene.press(scene.akiko, panel, t(now))
    assert pve.vm(104).status != state, "what is shown now can be acted on"


async def test_the_next_step_of_an_answer_is_held_to_its_guest_too(scene: Stage, pve: Pve) -> None:
    """The button is under the answer to a clone. The clone is gone, and another guest has its VMID."""
    reply = await scene.say(scene.emma, "create", template_id=9000, name="web-02")
    pve.vms.remove(pve.vm(100))
    pve.add_vm(100, "payroll", node="pve1", status="stopped")
    pressed = await scene.press(scene.emma, reply, "Start")
    scene.assert_refused(pressed, scene.emma, ChangedMeanwhile(100))
    assert pve.vm(100).status == "stopped"
    assert len(scene.changes()) == 1


async def test_a_template_has_nothing_to_press_but_refresh(scene: Stage) -> None:
    panel = await scene.say(scene.emma, "info", vmid=9000)
    assert [button.label for button in post_of(panel).buttons] == ["Refresh"]
    await scene.press(scene.emma, panel, "Refresh")
    assert "`debian13-cloud`" in panel.text


async def test_a_state_seen_by_an_action_outweighs_an_older_list(scene: Stage) -> None:
    """Completions and lists show the guest as the action left it, without another read."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    await scene.press(scene.emma, panel, "Start")
    asked = len(scene.sent("GET", "/cluster/resources"))
    assert await scene.choices(scene.emma, "info", "vmid", "palworld") == ["🟢 104 palworld · pve2 · VM"]
    assert len(scene.sent("GET", "/cluster/resources")) == asked


# -- forged


@walked(
    "custom_id",
    [
        "g1:start:104",
        "g1:delete:101:5d0ab3f2",
        "g1:delete:104:5d0ab3f2",
        "g1:start:../../x:5d0ab3f2",
        "g1:start:99:5d0ab3f2",
        "g1:start:1234567890:5d0ab3f2",
        "g1:start:104;101:5d0ab3f2",
        "g1:start:１０４:5d0ab3f2",
        "g1:start::5d0ab3f2",
        "g1:start:104:5D0AB3F2",
        "g1:start:104:5d0ab3f",
        "g1:start:104:",
        "g1:refresh:104:5d0ab3f2",
        "g1:" + "9" * 97,
        "q1:yes:0123456789abcdef",
        "q1:maybe:0123456789abcdef",
        "p1:list:next:999999:::",
        "f1:0123456789abcdef",
        "x9:whatever",
    ],
)
async def test_a_forged_button_changes_nothing_and_gets_a_refusal(scene: Stage, custom_id: str) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    before, text = scene.cluster(), panel.text
    for person in (scene.akiko, scene.emma):
        reply = await scene.press(person, panel, custom_id, force=True)
        # The question is unknown: her message goes grey.
        if custom_id.startswith("q1:yes") and person is scene.emma:
            scene.assert_pressed_in_vain(reply, person, QuestionOver())
        else:
            scene.assert_refused(reply, person, QuestionOver())
    assert scene.cluster() == before
    assert scene.changes() == []
    assert panel.text == text


@walked(
    ("custom_id", "error"),
    [
        ("g1:start:101:", WrongState(101, "web01", "start", State.RUNNING)),
        ("g1:start:9000:", TemplateRefused(9000, "debian13-cloud", "start")),
        ("g1:shutdown:777:", GuestNotFound(777)),
        ("g1:start:104:00000000", ChangedMeanwhile(104)),
    ],
)
async def test_a_button_for_another_guest_is_judged_like_any_other_request(
    scene: Stage, custom_id: str, error: BotError
) -> None:
    """A custom_id is a request and not a right. Its guest is checked like a typed one."""
    before = scene.cluster()
    panel = await scene.say(scene.emma, "info", vmid=104)
    if custom_id.endswith(":"):
        vmid = int(custom_id.split(":")[2])
        custom_id += "00000000" if scene.pve.guest(vmid) is None else scene.fingerprint(vmid)
    reply = await scene.press(scene.akiko, panel, custom_id, force=True)
    if isinstance(error, ChangedMeanwhile):
        scene.assert_refused(reply, scene.akiko, error)
    else:
        assert [post.text for post in reply.followups if post.ephemeral] == [scene.told(scene.akiko, error)]
    assert scene.cluster() == before
    assert scene.changes() == []


async def test_pages_of_nonsense_filters_are_answered(scene: Stage) -> None:
    post = post_of(await scene.say(scene.emma, "list"))
    await scene.press(scene.emma, post, "p1:list:next:00042:other:qemu:pve9", force=True)
    assert "No matching guests." in post.text
    for custom_id in ("p1:list:next:0:bogus::", "p1:list:next:0:running:zzzz:", "p1:list:next:0:::`@a`"):
        reply = await scene.press(scene.emma, post, custom_id, force=True)
        scene.assert_refused(reply, scene.emma, QuestionOver())
