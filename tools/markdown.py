"""Write tables of Markdown."""

from collections.abc import Iterable

Row = Iterable[str]


def table(head: Row, rows: Iterable[Row]) -> str:
    """Return a table with a header row."""
    cells = list(head)
    return "\n".join([_line(cells), _line("---" for _ in cells), *map(_line, rows)])


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"
