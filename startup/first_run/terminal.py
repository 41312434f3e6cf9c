"""Talk to a person at a terminal, or read prepared answers from a pipe."""

from __future__ import annotations

import contextlib
import getpass
import io
import re
import shutil
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from typing import TextIO

from adapters.settings.faults import printable
from startup.first_run.answers import clean, is_back

if sys.platform != "win32":
    import select
    import termios

WIDEST = 100
"""Maximum columns of a line."""
PASTED_SECONDS = 0.05
"""Seconds to wait for the next line of a pasted text."""
_PIECES = re.compile(r"(?:`[^`]*`|\S)+|\s+")
"""Words and spaces. A command in backticks is never broken, so that it can be copied."""
_BREAKS = re.compile(r"(?<=[\u3001-\u9fff\uff01-\uff60])(?![、。」）・ー,.!?:;)])")
"""The places where a line of Japanese may end: after each character, but not before a closing one."""


class Cancelled(Exception):
    """The dialogue ends without a result. The text says why; it is "" if the person or the input ended it."""


class Back(Exception):
    """The person wants to return to the previous step."""


class Terminal:
    """Standard input and output of the dialogue.

    `interactive`: a person answers. Otherwise each line of the input is one answer.
    `questions`: the number of questions that were asked so far.
    """

    def __init__(
        self, environ: Mapping[str, str], source: TextIO = sys.stdin, sink: TextIO = sys.stdout
    ) -> None:
        self._in, self._out = source, sink
        for stream in (source, sink):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self.interactive, self.questions = source.isatty(), 0
        self._plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb" or not sink.isatty()

    # -- telling

    def say(self, text: str = "", *, indent: int = 0) -> None:
        """Print a paragraph, broken between words. Lines after the first are indented."""
        columns = min(shutil.get_terminal_size().columns, WIDEST)
        self._write("\n".join(wrap(text, columns - 1, indent)) + "\n")

    def copy(self, text: str) -> None:
        """Print a line that is meant to be copied: it is never broken."""
        self._write(text + "\n")

    def head(self, text: str) -> None:
        """Print the title of a step."""
        self._write(f"\n{text}\n" if self._plain else f"\n\x1b[1m{text}\x1b[0m\n")

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Show and keep nothing that a person types in the `with` block. On Windows, do nothing."""
        if self.interactive and sys.platform != "win32":
            with _without_echo(self._in.fileno()):
                yield
        else:
            yield

    # -- asking

    def ask(self, question: str, default: str = "") -> str:
        """Return a cleaned answer, the default for an empty one.

        Raises: Back, Cancelled.
        """
        self.questions += 1
        if self.interactive and sys.platform != "win32":
            # drop what was typed before this question was shown: it does not answer it
            termios.tcflush(self._in.fileno(), termios.TCIFLUSH)
        self._prompt(f"{question} [{default}]" if default else question)
        answer = clean(" ".join(self._lines()))
        if not self.interactive:
            self._write(f"{printable(answer) or '***' if answer else default}\n")
        if is_back(answer):
            raise Back
        return answer or default

    def ask_secret(self, question: str) -> str:
        """Return hidden input. Its lines are joined, because a pasted text may be broken.

        Raises: Back, Cancelled.
        """
        self.questions += 1
        if sys.platform == "win32":
            typed = self._typed_on_windows(question)
        else:
            with _without_echo(self._in.fileno()):
                self._prompt(question)
                typed = "".join(self._lines())
            self._write("\n")
        if is_back(typed):
            raise Back
        return typed

    def _typed_on_windows(self, question: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                return getpass.getpass(f"{question}: ", self._out)
            except (EOFError, getpass.GetPassWarning) as error:
                raise Cancelled from error

    def _prompt(self, question: str) -> None:
        columns = min(shutil.get_terminal_size().columns, WIDEST)
        self._write("\n".join(wrap(f"{question}: ", columns - 1)).rstrip() + " ")

    def _lines(self) -> list[str]:
        """Return the lines of a typed or pasted answer.

        Raises: Cancelled at the end of the input.
        """
        if not self.interactive:
            return [self._line()]
        lines = [self._line()]
        while sys.platform != "win32" and select.select([self._in], [], [], PASTED_SECONDS)[0]:
            lines.append(self._line())
        return [line.strip() for line in lines]

    def _line(self) -> str:
        line = self._in.readline()
        if not line:
            self._write("\n")
            raise Cancelled
        return line.rstrip("\r\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


@contextlib.contextmanager
def _without_echo(descriptor: int) -> Iterator[None]:
    """Turn off the terminal's echo in the `with` block. Drop anything typed before it, or not read in it."""
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for each wide character."""
    return sum(
        0
        if unicodedata.combining(char) or char == "\ufe0f"
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def wrap(text: str, columns: int, indent: int = 0) -> list[str]:
    """Break a text into lines. A word that is longer than a line stays whole, so that it can be copied."""
    lines, line = list[str](), ""
    for piece in (part for word in _PIECES.findall(text) for part in _BREAKS.split(word)):
        if line.strip() and columns_of(line) + columns_of(piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = " " * indent
            if piece.isspace():
                continue
        line += piece
    return [*lines, line] if text.endswith(" ") else [*lines, line.rstrip()]
