"""Run the bot as a real process through faults on both sides, then compare its reports with the truth.

    python -m tests.long_runs.chaos [--minutes N] [--seed N] [--guests N] [--keep DIRECTORY]

The process is killed (SIGKILL) every 40 s. Meanwhile guests crash and come back, people give commands, and Proxmox
and Discord fail in turn. Then all faults end. Three things are compared with the real events: the
incidents and messages in journal.db, the messages in the alert channel, and the audit trail.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import simcord

from core.operations import Operation
from playground.discord.people import Person, PressResult
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve
from tests.support.catalogue import ACTION
from tests.support.process_stage import INTERVAL, ProcessStage, process_stage

KILL_EVERY = 40.0  # seconds
LONG_DOWN = 90.0
"""Seconds of downtime after which a crash must have been reported, despite all faults."""
DETECT_WITHIN = 60.0
"""Seconds after a guest's return in which its crash may be reported, because an outage may hide both."""
SETTLE = 150.0
"""Seconds without faults that the bot gets at the end."""
SAID_TWICE = "Interaction has already been acknowledged"
"""Discord's error for a first answer that is sent again because the reply to it was lost."""
IDENTITY = f"{BOT_USER}!{BOT_TOKEN}"
WAITING = "SELECT count(*) FROM messages WHERE status = 'waiting' OR (status = 'posted' AND shown < wanted)"
CHANGING = frozenset({"start", "stop", "shutdown", "reboot", "snapshot_create", "snapshot_delete"})
TASKS = {word: frozenset().union(*ACTION[Operation(word)].tasks.values()) for word in CHANGING}


@dataclass(slots=True)
class Crash:
    """Describe a guest that stopped by itself. Times are Unix seconds; `up` is `None` while it is down."""

    vmid: int
    down: float
    up: float | None = None

    def covers(self, opened: float) -> bool:
        return self.down - 2.0 <= opened <= (self.up or float("inf")) + DETECT_WITHIN

    def must_be_told(self, now: float) -> bool:
        return (self.up or now) - self.down >= LONG_DOWN


@dataclass
class Chaos:
    """Hold a run in progress: the stage, the events so far, and what went wrong.

    `crashing`: VMIDs of the guests that crash. `operated`: those on which people act.
    """

    stage: ProcessStage
    random_: random.Random
    crashing: tuple[int, ...]
    operated: tuple[int, ...]
    crashes: list[Crash] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def ending(self) -> bool:
        return self._over.is_set()

    @property
    def pve(self) -> Pve:
        return self.stage.pve

    # -- events

    async def kill_again_and_again(self) -> None:
        await self.pause(KILL_EVERY)
        while not self.ending:
            if self.stage.bot.running:
                await self.stage.bot.end(signal.SIGKILL)
                self.figures["kills"] += 1
            await asyncio.sleep(self.random_.uniform(0.2, 3.0))
            await self.stage.launch(**self.stage._settings)
            await self.pause(KILL_EVERY)

    async def restart_what_ended(self) -> None:
        """Restart a bot that has ended by itself, as a supervisor does.

        The run has failed then: no planned fault but a kill may end the bot.
        """
        while not self.ending:
            await asyncio.sleep(0.5)
            code = self.stage.bot.process.returncode
            if code is not None and code >= 0 and not self.ending:
                self.wrong.append(f"the bot ended by itself with {code}")
                await self.stage.launch(**self.stage._settings)

    async def crash_and_revive(self) -> None:
        waiting = list(self.crashing)
        self.random_.shuffle(waiting)
        while not self.ending and waiting:
            await self.pause(self.random_.uniform(2.0, 9.0))
            some = [waiting.pop() for _ in range(min(len(waiting), self.random_.choice((1, 1, 1, 2, 7))))]
            self.pve.crash_all(some)
            made = [Crash(vmid, time.time()) for vmid in some]
            self.crashes += made
            self.figures["crashes"] += len(made)
            if self.random_.random() < 0.6:
                self.background(self._revive(made, self.random_.uniform(LONG_DOWN + 5, 150.0)))

    async def _revive(self, crashes: list[Crash], seconds: float) -> None:
        await self.pause(seconds)
        self.pve.revive_all(crash.vmid for crash in crashes)
        for crash in crashes:
            crash.up = time.time()

    async def work(self, person: Person) -> None:
        """Give one command after another as a person, ignoring the outcome."""
        while not self.ending:
            await self.pause(self.random_.uniform(0.5, 4.0))
            vmid = self.random_.choice(self.operated)
            with contextlib.suppress(TimeoutError, simcord.SetupError, LookupError, simcord.BackendError):
                await self._command(person, vmid)
                self.figures["commands"] += 1

    async def _command(self, person: Person, vmid: int) -> None:
        running = self.pve.guest(vmid).status == "running"
        command = self.random_.choice(("shutdown", "stop", "reboot", "snapshot create", "info", "list"))
        command = command if running else self.random_.choice(("start", "start", "snapshot create", "info"))
        options: dict[str, Any] = {"vmid": vmid}
        if command == "snapshot create":
            options["name"] = f"s{self.random_.randrange(10**6)}"
        elif command == "list":
            options = {}
        reply = await self.stage.say(person, command, **options)
        if command == "stop":
            await self._confirm(person, reply)

    async def _confirm(self, person: Person, reply: PressResult) -> None:
        post = reply.post
        red = (
            next((b for b in post.buttons if b.style == "danger" and not b.disabled), None) if post else None
        )
        if post is not None and red is not None:
            await self.stage.server.click(person, post, red.label)

    # -- faults

    async def trouble(self) -> None:
        """Cause one fault after the other, of Proxmox and Discord in turn, with a pause in between."""
        proxmox, discord = self.faults_of_proxmox(), self.faults_of_discord()
        while not self.ending:
            for faults in (proxmox, discord):
                name = self.random_.choice(sorted(faults))
                self.figures[name] += 1
                await faults[name]()
                await self.pause(self.random_.uniform(2.0, 6.0))

    def faults_of_proxmox(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        async def hung_list() -> None:
            self.pve.hang("/cluster/resources", 30.0)
            await self.pause(self.random_.uniform(5.0, 20.0))
            self.pve.hang("/cluster/resources", 0)

        async def lost_answers() -> None:
            self.pve.hang("/status/st", 40.0, times=2, acts=True)  # start and stop
            await self.pause(10.0)
            self.pve.hang("/status/st", 0)

        async def pages() -> None:
            self.pve.html_instead_of_json(5)
            await self.pause(5.0)

        async def no_way() -> None:
            self.pve.fail("GET", "/cluster/resources", 595, "No route to host", times=3)
            await self.pause(15.0)
            self.pve.failures.clear()

        async def lost_node() -> None:
            self.pve.node_offline("pve3")
            await self.pause(self.random_.uniform(10.0, 30.0))
            self.pve.node_online("pve3")

        return {f.__name__: f for f in (hung_list, lost_answers, pages, no_way, lost_node)}

    def faults_of_discord(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        server = self.stage.server

        async def outage() -> None:
            async with server.outage():
                await self.pause(self.random_.uniform(2.0, 20.0))

        async def gateway_cut() -> None:
            await server.drop_gateway(self.random_.choice((None, 4000, 1001)))

        async def refused_posts() -> None:
            server.fail("POST", "/messages", 503, 3)

        async def lost_posts() -> None:
            server.reset("POST", "/messages", 2, after=True)

        async def lost_edits() -> None:
            server.reset("PATCH", "/messages", 2, after=True)

        async def limited() -> None:
            server.fail("POST", "/messages", 429, 1, retry_after=3.0, is_global=True)

        async def lost_answers_to_people() -> None:
            server.reset("POST", "/callback", 2, after=True)

        some = (outage, gateway_cut, refused_posts, lost_posts, lost_edits, limited, lost_answers_to_people)
        return {f.__name__: f for f in some}

    # -- the run

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def pause(self, seconds: float) -> None:
        """Sleep, but no longer than the run lasts."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    async def run(self, seconds: float) -> None:
        server, guild = self.stage.server, self.stage.guild
        others = [server.person(guild, name) for name in ("ken", "taro", "yuki")]
        people = [self.stage.akiko, self.stage.emma, *others]
        for work in (
            self.kill_again_and_again(),
            self.restart_what_ended(),
            self.crash_and_revive(),
            self.trouble(),
            *(self.work(person) for person in people),
        ):
            self.background(work)
        await asyncio.sleep(seconds)
        self._over.set()
        for task in self._tasks:
            for result in await asyncio.gather(task, return_exceptions=True):
                if isinstance(result, BaseException):
                    self.wrong.append(f"the run itself failed: {result!r}")

    async def settle(self) -> None:
        """End all faults, and wait until for six polls nothing is left to tell, to send or to find out."""
        self.stage.server.rest.faults.clear()
        self.pve.hang("/cluster/resources", 0)
        self.pve.hang("/status/st", 0)
        self.pve.failures.clear()
        if not self.stage.bot.running:
            await self.stage.launch(**self.stage._settings)
        end = time.monotonic() + SETTLE
        calm = 0
        while time.monotonic() < end and calm < 6 * INTERVAL:
            await asyncio.sleep(1.0)
            calm = calm + 1 if self._calm() else 0
        if calm < 6 * INTERVAL:
            self.wrong.append(f"not calm {SETTLE:.0f} s after the last fault")

    def _calm(self) -> bool:
        with self.open_journal() as db:
            (left,) = db.execute(WAITING).fetchone()
        told = self.incidents_of_guests()
        untold = [c for c in self.crashes if c.up is None and not any(self._tells(i, c) for i in told)]
        return not left and not untold and not [a for a in self.attempts() if a.ending == "open"]

    @contextlib.contextmanager
    def open_journal(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.stage.directory / "journal.db", timeout=10.0)) as db:
            db.text_factory = lambda raw: raw.decode("utf-8", "replace")
            yield db

    # -- comparing

    def incidents_of_guests(self) -> list[dict[str, Any]]:
        with self.open_journal() as db:
            rows = db.execute("SELECT json FROM incidents WHERE topic IN ('guest', 'group')").fetchall()
        return [json.loads(text) for (text,) in rows]

    @staticmethod
    def _tells(incident: dict[str, Any], crash: Crash) -> bool:
        """Return whether the incident is the alarm for this crash. After the guest's return "back" is no alarm."""
        opened: float = incident["opened"]
        over = crash.up is not None and opened >= crash.up
        return crash.covers(opened) and any(
            fact["vmid"] == crash.vmid and not (over and fact["what"] == "back")
            for fact in incident["guests"]
        )

    def compare_incidents(self) -> None:
        told, now = self.incidents_of_guests(), time.time()
        for crash in self.crashes:
            count = sum(self._tells(incident, crash) for incident in told)
            if count > 1:
                self.wrong.append(f"doubled: {crash} is told {count} times")
            elif not count and crash.must_be_told(now):
                self.wrong.append(f"lost: {crash}")
        for incident in told:
            for fact in incident["guests"]:
                alarm = (
                    fact.get("what") not in ("elsewhere",) and not fact.get("by") and not fact.get("wanted")
                )
                true = any(c.vmid == fact["vmid"] and c.covers(incident["opened"]) for c in self.crashes)
                if alarm and not true:
                    self.wrong.append(f"false: incident {incident['id']} about {fact}")

    def compare_messages(self) -> None:
        """Check that each message that the journal calls posted is in the channel once, and that no other is there.

        No incident may have two openings, and no message may have been given up.
        """
        with self.open_journal() as db:
            rows = db.execute("SELECT id, status, discord_id, incident, post FROM messages").fetchall()
        known = Counter(discord for _, status, discord, _, _ in rows if status == "posted")
        shown = [post.id for post in self.stage.server.messages(self.stage.alerts)]
        self.figures["messages"] = len(shown)
        for discord, count in known.items():
            if count > 1 or discord not in shown:
                self.wrong.append(
                    f"message {discord}: noted {count} times, shown {shown.count(discord)} times"
                )
        for discord in set(shown) - set(known):
            text = next(p.text for p in self.stage.server.messages(self.stage.alerts) if p.id == discord)
            self.wrong.append(f"doubled: a message that the journal does not know: {text[:80]!r}")
        openings = Counter(incident for *_, incident, post in rows if post == "opening")
        self.wrong += [f"doubled: {n} openings of incident {i}" for i, n in openings.items() if n > 1]
        given_up = [row for row in rows if row[1] == "given_up"]
        self.wrong += [f"lost: message {row} was given up" for row in given_up]

    def attempts(self) -> list[AuditedAttempt]:
        with self.open_journal() as db:
            rows = db.execute(
                "SELECT id, coalesce(attempt, id), at, step, operation, vmid, upid, outcome FROM audit ORDER BY id"
            ).fetchall()
        found: dict[int, AuditedAttempt] = {}
        for _, number, at, step, operation, vmid, upid, outcome in rows:
            words = [
                each.decode() if isinstance(each, bytes) else each for each in (operation, upid, outcome)
            ]
            attempt = found.setdefault(number, AuditedAttempt(number, at, words[0], vmid))
            attempt.step, attempt.outcome = step, words[2]
            if words[1]:
                attempt.upid = words[1]
        return list(found.values())

    def compare_audit(self) -> None:
        """Check the audit trail against the bot's tasks.

        Each task must have one attempt with its true end. Each attempt must have ended, and not with an unknown end
        that Proxmox knows.
        """
        tasks = {upid: task for upid, task in self.pve.tasks.items() if task["user"] == IDENTITY}
        attempts = [each for each in self.attempts() if each.operation in CHANGING]
        self.figures["attempts"], self.figures["tasks"] = len(attempts), len(tasks)
        claims = Counter(each.upid for each in attempts if each.upid)
        self.wrong += [f"doubled: {n} attempts claim {upid}" for upid, n in claims.items() if n > 1]
        orphans = [task for upid, task in tasks.items() if upid not in claims]
        for each in attempts:
            self.figures[f"attempts {each.ending}"] += 1
            task = tasks.get(each.upid)
            if each.ending == "open":
                self.wrong.append(f"no end: {each}")
            elif each.ending == "unknown" and (task or any(each.may_be(orphan) for orphan in orphans)):
                self.wrong.append(f"unknown, but Proxmox knows: {each}")
            elif (
                task
                and task.get("exitstatus") != each.outcome
                and not each.outcome.startswith("the task ended")
            ):
                self.wrong.append(f"untrue: {each}, but the task ended with {task.get('exitstatus')!r}")
        for orphan in orphans:
            self.wrong.append(
                f"the trail does not know the task {orphan['upid']} ({orphan.get('exitstatus')})"
            )


@dataclass(slots=True)
class AuditedAttempt:
    """Hold an attempt of the audit trail: the time of its first record and the words of its latest."""

    id: int
    at: float
    operation: str
    vmid: int | None
    step: str = ""
    upid: str = ""
    outcome: str = ""

    @property
    def ending(self) -> str:
        if self.step in ("asked", "sent"):
            return "open"
        if self.step != "ended":
            return self.step
        return (
            "unknown"
            if self.outcome.startswith("unknown") or self.outcome in ("lost", "vanished")
            else "known"
        )

    def may_be(self, task: dict[str, Any]) -> bool:
        near = -2.0 <= task["starttime"] - self.at <= 60.0
        return near and task["id"] == str(self.vmid) and task["type"] in TASKS[self.operation]


def _slow(pve: Pve) -> None:
    """Let each task take about a second, so that kills and faults hit it while it runs."""
    pve.time_scale = 0.5
    pve.task_secs = {f"{kind}{task}": 2.0 for kind in ("qm", "vz") for task in ("snapshot", "delsnapshot")}
    pve.reboot_gap = 1.0


async def chaos(directory: Path, seconds: float, seed: int, guests: int) -> Chaos:
    """Run once and compare. `wrong` of the result is empty if all went well."""

    def prepare(pve: Pve) -> None:
        _slow(pve)
        pve.add_many(guests * 6 // 10, node="pve1", first=1000)
        pve.add_many(guests * 3 // 10, node="pve2", first=3000)
        pve.add_many(guests - guests * 6 // 10 - guests * 3 // 10, node="pve3", first=5000)
        for guest in [*pve.vms, *pve.cts]:
            guest.start_secs, guest.shutdown_secs, guest.stop_secs = 2, 3, 1

    async with process_stage(directory, prepare=prepare) as stage:
        made = [guest.vmid for guest in [*stage.pve.vms, *stage.pve.cts]]
        run = Chaos(
            stage,
            random.Random(seed),  # noqa: S311 - repeatable, and no secret
            tuple(sorted(vmid for vmid in made if vmid < 3000)),
            tuple(sorted(vmid for vmid in made if 3000 <= vmid < 5000)),
        )
        stage.server.answer_wait = 15.0
        stage.haste = 1.0  # the faults take their real time too
        await stage.start(
            MONITOR_VM_IDS=",".join(map(str, made)), MONITOR_INTERVAL_SECONDS=str(INTERVAL), LOG_LEVEL="INFO"
        )
        await stage.first_poll()
        stage.crashes_expected = True
        await run.run(seconds)
        await run.settle()
        run.compare_incidents()
        run.compare_messages()
        run.compare_audit()
        broken = [each for each in stage.server.violations if not each.endswith(SAID_TWICE)]
        run.wrong += [f"Discord: {each}" for each in broken]
        stage.server.violations.clear()
        run.figures["tracebacks"] = stage.bot.output().count("Traceback")
    return run


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.long_runs.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guests", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="a directory for the bot's data and log, which then stay")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        directory = options.keep or Path(made)
        run = asyncio.run(chaos(directory, options.minutes * 60, options.seed, options.guests))
    for line in run.wrong:
        print(line)
    told = ", ".join(f"{name} {count}" for name, count in sorted(run.figures.items()))
    print(
        f"seed {options.seed}, {options.guests} guests, {options.minutes:g} min: {told}; wrong {len(run.wrong)}"
    )
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
