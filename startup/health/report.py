"""Write the health check's results: for people, a line each, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable

from core.health.result import Result, exit_code
from ui.i18n import Text
from ui.messages.health import result_line, result_text, summary_line


def text_report(t: Text, results: Iterable[Result]) -> str:
    """Return a line for each result, and one about them all."""
    listed = list(results)
    return "\n".join([*(result_line(t, result) for result in listed), summary_line(t, listed)])


def json_report(t: Text, results: Iterable[Result]) -> str:
    """Return one JSON object. Its words for `check`, `level` and `problem` are the same in each language.

    It is plain ASCII: no name from Proxmox or Discord can command a terminal, or contain a character that the
    terminal cannot show.
    """
    listed = list(results)
    rows = [
        {
            "check": result.check,
            "level": result.level.value,
            "problem": result.word,
            "where": result.where,
            "text": result_text(t, result),
            "values": dict(result.values),
        }
        for result in listed
    ]
    return json.dumps({"exit": exit_code(listed), "results": rows}, indent=1)
