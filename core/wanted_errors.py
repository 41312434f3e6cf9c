"""What was typed to narrow an answer, and means nothing: parts of the tree of core/errors.py."""

from dataclasses import dataclass

from core.errors import Refused


@dataclass(eq=False)
class BadSince(Refused):
    """Neither a duration of one minute to 3650 days nor a date."""

    value: str


@dataclass(eq=False)
class UnknownPerson(Refused):
    """Nobody of that name is in the audit trail, and it is no id."""

    value: str


@dataclass(eq=False)
class SeveralPeople(Refused):
    """The audit trail has several people of that name."""

    value: str


class NothingChosen(Refused):
    """The entry of a completion that only says why there is nothing to choose."""


@dataclass(eq=False)
class UnknownOperation(Refused):
    """Nothing that can be asked of the bot."""

    value: str
