"""Test that the sites of one bot stand apart: each has its own cluster, watch and trail."""

from __future__ import annotations

from playground.pve.server import Pve
from tests.support import stage
from tests.support.sites import people as several
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
colo = several.colo


async def test_each_site_reads_its_own_cluster(bare_scene: Stage, pve: Pve, colo: Pve) -> None:
    colo.guest(101).name = "other"
    bare_scene.add_site("home", pve)
    bare_scene.add_site("colo", colo)
    await bare_scene.start_bot()
    found = {
        site.name: guest.name for site in bare_scene.services.sites if (guest := site.cluster_cache.find(101))
    }
    assert found == {"home": "web01", "colo": "other"}
