"""Make presses that Discord's clients do not offer, or do not offer in that place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import simcord
from simcord.actors import _dispatch_actor_interaction, _visible_message
from simcord.backend import serializers
from simcord.enums import InteractionType

from playground.discord.limits import walk
from playground.discord.posts import SeenMessage
from playground.discord.simcord_changes import copy_json
from playground.discord.world import World

_ROW, _BUTTON, _STRING_SELECT = 1, 2, 3


async def press(
    world: World, actor: simcord.MemberActor, post: SeenMessage, custom_id: str, values: list[str] | None
) -> simcord.InteractionResult:
    """Send a press of a button (with `values`: of a menu), whether or not the message has it (any more).

    A missing button is added to the copy sent with the press, because discord.py ignores unknown ones.
    """
    stored = _visible_message(actor, world.response(post))
    message: dict[str, Any] = copy_json(dict(serializers.message_payload(world.backend, stored)))
    data: dict[str, Any] = {"custom_id": custom_id, "component_type": _BUTTON}
    if values is not None:
        data |= {"component_type": _STRING_SELECT, "values": values}
    components = message.setdefault("components", [])
    if custom_id not in [one.get("custom_id") for one in walk(components)]:
        missing = {
            "type": data["component_type"],
            "custom_id": custom_id,
            "label": "?",
            "style": 2,
            "id": 0,
        }
        components.append({"type": _ROW, "id": 0, "components": [missing]})
    channel = simcord.ChannelHandle(world, actor.guild, world.backend.get_channel(stored.channel_id))
    return await _dispatch_actor_interaction(
        actor,
        InteractionType.MESSAGE_COMPONENT,
        channel,
        data,
        extra={"message": message},
        source_message_id=stored.id,
    )


@contextlib.contextmanager
def carried(world: World, channel: simcord.ChannelHandle | None) -> Iterator[None]:
    """Let all presses in the `with` block reach the bot as if made in this channel, even of another guild.

    `None`: in a direct message. This allows presses where Discord's clients would offer none. They are
    answered where they were really made.
    """
    with rewritten(world, lambda payload: _carried(world, payload, channel)):
        yield


@contextlib.contextmanager
def rewritten(world: World, rewrite: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Iterator[None]:
    """Let all presses in the `with` block reach the bot as `rewrite` returns them.

    `rewrite` gets the gateway's raw payload and may make it incomplete or wrong.
    """
    emit = world.backend.emit

    def otherwise(event: str, payload: Mapping[str, Any]) -> None:
        emit(event, rewrite(payload) if event == "INTERACTION_CREATE" else payload)

    setattr(world.backend, "emit", otherwise)  # noqa: B010 - mypy forbids assigning to a method
    try:
        yield
    finally:
        setattr(world.backend, "emit", emit)  # noqa: B010 - see above


def _carried(
    world: World, payload: Mapping[str, Any], channel: simcord.ChannelHandle | None
) -> Mapping[str, Any]:
    if channel is None:
        user = payload["member"]["user"]
        left = {key: value for key, value in payload.items() if "guild" not in key and key != "member"}
        there = {"id": str(world.bot_id), "type": 1, "recipients": [user]}
        return left | {"user": user, "channel_id": there["id"], "channel": there, "context": 1}
    stored = world.backend.get_channel(channel.id)
    there = dict(serializers.channel_payload(world.backend, stored))
    guild_id = str(stored.guild_id)
    return {**payload, "guild_id": guild_id, "channel_id": there["id"], "channel": there}
