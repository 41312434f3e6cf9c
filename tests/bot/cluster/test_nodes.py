"""Test /node list, /node info and /storage: right figures, few requests, and what may not be read."""

import pytest

from core.wanted_errors import UnknownNode
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
undrawn = stage.undrawn
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@pytest.mark.usefixtures("undrawn")
@BOTH
async def test_nodes_cost_no_request_of_their_own(scene: Stage) -> None:
    t = scene.t()
    await scene.say(scene.akiko, "list")
    before = len(scene.sent())
    reply = await scene.say(scene.akiko, "node list")
    assert f"### {t('Nodes')} · 3/3 {t('online')}" in reply.text
    assert "`pve2` · " in reply.text
    assert f"22%` {t('root disk')}" in reply.text
    assert t("{n} running", n=5) in reply.text
    await scene.press(scene.akiko, reply, t("Refresh"))
    assert scene.sent()[before:] == []
    (menu,) = post_of(reply).selects
    assert menu.options == (("pve1", "pve1"), ("pve2", "pve2"), ("pve3", "pve3"))
    panel = await scene.choose(scene.emma, reply, menu.custom_id, ["pve2"])
    assert panel.ephemeral
    assert f"**{scene.t(scene.emma)('Memory')}** `" in panel.text
    chart = await scene.press(scene.emma, panel, "n1:chart:pve2")
    assert chart.ephemeral
    assert post_of(chart).id != post_of(panel).id
    assert post_of(chart).attachments == ["chart.png"]


@BOTH
async def test_a_node_in_detail(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    await scene.say(scene.akiko, "list")
    before = len(scene.sent())
    reply = await scene.say(scene.akiko, "node info", node="pve1")
    assert sorted(path for _, path, _ in scene.sent()[before:]) == [
        "/cluster/ha/status/current",
        "/nodes/pve1/status",
    ]
    for label in ("CPU", "Load", "Memory", "Swap", "Root disk", "Kernel"):
        assert f"**{t(label)}** " in reply.text
    assert f"Proxmox VE `{pve.version}`" in reply.text
    assert f"**{t('Quorum')}** ✅" in reply.text
    pve.version, pve.ha_armed = "9.2.1", "disarmed"
    pve.lose_quorum()
    again = post_of(await scene.press(scene.akiko, reply, t("Refresh")))
    assert again.id == post_of(reply).id
    assert t("no: nothing can be changed") in again.text
    assert t("disarmed: guests are not recovered, and starts and stops through HA do nothing") in again.text


async def test_a_node_that_hangs_or_is_away(scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.cluster.infrastructure.PART_SECONDS", 0.2)
    pve.hang("/nodes/pve2/status", 5)
    text = (await scene.say(scene.emma, "node info", node="pve2")).text
    assert "Some figures are left out: timed out" in text
    assert "**Memory** `" in text
    assert "**Load**" not in text
    pve.nodes["pve3"]["online"] = False
    scene.clock.skip(60.0)
    text = (await scene.say(scene.emma, "node info", node="pve3")).text
    assert "**offline**" in text
    assert "left out" not in text
    for typed in ("nowhere", "../pve1", "x" * 300):
        scene.assert_refused(
            await scene.say(scene.emma, "node info", node=typed), scene.emma, UnknownNode(typed)
        )


@BOTH
async def test_a_shared_storage_is_listed_once_and_shown_to_be_full(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    pve.storage_paces = {"nfs-backup": 0.05}
    pve.node_fills["nfs-backup", "pve2"] = 0.75
    await scene.site.cluster_cache.read(0)
    before = len(scene.sent())
    reply = await scene.say(scene.akiko, "storage")
    assert reply.text.count("`nfs-backup`") == 1
    assert "75%` 6.0 / 8.0 TiB" in reply.text
    assert reply.text.index("`nfs-backup`") < reply.text.index("`local-lvm`"), "the fullest first"
    assert reply.text.count("`local-lvm`") == 3
    assert t.plural(
        "full in about {n} day at the pace of the last week",
        "full in about {n} days at the pace of the last week",
        5,
    ) in reply.text  # fmt: skip
    assert reply.text.count(t("LVM-Thin")) > 0
    asked = [path for _, path, _ in scene.sent()[before:]]
    assert len(asked) == len(set(asked)) <= 8
    assert all(path.endswith("/rrddata") for path in asked)
    await scene.press(scene.akiko, reply, "p1:capacity:refresh:0:::")
    assert len(scene.sent()[before:]) == len(asked), "the past is kept for a while"


async def test_missing_privileges_for_nodes_are_named(scene: Stage, pve: Pve) -> None:
    pve.deny("Sys.Audit")
    pve.deny("Datastore.Audit")
    await scene.site.cluster_cache.read(0)
    text = (await scene.say(scene.emma, "node list")).text
    assert "the API token lacks the privilege `Sys.Audit`" in text
    text = (await scene.say(scene.emma, "node info", node="pve1")).text
    assert text.count("the API token lacks the privilege `Sys.Audit`") == 1
    assert "**Guests**" not in text
    text = (await scene.say(scene.emma, "storage")).text
    assert "Proxmox shows no storages. The API token may lack the privilege `Datastore.Audit`." in text


async def test_a_scoped_person_sees_the_nodes_of_their_guests_only(bare_scene: Stage) -> None:
    cast = Cast(bare_scene)
    await bare_scene.start_bot(**cast.settings)
    scene, gamer = bare_scene, cast["game"]
    text = (await scene.say(gamer, "node list")).text
    assert "`pve1`" not in text
    assert "`pve2`" in text
    whole = await scene.say(cast["admin"], "node list")
    for name in ("pve1", "nowhere"):
        forged = await scene.choose(gamer, whole, "s1:node", [name])
        scene.assert_refused(forged, gamer, UnknownNode(name))
    chart = await scene.press(gamer, whole, "n1:chart:pve1", force=True)
    scene.assert_refused(chart, gamer, UnknownNode("pve1"))
    scene.assert_refused(await scene.say(gamer, "node info", node="pve1"), gamer, UnknownNode("pve1"))
    text = (await scene.say(gamer, "storage")).text
    assert "nfs-backup" not in text
    assert "Storages are shown to people who may see all guests." in text
