"""Test that people take turns at Proxmox: a burst of commands loses no answer, and nobody waits for one person."""

import asyncio

import pytest

from adapters.proxmox import slots
from adapters.proxmox.slots import SLOTS
from core.proxmox import Lane
from core.proxmox_errors import QueueFull
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

FIRST, GUESTS, EACH = 1000, 60, 8
"""The guests are on all nodes."""
WORKERS, SECONDS = 3, 0.03
"""The workers of pveproxy, and the real seconds that each request occupies one."""


@pytest.fixture
async def busy_scene(bare_scene: Stage, pve: Pve) -> Stage:
    pve.add_many(GUESTS, first=FIRST)
    await bare_scene.start_bot()
    pve.limit_workers(WORKERS, SECONDS)
    pve.most_in_flight = 0
    return bare_scene


def when_asked(scene: Stage, vmids: set[int]) -> list[int]:
    """Return the places in the order of all requests to Proxmox of those about these guests."""
    return [
        at for at, (_, path, _) in enumerate(scene.sent()) if any(f"/{vmid}/" in f"{path}/" for vmid in vmids)
    ]


async def test_one_persons_commands_do_not_hold_up_anothers(busy_scene: Stage) -> None:
    scene, mine = busy_scene, FIRST + 50
    many = [asyncio.create_task(scene.say(scene.akiko, "info", vmid=FIRST + at)) for at in range(40)]
    await scene.until(lambda: when_asked(scene, set(range(FIRST, FIRST + 40))))
    one = await scene.say(scene.emma, "info", vmid=mine)
    assert f"vm{mine}" in one.text or f"ct{mine}" in one.text
    await asyncio.gather(*many)
    after = [
        at for at in when_asked(scene, set(range(FIRST, FIRST + 40))) if at > when_asked(scene, {mine})[-1]
    ]
    assert len(after) > 100, "emma's few requests were sent among the first of akiko's hundreds"


async def test_a_burst_of_commands_loses_nothing_and_asks_for_little_at_once(
    busy_scene: Stage, pve: Pve
) -> None:
    scene = busy_scene
    people = [scene.akiko, scene.emma]
    people += [scene.server.person(scene.guild, name, display=name) for name in ("ken", "yuki")]
    asked = [
        (vmid, scene.say(people[vmid % len(people)], "info", vmid=vmid))
        for vmid in range(FIRST, FIRST + EACH * len(people))
    ]
    replies = await asyncio.gather(*(reply for _, reply in asked))
    for (vmid, _), reply in zip(asked, replies, strict=True):
        assert f"vm{vmid}" in reply.text or f"ct{vmid}" in reply.text
    assert WORKERS <= pve.most_in_flight <= SLOTS[Lane.READS] + 1, "and the list that all share"


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_what_finds_no_place_is_told_in_a_sentence(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PERSON_PLACES", 0)
    for person in (scene.akiko, scene.emma):
        reply = await scene.say(person, "info", vmid=103)
        scene.assert_refused(reply, person, QueueFull())
