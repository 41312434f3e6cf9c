"""Decide a second time which messages to send, only from the rules in docs/watching.md (the contract).

The oracle shares nothing with core/watch but the names of `core/watch/incidents/model.py`. It keeps plain, mutable
books and judges the same `Visible` of a poll as the bot. `poll` returns the messages that this poll must
send. Where the contract leaves something open, the chosen reading is marked with "Reading:".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.errors import BotError
from core.guest import Cluster, Guest, Kind, State, Storage, TaskSummary
from core.proxmox_errors import GuestMoved, MissingPrivilege
from core.watch.incidents.model import DOWN, GuestEvent, MessageKind, Metric, Severity, Topic, WatchEntry
from tests.support.watch.world import BOT, Visible

MINUTE = 60.0  # seconds
LATE = 75.0
"""Maximum seconds from the moment when a read is due to the poll that makes it."""
STOPS = {f"{kind}{what}" for kind in ("qm", "vz") for what in ("stop", "shutdown", "suspend", "destroy")} | {
    "hastop"
}
REBOOTS = {"qmreboot", "vzreboot", "qmreset"}
"""Reading: a reset counts as a reboot."""
WORKS = {
    f"{kind}{what}" for kind in ("qm", "vz") for what in ("snapshot", "rollback", "delsnapshot", "template")
}
WORKS |= {"vzdump", "qmigrate", "vzmigrate", "qmmove", "move_volume", "hamigrate"} | REBOOTS
STARTS = {"qmstart", "vzstart", "hastart"} | REBOOTS
DESTROYS = {"qmdestroy", "vzdestroy"}
WORK_LOCKS = {"backup", "snapshot", "snapshot-delete", "rollback", "migrate", "suspending"}
WORK_LOCKS |= {"clone", "create", "disk", "mounted", "fstrim"}
LIVING = (State.RUNNING, State.PAUSED, State.SUSPENDED)
HALTED = tuple(
    map(State, ("io-error", "internal-error", "guest-panicked", "watchdog", "postmigrate", "debug"))
)
PASSING = tuple(
    map(
        State,
        ("prelaunch", "shutdown", "inmigrate", "finish-migrate", "save-vm", "restore-vm", "colo"),
    )
)
DEAD = (State.STOPPED, *HALTED)
OUT = (*DEAD, *PASSING)
"""States that count as not running. A passing state counts once the guest is stuck in it."""


@dataclass(eq=False)
class Fact:
    """Describe an event of a guest. `works`: names of tasks and locks that may be given as the reason.

    `away`: whether a run found it in its first good poll.
    """

    what: GuestEvent
    node: str = ""
    by: str = ""
    task: str = ""
    works: set[str] = field(default_factory=set)
    away: bool = False
    after: str = ""
    """Event after which the guest was not started again in time: its node's return (node) or its move (ha)."""
    state: State = State.UNKNOWN
    """State in which QEMU holds the guest (HALTED), or in which the guest is stuck (STUCK)."""
    note: bool = False
    """Whether the fact is for information only. It is no alarm, and does not count as "down"."""


@dataclass(eq=False)
class Case:
    """Hold an incident.

    `since` and `until` are pairs: (clock, elapsed). The bot may report any duration from that on `clock` to that on
    `elapsed`. Reading: if a stop was first held back, the duration may count from the stop or from the alarm.
    `poll`: number of the poll in which it began. `told`: whether it was reported. `said`: when it was last reported
    or reminded of, on `elapsed` for SOURCE, else on `clock`.
    """

    topic: Topic
    level: Severity
    poll: int
    since: tuple[float, float]
    facts: dict[int, Fact] = field(default_factory=dict)
    maybe: set[int] = field(default_factory=set)
    """Guests that may be named or not (NODE: those with a `Hold` at that moment)."""
    node: str = ""
    storage: str = ""
    metric: Metric | None = None
    limit: int | None = None
    percent: float | None = None
    unknown: bool = False
    """Whether the agent that reports the value is silent."""
    fault: BotError | None = None
    watched: int = 0
    backups: set[tuple[str, int | None, str]] = field(default_factory=set)
    over: bool = False
    forgotten: bool = False
    until: tuple[float, float] | None = None
    acked: str = ""
    told: bool = False
    said: float = 0.0

    @property
    def down(self) -> list[int]:
        return [vmid for vmid, fact in self.facts.items() if fact.what in DOWN and not fact.note]

    def __str__(self) -> str:
        facts = " ".join(f"{vmid}:{fact.what.value}" for vmid, fact in self.facts.items())
        where = " ".join(
            filter(
                None,
                (self.node, self.storage, self.metric or "", type(self.fault).__name__ if self.fault else ""),
            )
        )
        return f"{self.topic.value}[{where}{' ' if where and facts else ''}{facts}]{' over' if self.over else ''}"


@dataclass(eq=False)
class Mail:
    """Describe one message that must arrive."""

    post: MessageKind
    cases: list[Case]
    mention: bool = False
    silent: bool = False

    def __str__(self) -> str:
        flags = ("@" if self.mention else "") + ("~" if self.silent else "")
        return f"{self.post.value}{flags} " + ", ".join(map(str, self.cases))


@dataclass(eq=False)
class Hold:
    """Describe a stop that is not judged yet. `kind`: why it waits: node, ha or work. `since`: on `clock`.

    `works`: names of the tasks and of the lock, for work.
    """

    kind: str
    since: float
    works: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Book:
    """Hold the knowledge about a watched guest.

    `alarm`: the guest is down, and that is an alarm or part of one.
    `lost`: the offline node that it was on. `uptime`: the last one seen while it ran.
    `changes`: the clock times of its latest changes. `stopped_at`: the elapsed time of its stop.
    """

    entry: WatchEntry
    state: State | None = None
    missing: bool = False
    alarm: bool = False
    case: Case | None = None
    node: str = ""
    kind: Kind = Kind.QEMU
    lost: str = ""
    hold: Hold | None = None
    uptime: int | None = None
    changes: list[float] = field(default_factory=list)
    flapping: Case | None = None
    stopped_at: float = 0.0
    passing: float | None = None
    """Clock time since which the guest has been in passing states."""
    unknown: float | None = None
    """Clock time since which the guest's state is unknown."""
    unasked: int = 0
    """Number of consecutive polls in which the list did not know the state and the bot did not query the guest."""


@dataclass(eq=False)
class OracleNews:
    """Describe a piece of guest news: down, back, restart or note. `case`: the incident that `back` ends."""

    kind: str
    vmid: int
    fact: Fact
    case: Case | None = None


@dataclass(eq=False)
class Meter:
    """Count consecutive reads of one value.

    `over`: at or over the limit. `under`: normal again. `blind`: the host's figures instead of the guest's own.
    """

    over: int = 0
    under: int = 0
    blind: int = 0
    case: Case | None = None
    unanswered: int = 0
    answered: int = 0
    """`unanswered`, `answered`: consecutive readings without and with an answer of the guest agent."""
    said: bool = False
    """Whether the silence was reported, and so is no longer news."""


class Seen:
    """Hold the view of one good poll: the lists, corrected by the confirmed facts."""

    def __init__(self, cluster: Cluster) -> None:
        self.guests: dict[int, Guest] = {guest.vmid: guest for guest in cluster.guests}
        self.nodes: dict[str, bool] = {node.name: node.online for node in cluster.nodes}
        self.storages: tuple[Storage, ...] = cluster.storages
        self.listed: set[int] = set(self.guests)
        self.undecided: set[int] = set()
        """Guests that this poll does not judge."""
        self.doubted: set[str] = set()
        """Nodes that are listed as offline but not confirmed."""
        self.raw = cluster
        """The cluster as it was listed."""
        self.gone: set[int] = set()
        """Watched guests that no longer exist."""


class Oracle:
    """Keep the books of one cluster.

    `elapsed`: seconds that have passed between all polls. `clock`: the same, without the time between two runs and
    that in which Proxmox was reported as unreadable.
    `complaints`: the bot's needless requests and its missing ones.
    `repeat`: seconds between two reminders.
    """

    def __init__(self, entries: Iterable[WatchEntry], repeat: float, storage_limit: int) -> None:
        self.books = {entry.vmid: Book(entry) for entry in entries}
        self.repeat, self.storage_limit = repeat, storage_limit
        self.polls = 0
        self.elapsed = self.clock = self.clock_before = 0.0
        self.last: tuple[float, float] | None = None
        """Time of the last poll: (monotonic, wall)."""
        self.fresh = True
        self.greeted = False
        """Whether this run has had its first good poll."""
        self.was_good = False
        self.blind = True
        """Whether the last poll saw nothing or was not stored, or this run has had no poll yet."""
        self.known: set[int] = set()
        self.unanswered: set[int] = set()
        """Suspects that were not confirmed in the last good poll."""
        self.unexplained: set[int] = set()
        """Guests that the last good poll did not judge, because the task list could not be read."""
        self.nodes: dict[str, bool] = {}
        self.doubted: set[str] = set()
        self.node_cases: dict[str, Case] = {}
        self.failures = 0
        self.failing_since = 0.0
        self.half_since: float | None = None
        self.source: Case | None = None
        self.tasks: list[TaskSummary] = []
        self.first_seen: dict[str, float | None] = {}
        """By UPID, the clock time of the first list with the task, None for tasks of the very first list."""
        self.tasks_known = False
        self.failed_backups: set[str] = set()
        self.seen_running: set[str] = set()
        """UPIDs of backups that were once seen running."""
        self.nodes_heard: set[str] = set()
        """Nodes whose own list of failed backups was read at least once."""
        self.node_asked: dict[str, float] = {}
        self.stale_polls: dict[str, int] = {}
        self.stale: dict[str, Case] = {}
        self.unseen: dict[str, Case] = {}
        self.tasks_clock: float | None = None
        self.meters: dict[str, Meter] = {}
        self.looks: dict[int, float | None] = {}
        """Readings of the disks of VMs that no stored poll has judged yet: percent, or None."""
        self.looked: dict[int, float] = {}
        self.silences: list[Guest] = []
        self.askable: dict[int, float] = {}
        """VMs whose agents are to be asked, each with the monotonic time since which this holds."""
        self.mutes: dict[str, float] = {}
        """By target, the elapsed time at which the mute ends."""
        self.orders: dict[int, float] = {}
        """By VMID, the monotonic time until which a stop is expected."""
        self.noted: list[Case] = []
        self.cases: list[Case] = []
        self.mails: list[Mail] = []
        self.complaints: list[str] = []
        self.quiet = False

    # -- people's commands

    def run_begins(self, at: float) -> None:
        """Begin a new run after a restart.

        Orders of the former run count from now (core/actions/expected_stops.py).
        """
        self.fresh, self.greeted, self.unanswered, self.blind = True, False, set(), True
        self.unexplained = set()
        self.looks, self.looked, self.askable = {}, {}, {}
        self.orders = dict.fromkeys(self.orders, at + 5 * MINUTE)
        for book in self.books.values():
            book.unasked = 0  # the order of the queries is not stored

    def order(self, vmid: int, at: float) -> None:
        self.orders[vmid] = at + 5 * MINUTE

    def passed(self, at: float, wall: float) -> float:
        """Return the seconds since the last poll.

        For a new run without a poll, measure by the wall clock. The result is never negative.
        """
        if self.last is None:
            return 0.0
        return max(0.0, wall - self.last[1]) if self.fresh else at - self.last[0]

    def mute(self, target: str, seconds: float, at: float, wall: float) -> None:
        self.mutes[target] = self.elapsed + self.passed(at, wall) + seconds

    def not_stored(self, sight: Visible) -> None:
        """Note a poll whose result was not stored.

        Reading: the task lists that this poll has read need not be read again at any certain time.
        """
        self.blind = True
        if sight.tasks_read:
            self.tasks_clock = math.inf
        self.node_asked |= dict.fromkeys(sight.nodes_asked, math.inf)
        for vmid, book in self.books.items():
            book.unasked = 0 if vmid in sight.asked else book.unasked

    def unmute(self, target: str) -> None:
        del self.mutes[target]

    def acknowledge(self, case: Case, by: str) -> None:
        case.acked = case.acked or by  # Reading: the first acknowledgement counts

    def after_command(self, at: float, wall: float, quiet: bool) -> list[Mail]:
        """Return the messages due after a person's command.

        Reading: news whose mute has ended is sent at once when a person changes something, not in the next
        poll.
        """
        self.mails, self.quiet = [], quiet
        now = self.elapsed + self.passed(at, wall)
        self.mutes = {target: end for target, end in self.mutes.items() if end > now}
        self.tell_what_was_muted(self.was_good, before=self.polls + 1)
        return self.mails

    def watch(self, entry: WatchEntry) -> None:
        self.books[entry.vmid] = Book(entry)

    def unwatch(self, vmid: int) -> None:
        """Stop watching the guest. Its incidents end as forgotten."""
        book = self.books.pop(vmid)
        self.forget_guest(book)
        for metric in Metric:
            self.forget_meter(f"guest/{vmid}/{metric.value}")

    # -- a poll

    def poll(self, sight: Visible, at: float, wall: float, quiet: bool) -> list[Mail]:
        """Return the messages that must be sent after this poll.

        `at`, `wall`: monotonic and wall-clock time at which it was judged.
        """
        self.polls += 1
        self.mails, self.quiet = [], quiet
        if not self.blind:
            # Reading: while the polls see nothing, an order lasts up to 30 minutes longer.
            self.orders = {vmid: until for vmid, until in self.orders.items() if at <= until}
        self.orders = {v: until for v, until in self.orders.items() if at <= until + 30 * MINUTE}
        passed = self.passed(at, wall)
        self.clock_before = self.clock
        self.elapsed += passed
        self.mutes = {target: end for target, end in self.mutes.items() if end > self.elapsed}
        told_before = self.source is not None
        good = self.believed(sight)
        if not (self.fresh or told_before or self.source):
            # Reading: the timers stop only after "cannot be read" was reported, not for a read that fails now
            # and then.
            self.clock += passed
        if good:
            self.good_poll(sight, at)
        else:
            self.askable = {}
        self.tell_what_was_muted(good, before=self.polls)
        self.remind(good)
        self.end_quiet()
        self.was_good, self.fresh, self.last, self.blind = good, False, (at, wall), not good
        return self.mails

    @property
    def now(self) -> tuple[float, float]:
        return (self.clock, self.elapsed)

    # -- Source

    def believed(self, sight: Visible) -> bool:
        """Return whether the poll is good. If it is not, note it as failed."""
        first = sight.first
        if isinstance(first, BotError):
            self.half_since = None
            self.failed_poll(first)
            return False
        listed = {guest.vmid for guest in first.guests}
        gone = self.known - listed
        if not gone & set(self.books):
            return True
        if not listed:
            # Reading: an empty list is never accepted, however long it lasts.
            self.half_since = None
            self.failed_poll(None)
            return False
        if len(gone) >= 2 and 2 * len(gone) >= len(self.known):
            # Reading: the 30 min consist of polls that all show half of the guests gone.
            if self.half_since is None:
                self.half_since = self.elapsed
            if self.elapsed - self.half_since < 30 * MINUTE:
                self.failed_poll(None)
                return False
        return True

    def failed_poll(self, fault: BotError | None) -> None:
        if self.failures == 0:
            self.failing_since = self.elapsed
        self.failures += 1
        if self.source is None and (self.failures >= 3 or self.elapsed - self.failing_since >= 2 * MINUTE):
            case = self.case(Topic.SOURCE, Severity.CRITICAL, fault=fault, watched=len(self.books))
            case.since = (self.failing_since, self.failing_since)
            self.source = case
            self.open(case)

    # -- a good poll

    def good_poll(self, sight: Visible, at: float) -> None:
        came_back = self.source is not None
        if self.source is not None:
            self.end(self.source, on_elapsed=True)
        self.source, self.failures, self.half_since = None, 0, None
        seen = self.confirmed(sight)
        self.read_tasks(sight, seen)
        self.wait_for_tasks(seen, sight)
        self.judge_nodes(seen)
        news: list[OracleNews] = []
        for vmid in sorted(self.books):
            self.note_unknown(self.books[vmid], seen)
            self.judge_guest(self.books[vmid], seen, sight, news)
            self.end_flapping(self.books[vmid], seen, news)
        self.judge_figures(seen)
        self.judge_unseen(seen)
        self.tell_news(news, one_group=came_back)
        self.looks = {v: percent for v, percent in self.looks.items() if at - self.looked[v] < 20 * MINUTE}
        self.read_thresholds(seen)
        self.read_storages(seen)
        self.tell_silences()
        self.looks = {v: percent for v, percent in self.looks.items() if self.waits(v, seen)}
        self.choose_askable(seen, at)
        self.known = seen.listed
        self.greeted = True

    def confirmed(self, sight: Visible) -> Seen:
        """Return the first list, corrected by querying the suspects or reading the list again."""
        assert isinstance(sight.first, Cluster)
        seen = Seen(sight.first)
        answers = self.ask_for_unknown(seen, sight)
        dark = {name for name, up in seen.nodes.items() if not up and self.nodes.get(name, False)}
        suspects = self.suspects(seen)
        sure = suspects & set(answers)
        if dark or len(suspects - sure) > 5:
            self.expect(sight.reads == 2, f"a second read was needed, {sight.reads} were made")
            if isinstance(sight.second, BotError):
                # Reading: a node that was doubted in the last poll is confirmed by this poll's first read.
                seen.undecided, seen.doubted = suspects - sure, dark - self.doubted
                # Reading: this, too, counts as a poll in which they were not confirmed.
                self.unanswered = suspects - sure
                return seen
            seen = Seen(sight.second)
            answer_in(seen, answers)
            again = self.suspects(seen)
            seen.undecided = again - suspects
            seen.doubted = {
                name for name, up in seen.nodes.items() if not up and self.nodes.get(name, False)
            } - dark
            # Reading: a guest missing from the second list too is gone, without a query.
            seen.gone = {vmid for vmid in suspects & again if vmid not in seen.guests}
            self.unanswered = again - suspects
            suspects &= again
        else:
            self.expect(sight.reads == 1, f"one read was enough, {sight.reads} were made")
            self.expect(sight.asked >= suspects, f"suspects {suspects}, asked for {sight.asked}")
            self.ask(seen, suspects - sure, sight)
        dead = {vmid for vmid, guest in seen.guests.items() if guest.state in DEAD}
        if suspects & (seen.gone | dead):
            # Reading: a suspect that was cleared needs no task list.
            self.expect(sight.tasks_read, "suspects, but the task list was not read")
        return seen

    def suspects(self, seen: Seen) -> set[int]:
        found = set()
        for vmid, book in self.books.items():
            guest = seen.guests.get(vmid)
            if book.state is None or book.missing:
                continue
            if (
                guest is None
                or (guest.state in DEAD and book.state in LIVING and book.hold is None and not guest.template)
                or (book.hold is None and not guest.template and self.started_and_halted(book, guest))
            ):
                found.add(vmid)
        return found

    def started_and_halted(self, book: Book, guest: Guest) -> bool:
        """Return whether somebody has started the guest and QEMU has halted it since.

        It was stopped without an alarm, and QEMU holds it now.
        """
        return not (book.alarm or book.missing) and book.state is State.STOPPED and guest.state in HALTED

    def ask_for_unknown(self, seen: Seen, sight: Visible) -> dict[int, Guest]:
        """Check the queries of watched guests whose state the list does not know although their node is online.

        The bot queries at most five in a poll, and each gets its turn within 15 polls. Take the answers over into
        `seen`. Return those with a state, by VMID.
        """
        unknown = {
            vmid
            for vmid in self.books
            if vmid in seen.guests
            and seen.guests[vmid].state is State.UNKNOWN
            and seen.nodes.get(seen.guests[vmid].node, True)
        }
        asked = unknown & sight.asked
        self.expect(bool(asked) or not unknown, f"none of {unknown} was asked for")
        self.expect(len(asked) <= 5, f"{asked} were asked for at once")
        for vmid, book in self.books.items():
            book.unasked = book.unasked + 1 if vmid in unknown - asked else 0
            self.expect(book.unasked <= 15, f"{vmid} has no turn")
        found = {vmid: answer for vmid in asked if isinstance(answer := sight.answers.get(vmid), Guest)}
        answer_in(seen, found)
        return {vmid: answer for vmid, answer in found.items() if answer.state is not State.UNKNOWN}

    def ask(self, seen: Seen, vmids: set[int], sight: Visible) -> None:
        """Take over the answers about these suspects. One without an answer stays undecided for one poll."""
        silent = set()
        for vmid in vmids:
            answer = sight.answers.get(vmid) or GuestMoved(vmid, "")
            if vmid not in seen.guests and isinstance(answer, Guest) and answer.node != self.books[vmid].node:
                answer = GuestMoved(vmid, answer.node)  # the query goes to the node where it was last seen
            if isinstance(answer, Guest):
                seen.guests[vmid] = answer
            elif vmid not in seen.guests and isinstance(answer, (GuestMoved, MissingPrivilege)):
                seen.gone.add(vmid)
            elif vmid not in self.unanswered:
                silent.add(vmid)
                seen.undecided.add(vmid)
            elif vmid not in seen.guests:
                seen.gone.add(vmid)  # the list counts: this is the second poll in a row without an answer
        self.unanswered = silent

    # -- the task list

    def read_tasks(self, sight: Visible, seen: Seen) -> None:
        """Check the reads of the task lists and note failed backups.

        Reading: a failed backup is reported once, whichever list shows it first. Failures in the first read of
        a list count as old, unless the backup was seen running.
        """
        new = {task.upid: task for task in self.failed_in_list(sight)}
        for name, online in seen.nodes.items():
            asked = self.node_asked.setdefault(name, self.clock)
            if name in sight.nodes_asked or not online:
                self.node_asked[name] = self.clock
            else:
                waited = self.clock - asked
                # Reading: at most five minutes, or ten while every poll has an alarm to handle first
                self.expect(waited < 10 * MINUTE + LATE, f"the backups of {name} were not asked for")
        for name in sorted(sight.nodes_asked):
            rows = sight.failed[name]
            if isinstance(rows, BotError):
                continue
            for task in rows:
                heard = name in self.nodes_heard or task.upid in self.seen_running
                if _failed(task) and heard and task.upid not in self.failed_backups:
                    new[task.upid] = task
            self.nodes_heard.add(name)
            self.failed_backups |= {task.upid for task in rows if _failed(task)}
        if new:
            case = self.case(Topic.BACKUP, Severity.WARNING)
            case.backups = {(t.node, int(t.id) if t.id else None, t.status or "") for t in new.values()}
            self.one_off(case)
        self.failed_backups |= set(new)

    def failed_in_list(self, sight: Visible) -> list[TaskSummary]:
        """Return the failed backups that are new in the cluster's list."""
        held = any(book.hold for book in self.books.values())
        due = self.tasks_clock is None or self.clock - self.tasks_clock >= 5 * MINUTE + LATE
        if held or due:
            self.expect(sight.tasks_read, f"the task list was not read (held: {held})")
        if not sight.tasks_read or isinstance(sight.tasks, BotError):
            return []
        self.tasks_clock = self.clock
        self.tasks = self.with_unlisted(list(sight.tasks), sight)
        for task in self.tasks:
            self.first_seen.setdefault(task.upid, self.clock if self.tasks_known else None)
        self.seen_running |= {
            task.upid for task in self.tasks if task.type == "vzdump" and task.ended is None
        }
        failed = [task for task in self.tasks if _failed(task)]
        new = [task for task in failed if task.upid not in self.failed_backups] if self.tasks_known else []
        self.failed_backups |= {task.upid for task in failed}
        self.tasks_known = True
        return new

    def with_unlisted(self, listed: list[TaskSummary], sight: Visible) -> list[TaskSummary]:
        """Add tasks that no longer fit into the cluster's list.

        Somebody may start more tasks at once than the list holds. If a node's part is full and each of its ended
        tasks may have been running when the last known one started, the bot may ask the node for its tasks of the
        five minutes before its newest one.
        """
        tasks = {task.upid: task for task in listed}
        for name in {task.node for task in listed}:
            here = [task for task in listed if task.node == name]
            ends = [task.ended for task in here if task.ended is not None]
            starts = [task.started for task in here if task.upid in self.first_seen]
            overlap = not ends or not starts or min(ends) >= max(starts)
            done = [task for task in here if task.ended is not None]
            last = max((task.started for task in done), default=0)
            quiet = bool(done) and all(task.upid in self.first_seen for task in done if task.started == last)
            crowded = self.tasks_known and len(here) >= 25 and overlap and not quiet
            self.expect(crowded or name not in sight.completed, f"{name} was asked for its tasks")
            rows = sight.everything.get(name)
            if name not in sight.completed or rows is None or isinstance(rows, BotError):
                continue
            newest = max(task.started for task in here)
            tasks |= {task.upid: task for task in rows if task.started >= newest - 5 * MINUTE}
        return sorted(tasks.values(), key=lambda task: task.started, reverse=True)

    def wait_for_tasks(self, seen: Seen, sight: Visible) -> None:
        """Put off judgements for which the task list could not be read.

        Reading: an event that the task list might explain is not judged without it, for one poll only.
        """
        waited, self.unexplained = self.unexplained, set()
        if not sight.tasks_read or not isinstance(sight.tasks, BotError):
            return
        assert isinstance(sight.first, Cluster)
        first = Seen(sight.first)
        answer_in(first, {v: a for v in sight.asked if isinstance(a := sight.answers.get(v), Guest)})
        waiting = self.suspects(first) | {vmid for vmid, book in self.books.items() if book.hold}
        for vmid, book in self.books.items():
            guest = first.guests.get(vmid)
            ran = guest is not None and guest.state is State.RUNNING and guest.node == book.node
            if (
                ran
                and guest
                and not guest.template
                and not book.missing
                and (guest.uptime or 0) < (book.uptime or 0)
            ):
                waiting.add(vmid)
        self.unexplained = waiting - waited
        seen.undecided = seen.undecided | self.unexplained
        seen.gone -= self.unexplained

    def recent_tasks(self, vmid: int, node: str) -> list[TaskSummary]:
        """Return the guest's recent tasks of the types in STOPS, WORKS and STARTS, newest first.

        Recent ones are still running, or were first listed in the last five minutes.
        A backup job of several guests on its node counts as one of them (Reading: the node where the guest was
        in the last poll). A stop or reboot by the bot itself hides the tasks before it and excuses nothing.
        """
        recent = []
        for task in self.tasks:
            job = task.type == "vzdump" and not task.id and task.node == node
            if not (job or task.id == str(vmid)) or task.type not in STOPS | WORKS | STARTS:
                continue
            first = self.first_seen[task.upid]
            if task.ended is None or (first is not None and self.clock - first <= 5 * MINUTE):
                if task.user == BOT and task.type in STOPS | REBOOTS:
                    break
                recent.append(task)
        return recent

    # -- Nodes

    def judge_nodes(self, seen: Seen) -> None:
        doubted = set()
        for name, online in seen.nodes.items():
            if name not in self.nodes or self.nodes[name] == online:
                self.nodes[name] = online
            elif online:
                self.nodes[name] = True
                if name in self.node_cases:
                    self.end(self.node_cases.pop(name))
            elif name in seen.doubted:
                doubted.add(name)
            else:
                self.node_lost(name)
        for name in set(self.nodes) - set(seen.nodes):
            del self.nodes[name]
            if name in self.node_cases:
                self.forget(self.node_cases.pop(name))
        self.doubted = doubted

    def node_lost(self, name: str) -> None:
        self.nodes[name] = False
        case = self.case(Topic.NODE, Severity.CRITICAL, node=name)
        for vmid, book in self.books.items():
            if book.node == name and book.state in LIVING and not book.missing:
                if book.hold:
                    case.maybe.add(vmid)
                else:
                    case.facts[vmid] = Fact(GuestEvent.STOPPED)
        self.node_cases[name] = case
        self.open(case)

    # -- unknown states

    def note_unknown(self, book: Book, seen: Seen) -> None:
        """Note since when the guest's state is unknown.

        Reading: a guest on an offline node is covered by the node's incident, and a guest that is gone counts
        as known.
        """
        vmid = book.entry.vmid
        if vmid in seen.undecided:
            return
        guest = seen.guests.get(vmid)
        if guest is None:
            known = book.missing or vmid in seen.gone
        else:
            known = guest.state is not State.UNKNOWN or not self.nodes.get(guest.node, True)
        if known:
            book.unknown = None
        elif book.unknown is None:
            book.unknown = self.clock

    def judge_figures(self, seen: Seen) -> None:
        """Judge online nodes whose figures are missing in two polls in a row.

        The figures may be missing for the node itself, or for all its VMs, containers or storages.
        """
        raw = seen.raw
        online = {node.name: node.online for node in raw.nodes}
        for node in raw.nodes:
            if not node.online:
                if not self.nodes[node.name]:
                    self.stale_polls.pop(node.name, None)
                    if node.name in self.stale:
                        self.forget(self.stale.pop(node.name))
                continue
            guests = [guest for guest in raw.guests if guest.node == node.name]
            unknown = [guest for guest in guests if guest.state is State.UNKNOWN]
            whole = any(
                [g.vmid for g in unknown if g.kind is kind] == [g.vmid for g in guests if g.kind is kind]
                for kind in {guest.kind for guest in guests}
            )
            stores = [store for store in raw.storages if store.node == node.name]
            dark = not any(store.available for store in stores)
            own = len([store for store in stores if not store.shared])
            if node.known and not whole and not (dark and own and len(stores) > 1):
                self.stale_polls.pop(node.name, None)
                if node.name in self.stale:
                    self.end(self.stale.pop(node.name))
                continue
            self.stale_polls[node.name] = self.stale_polls.get(node.name, 0) + 1
            if self.stale_polls[node.name] == 2:
                case = self.case(Topic.STALE, Severity.WARNING, node=node.name)
                case.facts = {
                    g.vmid: Fact(GuestEvent.UNKNOWN, node.name) for g in unknown if g.vmid in self.books
                }
                self.stale[node.name] = case
                self.open(case)
        for name in set(self.stale_polls) - set(online):
            del self.stale_polls[name]
            if name in self.stale:
                self.forget(self.stale.pop(name))

    def judge_unseen(self, seen: Seen) -> None:
        """Judge guests whose state has been unknown for half an hour: one incident per node."""
        unseen: dict[str, dict[int, Fact]] = {}
        ages: dict[str, float] = {}
        for vmid, book in self.books.items():
            if book.unknown is not None and self.clock - book.unknown >= 30 * MINUTE:
                node = seen.guests[vmid].node if vmid in seen.guests else book.node
                unseen.setdefault(node, {})[vmid] = Fact(GuestEvent.UNKNOWN, node)
                ages[node] = max(ages.get(node, 0.0), self.clock - book.unknown)
        for node in set(self.unseen) - set(unseen):
            case = self.unseen.pop(node)
            books = [self.books[vmid] for vmid in case.facts if vmid in self.books]
            if any(book.unknown is None and not book.lost for book in books):
                self.end(case)
            else:
                self.forget(case)
        for node, facts in unseen.items():
            if node in self.unseen:
                self.unseen[node].facts = facts
                continue
            case = self.case(Topic.BLIND, Severity.CRITICAL, node=node)
            case.facts, case.since = facts, (self.clock, self.elapsed - ages[node])
            self.unseen[node] = case
            self.open(case)

    # -- Guests

    def judge_guest(self, book: Book, seen: Seen, sight: Visible, news: list[OracleNews]) -> None:
        vmid = book.entry.vmid
        if vmid in seen.undecided:
            return
        if vmid in seen.gone:
            self.gone(book, news)
            return
        guest = seen.guests.get(vmid)
        if guest is None:
            return  # not listed, and known to be missing
        if not seen.nodes.get(guest.node, True):
            book.lost = guest.node if not self.nodes.get(guest.node, True) else book.lost
            return
        if guest.template:
            self.forget_guest(book)
            book.hold = None
            self.settle(book, guest)
            return
        if guest.state is State.UNKNOWN:
            return
        if guest.state in PASSING:
            self.found_passing(book, guest, news)
            return
        book.passing = None
        if book.state is None:
            self.settle(book, guest)
        elif book.missing:
            self.listed_again(book, guest, news)
        elif guest.state in DEAD:
            self.found_dead(book, guest, news)
        else:
            self.found_alive(book, guest, sight, news)

    def found_passing(self, book: Book, guest: Guest, news: list[OracleNews]) -> None:
        """Judge a guest in a passing state: as stuck, once it has been in such states for ten minutes.

        Reading: this does not apply to a guest that is stopped under a lock (a backup may take its time), nor
        to a guest already reported as down. A guest that comes up on another node was moved there, so its
        former uptime means nothing.
        """
        if guest.node != book.node:
            book.node, book.uptime = guest.node, None
        if book.missing or book.state in PASSING:
            return
        if book.state in DEAD and (book.case is not None or guest.lock in WORK_LOCKS):
            book.passing = None
            return
        book.passing = self.clock if book.passing is None else book.passing
        if self.clock - book.passing >= 10 * MINUTE:
            if book.hold is None:
                book.stopped_at = self.elapsed
            self.judge_stop(book, guest, news)

    def settle(self, book: Book, guest: Guest) -> None:
        """Take over the guest's current state."""
        book.passing = None
        if book.state in OUT or guest.state in OUT:
            book.uptime = None
        book.state, book.node, book.kind = guest.state, guest.node, guest.kind
        book.missing = False
        if guest.state is State.RUNNING:
            book.uptime = guest.uptime
        if guest.state in LIVING or not book.hold:
            book.hold = None
        book.lost = ""

    def found_dead(self, book: Book, guest: Guest, news: list[OracleNews]) -> None:
        if book.state in OUT and not self.started_and_halted(book, guest):
            # Reading: the report keeps the first reason.
            book.node, book.state, book.lost = guest.node, guest.state, ""
            return
        if book.hold is None:
            book.stopped_at = self.elapsed
        self.judge_stop(book, guest, news)

    def judge_stop(self, book: Book, guest: Guest, news: list[OracleNews]) -> None:
        """Judge a stop by the first reason that applies, and raise an alarm if none does or its time is up.

        The reasons: ordered through the bot; node returned, or moved by HA; stopped by somebody else; other work.
        """
        vmid = book.entry.vmid
        if vmid in self.orders:
            del self.orders[vmid]
            self.stopped_silently(book, guest)
            return
        if book.lost:
            book.hold = Hold("node" if guest.node == book.lost else "ha", self.clock)
            book.node, book.lost = guest.node, ""
            return
        hold = book.hold
        if hold and hold.kind != "work":
            # Reading: an order or the end of its five minutes ends this wait; tasks and locks do not.
            if self.clock - hold.since >= 5 * MINUTE:
                self.down(book, guest, _down_fact(guest, after=hold.kind), news)
            return
        # Reading: tasks from before the guest was stopped do not explain why QEMU holds it now.
        tasks = [] if book.state in OUT and not hold else self.recent_tasks(vmid, book.node)
        works = [task.type for task in tasks if task.type in WORKS]
        lock = guest.lock if guest.lock in WORK_LOCKS else None
        # Reading: backups that began after the stop are not its reason.
        later = 0
        while not hold and later < len(tasks) and tasks[later].type == "vzdump":
            later += 1
        stop = tasks[later] if later < len(tasks) and tasks[later].type in STOPS else None
        # Reading: somebody's stop ends with a stopped guest. A guest that QEMU holds was started after it.
        halted = guest.state in HALTED
        if stop and not halted:
            first = self.first_seen[stop.upid]
            if hold:
                wanted = first is not None and first > hold.since
            else:
                wanted = not (lock and later == 0) and not self.stopped_by_work(tasks)
            if wanted:
                self.stopped_silently(book, guest)
                self.note(book, Fact(GuestEvent.STOPPED, guest.node, stop.user, stop.type), news)
                return
        if guest.lock == "suspended" and not halted:  # somebody wanted it, whether or not the task is seen
            self.stopped_silently(book, guest)
            self.note(book, Fact(GuestEvent.STOPPED, guest.node), news)
            return
        excuses = {lock, *works} - {None} if hold or lock or self.excused(tasks) else set()
        if excuses and (hold is None or self.clock - hold.since < 30 * MINUTE):
            book.hold = hold or Hold("work", self.clock)
            book.hold.works |= {str(each) for each in excuses}
            book.node = guest.node
            return
        self.down(book, guest, _down_fact(guest, works=hold.works if hold else set()), news)

    def excused(self, tasks: list[TaskSummary]) -> bool:
        """Return whether a guest's tasks are a reason to wait.

        They are if the newest is one of `WORKS`, if any of `WORKS` is running, or if one of them stopped the guest.
        """
        running = any(task.type in WORKS and task.ended is None for task in tasks)
        return running or bool(tasks and tasks[0].type in WORKS) or self.stopped_by_work(tasks)

    def stopped_by_work(self, tasks: list[TaskSummary]) -> bool:
        """Return whether the newest stop happened during one of `WORKS`, and so was part of it."""
        stop = next((task for task in tasks if task.type in STOPS), None)
        return stop is not None and any(
            task.type in WORKS
            and task.started <= stop.started
            and (task.ended is None or task.ended > stop.started)
            for task in tasks
        )

    def stopped_silently(self, book: Book, guest: Guest) -> None:
        book.hold, book.alarm = None, False
        self.settle(book, guest)

    def down(self, book: Book, guest: Guest | None, fact: Fact, news: list[OracleNews]) -> None:
        """Raise an alarm. `guest=None`: the guest is missing."""
        book.hold = None
        if guest is not None:
            self.settle(book, guest)
        book.alarm, book.lost = True, ""
        fact.away = not self.greeted
        if self.changed(book):
            news.append(OracleNews("down", book.entry.vmid, fact))

    def gone(self, book: Book, news: list[OracleNews]) -> None:
        vmid = book.entry.vmid
        task = next(iter(self.recent_tasks(vmid, book.node)), None)
        was_dead, book.missing, book.hold, book.uptime = book.state in OUT, True, None, None
        book.lost, book.passing = "", None
        if not was_dead:
            book.stopped_at = self.elapsed
        book.state = State.STOPPED
        if vmid in self.orders or (task and task.type in DESTROYS):
            self.orders.pop(vmid, None)
            # Reading: as with every stop by somebody, its incident is closed, and that is not a recovery.
            if book.case is not None:
                self.leave(book, GuestEvent.MISSING, forgotten=True)
            book.alarm = False
            if task and task.type in DESTROYS:  # Reading: an ordered deletion is silent, like a stop
                self.note(book, Fact(GuestEvent.MISSING, book.node, task.user, task.type), news)
        elif book.case is not None:
            # Reading: it was already reported as down; from now on the incident says that it is missing.
            # (While it is flapping, this is a change like any other.)
            book.case.facts[vmid].what = GuestEvent.MISSING
        else:
            self.down(book, None, Fact(GuestEvent.MISSING, book.node), news)

    def listed_again(self, book: Book, guest: Guest, news: list[OracleNews]) -> None:
        alarm, book.alarm = book.alarm, False
        self.settle(book, guest)
        if alarm:
            self.back(book, guest, news)

    def found_alive(self, book: Book, guest: Guest, sight: Visible, news: list[OracleNews]) -> None:
        if book.alarm:
            if guest.state is State.RUNNING:
                book.alarm = False
                self.settle(book, guest)
                self.back(book, guest, news)
            return  # paused and similar states are not back yet
        if book.state in OUT and guest.state is not State.RUNNING:
            return  # Reading: the same holds for a guest whose stop was not an alarm
        before, lost, held, uptime = book.state, book.lost, book.hold, book.uptime
        moved = guest.node != book.node
        self.settle(book, guest)
        elsewhere = (lost and guest.node != lost) or (held and held.kind == "ha")
        if elsewhere and guest.state is State.RUNNING:
            self.note(book, Fact(GuestEvent.ELSEWHERE, guest.node), news)
        elif (
            before is State.RUNNING
            and guest.state is State.RUNNING
            and not moved
            and not held
            and not lost
            and uptime is not None
            and guest.uptime is not None
            and guest.uptime < uptime
        ):
            self.expect(sight.tasks_read, f"{guest.vmid} restarted, but the task list was not read")
            self.restarted(book, guest, news)

    def restarted(self, book: Book, guest: Guest, news: list[OracleNews]) -> None:
        tasks = self.recent_tasks(guest.vmid, book.node)
        if guest.vmid in self.orders:
            return  # Reading: this does not use up the order, because a stop was ordered
        if guest.lock in WORK_LOCKS or any(task.type in WORKS - REBOOTS for task in tasks):
            return
        if tasks:
            self.note(book, Fact(GuestEvent.RESTARTED, guest.node, tasks[0].user, tasks[0].type), news)
        elif self.changed(book):
            fact = Fact(GuestEvent.RESTARTED, guest.node, away=not self.greeted)
            news.append(OracleNews("restart", guest.vmid, fact))

    def back(self, book: Book, guest: Guest, news: list[OracleNews]) -> None:
        tell = self.changed(book)
        if book.case is None or not tell:
            return
        if book.case.topic is Topic.GROUP:
            self.leave(book, GuestEvent.BACK)
        else:
            news.append(
                OracleNews(
                    "back", guest.vmid, Fact(GuestEvent.BACK, guest.node, away=not self.greeted), book.case
                )
            )
            book.case = None

    def note(self, book: Book, fact: Fact, news: list[OracleNews]) -> None:
        fact.away, fact.note = not self.greeted, True
        news.append(OracleNews("note", book.entry.vmid, fact))

    # -- Flapping

    def changed(self, book: Book) -> bool:
        """Count a change. Return whether it is news of its own; it is not while the guest is flapping."""
        book.changes = [*(at for at in book.changes if self.clock - at <= 30 * MINUTE), self.clock]
        if book.flapping is None and len(book.changes) >= 6:
            if book.case is not None:
                self.leave(book, GuestEvent.FLAPPING)
            book.flapping = self.case(Topic.FLAPPING, Severity.WARNING)
            book.flapping.facts[book.entry.vmid] = Fact(GuestEvent.FLAPPING, book.node)
            self.open(book.flapping)
            return False
        return book.flapping is None

    def end_flapping(self, book: Book, seen: Seen, news: list[OracleNews]) -> None:
        if book.flapping is None or self.clock - book.changes[-1] < 15 * MINUTE:
            return
        if book.entry.vmid in seen.undecided or book.lost:
            return
        case, book.flapping = book.flapping, None
        book.changes = []
        # Reading: "down" means an alarm. A guest stopped by somebody, or waiting, counts as running.
        self.end(case, tell=not book.alarm)
        if book.alarm:
            what, state = (GuestEvent.MISSING, State.UNKNOWN) if book.missing else _down_as(book.state)
            fact = Fact(what, book.node, away=not self.greeted, state=state)
            news.append(OracleNews("down", book.entry.vmid, fact))

    # -- incidents of guests

    def open_down(self, book: Book, fact: Fact) -> None:
        case = self.case(Topic.GUEST, Severity.CRITICAL)
        case.since = (self.clock, book.stopped_at)
        case.facts[book.entry.vmid] = fact
        book.case = case
        self.open(case)

    def leave(self, book: Book, what: GuestEvent, *, forgotten: bool = False) -> None:
        """Take the guest out of its incident. This is no news of its own.

        It ends the incident of a single guest, and that of a group once none of its guests is down.
        """
        case = book.case
        assert case is not None
        book.case = None
        case.facts[book.entry.vmid].what = what
        if case.topic is Topic.GUEST:
            case.forgotten = forgotten
            self.end(case, tell=False)
        elif not case.down:
            # Reading: it is a recovery if at least one of its guests came back.
            self.end(case, tell=any(fact.what is GuestEvent.BACK for fact in case.facts.values()))

    def forget_guest(self, book: Book) -> None:
        if book.case is not None:
            self.leave(book, GuestEvent.FORGOTTEN, forgotten=True)
        if book.flapping is not None:
            self.forget(book.flapping)
        book.flapping, book.alarm, book.changes = None, False, []

    # -- Grouping

    def tell_news(self, news: list[OracleNews], *, one_group: bool) -> None:
        loud = []
        for piece in news:
            if self.muted_guest(self.books[piece.vmid]):
                self.single(piece)
            elif piece.case is not None and not piece.case.told:
                # Reading: the end of an incident that was never reported is no news.
                self.single(piece)
            else:
                loud.append(piece)
        alarms = [piece for piece in loud if piece.kind != "note"]
        notes = [piece for piece in loud if piece.kind == "note"]
        # Reading: after the source's return all news, notes included, become one group.
        heaps = [(loud, 1)] if one_group else [(alarms, 5), (notes, 5)]
        for heap, most in heaps:
            if len(heap) > most:
                self.group(heap)
            else:
                for piece in heap:
                    self.single(piece)

    def single(self, piece: OracleNews) -> None:
        book = self.books[piece.vmid]
        if piece.kind == "down":
            self.open_down(book, piece.fact)
        elif piece.kind == "back":
            assert piece.case is not None
            piece.case.facts[piece.vmid].what = GuestEvent.BACK
            self.end(piece.case)
        else:
            note = piece.kind == "note"
            case = self.case(
                Topic.NOTE if note else Topic.RESTART, Severity.INFO if note else Severity.WARNING
            )
            case.facts[piece.vmid] = piece.fact
            self.one_off(case)

    def group(self, heap: list[OracleNews]) -> None:
        kinds = {piece.kind for piece in heap}
        level = (
            Severity.CRITICAL
            if "down" in kinds
            else Severity.WARNING
            if "restart" in kinds
            else Severity.INFO
        )
        case = self.case(Topic.GROUP, level)
        case.facts = {piece.vmid: piece.fact for piece in heap}
        for piece in heap:
            if piece.kind == "down":
                self.books[piece.vmid].case = case
                case.since = (self.clock, min(case.since[1], self.books[piece.vmid].stopped_at))
            if piece.case is not None:
                piece.case.facts[piece.vmid].what = GuestEvent.BACK
                self.end(piece.case, tell=False)
        if case.down:
            self.open(case)
        else:
            self.one_off(case)

    # -- Thresholds

    def read_thresholds(self, seen: Seen) -> None:
        for vmid, book in self.books.items():
            for metric in Metric:
                limit = book.entry.limit(metric)
                if limit is not None and vmid not in seen.undecided:
                    self.read_threshold(book, metric, limit, seen)

    def read_threshold(self, book: Book, metric: Metric, limit: int, seen: Seen) -> None:
        vmid = book.entry.vmid
        key = f"guest/{vmid}/{metric.value}"
        guest = seen.guests.get(vmid)
        if guest is not None and not seen.nodes.get(guest.node, True):
            return
        if guest is not None and guest.state in (State.UNKNOWN, *PASSING):
            return  # Reading: these never change anything, so they do not end an incident either
        if guest is None and not book.missing:
            return  # not listed, and not judged
        if guest is None or guest.state is not State.RUNNING:
            former = self.meters.get(key, Meter())
            self.forget_meter(key)
            if former.said:  # Reading: a silence that was told is no news after the next start
                self.meters[key] = Meter(
                    unanswered=former.unanswered, answered=former.answered, said=former.said
                )
            return
        if metric is Metric.DISK and guest.kind is Kind.QEMU:
            self.read_look(key, guest, limit)
            return
        percent = _percent_of(guest, metric)
        if metric is Metric.MEMORY and guest.memory_seen_by_host:
            self.lose_sight(key)
            return
        if percent is None:
            return
        meter = self.meters.setdefault(key, Meter())
        if self.over_limit(meter, percent, limit):
            case = self.case(Topic.THRESHOLD, Severity.WARNING, metric=metric, limit=limit, percent=percent)
            case.facts[vmid] = Fact(GuestEvent.BACK, guest.node)
            meter.case = case
            self.open(case)

    def look(self, vmid: int, percent: float | None, at: float) -> None:
        """Note a guest agent's answer. Check that none is asked needlessly, nor more often than every ten minutes."""
        self.expect(vmid in self.askable, f"the agent of {vmid} was asked, although it cannot answer")
        self.expect(at - self.looked.get(vmid, -math.inf) >= 10 * MINUTE, f"{vmid} was asked again too soon")
        self.looks[vmid], self.looked[vmid] = percent, at

    def choose_askable(self, seen: Seen, at: float) -> None:
        """Note which VMs are to be asked until the next poll. Check that none has waited for over 20 minutes."""
        chosen = {
            vmid: self.askable.get(vmid, at)
            for vmid, book in self.books.items()
            if book.entry.disk is not None and self.can_answer(seen.guests.get(vmid), seen)
        }
        self.askable = chosen
        for vmid, since in chosen.items():
            waited = at - max(since, self.looked.get(vmid, since))
            self.expect(waited <= 20 * MINUTE, f"the agent of {vmid} was not asked for {waited:.0f} s")

    @staticmethod
    def can_answer(guest: Guest | None, seen: Seen) -> bool:
        return (
            guest is not None
            and guest.kind is Kind.QEMU
            and guest.state is State.RUNNING
            and not guest.template
            and seen.nodes.get(guest.node, True)
            and (guest.uptime is None or guest.uptime >= 2 * MINUTE)
        )

    def read_look(self, key: str, guest: Guest, limit: int) -> None:
        """Judge a disk reading, once.

        Reading: silence in between interrupts neither a row over the limit nor one of normal values.
        """
        if guest.vmid not in self.looks:
            return
        percent, meter = self.looks[guest.vmid], self.meters.setdefault(key, Meter())
        if percent is None:
            meter.answered, meter.unanswered = 0, meter.unanswered + 1
            if meter.said or meter.unanswered >= 2:
                if meter.case is not None:
                    meter.case.unknown = True
                elif not meter.said:
                    if self.muted_vmid(guest.vmid, guest.node):
                        return  # Reading: it is reported after the mute, if it lasts
                    self.silences.append(guest)
                meter.said = True
            return
        meter.answered, meter.unanswered = meter.answered + 1, 0
        meter.said = meter.said and meter.answered < 3
        if meter.case is not None:
            meter.case.unknown = False
        if self.over_limit(meter, percent, limit):
            case = self.case(
                Topic.THRESHOLD, Severity.WARNING, metric=Metric.DISK, limit=limit, percent=percent
            )
            case.facts[guest.vmid] = Fact(GuestEvent.BACK, guest.node)
            meter.case = case
            self.open(case)

    def waits(self, vmid: int, seen: Seen) -> bool:
        """Return whether the last disk reading is still to be judged, because the guest cannot be judged now."""
        if vmid in seen.undecided:
            return True
        guest = seen.guests.get(vmid)
        if guest is None or guest.state in (State.UNKNOWN, *PASSING):
            return guest is not None
        return guest.state is State.RUNNING and not seen.nodes.get(guest.node, True)

    def tell_silences(self) -> None:
        """Report all agents that have just become silent in one message."""
        if self.silences:
            case = self.case(Topic.UNMEASURED, Severity.WARNING, metric=Metric.DISK)
            case.facts = {guest.vmid: Fact(GuestEvent.UNKNOWN, guest.node) for guest in self.silences}
            self.one_off(case)
        self.silences = []

    def lose_sight(self, key: str) -> None:
        """Count a reading that is the host's and not the guest's own. The third in a row ends an open incident."""
        meter = self.meters.get(key, Meter())
        meter.blind, meter.over, meter.under = meter.blind + 1, 0, 0
        if meter.case is None or meter.blind >= 3:
            self.forget_meter(key)

    def read_storages(self, seen: Seen) -> None:
        rows = [row for row in seen.storages if row.available and row.total and row.used is not None]
        read = set()
        for row in sorted(rows, key=lambda row: -(row.used or 0) / (row.total or 1)):  # the fullest first
            node = "" if row.shared else row.node
            key = f"storage/{node}/{row.name}" if node else f"storage/{row.name}"
            if key in read:
                continue
            read.add(key)
            percent = 100 * (row.used or 0) / (row.total or 1)
            meter = self.meters.setdefault(key, Meter())
            if self.over_limit(meter, percent, self.storage_limit):
                limit = self.storage_limit
                case = self.case(
                    Topic.STORAGE, Severity.WARNING, node=node, storage=row.name, limit=limit, percent=percent
                )
                meter.case = case
                self.open(case)

    def over_limit(self, meter: Meter, percent: float, limit: int) -> bool:
        """Count a read.

        Return whether an incident begins now. End an open incident once its value is normal again.
        """
        meter.blind = 0
        if meter.case is None:
            meter.over = meter.over + 1 if percent >= limit else 0
            meter.under = 0
            return meter.over >= 3
        meter.over = 0
        meter.under = meter.under + 1 if percent <= limit - 5 else 0
        if meter.under >= 3:
            self.end(meter.case)
            meter.case, meter.under = None, 0
        return False

    def forget_meter(self, key: str) -> None:
        meter = self.meters.pop(key, None)
        if meter is not None and meter.case is not None:
            self.forget(meter.case)

    # -- incidents

    def case(
        self,
        topic: Topic,
        level: Severity,
        *,
        node: str = "",
        storage: str = "",
        metric: Metric | None = None,
        limit: int | None = None,
        percent: float | None = None,
        fault: BotError | None = None,
        watched: int = 0,
    ) -> Case:
        return Case(
            topic,
            level,
            self.polls,
            self.now,
            node=node,
            storage=storage,
            metric=metric,
            limit=limit,
            percent=percent,
            fault=fault,
            watched=watched,
        )

    def open(self, case: Case) -> None:
        self.cases.append(case)
        if not self.muted(case):
            self.say(MessageKind.OPENING, case)

    def one_off(self, case: Case) -> None:
        """Report an incident that is over at once. If it is muted, it appears only in the history."""
        case.over, case.until = True, self.now
        self.open(case)

    def end(self, case: Case, *, tell: bool = True, on_elapsed: bool = False) -> None:
        """End an incident. `tell`: report its recovery. `on_elapsed`: measure its end on `elapsed` only."""
        case.over = True
        case.until = (self.elapsed, self.elapsed) if on_elapsed else (self.clock_before, self.elapsed)
        if tell and case.told and not self.muted(case):
            self.say(MessageKind.RECOVERY, case)

    def forget(self, case: Case) -> None:
        case.over = case.forgotten = True
        case.until = self.now

    # -- Mutes

    def muted(self, case: Case) -> bool:
        """Return whether the incident is muted.

        Reading: a group is muted while all of its guests that are down are muted, or all its guests once none
        is down. Failed backups are muted while all their guests (or nodes) are.
        """
        if "all" in self.mutes:
            return True
        if case.topic is Topic.SOURCE:
            return "source" in self.mutes
        if case.topic in (Topic.NODE, Topic.STALE):
            return f"node/{case.node}" in self.mutes
        if case.topic is Topic.STORAGE:
            own = f"storage/{case.node}/{case.storage}" if case.node else f"storage/{case.storage}"
            return own in self.mutes or f"node/{case.node}" in self.mutes
        if case.topic is Topic.BACKUP:
            return all(
                bool({f"guest/{vmid}", f"node/{node}"} & set(self.mutes)) for node, vmid, _ in case.backups
            )
        about = case.down or list(case.facts)
        return all(self.muted_vmid(vmid, case.facts[vmid].node) for vmid in about)

    def muted_vmid(self, vmid: int, node: str) -> bool:
        return bool({"all", f"guest/{vmid}", f"node/{node}"} & set(self.mutes))

    def muted_guest(self, book: Book) -> bool:
        return self.muted_vmid(book.entry.vmid, book.node)

    def tell_what_was_muted(self, good: bool, before: int) -> None:
        """Report open incidents whose mute has ended. `before`: only those of earlier polls may share a message."""
        late = [case for case in self.cases if not case.over and not case.told and not self.muted(case)]
        late = [case for case in late if case.poll < before]
        if good and len(late) > 5:
            # Reading: more than five incidents whose mute has ended become one message.
            for case in late:
                case.told, case.said = True, self.clock
            loud = [case for case in late if not self.quiet or case.level is Severity.CRITICAL]
            self.noted += [case for case in late if case not in loud and case not in self.noted]
            if loud:
                self.mails.append(Mail(MessageKind.UNMUTED, loud, mention=True))
        for case in self.cases:
            # Reading: while Proxmox cannot be read, only the incident about that is reported.
            if (
                not case.over
                and not case.told
                and not self.muted(case)
                and (good or case.topic is Topic.SOURCE)
            ):
                self.say(MessageKind.OPENING, case)

    # -- Reminders

    def remind(self, good: bool) -> None:
        for case in self.cases:
            if not good and case.topic is not Topic.SOURCE:
                continue
            now = self.elapsed if case.topic is Topic.SOURCE else self.clock
            due = self.repeat and now - case.said >= self.repeat
            if due and not case.over and case.told and not case.acked and not self.muted(case):
                self.say(MessageKind.REMINDER, case)

    # -- Quiet hours

    def say(self, post: MessageKind, case: Case) -> None:
        if post is not MessageKind.RECOVERY:
            # Reading: news held back by the quiet hours counts as reported when it is noted.
            case.told = True
            case.said = self.elapsed if case.topic is Topic.SOURCE else self.clock
        if self.quiet and (case.level is not Severity.CRITICAL or post is MessageKind.RECOVERY):
            if case not in self.noted:
                self.noted.append(case)
            return
        mention = post is MessageKind.OPENING and case.level is not Severity.INFO
        silent = post is MessageKind.RECOVERY or (post is MessageKind.OPENING and case.level is Severity.INFO)
        self.mails.append(Mail(post, [case], mention, silent))

    def end_quiet(self) -> None:
        if not self.quiet and self.noted:
            self.mails.append(Mail(MessageKind.DIGEST, list(self.noted), silent=True))
            self.noted.clear()

    def expect(self, truth: bool, complaint: str) -> None:
        if not truth:
            self.complaints.append(complaint)


def _down_as(state: State | None) -> tuple[GuestEvent, State]:
    """Return the word that reports a guest that is down in this state, and the state named with it."""
    if state is State.IO_ERROR:
        return GuestEvent.IO_ERROR, State.UNKNOWN
    if state in HALTED:
        return GuestEvent.HALTED, state
    return (GuestEvent.STUCK, state) if state in PASSING else (GuestEvent.STOPPED, State.UNKNOWN)


def _down_fact(guest: Guest, *, works: set[str] | None = None, after: str = "") -> Fact:
    what, state = _down_as(guest.state)
    return Fact(what, guest.node, works=works or set(), after=after, state=state)


def _failed(task: TaskSummary) -> bool:
    ended = task.type == "vzdump" and task.ended is not None
    return ended and task.status != "OK" and not (task.status or "").startswith("WARNINGS")


def answer_in(seen: Seen, answers: dict[int, Guest]) -> None:
    """Use a guest's own answer if the list does not know its state."""
    for vmid, answer in answers.items():
        listed = seen.guests.get(vmid)
        if listed is not None and listed.state is State.UNKNOWN and seen.nodes.get(listed.node, True):
            seen.guests[vmid] = answer


def _percent_of(guest: Guest, metric: Metric) -> float | None:
    if metric is Metric.CPU:
        return None if guest.cpu is None else 100 * guest.cpu
    part, whole = (
        (guest.memory, guest.memory_total) if metric is Metric.MEMORY else (guest.disk, guest.disk_total)
    )
    return 100 * part / whole if part is not None and whole else None
