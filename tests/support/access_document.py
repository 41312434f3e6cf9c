"""The table of docs/access.md: who is promised what. Written by people for people, and read by the tests."""

from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/access.md"
HEADINGS = {"ja": "\n## 誰が何をできるか\n", "en": "\n## Who may do what\n"}


@dataclass(frozen=True)
class Promise:
    """`level` counts from 1, a viewer's. `everything`: it takes that level for all guests. `protected`: what it takes
    on a protected guest, in words."""

    level: int
    everything: bool
    protected: str


def promises(language: str) -> dict[str, Promise]:
    """By the command's name without its slash; `acknowledge` is the button."""
    section = DOCUMENT.read_text("utf-8").split(HEADINGS[language])[1].split("\n## ")[0]
    found: dict[str, Promise] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 5 or "/" not in cells[0]:
            continue
        level = [cell.startswith("✅") for cell in cells[1:4]].index(True) + 1
        words = [word.lstrip("/") for word in cells[0].split("`")[1::2]]
        words += ["acknowledge"] if "“" in cells[0] or "「" in cells[0] else []
        found |= dict.fromkeys(words, Promise(level, cells[3] != "✅", cells[4]))
    return found


ANYBODY, VIEWER, OPERATOR, ADMIN = range(4)
PROMISES = promises("en")
TABLE = {word: each.level for word, each in PROMISES.items()} | {"access": ANYBODY}
"""The least level of each operation, by its command."""
GUARDED = {word for word, each in PROMISES.items() if each.protected == "admin, name, reason"}
"""Operations that need an admin on a protected guest, with its name and a reason. So does a mute of over 8 hours."""
FOR_EVERYTHING = tuple(word for word, each in PROMISES.items() if each.everything)
"""Operations that are never about one guest: they take the level for all of them."""
ON_ALERTS = ("start", "info", "acknowledge", "monitor mute")
"""Operations of the buttons of alerts."""
