"""Carry out `--init`, and explain settings with which the bot cannot start."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from discord.ext import commands

from adapters.files.atomic_file import errno_name
from adapters.settings.load import KNOWN_NAMES, FaultKind, SettingsError, language_of
from startup.command_line import commands_of
from startup.connection import use_other_discord
from startup.first_run.config_file import is_empty, write_config
from startup.first_run.config_text import config_text
from startup.first_run.draft import Draft
from startup.first_run.steps import ask_every_step, list_steps, walk
from startup.first_run.talk import Talk
from startup.first_run.terminal import Back, Cancelled, Terminal
from startup.health import command as health
from startup.health.report import text_report
from startup.health.run import SetupPlace, check_all
from ui.formatting import OK, WARNING, plain
from ui.i18n import Texts
from ui.messages.faults import config_report
from ui.messages.startup import PATH_MOST

SERVICE_CONFIG = Path("/etc/proxmox-bot/config.py")
"""The service's config.py. Its installer gives the file to the service's user, and starts the service."""
_SECRETS = ("DISCORD_TOKEN", "PROXMOX_TOKEN_VALUE")
Cogs = Iterable[type[commands.Cog]]
SignalHandler = Callable[[int, FrameType | None], Any] | signal.Handlers


def run_instead(options: argparse.Namespace, directory: Path, environ: Mapping[str, str], cogs: Cogs) -> int:
    """Do what the options ask for instead of the bot, and return the exit code."""
    if options.init:
        return _run_first_run(Terminal(environ), options, directory, environ, cogs)
    return health.run_instead(options, directory, environ, cogs)


def explain(
    error: SettingsError,
    options: argparse.Namespace,
    directory: Path,
    environ: Mapping[str, str],
    cogs: Cogs,
) -> int:
    """Print what is wrong with the settings and return the exit code. Without config.py, offer to make one."""
    t = Texts(error.language).public
    path = options.config.absolute()
    command = partial(_command, directory, path)
    asked = t("Answer questions step by step (about ten minutes): {command}", command=command("--init"))
    kinds = {fault.kind for fault in error.faults}
    if kinds != {FaultKind.NO_CONFIG}:
        print(*config_report(t, error), sep="\n", file=sys.stderr)
        if kinds == {FaultKind.MISSING}:  # an empty config.py, or one that was hardly begun
            print(asked, file=sys.stderr)
        return 2
    lines = (
        t("There is no config.py yet ({path}).", path=_shown(path)),
        asked,
        t("Write it yourself (docs/install.md): cp config.py.example config.py"),
        t(
            "Try the bot without an account or a server: {command}",
            command=_command(directory, directory / "config.py", "--demo"),
        ),
        t("Check the setup at any time: {command}", command=command("--check")),
    )
    print(*lines, sep="\n", file=sys.stderr)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return 2
    terminal = Terminal(environ)
    talk = Talk(terminal, environ, directory, Draft(error.language))
    try:
        with _handling_signals():
            begins = talk.accepts(t("Start --init now?"))
    except (Cancelled, KeyboardInterrupt):
        begins = False
    return _run_first_run(terminal, options, directory, environ, cogs) if begins else 2


def _run_first_run(
    terminal: Terminal,
    options: argparse.Namespace,
    directory: Path,
    environ: Mapping[str, str],
    cogs: Cogs,
) -> int:
    """Ask for the settings and write config.py. Return 0 if it is written, otherwise 1."""
    logging.captureWarnings(capture=True)
    logging.getLogger().addHandler(logging.NullHandler())  # the dialogue says it all, and without secrets
    use_other_discord(environ)
    path = options.config.absolute()
    talk = Talk(terminal, environ, path.parent, Draft(language_of(environ)))
    try:
        with _handling_signals():
            _begin(talk, path)
            ask_every_step(talk)
            write(talk, path, directory)
    except (Cancelled, KeyboardInterrupt) as end:
        talk.say()
        if str(end):
            talk.refuse(str(end))
        talk.say(talk.t("Nothing was written. Everything is as before."))
        return 1
    with contextlib.suppress(Cancelled, KeyboardInterrupt), _handling_signals():
        _check(talk, path, directory, cogs)
    talk.say(talk.t("Start the bot with:"))
    talk.terminal.copy(f"  {start_command(directory, path)}")
    return 0


@contextlib.contextmanager
def _handling_signals(handler: SignalHandler = signal.default_int_handler) -> Iterator[None]:
    """Call the handler for SIGINT, SIGTERM and SIGHUP in the `with` block.

    The default raises KeyboardInterrupt, so that the terminal shows typed text again at the end.
    """
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _begin(talk: Talk, path: Path) -> None:
    """Ask for the language and introduce the dialogue. Going back asks for the language again.

    Raises: Cancelled.
    """
    while True:
        walk(talk, {list_steps(talk.draft)[0]})
        with contextlib.suppress(Back):
            introduce(talk, path)
            return


def introduce(talk: Talk, path: Path) -> None:
    """Introduce the dialogue, and check that config.py can be written at the end.

    Raises: Cancelled, Back.
    """
    t = talk.t
    talk.say(
        t(
            "You need a Discord account that can invite a bot to a server, and a root shell on a Proxmox node. Each "
            "answer is tested at once. Nothing is written until the end. Press Ctrl+C to quit at any time, type < "
            "to go back a step, and press Enter to accept the answer in [ ]."
        )
    )
    if not talk.terminal.interactive:
        talk.say(
            t(
                "Standard input is not a terminal. Each line is one answer; the secrets come from DISCORD_TOKEN "
                "and PROXMOX_TOKEN_VALUE (or …_FILE) in the environment."
            )
        )
    others = [name for name in KNOWN_NAMES if talk.environ.get(name) and not name.startswith(_SECRETS)]
    others = [name for name in others if name != "LANGUAGE"]
    if others:
        names = ", ".join(others)
        talk.say(
            f"{WARNING} {t('The environment sets {names}, which overrides config.py.', names=names)}",
            indent=3,
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Cancelled(
            t("Cannot write in {path}. Check its permissions, or use --config.", path=_shown(path.parent))
        )
    if path.is_dir():  # it would be moved away as a whole
        raise Cancelled(t("Cannot write {path} ({reason}).", path=_shown(path), reason="EISDIR"))
    if os.path.lexists(path) and not is_empty(path):
        talk.say(
            f"{WARNING} "
            + t("{path} already exists. The old file will be kept under another name.", path=_shown(path)),
            indent=3,
        )
        if not talk.yes(t("Continue?"), default=False):
            raise Cancelled


def write(talk: Talk, path: Path, directory: Path) -> None:
    """Write config.py and say so, without an interruption between the two.

    Raises: Cancelled.
    """
    with _handling_signals(signal.SIG_IGN):
        _write(talk, path, directory)


def _write(talk: Talk, path: Path, directory: Path) -> None:
    t, text = talk.t, _template(talk, directory / "config.py.example")
    today = time.strftime("%Y-%m-%d")
    try:
        kept = write_config(path, config_text(text, talk.draft.settings(), talk.draft.language), today)
    except OSError as error:
        told = t("Cannot write {path} ({reason}).", path=_shown(path), reason=errno_name(error))
        raise Cancelled(told) from error
    talk.say(f"{OK} {t('{path} was written. Only you can read it.', path=_shown(path))}", indent=3)
    if kept is not None:
        talk.say(t("The old file was kept as {name}.", name=plain(kept.name, PATH_MOST)))
    if names := ", ".join(talk.draft.in_the_way(talk.environ)):
        told = t(
            "With several clusters, the bot does not start while the environment has {names}.",
            names=names,
        )
        talk.say(f"{WARNING} {told}", indent=3)


def _template(talk: Talk, example: Path) -> str:
    """Return the text of config.py.example, "" if there is none or it cannot be read."""
    t = talk.t
    try:
        return example.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeError) as error:
        reason = errno_name(error) if isinstance(error, OSError) else "UTF-8"
        told = t(
            "{path} cannot be read ({reason}): config.py gets no notes.", path=_shown(example), reason=reason
        )
        talk.say(f"{WARNING} {told}", indent=3)
        return ""


def _check(talk: Talk, path: Path, directory: Path, cogs: Cogs) -> None:
    """Offer the health check of the whole setup."""
    t = talk.t
    if not talk.accepts(t("Check the whole setup now (--check)?")):
        return
    place = SetupPlace(directory, path, talk.environ, commands_of(cogs))
    talk.terminal.copy(text_report(*talk.run(check_all(place))))


def start_command(directory: Path, config: Path) -> str:
    """Return the command that starts the bot with its new config.py. For the service, that is its installer."""
    installer = directory / "deploy" / "install.sh"
    if config == SERVICE_CONFIG and installer.is_file():
        return shlex.join(["sh", str(installer)])
    return _command(directory, config)


def _command(directory: Path, config: Path, *options: str) -> str:
    """Return the command that runs the bot with these options, as it can be typed in the current directory."""
    python, script = Path(sys.executable or "python3"), directory / "bot.py"
    if Path.cwd() == directory:
        script = Path("bot.py")
        with contextlib.suppress(ValueError):
            python = python.relative_to(directory)
    other = () if config == directory / "config.py" else ("--config", str(config))
    return shlex.join([str(python), str(script), *options, *other])


def _shown(path: Path) -> str:
    return plain(str(path), PATH_MOST)
