"""Define the data of the watch: watched guests, events, incidents and messages.

Two clocks count seconds by the monotonic clock. `elapsed` always runs: between two runs it follows the wall clock.
`clock` stops between two runs of the bot, and while Proxmox is reported as unreachable. All other times are Unix
seconds.
Data that outlives the process (adapters/journal/store.py) has only fields that core/codec.py can store.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core import error_codec
from core.codec import from_plain
from core.errors import BotError
from core.guest import Kind, State, fingerprint_of

ALL = "all"
SOURCE = "source"
"""The subjects of everything (for mutes), and of the connection to Proxmox.

The others are `guest/101`, `node/pve1` and `storage/pve1/local` (shared ones: `storage/nfs`). Some incidents have the
subject `group`, `backups` or `disks`, which cannot be muted.
"""


def guest_subject(vmid: int) -> str:
    return f"guest/{vmid}"


def node_subject(name: str) -> str:
    return f"node/{name}"


def storage_subject(name: str, node: str | None) -> str:
    """Return the subject of a storage. `node=None`: all nodes share the storage."""
    return f"storage/{node}/{name}" if node else f"storage/{name}"


def threshold_key(vmid: int, metric: Metric) -> str:
    """Return the key of a guest's metric in `WatchState.thresholds`."""
    return f"{guest_subject(vmid)}/{metric.value}"


class Metric(StrEnum):
    """Metrics of a guest that can have a threshold. DISK of a VM: its fullest file system, as the agent reports."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """One entry of the watch list. Thresholds are in percent; None means no threshold."""

    vmid: int
    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None

    def limit(self, metric: Metric) -> int | None:
        return {Metric.CPU: self.cpu, Metric.MEMORY: self.memory, Metric.DISK: self.disk}[metric]


class Severity(StrEnum):
    """Severity of an incident.

    CRITICAL is reported even in quiet hours, except its recovery. INFO mentions nobody and makes no sound.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class GuestEvent(StrEnum):
    """Events of a guest."""

    STOPPED = "stopped"
    IO_ERROR = "io_error"  # QEMU has paused it: its storage failed or is full
    HALTED = "halted"  # QEMU has halted it for another reason, named by `state`
    STUCK = "stuck"  # it has been in a passing `state` for too long
    MISSING = "missing"  # no longer in the cluster
    RESTARTED = "restarted"
    BACK = "back"  # it runs again, was created again (maybe without a start), or is not down (for THRESHOLD)
    ELSEWHERE = "elsewhere"  # HA runs it again on another node
    FLAPPING = "flapping"  # reported by an incident of its own from now on
    UNKNOWN = "unknown"  # its state is unknown, or its disk use (for UNMEASURED)
    FORGOTTEN = "forgotten"  # taken off the watch list, or made a template


DOWN = frozenset(
    {GuestEvent.STOPPED, GuestEvent.IO_ERROR, GuestEvent.HALTED, GuestEvent.STUCK, GuestEvent.MISSING}
)


@dataclass(frozen=True, slots=True)
class GuestFact:
    """An event of one guest and its known cause.

    `by`: the user of Proxmox who did it on purpose, as in `TaskSummary.user`. `task` is then the type of their task
    (`qmstop`).
    Without `by`, `task` is the lock or task from which the guest did not come back.
    """

    vmid: int
    what: GuestEvent
    kind: Kind
    node: str
    name: str | None = None
    by: str = ""
    task: str = ""
    away: bool = False
    """Whether the first good poll of this run showed it. It probably happened while the bot was not running."""
    after_node: bool = False
    after_ha: bool = False
    """Whether its node came back (`after_node`) or HA moved it (`after_ha`), and it did not start in time."""
    wanted: bool = False
    """Whether a person (maybe an unknown one) or HA did it on purpose."""
    state: State = State.UNKNOWN
    """For a guest reported as HALTED or STUCK: the state that it does not leave. It is kept when `what` changes."""

    @property
    def down(self) -> bool:
        """Whether the guest is down and nobody wanted it."""
        return self.what in DOWN and not (self.by or self.wanted)

    @property
    def fingerprint(self) -> str:
        """The same as `Guest.fingerprint`, for buttons."""
        return fingerprint_of(self.kind, self.name)


class Topic(StrEnum):
    """Kinds of incident. Each comment ends with the fields of `Incident` that this kind fills."""

    GUEST = "guest"  # one guest is down; guests (one)
    GROUP = "group"  # several guests changed at once; guests
    NODE = "node"  # a node is offline; node, guests (the watched ones it ran)
    SOURCE = "source"  # Proxmox cannot be read; fault, watched
    THRESHOLD = "gauge"  # a guest's metric is over its threshold; guests (one), metric, percent, limit, mount
    STORAGE = "storage"  # a storage is nearly full; storage, node ("" where shared), percent, limit
    FLAPPING = "flapping"  # a guest changes again and again; guests (one)
    RESTART = "restart"  # one guest restarted by itself; guests (one)
    BACKUP = "backup"  # backups failed; backups
    STALE = "stale"  # a node is online, but Proxmox has no new figures; node, guests (watched, unknown)
    BLIND = "blind"  # the state of watched guests on a node has been unknown for a long time; node, guests
    UNMEASURED = "unmeasured"  # use of disks with a threshold is unknown; guests, metric, fault (if shared)
    NOTE = "note"  # nothing wrong: somebody stopped, deleted or restarted it, or HA moved it; guests (one)


ONE_OFF = frozenset({Topic.RESTART, Topic.BACKUP, Topic.UNMEASURED, Topic.NOTE})
"""Topics of incidents that are over as soon as they open."""


@dataclass(frozen=True, slots=True)
class SourceFault:
    """Why Proxmox or a guest agent cannot be read: an error in a form to compare and to store.

    `error`: the name of its class. `values`: its fields.
    """

    error: str
    values: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, error: BotError) -> SourceFault:
        return cls.from_dict(error.to_dict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SourceFault:
        word, values = from_plain(str, data["error"]), data.get("values", {})
        if isinstance(values, list):  # the form of versions up to 26 November 2026
            error = error_codec.from_dict(data)
            return cls.of(error) if error else cls(word)
        return cls(word, tuple(values.items()))

    def to_dict(self) -> dict[str, Any]:
        return {"error": self.error, "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class BackupFact:
    """One failed backup task. `vmid=None`: a job of several guests.

    `by`: as in `TaskSummary.user`. `error`: the exit text of the task.
    """

    node: str
    vmid: int | None
    by: str
    error: str
    name: str | None = None
    upid: str = ""
    """The task, to read its log. "" if it was not stored."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. It is over once `ended` is set.

    `opened`, `ended`, `acked` and `muted_until` are Unix seconds. `began` is on `elapsed`.
    `seconds`: how long it lasted. `watched`: number of watched guests. `limit`: in percent, as `percent`.
    `said`: when it was last reported, on `clock` (for SOURCE on `elapsed`).
    `told`: whether it was reported, or is to be in the digest of the quiet hours.
    """

    id: int
    topic: Topic
    subject: str
    level: Severity
    opened: float
    began: float
    guests: tuple[GuestFact, ...] = ()
    node: str = ""
    storage: str = ""
    metric: Metric | None = None
    percent: float | None = None
    limit: int | None = None
    fault: SourceFault | None = None
    watched: int = 0
    backups: tuple[BackupFact, ...] = ()
    ended: float | None = None
    seconds: float | None = None
    acked_by: str = ""
    acked: float | None = None
    muted_until: float | None = None
    told: bool = False
    said: float = 0.0
    forgotten: bool = False
    """Whether it ended without a recovery, such as when its subject is no longer watched."""
    acked_by_id: int = 0
    """User id of the person in `acked_by`; 0 if it was not stored."""
    unmuted: bool = False
    """Whether a mute that its buttons had set ended with it."""
    can_unmute: bool = False
    """Whether a mute of its own subject outlasts it."""
    mount: str = ""
    """For the disk of a VM: where the fullest file system is mounted, in the guest's own words."""
    unknown: bool = False
    """Whether the value is not known any more, because the guest agent is silent."""

    @property
    def open(self) -> bool:
        return self.ended is None

    @property
    def down(self) -> tuple[GuestFact, ...]:
        """The guests of the incident that are still down."""
        return tuple(fact for fact in self.guests if fact.down)


class MessageKind(StrEnum):
    """Kinds of message."""

    OPENING = "opening"  # says that an incident has begun; edited whenever the incident changes
    RECOVERY = "recovery"  # says that an incident is over
    REMINDER = "reminder"  # says that an incident is still open
    UNMUTED = "unmuted"  # lists the open incidents when the mutes of many have ended
    DIGEST = "digest"  # lists the incidents of the quiet hours
    TEST = "test"  # /monitor test; no incident
    WORD = "word"  # the bot about itself; no incident; text


@dataclass(frozen=True, slots=True)
class Message:
    """One message to the alert channel. `created`: Unix seconds. `mention`: it pings ALERT_MENTION_ROLE_ID."""

    id: int
    post: MessageKind
    created: float
    incidents: tuple[int, ...] = ()
    mention: bool = False
    silent: bool = False
    """Whether it is posted without a notification (Discord's SUPPRESS_NOTIFICATIONS)."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Mute:
    """A mute of `target` (a subject). It ends at `elapsed`; `until` is the same as Unix seconds."""

    target: str
    elapsed: float
    until: float
    by: str = ""
    by_id: int = 0
    """User id of the person in `by`; 0 if it was not stored."""
    incident: int = 0
    """The incident whose button set it: the mute of a guest then ends with the recovery. 0: set by command."""
