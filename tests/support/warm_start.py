"""Start programs in processes that already have their packages imported, because imports take most of a start.

A starter (this file as a program) forks each process, and the fork runs the program as its main module. It is a real
process with its own id, environment, output and signals. Each test worker has one starter, which ends with the
worker. Tests of the start itself use a new Python instead.

A started bot may live faster, so that tests need not wait for its intervals: see `hasten`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
POSSIBLE = sys.platform == "linux"
"""Whether a process with all of these imports can fork safely."""
START_PATIENCE = 60.0
"""Seconds that the starter has for a start, with its own imports, and for its end, on a busy machine."""


class WarmProcess:
    """Control a forked process, like the part of asyncio's Process that the tests use."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self._starter, self.pid = starter, pid
        self.code: int | None = None
        """The exit code, once the starter has told it."""

    @property
    def returncode(self) -> int | None:
        """Return the exit code: negative for a signal, None while the process runs."""
        self._starter.read()
        return self.code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        while (code := self.returncode) is None:  # noqa: ASYNC110 - several waiters share one socket, so each polls
            await asyncio.sleep(0.005)
        return code


class Starter:
    """Control the starter process."""

    def __init__(self) -> None:
        self._living: dict[int, WarmProcess] = {}
        """The processes that have not ended, by process id. The kernel uses the id of an ended one again."""
        self._begun: list[WarmProcess] = []
        self._rest = b""
        self._socket, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(  # noqa: S603 - this very file
                [sys.executable, "-m", "tests.support.warm_start", str(there.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
            )
        self._socket.setblocking(False)

    def start(
        self,
        program: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        haste: float = 1.0,
    ) -> WarmProcess:
        """Fork a process that runs the program. Its output is added to `log`.

        `haste`: seconds that pass on its clock in each second.
        Raises: AssertionError or OSError, if the starter has died. AssertionError, if it is too slow.
        """
        log.touch()  # tests may read it before the program writes
        wanted = {
            "command": [str(program), *arguments],
            "environment": dict(environment),
            "log": str(log),
            "haste": haste,
        }
        self._socket.setblocking(True)
        self._socket.sendall(json.dumps(wanted).encode() + b"\n")
        self._socket.setblocking(False)
        end = time.monotonic() + START_PATIENCE
        while not self._begun:
            assert self._process.poll() is None, "the starter has died"
            assert time.monotonic() < end, f"not started within {START_PATIENCE} s"
            select.select([self._socket], [], [], 1.0)
            self.read()
        return self._begun.pop()

    def close(self) -> None:
        """End the starter. Its forked processes continue."""
        self._socket.close()
        self._process.wait(START_PATIENCE)

    def read(self) -> None:
        """Read the messages that the starter has sent so far."""
        with contextlib.suppress(BlockingIOError):
            while told := self._socket.recv(65536):
                self._rest += told
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            word, pid, code = json.loads(line)
            if word == "begun":
                self._living[pid] = process = WarmProcess(self, pid)
                self._begun.append(process)
            else:
                self._living.pop(pid).code = code


@functools.cache
def starter() -> Starter:
    """Return the one starter of this process."""
    made = Starter()
    atexit.register(made.close)
    return made


# -- in the starter and in the processes that it forks


def serve(client: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request of the client and report each exit code, until the client is gone.

    Return None in the starter. Return the request in each forked process.
    """
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; the starter ends with them
    rest = b""
    while True:
        ready, _, _ = select.select([client.fileno(), woken], [], [])
        if client.fileno() in ready:
            if not (asked := client.recv(65536)):
                return None
            *lines, rest = (rest + asked).split(b"\n")
            for line in lines:
                wanted: dict[str, Any] = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    client.close()
                    os.close(woken)
                    os.close(wakes)
                    return wanted
                client.sendall(json.dumps(["begun", pid, 0]).encode() + b"\n")
        if woken in ready:
            os.read(woken, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                client.sendall(json.dumps(["ended", ended[0], code]).encode() + b"\n")


def hasten(haste: float) -> None:
    """Let time pass faster for core/clock.py, the watch's loop, and the wait after the last guild of a connection.

    The time of day does not change, because it has to agree with other processes.
    """
    from discord.ext import tasks  # noqa: PLC0415  # only in a started bot
    from discord.state import ConnectionState  # noqa: PLC0415  # only in a started bot

    from core.clock import Clock  # noqa: PLC0415  # only in a started bot

    began, change_interval = time.monotonic(), tasks.Loop.change_interval
    set_up = ConnectionState.__init__

    async def sleep(_: Clock, seconds: float) -> None:
        await asyncio.sleep(seconds / haste)

    def change_interval_of(loop: tasks.Loop[Any], *, seconds: float = 0, **given: Any) -> None:
        change_interval(loop, seconds=seconds / haste, **given)

    def set_up_in_haste(state: ConnectionState[Any], **given: Any) -> None:
        set_up(state, **given)
        state.guild_ready_timeout /= haste

    replaced: list[tuple[type, str, object]] = [
        (Clock, "monotonic", lambda _: began + (time.monotonic() - began) * haste),
        (Clock, "sleep", sleep),
        (tasks.Loop, "change_interval", change_interval_of),
        (ConnectionState, "__init__", set_up_in_haste),
    ]
    for owner, name, made in replaced:
        setattr(owner, name, made)


def become(command: list[str], environment: Mapping[str, str], log: str, haste: float) -> None:
    """Run the program in this forked process, as `python program …` would."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    if haste != 1.0:
        hasten(haste)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    import gc

    import bot  # noqa: F401 - for everything that it imports

    gc.freeze()
    if wanted := serve(socket.socket(fileno=int(sys.argv[1]))):
        become(**wanted)
