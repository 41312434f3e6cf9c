"""Test the bench: every measurement by a small run, the table, the comparison and the chart.

No goal is checked, because the figures of a busy machine prove nothing.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from pathlib import Path

import pytest

from tests.bench.chart import chart
from tests.bench.compare import compare
from tests.bench.programs.proxmox_server import BenchPve
from tests.bench.rows import CURVES, MEASUREMENTS, ROWS, Goal, Row
from tests.bench.runs import Results, run
from tests.bench.table import is_met, table
from tests.support.walked import walked

MACHINE: dict[str, object] = {
    "cores": 2,
    "python": "3.11",
    "system": "Linux",
    "load_before": 0.1,
    "date": "2026-11-26",
}
ROW = Row("a read", "reads", 10, "cpu", "ms", Goal(2.0, of_ratio=True), "floor")


def results(*rounds: tuple[float, float]) -> Results:
    return Results(MACHINE, {("reads", 10): [{"cpu": cpu, "floor": floor} for cpu, floor in rounds]})


def test_every_measurement_works(tmp_path: Path) -> None:
    found = asyncio.run(run(small=(10,)))
    measured = {key: set(rounds[0]) for key, rounds in found.rounds.items()}
    assert set(measured) == {(one.name, 10) for one in MEASUREMENTS}
    for row in ROWS:
        assert {row.figure, row.floor} - {""} <= measured[row.measurement, 10], row
    for _, measurement, figure, _ in CURVES:
        assert figure in measured[measurement, 10]
    assert found.figures("memory", 10, "mb")[0] > 20
    assert found.figures("slow info", 10, "floor")[0] >= 30
    found.write(tmp_path / "bench.json")
    assert Results.read(tmp_path / "bench.json").rounds == found.rounds


def test_a_request_in_flight_is_counted_once() -> None:
    with BenchPve() as pve:
        connection = http.client.HTTPSConnection(
            pve.host, pve.port, context=ssl.create_default_context(cafile=pve.ca_file)
        )
        connection.request(
            "GET",
            "/api2/json/version",
            headers={"Authorization": f"PVEAPIToken=discordbot@pve!bot={pve.give_bot()}"},
        )
        assert connection.getresponse().read()
        connection.close()
        assert pve.order({}) == {"asked": ["/version"], "most_in_flight": 1}


def test_the_document_has_every_row_with_its_goal() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text("utf-8")
    for row in ROWS:
        assert document.count(f"| {row.name} | {row.goal or '–'}") == 2, row.name


def test_each_row_is_measured_with_its_number_of_guests() -> None:
    measured = {(one.name, size) for one in MEASUREMENTS for size in one.sizes}
    assert {(row.measurement, row.guests) for row in ROWS} <= measured


@pytest.mark.parametrize(
    ("rounds", "met"),
    [([(4.0, 2.0)], True), ([(5.0, 2.0)], False), ([(1.0, 1.0), (9.0, 3.0), (2.0, 1.0)], True)],
)
def test_the_table_says_whether_a_goal_is_met(rounds: list[tuple[float, float]], met: bool) -> None:
    found = results(*rounds)
    assert is_met(found, ROW) is met
    line = list(table(found, [ROW]))[-1]
    assert line.startswith("a read")
    assert line.endswith("yes" if met else "NO")


@walked(
    ("old", "new", "moved"),
    [
        ([(10.0, 5.0)] * 3, [(8.0, 5.0)] * 3, True),
        ([(10.0, 5.0)] * 3, [(9.8, 5.0)] * 3, False),  # below what counts at all
        ([(10.0, 5.0), (6.0, 5.0), (14.0, 5.0)], [(8.0, 5.0)] * 3, False),  # within the spread of the rounds
        ([(10.0, 5.0)] * 3, [(20.0, 10.0)] * 3, False),  # the machine was slower
        ([(10.0, 5.0)] * 3, [(9.0, 3.0)] * 3, False),  # the machine was faster, and the ratio is worse
    ],
)
def test_only_changes_above_the_noise_are_reported(
    old: list[tuple[float, float]], new: list[tuple[float, float]], moved: bool
) -> None:
    lines = list(compare(results(*old), results(*new), [ROW]))
    assert lines[-1].startswith("1 of 1" if moved else "0 of 1")
    assert len(lines) == 1 + moved


def test_the_chart_has_a_bar_for_each_number_of_guests() -> None:
    found = Results(MACHINE, {("reads", 10): [{"cpu": 5.0}], ("reads", 1_000): [{"cpu": 20.0}]})
    lines = list(chart(found))
    assert [line.count("█") for line in lines] == [0, 10, 40, 0]


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps({"form": 0}))
    with pytest.raises(ValueError, match="another version"):
        Results.read(tmp_path / "old.json")
