"""Run a program with an event loop that can be made to tick, to see from outside how long it is blocked.

    python -m tests.bench.programs.ticking FILE HASTE PROGRAM [ARGUMENT…]

SIGUSR1 starts the ticks. The next SIGUSR1 ends the ticks, and writes to FILE by how many seconds each tick was late.
With a HASTE above 1, time passes faster for the bot, so that it polls more often.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.002


class Ticks:
    """Tick, and note how late each tick is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ticking: asyncio.Task[None] | None = None
        self._late: list[float] = []

    def toggle(self) -> None:
        if self._ticking is None:
            self._late = []
            self._ticking = asyncio.get_running_loop().create_task(self._tick())
        else:
            self._ticking.cancel()
            self._ticking = None
            written = self._file.with_suffix(".new")
            written.write_text(json.dumps(self._late), "utf-8")
            written.rename(self._file)

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._late.append(time.monotonic() - due)


def with_ticks(run: Callable[..., Any], ticks: Ticks) -> Callable[..., Any]:
    """Return a form of `asyncio.run` whose loop starts and ends the ticks on SIGUSR1."""

    async def listening(work: Coroutine[Any, Any, Any]) -> Any:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ticks.toggle)
        return await work

    return lambda work, **options: run(listening(work), **options)


def main(file: str, haste: str, program: str, *arguments: str) -> None:
    if float(haste) > 1:
        from tests.support.warm_start import hasten  # only where it is needed

        hasten(float(haste))
    asyncio.run = with_ticks(asyncio.run, Ticks(Path(file)))
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
