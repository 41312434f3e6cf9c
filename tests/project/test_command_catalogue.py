"""Test that the commands of the tests' catalogue are the bot's, and that its rows agree with the bot."""

from typing import Any

from core.operations import ACTIONS, OPERATIONS
from tests.support import stage
from tests.support.catalogue import ACTION, COMMANDS, Command
from tests.support.stage import Stage
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

SUBCOMMAND = 1


def leaves(commands: list[dict[str, Any]], before: str = "") -> dict[str, dict[str, Any]]:
    """Return every command that can be run, by its full name."""
    found: dict[str, dict[str, Any]] = {}
    for command in commands:
        inner = [option for option in command.get("options", []) if option["type"] == SUBCOMMAND]
        name = f"{before}{command['name']}"
        found |= leaves(inner, f"{name} ") if inner else {name: command}
    return found


async def test_every_registered_command_has_a_row(scene: Stage) -> None:
    registered = leaves(scene.server.commands(scene.guild))
    differ = registered.keys() ^ {command.word for command in COMMANDS}
    assert not differ, (
        f"give it a row in COMMANDS (tests/support/catalogue.py), or take the row away: {differ}"
    )
    for command in COMMANDS:
        options = [
            f"{option['name']}{'*' if option.get('required') else ''}"
            for option in registered[command.word].get("options", [])
        ]
        assert options == command.options.split(), f"/{command.word}: these are its options"
        assert command.example.keys() <= {option.rstrip("*") for option in options}, command.word


@walked("command", COMMANDS)
def test_every_row_matches_the_bots_own_view_of_the_command(command: Command) -> None:
    row = OPERATIONS[command.operation]
    assert (row.level, row.effect, row.guarded) == (command.level, command.effect, command.guarded)
    assert (command.action is not None) is (command.operation in ACTIONS)


def test_every_action_has_its_command() -> None:
    assert set(ACTION) == set(ACTIONS), "give it a command, and a row in tests/support/catalogue.py"
