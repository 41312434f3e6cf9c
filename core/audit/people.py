"""Read the people in the audit trail, for completions."""

from core.audit.trail import AuditStore
from core.clock import Clock
from core.cluster_cache import FRESH_SECONDS


class PeopleReader:
    """Keep the names for completions as long as a read of the cluster (FRESH_SECONDS seconds)."""

    def __init__(self, book: AuditStore, clock: Clock) -> None:
        self._book, self._clock = book, clock
        self._kept: tuple[float, tuple[tuple[int, str], ...]] | None = None

    def read(self, most: int) -> tuple[tuple[int, str], ...]:
        """Return `AuditStore.audit_people`, at most FRESH_SECONDS seconds old.

        Raises: JournalFailed.
        """
        now = self._clock.monotonic()
        if self._kept is None or now - self._kept[0] >= FRESH_SECONDS:
            self._kept = now, self._book.audit_people(most)
        return self._kept[1]
