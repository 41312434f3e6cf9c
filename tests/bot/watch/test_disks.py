"""Test the disk threshold of a VM: the agent is asked, the alert names the file system, and silence is reported."""

import pytest

from core.proxmox_errors import MissingPrivilege
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

GIB = 1024**3


def asked(scene: Stage) -> list[str]:
    return [path for _, path, _ in scene.sent("GET", "/agent/get-fsinfo")]


async def read_disks(scene: Stage, times: int = 1) -> None:
    """Let ten minutes pass until the agent of 101 is asked, and let a poll judge the answer."""
    for _ in range(times):
        before = scene.site.watch.disks.readings(None)
        scene.clock.skip(600.0)
        await scene.until(lambda: scene.site.watch.disks.readings(None) != before, "a reading")  # noqa: B023 - awaited here
        await scene.poll()
    await scene.delivered()


async def watch_disk(scene: Stage) -> str:
    """Watch the disk of 101, and let a poll judge the first reading. Return the answer to the command."""
    reply = await scene.say(scene.emma, "monitor add", vmid=101, disk=90)
    assert "disk usage is not yet known" in (await scene.say(scene.emma, "monitor list")).text
    await scene.poll()
    await scene.until(lambda: scene.site.watch.disks.readings(None), "the first reading")
    await scene.poll()
    return reply.text


async def test_a_full_disk_of_a_vm_from_the_first_look_to_the_recovery(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.QUICK_SECONDS", 0.2)
    assert "asks its guest agent for the disk usage every 10 minutes" in await watch_disk(scene)
    assert "`/srv` 93% full" in (await scene.say(scene.emma, "monitor list")).text
    shown = (await scene.say(scene.emma, "list", sort="disk")).text
    rows = {vmid: shown.partition(f"**{vmid}**")[2].partition("**")[0] for vmid in (101, 102, 201)}
    assert "disk 93% (11.9 / 12.8 GiB)" in rows[101].replace("\n-# ", " ")
    assert shown.index("**101**") < shown.index("**201**") < shown.index("**102**")
    assert "disk" in rows[201]
    assert rows[102]
    assert "disk" not in rows[102], "nothing is shown where it is not known"
    panel = (await scene.say(scene.emma, "info", vmid=101)).text
    assert "93%`\n-# 11.9 / 12.8 GiB · `/srv`" in panel
    await scene.poll(5)
    assert asked(scene) == ["/nodes/pve1/qemu/101/agent/get-fsinfo"], "the others have no threshold"
    await read_disks(scene, 2)
    (alert,) = scene.alerts_told()
    assert (
        scene.t()(
            "{guest}: {metric} has reached {percent} (threshold {limit})",
            guest="**101** `web01`",
            metric=scene.t()("disk usage of {mount}", mount="`/srv`"),
            percent="93%",
            limit="90%",
        )
        in alert
    )

    pve.hang("/qemu/101/agent/", 30.0, times=2)
    await read_disks(scene, 2)
    (alert,) = scene.alerts_told()
    assert scene.t()("Currently unknown: the guest agent cannot be read.") in alert
    assert "disk usage is unknown" in (await scene.say(scene.emma, "monitor list")).text
    assert "/srv" not in (await scene.say(scene.emma, "info", vmid=101)).text
    status = (await scene.say(scene.emma, "monitor status")).text
    assert "**Disks** ⚠️ usage unknown, the guest agent cannot be read: **101** `web01`" in status
    await scene.restart_bot()
    assert "**Disks** ⚠️" in (await scene.say(scene.emma, "monitor status")).text, "a restart changes nothing"

    pve.vm(101).agent["get-fsinfo"] = [
        {"name": "sda1", "mountpoint": "/", "type": "ext4", "used-bytes": 5 * GIB, "total-bytes": 10 * GIB}
    ]
    await read_disks(scene, 3)
    assert any("50%" in told for told in scene.alerts_told())
    assert scene.site.watch.state.open == {}
    assert "**Disks**" not in (await scene.say(scene.emma, "monitor status")).text


async def test_a_token_without_the_privilege_is_reported_once(scene: Stage, pve: Pve) -> None:
    pve.deny("VM.GuestAgent.Audit")
    await watch_disk(scene)
    await read_disks(scene, 3)
    (alert,) = scene.alerts_told()
    assert "The API token lacks the privilege `VM.GuestAgent.Audit" in alert
    status = (await scene.say(scene.emma, "monitor status")).text
    assert "usage unknown, the guest agent cannot be read: **101** `web01`" in status, "nobody has asked it"
    assert scene.site.watch.state.open == {}
    (look_,) = scene.site.watch.disks.readings(None).values()
    assert isinstance(look_.error, MissingPrivilege)


async def test_the_disk_of_a_former_guest_is_not_shown_for_the_next_one(scene: Stage, pve: Pve) -> None:
    """Another guest has got the VMID since the last poll, and other people may see it."""
    await watch_disk(scene)
    assert "`/srv` 93% full" in (await scene.say(scene.emma, "monitor list")).text
    pve.vm(101).name = pve.vm(101).config["name"] = "another"
    scene.clock.skip(30.0)
    shown = (await scene.say(scene.emma, "list", sort="disk")).text
    assert "another" in shown
    assert "93%" not in shown
    listed = (await scene.say(scene.emma, "monitor list")).text
    assert "`/srv`" not in listed
    assert "disk usage is not yet known" in listed
