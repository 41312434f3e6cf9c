"""Test /help: the commands that the reader may use in this place, and nothing of the others."""

import re

import pytest

from core.guest import Kind
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import ADMIN, COMMANDS, OPERATOR, VIEWER, Command
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.stage import Stage
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
cast = people.cast
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
OTHERS = {command.word for command in COMMANDS} - {"help"}


def mentioned(text: str) -> dict[str, int]:
    """Return the id of each command that is mentioned."""
    return {name: int(number) for name, number in re.findall(r"</([a-z ]+):(\d+)>", text)}


def words(wanted: object) -> set[str]:
    assert callable(wanted)
    return {command.word for command in COMMANDS if wanted(command)} - {"help"}


@BOTH
async def test_every_command_is_mentioned_with_the_id_that_discord_gave_it(scene: Stage) -> None:
    registered = {command["name"]: int(command["id"]) for command in scene.server.commands(scene.guild)}
    for person in (scene.akiko, scene.emma):
        reply = await scene.say(person, "help")
        t = scene.t(person)
        assert reply.ephemeral
        assert t("Press a command to fill it in.") in reply.text
        assert t("`vmid`: VMID or exact name.") in reply.text
        assert mentioned(reply.text) == {word: registered[word.split()[0]] for word in OTHERS}


@BOTH
async def test_without_ids_the_commands_are_named(scene: Stage) -> None:
    scene.services.command_mentions.learn([])
    text = (await scene.say(scene.akiko, "help")).text
    assert mentioned(text) == {}
    assert {name[1:] for name in re.findall(r"`(/[a-z ]+)`", text)} == OTHERS
    assert scene.t()("Press a command to fill it in.") not in text


@walked(("name", "level"), [("viewer", VIEWER), ("operator", OPERATOR), ("admin", ADMIN)])
async def test_each_level_reads_its_own_commands(
    bare_scene: Stage, cast: Cast, name: str, level: int
) -> None:
    text = (await bare_scene.say(cast[name], "help")).text
    assert set(mentioned(text)) == words(lambda command: command.level <= level)
    for word in words(lambda command: command.level > level):
        assert word not in text.split()
    assert ("**Administration**" in text) is (name == "admin")


async def test_operations_on_everything_are_not_for_an_admin_of_some_guests(
    bare_scene: Stage, cast: Cast
) -> None:
    """None of these guests is a template either, so nothing can be created."""
    missing = {"audit", "health", "readonly on", "readonly off", "monitor test", "create"}
    assert set(mentioned((await bare_scene.say(cast["game"], "help")).text)) == OTHERS - missing


async def test_an_owner_reads_the_actions_that_the_guest_allows(bare_scene: Stage, pve: Pve) -> None:
    """A protected guest cannot be stopped by its owner, and no container can be paused."""
    scene, people = bare_scene, Cast(bare_scene)
    owner = people["nobody"]
    pve.guest(104).config["tags"] = f"owner-{owner.id}"
    await scene.start_bot(**people.settings)
    allowed = words(lambda command: command.level <= OPERATOR)
    assert set(mentioned((await scene.say(owner, "help")).text)) == allowed
    pve.guest(104).config["tags"] = f"owner-{owner.id};protected"
    await scene.poll()

    def is_left(command: Command) -> bool:
        return command.level <= OPERATOR and not command.guarded

    assert set(mentioned((await scene.say(owner, "help")).text)) == words(is_left)
    pve.guest(104).config["tags"] = ""
    pve.guest(201).config["tags"] = f"owner-{owner.id}"
    await scene.poll()
    for_vms_only = words(lambda command: command.action is not None and Kind.LXC not in command.action.tasks)
    assert set(mentioned((await scene.say(owner, "help")).text)) == allowed - for_vms_only


async def test_in_read_only_mode_the_changes_are_gone(bare_scene: Stage, cast: Cast) -> None:
    """Only a person who could otherwise change something is told why."""
    scene = bare_scene
    await scene.say(cast["admin"], "readonly on")
    text = (await scene.say(cast["operator"], "help")).text
    assert "🚧 Read-only mode was turned on" in text
    assert not {"start", "snapshot create"} & set(mentioned(text))
    assert {"list", "monitor mute"} <= set(mentioned(text))
    assert "🚧" not in (await scene.say(cast["viewer"], "help")).text
