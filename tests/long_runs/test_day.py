"""Test that the day in tests/long_runs/day.py finds anything that piles up, with a short day."""

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from core.cluster.cache import ClusterCache
from core.guest import Cluster
from tests.long_runs import day
from tests.long_runs.day import DaySize, Resources, Warnings, run_day

SHORT = DaySize(guests=60, minutes=20, commands=16, incidents=4, faults=4)


def test_a_short_day_leaves_nothing_behind(tmp_path: Path) -> None:
    found = asyncio.run(run_day(SHORT, 1, tmp_path))
    assert found.wrong == []
    assert found.figures == {"commands": 16, "incidents": 4, "faults": 4}


def test_a_short_day_finds_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave memory, two sockets and a warning behind at each read of the cluster."""
    sockets: list[socket.socket] = []
    read = ClusterCache.read

    async def leaky(self: ClusterCache, *args: object, **options: object) -> Cluster:
        found = await read(self, *args, **options)  # type: ignore[arg-type]  # whatever the caller gave
        vars(self).setdefault("left", []).append(bytes(400_000))
        # well over what may grow, however few polls there are
        sockets.extend((socket.socket(), socket.socket()))
        logging.getLogger("bot").warning("again")
        return found

    monkeypatch.setattr(ClusterCache, "read", leaky)
    monkeypatch.setattr(day, "CLOSE_SECONDS", 0.1)
    found = asyncio.run(run_day(SHORT, 1, tmp_path))
    for each in sockets:
        each.close()
    told = "\n".join(found.wrong)
    for words in ("memory grew", "files grew", "stayed open", "bot: again"):
        assert words in told


def test_only_growth_beyond_the_limits_is_wrong() -> None:
    half = Resources(10.0, 30, 20)
    assert half.grown_to(Resources(11.9, 38, 28)) == []
    assert len(half.grown_to(Resources(12.1, 39, 29))) == 3


def test_a_warning_may_come_once_a_minute() -> None:
    now = [0.0]
    warnings = Warnings(lambda: now[0])
    for second, text in ((0, "a"), (30, "b"), (60, "a"), (89, "b"), (119, "a")):
        now[0] = second
        warnings.emit(logging.LogRecord("bot", logging.WARNING, "", 0, text, None, None))
    assert warnings.repeated == {"bot: b": 1, "bot: a": 1}
