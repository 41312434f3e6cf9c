"""Test which action is allowed on which guest: every operation, state, template flag, lock and protection."""

from dataclasses import replace
from itertools import product

import pytest

from core.actions.preconditions import can_act, failed_precondition
from core.errors import Refused
from core.guest import Guest, Kind, State
from core.guest_errors import (
    GuestLocked,
    GuestProtected,
    NotATemplate,
    TemplateRefused,
    WrongKind,
    WrongState,
)
from core.operations import ACTIONS, OPERATIONS, Operation
from tests.support.catalogue import ACTION
from tests.support.walked import walked

LOCKS = (
    None,
    "backup",
    "clone",
    "migrate",
    "snapshot",
    "rollback",
    "suspended",
    "suspending",
    "mounted",
    "new",
)


def expected(
    operation: Operation, kind: Kind, state: State, template: bool, lock: str | None, protected: bool
) -> type[Refused] | None:
    """Apply the same rules one by one, in the order in which a person would remove the obstacles."""
    if operation is Operation.CREATE and not template:
        return NotATemplate
    if template and not ACTION[operation].template:
        return TemplateRefused
    if kind not in ACTION[operation].tasks:
        return WrongKind
    if lock is not None and not (operation is Operation.START and lock == "suspended"):
        return GuestLocked
    if operation is Operation.DELETE and protected:
        return GuestProtected
    return None if state in ACTION[operation].states else WrongState


@walked("operation", ACTIONS)
def test_the_whole_table(operation: Operation) -> None:
    rows = 0
    for state, template, lock, protected, kind in product(State, (False, True), LOCKS, (False, True), Kind):
        guest = Guest(101, kind, "pve1", state, "web01", template=template, lock=lock, protected=protected)
        refusal = failed_precondition(operation, guest)
        wanted = expected(operation, kind, state, template, lock, protected)
        assert (type(refusal) if refusal else None) is wanted, (state, template, lock, protected)
        if not protected:
            assert can_act(operation, guest) is (wanted is None)
        rows += 1
    assert rows == len(State) * 2 * len(LOCKS) * 2 * 2


def test_a_refusal_names_its_subject() -> None:
    guest = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01")
    wrong = failed_precondition(Operation.START, guest)
    assert isinstance(wrong, WrongState)
    assert (wrong.vmid, wrong.label, wrong.verb, wrong.state) == (101, "web01", "start", State.RUNNING)
    locked = failed_precondition(
        Operation.STOP, Guest(102, Kind.LXC, "pve1", State.RUNNING, None, lock="backup")
    )
    assert isinstance(locked, GuestLocked)
    assert (locked.vmid, locked.label, locked.lock) == (102, "102", "backup")


@pytest.mark.parametrize(("kind", "other"), [(Kind.QEMU, Kind.LXC), (Kind.LXC, Kind.QEMU)])
def test_an_action_for_one_kind_is_refused_to_the_other(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, other: Kind
) -> None:
    """The refusal comes before all others, because the other kind can never do the action."""
    row = OPERATIONS[Operation.STOP]
    monkeypatch.setitem(OPERATIONS, Operation.STOP, replace(row, tasks={kind: row.tasks[kind]}))
    assert OPERATIONS[Operation.STOP].kinds == {kind}
    assert failed_precondition(Operation.STOP, Guest(101, kind, "pve1", State.RUNNING)) is None
    for state, lock in product(State, LOCKS):
        refusal = failed_precondition(Operation.STOP, Guest(101, other, "pve1", state, "web01", lock=lock))
        assert isinstance(refusal, WrongKind)
        assert (refusal.vmid, refusal.label, refusal.verb, refusal.kind) == (101, "web01", "stop", other)


@walked("operation", ACTIONS)
def test_every_action_has_a_whole_row(operation: Operation) -> None:
    row, told = OPERATIONS[operation], ACTION[operation]
    assert (row.states, row.becomes, row.tasks) == (told.states, told.becomes, told.tasks)
    assert (row.asks, row.stops, row.template) == (told.asks, told.stops, told.template)
    assert row.power == told.power
    assert row.needs_unprotected is row.asks_name is (operation is Operation.DELETE)
    own = {Kind.QEMU: ("qm", "ha"), Kind.LXC: ("vz", "ha", "qmresume")}
    for kind, types in row.tasks.items():
        assert all(word.startswith(own[kind]) for word in types)


def test_every_operation_has_a_row_and_no_row_is_left_over() -> None:
    assert OPERATIONS.keys() == set(Operation)
