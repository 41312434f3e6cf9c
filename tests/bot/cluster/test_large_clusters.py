"""Test every view of a cluster of 64 nodes with long names. Discord's limits are checked at each request."""

import re
from typing import Any

from playground.pve.server import Pve
from tests.support import stage
from tests.support.dashboard.boards import boards
from tests.support.stage import Stage, post_of

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

NODES, GUESTS = 64, 600
VIEWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list", {}),
    ("list", {"sort": "cpu"}),
    ("list", {"sort": "memory"}),
    ("status", {}),
    ("storage", {}),
    ("dashboard list", {}),
    ("monitor status", {}),
    ("access", {"vmid": 1500}),
    ("info", {"vmid": 1500}),
)
COMPLETIONS = (
    ("node info", "node"),
    ("graph node", "node"),
    ("dashboard create", "node"),
    ("list", "node"),
    ("list", "tag"),
    ("graph guest", "vmid"),
)


async def test_64_nodes_fit_into_every_view(bare_scene: Stage, pve: Pve) -> None:
    scene, long = bare_scene, [f"{'n' * 61}{number:02}" for number in range(NODES - len(pve.nodes))]
    for name in long:
        pve.add_node(name)
    for place in range(GUESTS):
        name = f"{'w' * 58}{place:05}"
        pve.add_vm(
            1000 + place, name, node=long[place % len(long)], status="stopped" if place % 5 else "running"
        )
    pve.node_offline(long[40])
    await scene.start_bot()
    await scene.poll()
    await scene.say(scene.akiko, "dashboard create")
    (board,) = await scene.until(lambda: boards(scene), "a dashboard")
    assert long[40] in board.text
    for command, options in VIEWS:
        reply = await scene.say(scene.emma, command, **options)
        assert len(reply.text) > 100, command
    for command, option in COMPLETIONS:
        assert 5 <= len(await scene.choices(scene.emma, command, option, "")) <= 25
    assert await scene.choices(scene.emma, "node info", "node", "n57") == [long[57]]

    listed, seen = await scene.say(scene.emma, "node list"), list[str]()
    assert listed.text.index(long[40]) < listed.text.index(long[0]), "what is wrong comes first"
    for page in range(20):
        shown = await scene.press(scene.emma, listed, f"p1:nodes:next:{page}:::", force=True)
        found = re.findall(r"^\S+ `([^`]+)`", shown.text, re.MULTILINE)
        if found[0] in seen:
            break
        seen += found
        names = [value for select in post_of(shown).selects for _, value in select.options]
        assert names == found
    assert sorted(seen) == sorted(pve.nodes)
