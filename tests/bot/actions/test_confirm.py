"""Test questions and the delete form: pressed twice, by others, too late, after a restart, and after changes."""

import asyncio
import re

import pytest
from discord import ui

from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import (
    AnswerTooLate,
    BotError,
    ChangedMeanwhile,
    NameMismatch,
    NotYours,
    QuestionAnswered,
    QuestionOver,
)
from core.guest import State
from core.guest_errors import GuestNotFound, GuestProtected, WrongState
from playground.discord.people import PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import rows_of
from ui.formatting import title_of
from ui.interaction.reply import Reply

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


def enabled(reply: PressResult) -> list[str]:
    return [button.label for button in post_of(reply).buttons if not button.disabled]


ASKING = [
    ("stop", {"vmid": 101}, "/qemu/101/status/stop"),
    ("stop", {"vmid": 201}, "/lxc/201/status/stop"),
    ("snapshot rollback", {"vmid": 103, "name": "before-event"}, "/qemu/103/snapshot/before-event/rollback"),
    ("snapshot delete", {"vmid": 204, "name": "weekly"}, "/lxc/204/snapshot/weekly"),
]

QUESTIONS = [*ASKING, ("delete", {"vmid": 104}, "")]


def deadline_in(question: PressResult) -> float | None:
    """Return the Unix seconds until which a question waits for an answer, None if it does not say so."""
    found = re.search(r"^-# (?:Answer|回答期限:) <t:(\d+):R>\.?$", question.text, re.MULTILINE)
    return float(found[1]) if found else None


def yes_of(question: PressResult) -> str:
    return post_of(question).buttons[0].custom_id or ""


def no_of(question: PressResult) -> str:
    return post_of(question).buttons[1].custom_id or ""


@walked_anew(("command", "options", "path"), ASKING)
async def test_a_double_press_counts_once(
    scene: Stage, command: str, options: dict[str, object], path: str
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    post, yes = post_of(question), yes_of(question)
    presses = [scene.server.click(scene.akiko, post, yes, force=True) for _ in range(3)]
    replies = await scene.whole(asyncio.gather(*presses))
    assert [sent[len(sent) - len(path) :] for _, sent, _ in scene.changes()] == [path]
    again = [reply for reply in replies if reply.ephemeral]
    assert len(again) == 2
    for reply in [*again, await scene.press(scene.akiko, question, yes, force=True)]:
        scene.assert_refused(reply, scene.akiko, QuestionAnswered())
    assert len(scene.changes()) == 1


@walked(("command", "options", "path"), QUESTIONS)
async def test_only_the_asker_can_answer(
    scene: Stage,
    command: str,
    options: dict[str, object],
    path: str,  # noqa: ARG001  # the table has it
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    text = question.text
    for button in (yes_of(question), no_of(question)):
        reply = await scene.press(scene.emma, question, button)
        scene.assert_refused(reply, scene.emma, NotYours("Akiko", scene.akiko.id))
    assert scene.changes() == []
    assert question.text == text
    assert len(enabled(question)) == 2, "it is still open for the asker"


@BOTH
@walked(("command", "options", "path"), QUESTIONS)
async def test_cancelling_changes_nothing(
    scene: Stage,
    command: str,
    options: dict[str, object],
    path: str,  # noqa: ARG001  # the table has it
) -> None:
    before = scene.cluster()
    question = await scene.say(scene.akiko, command, **options)
    yes = yes_of(question)
    await scene.press(scene.akiko, question, scene.t()("Cancel"))
    assert scene.t()("Cancelled. Nothing was done.") in question.text
    assert enabled(question) == []
    scene.assert_refused(
        await scene.press(scene.akiko, question, yes, force=True), scene.akiko, QuestionAnswered()
    )
    assert scene.cluster() == before
    assert scene.changes() == []


@BOTH
@walked(("command", "options", "path"), QUESTIONS)
async def test_a_question_lapses_after_a_minute(
    scene: Stage,
    command: str,
    options: dict[str, object],
    path: str,  # noqa: ARG001  # the table has it
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    yes = yes_of(question)
    told = deadline_in(question)
    assert told is not None
    assert abs(told - scene.clock.now() - 60) < 5
    scene.clock.skip(57)
    assert len(enabled(question)) == 2
    scene.clock.skip(3)
    lapsed = scene.t()("Timed out. Nothing was done.")
    await question.until(lambda shown: lapsed in shown.text)
    assert enabled(question) == []
    assert deadline_in(question) is None
    late = await scene.press(scene.akiko, question, yes, force=True)
    scene.assert_pressed_in_vain(late, scene.akiko, QuestionOver())
    assert lapsed in question.text
    assert enabled(question) == []
    assert scene.changes() == []


@walked(("command", "options", "path"), QUESTIONS)
async def test_a_bot_that_is_ended_takes_its_questions_back(
    scene: Stage,
    command: str,
    options: dict[str, object],
    path: str,  # noqa: ARG001  # the table has it
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    yes, no = yes_of(question), no_of(question)
    told = scene.t()("The bot is shutting down, so nothing was done.")
    await scene.stop_bot()
    assert told in question.text
    assert enabled(question) == []
    await scene.start_bot()
    for button in (yes, no):
        reply = await scene.press(scene.akiko, question, button, force=True)
        scene.assert_pressed_in_vain(reply, scene.akiko, QuestionOver())
    assert told in question.text
    assert enabled(question) == []
    assert scene.changes() == []


@walked(("command", "options", "path", "which"), [(*row, at % 2) for at, row in enumerate(QUESTIONS)])
async def test_a_question_from_before_a_crash_is_over_and_goes_grey_at_its_askers_first_press(
    scene: Stage,
    command: str,
    options: dict[str, object],
    path: str,  # noqa: ARG001  # the table has it
    which: int,
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    buttons = [yes_of(question), no_of(question)]
    await scene.crash_bot()
    assert len(enabled(question)) == 2
    reply = await scene.press(scene.emma, question, buttons[which])
    scene.assert_refused(reply, scene.emma, QuestionOver())
    assert len(enabled(question)) == 2, "nobody else changes what the asker sees"
    reply = await scene.press(scene.akiko, question, buttons[which])
    scene.assert_pressed_in_vain(reply, scene.akiko, QuestionOver())
    assert enabled(question) == []
    assert scene.changes() == []


# -- what changed between question and press


def not_carried_out(scene: Stage, question: PressResult, reply: PressResult, error: BotError) -> None:
    """Check that everybody sees that nothing was done, and that only the asker reads why.

    The listed losses stay readable.
    """
    scene.assert_pressed_in_vain(reply, scene.emma, error)
    assert scene.t()("Nothing was done.") in question.text
    assert "**" in question.text
    assert enabled(question) == []
    assert len(post_of(question).buttons) == 2
    assert scene.changes() == []


async def test_a_guest_that_moved_is_found_again(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.move_guest(101, "pve2")
    await scene.press(scene.emma, question, "Force-stop web01")
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve2/qemu/101/status/stop"]
    assert "was force-stopped" in question.text


async def test_a_guest_that_moves_at_the_very_last_moment_is_found_again_once(scene: Stage, pve: Pve) -> None:
    """The change itself reaches the old node, which did nothing, so it goes to the new one."""
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.fail(
        "POST",
        "/nodes/pve1/qemu/101/status/stop",
        500,
        "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist",
        times=1,
    )
    await scene.press(scene.emma, question, "Force-stop web01")
    assert len(scene.changes()) == 2
    assert pve.vm(101).status == "stopped"
    assert "was force-stopped" in question.text


async def test_a_guest_deleted_meanwhile(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.vms.remove(pve.vm(101))
    reply = await scene.press(scene.emma, question, "Force-stop web01")
    not_carried_out(scene, question, reply, GuestNotFound(101))


async def test_another_guest_under_the_same_vmid(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.vms.remove(pve.vm(101))
    pve.add_vm(101, "payroll", node="pve1", status="running")
    reply = await scene.press(scene.emma, question, "Force-stop web01")
    not_carried_out(scene, question, reply, ChangedMeanwhile(101))
    assert pve.vm(101).status == "running"


async def test_a_guest_stopped_meanwhile(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.crash(101)
    reply = await scene.press(scene.emma, question, "Force-stop web01")
    not_carried_out(scene, question, reply, WrongState(101, "web01", "stop", State.STOPPED))


# -- the form of /delete


@BOTH
async def test_the_wrong_name_deletes_nothing(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.akiko, "delete", vmid=104)
    for typed in (" ", "web", "PALWORLD", "palworld2", "104", "`palworld`"):
        form = await scene.press(scene.akiko, question, yes_of(question))
        reply = await scene.submit(scene.akiko, form, typed)
        scene.assert_refused(reply, scene.akiko, NameMismatch(104, "palworld"))
        assert pve.vm(104) is not None, typed
        assert scene.changes() == [], typed
    again = await scene.press(scene.akiko, question, yes_of(question))
    await scene.submit(scene.akiko, again, "  palworld ")
    assert pve.vm(104) is None, "the question stays open for another try"
    assert scene.t()("{guest} was deleted.", guest=title_of(104, "palworld")) in question.text


async def test_a_form_that_discord_does_not_open_is_a_refusal(scene: Stage, pve: Pve) -> None:
    """Nothing is wrong with the bot: nobody waits for the answer, and nothing was begun."""
    scene.expected_statuses.add(404)
    question = await scene.say(scene.emma, "delete", vmid=104)
    scene.server.ack_limit, limit = 0.3, scene.server.ack_limit
    dead = scene.server.fail("POST", "/callback", 404, 999, code=10062, message="Unknown interaction")
    await scene.press(scene.emma, question, yes_of(question))
    dead.times, scene.server.ack_limit = 0, limit
    await scene.services.audit.flush()
    ((last, *_), _) = rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 1)
    assert (last.record.operation, last.record.step) == ("delete", AuditStep.REFUSED)
    assert last.record.outcome == str(AnswerTooLate())
    form = await scene.press(scene.emma, question, yes_of(question))
    await scene.submit(scene.emma, form, "palworld")
    assert pve.vm(104) is None, "the question stays open for another try"


async def test_a_form_sent_twice_deletes_once(scene: Stage) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    second = await scene.press(scene.emma, question, yes_of(question))
    sent = [scene.server.submit(scene.emma, shown, "palworld") for shown in (form, second)]
    replies = await scene.whole(asyncio.gather(*sent))
    assert [method for method, _, _ in scene.changes()] == ["DELETE"]
    refused = [reply for reply in replies if reply.ephemeral]
    assert len(refused) == 1
    scene.assert_refused(refused[0], scene.emma, QuestionAnswered())


async def test_a_form_sent_after_the_lapse(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    scene.clock.skip(60)
    await question.until("Timed out")
    scene.assert_refused(await scene.submit(scene.emma, form, "palworld"), scene.emma, QuestionOver())
    assert pve.vm(104) is not None


async def test_the_time_starts_over_with_the_form(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    first = deadline_in(question)
    scene.clock.skip(50)
    form = await scene.press(scene.emma, question, yes_of(question))
    second = deadline_in(question)
    assert first is not None
    assert second is not None
    assert 45 < second - first < 60, "the question says so"
    scene.clock.skip(50)
    await scene.submit(scene.emma, form, "palworld")
    assert pve.vm(104) is None
    assert scene.services.questions._open == {}


async def test_the_time_starts_over_once(scene: Stage) -> None:
    """Repeated presses keep no question alive: it expires within two minutes of being asked."""
    question = await scene.say(scene.akiko, "delete", vmid=104)
    yes = yes_of(question)
    for _ in range(2):
        scene.clock.skip(50)
        await scene.press(scene.akiko, question, yes)
        assert len(enabled(question)) == 2
    scene.clock.skip(15)
    await question.until(lambda shown: scene.t()("Timed out. Nothing was done.") in shown.text)
    late = await scene.press(scene.akiko, question, yes, force=True)
    scene.assert_pressed_in_vain(late, scene.akiko, QuestionOver())
    assert scene.changes() == []


async def test_a_form_sent_after_a_restart(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    await scene.restart_bot()
    scene.assert_refused(await scene.submit(scene.emma, form, "palworld"), scene.emma, QuestionOver())
    assert pve.vm(104) is not None


async def test_started_between_form_and_name(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    pve.revive(104)
    reply = await scene.submit(scene.emma, form, "palworld")
    not_carried_out(scene, question, reply, WrongState(104, "palworld", "delete", State.RUNNING))
    assert pve.vm(104) is not None


@pytest.mark.parametrize("what", ["disk", "protection", "snapshot"])
async def test_more_would_be_lost_than_was_shown(scene: Stage, pve: Pve, what: str) -> None:
    """Trap: consent to lose one disk is not consent to lose two."""
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    if what == "disk":
        pve.vm(104).config["scsi1"] = "local-lvm:vm-104-disk-1,size=500G"
    elif what == "protection":
        pve.vm(104).config["protection"] = 1
    else:
        pve.vm(104).snapshots["new"] = {"name": "new", "snaptime": 1_700_000_000, "description": ""}
    reply = await scene.submit(scene.emma, form, "palworld")
    error = GuestProtected(104, "palworld") if what == "protection" else ChangedMeanwhile(104)
    not_carried_out(scene, question, reply, error)
    assert pve.vm(104) is not None


# -- Discord in trouble


async def test_a_press_while_the_first_is_still_being_checked(scene: Stage, pve: Pve) -> None:
    """Nobody is told that nothing was done while the first press is about to do it."""
    question = await scene.say(scene.emma, "stop", vmid=101)
    post, yes = post_of(question), yes_of(question)
    pve.hang("/qemu/101/status/current", 0.9, times=1)
    first = asyncio.create_task(scene.server.click(scene.emma, post, yes, force=True))
    await scene.until(lambda: scene.sent("GET", "/qemu/101/status/current")[1:])
    second = await scene.server.click(scene.emma, post, yes, force=True)
    scene.assert_refused(second, scene.emma, QuestionAnswered())
    assert "othing was done" not in second.text
    await scene.whole(first)
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve1/qemu/101/status/stop"]
    assert "was force-stopped" in question.text


def broken(*_: object) -> str:
    raise KeyError("no such word")


async def test_a_question_that_could_not_be_asked_is_not_open(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.expected_errors.append("unexpected error")
    with monkeypatch.context() as patched:
        patched.setattr("ui.guests.confirm.plan_parts", broken)
        reply = await scene.say(scene.emma, "stop", vmid=101)
    scene.assert_private(reply)
    assert not scene.services.questions._open
    scene.clock.skip(61)
    await scene.settled()
    assert len(scene.logged) == 1, "nothing comes of its lapse"


async def test_a_question_that_fails_after_it_was_shown_is_over(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not answered, so nobody is told to look for a result. Its buttons go grey at the first press."""
    scene.expected_errors.append("unexpected error")
    show = Reply._show

    async def fail(reply: Reply, view: ui.LayoutView) -> None:
        await show(reply, view)
        raise KeyError("no such state")

    with monkeypatch.context() as patched:
        patched.setattr(Reply, "_show", fail)
        question = await scene.say(scene.emma, "stop", vmid=101)
    reply = await scene.press(scene.emma, question, yes_of(question))
    scene.assert_pressed_in_vain(reply, scene.emma, QuestionOver())
    assert enabled(question) == []
    assert scene.changes() == []


@pytest.mark.parametrize("end", ["a bug", "cancelled"])
async def test_a_question_that_lapses_before_it_is_shown_hides_no_error(
    scene: Stage, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    scene.expected_errors.append("unexpected error")
    show, ends = Reply._show, [end]

    async def fail(reply: Reply, view: ui.LayoutView) -> None:
        if not ends:
            await show(reply, view)
            return
        ends.clear()
        await reply._answer.acknowledge()
        scene.clock.skip(61)
        await scene.until(lambda: not scene.services.questions._open, "the lapse")
        if end == "a bug":
            raise KeyError("no such state")
        raise asyncio.CancelledError

    monkeypatch.setattr(Reply, "_show", fail)
    question = await scene.say(scene.emma, "stop", vmid=101)
    await question.until("Timed out. Nothing was done.")
    assert enabled(question) == []
    told = [post.text for post in question.followups]
    assert len(scene.logged) == (1 if end == "a bug" else 0)
    assert ["Something went wrong" in text for text in told] == ([True] if end == "a bug" else [])
    assert scene.changes() == []


async def test_a_lapse_that_cannot_be_shown_ends_the_question_all_the_same(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.expected_errors.append("unexpected error")
    question = await scene.say(scene.emma, "stop", vmid=101)
    yes = yes_of(question)
    with monkeypatch.context() as patched:
        patched.setattr("ui.guests.confirm.plan_parts", broken)
        scene.clock.skip(60)
        await scene.until(lambda: scene.logged, "the error")
    reply = await scene.press(scene.akiko, question, yes)
    scene.assert_refused(reply, scene.akiko, QuestionOver())
    assert len(enabled(question)) == 2, "only its asker changes the message"
    reply = await scene.press(scene.emma, question, yes)
    scene.assert_pressed_in_vain(reply, scene.emma, QuestionOver())
    assert enabled(question) == []
    assert scene.changes() == []


async def test_a_lapse_while_discord_is_away_is_shown_when_it_is_back(scene: Stage) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    scene.server.fail("PATCH", "/messages/@original", 503, 1)
    scene.clock.skip(60)
    await question.until("Timed out")
    assert enabled(question) == []


async def test_a_question_goes_grey_also_when_discord_refuses_that(scene: Stage) -> None:
    """The question is from before a crash. The private answer comes whether or not the old message can be edited."""
    question = await scene.say(scene.emma, "stop", vmid=101)
    await scene.crash_bot()
    scene.server.ack_limit = 3.0
    scene.server.fail("POST", "/callback", 403)
    reply = await scene.press(scene.emma, question, yes_of(question))
    assert scene.told(scene.emma, QuestionOver()) in reply.text
    assert scene.changes() == []
