"""Run the whole contract against a target, and keep all requests and answers."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.proxmox.transport.connections import ApiConnection
from tests.contract.cases.changing import CHANGING
from tests.contract.cases.reading import READING
from tests.contract.cases.refusals import REFUSALS
from tests.support.contract.answers import forms_of
from tests.support.contract.talk import Case, Talk
from tests.support.contract.target import Facts, Host
from tests.support.contract.wire import Exchange, Wire

CASES = (*READING, *CHANGING, *REFUSALS)


@dataclass
class Report:
    """The result of a run of the contract. `kept`: the exchanges of each case.

    `wrong`: the complaints of each case that has any. `calls`: the methods of the bot's clients that were used.
    """

    facts: Facts
    kept: dict[str, tuple[Exchange, ...]] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)


async def run_all(facts: Facts, host: Host, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Run every case that the target can play. A case that fails does not end the run."""
    report, forms = Report(facts), forms_of(facts)
    connection = ApiConnection(facts.endpoint, facts.endpoint.entry_points[0])
    try:
        for case in CASES:
            if case.needs_play and not host.played:
                continue
            found = await _run(case, talk := Talk(facts, host, Wire(connection), forms))
            if host.played:
                host.play("")
            report.kept[case.name] = tuple(talk.wire.done)
            report.calls |= talk.calls
            if found:
                report.wrong[case.name] = found
            tell(f"{'FAILED' if found else 'ok'}  {case.name}  ({len(talk.wire.done)} requests)")
    finally:
        connection.close()
    return report


async def _run(case: Case, talk: Talk) -> list[str]:
    """Run a case, and return its complaints. An error is one of them."""
    try:
        await case.run(talk)
    except Exception:  # noqa: BLE001 - whatever a case meets is its result
        return [traceback.format_exc(limit=-4), *talk.complaints, *_last(talk)]
    return talk.complaints


def _last(talk: Talk) -> list[str]:
    """Return the last answer, which may explain a failure."""
    if not talk.wire.done:
        return []
    last = talk.wire.done[-1]
    body = bytes(last.response.body)[:2000].decode("utf-8", "replace")
    return [f"last answer: {last.method} {last.path}: {last.response.status} {last.response.reason} {body}"]
