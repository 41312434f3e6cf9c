"""Translate Proxmox' refusals into the project's errors. Pure functions on plain data.

The comments name files of Proxmox as sources.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import BotError, ChangedMeanwhile
from core.guest import Guest
from core.guest_errors import GuestLocked, GuestProtected, VmidTaken
from core.proxmox_errors import (
    GuestMoved,
    LinkedCloneUnsupported,
    LockTimeout,
    MissingPrivilege,
    NodeUnreachable,
    NoQuorum,
    Rejected,
    StorageFull,
    TargetNotShared,
    TimedOut,
    TokenRefused,
)

TEXT_MOST = 900
"""Characters read of a refusal. The cut text fits into the audit trail, and no pattern is applied to more."""
FIELDS_MOST = 20
"""Maximum number of parameter errors read."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """The facts of a call that the error of a refusal needs.

    `not_found`: the error if Proxmox does not know the task that the call is about.
    """

    guest: Guest | None = None
    not_found: BotError | None = None


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str], CallContext, str], BotError | None]]


def _of_guest(
    make: Callable[[Guest], BotError],
) -> Callable[[re.Match[str], CallContext, str], BotError | None]:
    return lambda _match, context, _text: make(context.guest) if context.guest else None


_RULES: tuple[_Rule, ...] = (
    # AbstractConfig.pm load_config; HTTPServer.pm when the guest lives on another node
    (
        re.compile(r"[Cc]onfiguration file '.*' does not exist|unable to find configuration file"),
        _of_guest(lambda guest: GuestMoved(guest.vmid, guest.node)),
    ),
    # AbstractConfig.pm check_lock
    (
        re.compile(r"(?:VM|CT) is locked \((?P<lock>[^)]*)\)"),
        lambda match, context, _text: (
            GuestLocked(context.guest.vmid, context.guest.label, match["lock"]) if context.guest else None
        ),
    ),
    (
        re.compile(r"can't lock file .* got timeout"),
        lambda _match, context, _text: LockTimeout(context.guest.vmid if context.guest else None),
    ),
    (re.compile(r"no quorum"), lambda _match, _context, _text: NoQuorum()),
    # AbstractConfig.pm check_protection
    (
        re.compile(r"protection mode enabled"),
        _of_guest(lambda guest: GuestProtected(guest.vmid, guest.label)),
    ),
    # AbstractConfig.pm create_and_lock_config; Cluster.pm check_vmid_unused
    (
        re.compile(r"(?:VM|CT) (?P<vmid>\d+)\b.*already exists|create (?:VM|CT) (?P<id>\d+).*already exists"),
        lambda match, _context, _text: VmidTaken(int(match["vmid"] or match["id"])),
    ),
    # Qemu.pm and LXC.pm clone_vm
    (
        re.compile(r"can't clone (?:VM|CT) to node|can't clone to non-shared storage"),
        lambda _match, _context, text: TargetNotShared(text),
    ),
    (
        re.compile(r"[Ll]inked clone.* not (?:supported|available)"),
        lambda _match, _context, text: LinkedCloneUnsupported(text),
    ),
    (
        re.compile(
            r"[Nn]o space left|not enough (?:free )?(?:disk )?space|out of space|insufficient free space"
            r"|free space in thin pool|is full|over ?quota|disk quota exceeded"
        ),
        lambda _match, _context, text: StorageFull(text),
    ),
    # The digest sent is no longer the file's: Qemu.pm update_vm_api (once "missmatch"), Tools.pm assert_if_modified
    (
        re.compile(r"checksum miss?match|detected modified configuration"),
        _of_guest(lambda guest: ChangedMeanwhile(guest.vmid)),
    ),
)
_PERMISSION = re.compile(r"\((?P<path>/[^,)]*)(?:,\s*(?P<privileges>[^)]+))?\)")
_KNOWN = re.compile(
    r"[Pp]ermission check failed|Parameter verification failed|onfiguration file '[^']*' does not exist"
    r"|(?:VM|CT) is locked \(|can't lock file '|no quorum\?|protection mode enabled|config file already exists"
    r"|can't clone (?:VM|CT|to)|checksum miss?match|detected modified configuration"
)


def is_known(text: str) -> bool:
    """Return whether the text contains words that only Proxmox uses."""
    return _KNOWN.search(text[:TEXT_MOST]) is not None


def make_error(
    status: int, message: str, fields: object, context: CallContext, host: str, changing: bool
) -> BotError:
    """Return the project's error for an HTTP refusal of Proxmox.

    `message`: Proxmox' own. `fields`: the errors by parameter. `host`: the entry point, as errors name it.
    `changing`: whether the request was a change.
    """
    text = _words(message, fields)
    if status == 401:
        return TokenRefused()
    if status == 403:
        match = _PERMISSION.search(text)
        return (
            MissingPrivilege(match["privileges"] or "", match["path"]) if match else MissingPrivilege("", "")
        )
    if status in (502, 504):  # a reverse proxy in front of pveproxy: the request may still be running
        return TimedOut(host, changing)
    if 595 <= status <= 599:
        node = context.guest.node if context.guest else host
        return NodeUnreachable(node, changing=changing and status != 595)
    if context.not_found and status in (400, 404, 500) and "no such task" in text:
        return context.not_found
    for pattern, make in _RULES:
        match = pattern.search(text)
        found = make(match, context, text) if match else None
        if found:
            return found
    return Rejected(status, text)


def _words(message: str, fields: object) -> str:
    """Join the message and the field errors to one line of limited length."""
    parts = [message[:TEXT_MOST]]
    if isinstance(fields, dict):
        some = list(fields.items())[:FIELDS_MOST]
        parts += [f"{key}: {value[:TEXT_MOST]}" for key, value in some if isinstance(value, str)]
    return " ".join(" ".join(parts).split())[:TEXT_MOST]
