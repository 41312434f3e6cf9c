"""Read a card as Discord gets it, and check that it keeps Discord's limits."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from discord import ui

from ui.i18n import Texts

Golden = Callable[[str, str], None]
TEXTS = Texts("ja")
EN, JA = TEXTS.of("en"), TEXTS.of("ja")
JA_AND_EN = [JA, EN]
GIB = 1024**3
languages = pytest.mark.parametrize("language", ["ja", "en"])
# Discord's limits for a message with components (docs: Message Components)
COMPONENTS_MOST, TEXT_MOST, LABEL_MOST, ID_MOST = 40, 4000, 80, 100


# --- what Discord gets ---


def payload(view: ui.LayoutView) -> list[dict[str, Any]]:
    """Return the components as they are sent."""
    components: list[dict[str, Any]] = view.to_components()  # type: ignore[no-untyped-call]  # discord.py leaves it untyped
    return components


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for component in components:
        yield component
        yield from walk(component.get("components", []))


def texts_of(view: ui.LayoutView) -> list[str]:
    return texts_in(payload(view))


def texts_in(components: list[dict[str, Any]]) -> list[str]:
    return [part["content"] for part in walk(components) if part["type"] == 10]


def buttons_of(view: ui.LayoutView) -> list[dict[str, Any]]:
    return [part for part in walk(payload(view)) if part["type"] == 2]


def shown(view: ui.LayoutView) -> str:
    """Describe a view for a person to read: its colour, texts, buttons and menus."""
    lines: list[str] = []
    for part in walk(payload(view)):
        match part["type"]:
            case 17:
                lines.append(f"== #{part['accent_color']:06X}")
            case 10:
                lines += [part["content"], "--"]
            case 2:
                style = {1: "blue", 2: "grey", 3: "green", 4: "red", 5: "link"}[part["style"]]
                face = part.get("label") or part["emoji"]["name"]
                off = " off" if part.get("disabled") else ""
                lines.append(f"[{face}] {style}{off} {part.get('custom_id') or part['url']}")
            case 3:
                lines.append(f"[{part['placeholder']}] menu {part['custom_id']}")
                lines += [
                    f"  {each['emoji']['name']} {each['label']} | {each['description']} | {each['value']}"
                    for each in part["options"]
                ]
            case 14:
                lines.append("(gap)")
            case kind:
                assert kind == 1
    return "\n".join(lines)


def within_limits(view: ui.LayoutView) -> list[str]:
    """Check that the view keeps Discord's limits. Return its texts."""
    sent = payload(view)
    json.dumps(sent, allow_nan=False, ensure_ascii=False).encode()  # no half of a surrogate pair either
    parts = list(walk(sent))
    assert len(parts) <= COMPONENTS_MOST
    texts = texts_in(sent)
    assert texts
    assert all(text.strip() for text in texts)
    assert sum(map(len, texts)) <= TEXT_MOST
    identities = [part["custom_id"] for part in parts if "custom_id" in part]
    assert len(set(identities)) == len(identities)
    assert all(1 <= len(identity) <= ID_MOST for identity in identities)
    for part in parts:
        if part["type"] == 1:
            assert 1 <= len(part["components"]) <= 5
        if part["type"] == 2:
            assert len(part.get("label") or "") <= LABEL_MOST
            assert part.get("label") or part.get("emoji")
    return texts


def checked(view: ui.LayoutView) -> list[str]:
    """Check that the view keeps the limits and that no code span or block was cut open. Return its texts."""
    texts = within_limits(view)
    for text in texts:
        assert "`" not in outside_code(text), text[-200:]
        assert not has_bare_markup(text), text
    return texts


def has_bare_markup(text: str) -> bool:
    """Return whether a line is a sign for small print or a heading without words, which Discord shows as typed."""
    return any(re.fullmatch("(-#|#{1,3}) *", line) for line in text.splitlines())


def outside_code(text: str) -> str:
    """Return the text that Discord reads as markdown: everything except code blocks and code spans."""
    text = re.sub(r"```\n[^`]*\n```", "▣", text)
    return re.sub(r"`[^`\n]+`", "▢", text)
