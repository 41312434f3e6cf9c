"""Define the form of a row of words for an error, make the error's values safe, and put them into a message.

The rows are in modules named like those of core: errors.py, guest_errors.py, wanted_errors.py and proxmox_errors.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import BotError
from core.operations import ACTIONS, Operation
from ui.formatting import (
    NAME_MOST,
    code,
    format_duration,
    level_word,
    person,
    state_word,
    timestamp,
    title_of,
)
from ui.i18n import Marked, Text
from ui.messages.operations import operation_noun

_MOST = {"choices": 500, "fingerprint": 100, "message": 200, "upid": 100}
"""Maximum characters shown of these fields; all others have `NAME_MOST`."""


Wording = Marked | Callable[[Text, Any], str]
"""A message for `fill_in`, or a function that returns the filled-in text according to the error's values."""


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """The words for one error class."""

    sentence: Wording
    """Sentence for the person who asked: what failed, why, and what to do."""
    phrase: Marked
    """Short phrase for lists, without values."""
    choice: Wording | None = None
    """Short text for a completion that offers nothing because of this error. Without markdown, timestamps or names.

    None: the completion has no entry, or `plain_sentence` shortens the sentence.
    """


WordsByError = Mapping[type[BotError], ErrorWords]


def put_in_words(t: Text, error: BotError, wording: Wording) -> str:
    """Return the text of an error in this wording."""
    return fill_in(t, error, wording) if isinstance(wording, str) else wording(t, error)


def fill_in(t: Text, error: BotError, message: Marked, /, **more: object) -> str:
    """Put values into a message: the error's fields by name, the values that `_named` derives, and `more`."""
    values = {name: _safe(name, value) for name, value in vars(error).items()}
    return t(message, **values | _named(t, vars(error)) | more)


def _safe(name: str, value: object) -> object:
    if name == "option":  # the bot's own word, and the message already has the backticks
        return value
    return code(value, _MOST.get(name, NAME_MOST)) if isinstance(value, str) else value


def _named(t: Text, values: Mapping[str, Any]) -> dict[str, object]:
    """Return the placeholders that are made of several fields, or show a field as a word, a time or a duration."""
    found: dict[str, object] = {}
    if "label" in values:
        found["guest"] = title_of(values["vmid"], values["label"])
    if "by" in values:
        found["person"] = person(values["by"], values["by_id"])
    if "owner" in values:
        found["person"] = person(values["owner"], values["owner_id"])
    if "since" in values:
        found["since"] = timestamp(values["since"])
    if "wait" in values:
        found["time"] = format_duration(t, max(1, round(values["wait"])))
    if values.get("verb") in ACTIONS:
        found["action"] = operation_noun(t, Operation(values["verb"]))
    if "state" in values:
        found["state"] = state_word(t, values["state"])
    if "level" in values:
        found |= {"needed": level_word(t, values["needed"]), "level": level_word(t, values["level"])}
    return found
