"""Starts programs in processes that have imported their packages already, which saves most of what a start costs.

Each is a real process: it has its own id, environment, output, signals and death. It is forked from a starter
(this file as a program) in place of a new Python; then the program is run as the main one. Each worker of the
tests has one starter, which ends with it. A test that is about the start itself starts a Python of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib
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
"""Whether processes can be forked safely after all of these imports."""
START_PATIENCE = 60.0
"""Seconds for the starter's own imports, on a busy machine."""


class WarmProcess:
    """A process that the starter has forked, with the part of asyncio's Process that the tests use."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self._starter, self.pid = starter, pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        self._starter.read()
        return self._starter.codes.get(self.pid)

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        while (code := self.returncode) is None:  # noqa: ASYNC110 - it is told on a socket that several wait for
            await asyncio.sleep(0.005)
        return code


class Starter:
    """The process that forks, as its client sees it."""

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        """Exit codes of those that have ended."""
        self._begun: list[int] = []
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
        *,
        after: str = "",
    ) -> WarmProcess:
        """Fork a process that runs the program. Its output is added to `log`.

        `after`: a module that the starter imports first, and keeps. Raises AssertionError when the starter has died.
        """
        log.touch()  # it is read before the bot has come to write it
        wanted = {
            "command": [str(program), *arguments],
            "environment": dict(environment),
            "log": str(log),
            "after": after,
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
        return WarmProcess(self, self._begun.pop())

    def close(self) -> None:
        """End it; what it has forked lives on."""
        self._socket.close()
        self._process.wait(START_PATIENCE)

    def read(self) -> None:
        """Take in what the starter has told so far."""
        with contextlib.suppress(BlockingIOError):
            while told := self._socket.recv(65536):
                self._rest += told
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            word, pid, code = json.loads(line)
            if word == "begun":
                self._begun.append(pid)
            else:
                self.codes[pid] = code


@functools.cache
def starter() -> Starter:
    """This process's own."""
    made = Starter()
    atexit.register(made.close)
    return made


# -- in the starter


def serve(client: socket.socket) -> dict[str, Any] | None:
    """Fork what the client asks for, and tell it of every end, until it is gone.

    Returns twice: None in the starter, and in each process that it has forked what that one is to become.
    """
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end this one by going
    rest = b""
    while True:
        ready, _, _ = select.select([client.fileno(), woken], [], [])
        if client.fileno() in ready:
            if not (asked := client.recv(65536)):
                return None
            *lines, rest = (rest + asked).split(b"\n")
            for line in lines:
                wanted: dict[str, Any] = json.loads(line)
                if after := wanted.pop("after"):
                    importlib.import_module(after)
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


def become(command: list[str], environment: Mapping[str, str], log: str) -> None:
    """Run a program as `python program …` would, in the process that was just forked."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    import gc

    import bot  # noqa: F401 - for everything that it imports

    gc.freeze()
    if wanted := serve(socket.socket(fileno=int(sys.argv[1]))):
        become(**wanted)
