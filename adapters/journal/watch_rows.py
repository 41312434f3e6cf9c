"""Store incidents, messages and records (texts by key) in journal.db. A part of adapters/journal/store.py.

It holds most of their SQL, and converts them to and from rows. adapters/journal/site_journal.py has the short
statements. `db`: the connection of a running transaction. adapters/journal/database.py translates the errors.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from adapters.journal.schema import decode_text, encode_text
from adapters.journal.site_rows import is_of_other_site, record_prefix, record_range
from core.codec import decode, encode
from core.watch.incidents.model import Incident, Message, MessageKind
from core.watch.journal import Backlog, Batch, OutboxMessage

T = TypeVar("T")

PIECE = 500
"""Approximate number of messages, and of incidents, deleted in one pruning step.

A step delays other changes by a few milliseconds.
"""

ABSORB = "UPDATE messages SET status = 'absorbed' WHERE id = ? AND status = 'waiting'"
_SETTLED = """
    SELECT id FROM messages WHERE max(created, tried_at) < :before
    AND status != 'waiting' AND NOT (status = 'posted' AND shown < wanted)
    AND NOT (post = 'opening' AND EXISTS (
        SELECT 1 FROM incidents WHERE incidents.id = incident AND (ended IS NULL OR ended >= :before)
    )) LIMIT :most
"""
_UNSETTLED = "SELECT json FROM messages WHERE status = 'waiting' OR (status = 'posted' AND shown < wanted)"


@dataclass(frozen=True, slots=True)
class BatchRows:
    """A batch as rows. It is built before the transaction begins: an invalid value then changes nothing."""

    records: tuple[tuple[bytes, bytes | None], ...]
    incidents: tuple[tuple[object, ...], ...]
    guests: tuple[tuple[int, int], ...]
    messages: tuple[tuple[object, ...], ...]

    @classmethod
    def of(cls, batch: Batch, site: str) -> BatchRows:
        """Build the rows of a batch. If an incident occurs twice, the last one counts. `site`: stored key.

        Raises: ValueError for a value that JSON cannot hold, or for the record of another site.
        """
        changed = {each.id: each for each in batch.incidents}.values()
        prefix = record_prefix(site)
        if not prefix and any(map(is_of_other_site, batch.records)):
            raise ValueError(batch.records)
        return cls(
            tuple(
                (encode_text(f"{prefix}{key}"), None if value is None else encode_text(value))
                for key, value in batch.records.items()
            ),
            tuple((i.id, i.opened, i.ended, i.topic.value, encode(i), site) for i in changed),
            tuple((each.id, vmid) for each in changed for vmid in _vmids(each)),
            tuple(
                (m.id, m.post.value, m.created, encode(m), m.incidents[0] if m.incidents else None, site)
                for m in batch.messages
            ),
        )


def write_batch(db: sqlite3.Connection, rows: BatchRows) -> None:
    """Write all rows, and count a new edition of each opening message about a changed incident."""
    ids = [(incident[0],) for incident in rows.incidents]
    db.executemany(
        "DELETE FROM records WHERE key = ?", [(key,) for key, value in rows.records if value is None]
    )
    db.executemany(
        "INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [(key, value) for key, value in rows.records if value is not None],
    )
    db.executemany(
        "INSERT INTO incidents (id, opened, ended, topic, json, site) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET opened = excluded.opened, ended = excluded.ended,"
        " topic = excluded.topic, json = excluded.json,"
        " site = CASE site WHEN excluded.site THEN site END",  # NULL is refused: no incident changes its site
        rows.incidents,
    )
    db.executemany("DELETE FROM incident_guests WHERE incident = ?", ids)
    db.executemany("INSERT INTO incident_guests (incident, vmid) VALUES (?, ?)", rows.guests)
    # a waiting message may be on its way: the edition that it shows is known once it is posted
    db.executemany(
        "UPDATE messages SET wanted = wanted + 1"
        " WHERE incident = ? AND post = 'opening' AND status IN ('waiting', 'posted')",
        ids,
    )
    db.executemany(
        "INSERT INTO messages (id, post, created, json, incident, site) VALUES (?, ?, ?, ?, ?, ?)",
        rows.messages,
    )


def forget_old(db: sqlite3.Connection, before: float) -> bool:
    """Delete some incidents that ended before `before`, and some messages that were settled by then.

    An incident of a message that is still to be sent or edited stays. The opening of an incident stays while the
    incident is open or not old enough. `before`: Unix seconds.
    Return whether there may be more to delete.
    """
    old = db.execute(_SETTLED, {"before": before, "most": PIECE}).fetchall()
    db.executemany("DELETE FROM messages WHERE id = ?", old)
    needed = {
        number
        for (text,) in db.execute(_UNSETTLED)
        for number in getattr(_read(Message, text), "incidents", ())
    }
    ended = db.execute(
        "SELECT id FROM incidents WHERE ended < ? LIMIT ?", (before, PIECE + len(needed))
    ).fetchall()
    over = [(number,) for (number,) in ended if number not in needed]
    db.executemany("DELETE FROM incidents WHERE id = ?", over)
    return len(old) == PIECE or len(over) >= PIECE


def read_records(db: sqlite3.Connection, site: str) -> dict[str, str]:
    """Return the records of a site by key. `site`: its stored key, in this and the following functions.

    Raises: ValueError if a record cannot be read.
    """
    inside = "key >= ? AND key < ?" if site else "NOT (key >= ? AND key < ?)"
    rows = db.execute(f"SELECT key, value FROM records WHERE {inside} ORDER BY key", record_range(site))  # noqa: S608 - fixed words
    prefix = record_prefix(site)
    return {decode_text(key).removeprefix(prefix): decode_text(value) for key, value in rows}


def read_outbox(
    db: sqlite3.Connection, query: str, values: Iterable[int | str]
) -> dict[int, OutboxMessage | None]:
    """Return the outbox messages by message id, None for one that this version cannot read.

    `query` and its `values`: select rows of `messages`.
    """
    return {row["id"]: _outbox_message(db, row) for row in db.execute(query, tuple(values)).fetchall()}


def read_incidents(rows: Iterable[tuple[str]]) -> tuple[Incident, ...]:
    """Decode incidents.

    Raises: ValueError if this version cannot read one.
    """
    return tuple(decode(Incident, text) for (text,) in rows)


def read_history(
    db: sqlite3.Connection, site: str, vmids: Collection[int] | None, offset: int, limit: int
) -> tuple[tuple[Incident, ...], int]:
    """Return a page of incidents, newest first, and the number on all pages.

    `vmids`: of these guests only. None: of all guests, and those without a guest.
    Raises: ValueError if this version cannot read one.
    """
    wanted = {"site": site, "vmids": _listed(vmids), "offset": offset, "limit": limit}
    page = f"SELECT json FROM incidents{_OF_GUESTS} ORDER BY id DESC LIMIT :limit OFFSET :offset"  # noqa: S608 - contains no values
    count = db.execute(f"SELECT count(*) FROM incidents{_OF_GUESTS}", wanted)  # noqa: S608 - contains no values
    return read_incidents(db.execute(page, wanted)), int(count.fetchone()[0])


def read_earliest_beginning(
    db: sqlite3.Connection, site: str, vmids: Collection[int] | None, count: int
) -> float:
    """Return the earliest `opened` among the `count` newest incidents of `read_history`, 0.0 if there is none."""
    newest = f"SELECT opened FROM incidents{_OF_GUESTS} ORDER BY id DESC LIMIT :count"  # noqa: S608 - contains no values
    wanted = {"site": site, "vmids": _listed(vmids), "count": count}
    (found,) = db.execute(f"SELECT min(opened) FROM ({newest})", wanted).fetchone()  # noqa: S608 - contains no values
    return float(found or 0.0)


_OF_GUESTS = (
    " WHERE site = :site AND (:vmids IS NULL OR id IN"
    " (SELECT incident FROM incident_guests WHERE vmid IN (SELECT value FROM json_each(:vmids))))"
)


def _listed(vmids: Collection[int] | None) -> str | None:
    return None if vmids is None else json.dumps(sorted(vmids))


def read_counts(db: sqlite3.Connection, site: str, since: float) -> dict[int, int]:
    """Return by VMID how many incidents, other than notes, were opened since then. `since`: Unix seconds."""
    rows = db.execute(
        "SELECT vmid, count(*) FROM incident_guests JOIN incidents ON id = incident"
        " WHERE site = ? AND opened >= ? AND topic != 'note' GROUP BY vmid",
        (site, since),
    )
    return dict(rows.fetchall())


def read_backlog(db: sqlite3.Connection, site: str, since: float) -> Backlog:
    values = {"site": site, "since": since}
    waiting, oldest = db.execute(
        "SELECT count(*), min(created) FROM messages WHERE site = :site AND status = 'waiting'", values
    ).fetchone()
    (given_up,) = db.execute(
        "SELECT count(*) FROM messages WHERE site = :site AND status = 'given_up' AND post != 'test'", values
    ).fetchone()
    last = db.execute(
        "SELECT error FROM messages WHERE site = :site AND status IN ('waiting', 'given_up') AND post != 'test'"
        " AND error != x'' ORDER BY tried_at DESC, id DESC LIMIT 1",
        values,
    ).fetchone()
    blocked = db.execute(
        "SELECT error, count(*) OVER () FROM messages WHERE site = :site AND status = 'posted' AND tried != x''"
        " AND tried_at >= :since ORDER BY tried_at DESC, id DESC LIMIT 1",
        values,
    ).fetchone()
    return Backlog(
        waiting,
        oldest,
        given_up,
        decode_text(last[0]) if last else "",
        blocked[1] if blocked else 0,
        decode_text(blocked[0]) if blocked else "",
    )


def _read(kind: type[T], text: str) -> T | None:
    """Decode a row, None if it is unreadable: a damaged row must not block the others."""
    try:
        return decode(kind, text)
    except ValueError:
        return None


def _outbox_message(db: sqlite3.Connection, row: sqlite3.Row) -> OutboxMessage | None:
    message = _read(Message, row["json"])
    if message is None:
        return None
    try:
        tried, error = decode_text(row["tried"]), decode_text(row["error"])
    except ValueError:
        return None
    return OutboxMessage(
        message,
        tuple(
            incident
            for number in message.incidents
            for (text,) in db.execute("SELECT json FROM incidents WHERE id = ?", (number,))
            if (incident := _read(Incident, text))
        ),
        posted=row["discord_id"],
        wanted=row["wanted"],
        shown=row["shown"],
        tried=tried,
        tried_at=row["tried_at"],
        late=row["late"],
        run=row["run"],
        attempts=row["attempts"],
        error=error,
        opening=_posted_opening(db, message),
    )


def _posted_opening(db: sqlite3.Connection, message: Message) -> int | None:
    """Return Discord's id of the opening that a recovery replies to."""
    if message.post is not MessageKind.RECOVERY or not message.incidents:
        return None
    row = db.execute(
        "SELECT discord_id FROM messages WHERE incident = ? AND post = 'opening' AND status = 'posted'",
        message.incidents[:1],
    ).fetchone()
    return row["discord_id"] if row else None


def _vmids(incident: Incident) -> set[int]:
    """Return the VMIDs of the guests whose history includes the incident, even those of failed backups."""
    backups = {fact.vmid for fact in incident.backups if fact.vmid is not None}
    return {fact.vmid for fact in incident.guests} | backups
