"""Test the dashboards with a short run of tests/long_runs/dashboards.py, and that it finds planted bugs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.dashboard import keeper, source, steps
from core.dashboard.contents import Contents
from core.dashboard.messages import DashboardMessages
from core.dashboard.model import DASHBOARDS_MOST, Dashboard, Extent
from core.dashboard.source import ContentsSource
from core.dashboard.steps import NEW_SECONDS, MessageStep, Moment, Shown
from core.guest import State
from tests.long_runs.dashboards import run_one
from tests.support.dashboard.world import BoardTrial

SEQUENCES = range(20)


def test_no_dashboard_doubles_or_is_silently_stale(tmp_path: Path) -> None:
    happened = Counter[str]()
    for seed in SEQUENCES:
        _, fault, counted = run_one(seed, tmp_path)
        assert fault == "", f"seed {seed}"
        happened += counted
    assert min(happened[each] for each in ("deaths", "find", "deleted channel", "two at once")) > 5


def _never_searches(dashboard: Dashboard, shown: Shown, now: Moment) -> tuple[MessageStep, float | None]:
    step, until = steps.next_step(dashboard, shown, now)
    return (MessageStep.POST, None) if step is MessageStep.FIND else (step, until)


async def _posts_unstored(self: DashboardMessages[Any], kept: Any, view: Any, true_at: float | None) -> None:
    message_id = await self._channel.post(kept.dashboard, view, true_at)
    self._note_sent(kept, view, true_at)
    await self._note_arrived(kept, message_id)


def _shows_old_figures(self: ContentsSource, extent: Extent) -> Contents | None:
    shown = CONTENTS(self, extent)
    last = self._cluster_cache.last
    if shown is None or shown.fault is None or last is None:
        return shown
    return replace(shown, cluster=last, fault=None)


CONTENTS = source.ContentsSource.contents


@pytest.mark.parametrize(
    ("target", "name", "bug"),
    [
        (keeper, "next_step", _never_searches),
        (DashboardMessages, "post", _posts_unstored),
        (ContentsSource, "contents", _shows_old_figures),
    ],
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: object, name: str, bug: Callable[..., object]
) -> None:
    monkeypatch.setattr(target, name, bug)
    assert any(run_one(seed, tmp_path)[1] for seed in range(100))


async def test_making_and_removing_in_a_loop_costs_the_others_little(tmp_path: Path) -> None:
    trial = BoardTrial(tmp_path / "journal.db")
    others = [trial.new(channel) for channel in (1, 2)]
    for each in others:
        assert await trial.create(each)
    await trial.pass_time(60.0)
    before = trial.discord.requests.copy()
    trial.change(100, State.STOPPED)
    for _ in range(120):
        looped = trial.new(3)
        assert await trial.create(looped)
        await trial.pass_time(1.0)
        await trial.remove(looped.mark)
        await trial.pass_time(1.0)
    used = trial.discord.requests - before
    assert 10 <= used["post"] <= DASHBOARDS_MOST + 240 / NEW_SECONDS
    assert used["pin"] == used["delete"] == used["post"]
    for each in others:
        assert [post.view for post in trial.posts(each.mark)] == [trial.truth()]
    last = trial.new(3)
    assert await trial.create(last)
    await trial.pass_time(NEW_SECONDS + 1)
    assert len(trial.posts(last.mark)) == 1
    trial.close()


async def test_a_person_with_many_waiting_dashboards_delays_nobody_else(tmp_path: Path) -> None:
    trial = BoardTrial(tmp_path / "journal.db")
    trial.checks = False  # the checks expect the whole cluster in each dashboard

    async def make(number: int, person: int) -> Dashboard:
        made = replace(trial.new(1, Extent(tag=f"t{number}")), by_id=person)
        assert await trial.create(made)
        return made

    for number in range(DASHBOARDS_MOST):  # uses up the burst
        made = await make(number, 1)
        await trial.pass_time(1.0)
        await trial.remove(made.mark)
        await trial.pass_time(1.0)
    waiting = [await make(number, 1) for number in range(DASHBOARDS_MOST - 1)]
    await trial.pass_time(1.0)
    for person in (2, 2, 3):
        other = await make(DASHBOARDS_MOST, person)
        await trial.pass_time(NEW_SECONDS + 1)
        assert len(trial.posts(other.mark)) == 1
        await trial.remove(other.mark)
        await trial.pass_time(1.0)
    await trial.pass_time(DASHBOARDS_MOST * NEW_SECONDS)
    assert all(len(trial.posts(each.mark)) == 1 for each in waiting)
    trial.close()
