"""Define the errors for typed values that narrow an answer, a part of the tree of core/errors.py."""

from dataclasses import dataclass

from core.errors import Refused


@dataclass(eq=False)
class BadSince(Refused):
    """The value is neither a date nor a duration of one minute to 3650 days."""

    value: str


@dataclass(eq=False)
class UnknownPerson(Refused):
    """The value is not a user id, and nobody in the audit trail has this name."""

    value: str


@dataclass(eq=False)
class SeveralPeople(Refused):
    """Several people in the audit trail have this name."""

    value: str


class NothingChosen(Refused):
    """The chosen completion entry only explains why there is nothing to choose."""


@dataclass(eq=False)
class UnknownOperation(Refused):
    """The value names no operation of the bot."""

    value: str
