"""Write the audit trail as a CSV file: one attempt per row, the newest first.

The file is UTF-8 with a byte order mark, because Excel misreads Japanese without it. A sign that a
spreadsheet could take for the start of a formula gets an apostrophe in front. Every text is on one line, without
characters that change the text direction.
"""

import csv
import datetime
import io
import re

from core.audit.record import ending_of
from core.audit.store import AuditEntry, AuditFilter, AuditStore
from core.clock import Clock
from ui.formatting import plain

BYTES_MOST = 9_500_000
"""Maximum bytes of the file. Discord accepts 10 MiB, and the rest of the request counts too."""
CHUNK = 250
"""Attempts per read. Writing them holds up the event loop for a few milliseconds."""
COLUMNS = (
    *(
        "attempt",
        "began",
        "recorded",
        "ending",
        "person_id",
        "person",
        "way",
        "channel_id",
        "operation",
        "vmid",
    ),
    *("guest", "node", "state", "detail", "reason", "outcome", "upid", "seconds", "times"),
)
SITE_COLUMN = "site"
"""A further column, if there are several sites. It is empty for an attempt that concerned no site."""
INTERACTION_COLUMN = "interaction_id"
"""The last column: the number of the interaction, which the log lines about the attempt name, too.

For repeats that share a row it is the number of the first.
"""
_FORMULA = re.compile(r"(^\s*|[;|,]\s*)([=+\-@＝＋－＠])")
"""Matches a formula sign where a spreadsheet may see the start of a cell, for every separator in use."""


def csv_cell(value: str | float | None) -> str | float:
    """Make a value safe for a cell.

    Numbers stay numbers. A text cannot be a formula. Invisible characters and unpaired surrogates are removed.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    return _FORMULA.sub(r"\1'\2", plain(value, len(value) + 1))


def csv_row(entry: AuditEntry, zone: datetime.tzinfo, *, with_sites: bool = False) -> list[str | float]:
    record, actor = entry.record, entry.record.actor
    values: tuple[str | float | None, ...] = (
        entry.attempt,
        _time(entry.began, zone),
        _time(entry.at, zone),
        ending_of(record).value,
        actor.user_id,
        actor.name,
        actor.interaction_kind.value,
        actor.place.channel_id,
        record.operation,
        record.vmid,
        record.guest,
        record.node,
        record.state,
        record.detail,
        record.reason,
        record.outcome,
        record.upid,
        round(record.seconds, 1),
        record.times,
        *((entry.site,) if with_sites else ()),
        record.interaction_id,
    )
    return [csv_cell(value) for value in values]


async def audit_csv(
    journal: AuditStore,
    clock: Clock,
    wanted: AuditFilter,
    zone: datetime.tzinfo,
    most: int = BYTES_MOST,
    *,
    with_sites: bool = False,
) -> tuple[bytes, int, bool]:
    """Return the file, the number of attempts in it, and whether these are all.

    `most`: maximum bytes of the file. `with_sites`: add the column of the site.
    Other work runs between two chunks.
    Raises: JournalFailed.
    """
    columns = [*COLUMNS, *([SITE_COLUMN] if with_sites else []), INTERACTION_COLUMN]
    whole, count, before = bytearray(b"\xef\xbb\xbf" + _line([*columns])), 0, None
    while True:
        found, before = await journal.audit_export(wanted, before, CHUNK)
        for each in found:
            line = _line(csv_row(each, zone, with_sites=with_sites))
            if len(whole) + len(line) > most:
                return bytes(whole), count, False
            whole += line
            count += 1
        if before is None:
            return bytes(whole), count, True
        await clock.sleep(0)


def _line(values: list[str | float]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(values)
    return text.getvalue().encode("utf-8")


def _time(unix: float, zone: datetime.tzinfo) -> str:
    return datetime.datetime.fromtimestamp(unix, zone).isoformat(timespec="seconds")
