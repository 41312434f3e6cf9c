"""Test that /access agrees with the gate for every operation, level, scope, owner and guest."""

import re
from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import cast

import pytest

from core.access.authorizer import Authorizer
from core.access.policy import AccessRules, Actor, Place, Scope, ScopeKind, decide
from core.access.read_only import ReadOnlySwitch
from core.cluster.cache import ClusterCache
from core.errors import ReadOnly
from core.guest import Cluster, Guest, Kind, State
from core.levels import Effect, Level, Reach
from core.operations import OPERATIONS, Operation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.access_document import Told, told_access
from tests.support.catalogue import ACTION
from tests.support.scenes.people import Cast
from tests.support.stage import Stage
from tests.support.walked import DEEP, EVERY_CELL, walked
from ui.access.extents import extents
from ui.access.view import access_card
from ui.i18n import Texts

bare_scene, pve = stage.bare_scene, stage.pve

ME, EVERYWHERE, NARROWED = 42, 1, 2
T = Texts("en").of("en")


def guest(vmid: int, *tags: str, node: str = "pve1", pool: str | None = None) -> Guest:
    return Guest(vmid, Kind.QEMU, node, State.RUNNING, f"guest{vmid}", tags=tags, pool=pool)


GUESTS = (
    guest(101, "web"),
    guest(102),
    guest(103, "web", "protected"),
    guest(104, f"owner-{ME}"),
    guest(105, f"owner-{ME}", "protected"),
    guest(106, "web", f"owner-{ME}"),
    guest(107, node="pve2", pool="lab/web"),
    guest(108),  # protected by the settings
    Guest(109, Kind.LXC, "pve1", State.STOPPED, "guest109", tags=("web", f"owner-{ME}")),
    Guest(900, Kind.QEMU, "pve2", State.STOPPED, "guest900", template=True),
)
CLUSTER = Cluster(GUESTS, (), 0.0)
SCOPES: dict[str, tuple[Scope, ...]] = {
    "tag": (Scope(ScopeKind.TAG, "web"),),
    "pool": (Scope(ScopeKind.POOL, "lab"),),
    "node": (Scope(ScopeKind.NODE, "pve2"),),
    "vmid": (Scope(ScopeKind.VMID, "102"), Scope(ScopeKind.VMID, "103")),
    "none fits": (Scope(ScopeKind.TAG, "nothing"),),
}


def cells() -> Iterator[tuple[Level, Level, str, bool, bool, bool]]:
    """Yield the cells: the person, whether there are guests that nobody reaches, and read-only mode.

    The last two take turns: each level and each scope meets all four combinations, and an owner meets the opposite of
    somebody who owns nothing. Without `--deep` owners take turns, too. `make access` tries everything.
    """
    turns = list(product((True, False), repeat=2))
    for everywhere, narrowed, (at, scope), owner in product(Level, Level, enumerate(SCOPES), (True, False)):
        if not DEEP and owner is not bool((everywhere + at) % 2):
            continue
        turn = (everywhere + narrowed + at) % 4
        some = [turns[turn if owner else 3 - turn]]
        for strict, held in turns if EVERY_CELL else some:
            yield everywhere, narrowed, scope, owner, strict, held


@walked(("everywhere", "narrowed", "scope", "owner", "strict", "held"), cells())
def test_every_cell_matches_the_gate(
    everywhere: Level, narrowed: Level, scope: str, owner: bool, strict: bool, held: bool
) -> None:
    levels = {EVERYWHERE: everywhere, NARROWED: narrowed}
    rules = AccessRules(
        1, 2, levels={r: lv for r, lv in levels.items() if lv} or {9: Level.ADMIN},
        scopes={NARROWED: SCOPES[scope]}, protected=frozenset({108}),
    )  # fmt: skip
    actor = Actor(ME if owner else 7, "x", Place(1, 2), frozenset({EVERYWHERE, NARROWED}))
    agree(rules, actor, Cluster(GUESTS if strict else GUESTS[:3], (), 0.0), held=held)


@pytest.mark.parametrize("held", [True, False])
def test_without_roles_every_cell_agrees_with_the_gate(held: bool) -> None:
    agree(AccessRules(1, 2, protected=frozenset({108})), Actor(7, "x", Place(1, 2)), CLUSTER, held=held)


def agree(rules: AccessRules, actor: Actor, cluster: Cluster, *, held: bool) -> None:
    """Check every operation without a guest, and with each guest that the person may see. `held`: read-only."""
    read_only = ReadOnly("akiko", 0.0, 1) if held else None
    authorizer = Authorizer(
        rules,
        cast(ClusterCache, SimpleNamespace(last=cluster)),
        cast(ReadOnlySwitch, SimpleNamespace(refusal=read_only)),
    )

    def allows(operation: Operation, guest: Guest | None = None) -> bool:
        told = decide(rules, actor, operation, guest, guests=cluster.guests, read_only=read_only)
        return told is None

    text = text_of(access_card(T, authorizer, actor, None, None, cluster))
    cells = told_access(text)
    if set(cells) == {Operation.ACCESS}:  # a person without a level and guests reads the reason alone
        assert not [each for each in Operation if allows(each) and each is not Operation.ACCESS]
        assert not [
            (each, guest.vmid) for each in Operation for guest in cluster.guests if allows(each, guest)
        ]
        return
    assert set(cells) == set(Operation)
    found = extents(authorizer, actor, cluster, Operation)
    seen = [each for each in cluster.guests if decide(rules, actor, Operation.INFO, each) is None]
    hidden = {each.vmid for each in cluster.guests} - {each.vmid for each in seen}
    assert not hidden & named_in(text), "names of hidden guests never leak"
    for operation in Operation:
        told = cells[operation]
        if OPERATIONS[operation].reach is not Reach.GUEST:
            assert told.allowed is allows(operation), operation
            continue
        having = [each for each in seen if has(operation, each)]
        on = {each.vmid for each in having if allows(operation, each)}
        off = {each.vmid for each in having} - on
        assert (
            {each.vmid for each in found[operation].on},
            {each.vmid for each in found[operation].off},
        ) == ((on, off)), operation
        nothing_to_try = not having and not hidden and allows(operation)
        assert told.allowed is (bool(on) or nothing_to_try), (operation, text)
        if told.allowed and (off or hidden):
            assert named_in(told.head) == (on if "Only for" in told.head else off), (operation, text)
        elif told.allowed:
            assert told.head == "**Allowed**"
    for one in seen:
        cells = told_access(text_of(access_card(T, authorizer, actor, one, None, cluster)))
        assert set(cells) == {each for each in Operation if OPERATIONS[each].reach is Reach.GUEST}
        for operation, told in cells.items():
            assert told.allowed is (allows(operation, one) and has(operation, one)), (operation, one.vmid)


def has(operation: Operation, guest: Guest) -> bool:
    """Return whether the operation exists for the guest at all."""
    if guest.template:
        kinds = (Effect.NOTHING, Effect.WORDS)
        also = (Operation.CREATE, Operation.DELETE, Operation.MONITOR_REMOVE)
        return OPERATIONS[operation].effect in kinds or operation in also
    if operation in ACTION:
        return guest.kind in ACTION[operation].tasks and operation is not Operation.CREATE
    return True


def named_in(text: str) -> set[int]:
    return {int(vmid) for vmid in re.findall(r"\*\*(\d+)\*\*", text)}


def text_of(view: object) -> str:
    from discord import ui  # noqa: PLC0415 - the one place that looks into a view

    assert isinstance(view, ui.LayoutView)
    return "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))


async def test_an_owner_reads_for_which_guest_a_tick_applies(bare_scene: Stage, pve: Pve) -> None:
    """The person is a viewer who owns one guest: an operator there, and nowhere else."""
    scene, cast_ = bare_scene, Cast(bare_scene)
    viewer = cast_["viewer"]
    pve.guest(104).config["tags"] = f"owner-{viewer.id}"
    await scene.start_bot(**cast_.settings)
    text = (await scene.say(viewer, "access")).text
    cells = told_access(text)
    assert cells[Operation.START] == Told(True, "Only for **104** `palworld`")
    assert "You are a viewer. As owner you may also control the power of **104** `palworld`.\n" in text
    assert cells[Operation.STOP] == Told(False, "**Needs the “admin” level**")
    text = (await scene.say(viewer, "access", vmid=101)).text
    assert "You are a viewer of this guest." in text
    assert "operator" not in text.split("✅")[0]


async def test_access_says_that_a_role_does_not_reach_the_guest(bare_scene: Stage) -> None:
    scene, cast_ = bare_scene, Cast(bare_scene)
    both = scene.server.person(
        scene.guild,
        "both",
        display="Both",
        locale="en-US",
        roles=[cast_.roles["viewer"], cast_.roles["game"]],
    )
    await scene.start_bot(**cast_.settings)
    text = (await scene.say(both, "access", vmid=101)).text
    assert "You are a viewer of this guest." in text
    assert "admin · only `tag:game` · does not apply to this guest" in text


async def test_a_refusal_without_a_guest_does_not_say_one_level_for_all(bare_scene: Stage, pve: Pve) -> None:
    """The same viewer at `/stop` is refused before any guest is looked at, also while typing."""
    scene, cast_ = bare_scene, Cast(bare_scene)
    viewer = cast_["viewer"]
    pve.guest(104).config["tags"] = f"owner-{viewer.id}"
    await scene.start_bot(**cast_.settings)
    mixed = "You need the “admin” level; yours is “operator” for some guests and “viewer” for the others."
    assert (await scene.say(viewer, "stop", vmid=101)).text == mixed
    assert await scene.choices(viewer, "stop", "vmid") == ["⛔ Needs the “admin” level"], "short, for a phone"
    refused = await scene.say(viewer, "start", vmid=101)
    assert "yours is “viewer”" in refused.text


async def test_an_operator_reads_how_long_a_protected_guest_may_be_muted(bare_scene: Stage, pve: Pve) -> None:
    scene, cast_ = bare_scene, Cast(bare_scene)
    pve.guest(104).config["tags"] = "protected"
    await scene.start_bot(**cast_.settings)
    told = "`/monitor mute` of a protected guest: at most 8 h"
    for vmid, brief in ((104, True), (101, False), (None, True)):
        options = {} if vmid is None else {"vmid": vmid}
        assert (told in (await scene.say(cast_["operator"], "access", **options)).text) is brief
        for other in ("admin", "viewer"):
            assert told not in (await scene.say(cast_[other], "access", **options)).text


async def test_access_does_not_say_that_a_template_can_be_watched(bare_scene: Stage) -> None:
    scene, cast_ = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast_.settings)
    cells = told_access((await scene.say(cast_["admin"], "access", vmid=9000)).text)
    assert not cells[Operation.MONITOR_ADD].allowed
    assert cells[Operation.MONITOR_REMOVE].allowed
