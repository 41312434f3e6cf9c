"""Read and write the format of monitor_list.json. A part of monitor_store.py.

{"version": 1, "guests": [{"vmid": 101, "cpu": 90, "memory": 80, "disk": 90}, …]}. Thresholds are in percent and
left out if there are none. A plain list [100, "101"] of older bots is read too. Former versions wrote "state",
"since" and "alarmed" for each guest: these are read but no longer written. Unknown keys are kept.

With several sites it is {"version": 2, "sites": {"home": [{"vmid": 101}, …], "colo": […]}}, which a bot that knows no
sites refuses. Lists of sites that are not configured are kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from adapters.files.stored_sites import SiteFault, SiteFaultKind, SiteNames
from core.guest import State
from core.watch.incidents.model import Metric, WatchEntry

VERSION = 2
_ONE_LIST, _LIST_OF_EACH_SITE = 1, 2
_LOWEST, _HIGHEST = 100, 999_999_999  # pve-common, JSONSchema.pm: pve-vmid


class Unreadable(Exception):
    """The content is not a watch list."""


class NewerVersion(Exception):
    """The content is a watch list of a newer version."""


@dataclass(frozen=True, slots=True)
class SiteList:
    """The list of one site. `foreign`: unknown keys of each guest by VMID. `states`: from former versions."""

    entries: tuple[WatchEntry, ...] = ()
    foreign: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    states: Mapping[int, State] = field(default_factory=dict)

    def changed_to(self, entries: tuple[WatchEntry, ...]) -> SiteList:
        """Return a list of these entries. Entries that stay keep their unknown keys."""
        return SiteList(entries, {each.vmid: self.foreign.get(each.vmid, {}) for each in entries})


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file.

    `sites`: the list of each site by name. A list without a site's name has the key "", and is the only one.
    `foreign`: unknown keys beside the lists. `upgraded`: the file was the plain list of older bots.
    """

    sites: Mapping[str, SiteList] = field(default_factory=dict)
    foreign: Mapping[str, object] = field(default_factory=dict)
    upgraded: bool = False

    def with_list(self, site: str, listed: SiteList) -> Document:
        return replace(self, sites={**self.sites, site: listed}, upgraded=False)


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


def arrange(document: Document, configured: SiteNames, first: str | None) -> tuple[Document, str]:
    """Assign the lists of a file to the configured sites.

    Return the content with the assigned lists, and the key of the only site's list ("" with several sites).
    `first`, with several sites: the site that owns a list without a site's name.
    `first`, with a single site: the name of its list, if the file has the lists of several sites.
    `first` is None if this name is not known.
    Raises: SiteFault if it is not known which site a list belongs to.
    """
    sites = dict(document.sites)
    if configured.several:
        plain = sites.pop("", None)
        if plain is not None and first is not None:
            sites[first] = plain
        elif plain is not None and plain.entries:
            raise SiteFault(SiteFaultKind.MISSING, sites=configured.names)
        return replace(document, sites=sites), ""
    if "" in sites or not sites:
        return document, ""
    if first not in sites and len(sites) > 1:
        raise SiteFault(SiteFaultKind.UNCLEAR, sites=tuple(sites))
    own = first if first is not None and first in sites else next(iter(sites))
    if len(sites) == 1:  # nothing needs the form with sites any more
        return replace(document, sites={"": sites[own]}), ""
    return document, own


def encode_watch_list(document: Document) -> bytes:
    """Return the whole content of the file."""
    if document.sites.keys() <= {""}:
        lists: object = _encode_list(document.sites.get("", SiteList()))
        whole = {**document.foreign, "version": _ONE_LIST, "guests": lists}
    else:
        lists = {name: _encode_list(listed) for name, listed in document.sites.items()}
        whole = {**document.foreign, "version": _LIST_OF_EACH_SITE, "sites": lists}
    return json.dumps(whole, indent=1, allow_nan=False).encode("ascii") + b"\n"


def _encode_list(listed: SiteList) -> list[dict[str, object]]:
    return [
        {**listed.foreign.get(each.vmid, {}), "vmid": each.vmid}
        | {metric.value: each.limit(metric) for metric in Metric if each.limit(metric) is not None}
        for each in listed.entries
    ]


def decode_watch_list(content: bytes) -> Document:
    """Parse the content of a file.

    Raises: Unreadable, NewerVersion.
    """
    try:
        data: object = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
        if isinstance(data, list):
            plain = SiteList(checked(WatchEntry(_vmid(item)) for item in data))
            return Document({"": plain}, upgraded=True)
        if not isinstance(data, dict):
            raise Unreadable
        version = data.pop("version", None)
        if type(version) is not int or version < 1:
            raise Unreadable
        if version > VERSION:
            raise NewerVersion(version)
        lists = {"": data.pop("guests", None)} if version == _ONE_LIST else data.pop("sites", None)
        if not isinstance(lists, dict) or (version != _ONE_LIST and "" in lists):
            raise Unreadable
        return Document({name: _site_list(guests) for name, guests in lists.items()}, data)
    except (ValueError, OverflowError, RecursionError) as error:  # ValueError: bad UTF-8, JSON or number
        raise Unreadable from error


def _site_list(guests: object) -> SiteList:
    if not isinstance(guests, list):
        raise Unreadable
    read = [_entry(item) for item in guests]
    extras = {watched.vmid: extra for watched, _, extra in reversed(read)}  # the first of a VMID counts
    states = {watched.vmid: state for watched, state, _ in reversed(read)}
    return SiteList(
        checked(watched for watched, _, _ in read),
        extras,
        {vmid: state for vmid, state in states.items() if state is not State.UNKNOWN},
    )


def _entry(item: object) -> tuple[WatchEntry, State, Mapping[str, object]]:
    """Return a guest, the state that a former version wrote for it, and its unknown keys."""
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
