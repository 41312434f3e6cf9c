"""Measure the usage of the playground's guests and nodes.

Seventh layer over fakepve. Usage is a smooth function of the clock, the seed and the guest's id. So the present value
and the history (playground/pve/history.py) agree, unless a test sets the usage. Only the times when a guest ran are
recorded. Follows pvestatd.pm.
"""

from __future__ import annotations

import functools
import math
import random
import time
from dataclasses import dataclass
from typing import Any

from playground.pve.guests import GuestTruth
from playground.pve.network.http import Values

GIB = 1024**3
# Maximum number of a node's guests whose use is added up; more would only cost time.
SUMMED_GUESTS = 40


@dataclass(frozen=True)
class Use:
    """Usage at one moment: cpu and memory as fractions of the maximum, the others in bytes per second."""

    cpu: float
    mem: float
    netin: float
    netout: float
    diskread: float
    diskwrite: float


@functools.lru_cache(maxsize=16384)
def _habits(seed: int, key: str) -> tuple[float, ...]:
    """Return the constants of a guest or node, as `use_at` names them.

    base, daily, short and mem are fractions. period is in seconds, phase in radians, net and disk in bytes a second.
    """
    rng = random.Random(f"{seed}/{key}")
    return (
        rng.uniform(0.02, 0.22),
        rng.uniform(0.02, 0.12),
        rng.uniform(0.01, 0.06),
        rng.uniform(0.3, 0.75),
        rng.uniform(2400, 4800),
        rng.uniform(0, 6.28),
        rng.uniform(2e3, 4e5),
        rng.uniform(1e3, 2e5),
    )


_WAVES = ((0.4, 1.0), (0.3, 2.7), (0.2, 0.37), (0.1, 0.13))
"""The waves of several minutes or hours: the share of each, and its period as a multiple of the guest's own.

Together they look as if somebody used the guest.
"""
_QUICK = 47.0
"""Period of the small quick wave, in seconds."""


def use_at(seed: int, key: str, when: float) -> Use:
    """Return the usage of a guest or node at a time: a daily wave, some shorter ones and a small quick one."""
    base, daily, short, mem, period, phase, net, disk = _habits(seed, key)
    day = math.sin(when / 86400 * 2 * math.pi + phase)
    slow = sum(
        share * math.sin(when / (period * times) * 2 * math.pi + phase * (2 + times))
        for share, times in _WAVES
    )
    quick = math.sin(when / _QUICK * 2 * math.pi + phase * 3)
    lively = 1 + 0.5 * slow + 0.1 * quick
    return Use(
        cpu=min(1.0, max(0.003, base + daily * (1 + day) / 2 + short * slow + short / 3 * quick)),
        mem=min(0.97, max(0.05, mem + 0.08 * day + 0.02 * slow)),
        netin=net * lively,
        netout=net * lively * 0.7,
        diskread=disk * lively * 0.4,
        diskwrite=disk * lively,
    )


def transferred(seed: int, key: str, since: float, until: float) -> tuple[float, float]:
    """Return the bytes received over the network, and written to disk, between two times.

    They are the integrals of use_at's rates, so they never fall.
    """
    _, _, _, _, period, phase, net, disk = _habits(seed, key)

    def lively(when: float) -> float:
        found, quick = when, 2 * math.pi / _QUICK
        for share, times in _WAVES:
            slow = 2 * math.pi / (period * times)
            found -= 0.5 * share / slow * math.cos(when * slow + phase * (2 + times))
        return found - 0.1 / quick * math.cos(when * quick + phase * 3)

    span = lively(until) - lively(since)
    return net * span, disk * span


class MetricTruth(GuestTruth):
    """fakepve with changing figures, and a record of the times when each guest ran."""

    version = "9.1.4"

    def __init__(self, host: str, port: int, seed: int) -> None:
        super().__init__(host, port)
        self.seed = seed
        # When each guest ran: (start, end or None), as far as it was observed.
        self._runs: dict[int, list[tuple[float, float | None]]] = {}
        # Usage set by a test, as fractions of the maximum: vmid -> cpu, mem, disk.
        self.set_uses: dict[int, dict[str, float]] = {}
        # VMs without balloon data: their `mem` is the host's figure and equals `memhost`.
        self.without_balloon: set[int] = set()

    # ------------------------------------------------------------- guests

    def _note_run(self, guest: Any) -> None:
        """Note since when and until when the guest ran."""
        runs = self._runs.setdefault(guest.vmid, [])
        since = guest.started_at if guest.status == "running" else None
        if runs and runs[-1][1] is None:
            begun = runs.pop()[0]
            if since is None or since > begun:
                runs.append((begun, since or time.time()))
        if since is not None and (not runs or runs[-1][1] is not None):
            runs.append((since, None))

    def _measured(self, guest: Any, maxmem: int, maxdisk: int) -> Values:
        """Return the changing fields of a guest: cpu 0..1, bytes, and seconds of uptime."""
        self._note_run(guest)
        if guest.status != "running":
            moving = ("cpu", "mem", "disk", "netin", "netout", "diskread", "diskwrite", "uptime")
            return dict.fromkeys(moving, 0)
        now = time.time()
        since = guest.started_at or now
        use, (net, disk) = (
            use_at(self.seed, str(guest.vmid), now),
            transferred(self.seed, str(guest.vmid), since, now),
        )
        fixed = self.set_uses.get(guest.vmid, {})
        return {
            "cpu": 0 if getattr(guest, "qmpstatus", "") == "paused" else fixed.get("cpu", use.cpu),
            "mem": int(fixed.get("mem", use.mem) * maxmem),
            # Proxmox knows the fill level of a container's root, but never of a VM's disk.
            "disk": int(maxdisk * fixed.get("disk", 0.4)) if guest.guest.startswith("lxc/") else 0,
            "netin": int(net),
            "netout": int(net * 0.7),
            "diskread": int(disk * 0.4),
            "diskwrite": int(disk),
            "uptime": max(0, int(now - since)),
        }

    def _vm_usage(self, vm: Any) -> Values:
        use: Values = super()._vm_usage(vm)
        use.update(self._measured(vm, use["maxmem"], use["maxdisk"]))
        if vm.vmid in self.without_balloon and vm.status == "running":
            use["mem"] = int(use["maxmem"] * 1.003)  # QemuServer.pm vmstatus: QEMU's own pages are added
            use["memhost"] = use["mem"]
        else:
            use["memhost"] = int(use["mem"] * 1.04)
        if self.is_old:
            del use["memhost"]
        use.update((key, value) for key, value in vm.stats.items() if key in use)
        return use

    def _complete(self, template: str, data: Any, **values: Any) -> Any:
        """Complete a row or a list of rows by the schema. As Proxmox VE 8, leave out the fields that only 9 sends."""
        done: Any = super()._complete(template, data, **values)
        for row in (done if isinstance(done, list) else [done]) if self.is_old else []:
            for name in [key for key in row if key == "memhost" or key.startswith("pressure")]:
                del row[name]
        return done

    def _status(self, ct: Any) -> Values:
        data: Values = super()._status(ct)
        limit = float(ct.config.get("cpulimit") or 0)
        if limit:
            data["cpus"] = limit  # LXC.pm vmstatus: the limit, which need not be whole
        data.update(self._measured(ct, data["maxmem"], data["maxdisk"]))
        data.update(ct.stats)
        if self.is_old:
            data = {key: value for key, value in data.items() if not key.startswith("pressure")}
        return data

    def _guest_row(self, guest: Any) -> Values:
        """Return a guest as pvestatd broadcasts it.

        QEMU's status is its qmpstatus (pvestatd.pm update_qemu_status).
        """
        qemu = guest.guest.startswith("qemu/")
        use = self._vm_usage(guest) if qemu else self._status(guest)
        moving = ("cpu", "mem", "memhost", "disk", "netin", "netout", "diskread", "diskwrite", "uptime")
        return {
            "name": guest.name,
            "status": guest.qmpstatus if qemu and guest.status == "running" else guest.status,
            "template": int(bool(guest.template)),
            "maxcpu": use.get("maxcpu", use.get("cpus")),
            **{key: use[key] for key in (*moving, "maxmem", "maxdisk") if key in use},
        }

    # -------------------------------------------------------------- nodes

    def _node_use(self, name: str, when: float, *, now: bool) -> Values:
        """Return the usage of a node at a time: its own and that of its running guests.

        cpu is 0..1, mem and disk are bytes, net is bytes per second. `now`: count the guests that run at present,
        instead of those that are recorded to have run at `when`.
        """
        state = self.nodes[name]
        maxcpu, maxmem = state.get("maxcpu", 16), state.get("maxmem", 64 * GIB)
        own = use_at(self.seed, "node/" + name, when)
        cores, mem, net = own.cpu * 0.2 * maxcpu, 3.0 * GIB + own.mem * GIB, own.netin
        for guest in [g for g in [*self.vms, *self.cts] if g.node == name][:SUMMED_GUESTS]:
            if guest.status == "running" if now else self._ran(guest, when):
                use = use_at(self.seed, str(guest.vmid), when)
                cores += use.cpu * float(guest.config.get("cores") or 1)
                mem += use.mem * int(str(guest.config.get("memory", 512)).rpartition("=")[2]) * 1024**2
                net += use.netin
        return {
            "cpu": min(1.0, cores / maxcpu),
            "maxcpu": maxcpu,
            "mem": int(min(mem, maxmem * 0.97)),
            "maxmem": maxmem,
            "disk": int(state.get("maxdisk", 100 * GIB) * 0.22),
            "maxdisk": state.get("maxdisk", 100 * GIB),
            "net": net,
        }

    def _uptime_of(self, name: str) -> int:
        return int(time.time() - self.nodes[name].setdefault("booted", time.time() - 12 * 86400))

    def _ran(self, guest: Any, when: float) -> bool:
        self._note_run(guest)
        return any(start <= when and (end is None or when < end) for start, end in self._runs[guest.vmid])
