"""Hold the words for a completion that has nothing to offer.

Each reason has a row: the words of the completion's only entry, and any remedy for a person who chooses that entry.
"""

from collections.abc import Mapping
from enum import Enum

from core.operations import ACTIONS, Operation
from core.wanted_errors import NothingChosen
from ui.i18n import N_, Marked, Text
from ui.messages.operations import operation_noun


class Nothing(Enum):
    """Reason why a completion has nothing to offer. The entry's value contains it."""

    UNREAD = "unread"
    GUEST = "guest"
    EMPTY = "empty"
    STATE = "state"
    TEMPLATE = "template"
    WATCHED = "watched"
    NO_VMID = "no-vmid"
    SNAPSHOT = "snapshot"
    NODE = "node"
    TAG = "tag"
    POOL = "pool"
    SITE = "site"
    TARGET = "target"
    MUTED = "muted"
    PERSON = "person"
    DASHBOARD = "dashboard"


_UNTOLD = (N_("That entry only explains why there are no suggestions. Nothing was done."), None)
_ROWS: Mapping[Nothing, tuple[Marked, Marked | None]] = {
    Nothing.UNREAD: (N_("Cannot read from Proxmox right now."), N_("Try again in a moment.")),
    Nothing.GUEST: (
        N_("You cannot do this with any guest."),
        N_("`/access` shows which actions you can use."),
    ),
    Nothing.EMPTY: (N_("Proxmox shows no guests."), N_("The API token may lack the privilege `VM.Audit`.")),
    Nothing.STATE: (
        N_("“{action}” is not possible in the current state of any guest."),
        N_("`/list` shows their states."),
    ),
    Nothing.TEMPLATE: (
        N_("There are no templates you can use."),
        N_("Convert a guest to a template in Proxmox first."),
    ),
    Nothing.WATCHED: (
        N_("None of your guests is on the watch list."),
        N_("Add one with `/monitor add`."),
    ),
    Nothing.NO_VMID: (N_("Choose a guest (vmid) first."), None),
    Nothing.SNAPSHOT: (
        N_("No snapshots found: the guest has none, or it cannot be read right now."),
        N_("Create one with `/snapshot create`."),
    ),
    Nothing.NODE: (N_("There are no nodes to choose from."), None),
    Nothing.TAG: (N_("None of your guests has a tag."), None),
    Nothing.POOL: (N_("None of your guests is in a pool."), None),
    Nothing.SITE: (N_("There is no site you can use this on."), None),
    Nothing.TARGET: (N_("There is nothing you can mute."), None),
    Nothing.MUTED: (N_("There is no mute you can remove."), N_("See `/monitor status`.")),
    Nothing.DASHBOARD: (
        N_("There is no dashboard you can remove."),
        N_("Create one with `/dashboard create`."),
    ),
    Nothing.PERSON: (N_("Nobody found: the audit trail is empty or cannot be read right now."), None),
}


def nothing_words(t: Text, error: NothingChosen) -> str:
    """Return the words of the entry, without the remedy."""
    said, _ = _row_of(error)
    action = operation_noun(t, Operation(error.verb)) if error.verb in ACTIONS else "?"
    return t(said, action=action)


def nothing_sentence(t: Text, error: NothingChosen) -> str:
    """Return the sentence for a person who has chosen the entry: its words, and any remedy."""
    words, (_, remedy) = nothing_words(t, error), _row_of(error)
    return t("{words} {remedy}", words=words, remedy=t(remedy)) if remedy else words


def _row_of(error: NothingChosen) -> tuple[Marked, Marked | None]:
    return next((row for nothing, row in _ROWS.items() if nothing.value == error.reason), _UNTOLD)
