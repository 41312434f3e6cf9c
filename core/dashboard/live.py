"""Hold one dashboard while the bot runs: its stored data, and the data of this run only."""

import logging
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from core.dashboard.model import Dashboard
from core.dashboard.steps import NEVER, Shown
from core.delivery.outbox import LONG_PAUSE, PAUSES

C = TypeVar("C")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DashboardFault:
    """Why a dashboard is not as it should be. `pinning`: only its pin is missing. `since`: Unix seconds."""

    reason: str
    since: float
    pinning: bool = False


@dataclass(slots=True)
class LiveDashboard(Generic[C]):
    """A dashboard while the bot runs. `view`: as Discord shows it, None if that is unknown.

    `failures`: temporary failures, also of the journal, since the last post or edit.
    `is_stored`: `dashboard` is stored as it is here.
    `limited_until`: monotonic end of a wait that Discord asked for. Pins have their own wait (`Shown.pin_at`).
    """

    dashboard: Dashboard
    view: C | None = None
    shown: Shown = field(default_factory=Shown)
    failures: int = 0
    fault: DashboardFault | None = None
    is_stored: bool = True
    limited_until: float = NEVER

    def change(self, **values: Any) -> None:
        """Change the stored data of the dashboard. It must be stored after that."""
        self.dashboard = replace(self.dashboard, **values)
        self.is_stored = False

    def note(self, **values: Any) -> None:
        """Change the data of this run only."""
        self.shown = replace(self.shown, **values)

    def next_pause(self) -> float:
        """Count a temporary failure, and return the seconds until the next attempt."""
        self.failures += 1
        return PAUSES[self.failures - 1] if self.failures <= len(PAUSES) else LONG_PAUSE

    def note_fault(self, reason: str, now: float, *, pinning: bool = False) -> None:
        """Note why the dashboard is not as it should be. A reason is logged when it is new, not while it lasts."""
        known = self.fault
        if known and known.reason == reason and known.pinning == pinning:
            return
        _log.warning("a dashboard cannot be %s: %s", "pinned" if pinning else "kept", reason)
        self.fault = DashboardFault(reason, now, pinning)
