"""Simulate a small cluster and a small Discord in memory, for the histories of `tests/long_runs/test_histories.py`.

All that a poll can see is fixed at its start (`Visible`), so the bot and the oracle judge the same data. The true
state changes only between polls. Time is virtual: it passes when somebody sleeps or when the history moves it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.clock import Clock
from core.codec import encode
from core.delivery.channel import AlertText, DeliveryFailure, NotDelivered
from core.errors import BotError
from core.guest import Cluster, Guest, Kind, Node, State, Storage, TaskSummary
from core.proxmox import FileSystem
from core.proxmox_errors import (
    BadAnswer,
    GuestMoved,
    MissingPrivilege,
    NodeUnreachable,
    ProxmoxError,
    Rejected,
    TimedOut,
    TokenRefused,
    Unreachable,
)
from core.watch.journal import OutboxMessage

BEGIN = 1_790_000_000.0
"""Start of a history in Unix seconds, by Proxmox' and Discord's clocks. Nobody sets these."""
CONFIRM = 6.0
"""Seconds after the start of a poll. A read of the list from then on counts as its second one."""
NODES = ("pve1", "pve2", "pve3")
BOT = "bot@pve!discord"
ALIVE = (State.RUNNING, State.PAUSED, State.SUSPENDED)
STORAGES = (("local", "pve1"), ("local", "pve2"), ("nfs", "pve1"), ("nfs", "pve2"), ("nfs", "pve3"))


class SimClock(Clock):
    """Simulate all clocks. `jump` moves only the wall clock. `true` is the time of Proxmox and Discord."""

    def __init__(self) -> None:
        self.mono, self.wall = 1000.0, BEGIN

    @property
    def true(self) -> float:
        return BEGIN + self.mono - 1000.0

    def monotonic(self) -> float:
        return self.mono

    def now(self) -> float:
        return self.wall

    def advance(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds

    def jump(self, seconds: float) -> None:
        self.wall += seconds

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


@dataclass
class SimGuest:
    """Hold the true state of one guest.

    Variables of this class are named `box`, because `guest` is the bot's `Guest`.
    `booted` is on the monotonic clock. CPU, memory and disk are percentages.
    """

    vmid: int
    kind: Kind
    node: str
    state: State = State.RUNNING
    lock: str | None = None
    template: bool = False
    booted: float = 0.0
    cpu: float = 10.0
    memory: float = 40.0
    disk: float = 50.0
    agent: str = ""
    """How a VM's guest agent fails: `hung`, `off`, or `bare` if it names only a network share."""


@dataclass
class Visible:
    """Hold the data that one poll can see, and from `reads` on the requests that it made.

    `began`: its start on the monotonic clock. `reads`: how often it read the list. `asked`: the guests it asked for.
    """

    began: float
    first: Cluster | ProxmoxError
    second: Cluster | ProxmoxError
    answers: dict[int, Guest | ProxmoxError]
    tasks: tuple[TaskSummary, ...] | ProxmoxError
    failed: dict[str, tuple[TaskSummary, ...] | ProxmoxError] = field(default_factory=dict)
    """Failed backups of each node."""
    everything: dict[str, tuple[TaskSummary, ...] | ProxmoxError] = field(default_factory=dict)
    """All tasks of each node."""
    reads: int = 0
    asked: set[int] = field(default_factory=set)
    tasks_read: bool = False
    nodes_asked: set[str] = field(default_factory=set)
    """Nodes that were asked for their failed backups."""
    completed: set[str] = field(default_factory=set)
    """Nodes that were asked for all their tasks."""


@dataclass
class Oddities:
    """Plan faults of the next poll only."""

    listed: dict[int, State] = field(default_factory=dict)
    """False states that the first list shows, by VMID."""
    unlisted: set[int] = field(default_factory=set)
    """Guests that the first list leaves out."""
    dark_nodes: set[str] = field(default_factory=set)
    """Nodes that the first list falsely shows as offline."""
    later_listed: dict[int, State] = field(default_factory=dict)
    """States that the second list shows, by VMID, as if they had just changed."""
    later_dark: set[str] = field(default_factory=set)
    """Nodes that the second list shows as offline."""
    second_fails: str = ""
    """How the second read of the list fails: `slow`, or a proxy's `page`. Empty: it does not."""
    answers_fail: str = ""
    """How the requests about single guests fail, by the same words."""


def trouble(word: str) -> ProxmoxError | None:
    """Return the error of a read that is `slow`, or answered by a proxy's `page`. Returns None for other words."""
    answers = {"slow": TimedOut("pve.example", changing=False), "page": BadAnswer("pve.example")}
    return answers.get(word)


class SimCluster:
    """Hold the true state and the Proxmox that shows it.

    `fault`: fault of the lists and the guest agents until it is changed. `unreachable`, `refused`, `slow` and `page`
    are errors. With `empty` the list has no guests. With `half` and `half-there` it lacks those in `hidden`, and with
    `half` their own status may not be read either.
    """

    identity = BOT

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.boxes: dict[int, SimGuest] = {}
        self.online = dict.fromkeys(NODES, True)
        self.dead_word: dict[str, State] = {}
        """State that the list shows for the guests of an offline node, by node."""
        self.filled = {"storage/pve1/local": 50.0, "storage/pve2/local": 50.0, "storage/nfs": 50.0}
        """Percentage in use, by storage."""
        self.tasks: list[TaskSummary] = []
        self.fault = ""
        self.hidden: set[int] = set()
        self.hung: set[str] = set()
        """Nodes whose pvestatd has hung for a long time. The list knows nothing about them and their guests."""
        self.deaf: set[str] = set()
        """Nodes that answer no request about themselves or their guests."""
        self.odd = Oddities()
        self.sight: Visible | None = None
        self.looks: list[tuple[float, int, float | None]] = []
        """Requests to guest agents: time, VMID and percent, None if the agent reported nothing."""
        self._pid = 0

    # -- events

    def task(self, kind: str, vmid: int | None, user: str, node: str, *, status: str | None = "OK") -> str:
        """Add a task that has just started. `status=None`: it is still running."""
        self._pid += 1
        about = "" if vmid is None else str(vmid)
        started = int(self.clock.true)
        upid = f"UPID:{node}:{self._pid:08X}:00000001:{started:08X}:{kind}:{about}:{user}:"
        ended = None if status is None else started + 1
        self.tasks.insert(0, TaskSummary(upid, kind, user, started, ended, status, node, about))
        return upid

    def finish(self, upid: str, status: str) -> None:
        self.tasks = [
            replace(task, ended=int(self.clock.true), status=status) if task.upid == upid else task
            for task in self.tasks
        ]

    def uptime(self, box: SimGuest) -> int | None:
        return None if box.state is State.STOPPED else int(self.clock.mono - box.booted)

    # -- the view from outside

    def _guest(self, box: SimGuest) -> Guest:
        known = self.online.get(box.node, False)
        state = box.state if known else self.dead_word.get(box.node, State.UNKNOWN)
        runs = known and box.state is not State.STOPPED
        disk = round(box.disk * 1000) if box.kind is Kind.LXC and runs else None
        return Guest(
            box.vmid,
            box.kind,
            box.node,
            state,
            f"web{box.vmid}",
            cpu=box.cpu / 100 if runs else None,
            cpus=2.0,
            memory=round(box.memory * 1000) if runs else None,
            memory_total=100_000,
            disk=disk,
            disk_total=100_000,
            uptime=self.uptime(box) if runs else None,
            template=box.template,
            lock=box.lock if known else None,
        )

    def _listed(self, box: SimGuest) -> Guest:
        """Return the guest as the list shows it. For a hung node only the configuration is known."""
        guest = self._guest(box)
        if box.node not in self.hung or not self.online.get(box.node, False):
            return guest
        return Guest(box.vmid, box.kind, box.node, State.UNKNOWN, lock=box.lock)

    def _list(self, here: dict[int, Guest], lies: dict[int, State], dark: set[str]) -> Cluster:
        """Return the cluster's list of the guests in `here`.

        `lies`: states to show instead of the true ones, by VMID.
        `dark`: nodes shown as offline.
        """
        guests = dict(here)
        for vmid, state in lies.items():
            if vmid in guests:
                guests[vmid] = replace(guests[vmid], state=state, uptime=None)
        if self.fault in ("half", "half-there"):
            guests = {vmid: guest for vmid, guest in guests.items() if vmid not in self.hidden}
        if self.fault == "empty":
            guests = {}
        online = {name: up and name not in dark for name, up in self.online.items()}
        nodes = tuple(Node(name, up, known=name not in self.hung) for name, up in online.items())
        return Cluster(tuple(guests.values()), nodes, self.clock.mono, self._storages(online))

    def _storages(self, online: dict[str, bool]) -> tuple[Storage, ...]:
        rows = []
        for name, node in STORAGES:
            shared = name == "nfs"
            there = online.get(node, False) and node not in self.hung
            percent = self.filled["storage/nfs" if shared else f"storage/{node}/{name}"]
            used = round(percent * 1000) if there else None
            if node in online:
                rows.append(Storage(name, node, shared, there, used, 100_000 if there else None))
        return tuple(rows)

    def _fault(self) -> ProxmoxError | None:
        return {
            "unreachable": Unreachable("pve.example"),
            "refused": TokenRefused(),
        }.get(self.fault) or trouble(self.fault)

    def _answer(self, guest: Guest) -> Guest | ProxmoxError:
        if failure := trouble(self.odd.answers_fail) or trouble("slow" if guest.node in self.deaf else ""):
            return failure
        if self.fault == "half" and guest.vmid in self.hidden:
            return MissingPrivilege("VM.Audit", f"/vms/{guest.vmid}")
        if not self.online.get(guest.node, False):
            return NodeUnreachable(guest.node)
        return guest

    def begin_poll(self) -> Visible:
        """Return the data that the poll starting now can see."""
        fault, odd, here, truth = self._fault(), self.odd, {}, {}
        for vmid in sorted(self.boxes):
            here[vmid], truth[vmid] = self._listed(self.boxes[vmid]), self._guest(self.boxes[vmid])
        listed = {vmid: guest for vmid, guest in here.items() if vmid not in odd.unlisted}
        first: Cluster | ProxmoxError = fault or self._list(listed, odd.listed, odd.dark_nodes)
        second = first
        if failure := trouble(odd.second_fails):
            second = failure
        elif odd != Oddities():
            second = fault or self._list(here, odd.later_listed, odd.later_dark)
        answers = {vmid: self._answer(guest) for vmid, guest in truth.items()}
        tasks = fault or tuple(self._listed_tasks())
        failed = {name: self._failed_on(name) for name in self.online}
        everything = {name: self._tasks_on(name) for name in self.online}
        self.sight = Visible(self.clock.mono, first, second, answers, tasks, failed, everything)
        return self.sight

    def end_poll(self) -> None:
        """End the poll and its oddities."""
        self.sight, self.odd = None, Oddities()

    def _listed_tasks(self) -> list[TaskSummary]:
        """Return all running tasks, and the latest of those that have ended: up to 25 tasks per node."""
        rows: list[TaskSummary] = []
        for name, online in self.online.items():
            here = [task for task in self.tasks if task.node == name] if online else []
            running = [task for task in here if task.ended is None]
            ended = [task for task in here if task.ended is not None]
            rows += running + ended[: max(0, 25 - len(running))]
        return rows

    def _tasks_on(self, node: str) -> tuple[TaskSummary, ...] | ProxmoxError:
        if not self.online[node]:
            return NodeUnreachable(node)
        failure = trouble("slow" if node in self.deaf else "")
        return failure or tuple(task for task in self.tasks if task.node == node)

    def _failed_on(self, node: str) -> tuple[TaskSummary, ...] | ProxmoxError:
        here = self._tasks_on(node)
        if isinstance(here, BotError):
            return here
        backups = [task for task in here if task.type == "vzdump"]
        return tuple(task for task in backups if task.ended is not None and task.status != "OK")

    # -- the calls of core.proxmox.Proxmox that the watch makes

    async def cluster(self) -> Cluster:
        sight = self._now()
        sight.reads += 1
        late = self.clock.mono - sight.began >= CONFIRM
        assert late == (sight.reads == 2), (
            f"read number {sight.reads} after {self.clock.mono - sight.began} s"
        )
        seen = sight.second if late else sight.first
        if isinstance(seen, BotError):
            raise seen
        return replace(seen, read_at=self.clock.mono)

    async def status(self, guest: Guest, *, quick: bool = False) -> Guest:
        sight = self._now()
        sight.asked.add(guest.vmid)
        answer = sight.answers.get(guest.vmid) or GuestMoved(guest.vmid, guest.node)
        if isinstance(answer, BotError):
            raise answer
        if answer.node != guest.node:
            raise GuestMoved(guest.vmid, guest.node)
        return answer

    async def cluster_tasks(self) -> tuple[TaskSummary, ...]:
        sight = self._now()
        sight.tasks_read = True
        if isinstance(sight.tasks, BotError):
            raise sight.tasks
        return sight.tasks

    async def failed_backups(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        sight = self._now()
        sight.nodes_asked.add(node)
        rows = sight.failed[node]
        if isinstance(rows, BotError):
            raise rows
        return tuple(task for task in rows if task.started >= since)

    async def node_tasks(self, node: str, since: int) -> tuple[TaskSummary, ...]:
        sight = self._now()
        sight.completed.add(node)
        rows = sight.everything.get(node, NodeUnreachable(node))
        if isinstance(rows, BotError):
            raise rows
        return tuple(task for task in rows if task.started >= since)

    async def file_systems(self, guest: Guest) -> tuple[FileSystem, ...]:
        """Ask a guest agent, also outside of a poll. `looks` keeps requests that reach the guest's node."""
        box = self.boxes.get(guest.vmid)
        if isinstance(fault := self._fault(), Unreachable | TokenRefused):
            raise fault
        if box is None or box.node != guest.node:
            raise GuestMoved(guest.vmid, guest.node)
        if not self.online.get(box.node, False):
            raise NodeUnreachable(box.node)
        agents = {"hung": trouble("slow"), "off": Rejected(500, "QEMU guest agent is not running")}
        failure = fault or (trouble("slow") if box.node in self.deaf else agents.get(box.agent))
        if box.state is not State.RUNNING:
            failure = failure or Rejected(500, f"VM {box.vmid} is not running")
        told = failure is None and box.agent != "bare"
        self.looks.append((self.clock.mono, box.vmid, round(box.disk * 10) / 10 if told else None))
        if failure is not None:
            raise failure
        share = FileSystem("/mnt/share", "nfs4", 999, 1000)
        rows = (FileSystem("/srv", "xfs", round(box.disk * 10), 1000), FileSystem("/", "ext4", 1, 1000))
        return (share, *rows) if told else (share,)

    def _now(self) -> Visible:
        assert self.sight is not None, "Proxmox was asked outside of a poll"
        return self.sight


@dataclass
class Shown:
    """Hold one message in the channel. `at` is in Unix seconds by Discord's own clock."""

    id: int
    about: int
    """ID of the message in the journal. It is invisible in the channel."""
    content: str
    at: float
    edits: int = 0


NONCE_MEMORY = 180.0  # seconds
UNSURE = ("503", "reset", "taken", "reset-taken")
"""Faults whose outcome is unknown to the bot. With the last two, Discord has accepted the message."""


class SimDiscord:
    """Simulate the alert channel: `core.delivery.channel.AlertChannel`.

    `mode`: fault of all calls until it is changed.
    `next`: faults of the next calls, one each; an empty string means success.
    """

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.shown: list[Shown] = []
        self.mode = ""
        self.next: deque[str] = deque()
        self.rejected: set[int] = set()
        """Journal IDs of the messages that were answered with a 400."""
        self.on_compose: Callable[[OutboxMessage, str], None] = lambda _message, _text: None
        self.limited_until = self.edits_limited_until = 0.0
        """Times on the monotonic clock until which Discord limits all requests, or only edits."""
        self.removed: set[int] = set()
        """Journal IDs of the messages that somebody deleted in Discord."""
        self._nonces: dict[str, tuple[float, int]] = {}
        self._last = 5000

    def compose(self, message: OutboxMessage, late: float | None) -> AlertText:
        incidents = [encode(incident) for incident in message.incidents]
        stored = message.stored
        words = {"post": stored.post.value, "late": late, "text": stored.text, "incidents": incidents}
        text = encode(words | {"mention": stored.mention, "silent": stored.silent})
        self.on_compose(message, text)
        return AlertText(text)

    def _meets(self) -> str:
        if self.clock.mono < self.limited_until:
            return "429"
        return self.next.popleft() if self.next else self.mode

    async def post(self, message: OutboxMessage, text: AlertText, nonce: str) -> int:
        about, fault = message.stored.id, self._meets()
        if fault == "400":
            self.rejected.add(about)
        _raise_before(fault)
        known = self._nonces.get(nonce)
        if known is None or self.clock.mono - known[0] > NONCE_MEMORY:
            self._last += 1
            self.shown.append(Shown(self._last, about, text.content, self.clock.true))
            known = self._nonces[nonce] = (self.clock.mono, self._last)
        _raise_after(fault)
        return known[1]

    async def edit(self, message: OutboxMessage, text: AlertText) -> None:
        if self.clock.mono < self.edits_limited_until:
            raise NotDelivered(DeliveryFailure.PASSING, "30046", not_taken=True)
        fault = self._meets()
        _raise_before("503" if fault == "400" else fault)
        for shown in self.shown:
            if shown.id == message.posted:
                shown.content = text.content
                shown.edits += 1
                _raise_after(fault)
                return
        raise NotDelivered(DeliveryFailure.GONE, "unknown message", not_taken=True)

    async def find(
        self, content: str, since: float, known: frozenset[int], incidents: tuple[int, ...] = ()
    ) -> int | None:
        fault = self._meets()
        _raise_before("503" if fault == "400" else fault)
        _raise_after(fault)
        for shown in self.shown:
            if shown.content == content and shown.at >= since and shown.id not in known:
                return shown.id
        return None

    def remove(self, index: int) -> None:
        """Delete a message, as somebody does in Discord."""
        gone = self.shown.pop(index % len(self.shown))
        self.removed.add(gone.about)


def _raise_before(fault: str) -> None:
    """Raise the error of a fault that comes before Discord accepts anything."""
    if fault == "400":
        raise NotDelivered(DeliveryFailure.REJECTED, "400", not_taken=True)
    if fault == "404":
        raise NotDelivered(DeliveryFailure.REFUSED, "404 unknown channel", not_taken=True)
    if fault == "429":
        raise NotDelivered(DeliveryFailure.PASSING, "429", not_taken=True)
    if fault in ("503", "reset"):
        raise NotDelivered(DeliveryFailure.PASSING, fault)


def _raise_after(fault: str) -> None:
    """Raise the error of an answer that gets lost."""
    if fault in ("taken", "reset-taken"):
        raise NotDelivered(DeliveryFailure.PASSING, fault)
