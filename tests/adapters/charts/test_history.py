"""Test reading past usage from the answers of Proxmox 8 and 9, and from rows that nobody expects."""

import time
from typing import Any

import pytest

from adapters.proxmox.history import parse_history
from core.charts.series import step_of
from core.guest import Guest, Kind, State
from core.proxmox import Measure, Period, Sample
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage

pve, client = client_stage.pve, client_stage.client

STEPS = {
    "8.4.5": {Period.HOUR: 60, Period.DAY: 1800, Period.WEEK: 10_800, Period.YEAR: 604_800},
    "9.1.4": {Period.HOUR: 60, Period.DAY: 60, Period.WEEK: 1800, Period.YEAR: 21_600},
}
"""Seconds between two samples, by version and period."""


@pytest.mark.parametrize("version", STEPS)
async def test_both_generations_are_read(pve: Pve, client: ProxmoxClient, version: str) -> None:
    pve.version, new = version, version > "9"
    guest, pve.guest(100).started_at = Guest(100, Kind.QEMU, "pve1", State.RUNNING), time.time() - 7200
    for period, step in STEPS[version].items():
        for found in (await client.guest_history(guest, period), await client.node_history("pve1", period)):
            assert step_of([sample.time for sample in found]) == step
    last = (await client.guest_history(guest, Period.HOUR))[-1].values
    assert 0 < last[Measure.CPU] <= 1
    assert 0 < last[Measure.MEMORY] < last[Measure.MEMORY_TOTAL]
    assert ({Measure.MEMORY_HOST, Measure.CPU_SOME} <= last.keys()) is new
    node = (await client.node_history("pve1", Period.DAY))[-1].values
    assert node.keys() >= {Measure.MEMORY, Measure.DISK_USED, Measure.DISK_TOTAL, Measure.NET_IN}
    assert (Measure.IO_FULL in node) is new
    sent = [values for _, path, values in pve.requests if path.endswith("/rrddata")]
    assert all(values.keys() == {"timeframe", "cf"} for values in sent)


def test_rows_that_nobody_expects_are_left_out() -> None:
    rows: list[Any] = [
        {"time": 120, "cpu": "0.5", "mem": None, "netin": "nan", "diskread": -3},
        {"time": 60, "cpu": 1},
        {"cpu": 1},
        "row",
        {"time": "x"},
        {"time": 60, "cpu": 0.25, "memused": 7, "else": 1},
    ]
    assert parse_history(rows) == (
        Sample(60, {Measure.CPU: 0.25, Measure.MEMORY: 7.0}),
        Sample(120, {Measure.CPU: 0.5}),
    )
    assert parse_history([]) == ()
