"""Provide the playground as the target of the contract: Proxmox VE 8.4 or 9 with the contract's guests."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from core.entry_point import EntryPoint
from playground.pve.metrics import GIB
from playground.pve.server import Pve
from proxmox_client import Endpoint
from tests.support.contract import documented, target
from tests.support.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE, Facts

SECRET = "5ec4e7-0f-7he-c0n7rac7"
AGE = 300.0
"""Seconds that VM and CT have been running: long enough that an uptime in another unit is out of bounds."""


class Played:
    """Arrange everything directly in the playground."""

    played = True

    def __init__(self, pve: Pve) -> None:
        self._pve = pve

    def set_running(self, vmid: int, running: bool) -> None:
        guest = self._pve.guest(vmid)
        if not running:
            self._pve.stop_dead(guest)
        elif guest.status != "running" or getattr(guest, "qmpstatus", "running") != "running":
            self._pve.run_anew(guest)

    def set_lock(self, vmid: int, locked: bool) -> None:
        guest = self._pve.guest(vmid)
        guest.lock = "backup" if locked else None
        if locked:
            guest.config["lock"] = "backup"
        else:
            guest.config.pop("lock", None)

    def set_protection(self, vmid: int, protected: bool) -> None:
        self._pve.guest(vmid).config["protection"] = int(protected)

    def hold_config(self, vmid: int, held: bool) -> None:
        if held:
            self._pve.call(self._pve.hold_config_lock(vmid, None))
        else:
            self._pve.at_once(lambda: self._pve.release_config_lock(vmid))

    def deny(self, privileges: Iterable[str]) -> None:
        for privilege in privileges:
            self._pve.deny(privilege)

    def allow(self) -> None:
        self._pve.allow_again()

    def keep_backup(self, vmid: int) -> None:
        self._pve.keep_backup(vmid, days=0.001, gib=0.25, storage=target.BACKUPS)

    def fail_backup(self) -> None:
        self._pve.backup_job(VM, ends="job errors")

    def play(self, scene: str) -> None:
        pve = self._pve
        pve.vm(VM).agent = {} if scene == "agent" else None
        pve.vm(VM).ha_state = "started" if scene == "ha" else None
        pve.storages[target.STORAGE]["avail"] = 0 if scene == "full" else 100 * GIB
        pve.set_node_offline("pve2", scene == "lost node")
        if scene == "no quorum":
            pve.lose_quorum()
        else:
            pve.regain_quorum()


@contextlib.contextmanager
def opened(version: str) -> Iterator[tuple[Facts, Played]]:
    """Open a playground of this version with the contract's guests."""
    with Pve(nodes=("pve1", "pve2"), version=version) as pve:
        _fill(pve)
        token = f"{documented.USER}!{documented.TOKEN}"
        pve.apitokens[token] = SECRET
        for path, privileges in documented.granted(int(version[0])).items():
            for who in (documented.USER, token):
                pve.grant(who, path, *privileges)
        address = EntryPoint(pve.host, pve.port)
        endpoint = Endpoint((address,), documented.USER, documented.TOKEN, SECRET, Path(pve.ca_file))
        yield Facts(int(version[0]), "pve1", endpoint, pause=0.005, patience=20.0), Played(pve)


def _fill(pve: Pve) -> None:
    common: dict[str, Any] = {
        "cores": target.CORES,
        "tags": ";".join(target.TAGS),
        "description": target.NOTES,
    }
    for vmid in (VM, VM_TEMPLATE):
        disk = f"{target.STORAGE}:vm-{vmid}-disk-0,size={target.DISK_GIB}G"
        config = common | {
            "memory": str(target.MEMORY),
            "scsi0": disk,
            "agent": "1",
            "sockets": target.SOCKETS,
        }
        if vmid == VM_TEMPLATE:
            config["net0"] = f"virtio=BC:24:11:00:00:01,bridge={target.BRIDGE}"
        pve.add_vm(vmid, target.name_of(vmid), node="pve1", config=config, template=vmid == VM_TEMPLATE)
    for vmid in (CT, CT_TEMPLATE):
        disk = f"{target.STORAGE}:vm-{vmid}-disk-0,size={target.DISK_GIB}G"
        net = f"name=eth0,bridge={target.BRIDGE},hwaddr=BC:24:11:00:00:02,ip={target.ADDRESS}/24,type=veth"
        config = common | {"memory": target.MEMORY, "rootfs": disk, "net0": net}
        pve.add_ct(vmid, target.name_of(vmid), node="pve1", config=config, template=vmid == CT_TEMPLATE)
    pve.pools[target.POOL], pve.vm(VM).pool = {VM}, target.POOL
    pve.datacenter = {"registered-tags": list(target.TAGS), "user-tag-access": {"user-allow": "list"}}
    for vmid in (VM, CT):
        guest = pve.guest(vmid)
        pve.run_anew(guest)
        guest.started_at = time.time() - AGE
        pve.set_use(vmid, cpu=0.5, memory=0.5)
    pve.vm(VM).acpi = False  # a VM without an operating system ignores the power button
    pve.shutdown_cap = 0.0
