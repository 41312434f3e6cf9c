"""Run the processes of the bench: Proxmox, the bot, and a bot that does nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
"""Seconds after which a wait fails. It only has to end hangs."""


@dataclass(frozen=True)
class Asked:
    """The requests that reached Proxmox between two orders, by their paths."""

    paths: tuple[str, ...]
    most_in_flight: int
    """Maximum number of requests open at once, without those for the list."""

    def __len__(self) -> int:
        return len(self.paths)


class Proxmox:
    """Control the process of tests/bench/programs/proxmox_server.py."""

    def __init__(self, process: asyncio.subprocess.Process, reach: Mapping[str, Any]) -> None:
        self._process = process
        self.host, self.port = str(reach["host"]), int(reach["port"])
        self.ca_file, self.token = str(reach["ca_file"]), str(reach["token"])

    async def order(self, **wanted: float) -> Asked:
        """Change `latency`, the number of `workers` or how long agents `hang`.

        Return the requests since the last order.
        """
        told = await _next_answer(self._process, json.dumps(wanted))
        return Asked(tuple(told["asked"]), told["most_in_flight"])


async def _next_answer(process: asyncio.subprocess.Process, line: str = "") -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(f"{line}\n".encode())
    answer = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
    told: dict[str, Any] = json.loads(answer)
    return told


@contextlib.asynccontextmanager
async def proxmox(guests: int) -> AsyncIterator[Proxmox]:
    """Run a cluster with this number of guests."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.programs.proxmox_server",
        str(guests),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        yield Proxmox(process, await _next_answer(process))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@dataclass(frozen=True)
class Program:
    """A running program whose event loop can be made to tick (tests/bench/programs/ticking.py)."""

    process: asyncio.subprocess.Process
    log: Path
    ticks: Path
    started: float
    """Seconds of time.monotonic() at which the program was started."""

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used. Its clock is Linux' CPUCLOCK_SCHED of the process."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory_mb(self) -> float:
        """Return the resident memory in MB (VmRSS, 1024 kB each)."""
        return _memory_mb(self.process.pid)

    def children_mb(self) -> list[float]:
        """Return the resident memory in MB of each running process that the program has started."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
        found = []
        for child in listed:
            # The child may have just ended.
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, StopIteration):
                found.append(_memory_mb(int(child)))
        return found

    async def until_written(self, words: str) -> float:
        """Wait until its log contains these words. Return the seconds since its start."""
        while words not in self.output():
            assert self.process.returncode is None, self.output()
            assert time.monotonic() < self.started + PATIENCE, f"not written: {words}\n{self.output()}"
            await asyncio.sleep(0.002)
        return time.monotonic() - self.started

    async def tick(self, seconds: float) -> list[float]:
        """Let its event loop tick for some seconds, and return the seconds by which each tick was late."""
        self.ticks.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(seconds)
        self.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + PATIENCE
        while not self.ticks.exists():
            assert self.process.returncode is None, self.output()
            assert time.monotonic() < end, f"no ticks within {PATIENCE} s\n{self.output()}"
            await asyncio.sleep(0.01)
        late: list[float] = json.loads(self.ticks.read_text("utf-8"))
        return late


def _memory_mb(pid: int) -> float:
    """Return the resident memory in MB.

    Raises: StopIteration if the process has ended but was not waited for, FileNotFoundError or ProcessLookupError if
    it is gone.
    """
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


@contextlib.asynccontextmanager
async def program(
    environment: Mapping[str, str], directory: Path, *command: str, haste: float = 1.0
) -> AsyncIterator[Program]:
    """Run a program, and end it with SIGTERM.

    `command`: its file and arguments. `haste`: seconds that pass on the bot's clock in each second. 0 runs the
    program itself, which then cannot tick.
    """
    name = Path(command[0]).stem
    ticks, log = directory / f"{name}.ticks", directory / f"{name}.log"
    runner = ("-m", "tests.bench.programs.ticking", str(ticks), str(haste)) if haste else ()
    with log.open("wb") as out:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, *runner, *command, cwd=ROOT, env=dict(environment), stdout=out, stderr=out
        )
    try:
        yield Program(process, log, ticks, started)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10.0)
        except TimeoutError:
            process.kill()
            await process.wait()
