"""Limit how fast something happens, whoever asks for it."""

from core.access.rate_limit import Rate
from core.clock import Clock


class Pace:
    """Count things that happen, and say when the next one may. `take` checks nothing: look at `free_at` first."""

    def __init__(self, clock: Clock, rate: Rate) -> None:
        self._clock, self._rate = clock, rate
        self._full_at = 0.0
        """Monotonic time at which the whole burst is possible again."""

    @property
    def free_at(self) -> float:
        """Monotonic time from which the next thing may happen."""
        return self._rate.free_at(self._full_at)

    def take(self) -> None:
        """Count a thing that happens now."""
        self._full_at = self._rate.full_after_one(self._full_at, self._clock.monotonic())
