"""What is shown before the red button: what would happen, and what is left to go back to. Dry runs end there."""

from typing import Any

import pytest

from core.audit import AuditFilter, Step
from core.errors import GuestProtected, WrongState
from core.guest import State
from core.planning import FALLBACK_SECONDS
from playground.pve import Pve
from proxmox_client import BACKUP_SECONDS
from tests import stage
from tests.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])
DRY = pytest.mark.parametrize(
    ("command", "options"),
    [
        ("delete", {"vmid": 104}),
        ("stop", {"vmid": 101}),
        ("stop", {"vmid": 201}),
        ("snapshot rollback", {"vmid": 103, "name": "before-event"}),
    ],
)


@BOTH
@DRY
async def test_a_dry_run_shows_the_plan_and_ends(
    scene: Stage, pve: Pve, command: str, options: dict[str, Any]
) -> None:
    before = scene.cluster()
    dry = await scene.say(scene.emma, command, **options, dry_run=True)
    assert dry.text.endswith(scene.t()("This was a dry run; nothing was done."))
    assert post_of(dry).buttons == [] and not dry.ephemeral
    asked = await scene.say(scene.emma, command, **options)
    shown = dry.text.removesuffix(scene.t()("This was a dry run; nothing was done."))
    assert asked.text.startswith(shown.rstrip("-# \n")), "it is the plan that is then asked about"
    assert scene.cluster() == before and scene.changes() == []
    scene.clock.skip(61)
    await scene.settled()
    records = [each.record for each in scene.services.journal.audited(AuditFilter(), 0, 9)[0]]
    assert [record.step for record in records] == [Step.PLANNED, Step.PLANNED]


async def test_a_dry_run_says_no_as_the_real_one_does(scene: Stage) -> None:
    for command, vmid, error in (
        ("delete", 101, WrongState(101, "web01", "delete", State.RUNNING)),
        ("delete", 102, GuestProtected(102, "db01")),
        ("stop", 104, WrongState(104, "palworld", "stop", State.STOPPED)),
    ):
        scene.assert_refused(await scene.say(scene.emma, command, vmid=vmid, dry_run=True), scene.emma, error)


async def test_the_last_backup_and_the_snapshots_that_stay(scene: Stage, pve: Pve) -> None:
    stop = (await scene.say(scene.emma, "stop", vmid=101)).text
    assert "What is left to go back to:" in stop
    assert "last backup: <t:" in stop and "`nfs-backup` · 4.2 GiB · 2 in all" in stop
    assert "2 snapshots · newest: `nginx-ok`" in stop
    rollback = (await scene.say(scene.akiko, "snapshot rollback", vmid=103, name="before-event")).text
    assert "18.0 GiB" in rollback and "4 snapshots" in rollback
    single = (await scene.say(scene.akiko, "snapshot delete", vmid=204, name="weekly")).text
    assert "1.1 GiB" in single and "no snapshots" in single, "the one that goes is none to go back to"
    pve.crash(103)
    lost = (await scene.say(scene.emma, "delete", vmid=103)).text
    assert lost.count("4 snapshots") == 1, "they are lost with the guest"
    assert lost.index("What is lost:") < lost.index("4 snapshots") < lost.index("What is left to go back to:")


async def test_without_a_backup_it_says_so(scene: Stage) -> None:
    assert "no backup that the bot may see" in (await scene.say(scene.emma, "delete", vmid=104)).text


async def test_a_storage_of_backups_that_is_away_is_named(scene: Stage, pve: Pve) -> None:
    pve.fill_storage("nfs-backup", None)
    question = (await scene.say(scene.emma, "stop", vmid=101)).text
    assert "could not be asked for backups: `nfs-backup`" in question
    assert "no backup that the bot may see" in question


@pytest.mark.parametrize("trouble", [595, 403, 500])
async def test_what_cannot_be_read_does_not_hide_the_question(scene: Stage, pve: Pve, trouble: int) -> None:
    pve.fail("GET", "/nodes/pve1/storage", trouble, "no")
    question = await scene.say(scene.emma, "stop", vmid=101)
    assert "backups: not known just now" in question.text
    await scene.press(scene.emma, question, "Switch off web01")
    assert pve.vm(101).status == "stopped"


async def test_a_storage_that_hangs_does_not_keep_the_question_waiting(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BACKUP_SECONDS < FALLBACK_SECONDS <= 10
    pve.keep_backup(101, 2.0, 3.0, "local")
    monkeypatch.setattr("proxmox_client.BACKUP_SECONDS", 0.3)
    pve.hang("/storage/nfs-backup/content", 2.0, times=1)
    question = await scene.say(scene.emma, "stop", vmid=101)
    assert "last backup: <t:" in question.text and "`local` · 3.0 GiB" in question.text
    assert "could not be asked for backups: `nfs-backup`" in question.text
    monkeypatch.setattr("core.planning.FALLBACK_SECONDS", 0.3)
    pve.hang("/nodes/pve1/storage", 2.0, times=1)
    assert "backups: not known just now" in (await scene.say(scene.akiko, "stop", vmid=101)).text


async def test_what_is_carried_out_reads_no_backups(scene: Stage, pve: Pve) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    before = len(scene.sent("GET", "/storage"))
    assert before > 0
    await scene.press(scene.emma, question, "Switch off web01")
    assert len(scene.sent("GET", "/storage")) == before
