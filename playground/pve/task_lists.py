"""Serve the task lists of the playground's Proxmox, and single tasks.

Third layer over fakepve. It follows pve-manager API2/Tasks.pm and API2/Cluster.pm, and pve-common UPID.pm.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from playground.pve.network.http import PveError, Values, fake_server
from playground.pve.plan import kind_of_end
from playground.pve.tasks import TaskTruth

# The pattern of PVE::Tools::UPID decode.
UPID = re.compile(
    r"UPID:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}"
    r":[^:\s]+:[^:\s]*:[^:\s]+:"
)
VIEW = ("upid", "node", "pid", "pstart", "starttime", "type", "id", "user")


def _owner(task: Values) -> Values:
    """Move the token's name from `user` to `tokenid` (Tasks.pm convert_token_task)."""
    user, separator, token = task["user"].partition("!")
    return {**task, "user": user, "tokenid": token} if separator else task


def _broadcast(task: Values) -> Values:
    """Return a row of /cluster/tasks.

    `status` is the exit text, and is missing while the task runs. Only running tasks have `pid`.
    """
    view = {key: task[key] for key in ("upid", "node", "starttime", "type", "id", "user")}
    if "exitstatus" in task:
        view |= {"endtime": task["endtime"], "status": task["exitstatus"], "saved": "1"}
    else:
        view["pid"] = task["pid"]
    return _owner(view)


class TaskListTruth(TaskTruth):
    """fakepve with tasks listed as Proxmox lists them."""

    def _task_view(self, task: Values, listing: bool = False) -> Values:
        """Return a task as it looks in a list (`listing`), or in the answer of the status call.

        Lists have the exit text in `status`, and `endtime`. The status call has `exitstatus` and no endtime.
        """
        view = {key: task[key] for key in VIEW}
        if not listing:
            view |= {key: task[key] for key in ("status", "exitstatus") if key in task}
        elif "exitstatus" in task:
            view |= {"endtime": task["endtime"], "status": task["exitstatus"]}
        return _owner(view)

    def _get_task(self, request: web.Request) -> Values:
        """Follow Tasks.pm read_task_status: an invalid UPID, or one whose log is gone, is a parameter error."""
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
        """Serve a task's log; an empty one has one line, `no content` (PVE::Tools dump_logfile)."""
        if not self._get_task(request)["log"]:
            return web.json_response({"data": [{"n": 1, "t": "no content"}], "total": 1})
        response: web.Response = await super()._task_log(request)
        return response

    async def _task_list(self, request: web.Request) -> web.Response:
        return await self._served(request, self._node_tasks)

    async def _node_tasks(self, v: Values, user: str) -> list[Values]:
        """Follow Tasks.pm node_tasks: running tasks first, then the newest first, and filtered.

        `source` decides whether ended tasks (the default), running ones or all of them are listed.
        """
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

    async def _cluster_tasks(self, _v: Values, user: str) -> list[Values]:
        """Follow API2/Cluster.pm tasks: the broadcasts of each node.

        Users without Sys.Audit see only tasks of exactly their name. So a token sees none, because the list
        names its user.
        """
        everybody, rows = self.allowed(user, "/", "Sys.Audit"), []
        for node in self.nodes:
            rows += [
                row for row in map(_broadcast, self.active_workers(node)) if everybody or row["user"] == user
            ]
        return rows
