"""Play events in the playground's cluster: crashes, lost nodes, full storages, guests that come and go.

Twelfth layer over fakepve. These events leave no tasks. Actions that do, of people, backup jobs and the HA manager,
are in playground/pve/others.py. An event of many guests happens between two requests, so that no answer shows half
of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from playground.pve.metrics import GIB
from playground.pve.others import Others


class Scenes(Others):
    """A cluster in which events happen."""

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
        """Add `count` guests from VMID `first` on, two VMs for each container, and return their VMIDs.

        node: None spreads them over all nodes. uptime: seconds that they have been running.
        Raises: ValueError, if one of the VMIDs is taken.
        """
        names = [node] if node else sorted(self.nodes)
        vmids = tuple(range(first, first + count))

        def add() -> None:
            vms, cts = list(self.vms), list(self.cts)
            if taken := {guest.vmid for guest in (*vms, *cts)}.intersection(vmids):
                raise ValueError(f"guests {sorted(taken)} exist already")
            try:
                for at, vmid in enumerate(vmids):
                    self.vms.clear()  # otherwise add_vm and add_ct would search all guests each time
                    self.cts.clear()
                    place = names[at % len(names)]
                    if at % 3 == 2:
                        guest = self.add_ct(vmid, f"ct{vmid}", node=place, status=status)
                    else:
                        guest = self.add_vm(vmid, f"vm{vmid}", node=place, status=status)
                    if status == "running":
                        guest.started_at = time.time() - uptime
                    vms += self.vms
                    cts += self.cts
            finally:
                self.vms[:], self.cts[:] = vms, cts

        self.at_once(add)
        return vmids

    def remove_guest(self, vmid: int) -> None:
        """Remove the guest without a task: its configuration was deleted on the node's command line."""
        guest = self.guest(vmid)

        def remove() -> None:
            (self.cts if guest in self.cts else self.vms).remove(guest)
            self._pool_leave(vmid)
            self.set_uses.pop(vmid, None)
            self.without_balloon.discard(vmid)

        self.at_once(remove)

    def move_guest(self, vmid: int, node: str) -> None:
        """Move the guest to another node, as after a migration or an HA recovery."""
        self.nodes.setdefault(node, {"online": True})
        self.guest(vmid).node = node

    def crash(self, vmid: int) -> None:
        """Let the guest stop by itself: no task, no request."""
        self.crash_all((vmid,))

    def crash_all(self, vmids: Iterable[int]) -> None:
        """Let all of these stop by themselves at the same moment.

        Raises: ValueError, if one of them does not exist.
        """
        wanted = set(vmids)
        guests = [guest for guest in [*self.vms, *self.cts] if guest.vmid in wanted]
        if len(guests) < len(wanted):
            raise ValueError(f"no such guests: {wanted - {guest.vmid for guest in guests}}")

        def stop() -> None:
            for guest in guests:
                self.stop_dead(guest)

        self.at_once(stop)

    def revive(self, vmid: int) -> None:
        """Let the guest run again, without a task."""
        self.revive_all((vmid,))

    def revive_all(self, vmids: Iterable[int]) -> None:
        """Let all of these run again at the same moment."""
        wanted = set(vmids)

        def run() -> None:
            for guest in [*self.vms, *self.cts]:
                if guest.vmid in wanted:
                    self.run_anew(guest)

        self.at_once(run)

    def bounce(self, vmid: int) -> None:
        """Let a running guest restart by itself: no task, and its uptime starts anew.

        Raises: ValueError, if the guest does not run.
        """
        if self.guest(vmid).status != "running":
            raise ValueError(f"guest {vmid} does not run")
        self.revive(vmid)

    def pause_vm(self, vmid: int) -> None:
        """Pause a running QEMU VM: status `running`, qmpstatus (and /cluster/resources) `paused`."""
        self.vm(vmid).qmpstatus = "paused"

    def hold_vm(self, vmid: int, state: str) -> None:
        """Put a VM into a state of QEMU, for example `internal-error`, `guest-panicked` or `prelaunch`.

        All states are in qapi/run-state.json. A stopped VM has a process from then on. revive() ends the state.
        """
        vm = self.vm(vmid)
        vm.status, vm.qmpstatus = "running", state

    def io_error(self, vmid: int) -> None:
        """Let QEMU halt a running VM because its storage failed; revive() ends it."""
        self.vm(vmid).qmpstatus = "io-error"

    def set_uptime(self, vmid: int, seconds: float) -> None:
        """Set the uptime of a running guest, in seconds."""
        self.guest(vmid).started_at = time.time() - seconds

    def set_use(
        self, vmid: int, *, cpu: float | None = None, memory: float | None = None, disk: float | None = None
    ) -> None:
        """Set the guest's usage while it runs, as fractions of its maximum. Omitted values return to the usual.

        disk: containers only, because Proxmox never knows a VM's.
        Raises: ValueError, for the disk of a VM.
        """
        if disk is not None and self.ct(vmid) is None:
            raise ValueError("Proxmox does not know how full a VM's disk is")
        given = {"cpu": cpu, "mem": memory, "disk": disk}
        self.set_uses[vmid] = {key: value for key, value in given.items() if value is not None}

    def lose_balloon(self, vmid: int, *, back: bool = False) -> None:
        """Stop the VM from reporting its memory, because its balloon driver is gone.

        While the VM runs, its memory is then the host's figure, a little above the maximum. `back`: the VM reports
        again.
        Raises: ValueError, for a container.
        """
        if self.vm(vmid) is None:
            raise ValueError(f"{vmid} is no VM")
        (self.without_balloon.discard if back else self.without_balloon.add)(vmid)

    # -------------------------------------------------------------- nodes

    def node_offline(self, name: str, *, expired: bool = False) -> None:
        """Answer requests for the node with 595.

        Its guests keep name, state and usage in the list, because Proxmox keeps a node's broadcasts for 300 s. With
        `expired` they are `unknown` and have neither name nor usage.
        """
        self.set_node_offline(name)
        if expired:
            self.expired_nodes.add(name)

    def node_online(self, name: str, *, rebooted: bool = False, left_stopped: Iterable[int] = ()) -> None:
        """Undo node_offline(): the node was unreachable, and everything on it kept running.

        rebooted: it was down, and its running guests have just been started again (onboot).
        left_stopped: VMIDs of the node's guests that are stopped now.
        """
        stopped = set(left_stopped)

        def back() -> None:
            for guest in [*self.vms, *self.cts]:
                if guest.node == name and guest.vmid in stopped:
                    self.stop_dead(guest)
                elif rebooted and guest.node == name and guest.status == "running":
                    self.run_anew(guest)
            if rebooted:
                self.nodes[name]["booted"] = time.time()
            self.set_node_offline(name, False)
            self.expired_nodes.discard(name)

        self.at_once(back)

    def hang_pvestatd(self, name: str) -> None:
        """Play a pvestatd of the node that has hung for five minutes, for example because of a dead NFS server.

        /cluster/resources lists the node, its guests and its storages as `unknown`, from their configuration
        alone. Single guests (`status/current`) answer truly.
        """
        self.hung_nodes.add(name)

    def free_pvestatd(self, name: str) -> None:
        """Undo hang_pvestatd()."""
        self.hung_nodes.discard(name)

    # ----------------------------------------------------------- storages

    def keep_backup(self, vmid: int, days: float, gib: float = 4.0, storage: str = "nfs-backup") -> None:
        """Add a backup of this guest, made `days` ago."""
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
        """Fill the storage completely: clones and snapshots end in a task error."""
        self.storages[name]["avail"] = 0

    def fill_storage(self, name: str, fraction: float | None, *, node: str | None = None) -> None:
        """Set the used fraction (0..1) of the storage, on one node only if `node` is given.

        A node's own fraction stays when another is set for the whole storage.
        None: Proxmox has no figures for the storage on any node, as when an NFS server is away.
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
