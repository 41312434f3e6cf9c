"""What is known between two looks. It outlives the process (core/watch/records.py), so its fields are plain
values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.guest import Guest, Kind, State
from core.watch.incidents.model import Incident, Message, Mute


class HoldReason(StrEnum):
    """Why a stop is not told yet."""

    WORK = "work"  # a lock, or a task such as a backup
    NODE = "node"  # its node has just come back
    HA = "ha"  # HA has just moved it


@dataclass(frozen=True, slots=True)
class HeldStop:
    """A guest that is stopped for a reason that should pass. `since` is on `clock`; `what` the lock or task."""

    wait: HoldReason
    since: float
    what: str = ""


@dataclass(frozen=True, slots=True)
class GuestState:
    """What is settled of a watched guest. `state` UNKNOWN: not seen yet. `since` is Unix seconds.

    `incident`: the open GUEST or GROUP incident it is down in. `lost_node`: the offline node it was on.
    `wanted`: somebody stopped or deleted it, or made it again without starting it.
    `changes`: the latest changes on `clock`, for flapping; `flapping`: the open FLAPPING incident.
    `passing`: `clock` since when it has been in a passing state; `unknown`: since when its state has not been known.
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
        """The guest as last seen, for asking after one that the list no longer has."""
        return Guest(self.vmid, self.kind, self.node, self.state, name=self.name)


@dataclass(frozen=True, slots=True)
class NodeState:
    """`suspect`: offline in the last look, to be confirmed by the next. `stale`: looks in a row without new figures
    of it, counted to 2; `stale_incident`: the open STALE incident."""

    online: bool
    suspect: bool = False
    incident: int | None = None
    stale: int = 0
    stale_incident: int | None = None


@dataclass(frozen=True, slots=True)
class ThresholdState:
    """How many reads in a row it was over (under, once it was told), and since it was told, how many in a row did not
    show the guest's own use."""

    streak: int = 0
    incident: int | None = None
    blind: int = 0


@dataclass(frozen=True, slots=True)
class SourceState:
    """`since`: `elapsed` at the first failure in a row; `opened` the same as Unix time.
    `halved`: `elapsed` since when every look has shown half of the guests gone."""

    failures: int = 0
    since: float | None = None
    opened: float | None = None
    halved: float | None = None
    incident: int | None = None


@dataclass(frozen=True, slots=True)
class PollState:
    """What changes with every look. `good`: the last read succeeded; `last_id` of incidents and messages."""

    elapsed: float = 0.0
    clock: float = 0.0
    unix: float = 0.0
    good: bool = False
    last_id: int = 0


@dataclass(frozen=True, slots=True)
class WatchState:
    """All that is known. `gauges` by `guest/101/cpu` or the storage's subject; `mutes` by target; `open` by id;
    `uptimes` in seconds as last read; `known`: all VMIDs of the last good read.

    `tasks`: `clock` when each UPID of the cluster's task list was first seen, None before the first look; `failed`:
    the UPIDs of the backups that failed; `running`: of those that were seen running and whose end is not known;
    `asked`: Unix seconds when each node last told its failed backups. `quieted`: ids of incidents that wait for the
    end of the quiet hours.
    """

    pulse: PollState = PollState()
    source: SourceState = SourceState()
    guests: Mapping[int, GuestState] = field(default_factory=dict)
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    gauges: Mapping[str, ThresholdState] = field(default_factory=dict)
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
class Rules:
    """What a person sets. `repeat` in seconds, 0 for never; `storage_limit` in percent; `audit_days`: how long the
    audit trail is kept."""

    repeat: float = 240 * 60.0
    storage_limit: int = 90
    audit_days: int = 365


@dataclass(frozen=True, slots=True)
class StepTime:
    """Now. `passed`: seconds since the last step, by the monotonic clock; with `fresh` (the first step of a run)
    by the wall clock, never negative. `away`: no look of this run has been good yet. `quiet`: within the quiet hours.
    """

    unix: float
    passed: float
    fresh: bool = False
    away: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step leaves: the state, the incidents that are new or changed, the messages to be sent.

    `heeded`: VMIDs whose ordered stop has now been seen.
    """

    state: WatchState
    incidents: tuple[Incident, ...] = ()
    messages: tuple[Message, ...] = ()
    seen_stops: tuple[int, ...] = ()
