"""Test completions while typing: the guests, their order, and the cost for Proxmox."""

import pytest

from core.guest import State
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import COMMANDS, READING
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.formatting import STATE_EMOJI
from ui.options import completions

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

STOPPED = STATE_EMOJI[State.STOPPED]

NO_SNAPSHOT = "⛔ No snapshots found: the guest has none, or it cannot be read right now."
UNREADABLE = "⛔ Cannot read from Proxmox right now."

NEEDS_VMID = [each.word for each in COMMANDS if "vmid*" in each.options and each.word != "monitor remove"]


async def offered(scene: Stage, command: str, typed: str = "", option: str = "vmid") -> list[int]:
    found = await scene.server.autocomplete(scene.emma, scene.channel, command, option, typed)
    values = [choice["value"] for choice in found if choice["name"][0] not in "⛔❔"]
    return values if option == "node" else [int(value) for value in values]


async def test_labels_name_state_id_name_node_and_kind(scene: Stage) -> None:
    assert await scene.choices(scene.emma, "info", "vmid", "web01") == ["🟢 101 web01 · pve1 · VM"]
    assert await scene.choices(scene.akiko, "info", "vmid", "grafana") == [
        f"{STOPPED} 205 grafana · pve3 · CT"
    ]
    assert await scene.choices(scene.emma, "create", "template_id", "") == [
        "📄 9000 debian13-cloud · pve1 · VM",
        "📄 9001 ubuntu2404 · pve2 · VM",
        "📄 9100 alpine-ct · pve1 · CT",
    ]


@walked(
    ("command", "able"),
    [
        ("start", [104, 205]),
        ("shutdown", [101, 102, 103, 106, 107, 108, 201]),
        ("stop", [101, 102, 103, 106, 107, 108, 109]),
        ("delete", [104, 205, 9000, 9001, 9100]),
    ],
)
async def test_guests_that_the_operation_can_act_on_come_first(
    scene: Stage, command: str, able: list[int]
) -> None:
    found = await offered(scene, command)
    assert found[: len(able)] == able
    assert found[-1] not in able
    assert len(set(found)) == len(found)


async def test_a_vmid_typed_in_full_comes_first(scene: Stage, pve: Pve) -> None:
    """The running 100 cannot be deleted, and template 9100 can. Enter still takes 100."""
    pve.add_vm(100, "debian", node="pve1", status="running")
    await scene.site.cluster_cache.read(max_age=0)
    assert (await offered(scene, "delete", "100"))[:2] == [100, 9100]


async def test_templates_are_offered_where_they_make_sense_only(scene: Stage) -> None:
    for command in NEEDS_VMID:
        templates = {9000, 9001, 9100} & set(await offered(scene, command))
        assert bool(templates) is (command in (*READING, "delete")), command
    assert await offered(scene, "create", option="template_id") == [9000, 9001, 9100]


@walked(
    ("typed", "expected"),
    [
        ("1", [101, 102, 103, 104, 105, 106, 107, 108, 109, 201, 202, 203, 204, 205, 9000, 9001, 9100]),
        ("10", [101, 102, 103, 104, 105, 106, 107, 108, 109, 9100]),
        ("WEB", [101]),
        ("pve2", [103, 104, 109, 202, 9001]),
        ("pve3 gra", [205]),
        ("nothing like it", []),
        ("🟢 101 web01", []),
        ("<@&1>", []),
        ("x" * 100, []),
    ],
)
async def test_typed_text_is_searched_in_id_name_and_node(
    scene: Stage, typed: str, expected: list[int]
) -> None:
    found = await offered(scene, "info", typed)
    assert sorted(found) == [vmid for vmid in expected if vmid in found]
    assert set(found) == {vmid for vmid in expected if typed != "1" or vmid in found}
    if typed == "1":
        assert found[:9] == [101, 102, 103, 104, 105, 106, 107, 108, 109], "beginnings come first"


async def test_twenty_five_at_most(bare_scene: Stage, pve: Pve) -> None:
    for vmid in range(1000, 1100):
        pve.add_ct(vmid, "x" * 63, node="pve1", status="running")
    await bare_scene.start_bot()
    for command in NEEDS_VMID:
        labels = await bare_scene.choices(bare_scene.emma, command, "vmid")
        assert len(labels) == 25, command
        assert all(len(label) <= 100 for label in labels)


async def test_nothing_is_asked_while_the_last_read_is_fresh(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "list")
    before = len(pve.requests)
    for typed in ("", "w", "we", "web", "web0", "web01"):
        await offered(scene, "start", typed)
        await offered(scene, "list", typed, option="node")
    assert len(pve.requests) == before
    scene.clock.skip(10)
    for typed in ("", "w", "we", "web", "web0", "web01"):
        await offered(scene, "start", typed)
    assert [path for _, path, _ in pve.requests[before:]] == ["/cluster/resources"]


async def test_completions_come_in_time_from_the_last_read_while_proxmox_hangs(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completions.WAIT_SECONDS <= 2.0, "Discord waits 3 s, the way there and back among them"
    monkeypatch.setattr(completions, "WAIT_SECONDS", 0.5)
    scene.clock.skip(11)
    pve.hang("/cluster/resources", 1.5)
    before = len(pve.requests)
    for _ in range(2):
        assert await offered(scene, "info", "web01") == [101]
    assert max(scene.server.ack_seconds.values()) < 1.0
    assert len(pve.requests) - before <= 1, "they wait for one and the same read"
    pve.hang("/cluster/resources", 0)


async def test_completions_come_from_the_last_read_while_proxmox_is_down(scene: Stage, pve: Pve) -> None:
    scene.clock.skip(11)
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    pve.fail("GET", "/snapshot", 595, "No route to host")
    assert await offered(scene, "info", "web01") == [101]
    assert await scene.choices(scene.emma, "snapshot rollback", "name", "", vmid=103) == [NO_SNAPSHOT]
    assert max(scene.server.ack_seconds.values()) < 1.0


async def test_a_completion_names_the_reason_if_proxmox_never_answered(bare_scene: Stage, pve: Pve) -> None:
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await bare_scene.start_bot()
    assert await bare_scene.choices(bare_scene.emma, "info", "vmid") == [UNREADABLE]
    assert await bare_scene.choices(bare_scene.emma, "list", "node") == [UNREADABLE]


async def test_guests_without_a_name_yet_and_nodes_gone_dark(scene: Stage, pve: Pve) -> None:
    pve.node_offline("pve3", expired=True)
    scene.clock.skip(11)
    labels = await scene.choices(scene.emma, "info", "vmid", "105")
    assert labels == ["❔ 105 — · pve3 · VM"]


async def test_snapshots_that_take_long_are_left_out_in_time(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests for the guest and for its snapshots must together fit into Discord's 3 s."""
    monkeypatch.setattr(completions, "WAIT_SECONDS", 0.4)
    scene.clock.skip(11)
    pve.hang("/snapshot", 1.0)
    for _ in range(2):
        assert await scene.choices(scene.emma, "snapshot rollback", "name", "", vmid=103) == [NO_SNAPSHOT]
    assert max(scene.server.ack_seconds.values()) < 0.8
    assert len(scene.sent("GET", "/qemu/103/snapshot")) == 1, "they wait for one and the same read"
    pve.hang("/snapshot", 0)


async def test_guests_of_one_name_that_are_not_listed_are_counted(scene: Stage, pve: Pve) -> None:
    for vmid in range(101, 108):
        pve.vm(vmid).name = "twin"
    scene.clock.skip(11)
    reply = await scene.say(scene.emma, "info", vmid="twin")
    assert "matches more than one guest" in reply.text
    assert reply.text.count(" twin ") == 5
    assert "… and 2 more" in reply.text
