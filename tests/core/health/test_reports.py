"""Test that a check of the setup is made once for all who ask meanwhile."""

import asyncio
from collections.abc import Collection, Sequence

import pytest

from core.health.reports import FRESH_SECONDS, KEPT_SECONDS, CheckReports
from core.health.result import Result
from tests.support.fakes import FakeClock


async def test_many_who_ask_at_once_cost_one_check_and_a_later_request_makes_a_new_one() -> None:
    clock, asked, go = FakeClock(), list[tuple[str, ...]](), asyncio.Event()

    async def check(names: Collection[str]) -> Sequence[Result]:
        asked.append(tuple(names))
        await go.wait()
        if len(asked) == 3:
            raise RuntimeError("no disk")
        return ()

    reports = CheckReports(check, clock, 2)
    many = [asyncio.create_task(reports.read(["home"], again=True)) for _ in range(50)]
    other = asyncio.create_task(reports.read(["home", "colo"], again=False))
    await asyncio.sleep(0)
    many[0].cancel()
    go.set()
    first = {id(report) for report in await asyncio.gather(*many[1:])}
    await other
    assert (len(first), asked) == (1, [("home",), ("home", "colo")]), "one for each choice of sites"
    for _ in range(9):
        assert id(await reports.read(["home"], again=True)) in first, (
            "one person's presses are no further checks"
        )
    clock.advance(FRESH_SECONDS + 1)
    with pytest.raises(RuntimeError, match="no disk"):
        await reports.read(["home"], again=True)
    assert id(await reports.read(["home"], again=False)) in first, (
        "after a failed check the former report is still there"
    )
    clock.advance(KEPT_SECONDS + 1)
    await reports.read(["home"], again=False)
    assert len(asked) == 4


async def test_the_report_of_all_outlasts_those_of_each_of_many_sites() -> None:
    asked = list[tuple[str, ...]]()

    async def check(names: Collection[str]) -> Sequence[Result]:
        asked.append(tuple(names))
        return ()

    sites = [f"site{number}" for number in range(30)]
    reports = CheckReports(check, FakeClock(), len(sites))
    chosen = [sites, *([name] for name in sites)]
    for _ in range(2):  # the second time as when a page is turned
        for names in chosen:
            await reports.read(names, again=False)
    assert len(asked) == len(chosen)
    for first in range(len(sites)):
        for last in range(first):
            await reports.read([sites[last], sites[first]], again=False)
    assert len(reports._kept) <= 2 * (len(sites) + 1)
