"""Test /status: the whole cluster as it was last read, only what the reader may see, and what is not known."""

import pytest

from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.cluster.cache import FRESH_SECONDS
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
cast = people.cast
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


@BOTH
async def test_the_cluster_on_one_card(scene: Stage) -> None:
    await scene.poll()
    reply = await scene.say(scene.akiko, "status")
    t = scene.t()
    assert not reply.ephemeral
    assert t.plural("{n} guest", "{n} guests", 17) in reply.text
    assert t("No open incidents") in reply.text
    for name in ("`pve1`", "`pve2`", "`pve3`", "`nfs-backup`"):
        assert name in reply.text
    assert reply.text.count("`nfs-backup`") == 1
    entry = (await scene.services.audit_store.audit_page(AuditFilter(operation="status"), 0, 1))[0][0]
    assert (entry.record.step, entry.record.outcome) == (AuditStep.ENDED, "OK")


async def test_status_shares_the_read_of_the_other_commands(scene: Stage) -> None:
    await scene.say(scene.emma, "list")
    before = len(scene.sent())
    reply = await scene.say(scene.emma, "status")
    await scene.press(scene.emma, reply, "Refresh")
    assert scene.sent()[before:] == []
    scene.clock.skip(11.0)
    await scene.press(scene.emma, reply, "Refresh")
    assert [path for _, path, _ in scene.sent()[before:]] == ["/cluster/resources"]


async def test_refresh_shows_changes(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.poll()
    reply = await scene.say(scene.emma, "status")
    assert "running 11" in reply.text
    pve.crash(101)
    await scene.poll()
    pressed = post_of(await scene.press(scene.emma, reply, "Refresh"))
    assert pressed.id == post_of(reply).id
    assert "running 10" in pressed.text
    assert "**Open incidents** 1\n🔴 **101** `web01` stopped" in pressed.text


async def test_the_time_is_that_of_the_read(scene: Stage) -> None:
    scene.clock.skip(FRESH_SECONDS + 1)  # the read of the start is too old
    began = int(scene.clock.now())
    await scene.say(scene.emma, "list")
    read = range(began, int(scene.clock.now()) + 1)
    scene.clock.skip(7.0)
    text = (await scene.say(scene.emma, "status")).text
    assert any(f"updated <t:{second}:R>" in text for second in read)


async def test_a_scoped_person_sees_their_own_part(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    """They see their guests, the nodes that host these, their incidents, and no storage."""
    scene, game = bare_scene, cast["game"]
    for vmid in (101, 103):
        await scene.say(cast["admin"], "monitor add", vmid=vmid)
    await scene.poll()
    pve.crash(101)
    await scene.poll()
    await scene.delivered()  # a waiting message would be mentioned, too
    shown = await scene.say(cast["admin"], "status")
    assert "**Open incidents** 1" in shown.text
    text = (await scene.say(game, "status")).text
    assert "3 guests" in text
    assert "No open incidents" in text
    for hidden in ("`pve1`", "Storages", "nfs-backup", "web01"):
        assert hidden not in text
    pve.crash(103)
    await scene.poll()
    text = (await scene.say(game, "status")).text
    assert "**Open incidents** 1\n🔴 **103** `minecraft`" in text
    pressed = await scene.press(game, shown, "Refresh")
    assert pressed.ephemeral
    assert "web01" not in pressed.text
    assert "nfs-backup" not in pressed.text


async def test_without_an_answer_the_last_read_is_shown_and_said_to_be_old(scene: Stage, pve: Pve) -> None:
    await scene.poll()
    read = int(scene.clock.now())
    scene.clock.skip(30.0)
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    text = (await scene.say(scene.emma, "status")).text
    assert "17 guests" in text
    assert f"as of <t:{read}:R>" in text
    assert "❔ No known open incidents" in text
    assert "✅" not in text


async def test_a_node_without_new_data_is_named(scene: Stage, pve: Pve) -> None:
    await scene.poll()
    pve.hang_pvestatd("pve3")
    scene.clock.skip(60.0)
    await scene.poll()
    text = (await scene.say(scene.emma, "status")).text
    assert "❔ `pve3`" in text
    assert "❔ No known open incidents" in text


async def test_nobody_without_a_level_reads_it(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    shown = await scene.say(cast["viewer"], "status")
    for reply in (
        await scene.say(cast["nobody"], "status"),
        await scene.press(cast["nobody"], shown, "Refresh"),
    ):
        scene.assert_private(reply)
        assert "pve1" not in reply.text
