"""Test that people take turns at Proxmox: a burst of commands loses no answer, and nobody waits for one person."""

import asyncio

import pytest

from adapters.proxmox.transport import slots
from adapters.proxmox.transport.slots import SLOTS
from core.proxmox import Lane
from core.proxmox_errors import QueueFull
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from ui.discord import late

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
unhurried = stage.unhurried

FIRST, GUESTS, EACH = 1000, 60, 8
"""First VMID, number of guests on all nodes, and number of guests for each person."""
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
    """Return the positions, among all requests to Proxmox, of those about these guests."""
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
    theirs = when_asked(scene, set(range(FIRST, FIRST + 40)))
    last = when_asked(scene, {mine})[-1]
    assert sum(at > last for at in theirs) > len(theirs) / 2, (
        "emma's few requests are sent among akiko's first"
    )


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
    replies = await asyncio.gather(*(answer for _, answer in asked))
    for (vmid, _), answer in zip(asked, replies, strict=True):
        assert f"vm{vmid}" in answer.text or f"ct{vmid}" in answer.text
    assert WORKERS <= pve.most_in_flight <= SLOTS[Lane.READS] + 1, "and the list that all share"


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_requests_without_a_place_are_refused_in_a_sentence(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PERSON_PLACES", 0)
    for person in (scene.akiko, scene.emma):
        answer = await scene.say(person, "info", vmid=103)
        scene.assert_refused(answer, person, QueueFull())


def first_answers(scene: Stage) -> list[int]:
    """Return the type of each first answer to an interaction: 4 is a message, 5 an acknowledgement."""
    return [request.body["type"] for request in scene.server.requests("POST", "/callback")]


@pytest.mark.usefixtures("unhurried")
async def test_a_crowd_is_acknowledged_at_once(scene: Stage, pve: Pve) -> None:
    """This holds however long Proxmox takes. Nobody waits until the work for the others is done."""
    pve.hang("/status/current", 30.0)
    asked = [asyncio.create_task(scene.say(scene.akiko, "info", vmid=103)) for _ in range(20)]
    await scene.until(lambda: len(first_answers(scene)) == 20)
    pve.hang("/status/current", 0)
    scene.site.proxmox.close()  # ends the hung call
    await asyncio.gather(*asked)
    assert set(first_answers(scene)) == {5}


@pytest.mark.usefixtures("unhurried")
async def test_a_person_who_asks_after_a_crowd_is_acknowledged_at_once_too(scene: Stage, pve: Pve) -> None:
    """The crowd is acknowledged by then, but its work still comes before this person's."""
    pve.hang("/status/current", 30.0)
    asked: list[asyncio.Task[PressResult]] = []

    async def ask(people: int) -> None:
        asked.extend(asyncio.create_task(scene.say(scene.akiko, "info", vmid=103)) for _ in range(people))
        await scene.until(lambda: len(first_answers(scene)) == len(asked))

    await ask(late.CROWD)
    await ask(1)
    pve.hang("/status/current", 0)
    scene.site.proxmox.close()  # ends the hung call
    await asyncio.gather(*asked)
    assert set(first_answers(scene)) == {5}


@pytest.mark.usefixtures("unhurried")
async def test_a_few_people_get_their_answer_without_an_acknowledgement_before_it(scene: Stage) -> None:
    asked = [scene.say(scene.akiko, "info", vmid=vmid) for vmid in (101, 102, 103)]
    assert len(asked) < late.CROWD
    await asyncio.gather(*asked)
    assert first_answers(scene) == [4, 4, 4]


async def test_a_crowd_for_which_nobody_waits_any_more_leaves_nothing_behind(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord refuses each acknowledgement while the bot is still receiving further commands."""
    monkeypatch.setattr(late, "CROWD_SECONDS", 30.0)
    scene.expected_statuses.add(404)
    scene.server.ack_limit = 0.3
    dead = scene.server.fail("POST", "/callback", 404, 999, code=10062, message="Unknown interaction")
    asked = [scene.say(scene.emma, "start", vmid=104) for _ in range(2 * late.CROWD)]
    for answer in await asyncio.gather(*asked):
        assert not answer.acknowledged
    dead.times = 0
    assert scene.changes() == []
    assert scene.services.open_replies == set()
    assert "was started" in (await scene.say(scene.emma, "start", vmid=104)).text
