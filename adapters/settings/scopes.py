"""Parse the settings that name guests, tags, nodes, pools and sites: ROLE_SCOPES, PROTECTED_VM_IDS, names of sites.

Each parser raises SettingRejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from adapters.settings.faults import Fault, FaultKind, RawSetting, SettingRejected
from adapters.settings.values import VMIDS, parse_snowflake
from core.access.policy import Scope, ScopeKind

_PATTERNS = {
    ScopeKind.VMID: re.compile(r"[1-9][0-9]{2,8}"),
    ScopeKind.TAG: re.compile(r"[a-z0-9_][a-z0-9_\-+.]*", re.I),  # pve-common, JSONSchema.pm: pve-tag
    # pve-access-control: nested pools
    ScopeKind.POOL: re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+){0,2}"),
    ScopeKind.NODE: re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"),
}
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SiteScope:
    """An entry of ROLE_SCOPES. `site`: None if none is written. `scope`: None for the whole site."""

    site: str | None
    scope: Scope | None


@dataclass(frozen=True, slots=True)
class SiteGuest:
    """An entry of PROTECTED_VM_IDS. `site`: None for every site."""

    site: str | None
    vmid: int


def parse_scopes(given: RawSetting) -> dict[int, tuple[SiteScope, ...]]:
    """Parse `{role id: ["tag:web", "pool:home/lab", "site:colo", 105]}`, in the environment as JSON."""
    rows: Any = given.value
    if isinstance(rows, str):
        try:
            rows = json.loads(rows)
        except ValueError:
            rows = None
    if not isinstance(rows, Mapping):
        given.reject(FaultKind.BAD_SCOPE, reason="shape")
    found, faults = dict[int, tuple[SiteScope, ...]](), list[Fault]()
    for role, entries in rows.items():
        try:
            number = parse_snowflake(replace(given.part(role), form="id"))
        except SettingRejected as refused:
            faults.extend(refused.faults)
            continue
        items = list(entries) if isinstance(entries, (list, tuple, set, frozenset)) else [entries]
        if not items:
            faults.append(given.fault(FaultKind.BAD_SCOPE, number, reason="empty"))
        found[number] = tuple(dict.fromkeys(_all(items, partial(_scope, given, number), faults)))
    if faults:
        raise SettingRejected(*faults)
    return found


def _all(items: Iterable[object], parse: Callable[[object], _Value], faults: list[Fault]) -> Iterator[_Value]:
    """Yield the parsed items, and add the faults of the others to `faults`."""
    for item in items:
        try:
            yield parse(item)
        except SettingRejected as refused:
            faults.extend(refused.faults)


def _scope(given: RawSetting, role: int, item: object) -> SiteScope:
    part = given.part(item)
    if isinstance(item, int) and not isinstance(item, bool) and VMIDS[0] <= item <= VMIDS[1]:
        return SiteScope(None, Scope(ScopeKind.VMID, str(item)))
    if not isinstance(item, str):
        part.reject(FaultKind.BAD_SCOPE, other=str(role))
    word, colon, value = item.strip().partition(":")
    kind, value = (word.strip().lower(), value.strip()) if colon else ("vmid", word)
    site, value = (value, "") if kind == "site" else _apart(given, value, pool=kind == ScopeKind.POOL)
    if site is not None and not given.has_site(site):
        part.reject(FaultKind.BAD_SCOPE, reason="no_site", other=str(role))
    if kind == "site":
        return SiteScope(site, None)
    if kind not in list(ScopeKind) or not _PATTERNS[ScopeKind(kind)].fullmatch(value):
        part.reject(FaultKind.BAD_SCOPE, other=str(role))
    if kind == ScopeKind.VMID and not VMIDS[0] <= int(value) <= VMIDS[1]:
        part.reject(FaultKind.BAD_SCOPE, other=str(role))
    return SiteScope(site, Scope(ScopeKind(kind), value))


def _apart(given: RawSetting, value: str, *, pool: bool) -> tuple[str | None, str]:
    """Split `home/pve1` into site and name.

    The name of a pool may contain a slash itself: the part before it is a site only if a site has this name.
    """
    head, slash, rest = value.partition("/")
    if not slash or (pool and head.strip() not in (given.sites or ())):
        return None, value
    return head.strip(), rest.strip()


def parse_protected(given: RawSetting) -> tuple[SiteGuest, ...]:
    """Parse VMIDs, each with or without its site: `[101, "home/102"]`."""
    items, faults = given.value, list[Fault]()
    if given.source == "environment" and isinstance(items, str):
        items = [item for item in re.split(r"[,\s]+", items.strip().strip("[]")) if item]
    if not isinstance(items, (list, tuple)):
        raise SettingRejected(given.wrong_type(items))
    found = tuple(dict.fromkeys(_all(items, lambda item: _site_guest(given.part(item)), faults)))
    if faults:
        raise SettingRejected(*faults)
    return found


def _site_guest(given: RawSetting) -> SiteGuest:
    if not isinstance(given.value, str) or "/" not in given.value:
        return SiteGuest(None, given.whole(given.value, *VMIDS, digits=True))
    site, _, vmid = (part.strip() for part in given.value.partition("/"))
    if not given.has_site(site):
        given.part(site).reject(FaultKind.UNKNOWN_SITE, other=given.site_list)
    return SiteGuest(site, given.part(vmid).whole(vmid, *VMIDS, digits=True))


def parse_site(given: RawSetting) -> str:
    """Parse the name of a configured site."""
    name = given.text()
    return name if given.has_site(name) else given.reject(FaultKind.UNKNOWN_SITE, other=given.site_list)


def parse_site_list(given: RawSetting) -> tuple[str, ...]:
    """Parse names of configured sites, but not of all."""
    items, faults = given.value, list[Fault]()
    if given.source == "environment" and isinstance(items, str):
        items = [item for item in re.split(r"[,\s]+", items.strip().strip("[]")) if item]
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise SettingRejected(given.wrong_type(items))
    found = tuple(dict.fromkeys(_all(items, lambda item: parse_site(given.part(item)), faults)))
    if given.sites and set(given.sites) <= set(found):
        faults.append(given.fault(FaultKind.ALL_SITES, None))
    if faults:
        raise SettingRejected(*faults)
    return found


@dataclass(frozen=True, slots=True)
class GuestRules:
    """The parts of ROLE_SCOPES and PROTECTED_VM_IDS about one site. `scopes`: as in `SiteSettings.role_scopes`."""

    scopes: Mapping[int, tuple[Scope, ...]]
    protected: tuple[int, ...]


def rules_of_site(
    name: str, first: str, scopes: Mapping[int, Iterable[SiteScope]], protected: Iterable[SiteGuest]
) -> GuestRules:
    """Return the part of both settings for one site.

    `first`: the site that an entry of ROLE_SCOPES without a site means.
    A role with an entry for the whole site is not limited there. A role whose entries are all for other sites has no
    rights there.
    """
    found = dict[int, tuple[Scope, ...]]()
    for role, entries in scopes.items():
        here = [entry.scope for entry in entries if name == (first if entry.site is None else entry.site)]
        if None not in here:
            found[role] = tuple(dict.fromkeys(scope for scope in here if scope))
    return GuestRules(
        found, tuple(dict.fromkeys(each.vmid for each in protected if each.site in (None, name)))
    )


def scopes_without_site(given: RawSetting | None, scopes: Mapping[int, Iterable[SiteScope]]) -> list[Fault]:
    """Return a fault for each entry that does not say which of several sites it means."""
    return [
        given.fault(
            FaultKind.BAD_SCOPE,
            f"{entry.scope.kind}:{entry.scope.value}",
            reason="any_site",
            other=str(role),
        )
        for role, entries in scopes.items()
        for entry in entries
        if given is not None and entry.site is None and entry.scope is not None
    ]
