"""Test the states of an answer: one at a time, and none goes back."""

import pytest

from tests.support.walked import walked
from ui.interaction.answer import Answer, AnswerState

NEW, DEFERRED, WORKING, SHOWN, CLOSED = AnswerState


def moved(*states: AnswerState) -> Answer:
    answer = object.__new__(Answer)
    answer.state = NEW
    for state in states:
        answer.move(state)
    return answer


@walked(
    "states",
    [
        (DEFERRED, WORKING, WORKING, SHOWN),  # a long command
        (WORKING, SHOWN),  # a press, whose message shows the work at once
        (SHOWN, SHOWN),  # a question that lapses
        (CLOSED,),  # refused at once
        (DEFERRED, WORKING, CLOSED),  # failed while it was seen to go on
    ],
)
def test_an_answer_goes_on(states: tuple[AnswerState, ...]) -> None:
    answer = moved(*states)
    assert answer.state is states[-1]
    assert answer.answered


@walked(
    "states",
    [
        (DEFERRED, NEW),
        (DEFERRED, DEFERRED),
        (SHOWN, WORKING),
        (WORKING, DEFERRED),
        *((CLOSED, state) for state in AnswerState),
    ],
)
def test_no_answer_state_goes_back(states: tuple[AnswerState, ...]) -> None:
    before = moved(*states[:-1])
    with pytest.raises(AssertionError, match=f"from {states[-2].name} to {states[-1].name}"):
        before.move(states[-1])
    assert before.state is states[-2]


def test_a_new_answer_is_in_no_later_state() -> None:
    assert not moved().answered
