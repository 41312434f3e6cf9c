"""Play other people's actions in the playground's cluster, each with its task.

They are administrators, backup jobs and the HA manager. Eleventh layer over fakepve. Follows pve-manager
PVE/VZDump.pm and qemu-server PVE/VZDump/QemuServer.pm.
"""

from __future__ import annotations

import time
from typing import Any

from playground.pve.network.http import TaskError
from playground.pve.plan import TaskPlan
from playground.pve.serving import Serving

ROOT = "root@pam"
ACTIONS = ("start", "stop", "shutdown", "reboot", "reset", "suspend", "resume", "destroy")


class Others(Serving):
    """A cluster that others use, too."""

    def act_as(self, vmid: int, how: str, user: str = ROOT) -> str:
        """Act on a guest as another administrator in the web interface, and return the UPID.

        how: `start`, `stop`, `shutdown`, `reboot`, `reset`, `suspend`, `resume` or `destroy`, also with `qm` or `vz`
        before it. An HA guest gets `hastop` and the like. next_task() decides how the task runs, as for the bot.
        Raises: ValueError, for an unknown action and for the reset of a container; PveError, if Proxmox refuses.
        """
        guest, action = self.guest(vmid), how.removeprefix("qm").removeprefix("vz")
        if action not in ACTIONS:
            raise ValueError(f"not an action: {how}")
        if action == "reset" and guest.guest.startswith("lxc/"):
            raise ValueError("containers have no reset")
        values = {"node": guest.node, "vmid": vmid}

        async def act() -> Any:
            if guest.guest.startswith("lxc/"):
                return await getattr(self, "_lxc_" + action)(user, values)
            if action == "destroy":
                return await self._qm_destroy(values, user)
            return await getattr(self, "_do_" + action)(guest, user, {})

        return str(self.call(act()))

    def stop_as(self, vmid: int, user: str = ROOT, how: str = "stop") -> str:
        """Stop a guest as another administrator (or do another action of act_as()), and return the UPID."""
        return self.act_as(vmid, how, user)

    def start_as_root(self, vmid: int) -> str:
        """Start a guest with a task of root@pam, as another administrator would, and return the UPID."""
        return self.act_as(vmid, "start")

    def backup_job(
        self,
        vmid: int | None,
        node: str | None = None,
        *,
        ends: str = "OK",
        seconds: float = 0.0,
        hold: bool = False,
        user: str = ROOT,
        mode: str = "snapshot",
    ) -> TaskPlan:
        """Start a vzdump and return its plan, which has the `upid`. With `hold`, release() ends the job.

        vmid None: a job of several guests. Its task has an empty id and locks no guest (use snapshot_lock()).
        node: the guest's by default.
        ends, seconds, hold: as for next_task(). Proxmox' exit text for failed guests is `job errors`.
        The guest has the lock `backup` while the job runs.
        mode `stop`: the guest is down meanwhile and runs again afterwards. A VM gets a qmshutdown task of root@pam.
        Raises: ValueError, if neither `vmid` nor `node` is given.
        """
        guest = None if vmid is None else self.guest(vmid)
        place = node or (None if guest is None else guest.node)
        if place is None:
            raise ValueError("a job of several guests needs its node")
        plan = _Backup(self, guest, ends, seconds, hold, stops=mode == "stop")

        async def begin() -> None:
            self._plans.insert(0, plan)
            await self.task(place, "vzdump", "" if vmid is None else vmid, user, _nothing)

        self.call(begin())
        return plan

    def other_tasks(self, node: str, count: int = 26, user: str = ROOT) -> None:
        """Run `count` short tasks on a node, so that tasks that ended before drop out of /cluster/tasks for good."""

        async def begin() -> None:
            for _ in range(count):
                await self.task(node, "srvreload", "chrony", user, _nothing)

        self.call(begin())

    def ha_recover(self, vmid: int, node: str) -> str:
        """Let HA run the guest of a lost node on another one, and return the UPID.

        The guest moves there, and the local resource manager starts it with a task of root@pam.
        """
        guest = self.guest(vmid)

        async def runs() -> None:
            self.run_anew(guest)

        async def recover() -> Any:
            self.stop_dead(guest)
            guest.node, guest.ha_state = node, "started"
            prefix = "vz" if guest.guest.startswith("lxc/") else "qm"
            return await self.task(node, prefix + "start", vmid, ROOT, runs)

        return str(self.call(recover()))

    def ha_round(self) -> None:
        """Let the HA manager carry out the requests made while ha_held was True."""
        waiting, self._ha_waiting = self._ha_waiting, []

        async def act() -> None:
            for step in waiting:
                await step()

        self.call(act())

    # ---------------------------------------------------- states, at once

    def stop_dead(self, guest: Any) -> None:
        """Mark the guest as stopped, for any reason."""
        self._note_run(guest)
        guest.status = "stopped"
        if guest.guest.startswith("qemu/"):
            guest.qmpstatus = "stopped"
        else:
            guest.pid = None
        self._note_run(guest)

    def run_anew(self, guest: Any) -> None:
        """Mark the guest as running from now on."""
        guest.status, guest.started_at = "running", time.time()
        if guest.guest.startswith("qemu/"):
            guest.qmpstatus = "running"
        else:
            guest.pid = next(self._ct_pids)


async def _nothing() -> None:
    """Do nothing: the plan does all of a vzdump's work, and the other tasks have none."""


class _Backup(TaskPlan):
    """A vzdump of one guest with its lock, and in stop mode its downtime. A job of several guests has neither."""

    def __init__(
        self, pve: Others, guest: Any, ends: str, seconds: float, hold: bool, *, stops: bool
    ) -> None:
        about = "" if guest is None else f" of VM {guest.vmid} ({guest.guest.partition('/')[0]})"
        lines = (f"INFO: Starting Backup{about}", f"INFO: status: {'stopped' if stops else 'running'}")
        super().__init__("vzdump", None if guest is None else guest.vmid, lines, ends, seconds, hold)
        self._pve, self._guest, self._stops = pve, guest, stops

    async def play(self) -> None:
        guest = self._guest
        if guest is None:
            await super().play()
            return
        if guest.lock:
            kind = "CT" if guest.guest.startswith("lxc/") else "VM"
            self.say(f"ERROR: Backup of VM {guest.vmid} failed - {kind} is locked ({guest.lock})")
            raise TaskError("job errors")
        guest.lock = guest.config["lock"] = "backup"
        restarts = self._stops and guest.status == "running"
        try:
            if restarts:
                await self._shut_down(guest)
            await super().play()
        finally:
            if restarts:
                self._pve.run_anew(guest)
            guest.lock = None
            guest.config.pop("lock", None)

    async def _shut_down(self, guest: Any) -> None:
        """Shut the guest down.

        A VM gets `qm shutdown`, a task of its own. A container gets lxc-stop, which leaves no task.
        """

        async def body() -> None:
            self._pve.stop_dead(guest)

        if guest.guest.startswith("qemu/"):
            await self._pve.task(guest.node, "qmshutdown", guest.vmid, ROOT, body)
        else:
            await body()
