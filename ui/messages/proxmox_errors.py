"""One sentence for every error that Proxmox, or the way to it, says no with: a part of ui/messages/errors.py."""

from collections.abc import Callable
from typing import Any

from core import proxmox_errors as p
from core.errors import BotError
from ui.formatting import code
from ui.i18n import Text


def missing_privilege(t: Text, error: p.MissingPrivilege) -> str:
    if not error.path:
        return t("Proxmox refused: the bot's API token lacks a privilege. Check its permissions.")
    return t(
        "Proxmox refused: the bot's API token lacks {privilege} on {path}. Give it to the user and the token.",
        privilege=code(error.privilege or "?"),
        path=code(error.path),
    )


def _certificate(t: Text, error: p.CertificateNotTrusted) -> str:
    if error.fingerprint is None:
        return t(
            "The certificate of {host} is not trusted. Set PROXMOX_VERIFY_SSL or PROXMOX_FINGERPRINT.",
            host=code(error.host),
        )
    return t(
        "The certificate of {host} is not trusted. Compare this SHA-256 fingerprint with `pvenode cert info`, "
        "then set it as PROXMOX_FINGERPRINT:\n{fingerprint}",
        host=code(error.host),
        fingerprint=code(error.fingerprint, 100),
    )


def _timed_out(t: Text, error: p.TimedOut) -> str:
    if error.changing:
        return t(
            "{host} did not answer in time. The work may go on all the same: look with `/info` before trying again.",
            host=code(error.host),
        )
    return t("{host} did not answer in time. Check its load and the network.", host=code(error.host))


def _node_unreachable(t: Text, error: p.NodeUnreachable) -> str:
    if error.changing:
        return t(
            "Node {node} did not answer. The work may go on all the same: look with `/info` before trying again.",
            node=code(error.node),
        )
    return t("Node {node} cannot be reached. Check that it is up and on the network.", node=code(error.node))


def _bad_answer(t: Text, error: p.BadAnswer) -> str:
    host, status = code(error.host), error.status if error.status and error.status >= 300 else None
    if error.changing and status:
        return t(
            "A proxy or gateway in front of {host} answered (HTTP {status}), not Proxmox. The "
            "work may go on all the same: look with `/info` before trying again.",
            host=host,
            status=status,
        )
    if error.changing:
        return t(
            "The answer of {host} could not be read. The work may go on all the same: "
            "look with `/info` before trying again.",
            host=host,
        )
    if status:
        return t(
            "{host} does not answer like a Proxmox API (HTTP {status}). "
            "Check PROXMOX_HOST, and any proxy in between.",
            host=host,
            status=status,
        )
    return t(
        "{host} does not answer like a Proxmox API. Check PROXMOX_HOST, and any proxy in between.", host=host
    )


def _too_large(t: Text, error: p.AnswerTooLarge) -> str:
    if error.changing:
        return _bad_answer(t, error)
    return t("The answer from {host} is too large and was not read to its end.", host=code(error.host))


def _rejected(t: Text, error: p.Rejected) -> str:
    if not error.message.strip():
        return t("Proxmox refused without a reason (HTTP {status}).", status=error.status)
    return t("Proxmox refused: {message}", message=code(error.message, 300))


def _half_gone(t: Text, error: p.HalfGone) -> str:
    if error.gone is None or error.known is None:
        return t(
            "Many guests have suddenly gone from the list. The API token may have lost "
            "privileges, or pools were changed."
        )
    return t.plural(
        "{n} guest of {known} is suddenly no longer listed. The API token may have lost privileges, or pools were "
        "changed.",
        "{n} guests of {known} are suddenly no longer listed. The API token may have lost privileges, or pools were "
        "changed.",
        error.gone,
        known=error.known,
    )


PROXMOX_SENTENCES: dict[type[BotError], Callable[[Text, Any], str]] = {
    p.Unreachable: lambda t, x: t(
        "Proxmox ({host}) cannot be reached. Check the network and that the host is up.", host=code(x.host)
    ),
    p.CertificateNotTrusted: _certificate,
    p.TimedOut: _timed_out,
    p.NodeUnreachable: _node_unreachable,
    p.NoQuorum: lambda t, x: t(
        "The cluster has no quorum, so nothing can be changed. Bring the other nodes back first."
    ),
    p.TokenRefused: lambda t, x: t(
        "Proxmox refused the bot's API token. Check PROXMOX_USER, PROXMOX_TOKEN_NAME and "
        "PROXMOX_TOKEN_VALUE, and whether it has expired."
    ),
    p.MissingPrivilege: missing_privilege,
    p.GuestMoved: lambda t, x: t(
        "**{vmid}** is just moving to another node. Please try again in a moment.", vmid=x.vmid
    ),
    p.LockTimeout: lambda t, x: t(
        "Other work holds the guest's configuration just now. Please try again in a moment."
    ),
    p.StorageFull: lambda t, x: t("The storage is full: {message}", message=code(x.message, 200)),
    p.TargetNotShared: lambda t, x: t(
        "The copy cannot go to another node, since its storage is local: {message}",
        message=code(x.message, 200),
    ),
    p.LinkedCloneUnsupported: lambda t, x: t(
        "The storage of this template does not allow copies: {message}", message=code(x.message, 200)
    ),
    p.TaskUnknown: lambda t, x: t("Proxmox no longer knows this task: {upid}", upid=code(x.upid, 100)),
    p.Rejected: _rejected,
    p.NothingVisible: lambda t, x: t(
        "Proxmox suddenly shows no guest at all. The API token may have lost the privilege `VM.Audit`."
    ),
    p.HalfGone: _half_gone,
    p.BadAnswer: _bad_answer,
    p.AnswerTooLarge: _too_large,
}
