"""Test that people who have left are named. Discord would show a mention of them as a bare number."""

import pytest

from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from ui.discord import rate_limits

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


async def test_people_who_left_are_named_in_the_watch_and_in_the_audit_trail(scene: Stage, pve: Pve) -> None:
    mention, name = f"<@{scene.emma.id}>", "`Emma`"
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.say(scene.emma, "monitor mute", target="node/pve2", duration="8h")
    await scene.poll()
    pve.crash(101)
    await scene.poll()
    await scene.delivered()
    await scene.press(scene.emma, scene.server.messages(scene.alerts)[-1], "Acknowledge")
    looks = ("monitor status", "monitor history", "audit")
    for command in looks:
        assert mention in (await scene.say(scene.akiko, command)).text, "she is there"
    asked = members(scene)
    assert asked == 1, "Discord is asked once"
    scene.clock.skip(600.0)
    scene.server.fail("GET", f"/members/{scene.emma.id}", 404, 1, code=10007)
    for command in looks:
        told = (await scene.say(scene.akiko, command)).text
        assert mention not in told, command
        assert name in told, command
    scene.clock.skip(600.0)
    scene.server.fail("GET", f"/members/{scene.emma.id}", 403, 9)
    asked = members(scene)
    for _ in range(3):
        told = (await scene.say(scene.akiko, "audit")).text
        assert name in told, "what was known holds while Discord gives no answer"
    assert members(scene) - asked == 1, "one page after the other does not ask again"


def members(scene: Stage) -> int:
    return sum("/members/" in request.path for request in scene.server.journal)


async def test_the_end_of_the_bot_leaves_no_request_about_a_person(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord has named a limit that discord.py waits for."""
    monkeypatch.setitem(rate_limits._MOST, rate_limits._OTHER, 60.0)  # a busy machine needs longer
    await scene.say(scene.emma, "monitor add", vmid=102)
    scene.server.fail("GET", f"/members/{scene.emma.id}", 429, retry_after=25.0)
    await scene.say(scene.akiko, "audit")
    (asking,) = scene.services.members._asking.values()
    await scene.stop_bot()
    assert asking.done()
