"""Test the three calls of the access decision: in the gate, in every button and form, and in the action itself.

Each of the three is enough: nothing gets through if the other two allow everything. The probes would notice a
gap: everything gets through if all three allow everything.
"""

import ast
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core.access.authorizer import Authorizer, Check, allow_anyone
from core.access.rows import Rows
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import Refused
from core.guest import Cluster
from core.levels import Effect
from core.operations import OPERATIONS, Operation
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.project.test_architecture import MODULES
from tests.support import stage
from tests.support.catalogue import EVERY_COMMAND
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of
from ui.interaction.services import Site

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
cast = people.cast

GATE, VIEW, ACTION = "the gate", "the button or form", "the action"


class Yes(Authorizer):
    """Allow everybody everything."""

    def refusal(self, *_: object, **__: object) -> Refused | None:
        return None

    def check_for(self, *_: object) -> Check:
        return allow_anyone


async def passes(*_: object) -> bool:
    return True


def nothing(*_: object, **__: object) -> None:
    return None


def everybody_is_offered_everything(_interaction: object, site: Site, cluster: Cluster) -> Rows:
    return site.authorizer.guest_index(cluster).table.everyone


def take_away(patch: pytest.MonkeyPatch, scene: Stage, call: str) -> None:
    """Let this call of the decision allow everybody everything."""
    authorizer = scene.site.authorizer
    match call:
        case "the gate":
            patch.setattr("ui.interaction.gate.GatedTree.interaction_check", passes)
        case "the button or form":
            for name in (
                "cogs.buttons.refusal_of",
                "ui.guests.confirm.refusal_of",
                "ui.guests.confirm.authorize",
            ):
                patch.setattr(name, nothing)
        case "the action":
            yes = Yes(authorizer.rules, scene.site.cluster_cache, authorizer.read_only)
            for planner in (scene.site.planner, scene.site.executor._planner):
                patch.setattr(planner, "_authorizer", yes)
            patch.setattr("ui.interaction.attempt.Attempt.authorize", nothing)
            patch.setattr("ui.interaction.attempt.Attempt.check", property(lambda _: allow_anyone))
            patch.setattr("ui.options.completions.refusal_of", nothing)
            for place in ("ui.options.completions", "ui.options.guest"):
                patch.setattr(f"{place}.offered_on", everybody_is_offered_everything)


@dataclass(frozen=True)
class Probe:
    """Describe a forbidden attempt.

    `ready`: prepares it and returns a function that makes it.
    `done`: whether it got through.
    """

    calls: tuple[str, ...]
    ready: Callable[[Stage, Cast], Awaitable[Callable[[], Awaitable[Any]]]]
    done: Callable[[Stage], object]


def command(name: str, word: str, **options: Any) -> Callable[[Stage, Cast], Awaitable[Any]]:
    async def ready(scene: Stage, cast: Cast) -> Callable[[], Awaitable[PressResult]]:
        return lambda: scene.say(cast[name], word, **options)

    return ready


async def completion(scene: Stage, cast: Cast) -> Callable[[], Awaitable[Any]]:
    async def complete() -> None:
        found = await scene.choices(cast["nobody"], "info", "vmid")
        scene.offered = [each for each in found if not each.startswith("⛔")]  # type: ignore[attr-defined]  # kept for `done`

    return complete


async def panel(scene: Stage, cast: Cast) -> Callable[[], Awaitable[PressResult]]:
    shown = await scene.say(cast["admin"], "info", vmid=104)
    return lambda: scene.press(cast["viewer"], shown, "Start")


async def alert(scene: Stage, cast: Cast) -> Callable[[], Awaitable[PressResult]]:
    await scene.say(cast["admin"], "monitor add", vmid=101)
    await scene.poll()
    scene.pve.crash(101)
    await scene.poll()
    await scene.delivered()
    post = scene.server.messages(scene.alerts)[-1]
    mute = next(str(one.custom_id) for one in post.buttons if ":mute1:" in str(one.custom_id))
    return lambda: scene.press(cast["viewer"], post, mute)


async def question(scene: Stage, cast: Cast) -> Callable[[], Awaitable[PressResult]]:
    asked = await scene.say(cast["game"], "stop", vmid=103)
    scene.server.take_role(cast["game"], cast.roles["game"])
    return lambda: scene.press(cast["game"], asked, "Force-stop minecraft")


async def form(scene: Stage, cast: Cast) -> Callable[[], Awaitable[PressResult]]:
    asked = await scene.say(cast["game"], "delete", vmid=104)
    shown = await scene.press(cast["game"], asked, "Delete palworld…")
    scene.server.take_role(cast["game"], cast.roles["game"])
    return lambda: scene.submit(cast["game"], shown, "palworld")


def sent(scene: Stage) -> object:
    return scene.changes()


PROBES = {
    "a command": Probe((GATE, ACTION), command("viewer", "start", vmid=104), sent),
    "a command that asks": Probe(
        (GATE, ACTION), command("operator", "stop", vmid=101), lambda scene: scene.services.questions._open
    ),
    "a command of a hidden guest": Probe((ACTION,), command("game", "start", vmid=205), sent),
    "the watch list": Probe(
        (GATE, ACTION), command("viewer", "monitor add", vmid=104), lambda scene: scene.site.watch.entries
    ),
    "a mute": Probe(
        (GATE, ACTION),
        command("viewer", "monitor mute", target="all", duration="1h"),
        lambda scene: scene.site.watch.alerts.mutes(),
    ),
    "the switch": Probe(
        (GATE, ACTION),
        command("game", "readonly on"),
        lambda scene: scene.site.authorizer.read_only.refusal,
    ),
    "a completion": Probe((GATE, ACTION), completion, lambda scene: getattr(scene, "offered", [])),
    "a panel": Probe((VIEW, ACTION), panel, sent),
    "an alert": Probe((VIEW, ACTION), alert, lambda scene: scene.site.watch.alerts.mutes()),
    "a question": Probe((VIEW, ACTION), question, sent),
    "a form": Probe((VIEW, ACTION), form, sent),
}


@walked_anew(("name", "left"), [(name, call) for name, probe in PROBES.items() for call in probe.calls])
async def test_each_call_is_enough(bare_scene: Stage, cast: Cast, name: str, left: str) -> None:
    scene, probe = bare_scene, PROBES[name]
    do = await probe.ready(scene, cast)
    before = scene.cluster()
    with pytest.MonkeyPatch.context() as patch:
        for call in {GATE, VIEW, ACTION} - {left}:
            take_away(patch, scene, call)
        reply = await do()
    assert not probe.done(scene)
    assert scene.cluster() == before
    assert scene.changes() == []
    if isinstance(reply, PressResult):
        assert (reply.followups or [post_of(reply)])[-1].ephemeral
        (last,) = (await scene.site.journal.audit_page(AuditFilter(), 0, 1))[0]
        assert last.record.step is AuditStep.REFUSED
    scene.server.give_role(cast["game"], cast.roles["game"])


@walked_anew("name", PROBES)
async def test_without_all_of_them_it_gets_through(bare_scene: Stage, cast: Cast, name: str) -> None:
    scene, probe = bare_scene, PROBES[name]
    do = await probe.ready(scene, cast)
    with pytest.MonkeyPatch.context() as patch:
        for call in (GATE, VIEW, ACTION):
            take_away(patch, scene, call)
        await do()
    assert probe.done(scene)
    scene.server.give_role(cast["game"], cast.roles["game"])


async def test_without_the_gate_every_command_is_held_to_the_rules_by_what_it_does(
    bare_scene: Stage, cast: Cast, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No change is made, and no guest is revealed."""
    scene, names = bare_scene, {guest.name for guest in [*pve.vms, *pve.cts]}
    take_away(monkeypatch, scene, GATE)
    before, changing = scene.cluster(), 0
    for word, options in EVERY_COMMAND:
        reply = await scene.say(cast["nobody"], word, **options)
        assert not [name for name in names if name in reply.text], word
        if OPERATIONS[Operation(word.replace(" ", "_"))].effect is not Effect.NOTHING:
            changing += 1
            assert reply.ephemeral, word
            assert not post_of(reply).buttons, word
            (last,) = (await scene.site.journal.audit_page(AuditFilter(), 0, 1))[0]
            assert last.record.step is AuditStep.REFUSED, word
    assert changing >= 17
    assert scene.cluster() == before
    assert scene.changes() == []
    assert scene.site.watch.entries == ()
    assert scene.site.watch.alerts.mutes() == ()
    assert scene.site.authorizer.read_only.refusal is None
    assert scene.alerts_told() == []


def test_there_is_no_other_way_in() -> None:
    """Commands go through the tree with the gate, and forms through the bot itself.

    Buttons and menus go through the two classes that call cogs/buttons.py.
    """
    trees, callbacks, forms = [], [], []
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "tree_cls":
                trees.append(ast.unparse(node.value))
            if isinstance(node, ast.AsyncFunctionDef) and node.name in ("callback", "on_submit"):
                callbacks.append((module.name, node.name, ast.unparse(node.body[-1])))
            if isinstance(node, ast.Attribute) and node.attr == "modal_submit":
                forms.append(module.name)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                decorators = [ast.unparse(each) for each in node.decorator_list]
                assert not [each for each in decorators if "ui.button" in each or "ui.select" in each], (
                    module.name
                )
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                assert node.attr != "callback", module.name
    assert trees == ["GatedTree"]
    press = "await services_of(interaction).press(interaction, self.custom_id)"
    choose = "await services_of(interaction).press(interaction, choice_id(self.custom_id, self.item.values))"
    submit = "await run_guarded(interaction, work)"
    assert callbacks == [
        ("ui/guests/confirm.py", "on_submit", submit),
        ("ui/interaction/buttons.py", "callback", press),
        ("ui/interaction/selects.py", "callback", choose),
    ]
    assert sorted(set(forms)) == ["bot.py", "ui/interaction/context.py"]
