"""Define the port to the stored audit trail: its entries, filters and cursors."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from core.audit.record import AuditRecord
from core.clock import Clock
from core.cluster.cache import FRESH_SECONDS

WAIT_SECONDS = 2.0
"""Seconds that anybody waits for a change to be stored. Discord waits three for an answer."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A stored record.

    `attempt`: id of the attempt's first record. `began` and `at`: Unix seconds of the first and this record.
    `site`: name of the site, "" if there is only one, or for an attempt that concerned none.
    """

    id: int
    attempt: int
    began: float
    at: float
    record: AuditRecord
    site: str = ""


class TrailExtent(StrEnum):
    """The wanted part of the trail."""

    RECORDS = "records"  # every attempt as it is stored
    ENTRIES = "entries"  # every attempt except answered questions, whose answers are attempts of their own
    CHANGES = "changes"  # the entries without allowed reads, dry runs and refusals of mistyped options


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Filter of attempts. None means all, and so does "" as the operation. `since`: earliest start in Unix seconds.

    `until`: highest id of an attempt to include. It keeps the pages stable while records are added.
    `site`: name of a site, or "" as in AuditEntry.
    """

    vmid: int | None = None
    person_id: int | None = None
    operation: str = ""
    since: float | None = None
    until: int | None = None
    site: str | None = None
    extent: TrailExtent = TrailExtent.RECORDS


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be stored. `at`: Unix seconds. `attempt`: id of an earlier record of the same attempt."""

    record: AuditRecord
    at: float
    attempt: int | None = None


@dataclass(slots=True, eq=False)
class Ticket:
    """Stand for a record that is to be stored. `id`: the record's id once it is stored."""

    id: int | None = None


class Stream(StrEnum):
    """Queues to the audit channel. Refusals wait for all changes."""

    CHANGES = "changes"
    REFUSALS = "refusals"


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """The point up to which a stream was posted. `posted`: id of the last record that was posted or needs no line.

    `there`: Discord's id of the last message, 0 if there is none.
    `tried`: last record id of a message that Discord may or may not have, 0 if there is none.
    `tried_at`: Unix seconds at which that message was sent.
    `rejected`: why the last line of the stream was left out, "" if it was posted. Discord rejects even fewer words.
    `left_out_at`: Unix seconds at which a line was last left out for that reason, 0 for never.
    """

    posted: int
    there: int = 0
    tried: int = 0
    tried_at: float = 0.0
    rejected: str = ""
    left_out_at: float = 0.0


class AuditStore(Protocol):
    """The stored records. They are only added to, and pruned as whole attempts.

    Every method may raise JournalFailed.
    """

    async def audit_add_all(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        """Add all of these records durably or none, and return their ids. Later records have higher ids.

        Wait, however long a hung disk takes, until it is known whether the records are stored.
        """

    async def audit_page(
        self, wanted: AuditFilter, offset: int, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int]:
        """Return the latest record of each attempt on a page, newest attempt first, and the total of attempts."""

    async def audit_people(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Return ids and latest names of the people who asked for something, latest first."""

    async def audit_export(
        self, wanted: AuditFilter, before: int | None, limit: int
    ) -> tuple[tuple[AuditEntry, ...], int | None]:
        """Return attempts older than `before` as `audit_page` does, and the id for the next call.

        `before`: an attempt's id; None: all. The returned id is None at the end. New attempts do not shift the
        result.
        """

    async def audit_after(
        self, after: int, limit: int, stream: Stream | None = None
    ) -> tuple[tuple[AuditEntry, ...], int]:
        """Return a stream's records (None: all) with ids above `after`, oldest first, and the last id covered."""

    async def audit_last(self) -> int:
        """Return the id of the newest record, 0 if there is none."""

    async def audit_open(self) -> tuple[AuditEntry, ...]:
        """Return the latest record of each attempt of this site that was begun and has no result."""

    async def audit_unknown(self, since: float) -> tuple[AuditEntry, ...]:
        """Return the latest record of each attempt of this site whose result is unknown and may still be found out.

        Records before `since` (Unix seconds) are left out.
        """

    async def audit_upids(self, vmid: int, after: int, but: int) -> frozenset[str]:
        """Return the UPIDs of a guest of this site from records with ids above `after`.

        Those of the attempt `but` are left out.
        """

    async def audit_cursor(self, stream: Stream = Stream.CHANGES) -> AuditCursor | None: ...

    async def audit_put_cursor(self, cursor: AuditCursor | None, stream: Stream = Stream.CHANGES) -> None: ...

    async def audit_prune(self, before: float, after: int = 0) -> int | None:
        """Delete the attempts whose records are all older than `before` (Unix seconds).

        Check only the next attempts with ids above `after`. Return the `after` of the next call, None at the end.
        """


class PeopleReader:
    """Read people's names for completions. Keep them FRESH_SECONDS seconds, as long as a read of the cluster."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._kept: tuple[float, tuple[tuple[int, str], ...]] | None = None

    async def read(self, most: int) -> tuple[tuple[int, str], ...]:
        """Return `AuditStore.audit_people`, at most FRESH_SECONDS seconds old.

        `most`: the same number in every call, because a kept answer is returned whole.
        Raises: JournalFailed.
        """
        now = self._clock.monotonic()
        if self._kept is None or now - self._kept[0] >= FRESH_SECONDS:
            self._kept = now, await self._store.audit_people(most)
        return self._kept[1]
