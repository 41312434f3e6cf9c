"""Put Proxmox' task types, locks and the texts with which tasks end into words. Unknown ones are shown as code.

A task's type is the first argument of `fork_worker` in qemu-server, pve-container, pve-storage,
pve-manager and pve-ha-manager.
"""

import re
from collections.abc import Mapping

from ui.formatting import code
from ui.i18n import N_, Marked, Text

_OF_BOTH_KINDS: Mapping[str, Marked] = {
    "start": N_("start"),
    "stop": N_("stop"),
    "shutdown": N_("shutdown"),
    "reboot": N_("reboot"),
    "resume": N_("resume"),
    "create": N_("creation"),
    "clone": N_("clone"),
    "config": N_("change of settings"),
    "destroy": N_("deletion"),
    "restore": N_("restore"),
    "template": N_("conversion to a template"),
    "snapshot": N_("snapshot"),
    "rollback": N_("rollback"),
    "delsnapshot": N_("deletion of a snapshot"),
}
"""Nouns of tasks that VMs and containers have, by the type without `qm` or `vz`."""

TASK_WORDS: Mapping[str, Marked] = {
    **{f"{kind}{word}": words for kind in ("qm", "vz") for word, words in _OF_BOTH_KINDS.items()},
    "qmreset": N_("reset"),
    "qmpause": N_("pause"),
    "qmsuspend": N_("hibernation"),
    "vzsuspend": N_("pause"),
    "qmigrate": N_("migration"),
    "vzmigrate": N_("migration"),
    "qmmove": N_("move of a disk"),
    "move_volume": N_("move of a disk"),
    "qmresize": N_("resize of a disk"),
    "resize": N_("resize of a disk"),
    "vzmount": N_("mount"),
    "vzumount": N_("unmount"),
    "vzdump": N_("backup"),
    "imgcopy": N_("copy of a disk"),
    "imgdel": N_("deletion of a disk"),
    "hastart": N_("start by HA"),
    "hastop": N_("stop by HA"),
    "hashutdown": N_("shutdown by HA"),
    "hamigrate": N_("migration by HA"),
    "harelocate": N_("relocation by HA"),
    "startall": N_("bulk start"),
    "stopall": N_("bulk shutdown"),
    "suspendall": N_("bulk suspend"),
    "migrateall": N_("bulk migration"),
    "vncproxy": N_("console"),
    "spiceproxy": N_("console"),
    "vzconsole": N_("console"),
}
"""Nouns by task type."""

_LOCK_WORDS: Mapping[str, Marked] = {
    "backup": N_("backup"),
    "clone": N_("clone"),
    "create": N_("creation"),
    "destroyed": N_("deletion"),
    "migrate": N_("migration"),
    "rollback": N_("rollback"),
    "snapshot": N_("snapshot"),
    "snapshot-delete": N_("deletion of a snapshot"),
    "suspended": N_("hibernation"),
    "suspending": N_("hibernation"),
}
"""The work that holds a guest's lock, by the lock (QemuConfig.pm, LXC/Config.pm)."""

_ENDS: tuple[tuple[re.Pattern[str], Marked], ...] = (
    (re.compile(r"job errors"), N_("the job ended with errors")),
    (re.compile(r"unexpected status"), N_("ended unexpectedly")),
    (re.compile(r"received interrupt|interrupted by signal|aborted by user"), N_("interrupted")),
    (re.compile(r"migration aborted"), N_("the migration was aborted")),
    (re.compile(r"migration problems"), N_("the migration ended with problems")),
    (re.compile(r"VM quit/powerdown failed( - got timeout)?"), N_("the guest did not shut down in time")),
    (re.compile(r"(?:VM|CT) is locked \([a-z-]{1,30}\)"), N_("the guest was locked")),
    (re.compile(r"(?:VM|CT) [0-9]{1,9} already running"), N_("the guest was already running")),
    (re.compile(r"(?:VM|CT) [0-9]{1,9} not running"), N_("the guest was not running")),
)
"""Patterns of whole end texts, and their words as a part of a sentence."""
_WARNINGS = re.compile(r"WARNINGS: (?P<n>[0-9]{1,6})")


def task_word(t: Text, task_type: str) -> str:
    """Return the noun of a task type, or Proxmox' own word as code."""
    words = TASK_WORDS.get(task_type)
    return t(words) if words else code(task_type, 30)


def lock_word(t: Text, lock: str) -> str:
    """Return the noun of the work that holds a guest's lock, or Proxmox' own word as code."""
    words = _LOCK_WORDS.get(lock)
    return t(words) if words else code(lock, 20)


def known_end(t: Text, exit_text: str) -> str:
    """Return the words for the text with which a task ended, "" if there are none."""
    text = exit_text.strip()
    if match := _WARNINGS.fullmatch(text):
        return t.plural("{n} warning", "{n} warnings", int(match["n"]))
    return next((t(words) for pattern, words in _ENDS if pattern.fullmatch(text)), "")


def end_words(t: Text, exit_text: str) -> str:
    """Return the words for the text with which a task ended, or Proxmox' own text as code."""
    return known_end(t, exit_text) or code(exit_text, 80)
