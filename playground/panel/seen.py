"""Find out from the messages of the demo's Discord which steps of the tour are done."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.operations import Operation
from playground.discord.posts import SeenMessage
from playground.discord.server import DiscordServer
from playground.panel.page import DemoGuild
from ui.i18n import Text, Texts
from ui.messages.operations import WORDS

_ALERT = re.compile(r"a\d:(?:[\w-]+:)?(start|ack):")
"""The custom_id of an alert's Start or Acknowledge, with or without a site (ui/interaction/custom_ids.py)."""
_FOR_EVERYBODY = ("help", "access")
"""Commands that answer people without a role too."""


class Seen:
    """Read the messages that the demo's channels have got since the tour began."""

    def __init__(self, server: DiscordServer, guild: DemoGuild) -> None:
        self._server, self._guild = server, guild
        self._t: Text = Texts("en" if guild.language == "en" else "ja").public
        self._since: int | None = None
        self._offered: dict[int, set[str]] = {}
        """The actions (`start`, `ack`) that the buttons of each alert offered at first, by the id of its message."""

    @property
    def begun(self) -> bool:
        """Whether the tour has begun. Until then nothing is seen."""
        return self._since is not None

    def begin(self) -> None:
        """Count messages from now on: an alert that came before is not a step of the tour."""
        if self._since is None:
            self._since = max((post.id for post in self._all_posts()), default=0)

    def answered(self, command: str) -> bool:
        """Return whether the bot has answered this command in a message for everybody.

        A refusal is a message for one person.
        """
        return any(not post.ephemeral for post in self._answers(command))

    def audit_read(self) -> bool:
        """Return whether the bot has answered /audit of the demo's administrator."""
        return any(post.asker == self._guild.admin.id for post in self._answers("audit"))

    def refused(self) -> bool:
        """Return whether the demo's person without a role was refused a command."""
        return any(
            post.asker == self._guild.newcomer.id and post.command not in (*_FOR_EVERYBODY, "")
            for post in self._posts()
            if post.ephemeral and not post.thinking
        )

    def succeeded(self, operation: Operation) -> bool:
        """Return whether the bot has reported the success of this operation."""
        wanted = words_of_success(self._t, operation)
        return any(wanted in post.text for post in self._posts())

    def has_picture(self) -> bool:
        """Return whether the bot has sent a picture."""
        return any(name.endswith(".png") for post in self._posts() for name in post.attachments)

    def has_dashboard(self) -> bool:
        """Return whether there is a dashboard: the bot pins nothing else."""
        return any(post.pinned for post in self._posts())

    def alerts(self) -> list[tuple[SeenMessage, dict[str, str]]]:
        """Return the alerts with an enabled Start or Acknowledge, and the custom_ids of these buttons by action."""
        found = []
        for post in self._posts():
            ids = [button.custom_id or "" for button in post.buttons if not button.disabled]
            if offers := {match[1]: one for one in ids if (match := _ALERT.match(one))}:
                self._offered.setdefault(post.id, set(offers))
                found.append((post, offers))
        return found

    def alert_answered(self) -> bool:
        """Return whether an alert has lost its Start or Acknowledge: it was pressed, or the guest is back."""
        now = {post.id: set(offers) for post, offers in self.alerts()}
        return any(not at_first <= now.get(id_, set()) for id_, at_first in self._offered.items())

    def _answers(self, command: str) -> Iterator[SeenMessage]:
        return (post for post in self._posts() if post.command == command and not post.thinking)

    def _posts(self) -> Iterator[SeenMessage]:
        since = self._since
        return (post for post in self._all_posts() if since is not None and post.id > since)

    def _all_posts(self) -> Iterator[SeenMessage]:
        for channel in (self._guild.channel, self._guild.audit, self._guild.outside):
            yield from self._server.all_messages(channel)


def words_of_success(t: Text, operation: Operation) -> str:
    """Return the longest part without placeholders of the sentence about the success of an operation."""
    return max(re.split(r"\{\w+\}", t.raw(WORDS[operation].done)), key=len).strip(" .。")
