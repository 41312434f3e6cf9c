"""Encode dataclasses of plain values as JSON for the journal, and decode them.

Enums, None, tuples and nested dataclasses are allowed. A field that a former version did not write takes its
default. A field that this version does not know is ignored. A class may define another form with `to_dict` and
`from_dict`.
"""

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_PLAIN = frozenset({str, int, float, bool, type(None)})


def encode(value: Any) -> str:
    """Encode a dataclass or a JSON value in one line. Fields that equal their default value are left out."""
    return json.dumps(_to_plain(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def decode(cls: type[T], text: str) -> T:
    """Decode a text that `encode` wrote for this class.

    Raises: ValueError if the text does not fit the class.
    """
    try:
        return from_plain(cls, json.loads(text))  # type: ignore[no-any-return]  # built of that class
    except (TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a {cls.__name__}: {text[:80]}") from error


def fields_of(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields as JSON types, without those that have their default."""
    return {
        field.name: _to_plain(getattr(value, field.name))
        for field in fields(value)
        if field.default is MISSING or getattr(value, field.name) != field.default
    }


def _to_plain(value: Any) -> Any:
    """Convert a value to JSON types."""
    if type(value) in _PLAIN:
        return value
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return fields_of(value)
    if isinstance(value, (tuple, list, frozenset)):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _to_plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def from_plain(kind: Any, value: Any) -> Any:
    """Rebuild a value of the type `kind` from the result of `_to_plain`.

    Raises: TypeError, ValueError, KeyError, AttributeError, OverflowError.
    """
    if hasattr(kind, "from_dict"):
        return kind.from_dict(value)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [each for each in get_args(kind) if each is not type(None)]
        return None if value is None else from_plain(inner[0], value)
    if origin is tuple:
        inner = list(get_args(kind))
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(from_plain(inner[0], item) for item in value)
        return tuple(from_plain(each, item) for each, item in zip(inner, value, strict=True))
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_plain(hints[name], item) for name, item in value.items() if name in hints})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float:
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(value)
    return value
