"""Test the power commands: their effects on the cluster, and how they are followed to the end."""

import pytest

from core.guest import Kind, State
from core.guest_errors import GuestLocked, TemplateRefused, WrongKind, WrongState
from core.operations import Operation
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from ui.formatting import title_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

DISKS = "Disks and backups"
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
VM, CT = 101, 203


def name_of(pve: Pve, vmid: int) -> str:
    return title_of(vmid, pve.guest(vmid).name)


@BOTH
@pytest.mark.parametrize("vmid", [104, 205])
async def test_start_starts(scene: Stage, pve: Pve, vmid: int) -> None:
    reply = await scene.say(scene.akiko, "start", vmid=vmid)
    assert pve.guest(vmid).status == "running"
    assert scene.t()("{guest} was started.", guest=name_of(pve, vmid)) in reply.text
    assert f"<@{scene.akiko.id}>" in reply.text
    assert not reply.ephemeral
    assert len(scene.changes()) == 1


@BOTH
@pytest.mark.parametrize("vmid", [VM, CT])
async def test_shutdown_shuts_down(scene: Stage, pve: Pve, vmid: int) -> None:
    reply = await scene.say(scene.akiko, "shutdown", vmid=vmid)
    assert pve.guest(vmid).status == "stopped"
    assert scene.t()("{guest} was shut down.", guest=name_of(pve, vmid)) in reply.text
    assert [path.rpartition("/")[2] for _, path, _ in scene.changes()] == ["shutdown"]


@BOTH
@pytest.mark.parametrize("vmid", [VM, CT])
async def test_reboot_leaves_it_running_again(scene: Stage, pve: Pve, vmid: int) -> None:
    before = pve.guest(vmid).started_at
    reply = await scene.say(scene.akiko, "reboot", vmid=vmid)
    assert pve.guest(vmid).status == "running"
    assert pve.guest(vmid).started_at > before
    assert scene.t()("{guest} was rebooted.", guest=name_of(pve, vmid)) in reply.text


async def test_reboot_waits_for_the_guest_to_be_back(scene: Stage, pve: Pve) -> None:
    """QEMU's reboot task ends when the VM has stopped. qmeventd starts the VM again later."""
    pve.time_scale, pve.reboot_gap = 0.02, 10.0
    reply = await scene.say(scene.emma, "reboot", vmid=VM)
    assert pve.vm(VM).status == "running"
    assert "was rebooted" in reply.text


@BOTH
@pytest.mark.parametrize("vmid", [VM, CT, 109])
async def test_stop_asks_first_and_then_stops(scene: Stage, pve: Pve, vmid: int) -> None:
    """109 is paused: a force stop is also for guests that do not run properly."""
    before = scene.cluster()
    question = await scene.say(scene.akiko, "stop", vmid=vmid)
    t, name = scene.t(), pve.guest(vmid).name
    assert scene.cluster() == before
    assert scene.changes() == []
    assert f"{vmid}" in question.text
    assert name in question.text
    assert t("Force stop?") in question.text
    await scene.press(scene.akiko, question, t("Force-stop {name}", name=name))
    assert pve.guest(vmid).status == "stopped"
    assert t("{guest} was force-stopped.", guest=name_of(pve, vmid)) in question.text
    assert [path.rpartition("/")[2] for _, path, _ in scene.changes()] == ["stop"]


@walked(
    ("command", "vmid", "operation", "state"),
    [
        ("start", 101, Operation.START, State.RUNNING),
        ("start", 201, Operation.START, State.RUNNING),
        ("start", 109, Operation.START, State.PAUSED),
        ("shutdown", 104, Operation.SHUTDOWN, State.STOPPED),
        ("shutdown", 109, Operation.SHUTDOWN, State.PAUSED),
        ("reboot", 205, Operation.REBOOT, State.STOPPED),
        ("stop", 104, Operation.STOP, State.STOPPED),
    ],
)
async def test_wrong_state_is_refused(
    scene: Stage, pve: Pve, command: str, vmid: int, operation: Operation, state: State
) -> None:
    before = scene.cluster()
    for person in (scene.akiko, scene.emma):
        reply = await scene.say(person, command, vmid=vmid)
        error = WrongState(vmid, pve.guest(vmid).name, operation.value, state)
        scene.assert_refused(reply, person, error)
    assert scene.changes() == []
    assert scene.cluster() == before


@walked("command", ["start", "reboot", "shutdown", "stop"])
@walked("vmid", [9000, 9100])
async def test_templates_have_no_power(scene: Stage, pve: Pve, command: str, vmid: int) -> None:
    reply = await scene.say(scene.akiko, command, vmid=vmid)
    scene.assert_refused(reply, scene.akiko, TemplateRefused(vmid, pve.guest(vmid).name, command))
    assert scene.changes() == []


@pytest.mark.parametrize("command", ["reboot", "shutdown", "stop"])
async def test_a_locked_guest_is_left_alone(scene: Stage, command: str) -> None:
    reply = await scene.say(scene.emma, command, vmid=105)
    scene.assert_refused(reply, scene.emma, GuestLocked(105, "valheim", "backup"))
    assert "backup" in reply.text
    assert scene.changes() == []


async def test_start_wakes_a_guest_suspended_to_disk(scene: Stage, pve: Pve) -> None:
    pve.snapshot_lock(104, "suspended")
    await scene.say(scene.emma, "start", vmid=104)
    assert [path.rpartition("/")[2] for _, path, _ in scene.changes()] == ["start"]


@BOTH
async def test_shutdown_that_the_guest_does_not_obey(scene: Stage, pve: Pve) -> None:
    """106 ignores ACPI. The task ends in a time-out, the guest still runs, and the answer names the remedy."""
    pve.time_scale = 0.001
    reply = await scene.say(scene.akiko, "shutdown", vmid=106)
    t = scene.t()
    assert pve.vm(106).status == "running"
    assert t("{guest} could not be shut down.", guest=name_of(pve, 106)) in reply.text
    assert t("It did not react in time. Use `/stop` to force-stop it.") in reply.text
    assert [button.label for button in post_of(reply).buttons] == [t("Force stop…"), t("Details")]
    question = await scene.press(scene.akiko, reply, t("Force stop…"))
    assert t("Force stop?") in question.text, "it asks first"
    assert not scene.sent("POST", "/qemu/106/status/stop")
    assert pve.vm(106).status == "running"
    assert t("{guest} could not be shut down.", guest=name_of(pve, 106)) in reply.text, "the outcome stays"
    done = await scene.press(scene.akiko, question, post_of(question).buttons[0].label)
    assert t("{guest} was force-stopped.", guest=name_of(pve, 106)) in done.text
    assert pve.vm(106).status == "stopped"


@BOTH
async def test_ha_is_followed_to_the_expected_state(scene: Stage, pve: Pve) -> None:
    """HA's task only hands the request over. The answer waits for the manager's round."""
    pve.ha_held = True
    begun = await scene.start_command(scene.akiko, "shutdown", vmid=107)
    await scene.until(lambda: len(scene.sent("GET", "/qemu/107/status/current")) > 4)
    assert pve.vm(107).status == "running"
    assert scene.t()("Shutting down {guest}…", guest=name_of(pve, 107)) in begun.text
    pve.ha_round()
    await scene.settled()
    assert pve.vm(107).status == "stopped"
    assert scene.t()("{guest} was shut down.", guest=name_of(pve, 107)) in begun.text


async def test_ha_that_does_not_act_is_not_called_done(scene: Stage, pve: Pve) -> None:
    pve.ha_held = True
    reply = await scene.say(scene.emma, "shutdown", vmid=107)
    assert pve.vm(107).status == "running"
    assert "still “running”" in reply.text
    assert "HA manages this guest" in reply.text
    assert "was shut down" not in reply.text


@BOTH
async def test_warnings_of_a_task_are_shown(scene: Stage, pve: Pve) -> None:
    pve.next_task("qmstart", vmid=104, lines=["WARN: no efidisk configured!"], ends="WARNINGS: 1")
    reply = await scene.say(scene.akiko, "start", vmid=104)
    t = scene.t()
    assert t("{guest} was started.", guest=name_of(pve, 104)) in reply.text
    assert t("Warnings from Proxmox:") in reply.text
    assert "WARN: no efidisk configured!" in reply.text
    assert reply.text.startswith("⚠️")


@BOTH
async def test_error_of_a_task_is_shown_with_the_log(scene: Stage, pve: Pve) -> None:
    pve.next_task(
        "vzstart", vmid=205, lines=["mounting rootfs", "no such device"], ends="startup for container failed"
    )
    reply = await scene.say(scene.akiko, "start", vmid=205)
    assert scene.t()("{guest} could not be started.", guest=name_of(pve, 205)) in reply.text
    assert "startup for container failed" in reply.text
    assert "no such device" in reply.text
    assert pve.ct(205).status == "stopped"


@BOTH
async def test_a_task_that_vanishes_has_an_unknown_result(scene: Stage, pve: Pve) -> None:
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.akiko, "start", vmid=104)
    pve.vanish_task(plan.upid)
    await scene.settled()
    text = scene.t()(
        "{guest}: the task is no longer in Proxmox, so the result is unknown. Check with `/info`.",
        guest=name_of(pve, 104),
    )
    assert text in begun.text


async def test_an_end_proxmox_does_not_know_is_an_error(scene: Stage, pve: Pve) -> None:
    """A killed worker leaves "unexpected status"."""
    pve.next_task("qmstart", vmid=104, ends="unexpected status")
    reply = await scene.say(scene.emma, "start", vmid=104)
    assert "could not be started" in reply.text
    assert "Reason: ended unexpectedly" in reply.text


async def test_a_node_that_falls_silent_does_not_end_the_following(scene: Stage, pve: Pve) -> None:
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.emma, "start", vmid=104)
    pve.fail("GET", "/status", 596, "Connection timed out")
    await begun.until("Proxmox is not answering; the task may still be running")
    pve.failures.clear()
    plan.release()
    await scene.settled()
    assert "was started" in begun.text
    assert pve.vm(104).status == "running"


async def test_a_task_out_of_sight_for_long_is_given_up_as_unknown(scene: Stage, pve: Pve) -> None:
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.emma, "start", vmid=104)
    pve.fail("GET", "/status", 596, "Connection timed out")
    scene.clock.skip(601)
    await scene.settled()
    assert "result is unknown" in begun.text
    pve.failures.clear()
    plan.release()


# -- pausing


@BOTH
async def test_suspend_pauses_and_resume_lets_it_run_on(scene: Stage, pve: Pve) -> None:
    reply = await scene.say(scene.akiko, "suspend", vmid=VM)
    assert (pve.vm(VM).status, pve.vm(VM).qmpstatus) == ("running", "paused")
    assert scene.t()("{guest} was paused.", guest=name_of(pve, VM)) in reply.text
    refused = await scene.say(scene.akiko, "start", vmid=VM)
    scene.assert_refused(refused, scene.akiko, WrongState(VM, "web01", "start", State.PAUSED))
    assert "`/resume`" in refused.text
    reply = await scene.say(scene.akiko, "resume", vmid=VM)
    assert (pve.vm(VM).status, pve.vm(VM).qmpstatus) == ("running", "running")
    assert scene.t()("{guest} was resumed.", guest=name_of(pve, VM)) in reply.text
    assert [path.rpartition("/")[2] for _, path, _ in scene.changes()] == ["suspend", "resume"]


@BOTH
@walked("command", ["suspend", "resume", "reset"])
async def test_actions_for_vms_only_are_refused_for_containers(scene: Stage, pve: Pve, command: str) -> None:
    reply = await scene.say(scene.emma, command, vmid=CT)
    scene.assert_refused(reply, scene.emma, WrongKind(CT, str(pve.guest(CT).name), command, Kind.LXC))
    assert scene.changes() == []


async def test_the_panel_offers_fitting_buttons(scene: Stage, pve: Pve) -> None:
    def offered(post: PressResult) -> list[str | None]:
        return [button.label for button in post_of(post).buttons]

    panel = await scene.say(scene.emma, "info", vmid=VM)
    assert offered(panel) == ["Start", "Reboot", "Shutdown", "Pause", "Refresh", "Chart", DISKS]
    await scene.press(scene.emma, panel, "Pause")
    assert pve.vm(VM).qmpstatus == "paused"
    assert offered(panel) == ["Resume", "Refresh", "Chart", DISKS], "none of the others fits"
    await scene.press(scene.emma, panel, "Resume")
    assert pve.vm(VM).qmpstatus == "running"
    assert offered(await scene.say(scene.emma, "info", vmid=CT)) == [
        "Start",
        "Reboot",
        "Shutdown",
        "Refresh",
        "Chart",
        DISKS,
    ]


@pytest.mark.parametrize("by_the_bot", [True, False])
async def test_a_pause_is_no_fault(scene: Stage, pve: Pve, by_the_bot: bool) -> None:
    """Resuming is none either. A crash right afterwards is one."""
    await scene.say(scene.emma, "monitor add", vmid=VM)
    await scene.poll(2)
    for how, state in (("suspend", "paused"), ("resume", "running")):
        if by_the_bot:
            await scene.say(scene.emma, how, vmid=VM)
        else:
            pve.act_as(VM, how)
        assert pve.vm(VM).qmpstatus == state
        await scene.poll(12)
        await scene.delivered()
        assert scene.alerts_told() == []
    pve.crash(VM)
    await scene.poll(2)
    await scene.delivered()
    assert [text[0] for text in scene.alerts_told()] == ["🔴"]


# -- resetting


@BOTH
async def test_reset_asks_first_and_then_resets(scene: Stage, pve: Pve) -> None:
    before, t = pve.vm(VM).started_at, scene.t()
    question = await scene.say(scene.akiko, "reset", vmid=VM)
    assert t("Reset?") in question.text
    assert "`/reboot`" in question.text
    assert scene.changes() == []
    await scene.press(scene.akiko, question, t("Reset {name}", name="web01"))
    assert t("{guest} was reset.", guest=name_of(pve, VM)) in question.text
    assert pve.vm(VM).started_at > before
    assert [path.rpartition("/")[2] for _, path, _ in scene.changes()] == ["reset"]


@pytest.mark.parametrize("by_the_bot", [True, False])
async def test_a_reset_is_no_fault(scene: Stage, pve: Pve, by_the_bot: bool) -> None:
    await scene.say(scene.emma, "monitor add", vmid=VM)
    await scene.poll(2)
    if by_the_bot:
        await scene.press(scene.emma, await scene.say(scene.emma, "reset", vmid=VM), "Reset web01")
    else:
        pve.act_as(VM, "reset")
    await scene.poll(12)
    await scene.delivered()
    assert [text for text in scene.alerts_told() if text.startswith("🔴")] == []
    assert (scene.alerts_told() == []) is by_the_bot, "a note reports a restart by somebody else"
