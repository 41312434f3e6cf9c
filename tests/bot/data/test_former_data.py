"""Test that the data directory of the previous version is opened without loss, as left by a killed bot.

tests/fixtures/data_of_2026_11_25 was written by the bot of that day on the demo's cluster. It holds five guests
on the watch list, three of them down (one alert acknowledged, one muted, one still waiting for Discord), two
mutes, a `/shutdown` under way, and `/readonly on`.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from adapters.journal.store import JournalReport, OpenOutcome, SqliteJournal
from core.audit.trail import NOTHING_STARTED, AuditFilter, AuditStep
from core.errors import ChangedMeanwhile
from core.watch.incidents.model import Metric
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage as stages
from tests.support.stage import Stage, post_of

bare_scene, pve, language = stages.bare_scene, stages.pve, stages.language

DATA = Path(__file__).parents[2] / "fixtures" / "data_of_2026_11_25"
LEFT_AT = 1_795_699_340.0
"""Unix time at which that bot was killed."""
GUILD, CATEGORY, CHANNEL, ALERTS, AUDITS, EMMA, AKIKO = (
    *("1575500275450380288", "1575500275450380291", "1575500275450380292", "1575500275450380293"),
    *("1575500275454574592", "1575500275450380296", "1575500275450380295"),
)
ACKED, MUTED, WAITING = 1_795_698_938, 1_795_698_940, 1_795_698_942
"""Its incidents: of 101, of 103 and of 201."""
PANEL_OF_104 = "g1:{verb}:104:d3c41065"
"""Button of a panel that it sent."""


def restore(scene: Stage) -> None:
    """Restore the directory for the people and channels of this stage, and set the clock to its time."""
    script = (DATA / "journal.sql").read_text("utf-8")
    here = {
        GUILD: scene.guild.id,
        CATEGORY: scene.category.id,
        CHANNEL: scene.channel.id,
        ALERTS: scene.alerts.id,
        EMMA: scene.emma.id,
        AKIKO: scene.akiko.id,
    }
    for was, now in here.items():
        script = script.replace(was, str(now))
    path = scene.directory / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    path.chmod(0o600)
    (scene.directory / "monitor_list.json").write_bytes((DATA / "list.json").read_bytes())
    scene.clock.wall = LEFT_AT - time.time()


@pytest.fixture
async def scene(bare_scene: Stage, pve: Pve) -> Stage:
    """Start the new bot on that directory. Three guests have been down since then."""
    scene = bare_scene
    restore(scene)
    for vmid in (101, 103, 201):
        pve.crash(vmid)
    audits = scene.guild.create_text_channel("audit", category=scene.category)
    scene.expected_statuses.add(404)  # the messages of that time do not exist in this Discord
    await scene.start_bot(AUDIT_CHANNEL_ID=str(audits.id))
    return scene


async def test_nothing_is_lost_and_nothing_told_twice(scene: Stage) -> None:
    services = scene.services
    assert [entry.vmid for entry in services.watch.entries] == [101, 102, 103, 201, 202]
    entry = services.watch.find(101)
    assert entry is not None and (entry.limit(Metric.CPU), entry.limit(Metric.MEMORY)) == (90, 80)
    assert sorted(services.watch.state.open) == [ACKED, MUTED, WAITING]
    assert {mute.target: (mute.by, mute.by_id) for mute in services.watch.mutes()} == {
        "guest/103": ("Emma", 0),
        "node/pve2": ("Emma", 0),
    }
    await scene.delivered()
    await scene.poll(3)
    await scene.delivered()
    (told,) = scene.alerts_told()
    assert "**201** `dns`" in told and "🔴" in told, "what waited is sent, and nothing again"
    assert "acknowledged by `Akiko`" in (await scene.say(scene.emma, "monitor history")).text


async def test_changes_stay_switched_off_in_both_places(scene: Stage) -> None:
    held = scene.services.authorizer.read_only.refusal
    assert held is not None and (held.by, held.by_id) == ("Akiko", 0)
    reply = await scene.say(scene.emma, "start", vmid=104)
    scene.assert_refused(reply, scene.emma, held)
    assert "`Akiko`" in reply.text and "(`0`)" not in reply.text
    await scene.stop_bot()
    for path in scene.directory.glob("journal.db*"):
        path.unlink()
    scene.expected_errors.append("The journal is gone")
    await scene.start_bot()
    again = scene.services.authorizer.read_only.refusal
    assert again is not None and again.by == "Akiko", "the second place was written at the first start"


async def test_its_trail_goes_on(scene: Stage) -> None:
    found, total = scene.services.journal.audit_page(AuditFilter(), 0, 50)
    assert total == 14
    oldest = found[-1].record
    assert (oldest.operation, oldest.vmid, oldest.actor.user_id) == ("monitor_add", 101, scene.emma.id)
    assert oldest.times == 1 and oldest.message_id is None

    def shutdown() -> bool:
        open_ = scene.services.journal.audit_open()
        return not [each for each in open_ if each.record.operation == "shutdown"]

    await scene.until(shutdown, "what was under way is found out about")
    ended = scene.services.journal.audit_page(AuditFilter(operation="shutdown"), 0, 1)[0][0].record
    assert (ended.step, ended.outcome, ended.vmid) == (AuditStep.ENDED, NOTHING_STARTED, 102)
    page = await scene.say(scene.emma, "audit")
    assert "**Shutdown**" in page.text and "not started: Proxmox has no task" in page.text
    assert "Found out afterwards" in scene.server.messages(scene.channel)[0].text


async def test_its_buttons_work(scene: Stage, pve: Pve) -> None:
    assert (await scene.say(scene.akiko, "readonly off")).text
    post = post_of(await scene.say(scene.emma, "info", vmid=104))

    async def press(button: str) -> SeenMessage | None:
        reply = await scene.server.click(scene.emma, post, button, force=True)
        await scene.settled()
        return reply.post

    await press(PANEL_OF_104.format(verb="start"))
    assert pve.vm(104).status == "running"
    await press(f"a1:start:{ACKED}")
    assert pve.vm(101).status == "running"
    await press(f"a1:ack:{MUTED}")
    await press(f"a1:mute1:{WAITING}")
    acked = scene.services.watch.state.open[MUTED]
    assert (acked.acked_by, acked.acked_by_id) == ("Emma", scene.emma.id)
    assert "guest/201" in {mute.target for mute in scene.services.watch.mutes()}
    await scene.say(scene.emma, "monitor unmute", target="pve2")
    await scene.poll(2)
    await scene.delivered()
    assert ACKED not in scene.services.watch.state.open


async def test_its_buttons_reach_no_other_guest(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.akiko, "readonly off")
    post = post_of(await scene.say(scene.emma, "info", vmid=104))
    pve.vm(104).name = pve.vm(104).config["name"] = "another"
    reply = await scene.server.click(scene.emma, post, PANEL_OF_104.format(verb="start"), force=True)
    await scene.settled()
    assert scene.told(scene.emma, ChangedMeanwhile(104)) in reply.text + "".join(
        each.text for each in reply.followups
    )
    assert scene.changes() == []


def test_the_file_is_read_as_it_is(bare_scene: Stage) -> None:
    restore(bare_scene)
    journal = SqliteJournal(bare_scene.directory / "journal.db")
    assert journal.open() == JournalReport(OpenOutcome.READ)
    journal.close()
