"""Define the words for each error, one row each: a sentence for the person who asked, and a phrase for lists.

This module has the rows for core/errors.py. WORDS has all rows. A test compares it with the error classes.
"""

from core import errors as e
from core.error_codec import from_text
from core.operations import ACTIONS, Level
from ui.formatting import code
from ui.i18n import N_, Text
from ui.messages.error_words import ErrorWords, Rows, fill_in, put_in_words
from ui.messages.guest_errors import GUEST_WORDS
from ui.messages.proxmox_errors import PROXMOX_WORDS
from ui.messages.subjects import subject_name
from ui.messages.wanted_errors import WANTED_WORDS

_VALUE_MOST = 40
_TELLING = ("message", "privilege", "reason", "lock", "value")
"""Fields of errors that say more than the phrase. The first one with a text is added to it."""


def _not_allowed(t: Text, error: e.NotAllowed) -> str:
    if error.level is Level.NONE:
        return t("None of your roles may use this bot. Ask an administrator of this server.")
    if error.protected:
        return fill_in(
            t, error, N_("The guest is protected: this takes the level “{needed}”, and yours is “{level}”.")
        )
    message = N_(
        "This takes the level “{needed}”, and yours is “{level}”. Ask an administrator of this server."
    )
    return fill_in(t, error, message)


def _no_choice(t: Text, error: e.NotAllowed) -> str:
    if error.level is Level.NONE:
        return t("None of your roles may use this bot.")
    return fill_in(t, error, N_("This takes the level “{needed}”, and yours is “{level}”."))


def read_only_line(t: Text, error: e.ReadOnly) -> str:
    return fill_in(t, error, N_("Changes were switched off {since} by {person}."))


def _read_only(t: Text, error: e.ReadOnly) -> str:
    return t("{line} An admin can switch them on again: `/readonly off`.", line=read_only_line(t, error))


def _unconfirmed(t: Text, error: e.Unconfirmed) -> str:
    command = error.verb.replace("_", " ")
    if error.verb not in ACTIONS:  # only actions have a question that asks for them
        message = N_("{guest} is protected: {command} needs its name in `confirm`, and a `reason`.")
        return fill_in(t, error, message, command=code(f"/{command}"))
    message = N_(
        "{guest} is protected: `/{command}` asks for its name and a reason, and both have to be typed."
    )
    return fill_in(t, error, message, command=command)


def _not_muted(t: Text, error: e.NotMuted) -> str:
    message = N_("{value} is not muted. `/monitor status` shows what is.")
    return fill_in(t, error, message, value=subject_name(t, error.value, None))


def _journal_failed(t: Text, error: e.JournalFailed) -> str:
    if error.reading:
        return fill_in(t, error, N_("The journal cannot be read ({reason}). Check the disk."))
    message = N_("The journal could not be written ({reason}), so nothing was changed. Check the disk.")
    return fill_in(t, error, message)


WORDS: Rows = {
    e.NotHere: ErrorWords(
        N_("This bot can only be used in the channels of its own category."), N_("not in the category")
    ),
    e.NotAllowed: ErrorWords(_not_allowed, N_("roles do not suffice"), _no_choice),
    e.ReadOnly: ErrorWords(
        _read_only, N_("changes were switched off"), N_("Changes are switched off (read-only).")
    ),
    e.Unconfirmed: ErrorWords(_unconfirmed, N_("protected, and not confirmed")),
    e.OnlySomeGuests: ErrorWords(
        N_("This is about more than the guests your roles are for: it takes the level for all guests."),
        N_("roles for some guests only"),
        N_("This takes the level for all guests."),
    ),
    e.TooManyChanges: ErrorWords(
        N_("The limit is {most} changes a minute. Try again in {time}."), N_("too many changes in a minute")
    ),
    e.TooQuick: ErrorWords(N_("Too many requests at once. Try again in {time}."), N_("too much at once")),
    e.NotYours: ErrorWords(N_("Only {person}, who asked, can answer this."), N_("somebody else's question")),
    e.QuestionOver: ErrorWords(
        N_("This question is over. Look with `/info` before giving the command again."),
        N_("question was over"),
    ),
    e.QuestionAnswered: ErrorWords(
        N_("This question was answered already; the message shows what came of it."),
        N_("question was answered before"),
    ),
    e.AnswerTooLate: ErrorWords(
        N_("The answer came too late for Discord, so nothing was done. Please try again."),
        N_("too late for Discord"),
    ),
    e.NameMismatch: ErrorWords(
        N_("The name does not match; nothing was done. Press the button again, and type {expected} exactly."),
        N_("typed name did not match"),
    ),
    e.NoReason: ErrorWords(
        N_("A reason is needed; nothing was done. Press the button again."), N_("no reason given")
    ),
    e.ChangedMeanwhile: ErrorWords(
        N_(
            "**{vmid}** was changed by somebody else in the meantime, so nothing was done. Look again "
            "with `/info`."
        ),
        N_("guest was changed meanwhile"),
    ),
    e.AlreadyWatched: ErrorWords(N_("{guest} is already being watched."), N_("watched already")),
    e.NotWatched: ErrorWords(
        N_("**{vmid}** is not on the watch list. `/monitor list` shows it."), N_("not on the watch list")
    ),
    e.CannotWatchTemplate: ErrorWords(
        N_("{guest} is a template, which never runs: there is nothing to watch."),
        N_("templates are not watched"),
    ),
    e.DiskUnknown: ErrorWords(
        N_("{guest} is a VM: Proxmox does not know how full its disks are. Leave out `disk`."),
        N_("disk use of a VM is not known"),
    ),
    e.NotMuted: ErrorWords(_not_muted, N_("was not muted")),
    e.IncidentOver: ErrorWords(
        N_("This is already over; there is nothing left to do here."), N_("was over already")
    ),
    e.StoreFailed: ErrorWords(
        N_("The watch list could not be saved ({reason}), so nothing was changed."),
        N_("watch list not writable"),
    ),
    e.JournalFailed: ErrorWords(_journal_failed, N_("journal not usable")),
    **PROXMOX_WORDS,
    **GUEST_WORDS,
    **WANTED_WORDS,
}


def error_sentence(t: Text, error: e.BotError) -> str:
    """Return the sentence that says what failed, why, and what to do."""
    return put_in_words(t, error, WORDS[type(error)].sentence)


def choice(t: Text, error: e.BotError) -> str:
    """Return the sentence for an empty completion, "" if the error has none."""
    told = WORDS[type(error)].choice
    return put_in_words(t, error, told) if told else ""


def reason_of(t: Text, outcome: str, most: int = _VALUE_MOST) -> str:
    """Format an outcome: an error as its phrase and its most useful value, any other text as code."""
    error = from_text(outcome)
    words = WORDS.get(type(error)) if error else None
    if words is None:
        return code(outcome, most) if outcome else ""
    values = (getattr(error, name, None) for name in _TELLING)
    told = next((value for value in values if value and isinstance(value, str)), "")
    return f"{t(words.phrase)} {code(told, most)}" if told else t(words.phrase)


def unexpected_sentence(t: Text, error_id: str) -> str:
    return t(
        "Something unexpected went wrong. Look for {incident} in the bot's log.", incident=code(error_id)
    )
