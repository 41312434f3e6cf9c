"""Test that a shared storage whose nodes report differently is measured by the fullest report with figures."""

import pytest

from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


@pytest.fixture
def shared(pve: Pve) -> str:
    return next(str(name) for name, store in pve.storages.items() if store.get("shared"))


@pytest.mark.parametrize("fullest", ["pve1", "pve2", "pve3"])
async def test_the_fullest_node_counts(scene: Stage, pve: Pve, shared: str, fullest: str) -> None:
    pve.fill_storage(shared, 0.4)
    pve.fill_storage(shared, 0.97, node=fullest)
    await scene.poll(3)
    await scene.delivered()
    (alert,) = scene.alerts_told()
    assert "97%" in alert
    await scene.poll(3)
    pve.node_fills.clear()
    await scene.poll(3)
    await scene.delivered()
    assert any("40%" in text for text in scene.alerts_told())
    assert scene.site.watch.state.open == {}


async def test_a_node_without_figures_does_not_count(scene: Stage, pve: Pve, shared: str) -> None:
    pve.fill_storage(shared, 0.4)
    pve.fill_storage(shared, 0.97, node="pve2")
    pve.expired_nodes.add("pve2")
    await scene.poll(4)
    await scene.delivered()
    (told,) = scene.alerts_told()
    assert "no new data from node `pve2`" in told
