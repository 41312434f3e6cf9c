"""Test the tree of errors, and the one form in which an error is stored. The forms of older bots are read, too."""

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.logging_setup import escape_line
from core.audit.log_line import OUTCOME_MOST
from core.audit.record import UNKNOWN
from core.codec import decode, encode
from core.error_codec import ERRORS, from_dict, from_text, word_of
from core.errors import TEXT_MOST, BotError, NotAllowed, TooManyChanges
from core.guest_errors import GuestBusy
from core.levels import Level
from core.proxmox_errors import CertificateNotTrusted, HalfGone, ProxmoxError, Rejected, TimedOut, Unreachable
from core.wanted_errors import BadAmount
from core.watch.incidents.model import SourceFault
from tests.support.walked import walked

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = [json.loads(line) for line in (FIXTURES / "errors_of_2026_11_26.jsonl").read_text("utf-8").splitlines()]
"""Errors as the bot of 26 November 2026 wrote them into the audit (`str`) and into an incident (pairs of texts)."""
every_kind = walked("kind", ERRORS.values())


def every_error(root: type[BotError] = BotError) -> set[type[BotError]]:
    kinds = set(root.__subclasses__())
    return kinds.union(*(every_error(kind) for kind in kinds))


def values_of(error: BotError) -> dict[str, Any]:
    return {each.name: getattr(error, each.name) for each in fields(error)}  # type: ignore[arg-type]  # every subclass is a dataclass


def with_later_fields(kind: type[BotError], values: dict[str, Any]) -> dict[str, Any]:
    """Return these values of an old error, and the defaults of the fields that came later."""
    made = {each.name: each.default for each in fields(kind) if each.default is not MISSING}  # type: ignore[arg-type]  # every subclass is a dataclass
    return {**made, **values}


def errors_of(
    kind: type[BotError], texts: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[BotError]:
    """Generate errors of this class."""
    made = {name: st.from_type(hint) for name, hint in get_type_hints(kind).items()}
    for name, hint in get_type_hints(kind).items():
        if hint is str:
            made[name] = st.text() if texts is None else texts
        elif hint is float:
            made[name] = st.floats(allow_nan=False)
    return st.builds(kind, **made)


def test_every_error_of_the_bot_can_be_kept() -> None:
    product = {kind for kind in every_error() if not kind.__module__.startswith("tests.")}
    assert set(ERRORS.values()) == product, "a module of errors is not imported by core/error_codec.py"
    assert len(ERRORS) == len(product) > 60, "two errors of one name"


@every_kind
def test_the_values_of_an_error_are_ones_that_json_knows(kind: type[BotError]) -> None:
    """They are not lists, dicts or dataclasses, because incidents are compared by them."""
    plain = (str, int, float, bool, int | None, str | None)
    hints = get_type_hints(kind).values()
    assert [hint for hint in hints if hint not in plain and not issubclass(hint, (str, int))] == []


@every_kind
def test_an_error_comes_back_as_it_was(kind: type[BotError]) -> None:
    @settings(max_examples=8)
    @given(errors_of(kind))
    def comes_back(error: BotError) -> None:
        through_json = json.loads(json.dumps(error.to_dict()))
        for again in (from_dict(error.to_dict()), from_dict(through_json)):
            assert type(again) is kind
            assert values_of(again) == values_of(error)
        text = str(error)
        assert len(text) <= TEXT_MOST
        assert escape_line(text) == text, "nothing in it that cannot be seen"
        assert word_of(text) == kind.__name__
        assert type(from_text(text)) is kind
        if isinstance(error, ProxmoxError):
            fault = SourceFault.of(error)
            assert decode(SourceFault, encode(fault)) == fault

    comes_back()


@every_kind
def test_a_long_error_is_cut_and_still_read(kind: type[BotError]) -> None:
    @settings(max_examples=2)
    @given(errors_of(kind, st.text(min_size=500, max_size=3000)))
    def is_read(error: BotError) -> None:
        assert len(UNKNOWN) + len(str(error)) <= OUTCOME_MOST
        again = from_text(str(error))
        assert type(again) is kind
        for name, value in values_of(error).items():
            told = getattr(again, name)
            assert told == value or (isinstance(value, str) and told == value[: len(told) - 1] + "…")

    is_read()


def test_the_written_form_of_errors_is_stable() -> None:
    """Later bots must be able to read the words that a bot of today has stored."""
    assert str(Rejected(500, 'no "such"\ndisk 秋')) == (
        '{"error":"Rejected","values":{"status":500,"message":"no \\"such\\"\\ndisk 秋"}}'
    )
    assert (
        str(NotAllowed(Level.ADMIN, Level.VIEWER)) == '{"error":"NotAllowed","values":{"needed":3,"level":1}}'
    )
    fault = SourceFault.of(TimedOut("pve", changing=False))
    assert encode(fault) == '{"error":"TimedOut","values":{"host":"pve","changing":false}}'


def test_an_endless_wait_can_be_written_and_read() -> None:
    again = from_text(str(TooManyChanges(5, math.inf)))
    assert isinstance(again, TooManyChanges)
    assert again.wait == math.inf


@walked("row", OLD)
def test_an_error_of_an_older_bot_is_read(row: dict[str, Any]) -> None:
    error = from_text(row["audit"])
    assert type(error).__name__ == row["is"]["error"] == word_of(row["audit"])
    assert error is not None
    expected = with_later_fields(type(error), row["is"]["values"])
    assert values_of(error) == expected
    if "incident" in row:
        fault = decode(SourceFault, json.dumps(row["incident"]))
        assert fault == SourceFault.of(error)
        again = from_dict(fault.to_dict())
        assert again is not None
        assert values_of(again) == expected


@pytest.mark.parametrize("journal", ["fixtures/data_of_2026_11_25/journal.sql", "journals/version-2.sql"])
def test_the_refusals_in_an_older_journal_are_read(journal: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((FIXTURES.parent / journal).read_text("utf-8"))
        kept = [row[0].decode() for row in db.execute("SELECT outcome FROM audit WHERE step = 'refused'")]
    assert kept
    assert all(from_text(outcome) for outcome in kept), kept


def test_a_field_that_came_later_takes_its_default() -> None:
    error = from_text("GuestBusy(vmid=101, label='web01', verb='stop', by='Emma', since=1.5)")
    assert isinstance(error, GuestBusy)
    assert error.by_id == 0


def test_an_older_incident_of_an_unknown_reason_is_read() -> None:
    old = '{"error":"OfTomorrow","values":[["host","pve1"]]}'
    assert decode(SourceFault, old) == SourceFault("OfTomorrow")


@walked(
    "text",
    [
        "",
        "OK",
        "got timeout",
        "OfTomorrow(vmid=1)",
        "Rejected",
        "Rejected(status=500)",
        "Rejected(status='500', message='x')",
        "Rejected(status=500, message='it was cut of",
        "NotAllowed(needed=<Level.GOD: 9>, level=<Level.NONE: 0>)",
        "BotError()",
        "Unreachable(host=__import__('os').getcwd())",
        "Unreachable(host=" + "[" * 500 + ")",
        '{"error":"OfTomorrow","values":{}}',
        '{"error":"Rejected","values":{"status":500}}',
        '{"error":"Rejected","values":{"status":true,"message":"x"}}',
        '{"error":"Rejected","values":[[["status"]]]}',
        '{"error":"Rejected","values":[500]}',
        '{"error":"Rejected","values":7}',
        '{"error":"Rejected"',
        '{"error":"Unreachable","values":{"host":' + "[" * 900,
        '{"error":["Rejected"],"values":{}}',
        '["error"]',
        '{"error":"TooManyChanges","values":{"most":5,"wait":' + "9" * 400 + "}}",
        "TooManyChanges(most=5, wait=" + "9" * 400 + ")",
        "Rejected(" + "a='b" * 15_000 + ")",
    ],
)
def test_unknown_records_decode_to_no_error(text: str) -> None:
    assert from_text(text) is None


def test_the_word_of_a_text_that_is_no_error() -> None:
    assert word_of("got timeout (after 60 s)") == "got timeout "
    assert word_of(f"{BadAmount('cores', 0, 1, 8)}") == "BadAmount"
    assert word_of("NotHere()") == "NotHere"


def test_none_and_the_word_none_are_kept_apart() -> None:
    for error in (CertificateNotTrusted("h", None), CertificateNotTrusted("h", "None"), HalfGone(None, 7)):
        again = from_text(str(error))
        assert again is not None
        assert values_of(again) == values_of(error)
    assert isinstance(from_dict({"error": "Unreachable", "values": [["host", "None"]]}), Unreachable)


@walked("text", ['{"most":5,"wait":' + "9" * 400 + "}", '{"most":"5","wait":1}', "[", "[" * 100_000, "7"])
def test_a_text_that_does_not_fit_the_class_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a TooManyChanges|Expecting value"):
        decode(TooManyChanges, text)
