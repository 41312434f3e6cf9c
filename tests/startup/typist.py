"""Run `python bot.py` at a terminal of its own, and type into it as a person does."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import sys
import termios
import time
from collections.abc import AsyncIterator, Mapping

from tests.support.home_guild import PATIENCE
from tests.support.process_stage import ROOT


class Typist:
    """One process at a terminal. `seen`: everything that it has shown."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self.process, self._terminal, self._shown = process, terminal, bytearray()
        self._read = 0
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(terminal, self._receive)

    @property
    def seen(self) -> str:
        return self._shown.decode("utf-8", "replace").replace("\r\n", "\n")

    def _receive(self) -> None:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the process has ended
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._shown += data
        self._more.set()

    async def until(self, pattern: str) -> str:
        """Wait until the pattern is shown in new output. Return the new output up to its end."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen[self._read :], re.S)):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {pattern}\n{self.seen}"
            assert self.process.returncode is None, f"ended before {pattern}:\n{self.seen}"
            self._more.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), 0.2)  # it may end without a word
        text = self.seen[self._read : self._read + found.end()]
        self._read += found.end()
        return text

    def type(self, text: str, *, enter: bool = True) -> None:
        os.write(self._terminal, (text + "\n" * enter).encode())

    async def answer(self, question: str, text: str) -> str:
        """Wait for a question and answer it. Return the output up to the question."""
        told = await self.until(f"{question}.*: $")
        self.type(text)
        return told

    async def ended(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        try:
            return await asyncio.wait_for(self.process.wait(), PATIENCE)
        except TimeoutError:
            raise AssertionError(f"not ended within {PATIENCE} s:\n{self.seen}") from None

    def echoes(self) -> bool:
        """Return whether the terminal shows typed text."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)


@contextlib.asynccontextmanager
async def typing(environment: Mapping[str, str], *arguments: str) -> AsyncIterator[Typist]:
    """Start `python bot.py` with these arguments."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "bot.py",
        *arguments,
        cwd=ROOT,
        env=dict(environment),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl+C is a signal
    )
    os.close(theirs)
    try:
        yield Typist(process, ours)
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
