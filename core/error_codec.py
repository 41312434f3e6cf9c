"""Decode stored errors. The audit trail stores them as text, an incident as a dict.

Only the form of `BotError.to_dict` is written. Versions up to 26 November 2026 wrote two other forms, and these
stay readable: `Name(field=repr, …)` in the audit trail, and a list of (name, text) pairs as the values in an
incident.
"""

import ast
import json
import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args, get_type_hints

from core import guest_errors, proxmox_errors, wanted_errors
from core.codec import from_plain
from core.errors import BotError

__all__ = ["ERRORS", "from_dict", "from_text", "word_of"]

_MODULES = (guest_errors, proxmox_errors, wanted_errors)
"""Modules that are imported to define their classes before `ERRORS` is built."""
_MOST = 1000
"""Maximum characters of an outcome in the audit trail. The patterns below would be slow on longer texts."""
_UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, SyntaxError, RecursionError, OverflowError)
_WORD = re.compile(r'\{"error":"(\w+)"')
_OLD = re.compile(r"([A-Z][A-Za-z]{2,40})\((.*)\)", re.S)
_NAMES = {"None": None, "True": True, "False": False}
_OLD_FIELD = re.compile(r"""(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|<[^>]*>|[^,]*)(?:, |$)""", re.S)


def _below(root: type[BotError]) -> dict[str, type[BotError]]:
    found: dict[str, type[BotError]] = {}
    for kind in root.__subclasses__():
        found |= {kind.__name__: kind} | _below(kind)
    return found


ERRORS: Mapping[str, type[BotError]] = _below(BotError)
"""Every class below BotError, by its name. Stored errors contain that name."""


def from_dict(data: Mapping[str, Any]) -> BotError | None:
    """Decode an error. None if this version does not know it or cannot build it."""
    try:
        kind, values = ERRORS[data["error"]], data.get("values", {})
        if isinstance(values, list):
            hints = get_type_hints(kind)
            values = {name: _of_text(hints[name], text) for name, text in values if name in hints}
        error: BotError = from_plain(kind, values)
    except _UNREADABLE:
        return None
    return error


def from_text(text: str) -> BotError | None:
    """Decode an error from its stored `str`. None if the text is not an error, or an unknown one."""
    if len(text) > _MOST:
        return None
    try:
        if match := _OLD.fullmatch(text):
            values = {name: _of_repr(written) for name, written in _OLD_FIELD.findall(match[2])}
            return from_dict({"error": match[1], "values": values})
        return from_dict(json.loads(text)) if _WORD.match(text) else None
    except _UNREADABLE:
        return None


def word_of(text: str) -> str:
    """Return the class name of a stored error. For any other text, return the part before the first `(`."""
    match = _WORD.match(text)
    return match[1] if match else text.partition("(")[0]


def _of_text(hint: Any, text: str) -> object:
    """Decode a value of an incident's old form, which stored its `str`."""
    if isinstance(hint, UnionType):
        inner = next(each for each in get_args(hint) if each is not type(None))
        return None if text == "None" else _of_text(inner, text)
    return text == "True" if hint is bool else hint(text)


def _of_repr(written: str) -> object:
    """Decode a value of the audit trail's old form, which stored its `repr`. An enum's is `<Level.ADMIN: 3>`."""
    if written.startswith("<"):
        written = written[1:-1].partition(": ")[2]
    if written in _NAMES:
        return _NAMES[written]
    if written[:1] in ("'", '"'):
        return ast.literal_eval(written)
    return int(written) if written.lstrip("-").isdigit() else float(written)
