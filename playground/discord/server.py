"""Provide a Discord: SimCord's model behind real REST v10 and gateway v10 sockets on 127.0.0.1.

The bot finds this server by environment variables, which `DiscordServer.environment()` returns. All times are
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import simcord

from playground.discord.odd_presses import press
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.discord.service import DiscordService

Guild = simcord.GuildHandle
Channel = simcord.ChannelHandle
Role = simcord.RoleHandle


class DiscordServer(DiscordService):
    """Build the guild, `start()`, run a bot against it, act as people, read messages, cause faults."""

    # ------------------------------------------------------------------ building

    def guild(self, name: str = "Demo", *, locale: str = "ja") -> Guild:
        """Create a guild with the bot in it. `locale`: its preferred language ("guild_locale")."""
        return self.world.create_guild(name, preferred_locale=locale)

    def forum(self, guild: Guild, name: str, *, category: Channel | None = None) -> Channel:
        """Create a forum. Other channels and roles are created at the guild (create_category, create_role)."""
        forum = guild.create_forum_channel(name)
        if category is not None:
            self.move(forum, category)
        return forum

    def thread(self, parent: Channel, name: str, owner: Person) -> Channel:
        """Create a public thread of a text channel, or a post of a forum."""
        return self.world.open_thread(parent, name, owner.id)

    def person(
        self,
        guild: Guild,
        name: str,
        *,
        display: str | None = None,
        roles: Sequence[Role] = (),
        locale: str = "ja",
    ) -> Person:
        """Add a new member. `name`: the user name. `display`: the name that others read."""
        user = self.world.create_user(name, global_name=display)
        person = Person(guild.add_member(user, roles=roles), locale)
        self.people[person.id] = person
        return person

    def give_role(self, person: Person, role: Role) -> None:
        self.world.set_role(role, person.id, given=True)

    def take_role(self, person: Person, role: Role) -> None:
        self.world.set_role(role, person.id, given=False)

    def move(self, channel: Channel, category: Channel | None) -> None:
        """Move a channel to another category, or out of all."""
        self.world.move(channel.id, None if category is None else category.id)

    def kick_bot(self, guild: Guild) -> None:
        """Remove the bot from a guild. Its commands are gone, its messages stay."""
        self.world.set_membership(guild.id, member=False)

    def invite_bot(self, guild: Guild) -> None:
        """Add the bot to a guild again. It gets a new role, and no commands."""
        self.world.set_membership(guild.id, member=True)

    # ------------------------------------------------------------------ acting

    async def slash(self, person: Person, channel: Channel, command: str, /, **options: Any) -> PressResult:
        """Run a command ("snapshot create") and return when it is answered.

        Wait at most `ack_limit` for the acknowledgement and then at most `answer_wait` for the answer.

        Raises: simcord.SetupError if this person could not type the command: no such command or option, or hidden.
        """
        return self._reply(await person.actor.slash(channel, command, **self._as_typed(command, options)))

    async def autocomplete(
        self, person: Person, channel: Channel, command: str, option: str, typed: str = "", /, **filled: Any
    ) -> list[dict[str, Any]]:
        """Type into an option and return the choices as {"name": …, "value": …}. `filled`: the other options.

        Raises: simcord.SetupError, as `slash`, and for an option without completions.
        """
        filled = self._as_typed(command, filled)
        return await person.actor.autocomplete(channel, command, option, typed, **filled)

    def _as_typed(self, command: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as Discord sends them: a number that is typed into a text option becomes text."""
        texts = self.world.text_options(command)
        return {
            name: str(value) if name in texts and isinstance(value, int) else value
            for name, value in options.items()
        }

    async def click(
        self, person: Person, post: SeenMessage, button: str, *, force: bool = False
    ) -> PressResult:
        """Press the button with this custom_id or label.

        `force`: send the press as it is, with `button` as custom_id, even of a button that is gone, disabled or
        was never there.
        Raises: LookupError or simcord.SetupError for a press that is not possible.
        """
        if force:
            return self._reply(await press(self.world, person.actor, post, button, None))
        custom_id = post.button(button).custom_id
        return self._reply(await person.actor.click(self.world.response(post), custom_id=custom_id))

    async def select(
        self, person: Person, post: SeenMessage, values: Sequence[Any], *, custom_id: str | None = None
    ) -> PressResult:
        """Choose in a menu: values of a text menu, or handles of people, roles or channels for the others.

        Raises: simcord.SetupError for a choice that is not possible.
        """
        return self._reply(await person.actor.select(self.world.response(post), values, custom_id=custom_id))

    async def choose(
        self, person: Person, post: SeenMessage, custom_id: str, values: Sequence[str]
    ) -> PressResult:
        """Send a choice in a text menu as it is, even of a menu or a value that was never there.

        Raises: simcord.SetupError if the person does not see the message.
        """
        return self._reply(await press(self.world, person.actor, post, custom_id, list(values)))

    async def submit(
        self, person: Person, shown: PressResult, values: Mapping[str, Any] | str
    ) -> PressResult:
        """Send the form in `shown`. `values`: by custom_id, or the text of its only field.

        Raises: LookupError, if there is no form with exactly one field for that text; simcord.SetupError for values
        that the form does not take.
        """
        if isinstance(values, str):
            if shown.form is None or len(shown.form.fields) != 1:
                raise LookupError(f"not a form with one field: {shown.form}")
            values = {shown.form.fields[0].custom_id: values}
        return self._reply(await person.actor.submit_modal(shown.result, dict(values)))

    def _reply(self, result: simcord.InteractionResult) -> PressResult:
        return PressResult(result, self.world.press_of(result), self)

    # ------------------------------------------------------------------ reading

    def messages(self, channel: Channel, viewer: Person | None = None) -> list[SeenMessage]:
        """Return the messages of a channel, oldest first, as everybody sees them, or as `viewer` does."""
        return self.world.history(channel.id, None if viewer is None else viewer.id)

    def all_messages(self, channel: Channel) -> list[SeenMessage]:
        """Return the messages of a channel, oldest first, with those that only one person sees."""
        return self.world.all_history(channel.id)

    def attached(self, post: SeenMessage, name: str) -> bytes:
        """Return the content of a message's file.

        Raises: LookupError.
        """
        data = self.world.file(post.attachment_url(name))
        if data is None:
            raise LookupError(f"{name} was not uploaded")
        return data

    def commands(self, guild: Guild) -> list[dict[str, Any]]:
        """Return the commands that the bot has registered for a guild: its payloads, with IDs and defaults added."""
        return self.world.commands(guild.id)

    async def wait_message(
        self,
        channel: Channel,
        wanted: str | Callable[[SeenMessage], object],
        timeout: float = 60.0,
        *,
        viewer: Person | None = None,
    ) -> SeenMessage:
        """Wait for a message that contains `wanted`, or for which `wanted(post)` is true. Return the newest one.

        Raises: TimeoutError.
        """
        check = wanted if callable(wanted) else lambda post: wanted in post.text

        def found() -> SeenMessage | None:
            return next((post for post in reversed(self.messages(channel, viewer)) if check(post)), None)

        post = await self.wait_until(found, timeout, f"{wanted!r} in #{channel.name}")
        assert post is not None  # noqa: S101  # wait_until returns true values only
        return post
