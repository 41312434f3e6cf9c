"""Define the state of the watch between two polls, and the input and result of a step.

The state outlives the process (core/watch/records.py): core/codec.py can store its fields.
core/watch/incidents/model.py explains the clocks `elapsed` and `clock`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.guest import Guest, Kind, State
from core.watch.incidents.model import Incident, Message, Mute


class HoldReason(StrEnum):
    """Why a stop is not reported yet."""

    WORK = "work"  # a lock, or a task such as a backup
    NODE = "node"  # the guest's node has just come back
    HA = "ha"  # HA has just moved the guest


@dataclass(frozen=True, slots=True)
class HeldStop:
    """A stop that is not reported yet. `since`: on `clock`. `what`: the lock or task, "" for other reasons."""

    wait: HoldReason
    since: float
    what: str = ""


@dataclass(frozen=True, slots=True)
class GuestState:
    """The settled state of a watched guest. `state` UNKNOWN: not seen yet.

    `since`: Unix seconds when `state` began, None if that is not known.
    `missing`: the guest is no longer in the cluster. `node` and `name`: where and as what it was last seen.
    `wanted`: somebody stopped or deleted it, or created it again without starting it.
    `incident`: the open GUEST or GROUP incident in which it is down.
    `held`: why its stop is not reported yet. `lost_node`: the offline node on which it was.
    `changes`: times of the latest changes on `clock`, for flapping. `flapping`: the open FLAPPING incident.
    `passing`: when its passing state began. `unknown`: when its state became unknown. Both are on `clock`.
    """

    vmid: int
    state: State = State.UNKNOWN
    since: float | None = None
    missing: bool = False
    wanted: bool = False
    kind: Kind = Kind.QEMU
    node: str = ""
    name: str | None = None
    incident: int | None = None
    held: HeldStop | None = None
    lost_node: str = ""
    changes: tuple[float, ...] = ()
    flapping: int | None = None
    passing: float | None = None
    unknown: float | None = None

    def as_guest(self) -> Guest:
        """Return the guest as last seen, so that it can be queried while the list does not have it."""
        return Guest(self.vmid, self.kind, self.node, self.state, name=self.name)


@dataclass(frozen=True, slots=True)
class NodeState:
    """State of a node.

    `suspect`: offline in the last poll, to be confirmed by the next. `incident`: the open NODE incident.
    `stale`: polls in a row without new figures, counted up to 2.
    `stale_incident`: the open STALE incident.
    """

    online: bool
    suspect: bool = False
    incident: int | None = None
    stale: int = 0
    stale_incident: int | None = None


@dataclass(frozen=True, slots=True)
class ThresholdState:
    """State of a measured value.

    `streak`: reads in a row at or over the limit, or well below it while the incident is open.
    `blind`: reads in a row, while the incident is open, that did not show the guest's own use.
    `silent`: reads in a row in which the guest agent did not answer, or named no file system of the guest's own.
    2: two or more, and this is reported. 3: two or more, but a mute holds the report back. Below 0: minus the number
    of answers in a row since the report.
    """

    streak: int = 0
    incident: int | None = None
    blind: int = 0
    silent: int = 0


@dataclass(frozen=True, slots=True)
class SourceState:
    """State of the connection to Proxmox.

    `failures`: failed reads in a row. `since`: `elapsed` at the first of them; `opened`: the same in Unix seconds.
    `halved`: `elapsed` at the first of the polls in a row that found half of the guests gone.
    """

    failures: int = 0
    since: float | None = None
    opened: float | None = None
    halved: float | None = None
    incident: int | None = None


@dataclass(frozen=True, slots=True)
class PollState:
    """Values that change with every poll. `elapsed`, `clock` and `unix` (Unix seconds) are those of the last step.

    `good`: the last read succeeded and was believed. `last_id`: the last id of incidents and messages.
    """

    elapsed: float = 0.0
    clock: float = 0.0
    unix: float = 0.0
    good: bool = False
    last_id: int = 0


@dataclass(frozen=True, slots=True)
class WatchState:
    """The whole state of the watch.

    `thresholds`: by `guest/101/cpu` or the storage's subject. `mutes`: by target. `open`: by id.
    `uptimes`: seconds, by VMID. `known`: all VMIDs of the last good read.
    `tasks`: `clock` when each UPID of the cluster's task list was first seen, far in the past for those of the first
    list. None before that.
    `failed`: UPIDs of failed backups. `running`: UPIDs of backups seen running whose end is not known.
    `asked`: Unix seconds when each node last listed its failed backups.
    `quieted`: ids of incidents that wait for the end of the quiet hours.
    """

    pulse: PollState = PollState()
    source: SourceState = SourceState()
    guests: Mapping[int, GuestState] = field(default_factory=dict)
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    thresholds: Mapping[str, ThresholdState] = field(default_factory=dict)
    mutes: Mapping[str, Mute] = field(default_factory=dict)
    uptimes: Mapping[int, int] = field(default_factory=dict)
    tasks: Mapping[str, float] | None = None
    failed: frozenset[str] = frozenset()
    known: frozenset[int] = frozenset()
    running: frozenset[str] = frozenset()
    asked: Mapping[str, float] = field(default_factory=dict)
    quieted: tuple[int, ...] = ()
    open: Mapping[int, Incident] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchRules:
    """Settings of the watch.

    `repeat`: seconds between two reminders, 0 for none. `storage_limit`: percent, 0 for none.
    `audit_days`: days for which the audit trail is kept.
    """

    repeat: float = 240 * 60.0
    storage_limit: int = 90
    audit_days: int = 365


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time of a step.

    `passed`: seconds since the last stored poll, by the monotonic clock. Until a poll of this run is stored, they
    follow the wall clock and are at least 0.
    `fresh`: it is a poll, and none of this run is stored yet.
    `away`: no poll of this run has been good yet.
    `quiet`: within the quiet hours.
    """

    unix: float
    passed: float
    fresh: bool = False
    away: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """The result of a step, or of a change between two polls.

    `incidents`: new or changed ones. `messages`: to be sent. `seen_stops`: VMIDs whose expected stop was seen now.
    `records`: further records to store with the state.
    """

    state: WatchState
    incidents: tuple[Incident, ...] = ()
    messages: tuple[Message, ...] = ()
    seen_stops: tuple[int, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
