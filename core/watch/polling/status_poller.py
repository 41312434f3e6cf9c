"""Query single guests whose state is missing from the guest list: a few per poll, in turn, within a time limit."""

import logging
from collections.abc import Iterable, Sequence

from core.clock import Clock, results_within
from core.errors import BotError
from core.guest import Guest, State
from core.proxmox import Proxmox

ASK_LEAST, ASK_MOST = 5, 25
"""Bounds of the number of guests queried per poll: as many as give each a turn within `TURN_POLLS` polls.

On nodes that do not answer fewer are queried.
"""
TURN_POLLS = 20
ASK_SECONDS = 6.0
"""Seconds that all queries of one poll may take together.

Guests that have not answered by then are queried again.
"""

_log = logging.getLogger(__name__)


class StatusPoller:
    """Query guests in turn, those that have waited longest first.

    If a node did not answer last time, only one of its guests is queried as a trial.
    """

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._asked: dict[int, float] = {}
        """Monotonic time of the last query, by VMID; 0 if there was none."""
        self._silent: frozenset[str] = frozenset()
        """Nodes of which no guest answered when one was last queried."""

    async def ask(self, unknown: Sequence[Guest]) -> dict[int, Guest]:
        """Return the guests that answered with a state, by VMID.

        Does not raise, and takes at most `ASK_SECONDS`.
        """
        if not unknown:
            self._asked, self._silent = {}, frozenset()
            return {}
        chosen = self._turn(unknown)
        self._asked = {guest.vmid: self._asked.get(guest.vmid, 0.0) for guest in unknown}
        self._asked |= {guest.vmid: self._clock.monotonic() for guest in chosen}
        read = await results_within(ASK_SECONDS, {guest.vmid: self._status(guest) for guest in chosen})
        answers = {vmid: answer for vmid, answer in read.items() if answer is not None}
        tried = {guest.node for guest in chosen}
        self._silent = frozenset((self._silent | tried) - {answer.node for answer in answers.values()})
        return {vmid: answer for vmid, answer in answers.items() if answer.state is not State.UNKNOWN}

    def _turn(self, unknown: Sequence[Guest]) -> list[Guest]:
        most = min(ASK_MOST, max(ASK_LEAST, -(-len(unknown) // TURN_POLLS)))
        in_turn = sorted(unknown, key=lambda guest: (self._asked.get(guest.vmid, 0.0), guest.vmid))
        speaking = [guest for guest in in_turn if guest.node not in self._silent]
        trials = _first_of_each(guest for guest in in_turn if guest.node in self._silent)
        room = most - min(len(trials), most // 2 if speaking else most)
        chosen = speaking[:room]
        return chosen + trials[: most - len(chosen)]

    async def _status(self, guest: Guest) -> Guest | None:
        try:
            return await self._proxmox.status(guest, quick=True)
        except (BotError, ValueError) as error:  # ValueError: the list contains an invalid node name
            _log.info("the state of guest %d is unknown and could not be queried: %s", guest.vmid, error)
            return None


def _first_of_each(guests: Iterable[Guest]) -> list[Guest]:
    """Return the first guest of each node."""
    first: dict[str, Guest] = {}
    for guest in guests:
        first.setdefault(guest.node, guest)
    return list(first.values())
