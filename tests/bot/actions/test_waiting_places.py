"""Test that a person without permission never blocks a guest: access is decided before the guest is claimed."""

import asyncio
from dataclasses import replace

import pytest

from core.access.policy import AccessRules, Actor, Scope, ScopeKind
from core.actions.order import Report
from core.errors import ChangedMeanwhile, NotAllowed, TooManyChanges
from core.guest import Guest, State
from core.guest_errors import GuestBusy, GuestNotFound
from core.levels import Level
from core.operations import Operation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.fakes import AKIKO, FakeWorld, guest
from tests.support.scenes.people import Cast
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

VIEWER, GAME, ADMIN = 1, 2, 3
RULES = AccessRules(
    1,
    2,
    levels={VIEWER: Level.VIEWER, GAME: Level.OPERATOR, ADMIN: Level.ADMIN},
    scopes={GAME: (Scope(ScopeKind.TAG, "game"),)},
)
MALLORY = replace(AKIKO, user_id=66, name="Mallory", roles=frozenset({GAME}))
NOBODY = replace(AKIKO, user_id=67, name="Nobody", roles=frozenset())
ADA = replace(AKIKO, user_id=68, name="Ada", roles=frozenset({ADMIN}))


def world_of(most: int = 0) -> FakeWorld:
    stopped = guest(101, State.STOPPED)
    return FakeWorld([stopped, guest(102, State.STOPPED, tags=("game",))], rules=RULES, most=most)


@pytest.mark.parametrize("actor", [MALLORY, NOBODY, replace(AKIKO, roles=frozenset({VIEWER}))])
async def test_a_refused_action_does_not_claim_its_guest(actor: Actor) -> None:
    """It holds at every moment of the attempt, however long Proxmox takes."""
    world = world_of()
    attempt = asyncio.create_task(world.executor.execute(replace(world.order(Operation.START), actor=actor)))
    while not attempt.done():
        assert world.executor._claims.busy == {}
        await asyncio.sleep(0)
    assert isinstance(attempt.exception(), GuestNotFound | NotAllowed)
    assert world.sent == []


async def test_an_admin_acts_while_others_try() -> None:
    world = world_of()
    trying = [
        asyncio.create_task(world.executor.execute(world.order(Operation.START, 101, MALLORY)))
        for _ in range(20)
    ]
    await asyncio.sleep(0)
    assert (await world.executor.execute(world.order(Operation.START, 101, ADA))).good
    for attempt in await asyncio.gather(*trying, return_exceptions=True):
        assert isinstance(attempt, GuestNotFound), "and nobody learns that it was busy"


async def test_a_busy_guest_names_the_person_who_really_acts() -> None:
    world = world_of()
    people = (NOBODY, MALLORY, ADA)
    asyncs = [
        asyncio.create_task(world.executor.execute(world.order(Operation.START, 102, actor)))
        for actor in people
    ]
    results = await asyncio.gather(*asyncs, return_exceptions=True)
    (at_work,) = [who.name for who, result in zip(people, results, strict=True) if isinstance(result, Report)]
    busy = [result for result in results if isinstance(result, GuestBusy)]
    assert [(each.by, each.label) for each in busy] == [(at_work, "web102")]
    assert at_work in ("Mallory", "Ada")
    assert len(world.sent) == 1


async def test_a_plan_from_before_an_action_that_has_ended_is_not_carried_out() -> None:
    """The plan's data about the guest is older than the other action's effect."""
    world = world_of()
    held = asyncio.Event()
    status = world.proxmox.status

    async def slowly(guest: Guest, *, quick: bool = False) -> Guest:
        found = await status(guest, quick=quick)
        if not held.is_set():
            held.set()
            await resume.wait()
        return found

    resume = asyncio.Event()
    world.proxmox.status = slowly  # type: ignore[method-assign]  # the first answer is late
    late = asyncio.create_task(world.executor.execute(world.order(Operation.START, 101, ADA)))
    await held.wait()
    assert (await world.executor.execute(world.order(Operation.START, 101, ADA))).good
    resume.set()
    with pytest.raises(ChangedMeanwhile):
        await late
    assert len(world.sent) == 1


async def test_refused_attempts_count_for_their_person() -> None:
    world = world_of(most=3)
    for _ in range(3):
        with pytest.raises(GuestNotFound):
            await world.executor.execute(world.order(Operation.START, 101, MALLORY))
    asked = len(world.proxmox.asked)
    for attempt in (world.executor.execute, world.executor.plan):
        with pytest.raises(TooManyChanges):
            await attempt(world.order(Operation.START, 101, MALLORY))
    assert len(world.proxmox.asked) == asked, "Proxmox is asked no more"
    assert (await world.executor.execute(world.order(Operation.START, 101, ADA))).good
    world.clock.advance(60)
    assert (await world.executor.execute(world.order(Operation.START, 102, MALLORY))).good


async def test_the_real_bot_lets_an_admin_act_while_somebody_tries_in_vain(
    bare_scene: Stage, pve: Pve
) -> None:
    """An operator of other guests floods /start of this one while Proxmox is slow."""
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    scene.clock.skip(11)
    before = len(scene.sent("GET", "/cluster/resources"))
    pve.hang("/cluster/resources", 0.5, times=6)
    trying = [
        asyncio.create_task(scene.server.slash(cast["game"], scene.channel, "start", vmid=205))
        for _ in range(5)
    ]
    await scene.until(lambda: len(scene.sent("GET", "/cluster/resources")) > before)
    done = await scene.say(cast["admin"], "start", vmid=205)
    assert "grafana" in done.text
    assert "Game" not in done.text
    assert pve.ct(205).status == "running"
    for reply in await scene.whole(asyncio.gather(*trying)):
        scene.assert_refused(reply, cast["game"], GuestNotFound(205))
