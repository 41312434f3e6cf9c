"""What the bot itself has just done to guests: lists show it late, and a look may have begun before it was done."""

from core.clock import Clock
from core.guest import Guest, State
from core.watch.incidents.observation import LAG_SECONDS, Observation

ACTED_SECONDS = 120.0
"""How long a list may show a guest as it was before."""


class RecentActions:
    """By VMID: when the bot was done with it, on the monotonic clock, and its uptime then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: dict[int, tuple[float, float]] = {}

    def note(self, vmid: int, after: Guest | None) -> None:
        self._done[vmid] = (self._clock.monotonic(), _uptime(after))

    def outdated(self, observation: Observation, began: float) -> frozenset[int]:
        """The guests that this look, begun then, shows as they were before."""
        now = self._clock.monotonic()
        self._done = {vmid: done for vmid, done in self._done.items() if now - done[0] < ACTED_SECONDS}
        found = set()
        for vmid, (at, uptime) in self._done.items():
            guest = observation.cluster.find(vmid) if observation.cluster else None
            if at >= began or _uptime(guest) > uptime + now - at + LAG_SECONDS:
                found.add(vmid)
        return frozenset(found)


def _uptime(guest: Guest | None) -> float:
    return float(guest.uptime or 0) if guest and guest.state is State.RUNNING else 0.0
