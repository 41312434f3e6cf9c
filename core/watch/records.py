"""Encode the state of the watch as records of the journal, and decode it.

Open incidents are not records: the journal stores them with all others.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

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
        guests={int(key): value for key, value in _all(records, "guest/", GuestState).items()},
        nodes=_all(records, "node/", NodeState),
        thresholds=_all(records, "gauge/", ThresholdState),
        mutes=_all(records, "mute/", Mute),
        uptimes=_one(records, "uptimes", _uptimes, {}),
        tasks=_one(records, "tasks", json.loads, None),
        failed=_one(records, "failed", lambda text: frozenset(json.loads(text)), frozenset()),
        running=_one(records, "running", lambda text: frozenset(json.loads(text)), frozenset()),
        asked=_one(records, "asked", _asked, {}),
        known=_one(records, "known", lambda text: frozenset(json.loads(text)), frozenset()),
        quieted=_one(records, "quieted", lambda text: tuple(json.loads(text)), ()),
        open={incident.id: incident for incident in open_incidents},
    )


def _uptimes(text: str) -> dict[int, int]:
    return {int(vmid): int(seconds) for vmid, seconds in json.loads(text).items()}


def _asked(text: str) -> dict[str, float]:
    return {str(node): float(unix) for node, unix in json.loads(text).items()}


def _one(records: Mapping[str, str], key: str, read: Callable[[str], T], default: T) -> T:
    if key not in records:
        return default
    try:
        return read(records[key])
    except (ValueError, TypeError, AttributeError):
        _log.exception("the journal's record %r cannot be read", key)
        return default


def _all(records: Mapping[str, str], prefix: str, cls: type[T]) -> dict[Any, T]:
    found = {}
    for key in records:
        if key.startswith(prefix):
            value = _one(records, key, lambda text: decode(cls, text), None)
            if value is not None:
                found[key.removeprefix(prefix)] = value
    return found
