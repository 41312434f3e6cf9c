"""Remember the bot's own recent actions, because the guest list shows their effect late."""

from core.clock import Clock
from core.guest import Guest, State
from core.watch.incidents.observation import LAG_SECONDS, Observation

ACTED_SECONDS = 120.0
"""Seconds for which a list may still show a guest as it was before the action."""


class RecentActions:
    """For each VMID, keep the monotonic time of the bot's last action and the guest's uptime then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: dict[int, tuple[float, float]] = {}

    def note(self, vmid: int, after: Guest | None) -> None:
        self._done[vmid] = (self._clock.monotonic(), _uptime(after))

    def outdated(self, observation: Observation, began: float) -> frozenset[int]:
        """Return the guests that this poll shows as they were before the bot's action.

        `began`: monotonic time at which the poll started.
        """
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
