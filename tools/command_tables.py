"""Make the tables of docs/commands.md: commands, options, levels, buttons, and the buttons under results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from discord import app_commands, ui

from bootstrap import COGS
from core.guest import Guest, Kind, State
from core.levels import Level, Reach
from core.operations import OPERATIONS, Operation
from core.watch.incidents.model import GuestEvent, GuestFact, Incident, Severity, Topic
from tools.markdown import table
from ui.access.groups import GROUPS
from ui.formatting import level_word
from ui.guests.panel import guest_buttons
from ui.i18n import Text
from ui.interaction.buttons import (
    alert_buttons,
    dashboard_buttons,
    list_buttons,
    status_button,
    welcome_buttons,
)
from ui.interaction.next_steps import AFTER, ActionEnding, NextStep, step_button
from ui.messages.operations import command_of, operation_command

Command = app_commands.Command[Any, ..., Any]
_OF_SITES = "site"
"""The option that exists only with several sites."""


def commands() -> dict[str, Command]:
    """Return every command of the bot by its full name."""
    found: dict[str, Command] = {}
    waiting: list[Any] = [each for cog in COGS for each in cog.__cog_app_commands__]
    groups = {id(each): cog for cog in COGS for each in cog.__cog_app_commands__}
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, app_commands.Group):
            waiting += each.commands
            continue
        cog = groups.get(id(each))
        prefix = f"{cog.__cog_group_name__} " if cog is not None and cog.__cog_is_app_commands_group__ else ""
        found[f"{prefix}{each.qualified_name}"] = each
    return found


def usage(name: str, command: Command) -> str:
    """Return `/snapshot list vmid`, with optional options in brackets and without `site`."""
    options = (
        each.name if each.required else f"[{each.name}]"
        for each in command.parameters
        if each.name != _OF_SITES
    )
    return " ".join((f"/{name}", *options))


def command_table(t: Text) -> str:
    """Return the commands by group, in the order of /help."""
    known = commands()
    parts = []
    for title, group in GROUPS:
        names = [command_of(operation) for operation in group if operation is not Operation.ACKNOWLEDGE]
        rows = [(f"`{usage(name, known[name])}`", t.raw(str(known[name].description))) for name in names]
        head = (t(title), {"ja": "内容", "en": "What it does"}[t.language])
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def option_table(t: Text) -> str:
    """Return the meaning of each option. Options of the same name share a row, which has all their meanings."""
    found: dict[tuple[str, str], None] = {}
    for command in commands().values():
        for each in command.parameters:
            found.setdefault((each.name, t.raw(str(each.description))))
    meanings: dict[str, list[str]] = {}
    for name, meaning in found:
        meanings.setdefault(name, []).append(meaning)
    head = {"ja": ("オプション", "意味"), "en": ("Option", "Meaning")}[t.language]
    between = {"ja": "。または: ", "en": "; or: "}[t.language]
    return table(head, ((f"`{name}`", between.join(meanings[name])) for name in sorted(meanings)))


# ---------------------------------------------------------------------- buttons

_VM = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01")
_STOPPED = GuestFact(101, GuestEvent.STOPPED, Kind.QEMU, "pve1", "web01")
_PLACES: tuple[tuple[tuple[str, str], Callable[[Text], Iterable[Any]]], ...] = (
    (("詳細", "details"), lambda t: guest_buttons(t, _VM, "")),
    (("詳細", "details"), lambda t: guest_buttons(t, _guest(State.PAUSED), "")),
    (("通知", "alerts"), lambda t: alert_buttons(t, _incident(), "")),
    (("通知", "alerts"), lambda t: alert_buttons(t, _incident(ended=2.0, can_unmute=True), "")),
    (("操作の後", "results"), lambda t: (step_button(t, step, _VM, "") for step in NextStep)),
    (("一覧", "lists"), lambda t: list_buttons(t, "list", 0, 1, ("running", "", ""), "", empty=True)),
    (("`/status`", "`/status`"), lambda t: [status_button(t, "")]),
    (("ダッシュボード", "dashboards"), lambda t: dashboard_buttons(t, "0" * 16, "")),
    (("最初のメッセージ", "first message"), welcome_buttons),
)
"""The places with buttons, in Japanese and English, and their buttons as they are made there."""
_OPERATIONS = {
    "refresh": Operation.INFO,
    "details": Operation.INFO,
    "disks": Operation.INFO,
    "chart": Operation.GRAPH_GUEST,
    "snapshots": Operation.SNAPSHOT_LIST,
    "ack": Operation.ACKNOWLEDGE,
    "mute1": Operation.MONITOR_MUTE,
    "mute8": Operation.MONITOR_MUTE,
    "unmute": Operation.MONITOR_UNMUTE,
    "alerts": Operation.MONITOR_STATUS,
    "test": Operation.MONITOR_TEST,
}
"""The operation of a word in a custom_id, if it is not the operation's own word."""


def _guest(state: State) -> Guest:
    return Guest(101, Kind.QEMU, "pve1", state, "web01")


def _incident(**changes: Any) -> Incident:
    return Incident(1, Topic.GUEST, "101", Severity.CRITICAL, 1.0, 1.0, guests=(_STOPPED,), **changes)


def _label_and_operation(item: Any) -> tuple[str, Operation]:
    button: ui.Button[Any] = item.item
    word = str(button.custom_id).split(":")[1]
    return str(button.label or button.emoji or ""), _OPERATIONS.get(word) or Operation(word)


def button_table(t: Text) -> str:
    """Return the buttons, their places, and the level that each needs. Those of a chart's periods are left out."""
    places: dict[Operation, dict[str, dict[str, None]]] = {}
    for names, make in _PLACES:
        for label, operation in map(_label_and_operation, filter(_has_id, make(t))):
            labels = places.setdefault(operation, {})
            labels.setdefault(label, {})[names[t.language == "en"]] = None
    groups: dict[str, dict[str, dict[str, None]]] = {}
    for operation in sorted(places, key=_rank):
        group = groups.setdefault(_level_name(t, operation), {})
        for label, found in places[operation].items():
            group.setdefault(label, {}).update(found)
    where = {"ja": "場所", "en": "Where"}[t.language]
    return "\n\n".join(
        table((name, where), ((label, _list(t, found)) for label, found in group.items()))
        for name, group in groups.items()
    )


def _rank(operation: Operation) -> tuple[Level, bool]:
    return OPERATIONS[operation].level, OPERATIONS[operation].reach is Reach.WHOLE


def _level_name(t: Text, operation: Operation) -> str:
    level, whole = _rank(operation)
    if level is Level.NONE or whole:
        return (_EVERY_GUEST if whole else _NOBODY)[t.language == "en"]
    return level_word(t, level).capitalize()


def _has_id(item: Any) -> bool:
    return getattr(item, "item", None) is not None


def _list(t: Text, words: Iterable[str]) -> str:
    return {"ja": "、", "en": ", "}[t.language].join(words)


def step_table(t: Text) -> str:
    """Return the buttons under the result of each action."""
    rows = []
    for operation, endings in AFTER.items():
        by_steps: dict[str, list[str]] = {}
        for ending, steps in endings.items():
            labels = " · ".join(_label_and_operation(step_button(t, step, _VM, ""))[0] for step in steps)
            by_steps.setdefault(labels, []).append(_ENDINGS[ending][t.language == "en"])
        rows += [
            (f"`/{command_of(operation)}`", _list(t, endings), labels)
            for labels, endings in by_steps.items()
            if labels
        ]
    head = {"ja": ("操作", "結果", "ボタン"), "en": ("After", "Result", "Buttons")}[t.language]
    return table(head, rows)


_ENDINGS: Mapping[ActionEnding, tuple[str, str]] = {
    ActionEnding.DONE: ("✅ 完了", "✅ done"),
    ActionEnding.WAITS: ("✅ 再起動待ち", "✅ waits for a reboot"),
    ActionEnding.FAILED: ("❌ 失敗", "❌ failed"),
    ActionEnding.DISOBEYED: ("⚠️ 応じない", "⚠️ no reaction"),
    ActionEnding.UNKNOWN: ("❔ 不明", "❔ unknown"),
}

# ---------------------------------------------------------------------- levels

_EVERY_GUEST = ("管理者（すべてのゲスト）", "Admin of all guests")
_NOBODY = ("ロールなし", "No role")


def level_table(t: Text) -> str:
    """Return the operations that each level adds to the one before it. 🔒: can be guarded. ❓: asks first."""
    groups: dict[str, list[str]] = {}
    for operation in sorted(OPERATIONS, key=_rank):
        row, name = OPERATIONS[operation], _level_name(t, operation)
        word = operation_command(t, operation)
        signs = "🔒" * (row.guarded or row.guarded_after is not None) + "❓" * row.asks
        groups.setdefault(name, []).append((f"`{word}`" if word.startswith("/") else word) + signs)
    head = {"ja": ("権限", "加わる操作"), "en": ("Level", "May also")}[t.language]
    return table(head, ((name, " ".join(words)) for name, words in groups.items()))
