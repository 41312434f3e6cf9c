"""Define a planted misconfiguration, and the result that the health check must have for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.health.result import Verdict
from tests.support.process_stage import ProcessStage

Settings = dict[str, str]
Play = Callable[[ProcessStage], Iterator[Settings]]
BAD, DOUBT = Verdict.ERROR, Verdict.WARNING
NOWHERE = "999999999999999999"
"""An id that nothing has."""


@dataclass(frozen=True)
class Fault:
    """A fault. `play`: a generator that plants it, yields the settings that differ, and removes it when resumed.

    `word`, `level`: those of the result that must report it. `remedy`: a pattern that its advice matches, in both
    languages.
    """

    play: Play
    word: str
    level: Verdict
    remedy: str


class Faults(list[Fault]):
    """The faults of one area, in the order of their definition."""

    def add(self, word: str, level: Verdict, remedy: str) -> Callable[[Play], None]:
        """Decorate the generator that plants a fault."""

        def defined(play: Play) -> None:
            self.append(Fault(play, word, level, remedy))

        return defined
