"""Show messages and forms as a person reads them: flat text, and the buttons below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from playground.discord.limits import walk

EPHEMERAL, LOADING = 1 << 6, 1 << 7
_BUTTON, _TEXT_INPUT, _TEXT = 2, 4, 10
_SELECTS = (3, 5, 6, 7, 8)
_STYLES = {1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "premium"}


class StoredMessage(Protocol):
    """The part of a stored message that a SeenMessage reads. SimCord's message model has it."""

    id: int
    channel_id: int
    author_id: int
    content: str
    flags: int
    pinned: bool
    edited_timestamp: str | None
    embeds: list[dict[str, Any]]
    components: list[dict[str, Any]]
    attachments: list[dict[str, Any]]
    interaction_metadata: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a message. `style`: "primary", "secondary", "success", "danger", "link", "premium" or "unknown"."""

    label: str
    custom_id: str | None
    disabled: bool
    style: str
    emoji: str | None


@dataclass(frozen=True, slots=True)
class Select:
    """A select menu. `options`: (label, value) pairs, empty for menus of users, roles and channels."""

    custom_id: str
    placeholder: str
    disabled: bool
    options: tuple[tuple[str, str], ...]


class SeenMessage:
    """A live message: every property shows the state after the latest edit."""

    def __init__(self, message: StoredMessage, exists: Callable[[], bool]) -> None:
        self._message, self._exists = message, exists

    @property
    def id(self) -> int:
        return self._message.id

    @property
    def channel_id(self) -> int:
        return self._message.channel_id

    @property
    def author_id(self) -> int:
        return self._message.author_id

    @property
    def exists(self) -> bool:
        """Whether the message still exists."""
        return self._exists()

    @property
    def ephemeral(self) -> bool:
        """Whether only the person who asked sees the message."""
        return bool(self._message.flags & EPHEMERAL)

    @property
    def thinking(self) -> bool:
        """Whether the bot has deferred and not answered yet: "… is thinking"."""
        return bool(self._message.flags & LOADING)

    @property
    def command(self) -> str:
        """The name of the command that the message answers, without subcommands; "" for anything else."""
        return str((self._message.interaction_metadata or {}).get("name", ""))

    @property
    def asker(self) -> int | None:
        """The user id of the person whose command or press the message answers; None for anything else."""
        told = self._message.interaction_metadata
        return None if told is None else int(told["user"]["id"])

    @property
    def edited(self) -> bool:
        return self._message.edited_timestamp is not None

    @property
    def pinned(self) -> bool:
        return self._message.pinned

    @property
    def flags(self) -> int:
        return self._message.flags

    @property
    def content(self) -> str:
        return self._message.content or ""

    @property
    def embeds(self) -> list[dict[str, Any]]:
        return self._message.embeds

    @property
    def components(self) -> list[dict[str, Any]]:
        """The raw component tree."""
        return self._message.components

    @property
    def attachments(self) -> list[str]:
        """Names of the attached files."""
        return [str(item.get("filename")) for item in self._message.attachments]

    def attachment_url(self, name: str) -> str:
        """Return the URL of a file.

        Raises: LookupError.
        """
        for item in self._message.attachments:
            if item.get("filename") == name:
                return str(item["url"])
        raise LookupError(f"no file {name!r} among {self.attachments}")

    @property
    def text(self) -> str:
        """The readable text in reading order: content, embeds and text displays, without button labels."""
        parts = [self.content]
        for embed in self._message.embeds:
            parts += _embed_lines(embed)
        parts += [str(c.get("content", "")) for c in walk(self._message.components) if c.get("type") == _TEXT]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[Button]:
        return [_button(c) for c in walk(self._message.components) if c.get("type") == _BUTTON]

    @property
    def selects(self) -> list[Select]:
        return [_select(c) for c in walk(self._message.components) if c.get("type") in _SELECTS]

    def button(self, name: str) -> Button:
        """Return the button with this label or custom_id.

        Raises: LookupError, which names the existing buttons.
        """
        for button in self.buttons:
            if name in (button.label, button.custom_id):
                return button
        raise LookupError(f"no button {name!r} among {[(b.label, b.custom_id) for b in self.buttons]}")

    def __repr__(self) -> str:
        return f"<Post {self.id} {self.text[:80]!r} buttons={[b.label for b in self.buttons]}>"


@dataclass(frozen=True, slots=True)
class Field:
    """One control of a form. `kind` is Discord's component type (4 is a text input)."""

    custom_id: str
    label: str
    description: str
    kind: int
    required: bool
    value: str
    placeholder: str
    max_length: int | None


@dataclass(frozen=True, slots=True)
class Form:
    """A form (modal) as shown to a person. `text`: the texts beside its controls."""

    custom_id: str
    title: str
    text: str
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, modal: Mapping[str, Any]) -> Form:
        text = [str(c.get("content", "")) for c in walk(modal.get("components")) if c.get("type") == _TEXT]
        fields = []
        for top in modal.get("components") or []:
            for control in walk([top]):
                if control.get("custom_id") is not None:
                    fields.append(_field(top, control))
        return cls(str(modal["custom_id"]), str(modal["title"]), "\n".join(text), tuple(fields))


def _field(top: Mapping[str, Any], control: Mapping[str, Any]) -> Field:
    return Field(
        custom_id=str(control["custom_id"]),
        label=str(top.get("label") or control.get("label") or ""),
        description=str(top.get("description") or ""),
        kind=int(control["type"]),
        required=bool(control.get("required", control["type"] == _TEXT_INPUT)),
        value=str(control.get("value") or ""),
        placeholder=str(control.get("placeholder") or ""),
        max_length=control.get("max_length"),
    )


def _button(component: Mapping[str, Any]) -> Button:
    emoji = component.get("emoji") or {}
    return Button(
        label=str(component.get("label") or ""),
        custom_id=component.get("custom_id"),
        disabled=bool(component.get("disabled")),
        style=_STYLES.get(int(component.get("style") or 0), "unknown"),
        emoji=emoji.get("name"),
    )


def _select(component: Mapping[str, Any]) -> Select:
    return Select(
        custom_id=str(component["custom_id"]),
        placeholder=str(component.get("placeholder") or ""),
        disabled=bool(component.get("disabled")),
        options=tuple((str(o["label"]), str(o["value"])) for o in component.get("options") or []),
    )


def _embed_lines(embed: Mapping[str, Any]) -> list[str]:
    lines = [(embed.get("author") or {}).get("name"), embed.get("title"), embed.get("description")]
    for item in embed.get("fields") or []:
        lines += [item.get("name"), item.get("value")]
    lines.append((embed.get("footer") or {}).get("text"))
    return [str(line) for line in lines if line]
