"""Test what the demo changes in SimCord's page."""

from typing import Any

from simcord.preview import _markdown, _queries

from playground.discord import simcord_changes  # its changes are made by this import


def summary_of(tokens: list[dict[str, Any]]) -> Any:
    return getattr(_queries, "markdown_summary")(tokens)  # noqa: B009 - not exported, says mypy


def tokens_of(text: str, **context: Any) -> Any:
    return getattr(_queries, "markdown_tokens")(text, "message", context=context)  # noqa: B009 - not exported, says mypy


def test_the_list_of_messages_tells_the_time() -> None:
    time: dict[str, Any] = {"type": "timestamp", "unix": 1_764_242_700, "style": "t"}
    assert (
        summary_of([{"type": "text", "content": "back at "}, {"type": "strong", "children": [time]}])
        == "back at 20:25"
    )
    assert summary_of([{**time, "unix": 10**30}]) == "[timestamp]"
    assert str(simcord_changes.ZONE) == "Asia/Tokyo", "the same zone as the rest of the page"


def test_a_text_that_is_parsed_once_has_new_tokens_each_time() -> None:
    text = "**up** <@1> ||`secret`|| <t:1764242700:t>"
    as_simcord = getattr(_markdown, "markdown_tokens")  # noqa: B009 - as above
    for name in ("emma", "akiko", "emma"):
        context = {"users": {"1": name}}
        tokens = tokens_of(text, **context)
        assert tokens == as_simcord(text, "message", context=context)
        assert f"@{name}" in str(tokens)
        tokens[0]["children"].clear()
