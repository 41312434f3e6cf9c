"""Clean typed or pasted answers, and find what they mean. Pure functions: no answer is tested here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from adapters.settings.faults import UUID
from ui.formatting import plain

_MOST = 4000  # characters
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-_])")
"""Escape sequences of a terminal: arrow keys, and the marks around pasted text."""
_QUOTES = ('""', "''", "``", "“”", "‘’", "「」", "『』", "<>")
_BEFORE_SECRET = re.compile(
    r"\s*(?:export\s+)?(?:authorization\s*[:=]\s*)?(?:[A-Z_]{5,}\s*=\s*)?['\"]?(?:bot\s+|pveapitoken\s*[=:]\s*)?",
    re.I,
)
_WHOLE_TOKEN = re.compile(r"([^\s!:/=]+@[A-Za-z][\w.-]+)!([A-Za-z][\w.-]+)(?:[=:\s]+(\S+))?", re.A)
_YES, _NO = ("y", "yes", "はい", "ハイ"), ("n", "no", "いいえ", "イイエ")
_SPAN = re.compile(r"([0-9]+)(?:[-~]([0-9]+))?")
BACK, MORE, NONE = ("<", "＜"), ("+", "＋"), ("-", "ー", "none", "なし")


def clean(text: str) -> str:
    """Return an answer on one line, without escape sequences, invisible characters and quotes around it."""
    kept = plain(_ESCAPES.sub("", text), _MOST)
    while len(kept) > 1 and kept[0] + kept[-1] in _QUOTES:
        kept = kept[1:-1].strip()
    return kept


def clean_secret(text: str) -> str:
    """Return a secret without anything copied along with it, such as spaces, quotes, `Bot ` or a setting's name."""
    narrow = unicodedata.normalize("NFKC", _ESCAPES.sub("", text))
    joined = plain(_BEFORE_SECRET.sub("", narrow, count=1), _MOST).replace(" ", "")
    return clean(joined).strip("'\"`")


def split_token(text: str) -> tuple[str, str, str] | None:
    """Return user, name and value of an API token; the value is "" if it is missing. None: the text is no token."""
    narrow = unicodedata.normalize("NFKC", _BEFORE_SECRET.sub("", _ESCAPES.sub("", text), count=1))
    found = _WHOLE_TOKEN.fullmatch(clean(narrow).strip("'\"`"))
    return (found[1], found[2], found[3] or "") if found else None


def token_value(text: str) -> str:
    """Return the value of an API token: the only UUID in the text, which may be a table, else the cleaned text."""
    found = list(dict.fromkeys(UUID.findall(unicodedata.normalize("NFKC", text))))
    return found[0] if len(found) == 1 else clean_secret(text)


def split_hosts(text: str) -> list[str]:
    """Return the hosts of an answer. A pasted URL becomes its host and port."""
    listed = re.sub(r"^\[(.*[\"',].*)\]$", r"\1", unicodedata.normalize("NFKC", clean(text)))
    parts = re.split(r"[\s,;、]+", listed)
    hosts = (re.split(r"[/?#\\]", re.sub(r"^[A-Za-z]+://", "", clean(part)))[0] for part in parts)
    return [host for host in dict.fromkeys(host.rpartition("@")[2] for host in hosts) if host]


def split_names(text: str) -> list[str]:
    """Return the names in an answer, in order and without repetition."""
    parts = re.split(r"[\s,;、]+", unicodedata.normalize("NFKC", clean(text)))
    return list(dict.fromkeys(part for part in parts if part))


def yes_or_no(text: str, *, default: bool) -> bool | None:
    """Return the answer to a yes-or-no question, `default` for an empty one; None if it is neither."""
    word = unicodedata.normalize("NFKC", clean(text)).casefold()
    if not word:
        return default
    return True if word in _YES else False if word in _NO else None


def is_back(text: str) -> bool:
    """Return whether the answer asks for the previous step."""
    return clean(text) in BACK


def is_none(text: str) -> bool:
    """Return whether the answer says that nothing is wanted."""
    return unicodedata.normalize("NFKC", clean(text)).casefold() in NONE


def find_row(text: str, names: Sequence[str], numbers: Sequence[int] = ()) -> int | None:
    """Return the index of the row that an answer means: by its number from 1, its name, or its id in `numbers`.

    The beginning of a name counts if no other name begins with it. None: no row, or several.
    """
    word = unicodedata.normalize("NFKC", clean(text)).lstrip("#@")
    if word.isdecimal() and int(word) in numbers:
        return numbers.index(int(word))
    if word.isdecimal() and 1 <= int(word) <= len(names):
        return int(word) - 1
    folded = [unicodedata.normalize("NFKC", name).casefold().lstrip("#@") for name in names]
    same = [at for at, name in enumerate(folded) if name == word.casefold()]
    near = same or [at for at, name in enumerate(folded) if word and name.startswith(word.casefold())]
    return near[0] if len(near) == 1 else None


def find_rows(text: str, names: Sequence[str], numbers: Sequence[int] = ()) -> list[int] | None:
    """Return the indexes of several rows: `1, 3-5`, or names separated by commas.

    None: one of them means no row, or several.
    """
    found = list[int]()
    for part in filter(None, re.split(r"[,;、]", unicodedata.normalize("NFKC", clean(text)))):
        span = _SPAN.fullmatch(part.replace(" ", ""))
        if span and span[2] and 1 <= int(span[1]) <= int(span[2]) <= len(names):
            found += range(int(span[1]) - 1, int(span[2]))
            continue
        words = part.split() if all(word.isdecimal() for word in part.split()) else [part]
        for word in words:
            row = find_row(word, names, numbers)
            if row is None:
                return None
            found.append(row)
    return list(dict.fromkeys(found))


def find_vmids(text: str, known: Mapping[int, str]) -> list[int] | None:
    """Return the VMIDs that an answer means: VMIDs, ranges of them, or names. `known`: name by VMID.

    None: a part of it means no known guest, or a name means several.
    """
    found = list[int]()
    for word in split_names(text):
        span = _SPAN.fullmatch(word)
        if span is not None:
            first, last = int(span[1]), int(span[2] or span[1])
            mine = [vmid for vmid in known if first <= vmid <= last]
        else:
            mine = [vmid for vmid, name in known.items() if name.casefold() == word.casefold()]
        if not mine or (span is None and len(mine) > 1):
            return None
        found += mine
    return list(dict.fromkeys(found))
