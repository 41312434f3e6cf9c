"""Test that each fact is shown once and in one way: a task's error, a state, a size."""

import pytest

from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
TIMEOUT = "VM quit/powerdown failed - got timeout"
ERROR = "command '/usr/bin/kvm' failed"


@BOTH
@pytest.mark.parametrize("lines", [[], ["waiting", f"TASK ERROR: {ERROR}"], [ERROR, f"TASK ERROR:  {ERROR}"]])
async def test_a_tasks_error_is_shown_once(scene: Stage, pve: Pve, lines: list[str]) -> None:
    pve.next_task("qmshutdown", vmid=103, ends=ERROR, lines=lines)
    text = (await scene.say(scene.emma, "shutdown", vmid=103)).text
    assert text.count(ERROR) == 1, text
    assert ("waiting" in text) is ("waiting" in lines)
    assert "TASK ERROR" not in text
    assert "``````" not in text


async def test_an_error_with_words_of_its_own_is_shown_in_these_alone(scene: Stage, pve: Pve) -> None:
    pve.next_task("qmshutdown", vmid=103, ends=TIMEOUT, lines=[f"TASK ERROR: {TIMEOUT}"])
    told = await scene.say(scene.emma, "shutdown", vmid=103)
    assert TIMEOUT not in told.text
    assert told.text.count("It did not react in time.") == 1
    pve.next_task("qmshutdown", vmid=103, ends="job errors", lines=["TASK ERROR: job errors"])
    told = await scene.say(scene.emma, "shutdown", vmid=103)
    assert "Reason: the job ended with errors" in told.text
    assert "`" not in told.text.split("\n", 1)[1]


async def test_a_log_that_says_more_is_shown(scene: Stage, pve: Pve) -> None:
    more = f"TASK ERROR: {TIMEOUT} after 180 s"
    pve.next_task("qmshutdown", vmid=103, ends=TIMEOUT, lines=[more])
    assert more in (await scene.say(scene.emma, "shutdown", vmid=103)).text


@BOTH
async def test_a_state_is_one_word_in_head_row_and_panel(scene: Stage) -> None:
    t = scene.t()
    for status, emoji, word, vmid, told_by_dot in (
        ("other", "⏸️", t("paused"), 109, False),
        ("stopped", "⚪", t("stopped"), 104, True),
        ("running", "🟢", t("running"), 101, True),
    ):
        text = (await scene.say(scene.akiko, "list", status=status)).text
        _, head, _, *rows = text.splitlines()  # the first line is the total, the third the filter
        assert head.startswith(f"{emoji} {word} "), text
        assert "❔" not in head, head
        row = next(number for number, line in enumerate(rows) if line.startswith(f"{emoji} **{vmid}**"))
        assert rows[row + 1].startswith(f"-# {word} · ") is not told_by_dot, text
        assert (word in "\n".join(rows)) is not told_by_dot, "the head says what the dot means"
        panel = (await scene.say(scene.akiko, "info", vmid=vmid)).text
        assert panel.startswith(f"### {emoji} ")
        assert f"**{word}**" in panel
    assert t("other states") in (await scene.say(scene.akiko, "list", status="other")).text


async def test_disks_are_written_as_other_sizes_are(scene: Stage) -> None:
    question = await scene.say(scene.emma, "delete", vmid=104)
    assert " GiB" in question.text
    assert "G`" not in question.text
    await scene.press(scene.emma, question, post_of(question).buttons[1].custom_id or "")
