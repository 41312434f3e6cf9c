"""Test that a task is followed to its true end, whatever Proxmox does meanwhile."""

import asyncio
import re

from hypothesis import given
from hypothesis import strategies as st

from core.proxmox import TaskStatus
from core.proxmox_errors import (
    MissingPrivilege,
    NodeUnreachable,
    ProxmoxError,
    TaskUnknown,
    TimedOut,
    Unreachable,
)
from core.tasks import (
    LOG_CHUNK,
    LOG_TAIL,
    LOST_AFTER,
    Progress,
    TaskEnd,
    TaskResult,
    end_of,
    follow,
    percent_in,
)
from tests.support.fakes import FakeClock, FakeProxmox, guest
from tests.support.walked import walked

GONE = Unreachable("pve1")


class Scene:
    """Hold one running task, and the progress that was reported."""

    def __init__(
        self, seconds: float = 3.0, exit_text: str = "OK", lines: tuple[tuple[float, str], ...] = ()
    ) -> None:
        self.clock = FakeClock()
        self.proxmox = FakeProxmox(self.clock)
        self.proxmox.add(guest(101))
        self.proxmox.seconds, self.proxmox.exit, self.proxmox.lines = seconds, exit_text, lines
        self.upid = self.proxmox.start_task("qmstart", 101, "pve1", lambda: None)
        self.seen: list[Progress] = []

    async def follow(self) -> TaskResult:
        async def watch(progress: Progress) -> None:
            self.seen.append(progress)

        return await follow(self.proxmox, self.clock, self.upid, watch)


@walked(
    ("text", "end"),
    [
        ("OK", TaskEnd.OK),
        ("WARNINGS: 1", TaskEnd.WARNINGS),
        ("WARNINGS: 12", TaskEnd.WARNINGS),
        ("WARNINGS: x", TaskEnd.ERROR),
        ("WARNINGS: 1 and more", TaskEnd.ERROR),
        ("ok", TaskEnd.ERROR),
        ("OK ", TaskEnd.ERROR),
        ("", TaskEnd.ERROR),
        ("unexpected status", TaskEnd.ERROR),
        ("interrupted by signal", TaskEnd.ERROR),
        ("command 'OK' failed: exit code 1", TaskEnd.ERROR),
    ],
)
def test_ends(text: str, end: TaskEnd) -> None:
    assert end_of(text) is end


async def test_ok() -> None:
    scene = Scene(seconds=3)
    result = await scene.follow()
    assert result == TaskResult(TaskEnd.OK, scene.upid, "OK")
    assert scene.clock.slept == [0.5, 1, 2]
    assert [progress.elapsed for progress in scene.seen] == [0, 0.5, 1.5]
    assert not any(progress.out_of_sight for progress in scene.seen)
    assert "task_log" not in scene.proxmox.asked


async def test_a_task_that_is_over_at_once_is_not_waited_for() -> None:
    scene = Scene(seconds=0)
    assert (await scene.follow()).end is TaskEnd.OK
    assert (scene.clock.slept, scene.seen) == ([], [])


async def test_warnings_come_with_the_end_of_the_log() -> None:
    scene = Scene(0, "WARNINGS: 2", ((0, "WARN: a"), (0, ""), (0, "  "), (0, "WARN: b")))
    result = await scene.follow()
    assert result == TaskResult(TaskEnd.WARNINGS, scene.upid, "WARNINGS: 2", ("WARN: a", "WARN: b"))


async def test_an_error_comes_with_proxmox_words_and_the_last_lines() -> None:
    lines = tuple((0.0, f"line {number}") for number in range(20))
    scene = Scene(2, "volume 'x' does not exist", lines)
    result = await scene.follow()
    assert result.end is TaskEnd.ERROR
    assert result.message == "volume 'x' does not exist"
    assert result.log == tuple(f"line {number}" for number in range(20 - LOG_TAIL, 20))


async def test_a_task_without_an_exit_text_is_not_ok() -> None:
    class Wordless(FakeProxmox):
        async def task_status(self, upid: str) -> TaskStatus:
            return TaskStatus(False, None)

    clock = FakeClock()
    proxmox = Wordless(clock)
    upid = proxmox.start_task("qmstart", 101, "pve1", lambda: None)
    assert await follow(proxmox, clock, upid) == TaskResult(TaskEnd.ERROR, upid, "unexpected status")


async def test_an_error_is_reported_although_its_log_cannot_be_read() -> None:
    scene = Scene(0, "got timeout", ((0, "line"),))
    scene.proxmox.next("task_log", MissingPrivilege("Sys.Audit", "/nodes/pve1"))
    assert await scene.follow() == TaskResult(TaskEnd.ERROR, scene.upid, "got timeout")


async def test_a_task_proxmox_does_not_know_has_vanished() -> None:
    scene = Scene(seconds=60)
    del scene.proxmox.tasks[scene.upid]
    assert await scene.follow() == TaskResult(TaskEnd.VANISHED, scene.upid)
    scene = Scene(seconds=60)
    scene.proxmox.next("task_status", None, None, TaskUnknown(scene.upid))
    assert (await scene.follow()).end is TaskEnd.VANISHED
    assert scene.clock.slept == [0.5, 1]


@walked("error", [GONE, TimedOut("pve1", False), NodeUnreachable("pve1"), TaskUnknown("x")])
async def test_only_an_unknown_task_ends_the_wait(error: ProxmoxError) -> None:
    scene = Scene(seconds=10)
    scene.proxmox.next("task_status", error)
    result = await scene.follow()
    assert result.end is (TaskEnd.VANISHED if isinstance(error, TaskUnknown) else TaskEnd.OK)


async def test_proxmox_out_of_sight_for_a_while_and_back() -> None:
    scene = Scene(seconds=12)
    scene.proxmox.next("task_status", None, GONE, GONE, None)
    result = await scene.follow()
    assert result.end is TaskEnd.OK
    assert [progress.out_of_sight for progress in scene.seen] == [False, True, True, False, False, False]
    assert [progress.elapsed for progress in scene.seen] == [0, 0.5, 1.5, 3.5, 7.5, 11.5]


async def test_almost_ten_minutes_without_an_answer_do_not_lose_the_task() -> None:
    scene = Scene(seconds=5, exit_text="it went wrong")
    scene.proxmox.next("task_status", *[GONE] * int(LOST_AFTER / 4))
    result = await scene.follow()
    assert (result.end, result.message) == (TaskEnd.ERROR, "it went wrong")
    assert scene.clock.mono - 1000 > LOST_AFTER - 10


async def test_after_ten_minutes_without_an_answer_the_end_is_unknown() -> None:
    scene = Scene(seconds=5)
    scene.proxmox.next("task_status", *[GONE] * 1000)
    result = await scene.follow()
    assert result == TaskResult(TaskEnd.LOST, scene.upid)
    assert LOST_AFTER < scene.clock.mono - 1000 < LOST_AFTER + 10


async def test_an_answer_restarts_the_ten_minutes() -> None:
    scene = Scene(seconds=1500)
    some = [GONE] * int(LOST_AFTER / 4 - 5)
    scene.proxmox.next("task_status", *some, None, *some, None)
    assert (await scene.follow()).end is TaskEnd.OK


async def test_a_long_task_is_followed_however_long_it_takes() -> None:
    scene = Scene(seconds=3 * 3600)
    assert (await scene.follow()).end is TaskEnd.OK
    assert max(scene.clock.slept) == 4
    assert scene.seen[-1].elapsed >= 3 * 3600 - 4


async def test_the_wall_clock_does_not_matter() -> None:
    scene = Scene(seconds=10)
    for seconds, jump in ((1, 3600), (5, -7200)):
        scene.clock.at(seconds, lambda jump=jump: setattr(scene.clock, "unix", scene.clock.unix + jump))  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
    result = await scene.follow()
    assert result.end is TaskEnd.OK
    assert [progress.elapsed for progress in scene.seen] == [0, 0.5, 1.5, 3.5, 7.5]


# --- the log on the way ---


class Reads(FakeProxmox):
    """Record which log lines were requested."""

    asked_for: list[tuple[int, int]]

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        self.asked_for.append((start, limit))
        return await super().task_log(upid, start, limit)


async def test_the_log_is_read_on_from_where_the_last_read_ended() -> None:
    clock = FakeClock()
    proxmox = Reads(clock)
    proxmox.asked_for = []
    proxmox.seconds, proxmox.exit = 14, "no space left"
    long = tuple((4.0, f"line {number}") for number in range(LOG_CHUNK + 100))
    proxmox.lines = ((0.0, "first"), (1.0, "10%"), *long, (9.0, "50%"), (13.0, "TASK ERROR: no space left"))
    upid = proxmox.start_task("qmclone", 101, "pve1", lambda: None)
    seen: list[float | None] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress.percent)

    result = await follow(proxmox, clock, upid, watch)
    read = [start for start, _ in proxmox.asked_for]
    assert read == [0, 2, 2 + LOG_CHUNK, 2 + LOG_CHUNK + 100, 2 + LOG_CHUNK + 101]
    assert {limit for _, limit in proxmox.asked_for} == {LOG_CHUNK}
    assert seen == [None, None, None, 10, 10, 50]
    assert result.log == ("line 597", "line 598", "line 599", "50%", "TASK ERROR: no space left")


async def test_an_empty_log_hides_no_line_that_comes_later() -> None:
    """Proxmox answers "no content" for an empty log. That text is not a line of it (pve-common Tools.pm)."""
    scene = Scene(8, "VM quit/powerdown failed", ((7.5, "TASK ERROR: VM quit/powerdown failed"),))
    result = await scene.follow()
    assert scene.proxmox.asked.count("task_log") >= 2
    assert result.log == ("TASK ERROR: VM quit/powerdown failed",)


async def test_a_log_that_cannot_be_read_once_loses_neither_task_nor_line() -> None:
    scene = Scene(20, "broken", ((1, "20%"), (10, "40%"), (19, "the end")))
    scene.proxmox.next("task_log", GONE)
    result = await scene.follow()
    assert result.log == ("20%", "40%", "the end")
    assert [progress.percent for progress in scene.seen] == [None, None, None, None, 20, 40, 40, 40]


async def test_a_percentage_that_starts_again_at_zero_replaces_the_one_before() -> None:
    """A clone counts from 0 again for each of its disks."""
    scene = Scene(20, "OK", ((1, "disk 1: 0%"), (7, "disk 1: 100%"), (10, "disk 2: 0%")))
    await scene.follow()
    assert [progress.percent for progress in scene.seen] == [None, None, None, 0, 100, 0, 0, 0]


@walked(
    ("lines", "percent"),
    [
        ((), None),
        (("nothing here",), None),
        (("transferred 1.2 GiB of 32.0 GiB (3.80%)",), 3.8),
        (("10%", "20%", "done"), 20),
        (("read 12 % of 100 %",), 100),
        (("progress 101%", "load 250%"), None),
        (("50%", "load 250%"), 50),
        (("100%",), 100),
        (("0%",), 0),
    ],
)
def test_percent(lines: tuple[str, ...], percent: float | None) -> None:
    assert percent_in(lines) == percent


@given(st.lists(st.text(max_size=40) | st.from_regex(r"[ a-z]*[0-9.]{0,8} ?%[ a-z%0-9]*", fullmatch=True)))
def test_a_percentage_is_one_that_was_written(lines: list[str]) -> None:
    found = percent_in(tuple(lines))
    if found is not None:
        assert 0 <= found <= 100
        written = [float(text) for text in re.findall(r"\d{1,3}(?:\.\d+)?(?=\s?%)", " | ".join(lines))]
        assert found in written


@given(
    st.lists(st.sampled_from([None, GONE, TimedOut("pve1", False)]), max_size=60),
    st.floats(0, 300).map(lambda seconds: round(seconds, 1)),
    st.sampled_from(["OK", "WARNINGS: 1", "error"]),
)
def test_any_history_that_ends_is_followed_to_its_end(
    answers: list[ProxmoxError | None], seconds: float, exit_text: str
) -> None:
    scene = Scene(seconds, exit_text)
    scene.proxmox.next("task_status", *answers)
    result = asyncio.run(scene.follow())
    assert (result.message, result.end) == (exit_text, end_of(exit_text))
    waited = scene.clock.mono - 1000
    assert seconds <= waited <= max(seconds + 4, 4 * (len(answers) + 1))
    assert [progress.out_of_sight for progress in scene.seen[: len(answers)]] == [
        answer is not None for answer in answers[: len(scene.seen)]
    ]
