"""Define the words for each operation, one row each. Other modules format and show them."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from discord import ButtonStyle

from core.guest import State
from core.operations import Operation
from core.wanted_errors import UnknownOperation
from ui.i18n import N_, Marked, Text, Texts

_NONE = Marked("")


@dataclass(frozen=True, slots=True)
class Button:
    """A button that carries out the operation: green starts or resumes, red forces, grey is gentle.

    `always`: as long as one button with `always` fits the guest's state, a panel shows all of them, and greys out
    those that do not fit.
    `on_panel=False`: the button is only offered as the next step, under outcomes and refusals.
    """

    style: ButtonStyle
    always: bool = False
    on_panel: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """The words for one operation.

    Actions have `working`, `done` and `failed`. Actions that can ask for confirmation also have `question`, `yes`,
    and a `consequence` if ui/guests/plan.py does not describe the effect.
    Placeholders: {guest} is the guest as displayed, {name} the new guest's name, {snapshot} the snapshot's name. In
    `done` of CREATE, {guest} is the new guest.
    """

    noun: Marked
    """Used on buttons, in titles and in lists."""
    working: Marked = _NONE
    done: Marked = _NONE
    failed: Marked = _NONE
    question: Marked = _NONE
    """Title of the question's card."""
    consequence: Marked = _NONE
    """Effect on the guest, the same for all guests."""
    yes: Marked = _NONE
    """Label of the question's confirming button: verb and object (Discord). Here {name} is the object's name."""
    button: Button | None = None
    refused: Mapping[State, Marked] = field(default_factory=dict)
    """Refusals by the guest's state, used instead of the general sentence. Placeholders: {guest}, {state}."""


WORDS: Mapping[Operation, Words] = {
    Operation.START: Words(
        N_("Start"),
        N_("Starting {guest}…"),
        N_("{guest} was started."),
        N_("{guest} could not be started."),
        button=Button(ButtonStyle.success, always=True),
        refused={
            State.RUNNING: N_("{guest} is already running."),
            State.PAUSED: N_("{guest} is paused. Use `/resume` to resume it."),
        },
    ),
    Operation.REBOOT: Words(
        N_("Reboot"),
        N_("Rebooting {guest}…"),
        N_("{guest} was rebooted."),
        N_("{guest} could not be rebooted."),
        N_("Reboot?"),
        N_("The guest will shut down and start again; its users will be disconnected."),
        N_("Reboot {name}"),
        button=Button(ButtonStyle.secondary, always=True),
    ),
    Operation.SHUTDOWN: Words(
        N_("Shutdown"),
        N_("Shutting down {guest}…"),
        N_("{guest} was shut down."),
        N_("{guest} could not be shut down."),
        N_("Shut down?"),
        N_("The guest will shut down and stay off until it is started again."),
        N_("Shut down {name}"),
        button=Button(ButtonStyle.secondary, always=True),
    ),
    Operation.STOP: Words(
        N_("Stop"),
        N_("Force-stopping {guest}…"),
        N_("{guest} was force-stopped."),
        N_("{guest} could not be force-stopped."),
        N_("Force stop?"),
        N_("This is like pulling the plug: unsaved data will be lost. Use `/shutdown` to stop it cleanly."),
        N_("Force-stop {name}"),
        button=Button(ButtonStyle.danger, on_panel=False),
    ),
    Operation.SUSPEND: Words(
        N_("Pause"),
        N_("Pausing {guest}…"),
        N_("{guest} was paused."),
        N_("{guest} could not be paused."),
        N_("Pause?"),
        N_("The guest will stay in RAM but not run until it is resumed; its users will be disconnected."),
        N_("Pause {name}"),
        button=Button(ButtonStyle.secondary),
        refused={State.PAUSED: N_("{guest} is already paused.")},
    ),
    Operation.RESUME: Words(
        N_("Resume"),
        N_("Resuming {guest}…"),
        N_("{guest} was resumed."),
        N_("{guest} could not be resumed."),
        button=Button(ButtonStyle.success),
        refused={State.RUNNING: N_("{guest} is already running.")},
    ),
    Operation.RESET: Words(
        N_("Reset"),
        N_("Resetting {guest}…"),
        N_("{guest} was reset."),
        N_("{guest} could not be reset."),
        N_("Reset?"),
        N_(
            "This is like pressing the reset button: unsaved data will be lost. Use `/reboot` to restart it cleanly."
        ),
        N_("Reset {name}"),
    ),
    Operation.CREATE: Words(
        N_("Create"),
        N_("Cloning {guest} to {name}…"),
        N_("{guest} was created."),
        N_("{name} could not be created from {guest}."),
        N_("Create?"),
        yes=N_("Create {name}"),
    ),
    Operation.RESIZE: Words(
        N_("Resize"),
        N_("Resizing {guest}…"),
        N_("{guest} was resized."),
        N_("{guest} could not be resized."),
        N_("Resize?"),
        yes=N_("Resize {name}"),
    ),
    Operation.DELETE: Words(
        N_("Delete"),
        N_("Deleting {guest}…"),
        N_("{guest} was deleted."),
        N_("{guest} could not be deleted."),
        N_("Delete permanently?"),
        yes=N_("Delete {name}"),
        refused=dict.fromkeys(
            State, N_("{guest} is not stopped ({state}). Shut it down before deleting it.")
        ),
    ),
    Operation.SNAPSHOT_CREATE: Words(
        N_("Create snapshot"),
        N_("Creating snapshot {snapshot} of {guest}…"),
        N_("Snapshot {snapshot} of {guest} was created."),
        N_("Snapshot {snapshot} of {guest} could not be created."),
    ),
    Operation.SNAPSHOT_ROLLBACK: Words(
        N_("Rollback"),
        N_("Rolling {guest} back to {snapshot}…"),
        N_("{guest} was rolled back to {snapshot}."),
        N_("{guest} could not be rolled back to {snapshot}."),
        N_("Roll back?"),
        yes=N_("Roll back {name}"),
    ),
    Operation.SNAPSHOT_DELETE: Words(
        N_("Delete snapshot"),
        N_("Deleting snapshot {snapshot} of {guest}…"),
        N_("Snapshot {snapshot} of {guest} was deleted."),
        N_("Snapshot {snapshot} of {guest} could not be deleted."),
        N_("Delete this snapshot?"),
        yes=N_("Delete {name}"),
    ),
    Operation.STATUS: Words(N_("Cluster status")),
    Operation.LIST: Words(N_("List")),
    Operation.INFO: Words(N_("Details")),
    Operation.HELP: Words(N_("Help")),
    Operation.NODE_LIST: Words(N_("Node list")),
    Operation.NODE_INFO: Words(N_("Node details")),
    Operation.STORAGE: Words(N_("Storages")),
    Operation.SNAPSHOT_LIST: Words(N_("Snapshot list")),
    Operation.GRAPH_GUEST: Words(N_("Chart")),
    Operation.GRAPH_NODE: Words(N_("Chart of a node")),
    Operation.MONITOR_LIST: Words(N_("Watch list")),
    Operation.MONITOR_ADD: Words(N_("Watch")),
    Operation.MONITOR_REMOVE: Words(N_("Unwatch")),
    Operation.MONITOR_MUTE: Words(N_("Mute")),
    Operation.MONITOR_UNMUTE: Words(N_("Unmute")),
    Operation.MONITOR_HISTORY: Words(N_("History")),
    Operation.MONITOR_STATUS: Words(N_("Monitoring status")),
    Operation.MONITOR_TEST: Words(N_("Test alert")),
    Operation.ACKNOWLEDGE: Words(N_("Acknowledge")),
    Operation.ACCESS: Words(N_("Permissions")),
    Operation.READONLY_ON: Words(N_("Read-only on")),
    Operation.READONLY_OFF: Words(N_("Read-only off")),
    Operation.AUDIT: Words(N_("Audit trail")),
    Operation.DASHBOARD_CREATE: Words(N_("Create dashboard")),
    Operation.DASHBOARD_REMOVE: Words(N_("Remove dashboard")),
    Operation.DASHBOARD_LIST: Words(N_("Dashboards")),
    Operation.HEALTH: Words(N_("Setup check")),
}

BUTTONS: Mapping[Operation, Button] = {
    operation: words.button for operation, words in WORDS.items() if words.button is not None
}
"""The button of each operation that has one, in the panel's order."""
PANEL_ACTIONS = tuple(operation for operation, button in BUTTONS.items() if button.on_panel)
"""Operations that have a button on the panel, in its order."""


def operation_noun(t: Text, operation: Operation) -> str:
    return t(WORDS[operation].noun)


def operation_command(t: Text, operation: Operation) -> str:
    """Return the operation as people know it: its command, or the label of its button."""
    return t("Acknowledge") if operation is Operation.ACKNOWLEDGE else f"/{command_of(operation)}"


def command_of(operation: Operation) -> str:
    """Return the command's name without the slash."""
    return operation.value.replace("_", " ")


def operation_named(texts: Texts, text: str) -> Operation:
    """Find an operation by its word, its command's name, or its noun in either language.

    Raises: UnknownOperation.
    """
    meant = " ".join(unicodedata.normalize("NFKC", text).casefold().replace("_", " ").split()).lstrip("/")
    for operation in Operation:
        if meant == command_of(operation):
            return operation
    for operation in Operation:
        if meant in (operation_noun(texts.of(language), operation).casefold() for language in ("ja", "en")):
            return operation
    raise UnknownOperation(text)
