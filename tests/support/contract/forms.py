"""Describe the forms of answers: types, units and words. Each form lists the faults of a value.

The bounds of a number find a wrong unit: KiB for bytes, milliseconds for seconds, or percent for a fraction.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.validation import Upid

MIB, GIB, TIB = 2**20, 2**30, 2**40


class Form(Protocol):
    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        """Yield the faults of the value. `at`: the place that they name. `now`: Unix time of the answer."""
        ...


@dataclass(frozen=True)
class Number:
    """A number between two bounds. `whole`: without a fraction. `text`: it may also come as a string."""

    low: float
    high: float
    whole: bool = False
    text: bool = False

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        del now
        given = value
        if self.text and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value) if "." in value else int(value)
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            yield f"{at} is {given!r}: no {'integer' if self.whole else 'number'}"
        elif not self.low <= value <= self.high:
            yield f"{at} is {given!r}: not from {self.low:g} to {self.high:g}"


def whole(low: float, high: float, *, text: bool = False) -> Number:
    return Number(low, high, whole=True, text=text)


@dataclass(frozen=True)
class Time:
    """Whole Unix seconds, at most `past` seconds ago and at most two minutes ahead."""

    past: float

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        return whole(now - self.past, now + 120).check(value, at, now)


@dataclass(frozen=True)
class Text:
    """A string that matches the pattern as a whole, by default any but the empty one."""

    pattern: str = r"[\s\S]+"

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        del now
        if not isinstance(value, str):
            yield f"{at} is {value!r}: no text"
        elif not re.fullmatch(self.pattern, value):
            yield f"{at} is {value!r}: not {self.pattern}"


@dataclass(frozen=True)
class Scalar:
    """Any text or number."""

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        del now
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            yield f"{at} is {value!r}: neither text nor number"


@dataclass(frozen=True)
class Flag:
    """0 or 1, as a number, a string or a JSON boolean. Perl also sends an empty string for 0."""

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        del now
        if isinstance(value, list | dict) or value not in (0, 1, "0", "1", ""):
            yield f"{at} is {value!r}: neither 0 nor 1"


@dataclass(frozen=True)
class Nothing:
    """`null`: a change that is done when Proxmox answers."""

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        del now
        if value is not None:
            yield f"{at} is {value!r}: not null"


@dataclass(frozen=True)
class UpidOf:
    """The UPID of a task of one of these types, for this guest."""

    types: frozenset[str]
    id: str

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        upid = Upid.parse(value) if isinstance(value, str) else None
        if upid is None:
            yield f"{at} is {value!r}: no UPID"
            return
        if upid.type not in self.types or upid.id != self.id:
            yield f"{at} is {value!r}: not of {sorted(self.types)} {self.id}"
        yield from Time(7200).check(upid.started, f"{at} began", now)


@dataclass(frozen=True)
class Row:
    """An object. `needed` and `optional`: the forms of its fields. Other fields are not checked.

    `most`: by field, another field and the multiple of its value that the first may reach.
    """

    needed: Mapping[str, Form] = field(default_factory=dict)
    optional: Mapping[str, Form] = field(default_factory=dict)
    most: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at} is {value!r}: no object"
            return
        for name, form in self.needed.items():
            if name not in value:
                yield f"{at}.{name} is missing"
            else:
                yield from form.check(value[name], f"{at}.{name}", now)
        for name, form in self.optional.items():
            if name in value:
                yield from form.check(value[name], f"{at}.{name}", now)
        for name, (limit, factor) in self.most.items():
            small, large = value.get(name), value.get(limit)
            if isinstance(small, int | float) and isinstance(large, int | float) and small > large * factor:
                yield f"{at}.{name} is {small!r}: more than {limit}, {large!r}"


@dataclass(frozen=True)
class Map:
    """An object with any keys that match the pattern, and values of one form."""

    keys: str
    values: Form

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at} is {value!r}: no object"
            return
        for key, inner in value.items():
            if not re.fullmatch(self.keys, key):
                yield f"{at} has the key {key!r}"
            yield from self.values.check(inner, f"{at}[{key}]", now)


@dataclass(frozen=True)
class Rows:
    """A list of `least` to `most` rows. `form`: that of each row, or the forms by the word in the field `by`.

    Rows with any other word there are not checked.
    """

    form: Form | Mapping[str, Form]
    by: str = ""
    least: int = 0
    most: int = 10_000

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{at} is {value!r}: no list"
            return
        if not self.least <= len(value) <= self.most:
            yield f"{at} has {len(value)} rows: not {self.least} to {self.most}"
        for number, row in enumerate(value):
            place = f"{at}[{number}]"
            if not isinstance(self.form, Mapping):
                yield from self.form.check(row, place, now)
            elif not isinstance(row, dict) or not isinstance(row.get(self.by), str):
                yield f"{place} has no {self.by}"
            elif row[self.by] in self.form:
                yield from self.form[row[self.by]].check(row, place, now)


@dataclass(frozen=True)
class Steps:
    """A list of `least` to `most` rows, each with a `time` that is `seconds` after that of the row before."""

    row: Form
    seconds: int
    least: int
    most: int

    def check(self, value: Any, at: str, now: float) -> Iterator[str]:
        is_good = True
        for complaint in Rows(self.row, least=self.least, most=self.most).check(value, at, now):
            is_good = False
            yield complaint
        if not is_good:
            return
        for number in range(1, len(value)):
            step = value[number]["time"] - value[number - 1]["time"]
            if step != self.seconds:
                yield f"{at}[{number}].time is {step} s after the one before: not {self.seconds}"


def has_place(form: Form, place: Sequence[str]) -> bool:
    """Return whether a form checks the value at these keys, which is no object and no list itself.

    `*`: any row of a list.
    """
    if not place:
        return not isinstance(form, Row | Rows | Map | Steps)
    key, rest = place[0], place[1:]
    match form:
        case Row():
            inner = form.needed.get(key) or form.optional.get(key)
            return inner is not None and has_place(inner, rest)
        case Map():
            return has_place(form.values, rest)
        case Steps():
            return has_place(form.row, rest)
        case Rows():
            if not isinstance(form.form, Mapping):
                return has_place(form.form, rest)
            return list(rest) == [form.by] or any(has_place(each, rest) for each in form.form.values())
    return False
