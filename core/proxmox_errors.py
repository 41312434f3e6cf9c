"""What Proxmox, or the way to it, says no with: a branch of the tree in core/errors.py.

    ProxmoxError
    ├── Unreachable              no connection to PROXMOX_HOST
    ├── CertificateNotTrusted    TLS refused
    ├── TimedOut                 no answer in time: the work may go on
    ├── NodeUnreachable          595, 596, 599: another node does not answer
    ├── NoQuorum                 the cluster is read-only
    ├── TokenRefused             401
    ├── MissingPrivilege         403, with privilege and path
    ├── GuestMoved               the guest is not on that node (any more)
    ├── LockTimeout              the configuration's file lock was not to be had in 10 s
    ├── StorageFull
    ├── TargetNotShared          the copy cannot go to another node
    ├── LinkedCloneUnsupported   the storage has only full copies
    ├── TaskUnknown              Proxmox does not know this UPID
    ├── Rejected                 Proxmox' own words
    ├── NothingVisible, HalfGone an empty list where guests were known, or half of them gone at once: a lost
    │                            privilege, most likely
    └── BadAnswer                not an answer of the Proxmox API (a proxy's page, broken JSON)
        └── AnswerTooLarge       more than any answer of its kind

An error carries values, never a sentence; ui/messages/errors.py has one sentence for each class.
"""

from dataclasses import dataclass

from core.errors import BotError


@dataclass(eq=False)
class ProxmoxError(BotError):
    """Proxmox, or the way to it, said no."""


@dataclass(eq=False)
class Unreachable(ProxmoxError):
    host: str


@dataclass(eq=False)
class CertificateNotTrusted(ProxmoxError):
    """`fingerprint` is the SHA-256 of the certificate that was shown, or None where it could not be read."""

    host: str
    fingerprint: str | None


@dataclass(eq=False)
class TimedOut(ProxmoxError):
    """No answer in time. `changing` tells that a change was sent, which may be carried out all the same."""

    host: str
    changing: bool


@dataclass(eq=False)
class NodeUnreachable(ProxmoxError):
    """`changing` as in TimedOut."""

    node: str
    changing: bool = False


class NoQuorum(ProxmoxError):
    pass


class TokenRefused(ProxmoxError):
    pass


@dataclass(eq=False)
class MissingPrivilege(ProxmoxError):
    """`privilege` and `path` as Proxmox names them; empty where it did not."""

    privilege: str
    path: str


@dataclass(eq=False)
class GuestMoved(ProxmoxError):
    vmid: int
    node: str


@dataclass(eq=False)
class LockTimeout(ProxmoxError):
    vmid: int | None


@dataclass(eq=False)
class StorageFull(ProxmoxError):
    message: str


@dataclass(eq=False)
class TargetNotShared(ProxmoxError):
    message: str


@dataclass(eq=False)
class LinkedCloneUnsupported(ProxmoxError):
    message: str


@dataclass(eq=False)
class TaskUnknown(ProxmoxError):
    upid: str


@dataclass(eq=False)
class Rejected(ProxmoxError):
    """Proxmox' own words; `status` is the HTTP status."""

    status: int
    message: str


class NothingVisible(ProxmoxError):
    pass


@dataclass(eq=False)
class HalfGone(ProxmoxError):
    """`gone` of the `known` guests are no longer listed; None for who may not know how many there are."""

    gone: int | None
    known: int | None


@dataclass(eq=False)
class BadAnswer(ProxmoxError):
    """`changing` as in TimedOut. `status` is the HTTP status, where the answer was one."""

    host: str
    changing: bool = False
    status: int | None = None


@dataclass(eq=False)
class AnswerTooLarge(BadAnswer):
    """What came was not read to its end."""
