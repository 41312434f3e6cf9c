"""Questions and the delete form: pressed twice, by others, too late, after a restart; what changed meanwhile."""

import asyncio

import pytest

from core.errors import (
    ChangedMeanwhile,
    GuestNotFound,
    NameMismatch,
    NotYours,
    QuestionOver,
    WrongState,
)
from core.guest import State
from playground.discord_people import Reply
from playground.pve import Pve
from tests import stage
from tests.stage import Stage, post_of
from ui.render import named

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


def enabled(reply: Reply) -> list[str]:
    return [button.label for button in post_of(reply).buttons if not button.disabled]


ASKING = [
    ("stop", {"vmid": 101}, "/qemu/101/status/stop"),
    ("stop", {"vmid": 201}, "/lxc/201/status/stop"),
    ("snapshot rollback", {"vmid": 103, "name": "before-event"}, "/qemu/103/snapshot/before-event/rollback"),
    ("snapshot delete", {"vmid": 204, "name": "weekly"}, "/lxc/204/snapshot/weekly"),
]


def yes_of(question: Reply) -> str:
    return post_of(question).buttons[0].custom_id or ""


def no_of(question: Reply) -> str:
    return post_of(question).buttons[1].custom_id or ""


@pytest.mark.parametrize(("command", "options", "path"), ASKING)
async def test_a_double_press_counts_once(
    scene: Stage, pve: Pve, command: str, options: dict[str, object], path: str
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    post, yes = post_of(question), yes_of(question)
    presses = [scene.server.click(scene.akiko, post, yes, force=True) for _ in range(3)]
    replies = await scene.whole(asyncio.gather(*presses))
    assert [sent[len(sent) - len(path) :] for _, sent, _ in scene.changes()] == [path]
    over = scene.told(scene.akiko, QuestionOver())
    assert sum(over in reply.text for reply in replies) == 2
    late = await scene.press(scene.akiko, question, yes, force=True)
    scene.assert_refused(late, scene.akiko, QuestionOver())
    assert len(scene.changes()) == 1


@pytest.mark.parametrize(("command", "options", "path"), [*ASKING, ("delete", {"vmid": 104}, "")])
async def test_only_the_asker_can_answer(
    scene: Stage, command: str, options: dict[str, object], path: str
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    text = question.text
    for button in (yes_of(question), no_of(question)):
        reply = await scene.press(scene.emma, question, button)
        scene.assert_refused(reply, scene.emma, NotYours("Akiko"))
    assert scene.changes() == []
    assert question.text == text and len(enabled(question)) == 2, "it is still open for the asker"


@BOTH
@pytest.mark.parametrize(("command", "options", "path"), [*ASKING, ("delete", {"vmid": 104}, "")])
async def test_cancelling_changes_nothing(
    scene: Stage, command: str, options: dict[str, object], path: str
) -> None:
    before = scene.cluster()
    question = await scene.say(scene.akiko, command, **options)
    yes = yes_of(question)
    await scene.press(scene.akiko, question, scene.t()("Cancel"))
    assert scene.t()("Cancelled; nothing was done.") in question.text
    assert enabled(question) == []
    scene.assert_refused(
        await scene.press(scene.akiko, question, yes, force=True), scene.akiko, QuestionOver()
    )
    assert scene.cluster() == before and scene.changes() == []


@BOTH
@pytest.mark.parametrize(("command", "options", "path"), [*ASKING, ("delete", {"vmid": 104}, "")])
async def test_a_question_lapses_after_a_minute(
    scene: Stage, command: str, options: dict[str, object], path: str
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    yes = yes_of(question)
    assert scene.t()("Answer within {n} seconds.", n=60) in question.text
    scene.clock.skip(57)
    assert len(enabled(question)) == 2
    scene.clock.skip(3)
    lapsed = scene.t()("Nobody answered in time, so nothing was done.")
    await question.until(lambda shown: lapsed in shown.text)
    assert enabled(question) == []
    scene.assert_refused(
        await scene.press(scene.akiko, question, yes, force=True), scene.akiko, QuestionOver()
    )
    assert scene.changes() == []


@pytest.mark.parametrize(("command", "options", "path"), [*ASKING, ("delete", {"vmid": 104}, "")])
async def test_a_question_from_before_a_restart_is_over(
    scene: Stage, command: str, options: dict[str, object], path: str
) -> None:
    question = await scene.say(scene.akiko, command, **options)
    await scene.restart_bot()
    for button in (yes_of(question), no_of(question)):
        reply = await scene.press(scene.akiko, question, button)
        scene.assert_refused(reply, scene.akiko, QuestionOver())
    assert scene.changes() == []


# -- what changed between question and press


async def test_a_guest_that_moved_is_found_again(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.move_guest(101, "pve2")
    await scene.press(scene.emma, question, "Switch off web01")
    assert [path for _, path, _ in scene.changes()] == ["/nodes/pve2/qemu/101/status/stop"]
    assert "was switched off" in question.text


async def test_a_guest_that_moves_at_the_very_last_moment_is_found_again_once(scene: Stage, pve: Pve) -> None:
    """The change itself meets the old node: nothing was done there, so it goes to the new one."""
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.fail(
        "POST",
        "/nodes/pve1/qemu/101/status/stop",
        500,
        "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist",
        times=1,
    )
    await scene.press(scene.emma, question, "Switch off web01")
    assert len(scene.changes()) == 2
    assert pve.vm(101).status == "stopped" and "was switched off" in question.text


async def test_a_guest_deleted_meanwhile(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.vms.remove(pve.vm(101))
    await scene.press(scene.emma, question, "Switch off web01")
    assert scene.told(scene.emma, GuestNotFound(101)) in question.text
    assert enabled(question) == [] and scene.changes() == []


async def test_another_guest_under_the_same_vmid(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.vms.remove(pve.vm(101))
    pve.add_vm(101, "payroll", node="pve1", status="running")
    await scene.press(scene.emma, question, "Switch off web01")
    assert scene.told(scene.emma, ChangedMeanwhile(101)) in question.text
    assert pve.vm(101).status == "running" and scene.changes() == []


async def test_a_guest_stopped_meanwhile(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    pve.crash(101)
    await scene.press(scene.emma, question, "Switch off web01")
    assert scene.told(scene.emma, WrongState(101, "web01", "stop", State.STOPPED)) in question.text
    assert scene.changes() == []


# -- the form of /delete


@BOTH
@pytest.mark.parametrize("typed", [" ", "web", "PALWORLD", "palworld2", "104", "`palworld`"])
async def test_the_wrong_name_deletes_nothing(scene: Stage, pve: Pve, typed: str) -> None:
    question = await scene.say(scene.akiko, "delete", vmid=104)
    form = await scene.press(scene.akiko, question, yes_of(question))
    reply = await scene.submit(scene.akiko, form, typed)
    scene.assert_refused(reply, scene.akiko, NameMismatch(104, "palworld"))
    assert pve.vm(104) is not None and scene.changes() == []
    again = await scene.press(scene.akiko, question, yes_of(question))
    await scene.submit(scene.akiko, again, "  palworld ")
    assert pve.vm(104) is None, "the question stays open for another try"
    assert scene.t()("{guest} was deleted.", guest=named(104, "palworld")) in question.text


async def test_a_form_sent_twice_deletes_once(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    second = await scene.press(scene.emma, question, yes_of(question))
    sent = [scene.server.submit(scene.emma, shown, "palworld") for shown in (form, second)]
    replies = await scene.whole(asyncio.gather(*sent))
    assert [method for method, _, _ in scene.changes()] == ["DELETE"]
    assert sum(scene.told(scene.emma, QuestionOver()) in reply.text for reply in replies) == 1


async def test_a_form_sent_after_the_lapse(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, yes_of(question))
    scene.clock.skip(60)
    await question.until("Nobody answered in time")
    scene.assert_refused(await scene.submit(scene.emma, form, "palworld"), scene.emma, QuestionOver())
    assert pve.vm(104) is not None


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
    await scene.submit(scene.emma, form, "palworld")
    assert scene.told(scene.emma, WrongState(104, "palworld", "delete", State.RUNNING)) in question.text
    assert pve.vm(104) is not None and scene.changes() == []
