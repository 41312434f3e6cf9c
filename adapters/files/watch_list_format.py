"""Read and write the format of monitor_list.json. A part of monitor_store.py.

{"version": 1, "guests": [{"vmid": 101, "cpu": 90, "memory": 80, "disk": 90}, …]}. Thresholds are in percent and
left out if there are none. A plain list [100, "101"] of older bots is read too. Former versions wrote "state",
"since" and "alarmed" for each guest: these are read but no longer written. Unknown keys are kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from core.guest import State
from core.watch.incidents.model import Metric, WatchEntry

VERSION = 1
_LOWEST, _HIGHEST = 100, 999_999_999  # pve-common, JSONSchema.pm: pve-vmid


class Unreadable(Exception):
    """The content is no watch list."""


class NewerVersion(Exception):
    """The content is a watch list of a newer version."""


@dataclass(frozen=True, slots=True)
class UnknownKeys:
    """Unknown keys: those beside "version" and "guests", and those of each guest by VMID."""

    document: Mapping[str, object] = field(default_factory=dict)
    guests: Mapping[int, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file. `states`: from the older form. `upgraded`: the file was the plain list."""

    entries: tuple[WatchEntry, ...]
    foreign: UnknownKeys = UnknownKeys()
    states: Mapping[int, State] = field(default_factory=dict)
    upgraded: bool = False


def checked(entries: Iterable[WatchEntry]) -> tuple[WatchEntry, ...]:
    """Return the entries without duplicates; the first of each VMID counts.

    Raises: ValueError for an invalid entry.
    """
    unique: dict[int, WatchEntry] = {}
    for entry in entries:
        if isinstance(entry.vmid, bool) or not _LOWEST <= entry.vmid <= _HIGHEST:
            raise ValueError(entry.vmid)
        for metric in Metric:
            limit = entry.limit(metric)
            if limit is not None and (type(limit) is not int or not 1 <= limit <= 100):
                raise ValueError(limit)
        unique.setdefault(entry.vmid, entry)
    return tuple(unique.values())


def encode_watch_list(entries: Iterable[WatchEntry], foreign: UnknownKeys) -> bytes:
    """Return the whole content of the file."""
    guests = [
        {**foreign.guests.get(each.vmid, {}), "vmid": each.vmid}
        | {metric.value: each.limit(metric) for metric in Metric if each.limit(metric) is not None}
        for each in entries
    ]
    document = {**foreign.document, "version": VERSION, "guests": guests}
    return json.dumps(document, indent=1, allow_nan=False).encode("ascii") + b"\n"


def decode_watch_list(content: bytes) -> Document:
    """Parse the content of a file.

    Raises: Unreadable, NewerVersion.
    """
    try:
        data: object = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
        if isinstance(data, list):
            return Document(checked(WatchEntry(_vmid(item)) for item in data), upgraded=True)
        if not isinstance(data, dict):
            raise Unreadable
        version, guests = data.pop("version", None), data.pop("guests", None)
        if type(version) is not int or version < 1:
            raise Unreadable
        if version > VERSION:
            raise NewerVersion(version)
        if not isinstance(guests, list):
            raise Unreadable
        read = [_entry(item) for item in guests]
        extras = {watched.vmid: extra for watched, _, extra in reversed(read)}  # the first of a VMID counts
        states = {watched.vmid: state for watched, state, _ in reversed(read)}
        return Document(
            checked(watched for watched, _, _ in read),
            UnknownKeys(data, extras),
            {vmid: state for vmid, state in states.items() if state is not State.UNKNOWN},
        )
    except (ValueError, OverflowError, RecursionError) as error:  # ValueError: bad UTF-8, bad JSON, bad VMID
        raise Unreadable from error


def _entry(item: object) -> tuple[WatchEntry, State, Mapping[str, object]]:
    """Return a guest, its state in the older form, and its unknown keys."""
    if not isinstance(item, dict):
        raise Unreadable
    vmid, limits = _vmid(item.pop("vmid", None)), {metric: item.pop(metric.value, None) for metric in Metric}
    watched = WatchEntry(vmid, limits[Metric.CPU], limits[Metric.MEMORY], limits[Metric.DISK])
    return watched, _former(item), item


def _former(item: dict[str, Any]) -> State:
    """Remove the fields of former versions and return the state."""
    state, since, alarmed = item.pop("state", "unknown"), item.pop("since", None), item.pop("alarmed", False)
    if not isinstance(state, str) or not isinstance(alarmed, bool):
        raise Unreadable
    if isinstance(since, bool) or not isinstance(since, int | float | None):
        raise Unreadable
    float(since or 0)  # OverflowError if no float can hold it
    return State.of(state)


def _vmid(item: object) -> int:
    if isinstance(item, str) and item.isascii() and item.isdigit():
        return int(item)
    if type(item) is not int:
        raise Unreadable
    return item


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)
