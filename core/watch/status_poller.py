"""Asking for the watched guests whose state the list does not have: a few in a look, in turns, within a time."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from core.clock import Clock
from core.errors import BotError
from core.guest import Guest, State
from core.proxmox import Proxmox

ASK_LEAST, ASK_MOST = 5, 25
"""So many are asked for in a look: five, or more where otherwise not each had its turn in TURN_LOOKS."""
TURN_LOOKS = 20
ASK_SECONDS = 6.0
"""How long all of them together may take. Those that have not answered by then have their turn again."""

_log = logging.getLogger(__name__)


class StatusPoller:
    """Remembers whose turn it is. Of a node that did not answer the last time one guest is asked for, to try it."""

    def __init__(self, proxmox: Proxmox, clock: Clock) -> None:
        self._proxmox, self._clock = proxmox, clock
        self._asked: dict[int, float] = {}
        self._silent: frozenset[str] = frozenset()

    async def ask(self, unknown: Sequence[Guest]) -> dict[int, Guest]:
        """Those that answered with a state, by VMID. Does not raise, and takes ASK_SECONDS at most."""
        if not unknown:
            self._asked, self._silent = {}, frozenset()
            return {}
        chosen = self._turn(unknown)
        self._asked = {guest.vmid: self._asked.get(guest.vmid, 0.0) for guest in unknown}
        self._asked |= {guest.vmid: self._clock.monotonic() for guest in chosen}
        asking = {asyncio.ensure_future(self._status(guest)): guest for guest in chosen}
        try:
            done, late = await asyncio.wait(asking, timeout=ASK_SECONDS)
        except asyncio.CancelledError:
            for task in asking:
                task.cancel()
            raise
        for task in late:
            task.cancel()
        answers = {asking[task].vmid: answer for task in done if (answer := task.result()) is not None}
        tried = {guest.node for guest in chosen}
        self._silent = frozenset((self._silent | tried) - {answer.node for answer in answers.values()})
        return {vmid: answer for vmid, answer in answers.items() if answer.state is not State.UNKNOWN}

    def _turn(self, unknown: Sequence[Guest]) -> list[Guest]:
        most = min(ASK_MOST, max(ASK_LEAST, -(-len(unknown) // TURN_LOOKS)))
        in_turn = sorted(unknown, key=lambda guest: (self._asked.get(guest.vmid, 0.0), guest.vmid))
        speaking = [guest for guest in in_turn if guest.node not in self._silent]
        trials = _first_of_each(guest for guest in in_turn if guest.node in self._silent)
        room = most - min(len(trials), most // 2 if speaking else most)
        chosen = speaking[:room]
        return chosen + trials[: most - len(chosen)]

    async def _status(self, guest: Guest) -> Guest | None:
        try:
            return await self._proxmox.status(guest, quick=True)
        except (BotError, ValueError) as error:  # ValueError: the list has a node's name that is none
            _log.info("the state of %d is not known, and asking for it failed: %s", guest.vmid, error)
            return None


def _first_of_each(guests: Iterable[Guest]) -> list[Guest]:
    """The first guest of each node."""
    first: dict[str, Guest] = {}
    for guest in guests:
        first.setdefault(guest.node, guest)
    return list(first.values())
