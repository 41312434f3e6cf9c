"""Test where the bot may be used: commands, completions, buttons and forms, each in every kind of place."""

import pytest

from core.errors import NotHere
from playground.discord.server import Channel
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import EVERY_COMMAND, EVERY_COMPLETION
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

INSIDE = ["channel", "thread", "forum post"]
OUTSIDE = ["no category", "other category", "thread outside", "forum post outside"]


def place(scene: Stage, word: str) -> Channel:
    """Create a channel of this kind."""
    server, guild = scene.server, scene.guild
    elsewhere = guild.create_category("Elsewhere")
    lounge = guild.create_text_channel("lounge", category=elsewhere)
    match word:
        case "channel":
            return guild.create_text_channel("second", category=scene.category)
        case "thread":
            return server.thread(scene.channel, "talk", scene.emma)
        case "forum post":
            return server.thread(server.forum(guild, "forum", category=scene.category), "a post", scene.emma)
        case "no category":
            return scene.outside
        case "other category":
            return lounge
        case "thread outside":
            return server.thread(lounge, "talk", scene.emma)
        case "forum post outside":
            return server.thread(server.forum(guild, "forum", category=elsewhere), "a post", scene.emma)
    raise ValueError(word)


@walked_anew("word", INSIDE)
async def test_inside_of_the_category_it_answers(scene: Stage, pve: Pve, word: str) -> None:
    channel = place(scene, word)
    reply = await scene.say(scene.emma, "info", vmid=104, channel=channel)
    assert "palworld" in reply.text
    assert not reply.ephemeral
    await scene.press(scene.emma, reply, "Start")
    assert pve.vm(104).status == "running"
    found = await scene.server.autocomplete(scene.emma, channel, "info", "vmid", "web")
    assert [choice["value"] for choice in found] == ["101"]
    question = await scene.say(scene.emma, "delete", vmid=205, channel=channel)
    form = await scene.press(scene.emma, question, "Delete grafana…")
    await scene.submit(scene.emma, form, "grafana")
    assert pve.ct(205) is None


@walked_anew("word", OUTSIDE)
async def test_outside_every_command_is_refused_in_private(scene: Stage, word: str) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    channel, before, asked = place(scene, word), scene.cluster(), len(scene.pve.requests)
    for command, options in EVERY_COMMAND:
        for person in (scene.akiko, scene.emma):
            reply = await scene.say(person, command, channel=channel, **options)
            scene.assert_refused(reply, person, NotHere())
    assert scene.cluster() == before
    assert len(scene.pve.requests) == asked, "Proxmox is not even asked"
    assert scene.server.messages(channel) == []
    assert scene.site.watch.find(101) is not None
    assert scene.site.watch.alerts.mutes() == ()
    assert scene.alerts_told() == []


@walked_anew("word", OUTSIDE)
async def test_outside_nothing_completes(scene: Stage, word: str) -> None:
    channel, asked = place(scene, word), len(scene.pve.requests)
    for command, option, filled in EVERY_COMPLETION:
        found = await scene.server.autocomplete(scene.emma, channel, command, option, "", **filled)
        assert found == [], (command, option)
        if command not in ("monitor remove", "monitor unmute"):
            assert await scene.choices(scene.emma, command, option, "", **filled), "inside there are some"
    reads = [path for _, path, _ in scene.pve.requests[asked:]]
    assert "/nodes/pve2/qemu/103/snapshot" in reads, "the inside ones"


@pytest.mark.parametrize("where", ["no category", "other category"])
async def test_a_panel_carried_outside_is_dead(scene: Stage, pve: Pve, where: str) -> None:
    """The channel was moved. Its buttons are checked against the rule at each press."""
    panel = await scene.say(scene.emma, "info", vmid=104)
    pages = await scene.say(scene.emma, "list")
    question = await scene.say(scene.akiko, "stop", vmid=101)
    before = scene.cluster()
    texts = [post_of(reply).text for reply in (panel, pages, question)]
    target = None if where == "no category" else scene.guild.create_category("Elsewhere")
    scene.server.move(scene.channel, target)
    asked = len(pve.requests)
    forward = next(button.custom_id for button in post_of(pages).buttons if button.emoji == "▶️")
    for reply, button in (
        (panel, "Start"),
        (panel, "Refresh"),
        (pages, forward or ""),
        (question, "Force-stop web01"),
        (question, "Cancel"),
    ):
        scene.assert_refused(await scene.press(scene.akiko, reply, button), scene.akiko, NotHere())
    assert scene.cluster() == before
    assert len(pve.requests) == asked
    assert [post_of(reply).text for reply in (panel, pages, question)] == texts
    scene.server.move(scene.channel, scene.category)
    await scene.press(scene.akiko, question, "Force-stop web01")
    assert pve.vm(101).status == "stopped", "the question is still open for the asker, where it is allowed"


async def test_a_form_carried_outside_does_nothing(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.akiko, "delete", vmid=104)
    form = await scene.press(scene.akiko, question, "Delete palworld…")
    scene.server.move(scene.channel, None)
    scene.assert_refused(await scene.submit(scene.akiko, form, "palworld"), scene.akiko, NotHere())
    assert pve.vm(104) is not None
    assert scene.changes() == []


async def test_another_guild_is_outside(bare_scene: Stage, pve: Pve) -> None:
    """The bot is configured for a guild other than the one that holds its messages and commands."""
    scene = bare_scene
    await scene.start_bot()
    panel = await scene.say(scene.emma, "info", vmid=104)
    question = await scene.say(scene.emma, "delete", vmid=104)
    await scene.stop_bot()
    other = scene.server.guild("Other")
    await scene.start_bot(GUILD_ID=str(other.id))
    before, asked = scene.cluster(), len(pve.requests)
    for command, options in EVERY_COMMAND:
        scene.assert_refused(await scene.say(scene.emma, command, **options), scene.emma, NotHere())
    assert await scene.choices(scene.emma, "info", "vmid") == []
    scene.assert_refused(await scene.press(scene.emma, panel, "Start"), scene.emma, NotHere())
    for button in post_of(question).buttons:  # disabled since the bot ended, and pressed all the same
        pressed = await scene.press(scene.emma, question, button.custom_id or "", force=True)
        scene.assert_refused(pressed, scene.emma, NotHere())
    assert scene.cluster() == before
    assert len(pve.requests) == asked


async def test_a_suitable_channel_is_named_to_people_who_see_it(scene: Stage) -> None:
    reply = await scene.say(scene.emma, "list", channel=scene.outside)
    assert reply.text == scene.try_in(scene.emma, scene.channel.id)
    scene.server.move(scene.channel, None)
    scene.server.move(scene.alerts, None)
    reply = await scene.say(scene.emma, "list", channel=scene.outside)
    assert reply.text == scene.told(scene.emma, NotHere())


async def test_the_gate_follows_a_channel_into_the_category(scene: Stage) -> None:
    scene.assert_refused(await scene.say(scene.emma, "list", channel=scene.outside), scene.emma, NotHere())
    scene.server.move(scene.outside, scene.category)
    assert "17 guests" in (await scene.say(scene.emma, "list", channel=scene.outside)).text


@pytest.mark.parametrize("trouble", [404, 503, "reset"])
async def test_a_refused_completion_that_discord_does_not_take_is_no_incident(
    scene: Stage, trouble: int | str
) -> None:
    scene.server.ack_limit = 0.3
    if isinstance(trouble, int):
        scene.server.fail("POST", "/callback", trouble)
    else:
        scene.server.reset("POST", "/callback")
    before = len(scene.server.requests("POST", "/callback"))
    assert await scene.server.autocomplete(scene.emma, scene.outside, "info", "vmid", "") == []
    await scene.until(lambda: len(scene.server.requests("POST", "/callback")) > before)
    assert scene.logged == []
