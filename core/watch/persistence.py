"""The watch's state as the journal has it: nothing of it counts before it is written."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from core.watch.incident_log import incident_line
from core.watch.incidents.state import Outcome, WatchState
from core.watch.journal import Batch, Journal
from core.watch.records import EXPECTED_STOP, changed_records, decode_state, encode_state

_log = logging.getLogger(__name__)


class Persistence:
    """`state` is what was stored last."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.state = WatchState()
        self._stored: dict[str, object] = {}
        self.on_messages: Callable[[tuple[int, ...]], None] = _ignore
        """Told the ids of messages that have just been stored."""

    def load(self, unix: float) -> dict[int, str]:
        """Read the state; the orders of a former run: VMID -> by whom. Raises JournalFailed."""
        records = self._journal.records()
        self.state = decode_state(records, self._journal.open_incidents())
        if "pulse" not in records:  # buttons of a journal that is lost must not fit the incidents of this one
            self.state = replace(self.state, pulse=replace(self.state.pulse, last_id=int(unix)))
        self._stored = encode_state(self.state)
        return {
            int(key.removeprefix(EXPECTED_STOP)): by
            for key, by in records.items()
            if key.startswith(EXPECTED_STOP)
        }

    def rewrite(self, orders: Mapping[int, str]) -> None:
        """All of the state, and who ordered which guest's stop, into a journal that has lost it. Raises
        JournalFailed."""
        written = changed_records({}, encode_state(self.state))
        written |= {f"{EXPECTED_STOP}{vmid}": by for vmid, by in orders.items()}
        self._journal.commit(Batch(written, tuple(self.state.open.values())))

    def note_expected_stop(self, vmid: int, by: str | None) -> None:
        """Raises JournalFailed."""
        self._journal.commit(Batch(records={f"{EXPECTED_STOP}{vmid}": by}))

    def commit(self, outcome: Outcome, expired: Iterable[int] = ()) -> None:
        """All of it or nothing; `expired` orders are noted no longer, as those heeded. Raises JournalFailed."""
        after = encode_state(outcome.state)
        written = changed_records(self._stored, after)
        over = (*outcome.seen_stops, *expired)  # an order counts once
        written |= dict.fromkeys(f"{EXPECTED_STOP}{vmid}" for vmid in over)
        self._journal.commit(Batch(written, outcome.incidents, outcome.messages))
        self.state, self._stored = outcome.state, after
        for incident in outcome.incidents:
            _log.info("%s", incident_line(incident))
        if outcome.messages or outcome.incidents:
            self.on_messages(tuple(message.id for message in outcome.messages))


def _ignore(message_ids: tuple[int, ...]) -> None:
    """Before bot.py has said who sends them."""
