"""How much one person may change, so that a mistake, or a stolen account, does not reach every guest at once; and
how quickly they may ask, so that nobody stands in everybody's way."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.clock import Clock
from core.errors import TooManyChanges, TooQuick

WINDOW_SECONDS = 60.0
PEOPLE_MOST = 1000
"""So many people are remembered before those are forgotten of whom nothing counts any more."""


class ChangeLimit:
    """At most `most` changes a minute for each person, in any channel; 0 for as many as they like."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock, self._most = clock, most
        self._taken: dict[int, deque[float]] = {}

    def check(self, user_id: int) -> None:
        """Raises TooManyChanges where `take` would."""
        now, taken = self._clock.monotonic(), self._counted(user_id)
        if self._most and len(taken) >= self._most:
            raise TooManyChanges(self._most, WINDOW_SECONDS - (now - taken[0]))

    def take(self, user_id: int) -> None:
        """One change of this person begins. Raises TooManyChanges, which counts for nothing."""
        self.check(user_id)
        self.charge(user_id)

    def charge(self, user_id: int) -> None:
        """Count an attempt that access refused; never more of them than `most`."""
        taken = self._counted(user_id)
        if len(taken) < self._most:
            self._taken[user_id] = taken
            taken.append(self._clock.monotonic())

    def give_back(self, user_id: int) -> None:
        """The change that was taken last came to nothing before anything was done."""
        if taken := self._taken.get(user_id):
            taken.pop()

    def _counted(self, user_id: int) -> deque[float]:
        """What still counts of this person; the others whose minute is over are forgotten."""
        now = self._clock.monotonic()
        if len(self._taken) > PEOPLE_MOST:
            self._taken = {
                one: kept for one, kept in self._taken.items() if kept and now - kept[-1] < WINDOW_SECONDS
            }
        taken = self._taken.get(user_id, deque())
        while taken and now - taken[0] >= WINDOW_SECONDS:
            taken.popleft()
        return taken


class RequestKind(StrEnum):
    """What is asked for, each with a pace of its own: reading much hinders nobody from acting."""

    READ = "read"
    CHANGE = "change"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and one more every so many seconds."""

    burst: int
    every: float


RATES: Mapping[RequestKind, Rate] = {
    RequestKind.READ: Rate(10, 1.0),
    RequestKind.CHANGE: Rate(20, 1.0),
    RequestKind.COMPLETION: Rate(20, 0.25),
}
AUDITED_EVERY = 60.0
"""Seconds between two refusals of one person that the audit keeps one by one; those between are counted."""


class RateLimiter:
    """Holds each person to the rates, whether or not what they ask for is allowed. What has no rate is not held."""

    def __init__(self, clock: Clock, rates: Mapping[RequestKind, Rate] = RATES) -> None:
        self._clock, self.rates = clock, rates
        self._used: dict[tuple[int, RequestKind], float] = {}
        """When all that was taken is made up for, on the monotonic clock."""
        self._refused: dict[tuple[int, RequestKind], tuple[float, int]] = {}
        """When a refusal was last kept, and how many were not since."""

    def take(self, user_id: int, kind: RequestKind) -> TooQuick | None:
        """Take one, or say why not."""
        rate, now, key = self.rates.get(kind), self._clock.monotonic(), (user_id, kind)
        if rate is None:
            return None
        self._forget_oldest(now)
        used = max(now, self._used.pop(key, now))
        wait = used - now - (rate.burst - 1) * rate.every
        if wait <= 0:
            self._used[key] = used + rate.every
            return None
        self._used[key] = used
        at, skipped = self._refused.pop(key, (now - AUDITED_EVERY, 0))
        news = now - at >= AUDITED_EVERY
        self._refused[key] = (now, 0) if news else (at, skipped + 1)
        return TooQuick(-int(-wait // 1), skipped if news else None)

    def _forget_oldest(self, now: float) -> None:
        """Remember so many people at most: those who used up nothing first, then those who asked longest ago."""
        if len(self._used) > PEOPLE_MOST:
            self._used = {key: used for key, used in self._used.items() if used > now}
        for kept in (self._used, self._refused):
            while len(kept) > PEOPLE_MOST:
                kept.pop(next(iter(kept)))
