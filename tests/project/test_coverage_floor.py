"""Test the minimum coverage: of lines and of branches, in each area."""

import json
from pathlib import Path

import pytest

from tests.support.walked import walked
from tools.coverage_floor import Covered, area_of, by_area, fails, files_of, main


def report(**files: tuple[int, int, int, int]) -> str:
    """Return coverage.py's report of files named `<area>_<module>`: lines, lines run, branches, branches run."""
    keys = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return json.dumps(
        {
            "files": {
                f"{name.replace('_', '/', 1)}.py": {"summary": dict(zip(keys, figures, strict=True))}
                for name, figures in files.items()
            }
        }
    )


GOOD = (100, 95, 20, 18)


@walked(
    ("core", "low"),
    [
        (GOOD, []),
        ((100, 94, 20, 20), ["core"]),
        ((100, 100, 20, 17), ["core"]),
        ((100, 100, 0, 0), []),
        ((0, 0, 0, 0), ["core"]),
    ],
)
def test_each_area_is_held_to_both_floors(core: tuple[int, int, int, int], low: list[str]) -> None:
    files = files_of(report(core_guest=core, ui_panel=GOOD, adapters_journal=GOOD))
    assert fails(by_area(files)) == low


def test_the_files_of_an_area_are_added_up() -> None:
    files = files_of(report(core_guest=(10, 9, 4, 2), core_clock=(5, 5, 0, 0)))
    assert by_area(files)["core"] == Covered(15, 14, 4, 2)
    assert fails(by_area(files)) == ["adapters", "core", "ui"], "what was not measured is not covered"


def test_an_area_is_the_first_folder_and_other_files_are_adapters() -> None:
    paths = (
        "core/watch/incidents/step.py",
        "ui\\guests\\panel.py",
        "adapters/proxmox/transport/tls.py",
        "monitor_store.py",
    )
    assert [area_of(path) for path in paths] == ["core", "ui", "adapters", "adapters"]


def test_a_report_without_branches_is_refused() -> None:
    text = json.dumps({"files": {"core/guest.py": {"summary": {"num_statements": 1, "covered_lines": 1}}}})
    with pytest.raises(ValueError, match="branches"):
        files_of(text)


def test_the_exit_code_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(report(core_guest=GOOD, ui_panel=GOOD, adapters_journal=GOOD), "utf-8")
    assert main([str(path)]) == 0
    path.write_text(report(core_guest=GOOD, ui_panel=(10, 1, 2, 1), adapters_journal=GOOD), "utf-8")
    assert main([str(path)]) == 1
    assert "of branches: ui" in capsys.readouterr().out
