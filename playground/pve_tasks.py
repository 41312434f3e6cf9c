"""Tasks of the playground's Proxmox: how they end, what they log, where they are listed.

Second layer over fakepve. The rules are those of pve-common UPID.pm and RESTEnvironment.pm (the last line of the
log decides how a task ended) and of pve-manager API2/Tasks.pm and API2/Cluster.pm (the lists).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from aiohttp import web

from playground.pve_http import HttpTruth, PveError, TaskError, Values, fake_server, size_bytes
from playground.pve_plan import WARNINGS, TaskPlan, kind_of_end, render_bytes

# PVE::Tools::UPID decode.
UPID = re.compile(
    r"UPID:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}"
    r":[^:\s]+:[^:\s]*:[^:\s]+:"
)
CLONES = ("qmclone", "vzclone")
# Task type without its qm or vz: the lock it shows.
LOCKS = {"snapshot": "snapshot", "delsnapshot": "snapshot-delete", "rollback": "rollback"}
VIEW = ("upid", "node", "pid", "pstart", "starttime", "type", "id", "user")

# An error that the running clone meets while it copies, so that it cleans up after itself as Proxmox does.
planned_error: contextvars.ContextVar[str | None] = contextvars.ContextVar("planned_error", default=None)


def _owner(task: Values) -> Values:
    """`user` without the token's name, which goes into `tokenid` (Tasks.pm convert_token_task)."""
    user, separator, token = task["user"].partition("!")
    return {**task, "user": user, "tokenid": token} if separator else task


class TaskTruth(HttpTruth):
    """fakepve with tasks that take time, log progress, end as a test wants and are listed as Proxmox lists them."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        # Proxmox seconds a task of this type takes before it acts (scaled by time_scale).
        self.task_secs: dict[str, float] = {}
        # Bytes that the clone about to start will copy, None for a linked one.
        self._clone_bytes: int | None = None
        self._clone_label = ""
        self._plans: list[TaskPlan] = []
        self._workers: dict[str, asyncio.Task[None]] = {}

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
        """Decide how the next task of type `ttype` (`qmstart`, `vzclone`, …), of guest `vmid` if given, goes.

        lines: written to its log, evenly over `seconds` (real ones).
        ends: `OK`; `WARNINGS: 2` (the work is done); anything else is an error: the work is not done and the task
        ends with these words (a QEMU clone puts `clone failed: ` before them, as Proxmox does).
        hold: it runs until the returned plan's release(); say() adds log lines meanwhile.
        """
        plan = TaskPlan(ttype, vmid, lines, ends, seconds, hold)
        self._plans.append(plan)
        return plan

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
        """Start a worker; returns its UPID. Finished already when time_scale is 0 and nothing is planned."""
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
        """Run a worker to its end. The log's last line says how it ended (RESTEnvironment.pm fork_worker)."""
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
        else:
            log.append(f"TASK ERROR: {status}")
        record.update(exitstatus=status, status="stopped")

    @contextlib.contextmanager
    def _visible_lock(self, record: Values) -> Iterator[None]:
        """The lock a guest shows while its snapshots are worked on (AbstractConfig.pm set_lock); the work itself
        then takes and leaves it."""
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
        """The usual duration of a task; a full copy of a QEMU disk logs its percentage (qemu-img convert -p)."""
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
        """Whether a task of the guest runs, or ended less than `within` seconds ago."""
        return any(
            record["id"] == str(vmid) and record.get("endtime", time.time()) >= time.time() - within
            for record in self.tasklog
        )

    def vanish_task(self, upid: str) -> None:
        """The task's log is rotated away: asking for it gives 400 `no such task`."""
        self.tasklog.remove(self.tasks.pop(upid))

    # ------------------------------------------------------------ read them

    def _task_view(self, task: Values, listing: bool = False) -> Values:
        """Lists hold the exit text in `status`, and `endtime`; the status call `exitstatus` and no endtime."""
        view = {key: task[key] for key in VIEW}
        if not listing:
            view |= {key: task[key] for key in ("status", "exitstatus") if key in task}
        elif "exitstatus" in task:
            view |= {"endtime": task["endtime"], "status": task["exitstatus"]}
        return _owner(view)

    def _get_task(self, request: web.Request) -> Values:
        """Tasks.pm read_task_status: a UPID that is none, or whose log is gone, is a parameter error."""
        upid, node = request.match_info["upid"], request.match_info["node"]
        if not UPID.fullmatch(upid):
            raise PveError(400, "Parameter verification failed.", {"upid": "unable to parse worker upid"})
        task: Values | None = self.tasks.get(upid)
        if task is None or task["node"] != node:
            raise PveError(400, "Parameter verification failed.", {"upid": "no such task"})
        user = request[fake_server.USER]
        if not self._task_owner(user, task):
            self.require(user, f"/nodes/{node}", "Sys.Audit")
        return task

    async def _task_log(self, request: web.Request) -> web.Response:
        """An empty log has one line, `no content` (PVE::Tools dump_logfile)."""
        if not self._get_task(request)["log"]:
            return web.json_response({"data": [{"n": 1, "t": "no content"}], "total": 1})
        response: web.Response = await super()._task_log(request)
        return response

    async def _task_list(self, request: web.Request) -> web.Response:
        return await self._served(request, self._node_tasks)

    async def _node_tasks(self, v: Values, user: str) -> list[Values]:
        """Tasks.pm node_tasks: finished ones unless `source` says otherwise, newest first, filtered."""
        audit = self.allowed(user, f"/nodes/{v['node']}", "Sys.Audit")
        source, wanted = (
            v.get("source", "archive"),
            set(re.split(r"[,; ]+", v.get("statusfilter", ""))) - {""},
        )
        rows = []
        for task in self.tasklog:
            running = "exitstatus" not in task
            status = "RUNNING" if running else task["exitstatus"]
            if task["node"] != v["node"] or not (audit or self._task_owner(user, task)):
                continue
            if (source == "archive" and running) or (source == "active" and not running):
                continue
            if "vmid" in v and task["id"] != str(v["vmid"]):
                continue
            if "typefilter" in v and task["type"] != v["typefilter"]:
                continue
            if "userfilter" in v and v["userfilter"].lower() not in task["user"].lower():
                continue
            if task["starttime"] < v.get("since", 0) or task["starttime"] > v.get("until", task["starttime"]):
                continue
            if (v.get("errors") and status == "OK") or (
                wanted and (running or kind_of_end(status) not in wanted)
            ):
                continue
            rows.append({**self._task_view(task, listing=True), "status": status})
        rows.reverse()
        rows.sort(key=lambda row: (row["status"] != "RUNNING", -row["starttime"]))
        return rows[v.get("start", 0) :][: v.get("limit", 50)]

    def _routes_truth_tasks(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/cluster/tasks", self._cluster_tasks)]

    async def _cluster_tasks(self, v: Values, user: str) -> list[Values]:
        """API2/Cluster.pm tasks: what each node broadcasts, its running tasks and then the last, 25 at most."""
        everybody, rows = self.allowed(user, "/", "Sys.Audit"), []
        for node in self.nodes:
            here = [task for task in reversed(self.tasklog) if task["node"] == node]
            here.sort(key=lambda task: "exitstatus" in task)
            rows += [
                self._task_view(task, listing=True)
                for task in here[:25]
                if everybody or _owner(task)["user"] == user
            ]
        return rows


def disk_bytes(drive: str) -> int:
    """Bytes of a drive or mount point value such as `local-lvm:vm-100-disk-0,size=8G`; 0 when it says nothing."""
    found = re.search(r"size=([^,]+)", drive)
    return int(size_bytes(found.group(1))) if found else 0
