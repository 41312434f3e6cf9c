"""Where the bot may be used: the one guild and the one category, and nothing else."""

from itertools import product

import pytest

from core.access import ON_ALERTS, AccessRules, Actor, Operation, Place, decide
from core.actions import Verb
from core.errors import NotHere, Refused

RULES = AccessRules(guild_id=10, category_id=20)
ALERTS = AccessRules(guild_id=10, category_id=20, alert_channel_id=30)
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


@pytest.mark.parametrize("operation", [None, *Operation])
@pytest.mark.parametrize("channel", [30, 31, 20, 10, 0, None])
@pytest.mark.parametrize("rules", [RULES, ALERTS], ids=["without", "with"])
def test_in_the_alert_channel_what_alerts_are_for_and_nothing_more(
    channel: int | None, rules: AccessRules, operation: Operation | None
) -> None:
    """A command's gate asks for no operation, and so gets no further than outside."""
    for guild, category in product(GUILDS, CATEGORIES):
        refusal = decide(rules, Actor(1, "Akiko", Place(guild, category, channel)), operation)
        inside = (guild, category) == (10, 20)
        at_alerts = (guild, channel) == (10, 30) and rules is ALERTS
        assert (refusal is None) is (inside or (at_alerts and operation in ON_ALERTS))
        assert refusal is None or type(refusal) is NotHere


def test_nothing_is_lost_by_an_alerts_button() -> None:
    assert {
        Operation.START,
        Operation.INFO,
        Operation.ACKNOWLEDGE,
        Operation.MONITOR_MUTE,
    } == ON_ALERTS


@pytest.mark.parametrize("user_id", [10, 20, 0, 999])
def test_the_person_does_not_open_another_place(user_id: int) -> None:
    assert decide(RULES, Actor(user_id, "Akiko", Place(10, 20))) is None
    assert decide(RULES, Actor(user_id, "Akiko", Place(10, None))) is not None
    assert decide(RULES, Actor(user_id, "Akiko", Place(None, 20))) is not None


def test_every_action_is_an_operation_that_can_be_decided_on() -> None:
    assert [Operation(verb.value).value for verb in Verb] == [verb.value for verb in Verb]
