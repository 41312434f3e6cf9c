"""How much one person may change: so that a mistake, or a stolen account, does not reach every guest at once."""

from collections import deque

from core.clock import Clock
from core.errors import TooManyChanges

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
        now, taken = self._clock.monotonic(), self._of(user_id)
        if self._most and len(taken) >= self._most:
            raise TooManyChanges(self._most, WINDOW_SECONDS - (now - taken[0]))

    def take(self, user_id: int) -> None:
        """One change of this person begins. Raises TooManyChanges, which counts for nothing."""
        self.check(user_id)
        self.charge(user_id)

    def charge(self, user_id: int) -> None:
        """Count an attempt that access refused; never more of them than `most`."""
        taken = self._of(user_id)
        if len(taken) < self._most:
            self._taken[user_id] = taken
            taken.append(self._clock.monotonic())

    def give_back(self, user_id: int) -> None:
        """The change that was taken last came to nothing before anything was done."""
        if taken := self._taken.get(user_id):
            taken.pop()

    def _of(self, user_id: int) -> deque[float]:
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
