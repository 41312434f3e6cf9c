"""Build the SQL conditions for each extent of the audit trail. A part of adapters/journal/audit_rows.py.

The first record decides about the whole attempt. A question and its answer are two attempts. The answer is the next
attempt of the same person for the same operation and guest at the same site, if it is a button press or a form that
asks nothing new, and the question has not lapsed yet. Only the next few hundred records are searched for the answer,
so that long trails do not make pages slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapters.journal.schema import encode_text
from core.audit.record import CANCELLED
from core.audit.relevance import ANSWER_SECONDS, DRY_RUN, MISTAKES, READS
from core.audit.store import TrailExtent

_ANSWER_RECORDS = 400
"""Number of records after a question that are searched for its answer."""


def _literal(text: str) -> str:
    return f"x'{encode_text(text).hex()}'"


def _literals(texts: Iterable[str]) -> str:
    return ", ".join(map(_literal, sorted(texts)))


_HEAD = '{"error":"'
"""Start of a stored error. The name of the error follows."""

_ANSWERED = f"""
    entry.step = 'planned' AND entry.outcome = x'' AND coalesce((
        SELECT next.way IN ('button', 'form') AND (next.step != 'planned' OR next.outcome = {_literal(CANCELLED)})
        FROM audit AS next
        WHERE next.attempt IS NULL AND next.person_id = entry.person_id AND next.operation = entry.operation
        AND next.vmid IS entry.vmid AND next.site = entry.site
        AND next.id > entry.id AND next.id <= entry.id + {_ANSWER_RECORDS}
        AND next.at <= entry.at + {ANSWER_SECONDS:.0f}
        ORDER BY next.id LIMIT 1
    ), 0)
"""  # noqa: S608 - fixed words

_CHANGES_NOTHING = f"""
    coalesce(CASE entry.step
    WHEN 'ended' THEN entry.operation IN ({_literals(READS)})
    WHEN 'planned' THEN substr(entry.detail, -{len(DRY_RUN)}) = {_literal(DRY_RUN)}
    WHEN 'refused' THEN substr(entry.outcome, 1, {len(_HEAD)}) = {_literal(_HEAD)}
        AND substr(entry.outcome, {len(_HEAD) + 1}, instr(substr(entry.outcome, {len(_HEAD) + 1}, 60), x'22') - 1)
            IN ({_literals(MISTAKES)})
    END, 0)
"""
"""Holds for an attempt that can change nothing. `coalesce`, because `substr` of an empty BLOB is NULL."""

CONDITIONS: Mapping[TrailExtent, tuple[str, ...]] = {
    TrailExtent.RECORDS: (),
    TrailExtent.ENTRIES: (f"NOT ({_ANSWERED})",),
    TrailExtent.CHANGES: (f"NOT ({_CHANGES_NOTHING})", f"NOT ({_ANSWERED})"),
}
"""Conditions on the first record of an attempt, which is named `entry`."""
