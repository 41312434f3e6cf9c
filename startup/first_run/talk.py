"""Give every step of the dialogue the terminal, the language, the answers, and a way to run a probe.

Questions raise Back or Cancelled (startup/first_run/terminal.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapters.settings.faults import Fault, FaultKind, RawSetting, SettingRejected
from adapters.settings.load import SETTINGS, Secret
from core.health.result import Result
from startup.first_run.answers import find_row, find_rows, is_none, yes_or_no
from startup.first_run.draft import Draft, Given
from startup.first_run.terminal import Back, Cancelled, Terminal
from startup.threads import UnjoinedThreads
from ui.formatting import FAILED, WARNING, plain
from ui.i18n import Text, Texts
from ui.messages.faults import fault_lines
from ui.messages.health import result_line

T = TypeVar("T")
ROWS_MOST = 40
"""Maximum rows of a list that are shown. Further ones can be chosen, too."""
THREADS = 16
"""Maximum number of DNS look-ups and requests to Proxmox at once."""


@dataclass(slots=True)
class Talk:
    """One dialogue. `base`: the directory of config.py, where relative paths start."""

    terminal: Terminal
    environ: Mapping[str, str]
    base: Path
    draft: Draft

    @property
    def t(self) -> Text:
        return Texts(self.draft.language).public

    # -- telling

    def say(self, text: str = "", *, indent: int = 0) -> None:
        self.terminal.say(text, indent=indent)

    def tell(self, results: Iterable[Result]) -> None:
        """Print results as the health check does. A line with a bare command can be copied: it is not wrapped."""
        for result in results:
            line, command = result_line(self.t, result), result.values.get("line", "")
            if command and command in line and f"`{command}`" not in line:
                self.terminal.copy(line)
            else:
                self.say(line, indent=3)

    def refuse(self, text: str) -> None:
        self.say(f"{FAILED} {text}", indent=3)

    # -- asking

    def ask(self, question: str, default: str = "") -> str:
        return self.terminal.ask(question, default)

    def wait(self, question: str) -> str:
        """Return the answer of a person who was asked to fix something first.

        Raises: Back; Cancelled, without a terminal always.
        """
        if not self.terminal.interactive:
            raise Cancelled(self.t("Fix this, then run it again."))
        return self.ask(question)

    def yes(self, question: str, *, default: bool) -> bool:
        """Return the answer to a yes-or-no question."""
        choices = "Y/n" if default else "y/N"
        while (answer := yes_or_no(self.ask(f"{question} [{choices}]"), default=default)) is None:
            self.refuse(self.t("Answer y or n."))
        return answer

    def accepts(self, offer: str) -> bool:
        """Return whether an offer outside of the steps is accepted. Going back declines it.

        Raises: Cancelled.
        """
        try:
            return self.yes(offer, default=True)
        except Back:
            return False

    def choose(self, question: str, rows: Sequence[Row], default: int | None = None) -> int:
        """Show numbered rows and return the index of the chosen one."""
        self.show(rows)
        while True:
            typed = self.ask(question, "" if default is None else str(default + 1))
            row = _row_of(typed, rows)
            if row is not None:
                return row
            self._not_there(typed)

    def choose_or_none(self, question: str, rows: Sequence[Row], default: int | None = None) -> int | None:
        """Show numbered rows and return the index of the chosen one, or None for none of them."""
        self.show(rows)
        while not is_none(typed := self.ask(question, "-" if default is None else str(default + 1))):
            row = _row_of(typed, rows)
            if row is not None:
                return row
            self._not_there(typed)
        return None

    def choose_some(self, question: str, rows: Sequence[Row], default: Sequence[int] = ()) -> list[int]:
        """Return the indexes of the rows that are chosen. The rows are shown already."""
        while True:
            typed = self.ask(question, ", ".join(str(at + 1) for at in default) or "-")
            if is_none(typed):
                return []
            found = find_rows(typed, [row.name for row in rows], [row.number for row in rows])
            if found is not None:
                return found
            self._not_there(typed)

    def _not_there(self, typed: str) -> None:
        if typed:
            shown = self.t("“{value}”", value=plain(typed, 60))
            self.refuse(self.t("{typed} is not in the list. Type a number or a name from it.", typed=shown))
        else:
            self.refuse(self.t("Type a number or a name from the list."))

    def show(self, rows: Sequence[Row]) -> None:
        """Print numbered rows."""
        for at, row in enumerate(rows[:ROWS_MOST], 1):
            self.say(f" {at:>2}  {row.shown}", indent=5)
        if len(rows) > ROWS_MOST:
            left = len(rows) - ROWS_MOST
            self.say("     " + self.t("… and {n} more, which you can choose by name.", n=left), indent=5)

    # -- testing

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a probe. A DNS look-up that hangs does not delay its end.

        Anything typed meanwhile is not shown, because it may be a secret typed ahead.
        """

        async def bounded() -> T:
            asyncio.get_running_loop().set_default_executor(UnjoinedThreads(THREADS))
            return await work

        with self.terminal.silent():
            return asyncio.run(bounded())

    def parsed(self, name: str, value: object) -> Any:
        """Return a value as the bot's own settings parse it, or None after saying what is wrong."""
        row = next(row for row in SETTINGS if row.name == name)
        try:
            return row.parse(RawSetting(name, row.form, value, "config", self.base, secret=row.secret))
        except SettingRejected as refused:
            self.tell_faults(refused.faults)
            return None

    def tell_faults(self, faults: Iterable[Fault]) -> None:
        for line in fault_lines(self.t, faults):
            self.refuse(line)

    def _from_environment(self, name: str) -> Given | None:
        """Return a secret from the environment, or from the file that the environment names.

        Raises: Cancelled, if the file cannot be read, or if both are set: the bot would not start.
        """
        file, value = self.environ.get(f"{name}_FILE", "").strip(), self.environ.get(name, "").strip()
        if file and value:
            both = Fault(FaultKind.BOTH_GIVEN, name, source="environment", other=f"{name}_FILE")
            raise Cancelled(" ".join(fault_lines(self.t, [both])))
        if not file:
            return Given(Secret(value), typed=False) if value else None
        path = (self.base / Path(file).expanduser()).absolute()
        try:
            text = path.read_text("utf-8-sig").strip()
        except (OSError, ValueError) as error:
            raise Cancelled(
                self.t("Cannot read {name}: {path}.", name=f"{name}_FILE", path=plain(file, 200))
            ) from error
        return Given(Secret(text), str(path), typed=False)

    def secret(self, name: str, question: str, *, first: bool) -> Given | None:
        """Return a secret from the environment at the first attempt, otherwise one that is typed unseen.

        None: nothing was typed.
        Raises: Back, Cancelled.
        """
        given = self._from_environment(name) if first or not self.terminal.interactive else None
        if given is not None and first:
            self.say(self.t("{name} is taken from the environment.", name=name))
            return given
        if not self.terminal.interactive:
            if given is not None:
                raise Cancelled(self.t("Fix this, then run it again."))
            raise Cancelled(
                self.t("Without a terminal, set {name} or {name}_FILE in the environment.", name=name)
            )
        if not first and (set_there := self._from_environment(name)) is not None:
            variable = f"{name}_FILE" if set_there.file else name
            told = self.t("The environment sets {names}, which overrides config.py.", names=variable)
            self.say(f"{WARNING} {told}", indent=3)
        typed = self.terminal.ask_secret(question)
        return Given(Secret(typed)) if typed.strip() else None


@dataclass(frozen=True, slots=True)
class Row:
    """A row to choose: its name, its text, and an id by which it can be chosen, too."""

    name: str
    shown: str
    number: int = -1


def _row_of(typed: str, rows: Sequence[Row]) -> int | None:
    return find_row(typed, [row.name for row in rows], [row.number for row in rows])
