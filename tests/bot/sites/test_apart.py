"""Test that the sites of one bot stand apart: each has its own cluster, watch and trail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground.cluster.demo_cluster import NODES, build_demo
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language


@pytest.fixture
def colo() -> Iterator[Pve]:
    """Provide a second cluster with the same VMIDs and node names."""
    with Pve(nodes=NODES) as made:
        build_demo(made)
        made.auth_delay = 0.0
        yield made


async def test_each_site_reads_its_own_cluster(bare_scene: Stage, pve: Pve, colo: Pve) -> None:
    colo.guest(101).name = "other"
    bare_scene.add_site("home", pve)
    bare_scene.add_site("colo", colo)
    await bare_scene.start_bot()
    found = {
        site.name: guest.name for site in bare_scene.services.sites if (guest := site.cluster_cache.find(101))
    }
    assert found == {"home": "web01", "colo": "other"}
