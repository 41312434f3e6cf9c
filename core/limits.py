"""How much one person may change: so that a mistake, or a stolen account, does not reach every guest at once."""

from collections import defaultdict, deque

from core.clock import Clock
from core.errors import TooManyChanges

WINDOW_SECONDS = 60.0


class ChangeLimit:
    """At most `most` changes a minute for each person, in any channel; 0 for as many as they like."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock, self._most = clock, most
        self._taken: defaultdict[int, deque[float]] = defaultdict(deque)

    def take(self, user_id: int) -> None:
        """One change of this person begins. Raises TooManyChanges, which counts for nothing."""
        if not self._most:
            return
        now, taken = self._clock.monotonic(), self._taken[user_id]
        while taken and now - taken[0] >= WINDOW_SECONDS:
            taken.popleft()
        if len(taken) >= self._most:
            raise TooManyChanges(self._most, WINDOW_SECONDS - (now - taken[0]))
        taken.append(now)

    def give_back(self, user_id: int) -> None:
        """The change that was taken last came to nothing before anything was done."""
        if self._taken[user_id]:
            self._taken[user_id].pop()
