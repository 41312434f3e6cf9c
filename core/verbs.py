"""Every action as a row: what it may be done to, from which state, and what is expected afterwards."""

from dataclasses import dataclass
from enum import StrEnum

from core.errors import GuestLocked, GuestProtected, NotATemplate, Refused, TemplateRefused, WrongState
from core.guest import Guest, Kind, State


class Verb(StrEnum):
    """The actions, by the word that stands in the audit and in custom_ids."""

    START = "start"
    REBOOT = "reboot"
    SHUTDOWN = "shutdown"
    STOP = "stop"
    CREATE = "create"
    RESIZE = "resize"
    DELETE = "delete"
    SNAPSHOT_CREATE = "snapshot_create"
    SNAPSHOT_ROLLBACK = "snapshot_rollback"
    SNAPSHOT_DELETE = "snapshot_delete"


ANY_STATE = frozenset(State)
ALIVE = ANY_STATE - {State.STOPPED}


@dataclass(frozen=True, slots=True)
class Action:
    """`states`: from which it may start. `becomes`: the state a good end leaves (None: as it was).

    `locks`: Proxmox locks that do not stand in the way. `tasks`: the types of the task it makes, by kind,
    HA's own included. `stops`: the guest goes down on the way, which is then no alarm.
    """

    verb: Verb
    states: frozenset[State]
    becomes: State | None
    tasks: dict[Kind, frozenset[str]]
    template: bool = False
    locks: frozenset[str] = frozenset()
    asks: bool = False
    needs_unprotected: bool = False
    stops: bool = False


def _tasks(suffix: str, *also: str) -> dict[Kind, frozenset[str]]:
    return {Kind.QEMU: frozenset({f"qm{suffix}", *also}), Kind.LXC: frozenset({f"vz{suffix}", *also})}


ACTIONS: dict[Verb, Action] = {
    action.verb: action
    for action in (
        # A guest suspended to disk is stopped under the lock `suspended`: start is how it wakes up.
        Action(
            Verb.START,
            frozenset({State.STOPPED}),
            State.RUNNING,
            _tasks("start", "hastart", "qmresume"),
            locks=frozenset({"suspended"}),
        ),
        Action(Verb.REBOOT, frozenset({State.RUNNING}), State.RUNNING, _tasks("reboot"), stops=True),
        Action(
            Verb.SHUTDOWN, frozenset({State.RUNNING}), State.STOPPED, _tasks("shutdown", "hastop"), stops=True
        ),
        Action(Verb.STOP, ALIVE, State.STOPPED, _tasks("stop", "hastop"), asks=True, stops=True),
        Action(Verb.CREATE, ANY_STATE, None, _tasks("clone"), template=True),
        Action(Verb.RESIZE, ANY_STATE - {State.UNKNOWN}, None, _tasks("config")),
        Action(
            Verb.DELETE,
            frozenset({State.STOPPED}),
            None,
            _tasks("destroy"),
            template=True,
            asks=True,
            needs_unprotected=True,
            stops=True,
        ),
        Action(Verb.SNAPSHOT_CREATE, ANY_STATE - {State.UNKNOWN}, None, _tasks("snapshot")),
        Action(
            Verb.SNAPSHOT_ROLLBACK,
            ANY_STATE - {State.UNKNOWN},
            None,
            _tasks("rollback"),
            asks=True,
            stops=True,
        ),
        Action(Verb.SNAPSHOT_DELETE, ANY_STATE - {State.UNKNOWN}, None, _tasks("delsnapshot"), asks=True),
    )
}


def failed_precondition(action: Action, guest: Guest) -> Refused | None:
    """Return why the action cannot be done to this guest as it is now, or None.

    The checks are in the order in which a person would solve the problems: kind, then lock and protection, then
    state.
    """
    vmid, label, verb = guest.vmid, guest.label, action.verb.value
    if action.verb is Verb.CREATE and not guest.template:
        return NotATemplate(vmid, label)
    if guest.template and not action.template:
        return TemplateRefused(vmid, label, verb)
    if guest.lock and guest.lock not in action.locks:
        return GuestLocked(vmid, label, guest.lock)
    if action.needs_unprotected and guest.protected:
        return GuestProtected(vmid, label)
    if guest.state not in action.states:
        return WrongState(vmid, label, verb, guest.state)
    return None


def can_act(verb: Verb, guest: Guest) -> bool:
    """Whether the verb fits the guest as last read: for sorting completions and enabling buttons."""
    return failed_precondition(ACTIONS[verb], guest) is None
