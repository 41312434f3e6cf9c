"""Tell changes and refused attempts from reads and mistyped input."""

from core import wanted_errors
from core.audit.folding import VARIOUS
from core.audit.record import AuditRecord, AuditStep
from core.error_codec import ERRORS, word_of
from core.guest_errors import NothingGiven
from core.levels import Effect
from core.operations import OPERATIONS, Operation

READS = frozenset(
    {operation.value for operation in Operation if OPERATIONS[operation].effect is Effect.NOTHING} | {VARIOUS}
)
"""The stored words of the operations that change nothing, and of the row that counts further attempts."""

MISTAKES = frozenset(
    {name for name, kind in ERRORS.items() if kind.__module__ == wanted_errors.__name__}
    - {wanted_errors.SitesUnread.__name__}
    | {NothingGiven.__name__}
)
"""The stored names of the errors for an option that cannot be used, or a dashboard that cannot be made.

GuestNotFound is not one of them, because the guest may be hidden.
"""

DRY_RUN = "dry_run=True"
"""The options of a dry run end with this text."""

ANSWER_SECONDS = 150.0
"""Maximum age in seconds of a question when it is answered.

It is twice the question's time limit, because a form renews it once, plus a margin.
"""


def is_posted(record: AuditRecord) -> bool:
    """Return whether the audit channel shows a record: a refusal, or the result of a change.

    Reads and plans that were not refused, and refusals in MISTAKES, are left out.
    """
    if record.step is AuditStep.REFUSED:
        return word_of(record.outcome) not in MISTAKES
    return record.step is AuditStep.ENDED and record.operation not in READS
