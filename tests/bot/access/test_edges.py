"""Test edge cases of access: changes over time, other people's messages, and targets that only look like guests."""

import asyncio
import json
from typing import Any

import pytest

from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import ChangedMeanwhile, NotAllowed, OnlySomeGuests, ReadOnly
from core.guest_errors import GuestNotFound
from core.levels import Level
from core.operations import Operation
from core.wanted_errors import UnknownTarget
from playground.pve.server import Pve
from tests.support import stage
from tests.support.access_document import told_access
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
cast = people.cast


# -- other people's messages


async def test_a_panel_stays_when_a_person_who_may_not_see_its_guest_presses(
    bare_scene: Stage, cast: Cast
) -> None:
    scene, game = bare_scene, cast["game"]
    panel = await scene.say(cast["admin"], "info", vmid=101)
    before = post_of(panel).text
    for button in ("Reboot", "Shutdown", "Refresh"):
        reply = await scene.press(game, panel, button)
        assert [post.text for post in [reply.post, *reply.followups] if post and post.ephemeral] == [
            scene.told(game, GuestNotFound(101))
        ]
        assert post_of(panel).text == before, button
    assert scene.changes() == []


async def test_the_outcome_of_a_creation_is_not_lost_by_a_press(bare_scene: Stage) -> None:
    """A person who may use only the template cannot see the created guest; the others still can."""
    scene, cast = bare_scene, Cast(bare_scene)
    scopes = cast.settings["ROLE_SCOPES"].replace("tag:game", "vmid:9000")
    await scene.start_bot(**{**cast.settings, "ROLE_SCOPES": scopes})
    made = await scene.say(cast["game"], "create", template_id=9000, name="new01")
    assert "was created" in made.text
    assert post_of(made).buttons == [], "no next step with a guest that this person cannot see"
    await scene.site.cluster_cache.read(0)
    press = f"g1:start:100:{scene.fingerprint(100)}"
    refused = await scene.press(cast["game"], made, press, force=True)
    scene.assert_refused(refused, cast["game"], GuestNotFound(100))
    assert "was created" in post_of(made).text


async def test_a_scoped_user_who_turns_a_page_gets_a_private_one(bare_scene: Stage, cast: Cast) -> None:
    scene, game = bare_scene, cast["game"]
    listed = await scene.say(cast["admin"], "list")
    forward = next(button.custom_id for button in post_of(listed).buttons if button.emoji == "▶️")
    before = post_of(listed).text
    reply = await scene.press(game, listed, forward or "")
    shown = [post for post in [reply.post, *reply.followups] if post and "3 guests" in post.text]
    assert [post.ephemeral for post in shown] == [True]
    assert {value for menu in shown[0].selects for _, value in menu.options} <= {"103", "104", "105"}
    assert post_of(listed).text == before
    await scene.press(cast["viewer"], listed, forward or "")
    assert post_of(listed).text != before, "who sees the same turns it for all"


# -- between the decision and the request


async def test_read_only_mode_applies_from_its_answer_on(scene: Stage, pve: Pve) -> None:
    pve.hang("/qemu/101/snapshot", 1.0, times=1)
    asked = asyncio.create_task(
        scene.server.slash(scene.emma, scene.channel, "snapshot create", vmid=101, name="abc")
    )
    await scene.until(lambda: scene.sent("GET", "/qemu/101/snapshot"))
    await scene.say(scene.akiko, "readonly on")
    await scene.whole(asked)
    assert scene.changes() == []
    assert "abc" not in pve.vm(101).snapshots
    records = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 9))[0]]
    assert any(each.operation == "snapshot_create" and "ReadOnly" in each.outcome for each in records)
    held = scene.site.authorizer.read_only.refusal
    assert isinstance(held, ReadOnly)


async def test_protected_while_the_rest_is_read(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "snapshot rollback", vmid=103, name="before-event")
    pve.hang("/qemu/103/snapshot", 0.8, times=1)
    pressing = asyncio.create_task(
        scene.server.click(scene.emma, post_of(question), post_of(question).buttons[0].custom_id or "")
    )
    await scene.until(lambda: len(scene.sent("GET", "/qemu/103/snapshot")) > 2)
    pve.vm(103).config["protection"] = 1
    await scene.whole(pressing)
    assert scene.changes() == []


async def test_a_resize_is_the_one_that_was_shown(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    await scene.start_bot(PROTECTED_VM_IDS="101")
    question = await scene.say(scene.emma, "resize", vmid=101, cores=3)
    assert "Cores: 2 → 3" in question.text
    form = await scene.press(scene.emma, question, post_of(question).buttons[0].custom_id or "")
    pve.vm(101).config["cores"] = 16
    reply = await scene.submit(scene.emma, form, {"name": "web01", "reason": "x"})
    assert scene.told(scene.emma, ChangedMeanwhile(101)) in reply.text
    assert scene.changes() == []


async def test_a_resize_that_withdraws_says_so_and_offers_no_button_that_cannot_work(
    bare_scene: Stage,
) -> None:
    scene, words = bare_scene, {"name": "web01", "reason": "x"}
    await scene.start_bot(PROTECTED_VM_IDS="101")
    question = await scene.say(scene.emma, "resize", vmid=101, cores=3)
    form = await scene.press(scene.emma, question, post_of(question).buttons[0].custom_id or "")
    done = await scene.submit(scene.emma, form, words)
    assert [each.custom_id for each in post_of(question).buttons] == ["g1:details:101"], done.text
    back = await scene.say(scene.emma, "resize", vmid=101, cores=2)
    assert "reverted" in back.text
    form = await scene.press(scene.emma, back, post_of(back).buttons[0].custom_id or "")
    done = await scene.submit(scene.emma, form, words)
    assert "reverted" in post_of(back).text
    assert [each.custom_id for each in post_of(back).buttons] == ["g1:details:101"]


# -- what is not a guest


async def test_nodes_and_storages_reveal_nothing_to_scoped_users(bare_scene: Stage, cast: Cast) -> None:
    """A scoped user sees the nodes that host their guests, and no storages."""
    scene, game = bare_scene, cast["game"]
    for target in ("node/pve1", "pve1", "node/pve9", "storage/nfs-backup", "storage/xyz"):
        reply = await scene.say(game, "monitor mute", target=target, duration="2h")
        scene.assert_refused(reply, game, UnknownTarget(target))
    reply = await scene.say(game, "monitor mute", target="node/pve2", duration="2h")
    scene.assert_refused(reply, game, OnlySomeGuests())
    for target in ("node/pve1", "storage/nfs-backup", "node/pve2"):
        await scene.say(cast["admin"], "monitor mute", target=target, duration="2h")
    status = (await scene.say(game, "monitor status")).text
    assert "pve2" in status
    assert "pve1" not in status
    assert "nfs-backup" not in status


async def test_only_ones_own_incidents_are_counted(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene, game = bare_scene, cast["game"]
    for vmid in (101, 103):
        await scene.say(cast["admin"], "monitor add", vmid=vmid)
    await scene.poll()
    pve.crash(101)
    await scene.poll()
    assert "**Open incidents** 1" in (await scene.say(cast["admin"], "monitor status")).text
    assert "**Open incidents** 0" in (await scene.say(game, "monitor status")).text
    pve.crash(103)
    await scene.poll()
    assert "**Open incidents** 1" in (await scene.say(game, "monitor status")).text


async def test_the_past_of_a_guest_that_is_gone(bare_scene: Stage, pve: Pve) -> None:
    """A deleted guest stays in the scope of its VMID, and in no other."""
    scene, cast = bare_scene, Cast(bare_scene)
    scopes = cast.settings["ROLE_SCOPES"].replace("tag:game", "vmid:103")
    await scene.start_bot(**{**cast.settings, "ROLE_SCOPES": scopes})
    await scene.say(cast["admin"], "monitor add", vmid=103)
    await scene.poll()
    pve.remove_guest(103)
    await scene.poll(3)
    one = (await scene.say(cast["game"], "monitor history", vmid=103)).text
    everything = (await scene.say(cast["game"], "monitor history")).text
    assert "103" in one
    assert "1 incident" in one
    assert "1 incident" in everything


async def test_a_scoped_user_reads_their_own_level(bare_scene: Stage) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    operators = f"{cast.roles['operator'].id} {cast.roles['game'].id}"
    settings = {
        **cast.settings,
        "ADMIN_ROLE_IDS": str(cast.roles["admin"].id),
        "OPERATOR_ROLE_IDS": operators,
    }
    await scene.start_bot(**settings)
    for command in ("readonly on", "monitor test"):
        reply = await scene.say(cast["game"], command)
        scene.assert_refused(reply, cast["game"], NotAllowed(Level.ADMIN, Level.OPERATOR))


# -- other edges


@pytest.mark.parametrize("found", [{}, {"format": "pbs-ct"}, {"subtype": "lxc"}])
async def test_a_backup_of_the_other_kind_belongs_to_another_guest(
    scene: Stage, pve: Pve, found: dict[str, Any]
) -> None:
    pve.keep_backup(104, 1.0)
    volumes = pve.storages["nfs-backup"]["volumes"]
    name = next(name for name in volumes if "qemu-104" in name)
    kept = volumes.pop(name)
    renamed = "backup/ct/104/2026" if found.get("format") else name.replace("qemu", "lxc")
    volumes[renamed] = {**kept, **found}
    assert "No backups found" in (await scene.say(scene.emma, "delete", vmid=104)).text


@pytest.mark.parametrize("state", ["prepare", "delete"])
async def test_an_incomplete_snapshot_is_not_offered_for_a_rollback(
    scene: Stage, pve: Pve, state: str
) -> None:
    pve.vm(101).snapshots["half"] = {"name": "half", "snaptime": 4_000_000_000, "snapstate": state}
    question = (await scene.say(scene.emma, "stop", vmid=101)).text
    assert "2 snapshots" in question
    assert "half" not in question


async def test_a_lost_journal_says_that_the_switch_and_the_trail_went_with_it(scene: Stage) -> None:
    await scene.say(scene.akiko, "readonly on")
    await scene.stop_bot()
    scene.expected_errors.append("journal")
    for path in scene.directory.glob("journal.db*"):
        path.write_bytes(b"not a database" * 100)
    await scene.restart_bot()
    await scene.delivered()
    told = "\n".join(scene.alerts_told())
    assert "the audit trail" in told
    assert "Read-only mode stays on" in told


async def test_access_knows_of_proxmox_own_protection(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene = bare_scene
    pve.vm(101).config["protection"] = 1
    told = (await scene.say(cast["operator"], "access", vmid=101)).text
    assert not told_access(told)[Operation.REBOOT].allowed
    assert "🛡️" in (await scene.say(cast["admin"], "access", vmid=101)).text


async def test_an_unexpected_error_of_planning_is_kept(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.expected_errors.append("unexpected error")

    def broken(*_: object) -> None:
        raise KeyError("no")

    monkeypatch.setattr("core.actions.planner._validate", broken)
    await scene.say(scene.emma, "stop", vmid=101)
    (record,) = (each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 9))[0])
    assert (record.step, record.outcome) == (AuditStep.ENDED, "KeyError")


async def test_typed_text_is_kept_in_bounds(scene: Stage) -> None:
    await scene.say(scene.emma, "create", template_id=9000, name="x" * 5800)
    (record,) = (each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 9))[0])
    assert len(record.detail) <= 500
    assert len(record.outcome) <= 1000
    assert json.dumps(record.detail).startswith('"name=xxx')
