"""Write the results as one table: row, goal, figure, floor, ratio, whether the goal is met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.bench.rows import ROWS, Row
from tests.bench.runs import Results


def number(value: float | None) -> str:
    """Return the value with two decimal places at most. Greater values and whole numbers have fewer."""
    if value is None:
        return "–"
    return (
        f"{value:.0f}"
        if value >= 100 or value == int(value)
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
    )


def is_met(results: Results, row: Row) -> bool | None:
    """Return whether the row meets its goal, None if the row was not measured or has no goal."""
    figure = results.figure(row)
    if row.goal is None or figure is None:
        return None
    return row.goal.met(figure, results.ratio(row))


def table(results: Results, rows: Iterable[Row] = ROWS) -> Iterator[str]:
    """Yield the table line by line, without the rows that were not measured."""
    machine = results.machine
    yield (
        f"{machine['cores']} cores · Python {machine['python']} · {machine['system']} · load before "
        f"{machine['load_before']} · {machine['date']}"
    )
    yield ""
    yield f"{'row':40} {'goal':>8} {'figure':>10} {'floor':>8} {'ratio':>6}  met"
    for row in rows:
        figure = results.figure(row)
        if figure is None:
            continue
        word = {True: "yes", False: "NO", None: ""}[is_met(results, row)]
        shown = f"{number(figure)} {row.unit}".strip()
        floor, ratio = number(results.floor(row)), number(results.ratio(row))
        yield f"{row.name:40} {row.goal or '–'!s:>8} {shown:>10} {floor:>8} {ratio:>6}  {word}".rstrip()
