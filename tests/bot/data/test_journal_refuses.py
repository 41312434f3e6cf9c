"""Test the real bot with a journal that cannot be written: no change reaches Proxmox, and the person is told why.

The switch that disables all changes still works: tests/bot/data/test_journal_lost.py.

The disk is really full (a file system of its own, if one can be mounted), or SQLite's share of it is. The lock
is really held, by another connection.
"""

import asyncio
import contextlib
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.journal import off_loop
from adapters.journal.off_loop import JournalOffLoop
from adapters.journal.store import SqliteJournal
from core.access.policy import Actor, Place
from core.audit.record import AuditRecord, AuditStep
from core.errors import JournalFailed
from core.levels import Effect
from core.operations import OPERATIONS, Operation
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import ACTING
from tests.support.journal.records import store_record
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import on_writer

pve, bare_scene, scene, language = stage.pve, stage.bare_scene, stage.scene, stage.language

DISK_KIB = 8192
WISHES: list[tuple[str, dict[str, Any]]] = [
    *((command.word, dict(command.example)) for command in ACTING),
    ("monitor add", {"vmid": 201}),
    ("monitor remove", {"vmid": 202, "confirm": "proxy", "reason": "it is retired"}),
    ("monitor mute", {"target": "node/pve1", "duration": "1h"}),
    ("monitor unmute", {"target": "guest/202"}),
    ("monitor test", {}),
    ("readonly off", {}),
    ("dashboard create", {}),
]
FEW = [
    (word, options) for word, options in WISHES if word in ("start", "delete", "monitor add", "readonly off")
]
"""The changes that are tried with every other fault. All changes are recorded first in one way: a few suffice."""


def test_every_change_is_among_them() -> None:
    by_command = {word.replace(" ", "_") for word, _ in WISHES}
    missing = {each.value for each in Operation if OPERATIONS[each].effect is not Effect.NOTHING} - by_command
    assert missing == {"acknowledge", "readonly_on", "dashboard_remove"}, f"wish for it in WISHES: {missing}"


# -- what is wrong with the journal


@contextlib.contextmanager
def locked(journal: JournalOffLoop, path: Path, begin: str, *, patient: bool = False) -> Iterator[str]:
    """Hold the lock with another connection's transaction.

    `patient`: let the journal wait `PATIENCE_SECONDS` for it, as usual, instead of 10 ms.
    """

    def be_quick(rows: SqliteJournal) -> None:
        with rows._file.transaction("BEGIN") as db:
            db.execute("PRAGMA busy_timeout = 10")

    with pytest.MonkeyPatch.context() as patch:
        if not patient:
            on_writer(journal, be_quick)
            patch.setattr(off_loop, "PATIENCE_SECONDS", 0.2)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute(begin)
        try:
            yield "SQLITE_BUSY"
        finally:
            other.execute("ROLLBACK")
            other.close()


def fill(journal: SqliteJournal) -> None:
    """Write until nothing can be written any more."""
    entry = AuditRecord(AuditStep.ENDED, Actor(1, "filler", Place(1, 2, 3)), "list", detail="x" * 3000)
    refused = 0
    while refused < 5:
        try:
            store_record(journal, entry, 1.0)
            refused = 0
        except JournalFailed as error:
            assert error.reason == "SQLITE_FULL"
            refused, entry = refused + 1, AuditRecord(AuditStep.ENDED, entry.actor, "list")


@contextlib.contextmanager
def full_share(journal: JournalOffLoop, _path: Path) -> Iterator[str]:
    """Allow SQLite no more pages."""

    def allow(rows: SqliteJournal, most: int | None = None) -> None:
        with rows._file.transaction("BEGIN") as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count = {most or pages + 4}")

    on_writer(journal, allow)
    on_writer(journal, fill)
    yield "SQLITE_FULL"
    on_writer(journal, lambda rows: allow(rows, 100_000))


@contextlib.contextmanager
def full_disk(journal: JournalOffLoop, path: Path) -> Iterator[str]:
    """Fill the file system of the bot's directory, which `mounted` created."""
    filler = path.with_name("filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 1024)
    on_writer(journal, fill)
    yield "SQLITE_FULL"
    filler.unlink()


@contextlib.contextmanager
def no_larger_file(_journal: JournalOffLoop, path: Path) -> Iterator[str]:
    """Let the kernel refuse files larger than the journal's.

    This stands for a full disk where no file system can be mounted.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(file.stat().st_size for file in path.parent.glob("journal.db*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield "SQLITE_IOERR"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_or_no_larger(journal: JournalOffLoop, path: Path) -> contextlib.AbstractContextManager[str]:
    return full_disk(journal, path) if path.parent.is_mount() else no_larger_file(journal, path)


TROUBLES = {
    "locked": lambda journal, path: locked(journal, path, "BEGIN IMMEDIATE"),
    "locked exclusively": lambda journal, path: locked(journal, path, "BEGIN EXCLUSIVE"),
    "no pages left": full_share,
    "file too large": no_larger_file,
    "disk full": full_or_no_larger,
}


@pytest.fixture
async def small(pve: Pve, tmp_path: Path) -> AsyncIterator[Stage]:
    """Run the bot with its directory on a small file system of its own, if one can be mounted."""
    directory = tmp_path / "data"
    directory.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs", str(directory)]
    made = mount and subprocess.run([mount, *options], capture_output=True, check=False)  # noqa: S603, ASYNC221 - our own words, before anything runs
    try:
        async with stage.stage(pve, directory) as scene:
            await scene.start_bot(CHANGES_PER_MINUTE="0")
            yield scene
    finally:
        if made and made.returncode == 0 and unmount:
            subprocess.run([unmount, str(directory)], check=True)  # noqa: S603, ASYNC221 - see above


# -- wishing


async def wish(scene: Stage, command: str, options: dict[str, Any]) -> PressResult:
    """Perform all steps of a command: the command itself, the red button and the form."""
    reply = await scene.say(scene.emma, command, **options)
    if reply.post and not reply.ephemeral and "danger" in [each.style for each in reply.post.buttons[:1]]:
        reply = await scene.press(scene.emma, reply, str(reply.post.buttons[0].custom_id))
        if reply.form is not None:
            reply = await scene.submit(scene.emma, reply, "grafana")
    return reply


async def alarm(scene: Stage, pve: Pve) -> SeenMessage:
    """Crash a guest and return its open alert."""
    pve.crash(202)
    await scene.poll()
    await scene.delivered()
    return scene.server.messages(scene.alerts)[-1]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_no_change_is_made_and_the_person_reads_why(small: Stage, pve: Pve, trouble: str) -> None:
    scene, path = small, small.directory / "journal.db"
    await scene.say(scene.emma, "monitor add", vmid=202)
    await scene.poll()
    post = await alarm(scene, pve)
    await scene.say(scene.emma, "monitor mute", target="guest/202", duration="8h")
    await scene.delivered()
    panel = await scene.say(scene.emma, "info", vmid=104)
    ack = next(str(each.custom_id) for each in post.buttons if ":ack:" in str(each.custom_id))
    watch, switch = scene.site.watch, scene.site.authorizer.read_only
    before = (scene.cluster(), watch.entries, watch.alerts.mutes(), watch.state.open, scene.alerts_told())
    wishes = WISHES if trouble == "no pages left" else FEW

    def unchanged() -> bool:
        return before == (
            scene.cluster(),
            watch.entries,
            watch.alerts.mutes(),
            watch.state.open,
            scene.alerts_told(),
        )

    with TROUBLES[trouble](scene.bot.journal, path) as reason:
        told = scene.told(scene.emma, JournalFailed(reason))
        for command, options in wishes:
            reply = await wish(scene, command, options)
            assert told in reply.text, (command, reply.text)
            assert (reply.followups or [post_of(reply)])[-1].ephemeral, command
            assert unchanged(), command
            assert scene.changes() == [], command
            assert switch.refusal is None, command
        for on, button in ((panel, "Start"), (post, ack)):
            assert told in (await scene.press(scene.emma, on, button)).text, button
        assert unchanged()
        assert scene.changes() == []
        assert scene.site.executor._claims.busy == {}
        assert "palworld" in (await scene.say(scene.emma, "info", vmid=104)).text, "looking goes on"
    for command, options in wishes:
        reply = await wish(scene, command, options)
        assert told not in reply.text, (command, reply.text)
        assert not reply.ephemeral, (command, reply.text)
    if wishes is FEW:
        assert len(scene.changes()) == 2, scene.changes()
        assert {entry.vmid for entry in watch.entries} == {201, 202}
    else:
        assert len(scene.changes()) == len(ACTING), scene.changes()
        assert {entry.vmid for entry in watch.entries} == {201}
        assert [mute.target for mute in watch.alerts.mutes()] == ["node/pve1"]
    assert switch.refusal is None


async def test_a_lock_delays_nobody_for_long(scene: Stage) -> None:
    """Data that must be stored waits `PATIENCE_SECONDS` for the lock. Nothing else waits."""
    path = scene.directory / "journal.db"
    with locked(scene.bot.journal, path, "BEGIN IMMEDIATE", patient=True):
        began = time.monotonic()
        one = await scene.say(scene.emma, "start", vmid=104)
        alone = time.monotonic() - began
        many = await scene.whole(
            asyncio.gather(*(scene.server.slash(scene.emma, scene.channel, "list") for _ in range(5)))
        )
        together = time.monotonic() - began - alone
    assert told_busy(scene, one)
    assert alone < 6.0
    assert all("17 guests" in reply.text for reply in many), "looking goes on"
    assert together < 12.0


def told_busy(scene: Stage, reply: PressResult) -> bool:
    return scene.told(scene.emma, JournalFailed("SQLITE_BUSY")) in reply.text
