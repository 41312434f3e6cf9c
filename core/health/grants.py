"""Write the commands that create a token with the least privileges for a chosen use. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from enum import StrEnum

from core.health.privileges import NEEDS, Area, Need, names_in

ZONE = "/sdn/zones/localnetwork"
"""The path of Proxmox' default zone, which has all bridges that are in no other zone."""


class Use(StrEnum):
    """The permitted use of Proxmox. Each use includes the ones before it."""

    WATCH = "watch"
    POWER = "power"
    ALL = "all"


_WATCH = ("View", "Agent", "Tasks", "Storage", "Pool")
_FEATURES = {Use.WATCH: _WATCH, Use.POWER: (*_WATCH, "Power")}
_ROLES: tuple[tuple[str, tuple[Area, ...]], ...] = (
    ("DiscordBotGuests", (Area.GUESTS,)),
    ("DiscordBotWatch", (Area.ROOT, Area.STORAGES, Area.POOLS)),
    ("DiscordBotStorage", (Area.A_STORAGE,)),
    ("DiscordBotBridge", (Area.A_ZONE,)),
)


def needs_of(use: Use, version: int) -> tuple[Need, ...]:
    """Return the features of a use. `version`: the first number of Proxmox VE's version.

    The privilege with which version 8 shows the addresses of a guest also opens QEMU's monitor. So with version 8
    only ALL includes that feature.
    """
    if use is Use.ALL:
        return NEEDS
    left_out = {"Agent"} if version < 9 else set[str]()
    return tuple(need for need in NEEDS if need.role in _FEATURES[use] and need.role not in left_out)


def token_commands(
    use: Use, version: int, user: str, name: str, storages: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the commands for a node's shell: roles, user, token and grants. `storages`: those for new guests.

    A role on a path replaces those from above it, so the role for a storage includes the privilege to see it.
    """
    paths = {
        "DiscordBotGuests": ["/vms"],
        "DiscordBotWatch": ["/"],
        "DiscordBotStorage": [f"/storage/{storage}" for storage in storages],
        "DiscordBotBridge": [ZONE],
    }
    owner, token = shlex.quote(user), shlex.quote(f"{user}!{name}")
    needs, roles, grants = needs_of(use, version), list[str](), list[str]()
    for role, areas in _ROLES:
        held = [each for need in needs if need.area in areas for each in names_in(version, need)]
        if role == "DiscordBotStorage" and held:
            held.append("Datastore.Audit")
        if held and paths[role]:
            roles.append(f'pveum role add {role} --privs "{" ".join(held)}"')
            grants += [
                f"pveum acl modify {shlex.quote(path)} --users {owner} --tokens {token} --roles {role}"
                for path in paths[role]
            ]
    return (
        *roles,
        f'pveum user add {owner} --comment "Discord bot"',
        f"pveum user token add {owner} {name} --privsep 1",
        *grants,
    )
