"""Change SimCord where it is slower than needed, differs from Discord, or expects the bot in its own process."""

from __future__ import annotations

import contextlib
import copy
import functools
import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from simcord import _clock, components, gateway, results
from simcord.backend import serializers
from simcord.http import router
from simcord.preview import _component_projection, _markdown, _messages, _queries, _snapshot

_SIMPLE = frozenset({str, int, float, bool, type(None)})
"""Types of the JSON values that contain no other values."""


def copy_json(value: Any) -> Any:
    """Copy plain JSON values many times as fast as `copy.deepcopy`, and other values with its help."""
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - made on the same line
    except ValueError:  # SimCord's enums are among them
        return _copy_mixed(value)


def _copy_mixed(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: each if type(each) in _SIMPLE else _copy_mixed(each) for key, each in value.items()}
    if kind is list:
        return [each if type(each) in _SIMPLE else _copy_mixed(each) for each in value]
    return value if kind in _SIMPLE else copy.deepcopy(value)


_COPY = SimpleNamespace(deepcopy=copy_json)
for _module, _import, _instead in (
    (router, "copy", _COPY),
    (gateway, "copy", _COPY),
    (components, "deepcopy", copy_json),
    (results, "deepcopy", copy_json),
    (serializers, "deepcopy", copy_json),
):
    setattr(_module, _import, _instead)

_require_as_simcord = router.RequestContext.require_channel_permissions


def _require_permissions(context: router.RequestContext, channel_id: int, *names: str) -> Any:
    """Demand PIN_MESSAGES for pinning, as Discord does since February 2026. SimCord demands MANAGE_MESSAGES."""
    if "/messages/pins/" in context.path:
        names = tuple("pin_messages" if name == "manage_messages" else name for name in names)
    return _require_as_simcord(context, channel_id, *names)


setattr(router.RequestContext, "require_channel_permissions", _require_permissions)  # noqa: B010 - mypy forbids assigning to a method


ZONE = ZoneInfo("Asia/Tokyo")
"""The time zone of the pages."""
_summarize_as_simcord = _markdown.markdown_summary


def _with_times(tokens: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the tokens with the time of day in place of each timestamp."""
    for token in tokens:
        if token.get("type") == "timestamp":
            with contextlib.suppress(ValueError, OverflowError, OSError):
                yield {"type": "text", "content": f"{datetime.fromtimestamp(int(token['unix']), ZONE):%H:%M}"}
                continue
        if isinstance(token.get("children"), list | tuple):
            yield {**token, "children": [*_with_times(token["children"])]}
        else:
            yield token


def _summarize(tokens: Iterable[Mapping[str, Any]], most: int = 100) -> str:
    """Show the times in the list of messages. SimCord shows "[timestamp]" for each of them."""
    return _summarize_as_simcord(_with_times(tokens), most)


setattr(_queries, "markdown_summary", _summarize)  # noqa: B010 - mypy forbids assigning to a name that is not exported


_tokenize_as_simcord = _markdown.markdown_tokens


@functools.lru_cache(maxsize=2048)
def _packed_tokens(packed: bytes) -> bytes:
    value, profile, context = marshal.loads(packed)  # noqa: S302 - made below
    return marshal.dumps(_tokenize_as_simcord(value, profile, context=context))


def _tokenize(value: Any, profile: str = "message", *, context: Any = None) -> Any:
    """Parse each text once, and return a new copy of its tokens each time.

    SimCord builds a parser for each text, and parses all texts of a page again at each publication.
    """
    packed = marshal.dumps((value, profile, context), 0)  # 0: without references
    return marshal.loads(_packed_tokens(packed))  # noqa: S302 - made on the line before


for _module in (_component_projection, _messages, _queries, _snapshot):
    setattr(_module, "markdown_tokens", _tokenize)  # noqa: B010 - mypy forbids assigning to a name that is not exported


class RealClock(_clock.Clock):
    """The time of day. SimCord's own clock stands still between the steps of a test."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        """Do nothing: real time advances by itself."""


class Parsers(dict[str, Callable[[Mapping[str, Any]], None]]):
    """Push events to a session. SimCord expects discord.py's table of event parsers in this place."""

    def __init__(self, push: Callable[[str, Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._push = push

    def __missing__(self, event: str) -> Callable[[Mapping[str, Any]], None]:
        return lambda payload: self._push(event, payload)

    def get(self, event: str, _default: Any = None) -> Any:
        return self[event]
