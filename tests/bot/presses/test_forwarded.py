"""Test forwards of the bot's messages. A forward is its maker's message, with a copy of the content."""

from collections.abc import Mapping
from typing import Any

from core.wanted_errors import NoSuchDashboard
from playground.discord.odd_presses import carried, rewritten
from playground.discord.posts import SeenMessage
from playground.discord.server import Channel
from tests.support import stage
from tests.support.dashboard.boards import boards, stop_without_dashboards
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


def forward(scene: Stage, post: SeenMessage, channel: Channel) -> int:
    """Forward a message as Emma, pin the forward, and return its id."""
    backend = scene.server.world.backend
    source = {"type": 1, "message_id": str(post.id), "channel_id": str(post.channel_id)}
    made = backend.create_message(channel.id, scene.emma.id, reference=source)
    assert made.snapshots[0]["message"]["components"], "with the custom_ids of its buttons"
    backend.set_pinned(channel.id, made.id, True)
    return made.id


async def test_forwards_of_a_dashboard_are_nobodys_dashboard(scene: Stage) -> None:
    """A press that comes from a forward renews the message itself. Without its dashboard, nothing is deleted."""
    await scene.say(scene.emma, "dashboard create")
    (board,) = await scene.until(lambda: [each for each in boards(scene) if each.pinned], "a dashboard")
    second = scene.guild.create_text_channel("second", category=scene.category)
    copies = {forward(scene, board, channel): channel for channel in (scene.channel, second)}
    backend, refresh = scene.server.world.backend, str(board.button("Refresh").custom_id)

    def from_copy(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        author = payload["member"]["user"]
        copy = {**payload["message"], "id": str(next(iter(copies))), "author": author, "type": 0}
        return {**payload, "message": copy}

    with rewritten(scene.server.world, from_copy):
        await scene.press(scene.emma, board, "Refresh")
        for where in (second, scene.outside):
            with carried(scene.server.world, where):
                panel = await scene.choose(scene.emma, board, board.selects[0].custom_id, ["102"])
                assert ("db01" in panel.text) is (where is second)
                alerts = await scene.press(scene.emma, board, "Alerts")
                assert ("incidents" in alerts.text) is (where is second)
    await stop_without_dashboards(scene)
    refused = scene.server.fail("GET", "/messages/pins", 403, 3)
    await scene.start_bot()
    await scene.until(lambda: refused.met == 3, "the search at the start finds nothing")
    await scene.poll()
    with rewritten(scene.server.world, from_copy):
        pressed = await scene.press(scene.emma, board, "Refresh")
    scene.assert_refused(pressed, scene.emma, NoSuchDashboard(refresh.rpartition(":")[2]))
    await scene.say(scene.emma, "dashboard create")
    await scene.until(lambda: not board.exists, "the message itself was an orphan")
    assert len(boards(scene)) == 1
    assert all(number in backend.messages[channel.id] for number, channel in copies.items())


async def test_a_forward_of_a_panel_acts_on_nothing_else(scene: Stage) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    assert panel.post is not None
    forward(scene, panel.post, scene.outside)
    before = scene.cluster()
    with carried(scene.server.world, scene.outside):
        await scene.press(scene.emma, panel, "Start")
    assert scene.cluster() == before
    assert scene.changes() == []
