"""Test tests/long_runs/crossings/ with a short run, and test that it finds planted faults."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from adapters.journal.watch_rows import read_incidents
from core.watch.incidents.model import Incident
from tests.long_runs.crossings.trial import trial
from tests.long_runs.seeds import SeedResult
from tests.support.sites.towns import FIRST_SITE
from ui.interaction.context import Interaction, services_of
from ui.interaction.custom_ids import split_site
from ui.interaction.services import Site
from ui.options.typed_guest import FoundGuest, TypedGuest
from ui.watch.alert_text import text_with_site

REQUESTS = 60


def ran(directory: Path, seed: int, *, until_found: bool = False) -> SeedResult:
    return asyncio.run(trial(seed, REQUESTS, directory, until_found=until_found))


def test_nothing_crosses(tmp_path: Path) -> None:
    found = ran(tmp_path, 60_002)
    assert found.found == []
    assert found.figures["requests"] >= REQUESTS
    assert found.figures["effects"] > 3


def guest_of_the_first(interaction: Interaction, wanted: TypedGuest) -> FoundGuest | None:
    if wanted.vmid is None:
        return None
    sites = services_of(interaction).sites
    return FoundGuest(sites.find(wanted.site) or next(iter(sites)), wanted.vmid)


def without_its_site(custom_id: str) -> tuple[str | None, str]:
    return None, split_site(custom_id)[1]


def history_of_all(
    db: sqlite3.Connection, _site: str, vmids: Collection[int] | None, offset: int, limit: int
) -> tuple[tuple[Incident, ...], int]:
    query = (
        "SELECT json FROM incidents WHERE ?1 IS NULL OR id IN"
        " (SELECT incident FROM incident_guests WHERE vmid IN (SELECT value FROM json_each(?1)))"
        " ORDER BY id DESC"
    )
    found = db.execute(query, (None if vmids is None else json.dumps(sorted(vmids)),)).fetchall()
    return read_incidents(found[offset : offset + limit]), len(found)


def every_site(interaction: Interaction) -> list[Site]:
    return list(services_of(interaction).sites)


def always_first(*_: object) -> str:
    return FIRST_SITE


def named_first(text: str, _site: str) -> str:
    return text_with_site(text, FIRST_SITE)


SEEING = (
    "ui.options.typed_guest",
    "ui.options.guest",
    "ui.sites.option",
    "ui.watch.mute_targets",
    "ui.guests.lists.choices",
    "ui.dashboard.options",
)
PLANTED: dict[str, list[tuple[str, Callable[..., Any]]]] = {
    "a VMID means the first site": [("ui.options.typed_guest._without_reading", guest_of_the_first)],
    "the site of a button is ignored": [("cogs.buttons.split_site", without_its_site)],
    "the history is that of all sites": [("adapters.journal.watch_rows.read_history", history_of_all)],
    "a question is one of the first site": [
        ("ui.interaction.open_questions.Questions.site_of", always_first)
    ],
    "alerts name the first site": [("ui.watch.alert_channel.text_with_site", named_first)],
    "every site is seen": [(f"{module}.visible_sites", every_site) for module in SEEING],
}
"""The functions to replace, and their replacements, by the planted fault."""

SEEDS = {
    "a VMID means the first site": 61_000,
    "the site of a button is ignored": 61_002,
    "the history is that of all sites": 63_100,
    "a question is one of the first site": 62_004,
    "alerts name the first site": 61_001,
    "every site is seen": 61_000,
}
"""The first of five seeds to try. One of them finds the fault in its first requests."""


@pytest.mark.parametrize("planted", PLANTED)
def test_planted_crossings_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    """Plant a fault. The run must find it."""
    for target, stand_in in PLANTED[planted]:
        monkeypatch.setattr(target, stand_in)
    for seed in range(SEEDS[planted], SEEDS[planted] + 5):
        (tmp_path / str(seed)).mkdir()
        if ran(tmp_path / str(seed), seed, until_found=True).found:
            return
    pytest.fail(f"nothing was found although {planted}")
