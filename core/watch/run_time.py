"""Count the time of the watch within a run of the bot, and across runs."""

from collections.abc import Callable

from core.clock import Clock
from core.watch.incidents.state import PollState, StepTime


class RunTime:
    """Make the time of each step. `quiet`: whether these Unix seconds lie within the quiet hours."""

    def __init__(self, clock: Clock, quiet: Callable[[float], bool]) -> None:
        self._clock, self._quiet = clock, quiet
        self._polled = 0.0
        self._stepped: float | None = None
        self._away = True

    def elapsed(self, pulse: PollState) -> float:
        """Return the present value of `PollState.elapsed`, in seconds.

        It follows the monotonic clock. Before the first stored poll of a run it adds the wall time since the earlier
        run, at least 0.
        """
        if self._stepped is None:
            now = self._clock.now()
            return pulse.elapsed + max(0.0, now - (pulse.unix or now))
        return pulse.elapsed + self._clock.monotonic() - self._stepped

    def at_poll(self, pulse: PollState) -> StepTime:
        """Return the time of a poll. Later times are counted from it once the poll is stored (`on_stored`)."""
        unix, self._polled = self._clock.now(), self._clock.monotonic()
        passed = self.elapsed(pulse) - pulse.elapsed
        return StepTime(unix, passed, self._stepped is None, self._away, self._quiet(unix))

    def between_polls(self, pulse: PollState) -> StepTime:
        """Return the time of a change between two polls."""
        unix = self._clock.now()
        return StepTime(unix, self.elapsed(pulse) - pulse.elapsed, quiet=self._quiet(unix))

    def on_stored(self, *, good: bool) -> None:
        """Note that the last poll is stored. `good`: Proxmox could be read."""
        self._stepped = self._polled
        self._away = self._away and not good
