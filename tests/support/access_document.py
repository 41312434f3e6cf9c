"""Read the access table of docs/access.md and the card of /access, so that tests can compare them with the bot."""

import re
from dataclasses import dataclass
from pathlib import Path

from core.operations import Operation
from ui.access.groups import GROUPS
from ui.i18n import Text, Texts
from ui.messages.operations import operation_command

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/access.md"
HEADINGS = {"ja": "\n## 誰が何をできるか\n", "en": "\n## Who may do what\n"}


@dataclass(frozen=True)
class Promise:
    """Hold one row of the table.

    `level`: the level needed; 1 is VIEWER.
    `everything`: the person needs that level for all guests.
    `protected`: the further needs of a protected guest, in the document's words.
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
"""Operations that need an admin on a protected guest, with its name and a reason.

A mute of over 8 hours needs them, too.
"""
FOR_EVERYTHING = tuple(word for word, each in PROMISES.items() if each.everything)
"""Operations that concern the whole cluster: the person needs the level for all guests."""
ON_ALERTS = ("start", "info", "graph guest", "graph node", "acknowledge", "monitor mute", "monitor unmute")
"""Operations that have a button on alerts."""


ENGLISH = Texts("en").of("en")


@dataclass(frozen=True)
class Told:
    """The card's text about one operation. `head`: where it is allowed, or why not."""

    allowed: bool
    head: str


def told_access(text: str, t: Text = ENGLISH) -> dict[Operation, Told]:
    """Return the card's text about each operation. Each one may appear only once."""
    named = {operation_command(t, each): each for each in Operation}
    groups = {t(name): group for name, group in GROUPS}
    found: dict[Operation, Told] = {}
    told: Told | None = None
    for line in text.splitlines():
        if line[:1] in "✅❌" and line:
            told = Told(line[0] == "✅", line[2:])
            continue
        for row in line.removeprefix("-# ").split(" · "):
            match = re.fullmatch(r"\*\*([^*]+)\*\* (.*)", row)
            if told is None or match is None or match[1] not in groups:
                told = None
                break
            all_of_it = match[2] == t("all actions")
            words = match[2].replace("\N{NO-BREAK SPACE}", " ").split("`")[1::2]
            group = groups[match[1]] if all_of_it else [named[each] for each in words]
            assert group
            assert not set(group) & set(found), (line, text)
            found |= dict.fromkeys(group, told)
    return found
