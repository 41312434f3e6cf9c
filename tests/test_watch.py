"""The watch: a truth table of its step, a plain second opinion on random histories, and the whole at work."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from core.actions import Verb
from core.errors import (
    AlreadyWatched,
    BadVmid,
    CannotWatchTemplate,
    NothingVisible,
    NotWatched,
    StoreFailed,
    Unreachable,
)
from core.guest import Cluster, Guest, Kind, Node, State
from core.tasks import Progress
from core.watch import (
    SOURCE_FAILURES,
    SOURCE_SECONDS,
    Event,
    GuestBack,
    GuestDown,
    ListUnsaved,
    Moment,
    OrderedStop,
    Source,
    SourceBack,
    SourceDown,
    Watched,
    WatchState,
    step,
)
from core.watching import Watch
from monitor_store import MonitorStore
from proxmox_dialect import parse_cluster
from tests.fakes import NOON, TEMPLATE, World, guest

R, S, P, U, L = State.RUNNING, State.STOPPED, State.PAUSED, State.UNKNOWN, State.PRELAUNCH
GONE = Unreachable("pve1")


def cluster(*guests: Guest) -> Cluster:
    return Cluster(guests, (Node("pve1", True),), 0.0)


class History:
    """Steps one after another, a minute apart, on both clocks."""

    def __init__(self, *watched: Watched) -> None:
        self.state = WatchState(watched or (Watched(101),))
        self.mono, self.unix = 5000.0, NOON

    def see(
        self, *states: State, ordered: tuple[int, ...] = (), seconds: float = 60, **values: Any
    ) -> list[Event]:
        """Read the guest 101 in these states, one read each; what happened in all of them."""
        events: list[Event] = []
        for state in states:
            events += self.read(cluster(guest(101, state, **values)), ordered, seconds)
        return events

    def read(
        self, read: Cluster | None, ordered: tuple[int, ...] = (), seconds: float = 60
    ) -> tuple[Event, ...]:
        self.mono += seconds
        self.unix += seconds
        now = Moment(self.mono, self.unix)
        self.state, events = step(self.state, read, now, dict.fromkeys(ordered, "Akiko"))
        return events

    @property
    def only(self) -> Watched:
        return self.state.guests[0]


def kinds(events: "list[Event] | tuple[Event, ...]") -> list[type]:
    return [type(event) for event in events]


# --- one guest ---


@pytest.mark.parametrize(
    ("states", "told"),
    [
        # first sight is silent, whatever it is
        ((R,), []),
        ((S,), []),
        ((P,), []),
        ((U,), []),
        ((U, U, S), []),
        ((U, R), []),
        # a stop is told once, and the return once
        ((R, S), [GuestDown]),
        ((R, S, S, S), [GuestDown]),
        ((R, S, R), [GuestDown, GuestBack]),
        ((R, S, S, R, R), [GuestDown, GuestBack]),
        ((R, S, R, S, R), [GuestDown, GuestBack, GuestDown, GuestBack]),
        # unknown is not stopped, and hides nothing
        ((R, U), []),
        ((R, U, U, R), []),
        ((R, U, S), [GuestDown]),
        ((R, S, U, S), [GuestDown]),
        ((R, S, U, R), [GuestDown, GuestBack]),
        # nobody was alarmed: nobody is told of the return
        ((S, R), []),
        ((S, R, S), [GuestDown]),
        ((S, U, R, S), [GuestDown]),
        # paused is not stopped; from paused to stopped is
        ((R, P), []),
        ((R, P, R), []),
        ((R, P, S), [GuestDown]),
        ((R, S, P), [GuestDown]),
        ((R, S, P, S), [GuestDown]),
        ((R, S, P, R), [GuestDown, GuestBack]),
        # prelaunch is no change: the way up, and vzdump of a VM that is off
        ((L,), []),
        ((L, S), []),
        ((L, R, S), [GuestDown]),
        ((S, L, S), []),
        ((S, L, L, S, L, S), []),
        ((S, L, R), []),
        ((S, L, R, S), [GuestDown]),
        ((R, L, R), []),
        ((R, L, S), [GuestDown]),
        ((R, S, L, S), [GuestDown]),
        ((R, S, L, S, L, S), [GuestDown]),
        ((R, S, L, R), [GuestDown, GuestBack]),
    ],
)
def test_what_is_told_of_one_guest(states: tuple[State, ...], told: list[type]) -> None:
    assert kinds(History().see(*states)) == told


@pytest.mark.parametrize("other", [state for state in State if state not in (R, S, U)])
def test_every_other_state_is_neither_down_nor_back(other: State) -> None:
    assert kinds(History().see(R, other, R)) == []
    assert kinds(History().see(R, S, other, S, R)) == [GuestDown, GuestBack]


def test_the_alarm_names_the_guest_and_the_time() -> None:
    history = History()
    down = history.see(R, S, name="db")
    assert down == [GuestDown(guest(101, S, name="db"), NOON + 120)]
    assert history.only == Watched(101, S, NOON + 120, alarmed=True)


def test_back_tells_how_long_it_was_down() -> None:
    history = History()
    history.see(R, S)
    (back,) = history.see(R)
    assert back == GuestBack(guest(101, R), 60.0)
    assert history.only == Watched(101, R, NOON + 180)


def test_the_uptime_tells_more_exactly_when_it_came_back() -> None:
    history = History()
    history.see(R, S, S, S)
    (back,) = history.see(R, uptime=45)
    assert back == GuestBack(guest(101, R, uptime=45), 60 * 3 - 45.0)
    assert history.only.since == history.unix - 45


def test_an_uptime_from_before_the_stop_makes_no_negative_time() -> None:
    history = History()
    history.see(R, S)
    (back,) = history.see(R, uptime=100_000)
    assert isinstance(back, GuestBack)
    assert back.seconds == 0


def test_since_is_known_only_where_it_was_seen_or_told() -> None:
    for state, uptime, since in ((R, 300, NOON + 60 - 300), (R, None, NOON + 60), (S, None, None)):
        history = History()
        history.see(state, uptime=uptime)
        assert (history.only.state, history.only.since) == (state, since)


def test_a_template_is_never_told_of() -> None:
    history = History(Watched(101, R))
    for state in (R, S, R, S):
        assert history.read(cluster(guest(101, state, template=True))) == ()
    assert history.only == Watched(101, R)


def test_a_guest_that_is_not_in_the_list_keeps_its_state() -> None:
    history = History(Watched(101, R, 1.0))
    assert history.read(cluster(guest(102))) == ()
    assert history.only == Watched(101, R, 1.0)
    assert kinds(history.see(S)) == [GuestDown]


def test_nobody_is_told_of_guests_that_are_not_watched() -> None:
    history = History()
    history.read(cluster(guest(101), guest(102)))
    assert history.read(cluster(guest(101), guest(102, S))) == ()


def test_several_guests_are_told_of_in_their_order() -> None:
    history = History(Watched(101, R), Watched(102, S, 1.0, alarmed=True), Watched(103, R))
    events = history.read(cluster(guest(101, S), guest(102, R), guest(103, S)))
    assert kinds(events) == [GuestDown, GuestBack, GuestDown]


# --- ordered stops ---


def test_an_ordered_stop_is_no_alarm_and_its_return_is_not_told() -> None:
    history = History()
    history.see(R)
    assert history.see(S, ordered=(101,)) == [OrderedStop(101)]
    assert history.only == Watched(101, S, NOON + 120, alarmed=False)
    assert history.see(S, S, R) == []


def test_an_order_for_another_guest_does_not_count() -> None:
    history = History()
    history.see(R)
    assert kinds(history.see(S, ordered=(102,))) == [GuestDown]


def test_an_order_for_a_guest_that_is_down_already_says_nothing() -> None:
    history = History()
    history.see(R, S)
    assert history.see(S, S, ordered=(101,)) == []
    assert kinds(history.see(R)) == [GuestBack]


# --- the node ---


def rows(guest_state: str, node_state: str) -> list[dict[str, object]]:
    return [
        {"type": "node", "node": "pve1", "status": node_state},
        {"type": "node", "node": "pve2", "status": "online"},
        {"type": "qemu", "vmid": 101, "node": "pve1", "status": guest_state, "name": "web"},
        {"type": "lxc", "vmid": 102, "node": "pve2", "status": "running", "name": "db"},
    ]


@pytest.mark.parametrize("word", ["running", "stopped", "unknown"])
def test_a_guest_of_an_offline_node_is_unknown(word: str) -> None:
    found = parse_cluster(rows(word, "offline"), 0.0)
    assert [each.state for each in found.guests] == [U, R]
    assert [found.node_online(name) for name in ("pve1", "pve2")] == [False, True]


def test_a_dead_node_is_no_stopped_guest() -> None:
    history = History()
    told: list[Event] = []
    for guest_state, node_state in (
        ("running", "online"),
        ("running", "offline"),
        ("stopped", "offline"),
        ("unknown", "offline"),
        ("unknown", "unknown"),
        ("running", "online"),
    ):
        told += history.read(parse_cluster(rows(guest_state, node_state), 0.0))
    assert told == []
    assert kinds(history.read(parse_cluster(rows("stopped", "online"), 0.0))) == [GuestDown]


def test_a_word_of_tomorrow_is_unknown() -> None:
    (first, _) = parse_cluster(rows("hibernating", "online"), 0.0).guests
    assert first.state is U


# --- the source ---


def test_the_source_is_told_of_after_three_failures_once() -> None:
    history = History(Watched(101, R), Watched(102, R))
    assert history.read(None, seconds=5) == ()
    assert history.read(None, seconds=5) == ()
    assert history.read(None, seconds=5) == (SourceDown(NOON + 5, 2),)
    assert [history.read(None, seconds=5) for _ in range(50)] == [()] * 50
    assert history.read(cluster(guest(101), guest(102)), seconds=5) == (SourceBack(5.0 * 53),)


def test_the_source_is_told_of_after_two_minutes_once() -> None:
    history = History()
    assert SOURCE_FAILURES == 3
    assert history.read(None, seconds=300) == ()
    assert history.read(None, seconds=SOURCE_SECONDS) == (SourceDown(NOON + 300, 1),)
    assert history.read(None, seconds=300) == ()
    history = History()
    history.read(None)
    assert history.read(None, seconds=SOURCE_SECONDS - 0.1) == ()


def test_a_short_failure_is_not_told_of() -> None:
    history = History()
    for _ in range(10):
        assert [history.read(None), history.read(None), tuple(history.see(R))] == [(), (), ()]
    assert history.state.source == Source()


def test_meanwhile_the_guests_are_frozen() -> None:
    history = History()
    history.see(R)
    before = history.state.guests
    for _ in range(5):
        history.read(None)
        assert history.state.guests == before
    assert kinds(history.see(S)) == [SourceBack, GuestDown]
    assert kinds([*(history.read(None) + history.read(None) + history.read(None))]) == [SourceDown]
    assert history.only.alarmed
    assert kinds(history.see(S)) == [SourceBack]
    assert kinds(history.see(R)) == [GuestBack]


def test_an_empty_list_is_a_failure_of_the_source() -> None:
    """A token without VM.Audit gets 200 and nothing: that is not "all guests are gone"."""
    history = History()
    history.see(R)
    told = [history.read(cluster()) for _ in range(4)]
    assert [kinds(events) for events in told] == [[], [], [SourceDown], []]
    assert history.only.state is R


def test_an_empty_list_is_right_where_nothing_is_watched() -> None:
    state, events = step(WatchState(), cluster(), Moment(1, 1), {})
    assert (state, events) == (WatchState(), ())


# --- clocks ---


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_the_wall_clock_changes_only_what_is_displayed(jump: float) -> None:
    def run(jump: float) -> tuple[list[type], list[tuple[State, bool]]]:
        history, told, states = History(), [], []
        reads = [R, S, None, None, None, R, R, None, S, R]
        for place, state in enumerate(reads):
            if place in (2, 5, 8):
                history.unix += jump
            read = None if state is None else cluster(guest(101, state, uptime=10))
            told += kinds(history.read(read))
            states.append((history.only.state, history.only.alarmed))
        return told, states

    assert run(jump) == run(0)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_neither_hurries_nor_delays_the_source(jump: float) -> None:
    history = History()
    history.read(None)
    history.unix += jump
    assert history.read(None) == ()
    (down,) = history.read(None)
    assert down == SourceDown(NOON + 60, 1)
    history.unix += jump
    assert history.see(R)[0] == SourceBack(180.0)


def test_no_time_is_negative_after_a_jump_back() -> None:
    history = History()
    history.see(R, S)
    history.unix -= 3600
    (back,) = history.see(R)
    assert isinstance(back, GuestBack)
    assert back.seconds == 0


# --- a second opinion on random histories ---


@dataclass
class Opinion:
    """What a person would say who only keeps a note for one guest, and writes down every read."""

    seen: State | None = None
    alarm_since: float | None = None
    notes: list[str] = field(default_factory=list)

    def look(self, state: State, unix: float, uptime: int | None, ordered: bool) -> str | None:
        if state in (U, L):
            return None
        if self.seen is None:
            self.seen = state
            return None
        if self.alarm_since is not None:
            if state is not R:
                return None
            up_since = unix - uptime if uptime else unix
            seconds = max(0.0, up_since - self.alarm_since)
            self.alarm_since, self.seen = None, R
            return f"back {seconds:.3f}"
        before, self.seen = self.seen, state
        if state is S and before is not S:
            if ordered:
                return "ordered"
            self.alarm_since = unix
            return f"down {unix:.3f}"
        return None


def word(event: Event) -> str:
    match event:
        case GuestDown(found, at):
            return f"{found.vmid} down {at:.3f}"
        case GuestBack(found, seconds):
            return f"{found.vmid} back {seconds:.3f}"
        case OrderedStop(vmid):
            return f"{vmid} ordered"
        case SourceDown(since, watched):
            return f"source down {since:.3f} {watched}"
        case SourceBack(seconds):
            return f"source back {seconds:.3f}"
        case ListUnsaved(reason):
            return f"list unsaved {reason}"


VMIDS = (101, 102, 103)
sight = st.tuples(st.sampled_from([R, S, R, S, U, P, L, None]), st.sampled_from([None, 0, 5, 90, 10_000]))


class Histories(RuleBasedStateMachine):
    """Reads, failures, orders and clock jumps in any order; the step must agree with the second opinion."""

    @initialize()
    def begin(self) -> None:
        self.state = WatchState(tuple(Watched(vmid) for vmid in VMIDS))
        self.opinions = {vmid: Opinion() for vmid in VMIDS}
        self.mono, self.unix = 1000.0, NOON
        self.silent: list[tuple[float, float]] = []
        self.told_source = False

    def _step(self, read: Cluster | None, seconds: float, ordered: frozenset[int]) -> list[str]:
        self.mono += seconds
        self.unix += seconds
        orders = dict.fromkeys(ordered, "Akiko")
        before = self.state
        self.state, events = step(self.state, read, Moment(self.mono, self.unix), orders)
        assert [each.vmid for each in self.state.guests] == [each.vmid for each in before.guests]
        return [word(event) for event in events]

    @rule(
        sights=st.tuples(sight, sight, sight),
        seconds=st.sampled_from([1.0, 60.0, 130.0]),
        ordered=st.frozensets(st.sampled_from(VMIDS)),
    )
    def read(
        self,
        sights: tuple[tuple[State | None, int | None], ...],
        seconds: float,
        ordered: frozenset[int],
    ) -> None:
        guests = tuple(
            guest(vmid, state, uptime=uptime)
            for vmid, (state, uptime) in zip(VMIDS, sights, strict=True)
            if state is not None
        )
        if not guests:
            self.fail(seconds, True)
            return
        told = self._step(cluster(*guests), seconds, ordered)
        expected = [f"source back {self.mono - self.silent[0][0]:.3f}"] if self.told_source else []
        self.silent, self.told_source = [], False
        for each in guests:
            said = self.opinions[each.vmid].look(each.state, self.unix, each.uptime, each.vmid in ordered)
            if said:
                expected.append(f"{each.vmid} {said}")
        assert told == expected

    @rule(seconds=st.sampled_from([1.0, 60.0, 130.0]), empty=st.booleans())
    def fail(self, seconds: float, empty: bool) -> None:
        frozen = self.state.guests
        told = self._step(cluster() if empty else None, seconds, frozenset())
        self.silent.append((self.mono, self.unix))
        expected = []
        if not self.told_source and (len(self.silent) >= 3 or self.mono - self.silent[0][0] >= 120):
            self.told_source = True
            expected = [f"source down {self.silent[0][1]:.3f} {len(VMIDS)}"]
        assert told == expected
        assert self.state.guests == frozen

    @rule(jump=st.sampled_from([3600.0, -3600.0, 0.5]))
    def set_the_wall_clock(self, jump: float) -> None:
        self.unix += jump


Histories.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestHistories = Histories.TestCase


# --- at work, with the real store ---


class Scene:
    """The watch as bot.py builds it, over a fake cluster and a real file."""

    def __init__(self, directory: Path, *guests: Guest) -> None:
        self.world = World(guests)
        self.directory = directory
        self.restart()

    def restart(self) -> None:
        """A new process: only the file is left."""
        store = MonitorStore(self.directory / "monitor_list.json", self.world.clock.now)
        self.watch = Watch(self.world.reader, self.world.clock, self.world.expected, store)
        self.watch.begin(store.load([]).entries)

    @property
    def stored(self) -> tuple[Watched, ...]:
        return MonitorStore(self.directory / "monitor_list.json").load([]).entries

    async def poll(self, seconds: float = 60) -> list[type]:
        self.world.clock.advance(seconds)
        return kinds(await self.watch.poll())


async def test_the_list_is_stored_before_it_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.watch.add(guest(102, S))
    scene.watch.add(guest(101, R, uptime=100))
    assert scene.stored == (Watched(101), Watched(102))
    assert scene.watch.state.guests == scene.stored
    scene.watch.remove(102)
    assert [each.vmid for each in scene.stored] == [101]
    assert scene.watch.find(102) is None


async def test_what_cannot_be_added_or_removed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.watch.add(guest(101))
    before = scene.stored
    with pytest.raises(AlreadyWatched):
        scene.watch.add(guest(101))
    with pytest.raises(CannotWatchTemplate):
        scene.watch.add(TEMPLATE)
    with pytest.raises(NotWatched):
        scene.watch.remove(102)
    with pytest.raises(BadVmid):
        scene.watch.remove(99)
    assert scene.watch.state.guests == scene.stored == before


async def test_a_list_that_cannot_be_stored_stays_as_it_was(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    scene = Scene(directory)
    scene.watch.add(guest(101))
    before = scene.watch.state
    shutil.rmtree(directory)
    with pytest.raises(StoreFailed):
        scene.watch.add(guest(102))
    with pytest.raises(StoreFailed):
        scene.watch.remove(101)
    assert scene.watch.state == before


async def test_a_poll_that_cannot_be_stored_is_told_at_the_next(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    scene = Scene(directory, guest(101), guest(102))
    scene.watch.add(guest(101))
    scene.watch.add(guest(102))
    await scene.poll()
    scene.world.proxmox.change(101, state=S)
    shutil.rmtree(directory)
    scene.world.clock.advance(60)
    down, unsaved = await scene.watch.poll()
    assert isinstance(down, GuestDown)
    assert isinstance(unsaved, ListUnsaved)
    assert unsaved.reason
    # told once; the watch goes on seeing, and repeats nothing
    assert await scene.poll() == []
    scene.world.proxmox.change(102, state=S)
    assert await scene.poll() == [GuestDown]
    scene.world.proxmox.change(101, state=R)
    assert await scene.poll() == [GuestBack]
    directory.mkdir()
    assert await scene.poll() == []
    assert [(each.state, each.alarmed) for each in scene.stored] == [(R, False), (S, True)]
    assert scene.stored == scene.watch.state.guests


async def test_a_list_that_was_saved_again_is_told_of_when_it_fails_again(tmp_path: Path) -> None:
    """Saved by the next poll, or by a person's change of the list in between."""
    directory = tmp_path / "data"
    directory.mkdir()
    scene = Scene(directory, guest(101), guest(102))
    scene.watch.add(guest(101))
    scene.watch.add(guest(102))
    await scene.poll()
    for by_a_person, state in ((False, S), (True, R)):
        scene.world.proxmox.change(101, state=state)
        shutil.rmtree(directory)
        assert ListUnsaved in await scene.poll()
        directory.mkdir()
        if by_a_person:
            scene.watch.remove(102)
        assert await scene.poll() == []
        assert scene.stored == scene.watch.state.guests
    scene.world.proxmox.change(101, state=S)
    shutil.rmtree(directory)
    assert await scene.poll() == [GuestDown, ListUnsaved]


async def test_an_unwritable_list_hides_no_failure_of_proxmox(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    scene = Scene(directory, guest(101))
    scene.watch.add(guest(101))
    shutil.rmtree(directory)
    assert await scene.poll() == [ListUnsaved]
    scene.world.proxmox.next("cluster", GONE, GONE, GONE)
    assert [await scene.poll() for _ in range(4)] == [[], [], [SourceDown], [SourceBack]]


async def test_a_poll_is_one_request_however_many_are_watched(tmp_path: Path) -> None:
    guests = [guest(vmid) for vmid in range(101, 301)]
    scene = Scene(tmp_path, *guests)
    scene.watch.begin(tuple(Watched(each.vmid) for each in guests))
    for _ in range(5):
        assert await scene.poll() == []
    assert scene.world.proxmox.asked == ["cluster"] * 5


async def test_a_poll_reads_even_where_the_last_read_is_fresh(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    await scene.poll()
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll(seconds=0) == [GuestDown]


async def test_a_restart_neither_repeats_nor_forgets_an_alarm(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    await scene.poll()
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]
    scene.restart()
    assert await scene.poll() == []
    scene.world.proxmox.change(101, state=R)
    scene.restart()
    scene.world.clock.advance(60)
    (back,) = await scene.watch.poll()
    assert isinstance(back, GuestBack)
    assert back.seconds == 120


async def test_a_guest_that_stopped_while_the_bot_was_away_is_told_of(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    await scene.poll()
    scene.world.proxmox.change(101, state=S)
    scene.restart()
    assert await scene.poll() == [GuestDown]


async def test_proxmox_out_of_reach_is_one_event_and_its_reason_is_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path, *(guest(vmid) for vmid in range(101, 121)))
    for vmid in range(101, 121):
        scene.watch.add(guest(vmid))
    scene.world.proxmox.next("cluster", *[GONE] * 6)
    assert [await scene.poll() for _ in range(6)] == [[], [], [SourceDown], [], [], []]
    assert scene.watch.trouble is GONE
    assert await scene.poll() == [SourceBack]
    assert scene.watch.trouble is None


async def test_a_lost_privilege_is_told_as_what_it_is(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    guests, scene.world.proxmox.guests = scene.world.proxmox.guests, {}
    assert [await scene.poll() for _ in range(3)] == [[], [], [SourceDown]]
    assert isinstance(scene.watch.trouble, NothingVisible)
    scene.world.proxmox.guests = guests
    assert await scene.poll() == [SourceBack]


async def test_an_error_of_our_own_is_no_failure_of_the_source(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    before = scene.watch.state

    def broken() -> None:
        raise KeyError("broken")

    scene.world.proxmox.next("cluster", broken)
    with pytest.raises(KeyError):
        await scene.watch.poll()
    assert scene.watch.state == before


async def test_a_change_of_the_list_during_a_poll_is_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101), guest(102))
    scene.watch.add(guest(101))
    scene.world.proxmox.next("cluster", lambda: scene.watch.add(guest(102)))
    assert await scene.poll() == []
    assert [each.vmid for each in scene.stored] == [101, 102]
    scene.world.proxmox.change(102, state=S)
    assert await scene.poll() == [GuestDown]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("verb", [Verb.SHUTDOWN, Verb.STOP])
async def test_a_stop_through_the_bot_is_no_alarm_and_the_next_stop_is(
    tmp_path: Path, verb: Verb, kind: Kind
) -> None:
    scene = Scene(tmp_path, guest(101, kind=kind))
    scene.watch.add(guest(101))
    assert await scene.poll() == []
    report = await scene.world.operations.carry_out(scene.world.order(verb))
    assert report.good
    assert await scene.poll() == [OrderedStop]
    scene.world.proxmox.change(101, state=R)
    assert await scene.poll() == []
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]


async def test_a_stop_that_a_poll_sees_while_the_action_runs_is_used_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    await scene.poll()
    told: list[Event] = []
    scene.world.proxmox.seconds = 20
    scene.world.clock.at(5, lambda: scene.world.proxmox.change(101, state=S))

    async def polling(progress: Progress) -> None:
        told.extend(await scene.watch.poll())

    await scene.world.operations.carry_out(scene.world.order(Verb.SHUTDOWN), polling)
    assert told == [OrderedStop(101)]
    scene.world.proxmox.change(101, state=R)
    assert await scene.poll() == []
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]


async def test_a_reboot_through_the_bot_is_no_alarm(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    await scene.poll()
    told: list[Event] = []
    scene.world.proxmox.seconds = 20
    scene.world.clock.at(5, lambda: scene.world.proxmox.change(101, state=S))

    async def polling(progress: Progress) -> None:
        told.extend(await scene.watch.poll())

    report = await scene.world.operations.carry_out(scene.world.order(Verb.REBOOT), polling)
    assert report.after is not None
    assert report.after.state is R
    assert GuestDown not in kinds(told)
    assert await scene.poll() == []
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]


async def test_a_refused_stop_excuses_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, guest(101))
    scene.watch.add(guest(101))
    await scene.poll()
    scene.world.proxmox.next("power", GONE)
    with pytest.raises(Unreachable):
        await scene.world.operations.carry_out(scene.world.order(Verb.STOP))
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]


# --- what the bot itself does to a watched guest ---


async def test_the_nightly_backup_of_a_vm_that_is_off_is_no_alarm(tmp_path: Path) -> None:
    """vzdump starts it paused for the time of the backup; the list says prelaunch (QemuServer.pm, -S)."""
    scene = Scene(tmp_path, guest(101, S), guest(102))
    scene.watch.add(guest(101, S))
    scene.watch.add(guest(102))
    assert await scene.poll() == []
    before = scene.stored
    for state in (S, L, L, S, S, L, S):
        scene.world.proxmox.change(101, state=state)
        assert await scene.poll() == []
    assert scene.stored == before


async def test_watching_a_guest_right_after_its_start_is_no_alarm(tmp_path: Path) -> None:
    """The guest was read as running, the cluster's list still says stopped."""
    scene = Scene(tmp_path, guest(101, S))
    report = await scene.world.operations.carry_out(scene.world.order(Verb.START))
    assert report.after is not None
    scene.world.proxmox.listed[101] = guest(101, S)
    scene.world.clock.advance(60)
    scene.watch.add(report.after)
    assert await scene.poll(0) == []
    del scene.world.proxmox.listed[101]
    assert await scene.poll() == []
    assert scene.watch.state.guests[0].state is R
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]


async def ordered(scene: Scene, verb: Verb, **values: Any) -> bool:
    """Carried out and told to the watch, as the commands do it."""
    return scene.watch.heed(await scene.world.operations.carry_out(scene.world.order(verb, **values)))


async def watched(directory: Path, *guests: Guest) -> Scene:
    """A scene whose watch has had its first sight of every guest."""
    scene = Scene(directory, *guests)
    for each in guests:
        scene.watch.add(each)
    assert await scene.poll() == []
    return scene


@pytest.mark.parametrize("verb", [Verb.SHUTDOWN, Verb.STOP])
async def test_an_ordered_stop_outlives_a_restart_of_the_bot(tmp_path: Path, verb: Verb) -> None:
    scene = await watched(tmp_path, guest(101))
    assert not await ordered(scene, verb)
    assert scene.stored == (Watched(101, S, scene.world.clock.now()),)
    fresh = Scene(tmp_path, guest(101, S))
    assert await fresh.poll() == []
    fresh.world.proxmox.change(101, state=R)
    assert await fresh.poll() == []
    fresh.world.proxmox.change(101, state=S)
    assert await fresh.poll() == [GuestDown]


@pytest.mark.parametrize("again", ["by the bot", "by somebody else"])
@pytest.mark.parametrize("verb", [Verb.SHUTDOWN, Verb.STOP])
async def test_a_stop_that_was_noted_excuses_no_crash_soon_after(
    tmp_path: Path, verb: Verb, again: str
) -> None:
    """Stopped through the bot, started again, and down within the five minutes an order is remembered."""
    scene = await watched(tmp_path, guest(101))
    await ordered(scene, verb)
    assert await scene.poll() == []
    if again == "by the bot":
        await ordered(scene, Verb.START)
    else:
        scene.world.proxmox.change(101, state=R)
    assert await scene.poll() == []
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [GuestDown]


async def test_a_guest_that_obeys_late_is_no_alarm(tmp_path: Path) -> None:
    """The report says running; there is nothing to note yet, and the order is still remembered."""
    scene = await watched(tmp_path, guest(101))
    scene.world.proxmox.exit = "VM quit/powerdown failed - got timeout"
    await ordered(scene, Verb.SHUTDOWN)
    assert scene.stored[0].state is R
    scene.world.proxmox.change(101, state=S)
    assert await scene.poll() == [OrderedStop]


async def test_a_list_that_lags_behind_an_ordered_stop_makes_no_alarm(tmp_path: Path) -> None:
    scene = await watched(tmp_path, guest(101))
    scene.world.proxmox.listed[101] = guest(101)
    await ordered(scene, Verb.STOP)
    assert await scene.poll(9) == []
    del scene.world.proxmox.listed[101]
    assert await scene.poll() == []
    assert scene.stored[0].state is S


async def test_a_deleted_guest_is_taken_off_the_list(tmp_path: Path) -> None:
    scene = await watched(tmp_path, guest(101, S), guest(102))
    assert await ordered(scene, Verb.DELETE)
    assert [each.vmid for each in scene.stored] == [102]
    assert await scene.poll() == []


async def test_a_guest_that_could_not_be_deleted_stays_on_the_list(tmp_path: Path) -> None:
    scene = await watched(tmp_path, guest(101, S))
    scene.world.proxmox.exit = "lvremove failed"
    assert not await ordered(scene, Verb.DELETE)
    assert [each.vmid for each in scene.stored] == [101]


async def test_what_was_done_to_others_is_not_noted(tmp_path: Path) -> None:
    scene = await watched(tmp_path, guest(101))
    scene.world.proxmox.add(guest(102))
    before = scene.stored
    assert not await ordered(scene, Verb.STOP, vmid=102)
    assert not await ordered(scene, Verb.REBOOT)
    assert not await ordered(scene, Verb.SNAPSHOT_CREATE, snapshot="ab")
    assert scene.stored == before


async def test_a_stop_or_a_deletion_that_cannot_be_noted_is_no_error_of_the_action(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    scene = await watched(directory, guest(101), guest(102, S))
    shutil.rmtree(directory)
    assert not await ordered(scene, Verb.STOP)
    assert not await ordered(scene, Verb.DELETE, vmid=102)
    assert await scene.poll() == [OrderedStop, ListUnsaved]
    assert [each.vmid for each in scene.watch.state.guests] == [101, 102]
