"""Test the buttons under outcomes and refusals as people press them: what opens, for whom, and what is recorded."""

import pytest

from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import NotAllowed
from core.guest import State
from core.guest_errors import GuestNotFound, SnapshotNotFound, WrongState
from core.levels import Level
from playground.discord.people import Person, PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


def labels(reply: PressResult) -> list[str]:
    return [button.label for button in post_of(reply).buttons]


def last_record(scene: Stage) -> tuple[AuditStep, str, int | None, int]:
    (last,) = rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 1)[0]
    return last.record.step, last.record.operation, last.record.vmid, last.record.actor.user_id


@BOTH
async def test_details_open_apart_for_the_reader_who_presses(scene: Stage) -> None:
    started = await scene.say(scene.akiko, "start", vmid=104)
    assert labels(started) == [scene.t()("Details")]
    told = started.text
    for person in (scene.akiko, scene.emma):
        t = scene.t(person)
        panel = await scene.press(person, started, scene.t()("Details"))
        assert post_of(panel).ephemeral
        assert f"**{t('running')}**" in panel.text, "in the reader's language"
        assert last_record(scene) == (AuditStep.ENDED, "info", 104, person.id)
    assert started.text == told
    assert labels(started) == [scene.t()("Details")]


async def test_a_panel_opened_by_a_next_step_acts_in_place(scene: Stage, pve: Pve) -> None:
    started = await scene.say(scene.emma, "start", vmid=104)
    panel = await scene.press(scene.emma, started, "Details")
    await scene.press(scene.emma, panel, "Shutdown")
    assert pve.vm(104).status == "stopped"
    assert "was shut down" in panel.text
    assert post_of(panel).ephemeral


@BOTH
async def test_a_private_panel_stays_in_its_readers_language(scene: Stage) -> None:
    started = await scene.say(scene.akiko, "start", vmid=104)
    for person in (scene.akiko, scene.emma):
        t = scene.t(person)
        panel = await scene.press(person, started, scene.t()("Details"))
        await scene.press(person, panel, t("Refresh"))
        assert f"**{t('running')}**" in panel.text
    await scene.press(scene.emma, panel, "Shutdown")
    assert "was shut down" in panel.text
    assert "**stopped**" in panel.text


async def test_a_private_panel_is_never_sent_to_the_channel(scene: Stage, pve: Pve) -> None:
    scene.expected_statuses.add(404)
    started = await scene.say(scene.emma, "start", vmid=104)
    panel = await scene.press(scene.emma, started, "Details")
    plan = pve.next_task("qmshutdown", vmid=104, hold=True)
    scene.server.answer_wait = 0.0
    pressed = await scene.server.click(scene.emma, post_of(panel), "Shutdown")
    await panel.until("Shutting down")
    scene.kill_token(pressed)
    plan.release()
    await scene.settled()
    assert pve.vm(104).status == "stopped"
    assert [post.id for post in scene.server.messages(scene.channel)] == [post_of(started).id]


async def test_snapshots_open_apart(scene: Stage) -> None:
    made = await scene.say(scene.akiko, "snapshot create", vmid=103, name="before-update")
    listed = await scene.press(scene.emma, made, "Snapshots")
    assert post_of(listed).ephemeral
    assert "`before-update`" in listed.text
    assert "5 snapshots" in listed.text
    assert last_record(scene) == (AuditStep.ENDED, "snapshot_list", 103, scene.emma.id)
    assert "before-update" in made.text


@BOTH
async def test_a_running_guest_is_shut_down_from_the_refusal_of_its_deletion(scene: Stage, pve: Pve) -> None:
    refused = await scene.say(scene.emma, "delete", vmid=101)
    scene.assert_refused(refused, scene.emma, WrongState(101, "web01", "delete", State.RUNNING))
    assert labels(refused) == ["Shutdown"]
    await scene.press(scene.emma, refused, "Shutdown")
    assert pve.vm(101).status == "stopped"
    assert post_of(refused).ephemeral


async def test_an_unknown_snapshot_leads_to_those_that_exist(scene: Stage) -> None:
    refused = await scene.say(scene.emma, "snapshot rollback", vmid=103, name="nothing")
    scene.assert_refused(refused, scene.emma, SnapshotNotFound(103, "minecraft", "nothing"))
    listed = await scene.press(scene.emma, refused, "Snapshots")
    assert "`before-event`" in listed.text


async def test_a_dry_run_says_once_that_it_is_one(scene: Stage) -> None:
    shown = await scene.say(scene.emma, "stop", vmid=101, dry_run=True)
    assert shown.text.count("Dry run") == 1
    assert labels(shown) == ["Details"]
    assert "Answer" not in shown.text


@pytest.fixture
async def people(bare_scene: Stage) -> dict[str, Person]:
    """Start the bot with a viewer, an operator, an admin, and an admin of one other guest."""
    roles = {
        name: bare_scene.guild.create_role(name) for name in ("viewer", "operator", "admin", "elsewhere")
    }
    made = {
        name: bare_scene.server.person(bare_scene.guild, name, display=name, locale="en-US", roles=[role])
        for name, role in roles.items()
    }
    ids = {name: str(role.id) for name, role in roles.items()}
    await bare_scene.start_bot(
        VIEWER_ROLE_IDS=ids["viewer"],
        OPERATOR_ROLE_IDS=ids["operator"],
        ADMIN_ROLE_IDS=f"{ids['admin']} {ids['elsewhere']}",
        ROLE_SCOPES=f'{{"{ids["elsewhere"]}": ["vmid:104"]}}',
        LANGUAGE="en",
    )
    return made


async def test_each_press_is_decided_for_the_person_who_presses(
    bare_scene: Stage, people: dict[str, Person], pve: Pve
) -> None:
    """The buttons are those of the person who acted. Others see them, and are refused what they may not do."""
    scene, pve.time_scale = bare_scene, 0.001
    by_operator = await scene.say(people["operator"], "shutdown", vmid=106)
    assert labels(by_operator) == ["Details"], "the force stop takes an admin"
    by_admin = await scene.say(people["admin"], "shutdown", vmid=106)
    assert labels(by_admin) == ["Force stop…", "Details"]
    for name, level in (("viewer", Level.VIEWER), ("operator", Level.OPERATOR)):
        refused = await scene.press(people[name], by_admin, "Force stop…")
        scene.assert_refused(refused, people[name], NotAllowed(Level.ADMIN, level))
        assert last_record(scene)[:3] == (AuditStep.REFUSED, "stop", 106)
        assert post_of(await scene.press(people[name], by_admin, "Details")).ephemeral
    for label in ("Force stop…", "Details"):
        refused = await scene.press(people["elsewhere"], by_admin, label)
        scene.assert_refused(refused, people["elsewhere"], GuestNotFound(106))
    assert pve.vm(106).status == "running"


async def test_read_only_mode_allows_only_reading_operations(
    bare_scene: Stage, people: dict[str, Person], pve: Pve
) -> None:
    scene, admin = bare_scene, people["admin"]
    plan = pve.next_task("qmshutdown", vmid=101, hold=True)
    begun = await scene.start_command(admin, "shutdown", vmid=101)
    await begun.until("Shutting down")
    await scene.site.authorizer.read_only.turn_on("Admin", admin.id)
    plan.release()
    await scene.settled()
    assert "was shut down" in begun.text
    assert labels(begun) == ["Details"]
