"""Recognize errors of tasks by their text, and say what to do about them."""

import re

from core import proxmox_errors as p
from core.operations import Operation
from ui.i18n import N_, Marked, Text
from ui.messages.proxmox_errors import missing_privilege

_MOST = 1000
"""Maximum characters of a task's error that are searched."""
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


def task_hint(t: Text, verb: Operation, message: str) -> str | None:
    """Return what to do about a task's error, None if that is not known."""
    message = message[:_MOST]
    if match := _PERMISSION.search(message):
        return missing_privilege(t, p.MissingPrivilege(match["privileges"] or "", match["path"]))
    for pattern, advice in _HINTS:
        if re.search(pattern, message):
            return t(advice)
    if verb in (Operation.SHUTDOWN, Operation.REBOOT) and "got timeout" in message:
        return t("The guest did not shut down in time. Use `/stop` to force it.")
    return None
