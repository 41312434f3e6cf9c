"""The watch at work: the list a person edits, one read an interval, and the events that come of it."""

from dataclasses import replace
from typing import Protocol

from core.clock import Clock
from core.errors import (
    AlreadyWatched,
    BotError,
    CannotWatchTemplate,
    NothingVisible,
    NotWatched,
    ProxmoxError,
)
from core.expected import ExpectedStops
from core.guest import Cluster, Guest, State
from core.names import checked_vmid
from core.reading import ClusterReader
from core.watch import Event, Moment, OrderedStop, Watched, WatchState, step


class WatchStore(Protocol):
    """Where the list outlives the process."""

    def save(self, guests: tuple[Watched, ...]) -> None:
        """All or nothing. Raises StoreFailed, and the stored list is as it was."""


class Watch:
    """Holds the state; every change is stored before it counts."""

    def __init__(
        self, reader: ClusterReader, clock: Clock, expected: ExpectedStops, store: WatchStore
    ) -> None:
        self._reader, self._clock, self._expected, self._store = reader, clock, expected, store
        self.state = WatchState()
        self.trouble: BotError | None = None
        """Why the last read failed, None while reads succeed."""

    def begin(self, guests: tuple[Watched, ...]) -> None:
        """Start from what was stored."""
        self.state = WatchState(guests)

    def find(self, vmid: int) -> Watched | None:
        return next((watched for watched in self.state.guests if watched.vmid == vmid), None)

    def add(self, guest: Guest) -> None:
        """Watch a guest from now on. Raises AlreadyWatched, CannotWatchTemplate, StoreFailed."""
        if self.find(guest.vmid):
            raise AlreadyWatched(guest.vmid, guest.label)
        if guest.template:
            raise CannotWatchTemplate(guest.vmid, guest.label)
        since = self._clock.now() - guest.uptime if guest.state is State.RUNNING and guest.uptime else None
        self._keep((*self.state.guests, Watched(guest.vmid, guest.state, since)))

    def remove(self, vmid: int) -> None:
        """Watch it no longer. Raises BadVmid, NotWatched, StoreFailed."""
        if self.find(checked_vmid(vmid)) is None:
            raise NotWatched(vmid)
        self._keep(tuple(watched for watched in self.state.guests if watched.vmid != vmid))

    def _keep(self, guests: tuple[Watched, ...]) -> None:
        guests = tuple(sorted(guests, key=lambda watched: watched.vmid))
        self._store.save(guests)
        self.state = replace(self.state, guests=guests)

    async def poll(self) -> tuple[Event, ...]:
        """One read, one step. A read that fails is a step too. Raises StoreFailed; the step then comes again."""
        read: Cluster | None = None
        try:
            read = await self._reader.read(max_age=0)
            self.trouble = NothingVisible() if self.state.guests and not read.guests else None
        except ProxmoxError as error:
            self.trouble = error
        now = Moment(self._clock.monotonic(), self._clock.now())
        before = self.state
        after, events = step(before, read, now, self._expected.current())
        if after.guests != before.guests:
            self._store.save(after.guests)
        self.state = after
        for event in events:
            if isinstance(event, OrderedStop):
                self._expected.seen(event.vmid)
        return events
