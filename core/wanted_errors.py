"""Define the errors for invalid input and for dashboards that cannot be made, a part of `core/errors.py`'s tree."""

from dataclasses import dataclass

from core.errors import Refused


@dataclass(eq=False)
class BadVmid(Refused):
    value: str


@dataclass(eq=False)
class NoSuchGuest(Refused):
    """No guest that the person may see has this name, or this VMID on the site that was typed.

    A command with a VMID on a site that the person sees is refused with GuestNotFound instead.
    """

    value: str


@dataclass(eq=False)
class SeveralGuests(Refused):
    """The value fits more than one guest.

    `choices`: one a line, the labels of at most five of them, and the number of the others if there are any.
    """

    value: str
    choices: str


@dataclass(eq=False)
class SitesUnread(Refused):
    """The value may fit a guest of a site that could not be read. `sites`: names of all such sites, one a line."""

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
    """The value fits no target (guest, node, storage, everything) that the person may see.

    If there is only one site, a value that fits several targets is refused like this, too.
    """

    value: str


@dataclass(eq=False)
class SeveralTargets(Refused):
    """With several sites: the value fits several targets or nodes.

    `choices`: some of them, as they can be typed, and the number of the others if there are any.
    """

    value: str
    choices: str


@dataclass(eq=False)
class BadSince(Refused):
    """The value is neither a date nor a duration of one minute to 3650 days."""

    value: str


@dataclass(eq=False)
class UnknownPerson(Refused):
    """The value is not a user id, and nobody found in the audit trail has this name."""

    value: str


@dataclass(eq=False)
class SeveralPeople(Refused):
    """Several people in the audit trail have this name."""

    value: str


@dataclass(eq=False)
class UnknownNode(Refused):
    """No node that the person may see has this name."""

    value: str


@dataclass(eq=False)
class UnknownSite(Refused):
    """No site has this name, the person may see nothing of it, or a site was needed and not typed."""

    value: str


@dataclass(eq=False)
class NothingChosen(Refused):
    """The chosen completion entry only explains why there is nothing to choose.

    `reason`: a word for the explanation (ui/messages/nothing.py), "" if there is none. `verb`: the operation's word.
    """

    reason: str = ""
    verb: str = ""


@dataclass(eq=False)
class UnknownOperation(Refused):
    """The value names no operation of the bot."""

    value: str


@dataclass(eq=False)
class DashboardExists(Refused):
    """The channel already has a dashboard that shows the same. `channel_id`: the channel."""

    channel_id: int


@dataclass(eq=False)
class TooManyDashboards(Refused):
    """The site has `most` dashboards, and may have no more."""

    most: int


@dataclass(eq=False)
class TooManyOwnDashboards(Refused):
    """The person is limited to some guests, has made `most` dashboards, and may make no more."""

    most: int


@dataclass(eq=False)
class NoSuchDashboard(Refused):
    """There is no such dashboard, or the person may not see it."""

    value: str


class NothingWithin(Refused):
    """No guest or node that the person may see matches the node, tag or pool that was typed."""


@dataclass(eq=False)
class UnfitChannel(Refused):
    """The channel is not a text channel, or is outside of the category in which the bot may be used."""

    channel_id: int


@dataclass(eq=False)
class ChannelPermissionsMissing(Refused):
    """The bot lacks permissions in the channel. `names`: as Discord's API names them, one a line."""

    channel_id: int
    names: str
