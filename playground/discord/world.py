"""Open up SimCord's model of Discord, so that the bot can be another process.

Of the playground only this file, simcord_changes.py, odd_presses.py and preview.py use private names of SimCord,
those of 3.2.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Protocol

import discord
import simcord
from simcord import gateway
from simcord.backend import serializers
from simcord.backend.errors import BackendError
from simcord.backend.models import Interaction, Message
from simcord.http import router
from simcord.intents import PRIVILEGED_INTENTS
from simcord.interactions import command_leaves

from playground.discord.additions import Pins, ensure_member, invite_bot, remove_bot
from playground.discord.gateway import Session
from playground.discord.posts import SeenMessage
from playground.discord.rest import Call, CallRefused
from playground.discord.simcord_changes import Parsers, RealClock

Press = Interaction
"""One press of a person and its result, as SimCord keeps it."""

PUBLIC_THREAD = 11
_HISTORY = 2000
"""Maximum entries in SimCord's own logs of requests and events, which otherwise grow without end."""

_pressed: ContextVar[Press | None] = ContextVar("pressed", default=None)


class Presses(Protocol):
    """Receive every press of a person (command, completion, button, menu, form)."""

    def opened(self, record: Press) -> None:
        """Note a press right before it is sent to the bot."""

    async def answered(self, record: Press) -> None:
        """Wait until the press counts as answered."""


class World(simcord.Env):
    """SimCord's world without a bot inside: the bot connects over the sockets.

    Overridden, among others: waiting (for answers over the sockets, not for tasks of this process), the rule that
    only one person acts at a time, and the rule that there is only one Preview.
    """

    def __init__(self, presses: Presses, bot_name: str) -> None:
        self._presses = presses
        self._previews: list[Any] = []
        self.files_most, self.file_bytes_most = 200, 32 << 20
        """Maximum number and total bytes of the uploaded files that are kept.

        The oldest are dropped first, the newest never.
        """
        super().__init__(discord.Client(intents=discord.Intents(guilds=True)), check_errors=False)
        self.backend.clock = RealClock()
        self.backend.bot_user.name = bot_name
        self._message_states.add(self.bot._connection)  # noqa: SLF001  # SimCord wants discord.py's state
        self._generation = 1  # of the bot; Preview takes no action while it is 0
        self._started = True
        self._pins = Pins(self.backend)

    # ------------------------------------------------------------------ overridden

    @property
    def _preview(self) -> Any:
        """A plain attribute in SimCord. It stays None, so that a second Preview can open."""
        return None

    @_preview.setter
    def _preview(self, preview: Any) -> None:
        if preview is not None:
            self._previews.append(preview)

    def _begin_operation(self, label: str) -> None:
        """Do nothing, so that several people may act at once."""

    def _end_operation(self) -> None:
        """Do nothing; see `_begin_operation`."""

    def _mark_mutation(self) -> None:
        for preview in self._previews:
            preview._mark_action_dispatched()  # noqa: SLF001  # private to SimCord

    def _notify_dispatch_observers(self, interaction: Press) -> None:
        self._presses.opened(interaction)
        _pressed.set(interaction)
        super()._notify_dispatch_observers(interaction)

    async def _settle_internal(
        self,
        *,
        timeout: float | None = None,  # noqa: ARG002  # SimCord's signature
        idle: float = 0.05,  # noqa: ARG002  # the same signature
        dispatch: str | None = None,
        _deadline: float | None = None,
    ) -> None:
        await asyncio.sleep(0)
        pressed = _pressed.get()
        if dispatch == "INTERACTION_CREATE" and pressed is not None:
            await self._presses.answered(pressed)

    async def close(self) -> None:
        """Close the previews."""
        await self._run_pre_shutdown()

    # ------------------------------------------------------------------ the bot's side

    def answer(self, call: Call) -> Any:
        """Carry out one REST call of the bot.

        Raises: CallRefused, with Discord's error.
        """
        del self.backend.http_requests[:-_HISTORY], self.backend.transcript[:-_HISTORY]
        if (call.method, call.path) == ("GET", "/users/@me/guilds"):  # SimCord does not know it
            guilds = [guild for guild in self.backend.guilds.values() if self.bot_id in guild.members]
            return [{"id": str(guild.id), "name": guild.name, "features": []} for guild in guilds]
        ensure_member(self.backend, call)
        self._pins.ensure_below_limit(call)
        try:
            answer = router.dispatch(
                self.backend,
                call.method,
                call.path,
                json=call.body,
                params=dict(call.params),
                files=list(call.files),
                reason=call.reason,
            )
        except BackendError as error:
            raise CallRefused(error.status, error.to_json()) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # SimCord fails on a body that Discord would refuse; 500 makes this visible
            raise CallRefused(500, {"message": f"not understood: {error!r}", "code": 0}) from error
        if call.files:
            self._forget_old_files()
        return self._pins.page(call, answer)

    def _forget_old_files(self) -> None:
        """Drop the oldest uploads beyond the bounds. SimCord keeps all, even those of deleted messages."""
        blobs: dict[str, bytes] = self.backend.cdn._blobs  # noqa: SLF001  # private to SimCord
        size = sum(map(len, blobs.values()))
        for url in list(blobs)[:-1]:
            if len(blobs) <= self.files_most and size <= self.file_bytes_most:
                return
            size -= len(blobs.pop(url))

    def identify(self, session: Session, intents: int, approved: discord.Intents, url: str) -> int | None:
        """Push READY and the guilds into a new session.

        Return the close code 4014 for a privileged intent that is not approved, otherwise None.
        """
        asked = discord.Intents._from_value(intents)  # noqa: SLF001  # discord.py has no public way to make intents from a number
        if any(getattr(asked, one) and not getattr(approved, one) for one in PRIVILEGED_INTENTS):
            return 4014
        # used by SimCord as discord.py's connection state: the wanted events, and their receiver
        state = SimpleNamespace(intents=asked, parsers=Parsers(session.push))
        fake = gateway.FakeGateway(self.backend, state)
        members = gateway.FakeWebSocket(self.backend, fake)
        session.feed = fake.feed
        session.ask_members = lambda data: members.request_chunks(**_members_asked(data))
        guilds = [guild for guild in self.backend.guilds.values() if self.bot_id in guild.members]
        session.feed(
            "READY",
            {
                "v": 10,
                "user": dict(serializers.user_payload(self.backend.bot_user)),
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": url,
                "shard": [0, 1],
                "application": {"id": str(self.backend.application_id), "flags": 0},
            },
        )
        for guild in guilds:
            session.feed("GUILD_CREATE", serializers.guild_create_payload(self.backend, guild))
        return None

    # ------------------------------------------------------------------ missing in SimCord's public API

    @property
    def bot_id(self) -> int:
        """The bot's user id."""
        return self.backend.bot_user.id

    @property
    def application_id(self) -> int:
        return self.backend.application_id

    def listen(self, listener: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Call `listener(event, payload)` for every gateway event of the world."""
        self.backend.subscribers.append(listener)

    def limit(self, press: Press, *, ack: float, token: float) -> None:
        """Set when a press counts as unanswered and when its token expires, in seconds from now."""
        press.initial_response_deadline = self.backend.iso_after(ack)
        press.expires_at = self.backend.iso_after(token)

    def commands(self, guild_id: int) -> list[dict[str, Any]]:
        """Return the commands registered for a guild: the bot's payloads, with IDs and defaults added."""
        return list(self.backend.commands.get(guild_id, {}).values())

    def text_options(self, command: str) -> set[str]:
        """Return the names of the options of a command ("snapshot create") that take a text."""
        registered = (each for some in self.backend.commands.values() for each in some.values())
        return {
            option["name"]
            for each in registered
            for path, leaf in command_leaves(each)
            if " ".join(path) == command
            for option in leaf.get("options") or ()
            if option["type"] == discord.AppCommandOptionType.string.value
        }

    @property
    def has_commands(self) -> bool:
        """Whether any commands are registered, globally or for a guild."""
        return any(self.backend.commands.values())

    def locale_of(self, guild_id: int) -> str | None:
        """Return the preferred language of a guild; None if there is no such guild."""
        guild = self.backend.guilds.get(guild_id)
        return None if guild is None else guild.preferred_locale

    def move(self, channel_id: int, category_id: int | None) -> None:
        self.backend.edit_channel(channel_id, {"parent_id": category_id})

    def set_membership(self, guild_id: int, *, member: bool) -> None:
        """Remove the bot from a guild, or add it again."""
        (invite_bot if member else remove_bot)(self.backend, guild_id)

    def set_role(self, role: simcord.RoleHandle, user_id: int, *, given: bool) -> None:
        change = self.backend.add_member_role if given else self.backend.remove_member_role
        change(role.guild.id, user_id, role.id)

    def find(self, channel_id: int, message_id: int | None) -> SeenMessage | None:
        """Return the message as it is now, whoever may see it; None if there is none (any more)."""
        message = self.backend.messages.get(channel_id, {}).get(message_id or 0)
        return None if message is None else self._post(message)

    def history(self, channel_id: int, viewer_id: int | None) -> list[SeenMessage]:
        """Return the messages of a channel, oldest first; without a viewer only those that everybody sees."""
        return [self._post(message) for message in self._stored(channel_id) if message.visible_to(viewer_id)]

    def all_history(self, channel_id: int) -> list[SeenMessage]:
        """Return the messages of a channel, oldest first, whoever may see them."""
        return [self._post(message) for message in self._stored(channel_id)]

    def _stored(self, channel_id: int) -> list[Message]:
        return sorted(self.backend.messages.get(channel_id, {}).values(), key=lambda message: message.id)

    def _post(self, message: Message) -> SeenMessage:
        return SeenMessage(message, lambda: message.id in self.backend.messages.get(message.channel_id, {}))

    def file(self, url: str) -> bytes | None:
        """Return an uploaded file by the URL that Discord gave it, None if there is none."""
        return self.backend.cdn.get(url)

    def response(self, post: SeenMessage) -> simcord.ResponseMessage:
        """Return a post in the form that SimCord's people can press."""
        return simcord.ResponseMessage(self, self.backend.get_message(post.channel_id, post.id))

    def press_of(self, result: simcord.InteractionResult) -> Press:
        return result._interaction  # noqa: SLF001  # private to SimCord

    def open_thread(self, parent: simcord.ChannelHandle, name: str, owner_id: int) -> simcord.ChannelHandle:
        """Create a public thread below a text channel, or a post in a forum."""
        thread = self.backend.create_thread(parent.id, name, owner_id, type=PUBLIC_THREAD, broadcast=False)
        self.backend.announce_thread_create(thread)
        return simcord.ChannelHandle(self, parent.guild, thread)


def _members_asked(data: Mapping[str, Any]) -> dict[str, Any]:
    ids = data.get("user_ids")
    return {
        "guild_id": int(data["guild_id"]),
        "query": data.get("query"),
        "limit": int(data.get("limit") or 0),
        "user_ids": None if ids is None else [int(one) for one in (ids if isinstance(ids, list) else [ids])],
        "presences": bool(data.get("presences")),
        "nonce": data.get("nonce"),
    }
