"""Find out from the demo's Discord which steps of the tour are done, no matter by whom."""

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
"""The custom_id of an alert's button, with or without a site (ui/interaction/custom_ids.py)."""
_FOR_EVERYBODY = ("help", "access")
"""Commands that answer people without a role too."""


class Seen:
    """Read the messages that the demo's channels have got since the tour began."""

    def __init__(self, server: DiscordServer, stage: DemoGuild) -> None:
        self._server, self._stage = server, stage
        self._t: Text = Texts("en" if stage.language == "en" else "ja").public
        self._since: int | None = None
        self._offered: dict[int, set[str]] = {}
        """The buttons that each alert had at first, by the id of its message."""

    @property
    def begun(self) -> bool:
        """Whether the tour has begun. Until then nothing is seen."""
        return self._since is not None

    def begin(self) -> None:
        """Count messages from now on: an alert that came before is not a step of the tour."""
        if self._since is None:
            self._since = max((post.id for post in self._all_posts()), default=0)

    def answered(self, command: str) -> bool:
        """Return whether the bot has answered this command for everybody: refusals are for one person."""
        return any(not post.ephemeral for post in self._answers(command))

    def audit_read(self) -> bool:
        """Return whether an admin has been shown audit records."""
        return any(post.asker == self._stage.admin.id for post in self._answers("audit"))

    def refused(self) -> bool:
        """Return whether somebody without a role was refused a command."""
        return any(
            post.asker == self._stage.newcomer.id and post.command not in (*_FOR_EVERYBODY, "")
            for post in self._posts()
            if post.ephemeral and not post.thinking
        )

    def succeeded(self, operation: Operation) -> bool:
        """Return whether the bot has reported the success of this operation."""
        wanted = ending(self._t, operation)
        return any(wanted in post.text for post in self._posts())

    def has_picture(self) -> bool:
        """Return whether the bot has sent a picture."""
        return any(name.endswith(".png") for post in self._posts() for name in post.attachments)

    def has_dashboard(self) -> bool:
        """Return whether there is a dashboard: the bot pins nothing else."""
        return any(post.pinned for post in self._posts())

    def alerts(self) -> list[tuple[SeenMessage, dict[str, str]]]:
        """Return the alerts that can be answered, with the custom_id of their buttons by their actions."""
        found = []
        for post in self._posts():
            ids = [button.custom_id or "" for button in post.buttons if not button.disabled]
            if offers := {match[1]: one for one in ids if (match := _ALERT.match(one))}:
                self._offered.setdefault(post.id, set(offers))
                found.append((post, offers))
        return found

    def alert_answered(self) -> bool:
        """Return whether an alert has fewer buttons than at first: one was pressed, or the guest is back."""
        now = {post.id: set(offers) for post, offers in self.alerts()}
        return any(not at_first <= now.get(id_, set()) for id_, at_first in self._offered.items())

    def _answers(self, command: str) -> Iterator[SeenMessage]:
        return (post for post in self._posts() if post.command == command and not post.thinking)

    def _posts(self) -> Iterator[SeenMessage]:
        since = self._since
        return (post for post in self._all_posts() if since is not None and post.id > since)

    def _all_posts(self) -> Iterator[SeenMessage]:
        for channel in (self._stage.channel, self._stage.audit, self._stage.outside):
            yield from self._server.all_messages(channel)


def ending(t: Text, operation: Operation) -> str:
    """Return the longest part of the sentence about success that holds no name."""
    return max(re.split(r"\{\w+\}", t.raw(WORDS[operation].done)), key=len).strip(" .。")
