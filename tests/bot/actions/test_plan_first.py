"""Test the plan shown before the red button: what would happen, and what remains to go back to.

Dry runs end there.
"""

import asyncio
import re
from typing import Any

import pytest

from adapters.proxmox.client_reads import BACKUPS_SECONDS
from adapters.proxmox.transport.http import QUICK_SECONDS, READ_SECONDS
from core.actions.planner import FALLBACK_SECONDS
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.guest import State
from core.guest_errors import GuestProtected, WrongState
from core.operations import Operation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from ui.messages.operations import operation_noun

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
DRY = walked(
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
async def test_a_dry_run_shows_the_plan_and_ends(scene: Stage, command: str, options: dict[str, Any]) -> None:
    before = scene.cluster()
    dry = await scene.say(scene.emma, command, **options, dry_run=True)
    assert [button.label for button in post_of(dry).buttons] == [scene.t()("Details")]
    assert not dry.ephemeral
    asked = await scene.say(scene.emma, command, **options)
    head, _, plan = dry.text.partition("\n")
    action = operation_noun(scene.t(), Operation(command.replace("snapshot ", "snapshot_")))
    assert head == f"### 🔍 {scene.t()('Dry run: {action}', action=action)}", "it does not ask"
    plan, foot, again = plan.rsplit("\n", 2)
    assert foot == f"-# {scene.t()('Nothing was done.')}"
    assert again.startswith(f"-# </{command}:"), "the command is the next step"
    assert asked.text.partition("\n")[2].startswith(plan), "it is the plan that is then asked about"
    assert scene.cluster() == before
    assert scene.changes() == []
    scene.clock.skip(61)
    await scene.settled()
    records = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 2))[0]]
    assert [record.step for record in records] == [AuditStep.PLANNED, AuditStep.PLANNED]


async def test_a_dry_run_says_no_as_the_real_one_does(scene: Stage) -> None:
    for command, vmid, error in (
        ("delete", 101, WrongState(101, "web01", "delete", State.RUNNING)),
        ("delete", 102, GuestProtected(102, "db01")),
        ("stop", 104, WrongState(104, "palworld", "stop", State.STOPPED)),
    ):
        scene.assert_refused(await scene.say(scene.emma, command, vmid=vmid, dry_run=True), scene.emma, error)


async def test_the_last_backup_and_the_snapshots_that_stay(scene: Stage, pve: Pve) -> None:
    stop = (await scene.say(scene.emma, "stop", vmid=101)).text
    assert "Restore points" in stop
    assert "Last backup · 2 in total\n-# <t:" in stop
    assert "\n-# `nfs-backup` · 4.2 GiB" in stop
    assert "2 snapshots\n-# newest: `nginx-ok`" in stop
    rollback = (await scene.say(scene.akiko, "snapshot rollback", vmid=103, name="before-event")).text
    assert "18.0 GiB" in rollback
    assert "4 snapshots" in rollback
    assert rollback.count("`before-event`") == 1, "it is shown above"
    single = (await scene.say(scene.akiko, "snapshot delete", vmid=204, name="weekly")).text
    assert "1.1 GiB" in single
    assert "No snapshots" in single, "the one that goes is none to go back to"
    pve.crash(103)
    lost = (await scene.say(scene.emma, "delete", vmid=103)).text
    assert lost.count("4 snapshots") == 1, "they are lost with the guest"
    assert lost.index("This will be lost:") < lost.index("4 snapshots") < lost.index("Restore points")


async def test_without_a_backup_it_says_so(scene: Stage) -> None:
    assert "No backups found" in (await scene.say(scene.emma, "delete", vmid=104)).text


async def test_a_storage_of_backups_that_is_away_is_named(scene: Stage, pve: Pve) -> None:
    pve.fill_storage("nfs-backup", None)
    question = (await scene.say(scene.emma, "stop", vmid=101)).text
    assert "Cannot list the backups on: `nfs-backup`" in question
    assert "No backups found" in question


@pytest.mark.parametrize("trouble", [595, 403, 500])
async def test_unreadable_details_do_not_hide_the_question(scene: Stage, pve: Pve, trouble: int) -> None:
    pve.fail("GET", "/nodes/pve1/storage", trouble, "no")
    question = await scene.say(scene.emma, "stop", vmid=101)
    assert "backups: currently unknown" in question.text
    await scene.press(scene.emma, question, "Force-stop web01")
    assert pve.vm(101).status == "stopped"


async def test_a_storage_that_hangs_is_named_and_holds_nothing_up(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several storages may hang: another storage's answer is shown, and other calls go on.

    They hang beyond every time-out, so that an error nobody waits for would show.
    """
    assert QUICK_SECONDS + BACKUPS_SECONDS < FALLBACK_SECONDS < READ_SECONDS
    monkeypatch.setattr("adapters.proxmox.transport.http.QUICK_SECONDS", 1.0)
    monkeypatch.setattr("adapters.proxmox.client_reads.BACKUPS_SECONDS", 1.8)
    for name in ("a-dead", "b-dead", "c-dead", "d-dead"):
        pve.storages[name] = {**pve.storages["nfs-backup"], "volumes": {}}
        pve.hang(f"/storage/{name}/content", 3.0, times=9)
    pve.storages["a-good"] = {**pve.storages["local"], "volumes": {}}
    pve.keep_backup(101, 0.5, 3.0, "a-good")
    asked = asyncio.create_task(scene.say(scene.emma, "stop", vmid=101))
    await scene.until(lambda: len(scene.sent("GET", "-dead/content")) >= 1)
    other = await scene.server.slash(scene.akiko, scene.channel, "info", vmid=104)
    await other.until("palworld")
    assert not asked.done()
    text = (await asked).text
    assert "Last backup\n-# <t:" in text
    assert re.search("`a-good`.+3.0 GiB", text, re.DOTALL)
    assert "Cannot list the backups on:" in text
    assert all(f"`{name}`" in text for name in ("a-dead", "b-dead", "c-dead", "d-dead"))
    await asyncio.sleep(2.2)  # calls under way end while the stage still listens


async def test_a_list_of_storages_or_snapshots_that_hangs(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.actions.planner.FALLBACK_SECONDS", 0.3)
    monkeypatch.setattr("adapters.proxmox.transport.http.QUICK_SECONDS", 0.6)
    monkeypatch.setattr("adapters.proxmox.transport.http.READ_SECONDS", 0.6)
    pve.hang("/nodes/pve1/storage", 1.0, times=1)
    pve.hang("/qemu/101/snapshot", 1.0, times=1)
    text = (await scene.say(scene.akiko, "stop", vmid=101)).text
    assert "backups: currently unknown" in text
    assert "snapshots: currently unknown" in text
    await asyncio.sleep(1.0)


async def test_carrying_out_an_action_reads_no_backups(scene: Stage) -> None:
    question = await scene.say(scene.emma, "stop", vmid=101)
    before = len(scene.sent("GET", "/storage"))
    assert before > 0
    await scene.press(scene.emma, question, "Force-stop web01")
    assert len(scene.sent("GET", "/storage")) == before
