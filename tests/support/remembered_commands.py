"""Translate the payload of a command once per process.

discord.py asks its translator about every text in every of its 34 locales, 5,500 times for each start of the bot.
"""

import functools
import marshal
from collections.abc import Awaitable, Callable
from typing import Any

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


@functools.cache
def remember_commands() -> None:
    """Let discord.py remember the payloads of this process."""
    for kind in (Command, Group):
        translated = _remember(kind.get_translated_payload)
        setattr(kind, "get_translated_payload", translated)  # noqa: B010 - mypy forbids assigning to a method
