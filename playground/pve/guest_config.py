"""Add guests to the playground's Proxmox, and serve their configuration with pending values.

Fourth layer over fakepve. It follows qemu-server PVE/API2/Qemu.pm and PVE/QemuServer.pm and pve-guest-common
PVE/AbstractConfig.pm.
"""

from __future__ import annotations

import copy
import re
import time
from typing import Any

from aiohttp import web

from playground.pve.network.http import PveError, TaskError, Values, drives_of
from playground.pve.task_lists import TaskListTruth
from playground.pve.tasks import disk_bytes

# Applied at once, in addition to fakepve's own list (QemuServer.pm fast_plug_option; balloon by hotplug).
LIVE_KEYS = ("balloon", "shares", "vmstatestorage", "migrate_downtime", "migrate_speed")
NOT_OPTIONS = ("node", "vmid", "digest", "skiplock", "force", "background_delay")


def _split(text: object) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", str(text or "")) if word]


class ConfigTruth(TaskListTruth):
    """fakepve with typed configuration, pending values and complete guests."""

    # ---------------------------------------------------------- add guests

    def add_vm(self, vmid: int, name: str, *args: Any, **kwargs: Any) -> Any:
        """Add a QEMU VM (arguments as for fakepve's FakeVm).

        Missing keys of its config, such as memory, scsi0 and net0, get usual values.
        Raises: ValueError, if the VMID is taken.
        """
        if self.guest(vmid) is not None:
            raise ValueError(f"guest {vmid} exists already")
        vm = super().add_vm(vmid, name, *args, **kwargs)
        vm.config = {
            "cores": 2,
            "sockets": 1,
            "memory": "2048",
            "ostype": "l26",
            "boot": "order=scsi0",
            "scsihw": "virtio-scsi-single",
            "scsi0": f"local-lvm:vm-{vmid}-disk-0,iothread=1,size=8G",
            "net0": f"virtio=BC:24:11:{vmid >> 16 & 255:02X}:{vmid >> 8 & 255:02X}:{vmid & 255:02X},bridge=vmbr0",
            "smbios1": f"uuid=00000000-0000-4000-8000-{vmid:012d}",
            **vm.config,
        }
        if vm.lock:
            vm.config["lock"] = vm.lock
        if vm.template:
            vm.config["template"] = 1
            for key, volume, _ in drives_of(vm.config, skip_cdrom=True):
                vm.config[key] = vm.config[key].replace(volume, volume.replace("vm-", "base-", 1))
        for _, volume, props in drives_of(vm.config, skip_cdrom=True):
            sid, _, volname = volume.partition(":")
            if volname and sid in self.storages:
                self.storages[sid].setdefault("volumes", {})[volname] = {
                    "content": "images",
                    "format": "raw",
                    "size": disk_bytes("size=" + props.get("size", "0")),
                    "vmid": vmid,
                    "ctime": int(time.time()),
                }
        return vm

    def add_ct(self, vmid: int, *args: Any, **kwargs: Any) -> Any:
        """Add an LXC container (arguments as for fakepve's FakeCt). A template's root becomes a base volume."""
        ct = super().add_ct(vmid, *args, **kwargs)
        if ct.template:
            ct.config["rootfs"] = ct.config["rootfs"].replace(":vm-", ":base-")
        return ct

    # --------------------------------------------------------------- config

    async def _config_get(self, request: web.Request) -> web.Response:
        return await self._served(request, self._qemu_config)

    async def _qemu_config(self, v: Values, _user: str) -> Values:
        """Follow Qemu.pm vm_config and AbstractConfig.pm load_current_config.

        Pending values are merged unless current=1.
        """
        vm = self.find(v["node"], v["vmid"])
        if v.get("snapshot") and v.get("current"):
            text = "cannot use 'snapshot' parameter with 'current'"
            raise PveError(400, "Parameter verification failed.", {"snapshot": text, "current": text})
        if v.get("snapshot"):
            if v["snapshot"] not in vm.snapshots:
                raise PveError(500, f"snapshot '{v['snapshot']}' does not exist")
            config = dict(vm.snapshots[v["snapshot"]])
        else:
            config = {**vm.config, **({} if v.get("current") else vm.pending)}
        config = {
            key: str(value) if key == "memory" else value
            for key, value in config.items()
            if value is not None
        }
        return {**config, "digest": vm.digest()}

    async def _pending(self, request: web.Request) -> web.Response:
        async def listed(v: Values, _user: str) -> list[Values]:
            """Follow Qemu.pm vm_pending: key with value, pending or delete."""
            vm = self.find(v["node"], v["vmid"])
            rows = []
            for key in sorted({*vm.config, *vm.pending}):
                row: Values = {"key": key}
                if key in vm.config:
                    row["value"] = str(vm.config[key]) if key == "memory" else vm.config[key]
                if key in vm.pending:
                    deleted = vm.pending[key] is None
                    row["delete" if deleted else "pending"] = 1 if deleted else vm.pending[key]
                rows.append(row)
            return [*rows, {"key": "digest", "value": vm.digest()}]

        return await self._served(request, listed)

    async def _lxc_pending(self, user: str, v: Values) -> list[Values]:
        """Add the digest.

        GuestHelpers.pm config_with_pending_array lists every key whose value is not a list, such as the digest.
        """
        rows = await super()._lxc_pending(user, v)
        return [*rows, {"key": "digest", "value": self._find_ct(v["node"], v["vmid"]).digest()}]

    async def _config_put(self, request: web.Request) -> web.Response:
        return await self._served(request, self._update_vm)

    async def _config_post(self, request: web.Request) -> web.Response:
        async def asynchronously(v: Values, user: str) -> str:
            """Follow Qemu.pm update_vm_api: check privileges, digest and lock before the task begins."""
            vm = self.find(v["node"], v["vmid"])
            for key in v.keys() - {*NOT_OPTIONS, "delete", "revert"}:
                self.require(user, f"/vms/{vm.vmid}", self._config_priv(key))
            if v.get("digest", vm.digest()) != vm.digest():
                raise PveError(500, "checksum mismatch (file change by other user?)")
            self._check_lock(vm)

            async def body() -> None:
                try:
                    await self._update_vm(v, user)
                except PveError as problem:
                    raise TaskError(problem.message) from problem

            return await self.task(vm.node, "qmconfig", vm.vmid, user, body)

        return await self._served(request, asynchronously)

    async def _update_vm(self, v: Values, user: str) -> None:
        """Follow Qemu.pm update_vm_api. Values that a running VM cannot take at once stay pending."""
        vm = self.find(v["node"], v["vmid"])
        options = {key: value for key, value in v.items() if key not in NOT_OPTIONS}
        if not options:
            raise PveError(500, "no options specified")
        for key in _split(options.pop("revert", "")):
            vm.pending.pop(key, None)
        merged = {**vm.config, **vm.pending, **options}
        memory = int(str(merged.get("memory") or 512).rpartition("=")[2])
        if int(merged.get("balloon") or 0) > memory:
            raise PveError(500, "balloon value too large (must be smaller than assigned memory)")
        if "digest" in v:
            options["digest"] = v["digest"]
        if options:
            await self._apply_config(vm, user, options)
        for key in list(vm.pending):
            if key in LIVE_KEYS and vm.pending[key] is not None:
                vm.config[key] = vm.pending.pop(key)
            elif key in LIVE_KEYS or (vm.pending[key] is None and key not in vm.config):
                vm.config.pop(key, None)
                vm.pending.pop(key)
            elif str(vm.config.get(key)) == str(vm.pending[key]):
                vm.pending.pop(key)  # vmconfig_cleanup_pending: a value that changes nothing

    def copy_guest_state(self, vmid: int) -> Values:
        """Copy the fields of a guest that the bot's requests could change, for tests that nothing changed.

        Return {} if the guest is gone.
        """
        guest = self.guest(vmid)
        if guest is None:
            return {}
        return copy.deepcopy(
            {
                key: getattr(guest, key)
                for key in (
                    "node",
                    "name",
                    "status",
                    "config",
                    "pending",
                    "snapshots",
                    "lock",
                    "template",
                    "ha_state",
                )
            }
        )
