"""Show the commands of the command tree in the reader's language, for /help."""

from collections.abc import Iterable
from typing import Any

from discord import app_commands, ui

from ui.cards import card
from ui.formatting import MESSAGE_MOST, Colour, fit_lines
from ui.i18n import Text

AnyCommand = app_commands.Command[Any, ..., Any] | app_commands.Group | app_commands.ContextMenu


def rows_of(tree: Iterable[AnyCommand]) -> list[tuple[str, str]]:
    """Return (`/snapshot list vmid`, its English description) for every command.

    Optional options are in brackets.
    """
    rows: list[tuple[str, str]] = []
    for command in sorted(tree, key=lambda command: command.name):
        if isinstance(command, app_commands.Group):
            rows += rows_of(command.commands)
        elif isinstance(command, app_commands.Command):
            options = (
                option.name if option.required else f"[{option.name}]" for option in command.parameters
            )
            rows.append((" ".join((f"/{command.qualified_name}", *options)), _source(command)))
    return rows


def _source(command: app_commands.Command[Any, ..., Any]) -> str:
    text = command._locale_description  # noqa: SLF001  # discord.py keeps the untranslated text only there
    return text.message if text else command.description


def help_card(t: Text, tree: Iterable[AnyCommand]) -> ui.LayoutView:
    lines = [f"`{usage}` — {t.raw(description)}" for usage, description in rows_of(tree)]
    foot = t(
        "Type a name or number in `vmid` to choose a guest. Anything that could lose data asks for "
        "confirmation."
    )
    return card(
        f"### {t('Commands')}", fit_lines(t, lines, MESSAGE_MOST - 400), f"-# {foot}", colour=Colour.BUSY
    )
