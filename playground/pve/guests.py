"""Handle snapshots, clones, deletion and disks of the playground's guests as Proxmox does.

Sixth layer over fakepve. It follows qemu-server PVE/API2/Qemu.pm and PVE/QemuServer.pm, pve-container
PVE/API2/LXC.pm and pve-guest-common PVE/AbstractConfig.pm.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from playground.pve.network.http import PveError, TaskError, Values, drives_of, split_drive
from playground.pve.power import PowerTruth
from playground.pve.tasks import disk_bytes, planned_error


def _config_size(size: int) -> str:
    gib, rest = divmod(size, 1024**3)
    return f"{gib}G" if not rest else f"{size // 1024**2}M"


class GuestTruth(PowerTruth):
    """fakepve with snapshots, clones and deletions that have the same results as in Proxmox."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        # Linked clones: vmid -> vmid of the template whose base volumes it needs.
        self.linked: dict[int, int] = {}
        self._intruder: str | None = None
        # Rows added to every list of snapshots, of a kind that Proxmox should not send.
        self.stray_snapshots: list[Any] = []

    # ------------------------------------------------------------ snapshots

    async def _qm_snapshot_list(self, v: Values, user: str) -> list[Values]:
        return self._shuffled(await super()._qm_snapshot_list(v, user))

    async def _lxc_snapshot_list(self, user: str, v: Values) -> list[Values]:
        return self._shuffled(await super()._lxc_snapshot_list(user, v))

    def _shuffled(self, rows: list[Values]) -> list[Values]:
        """Put the stray rows first, then the others by a hash of their name, and `current` last.

        Proxmox sends them in Perl's random hash order (Qemu.pm snapshot_list).
        """
        return self.stray_snapshots + sorted(
            rows, key=lambda row: (row["name"] == "current", hashlib.sha256(row["name"].encode()).hexdigest())
        )

    async def _lxc_snapshot(self, user: str, v: Values) -> Any:
        if v["snapname"].lower() == "pending":
            raise PveError(500, "unable to use snapshot name 'pending' (reserved name)")
        return await super()._lxc_snapshot(user, v)

    async def _qm_rollback(self, v: Values, user: str) -> Any:
        """Follow AbstractConfig.pm snapshot_rollback: stop the VM. Run it for `start` and for a snapshot with RAM."""
        vm, name = self.find(v["node"], v["vmid"]), v["snapname"]
        if v.get("start"):
            self.require(user, f"/vms/{vm.vmid}", "VM.PowerMgmt")

        async def body() -> None:
            snapshot = vm.snapshots.get(name)
            if vm.template:
                raise TaskError("you can't rollback if vm is a template")
            if snapshot is None:
                raise TaskError(f"snapshot '{name}' does not exist")
            if snapshot.get("snapstate"):
                raise TaskError(
                    f"unable to rollback to incomplete snapshot (snapstate = {snapshot['snapstate']})"
                )
            self._need_unlocked(vm, v)
            kept = {
                key: value
                for key, value in vm.config.items()
                if key == "description" or key.startswith("unused")
            }
            left_out = ("snapstate", "snaptime", "description", "vmstate", "runningmachine", "runningcpu")
            vm.config = {
                **{key: value for key, value in snapshot.items() if key not in left_out},
                **kept,
                "parent": name,
            }
            vm.pending, vm.name = {}, vm.config.get("name") or f"VM {vm.vmid}"
            vm.status = vm.qmpstatus = "stopped"
            if v.get("start") or snapshot.get("vmstate"):
                vm.status, vm.qmpstatus, vm.started_at = "running", "running", time.time()

        return await self.task(vm.node, "qmrollback", vm.vmid, user, body, vm=vm)

    # ------------------------------------------------ clone, delete, resize

    def take_vmid_on_next_clone(self, name: str = "somebody-was-faster") -> None:
        """Let somebody else take the id of the next clone just before the clone starts.

        The error is `unable to create VM n: config file already exists` (LXC: `CT n already exists on node
        '…'`).
        """
        self._intruder = name

    async def _cloned(self, v: Values, source: Any, run: Callable[[], Awaitable[Any]]) -> Any:
        if self._intruder is not None and self.guest(v["newid"]) is None:
            add = self.add_ct if source.guest.startswith("lxc/") else self.add_vm
            add(v["newid"], self._intruder, node=v["node"])
            self._intruder = None
        full = bool(v.get("full", not source.template))
        upid = await run()
        if not full:
            self.linked[v["newid"]] = source.vmid
        new = self.guest(v["newid"])
        if new is not None:
            for key in ("start_secs", "stop_secs", "shutdown_secs"):
                setattr(new, key, getattr(source, key))
            if getattr(source, "agent", None) is not None:
                new.agent = {
                    "interfaces": [
                        {
                            "name": "eth0",
                            "hardware-address": "bc:24:11:00:00:01",
                            "ip-addresses": [
                                {
                                    "ip-address": f"192.0.2.{new.vmid % 250 + 2}",
                                    "ip-address-type": "ipv4",
                                    "prefix": 24,
                                }
                            ],
                        }
                    ]
                }
        return upid

    async def _qm_clone(self, v: Values, user: str) -> Any:
        """Follow Qemu.pm clone_vm.

        A clone to another node needs shared storage. The log of a full copy shows its percentage.
        """
        source = self.find(v["node"], v["vmid"])
        drives = drives_of(source.config, skip_cdrom=True)
        target = v.get("target")
        for net in (str(value) for key, value in source.config.items() if re.fullmatch(r"net\d+", key)):
            if bridge := re.search(r"\bbridge=([^,]+)", net):  # QemuServer.pm check_bridge_access
                self.require(user, f"/sdn/zones/localnetwork/{bridge[1]}", "SDN.Use")
        local = [
            key
            for key, volume, _ in drives
            if not self.storages.get(volume.partition(":")[0], {}).get("shared")
        ]
        if target and target != v["node"] and target in self.nodes and local:
            raise PveError(500, f"can't clone VM to node '{target}' (VM uses local storage)")
        full = v.get("full", not source.template)
        self._clone_bytes = sum(disk_bytes(source.config[key]) for key, _, _ in drives) if full else None
        self._clone_label = next((f"{key} ({volume})" for key, volume, _ in drives), "none")
        return await self._cloned(v, source, lambda: super(GuestTruth, self)._qm_clone(v, user))

    async def _lxc_clone(self, user: str, v: Values) -> Any:
        source = self._find_ct(v["node"], v["vmid"])
        return await self._cloned(v, source, lambda: super(GuestTruth, self)._lxc_clone(user, v))

    def _used_base(self, guest: Any) -> str | None:
        """Return the template's base volume that a linked clone still needs, else None.

        Follows QemuServer.pm destroy_vm.
        """
        if not any(
            base == guest.vmid and self.guest(clone) is not None for clone, base in self.linked.items()
        ):
            return None
        drives = drives_of(guest.config, skip_cdrom=True)
        return str(drives[0][1] if drives else split_drive(guest.config["rootfs"])[0])

    async def _refused_destroy(self, guest: Any, ttype: str, user: str, volume: str) -> str:
        async def body() -> None:
            raise TaskError(f"base volume '{volume}' is still in use by linked cloned")

        return await self.task(guest.node, ttype, guest.vmid, user, body)

    async def _qm_destroy(self, v: Values, user: str) -> Any:
        vm = self.find(v["node"], v["vmid"])
        self._qm_check_protection(vm, f"can't remove VM {vm.vmid}")
        volume = self._used_base(vm)
        if volume is not None:
            return await self._refused_destroy(vm, "qmdestroy", user, volume)
        return await super()._qm_destroy(v, user)

    async def _lxc_destroy(self, user: str, v: Values) -> Any:
        ct = self._find_ct(v["node"], v["vmid"])
        self._check_protection(ct, f"can't remove CT {ct.vmid}")
        volume = self._used_base(ct)
        if volume is not None:
            return await self._refused_destroy(ct, "vzdestroy", user, volume)
        return await super()._lxc_destroy(user, v)

    def _routes_truth_guests(self) -> list[tuple[str, str, Any]]:
        return [
            ("PUT", "/nodes/{node}/qemu/{vmid}/resize", self._qm_resize),
            ("GET", "/nodes/{node}/qemu/{vmid}/feature", self._qm_feature),
            ("GET", "/nodes/{node}/lxc/{vmid}/feature", self._lxc_feature),
        ]

    async def _qm_resize(self, v: Values, user: str) -> str:
        """Follow Qemu.pm resize_vm: a disk can grow but not shrink."""
        vm, disk = self.find(v["node"], v["vmid"]), v["disk"]
        if disk not in vm.config:
            raise PveError(500, f"disk '{disk}' does not exist")
        old, asked = disk_bytes(vm.config[disk]), disk_bytes("size=" + v["size"].lstrip("+"))
        new = old + asked if v["size"].startswith("+") else asked
        if new < old:
            raise PveError(500, "shrinking disks is not supported")

        async def body() -> None:
            self._need_unlocked(vm, v)
            bare = re.sub(r",size=[^,]+", "", vm.config[disk])
            vm.config[disk] = f"{bare},size={_config_size(new)}"

        return await self.task(vm.node, "resize", vm.vmid, user, body, vm=vm)

    async def _qm_feature(self, v: Values, _user: str) -> Values:
        vm = self.find(v["node"], v["vmid"])
        able = v["feature"] != "snapshot" or (self._qm_can_snapshot(vm.config) and not vm.template)
        return {"hasFeature": int(able), "nodes": sorted(self.nodes) if able else []}

    async def _lxc_feature(self, v: Values, _user: str) -> Values:
        ct = self._find_ct(v["node"], v["vmid"])
        kinds = {
            self.storages.get(mount["volume"].partition(":")[0], {}).get("type") for _, mount in ct.volumes()
        }
        return {
            "hasFeature": int(v["feature"] != "snapshot" or kinds <= {"lvmthin", "rbd", "zfspool", "btrfs"})
        }

    # ---------------------------------------------------------- full storage

    async def ceph_io(self, vm: Any, keys: Sequence[str] | None = None) -> None:
        """Raise the planned error of a clone, or the error of a full storage.

        fakepve calls this before it writes disks.
        """
        planned = planned_error.get()
        if planned is not None:
            raise TaskError(planned)
        if vm.lock in ("create", "clone", "snapshot"):
            for key in keys if keys is not None else vm.devices():
                sid = str(vm.config.get(key, "")).partition(":")[0]
                store = self.storages.get(sid)
                if store is not None and store.get("avail") == 0:
                    pool = f"{store.get('vgname', 'pve')}/{store.get('thinpool', 'data')}"
                    raise TaskError(
                        f"lvcreate '{store.get('vgname', 'pve')}/vm-{vm.vmid}-disk-0' error:   Cannot create new "
                        f"thin volume, free space in thin pool {pool} reached threshold."
                        if store.get("type") == "lvmthin"
                        else f"unable to create image: No space left on device ({sid})"
                    )
        await super().ceph_io(vm, keys)
