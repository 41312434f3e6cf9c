"""Run child processes that end with the demo, on Linux even if it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LAST_LINES = 40
_PATIENCE = 8.0  # seconds
_PR_SET_PDEATHSIG = 1


class ChildDied(Exception):
    """A child ended by itself. It has the child's name, exit code and last lines of output."""

    def __init__(self, name: str, code: int | None, lines: Sequence[str]) -> None:
        super().__init__(f"{name} ended with code {code}")
        self.name, self.code, self.lines = name, code, tuple(lines)


class Child:
    """A Python program as a child process. Its last 40 lines of output are kept; `show` also prints each line.

    It gets SIGTERM when the demo stops, and SIGKILL after 8 s more. Ctrl-C does not reach it directly, because
    it has a session of its own. On Linux the kernel ends it if the demo is killed.
    With `announces`, `first_line` returns the first line of standard output, and `hears` gets each later one. The
    first line may hold a secret: it is neither kept nor printed. Nor are the lines for which `hears` returns True.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        directory: Path,
        show: bool = False,
        announces: bool = False,
        hears: Callable[[str], bool] = lambda _line: False,
    ) -> None:
        self.name, self._arguments, self._directory = name, arguments, directory
        self._show, self._announces, self._hears = show, announces, hears
        self.lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._first: asyncio.Future[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []

    async def start(self, environment: Mapping[str, str]) -> None:
        self._first = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            cwd=self._directory,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        assert self._process.stdout is not None  # noqa: S101  # PIPE above
        assert self._process.stderr is not None  # noqa: S101  # PIPE above
        self._readers = [
            asyncio.create_task(self._read(self._process.stdout, announces=self._announces)),
            asyncio.create_task(self._read(self._process.stderr, announces=False)),
        ]

    async def first_line(self, timeout: float) -> str:
        """Return the first line of a child that `announces`, waiting up to `timeout` seconds.

        Raises: ChildDied if the child ends first, TimeoutError, RuntimeError before `start`.
        """
        if self._first is None:
            raise RuntimeError("not started")
        died = asyncio.create_task(self.died())
        try:
            done, _ = await asyncio.wait(
                {self._first, died}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                raise TimeoutError(f"{self.name} said nothing within {timeout} s")
            if self._first in done:
                return self._first.result()
            return await died
        finally:
            died.cancel()
            with contextlib.suppress(asyncio.CancelledError, ChildDied):
                await died

    async def died(self) -> str:
        """Wait until the child ends. Never returns.

        Raises: ChildDied, with the last lines unless they were shown. RuntimeError before `start`.
        """
        if self._process is None:
            raise RuntimeError("not started")
        code = await self._process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)
        raise ChildDied(self.name, code, () if self._show else self.lines)

    def say(self, line: str) -> None:
        """Write a line to its standard input. If the child does not run, the line is dropped."""
        stdin = self._process.stdin if self._process is not None else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(f"{line}\n".encode())

    async def stop(self) -> int | None:
        """End the child and return its exit code, None if it was never started."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _PATIENCE)
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)
        return process.returncode

    async def _read(self, stream: asyncio.StreamReader, *, announces: bool) -> None:
        while raw := await _line(stream):
            line = raw.decode(errors="replace").rstrip()
            if announces and self._first is not None and not self._first.done():
                self._first.set_result(line)
                continue
            if announces and self._hears(line):
                continue
            self.lines.append(line)
            if self._show:
                print(f"[{self.name}] {line}", flush=True)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line; if it is too long, the part that is available."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    except asyncio.LimitOverrunError as overrun:
        return await stream.readexactly(max(1, overrun.consumed))


def _end_with_parent() -> None:
    """Run in the child: ask the kernel for SIGTERM when the parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
