"""Start, stop, shut down, reboot and pause the VMs of the playground, and let the HA manager act later.

Fifth layer over fakepve. It also limits how long containers take to shut down, and refuses calls to a guest agent
that is not there. It follows qemu-server PVE/API2/Qemu.pm, PVE/QemuServer.pm and PVE/QemuServer/Agent.pm.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from playground.pve.guest_config import ConfigTruth
from playground.pve.network.http import PveError, TaskError, Values


class PowerTruth(ConfigTruth):
    """fakepve with power actions that end when and how Proxmox' do."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        # Maximum Proxmox seconds that a task waits for a guest to shut down, whatever the request says.
        self.shutdown_cap: float | None = None
        # Proxmox seconds between the end of a QEMU reboot task and the VM running again (qmeventd). Counts only if
        # time_scale is not 0; with 0 seconds the VM runs again before the task ends.
        self.reboot_gap = 0.0
        # Whether requests to the HA manager wait for ha_round().
        self.ha_held = False
        self._ha_waiting: list[Callable[[], Awaitable[None]]] = []
        self._later: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- power

    async def _status_action(self, request: web.Request) -> web.Response:
        async def act(v: Values, user: str) -> Any:
            vm = self.find(v["node"], v["vmid"])
            if v.get("skiplock") and user != "root@pam":
                raise PveError(
                    400, "Parameter verification failed.", {"skiplock": "Only root may use this option."}
                )
            return await getattr(self, "_do_" + request.match_info["action"])(vm, user, v)

        return await self._served(request, act)

    def _need_unlocked(self, vm: Any, v: Values) -> None:
        """Let the task fail if the guest is locked, unless the request has skiplock."""
        if vm.lock and not v.get("skiplock"):
            raise TaskError(f"VM is locked ({vm.lock})")

    def _too_many_cpus(self, vm: Any) -> str | None:
        """Return Proxmox' error if the VM has too many CPUs to start.

        Pending changes count, because the start applies them. Follows QemuServer.pm config_to_command.
        """
        stored = {**vm.config, **vm.pending}
        most = self.nodes[vm.node].get("maxcpu", 16)
        wanted = int(stored.get("cores") or 1) * int(stored.get("sockets") or 1)
        return f"MAX {most} vcpus allowed per VM on this node" if wanted > most else None

    async def _do_start(self, vm: Any, user: str, p: Values) -> Any:
        if vm.start_error is None or vm.start_error.startswith("MAX "):
            vm.start_error = self._too_many_cpus(vm)
        return await super()._do_start(vm, user, p)

    async def _do_stop(self, vm: Any, user: str, p: Values) -> Any:
        """Follow QemuServer.pm _do_vm_stop: a stopped VM is a success, a locked one a task error."""
        if vm.ha_managed:
            return await self._ha_request(vm, user, "stopped")
        if p.get("overrule-shutdown"):
            self._interrupt("qmshutdown", vm.vmid)

        async def body() -> None:
            if vm.status == "running":
                self._need_unlocked(vm, p)
                await self.pause(vm.stop_secs)
                vm.status = vm.qmpstatus = "stopped"

        return await self.task(vm.node, "qmstop", vm.vmid, user, body, vm=vm)

    async def _do_shutdown(self, vm: Any, user: str, p: Values) -> Any:
        """Follow Qemu.pm vm_shutdown: no check for running; a paused VM is refused unless forceStop."""
        paused = vm.status == "running" and vm.qmpstatus == "paused"
        if paused and not p.get("forceStop"):
            raise PveError(500, "VM is paused - cannot shutdown")
        if vm.ha_managed:
            return await self._ha_request(vm, user, "stopped")

        async def body() -> str | None:
            if vm.status != "running":
                return None
            self._need_unlocked(vm, p)
            if paused:
                vm.status = vm.qmpstatus = "stopped"
                return "VM is paused - stop instead of shutdown"
            note: str | None = await self._powerdown(vm, p)
            return note

        return await self.task(vm.node, "qmshutdown", vm.vmid, user, body, vm=vm)

    async def _do_reboot(self, vm: Any, user: str, p: Values) -> Any:
        """Follow QemuServer.pm vm_reboot: the task stops the VM, and qmeventd starts it again after `reboot_gap`."""
        if vm.status == "running" and vm.qmpstatus == "paused":
            raise PveError(500, "VM is paused - cannot shutdown")
        self._need_running(vm)

        async def again() -> None:
            await self.pause(self.reboot_gap)
            if vm.status == "stopped" and not self._too_many_cpus(vm):
                vm.apply_pending()
                vm.status, vm.qmpstatus, vm.started_at = "running", "running", time.time()

        async def body() -> None:
            self._need_unlocked(vm, p)
            await self._powerdown(vm, p)
            if self.time_scale and self.reboot_gap:
                soon = asyncio.create_task(again())
                self._later.add(soon)
                soon.add_done_callback(self._later.discard)
            else:
                await again()

        return await self.task(vm.node, "qmreboot", vm.vmid, user, body, vm=vm)

    async def _do_suspend(self, vm: Any, user: str, p: Values) -> Any:
        """Follow Qemu.pm vm_suspend: the task is qmpause, or qmsuspend for a suspension to disk."""
        if p.get("todisk"):
            return await super()._do_suspend(vm, user, p)
        self._need_running(vm)

        async def body() -> None:
            if vm.lock != "backup":  # QemuServer.pm vm_suspend: a backup does not prevent it
                self._need_unlocked(vm, p)
            vm.qmpstatus = "paused"

        return await self.task(vm.node, "qmpause", vm.vmid, user, body, vm=vm)

    async def _powerdown(self, vm: Any, p: Values) -> str | None:
        """Apply _do_vm_stop's time-out: the request's, else `startup` down=, else 60 s, at most `shutdown_cap`."""
        down = re.search(r"\bdown=(\d+)", str(vm.config.get("startup", "")))
        timeout = int(p.get("timeout") or (down and down.group(1)) or self.shutdown_default_timeout)
        note: str | None = await super()._powerdown(vm, {**p, "timeout": self._capped(timeout)})
        return note

    async def _ct_powerdown(self, ct: Any, timeout: int, force: bool) -> None:
        await super()._ct_powerdown(ct, self._capped(timeout), force)

    def _capped(self, timeout: int) -> float:
        return timeout if self.shutdown_cap is None else min(timeout, self.shutdown_cap)

    async def _ha_request(self, vm: Any, user: str, state: str) -> Any:
        """Run a hastart or hastop task, which only hands over the request.

        The manager acts after ha_delay, or at ha_round() if ha_held is set.
        """
        if not self.ha_held:
            return await super()._ha_request(vm, user, state)
        kind = "CT" if vm.guest.startswith("lxc/") else "VM"
        word = "start" if state == "started" else "stop"

        async def act() -> None:
            starts = state == "started"
            vm.status = "running" if starts else "stopped"
            if starts:
                vm.started_at = time.time()
            if kind == "VM":
                vm.qmpstatus = vm.status
                if starts:
                    vm.apply_pending()
            else:
                vm.pid = next(self._ct_pids) if starts else None
                if starts:
                    self._apply(vm)
            vm.ha_state = state

        async def body() -> None:
            self._ha_waiting.append(act)

        return await self.task(
            vm.node,
            "ha" + word,
            vm.vmid,
            user,
            body,
            lock=False,
            log=[f"Requesting HA {word} for {kind} {vm.vmid}"],
        )

    async def _ct_ha(self, ct: Any, user: str, state: str, timeout: int | None = None) -> Any:
        if self.ha_held:
            return await self._ha_request(ct, user, state)
        return await super()._ct_ha(ct, user, state, timeout)

    # ---------------------------------------------------------------- agent

    async def _agent_call(self, match: Any, values: Values) -> Any:
        """Follow QemuServer/Agent.pm agent_available: configured, running, answering, in this order."""
        vm = self.find(values["node"], values["vmid"])
        enabled = re.match(r"(?:enabled=)?1(?:,|$)", str(vm.config.get("agent", "0")))
        if not enabled:
            raise PveError(500, "No QEMU guest agent configured")
        if vm.status != "running":
            raise PveError(500, f"VM {vm.vmid} is not running")
        return await super()._agent_call(match, values)
