"""Test the bot's messages about itself: their text, their buttons, and that they cause nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.guest import State
from core.watch.incidents.model import MessageKind
from core.watch.service import Watch
from tests.support import stage
from tests.support.fakes import guest
from tests.support.stage import Stage
from tests.support.watch.home import WatchHarness

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

SUPPRESS_EMBEDS = 1 << 2


@pytest.mark.parametrize(
    "word",
    [lambda watch: watch.alerts.send_test(), lambda watch: watch.alerts.post_notice("hello")],
    ids=["test", "word"],
)
async def test_a_test_alert_reports_no_incident_in_place_of_a_poll(
    tmp_path: Path, word: Callable[[Watch], Awaitable[object]]
) -> None:
    """The mute of the incident has just ended. The next poll reports the incident if it still lasts."""
    home = WatchHarness(tmp_path, [guest(101)])
    await home.poll()
    await home.watch.alerts.mute("guest/101", 300.0, "Emma")
    assert await home.poll(State.STOPPED) == []
    home.clock.advance(600)
    before = list(home.messages)
    await word(home.watch)
    assert [home.words(number) for number in home.messages[len(before) :]] in (["test"], ["word"])
    assert {each.stored.post for each in home.journal.to_post()} <= {MessageKind.TEST, MessageKind.WORD}
    assert await home.poll() == ["opening guest"]


async def test_a_line_without_the_journal_previews_and_mentions_nothing(scene: Stage) -> None:
    await scene.bot.monitor.loops[0]._reports._say("@everyone https://example.com <@&1>")
    request = scene.server.requests("POST", f"/channels/{scene.alerts.id}/messages")[-1]
    assert request.body["flags"] == SUPPRESS_EMBEDS
    assert request.body["allowed_mentions"] == {"parse": []}


async def test_the_end_leaves_no_task_of_the_start_behind(bare_scene: Stage) -> None:
    """A bot that ends within seconds of its start has not been told by discord.py that it is ready."""
    await bare_scene.start_bot()
    waiting = asyncio.create_task(asyncio.sleep(60))
    bare_scene.bot._connection._ready_task = waiting
    await bare_scene.stop_bot()
    await asyncio.wait({waiting}, timeout=10)
    assert waiting.cancelled()
