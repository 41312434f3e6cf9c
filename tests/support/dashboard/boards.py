"""Find the dashboards in a channel, and lose them in the journal."""

import sqlite3
from contextlib import closing

from playground.discord.posts import SeenMessage
from playground.discord.server import Channel
from tests.support.stage import Stage


def boards(scene: Stage, channel: Channel | None = None) -> list[SeenMessage]:
    """Return the dashboards in a channel, by default the bot's own."""
    return [
        post
        for post in scene.server.messages(channel or scene.channel)
        if any((button.custom_id or "").startswith(("d1:", "d2:")) for button in post.buttons)
    ]


async def stop_without_dashboards(scene: Stage) -> None:
    """Stop the bot, and take all dashboards from its journal: their messages become orphans."""
    await scene.stop_bot()
    with closing(sqlite3.connect(scene.directory / "journal.db")) as journal, journal:
        journal.execute("DELETE FROM dashboards")
