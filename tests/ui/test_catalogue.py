"""Test the reader of catalogues against Babel's, which `tools.messages` uses."""

import gettext
import io

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from ui.catalogue import Catalogue, read_catalogue
from ui.i18n import DOMAIN, LOCALES

ODD = r"""# a comment
#: ui/cards.py:7
#, python-brace-format
msgid ""
"two "
"lines\n"
msgstr "二行\n\t\"だ\\"

msgid "{n} guest"
msgid_plural "{n} guests"
msgstr[0] "ゲスト {n} 台"

#, fuzzy
msgid "was meant otherwise"
msgstr "違う"

msgid "not translated"
msgstr ""

#~ msgid "removed"
#~ msgstr "消した"

msgid "last"
msgstr ""
"最"
"後"
"""
REAL = (LOCALES / "ja" / "LC_MESSAGES" / f"{DOMAIN}.po").read_text("utf-8")


def by_babel(text: str) -> Catalogue:
    """Read it as Babel does. Its compiled form gives the translations by message and plural form."""
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.StringIO(text), locale="ja"))
    compiled.seek(0)
    found: dict[str | tuple[str, int], str] = gettext.GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]  # shown nowhere else
    return Catalogue({key if isinstance(key, str) else key[0]: text for key, text in found.items() if key})


@pytest.mark.parametrize("text", [REAL, ODD], ids=["the bot's", "odd"])
def test_it_reads_what_babel_reads(text: str) -> None:
    expected = by_babel(text)._translations
    assert len(expected) >= 3
    assert read_catalogue(text.splitlines())._translations == expected


def test_messages_and_plurals() -> None:
    catalogue = read_catalogue(ODD.splitlines())
    assert catalogue.gettext("last") == "最後"
    assert catalogue.gettext("two lines\n") == '二行\n\t"だ\\'
    assert [catalogue.ngettext("{n} guest", "{n} guests", n) for n in (1, 2)] == ["ゲスト {n} 台"] * 2
    for message in ("not translated", "was meant otherwise", "removed", "unheard of", ""):
        assert catalogue.gettext(message) == message
    assert [catalogue.ngettext("one", "many", n) for n in (1, 2)] == ["one", "many"]


@pytest.mark.parametrize(
    "text", ['msgid "open', 'msgid "a"\nmsgstr[1] "b"', "msgid a", '"a"', 'msgctxt "a"', 'msgid "a" "b"']
)
def test_another_form_is_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own errors are among them
        read_catalogue(text.splitlines())
