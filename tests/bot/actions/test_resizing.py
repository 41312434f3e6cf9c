"""Test resizes beyond the node's capacity, which need confirmation, and changes that wait for a restart.

Pending changes are shown, and the next resize shows them, too.
"""

import re

import pytest

from core.actions.resizing import Excess, find_excess, with_pending
from core.guest import GuestConfig, Kind, Node
from core.guest_errors import NothingToChange
from core.proxmox import Pending
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

GIB = 1024**3
TWO = GuestConfig(2, 2, 2048, None, False, (), None)
NODE = Node("pve1", True, cpus=16.0, memory_total=64 * GIB)


@walked(
    ("node", "cores", "memory", "excess"),
    [
        (NODE, 8, None, None),
        (NODE, 9, None, Excess(cores=(18, 16))),
        (NODE, None, 65536, None),
        (NODE, None, 65537, Excess(memory=(65537 * 1024**2, 64 * GIB))),
        (NODE, 9, 65537, Excess((18, 16), (65537 * 1024**2, 64 * GIB))),
        (Node("pve1", True), 8192, 4_000_000, None),  # unknown without Sys.Audit
        (Node("pve1", True, cpus=0.0, memory_total=0), 8192, 4_000_000, None),
        (None, 8192, 4_000_000, None),
    ],
)
def test_resources_that_the_node_lacks(
    node: Node | None, cores: int | None, memory: int | None, excess: Excess | None
) -> None:
    assert find_excess(TWO, node, cores, memory) == excess


@walked(
    ("kind", "pending", "expected"),
    [
        (Kind.QEMU, Pending("cores", "2", "4"), (4, 2, 2048)),
        (Kind.QEMU, Pending("sockets", "2", "1"), (2, 1, 2048)),
        (Kind.QEMU, Pending("memory", "2048", "current=4096"), (2, 2, 4096)),
        (Kind.QEMU, Pending("cores", "2", None, delete=True), (1, 2, 2048)),
        (Kind.LXC, Pending("cores", "2", None, delete=True), (None, 2, 2048)),
        (Kind.QEMU, Pending("memory", "2048", None, delete=True), (2, 2, 512)),
        (Kind.QEMU, Pending("cores", "2", None), (2, 2, 2048)),
        (Kind.QEMU, Pending("cores", "2", "many"), (1, 2, 2048)),
        (Kind.QEMU, Pending("name", "a", "b"), (2, 2, 2048)),
    ],
)
def test_pending_values_as_stored(
    kind: Kind, pending: Pending, expected: tuple[int | None, int, int]
) -> None:
    stored = with_pending(TWO, kind, [pending])
    assert (stored.cores, stored.sockets, stored.memory_mb) == expected


@pytest.mark.parametrize(
    ("vmid", "wish", "words"),
    [
        (101, {"cores": 17}, ["17 cores are more than node", "(16)", "The VM may not start"]),
        (101, {"memory_mb": 66560}, ["65.0 GiB of memory is more than node", "64.0 GiB"]),
        (201, {"cores": 17}, ["17 cores are more than node", "A container can only use"]),
    ],
)
async def test_more_than_the_node_has_is_asked_about(
    scene: Stage, vmid: int, wish: dict[str, int], words: list[str]
) -> None:
    before = scene.cluster()
    asked = await scene.say(scene.emma, "resize", vmid=vmid, **wish)
    for each in words:
        assert each in asked.text, asked.text
    assert scene.cluster() == before
    assert scene.changes() == []
    done = await scene.press(scene.emma, asked, post_of(asked).buttons[0].label)
    assert "was resized" in done.text, done.text
    assert words[0] in done.text
    assert len(scene.changes()) == 1


async def test_resources_that_the_node_has_need_no_question(scene: Stage) -> None:
    done = await scene.say(scene.emma, "resize", vmid=101, cores=16)
    assert "was resized" in done.text
    assert "exceed" not in done.text


async def test_a_node_whose_size_is_not_known_holds_nothing_up(scene: Stage, pve: Pve) -> None:
    pve.deny("Sys.Audit")
    await scene.poll()
    assert "was resized" in (await scene.say(scene.emma, "resize", vmid=101, cores=17)).text


async def test_pending_values_are_shown_and_the_next_resize_starts_from_them(scene: Stage, pve: Pve) -> None:
    pve.guest(101).config |= {"cores": 2, "memory": "2048"}
    first = await scene.say(scene.emma, "resize", vmid=101, cores=4, memory_mb=4096)
    assert "Cores: 2 → 4" in first.text
    info = (await scene.say(scene.emma, "info", vmid=101)).text
    bar, cpu = info.split("**CPU** ")[1].splitlines()[:2]
    assert bar.endswith("%`")
    assert cpu.endswith("2 → 4 cores (after reboot)")
    bar, memory = info.split("**Memory** ")[1].splitlines()[:2]
    assert bar.endswith("%`")
    assert memory.endswith(" / 2.0 GiB → 4.0 GiB (after reboot)")

    sent = len(scene.changes())
    again = await scene.say(scene.emma, "resize", vmid=101, cores=4, memory_mb=4096)
    scene.assert_refused(again, scene.emma, NothingToChange(101, "web01", 4, 4096))
    assert "is already set to 4 cores · 4.0 GiB" in again.text
    assert len(scene.changes()) == sent

    third = await scene.say(scene.emma, "resize", vmid=101, cores=6)
    assert "Cores: 4 → 6" in third.text
    assert "In effect until the reboot: 2 cores" in third.text
    back = await scene.say(scene.emma, "resize", vmid=101, cores=2, memory_mb=2048)
    assert "reverted" in back.text
    assert pve.guest(101).pending == {}
    assert "after reboot" not in (await scene.say(scene.emma, "info", vmid=101)).text


async def test_a_value_that_is_to_be_taken_away_is_shown_as_such(scene: Stage, pve: Pve) -> None:
    pve.guest(101).config["vga"] = "qxl"
    pve.guest(101).pending["vga"] = None
    info = (await scene.say(scene.emma, "info", vmid=101)).text
    assert "`vga` `qxl` → default" in info


async def test_a_disk_that_waits_for_a_restart_has_its_size_in_the_units_of_all_sizes(
    scene: Stage, pve: Pve
) -> None:
    pve.guest(101).config["scsi9"] = "local-lvm:vm-101-disk-9,size=16G"
    pve.guest(101).pending["scsi9"] = "local-lvm:vm-101-disk-9,size=0.5T"
    info = (await scene.say(scene.emma, "info", vmid=101)).text
    assert "`local-lvm:vm-101-disk-9,size=16.0 GiB` → `local-lvm:vm-101-disk-9,size=512 GiB`" in info
    assert not re.search("[0-9][GT]\\b", info)


async def test_a_vm_with_too_many_cores_to_start_says_what_to_do(scene: Stage, pve: Pve) -> None:
    pve.nodes["pve2"]["maxcpu"] = 16
    pve.guest(104).config["cores"] = 17
    text = (await scene.say(scene.emma, "start", vmid=104)).text
    assert "MAX 16 vcpus allowed" in text
    assert "more cores than the node has CPUs" in text
    await scene.say(scene.emma, "resize", vmid=104, cores=16)
    assert "was started" in (await scene.say(scene.emma, "start", vmid=104)).text
