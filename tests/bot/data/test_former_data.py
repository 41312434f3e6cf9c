"""Test that the bot goes on from data directories of former versions, as those bots left them when they were killed.

tests/support/former_data.py describes their content. Every row and field is checked in
tests/adapters/journal/test_former_rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.audit.record import NOTHING_STARTED, AuditStep
from core.audit.store import AuditFilter
from core.errors import ChangedMeanwhile, QuestionOver
from core.tasks import TaskEnd
from core.watch.incidents.model import Metric
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage as stages
from tests.support.former_data import ALL, OF_25, OF_26, READ_ONLY, FormerData
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import rows_of
from ui.formatting import person

bare_scene, pve, language = stages.bare_scene, stages.pve, stages.language


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected results of a directory.

    `limits`: the thresholds by VMID (CPU, memory, disk). `open`: the subjects of the open incidents. `told`: the
    messages that waited, by some words of each. `attempts`: their number in the trail. `ends`: the results that are
    found out for attempts that were cut off, by operation and VMID. `ids_kept`: whether the bot of that day stored
    people's ids.
    """

    watched: tuple[int, ...]
    limits: dict[int, tuple[int | None, int | None, int | None]]
    open: tuple[str, ...]
    told: tuple[str, ...]
    attempts: int
    ends: dict[tuple[str, int], str]
    ids_kept: bool


EXPECTED = {
    OF_25.name: Expected(
        watched=(101, 102, 103, 201, 202),
        limits={101: (90, 80, None)},
        open=("guest/101", "guest/103", "guest/201"),
        told=("**201** `dns`",),
        attempts=14,
        ends={("shutdown", 102): NOTHING_STARTED},
        ids_kept=False,
    ),
    OF_26.name: Expected(
        watched=(
            101,
            102,
            103,
            105,
            107,
            108,
            109,
            110,
            201,
            202,
            203,
            204,
            1000,
            1001,
            1002,
            1003,
            1004,
            1005,
        ),
        limits={101: (90, 80, None), 201: (None, None, 85), 202: (95, 90, 80)},
        open=(
            *(
                "group",
                "guest/101",
                "guest/102",
                "guest/103",
                "guest/107",
                "guest/109",
                "guest/201",
                "guest/202",
            ),
            *("node/pve3", "node/pve4", "node/pve4", "storage/nfs-backup", "storage/pve1/local-lvm"),
        ),
        told=(
            "no new data from node `pve4`",
            "**107** `nas` has stopped",
            "**108** `router` is stable",
            "Node `pve3` went offline",
            "**201** `dns`: disk usage over 85%",
            "Storage `local-lvm` on `pve1` over 90%",
            "Shared storage `nfs-backup` over 90%",
            "The state of **110** `build` is unknown",
            "**102** `db01` recovered at",
            "**102** `db01` recovered after 1 min",
            "**102** `db01` recovered at",
            "**102** `db01` recovered after 1 min",
            "**102** `db01` keeps stopping and recovering; see the separate alert",
            "**102** `db01` keeps stopping and recovering\nVM · `pve1` ·",
            "monitoring resumed at",
            "Connected to Proxmox again",
        ),
        attempts=47,
        ends={("shutdown", 203): TaskEnd.VANISHED, ("start", 104): NOTHING_STARTED},
        ids_kept=True,
    ),
}


@pytest.fixture(params=ALL, ids=lambda former: former.name)
def former(request: pytest.FixtureRequest) -> FormerData:
    data: FormerData = request.param
    return data


@pytest.fixture
def expected(former: FormerData) -> Expected:
    return EXPECTED[former.name]


@pytest.fixture
async def scene(bare_scene: Stage, pve: Pve, former: FormerData) -> Stage:
    """Provide the new bot over that directory, and the cluster as it was."""
    former.restore(bare_scene)
    former.cluster(pve)
    audits = bare_scene.guild.create_text_channel("audit", category=bare_scene.category)
    bare_scene.expected_statuses.add(404)  # the messages of that time are not in this Discord
    await bare_scene.start_bot(AUDIT_CHANNEL_ID=str(audits.id))
    return bare_scene


only_26 = pytest.mark.parametrize("former", [OF_26], ids=[OF_26.name], indirect=True)


async def open_to_changes(scene: Stage) -> SeenMessage:
    """Allow changes again. Return the message of a panel, on which the buttons of that day can be pressed."""
    assert (await scene.say(scene.akiko, "readonly off")).text
    assert scene.site.authorizer.read_only.refusal is None
    return post_of(await scene.say(scene.emma, "info", vmid=104))


async def press(scene: Stage, post: SeenMessage, custom_id: str) -> PressResult:
    """Let Emma press a button that is not there any more."""
    scene.clock.skip(10.0)  # so that no rate limit applies
    return await scene.whole(scene.server.click(scene.emma, post, custom_id, force=True))


def told_by(reply: PressResult) -> str:
    return "\n".join([reply.text, *(each.text for each in reply.followups)])


async def test_the_watch_list_is_whole(scene: Stage, expected: Expected) -> None:
    entries = scene.site.watch.entries
    assert tuple(entry.vmid for entry in entries) == expected.watched
    limits = {each.vmid: tuple(each.limit(metric) for metric in Metric) for each in entries}
    assert {vmid: limit for vmid, limit in limits.items() if any(limit)} == expected.limits


async def test_nothing_is_lost_and_nothing_reported_twice(scene: Stage, expected: Expected) -> None:
    watch = scene.site.watch
    emma, akiko = (scene.emma.id, scene.akiko.id) if expected.ids_kept else (0, 0)
    assert tuple(sorted(each.subject for each in watch.state.open.values())) == expected.open
    (acked,) = [each for each in watch.state.open.values() if each.acked is not None]
    assert (acked.subject, acked.acked_by, acked.acked_by_id) == ("guest/101", "Akiko", akiko)
    assert {mute.target: (mute.by, mute.by_id) for mute in watch.alerts.mutes()} == {
        "guest/103": ("Emma", emma),
        "node/pve2": ("Emma", emma),
    }
    await scene.delivered()
    await scene.poll(3)
    await scene.delivered()
    told = scene.alerts_told()
    assert len(told) == len(expected.told), told
    for text, words in zip(told, expected.told, strict=True):
        assert words in text, "what waited is sent, and nothing again"
    history = (await scene.say(scene.emma, "monitor history", vmid=101)).text
    assert f"acknowledged by {person('Akiko', akiko)}" in history


async def test_changes_stay_switched_off_in_both_places(scene: Stage, expected: Expected) -> None:
    akiko = scene.akiko.id if expected.ids_kept else 0
    held = scene.site.authorizer.read_only.refusal
    assert held is not None
    assert (held.by, held.by_id) == ("Akiko", akiko)
    reply = await scene.say(scene.emma, "start", vmid=104)
    scene.assert_refused(reply, scene.emma, held)
    assert person("Akiko", akiko) in reply.text
    scene.expected_errors.append("The journal was missing")
    for place in ("journal.db*", READ_ONLY):  # the second place is written at the first start
        await scene.stop_bot()
        for path in scene.directory.glob(place):
            path.unlink()
        await scene.start_bot()
        again = scene.site.authorizer.read_only.refusal
        assert again is not None, f"without {place}"
        assert (again.by, again.by_id, again.since) == (held.by, held.by_id, held.since)


async def test_a_former_trail_goes_on(scene: Stage, expected: Expected) -> None:
    journal = rows_of(scene.site.journal)
    found, total = journal.audit_page(AuditFilter(), 0, 50)
    assert total == expected.attempts
    oldest = found[-1].record
    assert (oldest.operation, oldest.vmid, oldest.actor.user_id) == ("monitor_add", 101, scene.emma.id)
    assert oldest.times == 1
    assert oldest.message_id is None
    await scene.until(lambda: not journal.audit_open(), "what was under way is found out about")
    for (operation, vmid), outcome in expected.ends.items():
        ended = journal.audit_page(AuditFilter(vmid, operation=operation), 0, 1)[0][0].record
        assert (ended.step, ended.outcome) == (AuditStep.ENDED, outcome)
    page = await scene.say(scene.emma, "audit")
    assert "**Shutdown**" in page.text
    assert " · not started" in page.text
    assert "Found out later" in scene.server.messages(scene.channel)[0].text


@only_26
async def test_former_errors_are_reported_in_words(scene: Stage) -> None:
    """Errors are in the trail as that day's bot wrote them."""
    words = {
        107: ("`snapshot feature is not",),
        205: ("read-only mode", "refused by Proxmox", "not possible in this state"),
        4711: ("guest not found or hidden",),
        4712: ("guest not found or hidden · ×6",),
    }
    for vmid, expected in words.items():
        page = (await scene.say(scene.emma, "audit", vmid=vmid)).text
        assert [each for each in expected if each not in page] == [], page


async def test_former_buttons_work(scene: Stage, pve: Pve, former: FormerData) -> None:
    post, watch = await open_to_changes(scene), scene.site.watch
    await press(scene, post, former.custom_id("panel of 104", "Start"))
    assert pve.vm(104).status == "running"
    shown = await press(scene, post, former.custom_id("panel of 104", "Refresh"))
    assert "**104** `palworld`" in shown.text
    assert "**running**" in shown.text
    await press(scene, post, former.custom_id("🔴 **101**", "Start"))
    assert pve.vm(101).status == "running"
    details = await press(scene, post, former.custom_id("🔴 **103**", "Details"))
    assert "**103** `minecraft`" in details.text
    assert details.ephemeral
    await press(scene, post, former.custom_id("🔴 **103**", "Acknowledge"))
    (acked,) = [each for each in watch.state.open.values() if each.subject == "guest/103"]
    assert (acked.acked_by, acked.acked_by_id) == ("Emma", scene.emma.id)
    last = "🔴 **201**" if former is OF_25 else "⚠️ **201**"
    await press(scene, post, former.custom_id(last, "Mute 1 h"))
    assert "guest/201" in {mute.target for mute in watch.alerts.mutes()}
    await scene.say(scene.emma, "monitor unmute", target="pve2")
    await scene.poll(2)
    await scene.delivered()
    assert "guest/101" not in {each.subject for each in watch.state.open.values()}


async def test_former_buttons_reach_no_other_guest(scene: Stage, pve: Pve, former: FormerData) -> None:
    post = await open_to_changes(scene)
    pve.vm(104).name = pve.vm(104).config["name"] = "another"
    before = len(scene.changes())
    reply = await press(scene, post, former.custom_id("panel of 104", "Start"))
    assert scene.told(scene.emma, ChangedMeanwhile(104)) in told_by(reply)
    assert len(scene.changes()) == before


@only_26
async def test_former_panels_work_as_a_whole(scene: Stage, pve: Pve, former: FormerData) -> None:
    post = await open_to_changes(scene)
    for panel, guest in (("panel of 104", pve.vm(104)), ("panel of 201", pve.ct(201))):
        for button, status in (("Start", "running"), ("Reboot", "running"), ("Shutdown", "stopped")):
            before = len(scene.changes())
            await press(scene, post, former.custom_id(panel, button))
            assert guest.status == status
            assert len(scene.changes()) == before + (0 if (panel, button) == ("panel of 201", "Start") else 1)


@only_26
async def test_every_kind_of_alert_is_answered(scene: Stage, former: FormerData) -> None:
    alerts = {
        "🔴 Still going on after 1 h 2 min: **103**": "guest/103",
        "⚠️ **201** `dns`": "guest/201",
        "⚠️ Storage `local-lvm`": "storage/pve1/local-lvm",
        "⚠️ Shared storage `nfs-backup`": "storage/nfs-backup",
        "🔴 6 guests": "group",
    }
    post, watch = await open_to_changes(scene), scene.site.watch
    for alert, subject in alerts.items():
        until = []
        for button in ("Acknowledge", "Mute 1 h", "Mute 8 h"):
            await press(scene, post, former.custom_id(alert, button))
            (answered,) = [each for each in watch.state.open.values() if each.subject == subject]
            assert answered.acked_by_id == scene.emma.id
            until.append(answered.muted_until or 0.0)
        assert until[1] <= until[2], alert
        assert until[2] > scene.clock.now(), alert
    assert {f"storage/{name}" for name in ("nfs-backup", "pve1/local-lvm")} <= {
        mute.target for mute in watch.alerts.mutes()
    }


@only_26
async def test_former_pages_turn(scene: Stage, former: FormerData) -> None:
    pages = {"p1:list:next": "2/3", "p1:watch:next": "2/2", "p1:history:next": "2/3", "p1:audit:last": "4/4"}
    post = await open_to_changes(scene)
    for begin, foot in pages.items():
        (custom_id,) = [each for each in former.custom_ids() if each.startswith(begin)]
        reply = await press(scene, post, custom_id)
        assert f"-# {foot} " in reply.text, custom_id


@only_26
async def test_former_questions_are_over(scene: Stage, former: FormerData) -> None:
    post = await open_to_changes(scene)
    questions = [each for each in former.custom_ids() if each.startswith("q1:")]
    assert len(questions) == 4
    for custom_id in questions:
        reply = await press(scene, post, custom_id)
        assert scene.told(scene.emma, QuestionOver()) in told_by(reply)
    assert scene.changes() == []
