"""Run steps of the watch a minute apart and describe their messages in words short enough for a table."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import BotError
from core.guest import Cluster, Guest, Kind, Node, State, Storage, TaskSummary
from core.watch.incidents.model import Incident, Message, MessageKind, Topic, WatchEntry
from core.watch.incidents.observation import DiskReading, Observation, find_source_fault
from core.watch.incidents.state import StateUpdate, StepTime, WatchRules, WatchState
from core.watch.incidents.step import step
from core.watch.records import changed_records, decode_state, split_state
from tests.support.fakes import NOW, guest

R, S, P, U, L = State.RUNNING, State.STOPPED, State.PAUSED, State.UNKNOWN, State.PRELAUNCH


def task(
    kind: str,
    vmid: int | str,
    *,
    by: str = "root@pam",
    status: str | None = "OK",
    number: int = 1,
    node: str = "pve1",
) -> TaskSummary:
    """Build a row of the task list.

    `status`: result of the task; `None` while it runs.
    `number`: makes the task distinct; a higher number is a later task.
    """
    upid = f"UPID:{node}:{number:08X}:00000001:{number:08X}:{kind}:{vmid}:{by}:"
    ended = None if status is None else number
    return TaskSummary(upid, kind, by, number, ended, status, node=node, id=str(vmid))


class History:
    """Run a sequence of polls. A guest stays as it is until `put` or `see` changes it."""

    def __init__(
        self, *entries: WatchEntry, rules: WatchRules | None = None, nodes: Iterable[str] = ("pve1", "pve2")
    ) -> None:
        self.entries = entries or (WatchEntry(101),)
        self.rules = rules or WatchRules()
        self.state = WatchState()
        self.unix, self.fresh, self.away = NOW, True, True
        self.guests = {entry.vmid: guest(entry.vmid, R, uptime=1000) for entry in self.entries}
        self.nodes = dict.fromkeys(nodes, True)
        self.storages: tuple[Storage, ...] = ()
        self.incidents: dict[int, Incident] = {}
        self.messages: list[Message] = []
        self.last = StateUpdate(self.state)
        self._changed: list[Incident] = []

    def cluster(self) -> Cluster:
        offline = {name for name, online in self.nodes.items() if not online}
        shown = (
            Guest(each.vmid, each.kind, each.node, U, name=each.name) if each.node in offline else each
            for each in self.guests.values()
        )
        nodes = tuple(Node(name, online) for name, online in sorted(self.nodes.items()))
        return Cluster(tuple(sorted(shown, key=lambda one: one.vmid)), nodes, 0.0, self.storages)

    def put(self, vmid: int = 101, state: State = R, **values: Any) -> None:
        """Set how this guest looks from now on.

        By default a running guest has an uptime of 10,000 seconds, more than at first: it does not look restarted.
        Any other guest has none.
        """
        values.setdefault("uptime", 10_000 if state is R else None)
        self.guests[vmid] = guest(vmid, state, **values)

    def see(
        self,
        *states: State,
        seconds: float = 60,
        ordered: Iterable[int] = (),
        tasks: Iterable[TaskSummary] | None = None,
        quiet: bool = False,
        fault: BotError | None = None,
        first: Cluster | None = None,
        unsure: Iterable[int] = (),
        jump: float = 0.0,
        disks: Mapping[int, DiskReading] | None = None,
        **values: Any,
    ) -> list[str]:
        """Return the messages sent while guest 101 goes through these states, one poll each.

        Without states, run one poll with the guests as they are.
        `seconds`: before each poll. `jump`: further seconds before each, by the wall clock only.
        `ordered`: guests with an expected stop. `fault`: error of the read. `values`: further fields of guest 101.
        `first`, `unsure`, `tasks`, `disks`: as in `Observation`.
        """
        told: list[str] = []
        for state in states or (None,):
            if state is not None:
                self.put(101, state, **values)
            self.unix += seconds + jump
            since_stored = max(0.0, self.unix - (self.state.pulse.unix or self.unix))
            passed = since_stored if self.fresh else seconds
            read = self.cluster()
            wrong = fault or find_source_fault(
                self.state, self.entries, read, self.state.pulse.elapsed + passed
            )
            observation = Observation(
                None if wrong else read,
                wrong,
                first,
                unsure=frozenset(unsure),
                tasks=None if tasks is None else tuple(tasks),
                disks=disks or {},
            )
            moment = StepTime(self.unix, passed, self.fresh, self.away, quiet)
            told += self._take(step(self.state, self.entries, observation, moment, self.rules, ordered))
            self.fresh = False
            self.away = self.away and not self.state.pulse.good
        return told

    def polls(self, count: int, **values: Any) -> list[str]:
        """Return the messages of this many polls."""
        told: list[str] = []
        for _ in range(count):
            told += self.see(**values)
        return told

    def _take(self, update: StateUpdate) -> list[str]:
        changed_records(split_state(self.state), split_state(update.state))  # raises if it cannot be encoded
        self.last, self.state = update, update.state
        self._changed += update.incidents
        self.incidents |= {incident.id: incident for incident in update.incidents}
        self.messages += update.messages
        return [self.words(message) for message in update.messages]

    def restart(self, away: float = 600.0) -> None:
        """Restart the bot from its stored records. Its next poll is `away` seconds after the last."""
        records = {
            key: text
            for key, text in changed_records({}, split_state(self.state)).items()
            if text is not None
        }
        kept = decode_state(records, self.state.open.values())
        assert kept == self.state
        self.state, self.fresh, self.away = kept, True, True
        self.unix += away - 60

    def words(self, message: Message) -> str:
        """Describe a message, such as `opening guest 101 stopped by root@pam` or `recovery node pve1`."""
        parts = [message.post.value]
        for number in message.incidents:
            incident = self.incidents[number]
            parts.append(incident.topic.value)
            if incident.topic in (Topic.NODE, Topic.STORAGE):
                parts.append(incident.node or incident.storage)
            if incident.metric:
                parts.append(incident.metric.value)
            facts = [
                f"{fact.vmid} {fact.what.value}" + (f" by {fact.by}" if fact.by else "")
                for fact in incident.guests
            ]
            parts += (
                [", ".join(facts)]
                if message.post is not MessageKind.RECOVERY and incident.topic is not Topic.NODE
                else []
            )
            if message.post is MessageKind.RECOVERY and incident.topic in (
                Topic.GUEST,
                Topic.FLAPPING,
                Topic.THRESHOLD,
            ):
                parts.append(str(incident.guests[0].vmid))
        return " ".join(part for part in parts if part)

    def incident(self) -> Incident:
        """Return the incident that changed last."""
        return self._changed[-1]


def many(count: int, start: int = 101) -> tuple[WatchEntry, ...]:
    return tuple(WatchEntry(vmid) for vmid in range(start, start + count))


def container(vmid: int, state: State = R, **values: Any) -> Guest:
    return guest(vmid, state, kind=Kind.LXC, **values)


def flat(told: Iterable[list[str]]) -> list[str]:
    return [words for one in told for words in one]
