"""What happens to the playground's cluster by itself: crashes, lost nodes, full storages, guests that come and go.

Eleventh layer over fakepve. Nothing here leaves a task; what somebody does is in playground/pve/others.py.
Scenes of many guests come between two requests: no answer shows half of one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from playground.pve.metrics import GIB
from playground.pve.others import Others


class Scenes(Others):
    """A cluster to which things happen."""

    # ------------------------------------------------------------- guests

    def add_many(
        self,
        count: int,
        *,
        node: str | None = None,
        first: int = 1000,
        status: str = "running",
        uptime: float = 86400.0,
    ) -> tuple[int, ...]:
        """Add so many guests from VMID `first` on, two VMs to a container; returns their VMIDs.

        node: None spreads them over all nodes. uptime: seconds that they have been running.
        """
        names = [node] if node else sorted(self.nodes)
        vmids = tuple(range(first, first + count))

        def add() -> None:
            for at, vmid in enumerate(vmids):
                place = names[at % len(names)]
                if at % 3 == 2:
                    guest = self.add_ct(vmid, f"ct{vmid}", node=place, status=status)
                else:
                    guest = self.add_vm(vmid, f"vm{vmid}", node=place, status=status)
                if status == "running":
                    guest.started_at = time.time() - uptime

        self.at_once(add)
        return vmids

    def remove_guest(self, vmid: int) -> None:
        """The guest is gone, without a task: its configuration was deleted on the node's command line."""
        guest = self.guest(vmid)

        def remove() -> None:
            (self.cts if guest in self.cts else self.vms).remove(guest)
            self._pool_leave(vmid)
            self.set_uses.pop(vmid, None)
            self.without_balloon.discard(vmid)

        self.at_once(remove)

    def move_guest(self, vmid: int, node: str) -> None:
        """The guest lives on another node from now on, as after a migration or an HA recovery."""
        self.nodes.setdefault(node, {"online": True})
        self.guest(vmid).node = node

    def crash(self, vmid: int) -> None:
        """The guest stops by itself: no task, no request."""
        self.crash_all((vmid,))

    def crash_all(self, vmids: Iterable[int]) -> None:
        """All of these stop by themselves at the same moment."""
        wanted = set(vmids)
        guests = [guest for guest in [*self.vms, *self.cts] if guest.vmid in wanted]
        if len(guests) < len(wanted):
            raise ValueError(f"no such guests: {wanted - {guest.vmid for guest in guests}}")

        def stop() -> None:
            for guest in guests:
                self._stop_dead(guest)

        self.at_once(stop)

    def revive(self, vmid: int) -> None:
        """The guest runs again, without a task."""
        self.revive_all((vmid,))

    def revive_all(self, vmids: Iterable[int]) -> None:
        """All of these run again at the same moment."""
        wanted = set(vmids)

        def run() -> None:
            for guest in [*self.vms, *self.cts]:
                if guest.vmid in wanted:
                    self._run_anew(guest)

        self.at_once(run)

    def bounce(self, vmid: int) -> None:
        """A running guest has restarted by itself: no task, and its uptime begins anew."""
        if self.guest(vmid).status != "running":
            raise ValueError(f"guest {vmid} does not run")
        self.revive(vmid)

    def pause_vm(self, vmid: int) -> None:
        """A running QEMU VM is paused: status `running`, qmpstatus (and /cluster/resources) `paused`."""
        self.vm(vmid).qmpstatus = "paused"

    def hold_vm(self, vmid: int, state: str) -> None:
        """QEMU holds a VM in this state of its own (qapi/run-state.json: `internal-error`, `guest-panicked`,
        `prelaunch`, …). A stopped one has a process from now on. revive() and the like end it."""
        vm = self.vm(vmid)
        vm.status, vm.qmpstatus = "running", state

    def io_error(self, vmid: int) -> None:
        """QEMU holds a running VM because its storage failed; revive() ends it."""
        self.vm(vmid).qmpstatus = "io-error"

    def set_uptime(self, vmid: int, seconds: float) -> None:
        """The running guest was started so many seconds ago."""
        self.guest(vmid).started_at = time.time() - seconds

    def set_use(
        self, vmid: int, *, cpu: float | None = None, memory: float | None = None, disk: float | None = None
    ) -> None:
        """What the guest uses while it runs, as fractions of its maximum; what is left out is as usual again.

        disk: containers only, for Proxmox never knows a VM's.
        """
        if disk is not None and self.ct(vmid) is None:
            raise ValueError("Proxmox does not know how full a VM's disk is")
        given = {"cpu": cpu, "mem": memory, "disk": disk}
        self.set_uses[vmid] = {key: value for key, value in given.items() if value is not None}

    def lose_balloon(self, vmid: int, *, back: bool = False) -> None:
        """The VM reports its memory no longer (its balloon driver is gone): what is listed is the host's view, a
        little more than all it has. `back`: it reports again."""
        if self.vm(vmid) is None:
            raise ValueError(f"{vmid} is no VM")
        (self.without_balloon.discard if back else self.without_balloon.add)(vmid)

    # -------------------------------------------------------------- nodes

    def node_offline(self, name: str, *, expired: bool = False) -> None:
        """Requests for the node get 595. Its guests still look as before, for Proxmox forgets a node's broadcasts
        only after 300 s; with `expired` they are `unknown` and have neither name nor use."""
        self.set_node_offline(name)
        if expired:
            self.expired_nodes.add(name)

    def node_online(self, name: str, *, rebooted: bool = False, left_stopped: Iterable[int] = ()) -> None:
        """Undo node_offline(): the node could not be reached, and all on it went on.

        rebooted: it was down, so what ran on it has just been started again (onboot), but for `left_stopped`.
        """
        stopped = set(left_stopped)

        def back() -> None:
            for guest in [*self.vms, *self.cts]:
                if guest.node == name and guest.vmid in stopped:
                    self._stop_dead(guest)
                elif rebooted and guest.node == name and guest.status == "running":
                    self._run_anew(guest)
            if rebooted:
                self.nodes[name]["booted"] = time.time()
            self.set_node_offline(name, False)
            self.expired_nodes.discard(name)

        self.at_once(back)

    def hang_pvestatd(self, name: str) -> None:
        """pvestatd of a node has hung for five minutes, as a dead NFS server makes it: /cluster/resources knows the
        node, its guests and its storages as `unknown`, by their configuration alone. Guests, asked by themselves
        (`status/current`), answer truly."""
        self.hung_nodes.add(name)

    def free_pvestatd(self, name: str) -> None:
        """Undo hang_pvestatd()."""
        self.hung_nodes.discard(name)

    # ----------------------------------------------------------- storages

    def keep_backup(self, vmid: int, days: float, gib: float = 4.0, storage: str = "nfs-backup") -> None:
        """A backup of this guest, made so many days ago."""
        made = time.time() - days * 86400
        kind, ending = ("lxc", "tar.zst") if self.guest(vmid) in self.cts else ("qemu", "vma.zst")
        stamp = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(made))
        self.storages[storage].setdefault("volumes", {})[f"backup/vzdump-{kind}-{vmid}-{stamp}.{ending}"] = {
            "content": "backup",
            "size": int(gib * GIB),
            "ctime": int(made),
            "format": ending,
            "vmid": vmid,
        }

    def full_storage(self, name: str) -> None:
        """Nothing more fits on the storage: clones and snapshots end in a task error."""
        self.storages[name]["avail"] = 0

    def fill_storage(self, name: str, fraction: float | None, *, node: str | None = None) -> None:
        """So much of the storage is in use (0..1), on one node only if `node` is given.

        None: Proxmox has no figures of it, as when an NFS server is away.
        """
        store: dict[str, Any] = self.storages[name]
        store["active"] = int(fraction is not None)
        if fraction is None:
            return
        if node is not None:
            self.node_fills[name, node] = fraction
            return
        total = store.setdefault("total", 500 * GIB)
        store["avail"] = total - int(total * fraction)
