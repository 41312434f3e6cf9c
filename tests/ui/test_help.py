"""Test the card of /help and the groups of operations that it shares with /access."""

from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import ReadOnly
from core.levels import Level
from core.operations import OPERATIONS, Operation
from tests.support.cards.sent import EN, TEXTS, Golden, buttons_of, checked, languages, shown
from tests.support.fakes import NOW
from ui.access.groups import GROUPS, in_groups
from ui.access.help import help_card
from ui.i18n import Language
from ui.interaction.command_mentions import CommandMentions

VIEWING = [
    each for each in Operation if OPERATIONS[each].level <= Level.VIEWER and each is not Operation.HELP
]
EVERYTHING = [each for each in Operation if each not in (Operation.HELP, Operation.ACKNOWLEDGE)]


def mentions(*names: str) -> CommandMentions:
    made = CommandMentions()
    made.learn(cast_commands(*names))
    return made


def cast_commands(*names: str) -> Any:
    return [SimpleNamespace(name=name, id=10**18 + number) for number, name in enumerate(names)]


KNOWN = mentions(*dict.fromkeys(each.value.split("_")[0] for each in EVERYTHING))


@languages
def test_help(language: Language, golden: Golden) -> None:
    """Show all commands, those of a viewer with several sites, read-only mode, and commands without ids."""
    t = TEXTS.of(language)
    held = ReadOnly("akiko", NOW, 7)
    views = (
        help_card(t, EVERYTHING, KNOWN),
        help_card(t, VIEWING, KNOWN, example="home/101"),
        help_card(t, VIEWING, CommandMentions(), held),
    )
    for view in views:
        checked(view)
        assert buttons_of(view) == []
    golden(f"help.{language}", "\n\n".join(map(shown, views)))


def test_every_operation_has_one_task() -> None:
    grouped = [each for _, group in GROUPS for each in group]
    assert sorted(grouped) == sorted(Operation)


def test_tasks_without_operations_are_left_out() -> None:
    found = {EN(name): group for name, group in in_groups({Operation.STOP, Operation.START})}
    assert found == {"Power": [Operation.START, Operation.STOP]}


@pytest.mark.parametrize(
    ("operation", "mention"),
    [
        (Operation.LIST, "</list:1000000000000000000>"),
        (Operation.SNAPSHOT_ROLLBACK, "</snapshot rollback:1000000000000000001>"),
        (Operation.STOP, "`/stop`"),
    ],
)
def test_a_command_is_mentioned_by_its_id_or_else_by_its_name(operation: Operation, mention: str) -> None:
    assert mentions("list", "snapshot").of(operation) == mention
