"""Read the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from discord.ext import commands

VERSION = "0.1.0"


def parse_command_line(arguments: list[str] | None, config: Path) -> argparse.Namespace:
    """Return the options. `config`: the usual config.py.

    End the process for a wrong option, and after --help or --version.
    """
    parser = argparse.ArgumentParser(prog="bot.py", description="Manage and watch Proxmox VE from Discord.")
    parser.add_argument("--init", action="store_true", help="be asked for the settings, and write config.py")
    parser.add_argument("--check", action="store_true", help="check the whole setup and say what is wrong")
    parser.add_argument("--json", action="store_true", help="with --check: for machines")
    parser.add_argument("--print-config", action="store_true", help="print the settings, without secrets")
    parser.add_argument(
        "--send-test-alert", action="store_true", help="send a test alert to the alert channels"
    )
    parser.add_argument("--version", action="version", version=f"proxmox-discord-bot {VERSION}")
    parser.add_argument("--demo", action="store_true", help="try it without account or server")
    parser.add_argument("--config", type=Path, default=config, metavar="PATH", help="another config.py")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port of the demo's page")
    return parser.parse_args(arguments)


def wants_no_bot(options: argparse.Namespace) -> bool:
    """Return whether the options ask for something other than running the bot or the demo."""
    return bool(options.init or options.check or options.print_config or options.send_test_alert)


def commands_of(cogs: Iterable[type[commands.Cog]]) -> frozenset[str]:
    """Return the names at the top of the tree: commands, and groups of them."""
    names = set[str]()
    for cog in cogs:
        if cog.__cog_is_app_commands_group__:
            names.add(str(cog.__cog_group_name__))
        else:
            names |= {(command.root_parent or command).name for command in cog.__cog_app_commands__}
    return frozenset(names)
