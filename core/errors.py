"""Everything that can be said no with, as one tree.

    BotError
    ├── Refused                      a no, and nothing was changed
    │   ├── NotHere                  wrong guild, category or a direct message
    │   ├── NotAllowed               the person's roles do not suffice
    │   ├── ReadOnly                 an admin has switched all changes off
    │   ├── Unconfirmed              a protected guest's name and a reason were not given
    │   ├── OnlySomeGuests           it is about the whole cluster, and their roles are for some guests only
    │   ├── TooManyChanges           the person has changed enough for this minute
    │   ├── TooQuick                 the person asks more quickly than can be answered
    │   ├── GuestNotFound            no guest with this VMID, or none that the person may see
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
    │   ├── NameMismatch, NoReason   the typed name is another one, or no reason was given
    │   ├── ChangedMeanwhile         the guest is no longer what the question showed
    │   ├── AlreadyWatched, NotWatched, CannotWatchTemplate, DiskUnknown
    │   ├── BadDuration, UnknownTarget, NotMuted
    │   ├── UnknownOperation, UnknownPerson, SeveralPeople, BadSince, NothingChosen: core/wanted_errors.py
    │   └── IncidentOver             an alert's button, after the incident has ended
    ├── ProxmoxError                 Proxmox, or the way to it, said no: core/proxmox_errors.py
    ├── StoreFailed                  the watch list could not be written
    └── JournalFailed                the journal could not be written

An error carries values, never a sentence; ui/messages/errors.py has one sentence for each class.
"""

from dataclasses import dataclass, fields

from core.guest import Kind, State
from core.rights import Level


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
class NotAllowed(Refused):
    """`level` is what the person has: for a guest there, otherwise anywhere. `protected`: it would do for another
    guest."""

    needed: Level
    level: Level
    protected: bool = False


@dataclass(eq=False)
class ReadOnly(Refused):
    """`by`: the display name of the admin who switched changes off, `by_id` their user id, 0 where that was not
    kept; `since` Unix seconds."""

    by: str
    since: float
    by_id: int = 0


@dataclass(eq=False)
class Unconfirmed(Refused):
    """The guest is protected (or is to be deleted), and what has to be typed for it was not."""

    vmid: int
    label: str
    verb: str


class OnlySomeGuests(Refused):
    """It is about the whole cluster, and the person's roles are narrowed to some guests."""


@dataclass(eq=False)
class TooManyChanges(Refused):
    """`most` in a minute; `wait` seconds until the next."""

    most: int
    wait: float


@dataclass(eq=False)
class TooQuick(Refused):
    """`wait`: whole seconds until the next. `skipped`: refusals of this kind that the audit did not keep since the
    last that it did; None: this one is only counted, too."""

    wait: int
    skipped: int | None = 0


@dataclass(eq=False)
class GuestNotFound(Refused):
    """There is none, or none that the person may see: nobody can tell which."""

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
    """`by` and `by_id` are the display name and user id of the person whose action runs; `since` Unix seconds."""

    vmid: int
    label: str
    verb: str
    by: str
    since: float
    by_id: int = 0


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
    """`cores`, `memory_mb`: stored already, and in effect after the next restart by Proxmox."""

    vmid: int
    label: str
    cores: int | None = None
    memory_mb: int | None = None


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
    """`owner` and `owner_id` are the display name and user id of the person who asked."""

    owner: str
    owner_id: int = 0


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


class NoReason(Refused):
    """A protected guest's name was typed, but no reason."""


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
class DiskUnknown(Refused):
    """A threshold for the disk of a VM, whose use Proxmox does not know."""

    vmid: int
    label: str


@dataclass(eq=False)
class BadDuration(Refused):
    """Not a duration such as 30m, 8h or 2d, or outside of one minute to 30 days."""

    value: str


@dataclass(eq=False)
class UnknownTarget(Refused):
    """Neither a guest, nor a node, nor everything."""

    value: str


@dataclass(eq=False)
class NotMuted(Refused):
    """`value`: the target as it was given."""

    value: str


class IncidentOver(Refused):
    """There is nothing left to acknowledge or mute."""


@dataclass(eq=False)
class StoreFailed(BotError):
    """The watch list could not be written; it is as it was."""

    reason: str


@dataclass(eq=False)
class JournalFailed(BotError):
    """The journal could not be written, or read; it is as it was."""

    reason: str
    reading: bool = False
