"""Kill processes at random moments of their work. Each is forked from a parent that has the imports already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
FORK = """

import os
for line in sys.stdin:
    if os.fork() == 0:
        try:
            told(os.getpid())
            work(line.strip())
        finally:
            os._exit(1)
    told(f"ended {os.wait()[1]}")
"""
TELL = """
import sys

def told(word):
    sys.stdout.write(f"{word}\\n")
    sys.stdout.flush()
"""


class RandomDeaths:
    """Run the parent process.

    `program`: source that defines `work(argument)`. The function runs for ever and calls `told(word)` for each result
    that it acknowledges.
    """

    def __init__(self, program: str, *arguments: str) -> None:
        self._parent = subprocess.Popen(  # noqa: S603 - our text
            [sys.executable, "-c", TELL + program + FORK, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parent.kill()
        self._parent.communicate()

    def start_and_kill(self, argument: str, seconds: float) -> list[str]:
        """Start the work and kill it `seconds` after its first word. Return all of its words."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{argument}\n")
        self._parent.stdin.flush()
        process = int(self._parent.stdout.readline())
        said = [self._parent.stdout.readline().strip()]
        time.sleep(seconds)  # the random moment itself; nothing is waited for
        os.kill(process, signal.SIGKILL)
        while not (line := self._parent.stdout.readline().strip()).startswith("ended"):
            assert line, "the parent has died"
            said.append(line)
        assert os.WTERMSIG(int(line.split()[1])) == signal.SIGKILL, said
        return said
