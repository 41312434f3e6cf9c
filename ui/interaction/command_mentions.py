"""Mention the bot's commands as `</snapshot list:123>`. A press on a mention fills in the command."""

from collections.abc import Iterable

from discord.app_commands import AppCommand

from core.operations import Operation
from ui.formatting import code
from ui.messages.operations import command_of


class CommandMentions:
    """Hold the ids that Discord gave to the registered commands."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def learn(self, commands: Iterable[AppCommand]) -> None:
        """Note the ids of all commands, as Discord returned them."""
        self._ids = {command.name: command.id for command in commands}

    @property
    def known(self) -> bool:
        """Return whether the ids are known."""
        return bool(self._ids)

    def of(self, operation: Operation) -> str:
        """Return the mention of a command, or its name as code while its id is not known.

        A subcommand has the id of its group.
        """
        name = command_of(operation)
        command_id = self._ids.get(name.split()[0])
        return code(f"/{name}") if command_id is None else f"</{name}:{command_id}>"
