"""Provide fakes of the clock, of a Proxmox cluster and of the audit trail, and the core over them (`FakeWorld`)."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from core.access.authorizer import Authorizer
from core.access.policy import AccessRules, Actor, Place
from core.access.rate_limit import ChangeLimit
from core.access.read_only import ReadOnlySwitch
from core.actions.executor import Executor
from core.actions.expected_stops import ExpectedStops
from core.actions.order import Order
from core.actions.planner import Planner
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditEntry, Ticket
from core.clock import Clock
from core.cluster.cache import ClusterCache
from core.errors import BotError
from core.guest import (
    Backups,
    Cluster,
    Disk,
    Guest,
    GuestConfig,
    Kind,
    Node,
    Snapshot,
    State,
    Storage,
    TaskSummary,
)
from core.guest_errors import VmidTaken
from core.operations import Operation
from core.proxmox import (
    FileSystem,
    HaStatus,
    NodeStatus,
    Pending,
    Period,
    Proxmox,
    Sample,
    StorageUse,
    TaskStatus,
)
from core.proxmox_errors import GuestMoved, Rejected, TaskUnknown
from tests.support.catalogue import ACTION

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
RULES = AccessRules(guild_id=1, category_id=2)
AKIKO = Actor(7, "Akiko", Place(1, 2))
STRANGER = Actor(8, "Stranger", Place(1, 3))
CONFIG = GuestConfig(
    cores=2,
    sockets=1,
    memory_mb=2048,
    balloon_mb=None,
    protection=False,
    disks=(Disk("scsi0", "local:vm-101-disk-0", "32G"),),
    digest="d1",
)


class FakeClock(Clock):
    """Simulate both clocks. They move only through `sleep` and `advance`. `at` schedules an event."""

    def __init__(self, monotonic: float = 1000.0, unix: float = NOW) -> None:
        self.mono, self.unix = monotonic, unix
        self.slept: list[float] = []
        self._events: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.mono

    def now(self) -> float:
        return self.unix

    def at(self, seconds: float, happens: Callable[[], None]) -> None:
        """Call `happens` once this many seconds have passed."""
        self._events.append((self.mono + seconds, happens))

    def advance(self, seconds: float) -> None:
        end = self.mono + seconds
        while due := sorted((event for event in self._events if event[0] <= end), key=lambda event: event[0]):
            event = due[0]
            self._events.remove(event)
            self._go(max(0.0, event[0] - self.mono))
            event[1]()
        self._go(end - self.mono)

    def _go(self, seconds: float) -> None:
        self.mono += seconds
        self.unix += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Lost:
    """Carry out the call, then raise this error instead of answering."""

    error: BotError


def do_nothing() -> None:
    """Do nothing."""


PlannedEvent = BotError | Lost | Callable[[], None] | None
"""Event planned for a call: an error, a lost answer, a callback to run just before the call, or nothing."""


@dataclass
class FakeTask:
    """Describe a task.

    `began`, `ends`: on the monotonic clock. `started`: `began` as whole Unix seconds.
    `exit`: the result once it has ended. `effect`: called at its end if it succeeds. `undo`: called if it fails.
    `lines`: its log, each line with the seconds after `began` at which it is written.
    """

    upid: str
    type: str
    vmid: int
    node: str
    user: str
    began: float
    started: int
    ends: float
    exit: str
    effect: Callable[[], None]
    undo: Callable[[], None]
    lines: tuple[tuple[float, str], ...] = ()
    done: bool = False


@dataclass(frozen=True)
class Sent:
    """Record a call that changes something, whether carried out or not.

    `what`: the operation of a power request, otherwise the method. `values`: further arguments.
    """

    what: str
    vmid: int
    node: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass
class FakeProxmox:
    """Simulate a cluster. A task runs for a while and then takes effect. Tests plan faults with `next`.

    `guests`: the true state. `listed`: replaces entries of the cluster's list, because the real list may lag behind.
    `kept`, `saved`, `waiting`: the snapshots, backups and pending changes by VMID.
    `asked`: the methods called so far. `sent`: the changes.
    """

    clock: FakeClock
    guests: dict[int, Guest] = field(default_factory=dict)
    nodes: tuple[Node, ...] = (Node("pve1", True), Node("pve2", True))
    storages: tuple[Storage, ...] = ()
    configs: dict[int, GuestConfig] = field(default_factory=dict)
    kept: dict[int, tuple[Snapshot, ...]] = field(default_factory=dict)
    saved: dict[int, Backups] = field(default_factory=dict)
    waiting: dict[int, tuple[Pending, ...]] = field(default_factory=dict)
    listed: dict[int, Guest] = field(default_factory=dict)
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    histories: dict[str, tuple[Sample, ...]] = field(default_factory=dict)
    """The past usage by VMID or node name."""
    asked: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    identity: str = "bot@pve!discord"
    seconds: float = 3.0
    """Seconds that the next tasks run; `exit` and `lines` set their result and their log."""
    exit: str = "OK"
    lines: tuple[tuple[float, str], ...] = ()
    ha_seconds: float = 25.0
    """Seconds that the HA manager takes to carry out a request after the task has ended."""
    snapshots_possible: bool = True
    next_free: int = 200
    _steps: defaultdict[str, deque[PlannedEvent]] = field(default_factory=lambda: defaultdict(deque))
    _pid: int = 0

    def add(self, *guests: Guest) -> None:
        self.guests |= {guest.vmid: guest for guest in guests}

    def next(self, method: str, *steps: PlannedEvent) -> None:
        """Plan an event for each of the next calls of a method. Nothing is planned for later calls."""
        self._steps[method].extend(steps)

    def change(self, vmid: int, **values: object) -> None:
        self.guests[vmid] = replace(self.guests[vmid], **values)  # type: ignore[arg-type]  # the tests know the fields

    def close(self) -> None:
        """Do nothing: no connection is open."""

    # -- the machinery

    async def _meet(self, method: str) -> BotError | None:
        """Apply the planned event. Return the error to raise once the call is carried out, or None.

        Raises: the planned error.
        """
        self.asked.append(method)
        await asyncio.sleep(0)
        self._finish_tasks()
        step = self._steps[method].popleft() if self._steps[method] else None
        if isinstance(step, BotError):
            raise step
        if isinstance(step, Lost):
            return step.error
        if step is not None:
            step()
        return None

    def _finish_tasks(self) -> None:
        for task in list(self.tasks.values()):
            if not task.done and self.clock.mono >= task.ends:
                task.done = True
                if task.exit == "OK" or task.exit.startswith("WARNINGS"):
                    task.effect()
                else:
                    task.undo()

    def _there(self, guest: Guest) -> Guest:
        here = self.guests.get(guest.vmid)
        if here is None or here.node != guest.node:
            raise GuestMoved(guest.vmid, guest.node)
        return here

    def start_task(
        self,
        kind: str,
        vmid: int,
        node: str,
        effect: Callable[[], None],
        undo: Callable[[], None] = do_nothing,
        *,
        user: str | None = None,
        began: float | None = None,
        seconds: float | None = None,
    ) -> str:
        """Add a task as if somebody had started it, and return its UPID.

        `kind`: its type, such as `qmstart`. `user`: by default the bot's token. `began`: its start on the monotonic
        clock, by default now. `seconds`: how long it runs, by default `self.seconds`.
        """
        began = self.clock.mono if began is None else began
        started = int(self.clock.unix + began - self.clock.mono)
        self._pid += 1
        user = user or self.identity
        upid = f"UPID:{node}:{self._pid:08X}:00000001:{started:08X}:{kind}:{vmid}:{user}:"
        ends = began + (self.seconds if seconds is None else seconds)
        self.tasks[upid] = FakeTask(
            upid, kind, vmid, node, user, began, started, ends, self.exit, effect, undo, self.lines
        )
        return upid

    async def _change(
        self,
        method: str,
        guest: Guest,
        kind: str,
        effect: Callable[[], None],
        at_once: Callable[[], None] = do_nothing,
        undo: Callable[[], None] = do_nothing,
        **values: object,
    ) -> str:
        """Record a change and start its task.

        `kind`: the task's type without its qm or vz.
        `at_once`: effect that holds before the task begins. `undo`: reverts it if the task fails.
        Raises: the planned error, GuestMoved.
        """
        self.sent.append(Sent(str(values.pop("what", method)), guest.vmid, guest.node, values))
        error = await self._meet(method)
        self._there(guest)
        at_once()
        prefix = "qm" if guest.kind is Kind.QEMU else "vz"
        upid = self.start_task(
            kind if kind.startswith("ha") else prefix + kind, guest.vmid, guest.node, effect, undo
        )
        if error is not None:
            raise error
        return upid

    # -- reading

    async def _read(self, method: str) -> None:
        """Apply the event planned for a read. Raises: the planned error, also that of a lost answer."""
        if error := await self._meet(method):
            raise error

    async def cluster(self) -> Cluster:
        await self._read("cluster")
        guests = {**self.guests, **self.listed}
        listed = tuple(guests[vmid] for vmid in sorted(guests))
        return Cluster(listed, self.nodes, self.clock.mono, self.storages)

    async def status(self, guest: Guest, *, quick: bool = False) -> Guest:
        await self._read("status")
        return replace(self._there(guest), pool=guest.pool)  # only the list knows the pool

    async def config(self, guest: Guest) -> GuestConfig:
        await self._read("config")
        self._there(guest)
        return self.configs.get(guest.vmid, CONFIG)

    async def backups(self, guest: Guest) -> Backups:
        await self._read("backups")
        return self.saved.get(guest.vmid, Backups())

    async def pending(self, guest: Guest) -> tuple[Pending, ...]:
        await self._read("pending")
        self._there(guest)
        return self.waiting.get(guest.vmid, ())

    async def config_with_pending(self, guest: Guest) -> tuple[GuestConfig, tuple[Pending, ...]]:
        await self._read("config_with_pending")
        self._there(guest)
        waiting = tuple(item for item in self.waiting.get(guest.vmid, ()) if item.is_waiting)
        return self.configs.get(guest.vmid, CONFIG), waiting

    async def snapshots(self, guest: Guest) -> tuple[Snapshot, ...]:
        await self._read("snapshots")
        self._there(guest)
        return self.kept.get(guest.vmid, ())

    async def snapshot_config(self, guest: Guest, name: str) -> GuestConfig:
        await self._read("snapshot_config")
        self._there(guest)
        return self.configs.get(guest.vmid, CONFIG)

    async def can_snapshot(self, guest: Guest) -> bool:
        await self._read("can_snapshot")
        self._there(guest)
        return self.snapshots_possible

    async def addresses(self, guest: Guest) -> tuple[str, ...] | None:
        await self._read("addresses")
        return ("192.0.2.1",)

    async def recent_tasks(self, guest: Guest, limit: int) -> tuple[TaskSummary, ...]:
        await self._read("recent_tasks")
        here = [task for task in self.tasks.values() if (task.vmid, task.node) == (guest.vmid, guest.node)]
        return _summaries(here)[:limit]

    async def file_systems(self, guest: Guest) -> tuple[FileSystem, ...]:
        await self._read("file_systems")
        return ()

    async def node_status(self, node: str) -> NodeStatus:
        await self._read("node_status")
        return NodeStatus()

    async def ha_status(self) -> HaStatus:
        await self._read("ha_status")
        return HaStatus()

    async def storage_history(self, storage: Storage) -> tuple[StorageUse, ...]:
        await self._read("storage_history")
        return ()

    async def guest_history(self, guest: Guest, period: Period) -> tuple[Sample, ...]:
        await self._read("guest_history")
        self._there(guest)
        return self.histories.get(str(guest.vmid), ())

    async def node_history(self, node: str, period: Period) -> tuple[Sample, ...]:
        await self._read("node_history")
        return self.histories.get(node, ())

    async def cluster_tasks(self) -> tuple[TaskSummary, ...]:
        await self._read("cluster_tasks")
        return _summaries(self.tasks.values())

    async def node_tasks(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        await self._read("node_tasks")
        return _summaries(task for task in self.tasks.values() if task.node == node and task.started >= since)

    async def failed_backups(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        await self._read("failed_backups")
        ended = [task for task in self.tasks.values() if task.node == node and task.done]
        return _summaries(
            task for task in ended if task.type == "vzdump" and task.exit != "OK" and task.started >= since
        )

    async def next_id(self) -> int:
        await self._read("next_id")
        while self.next_free in self.guests:
            self.next_free += 1
        return self.next_free

    async def task_status(self, upid: str) -> TaskStatus:
        await self._read("task_status")
        task = self.tasks.get(upid)
        if task is None:
            raise TaskUnknown(upid)
        return TaskStatus(not task.done, task.exit if task.done else None)

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        await self._read("task_log")
        task = self.tasks[upid]
        written = [text for second, text in task.lines if task.began + second <= self.clock.mono]
        if not written:
            return ("no content",)[start:]  # Tools.pm dump_logfile: the line of a log without lines
        return tuple(written[start : start + limit])

    # -- changing

    async def power(self, guest: Guest, operation: Operation) -> str:
        action = ACTION[operation]
        word = next((each for each in action.tasks[guest.kind] if each.startswith("ha")), None)

        def effect() -> None:
            self.change(guest.vmid, state=action.becomes)

        if guest.ha_managed and word is not None:
            return await self._change(
                "power", guest, word, lambda: self.clock.at(self.ha_seconds, effect), what=operation.value
            )
        own = {each[2:] for each in action.tasks[guest.kind] if not each.startswith("ha")}
        kind = operation.value if operation.value in own else own.pop()  # a suspension is the task qmpause
        return await self._change("power", guest, kind, effect, what=operation.value)

    async def clone(self, template: Guest, newid: int, name: str, *, target: str | None, full: bool) -> str:
        def reserve() -> None:
            """Add the locked configuration, which exists before the task begins (Qemu.pm clone_vm)."""
            node = target or template.node
            self.add(Guest(newid, template.kind, node, State.STOPPED, name, lock="clone"))

        def effect() -> None:
            self.change(newid, lock=None)

        def undo() -> None:
            self._forget(newid)

        if newid in self.guests:
            self.sent.append(Sent("clone", template.vmid, template.node, {"newid": newid}))
            raise VmidTaken(newid)
        return await self._change(
            "clone",
            template,
            "clone",
            effect,
            reserve,
            undo,
            newid=newid,
            name=name,
            target=target,
            full=full,
        )

    async def resize(
        self, guest: Guest, cores: int | None, memory_mb: int | None, digest: str | None
    ) -> str | None:
        def effect() -> None:
            config = self.configs.get(guest.vmid, CONFIG)
            if guest.state is State.STOPPED or guest.kind is Kind.LXC:
                config = replace(config, cores=cores or config.cores, memory_mb=memory_mb or config.memory_mb)
                self.configs[guest.vmid] = config
                return
            live = {"cores": config.cores, "memory": config.memory_mb}
            asked = {"cores": cores, "memory": memory_mb}
            waiting = {item.key: item for item in self.waiting.get(guest.vmid, ())}
            for key, value in asked.items():
                if value == live[key]:
                    waiting.pop(key, None)  # the value in effect is not pending
                elif value is not None:
                    waiting[key] = Pending(key, str(live[key]), str(value))
            self.waiting[guest.vmid] = tuple(waiting.values())

        if guest.kind is Kind.LXC:
            self.sent.append(Sent("resize", guest.vmid, guest.node, {"cores": cores, "memory_mb": memory_mb}))
            error = await self._meet("resize")
            effect()
            if error is not None:
                raise error
            return None
        return await self._change(
            "resize", guest, "config", effect, cores=cores, memory_mb=memory_mb, digest=digest
        )

    async def delete(self, guest: Guest) -> str:
        return await self._change("delete", guest, "destroy", lambda: self._forget(guest.vmid))

    def _forget(self, vmid: int) -> None:
        del self.guests[vmid]

    async def snapshot_create(self, guest: Guest, name: str, description: str, memory: bool) -> str:
        def effect() -> None:
            made = Snapshot(name, int(self.clock.unix), description, memory, None)
            self.kept[guest.vmid] = (*self.kept.get(guest.vmid, ()), made)

        return await self._change("snapshot_create", guest, "snapshot", effect, name=name, memory=memory)

    async def snapshot_rollback(self, guest: Guest, name: str) -> str:
        def effect() -> None:
            memory = next(kept.memory for kept in self.kept[guest.vmid] if kept.name == name)
            self.change(guest.vmid, state=State.RUNNING if memory else State.STOPPED)

        return await self._change("snapshot_rollback", guest, "rollback", effect, name=name)

    async def snapshot_delete(self, guest: Guest, name: str) -> str:
        def effect() -> None:
            self.kept[guest.vmid] = tuple(kept for kept in self.kept[guest.vmid] if kept.name != name)

        return await self._change("snapshot_delete", guest, "delsnapshot", effect, name=name)


def _summaries(tasks: Iterable[FakeTask]) -> tuple[TaskSummary, ...]:
    """Return the tasks, newest first."""
    return tuple(
        TaskSummary(
            task.upid,
            task.type,
            task.user,
            task.started,
            int(task.started + task.ends - task.began) if task.done else None,
            task.exit if task.done else None,
            task.node,
            str(task.vmid or ""),  # a job of several guests has no VMID
        )
        for task in sorted(tasks, key=lambda task: task.started, reverse=True)
    )


@dataclass
class Ledger:
    """Stand in for the audit trail, and keep its records for tests to read."""

    entries: list[AuditRecord] = field(default_factory=list)
    """All records but those in `requests`."""
    requests: list[AuditRecord] = field(default_factory=list)
    """The records of the steps SENDING and SENT."""
    cut_off: tuple[AuditEntry, ...] = ()

    fails: BotError | None = None
    """Error that `record_first` raises. Nothing is recorded while it is set."""

    def record(self, entry: AuditRecord, attempt: Ticket | int | None = None) -> None:  # as in AuditLog
        if self.fails is not None:
            return
        if entry.step in (AuditStep.SENDING, AuditStep.SENT):
            self.requests.append(entry)
        else:
            self.entries.append(entry)

    async def record_first(self, entry: AuditRecord) -> Ticket:
        if self.fails is not None:
            raise self.fails
        self.entries.append(entry)
        return Ticket(len(self.entries) + len(self.requests))

    async def close_cut_off(self) -> None:
        """Do nothing: no record outlives a run."""

    def write_late(self) -> None:
        """Do nothing: no record is late."""

    async def flush(self, *, counts: bool = False) -> None:
        """Do nothing: no record is waiting."""

    async def finish(self) -> None:
        """Do nothing: no record is waiting."""

    @property
    def steps(self) -> list[str]:
        return [entry.step.value for entry in self.entries]


def guest(vmid: int = 101, state: State = State.RUNNING, **values: object) -> Guest:
    """Return a guest, by default a QEMU guest on pve1."""
    plain = Guest(vmid, Kind.QEMU, "pve1", state, f"web{vmid}")
    return replace(plain, **values)  # type: ignore[arg-type]  # the tests know the fields


TEMPLATE = guest(900, State.STOPPED, name="debian", template=True)


class MemoryRecords:
    """Keep the journal's records in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def records(self) -> dict[str, str]:
        return dict(self.kept)

    async def put_record(self, key: str, text: str | None) -> None:
        if text is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = text


class FakeWorld:
    """Build the core of the actions as `bootstrap.py` does, over a fake cluster and a fake clock.

    `home`: the node for new guests. `most`: changes a minute for each person, 0 for no limit.
    """

    def __init__(
        self, guests: Iterable[Guest] = (), *, home: str = "pve1", rules: AccessRules = RULES, most: int = 0
    ) -> None:
        self.clock = FakeClock()
        self.proxmox = FakeProxmox(self.clock)
        self.proxmox.add(*guests)
        kept: Proxmox = self.proxmox  # lets mypy check the fake against the protocol
        self.ledger = Ledger()
        self.expected = ExpectedStops(self.clock)
        self.cluster_cache = ClusterCache(kept, self.clock)
        self.read_only = ReadOnlySwitch(MemoryRecords(), self.clock)
        self.authorizer = Authorizer(rules, self.cluster_cache, self.read_only)
        self.planner = Planner(kept, self.cluster_cache, self.clock, self.authorizer, home)
        self.executor = Executor(
            kept,
            self.cluster_cache,
            self.clock,
            self.planner,
            self.ledger,
            self.expected,
            ChangeLimit(self.clock, most),
        )

    def order(self, operation: Operation, vmid: int = 101, actor: Actor = AKIKO, **values: object) -> Order:
        """Build an order. By default a deletion is confirmed by the guest's name."""
        if operation is Operation.DELETE and vmid in self.proxmox.guests:
            values = {"typed": self.proxmox.guests[vmid].label} | values
        return Order(operation, vmid, actor, **values)  # type: ignore[arg-type]  # the tests know the fields

    @property
    def sent(self) -> list[tuple[str, int, str]]:
        return [(sent.what, sent.vmid, sent.node) for sent in self.proxmox.sent]


def refusal(status: int = 500, message: str = "no") -> BotError:
    """Return the error for a refusal by Proxmox for which the bot has no error of its own."""
    return Rejected(status, message)
