"""Keep the catalogues in step with the source: `python -m tools.messages` (or `make messages`).

New messages are added without a translation (a test fails until they are translated), and unused ones are
removed. The source is read with `ast`, because Babel's extractor does not look into f-strings. Source locations
are left out, so that moving code changes no catalogue. The bot reads the compiled catalogue (`.mo`) with Python's
gettext.
"""

import ast
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("bot.py", "ui/**/*.py", "cogs/*.py", "startup/first_run/*.py")
LANGUAGES = ("ja",)

Message = str | tuple[str, str]


def path_of(language: str) -> Path:
    return ROOT / "locales" / language / "LC_MESSAGES" / "bot.po"


def in_source() -> set[Message]:
    """Return all messages in `t("…")`, `N_("…")`, `t.plural("…", "…", n)` and `locale_str("…")`.

    Raises: ValueError, if `N_` marks anything but one literal string.
    """
    paths = (path for pattern in SOURCES for path in ROOT.glob(pattern))
    return {message for path in paths for message in messages_of(path.read_text("utf-8"))}


def messages_of(source: str) -> Iterator[Message]:
    """Yield the messages of one file's source.

    Raises: ValueError, as in_source() does.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            texts = [
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name == "N_" and len(texts) != 1:
                raise ValueError(f"line {node.lineno}: N_ takes one literal string: {ast.unparse(node)}")
            if name in ("t", "N_", "locale_str") and texts:
                yield texts[0]
            elif name == "plural" and len(texts) >= 2:
                yield (texts[0], texts[1])


def read(language: str) -> Catalog:
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> int:
    """Update one catalogue and its compiled form. Return the number of messages without a translation."""
    old, new = read(language), Catalog(locale=language)
    for message in sorted(in_source(), key=str):
        known = old.get(message[0] if isinstance(message, tuple) else message)
        new.add(message, known.string if known else None)
    with path_of(language).open("wb") as file:
        write_po(file, new, width=110, no_location=True, sort_output=True, omit_header=True)
    path_of(language).with_suffix(".mo").write_bytes(compiled(language))
    return sum(1 for message in new if message.id and not translated(message.string))


def compiled(language: str) -> bytes:
    """Return the `.mo` form of a catalogue. It depends only on the messages."""
    catalogue, file = read(language), io.BytesIO()
    catalogue.creation_date = catalogue.revision_date = datetime.fromtimestamp(0, UTC)
    write_mo(file, catalogue)
    return file.getvalue()


def translated(text: object) -> bool:
    return all(text) if isinstance(text, (tuple, list)) else bool(text)


if __name__ == "__main__":
    print(sum(update(language) for language in LANGUAGES), "messages without a translation")
