"""Test reports about a faulty data directory.

They appear in the terminal if the bot cannot start, otherwise in the alert channel.
"""

import re
from pathlib import Path

import pytest

from adapters.files.data_lock import DataDirInUse
from adapters.journal.store import JournalError, JournalErrorKind, JournalReport, OpenOutcome
from adapters.settings.load import load
from bot import ProxmoxBot
from core.errors import JournalFailed
from core.guest import State
from monitor_store import LoadOutcome, LoadReport, StoreError, StoreErrorKind
from startup.data_dir import StartFailed, data_loss_lines, failure_line
from tests.support import stage
from tests.support.stage import Stage
from tests.support.walked import walked
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


@walked("failure", FAILURES)
def test_every_failure_is_one_line_for_the_terminal(failure: Exception) -> None:
    for word in ("ja", "en"):
        line = failure_line(TEXTS.of("ja" if word == "ja" else "en"), failure, DIRECTORY)
        assert "\n" not in line
        assert "/data/" in line
        assert re.search(r"[。.]$", line)


@walked("happened", LoadOutcome)
@walked("opened", OpenOutcome)
def test_losses_are_reported_and_nothing_else(opened: OpenOutcome, happened: LoadOutcome) -> None:
    gone = opened is OpenOutcome.CREATED and happened is LoadOutcome.READ
    lost = (opened is OpenOutcome.RECREATED) + (
        happened in (LoadOutcome.RECOVERED_FROM_BACKUP, LoadOutcome.UNREADABLE_NO_BACKUP)
    )
    for t in (TEXTS.of("ja"), TEXTS.of("en")):
        for aside in (CORRUPT, None):
            reports = JournalReport(opened, aside), [LoadReport((), happened, aside)]
            told = data_loss_lines(t, *reports, read_only=True)
            assert len(told) == lost + gone
            named = [line for line in told if (CORRUPT.name if aside else "`—`") in line]
            assert len(named) == lost
            allowed = data_loss_lines(t, *reports, read_only=False)
            assert (told == allowed) is (opened is not OpenOutcome.RECREATED and not gone)
            assert "`ENOSPC`" in journal_stuck(t, "ENOSPC")
            assert journal_well(t)


def test_a_list_with_states_has_lost_no_journal() -> None:
    for states in ({101: State.RUNNING}, {}):
        loaded = [LoadReport((), LoadOutcome.READ, None, states)]
        told = data_loss_lines(TEXTS.of("en"), JournalReport(OpenOutcome.CREATED), loaded, read_only=False)
        assert (told == []) is bool(states)


async def test_the_first_poll_waits_for_the_directory(bare_scene: Stage) -> None:
    """A bot that cannot start sends nothing to Discord or Proxmox, and leaves the lock to others."""
    scene = bare_scene
    scene.greeted = False
    (scene.directory / "journal.db").mkdir()
    bot = ProxmoxBot(load(scene.directory / "config.py", scene.environment()), scene.clock)
    with pytest.raises(StartFailed, match="journal"):
        await bot.start(scene.server.token)
    await bot.close()
    assert scene.server.journal == []
    assert scene.sent() == []
    (scene.directory / "journal.db").rmdir()
    await scene.start_bot()
    assert scene.site.journal.run == 1


async def test_two_bots_cannot_share_a_directory(scene: Stage) -> None:
    second = ProxmoxBot(load(scene.directory / "config.py", scene.environment()), scene.clock)
    with pytest.raises(StartFailed, match="already uses"):
        await second.start(scene.server.token)
    await second.close()
    assert "watched guest" in (await scene.say(scene.emma, "monitor list")).text, "the first goes on"
