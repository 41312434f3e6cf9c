"""One step of the watch, a pure function: from what was known and one look to what is known and told.

Source before node before guest: what hangs on something that fails is not judged.
"""

from collections.abc import Iterable

from core.watch.incidents.backups import note_backups
from core.watch.incidents.guests import judge
from core.watch.incidents.infrastructure import judge_nodes, readable
from core.watch.incidents.model import Watched
from core.watch.incidents.notifications import end_of_quiet, settle_news, tell_all
from core.watch.incidents.observation import Look
from core.watch.incidents.state import Moment, Outcome, Rules, WatchState
from core.watch.incidents.thresholds import judge_gauges
from core.watch.incidents.transition import Work
from core.watch.incidents.unknown import judge_blind, judge_stale


def step(
    state: WatchState,
    entries: Iterable[Watched],
    look: Look,
    now: Moment,
    rules: Rules,
    ordered: Iterable[int] = (),
) -> Outcome:
    """`ordered`: VMIDs whose stop a person ordered through the bot and which has not been seen yet."""
    work = Work(state, now, rules, entries, look, ordered)
    good = readable(work)
    if not (now.fresh or state.source.incident or work.source.incident):
        work.clock += max(0.0, now.passed)
    if good and look.cluster is not None:
        work.good = True
        work.known = frozenset(guest.vmid for guest in look.cluster.guests) - look.overlooked
        note_backups(work)
        judge_nodes(work, look.cluster)
        for entry in work.entries:
            judge(work, entry)
        judge_stale(work, look.listed or look.cluster)
        judge_blind(work)
        judge_gauges(work, look.cluster)
        settle_news(work)
    tell_all(work)
    end_of_quiet(work)
    return work.outcome()
