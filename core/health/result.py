"""Define the result of one part of the health check."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import BotError
from core.health.readiness import Finding

SHOWN_MOST = 5
"""Maximum number of names in one sentence, and of paths in one remedy."""


class Verdict(StrEnum):
    """How bad a result is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNCHECKED = "unchecked"  # something it depends on has failed


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check.

    `check`: the name of the check, for machines. `word`: its row of words in ui/messages/health.py.
    `where`: the site, entry point or setting, "" for none. `values`: they fill the words.
    `finding` or `error`: its own words are used instead.
    """

    check: str
    level: Verdict
    word: str
    where: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    finding: Finding | None = None
    error: BotError | None = None


def ok(check: str, word: str, where: str = "", **values: str) -> Result:
    """Return a good result."""
    return Result(check, Verdict.OK, word, where, values)


def warning(check: str, word: str, where: str = "", **values: str) -> Result:
    """Return a result that needs attention, but lets the bot work."""
    return Result(check, Verdict.WARNING, word, where, values)


def error(check: str, word: str, where: str = "", **values: str) -> Result:
    """Return a result that keeps the bot from working."""
    return Result(check, Verdict.ERROR, word, where, values)


def unchecked(check: str, where: str = "") -> Result:
    """Return the result of a check that had to be left out."""
    return Result(check, Verdict.UNCHECKED, "not_checked", where)


def failed(check: str, problem: BotError, where: str = "") -> Result:
    """Return the result of a check that failed with an error of Proxmox or of the connection to it."""
    return Result(check, Verdict.ERROR, type(problem).__name__, where, error=problem)


def of_finding(check: str, finding: Finding, where: str = "") -> Result:
    """Return the result for a finding of core/health/readiness.py."""
    level = Verdict.ERROR if finding.is_serious else Verdict.WARNING
    return Result(check, level, finding.problem.value, where, finding=finding)


def names_text(names: Sequence[str]) -> str:
    """Return the first names in one text. It ends with the number of the others, if there are any."""
    left = len(names) - SHOWN_MOST
    return ", ".join([*names[:SHOWN_MOST], *([f"… +{left}"] if left > 0 else [])])


def exit_code(results: Iterable[Result]) -> int:
    """Return 0 if all is well, 1 with warnings or unchecked parts, 2 with errors."""
    levels = {result.level for result in results}
    if Verdict.ERROR in levels:
        return 2
    return 1 if levels & {Verdict.WARNING, Verdict.UNCHECKED} else 0
