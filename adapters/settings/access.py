"""Parse the settings of access: roles, the guests they may use, and changes per minute."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.settings.faults import Fault, FaultKind, RawSetting, SettingRejected
from adapters.settings.values import VMIDS, parse_snowflake
from core.access.policy import Scope, ScopeKind

CHANGES = (1, 1000)  # per minute
DAYS = (1, 3650)
ROLE_LISTS = ("viewer_role_ids", "operator_role_ids", "admin_role_ids")
_PATTERNS = {
    ScopeKind.VMID: re.compile(r"[1-9][0-9]{2,8}"),
    ScopeKind.TAG: re.compile(r"[a-z0-9_][a-z0-9_\-+.]*", re.I),  # pve-common, JSONSchema.pm: pve-tag
    ScopeKind.POOL: re.compile(
        r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+){0,2}"
    ),  # pve-access-control: nested pools
    ScopeKind.NODE: re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"),
}


def parse_roles(given: RawSetting) -> tuple[int, ...]:
    """Parse role ids, also in the form of a mention. A single one needs no list."""
    items = given.value
    if given.source == "environment" and isinstance(items, str):
        items = [item for item in re.split(r"[,\s]+", items.strip().strip("[]")) if item]
    if isinstance(items, (int, str)) and not isinstance(items, bool):
        items = [items]
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise SettingRejected(given.wrong_type(items))
    found, faults = list[int](), list[Fault]()
    for item in items:
        try:
            found.append(parse_snowflake(replace(given, value=item, form="id")))
        except SettingRejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise SettingRejected(*faults)
    return tuple(dict.fromkeys(found))


def parse_scopes(given: RawSetting) -> dict[int, tuple[Scope, ...]]:
    """Parse `{role id: ["tag:web", "pool:lab", "node:pve2", 105]}`, in the environment as JSON."""
    rows: Any = given.value
    if isinstance(rows, str):
        try:
            rows = json.loads(rows)
        except ValueError:
            rows = None
    if not isinstance(rows, Mapping):
        given.reject(FaultKind.BAD_SCOPE, reason="shape")
    found, faults = dict[int, tuple[Scope, ...]](), list[Fault]()
    for role, entries in rows.items():
        try:
            number = parse_snowflake(replace(given, value=role, form="id"))
            found[number] = _scopes(given, number, entries)
        except SettingRejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise SettingRejected(*faults)
    return found


def _scopes(given: RawSetting, role: int, entries: object) -> tuple[Scope, ...]:
    items = list(entries) if isinstance(entries, (list, tuple, set, frozenset)) else [entries]
    if not items:
        given.reject(FaultKind.BAD_SCOPE, value=role, reason="empty")
    return tuple(dict.fromkeys(_scope(given, item) for item in items))


def _scope(given: RawSetting, item: object) -> Scope:
    if isinstance(item, bool) or not isinstance(item, (int, str)):
        given.reject(FaultKind.BAD_SCOPE, value=str(item))
    word, colon, value = str(item).strip().partition(":")
    trait, value = (word.strip().lower(), value.strip()) if colon else ("vmid", word)
    if trait not in list(ScopeKind) or not _PATTERNS[ScopeKind(trait)].fullmatch(value):
        given.reject(FaultKind.BAD_SCOPE, value=str(item))
    if trait == ScopeKind.VMID and not VMIDS[0] <= int(value) <= VMIDS[1]:
        given.reject(FaultKind.BAD_SCOPE, value=str(item))
    return Scope(ScopeKind(trait), value)


def parse_changes(given: RawSetting) -> int:
    """Parse the changes per minute for each person; 0 for no limit."""
    return given.whole(given.value, *CHANGES, digits=given.source == "environment", or_zero=True)


def parse_days(given: RawSetting) -> int:
    return given.whole(given.value, *DAYS, digits=given.source == "environment")


def access_faults(values: Mapping[str, Any]) -> list[Fault]:
    """Return the conflicts between settings: a scoped role without a level, and @everyone as more than a viewer."""
    levelled = {role for name in ROLE_LISTS for role in values.get(name) or ()}
    strays = [role for role in values.get("role_scopes") or () if role not in levelled]
    guild = values.get("guild_id")
    return [
        *(Fault(FaultKind.BAD_SCOPE, "ROLE_SCOPES", str(role), reason="no_level") for role in strays),
        *(
            Fault(FaultKind.GUILD_AS_ROLE, name.upper(), str(guild), reason="level")
            for name in ROLE_LISTS[1:]
            if guild is not None and guild in (values.get(name) or ())
        ),
    ]
