"""Hold the words for each error of core/wanted_errors.py, one row each."""

from core import wanted_errors as w
from core.validation import VMID_LEAST, VMID_MOST
from ui.discord.permissions import permission_names
from ui.formatting import code
from ui.i18n import N_, Text
from ui.messages.error_words import ErrorWords, WordsByError, fill_in
from ui.messages.nothing import nothing_sentence, nothing_words
from ui.sizes import MIB, format_size


def _bad_vmid(t: Text, error: w.BadVmid) -> str:
    message = N_("{value} is not a VMID. A VMID is a number from {least} to {most}.")
    return fill_in(t, error, message, least=VMID_LEAST, most=VMID_MOST)


def _bad_amount(t: Text, error: w.BadAmount) -> str:
    if error.option != "memory_mb":
        return fill_in(t, error, N_("`{option}` cannot be {value}. Enter a number from {least} to {most}."))
    low, high = (format_size(each * MIB).replace(".0 ", " ") for each in (error.least, error.most))
    message = N_("`{option}` cannot be {value}. Enter {low} to {high} ({least} to {most}).")
    return fill_in(t, error, message, low=low, high=high)


def _several_guests(t: Text, error: w.SeveralGuests) -> str:
    said = fill_in(t, error, N_("{value} matches more than one guest. Choose a suggestion:"))
    return "\n".join((said, *(f"- {code(line, 100)}" for line in error.choices.split("\n"))))


def _sites_unread(t: Text, error: w.SitesUnread) -> str:
    message = N_(
        "{value} may also be a guest on {names}, which cannot be read right now. Enter the site, as in `home/101`."
    )
    return fill_in(t, error, message, names=t(", ").join(map(code, error.sites.split("\n"))))


def _permissions_missing(t: Text, error: w.ChannelPermissionsMissing) -> str:
    words = permission_names(t)
    names = t(", ").join(words.get(each, code(each)) for each in error.names.split("\n"))
    message = N_(
        "The bot lacks permissions in that channel: {names}. Grant them to its role, then try again."
    )
    return fill_in(t, error, message, names=names)


WANTED_WORDS: WordsByError = {
    w.NoSuchGuest: ErrorWords(N_("No guest {value} found. See `/list`."), N_("guest not found or hidden")),
    w.SeveralGuests: ErrorWords(_several_guests, N_("matches several guests")),
    w.SitesUnread: ErrorWords(_sites_unread, N_("a site cannot be read")),
    w.BadVmid: ErrorWords(_bad_vmid, N_("not a VMID")),
    w.BadGuestName: ErrorWords(
        N_(
            "{value} is not a valid guest name. Use letters, digits and hyphens (no spaces or "
            "underscores), as in `web-01`."
        ),
        N_("invalid guest name"),
    ),
    w.BadSnapshotName: ErrorWords(
        N_(
            "{value} is not a valid snapshot name. Use 2 to 40 letters, digits, `-` or `_`, "
            "starting with a letter; `current` and `pending` are reserved."
        ),
        N_("invalid snapshot name"),
    ),
    w.BadAmount: ErrorWords(_bad_amount, N_("number out of range")),
    w.BadDuration: ErrorWords(
        N_("{value} is not valid. Enter a duration from 1 minute to 30 days, such as `30m`, `8h` or `2d`."),
        N_("not a duration"),
    ),
    w.UnknownTarget: ErrorWords(
        N_("{value} is not a guest or node. Choose a suggestion, or enter `all`."),
        N_("not a guest or node"),
    ),
    w.SeveralTargets: ErrorWords(
        N_("{value} matches more than one target. Choose one: {choices}"), N_("matches several targets")
    ),
    w.BadSince: ErrorWords(
        N_(
            "{value} is not valid. Enter a duration such as `8h` or `30d` (at most 3650 days), "
            "or a date such as `2026-11-01`."
        ),
        N_("not a duration or date"),
    ),
    w.UnknownPerson: ErrorWords(
        N_("No records for {value}. Choose a suggestion, or enter a user ID."),
        N_("unknown user"),
    ),
    w.SeveralPeople: ErrorWords(
        N_("Several people are called {value}. Choose a suggestion, or enter a user ID."),
        N_("name is not unique"),
    ),
    w.UnknownSite: ErrorWords(N_("{value} is not a site. Choose a suggestion."), N_("unknown site")),
    w.UnknownNode: ErrorWords(
        N_("{value} is not a node that you can see. Choose a suggestion."), N_("unknown node")
    ),
    w.NothingChosen: ErrorWords(nothing_sentence, N_("nothing chosen"), nothing_words),
    w.DashboardExists: ErrorWords(
        N_("That channel already has the same dashboard. See `/dashboard list`."),
        N_("already exists"),
    ),
    w.TooManyDashboards: ErrorWords(
        N_("There are already {most} dashboards. Remove one first with `/dashboard remove`."),
        N_("too many dashboards"),
    ),
    w.TooManyOwnDashboards: ErrorWords(
        N_("You already have {most} dashboards. Remove one first with `/dashboard remove`."),
        N_("too many dashboards"),
    ),
    w.NoSuchDashboard: ErrorWords(
        N_("{value} is not a dashboard. Choose a suggestion."), N_("unknown dashboard")
    ),
    w.NothingWithin: ErrorWords(
        N_("None of your guests matches this node, tag or pool. Choose a suggestion."),
        N_("no matching guests"),
    ),
    w.UnfitChannel: ErrorWords(
        N_("That channel cannot have a dashboard. Choose a text channel in the bot's category."),
        N_("channel not suitable"),
    ),
    w.ChannelPermissionsMissing: ErrorWords(_permissions_missing, N_("the bot lacks permissions")),
    w.UnknownOperation: ErrorWords(
        N_("{value} is not an action of this bot. Choose a suggestion."), N_("unknown action")
    ),
}
