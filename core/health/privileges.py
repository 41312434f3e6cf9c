"""Compare the privileges of a token with those that each feature needs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.health.result import SHOWN_MOST, Result, error, names_text, ok, warning

Rights = Mapping[str, Mapping[str, object]]
"""Privileges by path, as `/access/permissions` answers."""


class Area(StrEnum):
    """The paths on which a feature needs its privileges."""

    GUESTS = "guests"  # each guest
    ROOT = "root"  # the cluster, and all nodes
    STORAGES = "storages"  # each storage
    A_STORAGE = "a_storage"  # at least one storage
    A_ZONE = "a_zone"  # at least one zone of the network
    POOLS = "pools"  # each pool that ROLE_SCOPES names


@dataclass(frozen=True, slots=True)
class Need:
    """The privileges of one feature.

    `role`: the feature's name, which ends the role's name in the remedy.
    `used`: the commands, or the setting, that need the privileges.
    """

    role: str
    privileges: tuple[str, ...]
    area: Area
    used: str


NEEDS = (
    Need("View", ("VM.Audit",), Area.GUESTS, "/list, /info, /graph guest, /monitor"),
    Need(
        "Power",
        ("VM.PowerMgmt",),
        Area.GUESTS,
        "/start, /shutdown, /reboot, /stop, /suspend, /resume, /reset",
    ),
    Need("Snapshot", ("VM.Snapshot",), Area.GUESTS, "/snapshot"),
    Need("Clone", ("VM.Clone", "VM.Allocate"), Area.GUESTS, "/create, /delete"),
    Need("Resize", ("VM.Config.CPU", "VM.Config.Memory"), Area.GUESTS, "/resize"),
    Need("Agent", ("VM.GuestAgent.Audit",), Area.GUESTS, "/info, /monitor"),
    Need("Backup", ("VM.Backup",), Area.GUESTS, "/delete, /stop"),
    Need("CloneStorage", ("Datastore.AllocateSpace",), Area.A_STORAGE, "/create"),
    Need("Bridge", ("SDN.Use",), Area.A_ZONE, "/create"),
    Need("Tasks", ("Sys.Audit",), Area.ROOT, "/node, /graph node, /monitor"),
    Need("Storage", ("Datastore.Audit",), Area.STORAGES, "/storage, /monitor"),
    Need("Pool", ("Pool.Audit",), Area.POOLS, "ROLE_SCOPES"),
)
"""The features. docs/proxmox.md lists them from here."""
ON_8 = {"VM.GuestAgent.Audit": "VM.Monitor"}
"""Names of privileges in Proxmox VE 8, by their names in 9, where the two differ."""
_USED = {name for need in NEEDS for name in need.privileges} | set(ON_8.values())
TOO_MUCH = (
    "Permissions.Modify",
    "User.Modify",
    "Realm.Allocate",
    "Sys.Modify",
    "Sys.Console",
    "Sys.PowerMgmt",
)
"""Privileges that the bot never uses and with which a stolen token would give control of the host."""
ADMINISTRATOR = {"Permissions.Modify", "User.Modify", "Sys.Modify"}
"""A token with all of these privileges is one of an administrator."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its effective privileges. `version`: the first number of Proxmox VE's version."""

    user: str
    name: str
    rights: Rights
    version: int

    @property
    def identity(self) -> str:
        return f"{self.user}!{self.name}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The objects that the token is used for. `guests`: the pool of each VMID, None for a guest in no pool."""

    guests: Mapping[int, str | None] = field(default_factory=dict)
    storages: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()


def held_on(rights: Rights, path: str) -> set[str]:
    """Return the privileges on a path.

    A path that has none of its own gets those of the nearest path above that has any, if they propagate.
    """
    at = path
    while at not in rights and at != "/":
        at = at.rpartition("/")[0] or "/"
    return {name for name, propagates in rights.get(at, {}).items() if at == path or str(propagates) != "0"}


def judge_token(
    token: Token, inventory: Inventory, where: str, needs: Iterable[Need] = NEEDS
) -> list[Result]:
    """Judge a token's privileges: those that are missing for these features, and those that are dangerous."""
    found = [result for need in needs for result in _missing(token, need, inventory, where)]
    if not any(result.level != "ok" for result in found):
        found.append(ok("proxmox.privileges", "privileges_ok", where))
    return found + _too_much(token, where)


def _missing(token: Token, need: Need, inventory: Inventory, where: str) -> list[Result]:
    wanted = names_in(token.version, need)
    lacking = {path: _lack(token, wanted, path, inventory) for path in _paths(need.area, token, inventory)}
    if need.area in (Area.A_STORAGE, Area.A_ZONE) and not all(lacking.values()):
        return []
    bad = [path for path, names in lacking.items() if names]
    if not bad:
        return []
    names = [name for name in wanted if any(name in lacking[path] for path in bad)]
    paths = _remedy_paths(need.area, bad, list(lacking), token, inventory)
    kept = _used_on(token, paths[0])
    paths = [path for path in paths if _used_on(token, path) == kept]
    make = error if need.role == "View" else warning
    return [
        make(
            "proxmox.privileges",
            "pool_privilege_missing" if need.area is Area.POOLS else "privilege_missing",
            where,
            privileges=", ".join(names),
            paths=names_text(paths),
            used=need.used,
            line=grant_line(token, need.role, {*wanted, *kept}, paths[:SHOWN_MOST]),
        )
    ]


def names_in(version: int, need: Need) -> tuple[str, ...]:
    """Return the privileges of a feature as this version of Proxmox VE names them."""
    return tuple(ON_8.get(name, name) if version < 9 else name for name in need.privileges)


def _paths(area: Area, token: Token, inventory: Inventory) -> list[str]:
    """Return the paths on which an area needs its privileges."""
    known = [path for path in token.rights if path.count("/") > 1]
    match area:
        case Area.GUESTS:
            return [f"/vms/{vmid}" for vmid in inventory.guests] or ["/vms"]
        case Area.ROOT:
            return ["/", "/nodes"]  # Proxmox checks / for the tasks of the cluster (Cluster.pm)
        case Area.STORAGES | Area.A_STORAGE:
            listed = {f"/storage/{name}" for name in inventory.storages}
            return sorted(listed | {path for path in known if path.startswith("/storage/")}) or ["/storage"]
        case Area.A_ZONE:
            zones = [path for path in known if path.startswith("/sdn/zones/")]
            return [*zones, "/sdn/zones/localnetwork"]
        case Area.POOLS:
            return [f"/pool/{name}" for name in inventory.pools]


def _lack(token: Token, wanted: Iterable[str], path: str, inventory: Inventory) -> set[str]:
    held = held_on(token.rights, path)
    _, area, name, *_ = (*path.split("/"), "", "")
    if area == "vms" and name.isdigit() and (pool := inventory.guests.get(int(name))):
        held |= held_on(token.rights, f"/pool/{pool}")
    return {each for each in wanted if each not in held}


def _remedy_paths(
    area: Area, bad: list[str], all_paths: list[str], token: Token, inventory: Inventory
) -> list[str]:
    """Return the paths for the remedy: the bad ones, or fewer.

    Of storages or zones of which one suffices, return one. All guests are replaced by /vms, and all nodes by /.
    If the token has privileges on pools but none on /vms, bad guests that are all in these pools are replaced by the
    pools.
    """
    if area in (Area.A_STORAGE, Area.A_ZONE):
        return bad[:1]
    if area is Area.GUESTS and not held_on(token.rights, "/vms"):
        pools = {inventory.guests.get(int(path.rpartition("/")[2])) for path in bad if path != "/vms"}
        if pools and all(pool and held_on(token.rights, f"/pool/{pool}") for pool in pools):
            return [f"/pool/{pool}" for pool in sorted(filter(None, pools))]
    above = {Area.GUESTS: "/vms", Area.ROOT: "/"}.get(area)
    return [above] if above and len(bad) == len(all_paths) else bad


def _used_on(token: Token, path: str) -> set[str]:
    """Return the privileges on a path that the bot uses.

    A role on a path replaces those from above it, so the role of the remedy must include them.
    """
    return held_on(token.rights, path) & _USED


def grant_line(token: Token, role: str, privileges: Iterable[str], paths: Iterable[str]) -> str:
    """Return the command that grants privileges to user and token."""
    name = f"DiscordBotExtra{role}"
    grants = [_acl_line(token, name, path) for path in paths]
    return "; ".join([f'pveum role add {name} --privs "{" ".join(sorted(privileges))}"', *grants])


def _too_much(token: Token, where: str) -> list[Result]:
    if token.user == "root@pam":
        return [warning("proxmox.too_much", "token_of_root", where, token=token.identity)]
    held = {name for rights in token.rights.values() for name in rights}
    if held >= ADMINISTRATOR:
        return [
            warning(
                "proxmox.too_much",
                "token_is_administrator",
                where,
                token=token.identity,
                line=_revoke_line(token, "Administrator"),
            )
        ]
    extra = [name for name in TOO_MUCH if name in held]
    if not extra:
        return []
    path = min((path for path, rights in token.rights.items() if extra[0] in rights), key=len)
    return [
        warning(
            "proxmox.too_much",
            "privilege_too_much",
            where,
            privileges=", ".join(extra),
            paths=path,
            line=f"pveum acl list; {_revoke_line(token, 'ROLE', path)}",
        )
    ]


def _revoke_line(token: Token, role: str, path: str = "/") -> str:
    return f"{_acl_line(token, role, path)} --delete 1"


def _acl_line(token: Token, role: str, path: str) -> str:
    """Return a line to be pasted into a root shell: texts from Proxmox are quoted."""
    user, identity = shlex.quote(token.user), shlex.quote(token.identity)
    return f"pveum acl modify {shlex.quote(path)} --users {user} --tokens {identity} --roles {role}"
