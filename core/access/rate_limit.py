"""Limit each person's changes and requests, and how often one thing happens for all people together.

A limit of changes keeps a mistake or a stolen account from reaching every guest at once. A limit of requests
keeps one person from blocking everybody.
"""

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.clock import Clock
from core.errors import TooManyChanges, TooQuick

WINDOW_SECONDS = 60.0
PEOPLE_MOST = 1000
"""If more people are remembered, those with their whole limit free are forgotten.

`RateLimiter` counts a person once for each kind of request. If there are still too many, it forgets the oldest.
"""


class ChangeLimit:
    """Limit each person to `most` changes a minute, in any channel; 0 for no limit."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock, self._most = clock, most
        self._taken: dict[int, deque[float]] = {}

    def check(self, user_id: int) -> None:
        """Check whether `take` would succeed.

        Raises: TooManyChanges.
        """
        now, taken = self._clock.monotonic(), self._counted(user_id)
        if self._most and len(taken) >= self._most:
            raise TooManyChanges(self._most, WINDOW_SECONDS - (now - taken[0]))

    def take(self, user_id: int) -> None:
        """Count the start of a change, unless the limit refuses it.

        Raises: TooManyChanges.
        """
        self.check(user_id)
        self.charge(user_id)

    def charge(self, user_id: int) -> None:
        """Count a change, or an attempt that the access policy refused. The count never exceeds `most`."""
        taken = self._counted(user_id)
        if len(taken) < self._most:
            self._taken[user_id] = taken
            taken.append(self._clock.monotonic())

    def give_back(self, user_id: int) -> None:
        """Remove the change counted last, because it ended before anything was done."""
        if taken := self._taken.get(user_id):
            taken.pop()

    def _counted(self, user_id: int) -> deque[float]:
        """Return the monotonic times of this person's changes in the last minute.

        If too many people are remembered, forget those without a change in the last minute.
        """
        now = self._clock.monotonic()
        if len(self._taken) > PEOPLE_MOST:
            self._taken = {
                one: kept for one, kept in self._taken.items() if kept and now - kept[-1] < WINDOW_SECONDS
            }
        taken = self._taken.get(user_id, deque())
        while taken and now - taken[0] >= WINDOW_SECONDS:
            taken.popleft()
        return taken


KEYS_MOST = 500
"""If more keys are remembered, the oldest is forgotten."""


class Cooldown:
    """Let each thing happen once in `seconds`, for all people together."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._taken: dict[Hashable, float] = {}

    def take(self, key: Hashable) -> bool:
        """Return whether the thing may happen now, and count it if so."""
        now, before = self._clock.monotonic(), self._taken.get(key)
        if before is not None and now - before < self._seconds:
            return False
        self._taken.pop(key, None)
        self._taken[key] = now
        if len(self._taken) > KEYS_MOST:
            del self._taken[next(iter(self._taken))]
        return True

    def give_back(self, key: Hashable) -> None:
        """Let the thing happen again at once, because it came to nothing."""
        self._taken.pop(key, None)


class RequestKind(StrEnum):
    """Kinds of request. Each has a rate of its own, so that heavy reading keeps nobody from acting."""

    READ = "read"
    CHANGE = "change"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests at once, and one more every `every` seconds."""

    burst: int
    every: float

    def free_at(self, full_at: float) -> float:
        """Return the time from which one more is possible. `full_at`: when the whole burst is possible again."""
        return full_at - (self.burst - 1) * self.every

    def full_after_one(self, full_at: float, now: float) -> float:
        """Return when the whole burst is possible again, if one more happens now."""
        return max(full_at, now) + self.every


RATES: Mapping[RequestKind, Rate] = {
    RequestKind.READ: Rate(10, 1.0),
    RequestKind.CHANGE: Rate(20, 1.0),
    RequestKind.COMPLETION: Rate(20, 0.25),
}
AUDITED_EVERY = 60.0
"""Minimum seconds between two refusals of one person and kind that get an audit record. Others are counted."""


class RateLimiter:
    """Limit each person to the rates, whether or not the request is allowed.

    A kind without a rate is not limited.
    """

    def __init__(self, clock: Clock, rates: Mapping[RequestKind, Rate] = RATES) -> None:
        self._clock, self.rates = clock, rates
        self._full_at: dict[tuple[int, RequestKind], float] = {}
        """Monotonic time at which the whole burst is possible again."""
        self._refused: dict[tuple[int, RequestKind], tuple[float, int]] = {}
        """Monotonic time of the last recorded refusal, and the number of unrecorded ones since."""

    def take(self, user_id: int, kind: RequestKind) -> TooQuick | None:
        """Use one request, or return the refusal."""
        rate, now, key = self.rates.get(kind), self._clock.monotonic(), (user_id, kind)
        if rate is None:
            return None
        self._forget_oldest(now)
        full_at = self._full_at.pop(key, now)
        wait = rate.free_at(full_at) - now
        if wait <= 0:
            self._full_at[key] = rate.full_after_one(full_at, now)
            return None
        self._full_at[key] = full_at
        at, skipped = self._refused.pop(key, (now - AUDITED_EVERY, 0))
        is_recorded = now - at >= AUDITED_EVERY
        self._refused[key] = (now, 0) if is_recorded else (at, skipped + 1)
        return TooQuick(-int(-wait // 1), skipped if is_recorded else None)

    def _forget_oldest(self, now: float) -> None:
        """Forget people if too many are remembered: first those whose whole burst is possible, then the oldest."""
        if len(self._full_at) > PEOPLE_MOST:
            self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        for kept in (self._full_at, self._refused):
            while len(kept) > PEOPLE_MOST:
                kept.pop(next(iter(kept)))
