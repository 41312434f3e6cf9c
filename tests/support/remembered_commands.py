"""Remember results that discord.py works out again at each start of a bot.

discord.py asks its translator about every text in each of its 32 locales, some 5,000 times. It looks at every
attribute of its state for parsers of events.
"""

import functools
import marshal
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Command, Group, Translator

Translate = Callable[[Any, Any, Translator], Awaitable[dict[str, Any]]]


def _remember(translate: Translate) -> Translate:
    """Remember each payload under everything that it is made of: the command itself, and the translator's kind."""
    known: dict[tuple[type[Translator], bytes], dict[str, Any]] = {}

    @functools.wraps(translate)
    async def remembered(
        command: Any, tree: app_commands.CommandTree[Any], translator: Translator
    ) -> dict[str, Any]:
        key = (type(translator), marshal.dumps(command.to_dict(tree), 0))  # 0: without references
        if key not in known:
            known[key] = await translate(command, tree, translator)
        return known[key]

    return remembered


def _parsers(state: Any) -> list[tuple[str, Any]]:
    """Return the members of a state that parse events, for `inspect.getmembers`."""
    kind: Any = type(state)
    return [(name, getattr(state, name)) for name in _parser_names(kind)]


@functools.cache
def _parser_names(kind: type) -> list[str]:
    return [name for name in dir(kind) if name.startswith("parse_")]


@functools.cache
def remember_commands() -> None:
    """Let discord.py remember the payloads and the names of the parsers."""
    setattr(discord.state, "inspect", SimpleNamespace(getmembers=_parsers))  # noqa: B010 - mypy forbids assigning to another module's import
    for kind in (Command, Group):
        translated = _remember(kind.get_translated_payload)
        setattr(kind, "get_translated_payload", translated)  # noqa: B010 - mypy forbids assigning to a method
