"""Test that silencing a protected guest needs the same as rebooting it: a long mute, or removal from the list."""

from typing import Any

import pytest

from core.audit.store import AuditFilter
from core.errors import NameMismatch, NoReason, NotAllowed, Unconfirmed
from core.levels import Level
from playground.pve.server import Pve
from tests.bot.access.test_protection import protect
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

HOWS = pytest.mark.parametrize("how", ["setting", "tag", "flag"])
LONG: dict[str, Any] = {"target": "guest/101", "duration": "9h"}
SILENCES: list[tuple[str, dict[str, Any]]] = [("monitor mute", LONG), ("monitor remove", {"vmid": 101})]
EVERY = pytest.mark.parametrize(("command", "options"), SILENCES, ids=["mute", "remove"])


async def watched(scene: Stage, pve: Pve, how: str) -> Cast:
    """Protect web01 and put it on the watch list."""
    cast = Cast(scene)
    await scene.start_bot(**cast.settings, **protect(pve, how))
    await scene.say(cast["admin"], "monitor add", vmid=101)
    return cast


def silent(scene: Stage) -> bool:
    return bool(scene.site.watch.alerts.mutes()) or scene.site.watch.find(101) is None


@EVERY
@HOWS
async def test_an_admin_gives_its_name_and_a_reason(
    bare_scene: Stage, pve: Pve, how: str, command: str, options: dict[str, Any]
) -> None:
    scene, cast = bare_scene, await watched(bare_scene, pve, how)
    admin, word = cast["admin"], command.replace(" ", "_")
    for given, error in (
        ({}, Unconfirmed(101, "web01", word)),
        ({"reason": "move"}, Unconfirmed(101, "web01", word)),
        ({"confirm": "web02", "reason": "move"}, NameMismatch(101, "web01")),
        ({"confirm": "web01"}, NoReason()),
        ({"confirm": "web01", "reason": " \u200b"}, NoReason()),
    ):
        scene.assert_refused(await scene.say(admin, command, **options, **given), admin, error)
        assert not silent(scene)
    await scene.say(admin, command, **options, confirm=" web01 ", reason="move to pve2")
    assert silent(scene)
    record = (await scene.site.journal.audit_page(AuditFilter(), 0, 1))[0][0].record
    assert (record.operation, record.reason) == (word, "move to pve2")


@HOWS
async def test_an_operator_mutes_it_for_eight_hours_at_most(bare_scene: Stage, pve: Pve, how: str) -> None:
    scene, cast = bare_scene, await watched(bare_scene, pve, how)
    operator = cast["operator"]
    refused = await scene.say(operator, "monitor mute", **LONG, confirm="web01", reason="move")
    scene.assert_refused(refused, operator, NotAllowed(Level.ADMIN, Level.OPERATOR, protected=True))
    assert not silent(scene)
    await scene.say(operator, "monitor mute", target="guest/101", duration="8h")
    assert silent(scene)


@pytest.mark.parametrize("target", ["all", "node/pve1"])
async def test_guarded_operations_need_an_admin_and_a_reason(
    bare_scene: Stage, pve: Pve, target: str
) -> None:
    scene, cast = bare_scene, await watched(bare_scene, pve, "tag")
    await scene.poll()
    admin, operator = cast["admin"], cast["operator"]
    long = {"target": target, "duration": "7d"}
    refused = await scene.say(operator, "monitor mute", **long, reason="x")
    scene.assert_refused(refused, operator, NotAllowed(Level.ADMIN, Level.OPERATOR, protected=True))
    scene.assert_refused(await scene.say(admin, "monitor mute", **long), admin, NoReason())
    assert not silent(scene)
    await scene.say(admin, "monitor mute", **long, reason="power cut")
    assert silent(scene)


async def test_targets_without_protected_guests_need_no_admin(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, await watched(bare_scene, pve, "tag")
    await scene.poll()
    await scene.say(cast["operator"], "monitor mute", target="node/pve2", duration="7d")
    await scene.say(cast["admin"], "monitor add", vmid=105)
    await scene.say(cast["operator"], "monitor mute", target="guest/105", duration="30d")
    assert {mute.target for mute in scene.site.watch.alerts.mutes()} == {"node/pve2", "guest/105"}
    await scene.say(cast["admin"], "monitor remove", vmid=105)
    assert scene.site.watch.find(105) is None


async def test_an_operator_cannot_mute_a_guest_of_unknown_protection_for_long(
    bare_scene: Stage, pve: Pve
) -> None:
    """The node does not return the flag just now.

    For an operator it counts as set; for an admin it does not matter.
    """
    scene, cast = bare_scene, await watched(bare_scene, pve, "flag")
    pve.fail("GET", "/qemu/101/config", 595, "No route to host")
    pve.fail("GET", "/qemu/101/config", 595, "No route to host")
    refused = await scene.say(cast["operator"], "monitor mute", **LONG)
    assert refused.ephemeral
    assert not silent(scene)
    await scene.say(cast["operator"], "monitor mute", target="guest/101", duration="8h")
    assert silent(scene)
    await scene.say(cast["operator"], "monitor unmute", target="guest/101")
    pve.fail("GET", "/qemu/101/config", 595, "No route to host")
    pve.fail("GET", "/qemu/101/config", 595, "No route to host")
    await scene.say(cast["admin"], "monitor mute", **LONG)
    assert silent(scene)


@EVERY
async def test_a_tag_that_was_just_set_protects_at_once(
    bare_scene: Stage, pve: Pve, command: str, options: dict[str, Any]
) -> None:
    """The list is ten seconds old and does not have the tag yet."""
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    await scene.say(cast["admin"], "monitor add", vmid=101)
    await scene.poll()
    protect(pve, "tag")
    refused = await scene.say(cast["admin"], command, **options)
    scene.assert_refused(refused, cast["admin"], Unconfirmed(101, "web01", command.replace(" ", "_")))
    assert not silent(scene)


async def test_a_guest_that_is_gone_can_be_taken_off(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, await watched(bare_scene, pve, "tag")
    pve.remove_guest(101)
    await scene.poll()
    await scene.say(cast["admin"], "monitor remove", vmid=101)
    assert scene.site.watch.find(101) is None
