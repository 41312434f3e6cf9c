"""Translate messages with gettext. English is the source text; the Japanese catalogue is read once.

Write a message as `t("… {name} …", name=value)`; the values are inserted after translation. A row of a table holds
`N_("… {name} …")`, which is translated where it is shown: `t(row.message, name=value)`. Pass everything that comes
from outside through `ui.formatting.code` or `plain` before it becomes a value. `CatalogueTranslator` gives Discord
the descriptions of commands and options in both languages.
"""

import functools
import gettext
import re
import string
from pathlib import Path
from typing import Literal, NewType

import discord
from discord import app_commands

Language = Literal["ja", "en"]
DOMAIN = "bot"
LOCALES = Path(__file__).resolve().parent.parent / "locales"

Marked = NewType("Marked", str)
"""An untranslated message in a table. mypy refuses a plain string there, because the catalogue would miss it."""


def N_(message: str) -> Marked:  # noqa: N802 - gettext's own name for it
    """Mark a message for the catalogue. `tools.messages` finds the call in the source, so pass one literal string."""
    return Marked(message)


_JAPANESE = re.compile(r"[\u3001-\u30ff\u3400-\u9fff\uff01-\uff60]")
"""A character of Japanese text, including punctuation but not the ideographic space."""
_ENDS_JAPANESE = re.compile(rf"(?:{_JAPANESE.pattern}|<t:-?[0-9]+:[RD]>)\Z")
"""The end of a Japanese text. Discord shows these timestamps as "3 分前" and "2026年11月26日"."""


def fill_japanese(message: str, values: dict[str, object]) -> str:
    """Insert the values. Japanese takes a space beside `web01`, but none between two Japanese characters.

    Messages have spaces as for a Latin value ("{by} が"). A space beside a value is dropped if Japanese stands on
    both sides of it, also after a timestamp that ends in Japanese. Spaces inside a value are kept.
    """
    filled = ""
    own = False  # whether the last part is the message's text and not a value
    for literal, name, _, _ in string.Formatter().parse(message):
        if not own and _meet(filled, literal.removeprefix(" ")) and literal.startswith(" "):
            filled += literal[1:]
        else:
            filled += literal
        own = name is None
        if name is not None:
            value = str(values[name])
            if literal.endswith(" ") and _meet(filled[:-1], value):
                filled = filled[:-1]
            filled += value
    return filled


def _meet(left: str, right: str) -> bool:
    """Return whether the two would touch with a Japanese character on both sides."""
    return bool(_JAPANESE.match(right) and _ENDS_JAPANESE.search(left[-30:]))


class Text:
    """Translate into one language: `t("…")`, or `t.plural(one, many, n)` to choose the form for a number."""

    def __init__(self, language: Language, translations: gettext.NullTranslations) -> None:
        self.language = language
        self._translations = translations

    def __call__(self, message: str, /, **values: object) -> str:
        return self._fill(self._translations.gettext(message), values)

    def plural(self, one: str, many: str, n: int, /, **values: object) -> str:
        return self._fill(self._translations.ngettext(one, many, n), {"n": n, **values})

    def raw(self, message: str) -> str:
        """Translate without inserting values (command descriptions)."""
        return self._translations.gettext(message)

    def _fill(self, message: str, values: dict[str, object]) -> str:
        return fill_japanese(message, values) if self.language == "ja" else message.format(**values)


class Texts:
    """Hold both languages. `public` is the one that LANGUAGE names: for public answers, alerts and the terminal."""

    def __init__(self, public: Language, locales: Path = LOCALES) -> None:
        self._texts: dict[Language, Text] = {
            "ja": Text("ja", _catalogue(locales, "ja")),
            "en": Text("en", gettext.NullTranslations()),
        }
        self.public = self._texts[public]

    def of(self, language: Language) -> Text:
        return self._texts[language]

    def of_locale(self, locale: str) -> Text:
        """Return Japanese for a reader whose Discord is in Japanese, otherwise English."""
        return self._texts["ja" if locale == "ja" else "en"]


@functools.cache
def _catalogue(locales: Path, language: str) -> gettext.NullTranslations:
    """Read a compiled catalogue (`.mo`), once for the whole process."""
    return gettext.translation(DOMAIN, locales, [language])


ENGLISH = (discord.Locale.american_english, discord.Locale.british_english)


class CatalogueTranslator(app_commands.Translator):
    """Give Discord the texts of commands in both languages, except the names of commands and options."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        place = context.location
        names = (
            app_commands.TranslationContextLocation.command_name,
            app_commands.TranslationContextLocation.group_name,
            app_commands.TranslationContextLocation.parameter_name,
        )
        if place in names:
            return None
        if locale is discord.Locale.japanese:
            return self._texts.of("ja").raw(string.message)
        return string.message if locale in ENGLISH else None
