"""Define the errors of Proxmox and of the connection to it: a branch of the tree in core/errors.py.

ProxmoxError
├── Unreachable              no connection to the API
├── CertificateNotTrusted    TLS refused
├── QueueFull                too many requests wait to be sent
├── TimedOut                 no answer in time; Proxmox may carry out a change all the same
├── NodeUnreachable          595 to 599, or listed as offline: another node does not answer
├── NoQuorum                 the cluster is read-only
├── TokenRefused             401
├── MissingPrivilege         403, with privilege and path
├── GuestMoved               the guest is not on that node (any more)
├── LockTimeout              the configuration file stayed locked for 10 s
├── StorageFull
├── TargetNotShared          a copy on another node needs a shared storage
├── LinkedCloneUnsupported   the storage supports full copies only
├── TaskUnknown              Proxmox does not know this UPID
├── Rejected                 Proxmox' own words
├── NothingVisible, HalfGone no guest is listed any more, or half of the known ones are gone: the token has
│                            probably lost a privilege
└── BadAnswer                not an answer of the Proxmox API (a proxy's page, broken JSON)
    └── AnswerTooLarge       too many bytes or items
"""

from dataclasses import dataclass

from core.errors import BotError


@dataclass(eq=False)
class ProxmoxError(BotError):
    """Proxmox refused a request, gave no usable answer, or could not be reached."""


@dataclass(eq=False)
class Unreachable(ProxmoxError):
    host: str


class QueueFull(ProxmoxError):
    """Too many requests wait already, of this person or of all. The new request was not sent."""


@dataclass(eq=False)
class CertificateNotTrusted(ProxmoxError):
    """TLS refused the certificate. `fingerprint`: its SHA-256, None if it could not be read."""

    host: str
    fingerprint: str | None


@dataclass(eq=False)
class TimedOut(ProxmoxError):
    """No answer in time. `changing`: a change was sent and may be carried out all the same."""

    host: str
    changing: bool


@dataclass(eq=False)
class NodeUnreachable(ProxmoxError):
    """Another node does not answer, or is listed as offline. `changing` as in TimedOut."""

    node: str
    changing: bool = False


class NoQuorum(ProxmoxError):
    pass


class TokenRefused(ProxmoxError):
    pass


@dataclass(eq=False)
class MissingPrivilege(ProxmoxError):
    """The token lacks a privilege. `privilege` and `path` as Proxmox names them; "" if it names none."""

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
    """A refusal that has no class of its own, in Proxmox' words. `status` is the HTTP status."""

    status: int
    message: str


class NothingVisible(ProxmoxError):
    pass


@dataclass(eq=False)
class HalfGone(ProxmoxError):
    """`gone` of the `known` guests are not listed any more: half of them or more.

    Both are None for people who may not know the numbers.
    """

    gone: int | None
    known: int | None


@dataclass(eq=False)
class BadAnswer(ProxmoxError):
    """Not an answer of the Proxmox API.

    `changing` as in TimedOut. `status` is the HTTP status, if there was one.
    """

    host: str
    changing: bool = False
    status: int | None = None


@dataclass(eq=False)
class AnswerTooLarge(BadAnswer):
    """The answer has more bytes or items than the bot accepts. Its data is not used."""
