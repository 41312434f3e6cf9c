"""Test messages that Discord blocks for their words: sent again without foreign text, then as a fixed sentence."""

import pytest

from core.guest import State
from core.guest_errors import WrongState
from playground.announcements import BLOCKED
from playground.discord.faults import PlannedFault
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from ui.discord.blocked import without_foreign

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

NAME = "free-nitro.example"
DAY = 86_400.0  # seconds
FILTERS = [
    (400, 240000, "Message blocked by harmful links filter"),
    (400, 200000, "Message was blocked by automatic moderation"),
    (403, 200000, "Message was blocked by automatic moderation"),
    (400, 50035, "Invalid Form Body"),
    (400, 50006, "Cannot send an empty message"),
    (400, 999999, "Something new"),
]
"""Status, code and words of each answer that blocks a text."""


@pytest.fixture(autouse=True)
def named(pve: Pve) -> None:
    """Give two guests names that the filters know."""
    pve.guest(101).name = NAME
    pve.guest(104).name = NAME


async def watching(scene: Stage, *vmids: int, **settings: str) -> None:
    await scene.start_bot(MONITOR_VM_IDS=",".join(map(str, vmids)), **settings)
    await scene.poll(2)


def block_all_but(scene: Stage, path: str, message: str = "no words at all") -> None:
    """Add a rule that blocks even a VMID."""
    scene.server.block("**10", 200000, message, path_part=path)


# -- alerts


async def test_an_alert_is_posted_without_the_name(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, 101, 102)
    for filtered in FILTERS:
        block = await posted_without_the_name(bare_scene, pve, *filtered)
        if filtered != FILTERS[-1]:
            block.times = block.met
            for vmid in (101, 102):
                pve.revive(vmid)
            await bare_scene.poll(2)
            await bare_scene.delivered()
    await bare_scene.restart_bot()
    status_shown = await bare_scene.say(bare_scene.emma, "monitor status")
    assert FILTERS[-1][2] in status_shown.text, "a restart does not make it green"


async def posted_without_the_name(
    bare_scene: Stage, pve: Pve, status: int, code: int, words: str
) -> PlannedFault:
    path, before = f"/channels/{bare_scene.alerts.id}/", len(bare_scene.alerts_told())
    block = bare_scene.server.block(NAME, code, words, status=status, path_part=path)
    pve.crash(101)
    pve.crash(102)
    await bare_scene.poll(later=DAY)  # so that it does not count as flapping
    await bare_scene.delivered()
    told = bare_scene.alerts_told()[before:]
    assert len(told) == 2, words
    assert NAME not in told[0]
    assert "**101**" in told[0]
    assert "stopped unexpectedly" in told[0]
    assert "`…`" in told[0]
    assert "web" not in told[0]
    assert "pve1" not in told[0]
    assert "Discord blocked" in told[0].splitlines()[-1], "it says that something is missing"
    assert "`pve" in told[1]
    assert "Discord" not in told[1], "others are whole"
    assert bare_scene.server.messages(bare_scene.alerts)[before].buttons[0].label == "Start"
    assert (await bare_scene.site.journal.backlog()).given_up == 0
    status_shown = await bare_scene.say(bare_scene.emma, "monitor status")
    assert words in status_shown.text
    assert "without names" in status_shown.text
    return block


async def test_edits_and_the_recovery_of_an_alert_come_without_the_name_too(
    bare_scene: Stage, pve: Pve
) -> None:
    filtered = bare_scene.server.block(NAME, path_part=f"/channels/{bare_scene.alerts.id}/")
    await watching(bare_scene, 101)
    pve.crash(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    first = bare_scene.server.messages(bare_scene.alerts)[0]
    await bare_scene.press(bare_scene.emma, first, "Acknowledge")
    await bare_scene.delivered()
    assert "Acknowledged by" in first.text
    assert NAME not in first.text
    pve.revive(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    assert [text[0] for text in bare_scene.alerts_told()] == ["🟢", "🟢"]
    filtered.times = filtered.met
    assert (await bare_scene.site.journal.backlog()).blocked == 2


async def test_an_alert_without_words_that_pass_is_a_fixed_sentence(bare_scene: Stage, pve: Pve) -> None:
    block_all_but(bare_scene, f"/channels/{bare_scene.alerts.id}/")
    await watching(bare_scene, 101)
    pve.crash(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    (told,) = bare_scene.alerts_told()
    assert told == "⚠️ Discord blocked this alert. See `/monitor history` for the details."


async def test_an_alert_that_is_never_taken_is_given_up_and_holds_up_no_other(
    bare_scene: Stage, pve: Pve
) -> None:
    fault = bare_scene.server.fail("POST", f"/channels/{bare_scene.alerts.id}/", 400, 3, code=200000)
    await watching(bare_scene, 101, 102)
    pve.crash(101)
    pve.crash(102)
    await bare_scene.poll()
    await bare_scene.delivered()
    bare_scene.expected_errors.append("giving up an alert")
    assert fault.met == 3
    assert len(bare_scene.alerts_told()) == 1
    assert (await bare_scene.site.journal.backlog()).given_up == 1


# -- answers


def started(pve: Pve) -> bool:
    return bool(pve.guest(104).status == "running")


@walked_anew(("status", "code", "words"), FILTERS)
async def test_a_change_always_gets_its_outcome(
    scene: Stage, pve: Pve, status: int, code: int, words: str
) -> None:
    messages = len(scene.server.messages(scene.channel))
    scene.server.block(NAME, code, words, status=status)
    reply = await scene.say(scene.akiko, "start", vmid=104)
    assert started(pve)
    assert "**104**" in reply.text
    assert "started" in reply.text
    assert NAME not in reply.text
    assert "Discord blocked" in reply.text
    assert len(scene.server.messages(scene.channel)) == messages + 1


async def test_a_text_without_words_that_pass_is_a_fixed_sentence(bare_scene: Stage, pve: Pve) -> None:
    bare_scene.server.block("**104", 200000, "no")
    await bare_scene.start_bot()
    reply = await bare_scene.say(bare_scene.akiko, "start", vmid=104)
    assert started(pve)
    assert reply.text == "Discord blocked this answer. The audit trail shows what was done."


@walked_anew(
    ("command", "options"),
    [
        ("list", {}),
        ("info", {"vmid": 101}),
        ("monitor list", {}),
        ("monitor add", {"vmid": 101, "cpu": 80}),
        ("monitor mute", {"target": "101", "duration": "1h"}),
        ("snapshot list", {"vmid": 101}),
        ("access", {"vmid": 101}),
        ("audit", {"readings": True}),
        ("delete", {"vmid": 104, "dry_run": True}),
    ],
)
async def test_every_answer_is_shown_without_the_name(
    scene: Stage, command: str, options: dict[str, object]
) -> None:
    await scene.say(scene.akiko, "monitor add", vmid=101)
    await scene.say(scene.akiko, "info", vmid=101)  # adds a record to the trail
    scene.server.block(NAME)
    reply = await scene.say(scene.emma, command, **options)
    assert "Discord blocked" in reply.text
    assert NAME not in reply.text
    assert "shows what was done" not in reply.text, "its own words are there"


async def test_a_private_refusal_is_shown_without_the_name(bare_scene: Stage, pve: Pve) -> None:
    bare_scene.server.block(NAME)
    await bare_scene.start_bot()
    reply = await bare_scene.say(bare_scene.emma, "start", vmid=101)
    told = bare_scene.told(bare_scene.emma, WrongState(101, NAME, "start", State.RUNNING))
    assert reply.text.startswith(without_foreign(told))
    assert post_of(reply).ephemeral
    pve.hang("/status/current", 1.0, times=1)
    late = await bare_scene.say(bare_scene.emma, "start", vmid=101)
    assert late.followups[0].text.startswith(without_foreign(told))
    assert late.followups[0].ephemeral


async def test_a_question_can_be_answered_without_the_name(bare_scene: Stage, pve: Pve) -> None:
    bare_scene.server.block(NAME)
    await bare_scene.start_bot()
    asked = await bare_scene.say(bare_scene.akiko, "stop", vmid=101)
    assert "**101**" in asked.text
    assert NAME not in str(post_of(asked).components)
    done = await bare_scene.press(bare_scene.akiko, asked, "Confirm")
    assert pve.guest(101).status == "stopped", done.text


async def test_a_form_asks_for_a_name_that_it_may_not_show(bare_scene: Stage) -> None:
    bare_scene.server.block(NAME)
    await bare_scene.start_bot()
    asked = await bare_scene.say(bare_scene.akiko, "delete", vmid=104)
    form = await bare_scene.press(bare_scene.akiko, asked, "Confirm")
    bare_scene.server.rest.faults.clear()
    bare_scene.expected_statuses.add(400)
    done = await bare_scene.submit(bare_scene.akiko, form, NAME)
    assert "deleted" in done.text


async def test_a_panels_button_shows_its_outcome_without_the_name(bare_scene: Stage, pve: Pve) -> None:
    bare_scene.server.block(NAME)
    await bare_scene.start_bot()
    panel = await bare_scene.say(bare_scene.akiko, "info", vmid=104)
    shown = await bare_scene.press(bare_scene.akiko, panel, "Start")
    assert started(pve)
    assert "**104**" in post_of(shown).text
    assert NAME not in post_of(shown).text


async def test_a_file_comes_with_fewer_words_beside_it(bare_scene: Stage) -> None:
    await bare_scene.start_bot()
    await bare_scene.say(bare_scene.akiko, "info", vmid=101)
    bare_scene.server.block(NAME)
    reply = await bare_scene.say(bare_scene.emma, "audit", csv=True, readings=True)
    assert post_of(reply).attachments == ["audit.csv"]
    assert "Discord blocked" in reply.text


async def test_an_answer_past_its_token_is_shown_without_the_name(bare_scene: Stage, pve: Pve) -> None:
    await bare_scene.start_bot()
    plan = pve.next_task("qmstart", hold=True)
    begun = await bare_scene.start_command(bare_scene.akiko, "start", vmid=104)
    bare_scene.server.block(NAME)
    bare_scene.clock.skip(15 * 60.0)
    plan.release()
    await bare_scene.settled()
    assert "started" in post_of(begun).text
    assert NAME not in post_of(begun).text


async def test_the_demos_link_filter_is_seen_at_work(bare_scene: Stage, pve: Pve) -> None:
    """The demo's first lines promise that a guest with such a name is created and shown without the name."""
    bare_scene.server.block(BLOCKED)
    await bare_scene.start_bot()
    reply = await bare_scene.say(bare_scene.emma, "create", template_id=9000, name=BLOCKED)
    assert "Discord blocked" in reply.text
    assert BLOCKED not in reply.text
    assert BLOCKED in [guest.name for guest in pve.vms]


# -- the audit channel


async def test_a_line_of_the_audit_channel_comes_without_the_name(bare_scene: Stage) -> None:
    audit = bare_scene.guild.create_text_channel("audit", category=bare_scene.category)
    await bare_scene.start_bot(AUDIT_CHANNEL_ID=str(audit.id))
    bare_scene.server.block(NAME, path_part=f"/channels/{audit.id}/")
    await bare_scene.say(bare_scene.akiko, "start", vmid=104)
    await bare_scene.until(lambda: bare_scene.server.messages(audit), "the line")
    (line,) = [post.text for post in bare_scene.server.messages(audit)]
    assert "**104**" in line
    assert NAME not in line
    await bare_scene.until(lambda: bare_scene.services.audit_delivery.blocked, "the answer to its post")
    shown = await bare_scene.say(bare_scene.emma, "monitor status")
    assert "harmful links" in shown.text
    bare_scene.server.rest.faults.clear()
    bare_scene.expected_statuses.add(400)


# -- the words themselves


@walked(
    ("text", "left"),
    [
        ("**101** `web01` has stopped · VM · `pve1`", "**101** `…` has stopped · VM · `…`"),
        ("see `/monitor status` and `/info`", "see `/monitor status` and `/info`"),
        ("`/dev/sda free.example`", "`…`"),
        ("a\n```\nlog of a task\n```", "a\n"),
        ("nothing foreign", "nothing foreign"),
        ("` `", "`…`"),
    ],
)
def test_texts_without_foreign_words(text: str, left: str) -> None:
    assert without_foreign(text) == left
