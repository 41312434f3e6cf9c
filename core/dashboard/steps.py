"""Decide the next step for one dashboard. A pure function of its stored data and the data of this run."""

from dataclasses import dataclass, replace
from enum import StrEnum

from core.dashboard.model import Dashboard
from core.delivery.outbox import NONCE_SECONDS

EDIT_SECONDS = 30.0
"""Minimum seconds between two edits of one message."""
REFRESH_SECONDS = 10.0
"""The same for an edit that a person asks for. Reads of the cluster are shared for as long."""
RENEW_SECONDS = 600.0
"""Seconds after which an unchanged message is edited: it names a newer time, and a deleted one is noticed."""
REPOST_SECONDS = 600.0
"""Minimum seconds between two messages of one dashboard: a channel that is cleared is not filled again at once."""
NEW_SECONDS = 30.0
"""Seconds between two new messages of a site, after a burst of as many as there may be dashboards.

People who make and remove dashboards in a loop use up neither Discord's limits for posts and pins nor the time in
which the others are edited.
"""

SETTLE_SECONDS = 30.0
"""Seconds after which a message that may have been sent is in the channel, or will never be."""

NEVER, FOREVER = float("-inf"), float("inf")


class MessageStep(StrEnum):
    """The next step for a dashboard's message."""

    WAIT = "wait"
    FIND = "find"  # an earlier attempt may have arrived
    POST = "post"
    EDIT = "edit"
    PIN = "pin"
    DELETE = "delete"
    FORGET = "forget"  # the dashboard is removed, and no message is left


@dataclass(frozen=True, slots=True)
class Shown:
    """The data of this run about a dashboard's message. The times are monotonic.

    `is_current`: Discord shows the present contents. `true_at`: Unix seconds of the read that it shows.
    `sent`: the last post or attempt to edit.
    `tried`: the first attempt to post the message whose arrival is not known, or the last search for it.
    `retry_at`: nothing is tried before this time. `pin_at`: the same for pinning.
    `asked`: a person has asked for an edit now.
    """

    is_current: bool = False
    true_at: float | None = None
    sent: float = NEVER
    tried: float = NEVER
    retry_at: float = NEVER
    pin_at: float = NEVER
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """The present. `true_at`: Unix seconds of the newest read. `known`: there is something to show."""

    monotonic: float
    unix: float
    true_at: float | None
    known: bool
    run: int


def next_step(dashboard: Dashboard, shown: Shown, now: Moment) -> tuple[MessageStep, float | None]:
    """Return the next step. For WAIT, also return the monotonic time of its end, None to wait for a change."""
    if now.monotonic < shown.retry_at:
        return MessageStep.WAIT, shown.retry_at
    if dashboard.message_id is None:
        return _without_message(dashboard, shown, now)
    if dashboard.ending:
        return MessageStep.DELETE, None
    if not dashboard.pinned and now.monotonic >= shown.pin_at:
        return MessageStep.PIN, None
    due = min(_edit_due(shown, now), FOREVER if dashboard.pinned else shown.pin_at)
    if _edit_due(shown, now) <= now.monotonic:
        return MessageStep.EDIT, None
    return MessageStep.WAIT, None if due == FOREVER else due


def _without_message(dashboard: Dashboard, shown: Shown, now: Moment) -> tuple[MessageStep, float | None]:
    if dashboard.tried:
        # Discord knows the nonce for a while; the message of another run must be searched for
        is_known = dashboard.run == now.run and now.monotonic - shown.tried < NONCE_SECONDS
        if dashboard.ending and now.monotonic - shown.tried < SETTLE_SECONDS:
            return MessageStep.WAIT, shown.tried + SETTLE_SECONDS
        if dashboard.ending or not is_known:
            return MessageStep.FIND, None
        return (MessageStep.POST, None) if now.known else (MessageStep.WAIT, None)
    if dashboard.ending:
        return MessageStep.FORGET, None
    if not now.known:
        return MessageStep.WAIT, None
    left = dashboard.posted + REPOST_SECONDS - now.unix if dashboard.posted else 0.0
    if left > 0:  # after the clock was set back, it may be too long: REPOST_SECONDS limits it
        return MessageStep.WAIT, now.monotonic + min(left, REPOST_SECONDS)
    return MessageStep.POST, None


def _edit_due(shown: Shown, now: Moment) -> float:
    """Return the monotonic time of the next edit, infinity if there is nothing to show."""
    if not now.known:
        return FOREVER
    newer = now.true_at is not None and now.true_at != shown.true_at
    due = shown.sent + (RENEW_SECONDS if shown.is_current else EDIT_SECONDS)
    if shown.asked and (newer or not shown.is_current):
        due = min(due, shown.sent + REFRESH_SECONDS)
    return due


def after_loss(dashboard: Dashboard) -> Dashboard:
    """Return the dashboard without its message, which no longer exists. The next message gets another nonce."""
    return replace(dashboard, message_id=None, message=dashboard.message + 1, tried=0.0, pinned=False)
