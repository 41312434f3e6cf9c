"""Test that /monitor status reveals nothing hidden, and calls nothing up to date that still waits."""

import re

import pytest

from playground.discord.server import Channel
from playground.pve.server import Pve
from tests.bot.audit.test_delivery import audits, posted_lines, start_delivery
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
__all__ = ["audits"]


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"**{name}**"))


async def test_lines_that_wait_are_reported_with_their_age(bare_scene: Stage, audits: Channel) -> None:
    scene = bare_scene
    await start_delivery(scene, audits)
    await posted_lines(scene, audits)
    status = (await scene.say(scene.emma, "monitor status")).text
    assert line_of(status, "Audit channel") == "**Audit channel** ✅ all delivered"
    # Discord is slow, and there is no error to report
    scene.server.delay("POST", f"/channels/{audits.id}/messages", 2.0, 1)
    for vmid in (100_001, 100_002):
        await scene.say(scene.emma, "info", vmid=vmid)
    status = (await scene.say(scene.emma, "monitor status")).text
    line = line_of(status, "Audit channel")
    assert re.search("✅ (1 line waiting since|2 lines waiting, the oldest since) <t:", line), status
    scene.clock.skip(31)
    assert "⚠️" in line_of((await scene.say(scene.emma, "monitor status")).text, "Audit channel")
    await posted_lines(scene, audits)
    status = (await scene.say(scene.emma, "monitor status")).text
    assert "all delivered" in line_of(status, "Audit channel")


async def test_a_refused_channel_tells_the_reason_and_how_much_waits(
    bare_scene: Stage, audits: Channel
) -> None:
    scene = bare_scene
    fault = scene.server.fail("POST", f"/channels/{audits.id}/messages", 403, 1000)
    await start_delivery(scene, audits)
    await scene.say(scene.emma, "info", vmid=100_001)
    await scene.until(lambda: scene.services.audit_delivery.error)
    line = line_of((await scene.say(scene.emma, "monitor status")).text, "Audit channel")
    assert line.startswith("**Audit channel** ⚠️ cannot be sent")
    assert "1 line waiting" in line
    fault.times = fault.met


async def test_a_bug_that_keeps_the_lines_back_is_reported(
    bare_scene: Stage, audits: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_given: object, **_more: object) -> int:
        raise KeyError("name")

    scene = bare_scene
    scene.expected_errors.append("the audit trail could not be posted")
    await start_delivery(scene, audits)
    delivery = scene.services.audit_delivery
    monkeypatch.setattr(delivery._channel, "post", broken)
    await scene.say(scene.emma, "info", vmid=100_001)
    await scene.until(lambda: delivery.error)
    line = line_of((await scene.say(scene.emma, "monitor status")).text, "Audit channel")
    assert line.startswith("**Audit channel** ⚠️ cannot be sent: internal error, see the log · 1 line waiting")


async def test_a_line_that_discord_rejects_is_not_called_delivered(
    bare_scene: Stage, audits: Channel
) -> None:
    scene = bare_scene
    scene.expected_statuses.add(400)
    scene.expected_errors.append("Discord rejects the line of record")
    await start_delivery(scene, audits)
    fault = scene.server.fail(
        "POST", f"/channels/{audits.id}/messages", 400, 1000, message="Invalid Form Body"
    )
    await scene.say(scene.emma, "info", vmid=100_001)
    assert await posted_lines(scene, audits) == []
    fault.times = fault.met
    line = line_of((await scene.say(scene.emma, "monitor status")).text, "Audit channel")
    assert line == "**Audit channel** ⚠️ Discord rejected the last line"
    await scene.restart_bot()
    line = line_of((await scene.say(scene.emma, "monitor status")).text, "Audit channel")
    assert line == "**Audit channel** ⚠️ Discord rejected the last line", "the restart delivered nothing"
    await scene.say(scene.emma, "info", vmid=100_002)
    assert len(await posted_lines(scene, audits)) == 1
    status = (await scene.say(scene.emma, "monitor status")).text
    assert line_of(status, "Audit channel").startswith(
        "**Audit channel** ✅ nothing waiting · Discord rejected a line <t:"
    )
    scene.clock.skip(86_400)
    status = (await scene.say(scene.emma, "monitor status")).text
    assert line_of(status, "Audit channel") == "**Audit channel** ✅ all delivered"


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_a_scoped_user_does_not_learn_the_number_of_all_guests(
    bare_scene: Stage, pve: Pve, language: str
) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings, LANGUAGE=language)
    await scene.say(cast["admin"], "monitor add", vmid=101)
    await scene.poll()
    for guest in [*pve.vms][:9] + [*pve.cts][:2]:
        pve.remove_guest(guest.vmid)
    await scene.poll()
    everything = (await scene.say(cast["admin"], "monitor status")).text
    some = (await scene.say(cast["game"], "monitor status")).text
    assert "guests of 17 suddenly" in everything or "17 台" in everything, everything
    assert "17" not in re.sub(r"<t:\d+|:\d+>", "", some), "besides times and the ids of mentions"
    assert "Many guests suddenly disappeared" in some or "多くのゲスト" in some, some
