"""Watching, first form: one pure step from what was known and what was read to what is to be told.

Unknown is not stopped; while Proxmox cannot be read no guest changes; first sight is silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.guest import Cluster, Guest, State

SOURCE_FAILURES = 3
SOURCE_SECONDS = 120.0
"""Proxmox is told of as unreachable after three failed reads or two minutes."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One guest of the watch list. `since` (Unix seconds) is when it came into `state`, None if not known.

    `alarmed`: its stop has been told and its return has not.
    """

    vmid: int
    state: State = State.UNKNOWN
    since: float | None = None
    alarmed: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The connection to Proxmox. `failing_since` is (monotonic, Unix) of the first failure in a row."""

    failures: int = 0
    failing_since: tuple[float, float] | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class WatchState:
    guests: tuple[Watched, ...] = ()
    source: Source = Source()


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks: monotonic for intervals, Unix seconds for display."""

    monotonic: float
    unix: float


@dataclass(frozen=True, slots=True)
class GuestDown:
    guest: Guest
    at: float


@dataclass(frozen=True, slots=True)
class GuestBack:
    """`seconds`: how long it was down."""

    guest: Guest
    seconds: float


@dataclass(frozen=True, slots=True)
class OrderedStop:
    """A person had the bot stop it: nothing to tell, but the expectation is used up."""

    vmid: int


@dataclass(frozen=True, slots=True)
class SourceDown:
    """`watched`: how many guests cannot be watched meanwhile."""

    since: float
    watched: int


@dataclass(frozen=True, slots=True)
class SourceBack:
    seconds: float


@dataclass(frozen=True, slots=True)
class ListUnsaved:
    """The watch list cannot be written; `reason` as the store names it."""

    reason: str


Event = GuestDown | GuestBack | OrderedStop | SourceDown | SourceBack | ListUnsaved


def step(
    state: WatchState, read: Cluster | None, now: Moment, ordered: Mapping[int, str]
) -> tuple[WatchState, tuple[Event, ...]]:
    """The next state and what happened. `read` None: Proxmox could not be read; `ordered`: stops expected now.

    An empty list where guests were known is a lost privilege or a fault of the source, never N stops
    (/cluster/resources filters by VM.Audit and answers 200 with nothing, Cluster.pm).
    """
    if read is None or (state.guests and not read.guests):
        return _source_failed(state, now)
    events: list[Event] = []
    if state.source.told and state.source.failing_since:
        events.append(SourceBack(max(0.0, now.monotonic - state.source.failing_since[0])))
    guests = []
    for watched in state.guests:
        guest = read.find(watched.vmid)
        after, event = _guest_step(watched, guest, now, ordered) if guest else (watched, None)
        guests.append(after)
        if event:
            events.append(event)
    return WatchState(tuple(guests), Source()), tuple(events)


def _source_failed(state: WatchState, now: Moment) -> tuple[WatchState, tuple[Event, ...]]:
    old = state.source
    since = old.failing_since or (now.monotonic, now.unix)
    source = replace(old, failures=old.failures + 1, failing_since=since)
    due = source.failures >= SOURCE_FAILURES or now.monotonic - since[0] >= SOURCE_SECONDS
    if due and not old.told:
        return replace(state, source=replace(source, told=True)), (SourceDown(since[1], len(state.guests)),)
    return replace(state, source=source), ()


def _guest_step(
    watched: Watched, guest: Guest, now: Moment, ordered: Mapping[int, str]
) -> tuple[Watched, Event | None]:
    new = guest.state
    # PRELAUNCH is a moment on the way up, and also how a stopped VM looks while vzdump reads it (-S): no change
    if guest.template or new in (State.UNKNOWN, State.PRELAUNCH, watched.state):
        return watched, None
    began = now.unix - guest.uptime if new is State.RUNNING and guest.uptime else now.unix
    if watched.state is State.UNKNOWN:
        return replace(watched, state=new, since=began if new is State.RUNNING else None), None
    if new is State.STOPPED:
        if watched.vmid in ordered:
            return Watched(watched.vmid, new, now.unix), OrderedStop(watched.vmid)
        return Watched(watched.vmid, new, now.unix, alarmed=True), GuestDown(guest, now.unix)
    if watched.alarmed:
        if new is not State.RUNNING:
            return watched, None  # paused or half-way up: not back yet
        seconds = max(0.0, began - watched.since) if watched.since else 0.0
        return Watched(watched.vmid, new, began), GuestBack(guest, seconds)
    return Watched(watched.vmid, new, began), None
