"""Count what people and the watch ask of Proxmox. Times prove nothing on a busy machine, numbers do."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from playground.cluster.demo_cluster import NODES, build_demo
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, language = stage.scene, stage.bare_scene, stage.language

LIST = "/cluster/resources"
INFO_MOST = 4
"""Maximum number of requests for the panel of a running VM with a guest agent."""
PEOPLE = 50


class GatedPve(Pve):
    """A cluster that can hold back the answers about single guests."""

    gate: asyncio.Event | None = None

    async def _answer(self, request: web.Request, handler: Any, generic: Any, path_node: str | None) -> Any:
        if self.gate is not None and "/qemu/" in request.path:
            await self.gate.wait()
        return await super()._answer(request, handler, generic, path_node)

    def close_gate(self) -> None:
        self.gate = asyncio.Event()

    def open_gate(self) -> None:
        assert self.gate is not None
        self.at_once(self.gate.set)


@pytest.fixture
def pve() -> Iterator[GatedPve]:
    with GatedPve(nodes=NODES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        yield made


def asked(pve: Pve, since: int) -> list[str]:
    """Return the paths of the requests after the first `since`."""
    return [path for _, path, _ in list(pve.requests)[since:]]


async def test_the_info_of_a_guest(scene: Stage, pve: GatedPve) -> None:
    await scene.choices(scene.emma, "info", "vmid", "web")  # the list is fresh
    before = len(pve.requests)
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert "web01" in reply.text
    paths = asked(pve, before)
    assert len(paths) == len(set(paths)) <= INFO_MOST, paths
    assert LIST not in paths


async def test_the_snapshots_of_a_guest(scene: Stage, pve: GatedPve) -> None:
    await scene.choices(scene.emma, "snapshot list", "vmid", "web")
    before = len(pve.requests)
    await scene.say(scene.emma, "snapshot list", vmid=103)
    assert [path.rpartition("/")[2] for path in asked(pve, before)] == ["snapshot"]


async def test_fifty_people_who_view_one_guest_cost_as_much_as_one(scene: Stage, pve: GatedPve) -> None:
    server = scene.server
    people = [server.person(scene.guild, f"person{n}", locale="en-US") for n in range(PEOPLE)]
    await scene.choices(scene.emma, "info", "vmid", "web")
    before, answers = len(pve.requests), len(server.ack_seconds)
    pve.close_gate()
    looking = [asyncio.create_task(scene.say(person, "info", vmid=101)) for person in people]
    await scene.until(lambda: len(server.ack_seconds) == answers + PEOPLE, "fifty acknowledgements")
    pve.open_gate()
    replies = await asyncio.gather(*looking)
    assert all("web01" in reply.text for reply in replies)
    assert len(asked(pve, before)) <= INFO_MOST, asked(pve, before)


async def test_a_completion_asks_nothing_while_the_list_is_fresh_and_once_afterwards(
    scene: Stage, pve: GatedPve
) -> None:
    await scene.choices(scene.emma, "info", "vmid", "")
    before = len(pve.requests)
    for typed in ("w", "we", "web", "10", "zzz"):
        await scene.choices(scene.emma, "info", "vmid", typed)
    assert asked(pve, before) == []
    scene.clock.skip(60.0)
    typing = [scene.choices(person, "info", "vmid", "we") for person in (scene.emma, scene.akiko) * 3]
    found = await asyncio.gather(*typing)
    assert all(found)
    assert asked(pve, before) == [LIST]


@pytest.mark.parametrize("guests", [1, 100])
async def test_a_poll_is_one_request_for_any_number_of_watched_guests(
    bare_scene: Stage, pve: GatedPve, guests: int
) -> None:
    vmids = pve.add_many(guests)
    await bare_scene.start_bot(MONITOR_VM_IDS=",".join(map(str, vmids)))
    await bare_scene.poll(2)
    before = len(pve.requests)
    await bare_scene.poll()
    assert asked(pve, before) == [LIST]
