"""Test that /access agrees with the gate for every operation, level, scope, owner and guest."""

from itertools import product
from types import SimpleNamespace
from typing import cast

import pytest

from core.access.authorizer import Authorizer
from core.access.policy import AccessRules, Actor, Place, Scope, ScopeKind, decide
from core.access.read_only import ReadOnlySwitch
from core.cluster_cache import ClusterCache
from core.guest import Cluster, Guest, Kind, State
from core.levels import Level, Reach
from core.operations import OPERATIONS, Operation
from playground.pve.server import Pve
from tests.bot.access.test_levels import Cast
from tests.support import stage
from tests.support.stage import Stage
from ui.access.view import access_card, extents
from ui.i18n import Texts
from ui.messages.operations import operation_command

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
)
SCOPES: dict[str, tuple[Scope, ...]] = {
    "tag": (Scope(ScopeKind.TAG, "web"),),
    "pool": (Scope(ScopeKind.POOL, "lab"),),
    "node": (Scope(ScopeKind.NODE, "pve2"),),
    "vmid": (Scope(ScopeKind.VMID, "102"), Scope(ScopeKind.VMID, "103")),
    "none fits": (Scope(ScopeKind.TAG, "nothing"),),
}


def shown(text: str) -> dict[str, tuple[str, str]]:
    """Return, by command, its sign and the small print below it."""
    found, lines = {}, text.splitlines()
    for number, line in enumerate(lines):
        if line[:1] in "✅❌":
            small = lines[number + 1] if number + 1 < len(lines) else ""
            for command in line.split("`")[1::2]:
                found[command] = line[0], small if small.startswith("-# ") else ""
    return found


@pytest.mark.parametrize(
    ("everywhere", "narrowed", "scope", "owner", "strict"),
    list(product(Level, Level, SCOPES, (True, False), (True, False))),
)
def test_every_cell_is_what_the_gate_says(
    everywhere: Level, narrowed: Level, scope: str, owner: bool, strict: bool
) -> None:
    levels = {EVERYWHERE: everywhere, NARROWED: narrowed}
    rules = AccessRules(
        1, 2, levels={r: lv for r, lv in levels.items() if lv} or {9: Level.ADMIN},
        scopes={NARROWED: SCOPES[scope]}, protected=frozenset({108}),
    )  # fmt: skip
    actor = Actor(ME if owner else 7, "x", Place(1, 2), frozenset({EVERYWHERE, NARROWED}))
    cluster = Cluster(GUESTS if strict else GUESTS[:3], (), 0.0)
    authorizer = Authorizer(
        rules,
        cast(ClusterCache, SimpleNamespace(last=cluster)),
        cast(ReadOnlySwitch, SimpleNamespace(refusal=None)),
    )
    text = text_of(access_card(T, authorizer, actor, None, None, cluster))
    cells = shown(text)
    found = extents(authorizer, actor, cluster, Operation)
    for operation in Operation:
        asked = decide(rules, actor, operation, guests=cluster.guests)
        sign, small = cells[operation_command(T, operation)]
        if OPERATIONS[operation].reach is not Reach.GUEST:
            assert (sign == "✅") is (asked is None), operation
            continue
        on = {each.vmid for each in cluster.guests if decide(rules, actor, operation, each) is None}
        assert {each.vmid for each in found[operation].on} == on, operation
        assert (sign == "✅") is bool(on), (operation, text)
        hidden = {each.vmid for each in cluster.guests if decide(rules, actor, Operation.INFO, each)}
        named = {each.vmid for each in cluster.guests if f"**{each.vmid}**" in small}
        assert not named & hidden, "names of hidden guests never leak"
        if sign == "✅" and on != {each.vmid for each in cluster.guests}:
            off = {each.vmid for each in cluster.guests} - hidden - on
            assert small.startswith(("-# only for ", "-# except ")), (operation, text)
            assert named == (on if "only for" in small else off), (operation, text)
    for one in cluster.guests:
        if decide(rules, actor, Operation.INFO, one) is not None:
            continue
        cells = shown(text_of(access_card(T, authorizer, actor, one, None, cluster)))
        for operation in Operation:
            if OPERATIONS[operation].reach is Reach.GUEST and operation is not Operation.CREATE:
                allowed = decide(rules, actor, operation, one) is None
                assert (cells[operation_command(T, operation)][0] == "✅") is allowed, (operation, one.vmid)


def text_of(view: object) -> str:
    from discord import ui  # noqa: PLC0415 - the one place that looks into a view

    assert isinstance(view, ui.LayoutView)
    return "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))


async def test_an_owner_reads_for_which_guest_a_tick_holds(bare_scene: Stage, pve: Pve) -> None:
    """The person is a viewer who owns one guest: an operator there, and nowhere else."""
    scene, cast_ = bare_scene, Cast(bare_scene)
    viewer = cast_["viewer"]
    pve.guest(104).config["tags"] = f"owner-{viewer.id}"
    await scene.start_bot(**cast_.settings)
    text = (await scene.say(viewer, "access")).text
    cells = shown(text)
    assert cells["/start"] == ("✅", "-# only for **104** `palworld`")
    assert "owner of **104** `palworld`: operator" in text
    assert "yours is “operator” for some guests and “viewer” for the others." in cells["/stop"][1]
    text = (await scene.say(viewer, "access", vmid=101)).text
    assert "Your level on this guest: viewer" in text
    assert "operator" not in text.split("✅")[0]


async def test_a_role_that_does_not_reach_the_guest_is_said_not_to(bare_scene: Stage) -> None:
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
    assert "Your level on this guest: viewer" in text
    assert "admin · only `tag:game` · does not apply to this guest" in text


async def test_a_refusal_without_a_guest_does_not_say_one_level_for_all(bare_scene: Stage, pve: Pve) -> None:
    """The same viewer at `/stop` is refused before any guest is looked at, also while typing."""
    scene, cast_ = bare_scene, Cast(bare_scene)
    viewer = cast_["viewer"]
    pve.guest(104).config["tags"] = f"owner-{viewer.id}"
    await scene.start_bot(**cast_.settings)
    mixed = "You need the “admin” level; yours is “operator” for some guests and “viewer” for the others."
    assert (await scene.say(viewer, "stop", vmid=101)).text == mixed
    assert await scene.choices(viewer, "stop", "vmid") == [f"⛔ {mixed}"]
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


async def test_a_template_is_not_said_to_be_watched(bare_scene: Stage) -> None:
    scene, cast_ = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast_.settings)
    cells = shown((await scene.say(cast_["admin"], "access", vmid=9000)).text)
    assert cells["/monitor add"][0] == "❌"
    assert cells["/monitor remove"][0] == "✅"
