"""Limit how fast something happens, whoever asks for it."""

from core.clock import Clock


class Pace:
    """Let `burst` things happen at once, and one more every `every` seconds."""

    def __init__(self, clock: Clock, burst: int, every: float) -> None:
        self._clock, self._burst, self._every = clock, burst, every
        self._full_at = 0.0
        """Monotonic time at which the whole burst is possible again."""

    @property
    def free_at(self) -> float:
        """Monotonic time from which the next thing may happen."""
        return self._full_at - (self._burst - 1) * self._every

    def take(self) -> None:
        """Count a thing that happens now."""
        self._full_at = max(self._full_at, self._clock.monotonic()) + self._every
