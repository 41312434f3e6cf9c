"""Use a journal without threads: each call runs at once, in the task that awaits it."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from adapters.journal.off_loop import JournalOffLoop, SiteJournalOffLoop
from adapters.journal.reading_file import ReadingFile
from adapters.journal.site_journal import SiteJournal
from adapters.journal.store import SqliteJournal
from core.access.turns import Turns

T = TypeVar("T")


class AtOnce:
    """Implement `adapters.files.disk_thread.DiskCalls`."""

    async def run(self, call: Callable[[], T], *, certain: bool = False) -> T:  # as in DiskCalls
        return call()


AT_ONCE = AtOnce()


def at_once(journal: SiteJournal) -> SiteJournalOffLoop:
    """Return a `Journal` whose calls run at once on the journal of one site."""
    return SiteJournalOffLoop(journal, journal, journal, AT_ONCE, AT_ONCE, AT_ONCE, Turns(1))


def done(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never has to wait."""
    try:
        work.send(None)
    except StopIteration as over:
        value: T = over.value
        return value
    work.close()
    raise AssertionError("it has to wait")


_ROWS: WeakKeyDictionary[object, SiteJournal] = WeakKeyDictionary()


def on_writer(journal: JournalOffLoop, call: Callable[[SqliteJournal], T]) -> T:
    """Call something in the thread that writes a running bot's journal, with its connection."""
    return journal._threads[0].run_blocking(lambda: call(journal._file))


def rows_of(journal: object) -> SiteJournal:
    """Return the rows of a running bot's journal, to be read in the test's own thread."""
    assert isinstance(journal, SiteJournalOffLoop)
    if journal not in _ROWS:
        rows = journal._rows
        _ROWS[journal] = rows.reading_from(ReadingFile(rows._file))
    return _ROWS[journal]
