"""Decide about alerts that had to wait: how late they are, which are superfluous, and which share a line."""

from collections.abc import Sequence

from core.clock import Clock
from core.watch.incidents.model import Message, MessageKind
from core.watch.journal import OutboxMessage

LATE_SECONDS = 60.0
"""A message posted more than this many seconds after it was made mentions its delay."""
STALE_PAIR_SECONDS = 15 * 60.0
"""Age in seconds above which an unposted opening replaces the waiting recovery of its incident."""


def delay_of(message: OutboxMessage) -> float | None:
    """Return the seconds by which a posted message was late, None if it was on time."""
    return message.late if message.late > LATE_SECONDS else None


def find_superfluous(waiting: Sequence[OutboxMessage]) -> list[int]:
    """Return the ids of reminders that are not needed: the incident is over, or another waiting message covers it.

    Messages that were tried before are ignored, because Discord may have them already.
    """
    fresh = [each for each in waiting if not each.tried]
    openings = {each.stored.incidents for each in fresh if each.stored.post is MessageKind.OPENING}
    reminders = [each for each in fresh if each.stored.post is MessageKind.REMINDER]
    newest = {each.stored.incidents: each.stored.id for each in reminders}
    return [
        each.stored.id
        for each in reminders
        if not any(incident.open for incident in each.incidents)
        or each.stored.incidents in openings
        or newest[each.stored.incidents] != each.stored.id
    ]


class AlertAges:
    """Keep the age of each message by the monotonic clock: jumps of the wall clock make no message late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._created_at: dict[int, float] = {}

    def note_created(self, *message_ids: int) -> None:
        """Note that these messages were stored now."""
        self._created_at |= dict.fromkeys(message_ids, self._clock.monotonic())

    def age(self, message: Message) -> float:
        """Return the age in seconds. A message of an earlier run is first dated by the wall clock."""
        made = self._created_at.get(message.id)
        if made is not None:
            return self._clock.monotonic() - made
        age = max(0.0, self._clock.now() - message.created)
        self._created_at[message.id] = self._clock.monotonic() - age
        return age

    def forget(self, message_id: int) -> None:
        self._created_at.pop(message_id, None)

    def __len__(self) -> int:
        return len(self._created_at)


def recovery_of(message: OutboxMessage, waiting: Sequence[OutboxMessage]) -> int | None:
    """Return the id of the waiting recovery of this opening's incident, None if there is none."""
    if message.stored.post is not MessageKind.OPENING:
        return None
    for other in waiting:
        if other.stored.post is MessageKind.RECOVERY and other.stored.incidents == message.stored.incidents:
            return other.stored.id
    return None
