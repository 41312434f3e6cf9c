"""Run one history: the real watch, journal and delivery beside the oracle.

The simulated cluster and Discord are in `tests/support/watch/world.py`.

Most public methods of `Trial` are events. After each poll, the messages stored by the bot are compared with those
that the oracle expects. Every new message in the channel is compared with the stored and the expected one. `Wrong`
carries the story up to that point.

Delivery runs without its `run` method. The trial makes one attempt after another at the times at which `run`
would: at once when there is news, otherwise after the pause that the last attempt returned.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

from adapters.journal.store import SqliteJournal
from core.access.policy import Actor, Place
from core.actions.expected_stops import ExpectedStops
from core.actions.order import Order, Plan
from core.cluster.cache import ClusterCache
from core.codec import decode
from core.delivery.alerts import GIVE_UP_SECONDS, AlertDelivery
from core.delivery.channel import AlertChannel
from core.delivery.late_alerts import LATE_SECONDS, STALE_PAIR_SECONDS
from core.errors import BotError, JournalFailed
from core.guest import Guest, Kind, State
from core.operations import Operation
from core.proxmox import Proxmox
from core.proxmox_errors import BadAnswer, ProxmoxError, Rejected, TimedOut
from core.watch.incidents.model import DOWN, GuestEvent, Incident, Message, MessageKind, Topic, WatchEntry
from core.watch.incidents.state import WatchRules
from core.watch.journal import Batch, OutboxMessage
from core.watch.polling.disk_poller import DiskPoller
from core.watch.records import EXPECTED_STOP
from core.watch.service import Watch
from tests.support.watch.at_once import at_once
from tests.support.watch.oracle import Case, Fact, Mail, Oracle
from tests.support.watch.world import BOT, Shown, SimClock, SimCluster, SimDiscord, SimGuest, Visible

INTERVAL = 61.0
"""Seconds between two polls. Not 60, so that no period of the contract ends exactly at a poll."""
SAME_TEXT = 140.0
"""Seconds after composition for which a text may still appear.

The bot repeats a text for 120 s while the outcome is unknown.
"""
RULES = WatchRules(repeat=20 * 60.0, storage_limit=90)
SLACK = 90.0
"""Seconds by which two lengths of the same incident may differ: one poll and its second read."""
ENTRIES = (
    WatchEntry(101, cpu=80),
    WatchEntry(102),
    WatchEntry(103, memory=90),
    WatchEntry(104),
    WatchEntry(105),
    WatchEntry(106, disk=80),
    WatchEntry(107, disk=80),
    WatchEntry(108),
    WatchEntry(109, disk=85),
)
UNWATCHED = (110, 111, 112, 113)
TEMPLATE = 190
HELD = (GuestEvent.HALTED, GuestEvent.STUCK)
GUEST_TOPICS = (Topic.GUEST, Topic.RESTART, Topic.FLAPPING, Topic.NOTE)


class Kill(BaseException):
    """Signal the death of the process."""


class Wrong(AssertionError):
    """Report that the bot and the contract disagree.

    `kind`: "lost", "duplicated", "false", "told wrongly", "asked wrongly", "stored in pieces" or "time".
    """

    def __init__(self, kind: str, what: str, story: list[str]) -> None:
        super().__init__(f"{kind}: {what}\n" + "\n".join(story))
        self.kind, self.what = kind, what


@dataclass
class JournalFaults:
    """Plan the faults of the journal's writes.

    `kill_in`: the process dies at this write, counted from now, before the write is done. 0: it does not die.
    `kill_after`: the process dies just after that write instead.
    `full`: every write fails. `writes`: the number of attempted writes.
    """

    kill_in: int = 0
    kill_after: bool = False
    full: bool = False
    writes: int = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Surround one write. Raises: Kill, JournalFailed."""
        self.writes += 1
        self.kill_in = max(0, self.kill_in - 1) if self.kill_in != 1 else -1
        if self.kill_in == -1 and not self.kill_after:
            raise Kill
        if self.full:
            raise JournalFailed("SQLITE_FULL")
        yield
        if self.kill_in == -1:
            raise Kill


class FaultyJournal(SqliteJournal):
    """Run the real journal with planned faults at the watch's and the delivery's writes.

    `on_commit` receives each stored batch, `on_give_up` the ID of each message given up.
    """

    def __init__(
        self, path: Path, clock: SimClock, trouble: JournalFaults, on_commit: Callable[[Batch], None]
    ) -> None:
        super().__init__(path, clock.now)
        self.trouble, self.on_commit = trouble, on_commit
        self.on_give_up: Callable[[int], None] = lambda _message_id: None

    def commit(self, batch: Batch) -> None:
        with self.trouble.writing():
            super().commit(batch)
            self.on_commit(batch)

    def note_try(
        self, message_id: int, content: str, at: float, absorbs: int | None = None, *, late: float = 0.0
    ) -> None:
        with self.trouble.writing():
            super().note_try(message_id, content, at, absorbs, late=late)

    def absorb(self, message_ids: Iterable[int]) -> None:
        with self.trouble.writing():
            super().absorb(message_ids)

    def note_posted(self, message_id: int, discord_id: int, edition: int) -> None:
        with self.trouble.writing():
            super().note_posted(message_id, discord_id, edition)

    def note_edited(self, message_id: int, edition: int) -> None:
        with self.trouble.writing():
            super().note_edited(message_id, edition)

    def note_refused(self, message_id: int, error: str, *, not_taken: bool) -> None:
        with self.trouble.writing():
            super().note_refused(message_id, error, not_taken=not_taken)

    def give_up(self, message_id: int, error: str) -> None:
        with self.trouble.writing():
            super().give_up(message_id, error)
            self.on_give_up(message_id)


class ListInMemory:
    """Keep the watch list in memory instead of a file."""

    def __init__(self, entries: tuple[WatchEntry, ...]) -> None:
        self.entries = entries

    async def save(self, guests: tuple[WatchEntry, ...]) -> None:
        self.entries = guests


@dataclass
class Letter:
    """Hold a stored message and the mail that the oracle expects for it."""

    message: Message
    mail: Mail
    made: float
    """Time on the monotonic clock."""
    jumps: int
    """Number of jumps of the wall clock before the message was stored."""
    taken: float | None = None
    """Time on the monotonic clock at which Discord had it."""
    may_be_absorbed: bool = False
    """Whether the bot may merge it into another message, or drop it."""
    given_up: bool = False
    texts: dict[str, float] = field(default_factory=dict)
    """Composed texts, each with its time on the monotonic clock."""


@dataclass
class Process:
    """Hold the objects that die with the process. `next_try`: when to deliver next, None if nothing is due."""

    journal: FaultyJournal
    expected: ExpectedStops
    watch: Watch
    delivery: AlertDelivery
    next_try: float | None = None


class Trial:
    """Run one history of one bot.

    `loop`: runs all coroutines.
    `path`: the journal's file. It must not exist yet.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        self.loop, self.path = loop, path
        self.clock = SimClock()
        self.cluster = SimCluster(self.clock)
        self.discord = SimDiscord(self.clock)
        self.discord.on_compose = self._composed
        self.oracle = Oracle(ENTRIES, RULES.repeat, RULES.storage_limit)
        self.store = ListInMemory(ENTRIES)
        self.trouble = JournalFaults()
        self.quiet = False
        self.story: list[str] = []
        self.polls = 0
        self.broken = False
        """Whether something went wrong, so that the final state need not be checked."""
        self.jumps = self.run = 0
        self.off_after_kill = 5.0
        """Seconds until the next start, if the process dies at a write."""
        self.incidents: dict[int, Incident] = {}
        self.cases: dict[int, Case] = {}
        self.letters: dict[int, Letter] = {}
        self.seen_in_channel: dict[int, str] = {}
        self._misworded: list[str] = []
        self._stored: list[tuple[Message, float]] = []
        self._owed: list[Mail] = []
        self._committed: list[float] = []
        self._offset: float | None = None
        self._last_taken = 0
        self._settle_boxes()
        self.process = self._start()

    def _settle_boxes(self) -> None:
        homes = {
            101: 1,
            102: 1,
            103: 1,
            104: 1,
            105: 2,
            106: 2,
            107: 2,
            108: 3,
            109: 3,
            110: 1,
            111: 2,
            112: 3,
        }
        for vmid in (*(entry.vmid for entry in ENTRIES), *UNWATCHED):
            kind = Kind.LXC if vmid in (107, 108) else Kind.QEMU
            booted = self.clock.mono - 86_400.0 - vmid
            self.cluster.boxes[vmid] = SimGuest(vmid, kind, f"pve{homes.get(vmid, 1)}", booted=booted)
        self.cluster.boxes[104].state = State.STOPPED
        template = SimGuest(TEMPLATE, Kind.QEMU, "pve1", State.STOPPED, template=True)
        self.cluster.boxes[TEMPLATE] = template

    # -- the process

    def _start(self) -> Process:
        self.run += 1
        journal = FaultyJournal(self.path, self.clock, self.trouble, self._on_commit)
        journal.open()
        journal.on_give_up = self._on_give_up
        proxmox = cast(Proxmox, self.cluster)
        channel = cast(AlertChannel, self.discord)
        expected = ExpectedStops(self.clock)
        reader = ClusterCache(proxmox, self.clock)
        watch = Watch(
            reader,
            proxmox,
            DiskPoller(proxmox, self.clock),
            self.clock,
            expected,
            self.store,
            at_once(journal),
            RULES,
            lambda _unix: self.quiet,
        )
        self._run(watch.load(self.store.entries, {}))
        delivery = AlertDelivery(at_once(journal), channel, self.clock)
        watch.subscribe_messages(lambda ids: delivery.on_stored(*ids))
        delivery.wake()
        self.oracle.run_begins(self.clock.mono)
        return Process(journal, expected, watch, delivery)

    def _die(self, off: float) -> None:
        """Kill the process and start the next one after `off` seconds."""
        self.trouble.kill_in = 0
        database = self.process.journal._file._db
        assert database is not None
        database.close()  # skip everything else that an orderly end does
        self._say(f"the process dies, and is there again after {off:.0f} s")
        self._inspect_channel()
        self.clock.advance(off)
        self.process = self._start()

    def restart(self, off: float) -> None:
        """Stop the bot in order and start it again after `off` seconds."""
        self._say(f"the bot is ended for {off:.0f} s")
        try:
            self._run(self.process.delivery.drain())
        except Kill:
            self._die(off)
            return
        self._inspect_channel()
        self.process.journal.close()
        self.clock.advance(off)
        self.process = self._start()

    def kill(self, off: float) -> None:
        self._say("the bot is killed")
        self._die(off)

    def kill_at_write(self, number: int, *, after: bool, off: float) -> None:
        """Let the process die at this write, counted from now, and start again after `off` seconds."""
        self._say(f"the process will die {'after' if after else 'before'} write number {number} from now")
        self.trouble.kill_in, self.trouble.kill_after, self.off_after_kill = number, after, off

    def jump(self, seconds: float) -> None:
        self._say(f"the wall clock jumps by {seconds:.0f} s")
        self.clock.jump(seconds)
        self.jumps += 1

    # -- polls

    def poll(self) -> None:
        """Run one poll, deliver its messages, and let the time until the next poll pass."""
        began = self.clock.mono
        sight = self.cluster.begin_poll()
        self._committed, killed = [], False
        attempts = self.trouble.writes
        try:
            self._run(self.process.watch.poll())
        except Kill:
            killed = True
        self.cluster.end_poll()
        attempted = self.trouble.writes > attempts
        if self._committed or not (killed or attempted):
            self._judge(sight, self._committed[0] if self._committed else self.clock.mono)
            if not killed:
                self._compare_times()
        else:
            self._say("the poll was not stored")
            self.oracle.not_stored(sight)
        if killed:
            self._die(self.off_after_kill)
        self._deliver(max(self.clock.mono, began + INTERVAL))
        self._read_disks()

    def _read_disks(self) -> None:
        """Let the bot ask the guest agent whose turn it is, beside the polls."""
        before = len(self.cluster.looks)
        self._run(self.process.watch.disks.read_next())
        for at, vmid, percent in self.cluster.looks[before:]:
            self._say(f"   {vmid} tells of its disks: {percent}")
            self.oracle.look(vmid, percent, at)

    def _judge(self, sight: Visible, at: float) -> None:
        self.polls += 1
        wall = self.clock.wall - (self.clock.mono - at)
        owed = self.oracle.poll(sight, at, wall, self.quiet)
        self._owed += owed
        stored = [message.post.value for message, _ in self._stored]
        trouble = self.process.watch.read_error
        if stored or owed or trouble:
            self._say(
                f"poll {self.polls}{f' fails: {trouble}' if trouble else ''}: owed {[str(m) for m in owed]}, {stored}"
            )
        else:
            self._say(f"poll {self.polls}")
        if self.oracle.complaints:
            self._wrong("asked wrongly", "; ".join(self.oracle.complaints))
        if len(self._committed) > 1:
            self._wrong("stored in pieces", f"{len(self._committed)} transactions in one poll")
        self._pair_incidents()
        self._compare_incidents()
        self._pair_messages()

    def _compare_times(self) -> None:
        pulse = self.process.watch.state.pulse
        if self._offset is None:
            self._offset = pulse.elapsed - self.oracle.elapsed
        elapsed, clock = pulse.elapsed - self._offset, pulse.clock
        if abs(elapsed - self.oracle.elapsed) > 0.01 or abs(clock - self.oracle.clock) > 0.01:
            self._wrong(
                "time",
                f"elapsed {elapsed:.1f} (oracle {self.oracle.elapsed:.1f}), "
                f"clock {clock:.1f} (oracle {self.oracle.clock:.1f})",
            )

    # -- the bot's incidents and messages against the oracle's

    def _on_commit(self, batch: Batch) -> None:
        if batch.records and not batch.incidents and all(map(_is_order, batch.records)):
            return  # no poll and no command, but an order
        self._committed.append(self.clock.mono)
        self.incidents |= {incident.id: incident for incident in batch.incidents}
        self._stored += [(message, self.clock.mono) for message in batch.messages]

    def _pair_incidents(self) -> None:
        paired = set(self.cases.values())
        theirs = [
            (_key(incident), incident)
            for number, incident in self.incidents.items()
            if number not in self.cases
        ]
        ours = [(_case_key(case), case) for case in self.oracle.cases if case not in paired]
        for key, incident in sorted(theirs, key=lambda pair: pair[1].id):
            match = next((pair for pair in ours if pair[0] == key), None)
            if match is None:
                self._wrong("false", f"an incident nobody owes: {_words(incident)}")
            ours.remove(match)
            case = match[1]
            self.cases[incident.id] = case
            if case.percent is not None and abs((incident.percent or 0.0) - case.percent) > 0.1:
                self._wrong(
                    "told wrongly", f"{_words(incident)} opens with {incident.percent} %, not {case.percent}"
                )
            if case.topic is Topic.SOURCE:
                self._compare_fault(case, incident)
        if ours:
            self._wrong("lost", f"no incident for {ours[0][1]}")

    def _compare_fault(self, case: Case, incident: Incident) -> None:
        name = incident.fault.error if incident.fault else ""
        expected = {type(case.fault).__name__} if case.fault else {"NothingVisible", "HalfGone"}
        if name not in expected or incident.watched != case.watched:
            self._wrong(
                "told wrongly", f"fault {name} of {incident.watched}, not {expected} of {case.watched}"
            )

    def _compare_incidents(self) -> None:
        for number, case in list(self.cases.items()):
            if found := disagreements(case, self.incidents[number]):
                self._wrong(
                    "told wrongly", f"{_words(self.incidents[number])} against {case}: {'; '.join(found)}"
                )

    def _pair_messages(self) -> None:
        owed = list(self._owed)
        for message, made in self._stored:
            key = (
                message.post,
                message.mention,
                message.silent,
                _ids(self.cases[n] for n in message.incidents),
            )
            mail = next((each for each in owed if _mail_key(each) == key), None)
            if mail is None:
                about = ", ".join(_words(self.incidents[number]) for number in message.incidents)
                flags = ("@" if message.mention else "") + ("~" if message.silent else "")
                self._wrong(
                    "false", f"a message nobody owes: {message.post.value}{flags} {about} {message.text}"
                )
            owed.remove(mail)
            self.letters[message.id] = Letter(message, mail, made, self.jumps)
        if owed:
            self._wrong("lost", f"no message for {owed[0]}")
        self._stored, self._owed = [], []

    # -- delivery

    def _deliver(self, until: float) -> None:
        process = self.process
        while True:
            if process.delivery._work.is_set():
                process.next_try = self.clock.mono
            if process.next_try is None or process.next_try > until:
                break
            self.clock.advance(max(0.0, process.next_try - self.clock.mono))
            process.delivery._work.clear()
            self._note_pairs()
            try:
                pause = self._run(process.delivery._attempt())
            except Kill:
                self._die(self.off_after_kill)
                process = self.process
                continue
            self._inspect_channel()
            process.next_try = None if pause is None else self.clock.mono + pause
        self.clock.advance(max(0.0, until - self.clock.mono))

    def _may_be_old(self, letter: Letter, seconds: float) -> bool:
        """Return whether the letter may count as older than this many seconds.

        After a restart the bot knows the letter's age only from the wall clock, which may have jumped.
        """
        return self.clock.mono - letter.made > seconds or letter.jumps != self.jumps

    def _note_pairs(self) -> None:
        """Mark the messages that the next attempt may merge into another one, or drop.

        A recovery may be merged into its opening once the opening is old. A reminder may be dropped if its incident
        is over, if its opening still waits, or if a newer message of its incident waits.
        """
        waiting = [each for each in self.letters.values() if each.taken is None and not each.given_up]
        for opening in waiting:
            if opening.message.post is MessageKind.OPENING and self._may_be_old(
                opening, STALE_PAIR_SECONDS - SLACK
            ):
                for recovery in waiting:
                    same = recovery.message.incidents == opening.message.incidents
                    if same and recovery.message.post is MessageKind.RECOVERY:
                        recovery.may_be_absorbed = True
        for reminder in waiting:
            if reminder.message.post is MessageKind.REMINDER:
                twins = [each for each in waiting if each.message.incidents == reminder.message.incidents]
                newest = max(twins, key=lambda each: each.message.id) is reminder
                told = any(each.message.post is MessageKind.OPENING for each in twins)
                over = all(self.cases[number].over for number in reminder.message.incidents)
                if over or told or not newest:
                    reminder.may_be_absorbed = True

    def _on_give_up(self, message_id: int) -> None:
        letter = self.letters.get(message_id)
        if letter is None:
            return
        letter.given_up = True
        age = self.clock.mono - letter.made
        certain = letter.jumps == self.jumps
        if message_id not in self.discord.rejected and certain and age <= GIVE_UP_SECONDS - 1:
            self._wrong("lost", f"given up after {age:.0f} s: {letter.mail}")

    def _composed(self, message: OutboxMessage, text: str) -> None:
        """Check that a message is true at the moment the bot composes it."""
        letter, words = self.letters.get(message.stored.id), json.loads(text)
        if letter is None:
            self._misworded.append(f"a message that was never stored: {text}")
            return
        incidents = [decode(Incident, each) for each in words["incidents"]]
        if words["post"] != letter.mail.post.value or words["text"] != letter.message.text:
            self._misworded.append(f"{words['post']} {words['text']}: {letter.mail}")
        if [incident.id for incident in incidents] != list(letter.message.incidents):
            self._misworded.append(f"not its incidents: {letter.mail}")
        for incident in incidents:
            if found := disagreements(self.cases[incident.id], incident):
                self._misworded.append(f"{letter.mail} says {_words(incident)}: {'; '.join(found)}")
        late, age = words["late"], self.clock.mono - letter.made
        if letter.jumps == self.jumps and message.posted is None:
            if (late is not None) != (age > LATE_SECONDS) or (late is not None and abs(late - age) > 1):
                self._misworded.append(f"late {late}, but it is {age:.1f} s old: {letter.mail}")
        elif letter.jumps == self.jumps and late is not None and not LATE_SECONDS < late <= age + 1:
            self._misworded.append(f"edited, late {late}, but it is {age:.1f} s old: {letter.mail}")
        letter.texts[text] = self.clock.mono

    def _inspect_channel(self) -> None:
        """Compare new and edited messages in the channel with the expected ones."""
        if self._misworded:
            self._wrong("told wrongly", self._misworded[0])
        for shown in self.discord.shown:
            before = self.seen_in_channel.get(shown.id)
            if before is None:
                self._arrived(shown)
            elif before != shown.content:
                letter = self.letters[shown.about]
                if letter.texts.get(shown.content) != self.clock.mono:
                    self._wrong(
                        "lost", f"edited to an old text, or to that of another message: {letter.mail}"
                    )
            self.seen_in_channel[shown.id] = shown.content

    def _arrived(self, shown: Shown) -> None:
        letter = self.letters[shown.about]
        if letter.taken is not None and shown.about not in self.discord.removed:
            self._wrong("duplicated", str(letter.mail))
        self.discord.removed.discard(shown.about)
        if shown.about < self._last_taken:
            self._wrong("told wrongly", f"posted after a later one: {letter.mail}")
        self._last_taken = shown.about
        letter.taken = self.clock.mono
        self._say(f"   Discord has: {letter.mail}")
        composed = letter.texts.get(shown.content)
        if composed is None or self.clock.mono - composed > SAME_TEXT:
            self._wrong("told wrongly", f"posted with a text of {composed}: {letter.mail}")
        if letter.message.post is MessageKind.OPENING and self._may_be_old(letter, STALE_PAIR_SECONDS):
            # a recovery that is waiting now may be reported in this message
            for other in self.letters.values():
                pair = other.message.incidents == letter.message.incidents and other is not letter
                if pair and other.message.post is MessageKind.RECOVERY and other.taken is None:
                    other.may_be_absorbed = True

    def finish(self) -> None:
        """End the faults of the disk and of Discord, then check that every message has arrived.

        Every opening must show the final state of its incident.
        """
        self._say("the end: the disk and Discord are well")
        self.discord.mode, self.trouble.full, self.trouble.kill_in = "", False, 0
        self.discord.limited_until = self.discord.edits_limited_until = 0.0
        self.discord.next.clear()
        self._deliver(self.clock.mono + 1000.0)
        here = {shown.about: shown for shown in self.discord.shown}
        for number, letter in self.letters.items():
            if number in self.discord.removed or letter.given_up:
                continue
            if letter.taken is None:
                if not letter.may_be_absorbed:
                    self._wrong("lost", str(letter.mail))
            elif letter.message.post is MessageKind.OPENING:
                self._check_final(here[number], letter)
        waiting = self.process.journal.backlog().waiting
        if waiting or self.process.journal.to_edit():
            self._wrong("lost", f"{waiting} messages still wait in the journal, though Discord is well")

    def _check_final(self, shown: Shown, letter: Letter) -> None:
        """Check that the message shows the final state of its incident."""
        for text in json.loads(shown.content)["incidents"]:
            incident = decode(Incident, text)
            if found := disagreements(self.cases[incident.id], incident):
                self._wrong(
                    "told wrongly", f"{letter.mail} shows {_words(incident)} in the end: {'; '.join(found)}"
                )

    def figures(self) -> dict[str, int]:
        return {"polls": self.polls, "messages": len(self.letters), "runs": self.run}

    def close(self) -> None:
        self.process.journal.close()

    # -- people's commands

    def _command(
        self,
        act: Callable[[], Coroutine[Any, Any, object]],
        done: Callable[[], bool],
        books: Callable[[], None],
        *,
        tells: bool = True,
    ) -> None:
        """Run a command, and record it with the oracle if it took effect.

        `done`: whether the command took effect.
        `books`: records it with the oracle.
        `tells`: whether messages held back by a mute that has ended must be sent with it.
        """
        killed = False
        try:
            self._run(act())
        except JournalFailed:
            self._say("   which could not be stored")
        except Kill:
            killed = True
        happened = done()
        if happened:
            books()
            if tells:
                self._owed += self.oracle.after_command(self.clock.mono, self.clock.wall, self.quiet)
        if killed:
            self._die(self.off_after_kill)
        if happened:
            self._pair_incidents()
            self._compare_incidents()
            self._pair_messages()

    def _was_stored(self) -> Callable[[], bool]:
        before = len(self._committed)
        return lambda: len(self._committed) > before

    def mute(self, target: str, seconds: float) -> None:
        self._say(f"{target} is muted for {seconds:.0f} s")
        at, wall = self.clock.mono, self.clock.wall
        self._command(
            lambda: self.process.watch.alerts.mute(target, seconds, "Akiko"),
            self._was_stored(),
            lambda: self.oracle.mute(target, seconds, at, wall),
        )

    def unmute(self, target: str) -> None:
        self._say(f"{target} is unmuted")
        self._command(
            lambda: self.process.watch.alerts.unmute(target),
            self._was_stored(),
            lambda: self.oracle.unmute(target),
        )

    def acknowledge(self, number: int) -> None:
        case = self.cases[number]
        self._say(f"acknowledged: {case}")
        self._command(
            lambda: self.process.watch.alerts.acknowledge(number, "Akiko"),
            self._was_stored(),
            lambda: self.oracle.acknowledge(case, "Akiko"),
        )

    def unwatch(self, vmid: int) -> None:
        self._say(f"{vmid} is no longer watched")
        self._command(
            lambda: self.process.watch.remove(vmid),
            lambda: vmid not in self.watched,
            lambda: self.oracle.unwatch(vmid),
        )

    def watch(self, entry: WatchEntry) -> None:
        self._say(f"{entry.vmid} is watched")
        guest = self.guest(entry.vmid)
        self._command(
            lambda: self.process.watch.add(guest, entry.cpu, entry.memory, entry.disk),
            lambda: entry.vmid in self.watched,
            lambda: self.oracle.watch(entry),
            tells=False,
        )

    @property
    def watched(self) -> set[int]:
        return {entry.vmid for entry in self.store.entries}

    def stop_through_bot(self, vmid: int, answer: str = "") -> None:
        """Order a stop through the bot. The guest does not stop yet.

        `answer`: how the request ended. Empty: well. `page`: with a proxy's page. `lost`: without an answer.
        `refused`: with a refusal. Only a refused stop is not expected after that.
        """
        self._say(f"a stop of {vmid} is ordered{f', and answered: {answer}' if answer else ''}")
        plan = Plan(Order(Operation.STOP, vmid, Actor(7, "Akiko", Place(1, 2))), self.guest(vmid))

        noted: list[int] = []
        deaths: list[Kill] = []

        async def order() -> None:
            try:
                with suppress(ProxmoxError):
                    async with self.process.expected.expect_stop(plan) as expectation:
                        noted.append(vmid)
                        expectation.sent = answer != "refused"
                        raise_answer(answer)
                await self._dropped()
            except Kill as death:
                deaths.append(death)
                raise

        def happened() -> bool:
            """Return whether the order makes the guest's stop expected from now on.

            If the process has died, every stored order counts anew. A refused one does, too, until its outcome is
            found out: `core/actions/recovery.py` does that, outside of this trial.
            """
            stands = bool(deaths) and f"ordered/{vmid}" in self.process.journal.records()
            return stands or (bool(noted) and answer != "refused")

        self._command(order, happened, lambda: self.oracle.order(vmid, self.clock.mono), tells=False)

    def guest(self, vmid: int) -> Guest:
        return self.cluster._guest(self.cluster.boxes[vmid])

    def say(self, text: str) -> None:
        self._say(f"the bot says of itself: {text}")
        stored = self._was_stored()
        self._command(
            lambda: self.process.watch.alerts.post_notice(text),
            stored,
            lambda: self._owed.append(Mail(MessageKind.WORD, [])),
            tells=False,
        )

    # -- the story

    def _run(self, work: Any) -> Any:
        async def whole() -> Any:
            result = await work
            await self._dropped()
            return result

        try:
            return self.loop.run_until_complete(whole())
        except (Kill, JournalFailed, BotError):
            raise
        except BaseException:
            self.broken = True
            raise

    async def _dropped(self) -> None:
        """Wait until the orders that no longer count are deleted. Raises: Kill, if the process dies meanwhile."""
        if hasattr(self, "process"):
            for task in list(self.process.watch._persistence._dropping):
                await task

    def _say(self, text: str) -> None:
        if text.startswith("poll") and len(self.story) > 1 and text.rsplit(" ", maxsplit=1)[-1].isdigit():
            before = self.story[-1].split("  ")[-1]
            if before.startswith("poll") and ":" not in before:
                self.story.pop()  # of a run of uneventful polls keep only the last
        self.story.append(f"{_time(self.clock.mono - 1000.0)}  {text}")

    tell = _say

    def _wrong(self, kind: str, what: str) -> NoReturn:
        self.broken = True
        raise Wrong(kind, what, self.story)


def _is_order(key: str) -> bool:
    return key.startswith(EXPECTED_STOP)


def raise_answer(answer: str) -> None:
    """Raise the error that the client raises for this answer to a change."""
    if answer == "page":
        raise BadAnswer("pve.example", changing=True)
    if answer == "lost":
        raise TimedOut("pve.example", changing=True)
    if answer == "refused":
        raise Rejected(500, "no")


def _time(seconds: float) -> str:
    return f"{seconds // 3600:4.0f}:{seconds % 3600 // 60:02.0f}:{seconds % 60:02.0f}"


def _ids(cases: Iterable[Case]) -> tuple[int, ...]:
    return tuple(sorted(id(case) for case in cases))


def _mail_key(mail: Mail) -> tuple[MessageKind, bool, bool, tuple[int, ...]]:
    return (mail.post, mail.mention, mail.silent, _ids(mail.cases))


def _key(incident: Incident) -> object:
    vmids = frozenset(fact.vmid for fact in incident.guests)
    return _key_of(incident.topic, vmids, incident.node, incident.storage, incident.metric)


def _case_key(case: Case) -> object:
    return _key_of(case.topic, frozenset(case.facts), case.node, case.storage, case.metric)


def _key_of(topic: Topic, vmids: frozenset[int], node: str, storage: str, metric: object) -> object:
    if topic in (Topic.SOURCE, Topic.BACKUP):
        return topic
    if topic in (Topic.NODE, Topic.STALE, Topic.BLIND):
        return (topic, node)
    if topic is Topic.STORAGE:
        return (topic, node, storage)
    return (topic, vmids, metric)


def _words(incident: Incident) -> str:
    facts = " ".join(f"{fact.vmid}:{fact.what.value}" for fact in incident.guests)
    where = " ".join(filter(None, (incident.node, incident.storage, str(incident.metric or ""))))
    return f"{incident.topic.value}[{where}{' ' if where and facts else ''}{facts}]{'' if incident.open else ' over'}"


def disagreements(case: Case, incident: Incident) -> list[str]:
    """List the differences between the bot's incident and the oracle's."""
    found = []
    if incident.level is not case.level:
        found.append(f"level {incident.level.value}, not {case.level.value}")
    if incident.open == case.over:
        found.append(f"{'open' if incident.open else 'over'}, not {'over' if case.over else 'open'}")
    forgotten = incident.forgotten or any(fact.what is GuestEvent.FORGOTTEN for fact in incident.guests)
    flaps = any(fact.what is GuestEvent.FLAPPING for fact in case.facts.values())
    # the contract leaves open how a group, or an incident that ends as FLAPPING, is marked
    if case.topic is not Topic.GROUP and not flaps and forgotten != case.forgotten:
        found.append(f"forgotten {forgotten}, not {case.forgotten}")
    if (incident.acked_by or "") != case.acked:
        found.append(f"acknowledged by {incident.acked_by!r}, not {case.acked!r}")
    if (incident.node, incident.storage) != (case.node, case.storage) and case.topic in (
        Topic.NODE,
        Topic.STORAGE,
        Topic.STALE,
        Topic.BLIND,
    ):
        found.append(f"of {incident.node} {incident.storage}")
    if incident.unknown != case.unknown and incident.open:
        found.append(f"unknown {incident.unknown}, not {case.unknown}")
    if incident.limit != case.limit:
        found.append(f"limit {incident.limit}, not {case.limit}")
    if {(each.node, each.vmid, each.error) for each in incident.backups} != case.backups:
        found.append(f"backups {incident.backups}, not {case.backups}")
    facts = {fact.vmid: fact for fact in incident.guests}
    if set(facts) - case.maybe != set(case.facts) - case.maybe:
        found.append(f"guests {sorted(facts)}, not {sorted(case.facts)}")
    elif case.topic in (*GUEST_TOPICS, Topic.GROUP):
        found += [line for vmid, fact in case.facts.items() for line in _of_fact(case, fact, facts[vmid])]
    if not incident.open and case.until and not case.forgotten:
        least, most = case.until[0] - case.since[0], case.until[1] - case.since[1]
        length = incident.seconds or 0.0
        if not least - SLACK <= length <= most + SLACK:
            found.append(f"lasted {length:.0f} s, not {least:.0f} to {most:.0f}")
    return found


def _of_fact(case: Case, fact: Fact, theirs: Any) -> list[str]:
    found = []
    settled = case.over and case.topic is Topic.GUEST and fact.what is GuestEvent.BACK
    if (
        case.topic is not Topic.FLAPPING
        and not settled
        and not case.forgotten
        and (theirs.what is not fact.what or (fact.what in HELD and theirs.state is not fact.state))
    ):
        said = f"{theirs.what.value} {theirs.state.value}"
        found.append(f"{theirs.vmid} {said}, not {fact.what.value} {fact.state.value}")
    if fact.what in DOWN and case.topic in (Topic.GUEST, Topic.GROUP):
        after = "node" if theirs.after_node else "ha" if theirs.after_ha else ""
        if after != fact.after or theirs.away != fact.away:
            found.append(f"{theirs.vmid} after {after}, away {theirs.away}")
        if fact.works and not (theirs.task in fact.works and not theirs.by):
            found.append(f"{theirs.vmid} held by {theirs.task!r}, not {fact.works}")
    if case.topic is Topic.NOTE:
        if fact.task and (theirs.by, theirs.task) != (fact.by, fact.task) and fact.by != BOT:
            found.append(f"{theirs.vmid} by {theirs.by!r} {theirs.task!r}, not {fact.by!r} {fact.task!r}")
        if theirs.away != fact.away:
            found.append(f"{theirs.vmid} away {theirs.away}")
        if fact.what is GuestEvent.ELSEWHERE and theirs.node != fact.node:
            found.append(f"{theirs.vmid} on {theirs.node}, not {fact.node}")
    return found
