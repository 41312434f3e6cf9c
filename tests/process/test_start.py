"""What is said of a data directory out of order: in the terminal when the bot cannot begin, else where alerts are."""

import re
from pathlib import Path

import pytest

from adapters.files.data_lock import DataDirInUse
from adapters.journal.store import JournalError, JournalErrorKind, JournalReport, Opened
from adapters.settings.load import load
from bootstrap import failure_line, what_was_lost
from bot import ProxmoxBot, StartFailed
from core.errors import JournalFailed
from core.guest import State
from monitor_store import Happened, LoadReport, StoreError, StoreErrorKind
from tests.support import stage
from tests.support.stage import Stage
from ui.i18n import Texts
from ui.messages.startup import journal_stuck, journal_well

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

TEXTS = Texts("ja")
DIRECTORY = Path("/data/`bot`")
CORRUPT = Path("/data/journal.db.corrupt-20261124T000000Z")
FAILURES: list[Exception] = [
    DataDirInUse(DIRECTORY, 4711),
    DataDirInUse(DIRECTORY, None),
    PermissionError(13, "Permission denied"),
    OSError("odd"),
    *(JournalError(kind, DIRECTORY / "journal.db", "EIO") for kind in JournalErrorKind),
    JournalFailed("SQLITE_IOERR"),
    *(StoreError(kind, DIRECTORY / "monitor_list.json", "EIO") for kind in StoreErrorKind),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_every_failure_is_one_line_for_the_terminal(failure: Exception) -> None:
    for word in ("ja", "en"):
        line = failure_line(TEXTS.of("ja" if word == "ja" else "en"), failure, DIRECTORY)
        assert "\n" not in line
        assert "/data/" in line
        assert re.search(r"[。.]$", line)


@pytest.mark.parametrize("happened", Happened)
@pytest.mark.parametrize("opened", Opened)
def test_what_was_lost_is_told_and_nothing_else(opened: Opened, happened: Happened) -> None:
    gone = opened is Opened.CREATED and happened is Happened.READ
    lost = (opened is Opened.RECREATED) + (
        happened in (Happened.RECOVERED_FROM_BACKUP, Happened.UNREADABLE_NO_BACKUP)
    )
    for t in (TEXTS.of("ja"), TEXTS.of("en")):
        for aside in (CORRUPT, None):
            reports = JournalReport(opened, aside), LoadReport((), happened, aside)
            told = what_was_lost(t, *reports, off=True)
            assert len(told) == lost + gone
            named = [line for line in told if (CORRUPT.name if aside else "`—`") in line]
            assert len(named) == lost
            allowed = what_was_lost(t, *reports, off=False)
            assert (told == allowed) is (opened is not Opened.RECREATED and not gone)
            assert "`ENOSPC`" in journal_stuck(t, "ENOSPC") and journal_well(t)


def test_a_list_of_before_there_was_a_journal_has_lost_none() -> None:
    for states in ({101: State.RUNNING}, {}):
        loaded = LoadReport((), Happened.READ, None, states)
        told = what_was_lost(TEXTS.of("en"), JournalReport(Opened.CREATED), loaded, off=False)
        assert (told == []) is bool(states)


async def test_the_first_look_waits_for_the_directory(bare_scene: Stage) -> None:
    """A bot that cannot begin asks nothing of Discord or Proxmox, and leaves the lock to others."""
    scene = bare_scene
    (scene.directory / "journal.db").mkdir()
    bot = ProxmoxBot(load(scene.directory / "config.py", scene.environment()), scene.clock)
    with pytest.raises(StartFailed, match="journal"):
        await bot.start(scene.server.token)
    await bot.close()
    assert scene.server.journal == [] and scene.sent() == []
    (scene.directory / "journal.db").rmdir()
    await scene.start_bot()
    assert scene.services.journal.run == 1


async def test_two_bots_cannot_share_a_directory(scene: Stage) -> None:
    second = ProxmoxBot(load(scene.directory / "config.py", scene.environment()), scene.clock)
    with pytest.raises(StartFailed, match="already uses"):
        await second.start(scene.server.token)
    await second.close()
    assert "Watching" in (await scene.say(scene.emma, "monitor list")).text, "the first goes on"
