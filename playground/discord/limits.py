"""Check request bodies against Discord's documented limits.

SimCord answers the requests. It checks messages and forms, but neither command payloads nor autocomplete choices.
Discord refuses each breach with 400 and code 50035, and so does the playground.
Sources: "Application Commands", "Message Components" and "Receiving and Responding to Interactions" in
Discord's developer documentation.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

COMPONENTS_V2 = 1 << 15
"""Message flag of the newer layout components. It forbids content, embeds, polls and stickers."""

_CALLBACK = re.compile(r"/interactions/\d+/[^/]+/callback")
_COMMANDS = re.compile(r"/applications/\d+(/guilds/\d+)?/commands(/\d+)?")
_MESSAGES = re.compile(
    r"/channels/\d+/messages(/\d+)?|/webhooks/\d+/[^/]+(/messages/[^/]+)?|/channels/\d+/threads"
)
_SUBCOMMAND_TYPES = (1, 2)
_SELECT_TYPES = (3, 5, 6, 7, 8)
_V2_TYPES = (9, 10, 11, 12, 13, 14, 17)


def breaches(method: str, path: str, body: Any, raw: bytes | None = None) -> list[str]:
    """Return the breaches by one REST request, as "where: what". Only the limits in this file are checked.

    `path` is relative to the API base ("/channels/1/messages"). `body` is the decoded JSON, or None. `raw`: the JSON
    as it was sent, if it is known.
    """
    if method not in {"POST", "PUT", "PATCH"} or body is None:
        return []
    if _COMMANDS.fullmatch(path):
        return list(_command_breaches(raw or json.dumps(body).encode()))
    if not isinstance(body, Mapping):
        return []
    if _CALLBACK.fullmatch(path):
        return list(_callback(body))
    if _MESSAGES.fullmatch(path):
        return list(_message(body))
    return []


@functools.lru_cache(maxsize=64)
def _command_breaches(raw: bytes) -> tuple[str, ...]:
    """Check a payload once per process, because a bot registers the same 40 kB at each start."""
    body = json.loads(raw)
    return tuple(_commands(body if isinstance(body, list) else [body]))


def _length(where: str, value: Any, low: int, high: int) -> Iterator[str]:
    if not isinstance(value, str) or not low <= len(value) <= high:
        got = len(value) if isinstance(value, str) else type(value).__name__
        yield f"{where}: must be {low} to {high} characters, got {got}"


def _count(where: str, items: Any, high: int) -> Iterator[str]:
    if items is not None and len(items) > high:
        yield f"{where}: at most {high}, got {len(items)}"


def _commands(commands: list[Any]) -> Iterator[str]:
    chat_input = [item for item in commands if item.get("type", 1) == 1]
    yield from _count("commands", chat_input, 100)
    yield from _unique("commands", [(item.get("type", 1), item.get("name")) for item in commands])
    for command in commands:
        where = f"/{command.get('name')}"
        if command.get("type", 1) == 1:
            yield from _named(where, command)
            yield from _options(where, command)
        elif "name" in command:
            yield from _length(f"{where}.name", command["name"], 1, 32)
        total = _weight(command)
        if total > 8000:
            yield f"{where}: names, descriptions and values are {total} characters together, at most 8000"


def _named(where: str, item: Mapping[str, Any]) -> Iterator[str]:
    names = {"name": item.get("name"), **_localised("name", item)}
    for key, name in names.items():
        if not isinstance(name, str) or not _is_command_name(name):
            yield f"{where}.{key}: {name!r} must be 1 to 32 lower-case letters, digits, -, _ or '"
    for key, text in {"description": item.get("description"), **_localised("description", item)}.items():
        yield from _length(f"{where}.{key}", text, 1, 100)


def _localised(key: str, item: Mapping[str, Any]) -> dict[str, Any]:
    field = f"{key}_localizations"
    return {f"{field}.{tag}": text for tag, text in (item.get(field) or {}).items()}


def _is_command_name(name: str) -> bool:
    kinds = [unicodedata.category(letter) for letter in name if letter not in "-_'"]
    letters = all(kind[0] in "LN" or kind == "Mn" for kind in kinds)
    return 1 <= len(name) <= 32 and letters and name == name.lower()


def _options(where: str, item: Mapping[str, Any]) -> Iterator[str]:
    options = item.get("options") or []
    yield from _count(f"{where}.options", options, 25)
    yield from _unique(f"{where}.options", [option.get("name") for option in options])
    values = [option for option in options if option.get("type") not in _SUBCOMMAND_TYPES]
    required = [bool(option.get("required")) for option in values]
    if required != sorted(required, reverse=True):
        yield f"{where}.options: required options must come before optional ones"
    for option in options:
        inner = f"{where}.{option.get('name')}"
        yield from _named(inner, option)
        yield from _choices(inner, option.get("choices"))
        if option.get("choices") and option.get("autocomplete"):
            yield f"{inner}: choices and autocomplete exclude each other"
        yield from _options(inner, option)


def _choices(where: str, choices: Any) -> Iterator[str]:
    yield from _count(f"{where}.choices", choices, 25)
    for index, choice in enumerate(choices or []):
        inner = f"{where}.choices[{index}]"
        names = {"name": choice.get("name"), **_localised("name", choice)}
        for key, name in names.items():
            yield from _length(f"{inner}.{key}", name, 1, 100)
        if isinstance(choice.get("value"), str):
            yield from _length(f"{inner}.value", choice["value"], 1, 100)


def _unique(where: str, names: list[Any]) -> Iterator[str]:
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{where}: {name!r} occurs more than once"


def _weight(item: Mapping[str, Any]) -> int:
    """Count a command's characters towards Discord's 8000: for each text its longest localisation."""
    total = 0
    for key in ("name", "description"):
        texts = [item.get(key) or "", *(item.get(f"{key}_localizations") or {}).values()]
        total += max(len(str(text)) for text in texts)
    total += len(item["value"]) if isinstance(item.get("value"), str) else 0
    return total + sum(_weight(inner) for key in ("options", "choices") for inner in item.get(key) or [])


def _callback(body: Mapping[str, Any]) -> Iterator[str]:
    data = body.get("data") or {}
    match body.get("type"):
        case 4 | 7:
            yield from _message(data)
        case 8:
            yield from _choices("autocomplete", data.get("choices"))
        case 9:
            yield from _length("title", data.get("title"), 1, 45)
            yield from _length("custom_id", data.get("custom_id"), 1, 100)
            if not 1 <= len(data.get("components") or []) <= 5:
                yield "components: a form has 1 to 5 components"
            yield from _components(data.get("components") or [])


def _message(body: Mapping[str, Any]) -> Iterator[str]:
    content, components = body.get("content"), body.get("components") or []
    if content:
        yield from _length("content", content, 0, 2000)
    yield from _length("nonce", str(body.get("nonce") or ""), 0, 25)
    yield from _count("embeds", body.get("embeds"), 10)
    layout = any(component.get("type") in _V2_TYPES for component in walk(components))
    newer = layout or int(body.get("flags") or 0) & COMPONENTS_V2
    if newer and (content or body.get("embeds")):
        yield "flags: content and embeds cannot go with Components V2"
    if not newer:
        yield from _count("components", components, 5)
    yield from _components(components)


def walk(components: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every component of a tree in reading order, parents before their children."""
    for component in components or []:
        if isinstance(component, Mapping):
            yield component
            yield from walk(component.get("components"))
            yield from walk([component[key] for key in ("accessory", "component") if component.get(key)])


def _components(components: list[Any]) -> Iterator[str]:
    every = list(walk(components))
    yield from _count("components", every, 40)
    text = sum(len(c.get("content") or "") for c in every if c.get("type") == 10)
    if text > 4000:
        yield f"components: at most 4000 characters of text, got {text}"
    custom_ids = [c["custom_id"] for c in every if c.get("custom_id") is not None]
    yield from _unique("components.custom_id", custom_ids)
    for custom_id in custom_ids:
        yield from _length("components.custom_id", custom_id, 1, 100)
    for component in every:
        match component.get("type"):
            case 2 if component.get("label"):
                yield from _length("button.label", component["label"], 1, 80)
            case 2 if not component.get("emoji") and component.get("style") != 6:
                yield "button: needs a label or an emoji"
            case 1:
                yield from _count("row.components", component.get("components"), 5)
            case kind if kind in _SELECT_TYPES:
                yield from _length("select.placeholder", component.get("placeholder") or "", 0, 150)
                yield from _count("select.options", component.get("options"), 25)
                for option in component.get("options") or []:
                    yield from _length("select.option.label", option.get("label"), 1, 100)
                    yield from _length("select.option.value", option.get("value"), 1, 100)
                    yield from _length("select.option.description", option.get("description") or "", 0, 100)
