"""Renew the parts of the documents that are made from the code: `python -m tools.documents`.

A part is between `<!-- made: NAME LANGUAGE -->` and `<!-- end -->`, each on a line of its own. A test compares
the documents with the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.command_tables import button_table, command_table, level_table, option_table, step_table
from tools.privilege_tables import feature_block, privilege_table, pveum_block
from ui.i18n import Text, Texts

ROOT = Path(__file__).resolve().parent.parent
PARTS: Mapping[str, Callable[[Text], str]] = {
    "commands": command_table,
    "options": option_table,
    "levels": level_table,
    "buttons": button_table,
    "steps": step_table,
    "privileges": privilege_table,
    "pveum": pveum_block,
    "features": feature_block,
}
MADE = re.compile(
    r"(?P<begin>^<!-- made: (?P<name>[a-z]+) (?P<language>ja|en) -->\n).*?(?P<end>^<!-- end -->$)",
    re.M | re.S,
)


def renewed(text: str) -> str:
    """Return the text of a document with its parts made anew.

    Raises: KeyError, if the text names a part that does not exist.
    """
    texts = Texts("ja")

    def made(match: re.Match[str]) -> str:
        t = texts.of("ja" if match["language"] == "ja" else "en")
        return f"{match['begin']}\n{PARTS[match['name']](t)}\n\n{match['end']}"

    return MADE.sub(made, text)


def main() -> None:
    """Rewrite the documents in docs/ whose parts have changed, and print their paths."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text("utf-8")
        if (new := renewed(text)) != text:
            path.write_text(new, "utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
