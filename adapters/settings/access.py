"""Parse the settings of access: roles, changes per minute, and the days of the audit trail.

Each parser raises SettingRejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.settings.faults import Fault, FaultKind, RawSetting, SettingRejected
from adapters.settings.values import parse_snowflake

CHANGES = (1, 1000)  # per minute
DAYS = (1, 3650)
ROLE_LISTS = ("viewer_role_ids", "operator_role_ids", "admin_role_ids")


def parse_roles(given: RawSetting) -> tuple[int, ...]:
    """Parse role ids. Mentions are accepted, too. A single one needs no list."""
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
            found.append(parse_snowflake(replace(given.part(item), form="id")))
        except SettingRejected as refused:
            faults.extend(refused.faults)
    if faults:
        raise SettingRejected(*faults)
    return tuple(dict.fromkeys(found))


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
