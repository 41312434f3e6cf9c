"""Break a row of facts into lines, so that a phone does not break a line in the middle of a fact.

Japanese may be broken anywhere, so a phone would show 「一時 / 停止中」.
"""

import re
import unicodedata
from collections.abc import Iterable

BODY, SMALL = 33, 37
"""Columns of a card on a phone 390 points wide, in normal and in small print. A Japanese letter takes two."""
BETWEEN, SMALL_PRINT, EM = " · ", "-# ", "\u2003"
_UNSEEN = re.compile(r"\*\*|`|^#+ |^-# ", re.MULTILINE)
_TIMESTAMP = re.compile(r"<t:[0-9]+(?::(?P<style>[a-zA-Z]))?>")
_MENTION = re.compile(r"<[@#][!&]?[0-9]+>")
_ENGLISH = {"t": "10:45 PM", "d": "10/28/2026", "R": "48 minutes ago", "f": "October 28, 2026 10:45 PM"}
_JAPANESE = {"t": "22:45", "d": "2026/10/28", "R": "13 週間前", "f": "2026年10月28日 22:45"}
"""Long examples of timestamps as Discord shows them, by style."""
_OF_JAPANESE = re.compile("[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]")
_NARROW, _BROAD = frozenset(" .,:;!|'’·ijlftrIJ()[]-/"), frozenset("mwMW%@")
_WIDE, _BIG, _LETTER, _SLIM = 20, 13, 11, 6
"""Widths of characters in tenths of a column, as in Noto Sans. Discord's own font is a little narrower."""


def width(text: str) -> int:
    """Estimate the columns that a text without markdown takes on the screen."""
    return -(-sum(map(_tenths, text)) // 10)


def _tenths(letter: str) -> int:
    if letter in _NARROW:
        return _SLIM
    if letter == EM or unicodedata.east_asian_width(letter) in "WF":
        return _WIDE
    if letter in _BROAD:
        return _WIDE - 2
    if unicodedata.category(letter) in ("Mn", "Cf"):  # such as the variation selector of an emoji
        return 0
    return _BIG if letter.isupper() else _LETTER


def columns(text: str) -> int:
    """Estimate the columns that a text with markdown takes on the screen.

    The markdown itself takes none, but the frame of a code span takes one. Timestamps are taken as Japanese if the
    text has Japanese letters or marks.
    """
    times = _JAPANESE if _OF_JAPANESE.search(text) else _ENGLISH
    shown = _TIMESTAMP.sub(lambda found: times.get(found["style"] or "f", times["f"]), text)
    shown = _MENTION.sub("@some person", _UNSEEN.sub("", shown))
    return width(shown) + text.count("`") // 2


def phone_lines(parts: Iterable[str], lead: str = "", most: int = BODY) -> str:
    """Join parts with a dot, and begin a new line before a part that no longer fits. Empty parts are left out.

    `lead`: put before each line, such as the sign for small print.
    `most`: maximum columns of a line. A single part may be wider.
    """
    lines: list[str] = []
    for part in filter(None, parts):
        longer = f"{lines[-1]}{BETWEEN}{part}" if lines else ""
        if longer and columns(longer) <= most:
            lines[-1] = longer
        else:
            lines.append(f"{lead}{part}")
    return "\n".join(lines)
