"""Report problems with DATA_DIR, the watch list, the journal, the watch and the API token, and when they end.

ui/messages/faults.py has the lines about settings, and about files that keep the bot from starting.
"""

import shlex
from collections.abc import Sequence

from core.errors import JournalFailed, StoreFailed
from ui.formatting import code, fit_lines, format_duration, plain
from ui.i18n import Text

PATH_MOST = 300  # characters
POOLS_MOST = 5
"""Maximum number of pools named in a line. Those left out are counted."""


def no_data_dir_line(t: Text, path: str, reason: str) -> str:
    """Return the terminal line for an unusable DATA_DIR. ui/messages/faults.py has the lines about files in it."""
    return t(
        "{path} cannot be used as DATA_DIR ({reason}). Check the disk and the permissions.",
        path=t("“{value}”", value=plain(path, PATH_MOST)),
        reason=plain(reason),
    )


def open_to_all(t: Text, path: str) -> str:
    """Return the log line for a file or directory that everybody on the machine can write to."""
    return t(
        "Anyone on this machine can write to {path} and take control of the bot. Remove the "
        "permission: {command}",
        path=t("“{value}”", value=plain(path, PATH_MOST)),
        command=plain(f"chmod o-w {shlex.quote(path)}", PATH_MOST),
    )


def read_only_data_dir_line(t: Text, path: str) -> str:
    """Return the terminal line for a DATA_DIR on a read-only file system."""
    return t(
        "{path} is on a read-only file system. Mount it writable, or set another DATA_DIR.",
        path=t("“{value}”", value=plain(path, PATH_MOST)),
    )


def list_recovered(t: Text, guests: int, file: str) -> str:
    return t(
        "Cannot read the watch list; using the last backup copy (guests: {n}). The unreadable "
        "file was kept as {file}.",
        n=guests,
        file=code(file),
    )


def list_lost(t: Text, guests: int, file: str) -> str:
    return t(
        "Cannot read the watch list, and there is no backup copy: watching MONITOR_VM_IDS (guests: "
        "{n}). The unreadable file was kept as {file}.",
        n=guests,
        file=code(file),
    )


def list_edited(t: Text, file: str) -> str:
    """Report, while the bot runs, that somebody has edited the file."""
    return t(
        "The watch list file was edited while the bot was running. The bot keeps its own list; "
        "the edited file was kept as {file}. Stop the bot before editing the file.",
        file=code(file),
    )


def journal_gone(t: Text, *, read_only: bool | None) -> str:
    """Report at the start that the journal is gone.

    `read_only`: whether read-only mode stays on; None: on some sites.
    """
    return f"{t('The journal was missing, so a new one was created.')} {_journal_had(t, read_only=read_only)}"


def _journal_had(t: Text, *, read_only: bool | None) -> str:
    lost = t("Open incidents, mutes, the history and the audit trail were lost.")
    if read_only is None:
        return f"{lost} {t('Read-only mode stays on for some sites; see `/monitor status`.')}"
    changes = (
        t("Read-only mode stays on.")
        if read_only
        else t("Read-only mode is off; turn it on with `/readonly on`.")
    )
    return f"{lost} {changes}"


def journal_renewed(t: Text, file: str | None, *, whole: bool) -> str:
    """Report that the journal was recreated while the bot was running. `whole`: nothing was lost."""
    text = (
        t(
            "The journal was deleted or replaced while the bot was running. It was written "
            "again; nothing is lost."
        )
        if whole
        else t(
            "The journal was damaged while the bot was running. A new one was created from "
            "what was left; parts of the history and the audit trail may be lost."
        )
    )
    return text + " " + t("The file found there was kept as {file}.", file=code(file)) if file else text


def journal_lost(t: Text, file: str, *, read_only: bool | None) -> str:
    """Report at the start that the journal could not be read. `read_only`: as for `journal_gone`."""
    text = t("The journal could not be read, so a new one was created.")
    kept = t("The unreadable file was kept as {file}.", file=code(file))
    return f"{text} {_journal_had(t, read_only=read_only)} {kept}"


def read_only_not_stored(t: Text, error: JournalFailed | StoreFailed) -> str:
    return t(
        "Could not save this ({reason}). It applies while the bot runs and will be saved as "
        "soon as possible. Check the disk.",
        reason=code(error.reason),
    )


def journal_stuck(t: Text, reason: str) -> str:
    """Report, while the bot runs, that the journal cannot be written."""
    return t(
        "Cannot write the journal ({reason}): alerts wait until this is fixed. Check the disk.",
        reason=code(reason),
    )


def watch_broken(t: Text, error_id: str) -> str:
    return t(
        "Monitoring stopped because of an internal error ({id}). No alerts until it works "
        "again. Check the log.",
        id=f"`{error_id}`",
    )


def watch_hangs(t: Text, seconds: float) -> str:
    return t(
        "Monitoring was stuck for {time} and is restarting. There were no alerts in that time. "
        "Check the log.",
        time=format_duration(t, seconds),
    )


def watch_works(t: Text) -> str:
    return t("Monitoring works again.")


def pools_unseen(t: Text, pools: Sequence[str]) -> str:
    """Report pools in ROLE_SCOPES that Proxmox does not show."""
    names = fit_lines(t, (code(name, 60) for name in pools), 400, " ", lines_most=POOLS_MOST)
    return t(
        "Proxmox does not show these pools of ROLE_SCOPES: {pools}. Their guests are hidden "
        "from everyone. Check the names, and grant `Pool.Audit` on {path} to both the user and "
        "the token.",
        pools=names,
        path=code(f"/pool/{pools[0]}", 80),
    )


def tasks_unseen(t: Text) -> str:
    """Say why Proxmox shows no tasks, and what the bot cannot see without them."""
    return t(
        "The API token lacks `Sys.Audit` on `/`, so the bot cannot see who stopped a guest or "
        "which backups failed."
    )


def journal_well(t: Text) -> str:
    return t("The journal can be written again. Waiting alerts are being sent.")
