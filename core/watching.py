"""The watch at work: the list a person edits, one read an interval, and the events that come of it."""

from dataclasses import replace
from typing import Protocol

from core.actions import Verb
from core.clock import Clock
from core.errors import (
    AlreadyWatched,
    BotError,
    CannotWatchTemplate,
    NothingVisible,
    NotWatched,
    ProxmoxError,
    StoreFailed,
)
from core.expected import ExpectedStops
from core.guest import Cluster, Guest, State
from core.names import checked_vmid
from core.order import Report
from core.reading import ClusterReader
from core.watch import Event, ListUnsaved, Moment, OrderedStop, Watched, WatchState, step


class WatchStore(Protocol):
    """Where the list outlives the process."""

    def save(self, guests: tuple[Watched, ...]) -> None:
        """All or nothing. Raises StoreFailed, and the stored list is as it was."""


class Watch:
    """Holds the state; a person's change is stored before it counts."""

    def __init__(
        self, reader: ClusterReader, clock: Clock, expected: ExpectedStops, store: WatchStore
    ) -> None:
        self._reader, self._clock, self._expected, self._store = reader, clock, expected, store
        self.state = WatchState()
        self.trouble: BotError | None = None
        """Why the last read failed, None while reads succeed."""
        self._stored: tuple[Watched, ...] = ()
        self._unsaved = False

    def begin(self, guests: tuple[Watched, ...]) -> None:
        """Start from what was stored."""
        self.state, self._stored = WatchState(guests), guests

    def find(self, vmid: int) -> Watched | None:
        return next((watched for watched in self.state.guests if watched.vmid == vmid), None)

    def add(self, guest: Guest) -> None:
        """Watch a guest from now on. Raises AlreadyWatched, CannotWatchTemplate, StoreFailed."""
        if self.find(guest.vmid):
            raise AlreadyWatched(guest.vmid, guest.label)
        if guest.template:
            raise CannotWatchTemplate(guest.vmid, guest.label)
        self._keep((*self.state.guests, Watched(guest.vmid)))

    def remove(self, vmid: int) -> None:
        """Watch it no longer. Raises BadVmid, NotWatched, StoreFailed."""
        if self.find(checked_vmid(vmid)) is None:
            raise NotWatched(vmid)
        self._keep(tuple(watched for watched in self.state.guests if watched.vmid != vmid))

    def heed(self, report: Report) -> bool:
        """What the bot itself did to a watched guest; whether it was taken off the list, since it is deleted."""
        vmid, after = report.plan.order.vmid, report.after
        watched = self.find(vmid)
        if watched is None or not report.good:
            return False
        try:
            if report.plan.order.verb is Verb.DELETE:
                self.remove(vmid)
                return True
            if after is not None and after.state is State.STOPPED:
                if watched.state is not State.STOPPED:
                    stopped = Watched(vmid, State.STOPPED, self._clock.now())
                    self._keep((*(other for other in self.state.guests if other.vmid != vmid), stopped))
                self._expected.seen(vmid)  # no poll will: the next stop is an alarm again
        except StoreFailed:
            return False  # the next poll tells of the trouble
        return False

    def _keep(self, guests: tuple[Watched, ...]) -> None:
        guests = tuple(sorted(guests, key=lambda watched: watched.vmid))
        self._store.save(guests)
        self.state, self._stored, self._unsaved = replace(self.state, guests=guests), guests, False

    async def poll(self) -> tuple[Event, ...]:
        """One read, one step. A read that fails is a step too; a list that cannot be saved stops no alarm."""
        read: Cluster | None = None
        try:
            read = await self._reader.read(max_age=0)
            self.trouble = NothingVisible() if self.state.guests and not read.guests else None
        except ProxmoxError as error:
            self.trouble = error
        now = Moment(self._clock.monotonic(), self._clock.now())
        self.state, events = step(self.state, read, now, self._expected.current())
        for event in events:
            if isinstance(event, OrderedStop):
                self._expected.seen(event.vmid)
        return (*events, *self._save())

    def _save(self) -> tuple[ListUnsaved, ...]:
        """Store what changed. A failure is told once, and tried again with every poll."""
        if self.state.guests == self._stored:
            return ()
        try:
            self._store.save(self.state.guests)
        except StoreFailed as error:
            told, self._unsaved = self._unsaved, True
            return () if told else (ListUnsaved(error.reason),)
        self._stored, self._unsaved = self.state.guests, False
        return ()
