"""Test rows without an identifying field, at the socket: they are skipped, and everything else goes on."""

from typing import Any

import pytest

from core.guest_errors import GuestNotFound
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

STRAY: list[Any] = [
    None,
    7,
    "row",
    [],
    {},
    {"type": "qemu"},
    {"type": "qemu", "vmid": 555},
    {"type": "qemu", "vmid": 556, "node": None, "status": "running", "name": "ghost"},
    {"type": "lxc", "node": "pve1", "status": "running"},
    {"type": "lxc", "vmid": "557", "node": "pve1"},
    {"type": "qemu", "vmid": 558.5, "node": "pve1"},
    {"type": "qemu", "vmid": True, "node": "pve1"},
    {"type": "node"},
    {"type": "node", "status": "offline"},
    {"type": "node", "node": {}, "status": "offline"},
    {"type": "storage", "status": "available", "disk": 99, "maxdisk": 100},
    {"type": "storage", "storage": "x", "status": "available", "disk": 99, "maxdisk": 100},
    {"type": "storage", "node": "pve1", "disk": 99, "maxdisk": 100, "status": "available"},
    {"type": "pool"},
    {"type": {"a": 1}, "vmid": 559, "node": "pve1"},
]


async def test_a_poll_goes_on_and_the_others_are_watched(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.poll()
    before = (await scene.say(scene.emma, "list")).text.splitlines()[0]
    pve.stray_rows = STRAY
    await scene.poll(4)
    await scene.delivered()
    assert scene.alerts_told() == []
    assert scene.site.watch.read_error is None
    assert (await scene.say(scene.emma, "list")).text.splitlines()[0] == before
    for vmid in (555, 556, 558):
        reply = await scene.say(scene.emma, "info", vmid=vmid)
        scene.assert_refused(reply, scene.emma, GuestNotFound(vmid))
    pve.crash(101)
    await scene.poll()
    await scene.delivered()
    assert len(scene.alerts_told()) == 1


async def test_a_guest_on_a_node_that_cannot_be_asked_ends_no_poll(scene: Stage, pve: Pve) -> None:
    """It cannot be queried, so the list is believed at the second poll. The other guests are watched meanwhile."""
    for vmid in (101, 201):
        await scene.say(scene.emma, "monitor add", vmid=vmid)
    await scene.poll()
    pve.remove_guest(201)
    pve.stray_rows = [{"type": "lxc", "vmid": 201, "node": "pve1/..", "status": "stopped"}]
    pve.crash(101)
    await scene.poll()
    await scene.delivered()
    (told,) = scene.alerts_told()
    assert "**101**" in told
    await scene.poll()
    await scene.delivered()
    assert "**201**" in scene.alerts_told()[-1]
    assert scene.site.watch.read_error is None


@pytest.mark.parametrize("vmid", [101, 201], ids=["qemu", "lxc"])
async def test_snapshots_without_a_name_or_time_end_no_command(scene: Stage, pve: Pve, vmid: int) -> None:
    pve.stray_snapshots = [
        None,
        {},
        {"snaptime": 1_790_000_000},
        {"name": "zero", "snaptime": 0},
        {"name": "ring-a", "parent": "ring-b"},
        {"name": "ring-b", "parent": "ring-a", "snaptime": None},
        {"name": ["x"], "snaptime": 5},
    ]
    listed = (await scene.say(scene.emma, "snapshot list", vmid=vmid)).text
    assert [listed.count(f"`{name}`") for name in ("zero", "ring-a", "ring-b")] == [1, 1, 1]
    assert "unfinished" not in listed
    assert not [odd for odd in ("` `", "None", "'x'") if odd in listed]
    names = await scene.choices(scene.emma, "snapshot delete", "name", "ring", vmid=vmid)
    assert sorted(names) == ["📸 ring-a", "📸 ring-b"]
    asked = await scene.say(scene.emma, "snapshot delete", vmid=vmid, name="ring-a")
    assert "Delete this snapshot?" in asked.text
