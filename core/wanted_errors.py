"""Define the errors for invalid input, a part of the tree of `core/errors.py`."""

from dataclasses import dataclass

from core.errors import Refused


@dataclass(eq=False)
class BadVmid(Refused):
    value: str


@dataclass(eq=False)
class NoSuchGuest(Refused):
    """No guest has this name, or the person may not see it, or the site before it."""

    value: str


@dataclass(eq=False)
class SeveralGuests(Refused):
    """The value fits more than one guest. `choices`: labels of at most five of them, one a line."""

    value: str
    choices: str


@dataclass(eq=False)
class SitesUnread(Refused):
    """The value may fit a guest of a site that could not be read. `sites`: their names, one a line."""

    value: str
    sites: str


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
class BadDuration(Refused):
    """The value is not a duration such as 30m, 8h or 2d, or not between one minute and 30 days."""

    value: str


@dataclass(eq=False)
class UnknownTarget(Refused):
    """The value is neither a guest nor a node nor "everything"."""

    value: str


@dataclass(eq=False)
class SeveralTargets(Refused):
    """The value fits more than one guest, node or storage. `choices`: at most five of them, as they can be typed."""

    value: str
    choices: str


@dataclass(eq=False)
class BadSince(Refused):
    """The value is neither a date nor a duration of one minute to 3650 days."""

    value: str


@dataclass(eq=False)
class UnknownPerson(Refused):
    """The value is not a user id, and nobody in the audit trail has this name."""

    value: str


@dataclass(eq=False)
class SeveralPeople(Refused):
    """Several people in the audit trail have this name."""

    value: str


@dataclass(eq=False)
class UnknownNode(Refused):
    """No node has this name, or the person may see nothing of it."""

    value: str


@dataclass(eq=False)
class UnknownSite(Refused):
    """No site has this name, or the person may see nothing of it."""

    value: str


@dataclass(eq=False)
class NothingChosen(Refused):
    """The chosen completion entry only explains why there is nothing to choose.

    `reason`: what it explains, "" if it does not tell. `verb`: the operation that was typed.
    """

    reason: str = ""
    verb: str = ""


@dataclass(eq=False)
class UnknownOperation(Refused):
    """The value names no operation of the bot."""

    value: str
