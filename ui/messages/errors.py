"""Hold the words for each error of core/errors.py, one row each, and look up the words of any error.

WORDS has the rows of all four modules. A test compares it with the error classes.
"""

from collections.abc import Mapping

from core import errors as e
from core.delivery.channel import OwnReason
from core.error_codec import from_text
from core.levels import Level
from core.operations import ACTIONS
from ui.formatting import code
from ui.i18n import N_, Marked, Text
from ui.messages.error_words import ErrorWords, WordsByError, fill_in, put_in_words
from ui.messages.guest_errors import GUEST_WORDS
from ui.messages.proxmox_errors import PROXMOX_WORDS
from ui.messages.subjects import subject_name
from ui.messages.wanted_errors import WANTED_WORDS

_VALUE_MOST = 40  # characters
_DETAILS = ("message", "privilege", "reason", "lock", "value", "error_id")
"""Fields of errors that say more than the phrase. `reason_of` adds the first of them that has a text."""


def _not_allowed(t: Text, error: e.NotAllowed) -> str:
    if error.level is Level.NONE:
        return t("None of your roles may use this bot. Ask an administrator of this server.")
    if error.protected:
        return fill_in(
            t, error, N_("The guest is protected: you need the “{needed}” level; yours is “{level}”.")
        )
    message = N_("You need the “{needed}” level; yours is “{level}”. Ask an administrator of this server.")
    return fill_in(t, error, message)


def _not_allowed_choice(t: Text, error: e.NotAllowed) -> str:
    if error.level is Level.NONE:
        return t("None of your roles may use this bot.")
    return fill_in(t, error, N_("Needs the “{needed}” level"))


def read_only_line(t: Text, error: e.ReadOnly) -> str:
    return fill_in(t, error, N_("Read-only mode was turned on {since} by {person}."))


def _read_only(t: Text, error: e.ReadOnly) -> str:
    return t("{line} An admin can turn it off with `/readonly off`.", line=read_only_line(t, error))


def _unconfirmed(t: Text, error: e.Unconfirmed) -> str:
    command = error.verb.replace("_", " ")
    if error.verb not in ACTIONS:  # only actions have a question that asks for them
        message = N_("{guest} is protected: use {command} with its name in `confirm` and a `reason`.")
        return fill_in(t, error, message, command=code(f"/{command}"))
    message = N_("{guest} is protected. Use `/{command}` and enter its name and a reason.")
    return fill_in(t, error, message, command=command)


def _not_muted(t: Text, error: e.NotMuted) -> str:
    message = N_("{value} is not muted. See `/monitor status`.")
    return fill_in(t, error, message, value=subject_name(t, error.value, None))


def _journal_failed(t: Text, error: e.JournalFailed) -> str:
    if error.reading:
        return fill_in(t, error, N_("Cannot read the journal ({reason}). Check the disk."))
    message = N_("The journal could not be written ({reason}), so nothing was changed. Check the disk.")
    return fill_in(t, error, message)


WORDS: WordsByError = {
    e.NotHere: ErrorWords(N_("The bot does not work in this channel."), N_("outside the category")),
    e.NotAllowed: ErrorWords(_not_allowed, N_("role too low"), _not_allowed_choice),
    e.ReadOnly: ErrorWords(_read_only, N_("read-only mode"), N_("Read-only mode is on.")),
    e.Unconfirmed: ErrorWords(_unconfirmed, N_("protected, not confirmed")),
    e.OnlySomeGuests: ErrorWords(
        N_("This affects all guests, but your roles only cover some of them."),
        N_("roles only cover some guests"),
        N_("This affects all guests, but your roles only cover some of them."),
    ),
    e.OnlySomeSites: ErrorWords(
        N_("This affects all sites, but your roles don't cover each of them. Choose one in `site`."),
        N_("roles don't cover all sites"),
    ),
    e.TooManyChanges: ErrorWords(
        N_("Changes are limited to {most} per minute. Try again in {time}."),
        N_("too many changes per minute"),
    ),
    e.TooQuick: ErrorWords(
        N_("Too many requests. Try again in {time}."),
        N_("too many requests"),
        N_("Too many requests. Try again in {time}."),
    ),
    e.NotYours: ErrorWords(
        N_("Only {person}, who ran the command, can answer this."), N_("someone else's confirmation")
    ),
    e.QuestionOver: ErrorWords(
        N_("This confirmation has expired. Check with `/info` before running the command again."),
        N_("confirmation expired"),
    ),
    e.QuestionAnswered: ErrorWords(
        N_("This confirmation was already answered. The result is in its message."),
        N_("confirmation already answered"),
    ),
    e.AnswerTooLate: ErrorWords(
        N_("Discord did not receive the answer in time, so nothing was done. Try again."),
        N_("too late for Discord"),
    ),
    e.NameMismatch: ErrorWords(
        N_("The name does not match. Nothing was done; press the button again and enter {expected} exactly."),
        N_("name did not match"),
    ),
    e.NoReason: ErrorWords(
        N_("Enter a reason. Nothing was done; press the button again."), N_("no reason entered")
    ),
    e.ChangedMeanwhile: ErrorWords(
        N_("**{vmid}** has changed since it was shown, so nothing was done. Check it with `/info`."),
        N_("guest changed in the meantime"),
    ),
    e.AlreadyWatched: ErrorWords(N_("{guest} is already watched."), N_("already watched")),
    e.NotWatched: ErrorWords(
        N_("**{vmid}** is not on the watch list. See `/monitor list`."), N_("not on the watch list")
    ),
    e.CannotWatchTemplate: ErrorWords(
        N_("{guest} is a template and cannot be watched."),
        N_("templates are not watched"),
    ),
    e.DiskUnknown: ErrorWords(
        N_("{guest} is a VM: Proxmox cannot measure its disk usage. Leave out `disk`."),
        N_("disk usage of a VM is unknown"),
    ),
    e.NotMuted: ErrorWords(_not_muted, N_("not muted")),
    e.IncidentOver: ErrorWords(N_("This incident is over. Nothing left to do."), N_("already over")),
    e.ChartsBusy: ErrorWords(
        N_("Too many charts are being drawn. Try again in a few seconds."), N_("too many charts at once")
    ),
    e.PressureUnknown: ErrorWords(
        N_("No pressure data: Proxmox VE records it from version 9 on."),
        N_("pressure is not recorded"),
    ),
    e.FilesRefused: ErrorWords(
        N_(
            "The bot may not send pictures in this channel. Give its role the permission “Attach Files” here."
        ),
        N_("permission to attach files is missing"),
    ),
    e.ChartTooSlow: ErrorWords(
        N_("Drawing the chart took too long and was stopped. Try again in a moment."),
        N_("chart took too long"),
    ),
    e.ChartFailed: ErrorWords(
        N_("The chart could not be drawn. Try again; if that does not help, look at the bot's log."),
        N_("chart could not be drawn"),
    ),
    e.UnexpectedFailure: ErrorWords(
        N_("Something went wrong. Look for {error_id} in the bot's log."), N_("internal error, see the log")
    ),
    e.StoreFailed: ErrorWords(
        N_("The watch list could not be saved ({reason}), so nothing was changed."),
        N_("watch list cannot be written"),
    ),
    e.SwitchFailed: ErrorWords(
        N_(
            "The file of read-only mode could not be changed ({reason}), so nothing was changed. Check the disk."
        ),
        N_("file of read-only mode cannot be written"),
    ),
    e.JournalFailed: ErrorWords(_journal_failed, N_("journal unavailable")),
    **PROXMOX_WORDS,
    **GUEST_WORDS,
    **WANTED_WORDS,
}


def error_sentence(t: Text, error: e.BotError) -> str:
    """Return the sentence that says what failed, why, and what to do."""
    return put_in_words(t, error, WORDS[type(error)].sentence)


def completion_text(t: Text, error: e.BotError) -> str:
    """Return the text for an empty completion, "" if the error has none."""
    wording = WORDS[type(error)].choice
    return put_in_words(t, error, wording) if wording else ""


def plain_sentence(t: Text, error: e.BotError) -> str:
    """Return the words of an error for a completion: one line without markdown."""
    told = completion_text(t, error) or error_sentence(t, error)
    return told.partition("\n")[0].replace("`", "").replace("**", "")


def reason_of(t: Text, outcome: str, most: int = _VALUE_MOST) -> str:
    """Format an outcome: an error (as `str` encodes it) as its phrase and most useful value, any other text as code.

    `most`: maximum characters of the value or text.
    """
    error = from_text(outcome)
    words = WORDS.get(type(error)) if error else None
    if words is None:
        return code(outcome, most) if outcome else ""
    values = (getattr(error, name, None) for name in _DETAILS)
    told = next((value for value in values if value and isinstance(value, str)), "")
    return f"{t(words.phrase)} {code(told, most)}" if told else t(words.phrase)


_OWN_REASONS: Mapping[str, Marked] = {
    OwnReason.NO_CONNECTION: N_("Cannot reach Discord"),
    OwnReason.ENDING: N_("the bot is shutting down"),
    OwnReason.TOO_OLD: N_("too old"),
    OwnReason.OWN_ERROR: N_("internal error, see the log"),
    OwnReason.OUTSIDE: N_("the channel is outside of the bot's category"),
    OwnReason.PINS_FULL: N_("the channel has as many pinned messages as Discord allows; unpin one of them"),
}


def delivery_reason(t: Text, reason: str) -> str:
    """Return why a message was not delivered. `reason_of` formats what is not one of the bot's own reasons."""
    return t(_OWN_REASONS[reason]) if reason in _OWN_REASONS else reason_of(t, reason, 150)


def unexpected_sentence(t: Text, error_id: str) -> str:
    return t("Something went wrong. Look for {error_id} in the bot's log.", error_id=code(error_id))
