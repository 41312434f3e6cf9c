"""Take one step of the watch, as a pure function of the former state and one poll.

The connection to Proxmox is judged first, then the nodes, then the guests. Parts that a failure hides are not judged.
"""

from collections.abc import Iterable

from core.watch.incidents.backups import note_backups
from core.watch.incidents.guests import check_guest
from core.watch.incidents.infrastructure import check_nodes, check_source
from core.watch.incidents.model import WatchEntry
from core.watch.incidents.notifications import announce_all, open_incidents, post_digest
from core.watch.incidents.observation import Observation
from core.watch.incidents.state import StateUpdate, StepTime, WatchRules, WatchState
from core.watch.incidents.thresholds import check_thresholds
from core.watch.incidents.transition import Transition
from core.watch.incidents.unknown import check_blind_guests, check_stale_nodes


def step(
    state: WatchState,
    entries: Iterable[WatchEntry],
    observation: Observation,
    now: StepTime,
    rules: WatchRules,
    expected_stops: Iterable[int] = (),
) -> StateUpdate:
    """Return the update of one poll.

    `expected_stops`: VMIDs whose stop was ordered through the bot and has not been seen yet.
    """
    transition = Transition(state, now, rules, entries, observation, expected_stops)
    good = check_source(transition)
    if not (now.fresh or state.source.incident or transition.source.incident):
        transition.clock += max(0.0, now.passed)
    if good and observation.cluster is not None:
        transition.good = True
        if observation.overlooked or observation.cluster.vmids != state.known:
            transition.known = frozenset(observation.cluster.vmids - observation.overlooked)
        note_backups(transition)
        check_nodes(transition, observation.cluster)
        for entry in transition.entries:
            check_guest(transition, entry)
        check_stale_nodes(transition, observation.listed or observation.cluster)
        check_blind_guests(transition)
        check_thresholds(transition, observation.cluster)
        open_incidents(transition)
    announce_all(transition)
    post_digest(transition)
    return transition.update()
