"""Test that access follows the newest cluster list.

A guest as the bot itself last read it shows its state, and permits nothing.
"""

import asyncio
from dataclasses import replace

import pytest

from core.access.policy import AccessRules, Scope, ScopeKind, depends_on_list
from core.cluster.cache import OVERLAY_SECONDS
from core.errors import NotAllowed
from core.guest import Cluster, Guest, Kind, State
from core.guest_errors import GuestNotFound
from core.levels import Level
from core.operations import Operation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.fakes import AKIKO, FakeWorld, guest
from tests.support.scenes.people import Cast
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage
from tests.support.walked import walked

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

LAB, WEB, NODE, ONE, ALL = 11, 12, 13, 14, 15
RULES = AccessRules(
    1,
    2,
    levels=dict.fromkeys((LAB, WEB, NODE, ONE), Level.OPERATOR) | {ALL: Level.OPERATOR},
    scopes={
        LAB: (Scope(ScopeKind.POOL, "lab"),),
        WEB: (Scope(ScopeKind.TAG, "web"),),
        NODE: (Scope(ScopeKind.NODE, "pve1"),),
        ONE: (Scope(ScopeKind.VMID, "101"),),
    },
)
OWNER = replace(AKIKO, user_id=77)


THEIRS = guest(101, State.STOPPED, pool="lab", tags=("web", "owner-77"), node="pve1")
LEFT: dict[str, tuple[int, dict[str, object]]] = {
    "pool": (LAB, {"pool": None}),
    "pool another": (LAB, {"pool": "labs"}),
    "tag": (WEB, {"tags": ()}),
    "node": (NODE, {"node": "pve2"}),
    "owner": (0, {"tags": ("web",)}),
}


@walked("left", LEFT)
@walked("between", [0.0, 5.0])
async def test_a_person_whose_guest_left_cannot_act_on_it_again(left: str, between: float) -> None:
    """Repeated actions keep no access alive, and not even the next one gets through."""
    role, change = LEFT[left]
    actor = replace(AKIKO, roles=frozenset({role})) if role else OWNER
    world = FakeWorld([THEIRS], rules=RULES)
    await world.cluster_cache.read()
    operations = [Operation.START, Operation.SHUTDOWN] * 3
    for operation in operations:
        assert (await world.executor.execute(world.order(operation, 101, actor))).good
        world.clock.advance(between)
    world.proxmox.change(101, **change)
    sent, reads = len(world.sent), world.proxmox.asked.count("cluster")
    with pytest.raises((GuestNotFound, NotAllowed)):
        await world.executor.execute(world.order(Operation.START, 101, actor))
    with pytest.raises((GuestNotFound, NotAllowed)):
        await world.executor.plan(world.order(Operation.START, 101, actor))
    assert len(world.sent) == sent
    assert reads < world.proxmox.asked.count("cluster") <= reads + 2, "at most one fresh read a decision"


async def test_an_earlier_read_permits_nothing_to_a_person_who_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeated attempts share the read under way, which began while the guest was still in the pool."""
    world = FakeWorld([replace(THEIRS, pool=None)], rules=RULES)
    actor = replace(AKIKO, roles=frozenset({LAB}))
    await world.cluster_cache.read()
    world.clock.advance(5.0)
    listed, taken, answered = world.proxmox.cluster, asyncio.Event(), asyncio.Event()

    async def answer_late() -> Cluster:
        cluster = await listed()
        taken.set()
        await answered.wait()
        return cluster

    monkeypatch.setattr(world.proxmox, "cluster", answer_late)
    world.proxmox.change(101, pool="lab")
    reading = asyncio.create_task(world.cluster_cache.read(max_age=0))
    await taken.wait()
    world.proxmox.change(101, pool=None)  # the list under way still has the pool
    orders = [world.order(Operation.START, 101, actor) for _ in range(2)]
    attempts = [asyncio.create_task(world.executor.execute(order)) for order in orders]
    await asyncio.sleep(0)  # both wait for the list
    answered.set()
    found = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(each) for each in found] == [GuestNotFound, GuestNotFound]
    assert world.sent == []
    assert (reads := world.proxmox.asked.count("cluster")) <= 3, "one read after the one under way is enough"
    assert (await reading).guests[0].pool == "lab", "the read under way would have permitted it"
    world.clock.advance(1.0)
    with pytest.raises(GuestNotFound):
        await world.executor.execute(world.order(Operation.START, 101, actor))
    assert world.proxmox.asked.count("cluster") == reads, "refused attempts do not keep Proxmox busy"


async def test_people_without_pool_or_tag_scopes_cost_no_extra_read() -> None:
    world = FakeWorld([THEIRS], rules=RULES)
    await world.cluster_cache.read()
    for role in (ALL, ONE):
        actor = replace(AKIKO, user_id=role, roles=frozenset({role}))
        await world.executor.plan(world.order(Operation.START, 101, actor))
    assert world.proxmox.asked.count("cluster") == 1


def test_decisions_that_depend_on_the_list() -> None:
    def hangs(role: int, operation: Operation = Operation.START, vmid: int = 101) -> bool:
        return depends_on_list(RULES, replace(AKIKO, roles=frozenset({role})), operation, vmid)

    assert all(hangs(role) for role in (LAB, WEB, NODE, 0))
    assert not hangs(ALL)
    assert not hangs(ONE)
    assert hangs(ONE, vmid=102)
    assert hangs(ALL, Operation.STOP), "and is refused, by the newest list"
    assert not depends_on_list(AccessRules(1, 2), AKIKO, Operation.STOP, 101), "everybody is an admin"


BOSS = 16
BOTH = AccessRules(
    1,
    2,
    levels={ALL: Level.OPERATOR, BOSS: Level.ADMIN},
    scopes={BOSS: (Scope(ScopeKind.POOL, "lab"),)},
)
PROTECTED = {"reboot": Operation.REBOOT, "shutdown": Operation.SHUTDOWN}


@pytest.mark.parametrize("word", PROTECTED)
async def test_an_admin_of_a_pool_is_no_admin_of_a_protected_guest_that_left_it(word: str) -> None:
    """As an operator of every guest they could do it if the guest were not protected."""
    actor = replace(AKIKO, roles=frozenset({ALL, BOSS}))
    found = guest(101, State.RUNNING, pool="lab", tags=("protected",))
    world = FakeWorld([found, guest(102, State.RUNNING)], rules=BOTH)
    await world.cluster_cache.read()
    order = world.order(PROTECTED[word], 101, actor, typed="web101", reason="why")
    assert (await world.executor.plan(order)).guarded
    world.proxmox.change(101, pool=None)
    with pytest.raises(NotAllowed):
        await world.executor.execute(order)
    assert world.sent == []


def test_a_scoped_admin_of_a_protected_guest_is_judged_by_the_newest_list() -> None:
    def hangs(operation: Operation, *roles: int) -> bool:
        return depends_on_list(BOTH, replace(AKIKO, roles=frozenset(roles)), operation, 101)

    guarded = {Operation.REBOOT, Operation.SHUTDOWN, Operation.MONITOR_MUTE}
    assert all(hangs(each, ALL, BOSS) for each in guarded)
    assert not any(hangs(each, ALL) for each in guarded), "an operator alone is one of every guest"
    assert not hangs(Operation.START, ALL, BOSS)


async def test_only_the_state_of_a_seen_guest_is_used() -> None:
    world = FakeWorld([THEIRS], rules=RULES)
    await world.cluster_cache.read()
    seen = replace(
        THEIRS, state=State.RUNNING, uptime=3, lock="backup", pool="prod", tags=("all",), node="pve2",
        template=True, name="other", protected=True,
    )  # fmt: skip
    world.cluster_cache.overlay(101, seen)
    expected = replace(THEIRS, state=State.RUNNING, uptime=3, lock="backup")
    for found in (world.cluster_cache.find(101), (await world.cluster_cache.read(max_age=0)).find(101)):
        assert found is not None
        assert replace(found, cpu=None, cpus=None, memory=None, memory_total=None) == replace(
            expected, cpu=None, cpus=None, memory=None, memory_total=None
        )
    world.clock.advance(OVERLAY_SECONDS)
    assert (await world.cluster_cache.read(max_age=0)).find(101) == THEIRS


async def test_a_guest_that_is_not_listed_yet_is_nobodys_by_its_tags() -> None:
    world = FakeWorld([], rules=RULES)
    await world.cluster_cache.read()
    world.cluster_cache.overlay(
        200, Guest(200, Kind.QEMU, "pve9", State.STOPPED, "new", tags=("web",), pool="lab")
    )
    found = world.cluster_cache.find(200)
    assert found is not None
    assert (found.tags, found.pool, found.name) == ((), None, "new")


async def test_another_kind_of_guest_under_the_vmid_is_shown_as_listed() -> None:
    world = FakeWorld([THEIRS], rules=RULES)
    await world.cluster_cache.read()
    world.cluster_cache.overlay(101, replace(THEIRS, kind=Kind.LXC, state=State.RUNNING))
    assert world.cluster_cache.find(101) == THEIRS


# -- at the real bot


@pytest.fixture
async def cast(bare_scene: Stage, pve: Pve) -> Cast:
    """Give `game` the admin level for the pool `lab` only, which holds 104."""
    made = Cast(bare_scene)
    pve.vm(104).pool = "lab"
    scopes = made.settings["ROLE_SCOPES"].replace("tag:game", "pool:lab")
    await bare_scene.start_bot(**{**made.settings, "ROLE_SCOPES": scopes})
    return made


WAYS = ["command", "button", "question", "form", "mute", "watch", "unwatch"]


@walked_anew("way", WAYS)
async def test_a_guest_that_left_the_pool_is_out_of_reach_at_once(
    bare_scene: Stage, cast: Cast, pve: Pve, way: str
) -> None:
    """It holds for every way in, right after the last action and without any delay."""
    scene, game = bare_scene, cast["game"]
    panel = await scene.say(game, "info", vmid=104)
    asked = panel
    if way == "form":
        asked = await scene.press(game, await scene.say(game, "delete", vmid=104), "Delete palworld…")
    elif way == "question":
        await scene.say(game, "start", vmid=104)
        asked = await scene.say(game, "stop", vmid=104)
    elif way == "unwatch":
        await scene.say(game, "monitor add", vmid=104)
    else:
        await scene.say(game, "start", vmid=104)
        await scene.say(game, "shutdown", vmid=104)
    changed, kept = len(scene.changes()), scene.site.watch.entries
    pve.vm(104).pool = None
    match way:
        case "command":
            await scene.say(game, "start", vmid=104)
        case "button":
            await scene.press(game, panel, "Start")
        case "question":
            await scene.press(game, asked, "Force-stop palworld")
        case "form":
            await scene.submit(game, asked, "palworld")
        case "mute":
            await scene.say(game, "monitor mute", target="104", duration="1h")
        case "watch":
            await scene.say(game, "monitor add", vmid=104)
        case "unwatch":
            await scene.say(game, "monitor remove", vmid=104)
    assert len(scene.changes()) == changed
    assert scene.site.watch.alerts.mutes() == ()
    assert scene.site.watch.entries == kept


async def test_an_alert_cannot_be_answered_by_a_person_whose_guest_left(
    bare_scene: Stage, cast: Cast, pve: Pve
) -> None:
    scene, game = bare_scene, cast["game"]
    await scene.say(game, "start", vmid=104)
    await scene.say(game, "monitor add", vmid=104)
    await scene.poll()
    pve.crash(104)
    await scene.poll()
    await scene.delivered()
    alert = scene.server.messages(scene.alerts)[-1]
    pve.vm(104).pool = None
    for button in alert.buttons:
        reply = await scene.press(game, alert, str(button.custom_id), force=True)
        scene.assert_refused(reply, game, GuestNotFound(104))
    (incident,) = scene.site.watch.state.open.values()
    assert incident.acked is None
    assert scene.site.watch.alerts.mutes() == ()


async def test_access_shows_the_refusals(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene, game = bare_scene, cast["game"]
    assert "palworld" in (await scene.say(game, "access", vmid=104)).text
    pve.vm(104).pool = None
    reply = await scene.say(game, "access", vmid=104)
    scene.assert_refused(reply, game, GuestNotFound(104))


async def test_snapshot_names_are_shown_only_to_people_who_see_the_guest_now(
    bare_scene: Stage, cast: Cast, pve: Pve
) -> None:
    """It does not matter who could see the guest when the list was last read, however long ago."""
    scene, game = bare_scene, cast["game"]
    await scene.say(game, "snapshot create", vmid=104, name="before")
    assert len(await scene.choices(game, "snapshot delete", "name", "", vmid=104)) == 1
    pve.vm(104).pool = None
    scene.clock.skip(11)
    hidden = await scene.choices(game, "snapshot delete", "name", "", vmid=104)
    assert hidden == await scene.choices(game, "snapshot delete", "name", "", vmid=999), "as of no guest"
    assert not any("before" in choice for choice in hidden)


async def test_nobody_unwatches_a_guest_that_may_have_left_their_scope(
    bare_scene: Stage, cast: Cast, pve: Pve
) -> None:
    """Proxmox does not answer, so the bot cannot know whether the guest is still in the pool."""
    scene, game = bare_scene, cast["game"]
    await scene.say(game, "monitor add", vmid=104)
    pve.vm(104).pool = None
    for _ in range(2):
        pve.fail("GET", "/cluster/resources", 595, "No route to host")
    reply = await scene.say(game, "monitor remove", vmid=104)
    assert reply.ephemeral
    assert scene.site.watch.find(104) is not None
