"""Test tests/long_runs/leaks.py with a short run, and test that it finds a forgotten check."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.access.authorizer import Authorizer
from core.access.policy import Actor
from core.access.rows import Rows
from core.actions.executor import Executor
from core.actions.order import Order
from core.guest import Cluster, Guest
from core.operations import Operation
from tests.long_runs.leaks import trial
from tests.long_runs.seeds import SeedResult

REQUESTS = 150


def ran(directory: Path, seed: int, *, until_leak: bool = False) -> SeedResult:
    return asyncio.run(trial(seed, REQUESTS, directory, until_leak=until_leak))


def test_no_hidden_guest_is_revealed(tmp_path: Path, deep: bool) -> None:
    for seed in (70_002, 70_001) if deep else (70_002,):
        (tmp_path / str(seed)).mkdir()
        found = ran(tmp_path / str(seed), seed)
        assert found.found == []
        assert found.figures["requests"] >= REQUESTS
        assert found.figures["twins"] > 5


def everything(_self: Authorizer, _actor: Actor, cluster: Cluster) -> Cluster:
    return cluster


def every_row(self: Authorizer, _actor: Actor, _operation: Operation, cluster: Cluster) -> Rows:
    return self.guest_index(cluster).table.everyone


def all_visible(self: Authorizer, _actor: Actor, cluster: Cluster) -> Rows:
    return self.guest_index(cluster).table.everyone


def as_it_was(incident: Any, *_: object) -> Any:
    return incident


def to_anybody(*_: object, **__: object) -> bool:
    return True


async def busy_for_all(self: Executor, order: Order) -> None:
    if running := self._claims.busy.get(order.vmid):
        raise running


def of_everything(*_: object) -> tuple[int, ...]:
    return ()


def unasked(check: object, guest: Guest) -> None:
    """Let every guest pass."""


FORGOTTEN: dict[str, list[tuple[str, Callable[..., Any]]]] = {
    "lists": [
        ("core.access.authorizer.Authorizer.visible_cluster", everything),
        ("core.access.authorizer.Authorizer.visible_rows", all_visible),
    ],
    "completions": [
        ("ui.options.snapshot.offers", to_anybody),
        ("core.access.authorizer.Authorizer.offered_rows", every_row),
    ],
    "the watch list and mutes": [
        (f"ui.watch.{module}.is_visible_to", to_anybody)
        for module in ("access", "commands", "history", "mutes", "mute_targets")
    ],
    "what the history names": [("ui.watch.history.visible_part", as_it_was)],
    "busy guests": [("core.actions.executor.Executor._ensure_free", busy_for_all)],
    "dashboards of those who see some guests": [("ui.dashboard.commands.roles_of", of_everything)],
    "a guest that is read": [
        ("core.actions.guest_finder.ensure_allowed", unasked),
        ("core.actions.planner.ensure_allowed", unasked),
    ],
}
"""The functions to replace, and their replacements, by the place of a forgotten check."""

SEEDS = {
    "lists": 80_005,
    "completions": 80_006,
    "the watch list and mutes": 80_004,
    "what the history names": 80_005,
    "busy guests": 80_004,
    "dashboards of those who see some guests": 80_011,
    "a guest that is read": 80_001,
}
"""The first of ten seeds to try. One of them finds the leak in its first requests."""


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_a_disabled_check_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str) -> None:
    """Disable one of the checks. The run must find the leak."""
    for target, stand_in in FORGOTTEN[forgotten]:
        monkeypatch.setattr(target, stand_in)
    first = SEEDS.get(forgotten, 80_000)
    for seed in range(first, first + 10):
        (tmp_path / str(seed)).mkdir()
        if ran(tmp_path / str(seed), seed, until_leak=True).found:
            return
    pytest.fail(f"nothing was found amiss without {forgotten}")
