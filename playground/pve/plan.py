"""Plan how a task of the playground's Proxmox runs, classify the exit texts of tasks, and format bytes for logs."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence

WARNINGS = re.compile(r"WARNINGS: \d+")


class TaskPlan:
    """A plan for the next task of a type. Made by next_task(), which explains the arguments, or backup_job()."""

    def __init__(
        self, ttype: str, vmid: int | None, lines: Sequence[str], ends: str, seconds: float, hold: bool
    ) -> None:
        self.ttype, self.vmid, self.lines, self.ends, self.seconds = ttype, vmid, tuple(lines), ends, seconds
        # Set once a task uses this plan; then `upid` is known.
        self.started = threading.Event()
        self.upid = ""
        self.log: list[str] = []
        self._held = hold
        self._gate: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def background(self) -> bool:
        """Whether the request is answered before the task has ended, even if time_scale is 0."""
        return self._held or self.seconds > 0

    def say(self, line: str) -> None:
        """Add a line to the running task's log now."""
        self.log.append(line)

    def release(self, ends: str | None = None) -> None:
        """Let a held task end. `ends` replaces the planned end."""
        if ends is not None:
            self.ends = ends
        self._held = False
        if self._gate is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._gate.set)

    async def play(self) -> None:
        """Write the planned lines evenly over the planned time. Then wait for release() if the task is held."""
        for line in self.lines:
            await asyncio.sleep(self.seconds / len(self.lines))
            self.log.append(line)
        if not self.lines:
            await asyncio.sleep(self.seconds)
        if self._held and self._gate is not None:
            await self._gate.wait()

    def take(self, upid: str, log: list[str]) -> None:
        """Bind the plan to the task that carries it out (called on the server's loop)."""
        self.upid, self.log = upid, log
        self._gate, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if not self._held:
            self._gate.set()
        self.started.set()


def kind_of_end(status: str) -> str:
    """Classify the exit text of a task: ok, warning, error or unknown (PVE::Tools upid_normalize_status_type)."""
    if status == "OK":
        return "ok"
    if WARNINGS.fullmatch(status):
        return "warning"
    return "unknown" if status == "unexpected status" else "error"


def render_bytes(count: float) -> str:
    """Format bytes as Proxmox does in logs: `1.0 GiB` (PVE::Format render_bytes). GiB is the largest unit here."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
