"""Follow a task to its real end: an accepted task is not a result."""

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from core.clock import Clock
from core.proxmox import Proxmox
from core.proxmox_errors import ProxmoxError, TaskUnknown

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s?%")
_WARNINGS = re.compile(r"WARNINGS: \d+")
LOG_CHUNK = 500
LOG_CHUNKS = 10
"""Lines per request, and requests per check, of a log. A log that grows faster is not read to its end."""
LOG_TAIL = 5
"""Number of last lines of a log that are kept."""
LOG_EMPTY = ("no content",)
"""Proxmox' answer for an empty log (pve-common Tools.pm dump_logfile). It is not a line of the log."""
LOG_AFTER = 3.0
"""Seconds that a task runs before its log is read for a percentage: short tasks need no second request."""
LOST_AFTER = 600.0
"""Seconds after which a task counts as LOST if its status could not be read meanwhile."""


class TaskEnd(StrEnum):
    OK = "ok"
    WARNINGS = "warnings"
    ERROR = "error"
    VANISHED = "vanished"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a task ended. VANISHED: Proxmox does not know it (any more). LOST: see LOST_AFTER.

    `message`: Proxmox' exit text. `log`: the last lines of the task's log, for WARNINGS and ERROR.
    """

    end: TaskEnd
    upid: str
    message: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an action: elapsed seconds, and percent if the log shows one.

    `out_of_sight`: the status of the task could not be read just now.
    """

    elapsed: float
    percent: float | None = None
    upid: str | None = None
    out_of_sight: bool = False


OnProgress = Callable[[Progress], Awaitable[None]]


async def ignore_progress(progress: Progress) -> None:
    """Ignore the progress."""


def end_of(exit_text: str) -> TaskEnd:
    """Return OK, WARNINGS or ERROR for Proxmox' exit text (pve-common RESTEnvironment.pm: status of a worker)."""
    if exit_text == "OK":
        return TaskEnd.OK
    return TaskEnd.WARNINGS if _WARNINGS.fullmatch(exit_text) else TaskEnd.ERROR


def percent_in(lines: tuple[str, ...]) -> float | None:
    """Return the last percentage in the lines, None if there is none. Lines with more than 100 % are skipped."""
    for line in reversed(lines):
        found = _PERCENT.findall(line)
        if found and float(found[-1]) <= 100:
            return float(found[-1])
    return None


class _TaskLog:
    """The task's log, read in steps."""

    def __init__(self, proxmox: Proxmox, upid: str) -> None:
        self._proxmox, self._upid = proxmox, upid
        self._seen = 0
        self.tail: tuple[str, ...] = ()

    async def read_on(self) -> tuple[str, ...]:
        """Return the latest new lines. A log that cannot be read is no error: the task is followed all the same."""
        new: tuple[str, ...] = ()
        with contextlib.suppress(ProxmoxError):
            for _ in range(LOG_CHUNKS):
                chunk = await self._proxmox.task_log(self._upid, self._seen, LOG_CHUNK)
                if not chunk or (self._seen == 0 and chunk == LOG_EMPTY):
                    break
                self._seen += len(chunk)
                new = (new + chunk)[-LOG_CHUNK:]
                if len(chunk) < LOG_CHUNK:
                    break
        self.tail = tuple(line for line in self.tail + new if line.strip())[-LOG_TAIL:]
        return new


async def follow(
    proxmox: Proxmox, clock: Clock, upid: str, on_progress: OnProgress = ignore_progress
) -> TaskResult:
    """Wait for the task's end, however long it takes, and return it.

    The pauses between checks are 0.5, 1, 2 and then 4 s. A task whose status cannot be read for LOST_AFTER counts as
    LOST. One that Proxmox does not know (any more) is VANISHED.
    """
    began = seen = clock.monotonic()
    delay, percent, log = 0.5, None, _TaskLog(proxmox, upid)
    while True:
        elapsed = clock.monotonic() - began
        out_of_sight = False
        try:
            status = await proxmox.task_status(upid)
        except TaskUnknown:
            return TaskResult(TaskEnd.VANISHED, upid)
        except ProxmoxError:
            out_of_sight = True
            if clock.monotonic() - seen > LOST_AFTER:
                return TaskResult(TaskEnd.LOST, upid)
        else:
            seen = clock.monotonic()
            if not status.running:
                text = status.exit or "unexpected status"
                end = end_of(text)
                if end is not TaskEnd.OK:
                    await log.read_on()
                return TaskResult(end, upid, text, log.tail if end is not TaskEnd.OK else ())
            if elapsed >= LOG_AFTER:
                found = percent_in(await log.read_on())
                percent = percent if found is None else found
        await on_progress(Progress(elapsed, percent, upid, out_of_sight))
        await clock.sleep(delay)
        delay = min(delay * 2, 4.0)
