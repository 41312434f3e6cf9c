"""Encode frozen dataclasses of plain values as JSON for the journal, and decode them.

Enums, None, tuples and nested dataclasses are supported. Fields that an older version did not write take their
defaults, and unknown fields are ignored.
"""

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(value: Any) -> str:
    """Encode a dataclass or a JSON value in one line. Fields equal to their default are left out."""
    return json.dumps(_plain(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def decode(cls: type[T], text: str) -> T:
    """Decode a text that `encode` wrote for this class.

    Raises: ValueError if the text does not fit the class.
    """
    try:
        return _build(cls, json.loads(text))  # type: ignore[no-any-return]  # built of that class
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a {cls.__name__}: {text[:80]}") from error


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in fields(value)
            if field.default is MISSING or getattr(value, field.name) != field.default
        }
    if isinstance(value, (tuple, list, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [each for each in get_args(kind) if each is not type(None)]
        return None if value is None else _build(inner[0], value)
    if origin is tuple:
        inner = list(get_args(kind))
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_build(inner[0], item) for item in value)
        return tuple(_build(each, item) for each, item in zip(inner, value, strict=True))
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _build(hints[name], item) for name, item in value.items() if name in hints})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float:
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(value)
    return value
