"""Check whether the current state of a guest allows an action."""

from core.errors import Refused
from core.guest import Guest
from core.guest_errors import (
    GuestLocked,
    GuestProtected,
    NotATemplate,
    TemplateRefused,
    WrongKind,
    WrongState,
)
from core.operations import OPERATIONS, Operation


def failed_precondition(operation: Operation, guest: Guest) -> Refused | None:
    """Return why the operation cannot be done to this guest as it is now, or None.

    The checks are in the order in which a person would solve the problems: kind, then lock and protection, then
    state.
    """
    action, word = OPERATIONS[operation], operation.value
    vmid, label = guest.vmid, guest.label
    if operation is Operation.CREATE and not guest.template:
        return NotATemplate(vmid, label)
    if guest.template and not action.template:
        return TemplateRefused(vmid, label, word)
    if guest.kind not in action.kinds:
        return WrongKind(vmid, label, word, guest.kind)
    if guest.lock and guest.lock not in action.locks:
        return GuestLocked(vmid, label, guest.lock)
    if action.needs_unprotected and guest.protected:
        return GuestProtected(vmid, label)
    if guest.state not in action.states:
        return WrongState(vmid, label, word, guest.state)
    return None


def can_act(operation: Operation, guest: Guest) -> bool:
    """Return whether the action fits the guest as last read, to sort completions and enable buttons."""
    return failed_precondition(operation, guest) is None
