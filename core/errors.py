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
    │   ├── WrongKind                a container cannot do this, or a VM cannot
    │   ├── TemplateRefused, NotATemplate: a template cannot do this, or nothing but a template can
    │   ├── GuestLocked, GuestProtected: Proxmox holds a lock on the guest, or its protection flag is set
    │   ├── GuestBusy                another action of the bot is under way
    │   ├── BadVmid, BadGuestName, BadSnapshotName, BadAmount, VmidTaken
    │   ├── NothingGiven, NothingToChange: /resize without cores and memory, or to what the guest has
    │   ├── BalloonTooLarge, SnapshotNotFound, SnapshotExists, SnapshotUnsupported, MemoryNotSaved
    │   ├── NotYours                 somebody else's question
    │   ├── QuestionOver, QuestionAnswered: it has lapsed (or is of an earlier run), or was answered before
    │   ├── AnswerTooLate            Discord no longer takes an answer to this interaction
    │   ├── NameMismatch, NoReason   the typed name is another one, or no reason was given
    │   ├── ChangedMeanwhile         the guest is no longer what the question showed
    │   ├── AlreadyWatched, NotWatched, CannotWatchTemplate, DiskUnknown, BadDuration, UnknownTarget, NotMuted
    │   ├── UnknownOperation, UnknownPerson, SeveralPeople, BadSince, NothingChosen: core/wanted_errors.py
    │   └── IncidentOver             an alert's button, after the incident has ended
    ├── ProxmoxError                 Proxmox, or the way to it, said no: core/proxmox_errors.py
    ├── StoreFailed                  the watch list could not be written
    └── JournalFailed                the journal could not be written

An error carries values, never a sentence; ui/messages/errors.py has one sentence for each class.
"""

from dataclasses import dataclass, fields

from core.guest import Kind, State
from core.operations import Level


class BotError(Exception):
    """The root of all errors. A subclass whose sentence needs values is a dataclass of these values."""

    def __str__(self) -> str:
        values = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))  # type: ignore[arg-type]  # every subclass is a dataclass
        return f"{type(self).__name__}({values})"


@dataclass(eq=False)
class Refused(BotError):
    """The bot or Proxmox refused the request, and nothing was changed."""


class NotHere(Refused):
    """The bot may not be used in this place."""


@dataclass(eq=False)
class NotAllowed(Refused):
    """The person's level is too low.

    `level`: the person's level on the guest in question, or without a guest their highest level on any guest.
    `protected`: the level would suffice for a guest that is not protected.
    """

    needed: Level
    level: Level
    protected: bool = False


@dataclass(eq=False)
class ReadOnly(Refused):
    """All changes are switched off.

    `by`: display name of the admin who switched them off.
    `by_id`: user id of this admin, 0 if it was not stored.
    `since`: Unix seconds.
    """

    by: str
    since: float
    by_id: int = 0


@dataclass(eq=False)
class Unconfirmed(Refused):
    """The order needs a confirmation that was not given.

    A protected guest needs its name and a reason, and a deletion needs the guest's name. Some other plans must be
    seen before they are carried out.
    """

    vmid: int
    label: str
    verb: str


class OnlySomeGuests(Refused):
    """The request concerns the whole cluster, but the person's roles are limited to some guests."""


@dataclass(eq=False)
class TooManyChanges(Refused):
    """The person has reached the limit of changes.

    `most`: changes allowed per minute.
    `wait`: seconds until the next change is allowed.
    """

    most: int
    wait: float


@dataclass(eq=False)
class TooQuick(Refused):
    """The person sends requests too quickly.

    `wait`: whole seconds until the next request is allowed.
    `skipped`: number of such refusals since the last one that got an audit record. None: this one gets no record
    either and is only counted.
    """

    wait: int
    skipped: int | None = 0


@dataclass(eq=False)
class GuestNotFound(Refused):
    """No guest has this VMID, or the person may not see it. The two cases look the same on purpose."""

    vmid: int


@dataclass(eq=False)
class WrongState(Refused):
    vmid: int
    label: str
    verb: str
    state: State


@dataclass(eq=False)
class WrongKind(Refused):
    vmid: int
    label: str
    verb: str
    kind: Kind


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
    """Another action of the bot is running on the guest.

    `by`, `by_id`: display name and user id of the person who started it.
    `since`: Unix seconds.
    """

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
    """A number is out of range.

    `option`: name of the option.
    `least`, `most`: inclusive bounds.
    """

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
    """The guest already has the given values.

    `cores`, `memory_mb`: values that are already stored and take effect at the next restart by Proxmox.
    """

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
    """`with_memory` was requested for a container, or for a guest that is not running."""

    vmid: int
    label: str
    kind: Kind


@dataclass(eq=False)
class NotYours(Refused):
    """The question was put to another person.

    `owner`, `owner_id`: display name and user id of that person.
    """

    owner: str
    owner_id: int = 0


class QuestionOver(Refused):
    """The question has expired, or an earlier run of the bot asked it."""


class QuestionAnswered(Refused):
    """The question was already answered. The action of the first press is running or done."""


class AnswerTooLate(Refused):
    """Discord has told the person that the bot did not respond, so nothing may be changed any more."""


@dataclass(eq=False)
class NameMismatch(Refused):
    vmid: int
    expected: str


class NoReason(Refused):
    """The name of a protected guest was typed, but no reason was given."""


@dataclass(eq=False)
class ChangedMeanwhile(Refused):
    """The guest with this VMID is no longer the one that the question showed."""

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
    """A disk threshold was given for a VM, but Proxmox does not know the disk use of VMs."""

    vmid: int
    label: str


@dataclass(eq=False)
class BadDuration(Refused):
    """The value is not a duration such as 30m, 8h or 2d, or not between one minute and 30 days."""

    value: str


@dataclass(eq=False)
class UnknownTarget(Refused):
    """The value is neither a guest nor a node nor "everything"."""

    value: str


@dataclass(eq=False)
class NotMuted(Refused):
    """The target is not muted. `value`: the target as it was typed."""

    value: str


class IncidentOver(Refused):
    """The incident has ended, so there is nothing left to acknowledge or mute."""


@dataclass(eq=False)
class StoreFailed(BotError):
    """The watch list could not be written. The old one is unchanged."""

    reason: str


@dataclass(eq=False)
class JournalFailed(BotError):
    """The journal could not be written, or could not be read if `reading` is true. It is unchanged."""

    reason: str
    reading: bool = False
