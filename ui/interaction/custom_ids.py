"""Name the site in the `custom_id` of a persistent button, if there are several sites.

The form with a site follows from the one without: `g1:start:101:5d0a…` becomes `g2:home:start:101:5d0a…`. The fields
of a page (`p2:`) are shortened as well, because Discord allows only 100 characters: words become their first
letter, and numbers are written in base 36. `p3:` has the shortened fields without a site.
"""

import re
import string
from collections.abc import Callable, Mapping
from typing import NamedTuple

ALL_SITES = "*"
"""Stands for all sites in the `custom_id` of a page or a menu. No site has this name."""
_NAMED = re.compile(rf"(?P<kind>[gapscdn])2:(?P<site>[a-z0-9-]{{1,16}}|{re.escape(ALL_SITES)}):(?P<rest>.+)")
_DIGITS = string.digits + string.ascii_lowercase
_BASE_36 = re.compile(r"[0-9a-z]{1,13}")


class _Field(NamedTuple):
    """How to shorten a field, and how to restore it. `restore` raises ValueError for a malformed text."""

    shorten: Callable[[str], str]
    restore: Callable[[str], str]


def _words(*words: str) -> _Field:
    letters = {word[0]: word for word in words}

    def restore(letter: str) -> str:
        if letter and letter not in letters:
            raise ValueError(letter)
        return letters.get(letter, "")

    return _Field(lambda word: word[:1], restore)


def _shorten_number(text: str) -> str:
    number, digits = int(text or 0), ""
    while number:
        number, last = divmod(number, len(_DIGITS))
        digits = _DIGITS[last] + digits
    return digits or text[:1]


def _restore_number(text: str) -> str:
    if text and not _BASE_36.fullmatch(text):
        raise ValueError(text)
    return str(int(text, len(_DIGITS))) if text else ""


_PAGE = _words("list", "watch", "audit", "history", "status", "nodes", "capacity", "doctor")
_MOVE = _words("first", "prev", "next", "last", "refresh")
_NUMBER, _TEXT = _Field(_shorten_number, _restore_number), _Field(str, str)
_GUESTS = (_MOVE, _NUMBER, _words("running", "stopped", "other", "template"), _words("qemu", "lxc"), _TEXT)
_ORDER = (_words("cpu", "memory", "disk", "uptime", "name"), _TEXT, _TEXT)
_FIELDS: Mapping[str, tuple[_Field, ...]] = {
    "list": (*_GUESTS, *_ORDER),
    "watch": _GUESTS,
    "nodes": _GUESTS,
    "capacity": _GUESTS,
    "audit": (_MOVE, _NUMBER, _NUMBER, _NUMBER, _TEXT, _NUMBER, _NUMBER, _NUMBER),
    "history": (_MOVE, _NUMBER, _NUMBER),
    "status": (_words("refresh"),),
    "doctor": (_MOVE, _NUMBER, _words("all")),
}
"""The fields of each kind of page, in the order of `ui/interaction/buttons.py`."""
_FORMER = {"audit": 7, "list": len(_GUESTS), "doctor": 2}
"""Number of fields in earlier versions, and of a page whose other fields are empty."""


def name_site(custom_id: str, site: str) -> str:
    """Return the `custom_id` with the site, or unchanged if `site` is "" because there is only one."""
    if not site:
        return custom_id
    kind, rest = custom_id[0], custom_id.partition(":")[2]
    return f"{kind}2:{site}:{_shorten_page(rest) if kind == 'p' else rest}"


def shorten(custom_id: str) -> str:
    """Return the `custom_id` of a page with shortened fields and without a site."""
    return f"p3:{_shorten_page(custom_id.partition(':')[2])}"


def split_site(custom_id: str) -> tuple[str | None, str]:
    """Return the site's name, None if there is none, and the full `custom_id` without it.

    A malformed `custom_id` is returned unchanged.
    """
    if custom_id.startswith("p3:"):
        try:
            return None, f"p1:{_restore_page(custom_id[3:])}"
        except ValueError:
            return None, custom_id
    match = _NAMED.fullmatch(custom_id)
    if match is None or (match["site"] == ALL_SITES and match["kind"] not in "ps"):
        return None, custom_id
    try:
        rest = _restore_page(match["rest"]) if match["kind"] == "p" else match["rest"]
    except ValueError:
        return None, custom_id
    return match["site"], f"{match['kind']}1:{rest}"


def _fields_of(page: str, count: int) -> tuple[_Field, ...]:
    """Return the fields of a kind of page. `count`: their number, which may be the smaller one in `_FORMER`."""
    known = _FIELDS.get(page, ())
    return known[:count] if count == _FORMER.get(page) else known


def _shorten_page(rest: str) -> str:
    page, *fields = rest.split(":")
    known = _fields_of(page, len(fields))
    shorter = (field.shorten(text) for field, text in zip(known, fields, strict=True))
    return ":".join((_PAGE.shorten(page), *shorter))


def _restore_page(rest: str) -> str:
    """Restore the fields of a page. Raises: ValueError."""
    letter, *fields = rest.split(":")
    page = _PAGE.restore(letter)
    known = _fields_of(page, len(fields))
    longer = (field.restore(text) for field, text in zip(known, fields, strict=True))
    return ":".join((page, *longer))
