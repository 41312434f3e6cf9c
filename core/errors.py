"""Define the errors with which the bot refuses or fails, as one tree.

    BotError
    ├── Refused                      the request was refused and nothing was changed
    │   ├── NotHere                  wrong guild, wrong category or a direct message
    │   ├── NotAllowed               the person's roles do not suffice
    │   ├── ReadOnly                 an admin has switched all changes off
    │   ├── Unconfirmed              the confirmation that the action needs was not given
    │   ├── OnlySomeGuests           the request concerns the whole cluster, the level suffices on some guests
    │   ├── OnlySomeSites            the request concerns all sites, the level suffices on some only
    │   ├── TooManyChanges           the person has reached the limit of changes per minute
    │   ├── TooQuick                 the person sends requests too quickly
    │   ├── NotYours                 the question was put to somebody else
    │   ├── QuestionOver             the question has expired, an earlier run asked it, or the button is unknown
    │   ├── QuestionAnswered         the question was already answered
    │   ├── AnswerTooLate            Discord did not accept an answer to the interaction, or the bot ends
    │   ├── NameMismatch, NoReason   the typed name is wrong, or the reason is missing
    │   ├── ChangedMeanwhile         the guest, or the effect of the action, is no longer as it was shown
    │   ├── AlreadyWatched, NotWatched, CannotWatchTemplate, DiskUnknown, NotMuted
    │   ├── IncidentOver             an alert's button was pressed after the incident had ended
    │   ├── ChartsBusy               too many charts are being drawn
    │   ├── PressureUnknown          this Proxmox records no pressure
    │   ├── FilesRefused             the bot may not send files in this channel
    │   ├── …                        the guest does not allow the action: core/guest_errors.py
    │   └── …                        the input is invalid: core/wanted_errors.py
    ├── ProxmoxError                 Proxmox refused, or could not be reached: core/proxmox_errors.py
    ├── StoreFailed                  the file of the watch list could not be written
    │   └── SwitchFailed             the file of the read-only switch could not be read or written
    ├── JournalFailed                the journal could not be written or read
    ├── ChartTooSlow                 a chart was not drawn in time
    ├── ChartFailed                  a chart could not be drawn
    └── UnexpectedFailure            a bug stopped what was asked of one site

An error carries values and no sentence. `ui` has one row of words for each class. In every class `label` is a guest's
name, or its VMID if it has none, and `verb` is the word of an operation.
"""

import json
from dataclasses import dataclass
from typing import Any

from core.codec import fields_of
from core.levels import Level

TEXT_MOST = 990
"""Maximum characters of an error's text. The audit trail also has room for the prefix `unknown: `."""
_CUTS = (600, 300, 100, 30, 10)
"""Characters to which each text among the values is cut, one step after another until the line is short enough."""


class BotError(Exception):
    """The root of the tree. A subclass whose sentence needs values is a dataclass of these values."""

    def to_dict(self) -> dict[str, Any]:
        """Encode the error for the journal: its class name, and its fields as JSON types.

        `core/error_codec.py` decodes it.
        """
        return {"error": type(self).__name__, "values": fields_of(self)}

    def __str__(self) -> str:
        """Return `to_dict` as one line of JSON, for the audit trail and the log.

        If the line is longer than TEXT_MOST, the texts among the values are cut. It stays valid JSON.
        """
        encoded = self.to_dict()
        text = _in_one_line(encoded)
        for most in _CUTS:
            if len(text) <= TEXT_MOST:
                break
            values = {name: _cut(value, most) for name, value in encoded["values"].items()}
            text = _in_one_line(encoded | {"values": values})
        return text


def _in_one_line(encoded: dict[str, Any]) -> str:
    text = json.dumps(encoded, ensure_ascii=False, separators=(",", ":"))
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _cut(value: object, most: int) -> object:
    return f"{value[: most - 1]}…" if isinstance(value, str) and len(value) > most else value


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

    `by`: display name of the admin who switched them off. `by_id`: user id of this admin, 0 if it was not stored.
    `since`: Unix seconds.
    If the stored switch cannot be read, `by` is "?" and `since` the time of that read.
    """

    by: str
    since: float
    by_id: int = 0


@dataclass(eq=False)
class Unconfirmed(Refused):
    """The operation needs a confirmation that was not given.

    A protected guest needs its name and a reason, and a deletion needs the guest's name. Some other plans must be
    seen before they are carried out.
    """

    vmid: int
    label: str
    verb: str


class OnlySomeGuests(Refused):
    """The request concerns the whole cluster, but the person's level suffices on some guests only."""


class OnlySomeSites(Refused):
    """The request concerns all sites, but the person's roles do not suffice on each of them."""


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
    """The person sends requests too quickly, or has too many slow ones at once.

    `wait`: whole seconds after which the person may try again.
    `skipped`: number of such refusals since the last one that got an audit record. None: this one gets no record
    and is only counted.
    """

    wait: int
    skipped: int | None = 0


@dataclass(eq=False)
class NotYours(Refused):
    """The question was put to another person.

    `owner`, `owner_id`: display name and user id of that person.
    """

    owner: str
    owner_id: int = 0


class QuestionOver(Refused):
    """The question has expired, or an earlier run of the bot asked it.

    A press on a button that the bot does not know is refused like this, too.
    """


class QuestionAnswered(Refused):
    """The question was already answered: its action has begun, or was cancelled."""


class AnswerTooLate(Refused):
    """Discord did not accept an answer to the interaction, or the bot ends. Nothing may be changed then."""


@dataclass(eq=False)
class NameMismatch(Refused):
    vmid: int
    expected: str


class NoReason(Refused):
    """A protected guest is concerned, and no reason was given."""


@dataclass(eq=False)
class ChangedMeanwhile(Refused):
    """The guest or the action's effect is no longer as it was shown.

    Another guest may have the VMID, the plan or the configuration may have changed, or an action may have ended.
    """

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
    """A disk threshold was given for a VM. Only former versions refused that; the audit trail may hold it."""

    vmid: int
    label: str


@dataclass(eq=False)
class NotMuted(Refused):
    """The target is not muted. `value`: its subject, such as `guest/101`."""

    value: str


class IncidentOver(Refused):
    """The incident has ended: there is nothing left to acknowledge or mute."""


class ChartsBusy(Refused):
    """Too many charts are being drawn, for this person or for all."""


class PressureUnknown(Refused):
    """Only pressure was asked for, and none was recorded while the guest or node ran: Proxmox 8 records none."""


class FilesRefused(Refused):
    """The bot lacks the permission to attach files in this channel."""


@dataclass(eq=False)
class ChartTooSlow(BotError):
    """A chart was not drawn in time, and the drawing was ended."""


@dataclass(eq=False)
class ChartFailed(BotError):
    """A chart could not be drawn. The log says why, unless the bot ends."""


@dataclass(eq=False)
class UnexpectedFailure(BotError):
    """A bug stopped what was asked of one site.

    `error_id`: the number by which to find the error in the log.
    """

    error_id: str


DISK_HUNG = "ETIMEDOUT"
"""Reason of `StoreFailed` and `JournalFailed` if the disk does not answer in time.

A write that has begun may then still be made.
"""


@dataclass(eq=False)
class StoreFailed(BotError):
    """The watch list could not be written. It is unchanged, but see `DISK_HUNG`."""

    reason: str


class SwitchFailed(StoreFailed):
    """The file of the read-only switch could not be read or written."""


@dataclass(eq=False)
class JournalFailed(BotError):
    """The journal could not be written, or could not be read if `reading` is true.

    The journal is unchanged, but see `DISK_HUNG`.
    """

    reason: str
    reading: bool = False
