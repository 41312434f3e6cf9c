"""Test that Proxmox answers as the bot expects: against the playground as 8.4 and 9, or against a real one.

The environment names a real one (tests/README.md). Then the first test runs against it, and those of the playground
are skipped.
"""

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest

from adapters.proxmox.health_reads import HealthReads
from adapters.proxmox.resource_rows import ResourceRow
from adapters.proxmox.transport import responses
from proxmox_client import ProxmoxClient
from tests.contract import changes, played, real
from tests.contract.changes import Change, Place
from tests.contract.suite import CASES, Report, run_all
from tests.support.contract.answers import Forms, form_of, forms_of
from tests.support.contract.forms import has_place, whole
from tests.support.contract.talk import complaints_of, replay, talk_over
from tests.support.contract.wire import Exchange, OtherRequest
from tests.support.pve_contract import CONTRACT

REAL = real.settings()
VERSIONS = ("8.4.5", "9.1.4")
only_played = pytest.mark.skipif(
    REAL is not None, reason="a test of the playground; the target is a real Proxmox"
)
PARSE = responses._document
BY_NAME = {case.name: case for case in CASES}


def _told(report: Report) -> str:
    return "\n".join(f"## {name}\n" + "\n".join(wrong) for name, wrong in report.wrong.items())


if REAL is not None:  # collected only with a target, so that no ordinary run skips it
    TARGET = REAL

    async def test_a_real_proxmox_answers_as_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
        host = real.Real(TARGET)
        host.prepare()

        def tell(line: str) -> None:
            with capsys.disabled():
                print(line, flush=True)  # noqa: T201 - it takes minutes, and its log is read while it goes on

        report = await run_all(TARGET.facts, host, tell)
        real.keep(report)
        assert not report.wrong, _told(report)


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """Run the contract against the playground once for each generation."""
    found = {}
    for version in VERSIONS:
        with played.opened(version) as (facts, host):
            found[version] = asyncio.run(run_all(facts, host))
    return found


@only_played
async def test_the_playground_answers_as_the_contract_says(reports: dict[str, Report]) -> None:
    for report in reports.values():
        assert not report.wrong, _told(report)
        assert set(report.kept) == set(BY_NAME)


@only_played
def test_every_path_and_every_call_of_the_bot_has_a_case(reports: dict[str, Report]) -> None:
    calls = {
        name
        for reads in (ProxmoxClient, HealthReads)
        for name in dir(reads)
        if inspect.iscoroutinefunction(getattr(reads, name)) and not name.startswith("_")
    }
    for report in reports.values():
        assert report.calls >= calls, calls - report.calls
        answered = {
            changes.template_of(exchange) for exchange in _all(report) if not changes.is_refusal(exchange)
        }
        assert answered == {f"{row.method} {row.path}" for row in CONTRACT}


def _all(report: Report) -> list[Exchange]:
    return [exchange for exchanges in report.kept.values() for exchange in exchanges]


At = tuple[str, int]
"""A case, and the number of one of its exchanges."""


def _answers(report: Report) -> dict[str, list[At]]:
    """Return the positions of each path's answers, without refusals."""
    found: dict[str, list[At]] = defaultdict(list)
    for name, kept in report.kept.items():
        for number, exchange in enumerate(kept):
            if not changes.is_refusal(exchange):
                found[changes.template_of(exchange)].append((name, number))
    return found


def _exchanges(report: Report, places: Iterable[At]) -> list[Exchange]:
    return [report.kept[name][number] for name, number in places]


@pytest.fixture(scope="module")
def read_places(reports: dict[str, Report]) -> dict[str, dict[str, set[Place]]]:
    """Run all cases over the kept answers, and return the places that the bot reads, by version and template."""
    with pytest.MonkeyPatch.context() as patch:
        return {version: asyncio.run(_read_places(report, patch)) for version, report in reports.items()}


async def _read_places(report: Report, patch: pytest.MonkeyPatch) -> dict[str, set[Place]]:
    read: dict[str, set[Place]] = defaultdict(set)
    now, parse = [""], PARSE

    def note_template(exchange: Exchange) -> None:
        now[0] = changes.template_of(exchange)

    def note_document(body: bytes | bytearray) -> object:
        document = parse(body)
        if isinstance(document, dict) and document.get("data") is not None:
            document["data"] = changes.noted(document["data"], (), read[now[0]])
        return document

    patch.setattr(responses, "_document", note_document)
    for name, kept in report.kept.items():
        talk = talk_over(report.facts, {}, kept)
        talk.wire.check = note_template
        await BY_NAME[name].run(talk)
    read["GET /cluster/resources"] = {("*", name) for name in ResourceRow.__struct_fields__}
    rights = _exchanges(report, _answers(report)["GET /access/permissions"])
    read["GET /access/permissions"] = {
        place for each in rights for place, _ in changes.places_of(changes.data_of(each))
    }
    return read


@only_played
def test_every_value_that_the_bot_reads_has_a_form(
    reports: dict[str, Report], read_places: dict[str, dict[str, set[Place]]]
) -> None:
    for version, report in reports.items():
        forms = forms_of(report.facts)
        for template, where in _answers(report).items():
            answers = _exchanges(report, where)
            form = form_of(answers[0], forms)
            assert form is not None
            sent = {place for each in answers for place, _ in changes.places_of(changes.data_of(each))}
            for place in read_places[version][template] & set(map(changes.plain, sent)):
                assert has_place(form, place), (version, template, place)


@only_played
async def test_every_changed_answer_is_noticed(
    reports: dict[str, Report], read_places: dict[str, dict[str, set[Place]]]
) -> None:
    """Try a change that the versions have in common only once."""
    tried: set[str] = set()
    unseen: list[str] = []
    for version, report in reports.items():
        forms = forms_of(report.facts)
        for change, where in _changes(report, read_places[version]):
            if change.where in tried:
                continue
            tried.add(change.where)
            if not await _is_seen(report, forms, change, where):
                unseen.append(f"{version}: {change.where}")
    assert not unseen, "\n".join(unseen)
    assert len(tried) > 800, "too few changes were tried"


def _changes(report: Report, read: dict[str, set[Place]]) -> Iterator[tuple[Change, list[At]]]:
    """Yield every change with its target: all answers of a path, or one refusal."""
    for template, where in _answers(report).items():
        for change in changes.changes_of(template, _exchanges(report, where), read[template]):
            yield change, where
    for name, kept in report.kept.items():
        for number, exchange in enumerate(kept):
            if changes.is_refusal(exchange):
                for change in changes.changes_of_refusal(exchange):
                    yield change, [(name, number)]


async def _is_seen(report: Report, forms: Forms, change: Change, where: list[At]) -> bool:
    """Return whether the change is noticed: a form complains about a changed answer, or a case that gets it fails."""
    changed: dict[str, dict[int, Exchange]] = defaultdict(dict)
    for name, number in where:
        exchange = change.apply(report.kept[name][number])
        if complaints_of(exchange, forms):
            return True
        changed[name][number] = exchange
    for name, others in changed.items():
        kept = [others.get(number, exchange) for number, exchange in enumerate(report.kept[name])]
        try:
            if await replay(BY_NAME[name], report.facts, forms, kept):
                return True
        except (Exception, OtherRequest):  # noqa: BLE001 - whatever a case meets, it has seen the change
            return True
    return False


def test_a_whole_number_as_text_has_no_fraction() -> None:
    form = whole(1, 8, text=True)
    assert [list(form.check(value, "cores", 0.0)) for value in (4, "4")] == [[], []]
    for value in (4.5, "4.5"):
        assert list(form.check(value, "cores", 0.0)) == [f"cores is {value!r}: no integer"]
