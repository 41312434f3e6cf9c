"""Store the audit trail in journal.db. A part of adapters/journal/store.py.

It holds the SQL, and turns rows into records (core/audit/record.py) and back. Filters, `began` and the order of
pages follow the first record of an attempt: setting the clock back moves no attempt. The displayed values are those
of the latest record. A person's roles are not stored and are read as none.

`db`: the connection of a running transaction. adapters/journal/database.py translates the errors.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from adapters.journal.audit_extent import CONDITIONS as EXTENTS
from adapters.journal.schema import decode_text, encode_text
from core.access.policy import Actor, InteractionKind, Place
from core.audit.record import NOT_SETTLED, UNKNOWN, AuditRecord, AuditStep
from core.audit.store import AuditCursor, AuditEntry, AuditFilter, Stream
from core.codec import decode, encode
from core.tasks import TaskEnd

_ADD = """
    INSERT INTO audit (
        attempt, at, step, way, person_id, person, guild_id, category_id, channel_id,
        operation, detail, vmid, guest, node, state, reason, upid, outcome, seconds, message_id, times, site,
        interaction_id
    ) VALUES (
        (SELECT coalesce(attempt, id) FROM audit WHERE id = :follows), :at, :step, :way,
        :person_id, :person, :guild_id, :category_id, :channel_id,
        :operation, :detail, :vmid, :guest, :node, :state, :reason, :upid, :outcome, :seconds, :message_id, :times,
        :site, :interaction_id
    )
"""
"""If the record `follows` was pruned, the new record becomes an attempt of its own and is not lost."""

_CURSORS = {Stream.CHANGES: "audit_posting", Stream.REFUSALS: "audit_posting_refusals"}
"""Name of each stream's cursor in the table `meta`."""
PIECE = 500
"""Attempts checked in one pruning step. A step delays other changes by a few milliseconds."""

_CONDITIONS = {
    "vmid": "vmid = :vmid",
    "person_id": "person_id = :person_id",
    "operation": "operation = :operation",
    "since": "at >= :since",
    "until": "id <= :until",
    "before": "id < :before",
    "site": "site = :site",
}

_AFTER = """
    SELECT each.*, first.id AS first, first.at AS began
    FROM (
        SELECT * FROM audit
        WHERE id > :after AND (:refused IS NULL OR (step = 'refused') = :refused) ORDER BY id LIMIT :limit
    ) AS each
    JOIN audit AS first ON first.id = coalesce(each.attempt, each.id)
    ORDER BY each.id
"""

_OPEN = """
    SELECT each.*, first.id AS first, first.at AS began
    FROM audit AS each JOIN audit AS first ON first.id = coalesce(each.attempt, each.id)
    WHERE each.site = :site AND each.step IN ('asked', 'sending', 'sent') AND NOT EXISTS (
        SELECT 1 FROM audit WHERE attempt = first.id AND id > each.id
    )
    ORDER BY first.id
"""

_UNKNOWN = """
    SELECT each.*, first.id AS first, first.at AS began
    FROM audit AS each JOIN audit AS first ON first.id = each.attempt
    WHERE each.site = :site AND each.step = 'ended' AND each.at >= :since
    AND (substr(each.outcome, 1, 9) = :unknown AND each.outcome != :settled OR each.outcome IN (:lost, :vanished))
    AND NOT EXISTS (SELECT 1 FROM audit WHERE attempt = first.id AND id > each.id)
    ORDER BY first.id
"""

_PEOPLE = """
    SELECT id, person_id, person FROM audit
    WHERE id IN (SELECT max(id) FROM audit WHERE attempt IS NULL GROUP BY person_id)
    ORDER BY id DESC LIMIT ?
"""

_PIECE = "SELECT max(id) FROM (SELECT id FROM audit WHERE attempt IS NULL AND id > ? ORDER BY id LIMIT ?)"
_FORGET = """
    DELETE FROM audit WHERE id IN (
        SELECT id FROM audit AS first WHERE attempt IS NULL AND id > :after AND id <= :last AND at < :before
        AND NOT EXISTS (SELECT 1 FROM audit WHERE attempt = first.id AND at >= :before)
    )
"""
"""Deletes first records only. Those that follow are deleted with them (ON DELETE CASCADE)."""


def add_record(db: sqlite3.Connection, row: Mapping[str, object], follows: int | None) -> int:
    """Insert a record and return its id. `row`: from `encode_row`.

    `follows`: id of an earlier record of the same attempt, None for the first record of an attempt.
    """
    db.execute(_ADD, {**row, "follows": follows})
    (number,) = db.execute("SELECT last_insert_rowid()").fetchone()
    return int(number)


def read_attempts(
    db: sqlite3.Connection, wanted: AuditFilter, offset: int, limit: int
) -> tuple[dict[int, AuditEntry | None], int]:
    """Return the latest record of each attempt on a page, and the number of attempts on all pages.

    Records are keyed by id, newest attempt first. None stands for an unreadable record; its attempt is counted, too.
    """
    query, count, values = page_queries(wanted)
    rows = db.execute(query, {**values, "offset": offset, "limit": limit}).fetchall()
    (number,) = db.execute(count, values).fetchone()
    return {row["id"]: _decode_row(row) for row in rows}, int(number)


def read_export(
    db: sqlite3.Connection, wanted: AuditFilter, before: int | None, limit: int
) -> tuple[dict[int, AuditEntry | None], int | None]:
    """Return the attempts with ids below `before` (None: all ids), keyed as `read_attempts` does.

    Also return the `before` of the next call, None at the end.
    """
    query, _, values = page_queries(wanted, before)
    rows = db.execute(query, {**values, "offset": 0, "limit": limit}).fetchall()
    return {row["id"]: _decode_row(row) for row in rows}, rows[-1]["first"] if len(rows) == limit else None


def read_after(
    db: sqlite3.Connection, number: int, limit: int, stream: Stream | None
) -> tuple[dict[int, AuditEntry | None], int]:
    """Return the records with ids above `number` in order, and the last of their ids (`number` if none).

    `stream`: None for the records of both streams.
    """
    refused = None if stream is None else int(stream is Stream.REFUSALS)
    rows = db.execute(_AFTER, {"after": number, "limit": limit, "refused": refused}).fetchall()
    return {row["id"]: _decode_row(row) for row in rows}, rows[-1]["id"] if rows else number


def read_open(db: sqlite3.Connection, site: str) -> dict[int, AuditEntry | None]:
    """Return the last record of each attempt that was begun at a site and has no result yet. `site`: stored key."""
    return {row["id"]: _decode_row(row) for row in db.execute(_OPEN, {"site": site}).fetchall()}


def read_last_id(db: sqlite3.Connection) -> int:
    (number,) = db.execute("SELECT coalesce(max(id), 0) FROM audit").fetchone()
    return int(number)


def read_last_given_id(db: sqlite3.Connection) -> int:
    """Return the highest id that was ever given to a record, even if the record is pruned. 0: none was."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    return int(row[0]) if row else 0


def read_unknown(db: sqlite3.Connection, site: str, since: float) -> dict[int, AuditEntry | None]:
    """Return the last record of each attempt at a site that ended at or after `since` with an unknown result.

    `since`: Unix seconds. An attempt whose task ended well is left out (`NOT_SETTLED`).
    """
    words = {
        "unknown": encode_text(UNKNOWN),
        "settled": encode_text(f"{UNKNOWN}{NOT_SETTLED}"),
        "lost": encode_text(TaskEnd.LOST),
        "vanished": encode_text(TaskEnd.VANISHED),
    }
    rows = db.execute(_UNKNOWN, {**words, "site": site, "since": since}).fetchall()
    return {row["id"]: _decode_row(row) for row in rows}


def read_upids(db: sqlite3.Connection, site: str, vmid: int, after: int, but: int) -> frozenset[str]:
    """Return the UPIDs in a guest's records with ids above `after`, except those of the attempt `but`."""
    rows = db.execute(
        "SELECT upid FROM audit"
        " WHERE id > ? AND site = ? AND vmid = ? AND upid != x'' AND coalesce(attempt, id) != ?",
        (after, site, vmid, but),
    )
    return frozenset(decode_text(row[0]) for row in rows.fetchall())


def read_cursor(db: sqlite3.Connection, stream: Stream) -> AuditCursor | None:
    """Return a stream's cursor, None if it is not stored or unreadable."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_CURSORS[stream],)).fetchone()
    try:
        return decode(AuditCursor, str(row[0])) if row else None
    except ValueError:
        return None


def write_cursor(db: sqlite3.Connection, given: AuditCursor | None, stream: Stream) -> None:
    if given is None:
        db.execute("DELETE FROM meta WHERE name = ?", (_CURSORS[stream],))
    else:
        db.execute("REPLACE INTO meta VALUES (?, ?)", (_CURSORS[stream], encode(given)))


def read_people(db: sqlite3.Connection, limit: int) -> dict[int, tuple[int, str] | None]:
    """Return the people (id and name) of recent attempts, latest first.

    The key is the id of the first record of each person's latest attempt. None stands for an unreadable person.
    """
    return {row["id"]: _person_of(row) for row in db.execute(_PEOPLE, (limit,)).fetchall()}


def forget_attempts(db: sqlite3.Connection, before: float, after: int) -> int | None:
    """Look at the next `PIECE` attempts, and delete those whose records are all older than `before` (Unix seconds).

    `after`: the id after which they begin. Return the `after` of the next call, None at the end.
    """
    (last,) = db.execute(_PIECE, (after, PIECE)).fetchone()
    if last is not None:
        db.execute(_FORGET, {"before": before, "after": after, "last": last})
    return last if last is None else int(last)


def page_queries(wanted: AuditFilter, before: int | None = None) -> tuple[str, str, dict[str, object]]:
    """Build the query for a page of attempts, the count query, and the values of both except :offset and :limit.

    `wanted.site` is a stored key here.
    Unused conditions must be left out: with `:vmid IS NULL OR` SQLite would use no index.
    """
    asked: dict[str, object] = {
        "vmid": wanted.vmid,
        "person_id": wanted.person_id and min(wanted.person_id, 2**63 - 1),  # the greatest integer of SQLite
        "operation": encode_text(wanted.operation) or None,
        "since": wanted.since,
        "until": wanted.until,
        "before": before,
        "site": wanted.site,
    }
    values = {name: value for name, value in asked.items() if value is not None}
    conditions = (*(_CONDITIONS[name] for name in values), *EXTENTS[wanted.extent])
    first = " AND ".join(("FROM audit AS entry WHERE attempt IS NULL", *conditions))
    query = (
        "SELECT latest.*, first.id AS first, first.at AS began"  # noqa: S608 - made of fixed words above
        f" FROM (SELECT id, at {first} ORDER BY id DESC LIMIT :limit OFFSET :offset) AS first"
        " JOIN audit AS latest"
        " ON latest.id = coalesce((SELECT max(id) FROM audit WHERE attempt = first.id), first.id)"
        " ORDER BY first.id DESC"
    )
    return query, f"SELECT count(*) {first}", values


def encode_row(record: AuditRecord, at: float, site: str = "") -> dict[str, object]:
    """Return all columns of a record except its id and its attempt. `site`: stored key."""
    actor = record.actor
    return {
        "at": at,
        "step": record.step.value,
        "way": actor.interaction_kind.value,
        "person_id": actor.user_id,
        "person": encode_text(actor.name),
        "guild_id": actor.place.guild_id,
        "category_id": actor.place.category_id,
        "channel_id": actor.place.channel_id,
        "operation": encode_text(record.operation),
        "detail": encode_text(record.detail),
        "vmid": record.vmid,
        "guest": encode_text(record.guest),
        "node": encode_text(record.node),
        "state": encode_text(record.state),
        "reason": encode_text(record.reason),
        "upid": encode_text(record.upid),
        "outcome": encode_text(record.outcome),
        "seconds": record.seconds,
        "message_id": record.message_id,
        "times": record.times,
        "site": site,
        "interaction_id": record.interaction_id,
    }


def _decode_row(row: sqlite3.Row) -> AuditEntry | None:
    """Return the record of a row, with the stored key as its site; None if this version cannot read the row.

    An unreadable row is damaged, because adapters/journal/schema.py refuses the file of a newer bot. A gap is better
    than an invented origin or result. The gap stays visible: the attempt is counted, and the log mentions the record.
    """
    try:
        place = Place(row["guild_id"], row["category_id"], row["channel_id"])
        actor = Actor(
            row["person_id"], decode_text(row["person"]), place, interaction_kind=InteractionKind(row["way"])
        )
        record = AuditRecord(
            AuditStep(row["step"]),
            actor,
            decode_text(row["operation"]),
            row["vmid"],
            decode_text(row["detail"]),
            decode_text(row["guest"]),
            decode_text(row["node"]),
            decode_text(row["state"]),
            decode_text(row["reason"]),
            decode_text(row["upid"]),
            decode_text(row["outcome"]),
            row["seconds"],
            row["message_id"],
            row["times"],
            row["interaction_id"],
        )
    except ValueError:
        return None
    return AuditEntry(row["id"], row["first"], row["began"], row["at"], record, row["site"])


def _person_of(row: sqlite3.Row) -> tuple[int, str] | None:
    try:
        return row["person_id"], decode_text(row["person"])
    except ValueError:
        return None
