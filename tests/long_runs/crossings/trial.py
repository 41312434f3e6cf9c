"""Run one seed: requests of people, and what happens meanwhile."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from pathlib import Path

from playground.pve.server import Pve
from tests.long_runs.crossings.acts import Acts
from tests.long_runs.crossings.checks import Checks
from tests.long_runs.crossings.happenings import Happenings
from tests.long_runs.crossings.setup import set_up
from tests.long_runs.seeds import SeedResult
from tests.support.scenes.patient_disk import patient_disk
from tests.support.sites.meaning import PEOPLE
from tests.support.sites.towns import FIRST_SITE, NODES_OF, Town
from tests.support.stage import Stage, stage

ASKING = (*PEOPLE, *(name for name, (level, _) in PEOPLE.items() if level == "ADMIN"))
"""Admins ask twice as often."""


async def trial(seed: int, requests: int, directory: Path, *, until_found: bool = False) -> SeedResult:
    chance = random.Random(seed)  # noqa: S311 - a seed for a repeatable test
    with contextlib.ExitStack() as stack:
        stack.enter_context(patient_disk())
        towns = {
            site: Town(site, stack.enter_context(Pve(nodes=nodes, seed=seed)), chance)
            for site, nodes in NODES_OF.items()
        }
        async with stage(towns[FIRST_SITE].pve, directory) as scene:
            setup = set_up(scene, towns, chance)
            await scene.start_bot(**setup.settings)
            checks = Checks(setup)
            happenings = Happenings(setup, chance, checks)
            acts = Acts(setup, chance, checks, happenings)
            await _watch_every_guest(scene, towns)
            await happenings.fresh()
            ways = (acts.command,) * 8 + (acts.completion,) * 3 + (acts.press,) * 5
            while checks.figures["requests"] < requests and not (until_found and checks.found):
                if chance.random() < 0.25:
                    await happenings.happening()
                await chance.choice(ways)(chance.choice(ASKING))
            happenings.all_back()
            await happenings.release()
    return SeedResult(seed, checks.found, checks.figures)


async def _watch_every_guest(scene: Stage, towns: Mapping[str, Town]) -> None:
    for site in scene.services.sites:
        for guest in towns[site.name].guests:
            if not guest.template:
                known = site.cluster_cache.find(guest.vmid)
                assert known is not None
                await site.watch.add(known)
