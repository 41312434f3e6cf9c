"""Divide the rows of several sites into pages, and fit the texts about several sites into one message.

Each site has a heading. A page that begins in the middle of the rows of a site repeats its heading.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLOTS = 12
"""Maximum number of rows and headings on a page. They fit into a message if each has at most 300 characters."""


@dataclass(frozen=True, slots=True)
class Section:
    """The heading and the `count` rows of one site.

    `row`: returns the text of a row by its index.
    `top`: returns the text of a row right below the heading, if that differs.
    """

    head: str
    count: int
    row: Callable[[int], str]
    top: Callable[[int], str] | None = None


@dataclass(frozen=True, slots=True)
class SectionPart:
    """The rows of one section that are on one page, from `start` up to `stop`, like a range."""

    section: int
    start: int
    stop: int


def _pages_of(counts: Sequence[int], slots: int = SLOTS) -> list[list[SectionPart]]:
    """Divide sections with these numbers of rows. There is at least one page, and no heading without a row.

    `slots`: maximum number of rows and headings on a page. Pass fewer than SLOTS for longer rows.
    """
    pages: list[list[SectionPart]] = [[]]
    room = slots
    for section, count in enumerate(counts):
        start = 0
        while start < count:
            if room < 2:
                pages.append([])
                room = slots
            stop = min(count, start + room - 1)
            pages[-1].append(SectionPart(section, start, stop))
            room -= 1 + stop - start
            start = stop
    return pages


def rows_on(sections: Sequence[Section], page: int, slots: int = SLOTS) -> list[tuple[int, int]]:
    """Return the indexes of section and row of each row on a page. The page must exist."""
    parts = _pages_of([section.count for section in sections], slots)[page]
    return [(part.section, row) for part in parts for row in range(part.start, part.stop)]


def page_text(sections: Sequence[Section], page: int, slots: int = SLOTS) -> tuple[str, int, int]:
    """Return the text of the nearest existing page, its number, and the number of pages."""
    pages = _pages_of([section.count for section in sections], slots)
    page = max(0, min(page, len(pages) - 1))
    lines = []
    for part in pages[page]:
        section = sections[part.section]
        top = (section.top or section.row)(part.start)
        lines += [section.head, top, *map(section.row, range(part.start + 1, part.stop))]
    return "\n".join(filter(None, lines)), page, len(pages)


def fit_sections(sections: Sequence[tuple[str, str]], most: int, note: str) -> str:
    """Join the texts about each site, in full or in brief, so that all fit into `most` characters.

    `sections`: the text about each site in full and in brief. Each is shown in full if there is still room for it.
    `note`: appended if any site is shown in brief.
    """
    shown, cut = [], False
    room = most - len(note) - sum(len(brief) + 1 for _, brief in sections)
    for full, brief in sections:
        fits = len(full) - len(brief) <= room
        room -= len(full) - len(brief) if fits else 0
        cut = cut or not fits
        shown.append(full if fits else brief)
    return "\n".join((*shown, note) if cut else shown)[:most]
