"""Test a bot that is removed from its guild and invited again: its messages are still there, its commands are not."""

import pytest

from playground.pve.server import Pve
from tests.support import stage
from tests.support.dashboard.boards import boards
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

GONE = "The bot is not in this server."


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "without a gateway"])
async def test_an_invited_bot_goes_on_where_it_was_removed(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch, *, connected: bool
) -> None:
    scene.expected_statuses.add(403)
    scene.expected_errors.append(GONE)
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.poll()
    await scene.say(scene.emma, "dashboard create")
    (board,) = await scene.until(lambda: [each for each in boards(scene) if each.pinned], "a dashboard")
    hears = scene.server.world.backend.subscribers
    heard = hears[:]
    if not connected:
        hears.clear()
    scene.server.kick_bot(scene.guild)
    if connected:
        await scene.until(lambda: any(GONE in line for line in scene.logged), "it is logged")
    pve.crash(101)
    await scene.poll(2)
    assert scene.server.commands(scene.guild) == []
    assert "web01" not in " ".join(scene.alerts_told())

    scene.server.invite_bot(scene.guild)
    if not connected:
        hears[:] = heard

        async def at_once(*_: object, **__: object) -> None:
            """Skip the 5 s that discord.py waits before it identifies again."""

        monkeypatch.setattr(scene.bot, "before_identify_hook", at_once)
        await scene.server.invalidate_session()
    await scene.until(lambda: scene.server.commands(scene.guild), "the commands are registered again")
    await scene.until(lambda: "web01" in " ".join(scene.alerts_told()), "the alert arrives")
    await scene.poll()
    await scene.until(lambda: "Open incidents" in board.text, "the dashboard is edited")
    assert len(boards(scene)) == 1
    assert "web01" in (await scene.say(scene.emma, "info", vmid=101)).text


async def test_one_that_is_removed_at_once_waits_for_the_next_invitation(scene: Stage) -> None:
    scene.expected_errors.append(GONE)
    refused = scene.server.fail("PUT", "/commands", 403, 1, code=50001)
    scene.server.kick_bot(scene.guild)
    scene.server.invite_bot(scene.guild)
    await scene.until(lambda: refused.met, "the commands are refused")
    await scene.until(lambda: sum(GONE in line for line in scene.logged) == 2, "the refusal is logged, too")
    assert scene.server.commands(scene.guild) == []
    scene.server.kick_bot(scene.guild)
    scene.server.invite_bot(scene.guild)
    await scene.until(lambda: scene.server.commands(scene.guild), "the second invitation")
    assert "web01" in (await scene.say(scene.emma, "list")).text


async def test_another_guild_changes_nothing(scene: Stage) -> None:
    other = scene.server.guild("Other")
    scene.server.kick_bot(other)
    scene.server.invite_bot(other)
    await scene.say(scene.emma, "list")
    assert len(scene.server.requests("PUT", "/commands")) == 1
