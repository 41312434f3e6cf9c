"""Hold the words for each error of core/proxmox_errors.py, one row each, and advice about errors of tasks."""

import re

from core import proxmox_errors as p
from core.operations import Operation
from ui.formatting import code
from ui.i18n import N_, Marked, Text
from ui.messages.error_words import ErrorWords, WordsByError, fill_in


def _missing_privilege(t: Text, error: p.MissingPrivilege) -> str:
    if not error.path:
        return t("Proxmox refused: the bot's API token lacks a privilege. Check its permissions.")
    message = N_(
        "Proxmox refused: the bot's API token lacks {privilege} on {path}. Grant it to both "
        "the user and the token."
    )
    return fill_in(t, error, message, privilege=code(error.privilege or "?"))


def _certificate(t: Text, error: p.CertificateNotTrusted) -> str:
    message = N_("The certificate of {host} is not trusted. Set PROXMOX_VERIFY_SSL or PROXMOX_FINGERPRINT.")
    if error.fingerprint is not None:
        message = N_(
            "The certificate of {host} is not trusted. Compare this SHA-256 fingerprint with `pvenode cert "
            "info`, then set it as PROXMOX_FINGERPRINT:\n{fingerprint}"
        )
    return fill_in(t, error, message)


def _timed_out(t: Text, error: p.TimedOut) -> str:
    message = N_("{host} did not answer in time. Check its load and the network.")
    if error.changing:
        message = N_(
            "{host} did not answer in time. The task may still be running: check with `/info` "
            "before trying again."
        )
    return fill_in(t, error, message)


def _node_unreachable(t: Text, error: p.NodeUnreachable) -> str:
    message = N_("Cannot reach node {node}. Check that it is up and on the network.")
    if error.changing:
        message = N_(
            "Node {node} did not answer. The task may still be running: check with `/info` "
            "before trying again."
        )
    return fill_in(t, error, message)


def _bad_answer(t: Text, error: p.BadAnswer) -> str:
    from_a_proxy = error.status is not None and error.status >= 300
    return fill_in(t, error, _BAD_ANSWERS[error.changing, from_a_proxy])


_BAD_ANSWERS: dict[tuple[bool, bool], Marked] = {
    (True, True): N_(
        "A proxy or gateway in front of {host} answered (HTTP {status}), not Proxmox. The task "
        "may still be running: check with `/info` before trying again."
    ),
    (True, False): N_(
        "The response from {host} could not be read. The task may still be running: check with "
        "`/info` before trying again."
    ),
    (False, True): N_(
        "{host} does not answer like a Proxmox API (HTTP {status}). Check PROXMOX_HOST and any "
        "proxy in between."
    ),
    (False, False): N_(
        "{host} does not answer like a Proxmox API. Check PROXMOX_HOST and any proxy in between."
    ),
}
"""Keys: whether a change was sent, and whether the HTTP status is 300 or more, which means a proxy."""


def _too_large(t: Text, error: p.AnswerTooLarge) -> str:
    if error.changing:
        return _bad_answer(t, error)
    return fill_in(t, error, N_("The response from {host} is too large and was not read to the end."))


def _rejected(t: Text, error: p.Rejected) -> str:
    if not error.message.strip():
        return fill_in(t, error, N_("Proxmox refused without a reason (HTTP {status})."))
    return fill_in(t, error, N_("Proxmox refused: {message}"), message=code(error.message, 300))


def _half_gone(t: Text, error: p.HalfGone) -> str:
    if error.gone is None or error.known is None:
        return t(
            "Many guests suddenly disappeared. The API token may have lost privileges, or pools were changed."
        )
    return t.plural(
        "{n} guest of {known} suddenly disappeared. The API token may have lost privileges, or "
        "pools were changed.",
        "{n} guests of {known} suddenly disappeared. The API token may have lost privileges, "
        "or pools were changed.",
        error.gone,
        known=error.known,
    )


PROXMOX_WORDS: WordsByError = {
    p.Unreachable: ErrorWords(
        N_("Cannot reach Proxmox ({host}). Check the network and that the host is up."),
        N_("Proxmox unreachable"),
    ),
    p.CertificateNotTrusted: ErrorWords(_certificate, N_("certificate not trusted")),
    p.QueueFull: ErrorWords(
        N_("Too many requests are waiting for Proxmox, so this one was not sent. Try again in a moment."),
        N_("too many requests waiting"),
    ),
    p.TimedOut: ErrorWords(_timed_out, N_("timed out")),
    p.NodeUnreachable: ErrorWords(_node_unreachable, N_("node unreachable")),
    p.NoQuorum: ErrorWords(
        N_("The cluster has no quorum, so nothing can be changed. Bring the other nodes back first."),
        N_("no quorum"),
    ),
    p.TokenRefused: ErrorWords(
        N_(
            "Proxmox refused the bot's API token. Check PROXMOX_USER, PROXMOX_TOKEN_NAME, "
            "PROXMOX_TOKEN_VALUE and the expiry date."
        ),
        N_("API token refused"),
    ),
    p.MissingPrivilege: ErrorWords(_missing_privilege, N_("API token lacks a privilege")),
    p.GuestMoved: ErrorWords(
        N_("**{vmid}** is migrating to another node. Try again in a moment."), N_("guest is migrating")
    ),
    p.LockTimeout: ErrorWords(
        N_("Another task is using the guest's configuration. Try again in a moment."),
        N_("configuration in use by another task"),
    ),
    p.StorageFull: ErrorWords(N_("The storage is full: {message}"), N_("storage full")),
    p.TargetNotShared: ErrorWords(
        N_("Cannot clone to another node because the storage is local: {message}"),
        N_("storage is not shared"),
    ),
    p.LinkedCloneUnsupported: ErrorWords(
        N_("The storage of this template does not support cloning: {message}"),
        N_("storage does not support cloning"),
    ),
    p.TaskUnknown: ErrorWords(N_("Proxmox no longer knows this task: {upid}"), N_("task not found")),
    p.Rejected: ErrorWords(_rejected, N_("refused by Proxmox")),
    p.NothingVisible: ErrorWords(
        N_("Proxmox suddenly shows no guests. The API token may have lost the privilege `VM.Audit`."),
        N_("no guests visible"),
    ),
    p.HalfGone: ErrorWords(_half_gone, N_("many guests disappeared")),
    p.BadAnswer: ErrorWords(_bad_answer, N_("invalid response")),
    p.AnswerTooLarge: ErrorWords(_too_large, N_("response too large")),
}

_MOST = 1000
"""Maximum characters of a task's error that are searched for a cause."""
_HINTS: tuple[tuple[str, Marked], ...] = (
    (
        r"still in use by linked clone|base volume .* still in use",
        N_("Linked clones still use its disk. Delete them first."),
    ),
    (
        r"[Nn]o space left|not enough (free )?(disk )?space|out of space|free space|\bis full\b",
        N_("The storage seems to be full."),
    ),
    (
        r"MAX \d+ vcpus allowed",
        N_("The VM has more cores than the node has CPUs. Reduce them with `/resize`."),
    ),
    (r"no quorum", N_("The cluster has no quorum.")),
    (r"is locked|can't lock file", N_("Another task is using the guest. Try again when it has finished.")),
    (
        r"is not (the )?most recent",
        N_("This storage can only roll back to the newest snapshot."),
    ),
)
_PERMISSION = re.compile(r"Permission check failed \((?P<path>/[^,)]*)(?:,\s*(?P<privileges>[^)]+))?\)")


def task_hint(t: Text, operation: Operation, message: str) -> str | None:
    """Return the cause of a task's error or what to do about it, None if neither is known."""
    message = message[:_MOST]
    if match := _PERMISSION.search(message):
        return _missing_privilege(t, p.MissingPrivilege(match["privileges"] or "", match["path"]))
    for pattern, advice in _HINTS:
        if re.search(pattern, message):
            return t(advice)
    if operation in (Operation.SHUTDOWN, Operation.REBOOT) and "got timeout" in message:
        return t("It did not react in time. Use `/stop` to force-stop it.")
    return None
