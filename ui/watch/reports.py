"""Report faults of the watch itself once, and most of them once more when they are over. Send the heartbeat."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from core.errors import JournalFailed
from ui.formatting import ALARM, BACK, WARNING
from ui.interaction.services import Heartbeat, Site
from ui.messages.startup import (
    journal_renewed,
    journal_stuck,
    journal_well,
    pools_unseen,
    watch_broken,
    watch_hangs,
    watch_works,
)

FAILURES_BEFORE_REPORT = 2
"""Number of polls in a row that end in an unexpected error before that is reported."""

SendLine = Callable[[str], Coroutine[Any, Any, None]]

_log = logging.getLogger(__name__)


class Background:
    """Keep references to the tasks that nobody awaits."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


class Pulse:
    """Send a heartbeat whenever the last poll of each site that counts was good and followed the last heartbeat."""

    def __init__(self, heartbeat: Heartbeat, counting: Collection[str]) -> None:
        """Set the names of the sites that count. If none does, no heartbeat is ever sent."""
        self._heartbeat, self._counting = heartbeat, frozenset(counting)
        self._well: set[str] = set()
        self._background = Background()

    def note(self, site: str, *, well: bool) -> None:
        """Note whether a site's poll was good. Send the heartbeat if no other site's good poll is missing."""
        if not well:
            self._well.discard(site)
            return
        self._well.add(site)
        if self._counting and self._counting <= self._well:
            self._well.clear()
            self._background.run(self._heartbeat.beat(), "heartbeat")

    def cancel(self) -> None:
        self._background.cancel()


class WatchReports:
    """Report on the watch of one site.

    `say`: sends a line to the site's alert channel without the journal.
    `leads`: whether to report on the journal, too. All sites share it, so that one of them is enough.
    """

    def __init__(self, site: Site, say: SendLine, *, leads: bool) -> None:
        self._site, self._say, self._leads = site, say, leads
        self._t = site.services.texts.public
        self._background = Background()
        self._journal_error: JournalFailed | None = None
        self._breaks = 0
        self._hung = False
        self._pools: set[str] = set()

    def cancel(self) -> None:
        self._background.cancel()

    def _line(self, sign: str, text: str) -> None:
        self._background.run(self._say(f"{sign} {text}"), "word")

    def report_failure(self, error_id: str | None) -> None:
        """Report once that two polls in a row failed because of a bug, and once that polls work again.

        `error_id`: the ID of the last poll's error, None if it had none.
        """
        before = self._breaks
        self._breaks = 0 if error_id is None else before + 1
        if error_id is not None and self._breaks == FAILURES_BEFORE_REPORT:
            self._line(ALARM, watch_broken(self._t, error_id))
        elif error_id is None and before >= FAILURES_BEFORE_REPORT:
            self._line(BACK, watch_works(self._t))

    def report_hang(self, seconds: float | None) -> None:
        """Report once that a poll has been running for `seconds`, and once that a later one has ended well (None)."""
        before, self._hung = self._hung, seconds is not None
        if seconds is not None and not before:
            self._line(ALARM, watch_hangs(self._t, seconds))
        elif seconds is None and before:
            self._line(BACK, watch_works(self._t))

    async def report_poll(self) -> None:
        """Report the faults that the last poll has shown."""
        watch = self._site.watch
        if self._leads:
            self._report_journal(watch.journal_error)
        if watch.read_error is None:
            await self._report_pools(self._site.authorizer.unseen_pools())
        await self._report_renewal()

    async def _report_pools(self, unseen: tuple[str, ...]) -> None:
        """Report each pool once when the settings name it but the cluster does not show it."""
        new, self._pools = set(unseen) - self._pools, set(unseen)
        if new:
            text = pools_unseen(self._t, sorted(new))
            _log.warning("%s", text)
            with contextlib.suppress(JournalFailed):  # the log has it at least
                await self._site.watch.alerts.post_notice(f"{WARNING} {text}")

    def _report_journal(self, error: JournalFailed | None) -> None:
        """Report once that the journal cannot be written, and once that it works again.

        The lines are sent without the journal, because it could not store them.
        """
        before, self._journal_error = self._journal_error, error
        if error is not None and before is None:
            _log.error("the journal cannot be written: %s", error.reason)
            self._line(ALARM, journal_stuck(self._t, error.reason))
        elif before is not None and error is None:
            self._line(BACK, journal_well(self._t))

    async def _report_renewal(self) -> None:
        """Report once that the journal was recreated, through the new journal.

        Then store what the new journal lacks: the dashboards, if it has lost rows, and the read-only switch.
        The switch is also stored again for as long as that fails.
        """
        maintenance, switch = self._site.watch.maintenance, self._site.authorizer.read_only
        if maintenance.renewed is not None:
            text = journal_renewed(self._t, maintenance.renewed.aside, whole=maintenance.renewed.whole)
            with contextlib.suppress(JournalFailed):
                if self._leads:
                    await self._site.watch.alerts.post_notice(f"{WARNING} {text}")
                if not maintenance.renewed.whole:
                    self._site.dashboards.store_again()
                maintenance.renewed = None
                await switch.store()
        elif switch.store_error is not None:
            await switch.store()
