"""Define the ports of the dashboards: where they are stored, and the channels that show them."""

from enum import StrEnum
from typing import Protocol, TypeVar

from core.dashboard.contents import Contents
from core.dashboard.model import Dashboard

C = TypeVar("C")


class AddOutcome(StrEnum):
    """The result of storing a new dashboard."""

    ADDED = "added"
    EXISTS = "exists"  # the channel has one with the same extent
    FULL = "full"  # the site has `DASHBOARDS_MOST`
    OWN_FULL = "own full"  # the person is limited to some guests, and has `LIMITED_MOST`


class DashboardStore(Protocol):
    """The stored dashboards of one site. Every method raises JournalFailed (core/errors.py)."""

    @property
    def run(self) -> int:
        """Number of the bot's starts on this journal."""

    async def dashboards(self) -> tuple[Dashboard, ...]:
        """Return the dashboards, oldest first."""

    async def add_dashboard(self, dashboard: Dashboard) -> AddOutcome:
        """Store a new dashboard, and return ADDED. If `AddOutcome` has a reason against it, return that.

        If two dashboards of one channel and extent are added at once, one is stored.
        """

    async def put_dashboard(self, dashboard: Dashboard) -> None:
        """Store the dashboard in place of the one with its mark, or anew if the journal has lost that."""

    async def drop_dashboard(self, mark: str) -> None:
        """Forget the dashboard."""


class DashboardChannel(Protocol[C]):
    """The channels of Discord. `C`: the view of a message; equal views look the same.

    The asynchronous methods raise `NotDelivered` and nothing else.
    """

    def compose(self, dashboard: Dashboard, contents: Contents) -> C:
        """Return the view for the message. It does not contain the time at which the contents were true."""

    async def post(self, dashboard: Dashboard, shown: C, true_at: float | None) -> int:
        """Post the message with the dashboard's nonce, and return its id. `true_at`: Unix seconds."""

    async def edit(self, dashboard: Dashboard, shown: C, true_at: float | None) -> None:
        """Edit the existing message to show this view. `true_at`: Unix seconds."""

    async def find(self, dashboard: Dashboard) -> int | None:
        """Find the dashboard's own message in its channel, None if it is not there.

        Raises: NotDelivered if the channel cannot be read: a second message would be worse than none.
        """

    async def pin(self, dashboard: Dashboard) -> None:
        """Pin the message."""

    async def delete(self, dashboard: Dashboard) -> None:
        """Delete the message."""
