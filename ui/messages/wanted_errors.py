"""Define the words for each error of core/wanted_errors.py, one row each."""

from core import wanted_errors as w
from core.names import VMID_LEAST, VMID_MOST
from ui.i18n import N_, Text
from ui.messages.error_words import ErrorWords, Rows, fill_in


def _bad_vmid(t: Text, error: w.BadVmid) -> str:
    message = N_("{value} is not a VMID. A VMID is a number from {least} to {most}.")
    return fill_in(t, error, message, least=VMID_LEAST, most=VMID_MOST)


WANTED_WORDS: Rows = {
    w.BadVmid: ErrorWords(_bad_vmid, N_("not a VMID")),
    w.BadGuestName: ErrorWords(
        N_(
            "{value} cannot be a guest's name. Use letters, digits and hyphens (no spaces or "
            "underscores), as in `web-01`."
        ),
        N_("not a guest's name"),
    ),
    w.BadSnapshotName: ErrorWords(
        N_(
            "{value} cannot be a snapshot's name. Use 2 to 40 letters, digits, `-` or `_`, beginning with"
            " a letter; `current` and `pending` are reserved."
        ),
        N_("not a snapshot's name"),
    ),
    w.BadAmount: ErrorWords(
        N_("`{option}` cannot be {value}. Give a number from {least} to {most}."), N_("number out of range")
    ),
    w.BadDuration: ErrorWords(
        N_("{value} cannot be used. Write a time of 1 minute to 30 days, as in `30m`, `8h` or `2d`."),
        N_("not a duration"),
    ),
    w.UnknownTarget: ErrorWords(
        N_("{value} is neither a guest nor a node. Choose from the completions, or `all`."),
        N_("neither guest nor node"),
    ),
    w.BadSince: ErrorWords(
        N_(
            "{value} cannot be used. Write a time such as `8h` or `30d` (3650 days at most), or a date "
            "such as `2026-11-01`."
        ),
        N_("neither duration nor date"),
    ),
    w.UnknownPerson: ErrorWords(
        N_("{value} is nobody who has asked for anything. Choose from the completions, or give a user ID."),
        N_("unknown person"),
    ),
    w.SeveralPeople: ErrorWords(
        N_("Several people are called {value}. Choose from the completions, or give a user ID."),
        N_("several people of that name"),
    ),
    w.NothingChosen: ErrorWords(
        N_("That entry only says why there is nothing to choose. Nothing was done."), N_("nothing chosen")
    ),
    w.UnknownOperation: ErrorWords(
        N_("{value} is not an action of this bot. Choose from the completions."), N_("unknown action")
    ),
}
