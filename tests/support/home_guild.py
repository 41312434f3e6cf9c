"""Define the guild of the tests, the settings for a cluster, and data directories that owe no first message."""

import functools
import tempfile
from collections.abc import Iterable
from pathlib import Path

from adapters.files.stored_sites import SiteNames
from adapters.journal.store import SqliteJournal
from core.watch.greeting import STORED
from playground.discord.server import DiscordServer
from playground.pve.server import Pve
from startup.data_dir import JOURNAL_NAME, LIST_NAME

PATIENCE = 60.0
"""Real seconds after which a wait fails. It only has to end hangs."""
BUSY_ACK = 15.0
"""Seconds allowed for the first answer to a command or press. On a busy machine Discord's 3 s could pass."""


class HomeGuild:
    """A guild with the bot's category, a channel outside of it, and two people with different languages."""

    def __init__(self, server: DiscordServer) -> None:
        self.server = server
        self.guild = server.guild("Test")
        self.category = self.guild.create_category("Proxmox")
        self.channel = self.guild.create_text_channel("proxmox", category=self.category)
        self.alerts = self.guild.create_text_channel("alerts", category=self.category)
        self.outside = self.guild.create_text_channel("lobby")
        self.akiko = server.person(self.guild, "akiko", display="Akiko", locale="ja")
        self.emma = server.person(self.guild, "emma", display="Emma", locale="en-US")
        self.greeted = True
        """Whether the first message counts as sent before the first start."""


def access_to(pve: Pve, token: str) -> dict[str, str]:
    """Return the settings with which a bot uses this cluster."""
    return {
        "PROXMOX_HOST": f"{pve.host}:{pve.port}",
        "PROXMOX_USER": "discordbot@pve",
        "PROXMOX_TOKEN_NAME": "bot",
        "PROXMOX_TOKEN_VALUE": token,
        "PROXMOX_VERIFY_SSL": pve.ca_file,
        "NODE_NAME": "pve1",
    }


def mark_greeted(directory: Path, sites: Iterable[str] = (), first: str | None = None) -> None:
    """Note in a new data directory that the first message is stored. Any other directory stays as it is."""
    if any(directory.glob(f"{JOURNAL_NAME}*")) or (directory / LIST_NAME).exists():
        return
    (directory / JOURNAL_NAME).write_bytes(_greeted_journal(tuple(sites) or ("",), first))


@functools.cache
def _greeted_journal(names: tuple[str, ...], first: str | None) -> bytes:
    """Return the content of such a journal, made once per process: its schema takes longer than the other files."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / JOURNAL_NAME
        journal = SqliteJournal(path)
        journal.open(SiteNames(names, first))
        for key, text in STORED.items():
            journal.of_site(names[0]).put_record(key, text)
        journal.close()
        return path.read_bytes()
