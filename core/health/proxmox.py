"""Judge one Proxmox cluster: its version, clock, account, guests and tags."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.guest import Cluster
from core.health.certificate import SOON_DAYS
from core.health.readiness import NOTES, check_proxmox
from core.health.result import Result, error, names_text, of_finding, ok, warning

OLDEST, NEWEST = (8, 4), 9
"""Oldest version that the bot works with, and first number of the newest version that it is made for."""
CLOCK_SECONDS = 30.0
"""Seconds by which the clocks may differ."""
_DAY = 86400.0  # seconds
OWNER_PREFIX, PROTECTED = "owner-", "protected"


@dataclass(frozen=True, slots=True)
class Account:
    """The user and the token in Proxmox' list of users. `user_ends`, `token_ends`: Unix times, 0 for never."""

    user_ends: float = 0.0
    token_ends: float = 0.0
    known: bool = True
    """Whether Proxmox shows the token in that list."""


def judge_version(version: str, where: str) -> Result:
    """Judge the version of Proxmox VE."""
    numbers = version_numbers(version)
    if numbers < OLDEST:
        return error("proxmox.version", "version_old", where, version=version)
    if numbers[0] > NEWEST:
        return warning("proxmox.version", "version_new", where, version=version)
    return ok("proxmox.version", "version_ok", where, version=version)


def version_numbers(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version, 0 for a missing one."""
    digits = [int(part) if part.isdecimal() else 0 for part in version.replace("-", ".").split(".")[:2]]
    return (digits[0], digits[1] if len(digits) > 1 else 0)


def judge_clock(check: str, offset: float | None, where: str) -> Result:
    """Judge another clock. `offset`: seconds by which it is ahead of this machine's, None if it named no time."""
    if offset is None:
        return ok(check, "clock_untold", where)
    if abs(offset) <= CLOCK_SECONDS:
        return ok(check, "clock_ok", where)
    word = "clock_behind" if offset > 0 else "clock_ahead"
    return warning(check, word, where, minutes=f"{abs(offset) / 60:.1f}")


def judge_account(account: Account, user: str, name: str, now: float, where: str) -> Result:
    """Judge the expiry dates of an account and a token that work now."""
    token = f"{user}!{name}"
    renew = f"pveum user token modify {user} {name} --regenerate 1"
    if not account.known:
        return ok("proxmox.token", "token_ok_untold", where, token=token, line=renew)
    ends = [each for each in (account.user_ends, account.token_ends) if each]
    if not ends:
        return ok("proxmox.token", "token_ok", where, token=token)
    if min(ends) - now >= SOON_DAYS * _DAY:
        return ok("proxmox.token", "token_ends", where, token=token, days=str(int((min(ends) - now) // _DAY)))
    line = (
        f"pveum user modify {user} --expire 0"
        if account.user_ends == min(ends)
        else f"pveum user token modify {user} {name} --expire 0"
    )
    days = str(max(0, int((min(ends) - now) // _DAY)))
    return warning("proxmox.token", "token_ends_soon", where, token=token, days=days, line=line)


def judge_cluster(node: str, cluster: Cluster, where: str) -> list[Result]:
    """Judge the cluster as the token sees it. `node`: NODE_NAME."""
    found = [of_finding("proxmox.guests", finding, where) for finding in check_proxmox(node, cluster)]
    if all(result.finding is not None and result.finding.problem in NOTES for result in found):
        guests, nodes = str(len(cluster.guests)), str(len(cluster.nodes))
        found.append(ok("proxmox.guests", "guests_ok", where, guests=guests, nodes=nodes))
    return found


def judge_tags(
    options: Mapping[str, object], tags: Iterable[str], scope_tags: Iterable[str], where: str
) -> Result:
    """Judge who may set the tags that decide about access here.

    `options`: the datacenter's. `tags`: all tags of the guests. `scope_tags`: those of ROLE_SCOPES.
    """
    scopes = {tag.casefold() for tag in scope_tags}
    powerful = sorted(
        tag
        for tag in {tag.casefold() for tag in tags} | scopes
        if tag.startswith(OWNER_PREFIX) or tag == PROTECTED or tag in scopes
    )
    if not powerful:
        return ok("proxmox.tags", "tags_none", where)
    registered = {tag.casefold() for tag in _listed(options.get("registered-tags"))}
    access = options.get("user-tag-access")
    mode = access.get("user-allow") if isinstance(access, dict) else _mode(access)
    allowed = (
        {tag.casefold() for tag in _listed(access.get("user-allow-list"))}
        if isinstance(access, dict)
        else set()
    )
    closed = mode in ("none", "list", "existing")
    open_tags = [
        tag
        for tag in powerful
        if tag not in registered and (not closed or mode == "existing" or tag in allowed)
    ]
    if not open_tags:
        return ok("proxmox.tags", "tags_ok", where)
    listed = ";".join(sorted(registered | set(powerful)))
    line = f"pvesh set /cluster/options --registered-tags {shlex.quote(listed)}"
    return warning("proxmox.tags", "tags_open", where, tags=names_text(open_tags), line=line)


def _listed(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return [each for each in str(value or "").replace(",", ";").replace(" ", ";").split(";") if each]


def _mode(value: object) -> str:
    """Return the mode in the text form, such as `user-allow=list,user-allow-list=a;b`."""
    for part in str(value or "").split(","):
        key, _, word = part.partition("=")
        if key == "user-allow":
            return word
    return "free"
