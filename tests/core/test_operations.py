"""Test which action is allowed on which guest: every verb, state, template flag, lock and protection."""

from itertools import product

import pytest

from core.errors import GuestLocked, GuestProtected, NotATemplate, Refused, TemplateRefused, WrongState
from core.guest import Guest, Kind, State
from core.verbs import ACTIONS, Verb, can_act, failed_precondition

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
NOT_STOPPED = set(State) - {State.STOPPED}
KNOWN = set(State) - {State.UNKNOWN}

# Written out again by hand, so that each change of the rules must be made twice, on purpose.
STATES: dict[Verb, set[State]] = {
    Verb.START: {State.STOPPED},
    Verb.REBOOT: {State.RUNNING},
    Verb.SHUTDOWN: {State.RUNNING},
    Verb.STOP: NOT_STOPPED,
    Verb.CREATE: set(State),
    Verb.RESIZE: KNOWN,
    Verb.DELETE: {State.STOPPED},
    Verb.SNAPSHOT_CREATE: KNOWN,
    Verb.SNAPSHOT_ROLLBACK: KNOWN,
    Verb.SNAPSHOT_DELETE: KNOWN,
}
FOR_TEMPLATES = {Verb.CREATE, Verb.DELETE}
ASKS = {Verb.STOP, Verb.DELETE, Verb.SNAPSHOT_ROLLBACK, Verb.SNAPSHOT_DELETE}
STOPS = {Verb.REBOOT, Verb.SHUTDOWN, Verb.STOP, Verb.DELETE, Verb.SNAPSHOT_ROLLBACK}
BECOMES = {
    Verb.START: State.RUNNING,
    Verb.REBOOT: State.RUNNING,
    Verb.SHUTDOWN: State.STOPPED,
    Verb.STOP: State.STOPPED,
}
TASKS = {
    Verb.START: {"qmstart", "vzstart", "hastart", "qmresume"},
    Verb.REBOOT: {"qmreboot", "vzreboot"},
    Verb.SHUTDOWN: {"qmshutdown", "vzshutdown", "hastop"},
    Verb.STOP: {"qmstop", "vzstop", "hastop"},
    Verb.CREATE: {"qmclone", "vzclone"},
    Verb.RESIZE: {"qmconfig", "vzconfig"},
    Verb.DELETE: {"qmdestroy", "vzdestroy"},
    Verb.SNAPSHOT_CREATE: {"qmsnapshot", "vzsnapshot"},
    Verb.SNAPSHOT_ROLLBACK: {"qmrollback", "vzrollback"},
    Verb.SNAPSHOT_DELETE: {"qmdelsnapshot", "vzdelsnapshot"},
}


def expected(
    verb: Verb, state: State, template: bool, lock: str | None, protected: bool
) -> type[Refused] | None:
    """Apply the same rules as plain questions, in the order in which a person would solve them."""
    if verb is Verb.CREATE and not template:
        return NotATemplate
    if template and verb not in FOR_TEMPLATES:
        return TemplateRefused
    if lock is not None and not (verb is Verb.START and lock == "suspended"):
        return GuestLocked
    if verb is Verb.DELETE and protected:
        return GuestProtected
    return None if state in STATES[verb] else WrongState


@pytest.mark.parametrize("verb", Verb)
def test_the_whole_table(verb: Verb) -> None:
    rows = 0
    for state, template, lock, protected, kind in product(State, (False, True), LOCKS, (False, True), Kind):
        guest = Guest(101, kind, "pve1", state, "web01", template=template, lock=lock, protected=protected)
        refusal = failed_precondition(ACTIONS[verb], guest)
        wanted = expected(verb, state, template, lock, protected)
        assert (type(refusal) if refusal else None) is wanted, (state, template, lock, protected)
        if not protected:
            assert can_act(verb, guest) is (wanted is None)
        rows += 1
    assert rows == len(State) * 2 * len(LOCKS) * 2 * 2


def test_a_refusal_tells_what_it_is_about() -> None:
    guest = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01")
    wrong = failed_precondition(ACTIONS[Verb.START], guest)
    assert isinstance(wrong, WrongState)
    assert (wrong.vmid, wrong.label, wrong.verb, wrong.state) == (101, "web01", "start", State.RUNNING)
    locked = failed_precondition(
        ACTIONS[Verb.STOP], Guest(102, Kind.LXC, "pve1", State.RUNNING, None, lock="backup")
    )
    assert isinstance(locked, GuestLocked)
    assert (locked.vmid, locked.label, locked.lock) == (102, "102", "backup")


@pytest.mark.parametrize("verb", Verb)
def test_every_verb_has_a_whole_row(verb: Verb) -> None:
    action = ACTIONS[verb]
    assert action.verb is verb
    assert action.states == STATES[verb]
    assert action.becomes is BECOMES.get(verb)
    assert action.asks is (verb in ASKS)
    assert action.stops is (verb in STOPS)
    assert action.template is (verb in FOR_TEMPLATES)
    assert action.needs_unprotected is (verb is Verb.DELETE)
    assert set(action.tasks) == set(Kind)
    assert set().union(*action.tasks.values()) == TASKS[verb]
    own = {Kind.QEMU: ("qm", "ha"), Kind.LXC: ("vz", "ha", "qmresume")}
    for kind, types in action.tasks.items():
        assert all(word.startswith(own[kind]) for word in types)


def test_no_row_without_a_verb() -> None:
    assert set(ACTIONS) == set(Verb)
