"""The watch's state as the journal has it: nothing of it counts before it is written."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from core.watch.incident_log import incident_line
from core.watch.incidents.state import Outcome, WatchState
from core.watch.journal import Batch, Journal
from core.watch.records import ORDERED, changes, records_of, state_from

_log = logging.getLogger(__name__)


class Kept:
    """`state` is what was stored last."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.state = WatchState()
        self._stored: dict[str, object] = {}
        self.on_messages: Callable[[tuple[int, ...]], None] = _nobody
        """Told the ids of messages that have just been stored."""

    def load(self, unix: float) -> dict[int, str]:
        """Read the state; the orders of a former run: VMID -> by whom. Raises JournalFailed."""
        records = self._journal.records()
        self.state = state_from(records, self._journal.open_incidents())
        if "pulse" not in records:  # buttons of a journal that is lost must not fit the incidents of this one
            self.state = replace(self.state, pulse=replace(self.state.pulse, last_id=int(unix)))
        self._stored = records_of(self.state)
        return {int(key.removeprefix(ORDERED)): by for key, by in records.items() if key.startswith(ORDERED)}

    def write_again(self, orders: Mapping[int, str]) -> None:
        """All of the state, and who ordered which guest's stop, into a journal that has lost it. Raises
        JournalFailed."""
        written = changes({}, records_of(self.state))
        written |= {f"{ORDERED}{vmid}": by for vmid, by in orders.items()}
        self._journal.commit(Batch(written, tuple(self.state.open.values())))

    def note_order(self, vmid: int, by: str | None) -> None:
        """Raises JournalFailed."""
        self._journal.commit(Batch(records={f"{ORDERED}{vmid}": by}))

    def commit(self, outcome: Outcome, expired: Iterable[int] = ()) -> None:
        """All of it or nothing; `expired` orders are noted no longer, as those heeded. Raises JournalFailed."""
        after = records_of(outcome.state)
        written = changes(self._stored, after)
        over = (*outcome.heeded, *expired)  # an order counts once
        written |= dict.fromkeys(f"{ORDERED}{vmid}" for vmid in over)
        self._journal.commit(Batch(written, outcome.incidents, outcome.messages))
        self.state, self._stored = outcome.state, after
        for incident in outcome.incidents:
            _log.info("%s", incident_line(incident))
        if outcome.messages or outcome.incidents:
            self.on_messages(tuple(message.id for message in outcome.messages))


def _nobody(message_ids: tuple[int, ...]) -> None:
    """Before bot.py has said who sends them."""
