"""Reach a real Proxmox as the target of the contract: the API by the bot's token, the rest by a root shell.

The environment names it:

- PVE_CONTRACT_HOST, PVE_CONTRACT_PORT (default 8006), PVE_CONTRACT_FINGERPRINT: the API and its certificate;
- PVE_CONTRACT_TOKEN_ID (`user@realm!name`), PVE_CONTRACT_SECRET: the bot's token;
- PVE_CONTRACT_ROOT: the command before `bash -c …` that runs it as root there, such as `docker exec pve`;
- PVE_CONTRACT_GENERATION: 8 or 9;
- PVE_CONTRACT_NODE (default pve), PVE_CONTRACT_KVM (default 1; 0 emulates the CPU of VMs);
- PVE_CONTRACT_OSTEMPLATE: the volume of a small container template;
- PVE_CONTRACT_KEEP: a folder for all requests and answers, if they are to be kept.

`prepare` makes the guests and the pool of the contract anew and registers their tags in the options of the
datacenter. `deny` changes the roles of the documentation for a while. Use no node that matters.
"""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.entry_point import EntryPoint
from proxmox_client import Endpoint
from tests.contract.suite import Report
from tests.support.contract import target
from tests.support.contract.documented import roles
from tests.support.contract.target import CT, CT_TEMPLATE, VM, VM_TEMPLATE, Facts

COMMAND_SECONDS = 300.0
PAUSE, PATIENCE = 1.0, 240.0
"""Seconds between two reads, and to wait in all.

A VM has a minute to shut down, and a guest has its first figures after two.
"""
HELD_SECONDS = 20
"""Seconds to hold a lock: longer than the ten seconds that Proxmox waits for the lock of a file."""


@dataclass(frozen=True)
class Settings:
    """Everything about the real Proxmox. `root`: the command that runs another one as root there."""

    facts: Facts
    root: tuple[str, ...]
    ostemplate: str
    kvm: bool


def settings(environ: Mapping[str, str] = os.environ) -> Settings | None:
    """Read the environment. Return None if it names no target.

    Raises: KeyError, if a variable is missing; ValueError, if the port or the generation is no number.
    """
    if not environ.get("PVE_CONTRACT_HOST"):
        return None
    user, _, token = environ["PVE_CONTRACT_TOKEN_ID"].partition("!")
    fingerprint = environ["PVE_CONTRACT_FINGERPRINT"]
    address = EntryPoint(
        environ["PVE_CONTRACT_HOST"], int(environ.get("PVE_CONTRACT_PORT") or 8006), fingerprint
    )
    endpoint = Endpoint((address,), user, token, environ["PVE_CONTRACT_SECRET"])
    facts = Facts(
        int(environ["PVE_CONTRACT_GENERATION"]),
        environ.get("PVE_CONTRACT_NODE") or "pve",
        endpoint,
        pause=PAUSE,
        patience=PATIENCE,
    )
    root = tuple(shlex.split(environ["PVE_CONTRACT_ROOT"]))
    return Settings(
        facts, root, environ["PVE_CONTRACT_OSTEMPLATE"], environ.get("PVE_CONTRACT_KVM", "1") == "1"
    )


def _tool(vmid: int) -> str:
    return "qm" if vmid in (VM, VM_TEMPLATE) else "pct"


class Real:
    """Arrange everything by the command line of a real Proxmox.

    All methods may raise AssertionError, and subprocess.TimeoutExpired.
    """

    played = False

    def __init__(self, named: Settings) -> None:
        self._named = named
        self._holder: subprocess.Popen[str] | None = None

    def run(self, line: str) -> str:
        """Run a line of bash as root, and return its output. Raises: AssertionError if it fails, TimeoutExpired."""
        done = subprocess.run(  # noqa: S603 - the maintainer's own machine and command
            [*self._named.root, "bash", "-c", line],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def prepare(self) -> None:
        """Make the guests and the pool of the contract anew, and register their tags."""
        for line in self._clearing() + self._making():
            self.run(line)

    def _clearing(self) -> list[str]:
        lines = []
        for vmid in (VM, VM_TEMPLATE, CT, CT_TEMPLATE):
            tool = _tool(vmid)
            lines += [
                f"{tool} unlock {vmid} 2>/dev/null || true",
                f"{tool} stop {vmid} 2>/dev/null || true",
                f"{tool} set {vmid} --protection 0 2>/dev/null || true",
                f"{tool} destroy {vmid} --purge 1 2>/dev/null || true",
            ]
        return [*lines, f"pvesh delete /pools/{target.POOL} 2>/dev/null || true"]

    def _making(self) -> list[str]:
        kvm, store, tags = int(self._named.kvm), target.STORAGE, ";".join(target.TAGS)
        common = (
            f"--memory {target.MEMORY} --cores {target.CORES} --tags '{tags}' --description '{target.NOTES}'"
        )
        disk = f"{store}:{target.DISK_GIB}"
        lines = []
        for vmid in (VM, VM_TEMPLATE):
            net = f"--net0 virtio,bridge={target.BRIDGE}" if vmid == VM_TEMPLATE else ""
            lines.append(
                f"qm create {vmid} --name {target.name_of(vmid)} {common}"
                f" --sockets {target.SOCKETS} --agent 1 --kvm {kvm} --scsi0 {disk} {net}"
            )
        for vmid in (CT, CT_TEMPLATE):
            net = f"name=eth0,bridge={target.BRIDGE},ip={target.ADDRESS}/24"
            lines.append(
                f"pct create {vmid} {shlex.quote(self._named.ostemplate)} --hostname {target.name_of(vmid)} {common}"
                f" --swap 0 --unprivileged 1 --rootfs {disk} --net0 {net}"
            )
        return [
            *lines,
            f"qm template {VM_TEMPLATE}",
            f"pct template {CT_TEMPLATE}",
            f"pvesh create /pools --poolid {target.POOL}",
            f"pvesh set /pools/{target.POOL} --vms {VM}",
            f"pvesh set /cluster/options --registered-tags '{tags}' --user-tag-access user-allow=list",
        ]

    def set_running(self, vmid: int, running: bool) -> None:
        tool = _tool(vmid)
        word = "running" if running else "stopped"
        if not running:
            self.run(f"{tool} stop {vmid} || true")
        elif vmid == VM:  # it may be paused
            self.run(f"qm status {vmid} | grep -q running && qm resume {vmid} || qm start {vmid}")
        else:
            self.run(f"pct status {vmid} | grep -q running || pct start {vmid}")
        self.run(
            f"for i in $(seq 60); do {tool} status {vmid} | grep -q {word} && exit 0; sleep 1; done; exit 1"
        )

    def set_lock(self, vmid: int, locked: bool) -> None:
        tool = _tool(vmid)
        self.run(f"{tool} set {vmid} --lock backup" if locked else f"{tool} unlock {vmid}")

    def set_protection(self, vmid: int, protected: bool) -> None:
        self.run(f"{_tool(vmid)} set {vmid} --protection {int(protected)}")

    def hold_config(self, vmid: int, held: bool) -> None:
        if not held:
            if self._holder is not None:
                self._holder.wait(COMMAND_SECONDS)
            return
        file = f"/var/lock/qemu-server/lock-{vmid}.conf"
        line = f"flock -x {file} sleep {HELD_SECONDS}"
        self._holder = subprocess.Popen(  # noqa: S603 - the maintainer's own machine and command
            [*self._named.root, "bash", "-c", line], text=True
        )
        time.sleep(1.0)  # another process takes the lock, and nothing tells when

    def deny(self, privileges: Iterable[str]) -> None:
        without = set(privileges)
        for name, held in roles(self._named.facts.generation).items():
            left = [privilege for privilege in held if privilege not in without]
            self.run(f'pveum role modify {name} --privs "{" ".join(left)}"')

    def allow(self) -> None:
        self.deny(())

    def keep_backup(self, vmid: int) -> None:
        self.run(f"vzdump {vmid} --storage {target.BACKUPS} --mode stop --compress zstd --quiet 1")

    def fail_backup(self) -> None:
        """Back up the VM while it is locked, which fails."""
        self.set_lock(VM, True)
        try:
            self.run(f"vzdump {VM} --storage {target.BACKUPS} --quiet 1 || true")
        finally:
            self.set_lock(VM, False)

    def play(self, scene: str) -> None:
        raise AssertionError(f"nothing real can be brought to {scene!r}")


def keep(report: Report) -> None:
    """Write all requests and answers, without the token, to a file in the folder PVE_CONTRACT_KEEP, if it is set."""
    folder = os.environ.get("PVE_CONTRACT_KEEP")
    if not folder:
        return
    said = {
        name: [
            {
                "asked": f"{exchange.method} {exchange.path}",
                "parameters": {key: str(value) for key, value in exchange.parameters.items()},
                "status": exchange.response.status,
                "reason": exchange.response.reason,
                "body": bytes(exchange.response.body).decode("utf-8", "replace"),
            }
            for exchange in kept
        ]
        for name, kept in report.kept.items()
    }
    Path(folder, "exchanges.json").write_text(json.dumps(said, indent=1, ensure_ascii=False), "utf-8")
