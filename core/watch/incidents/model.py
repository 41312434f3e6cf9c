"""The words of the watch: what is watched, what is known of it, what has happened and what is told.

Two clocks, in seconds, both free of the wall clock's jumps: `elapsed` runs always (across restarts by wall time),
`clock` only while Proxmox can be read. Times called `unix` are Unix seconds, for display only. What
outlives the process (adapters/journal/store.py) has fields of plain values only.
"""

from dataclasses import dataclass
from enum import StrEnum

from core.guest import Kind, State, fingerprint_of

ALL = "all"
SOURCE = "source"
"""Two subjects; the others are `guest/101`, `node/pve1` and `storage/pve1/local` (shared ones: `storage/nfs`)."""


def guest_subject(vmid: int) -> str:
    return f"guest/{vmid}"


def node_subject(name: str) -> str:
    return f"node/{name}"


def storage_subject(name: str, node: str | None) -> str:
    """`node` None: the storage is shared, and one for all nodes."""
    return f"storage/{node}/{name}" if node else f"storage/{name}"


class Metric(StrEnum):
    """What a threshold of a guest can be for. DISK is known of containers only."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class WatchEntry:
    """One entry of the watch list; thresholds in percent, None where there is none."""

    vmid: int
    cpu: int | None = None
    memory: int | None = None
    disk: int | None = None

    def limit(self, metric: Metric) -> int | None:
        return {Metric.CPU: self.cpu, Metric.MEMORY: self.memory, Metric.DISK: self.disk}[metric]


class Severity(StrEnum):
    """CRITICAL is told even in quiet hours; INFO mentions nobody and makes no sound."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class GuestEvent(StrEnum):
    """What became of a guest."""

    STOPPED = "stopped"
    IO_ERROR = "io_error"  # QEMU holds it: its storage failed or is full
    HALTED = "halted"  # QEMU holds it for another reason, which `state` names
    STUCK = "stuck"  # it has been in a passing `state` for too long
    MISSING = "missing"  # no longer in the cluster: deleted
    RESTARTED = "restarted"
    BACK = "back"
    ELSEWHERE = "elsewhere"  # HA runs it again on another node
    FLAPPING = "flapping"  # its own incident speaks of it from now on
    UNKNOWN = "unknown"  # nobody knows: its state could not be seen for long
    FORGOTTEN = "forgotten"  # taken off the watch list, or made a template


DOWN = frozenset(
    {GuestEvent.STOPPED, GuestEvent.IO_ERROR, GuestEvent.HALTED, GuestEvent.STUCK, GuestEvent.MISSING}
)


@dataclass(frozen=True, slots=True)
class GuestFact:
    """What happened to one guest, and why as far as known. `by`: the `user@realm` of Proxmox who wanted it, with
    `task` as the type of the task (`qmstop`); without `by`, `task` is the work (a lock or task) it did not come
    back from."""

    vmid: int
    what: GuestEvent
    kind: Kind
    node: str
    name: str | None = None
    by: str = ""
    task: str = ""
    away: bool = False
    """It happened while the bot was not running."""
    after_node: bool = False
    after_ha: bool = False
    """Its node came back, or HA moved it, and it was not started in time."""
    wanted: bool = False
    """Somebody did it, even where it is not known who."""
    state: State = State.UNKNOWN
    """Of HALTED and STUCK: the state that it does not leave. It stays when `what` changes."""

    @property
    def down(self) -> bool:
        """It is down, and nobody wanted it."""
        return self.what in DOWN and not (self.by or self.wanted)

    @property
    def fingerprint(self) -> str:
        """As Guest.fingerprint, for buttons."""
        return fingerprint_of(self.kind, self.name)


class Topic(StrEnum):
    """What an incident is about; the fields of Incident that each fills stand behind it."""

    GUEST = "guest"  # one guest is down; guests (one)
    GROUP = "group"  # what happened to many guests at once; guests
    NODE = "node"  # a node is offline; node, guests (the watched ones it ran)
    SOURCE = "source"  # Proxmox cannot be read; fault, watched
    GAUGE = "gauge"  # a guest's metric is over its threshold; guests (one), metric, percent, limit
    STORAGE = "storage"  # a storage is nearly full; storage, node ("" where shared), percent, limit
    FLAPPING = "flapping"  # a guest changes again and again; guests (one)
    RESTART = "restart"  # one guest restarted by itself; guests (one)
    BACKUP = "backup"  # backups failed; backups
    STALE = "stale"  # a node is there, and Proxmox has no new figures of it; node, guests (watched, unknown)
    BLIND = "blind"  # the state of watched guests of a node has not been known for long; node, guests
    NOTE = "note"  # no alarm: somebody stopped, deleted or restarted it, or HA moved it; guests (one)


ONE_OFF = frozenset({Topic.RESTART, Topic.BACKUP, Topic.NOTE})
"""Over as soon as they are told."""


@dataclass(frozen=True, slots=True)
class SourceFault:
    """Why Proxmox cannot be read: a ProxmoxError of core/errors.py by its name and its fields."""

    error: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BackupFact:
    """One failed backup task. `vmid` None: a job of several guests. `error` is the task's exit text."""

    node: str
    vmid: int | None
    by: str
    error: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened. It is over once `ended` is set; `seconds` is how long it lasted.

    `said` is the `clock` (of SOURCE: `elapsed`) when it was last told. `told` False: nobody has read of it yet,
    since it is muted.
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
    """Ended because nobody watches the guest, node or storage any more, not because it is well again."""
    acked_by_id: int = 0
    """The user id of who is called `acked_by`; 0 where it was not kept."""

    @property
    def open(self) -> bool:
        return self.ended is None

    @property
    def down(self) -> tuple[GuestFact, ...]:
        """The guests of it that are down still."""
        return tuple(fact for fact in self.guests if fact.down)


class MessageKind(StrEnum):
    """What a message is for."""

    OPENING = "opening"  # of one incident; edited whenever the incident changes
    RECOVERY = "recovery"  # the short word that it is over
    REMINDER = "reminder"  # it is still open
    UNMUTED = "unmuted"  # what goes on of much that was muted
    DIGEST = "digest"  # what waited for the end of the quiet hours
    TEST = "test"  # /monitor test; no incident
    WORD = "word"  # one of the bot about itself; no incident; text


@dataclass(frozen=True, slots=True)
class Message:
    """One message to the alert channel. `mention`: it pings ALERT_MENTION_ROLE_ID."""

    id: int
    post: MessageKind
    created: float
    incidents: tuple[int, ...] = ()
    mention: bool = False
    silent: bool = False
    """Posted without a notification (Discord's SUPPRESS_NOTIFICATIONS)."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Mute:
    """Nothing is told of `target` (a subject) until `elapsed` is reached; `until` is the same as Unix time."""

    target: str
    elapsed: float
    until: float
    by: str = ""
    by_id: int = 0
    """The user id of who is called `by`; 0 where it was not kept."""
