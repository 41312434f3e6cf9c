"""Test what the demo changes in SimCord's page."""

from typing import Any

from simcord.preview import _queries

from playground.discord import simcord_changes  # its changes are made by this import


def summary_of(tokens: list[dict[str, Any]]) -> Any:
    return getattr(_queries, "markdown_summary")(tokens)  # noqa: B009 - not exported, says mypy


def test_the_list_of_messages_tells_the_time() -> None:
    time: dict[str, Any] = {"type": "timestamp", "unix": 1_764_242_700, "style": "t"}
    assert (
        summary_of([{"type": "text", "content": "back at "}, {"type": "strong", "children": [time]}])
        == "back at 20:25"
    )
    assert summary_of([{**time, "unix": 10**30}]) == "[timestamp]"
    assert str(simcord_changes.ZONE) == "Asia/Tokyo", "the same zone as the rest of the page"
