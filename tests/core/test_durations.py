"""Test the parsing of durations as people write them, and the refusal of other texts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import LEAST_SECONDS, MOST_SECONDS, parse_duration
from core.wanted_errors import BadDuration
from tests.support.walked import walked
from ui.formatting import format_duration
from ui.i18n import Texts
from ui.interaction.options import OFFERED

MINUTE, HOUR, DAY = 60, 3600, 86_400
TEXTS = Texts("ja")


@walked(
    ("text", "seconds"),
    [
        ("1m", MINUTE),
        ("30m", 30 * MINUTE),
        ("8h", 8 * HOUR),
        ("2d", 2 * DAY),
        ("30d", 30 * DAY),
        ("720h", 30 * DAY),
        ("43200m", 30 * DAY),
        ("1d12h30m", 36 * HOUR + 30 * MINUTE),
        ("1h 30m", 90 * MINUTE),
        (" 8 H ", 8 * HOUR),
        ("30 min", 30 * MINUTE),
        ("30mins", 30 * MINUTE),
        ("1 minute", MINUTE),
        ("90 minutes", 90 * MINUTE),
        ("8 hours", 8 * HOUR),
        ("1hr", HOUR),
        ("2 days", 2 * DAY),
        ("30分", 30 * MINUTE),
        ("30分間", 30 * MINUTE),
        ("8時間", 8 * HOUR),
        ("1時間30分", 90 * MINUTE),
        ("2日", 2 * DAY),
        ("2日間", 2 * DAY),
        ("８ 時間", 8 * HOUR),
        ("３０分", 30 * MINUTE),
        ("８ｈ", 8 * HOUR),
        ("1\u3000日", DAY),
        ("007h", 7 * HOUR),
        ("0d1h", HOUR),
    ],
)
def test_what_people_write(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@walked(
    "text",
    [
        "",
        " ",
        "0m",
        "0h",
        "30",
        "h",
        "-1h",
        "+1h",
        "1.5h",
        "1,5h",
        "1h1h",
        "30m1h",
        "59s",
        "60s",
        "1w",
        "30d1m",
        "31d",
        "721h",
        "999999d",
        "9" * 5000 + "m",
        "1e3m",
        "1h; rm",
        "soon",
        "永遠",
        "٣h",
        "1h\n@everyone",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadDuration) as caught:
        parse_duration(text)
    assert caught.value.value == text


@given(st.integers(LEAST_SECONDS // 60, MOST_SECONDS // 60), st.sampled_from(["ja", "en"]))
def test_what_is_shown_can_be_typed(minutes: int, language: str) -> None:
    """The shown form keeps only the two largest units."""
    shown = format_duration(TEXTS.of("ja" if language == "ja" else "en"), minutes * 60)
    assert 0 <= minutes * 60 - parse_duration(shown) < 3600


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with contextlib.suppress(BadDuration):
        assert LEAST_SECONDS <= parse_duration(text) <= MOST_SECONDS


def test_what_is_offered_is_one() -> None:
    assert [parse_duration(text) for text in OFFERED] == sorted({parse_duration(text) for text in OFFERED})
