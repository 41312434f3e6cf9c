"""Break a row of facts between two of them, so that a phone does not break it inside one.

Japanese may be broken anywhere, so that a phone would show 「一時 / 停止中」.
"""

import re
import unicodedata
from collections.abc import Iterable

BODY, SMALL = 36, 40
"""Columns of a card on a phone 390 points wide: of normal and of small print. A Japanese letter takes two."""
BETWEEN, SMALL_PRINT, EM = " · ", "-# ", "\u2003"
_UNSEEN = re.compile(r"\*\*|`|^#+ |^-# ", re.MULTILINE)
_TIMESTAMP = re.compile(r"<t:[0-9]+(?::(?P<style>[a-zA-Z]))?>")
_MENTION = re.compile(r"<[@#][!&]?[0-9]+>")
_WIDTHS = {"t": 8, "d": 10, "R": 13}
"""Columns of a timestamp by its style, in the longer of both languages as a rule."""


def columns(text: str) -> int:
    """Return about how many columns a text takes on the screen, without its markdown.

    The frame of a code span takes one.
    """
    shown = _TIMESTAMP.sub(lambda found: "x" * _WIDTHS.get(found["style"] or "f", 18), _UNSEEN.sub("", text))
    shown = _MENTION.sub("x" * 12, shown)
    frames = text.count("`") // 2
    return frames + sum(
        2 if letter == EM or unicodedata.east_asian_width(letter) in "WF" else 1 for letter in shown
    )


def phone_lines(parts: Iterable[str], lead: str = "", width: int = BODY) -> str:
    """Join parts with a dot, and begin a new line before a part that no longer fits. Empty parts are left out.

    `lead`: stands before each line, as that of small print does.
    """
    lines: list[str] = []
    for part in filter(None, parts):
        longer = f"{lines[-1]}{BETWEEN}{part}" if lines else ""
        if longer and columns(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"{lead}{part}")
    return "\n".join(lines)
