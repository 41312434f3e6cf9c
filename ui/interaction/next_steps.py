"""Offer the next step as a button under an outcome or a refusal.

`AFTER` lists the steps after each action, `steps_after_refusal` those after a refusal. A step is only offered if it
fits the guest's state and the person may take it now. Each press is checked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from core.access.policy import Actor, InteractionKind
from core.actions.order import Report
from core.actions.preconditions import can_act
from core.errors import BotError, ChangedMeanwhile
from core.guest import Guest, State
from core.guest_errors import (
    GuestBusy,
    GuestLocked,
    NothingToChange,
    SnapshotExists,
    SnapshotNotFound,
    WrongState,
)
from core.operations import ACTIONS, OPERATIONS, Operation
from core.tasks import TaskEnd
from ui.cards import Item
from ui.i18n import Text
from ui.interaction.buttons import details_button, guest_button, guest_list_button, snapshots_button
from ui.interaction.context import Interaction, actor_of, chosen_site
from ui.interaction.services import Site


class ActionEnding(StrEnum):
    """The endings of an action that lead to different next steps."""

    DONE = "done"
    WAITS = "waits for a restart"
    FAILED = "failed"
    DISOBEYED = "the guest is not in the expected state"
    UNKNOWN = "unknown"


class NextStep(StrEnum):
    """A step that a person can take after an outcome or a refusal."""

    DETAILS = "details"
    SNAPSHOTS = "snapshots"
    START = "start"
    RESUME = "resume"
    SHUTDOWN = "shutdown"
    REBOOT_NOW = "reboot now"
    FORCE_STOP = "force stop"
    LIST = "list"

    @property
    def operation(self) -> Operation:
        return _OPERATIONS[self]


_OPERATIONS = {
    NextStep.DETAILS: Operation.INFO,
    NextStep.SNAPSHOTS: Operation.SNAPSHOT_LIST,
    NextStep.START: Operation.START,
    NextStep.RESUME: Operation.RESUME,
    NextStep.SHUTDOWN: Operation.SHUTDOWN,
    NextStep.REBOOT_NOW: Operation.REBOOT,
    NextStep.FORCE_STOP: Operation.STOP,
    NextStep.LIST: Operation.LIST,
}

_LOOK = (NextStep.DETAILS,)
_FORCE = (NextStep.FORCE_STOP, NextStep.DETAILS)
AFTER: Mapping[Operation, Mapping[ActionEnding, Sequence[NextStep]]] = {
    Operation.START: {ActionEnding.DONE: _LOOK},
    Operation.REBOOT: {ActionEnding.DONE: _LOOK, ActionEnding.FAILED: _FORCE, ActionEnding.DISOBEYED: _FORCE},
    Operation.SHUTDOWN: {
        ActionEnding.DONE: (NextStep.START,),
        ActionEnding.FAILED: _FORCE,
        ActionEnding.DISOBEYED: _FORCE,
    },
    Operation.STOP: {ActionEnding.DONE: (NextStep.START,)},
    Operation.SUSPEND: {ActionEnding.DONE: (NextStep.RESUME,)},
    Operation.RESUME: {ActionEnding.DONE: _LOOK},
    Operation.RESET: {ActionEnding.DONE: _LOOK},
    # Unless the clone was made, there are no details of it. The list shows whether it is there.
    Operation.CREATE: {
        ActionEnding.DONE: (NextStep.START, NextStep.DETAILS),
        ActionEnding.FAILED: (NextStep.LIST,),
        ActionEnding.UNKNOWN: (NextStep.LIST,),
    },
    Operation.RESIZE: {ActionEnding.DONE: _LOOK, ActionEnding.WAITS: (NextStep.REBOOT_NOW, NextStep.DETAILS)},
    Operation.DELETE: {ActionEnding.DONE: (NextStep.LIST,)},
    Operation.SNAPSHOT_CREATE: {
        ActionEnding.DONE: (NextStep.SNAPSHOTS,),
        ActionEnding.FAILED: (NextStep.SNAPSHOTS,),
    },
    Operation.SNAPSHOT_ROLLBACK: {ActionEnding.DONE: (NextStep.START, NextStep.DETAILS)},
    Operation.SNAPSHOT_DELETE: {
        ActionEnding.DONE: (NextStep.SNAPSHOTS,),
        ActionEnding.FAILED: (NextStep.SNAPSHOTS,),
    },
}
"""The steps after each action, by how it ended. Without a row: the details."""

_AFTER_STATE: Mapping[State, Sequence[NextStep]] = {
    State.STOPPED: (NextStep.START,),
    State.PAUSED: (NextStep.RESUME,),
    State.SUSPENDED: (NextStep.RESUME,),
}
"""The steps after the refusal of an action that does not fit the guest's state. Without a row: the details."""
_BEFORE_DELETION: Mapping[State, Sequence[NextStep]] = {
    State.RUNNING: (NextStep.SHUTDOWN,),
    State.UNKNOWN: _LOOK,
}
"""The steps after the refusal of a deletion, which needs a stopped guest. Without a row: the force stop."""
AFTER_REFUSAL: Mapping[type[BotError], Sequence[NextStep]] = {
    GuestLocked: _LOOK,
    GuestBusy: _LOOK,
    ChangedMeanwhile: _LOOK,
    NothingToChange: _LOOK,
    SnapshotNotFound: (NextStep.SNAPSHOTS,),
    SnapshotExists: (NextStep.SNAPSHOTS,),
}
"""The steps after other refusals. Without a row there is none, except where `steps_after_refusal` looks at values."""


def _action_ending(report: Report) -> ActionEnding:
    if report.task is not None and report.task.end in (TaskEnd.VANISHED, TaskEnd.LOST):
        return ActionEnding.UNKNOWN
    if not report.good:
        return ActionEnding.FAILED
    if not report.settled:
        return ActionEnding.DISOBEYED
    waits = report.change is not None and report.change.waits_for_restart
    return ActionEnding.WAITS if waits else ActionEnding.DONE


def _steps_after(operation: Operation, ending: ActionEnding) -> Sequence[NextStep]:
    """Return the steps after an action that ended in this way."""
    return AFTER.get(operation, {}).get(ending, _LOOK)


def steps_after_refusal(error: BotError) -> Sequence[NextStep]:
    """Return the steps after a refusal."""
    if isinstance(error, WrongState):
        if error.verb == Operation.DELETE:
            return _BEFORE_DELETION.get(error.state, (NextStep.FORCE_STOP,))
        return _AFTER_STATE.get(error.state, _LOOK)
    if isinstance(error, NothingToChange) and (error.cores is not None or error.memory_mb is not None):
        return (NextStep.REBOOT_NOW, NextStep.DETAILS)
    if getattr(error, "changing", False):  # the task may still be running
        return _LOOK
    return AFTER_REFUSAL.get(type(error), ())


def outcome_buttons(t: Text, site: Site, report: Report) -> list[Item]:
    """Return the buttons under an outcome, for the person who acted: the details if they may take no other step."""
    order, plan = report.plan.order, report.plan
    guest = report.after or plan.guest
    if guest.vmid == plan.guest.vmid:  # `after` was read without Proxmox' protection flag
        guest = replace(guest, protected=guest.protected or plan.guest.protected)
    steps = _steps_after(order.operation, _action_ending(report))
    if report.after is None:  # its state is not known
        steps = [step for step in steps if step.operation not in ACTIONS]
    found = step_buttons(t, site, order.actor, guest, steps)
    return found or step_buttons(t, site, order.actor, guest, _LOOK)


def force_stop_buttons(t: Text, site: Site, report: Report) -> list[Item]:
    """Return the force-stop button, for a panel, if it is the next step after the reported action."""
    order, guest = report.plan.order, report.after
    steps = [
        step for step in _steps_after(order.operation, _action_ending(report)) if step is NextStep.FORCE_STOP
    ]
    return step_buttons(t, site, order.actor, guest, steps) if guest else []


def refusal_buttons(
    t: Text, interaction: Interaction, error: BotError, vmid: int | None = None
) -> list[Item]:
    """Return the buttons under a refusal, for the person who is refused.

    `vmid`: of the guest that was asked for, if the error does not name it.
    """
    site, vmid = chosen_site(interaction), getattr(error, "vmid", vmid)
    steps = steps_after_refusal(error)
    guest = site.cluster_cache.find(vmid) if site is not None and vmid and steps else None
    if site is None or guest is None:
        return []
    if isinstance(error, WrongState):
        guest = replace(guest, state=error.state)  # the list may be older than the refusal
    return step_buttons(t, site, actor_of(interaction), guest, steps)


def step_buttons(t: Text, site: Site, actor: Actor, guest: Guest, steps: Sequence[NextStep]) -> list[Item]:
    """Return the buttons of the steps that this person may take now."""
    return [step_button(t, step, guest, site.name) for step in steps if _may_take(site, actor, step, guest)]


def _may_take(site: Site, actor: Actor, step: NextStep, guest: Guest) -> bool:
    """Return whether the step fits the guest and this person may take it now.

    A guarded action on a protected guest is only offered if its button asks for confirmation.
    """
    operation = step.operation
    presser = replace(actor, interaction_kind=InteractionKind.BUTTON)
    listed = site.cluster_cache.find(guest.vmid) or guest  # access goes by the list
    if site.authorizer.refusal(presser, operation, replace(listed, protected=guest.protected)) is not None:
        return False
    if operation not in ACTIONS:
        return True
    row = OPERATIONS[operation]
    confirmed = row.asks or not (row.guarded and site.planner.protects(guest))
    return confirmed and can_act(operation, guest)


def step_button(t: Text, step: NextStep, guest: Guest, site: str) -> Item:
    """Return the button of a step, without checking access."""
    match step:
        case NextStep.DETAILS:
            return details_button(t, guest.vmid, site)
        case NextStep.LIST:
            return guest_list_button(t)
        case NextStep.SNAPSHOTS:
            return snapshots_button(t, guest.vmid, site)
        case NextStep.REBOOT_NOW:
            return guest_button(t, Operation.REBOOT, guest, site, label=t("Reboot now"), obvious=True)
        case NextStep.FORCE_STOP:
            return guest_button(t, Operation.STOP, guest, site, label=t("Force stop…"))
        case NextStep.SHUTDOWN:
            return guest_button(t, Operation.SHUTDOWN, guest, site, obvious=True)
        case _:
            return guest_button(t, step.operation, guest, site)
