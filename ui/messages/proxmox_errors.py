"""Define the words for each error of core/proxmox_errors.py, one row each."""

from core import proxmox_errors as p
from ui.formatting import code
from ui.i18n import N_, Marked, Text
from ui.messages.error_words import ErrorWords, Rows, fill_in


def missing_privilege(t: Text, error: p.MissingPrivilege) -> str:
    if not error.path:
        return t("Proxmox refused: the bot's API token lacks a privilege. Check its permissions.")
    message = N_(
        "Proxmox refused: the bot's API token lacks {privilege} on {path}. Give it to the user and the token."
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
            "{host} did not answer in time. The work may go on all the same: look with `/info` before trying "
            "again."
        )
    return fill_in(t, error, message)


def _node_unreachable(t: Text, error: p.NodeUnreachable) -> str:
    message = N_("Node {node} cannot be reached. Check that it is up and on the network.")
    if error.changing:
        message = N_(
            "Node {node} did not answer. The work may go on all the same: look with `/info` before trying again."
        )
    return fill_in(t, error, message)


def _bad_answer(t: Text, error: p.BadAnswer) -> str:
    from_a_proxy = error.status is not None and error.status >= 300
    return fill_in(t, error, _BAD_ANSWERS[error.changing, from_a_proxy])


_BAD_ANSWERS: dict[tuple[bool, bool], Marked] = {
    (True, True): N_(
        "A proxy or gateway in front of {host} answered (HTTP {status}), not Proxmox. The work may go on all "
        "the same: look with `/info` before trying again."
    ),
    (True, False): N_(
        "The answer of {host} could not be read. The work may go on all the same: look with `/info` before "
        "trying again."
    ),
    (False, True): N_(
        "{host} does not answer like a Proxmox API (HTTP {status}). Check PROXMOX_HOST, and any proxy in between."
    ),
    (False, False): N_(
        "{host} does not answer like a Proxmox API. Check PROXMOX_HOST, and any proxy in between."
    ),
}
"""Keys: whether a change was sent, and whether the HTTP status is 300 or more, which means a proxy."""


def _too_large(t: Text, error: p.AnswerTooLarge) -> str:
    if error.changing:
        return _bad_answer(t, error)
    return fill_in(t, error, N_("The answer from {host} is too large and was not read to its end."))


def _rejected(t: Text, error: p.Rejected) -> str:
    if not error.message.strip():
        return fill_in(t, error, N_("Proxmox refused without a reason (HTTP {status})."))
    return fill_in(t, error, N_("Proxmox refused: {message}"), message=code(error.message, 300))


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


PROXMOX_WORDS: Rows = {
    p.Unreachable: ErrorWords(
        N_("Proxmox ({host}) cannot be reached. Check the network and that the host is up."),
        N_("Proxmox not reachable"),
    ),
    p.CertificateNotTrusted: ErrorWords(_certificate, N_("certificate not trusted")),
    p.TimedOut: ErrorWords(_timed_out, N_("no answer in time")),
    p.NodeUnreachable: ErrorWords(_node_unreachable, N_("node not reachable")),
    p.NoQuorum: ErrorWords(
        N_("The cluster has no quorum, so nothing can be changed. Bring the other nodes back first."),
        N_("no quorum"),
    ),
    p.TokenRefused: ErrorWords(
        N_(
            "Proxmox refused the bot's API token. Check PROXMOX_USER, PROXMOX_TOKEN_NAME and "
            "PROXMOX_TOKEN_VALUE, and whether it has expired."
        ),
        N_("API token refused"),
    ),
    p.MissingPrivilege: ErrorWords(missing_privilege, N_("API token lacks a privilege")),
    p.GuestMoved: ErrorWords(
        N_("**{vmid}** is just moving to another node. Please try again in a moment."), N_("guest was moving")
    ),
    p.LockTimeout: ErrorWords(
        N_("Other work holds the guest's configuration just now. Please try again in a moment."),
        N_("configuration held by other work"),
    ),
    p.StorageFull: ErrorWords(N_("The storage is full: {message}"), N_("storage full")),
    p.TargetNotShared: ErrorWords(
        N_("The copy cannot go to another node, since its storage is local: {message}"),
        N_("storage not shared"),
    ),
    p.LinkedCloneUnsupported: ErrorWords(
        N_("The storage of this template does not allow copies: {message}"),
        N_("storage does not allow copies"),
    ),
    p.TaskUnknown: ErrorWords(N_("Proxmox no longer knows this task: {upid}"), N_("task not known")),
    p.Rejected: ErrorWords(_rejected, N_("refused by Proxmox")),
    p.NothingVisible: ErrorWords(
        N_("Proxmox suddenly shows no guest at all. The API token may have lost the privilege `VM.Audit`."),
        N_("no guest visible"),
    ),
    p.HalfGone: ErrorWords(_half_gone, N_("many guests gone at once")),
    p.BadAnswer: ErrorWords(_bad_answer, N_("answer not understood")),
    p.AnswerTooLarge: ErrorWords(_too_large, N_("answer too large")),
}
