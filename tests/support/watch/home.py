"""Build the watch as `bootstrap.py` does, over a fake cluster and clock. Journal and watch list are real files."""

from collections.abc import Iterable
from pathlib import Path

from adapters.journal.store import SqliteJournal
from core.guest import Guest, State
from core.watch.incidents.model import Message, WatchEntry
from core.watch.incidents.state import WatchRules
from core.watch.polling.disk_poller import DiskPoller
from core.watch.service import Watch
from monitor_store import MonitorStore
from tests.support.fakes import FakeWorld
from tests.support.watch.at_once import AT_ONCE, at_once, done


class WatchHarness:
    """Hold a watch and its surroundings. `quiet`: whether it is in the quiet hours. `messages`: their ids so far."""

    def __init__(
        self, directory: Path, guests: Iterable[Guest] = (), watched: Iterable[int | WatchEntry] = (101,)
    ) -> None:
        self.directory, self.world = directory, FakeWorld(guests)
        self.clock, self.proxmox = self.world.clock, self.world.proxmox
        self.quiet = False
        first = [one if isinstance(one, WatchEntry) else WatchEntry(one) for one in watched]
        self.store = MonitorStore(directory / "monitor_list.json")
        self.store.load([])
        self.store.save(tuple(first))
        self.messages: list[int] = []
        done(self._begin())

    async def _begin(self) -> None:
        self.journal = SqliteJournal(self.directory / "journal.db", self.clock.now)
        self.journal.open()
        world = self.world
        self.watch = Watch(
            world.cluster_cache,
            self.proxmox,
            DiskPoller(self.proxmox, self.clock),
            self.clock,
            world.expected,
            self.store.of_site("", AT_ONCE),
            at_once(self.journal),
            WatchRules(),
            lambda _unix: self.quiet,
        )
        loaded = self.store.load([])
        await self.watch.load(loaded.entries, loaded.states)
        self.watch.subscribe_messages(self.messages.extend)

    async def restart(self, away: float = 600.0) -> None:
        """End the bot and start it again `away` seconds later. Only the data on disk remains."""
        self.journal.close()
        guests, tasks = self.proxmox.guests, self.proxmox.tasks
        old, self.world = self.clock, FakeWorld()
        self.clock, self.proxmox = self.world.clock, self.world.proxmox
        self.clock.unix = old.unix + away
        self.proxmox.guests, self.proxmox.tasks = guests, tasks
        await self._begin()

    def change(self, vmid: int = 101, state: State = State.STOPPED, **values: object) -> None:
        self.proxmox.change(vmid, state=state, **values)

    async def poll(self, *states: State) -> list[str]:
        """Run one poll, or one for each of these states of guest 101, a minute apart.

        Return the new messages as words, such as `opening guest`.
        """
        told: list[str] = []
        for state in states or (None,):
            if state is not None:
                self.change(101, state)
            self.clock.advance(60)
            before = len(self.messages)
            await self.watch.poll()
            told += [self.words(number) for number in self.messages[before:]]
        return told

    def message(self, number: int) -> Message:
        message = self.journal.outbox_message(number)
        assert message is not None
        return message.stored

    def words(self, number: int) -> str:
        message = self.message(number)
        topics = [
            incident.topic.value for incident in map(self.journal.incident, message.incidents) if incident
        ]
        return " ".join([message.post.value, *topics])

    def asked(self) -> list[str]:
        """Return the calls made to Proxmox since the last call of this method."""
        asked = list(self.proxmox.asked)
        self.proxmox.asked.clear()
        return asked
