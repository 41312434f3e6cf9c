"""Everything that can be said no with, as one tree.

    BotError
    ├── Refused                      a no, and nothing was changed
    │   ├── NotHere                  wrong guild, category or a direct message
    │   ├── GuestNotFound            no guest with this VMID
    │   ├── WrongState               running, stopped … does not fit the action
    │   ├── TemplateRefused          a template cannot do this
    │   ├── NotATemplate             only a template can be cloned here
    │   ├── GuestLocked              Proxmox holds a lock on the guest
    │   ├── GuestProtected           Proxmox' protection flag is set
    │   ├── GuestBusy                another action of the bot is under way
    │   ├── BadVmid, BadGuestName, BadSnapshotName, BadAmount
    │   ├── VmidTaken                the VMID belongs to another guest
    │   ├── NothingGiven             /resize without cores and memory
    │   ├── NothingToChange          /resize to what the guest has
    │   ├── BalloonTooLarge          memory below the balloon's minimum
    │   ├── SnapshotNotFound, SnapshotExists, SnapshotUnsupported, MemoryNotSaved
    │   ├── NotYours                 somebody else's question
    │   ├── QuestionOver, QuestionAnswered: it has lapsed (or is of an earlier run), or was answered before
    │   ├── AnswerTooLate            Discord no longer takes an answer to this interaction
    │   ├── NameMismatch             the typed name is another one
    │   ├── ChangedMeanwhile         the guest is no longer what the question showed
    │   └── AlreadyWatched, NotWatched, CannotWatchTemplate
    ├── ProxmoxError                 Proxmox, or the way to it, said no
    │   ├── Unreachable              no connection to PROXMOX_HOST
    │   ├── CertificateNotTrusted    TLS refused
    │   ├── TimedOut                 no answer in time: the work may go on
    │   ├── NodeUnreachable          595, 596, 599: another node does not answer
    │   ├── NoQuorum                 the cluster is read-only
    │   ├── TokenRefused             401
    │   ├── MissingPrivilege         403, with privilege and path
    │   ├── GuestMoved               the guest is not on that node (any more)
    │   ├── LockTimeout              the configuration's file lock was not to be had in 10 s
    │   ├── StorageFull
    │   ├── TargetNotShared          the copy cannot go to another node
    │   ├── LinkedCloneUnsupported   the storage has only full copies
    │   ├── TaskUnknown              Proxmox does not know this UPID
    │   ├── Rejected                 Proxmox' own words
    │   ├── NothingVisible           an empty list where guests were known: a lost privilege, most likely
    │   └── BadAnswer                not an answer of the Proxmox API (a proxy's page, broken JSON)
    └── StoreFailed                  the watch list could not be written

An error carries values, never a sentence; ui/sentences.py has one sentence for each class.
"""

from dataclasses import dataclass, fields

from core.guest import Kind, State


class BotError(Exception):
    """The root. Every subclass is a dataclass of the values its sentence needs, if it needs any."""

    def __str__(self) -> str:
        values = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))  # type: ignore[arg-type]  # every subclass is a dataclass
        return f"{type(self).__name__}({values})"


@dataclass(eq=False)
class Refused(BotError):
    """A no, decided here or by Proxmox; nothing was changed."""


class NotHere(Refused):
    """Used where the bot may not be used."""


@dataclass(eq=False)
class GuestNotFound(Refused):
    vmid: int


@dataclass(eq=False)
class WrongState(Refused):
    vmid: int
    label: str
    verb: str
    state: State


@dataclass(eq=False)
class TemplateRefused(Refused):
    vmid: int
    label: str
    verb: str


@dataclass(eq=False)
class NotATemplate(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class GuestLocked(Refused):
    vmid: int
    label: str
    lock: str


@dataclass(eq=False)
class GuestProtected(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class GuestBusy(Refused):
    """`by` is the display name of the person whose action runs; `since` Unix seconds."""

    vmid: int
    label: str
    verb: str
    by: str
    since: float


@dataclass(eq=False)
class BadVmid(Refused):
    value: str


@dataclass(eq=False)
class BadGuestName(Refused):
    value: str


@dataclass(eq=False)
class BadSnapshotName(Refused):
    value: str


@dataclass(eq=False)
class BadAmount(Refused):
    """`option` is the option's name; the bounds are inclusive."""

    option: str
    value: int
    least: int
    most: int


@dataclass(eq=False)
class VmidTaken(Refused):
    vmid: int


class NothingGiven(Refused):
    pass


@dataclass(eq=False)
class NothingToChange(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class BalloonTooLarge(Refused):
    vmid: int
    label: str
    memory_mb: int
    balloon_mb: int


@dataclass(eq=False)
class SnapshotNotFound(Refused):
    vmid: int
    label: str
    snapshot: str


@dataclass(eq=False)
class SnapshotExists(Refused):
    vmid: int
    label: str
    snapshot: str


@dataclass(eq=False)
class SnapshotUnsupported(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class MemoryNotSaved(Refused):
    """with_memory was asked for a container or a guest that does not run."""

    vmid: int
    label: str
    kind: Kind


@dataclass(eq=False)
class NotYours(Refused):
    """`owner` is the display name of the person who asked."""

    owner: str


class QuestionOver(Refused):
    """The question has lapsed, or is older than this run of the bot."""


class QuestionAnswered(Refused):
    """A second press: what the first one began is under way or done."""


class AnswerTooLate(Refused):
    """Discord has told the person that the bot did not respond: then nothing may be done any more."""


@dataclass(eq=False)
class NameMismatch(Refused):
    vmid: int
    expected: str


@dataclass(eq=False)
class ChangedMeanwhile(Refused):
    """The guest with this VMID is no longer the one the question showed."""

    vmid: int


@dataclass(eq=False)
class AlreadyWatched(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class NotWatched(Refused):
    vmid: int


@dataclass(eq=False)
class CannotWatchTemplate(Refused):
    vmid: int
    label: str


@dataclass(eq=False)
class ProxmoxError(BotError):
    """Proxmox, or the way to it, said no."""


@dataclass(eq=False)
class Unreachable(ProxmoxError):
    host: str


@dataclass(eq=False)
class CertificateNotTrusted(ProxmoxError):
    """`fingerprint` is the SHA-256 of the certificate that was shown, or None where it could not be read."""

    host: str
    fingerprint: str | None


@dataclass(eq=False)
class TimedOut(ProxmoxError):
    """No answer in time. `changing` tells that a change was sent, which may be carried out all the same."""

    host: str
    changing: bool


@dataclass(eq=False)
class NodeUnreachable(ProxmoxError):
    """`changing` as in TimedOut."""

    node: str
    changing: bool = False


class NoQuorum(ProxmoxError):
    pass


class TokenRefused(ProxmoxError):
    pass


@dataclass(eq=False)
class MissingPrivilege(ProxmoxError):
    """`privilege` and `path` as Proxmox names them; empty where it did not."""

    privilege: str
    path: str


@dataclass(eq=False)
class GuestMoved(ProxmoxError):
    vmid: int
    node: str


@dataclass(eq=False)
class LockTimeout(ProxmoxError):
    vmid: int | None


@dataclass(eq=False)
class StorageFull(ProxmoxError):
    message: str


@dataclass(eq=False)
class TargetNotShared(ProxmoxError):
    message: str


@dataclass(eq=False)
class LinkedCloneUnsupported(ProxmoxError):
    message: str


@dataclass(eq=False)
class TaskUnknown(ProxmoxError):
    upid: str


@dataclass(eq=False)
class Rejected(ProxmoxError):
    """Proxmox' own words; `status` is the HTTP status."""

    status: int
    message: str


class NothingVisible(ProxmoxError):
    pass


@dataclass(eq=False)
class BadAnswer(ProxmoxError):
    """`changing` as in TimedOut."""

    host: str
    changing: bool = False


@dataclass(eq=False)
class StoreFailed(BotError):
    """The watch list could not be written; it is as it was."""

    reason: str
