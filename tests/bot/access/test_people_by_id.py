"""Test that people are identified by ID: a member who takes an admin's nickname is never shown as that admin."""

import json

import pytest

from core.access.read_only import KEY
from core.audit.store import AuditFilter
from core.codec import decode, encode
from core.errors import ReadOnly
from core.watch.incidents.model import Incident, Mute, Severity, Topic
from core.watch.journal import Batch
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.bot.watch.test_alert_buttons import alarm, button
from tests.support import stage
from tests.support.stage import Stage, post_of
from ui.audit.csv_file import COLUMNS, csv_row
from ui.formatting import person

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@pytest.fixture
def copycat(scene: Stage) -> Person:
    """Create another member who calls themselves Akiko, like the admin."""
    return scene.server.person(scene.guild, "mallory", display="Akiko", locale="en-US")


def is_mentioned(text: str, one: Person, other: Person) -> None:
    """Check that this person is named by the mention alone, and the other person is not."""
    assert f"<@{one.id}>" in text, text
    assert str(other.id) not in text, text
    assert "`Akiko`" not in text.replace(f"`Akiko` (<@{one.id}>)", ""), text


@BOTH
async def test_the_switch(scene: Stage, copycat: Person) -> None:
    reply = await scene.say(copycat, "readonly on")
    is_mentioned(reply.text, copycat, scene.akiko)
    for person_ in (scene.akiko, scene.emma):
        is_mentioned((await scene.say(person_, "start", vmid=104)).text, copycat, scene.akiko)
    is_mentioned((await scene.say(scene.emma, "monitor status")).text, copycat, scene.akiko)
    is_mentioned((await scene.say(scene.emma, "access")).text, copycat, scene.akiko)
    await scene.restart_bot()
    is_mentioned((await scene.say(scene.akiko, "start", vmid=104)).text, copycat, scene.akiko)


@BOTH
async def test_a_mute_and_an_acknowledgement(scene: Stage, copycat: Person, pve: Pve) -> None:
    await scene.say(copycat, "monitor mute", target="104", duration="2h")
    is_mentioned((await scene.say(scene.emma, "monitor status")).text, copycat, scene.akiko)
    post = await alarm(scene, pve)
    await scene.press(copycat, post, button(post, "ack"))
    await scene.delivered()
    is_mentioned(post.text, copycat, scene.akiko)
    reply = await scene.press(scene.akiko, post, "a1:ack:" + str(_open(scene)), force=True)
    assert not [one for one in reply.followups if one.text and str(scene.akiko.id) in one.text]
    is_mentioned((await scene.say(scene.emma, "monitor history")).text, copycat, scene.akiko)
    await scene.restart_bot()
    is_mentioned((await scene.say(scene.emma, "monitor status")).text, copycat, scene.akiko)


def _open(scene: Stage) -> int:
    return next(iter(scene.site.watch.state.open))


async def test_a_second_presser_of_the_same_name_reads_who_was_first(
    scene: Stage, copycat: Person, pve: Pve
) -> None:
    post = await alarm(scene, pve)
    unedited = f"{button(post, 'ack')}:r"
    await scene.press(scene.akiko, post, unedited, force=True)
    reply = await scene.press(copycat, post, unedited, force=True)
    is_mentioned(reply.followups[-1].text, scene.akiko, copycat)


@BOTH
async def test_busy_and_anothers_question(scene: Stage, copycat: Person, pve: Pve) -> None:
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    running = await scene.start_command(copycat, "start", vmid=104)
    second = await scene.server.slash(scene.akiko, scene.channel, "start", vmid=104)
    await second.until(lambda shown: shown.text)
    is_mentioned(second.text, copycat, scene.akiko)
    plan.release()
    await scene.settled()
    assert running.text
    question = await scene.say(copycat, "stop", vmid=101)
    reply = await scene.press(scene.akiko, question, post_of(question).buttons[0].custom_id or "")
    is_mentioned(reply.text, copycat, scene.akiko)


@BOTH
async def test_the_audit_its_file_and_a_snapshots_description(
    scene: Stage, copycat: Person, pve: Pve
) -> None:
    await scene.say(copycat, "snapshot create", vmid=103, name="mine")
    is_mentioned((await scene.say(scene.emma, "audit", who=str(copycat.id))).text, copycat, scene.akiko)
    assert pve.vm(103).snapshots["mine"]["description"].count(f"Akiko ({copycat.id})") == 1
    (found,), _ = await scene.site.journal.audit_page(AuditFilter(person_id=copycat.id), 0, 1)
    row = dict(zip((*COLUMNS, "interaction_id"), csv_row(found, scene.services.timezone), strict=True))
    assert (row["person"], row["person_id"]) == ("Akiko", copycat.id)


async def test_nobody_is_notified_by_it(scene: Stage, copycat: Person) -> None:
    """The stage checks each request's `allowed_mentions`. This test checks that there were mentions to check."""
    await scene.say(copycat, "readonly on")
    assert any(f"<@{copycat.id}>" in str(request.body) for request in scene.server.journal)


# -- what earlier versions stored


async def test_old_data_shows_the_name_alone(scene: Stage) -> None:
    await scene.site.journal.commit(Batch({KEY: json.dumps({"by": "Akiko", "since": 5.0})}))
    await scene.restart_bot()
    assert scene.site.authorizer.read_only.refusal is not None
    text = (await scene.say(scene.emma, "start", vmid=104)).text
    assert "by `Akiko`." in text
    assert "<@" not in text
    assert ReadOnly("Akiko", 5.0).by_id == 0


def test_old_records_are_opened() -> None:
    old = decode(Mute, '{"target":"all","elapsed":1.0,"until":2.0,"by":"Akiko"}')
    assert (old.by, old.by_id) == ("Akiko", 0)
    assert person(old.by, old.by_id) == "`Akiko`"
    assert decode(Mute, encode(Mute("all", 1.0, 2.0, "Akiko", 7))).by_id == 7
    incident = Incident(1, Topic.GUEST, "guest/101", Severity.CRITICAL, 1.0, 1.0, acked_by="Akiko", acked=2.0)
    written = encode(incident)
    assert "acked_by_id" not in written
    assert decode(Incident, written) == incident


@pytest.mark.parametrize("damage", ['"x"', "[]", '{"by": "A", "since": 1, "by_id": "x"}'])
async def test_a_switch_that_cannot_be_read_is_on(scene: Stage, damage: str) -> None:
    scene.expected_errors.append("cannot be read")
    await scene.site.journal.commit(Batch({KEY: damage}))
    await scene.restart_bot()
    assert scene.site.authorizer.read_only.refusal is not None
