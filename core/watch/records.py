"""Encode the state of the watch as records of the journal, and decode it.

Open incidents are not records: the journal stores them in the table of all incidents.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from core.codec import decode, encode
from core.watch.incidents.model import Incident, Mute
from core.watch.incidents.state import (
    GuestState,
    NodeState,
    PollState,
    SourceState,
    ThresholdState,
    WatchState,
)

K = TypeVar("K")
T = TypeVar("T")

_log = logging.getLogger(__name__)

EXPECTED_STOP = "ordered/"
"""Prefix of the records of expected stops. core/actions/expected_stops.py keeps them, outside the state."""


def split_state(state: WatchState) -> dict[str, object]:
    """Return the parts of the state that are stored separately, by the key of their record.

    The parts are not encoded, because most of them do not change between polls.
    """
    parts: dict[str, object] = {
        "pulse": state.pulse,
        "source": state.source,
        "uptimes": state.uptimes,
        "tasks": state.tasks,
        "failed": state.failed,
        "running": state.running,
        "asked": state.asked,
        "known": state.known,
        "quieted": state.quieted,
    }
    parts |= {f"guest/{vmid}": guest for vmid, guest in state.guests.items()}
    parts |= {f"node/{name}": node for name, node in state.nodes.items()}
    parts |= {f"gauge/{key}": threshold for key, threshold in state.thresholds.items()}
    parts |= {f"mute/{target}": mute for target, mute in state.mutes.items()}
    return parts


def changed_records(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, str | None]:
    """Return the records to write so that `after` is stored instead of `before`. None deletes a record.

    Both are parts as `split_state` returns them.
    """
    written: dict[str, str | None] = {
        key: encode(sorted(value) if isinstance(value, frozenset) else value)
        for key, value in after.items()
        if key not in before or (before[key] is not value and before[key] != value)
    }
    return written | dict.fromkeys(before.keys() - after.keys())


def decode_state(records: Mapping[str, str], open_incidents: Iterable[Incident]) -> WatchState:
    """Rebuild the state from records and open incidents.

    An unreadable record is logged and left out. Its subject then starts anew.
    """
    return WatchState(
        pulse=_one(records, "pulse", lambda text: decode(PollState, text), PollState()),
        source=_one(records, "source", lambda text: decode(SourceState, text), SourceState()),
        guests=_all(records, "guest/", int, GuestState),
        nodes=_all(records, "node/", str, NodeState),
        thresholds=_all(records, "gauge/", str, ThresholdState),
        mutes=_all(records, "mute/", str, Mute),
        uptimes=_one(records, "uptimes", _uptimes, {}),
        tasks=_one(records, "tasks", _tasks, None),
        failed=_one(records, "failed", lambda text: frozenset(json.loads(text)), frozenset()),
        running=_one(records, "running", lambda text: frozenset(json.loads(text)), frozenset()),
        asked=_one(records, "asked", _asked, {}),
        known=_one(records, "known", lambda text: frozenset(json.loads(text)), frozenset()),
        quieted=_one(records, "quieted", lambda text: tuple(json.loads(text)), ()),
        open={incident.id: incident for incident in open_incidents},
    )


def decode_orders(records: Mapping[str, str]) -> dict[int, str]:
    """Return the stored stop orders: VMID -> who ordered it. An unreadable one is logged and left out."""

    def read(name: str, by: str) -> tuple[int, str]:
        return int(name.removeprefix(EXPECTED_STOP)), by

    found = (
        _one(records, name, partial(read, name), None) for name in records if name.startswith(EXPECTED_STOP)
    )
    return dict(each for each in found if each is not None)


def _uptimes(text: str) -> dict[int, int]:
    return {int(vmid): int(seconds) for vmid, seconds in json.loads(text).items()}


def _asked(text: str) -> dict[str, float]:
    return {str(node): float(unix) for node, unix in json.loads(text).items()}


def _tasks(text: str) -> dict[str, float] | None:
    found = json.loads(text)
    return None if found is None else {str(upid): float(clock) for upid, clock in found.items()}


def _one(records: Mapping[str, str], key: str, read: Callable[[str], T], default: T) -> T:
    if key not in records:
        return default
    try:
        return read(records[key])
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        _log.exception("the journal's record %r cannot be read", key)
        return default


def _all(records: Mapping[str, str], prefix: str, key_of: Callable[[str], K], cls: type[T]) -> dict[K, T]:
    """Return the parts whose records begin with `prefix`. `key_of`: makes a part's key of the rest of the name."""

    def read(name: str, text: str) -> tuple[K, T]:
        return key_of(name.removeprefix(prefix)), decode(cls, text)

    found = (_one(records, name, partial(read, name), None) for name in records if name.startswith(prefix))
    return dict(each for each in found if each is not None)
