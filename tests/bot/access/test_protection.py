"""Test protected guests: who may do risky operations, what has to be typed, and what is recorded."""

import asyncio
from typing import Any

import pytest

from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.errors import NameMismatch, NoReason, NotAllowed, Unconfirmed
from core.guest_errors import GuestProtected
from core.levels import Level
from playground.discord.people import Person, PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import ACTING, COMMAND, level_of
from tests.support.scenes.people import Cast
from tests.support.scenes.walked_anew import KeptCluster, begin_anew, walked_anew
from tests.support.stage import Stage, post_of
from tests.support.walked import naming
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
REASON = {"name": "web01", "reason": "kernel update"}
GUARDED: list[tuple[str, dict[str, Any], str]] = [
    (command.word, {**command.example, "vmid": 101}, f"/qemu/101/{command.action.request}".rstrip("/"))
    for command in ACTING
    if command.guarded and command.action
]
WAYS = ("setting", "tag", "flag")
EACH_IN_TURN = [(WAYS[at % len(WAYS)], *row) for at, row in enumerate(GUARDED)]
DELETE_BY_FLAG = [("flag", *row) for row in GUARDED if row[0] == "delete"]
"""Proxmox itself would refuse it."""


def protect(pve: Pve, how: str) -> dict[str, str]:
    """Protect web01 in one of the three ways and return the settings for it. For /delete also stop it."""
    if how == "tag":
        pve.vm(101).config["tags"] = "prod;protected"
    elif how == "flag":
        pve.vm(101).config["protection"] = 1
    return {"PROTECTED_VM_IDS": "101"} if how == "setting" else {}


async def asked(
    scene: Stage, person: Person, command: str, options: dict[str, Any]
) -> tuple[PressResult, PressResult]:
    """Run the command and press its red button. Return the question and the form."""
    question = await scene.say(person, command, **options)
    form = await scene.press(person, question, post_of(question).buttons[0].custom_id or "")
    assert form.form is not None
    return question, form


def last(scene: Stage, steps: int = 1) -> list[AuditRecord]:
    return [each.record for each in rows_of(scene.site.journal).audit_page(AuditFilter(), 0, steps)[0]]


@pytest.mark.parametrize("ways", [("setting",), ("tag", "flag")], ids=", ".join)
async def test_name_and_reason_are_asked_for_and_kept(
    bare_scene: Stage, pve: Pve, ways: tuple[str, ...]
) -> None:
    rows = EACH_IN_TURN + [row for row in DELETE_BY_FLAG if row not in EACH_IN_TURN]
    await bare_scene.start_bot(**protect(pve, ways[0]) if ways == ("setting",) else {})
    kept = KeptCluster(pve)
    for row in rows:
        if row[0] in ways:
            with naming(row):
                await begin_anew(bare_scene, kept)
                await asked_for_and_kept(bare_scene, pve, *row)


async def asked_for_and_kept(
    scene: Stage, pve: Pve, how: str, command: str, options: dict[str, Any], path: str
) -> None:
    protect(pve, how)
    if command == "delete":
        pve.crash(101)
    if command == "delete" and how == "flag":  # Proxmox itself would refuse
        reply = await scene.say(scene.emma, command, **options)
        scene.assert_refused(reply, scene.emma, GuestProtected(101, "web01"))
        return
    question, form = await asked(scene, scene.emma, command, options)
    assert "This guest is protected. Enter its name and a reason." in question.text
    assert scene.changes() == []
    assert [field.custom_id for field in form.form.fields] == ["name", "reason"]  # type: ignore[union-attr]  # seen above
    await scene.submit(scene.emma, form, REASON)
    assert [sent.removeprefix("/nodes/pve1") for _, sent, _ in scene.changes()] == [path]
    (record,) = last(scene)
    assert (record.step, record.reason) == (AuditStep.ENDED, "kernel update")


@walked_anew(("command", "options", "path"), GUARDED)
async def test_without_protection_it_is_as_before(
    scene: Stage,
    command: str,
    options: dict[str, Any],
    path: str,  # noqa: ARG001  # the table has it
) -> None:
    reply = await scene.say(scene.emma, command, **options)
    assert "protected" not in reply.text
    action = COMMAND[command].action
    assert action is not None
    assert bool(scene.changes()) is not action.asks


@BOTH
async def test_the_wrong_name_does_nothing_and_can_be_tried_again(
    bare_scene: Stage, pve: Pve, language: str
) -> None:
    scene = bare_scene
    await scene.start_bot(LANGUAGE=language, PROTECTED_VM_IDS="101")
    question, form = await asked(scene, scene.akiko, "stop", {"vmid": 101})
    for typed in (" ", "web", "WEB01", "101", "web01 web01"):
        reply = await scene.submit(scene.akiko, form, {"name": typed, "reason": "x"})
        scene.assert_refused(reply, scene.akiko, NameMismatch(101, "web01"))
        assert scene.changes() == []
        assert last(scene)[0].step is AuditStep.REFUSED
        form = await scene.press(scene.akiko, question, post_of(question).buttons[0].custom_id or "")
    again = await scene.press(scene.akiko, question, post_of(question).buttons[0].custom_id or "")
    await scene.submit(scene.akiko, again, {"name": " web01 ", "reason": "x"})
    assert pve.vm(101).status == "stopped"


@pytest.mark.parametrize("reason", ["   ", "\u200b\u3164\n", "\u202e"])
async def test_an_empty_reason_counts_as_none(bare_scene: Stage, reason: str) -> None:
    scene = bare_scene
    await scene.start_bot(PROTECTED_VM_IDS="101")
    _, form = await asked(scene, scene.emma, "stop", {"vmid": 101})
    reply = await scene.submit(scene.emma, form, {"name": "web01", "reason": reason})
    scene.assert_refused(reply, scene.emma, NoReason())
    assert scene.changes() == []


async def test_an_operator_may_not_even_with_the_name(bare_scene: Stage) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings, PROTECTED_VM_IDS="101")
    for command, options, _ in GUARDED:
        reply = await scene.say(cast["operator"], command, **options)
        error = NotAllowed(Level.ADMIN, Level.OPERATOR, protected=level_of(command) is Level.OPERATOR)
        scene.assert_refused(reply, cast["operator"], error)
    assert "protected" in scene.told(
        cast["operator"], NotAllowed(Level.ADMIN, Level.OPERATOR, protected=True)
    )
    await scene.say(cast["operator"], "snapshot create", vmid=101, name="fine")
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve1/qemu/101/snapshot"]


@pytest.mark.parametrize(("how", "button"), [("setting", "Reboot"), ("tag", "Shutdown"), ("flag", "Reboot")])
async def test_a_panels_refused_button_says_what_to_do(
    bare_scene: Stage, pve: Pve, how: str, button: str
) -> None:
    """This includes a button that was shown before the guest was protected."""
    scene = bare_scene
    await scene.start_bot(**protect(pve, how))
    panel = await scene.say(scene.emma, "info", vmid=101)
    assert "**Protection** on" in panel.text
    reply = await scene.press(scene.emma, panel, button)
    scene.assert_pressed_in_vain(reply, scene.emma, Unconfirmed(101, "web01", button.lower()))
    assert scene.changes() == []
    assert last(scene)[0].step is AuditStep.REFUSED


async def test_protected_after_the_question_was_shown(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.vm(101).config["protection"] = 1
    reply = await scene.press(scene.emma, question, "Force-stop web01")
    assert scene.told(scene.emma, Unconfirmed(101, "web01", "stop")) in reply.text
    assert scene.changes() == []
    assert pve.vm(101).status == "running"


async def test_two_forms_of_one_question_count_once(bare_scene: Stage) -> None:
    scene = bare_scene
    await scene.start_bot(PROTECTED_VM_IDS="101")
    question, form = await asked(scene, scene.emma, "reboot", {"vmid": 101})
    second = await scene.press(scene.emma, question, post_of(question).buttons[0].custom_id or "")
    await scene.whole(
        asyncio.gather(*(scene.server.submit(scene.emma, each, REASON) for each in (form, second)))
    )
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve1/qemu/101/status/reboot"]


async def test_the_reason_cannot_mention_or_format(bare_scene: Stage) -> None:
    scene = bare_scene
    await scene.start_bot(PROTECTED_VM_IDS="101")
    _, form = await asked(scene, scene.emma, "stop", {"vmid": 101})
    await scene.submit(scene.emma, form, {"name": "web01", "reason": "a\n\u202eb  " + "x" * 190})
    (record,) = last(scene)
    assert record.reason == "a b " + "x" * 190
