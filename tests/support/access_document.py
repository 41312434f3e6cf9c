"""Read the access table of docs/access.md, so that tests can compare the bot with it."""

from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/access.md"
HEADINGS = {"ja": "\n## 誰が何をできるか\n", "en": "\n## Who may do what\n"}


@dataclass(frozen=True)
class Promise:
    """Hold one row of the table.

    `level`: the level needed; 1 is VIEWER.
    `everything`: the person needs that level for all guests.
    `protected`: what a protected guest needs in addition, in the document's words.
    """

    level: int
    everything: bool
    protected: str


def promises(language: str) -> dict[str, Promise]:
    """Return the rows by command name without the slash. `acknowledge` is a button."""
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
"""Level that each operation needs, by command name."""
GUARDED = {word for word, each in PROMISES.items() if each.protected == "admin, name, reason"}
"""Operations that need an admin on a protected guest, with its name and a reason. So does a mute of over 8 hours."""
FOR_EVERYTHING = tuple(word for word, each in PROMISES.items() if each.everything)
"""Operations that concern the whole cluster: the person needs the level for all guests."""
ON_ALERTS = ("start", "info", "acknowledge", "monitor mute")
"""Operations that have a button on alerts."""
