"""Where the bot may be used: the one guild and the one category, and nothing else."""

from itertools import product

import pytest

from core.access import AccessRules, Actor, Operation, Place, decide
from core.actions import Verb
from core.errors import NotHere, Refused

RULES = AccessRules(guild_id=10, category_id=20)
GUILDS = (10, 11, 20, 0, None)
CATEGORIES = (20, 21, 10, 0, None)


@pytest.mark.parametrize("operation", [None, *Operation])
@pytest.mark.parametrize(("guild", "category"), list(product(GUILDS, CATEGORIES)))
def test_only_the_right_category_of_the_right_guild(
    guild: int | None, category: int | None, operation: Operation | None
) -> None:
    refusal = decide(RULES, Actor(1, "Akiko", Place(guild, category)), operation)
    if (guild, category) == (10, 20):
        assert refusal is None
    else:
        assert type(refusal) is NotHere
        assert isinstance(refusal, Refused)


@pytest.mark.parametrize("user_id", [10, 20, 0, 999])
def test_the_person_does_not_open_another_place(user_id: int) -> None:
    assert decide(RULES, Actor(user_id, "Akiko", Place(10, 20))) is None
    assert decide(RULES, Actor(user_id, "Akiko", Place(10, None))) is not None
    assert decide(RULES, Actor(user_id, "Akiko", Place(None, 20))) is not None


def test_every_action_is_an_operation_that_can_be_decided_on() -> None:
    assert [Operation(verb.value).value for verb in Verb] == [verb.value for verb in Verb]
