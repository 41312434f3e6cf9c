"""Test a lost journal, before the start and under the running bot: it is reported, and it permits nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from adapters.journal.off_loop import JournalOffLoop
from adapters.journal.store import OpenOutcome, SqliteJournal
from core.access.policy import Actor, Place
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.errors import JournalFailed
from core.guest import State
from core.watch.incidents.model import MessageKind
from core.watch.journal import JournalRenewal
from playground.pve.server import Pve
from tests.adapters.journal.test_database import batch, content, names
from tests.bot.data.test_journal_refuses import full_or_no_larger, full_share, locked, small
from tests.support import stage as stages
from tests.support.fakes import guest
from tests.support.journal.records import store_record
from tests.support.process_stage import INTERVAL, ProcessStage, process_stage
from tests.support.stage import Stage
from tests.support.watch.home import WatchHarness

pve, bare_scene, scene, language = stages.pve, stages.bare_scene, stages.scene, stages.language
__all__ = ["small"]

Breakage = Callable[[JournalOffLoop, Path], AbstractContextManager[str]]
EMMA = Actor(7, "Emma", Place(1, 2, 3))


# ---------------------------------------------------------------------- at the start


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


def without_journal(stage: ProcessStage) -> None:
    for path in stage.directory.glob("journal.db*"):
        path.unlink()


async def test_a_lost_journal_is_reported_and_read_only_mode_stays_on(stage: ProcessStage) -> None:
    await stage.start(MONITOR_VM_IDS="101")
    await (await stage.say(stage.akiko, "readonly on")).until("Read-only mode was turned on")
    await stage.bot.end()
    without_journal(stage)
    await stage.until(lambda: not stage.server.gateway.connected, "Discord to notice")
    await stage.start()
    assert "The journal was missing" in stage.bot.output()
    await stage.until(stage.alerts_told, "the word in the alert channel")
    assert ["The journal was missing" in text for text in stage.alerts_told()] == [True]
    reply = await stage.say(stage.emma, "start", vmid=104)
    await reply.until("Read-only mode was turned on")
    assert f"<@{stage.akiko.id}>" in reply.text
    assert [request for request in stage.pve.requests if request[0] != "GET"] == []
    await (await stage.say(stage.emma, "readonly off")).until("is now off")
    await stage.restart()
    await (await stage.say(stage.emma, "readonly off")).until("is already off")


async def test_a_first_start_and_an_older_bots_list_report_no_loss(stage: ProcessStage) -> None:
    stage.list_file.write_text("[101]")
    await stage.start()
    assert "journal" not in "".join(stage.alerts_told())
    assert "was missing" not in stage.bot.output()


async def test_a_journal_deleted_under_the_running_process_is_made_again(stage: ProcessStage) -> None:
    await stage.start(MONITOR_VM_IDS="101,201", MONITOR_INTERVAL_SECONDS=str(INTERVAL))
    await stage.first_poll()
    await (await stage.say(stage.akiko, "monitor mute", target="node/pve2", duration="2d")).until("pve2")
    for path in stage.directory.glob("journal.db*"):
        path.unlink()
    await stage.until(
        lambda: any("deleted or replaced" in text for text in stage.alerts_told()), "told", alive=True
    )
    stage.pve.crash(201)
    await stage.until(lambda: any("dns" in text for text in stage.alerts_told()), "the alarm", alive=True)
    await stage.restart()
    reply = await stage.say(stage.akiko, "monitor status")
    await reply.until("pve2")
    told = stage.alerts_told()
    assert sum("dns" in text for text in told) == sum("deleted or replaced" in text for text in told) == 1


# ---------------------------------------------------------------------- the switch's two places


@pytest.mark.parametrize("lost", ["journal", "file"])
@pytest.mark.parametrize("end", ["restart_bot", "crash_bot"])
async def test_either_place_keeps_changes_off(scene: Stage, lost: str, end: str) -> None:
    await scene.say(scene.akiko, "readonly on")
    for path in scene.directory.glob("journal.db*" if lost == "journal" else "readonly.json"):
        path.unlink()
    if lost == "journal":
        scene.expected_errors.append("The journal was missing")
    await getattr(scene, end)()
    held = scene.site.authorizer.read_only.refusal
    assert held is not None
    assert held.by == "Akiko"
    assert (scene.directory / "readonly.json").stat().st_mode & 0o777 == 0o600
    assert "access/read_only" in (await scene.site.journal.records()), "in both places again"


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"null", b"[1]"])
async def test_a_switch_that_cannot_be_read_is_on(bare_scene: Stage, text: bytes) -> None:
    (bare_scene.directory / "readonly.json").write_bytes(text)
    bare_scene.expected_errors.append("cannot be read")
    await bare_scene.start_bot()
    assert bare_scene.site.authorizer.read_only.refusal is not None


async def test_a_directory_in_its_place_is_on_too(bare_scene: Stage) -> None:
    (bare_scene.directory / "readonly.json").mkdir()
    bare_scene.expected_errors.append("cannot be read")
    await bare_scene.start_bot()
    assert bare_scene.site.authorizer.read_only.refusal is not None
    reply = await bare_scene.say(bare_scene.emma, "readonly off")
    assert reply.ephemeral, "it would come back"
    assert bare_scene.site.authorizer.read_only.refusal is not None, "it would come back"


async def test_a_full_disk_does_not_keep_changes_on(small: Stage) -> None:
    scene = small
    with full_or_no_larger(scene.bot.journal, scene.directory / "journal.db"):
        switch = scene.site.authorizer.read_only
        reply = await scene.say(scene.akiko, "readonly on")
        assert switch.refusal is not None
        assert "Read-only mode was turned on" in reply.text
        assert not reply.ephemeral
        assert ("Could not save this" in reply.text) is (switch.store_error is not None)
        scene.assert_refused(await scene.say(scene.emma, "start", vmid=104), scene.emma, switch.refusal)
        assert scene.changes() == []
    scene.expected_errors.append("the journal cannot be written")
    await scene.poll(2)
    assert switch.store_error is None
    await scene.restart_bot()
    assert scene.site.authorizer.read_only.refusal is not None, "stored once there was room"


# ---------------------------------------------------------------------- under the running bot


def deleted(path: Path) -> None:
    path.unlink()


def deleted_with_all(path: Path) -> None:
    for each in (path, path.with_name("journal.db-wal"), path.with_name("journal.db-shm")):
        each.unlink()


def only_the_wal(path: Path) -> None:
    path.with_name("journal.db-wal").unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replaced_by_an_older_one(path: Path) -> None:
    old = path.with_name("old.db")
    with closing(sqlite3.connect(old)) as db:
        db.executescript((Path(__file__).parents[2] / "journals" / "version-2.sql").read_text("utf-8"))
    old.replace(path)


def replaced_by_garbage(path: Path) -> None:
    garbage = path.with_name("garbage")
    garbage.write_bytes(b"no database" * 1000)
    garbage.replace(path)


def copied_back(path: Path) -> None:
    """Replace the file by another, as a restore from a backup does."""
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


LOSSES = (
    *(deleted, deleted_with_all, only_the_wal, moved),
    *(replaced_by_an_older_one, replaced_by_garbage, copied_back),
)
every_loss = pytest.mark.parametrize("lose", LOSSES, ids=[each.__name__ for each in LOSSES])


def filled(directory: Path) -> SqliteJournal:
    journal = SqliteJournal(directory / "journal.db")
    journal.open()
    for number in range(1, 80):
        journal.commit(batch(number, "x" * 500))
        store_record(
            journal, AuditRecord(AuditStep.ENDED, EMMA, "start", 100 + number, outcome="OK"), float(number)
        )
    return journal


@every_loss
def test_a_file_that_is_gone_is_made_again_with_all_it_had(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    journal = filled(tmp_path)
    assert journal.check_file() is None
    before, run = content(journal), journal.run
    lose(tmp_path / "journal.db")
    journal.commit(batch(90))
    renewed = journal.check_file()
    assert renewed is not None
    assert renewed.whole
    assert journal.check_file() is None
    assert journal.run == run
    assert content(journal) != before, "what was written before it was noticed is there, too"
    whole = content(journal)
    journal.close()
    stood = [name for name in names(tmp_path) if name.startswith("journal.db.replaced-")]
    assert [renewed.aside] if renewed.aside else [name for name in stood if name == renewed.aside] == []
    again = SqliteJournal(tmp_path / "journal.db")
    assert again.open().outcome is OpenOutcome.READ
    assert content(again) == whole
    assert again.run == run + 1
    again.close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("journal.db")} == {0o600}
    assert not list(tmp_path.glob(".journal.db*"))


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("lose", [emptied, cut])
def test_the_readable_part_of_a_truncated_file_is_saved(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    journal = filled(tmp_path)
    with journal._file.transaction("BEGIN") as db:
        db.execute("PRAGMA wal_checkpoint")
        db.execute("PRAGMA cache_size = 1")
        db.execute("PRAGMA shrink_memory")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.commit(batch(90))
    last = journal.audit_last()
    lose(tmp_path / "journal.db")
    renewed = journal.check_file()
    assert renewed is not None
    assert renewed.aside is not None
    journal.commit(batch(200, "new"))
    assert store_record(journal, AuditRecord(AuditStep.REFUSED, EMMA, "stop"), 1.0) > last, (
        "no id is used again"
    )
    whole, run = content(journal), journal.run
    journal.close()
    again = SqliteJournal(tmp_path / "journal.db")
    assert again.open().outcome is OpenOutcome.READ
    assert content(again) == whole
    assert again.run == run + 1
    again.close()


def test_where_it_cannot_be_made_again_the_old_one_is_used_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = filled(tmp_path)
    (tmp_path / "journal.db").unlink()

    def full(*_arguments: object, **_more: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(JournalFailed) as failed:
            journal.check_file()
    assert failed.value.reason == "ENOSPC"
    journal.commit(batch(90))
    assert journal.check_file() == JournalRenewal(True)
    assert journal.incident(90) is not None
    journal.close()


@pytest.mark.parametrize("lose", [deleted_with_all, replaced_by_an_older_one, emptied])
async def test_the_bot_notices_within_one_poll_and_goes_on(
    scene: Stage, pve: Pve, lose: Callable[[Path], None]
) -> None:
    """Open incidents stay open, mutes and dashboards stay, and undelivered messages are still sent."""
    await scene.say(scene.emma, "dashboard create")
    await scene.until(
        lambda: any(post.pinned for post in scene.server.messages(scene.channel)), "a dashboard"
    )
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.say(scene.emma, "monitor add", vmid=201)
    await scene.poll()
    pve.crash(101)
    await scene.poll()
    await scene.delivered()
    await scene.say(scene.emma, "monitor mute", target="node/pve2", duration="2d")
    await scene.say(scene.akiko, "readonly on")
    before = scene.site.watch.state
    scene.expected_errors += ["gone, replaced or damaged", "the journal refuses", "cannot be"]
    lose(scene.directory / "journal.db")
    await scene.poll()
    await scene.delivered()
    told = [text for text in scene.alerts_told() if "The journal was" in text]
    assert len(told) == 1
    assert "✅" in line_of((await scene.say(scene.emma, "monitor status")).text, "Journal")
    await scene.crash_bot()
    watch = scene.site.watch
    assert watch.state.open.keys() == before.open.keys()
    assert watch.state.mutes == before.mutes
    assert scene.site.authorizer.read_only.refusal is not None
    await scene.until(scene.site.dashboards.dashboards, "the dashboard is stored")
    pve.revive(101)
    await scene.poll(2)
    await scene.delivered()
    assert [text for text in scene.alerts_told() if "The journal was" in text] == told
    assert scene.site.watch.state.open == {}
    ((dashboard, _),) = scene.site.dashboards.dashboards()
    pinned = [post.id for post in scene.server.messages(scene.channel) if post.pinned]
    assert pinned == [dashboard.message_id], "and it is still the one"


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"**{name}**"))


@pytest.mark.parametrize("trouble", [full_or_no_larger, full_share], ids=["full", "room for a poll only"])
async def test_a_full_disk_is_seen_in_the_status_and_its_end_too(small: Stage, trouble: Breakage) -> None:
    """This holds even if a poll's small writes still fit and nothing else does."""
    scene, path = small, small.directory / "journal.db"
    scene.expected_errors += ["the journal cannot be written", "the journal refuses"]
    await scene.poll()
    with trouble(scene.bot.journal, path):
        reply = await scene.say(scene.emma, "start", vmid=104)
        assert reply.ephemeral
        assert scene.changes() == []
        await scene.poll()
        line = line_of((await scene.say(scene.emma, "monitor status")).text, "Journal")
        assert "⚠️" in line
        assert "Cannot write the journal" in line
        assert scene.site.watch.journal_error is not None
    await scene.poll()
    assert "✅" in line_of((await scene.say(scene.emma, "monitor status")).text, "Journal")


async def test_a_lock_is_seen_in_the_status_and_its_end_too(scene: Stage) -> None:
    scene.expected_errors += ["the journal cannot be written"]
    with locked(scene.bot.journal, scene.directory / "journal.db", "BEGIN IMMEDIATE"):
        await scene.poll()
        assert "⚠️" in line_of((await scene.say(scene.emma, "monitor status")).text, "Journal")
    await scene.poll()
    assert "✅" in line_of((await scene.say(scene.emma, "monitor status")).text, "Journal")


def test_the_probe_needs_room_and_leaves_little(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    for _ in range(50):
        journal.check_file()
    pages = [0, 0]
    for at in (0, 1):
        for _ in range(50):
            journal.check_file()
        with journal._file.transaction("BEGIN") as db:
            (pages[at],) = db.execute("PRAGMA page_count").fetchone()
    assert pages[0] == pages[1], "each takes the place of the one before"
    assert journal.audit_page(AuditFilter(), 0, 1)[1] == 79
    assert journal.outbox_message(1_000_001) is not None
    assert MessageKind.OPENING
    journal.close()


async def test_unreadable_parts_of_a_damaged_file_are_written_from_memory(tmp_path: Path) -> None:
    home = WatchHarness(tmp_path, [guest(101), guest(102)], (101, 102))
    await home.poll()
    await home.poll(State.STOPPED)
    await home.watch.alerts.mute("guest/102", 9000.0, "Emma")
    before = home.watch.state
    with home.journal._file.transaction("BEGIN") as db:
        db.execute("PRAGMA cache_size = 1")
        db.execute("PRAGMA shrink_memory")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    home.journal.records()
    emptied(tmp_path / "journal.db")
    await home.poll()
    assert home.watch.maintenance.renewed is not None
    assert not home.watch.maintenance.renewed.whole
    await home.restart(60.0)
    assert home.watch.state.open.keys() == before.open.keys() != set()
    assert home.watch.state.mutes == before.mutes
    assert home.watch.state.guests.keys() == {101, 102}
