"""Run the dashboards of one site against a Discord and a Proxmox of this process, and compare them with the truth."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.journal.store import SqliteJournal
from core.access.authorizer import Authorizer
from core.access.policy import AccessRules
from core.access.read_only import ReadOnlySwitch
from core.cluster.cache import ClusterCache
from core.dashboard.contents import Contents
from core.dashboard.keeper import DashboardKeeper
from core.dashboard.model import WHOLE, Dashboard, Extent
from core.dashboard.source import ContentsSource
from core.delivery.channel import DeliveryFailure, NotDelivered
from core.errors import BotError, JournalFailed
from core.guest import Guest, Kind, State, TaskSummary
from core.proxmox_errors import ProxmoxError, TimedOut
from core.wanted_errors import DashboardExists, NoSuchDashboard, TooManyDashboards, TooManyOwnDashboards
from core.watch.incidents.state import WatchState
from tests.support.fakes import RULES, FakeClock, FakeProxmox
from tests.support.watch.at_once import at_once

NONCE_MEMORY = 180.0
"""Seconds for which Discord remembers a nonce."""
INTERVAL = 60.0  # seconds


class Died(BaseException):
    """The process of the bot ends here."""


@dataclass(frozen=True)
class View:
    """The content of a message: the states of the guests, or why they are unknown."""

    states: tuple[tuple[int, str], ...] | None
    fault: str = ""


@dataclass
class Post:
    """A message. `mark`: that of its dashboard. `true_at`: Unix time of the read that it shows."""

    id: int
    mark: str
    view: View
    true_at: float | None
    pinned: bool = False


@dataclass
class Room:
    """A channel. `messages`: by id. `closed`: why Discord refuses the bot, "" if it does not."""

    messages: dict[int, Post] = field(default_factory=dict)
    closed: str = ""
    pins_closed: bool = False


@dataclass
class BoardDiscord:
    """Implement `DashboardChannel` over channels of this process.

    `plan`: faults of the next requests, one each: "503", "429" and "lost" (not carried out), "cut" (carried out, but
    the answer is lost), "die" (the bot ends before) and "die-after" (the bot ends when it is carried out).
    `requests`: how many there were of each kind. `edits`: the times of each message's edits, on the monotonic clock.
    """

    clock: FakeClock
    rooms: dict[int, Room] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    edits: dict[int, list[float]] = field(default_factory=dict)
    _nonces: dict[str, tuple[float, int]] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def compose(self, _dashboard: Dashboard, contents: Contents) -> View:
        if contents.cluster is None:
            return View(None, type(contents.fault).__name__)
        return View(tuple((guest.vmid, guest.state.value) for guest in contents.cluster.guests))

    async def post(self, dashboard: Dashboard, shown: View, true_at: float | None) -> int:
        def do() -> int:
            room = self._room(dashboard)
            known = self._nonces.get(dashboard.nonce)
            if known and self.clock.mono - known[0] < NONCE_MEMORY:
                return known[1]
            number: int = next(self._ids)
            room.messages[number] = Post(number, dashboard.mark, shown, true_at)
            self._nonces[dashboard.nonce] = self.clock.mono, number
            return number

        return int(self._meet("post", do))

    async def edit(self, dashboard: Dashboard, shown: View, true_at: float | None) -> None:
        def do() -> None:
            post = self._message(dashboard)
            post.view, post.true_at = shown, true_at
            self.edits.setdefault(post.id, []).append(self.clock.mono)

        self._meet("edit", do)

    async def find(self, dashboard: Dashboard) -> int | None:
        def do() -> int | None:
            found = (post.id for post in self._room(dashboard).messages.values())
            return next((one for one in found if self._is(dashboard, one)), None)

        found = self._meet("find", do)
        return found if found is None else int(found)

    async def pin(self, dashboard: Dashboard) -> None:
        def do() -> None:
            if self._room(dashboard).pins_closed:
                raise NotDelivered(DeliveryFailure.REFUSED, "50013", not_taken=True)
            self._message(dashboard).pinned = True

        self._meet("pin", do)

    async def delete(self, dashboard: Dashboard) -> None:
        def do() -> None:
            message = self._message(dashboard)
            del self.rooms[dashboard.channel_id].messages[message.id]

        self._meet("delete", do)

    # -- the machinery

    def _meet(self, what: str, do: Callable[[], Any]) -> Any:
        self.requests[what] += 1
        step = self.plan.pop(0) if self.plan else ""
        if step == "die":
            raise Died
        if step in ("503", "lost"):
            raise NotDelivered(DeliveryFailure.PASSING, step, not_taken=False)
        if step == "429":
            raise NotDelivered(DeliveryFailure.PASSING, step, not_taken=True, wait=40.0)
        result = do()
        if step == "die-after":
            raise Died
        if step == "cut":
            raise NotDelivered(DeliveryFailure.PASSING, step)
        return result

    def _room(self, dashboard: Dashboard) -> Room:
        room = self.rooms.get(dashboard.channel_id)
        if room is None:
            raise NotDelivered(DeliveryFailure.REFUSED, "10003", not_taken=True)
        if room.closed:
            raise NotDelivered(DeliveryFailure.REFUSED, room.closed, not_taken=True)
        return room

    def _message(self, dashboard: Dashboard) -> Post:
        post = self._room(dashboard).messages.get(dashboard.message_id or 0)
        if post is None:
            raise NotDelivered(DeliveryFailure.GONE, "10008", not_taken=True)
        return post

    def _is(self, dashboard: Dashboard, number: int) -> bool:
        return self.rooms[dashboard.channel_id].messages[number].mark == dashboard.mark


@dataclass
class BoardWatch:
    """Implement `WatchView`: a watch that reads, and judges nothing."""

    cache: ClusterCache
    clock: FakeClock
    state: WatchState = field(default_factory=WatchState)
    read_error: BotError | None = None
    last_read: float | None = None
    tasks: tuple[TaskSummary, ...] | None = None

    async def poll(self) -> None:
        try:
            await self.cache.read(max_age=0)
        except ProxmoxError as error:
            self.read_error = error
        else:
            self.read_error, self.last_read = None, self.clock.unix


class BoardTrial:
    """A bot with dashboards that dies and starts again, and the events around it.

    `away`: whether Proxmox does not answer. `asked`: whether somebody has refreshed a dashboard.
    `made`, `removed`: the dashboards that were created, by mark, and the marks of those removed again.
    `checks`: whether `pass_time` checks all messages.
    """

    def __init__(self, path: Path, rules: AccessRules = RULES) -> None:
        self.clock = FakeClock()
        self.proxmox = FakeProxmox(self.clock)
        self.proxmox.add(
            *(
                Guest(100 + number, Kind.QEMU, "pve1", State.RUNNING, f"vm{number}", tags=("web",))
                for number in range(5)
            )
        )
        self.discord = BoardDiscord(self.clock, {1: Room(), 2: Room(), 3: Room()})
        self._path, self._rules = path, rules
        self.away = False
        self.removed: set[str] = set()
        self.made: dict[str, Dashboard] = {}
        self.deaths = 0
        self.asked = False
        self.checks = True
        self._undisturbed_since = self.clock.mono
        self._numbers = itertools.count(1)
        self._next_poll = self.clock.mono
        self._truths = [(self.clock.unix - 1.0, self.truth())]
        self._away_since: float | None = None
        self.start()

    def start(self) -> None:
        self.journal = SqliteJournal(self._path)
        self.journal.open()
        self._path.chmod(0o600)
        cache = ClusterCache(self.proxmox, self.clock)
        journal = at_once(self.journal)
        authorizer = Authorizer(self._rules, cache, ReadOnlySwitch(journal, self.clock))
        self.watch = BoardWatch(cache, self.clock)
        source = ContentsSource(self.watch, cache, self.proxmox, authorizer, self.clock, INTERVAL)
        self.keeper: DashboardKeeper[View] = DashboardKeeper(journal, self.discord, source, self.clock)
        self._next_poll = self.clock.mono

    def close(self) -> None:
        self.journal.close()

    async def die(self, seconds: float = 0.0) -> None:
        """End the process, and start it again after some seconds."""
        self.deaths += 1
        self.close()
        self.clock.advance(seconds)
        self.start()

    # -- people's actions

    def new(self, channel: int, extent: Extent = WHOLE) -> Dashboard:
        return Dashboard(f"{next(self._numbers):016x}", channel, extent, "Akiko", 7, self.clock.unix)

    async def create(self, dashboard: Dashboard) -> bool:
        """Create a dashboard. Return False if it was refused."""
        try:
            await self.keeper.create(dashboard)
        except (DashboardExists, TooManyDashboards, TooManyOwnDashboards):
            return False
        self.made[dashboard.mark] = dashboard
        return True

    async def remove(self, mark: str) -> None:
        try:
            await self.keeper.remove(mark)
        except (NoSuchDashboard, JournalFailed):
            return
        self.removed.add(mark)

    # -- time

    async def pass_time(self, seconds: float) -> None:
        """Let the watch poll and the keeper work, as their loops do."""
        end = self.clock.mono + seconds
        while True:
            due = None
            try:
                if self.discord.plan or any(room.closed for room in self.discord.rooms.values()):
                    self._undisturbed_since = self.clock.mono
                if self.clock.mono >= self._next_poll:
                    self._next_poll = self.clock.mono + INTERVAL
                    if self.away:
                        self.proxmox.next("cluster", TimedOut("pve1", changing=False))
                    await self.watch.poll()
                    self.keeper.on_poll()
                due = await self.keeper.attend()
            except Died:
                await self.die()
                continue
            if self.checks:
                self.check_never_two()
                self.check_never_stale()
            left = end - self.clock.mono
            if left <= 0:
                return
            until_poll = max(0.1, self._next_poll - self.clock.mono)
            self.clock.advance(min(left, until_poll, max(0.1, due if due is not None else left)))

    # -- the truth

    def posts(self, mark: str) -> list[Post]:
        return [
            post
            for room in self.discord.rooms.values()
            for post in room.messages.values()
            if post.mark == mark
        ]

    def truth(self) -> View:
        return View(tuple((vmid, guest.state.value) for vmid, guest in sorted(self.proxmox.guests.items())))

    def change(self, vmid: int, state: State) -> None:
        self.proxmox.change(vmid, state=state)
        self._truths.append((self.clock.unix, self.truth()))

    def set_away(self, away: bool) -> None:
        if away != self.away:
            self.away, self._away_since = away, self.clock.mono if away else None

    def check_never_stale(self) -> None:
        """Check that each message was true at the time it names, and that it says so if Proxmox is away."""
        for room in self.discord.rooms.values():
            for post in room.messages.values():
                if post.view.states is None:
                    continue
                at = post.true_at or 0.0
                before = [view for when, view in self._truths if when < at - 0.001][-1:]
                then = [view for when, view in self._truths if abs(when - at) <= 0.001]
                assert post.view in (*before, *then), f"{post.mark} shows what was not true then"
                assert not self._should_say_away(room, post), f"{post.mark} hides that Proxmox is away"

    def _should_say_away(self, room: Room, post: Post) -> bool:
        """Return whether the bot has had the time to say that Proxmox is away. Faults of Discord delay that."""
        since = max(self._away_since or self.clock.mono, self._undisturbed_since)
        free = not room.closed and not self.discord.plan and post.mark not in self.removed
        return free and self.clock.mono - since > 460.0

    def check_never_two(self) -> None:
        """Check that no dashboard is there twice, and that a bot that never died edits no message too often."""
        for mark in self.made:
            assert len(self.posts(mark)) <= 1, f"{mark} is there twice"
        there = Counter(
            (each.channel_id, each.extent) for mark, each in self.made.items() if self.posts(mark)
        )
        assert all(count == 1 for count in there.values()), f"two of the same: {there}"
        for number, times in self.discord.edits.items():
            gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
            least = 10.0 if self.asked else 30.0  # seconds
            assert all(gap >= least for gap in gaps) or self.deaths, f"{number} was edited too often: {gaps}"

    def check_all_well(self) -> None:
        """Check after a while without faults: each message is there, true and pinned, and removed ones are gone."""
        for mark, made in self.made.items():
            posts = self.posts(mark)
            if mark in self.removed:
                assert posts == [], f"{mark} was removed and is still there"
            elif made.channel_id not in self.discord.rooms:
                assert [mark] == [
                    each.mark for each, trouble in self.keeper.dashboards() if trouble and each.mark == mark
                ]
            else:
                assert len(posts) == 1, f"{mark} is not there"
                wanted = View(None, "TimedOut") if self.away else self.truth()
                assert posts[0].view == wanted, f"{mark} shows {posts[0].view} instead of {wanted}"
                assert posts[0].pinned, f"{mark} is not pinned"


EVENTS = (
    *("time", "time", "much time", "guest", "guest", "death", "long death", "faults", "faults", "faults"),
    *("create", "create", "two at once", "remove", "deleted message", "deleted message", "deleted channel"),
    *("closed", "opened", "pins closed", "pins opened", "away", "away", "back", "refresh"),
    "lost rows",
)
FAULTS = ("503", "429", "cut", "cut", "lost", "die", "die-after", "die-after")


async def run_sequence(seed: int, path: Path, events: int = 25) -> Counter[str]:
    """Run one generated sequence. Raises: AssertionError.

    Returns how often each event and request happened, and the numbers of deaths and dashboards.
    """
    chance = random.Random(seed)  # noqa: S311 - the same numbers in every run
    trial, happened = BoardTrial(path), Counter[str]()
    try:
        await trial.create(trial.new(1))
        for _ in range(events):
            event = chance.choice(EVENTS)
            happened[event] += 1
            await _happen(event, trial, chance)
            await trial.pass_time(chance.choice((0.0, 1.0, 35.0, 61.0, 130.0)))
        trial.discord.plan.clear()
        for room in trial.discord.rooms.values():
            room.closed, room.pins_closed = "", False
        # the longest wait: a limit of Discord or a refusal, and then the gap between two new messages
        await trial.pass_time(2400.0)
        trial.check_all_well()
        before = trial.discord.requests.total()
        # nothing changes: each message is renewed once at most, and more is tried only for channels that are gone
        await trial.pass_time(500.0)
        gone = sum(each.channel_id not in trial.discord.rooms for each in trial.made.values())
        assert trial.discord.requests.total() - before <= len(trial.made) + gone * 3
        trial.check_all_well()
    finally:
        trial.close()
    happened["deaths"] = trial.deaths
    happened["dashboards"] = len(trial.made)
    return happened + trial.discord.requests


async def _happen(event: str, trial: BoardTrial, chance: random.Random) -> None:
    rooms = trial.discord.rooms
    channel = chance.choice((1, 2, 3))
    room = rooms.get(channel)
    match event:
        case "much time":
            await trial.pass_time(chance.choice((400.0, 1500.0)))
        case "guest":
            vmid = chance.choice(list(trial.proxmox.guests))
            trial.change(vmid, chance.choice((State.RUNNING, State.STOPPED, State.PAUSED)))
        case "death":
            await trial.die(chance.choice((0.0, 5.0)))
        case "long death":
            await trial.die(chance.choice((200.0, 9000.0)))
        case "faults":
            trial.discord.plan += [chance.choice(FAULTS) for _ in range(chance.randint(1, 4))]
        case "create":
            await trial.create(
                trial.new(channel, chance.choice((WHOLE, Extent(tag="web"), Extent(node="pve1"))))
            )
        case "two at once":
            extent = chance.choice((WHOLE, Extent(tag="web")))
            before = [one for one in trial.made.values() if (one.channel_id, one.extent) == (channel, extent)]
            made = [await trial.create(trial.new(channel, extent)) for _ in range(2)]
            assert made.count(True) <= (0 if any(one.mark not in trial.removed for one in before) else 1)
        case "remove":
            if trial.made:
                await trial.remove(chance.choice(list(trial.made)))
        case "deleted message":
            posts = [(each, number) for each in rooms.values() for number in each.messages]
            if posts:
                where, number = chance.choice(posts)
                del where.messages[number]
        case "deleted channel":
            if len(rooms) > 1 and chance.random() < 0.3:
                rooms.pop(channel, None)
        case "closed" if room:
            room.closed = chance.choice(("50001", "50013"))
        case "opened" if room:
            room.closed = ""
        case "pins closed" | "pins opened" if room:
            room.pins_closed = event == "pins closed"
        case "away" | "back":
            trial.set_away(event == "away")
        case "lost rows":
            with trial.journal._file.transaction() as rows:
                rows.execute("DELETE FROM dashboards")
            trial.keeper.store_again()
            if not trial.discord.plan:  # or the bot may die before
                await trial.keeper.attend()
                await trial.die()
        case "refresh":
            trial.asked = True
            for dashboard, _ in trial.keeper.dashboards():
                await trial.keeper.refresh(dashboard.mark, 0.0)
        case _:
            pass
