"""Test which next steps an outcome and a refusal offer, and to whom."""

from dataclasses import dataclass, replace
from typing import Any, cast

from core.access.authorizer import Authorizer
from core.access.policy import PROTECTED_TAG, AccessRules, Actor, Place, Scope, ScopeKind
from core.actions.order import Change, Order, Plan, Report
from core.actions.planner import Planner
from core.cluster.cache import ClusterCache
from core.errors import BotError, ChangedMeanwhile, NotAllowed, ReadOnly
from core.guest import Guest, Kind, State
from core.guest_errors import (
    GuestBusy,
    GuestLocked,
    GuestNotFound,
    GuestProtected,
    NothingToChange,
    SnapshotExists,
    SnapshotNotFound,
    SnapshotUnsupported,
    TemplateRefused,
    WrongKind,
    WrongState,
)
from core.levels import Level
from core.operations import ACTIONS, Operation
from core.proxmox_errors import TimedOut, Unreachable
from core.tasks import TaskEnd, TaskResult
from tests.support.fakes import FakeWorld
from tests.support.walked import walked
from ui.cards import Item
from ui.i18n import Text, Texts
from ui.interaction.buttons import PersistentButton
from ui.interaction.next_steps import AFTER, outcome_buttons, step_buttons, steps_after_refusal
from ui.interaction.services import Site

TEXTS = Texts("ja")
EN, JA = TEXTS.of("en"), TEXTS.of("ja")

VIEWER, OPERATOR, ADMIN, ELSEWHERE = 10, 11, 12, 13
RULES = AccessRules(
    1,
    2,
    alert_channel_id=99,
    levels={VIEWER: Level.VIEWER, OPERATOR: Level.OPERATOR, ADMIN: Level.ADMIN, ELSEWHERE: Level.ADMIN},
    scopes={ELSEWHERE: (Scope(ScopeKind.VMID, "102"),)},
)
HERE, AT_ALERTS = Place(1, 2, 20), Place(1, 77, 99)
RUNNING = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01")
STOPPED, PAUSED = replace(RUNNING, state=State.STOPPED), replace(RUNNING, state=State.PAUSED)
NEW = Guest(200, Kind.QEMU, "pve1", State.STOPPED, "new01")


@dataclass(frozen=True)
class Around:
    """The parts of a site that decide about a button, over a fake cluster."""

    authorizer: Authorizer
    planner: Planner
    cluster_cache: ClusterCache
    name: str = ""


def actor(*roles: int, place: Place = HERE) -> Actor:
    return Actor(7, "Akiko", place, frozenset(roles))


async def around(*guests: Guest, read_only: bool = False, name: str = "") -> Site:
    world = FakeWorld(guests, rules=RULES)
    await world.cluster_cache.read()
    if read_only:
        await world.read_only.turn_on("Akiko", 7)
    return cast(Site, Around(world.authorizer, world.planner, world.cluster_cache, name))


def report(operation: Operation, who: Actor, after: Guest | None, **values: Any) -> Report:
    end, guest = values.pop("end", TaskEnd.OK), values.pop("guest", RUNNING)
    task = TaskResult(end, "UPID:x", "OK" if end is TaskEnd.OK else "job errors")
    return Report(Plan(Order(operation, guest.vmid, who), guest), task, after, 1.0, **values)


def pressed(buttons: list[Item]) -> list[PersistentButton]:
    return [button for button in buttons if isinstance(button, PersistentButton)]


def labels(buttons: list[Item]) -> list[str]:
    assert len(pressed(buttons)) == len(buttons)
    return [str(button.item.label) for button in pressed(buttons)]


FAILED: dict[str, Any] = {"end": TaskEnd.ERROR}
DISOBEYED: dict[str, Any] = {"settled": False}
UNKNOWN: dict[str, Any] = {"end": TaskEnd.LOST}
WAITS: dict[str, Any] = {"change": Change((2, 4), None, waits_for_restart=True)}
LOOK = ["Details"]

OUTCOMES: list[tuple[Operation, Guest | None, dict[str, Any], list[str], list[str], list[str]]] = [
    # action, guest afterwards, how it ended, and the buttons for: admin, operator, viewer
    (Operation.START, RUNNING, {}, LOOK, LOOK, LOOK),
    (Operation.START, STOPPED, FAILED, LOOK, LOOK, LOOK),
    (Operation.START, STOPPED, DISOBEYED, LOOK, LOOK, LOOK),
    (Operation.START, None, UNKNOWN, LOOK, LOOK, LOOK),
    (Operation.REBOOT, RUNNING, {}, LOOK, LOOK, LOOK),
    (Operation.REBOOT, RUNNING, FAILED, ["Force stop…", "Details"], LOOK, LOOK),
    (Operation.REBOOT, STOPPED, DISOBEYED, LOOK, LOOK, LOOK),
    (Operation.SHUTDOWN, STOPPED, {}, ["Start"], ["Start"], LOOK),
    (Operation.SHUTDOWN, RUNNING, FAILED, ["Force stop…", "Details"], LOOK, LOOK),
    (Operation.SHUTDOWN, RUNNING, DISOBEYED, ["Force stop…", "Details"], LOOK, LOOK),
    (Operation.SHUTDOWN, None, DISOBEYED, LOOK, LOOK, LOOK),
    (Operation.STOP, STOPPED, {}, ["Start"], ["Start"], LOOK),
    (Operation.STOP, RUNNING, FAILED, LOOK, LOOK, LOOK),
    (Operation.SUSPEND, PAUSED, {}, ["Resume"], ["Resume"], LOOK),
    (Operation.SUSPEND, RUNNING, FAILED, LOOK, LOOK, LOOK),
    (Operation.RESUME, RUNNING, {}, LOOK, LOOK, LOOK),
    (Operation.RESET, RUNNING, {}, LOOK, LOOK, LOOK),
    (Operation.CREATE, NEW, {}, ["Start", "Details"], ["Start", "Details"], LOOK),
    (Operation.CREATE, RUNNING, FAILED, ["List"], ["List"], ["List"]),
    (Operation.CREATE, None, UNKNOWN, ["List"], ["List"], ["List"]),
    (Operation.RESIZE, RUNNING, {"change": Change((2, 4), None)}, LOOK, LOOK, LOOK),
    (Operation.RESIZE, RUNNING, WAITS, ["Reboot now", "Details"], ["Reboot now", "Details"], LOOK),
    (Operation.DELETE, None, {}, ["List"], ["List"], ["List"]),
    (Operation.DELETE, STOPPED, FAILED, LOOK, LOOK, LOOK),
    (Operation.SNAPSHOT_CREATE, RUNNING, {}, ["Snapshots"], ["Snapshots"], ["Snapshots"]),
    (Operation.SNAPSHOT_CREATE, RUNNING, FAILED, ["Snapshots"], ["Snapshots"], ["Snapshots"]),
    (Operation.SNAPSHOT_ROLLBACK, STOPPED, {}, ["Start", "Details"], ["Start", "Details"], LOOK),
    (Operation.SNAPSHOT_ROLLBACK, RUNNING, {}, LOOK, LOOK, LOOK),
    (Operation.SNAPSHOT_DELETE, RUNNING, {}, ["Snapshots"], ["Snapshots"], ["Snapshots"]),
]


def test_every_action_with_a_row_has_its_outcomes_here() -> None:
    assert {row[0] for row in OUTCOMES} == set(AFTER)
    assert set(AFTER) <= set(ACTIONS)


@walked(("operation", "after", "values", "admin", "operator", "viewer"), OUTCOMES)
async def test_an_outcome_offers_the_next_step_to_people_who_may_take_it(
    operation: Operation,
    after: Guest | None,
    values: dict[str, Any],
    admin: list[str],
    operator: list[str],
    viewer: list[str],
) -> None:
    site = await around(after or RUNNING, replace(RUNNING, vmid=102))
    looks = [each for each in admin if each in ("Details", "Snapshots", "List")] or LOOK
    for who, expected in (
        (actor(ADMIN), admin),
        (actor(OPERATOR), operator),
        (actor(VIEWER), viewer),
        (actor(ELSEWHERE), []),
        (actor(), []),
    ):
        assert labels(outcome_buttons(EN, site, report(operation, who, after, **values))) == expected
        told = [JA.raw(label) for label in expected]
        assert labels(outcome_buttons(JA, site, report(operation, who, after, **values))) == told
    held = await around(after or RUNNING, read_only=True)
    assert labels(outcome_buttons(EN, held, report(operation, actor(ADMIN), after, **values))) == looks


async def test_a_protected_guest_offers_only_buttons_that_work() -> None:
    """The shutdown and the reboot need a name and a reason, which their buttons do not ask for. The stop asks."""
    guest = replace(RUNNING, tags=(PROTECTED_TAG,))
    site = await around(guest)
    failed = report(Operation.SHUTDOWN, actor(ADMIN), guest, guest=guest, **FAILED)
    assert labels(outcome_buttons(EN, site, failed)) == ["Force stop…", "Details"]
    failed = report(Operation.SHUTDOWN, actor(OPERATOR), guest, guest=guest, **FAILED)
    assert labels(outcome_buttons(EN, site, failed)) == ["Details"]
    waits = report(Operation.RESIZE, actor(ADMIN), guest, guest=guest, **WAITS)
    assert labels(outcome_buttons(EN, site, waits)) == ["Details"]
    by_proxmox = report(
        Operation.RESIZE, actor(ADMIN), RUNNING, guest=replace(RUNNING, protected=True), **WAITS
    )
    assert labels(outcome_buttons(EN, await around(RUNNING), by_proxmox)) == ["Details"]


async def test_an_owner_is_offered_the_buttons_of_an_operator() -> None:
    guest = replace(STOPPED, tags=("owner-7",))
    ended = report(Operation.SHUTDOWN, actor(), guest)
    assert labels(outcome_buttons(EN, await around(guest), ended)) == ["Start"]
    assert labels(outcome_buttons(EN, await around(STOPPED), ended)) == [], (
        "by the list, they own it no longer"
    )


async def test_only_working_operations_are_offered_in_the_alert_channel() -> None:
    site, there = await around(STOPPED), actor(ADMIN, place=AT_ALERTS)
    assert labels(outcome_buttons(EN, site, report(Operation.STOP, there, STOPPED))) == ["Start"]
    assert labels(outcome_buttons(EN, site, report(Operation.SNAPSHOT_CREATE, there, STOPPED))) == LOOK


async def test_the_site_is_named_in_the_buttons_if_there_are_several() -> None:
    ended = report(Operation.CREATE, actor(ADMIN), NEW)
    for name, details in (("", "g1:details:200"), ("home", "g2:home:details:200")):
        first, second = pressed(outcome_buttons(EN, await around(NEW, name=name), ended))
        assert first.custom_id.endswith(f"start:200:{NEW.fingerprint}")
        assert second.custom_id == details


def wrong(operation: Operation, state: State) -> WrongState:
    return WrongState(101, "web01", operation.value, state)


REFUSALS: list[tuple[BotError, list[str], list[str], list[str]]] = [
    # refusal, and the buttons for: admin, operator, viewer
    (wrong(Operation.START, State.RUNNING), LOOK, LOOK, LOOK),
    (wrong(Operation.START, State.PAUSED), ["Resume"], ["Resume"], []),
    (wrong(Operation.SHUTDOWN, State.STOPPED), ["Start"], ["Start"], []),
    (wrong(Operation.RESUME, State.RUNNING), LOOK, LOOK, LOOK),
    (wrong(Operation.STOP, State.STOPPED), ["Start"], ["Start"], []),
    (wrong(Operation.REBOOT, State.PAUSED), ["Resume"], ["Resume"], []),
    (wrong(Operation.RESIZE, State.UNKNOWN), LOOK, LOOK, LOOK),
    (wrong(Operation.DELETE, State.RUNNING), ["Shutdown"], ["Shutdown"], []),
    (wrong(Operation.DELETE, State.PAUSED), ["Force stop…"], [], []),
    (wrong(Operation.DELETE, State.UNKNOWN), LOOK, LOOK, LOOK),
    (GuestLocked(101, "web01", "backup"), LOOK, LOOK, LOOK),
    (GuestBusy(101, "web01", "start", "Emma", 1.0), LOOK, LOOK, LOOK),
    (ChangedMeanwhile(101), LOOK, LOOK, LOOK),
    (NothingToChange(101, "web01"), LOOK, LOOK, LOOK),
    (NothingToChange(101, "web01", cores=4), ["Reboot now", "Details"], ["Reboot now", "Details"], LOOK),
    (SnapshotNotFound(101, "web01", "x"), ["Snapshots"], ["Snapshots"], ["Snapshots"]),
    (SnapshotExists(101, "web01", "x"), ["Snapshots"], ["Snapshots"], ["Snapshots"]),
    (TimedOut("pve", changing=True), LOOK, LOOK, LOOK),
    (TimedOut("pve", changing=False), [], [], []),
    (Unreachable("pve"), [], [], []),
    (SnapshotUnsupported(101, "web01"), [], [], []),
    (TemplateRefused(101, "web01", "start"), [], [], []),
    (WrongKind(101, "web01", "reset", Kind.LXC), [], [], []),
    (GuestProtected(101, "web01"), [], [], []),
    (GuestNotFound(101), [], [], []),
    (NotAllowed(Level.ADMIN, Level.VIEWER), [], [], []),
    (ReadOnly("Akiko", 1.0), [], [], []),
]


@walked(("error", "admin", "operator", "viewer"), REFUSALS)
async def test_a_refusal_offers_the_next_step_to_people_who_may_take_it(
    error: BotError, admin: list[str], operator: list[str], viewer: list[str]
) -> None:
    guest = replace(RUNNING, state=getattr(error, "state", State.RUNNING))
    site, steps = await around(guest), steps_after_refusal(error)

    def offered(t: Text, *roles: int) -> list[str]:
        return labels(step_buttons(t, site, actor(*roles), guest, steps))

    assert [offered(EN, role) for role in (ADMIN, OPERATOR, VIEWER, ELSEWHERE)] == [
        admin,
        operator,
        viewer,
        [],
    ]
    assert offered(JA, ADMIN) == [JA.raw(label) for label in admin]
