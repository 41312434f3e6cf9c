"""Test that unreadable records of the watch are left out, and the others kept."""

import logging
from collections.abc import Callable

import pytest

from core.codec import encode
from core.guest import Kind, State
from core.watch.incidents.state import GuestState, WatchState
from core.watch.records import changed_records, decode_orders, decode_state, split_state

GOOD = WatchState(
    guests={101: GuestState(101, State.RUNNING, kind=Kind.LXC)},
    uptimes={101: 60},
    tasks={"UPID:x": -1e9},
    asked={"pve1": 5.0},
    known=frozenset({101}),
)


def stored(state: WatchState) -> dict[str, str]:
    return {key: text for key, text in changed_records({}, split_state(state)).items() if text is not None}


def test_the_state_survives() -> None:
    assert decode_state(stored(GOOD), ()) == GOOD
    assert decode_state(stored(WatchState()), ()) == WatchState()


@pytest.mark.parametrize(
    ("key", "text", "lost"),
    [
        ("uptimes", '{"101":1e999}', lambda state: not state.uptimes),
        ("asked", '{"pve1":1' + 400 * "0" + "}", lambda state: not state.asked),
        ("known", 100_000 * "[", lambda state: not state.known),
        ("tasks", "[1]", lambda state: state.tasks is None),
        ("guest/101", "[", lambda state: not state.guests),
        ("guest/x", encode(GuestState(102)), lambda state: set(state.guests) == {101}),
    ],
)
def test_an_unreadable_record_is_logged_and_left_out(
    key: str, text: str, lost: Callable[[WatchState], bool], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        state = decode_state(stored(GOOD) | {key: text}, ())
    assert lost(state)
    assert [record.args for record in caplog.records] == [(key,)]
    others = {name: part for name, part in split_state(state).items() if name != key}
    assert others == {name: part for name, part in split_state(GOOD).items() if name != key}


def test_an_unreadable_stop_order_is_logged_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert decode_orders({"ordered/101": "akiko", "ordered/x": "emma", "pulse": "{}"}) == {101: "akiko"}
    assert [record.args for record in caplog.records] == [("ordered/x",)]
