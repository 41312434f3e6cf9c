"""List every command once, for all tests. Written by hand: only the enums and the words of buttons come from the bot.

A registered command without a row here fails tests/project/test_command_catalogue.py. The access table is separate:
tests/support/access_document.py reads it from docs/access.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.guest import Kind, State
from core.levels import Effect, Level
from core.operations import Operation
from ui.i18n import Text
from ui.messages.operations import operation_noun

NONE, VIEWER, OPERATOR, ADMIN = Level
NOTHING, WORDS, LIST, GUEST = Effect
RUNNING, STOPPED = frozenset({State.RUNNING}), frozenset({State.STOPPED})
ALL_STATES = frozenset(State)
KNOWN = ALL_STATES - {State.UNKNOWN}


@dataclass(frozen=True)
class Action:
    """Describe the effect of a command on a guest.

    `request`: API path of the command's example, relative to the guest's path.
    `states`: those in which it is possible. `becomes`: the state afterwards; None: it does not set one.
    `tasks`: types of the task that Proxmox starts, for each kind of guest that has the action.
    `asks`: the bot asks before. `stops`: it stops, resets or removes the guest. `template`: it works on templates.
    """

    request: str
    states: frozenset[State]
    tasks: Mapping[Kind, frozenset[str]]
    becomes: State | None = None
    asks: bool = False
    stops: bool = False
    template: bool = False
    button: str = ""
    """When the panel shows its button: "always", "fits", or "" for never.

    With "always" it is grey where it does not fit the state of the guest.
    """

    @property
    def power(self) -> str:
        """Return Proxmox' word in `status/WORD`, empty for other requests."""
        return self.request.removeprefix("status/") if self.request.startswith("status/") else ""

    @property
    def begins(self) -> State:
        """Return a state in which the action is possible."""
        return next(state for state in State if state in self.states)


@dataclass(frozen=True)
class Command:
    """Describe a command.

    `options`: names in their order; required ones have a star.
    `example`: values for the demo cluster, on which an action can be carried out with them.
    `completes`: options whose completion is tried, each with the values filled in before it.
    `guarded`: a protected guest needs an admin, the guest's name and a reason.
    """

    word: str
    options: str
    level: Level
    effect: Effect
    example: Mapping[str, Any] = field(default_factory=dict)
    completes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    guarded: bool = False
    action: Action | None = None

    @property
    def operation(self) -> Operation:
        return Operation(self.word.replace(" ", "_"))


def tasks(suffix: str, *also: str) -> dict[Kind, frozenset[str]]:
    return {Kind.QEMU: frozenset({f"qm{suffix}", *also}), Kind.LXC: frozenset({f"vz{suffix}", *also})}


OF_103 = {"vmid": 103}
COMMANDS = (
    Command("status", "", VIEWER, NOTHING),
    Command(
        "list", "status kind node tag pool sort", VIEWER, NOTHING, {}, {"node": {}, "tag": {}, "pool": {}}
    ),
    Command("node list", "", VIEWER, NOTHING),
    Command("node info", "node*", VIEWER, NOTHING, {"node": "pve1"}, {"node": {}}),
    Command("storage", "", VIEWER, NOTHING),
    Command("info", "vmid*", VIEWER, NOTHING, {"vmid": 101}, {"vmid": {}}),
    Command("graph guest", "vmid* period what", VIEWER, NOTHING, {"vmid": 101}, {"vmid": {}}),
    Command("graph node", "node* period what", VIEWER, NOTHING, {"node": "pve1"}, {"node": {}}),
    Command(
        "create",
        "template_id* name* new_vmid",
        ADMIN,
        GUEST,
        {"template_id": 9000, "name": "web-02"},
        {"template_id": {}},
        action=Action("clone", ALL_STATES, tasks("clone"), template=True),
    ),
    Command(
        "resize",
        "vmid* cores memory_mb",
        ADMIN,
        GUEST,
        {"vmid": 101, "cores": 4},
        {"vmid": {}},
        guarded=True,
        action=Action("config", KNOWN, tasks("config")),
    ),
    Command(
        "delete",
        "vmid* dry_run",
        ADMIN,
        GUEST,
        {"vmid": 205},
        {"vmid": {}},
        guarded=True,
        action=Action("", STOPPED, tasks("destroy"), asks=True, stops=True, template=True),
    ),
    Command(
        "start",
        "vmid*",
        OPERATOR,
        GUEST,
        {"vmid": 104},
        {"vmid": {}},
        action=Action(
            "status/start", STOPPED, tasks("start", "hastart", "qmresume"), State.RUNNING, button="always"
        ),
    ),
    Command(
        "reboot",
        "vmid*",
        OPERATOR,
        GUEST,
        {"vmid": 101},
        guarded=True,
        action=Action("status/reboot", RUNNING, tasks("reboot"), State.RUNNING, stops=True, button="always"),
    ),
    Command(
        "shutdown",
        "vmid*",
        OPERATOR,
        GUEST,
        {"vmid": 106},
        guarded=True,
        action=Action(
            "status/shutdown",
            RUNNING,
            tasks("shutdown", "hastop"),
            State.STOPPED,
            stops=True,
            button="always",
        ),
    ),
    Command(
        "stop",
        "vmid* dry_run",
        ADMIN,
        GUEST,
        {"vmid": 103},
        guarded=True,
        action=Action(
            "status/stop",
            ALL_STATES - STOPPED,
            tasks("stop", "hastop"),
            State.STOPPED,
            asks=True,
            stops=True,
        ),
    ),
    Command(
        "suspend",
        "vmid*",
        OPERATOR,
        GUEST,
        {"vmid": 108},
        guarded=True,
        action=Action(
            "status/suspend", RUNNING, {Kind.QEMU: frozenset({"qmpause"})}, State.PAUSED, button="fits"
        ),
    ),
    Command(
        "resume",
        "vmid*",
        OPERATOR,
        GUEST,
        {"vmid": 109},
        action=Action(
            "status/resume",
            frozenset({State.PAUSED, State.SUSPENDED}),
            {Kind.QEMU: frozenset({"qmresume"})},
            State.RUNNING,
            button="fits",
        ),
    ),
    Command(
        "reset",
        "vmid* dry_run",
        ADMIN,
        GUEST,
        {"vmid": 107},
        guarded=True,
        action=Action(
            "status/reset",
            RUNNING,
            {Kind.QEMU: frozenset({"qmreset"})},
            State.RUNNING,
            asks=True,
            stops=True,
        ),
    ),
    Command(
        "snapshot create",
        "vmid* name* description with_memory",
        OPERATOR,
        GUEST,
        {"vmid": 101, "name": "good"},
        {"vmid": {}},
        action=Action("snapshot", KNOWN, tasks("snapshot")),
    ),
    Command("snapshot list", "vmid*", VIEWER, NOTHING, {"vmid": 101}),
    Command(
        "snapshot rollback",
        "vmid* name* dry_run",
        ADMIN,
        GUEST,
        {"vmid": 101, "name": "nginx-ok"},
        {"vmid": {}, "name": OF_103},
        guarded=True,
        action=Action("snapshot/nginx-ok/rollback", KNOWN, tasks("rollback"), asks=True, stops=True),
    ),
    Command(
        "snapshot delete",
        "vmid* name*",
        ADMIN,
        GUEST,
        {"vmid": 101, "name": "nginx-ok"},
        {"name": OF_103},
        guarded=True,
        action=Action("snapshot/nginx-ok", KNOWN, tasks("delsnapshot"), asks=True),
    ),
    Command("monitor add", "vmid* cpu memory disk", ADMIN, LIST, {"vmid": 101}, {"vmid": {}}),
    Command("monitor remove", "vmid* confirm reason", ADMIN, LIST, {"vmid": 101}, {"vmid": {}}, guarded=True),
    Command("monitor list", "", VIEWER, NOTHING),
    Command(
        "monitor mute",
        "target* duration* confirm reason",
        OPERATOR,
        WORDS,
        {"target": "all", "duration": "1h"},
        {"target": {}, "duration": {}},
    ),
    Command("monitor unmute", "target*", OPERATOR, WORDS, {"target": "all"}, {"target": {}}),
    Command("monitor history", "vmid", VIEWER, NOTHING, {}, {"vmid": {}}),
    Command("monitor test", "", ADMIN, WORDS),
    Command("monitor status", "", VIEWER, NOTHING),
    Command("help", "", VIEWER, NOTHING),
    Command("access", "action vmid", NONE, NOTHING, {"vmid": 101}, {"vmid": {}, "action": {}}),
    Command("health", "", ADMIN, NOTHING),
    Command("readonly on", "", ADMIN, WORDS),
    Command("readonly off", "", ADMIN, WORDS),
    Command(
        "dashboard create",
        "channel node tag pool",
        ADMIN,
        WORDS,
        completes={"node": {}, "tag": {}, "pool": {}},
    ),
    Command(
        "dashboard remove", "dashboard*", ADMIN, WORDS, {"dashboard": "0123456789abcdef"}, {"dashboard": {}}
    ),
    Command("dashboard list", "", ADMIN, NOTHING),
    Command(
        "audit",
        "vmid who action since readings csv",
        ADMIN,
        NOTHING,
        {},
        {"vmid": {}, "action": {}, "since": {}},
    ),
)
COMMAND = {command.word: command for command in COMMANDS}
READING = tuple(
    command.word
    for command in COMMANDS
    if command.effect is Effect.NOTHING and command.options.startswith("vmid*")
)
"""Commands that show something of one guest, named by the first option."""
ACTING = tuple(command for command in COMMANDS if command.action is not None)
ACTION = {command.operation: command.action for command in COMMANDS if command.action is not None}
"""Effect of each action, by operation."""

EVERY_COMMAND: list[tuple[str, dict[str, Any]]] = [
    *((command.word, dict(command.example)) for command in COMMANDS),
    ("audit", {"csv": True}),
]
EVERY_COMPLETION: list[tuple[str, str, dict[str, Any]]] = [
    (command.word, option, dict(filled))
    for command in COMMANDS
    for option, filled in command.completes.items()
]


def level_of(word: str) -> Level:
    return COMMAND[word].level


def words_of_power(kind: Kind) -> list[str]:
    """Return the words that the bot sends in `POST …/status/WORD` to this kind of guest."""
    return [action.power for action in ACTION.values() if action.power and kind in action.tasks]


def panel_buttons(t: Text, kind: Kind, state: State) -> list[tuple[str, bool]]:
    """Return the labels of the buttons on the panel of such a guest, each with whether it can be pressed."""
    found = []
    for operation, action in ACTION.items():
        fits = kind in action.tasks and state in action.states
        if action.button == "always" or (action.button == "fits" and fits):
            found.append((operation_noun(t, operation), fits))
    return [*found, (t("Refresh"), True), (t("Chart"), True), (t("Disks and backups"), True)]


def enabled_buttons(t: Text, kind: Kind, state: State) -> list[str]:
    return [label for label, fits in panel_buttons(t, kind, state) if fits]
