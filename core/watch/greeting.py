"""Keep in the journal whether the first message of a data directory is still owed.

A new directory gets the record before the first poll. The write that stores the message also changes the record, so
that a restart or a kill neither loses the message nor sends it twice.
"""

from collections.abc import Sequence

from core.watch.journal import Batch, Journal

KEY = "greeting"
"""Key of the record, in the journal of one site."""
_OWED = "owed"
OWED, STORED = {KEY: _OWED}, {KEY: "stored"}
"""The records of a first message that is owed, and of one that is stored. The second is written with the message."""


async def find_owing(journals: Sequence[Journal], *, has_watched: bool) -> int | None:
    """Return the position of the journal that still owes the first message, None if none does.

    A directory without any record owes the message if nobody has been alerted or has used the bot. Its first journal
    then gets the record.
    `has_watched`: an earlier run has left states of guests, even if only in a watch list that is older than the
    journal.
    Raises: JournalFailed.
    """
    stored = [(await journal.records()).get(KEY) for journal in journals]
    if not any(stored) and not has_watched and not any([await _has_been_used(each) for each in journals]):
        await journals[0].commit(Batch(OWED))
        return 0
    return stored.index(_OWED) if _OWED in stored else None


async def _has_been_used(journal: Journal) -> bool:
    if await journal.audit_last() or await journal.discord_ids() or await journal.to_post():
        return True
    return (await journal.history(None, 0, 1))[1] > 0
