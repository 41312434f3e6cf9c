"""Test the button "Disks and backups" of a panel: real file systems, the last backups, and what is not known."""

import pytest

from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


async def test_each_real_file_system_once_the_fullest_first(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    before = len(scene.sent())
    reply = await scene.press(scene.emma, panel, "Disks and backups")
    assert reply.ephemeral
    marked = [line.split("`")[3] for line in reply.text.splitlines() if line.startswith(("`█", "`░"))]
    assert marked == ["/srv", "/", "/boot/efi"]
    assert "93%` `/srv` ⚠️\n-# 11.9 / 12.8 GiB · `xfs`" in reply.text
    assert reply.text.count("💾 <t:") == 2
    asked = [path for _, path, _ in scene.sent()[before:]]
    assert [path for path in asked if path.endswith("/agent/get-fsinfo")] == [
        "/nodes/pve1/qemu/101/agent/get-fsinfo"
    ]
    assert len(asked) == len(set(asked)) <= 4
    pve.vm(101).agent["get-fsinfo"] = []
    empty = await scene.press(scene.emma, panel, "Disks and backups")
    assert "❔ unknown: the guest agent lists no file systems" in empty.text


async def test_unknown_disk_use_is_not_shown_as_zero(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.guests.storage_view.READ_SECONDS", 1.5)

    async def disks(vmid: int) -> str:
        return (await scene.press(scene.emma, panel, f"g1:disks:{vmid}", force=True)).text

    panel = await scene.say(scene.emma, "info", vmid=101)
    assert "unknown: the guest agent does not answer" in await disks(107)  # it has none
    assert "unknown while the guest is not running" in await disks(104)
    assert "40%` `/`" in await disks(201)  # a container
    assert "⚠️ No backups found" in await disks(202)
    pve.hang("/qemu/101/agent/", 5, times=1)
    hung = await disks(101)
    assert "unknown: the guest agent does not answer (timed out)" in hung
    assert "💾 <t:" in hung
    pve.deny("VM.GuestAgent.Audit")
    assert "the API token lacks the privilege `VM.GuestAgent.Audit" in await disks(102)


async def test_a_full_disk_of_a_container_is_marked_as_that_of_a_vm(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=201)
    usual = await scene.press(scene.emma, panel, "Disks and backups")
    assert "40%` `/`\n-# " in usual.text
    pve.set_use(201, disk=0.93)
    scene.clock.skip(11)
    full = await scene.press(scene.emma, panel, "Disks and backups")
    assert "93%` `/` ⚠️\n-# " in full.text


async def test_file_systems_that_are_left_out_are_counted(scene: Stage, pve: Pve) -> None:
    pve.vm(101).agent["get-fsinfo"] = [
        {
            "name": f"sd{letter}1",
            "mountpoint": f"/{letter}",
            "type": "ext4",
            "used-bytes": 95,
            "total-bytes": 100,
        }
        for letter in "abcdefghijklm"
    ]
    panel = await scene.say(scene.emma, "info", vmid=101)
    text = (await scene.press(scene.emma, panel, "Disks and backups")).text
    assert text.count("95%") == 10
    assert "… and 3 more" in text


async def test_backups_that_are_left_out_are_counted(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=202)
    for days, told in ((10, ""), (20, "-# 1 older one"), (30, "-# 2 older ones")):
        for more in range(5 if days == 10 else 1):
            pve.keep_backup(202, days + more)
        lines = (await scene.press(scene.emma, panel, "Disks and backups")).text.splitlines()
        assert sum(line.startswith("💾 ") for line in lines) == 5
        assert [line for line in lines if "older" in line] == [told] * bool(told)


async def test_notes_are_shown_without_their_markup(scene: Stage, pve: Pve) -> None:
    note = "<div align='center'>\n![logo](https://x.example/l.png)\n</div>\n\n# **Wiki** [docs](https://evil.example)\n@everyone"
    pve.vm(101).config["description"] = note
    text = (await scene.say(scene.emma, "info", vmid=101)).text
    assert "**Notes** `logo / Wiki docs / @everyone`" in text
    assert "example" not in text
