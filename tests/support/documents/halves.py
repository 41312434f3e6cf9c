"""Read the documents: their halves by language, tables, code and anchors."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
README = {"ja": ROOT / "README.md", "en": ROOT / "README.en.md"}
_ENGLISH = re.compile(r"\[English[^]]*\]\(#([^)]+)\)")


@cache
def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def without_code(text: str) -> str:
    """Return the text without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)


def headings(text: str) -> list[tuple[int, str]]:
    """Return the level and the words of every heading."""
    return [(len(signs), words) for signs, words in re.findall(r"^(#+) (.+)$", without_code(text), re.M)]


def anchors(text: str) -> list[str]:
    """Return the anchors that GitHub makes from the headings. Repeated ones are numbered."""
    found: list[str] = []
    for _, words in headings(text):
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        again = sum(1 for each in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", each))
        found.append(f"{anchor}-{again}" if again else anchor)
    return found


def is_in_halves(path: Path) -> bool:
    """Return whether a document links to its English half, which stands below the Japanese one."""
    return bool(_ENGLISH.search(text_of(path)))


def half_of(path: Path, language: str) -> str:
    """Return the Japanese or the English half of a document, without the part before both."""
    text = text_of(path)
    match = _ENGLISH.search(text)
    assert match, f"{path.name} does not link to its English half"
    index = anchors(text).index(match[1])
    level, words = headings(text)[index]
    head = f"\n{'#' * level} "
    japanese, english = text[match.end() :].split(f"{head}{words}\n", 1)
    if level > 1:  # the Japanese half has a heading of its own; sections after the English one are for both
        japanese = japanese.split(head, 1)[1].partition("\n")[2]
        english = english.partition(head)[0]
    return english if language == "en" else japanese


def table(text: str) -> list[list[str]]:
    """Return the cells of all tables, without the header rows."""
    rows: list[list[str]] = []
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.M):
        rows += [
            [cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in block.splitlines()[2:]
        ]
    return rows


def in_code(text: str) -> list[str]:
    """Return the words in code spans."""
    return re.findall(r"`([^`\n]+)`", text)


def made(language: str, name: str, path: Path) -> str:
    """Return one part of a document that is made from the code."""
    match = re.search(rf"^<!-- made: {name} {language} -->\n(.*?)^<!-- end -->$", text_of(path), re.M | re.S)
    assert match, f"{path.name} has no part {name} in {language}"
    return match[1]
