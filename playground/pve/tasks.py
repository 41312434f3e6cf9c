"""Run tasks of the playground's Proxmox: their time, log and end.

Second layer over fakepve. It follows pve-common UPID.pm and RESTEnvironment.pm: the last line of the log says
how a task ended, unless it was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from playground.pve.network.http import HttpTruth, TaskError, Values, size_bytes
from playground.pve.plan import WARNINGS, TaskPlan, kind_of_end, render_bytes

CLONES = ("qmclone", "vzclone")
# The lock that a guest shows during a task, by the type of the task without qm or vz.
LOCKS = {"snapshot": "snapshot", "delsnapshot": "snapshot-delete", "rollback": "rollback"}

LISTED = 25
"""Number of tasks that a node broadcasts. If more are running, it broadcasts all of those."""

# An error for the running clone while it copies. The clone then cleans up after itself as in Proxmox.
planned_error: contextvars.ContextVar[str | None] = contextvars.ContextVar("planned_error", default=None)


class TaskTruth(HttpTruth):
    """fakepve with tasks that take time, log progress and end as a test wants."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        # Proxmox seconds that a task of this type takes before it acts (scaled by time_scale).
        self.task_secs: dict[str, float] = {}
        # Bytes that the next clone will copy, None for a linked one.
        self._clone_bytes: int | None = None
        self._clone_label = ""
        self._plans: list[TaskPlan] = []
        self._workers: dict[str, asyncio.Task[None]] = {}
        # The tasks that each node broadcasts, as in its file /var/log/pve/tasks/active.
        self._active: dict[str, list[Values]] = {}

    def next_task(
        self,
        ttype: str,
        *,
        vmid: int | None = None,
        lines: Sequence[str] = (),
        ends: str = "OK",
        seconds: float = 0.0,
        hold: bool = False,
    ) -> TaskPlan:
        """Plan how the next task of type `ttype` (`qmstart`, `vzclone`, …) runs, only of guest `vmid` if given.

        lines: written to its log, evenly over `seconds` (real ones).
        ends: the exit text. With `OK`, `WARNINGS: 2` and `unexpected status` the work is done. Anything else is an
        error: the work is not done (a QEMU clone puts `clone failed: ` before the text, as Proxmox does).
        hold: it runs until the returned plan's release(); say() adds log lines meanwhile.
        """
        plan = TaskPlan(ttype, vmid, lines, ends, seconds, hold)
        self._plans.append(plan)
        return plan

    def past_task(self, node: str, ttype: str, tid: object, days_ago: float, user: str = "root@pam") -> None:
        """Add a task of a node that began `days_ago` days ago and ended well. `tid`: the guest's id, "" for none."""
        upid, pid, start = self._upid(node, ttype, tid, user)
        began = int(start - days_ago * 86400)
        upid = upid.replace(f":{start:08X}:", f":{began:08X}:")
        record: Values = {
            "upid": upid,
            "node": node,
            "pid": pid,
            "pstart": pid * 7,
            "starttime": began,
            "endtime": began + 20,
            "type": ttype,
            "id": str(tid),
            "user": user,
            "status": "stopped",
            "exitstatus": "OK",
            "log": ["TASK OK"],
        }
        self.tasks[upid] = record
        self.tasklog.insert(0, record)
        self.active_workers(node, record)

    def _take_plan(self, ttype: str, tid: object) -> TaskPlan | None:
        for plan in self._plans:
            if plan.ttype == ttype and plan.vmid in (None, int(str(tid)) if str(tid).isdigit() else None):
                self._plans.remove(plan)
                return plan
        return None

    async def task(
        self,
        node: str,
        ttype: str,
        tid: object,
        user: str,
        body: Callable[[], Awaitable[str | None]],
        vm: Any = None,
        lock: bool = True,
        log: Sequence[str] = (),
    ) -> str:
        """Start a worker and return its UPID.

        If time_scale is 0, the worker has ended already, unless a plan holds or delays it.
        """
        upid, pid, start = self._upid(node, ttype, tid, user)
        record: Values = {
            "upid": upid,
            "node": node,
            "pid": pid,
            "pstart": pid * 7,
            "starttime": start,
            "type": ttype,
            "id": str(tid),
            "user": user,
            "status": "running",
            "log": list(log),
        }
        plan = self._take_plan(ttype, tid)
        if plan is not None:
            plan.take(upid, record["log"])
        self.tasks[upid] = record
        self.tasklog.append(record)
        self.active_workers(node, record)
        copies, label = self._clone_bytes, self._clone_label
        work = self._work(
            record, body, vm if lock else None, plan, (label, copies) if ttype in CLONES else None
        )
        if self.time_scale or (plan is not None and plan.background):
            self._workers[upid] = asyncio.create_task(work)
            self._workers[upid].add_done_callback(lambda _: self._workers.pop(upid, None))
        else:
            await work
        return str(upid)

    async def _work(
        self,
        record: Values,
        body: Callable[[], Awaitable[str | None]],
        vm: Any,
        plan: TaskPlan | None,
        copies: tuple[str, int | None] | None,
    ) -> None:
        """Run a worker to its end. The log's last line says how it ended (RESTEnvironment.pm fork_worker).

        A killed worker (`unexpected status`) writes no such line.
        """
        log, status = record["log"], "OK"
        try:
            if vm is not None:
                await self.acquire(vm, record["upid"])
            try:
                with self._visible_lock(record):
                    if plan is not None:
                        await plan.play()
                    else:
                        await self._take_time(record["type"], log, copies)
                if plan is not None and kind_of_end(plan.ends) == "error":
                    if record["type"] not in CLONES:
                        raise TaskError(plan.ends)
                    planned_error.set(plan.ends)
                note = await body()
                if note:
                    log.extend(note.splitlines())
                if plan is not None:
                    status = plan.ends
            finally:
                planned_error.set(None)
                if vm is not None:
                    self.release(vm, record["upid"])
        except TaskError as problem:
            status = str(problem)
        except asyncio.CancelledError:
            status = "received interrupt"
        record["endtime"] = int(time.time())
        if status == "OK" or WARNINGS.fullmatch(status):
            log.append(f"TASK {status}")
        elif kind_of_end(status) != "unknown":
            log.append(f"TASK ERROR: {status}")
        record.update(exitstatus=status, status="stopped")
        self.active_workers(record["node"])

    def active_workers(self, node: str, new: Values | None = None) -> list[Values]:
        """Return the tasks that a node broadcasts: the running ones, filled up to 25 with the newest ended ones.

        An ended task that has no room is dropped for good. Follows RESTEnvironment.pm active_workers, which runs
        whenever a task starts (`new`) or ends.
        """
        tasks = [*self._active.get(node, ()), *([] if new is None else [new])]
        tasks.sort(key=lambda task: (task["starttime"], task["pid"]), reverse=True)
        running = [task for task in tasks if "exitstatus" not in task]
        ended = [task for task in tasks if "exitstatus" in task]
        self._active[node] = running + ended[: max(0, LISTED - len(running))]
        return self._active[node]

    @contextlib.contextmanager
    def _visible_lock(self, record: Values) -> Iterator[None]:
        """Show the guest's lock while its snapshots are worked on (AbstractConfig.pm set_lock).

        The work itself then takes and releases it.
        """
        word = LOCKS.get(record["type"][2:])
        guest = self.guest(int(record["id"])) if word else None
        if guest is None or guest.lock:
            yield
            return
        guest.lock = guest.config["lock"] = word
        try:
            yield
        finally:
            guest.lock = None
            guest.config.pop("lock", None)

    async def _take_time(self, ttype: str, log: list[str], copies: tuple[str, int | None] | None) -> None:
        """Wait for the usual duration of a task.

        A full copy of a QEMU disk logs its percentage (qemu-img convert -p).
        """
        seconds = self.task_secs.get(ttype, 0.0)
        if copies is None or ttype != "qmclone":
            await self.pause(seconds)
            return
        label, total = copies
        log.append(f"create {'linked' if total is None else 'full'} clone of drive {label}")
        if total is None:
            await self.pause(seconds / 5)
            return
        for percent in range(0, 101, 4):
            done = total * percent / 100
            log.append(f"transferred {render_bytes(done)} of {render_bytes(total)} ({percent:.2f}%)")
            await self.pause(seconds / 25 if percent < 100 else 0)

    def _interrupt(self, ttype: str, vmid: int) -> None:
        """End the running tasks of a type on a guest, as stop's overrule-shutdown does (abort_guest_tasks)."""
        for upid, worker in list(self._workers.items()):
            if self.tasks[upid]["type"] == ttype and self.tasks[upid]["id"] == str(vmid):
                worker.cancel()

    def busy(self, vmid: int, *, within: float = 0.0) -> bool:
        """Return whether a task of the guest runs, or ended less than `within` seconds ago."""
        since = time.time() - within
        return any(
            record["id"] == str(vmid) and ("endtime" not in record or record["endtime"] >= since)
            for record in self.tasklog
        )

    def vanish_task(self, upid: str) -> None:
        """Rotate the task's log away: requests for it get 400 `no such task`."""
        record = self.tasks.pop(upid)
        self.tasklog.remove(record)
        self._active[record["node"]] = [task for task in self._active[record["node"]] if task is not record]


def disk_bytes(drive: str) -> int:
    """Return the bytes of a drive or mount point value; 0 without a size.

    An example is `local-lvm:vm-100-disk-0,size=8G`.
    """
    found = re.search(r"size=([^,]+)", drive)
    return int(size_bytes(found.group(1))) if found else 0
