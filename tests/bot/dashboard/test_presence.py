"""Test the bot's presence: how many guests run and how many incidents are open, or that this is unknown."""

import pytest

from core.guest import State
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from ui.dashboard.presence import UPDATES_MOST

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


def running(scene: Stage) -> int:
    cluster = scene.site.cluster_cache.last
    assert cluster is not None
    return sum(each.state is State.RUNNING and not each.template for each in cluster.guests)


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_the_presence_counts_guests_and_incidents(scene: Stage, pve: Pve) -> None:
    t, sent = scene.services.texts.public, scene.server.gateway.presences

    async def shown(*parts: str) -> None:
        text = " · ".join(parts)
        await scene.until(lambda: sent[-1:] == [[text]], f"{text}, not {sent[-1:]}")

    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.poll()
    before = running(scene)
    assert before == 11, "of the demo: paused ones and templates do not run"
    await shown(t("{n} running", n=before), t("no open incidents"))
    pve.crash(101)
    await scene.poll(2)
    await shown(t("{n} running", n=before - 1), t.plural("{n} open incident", "{n} open incidents", 1))
    pve.fail("GET", "/cluster/resources", 595, "No route to host", times=2)
    await scene.poll(2)
    await shown(t("No connection to Proxmox"))
    pve.act_as(101, "start")
    await scene.poll(3)
    await shown(t("{n} running", n=before), t("no open incidents"))
    count = len(sent)
    await scene.poll(3)
    assert len(sent) == count, "nothing has changed"


async def test_discord_gets_few_changes_and_the_last_one(scene: Stage, pve: Pve) -> None:
    """Discord drops more than five changes in twenty seconds."""
    sent = scene.server.gateway.presences
    await scene.poll()
    count = len(sent)
    for vmid in (101, 102, 103, 105, 106, 107):
        pve.crash(vmid)
        await scene.poll(later=1.0)
    assert len(sent) - count <= UPDATES_MOST
    await scene.poll()
    await scene.until(lambda: sent[-1][0].startswith(f"{running(scene)} running"), "the last one")
