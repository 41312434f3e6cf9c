"""Test the answers of /monitor if there is nothing to do, or less is done than expected."""

import pytest

from core.errors import NotMuted, NotWatched
from core.proxmox_errors import BadAnswer
from core.wanted_errors import UnknownTarget
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

UNCHANGED = "Nothing changed. The thresholds of {guest} stay the same."


@walked_anew("metric", ["cpu", "memory", "disk"])
async def test_a_threshold_that_is_not_there_is_not_taken_away(scene: Stage, metric: str) -> None:
    await scene.say(scene.emma, "monitor add", vmid=201)
    reply = await scene.say(scene.emma, "monitor add", vmid=201, **{metric: 0})
    assert scene.t()(UNCHANGED, guest="**201** `dns`") in reply.text
    reply = await scene.say(scene.emma, "monitor add", vmid=201, **{metric: 80})
    assert "were changed" in reply.text
    reply = await scene.say(scene.emma, "monitor add", vmid=201, **{metric: 80})
    assert scene.t()(UNCHANGED, guest="**201** `dns`") in reply.text
    assert "80%" in reply.text
    reply = await scene.say(scene.emma, "monitor add", vmid=201, **{metric: 0})
    assert "were changed" in reply.text
    assert "alerts at" not in reply.text


async def test_a_new_guest_without_a_threshold_is_watched(scene: Stage) -> None:
    reply = await scene.say(scene.emma, "monitor add", vmid=201, cpu=0)
    assert "Now watching" in reply.text


async def test_the_same_threshold_again_leaves_its_alert_alone(bare_scene: Stage, pve: Pve) -> None:
    await bare_scene.start_bot(MONITOR_VM_IDS="101")
    await bare_scene.say(bare_scene.emma, "monitor add", vmid=101, cpu=50)
    pve.set_use(101, cpu=0.9)
    await bare_scene.poll(8)
    await bare_scene.delivered()
    assert len(bare_scene.site.watch.state.open) == 1
    options: dict[str, int]
    for options in ({"cpu": 50}, {"cpu": 50, "memory": 95}, {"memory": 0}):
        await bare_scene.say(bare_scene.emma, "monitor add", vmid=101, **options)
        assert len(bare_scene.site.watch.state.open) == 1, options


@walked_anew("target", ["101", "guest/101", "web01"])
async def test_muting_a_guest_that_is_not_watched_says_so(scene: Stage, target: str) -> None:
    note = "It is not on the watch list: only failed backups are reported."
    reply = await scene.say(scene.emma, "monitor mute", target=target, duration="1h")
    assert scene.t()(note) in reply.text
    assert "**101**" in reply.text
    await scene.say(scene.emma, "monitor add", vmid=101)
    reply = await scene.say(scene.emma, "monitor mute", target=target, duration="1h")
    assert scene.t()(note) not in reply.text
    for other in ("all", "pve1", "source"):
        reply = await scene.say(scene.emma, "monitor mute", target=other, duration="1h")
        assert scene.t()(note) not in reply.text


async def test_missing_targets_are_refused_in_words(scene: Stage) -> None:
    for command, options, error in (
        ("monitor remove", {"vmid": 101}, NotWatched(101)),
        ("monitor unmute", {"target": "101"}, NotMuted("guest/101")),
        ("monitor mute", {"target": "pve9", "duration": "1h"}, UnknownTarget("pve9")),
        ("monitor mute", {"target": "node/pve9", "duration": "1h"}, UnknownTarget("node/pve9")),
        ("monitor unmute", {"target": "node/pve9"}, UnknownTarget("node/pve9")),
    ):
        reply = await scene.say(scene.emma, command, **options)
        scene.assert_refused(reply, scene.emma, error)


@pytest.mark.parametrize("command", ["mute", "unmute"])
async def test_a_target_is_not_called_unknown_while_proxmox_was_never_read(
    bare_scene: Stage, pve: Pve, command: str
) -> None:
    pve.html_instead_of_json(times=99)
    await bare_scene.start_bot()
    options = {"duration": "1h"} if command == "mute" else {}
    reply = await bare_scene.say(bare_scene.emma, f"monitor {command}", target="web01", **options)
    bare_scene.assert_refused(reply, bare_scene.emma, BadAnswer(pve.host))
    reply = await bare_scene.say(bare_scene.emma, f"monitor {command}", target="101", **options)
    assert "**101**" in reply.text
    pve.html_instead_of_json(times=0)
    reply = await bare_scene.say(bare_scene.emma, f"monitor {command}", target="web01", **options)
    assert "**101**" in reply.text


async def test_templates_are_not_offered_to_be_watched(scene: Stage) -> None:
    labels = await scene.choices(scene.emma, "monitor add", "vmid")
    assert labels
    assert not [label for label in labels if label.split()[1].startswith("9")], labels
    for typed in ("9000", "debian13-cloud"):
        (reason,) = await scene.choices(scene.emma, "monitor add", "vmid", typed)
        assert reason == "⛔ 9000 debian13-cloud is a template and cannot be watched."
    (reason,) = await scene.choices(scene.emma, "monitor add", "vmid", "debian")
    assert reason.startswith("⛔ "), "part of a template's name names no guest"
    assert await scene.choices(scene.emma, "info", "vmid", "9000"), "elsewhere they are"
