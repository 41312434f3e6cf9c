"""Test the audit trail of unusual attempts: refused presses, cancellations, lost ends and odd outcomes."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import discord
import pytest

from adapters.journal.store import SqliteJournal
from core.actions.result import ResultReader
from core.audit.record import AuditRecord, AuditStep, Ending, ending_of
from core.audit.store import AuditEntry, AuditFilter, NewRecord
from core.audit.trail import AuditTrail
from core.errors import JournalFailed, Refused
from core.operations import Operation
from playground.pve.server import Pve
from tests.support import stage
from tests.support.fakes import AKIKO, FakeClock, FakeWorld, guest
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import at_once, rows_of
from ui.audit.csv_file import csv_cell

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
unhurried = stage.unhurried


def trail(scene: Stage, **wanted: Any) -> list[AuditRecord]:
    return [each.record for each in rows_of(scene.site.journal).audit_page(AuditFilter(**wanted), 0, 50)[0]]


# -- what it was about


async def test_a_refused_press_is_found_under_its_guest(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    await scene.say(cast["admin"], "monitor add", vmid=101)
    await scene.poll()
    panel = await scene.say(cast["admin"], "info", vmid=101)
    pve.crash(101)
    await scene.poll()
    await scene.delivered()
    pve.revive(101)
    question = await scene.say(cast["admin"], "stop", vmid=101)
    alert = scene.server.messages(scene.alerts)[-1]
    yes = post_of(question).buttons[0].custom_id or ""
    presses: list[tuple[Any, str]] = [
        (panel, "Reboot"),
        (panel, "Refresh"),
        (alert, "Start"),
        (alert, "Acknowledge"),
        (question, yes),
    ]
    for on, button in presses:
        await scene.press(cast["nobody"], on, button)
    found = trail(scene, vmid=101, person_id=cast["nobody"].id)
    assert [(each.step, each.operation) for each in reversed(found)] == [
        (AuditStep.REFUSED, "reboot"),
        (AuditStep.REFUSED, "info"),
        (AuditStep.REFUSED, "start"),
        (AuditStep.REFUSED, "acknowledge"),
        (AuditStep.REFUSED, "stop"),
    ]
    assert {(each.guest, each.node) for each in found} == {("web01", "pve1")}


async def test_a_question_about_a_protected_guest_is_not_recorded_as_a_refusal(bare_scene: Stage) -> None:
    scene = bare_scene
    await scene.start_bot(PROTECTED_VM_IDS="101")
    for command, options in (("reboot", {}), ("resize", {"cores": 4})):
        await scene.say(scene.emma, command, vmid=101, **options)
    assert [(each.step, each.operation) for each in trail(scene)] == [
        (AuditStep.PLANNED, "resize"),
        (AuditStep.PLANNED, "reboot"),
    ]


async def test_a_cancel_and_a_dry_run_are_told_apart(scene: Stage) -> None:
    await scene.say(scene.emma, "stop", vmid=101, dry_run=True)
    question = await scene.say(scene.emma, "stop", vmid=101)
    await scene.press(scene.emma, question, "Cancel")
    cancelled, asked, dry = trail(scene)
    assert [ending_of(each) for each in (cancelled, asked, dry)] == [
        Ending.CANCELLED,
        Ending.SHOWN,
        Ending.SHOWN,
    ]
    assert (dry.detail, asked.detail) == ("dry_run=True", "")
    assert cancelled.vmid == 101
    assert cancelled.guest == "web01"


async def test_given_values_are_kept(scene: Stage) -> None:
    await scene.say(scene.emma, "list", status="running", node="pve2")
    await scene.say(scene.emma, "snapshot create", vmid=101, name="abc", description="why not")
    await scene.say(scene.emma, "monitor add", vmid=101, cpu=0, memory=80)
    added, taken, listed = trail(scene)
    assert added.detail == "cpu=0 memory=80", "0 switches a threshold off"
    assert listed.detail == "status=running node=pve2"
    assert "description=why not" in taken.detail


async def test_the_reason_of_a_wrong_form_is_kept(bare_scene: Stage) -> None:
    scene = bare_scene
    await scene.start_bot(PROTECTED_VM_IDS="101")
    question = await scene.say(scene.emma, "stop", vmid=101)
    form = await scene.press(scene.emma, question, post_of(question).buttons[0].custom_id or "")
    await scene.submit(scene.emma, form, {"name": "web02", "reason": "in a hurry"})
    record = trail(scene)[0]
    assert (record.step, record.reason) == (AuditStep.REFUSED, "in a hurry")
    assert "web02" in record.detail


async def test_a_command_of_another_version_is_kept(scene: Stage) -> None:
    scene.expected_errors.append("unexpected error")
    scene.bot.tree.remove_command("list", guild=discord.Object(scene.guild.id))
    await scene.say(scene.emma, "list")
    record = trail(scene)[0]
    assert (record.step, record.operation, record.outcome) == (AuditStep.REFUSED, "list", "CommandNotFound")


# -- how it ended


async def test_an_outage_is_no_refusal(scene: Stage, pve: Pve) -> None:
    pve.fail("GET", "/cluster/resources", 595, "no route to host", times=9)
    scene.clock.skip(30)
    await scene.say(scene.emma, "info", vmid=101)
    await scene.say(scene.emma, "stop", vmid=101)
    assert {ending_of(each) for each in trail(scene)} == {Ending.FAILED}
    assert {each.step for each in trail(scene)} == {AuditStep.ENDED}


async def test_a_good_task_that_did_not_work_is_not_done(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ResultReader, "_settle", never_settles)  # the guest does not start
    await scene.say(scene.emma, "start", vmid=104)
    assert ending_of(trail(scene)[0]) is Ending.UNKNOWN


async def never_settles(*_: object) -> tuple[None, bool]:
    return None, False


async def test_a_test_alert_that_did_not_arrive_is_not_done(scene: Stage) -> None:
    scene.expected_statuses.add(403)
    scene.expected_errors.append("giving up an alert")  # a moment after the answer
    scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 403, times=9)
    await scene.say(scene.emma, "monitor test")
    assert ending_of(trail(scene)[0]) is Ending.FAILED


class Moody(SqliteJournal):
    """Simulate a journal whose disk is full for a while."""

    full = False

    def audit_add_all(self, records: Sequence[NewRecord]) -> tuple[int, ...]:
        if self.full:
            raise JournalFailed("database or disk is full")
        return super().audit_add_all(records)


@pytest.fixture
def moody(tmp_path: Path) -> Iterator[Moody]:
    made = Moody(tmp_path / "journal.db")
    made.open()
    yield made
    made.close()


def ended(journal: SqliteJournal) -> list[tuple[str, str]]:
    found: tuple[AuditEntry, ...] = journal.audit_page(AuditFilter(), 0, 50)[0]
    return [(each.record.operation, each.record.outcome) for each in found]


async def test_an_end_that_could_not_be_written_is_written_later(moody: Moody) -> None:
    clock = FakeClock()
    audit = AuditTrail(at_once(moody), clock)
    asked = await audit.record_first(AuditRecord(AuditStep.ASKED, AKIKO, "start", 101))
    moody.full = True
    audit.record(AuditRecord(AuditStep.ENDED, AKIKO, "start", 101, outcome="OK"), asked)
    await audit.flush()
    assert ended(moody) == [("start", "")]
    moody.full = False
    clock.mono += 60
    audit.record(AuditRecord(AuditStep.ENDED, AKIKO, "list", outcome="OK"))
    await audit.flush()
    assert ended(moody) == [("list", "OK"), ("start", "OK")]
    moody.full = True
    audit.record(AuditRecord(AuditStep.REFUSED, AKIKO, "stop", outcome="NotHere()"))
    await audit.flush()
    moody.full = False
    await audit.flush()
    assert ended(moody)[0] == ("stop", "NotHere()")
    await audit.flush()
    assert len(ended(moody)) == 3


# -- the file


@walked(
    "text",
    [
        "=1+1",
        "x;=cmd|'/C calc'!A0",
        "x\t+1",
        "x;  @SUM(A1)",
        "x|=1",
        "ab\u202egpj.exe",
        "a\r\n=1+1",
        "\u200b=1",
    ],
)
def test_no_text_of_the_file_is_a_formula_in_any_country(text: str) -> None:
    made = str(csv_cell(text))
    assert "\u202e" not in made
    assert "\n" not in made
    for separator in ";\t|,":
        for part in made.split(separator):
            assert not part.strip().startswith(("=", "+", "-", "@")), (made, separator)


async def test_every_cell_is_quoted_and_read_back(scene: Stage) -> None:
    await scene.say(scene.emma, "info", vmid=101)
    reply = await scene.say(scene.emma, "audit", csv=True)
    text = scene.server.attached(post_of(reply), "audit.csv").decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][0] == "attempt"
    assert len({len(row) for row in rows}) == 1
    assert all(line.startswith('"') and line.endswith('"') for line in text.strip().split("\r\n"))


@pytest.mark.usefixtures("unhurried")
async def test_a_file_that_discord_does_not_take_is_reported(scene: Stage) -> None:
    scene.expected_statuses.add(413)
    scene.server.ack_limit = 3.0
    scene.server.fail("POST", "/callback", 413, times=1)
    reply = await scene.say(scene.emma, "audit", csv=True)
    assert "Discord did not accept the file" in reply.text


# -- what is left empty


async def test_a_row_of_a_plan_has_no_duration() -> None:
    """`seconds` measures only work that was carried out."""
    world = FakeWorld([guest(101)])
    await world.executor.plan(world.order(Operation.STOP))
    with pytest.raises(Refused):
        await world.executor.plan(world.order(Operation.START))
    planned, refused = world.ledger.entries
    assert [each.step for each in (planned, refused)] == [AuditStep.PLANNED, AuditStep.REFUSED]
    assert planned.seconds == refused.seconds == 0.0


@pytest.mark.parametrize("custom_id", ["p9:forged", "g1:start:101:zzzz", "z9:" + "x" * 90])
async def test_an_unknown_press_is_recorded_by_its_custom_id_alone(scene: Stage, custom_id: str) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    await scene.press(scene.emma, post_of(panel), custom_id, force=True)
    record = trail(scene)[0]
    assert (record.step, record.operation, record.detail) == (AuditStep.REFUSED, custom_id, "")
    assert (record.vmid, record.guest, record.reason) == (None, "", "")
