"""Test hostile text from Proxmox and its guests: it never mentions, links, formats or hides anything in an answer."""

import re
from collections.abc import Mapping

import pytest

from adapters.charts.process import ChartProcess
from core.charts.drawing import Drawing
from playground.discord.limits import walk
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.cards.hostile import EVIL, HIDDEN, harmless
from tests.support.catalogue import READING
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


def without_own_commands(scene: Stage, text: str) -> str:
    """Take out the mentions of the registered commands, which are the bot's own: name and id must be right.

    Also take out a link to a dashboard and the mention of its channel.
    """
    text = re.sub(
        rf"\[Open the message\]\(https://discord.com/channels/[0-9]+/{scene.channel.id}/[0-9]+\)", "", text
    )
    text = text.replace(f"<#{scene.channel.id}>", "")
    for command in scene.server.commands(scene.guild):
        text = re.sub(rf"</{command['name']}( [a-z]+)?:{command['id']}>", "", text)
    return text


def check(scene: Stage, asker: Person, on: SeenMessage | PressResult) -> None:
    """Check all that a person sees of a message: its text, its embeds, and the labels of its buttons and menus."""
    posts = [on] if isinstance(on, SeenMessage) else [post for post in (on.post, *on.followups) if post]
    assert posts
    for post in posts:
        harmless(without_own_commands(scene, post.text), asker.id)
        labels = [button.label for button in post.buttons]
        for component in walk(post.components):
            for picture in component.get("items", ()):
                assert not HIDDEN.search(picture.get("description") or "")
            for option in component.get("options", ()):
                labels += [option["label"], option.get("description", "")]
        for label in labels:
            check_label(label)


def check_label(label: str) -> None:
    """Check a label: Discord shows it as plain text, in one line of at most 100 characters."""
    assert len(label) <= 100
    assert "\n" not in label
    assert not HIDDEN.search(label), label


@pytest.mark.parametrize("evil", EVIL[::2])
async def test_names_notes_tags_snapshots_and_logs(bare_scene: Stage, pve: Pve, evil: str) -> None:
    vm = pve.vm(103)
    vm.name = vm.config["name"] = evil
    vm.config["description"], vm.config["tags"] = evil, evil
    vm.snapshots["v1-21"]["description"] = evil
    pve.vm(101).name = evil
    await bare_scene.start_bot()
    scene, asker = bare_scene, bare_scene.emma
    pve.next_task("qmreboot", vmid=103, lines=[evil, f"x {evil}"], ends=evil.replace("\n", " "))
    pve.fail(
        "POST",
        "/qemu/101/status/shutdown",
        500,
        evil.replace("\n", " ")[:200].encode("ascii", "replace").decode(),
    )
    asked: list[tuple[str, Mapping[str, object]]] = [
        ("list", {}),
        *((word, {"vmid": 103}) for word in READING if word != "graph guest" or evil is EVIL[0]),
        ("reboot", {"vmid": 103}),
        ("info", {"vmid": 103}),
        ("shutdown", {"vmid": 101}),
        ("stop", {"vmid": 103}),
        ("start", {"vmid": 103}),
        ("delete", {"vmid": 103}),
        ("snapshot rollback", {"vmid": 103, "name": "v1-21"}),
        ("snapshot delete", {"vmid": 103, "name": evil}),
        ("snapshot create", {"vmid": 103, "name": evil}),
        ("create", {"template_id": 9000, "name": evil}),
        ("monitor add", {"vmid": 103}),
        ("monitor list", {}),
    ]
    for command, options in asked:
        reply = await scene.say(asker, command, **options)
        assert reply.text, command
        check(scene, asker, reply)
    for label in await scene.choices(asker, "info", "vmid", "103"):
        check_label(label)
    scene.clock.skip(400)  # after this time a stop no longer counts as the one ordered above
    await scene.poll()
    assert scene.alerts_told() == []
    pve.crash(103)
    await scene.poll()
    await scene.delivered()
    alert = scene.server.messages(scene.alerts)[0]
    check(scene, asker, alert)
    await scene.press(asker, alert, "Acknowledge")
    await scene.delivered()
    check(scene, asker, alert)
    details = await scene.press(asker, alert, "Details")
    check(scene, asker, details)
    later: list[tuple[str, dict[str, str]]] = [
        ("monitor list", {}),
        ("monitor history", {}),
        ("monitor mute", {"target": "103", "duration": "1h"}),
        ("monitor mute", {"target": evil, "duration": "1h"}),
        ("monitor mute", {"target": "all", "duration": evil}),
        ("monitor status", {}),
        ("status", {}),
        ("dashboard remove", {"dashboard": evil}),
        ("monitor unmute", {"target": "guest/103"}),
    ]
    for command, words in later:
        reply = await scene.say(asker, command, **words)
        assert reply.text, command
        check(scene, asker, reply)
    for shown in ({}, {"tag": evil}):
        await scene.say(asker, "dashboard create", **shown)
    boards = [post for post in scene.server.messages(scene.channel) if post.pinned]
    assert boards
    for board in boards:
        check(scene, asker, board)
    for option, typed in (("monitor mute", "target"), ("dashboard create", "tag")):
        for label in await scene.choices(asker, option, typed):
            check_label(label)


@pytest.mark.parametrize("evil", EVIL[1::2])
async def test_storages_disks_charts_and_nodes(bare_scene: Stage, pve: Pve, evil: str) -> None:
    """The hostile node is one that the playground uses for nothing else, so it has no guests."""
    vm = pve.vm(101)
    vm.name = vm.config["name"] = vm.config["tags"] = evil
    disk = {"name": evil, "mountpoint": evil, "type": evil, "total-bytes": 10**10, "used-bytes": 9 * 10**9}
    vm.agent["get-fsinfo"] = [{**disk, "disk": [{"dev": evil}]}]
    pve.storages[evil] = {**pve.storages["nfs-backup"], "type": evil, "content": f"images,{evil}"}
    pve.nodes[evil] = dict(pve.nodes["pve3"])
    drawn = list[Drawing]()

    async def draw(_self: ChartProcess, drawing: Drawing) -> bytes:
        drawn.append(drawing)
        return b"picture"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChartProcess, "draw", draw)
        await bare_scene.start_bot()
        scene, asker = bare_scene, bare_scene.emma
        panel = await scene.say(asker, "info", vmid=101)
        for reply in (
            panel,
            await scene.press(asker, panel, "g1:disks:101"),
            await scene.press(asker, panel, "g1:chart:101"),
            await scene.say(asker, "graph guest", vmid=101),
            await scene.say(asker, "graph node", node=evil),
            await scene.say(asker, "node list"),
            await scene.say(asker, "node info", node=evil),
            await scene.say(asker, "storage"),
            await scene.say(asker, "list", sort="memory", tag=evil),
            await scene.say(asker, "list", pool=evil),
            await scene.say(asker, "dashboard create", node=evil),
            await scene.say(asker, "dashboard list"),
        ):
            check(scene, asker, reply)
        await scene.say(asker, "dashboard create")
        (*_, board) = [post for post in scene.server.messages(scene.channel) if post.pinned]
        check(scene, asker, board)
    assert drawn
    for drawing in drawn:
        assert "\n" not in drawing.title
        assert not HIDDEN.search(drawing.title)
        assert len(drawing.title) <= 40


async def test_a_person_with_a_hostile_name(scene: Stage, pve: Pve) -> None:
    mallory = scene.server.person(scene.guild, "mallory", display="@everyone <@&1> `x`", locale="en-US")
    question = await scene.say(mallory, "stop", vmid=101)
    reply = await scene.press(scene.emma, question, "Force-stop web01")
    check(scene, mallory, reply)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    await scene.start_command(mallory, "start", vmid=104)
    busy = await scene.server.slash(scene.emma, scene.channel, "start", vmid=104)
    check(scene, mallory, await busy.until(lambda shown: shown.text))
    plan.release()
    await scene.settled()
    await scene.say(scene.emma, "monitor add", vmid=104)
    await scene.poll()
    pve.crash(104)
    await scene.poll()
    await scene.delivered()
    alert = scene.server.messages(scene.alerts)[0]
    await scene.press(mallory, alert, "Acknowledge")
    await scene.press(mallory, alert, "Mute 8 h")
    await scene.delivered()
    check(scene, mallory, alert)
    check(scene, mallory, await scene.say(scene.emma, "monitor status"))
    check(scene, mallory, await scene.say(scene.emma, "monitor history"))
