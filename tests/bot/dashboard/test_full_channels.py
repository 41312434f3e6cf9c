"""Test dashboards in channels with as many pinned messages as Discord allows, and the search for orphans."""

from core.wanted_errors import NoSuchDashboard
from playground.discord.additions import PINS_MOST
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.dashboard.boards import boards, stop_without_dashboards
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


def pin_others(scene: Stage, count: int) -> list[SeenMessage]:
    """Let a person pin this many messages in the bot's channel."""
    backend = scene.server.world.backend
    made = [
        backend.create_message(scene.channel.id, scene.emma.id, content=str(place)) for place in range(count)
    ]
    for message in made:
        message.pinned = True
    return scene.server.messages(scene.channel)


async def test_a_channel_with_all_its_pins_has_an_unpinned_dashboard_that_is_pinned_later(
    scene: Stage, pve: Pve
) -> None:
    scene.expected_statuses.add(400)
    scene.expected_errors.append("Maximum number of pins reached")
    pin_others(scene, PINS_MOST)
    reply = await scene.say(scene.emma, "dashboard create")
    (board,) = boards(scene)
    full = "the channel has as many pinned messages as Discord allows; unpin one of them"
    assert scene.t(scene.emma)(full) in reply.text
    assert not board.pinned
    listed = await scene.say(scene.akiko, "dashboard list")
    assert scene.t(scene.akiko)(full) in listed.text
    before = board.text
    pve.crash(101)
    await scene.poll(2)
    await scene.until(lambda: board.text != before, "it is edited all the same")
    first = scene.server.messages(scene.channel)[0]
    scene.server.world.backend.set_pinned(scene.channel.id, first.id, False)
    await scene.poll(6)
    await scene.until(lambda: board.pinned, "there is room")
    listed = await scene.say(scene.emma, "dashboard list")
    assert scene.t(scene.emma)(full) not in listed.text
    assert len(boards(scene)) == 1


async def test_an_orphan_is_found_behind_all_other_pins(scene: Stage) -> None:
    await scene.say(scene.emma, "dashboard create")
    (orphan,) = await scene.until(lambda: [each for each in boards(scene) if each.pinned], "pinned")
    backend = scene.server.world.backend
    for place in range(60):
        message = backend.create_message(scene.channel.id, scene.emma.id, content=str(place))
        await scene.bot.http.pin_message(scene.channel.id, message.id)
    await stop_without_dashboards(scene)
    await scene.start_bot()
    await scene.until(lambda: not orphan.exists, "it is found at the start")


async def test_an_orphan_is_found_after_a_start_at_which_discord_failed(scene: Stage) -> None:
    scene.expected_statuses.add(503)
    await scene.say(scene.emma, "dashboard create")
    (orphan,) = await scene.until(lambda: [each for each in boards(scene) if each.pinned], "pinned")
    await stop_without_dashboards(scene)
    fault = scene.server.fail("GET", f"/{scene.channel.id}/messages/pins", 503)
    await scene.start_bot()
    await scene.until(lambda: fault.met, "the first search")

    def is_gone() -> bool:
        scene.clock.skip(60.0)
        return not orphan.exists

    await scene.until(is_gone, "it is found a minute later")


async def test_a_private_message_with_a_forged_button_is_no_orphan(scene: Stage) -> None:
    refused = await scene.say(scene.emma, "info", vmid=999)
    pressed = await scene.press(scene.emma, refused, "d1:refresh:0123456789abcdef", force=True)
    scene.assert_refused(pressed, scene.emma, NoSuchDashboard("0123456789abcdef"))
    assert scene.server.requests("DELETE", "") == [], "Discord does not delete it, and refuses to"


async def test_an_orphan_that_somebody_has_unpinned_is_found_too(scene: Stage) -> None:
    await scene.say(scene.emma, "dashboard create")
    (orphan,) = await scene.until(lambda: [each for each in boards(scene) if each.pinned], "pinned")
    scene.server.world.backend.set_pinned(scene.channel.id, orphan.id, False)
    await stop_without_dashboards(scene)
    await scene.start_bot()
    await scene.until(lambda: not orphan.exists, "it is found at the start")


async def test_further_dashboards_in_a_channel_do_not_search_it_again(scene: Stage) -> None:
    def searches() -> int:
        path = f"/{scene.channel.id}/messages/pins"
        return sum(each.method == "GET" and each.path.endswith(path) for each in scene.server.journal)

    await scene.until(lambda: searches() == 1, "the search at the start")
    for node in ("pve1", "pve2"):
        await scene.say(scene.emma, "dashboard create", node=node)
    assert searches() == 2
    scene.clock.skip(60.0)
    await scene.say(scene.emma, "dashboard create")
    assert searches() == 3
