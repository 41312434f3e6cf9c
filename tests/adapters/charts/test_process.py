"""Test the process that draws: it starts on first use, ends with the bot or when idle, and fails in clear ways."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.charts.frames import HEAD, PNG
from adapters.charts.process import ChartProcess
from adapters.charts.worker import MEMORY_MOST
from core.charts.drawing import Drawing
from core.clock import Clock
from core.errors import ChartFailed, ChartTooSlow
from tests.support.fakes import FakeClock
from tests.support.walked import walked

ROOT = Path(__file__).resolve().parents[3]
EMPTY = Drawing("101", "", 0.0, 60.0, (), (), (), (), ())
ECHO = f"""
import os, sys
while head := sys.stdin.buffer.read({HEAD.size}):
    sys.stdin.buffer.read(int.from_bytes(head[1:], "big"))
    word = {PNG!r} + str(os.getpid()).encode() + b" " + ",".join(sorted(os.environ)).encode()
    sys.stdout.buffer.write(b"P" + len(word).to_bytes(4, "big") + word)
    sys.stdout.buffer.flush()
"""
"""A process that answers with its id and the names of its variables instead of a picture."""


def process_of(code: str, *, clock: Clock | None = None, seconds: float = 30.0) -> ChartProcess:
    return ChartProcess(
        clock or Clock(), (sys.executable, "-c", code), start_seconds=seconds, draw_seconds=seconds
    )


def pid_of(draws: ChartProcess) -> int | None:
    return draws.pid  # it changes, which a type checker does not expect of a property


def lives(pid: int) -> bool:
    """Return whether a process runs. One that has ended may still wait for its parent to notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(0.01)


async def test_one_process_draws_all_and_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    draws = process_of(ECHO)
    assert pid_of(draws) is None, "nothing runs before the first picture"
    first, second = await asyncio.gather(draws.draw(EMPTY), draws.draw(EMPTY))
    pid, _, names = first.removeprefix(PNG).decode().partition(" ")
    assert first == second
    assert int(pid) == pid_of(draws)
    assert not [name for name in names.split(",") if "DISCORD" in name]
    os.kill(int(pid), signal.SIGKILL)
    await until(lambda: not lives(int(pid)) and pid_of(draws) is None)
    assert await draws.draw(EMPTY) != first, "another process took its place"
    await draws.close()
    with pytest.raises(ChartFailed):
        await draws.draw(EMPTY)


async def test_a_process_that_dies_while_drawing_is_replaced_once() -> None:
    """It may have been killed while it waited, before anybody noticed."""
    draws = process_of(ECHO.replace("while head", "if head") + f"sys.stdin.buffer.read({HEAD.size})")
    assert await draws.draw(EMPTY) != await draws.draw(EMPTY)
    await draws.close()


async def test_an_idle_process_ends() -> None:
    clock = FakeClock()
    draws = process_of(ECHO, clock=clock)  # its five idle minutes pass at once
    pid = int((await draws.draw(EMPTY)).removeprefix(PNG).split()[0])
    await until(lambda: pid_of(draws) is None and not lives(pid))
    assert 300.0 in clock.slept
    assert max(clock.slept) == 300.0
    await draws.close()


@walked(
    ("code", "error"),
    [
        ("import time; time.sleep(600)", ChartTooSlow),
        ("import os; os.read(0, 3)", ChartFailed),
        ("print('<html>' * 9)", ChartFailed),
        (
            "import os; os.write(1, b'F\\0\\0\\0\\2no'); os.read(0, 9); import time; time.sleep(600)",
            ChartFailed,
        ),
        ("import os; os.write(1, b'P\\0\\0\\0\\4<htm'); import time; time.sleep(600)", ChartFailed),
        ("import os; os.write(1, b'P\\xff\\xff\\xff\\xff'); import time; time.sleep(600)", ChartFailed),
    ],
)
async def test_a_drawing_process_that_fails_is_ended_or_reported(code: str, error: type[Exception]) -> None:
    draws = process_of(code, seconds=0.5 if error is ChartTooSlow else 30.0)
    with pytest.raises(error):
        await draws.draw(EMPTY)
    if b"F" not in code.encode():
        assert pid_of(draws) is None
    await draws.close()
    assert pid_of(draws) is None


async def test_a_picture_that_nobody_wants_any_more_is_given_up() -> None:
    draws = process_of("import time; time.sleep(600)")
    drawing = asyncio.create_task(draws.draw(EMPTY))
    await until(lambda: pid_of(draws) is not None)
    pid = pid_of(draws)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert pid is not None
    assert not lives(pid)
    await draws.close()


async def test_close_does_not_wait_for_a_picture() -> None:
    draws = process_of("import time; time.sleep(600)")
    drawing = asyncio.create_task(draws.draw(EMPTY))
    await until(lambda: pid_of(draws) is not None)
    began = time.monotonic()
    await draws.close()
    assert time.monotonic() - began < 30
    with pytest.raises(ChartFailed):
        await drawing


async def test_close_does_not_wait_for_a_picture_whose_process_is_just_starting() -> None:
    draws = process_of("import time; time.sleep(600)", seconds=5.0)
    drawing = asyncio.create_task(draws.draw(EMPTY))
    await asyncio.sleep(0)
    assert pid_of(draws) is None
    assert not drawing.done()
    await draws.close()
    with pytest.raises(ChartFailed):
        await drawing
    assert pid_of(draws) is None


def test_the_real_worker_ends_with_a_bot_that_is_killed() -> None:
    """The bot's end of the pipe closes, whatever it dies of."""
    code = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'adapters.charts.worker'], stdin=-1, stdout=-1)\n"
        "print(worker.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as bot:  # noqa: S603  # the command is written here
        assert bot.stdout is not None
        pid = int(bot.stdout.readline())
        score, end = Path(f"/proc/{pid}/oom_score_adj"), time.monotonic() + 60
        while score.read_text() != "1000\n":
            assert time.monotonic() < end, "where memory runs out, it goes before the bot"
            time.sleep(0.01)
        limits = Path(f"/proc/{pid}/limits")
        while f"Max data size             {MEMORY_MOST} " not in limits.read_text():
            assert time.monotonic() < end, "a picture that takes too much memory fails"
            time.sleep(0.01)
        assert lives(pid)
        bot.kill()
    while lives(pid):
        assert time.monotonic() < end
        time.sleep(0.01)
