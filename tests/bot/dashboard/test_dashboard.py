"""Test /dashboard, and what people see of dashboards, with the real bot over sockets."""

import discord
import pytest

from core.dashboard.model import DASHBOARDS_MOST
from core.dashboard.steps import NEW_SECONDS
from core.wanted_errors import (
    ChannelPermissionsMissing,
    DashboardExists,
    NoSuchDashboard,
    NothingWithin,
    TooManyOwnDashboards,
    UnfitChannel,
)
from playground.pve.server import Pve
from tests.support import stage
from tests.support.dashboard.boards import boards, stop_without_dashboards
from tests.support.scenes.people import Cast
from tests.support.stage import Stage
from ui.formatting import Colour

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


async def test_a_dashboard_is_made_kept_and_removed(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.poll()
    reply = await scene.say(scene.emma, "dashboard create")
    (board,) = boards(scene)
    assert board.pinned
    (post,) = scene.server.requests("POST", f"/channels/{scene.channel.id}/messages")
    assert discord.MessageFlags._from_value(post.body["flags"]).suppress_notifications
    assert f"/{board.id}" in reply.text
    assert "viewer of all guests" in reply.text
    assert "as of <t:" in board.text
    again = await scene.say(scene.emma, "dashboard create")
    assert scene.told(scene.emma, DashboardExists(scene.channel.id)) in again.text
    before = len(scene.sent("GET", "/cluster/resources"))
    pve.crash(101)
    await scene.poll(2)
    await scene.until(lambda: "Open incidents" in board.text, "the incident is shown")
    assert len(scene.sent("GET", "/cluster/resources")) == before + 2
    pve.fail("GET", "/cluster/resources", 595, "No route to host", times=2)
    await scene.poll(2)
    await scene.until(lambda: "No connection to Proxmox since" in board.text, "no figures")
    assert "Busiest" not in board.text
    await scene.poll()
    await scene.until(lambda: "Busiest" in board.text, "the figures are back")
    alerts = await scene.press(scene.akiko, board, "Alerts")
    assert alerts.post is not None
    assert alerts.post.ephemeral
    assert alerts.post.components[0]["accent_color"] == int(
        Colour.BAD if "🔴" in alerts.text else Colour.GOOD
    )
    panel = await scene.choose(scene.emma, board, board.selects[0].custom_id, ["102"])
    assert "102" in panel.text
    assert len(boards(scene)) == 1
    await scene.press(scene.emma, board, "Refresh")
    listed = await scene.say(scene.emma, "dashboard list")
    assert f"/{board.id})" in listed.text
    assert f"<@{scene.emma.id}>" in listed.text
    scene.server.fail("GET", f"/members/{scene.emma.id}", 404, 1, code=10007)
    scene.clock.skip(600)  # the answer about a person is reused until then
    listed = await scene.say(scene.akiko, "dashboard list")
    assert f"<@{scene.emma.id}>" not in listed.text
    assert (
        scene.t(scene.akiko)("made by {person} {time}", person="`Emma`", time="?").split("?")[0]
        in listed.text
    )
    offered = await scene.choices(scene.emma, "dashboard remove", "dashboard", "prox")
    assert offered == ["#proxmox · whole cluster"]
    await scene.say(scene.emma, "dashboard remove", dashboard=f"https://discord.com/channels/1/2/{board.id}")
    await scene.until(lambda: not board.exists, "it is deleted")
    gone = await scene.say(scene.emma, "dashboard remove", dashboard=str(board.id))
    assert scene.told(scene.emma, NoSuchDashboard(str(board.id))) in gone.text


async def test_restarts_lost_answers_and_deletions_double_nothing(scene: Stage) -> None:
    """A message whose answer was lost is found again by another run, by its buttons."""
    scene.server.reset("POST", f"/channels/{scene.channel.id}/messages", 1, after=True)
    await scene.say(scene.emma, "dashboard create")
    await scene.until(lambda: boards(scene), "it arrived")
    await scene.kill_bot()
    scene.server.forget_nonces()  # not before: the first run tries again at once
    await scene.restart_bot()
    await scene.until(lambda: boards(scene)[0].pinned, "it is found")
    assert len(boards(scene)) == 1
    ((dashboard, trouble),) = scene.site.dashboards.dashboards()
    assert (dashboard.message_id, trouble) == (boards(scene)[0].id, None)


async def test_a_dashboard_of_a_lost_journal_does_not_stay_beside_a_new_one(scene: Stage) -> None:
    """It is deleted by a press on it, by a new dashboard in its channel, and at the start after the loss."""
    for way in ("press", "create", "start"):
        await scene.say(scene.emma, "dashboard create")
        await scene.until(lambda: len(boards(scene)) == 1 and boards(scene)[0].pinned, way)
        (orphan,) = boards(scene)
        await stop_without_dashboards(scene)
        if way != "start":
            scene.server.fail("GET", f"/{scene.channel.id}/messages/pins", 403, 1)
        await scene.start_bot()
        await scene.poll()
        if way == "press":
            pressed = await scene.press(scene.akiko, orphan, "Refresh")
            mark = str(orphan.button("Refresh").custom_id).rpartition(":")[2]
            scene.assert_refused(pressed, scene.akiko, NoSuchDashboard(mark))
        elif way == "create":
            await scene.say(scene.emma, "dashboard create")
            await scene.until(lambda: len(boards(scene)) == 1, "the new one alone")
            await scene.say(scene.emma, "dashboard remove", dashboard=str(boards(scene)[0].id))
        await scene.until(lambda: boards(scene) == [], way)
        assert not orphan.exists


async def test_a_dashboard_that_waits_for_its_turn_does_not_blame_discord(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.dashboard.commands.POST_SECONDS", 0.1)
    for _ in range(DASHBOARDS_MOST):
        scene.site.dashboards._new_messages.take()
    made = await scene.say(scene.emma, "dashboard create")
    assert f"The dashboard will appear in <#{scene.channel.id}> in a moment." in made.text
    scene.clock.skip(NEW_SECONDS)
    await scene.until(lambda: len(boards(scene)) == 1, "its turn")


async def test_missing_privileges_are_named_before_any_promise(scene: Stage) -> None:
    everyone, no_pin = (
        scene.guild.default_role,
        discord.PermissionOverwrite(pin_messages=False, send_messages=False),
    )
    silent = scene.guild.create_text_channel("silent", category=scene.category, overwrites={everyone: no_pin})
    for where, error in (
        (silent, ChannelPermissionsMissing(silent.id, "send_messages\npin_messages")),
        (scene.outside, UnfitChannel(scene.outside.id)),
    ):
        reply = await scene.whole(
            scene.server.slash(scene.emma, scene.channel, "dashboard create", channel=where)
        )
        assert scene.told(scene.emma, error) in reply.text
    nothing = await scene.say(scene.emma, "dashboard create", tag="no-such")
    scene.server.fail("PUT", "/pins/", 403, 1)
    made = await scene.say(scene.emma, "dashboard create")
    assert "not pinned" in made.text
    status = await scene.say(scene.emma, "monitor status")
    assert "1 cannot be updated" in status.text
    assert scene.told(scene.emma, NothingWithin()) in nothing.text


async def test_nobody_takes_all_places_and_what_leaves_the_category_shows_nothing(bare_scene: Stage) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    game, admin = cast["game"], cast["admin"]
    for options in ({}, {"pool": "games"}, {"node": "pve2"}):
        await scene.say(game, "dashboard create", **options)
    refused = await scene.say(game, "dashboard create", tag="game")
    scene.assert_refused(refused, game, TooManyOwnDashboards(3))
    moved = scene.guild.create_text_channel("moved", category=scene.category)
    await scene.whole(scene.server.slash(admin, scene.channel, "dashboard create", channel=moved))
    (board,) = await scene.until(lambda: boards(scene, moved), "the admin's place is free")
    link = f"https://discord.com/channels/1/{moved.id}/{board.id}"
    for typed in (link, str(board.id), str(board.button("Refresh").custom_id).rpartition(":")[2]):
        reply = await scene.say(game, "dashboard remove", dashboard=typed)
        scene.assert_refused(reply, game, NoSuchDashboard(typed))

    scene.server.move(moved, None)
    scene.pve.crash(101)
    await scene.poll()
    await scene.until(lambda: not board.exists, "it shows nothing to the people there")
    await scene.poll(12)
    assert boards(scene, moved) == []
    listed = await scene.say(admin, "dashboard list")
    assert scene.t(admin)("the channel is outside of the bot's category") in listed.text
    scene.server.move(moved, scene.category)
    await scene.poll(12)
    await scene.until(lambda: len(boards(scene, moved)) == 1, "it is back")


async def test_a_former_journal_that_is_put_back_leaves_no_dashboard_behind(scene: Stage) -> None:
    await scene.stop_bot()
    former = (scene.directory / "journal.db").read_bytes()
    await scene.start_bot()
    await scene.poll()
    await scene.say(scene.emma, "dashboard create")
    await scene.until(lambda: len(boards(scene)) == 1 and boards(scene)[0].pinned, "a dashboard")
    await scene.stop_bot()
    (scene.directory / "journal.db").write_bytes(former)
    await scene.start_bot()
    await scene.until(lambda: boards(scene) == [], "it is found at the start")
