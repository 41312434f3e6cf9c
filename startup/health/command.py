"""Carry out --check, --print-config and --send-test-alert."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from discord.ext import commands

from adapters.settings.load import Settings, SettingsError, load
from core.health.result import Result, exit_code
from startup.command_line import commands_of
from startup.connection import use_other_discord
from startup.health.alert import send_test_alerts
from startup.health.printed_settings import settings_lines
from startup.health.report import json_report, text_report
from startup.health.run import SetupPlace, check_all
from startup.threads import UnjoinedThreads
from ui.i18n import Text, Texts
from ui.messages.faults import config_report

THREADS = 16
"""Maximum number of DNS look-ups and requests to Proxmox at once."""


def run_instead(
    options: argparse.Namespace,
    directory: Path,
    environ: Mapping[str, str],
    cogs: Iterable[type[commands.Cog]],
) -> int:
    """Do what the options ask for, and return the exit code: for --check that of its results, otherwise 0 or 2."""
    logging.captureWarnings(capture=True)
    logging.getLogger().addHandler(logging.NullHandler())  # the report says it all, and without secrets
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal with another encoding must not lose a line
            stream.reconfigure(errors="backslashreplace")
    use_other_discord(environ)
    if options.check:
        t, results = asyncio.run(_check(SetupPlace(directory, options.config, environ, commands_of(cogs))))
        print((json_report if options.json else text_report)(t, results))
        return exit_code(results)
    try:
        settings = load(options.config, environ)
    except SettingsError as error:
        print(*config_report(Texts(error.language).public, error), sep="\n", file=sys.stderr)
        return 2
    if options.print_config:
        print(*settings_lines(settings), sep="\n")
        return 0
    return _send(settings)


async def _check(place: SetupPlace) -> tuple[Text, list[Result]]:
    # a DNS look-up that hangs must not delay the end
    asyncio.get_running_loop().set_default_executor(UnjoinedThreads(THREADS))
    return await check_all(place)


def _send(settings: Settings) -> int:
    lines, arrived = asyncio.run(send_test_alerts(Texts(settings.language).public, settings))
    print(*lines, sep="\n")
    return 0 if arrived else 2
