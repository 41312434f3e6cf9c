"""Read a gettext catalogue as `tools.messages` writes it, for a language with one plural form, such as Japanese.

A library for this would take 2 MB of memory.
"""

import gettext
import json
from collections.abc import Iterable

_KEYWORDS = ("msgid", "msgid_plural", "msgstr", "msgstr[0]")


class Catalogue(gettext.NullTranslations):
    """The translations of one language. A message without one is returned as it is."""

    def __init__(self, translations: dict[str, str]) -> None:
        super().__init__()
        self._translations = translations

    def gettext(self, message: str) -> str:
        return self._translations.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self._translations.get(msgid1) or super().ngettext(msgid1, msgid2, n)


def read_catalogue(lines: Iterable[str]) -> Catalogue:
    """Read the lines of a `.po` file. Messages that are removed (`#~`), fuzzy or not translated are left out.

    Raises: ValueError if a line is of another form.
    """
    translations: dict[str, str] = {}
    entry: dict[str, str] = {}
    keyword, is_fuzzy = "", False
    for line in (*lines, 'msgid ""'):
        told, _, quoted = line.strip().partition('"')
        if told.startswith("#") or not (told or quoted):
            is_fuzzy = is_fuzzy or (told.startswith("#,") and "fuzzy" in told)
            continue
        if told:
            keyword = told.strip()
            if keyword == "msgid":
                text = entry.get("msgstr") or entry.get("msgstr[0]")
                if text and entry["msgid"] and not entry.get("fuzzy"):
                    translations[entry["msgid"]] = text
                entry, is_fuzzy = {"fuzzy": "yes" if is_fuzzy else ""}, False
            entry[keyword] = ""
        if keyword not in _KEYWORDS:
            raise ValueError(f"not a line of a catalogue: {line!r}")
        entry[keyword] += json.loads(f'"{quoted}')
    return Catalogue(translations)
