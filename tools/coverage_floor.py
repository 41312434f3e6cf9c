"""Fail if the coverage of core, adapters or ui is too low: `python -m tools.coverage_floor coverage.json`.

`pytest --cov --cov-report=json` writes the report. pyproject.toml lists the measured files. Coverage.py itself only
has a limit for lines and branches together; here each has its own.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LINES_LEAST, BRANCHES_LEAST = 95.0, 90.0
"""Minimum percentage in each area."""
AREAS = ("core", "ui")
"""Folders that are areas of their own. All other measured files belong to the area `adapters`."""
WORST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Covered:
    """The numbers of lines and branches in some code, and of those that ran."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def __add__(self, other: "Covered") -> "Covered":
        return Covered(
            self.lines + other.lines,
            self.lines_run + other.lines_run,
            self.branches + other.branches,
            self.branches_run + other.branches_run,
        )

    @property
    def lines_percent(self) -> float:
        return _percent(self.lines_run, self.lines)

    @property
    def branches_percent(self) -> float:
        return _percent(self.branches_run, self.branches)

    @property
    def enough(self) -> bool:
        return self.lines_percent >= LINES_LEAST and self.branches_percent >= BRANCHES_LEAST

    @property
    def missed(self) -> int:
        """Number of lines and branches that did not run."""
        return self.lines - self.lines_run + self.branches - self.branches_run


def _percent(some: int, whole: int) -> float:
    return 100.0 * some / whole if whole else 100.0


def area_of(path: str) -> str:
    """Return the area to which a file belongs."""
    folder = path.replace("\\", "/").partition("/")[0]
    return folder if folder in AREAS else "adapters"


def files_of(report: str) -> dict[str, Covered]:
    """Return the measured files of coverage.py's JSON report, by path.

    Raises: ValueError, if branches were not measured.
    """
    found: dict[str, Covered] = {}
    for path, file in json.loads(report)["files"].items():
        summary: Mapping[str, int] = file["summary"]
        if "num_branches" not in summary:
            raise ValueError("branches were not measured")
        found[path] = Covered(
            summary["num_statements"],
            summary["covered_lines"],
            summary["num_branches"],
            summary["covered_branches"],
        )
    return found


def by_area(files: Mapping[str, Covered]) -> dict[str, Covered]:
    """Return the sum of each area, zero for an area without measured files."""
    sums = dict.fromkeys(sorted((*AREAS, "adapters")), Covered())
    for path, covered in files.items():
        sums[area_of(path)] += covered
    return sums


def fails(sums: Mapping[str, Covered]) -> list[str]:
    """Return the areas with too little coverage. An area without lines fails, because nothing was measured."""
    return [area for area, covered in sums.items() if not (covered.lines and covered.enough)]


def _table(rows: Iterable[tuple[str, Covered]]) -> str:
    return "\n".join(
        f"{name:<40} {covered.lines_percent:6.1f} % of {covered.lines:>5} lines"
        f" {covered.branches_percent:6.1f} % of {covered.branches:>4} branches"
        for name, covered in rows
    )


def main(arguments: list[str]) -> int:
    """Print the figures, and the files with the most missed code. Return 1 if an area has too little coverage."""
    files = files_of(Path(arguments[0]).read_text("utf-8"))
    sums = by_area(files)
    worst = sorted(files.items(), key=lambda each: -each[1].missed)[:WORST_SHOWN]
    print(f"{_table(sums.items())}\n\nLeast covered:\n{_table(worst)}")
    low = fails(sums)
    if low:
        print(f"\nBelow {LINES_LEAST:.0f} % of lines or {BRANCHES_LEAST:.0f} % of branches: {', '.join(low)}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
