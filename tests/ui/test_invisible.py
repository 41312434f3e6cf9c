"""Test that no invisible code point of a name survives. The lists here are written apart from the product's."""

import sys
import unicodedata

from tests.support.walked import walked
from ui.formatting import code, plain

VARIATION = [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x1810)]
FILLERS = [0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800]
TAGS = [*range(0xE0000, 0xE0080)]
RESERVED = [0x2065, *range(0xFFF0, 0xFFF9), *range(0xE0080, 0xE0100), *range(0xE01F0, 0xE1000)]


@walked("number", [*VARIATION, *FILLERS, *TAGS, *RESERVED[::50]])
def test_invisible_characters_are_removed(number: int) -> None:
    assert plain(f"web{chr(number)}01") == "web01"
    assert code(chr(number) * 3) == "`?`"


def test_no_format_or_control_character_of_this_unicode_is_left() -> None:
    kinds = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    every = map(chr, range(sys.maxunicode + 1))
    hidden = "".join(char for char in every if unicodedata.category(char) in kinds and not char.isspace())
    assert len(hidden) > 900_000
    for first in range(0, len(hidden), 1000):
        left = plain(f"a{hidden[first : first + 1000]}b", 1002)
        assert left == "ab", [hex(ord(char)) for char in left[1:-1]]


@walked("char", ["é", "字", "ｶﾞ", "한", "ก", "🟢", "ß", "-"])
def test_visible_characters_stay(char: str) -> None:
    assert plain(f"a{char}b") == f"a{char}b"


def test_a_text_of_any_length_costs_little() -> None:
    told = plain("a\u0301" * 10_000_000)
    assert len(told) == 64
    assert told.endswith("…")
    assert plain("\u200b" * 5000 + "x") == "…", "the sign shows that the rest was not looked at"
