"""Run the process that draws: start it on first use, end it after some idle minutes, and kill it if it hangs."""

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path

from adapters.charts.frames import BYTES_MOST, FAILED, HEAD, PICTURE, PNG, WANTED
from core.charts.drawing import Drawing, encode
from core.clock import Clock
from core.errors import ChartFailed, ChartTooSlow

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "adapters.charts.worker")
IDLE_SECONDS = 300.0
START_SECONDS, DRAW_SECONDS = 20.0, 10.0
"""Maximum seconds for the first picture of a process, with the import of matplotlib, and for each further one."""
PICTURES_MOST = 200
"""Pictures after which a process is replaced, because matplotlib grows with each."""
_KEPT = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LD_LIBRARY_PATH")
"""The only variables of the environment that the process inherits: none of them is a secret."""
_SET = {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Variables that are set for the process. OpenBLAS' threads, one for each core, would take memory and do nothing."""

_log = logging.getLogger(__name__)


class ChartProcess:
    """Implement `core.charts.pictures.Renderer`. One picture is drawn at a time."""

    def __init__(
        self,
        clock: Clock,
        command: Sequence[str] = COMMAND,
        *,
        start_seconds: float = START_SECONDS,
        draw_seconds: float = DRAW_SECONDS,
    ) -> None:
        self._clock, self.command = clock, command
        self.start_seconds, self.draw_seconds = start_seconds, draw_seconds
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._drawn = 0
        self._idle: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Id of the process while it runs, else None."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def draw(self, drawing: Drawing) -> bytes:
        """Return the picture as PNG.

        Raises: ChartFailed, ChartTooSlow.
        """
        data = encode(drawing)
        async with self._lock:
            self._cancel_idle_end()
            try:
                return await self._draw(data)
            finally:
                if self._process is not None and not self._closed:
                    self._idle = asyncio.create_task(self._end_when_idle(), name="idle chart process")

    async def _draw(self, data: bytes) -> bytes:
        if self._closed:
            raise ChartFailed
        process = await self._running()
        seconds = self.draw_seconds if self._drawn else self.start_seconds
        try:
            async with asyncio.timeout(seconds):
                kind, answer = await _ask(process, data)
        except TimeoutError:
            _log.error("a chart was not drawn within %.0f s; its process was killed", seconds)
            await self._kill()
            raise ChartTooSlow from None
        except (OSError, EOFError, ValueError) as error:
            await self._kill()
            _log.error("the process that draws charts ended: %r, %s", error, process.returncode)
            if self._drawn:  # it may have died while idle: a new one shows if the picture is the cause
                return await self._draw(data)
            raise ChartFailed from None
        except asyncio.CancelledError:  # the late answer would be taken for the next picture
            await self._kill()
            raise
        self._drawn += 1
        if kind != PICTURE:
            _log.error("a chart could not be drawn: %s", answer.decode(errors="replace"))
            raise ChartFailed
        return answer

    async def _running(self) -> Process:
        """Return the process, a new one if none runs or the last one has drawn `PICTURES_MOST` pictures.

        Raises: ChartFailed if none can be started, or `close` was called meanwhile.
        """
        known = self._process
        lives = known is not None and known.returncode is None
        if known and known.stdout and lives and not known.stdout.at_eof() and self._drawn < PICTURES_MOST:
            return known
        await self._kill()
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=ROOT,
                env={**environment, **_SET},
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=BYTES_MOST,
                start_new_session=True,  # Ctrl-C ends the bot, and the bot ends it
            )
        except OSError as error:
            _log.error("the process that draws charts cannot be started: %r", error)
            raise ChartFailed from None
        self._drawn = 0
        if self._closed:  # `close` came while the process started, and could not end it
            await self._kill()
            raise ChartFailed
        return self._process

    async def _end_when_idle(self) -> None:
        await self._clock.sleep(IDLE_SECONDS)
        async with self._lock:
            self._idle = None
            await self._kill()

    def _cancel_idle_end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def _kill(self) -> None:
        """End the process. It holds nothing that would have to be saved."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def close(self) -> None:
        """End the process, even while it draws. Later pictures fail."""
        self._closed = True
        self._cancel_idle_end()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        async with self._lock:
            await self._kill()


async def _ask(process: Process, data: bytes) -> tuple[bytes, bytes]:
    """Send a drawing, and return the letter and the data of the answer.

    Raises: OSError, EOFError if the process ends, ValueError for any other answer.
    """
    source, goal = process.stdout, process.stdin
    if source is None or goal is None:
        raise ValueError("no pipes")
    goal.write(HEAD.pack(WANTED, len(data)) + data)
    await goal.drain()
    kind, length = HEAD.unpack(await source.readexactly(HEAD.size))
    if kind not in (PICTURE, FAILED) or length > BYTES_MOST:
        raise ValueError(kind)
    answer = await source.readexactly(length)
    if kind == PICTURE and not answer.startswith(PNG):
        raise ValueError("no picture")
    return kind, answer
