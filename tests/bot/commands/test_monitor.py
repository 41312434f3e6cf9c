"""Test all parts of /monitor, the list on disk, and the resulting incidents, over real sockets."""

import json
import time
from pathlib import Path

import pytest

from core.access.policy import InteractionKind
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import (
    AlreadyWatched,
    BotError,
    CannotWatchTemplate,
    JournalFailed,
    NotMuted,
    NotWatched,
    StoreFailed,
)
from core.guest_errors import GuestNotFound
from core.wanted_errors import BadAmount, BadDuration, BadVmid, UnknownTarget
from core.watch.incidents.model import ALL
from playground.discord.limits import walk
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked
from tests.support.watch.at_once import rows_of
from ui.formatting import title_of
from ui.messages.startup import journal_lost
from ui.watch.greeting import SIGN

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


async def poll(scene: Stage, times: int = 1, *, later: float = 60.0) -> None:
    """Run the next polls of the watch and wait until their alerts are sent."""
    await scene.poll(times, later=later)
    await scene.delivered()


def stored(scene: Stage) -> list[int]:
    document = json.loads((scene.directory / "monitor_list.json").read_text())
    return [entry["vmid"] for entry in document["guests"]]


def signs(scene: Stage) -> list[str]:
    return [text[0] for text in scene.alerts_told()]


async def watching(scene: Stage, *vmids: int) -> None:
    for vmid in vmids:
        await scene.say(scene.emma, "monitor add", vmid=vmid)
    await poll(scene)
    assert scene.alerts_told() == []


def posts_refused(scene: Stage, status: int = 503, times: int = 1000) -> None:
    scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", status, times)


# -- the list


@BOTH
async def test_add_list_and_remove(scene: Stage) -> None:
    t = scene.t()
    assert (
        t("No watched guests yet. Add one with `/monitor add`.")
        in (await scene.say(scene.akiko, "monitor list")).text
    )
    for vmid, name in ((201, "dns"), (101, "web01")):
        reply = await scene.say(scene.akiko, "monitor add", vmid=vmid)
        assert t("Now watching {guest}.", guest=title_of(vmid, name)) in reply.text
        assert not reply.ephemeral
    assert stored(scene) == [101, 201]
    await poll(scene)
    text = (await scene.say(scene.akiko, "monitor list")).text
    assert t.plural("{n} watched guest", "{n} watched guests", 2) in text
    assert text.index("**101**") < text.index("**201**")
    assert text.count("🟢 ") == 2
    assert text.count(t("up {time}", time="")) == 2
    assert text.count("<t:") == 1, "as of when"
    await scene.say(scene.akiko, "monitor mute", target="101", duration="8h")
    reply = await scene.say(scene.akiko, "monitor remove", vmid=101)
    assert t("{guest} was removed from the watch list.", guest=title_of(101, "web01")) in reply.text
    assert stored(scene) == [201]
    reply = await scene.say(scene.akiko, "monitor add", vmid=101)
    assert t("Muted until {time}.", time="").split("<")[0].strip("。. ") in reply.text, "the mute outlives it"
    assert scene.changes() == []


@walked(
    ("command", "options", "error"),
    [
        ("monitor add", {"vmid": 101}, AlreadyWatched(101, "web01")),
        ("monitor add", {"vmid": 9000}, CannotWatchTemplate(9000, "debian13-cloud")),
        ("monitor add", {"vmid": 999}, GuestNotFound(999)),
        ("monitor add", {"vmid": 0}, BadVmid("0")),
        ("monitor add", {"vmid": 102, "cpu": 9}, BadAmount("cpu", 9, 10, 100)),
        ("monitor add", {"vmid": 102, "memory": 101}, BadAmount("memory", 101, 10, 100)),
        ("monitor remove", {"vmid": 102}, NotWatched(102)),
        ("monitor remove", {"vmid": -7}, BadVmid("-7")),
        ("monitor mute", {"target": "all", "duration": "soon"}, BadDuration("soon")),
        ("monitor mute", {"target": "all", "duration": "31d"}, BadDuration("31d")),
        ("monitor mute", {"target": "nobody", "duration": "1h"}, UnknownTarget("nobody")),
        ("monitor mute", {"target": "guest/999", "duration": "1h"}, UnknownTarget("guest/999")),
        ("monitor unmute", {"target": "guest/101"}, NotMuted("guest/101")),
        ("monitor unmute", {"target": "all"}, NotMuted(ALL)),
        ("monitor unmute", {"target": "@everyone"}, UnknownTarget("@everyone")),
        ("monitor history", {"vmid": 7}, BadVmid("7")),
    ],
)
async def test_wrong_input_is_refused(
    scene: Stage, command: str, options: dict[str, object], error: BotError
) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, command, **options), person, error)
    assert stored(scene) == [101]
    assert scene.site.watch.alerts.mutes() == ()


async def test_thresholds_are_set_and_changed(scene: Stage) -> None:
    reply = await scene.say(scene.emma, "monitor add", vmid=201, cpu=90, disk=80)
    assert "Now watching" in reply.text
    assert "CPU 90%, disk 80%" in reply.text
    reply = await scene.say(scene.emma, "monitor add", vmid=201, cpu=95, memory=70)
    assert "thresholds of" in reply.text
    assert "CPU 95%, memory 70%, disk 80%" in reply.text
    assert "CPU 95%, memory 70%, disk 80%" in (await scene.say(scene.emma, "monitor list")).text
    await scene.restart_bot()
    assert "CPU 95%, memory 70%, disk 80%" in (await scene.say(scene.emma, "monitor list")).text


async def test_the_list_outlives_the_bot(scene: Stage) -> None:
    await watching(scene, 101, 201)
    await scene.restart_bot()
    text = (await scene.say(scene.emma, "monitor list")).text
    assert "**101** `web01`" in text
    assert "**201** `dns`" in text


async def test_the_first_list_comes_from_the_settings_and_an_old_bots_file_is_read(bare_scene: Stage) -> None:
    await bare_scene.start_bot(MONITOR_VM_IDS="101,201")
    assert stored(bare_scene) == [101, 201]
    await bare_scene.stop_bot()
    (bare_scene.directory / "monitor_list.json").write_text("[102, 103]")
    await bare_scene.start_bot(MONITOR_VM_IDS="101")
    text = (await bare_scene.say(bare_scene.emma, "monitor list")).text
    assert "**102**" in text
    assert "**103**" in text
    assert "**101**" not in text


async def test_states_from_an_old_list_raise_no_new_alert(bare_scene: Stage, pve: Pve) -> None:
    """A stop that the old list already knew is not reported again; a stop that it did not know is."""
    pve.crash_all((101, 102))
    document = {
        "version": 1,
        "guests": [{"vmid": 101, "state": "stopped", "alarmed": True}, {"vmid": 102, "state": "running"}],
    }
    (bare_scene.directory / "monitor_list.json").write_text(json.dumps(document))
    await bare_scene.start_bot()
    await poll(bare_scene, 2)
    (told,) = [text for text in bare_scene.alerts_told() if not text.startswith(SIGN)]
    assert "**102**" in told


async def test_a_list_that_cannot_be_saved_is_not_changed(scene: Stage, tmp_path: Path) -> None:
    await watching(scene, 101)
    (tmp_path / "monitor_list.json").unlink()
    (tmp_path / "monitor_list.json").mkdir()  # a rename over a directory fails for every user
    reply = await scene.say(scene.emma, "monitor add", vmid=201)
    scene.assert_private(reply)
    reason = reply.text.split("`")[1]
    assert reply.text == scene.told(scene.emma, StoreFailed(reason))
    assert "**201**" not in (await scene.say(scene.emma, "monitor list")).text


async def test_completions_offer_only_fitting_choices(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101, 103)
    labels = await scene.choices(scene.emma, "monitor remove", "vmid")
    assert [label.split()[1] for label in labels] == ["103", "101"], "the latest first"
    labels = await scene.choices(scene.emma, "monitor add", "vmid")
    assert [label.split()[1] for label in labels][:3] == ["102", "104", "105"]
    assert [label.split()[1] for label in labels][-2:] == ["103", "101"], "to change their thresholds"
    assert (await scene.choices(scene.emma, "monitor add", "vmid", "103"))[0].split()[1] == "103"
    pve.vms.remove(pve.vm(103))
    scene.clock.skip(11)
    assert await scene.choices(scene.emma, "monitor remove", "vmid") == ["🟢 101 web01 · pve1 · VM", "103"]
    await scene.say(scene.emma, "monitor remove", vmid=103)
    assert stored(scene) == [101]


async def test_a_long_list_is_paged(bare_scene: Stage, pve: Pve) -> None:
    for vmid in range(300, 325):
        pve.add_ct(vmid, f"extra-{vmid}", status="running")
    await bare_scene.start_bot(MONITOR_VM_IDS=",".join(str(vmid) for vmid in range(300, 325)))
    post = post_of(await bare_scene.say(bare_scene.emma, "monitor list"))
    assert "1/3" in post.text
    assert "**309**" in post.text
    assert "**310**" not in post.text
    following = next(button.custom_id for button in post.buttons if button.emoji == "▶️")
    await bare_scene.press(bare_scene.akiko, post, following or "")
    assert "2/3" in post.text
    assert "**310**" in post.text


async def test_a_dead_nodes_guest_is_not_listed_as_running(scene: Stage, pve: Pve) -> None:
    await watching(scene, 107)
    pve.node_offline("pve3")
    scene.clock.skip(11)
    text = (await scene.say(scene.emma, "monitor list")).text
    assert "unknown" in text
    assert "running" not in text


async def test_a_deleted_guest_goes_off_the_list(scene: Stage) -> None:
    await watching(scene, 104)
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, "Delete palworld…")
    await scene.submit(scene.emma, form, "palworld")
    assert "It was also removed from the watch list." in question.text
    assert stored(scene) == []


@BOTH
async def test_the_list_while_proxmox_is_away(scene: Stage, pve: Pve) -> None:
    """The list shows the known data and why it may be old."""
    await watching(scene, 101)
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await poll(scene)
    text = (await scene.say(scene.akiko, "monitor list")).text
    assert "**101** `web01`" in text
    assert text.splitlines()[1].startswith("⚠️")


# -- incidents


@BOTH
async def test_an_incident_is_one_message_and_a_short_one_at_its_end(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101, 201)
    t = scene.t()
    pve.crash(101)
    await poll(scene, 5)
    assert len(scene.alerts_told()) == 1
    opening = scene.server.messages(scene.alerts)[0]
    assert opening.text.startswith("🔴")
    for fact in (title_of(101, "web01"), t("VM"), "`pve1`", "<t:"):
        assert fact in opening.text
    pve.revive(101)
    await poll(scene, 3)
    assert len(scene.alerts_told()) == 2
    told = scene.alerts_told()
    assert told[0].startswith("🟢")
    assert opening.edited, "the first is rewritten"
    assert title_of(101, "web01") in told[0]
    assert title_of(101, "web01") in told[1]
    assert [button.custom_id for button in opening.buttons] == [
        f"a1:{what}:{_incident(scene)}" for what in ("details", "chart")
    ]
    assert scene.server.messages(scene.alerts)[1].buttons == []


def _incident(scene: Stage) -> int:
    return rows_of(scene.site.journal).history(None, 0, 1)[0][0].id


async def test_the_role_is_mentioned_at_the_opening_alone(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    role = scene.guild.create_role("on call")
    scene.mentionable.add(role.id)
    await scene.start_bot(ALERT_MENTION_ROLE_ID=str(role.id), ALERT_REPEAT_MINUTES="5")
    await watching(scene, 101)
    pve.crash(101)
    await poll(scene, 8)
    pve.revive(101)
    await poll(scene)
    sent = scene.server.requests("POST", f"/channels/{scene.alerts.id}/messages")
    assert [bool(request.body["allowed_mentions"].get("roles")) for request in sent] == [True, False, False]
    assert [f"<@&{role.id}>" in text for text in scene.alerts_told()] == [False, False, False]  # it is over
    assert "Still open" in scene.alerts_told()[1]
    edits = scene.server.requests("PATCH", f"/channels/{scene.alerts.id}/messages")
    assert edits
    assert not any(request.body["allowed_mentions"].get("roles") for request in edits)


async def test_a_stop_names_its_person_and_mentions_nobody(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.stop_as(101, "admin@pve")
    await poll(scene, 2)
    (text,) = scene.alerts_told()
    assert text.startswith("⚪")
    assert "was stopped by `admin@pve`\nVM · " in text


async def test_many_at_once_are_one_message(bare_scene: Stage, pve: Pve) -> None:
    many = pve.add_many(8)
    await bare_scene.start_bot(MONITOR_VM_IDS=",".join(map(str, many)))
    await poll(bare_scene)
    pve.crash_all(many)
    await poll(bare_scene)
    (text,) = bare_scene.alerts_told()
    assert text.startswith("🔴 8 guests down")
    assert all(f"**{vmid}**" in text for vmid in many)
    pve.revive_all(many[:5])
    await poll(bare_scene)
    assert bare_scene.alerts_told()[0].startswith("🔴 3 guests down"), "the same message"
    pve.revive_all(many[5:])
    await poll(bare_scene)
    assert [text.split(" after")[0] for text in bare_scene.alerts_told()] == ["🟢 8 guests recovered"] * 2


async def test_a_node_that_is_lost_is_one_message_and_none_of_its_guests(scene: Stage, pve: Pve) -> None:
    await watching(scene, 107)
    pve.node_offline("pve3")
    await poll(scene, 3)
    (text,) = scene.alerts_told()
    assert "Node `pve3` went offline" in text
    assert "**107**" in text
    pve.node_online("pve3")
    await poll(scene, 2)
    assert signs(scene) == ["🟢", "🟢"]


async def test_the_cause_of_a_stop_outlives_the_bot(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.crash(101)
    await poll(scene)
    await scene.restart_bot()
    await poll(scene, 3)
    assert len(scene.alerts_told()) == 1
    pve.revive(101)
    await poll(scene, 2)
    assert signs(scene) == ["🟢", "🟢"], "the message of the former run is edited"


async def test_a_stop_while_the_bot_was_away_is_reported(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    await scene.stop_bot()
    pve.crash(101)
    await scene.start_bot()
    await poll(scene, 2)
    assert signs(scene) == ["🔴"]
    assert "while the bot was not running" in scene.alerts_told()[0]


@pytest.mark.parametrize("command", ["shutdown", "stop", "reboot"])
async def test_an_ordered_stop_is_no_alarm(scene: Stage, pve: Pve, command: str) -> None:
    await watching(scene, 101)
    reply = await scene.say(scene.emma, command, vmid=101)
    if command == "stop":
        await scene.press(scene.emma, reply, "Force-stop web01")
    await poll(scene, 3)
    if command != "reboot":
        assert pve.vm(101).status == "stopped"
        await scene.say(scene.emma, "start", vmid=101)
    await poll(scene, 10)
    assert scene.alerts_told() == []
    pve.crash(101)
    await poll(scene, 2)
    assert signs(scene) == ["🔴"], "the next one is an alarm again"


async def test_a_stop_during_the_action_is_no_alarm(scene: Stage, pve: Pve) -> None:
    """The watch polls while the task still runs."""
    await watching(scene, 101)
    plan = pve.next_task("qmshutdown", vmid=101, hold=True)
    await scene.start_command(scene.emma, "shutdown", vmid=101)
    pve.crash(101)
    await poll(scene, 2)
    plan.release()
    await scene.settled()
    await poll(scene, 2)
    assert scene.alerts_told() == []


async def test_a_refused_stop_does_not_hide_the_real_one(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.deny("VM.PowerMgmt")
    await scene.say(scene.emma, "shutdown", vmid=101)
    pve.crash(101)
    await poll(scene)
    assert signs(scene) == ["🔴"]


async def test_an_ordered_stop_is_remembered_over_a_restart(scene: Stage) -> None:
    await watching(scene, 101)
    await scene.say(scene.emma, "shutdown", vmid=101)
    await scene.restart_bot()
    await poll(scene, 3)
    assert scene.alerts_told() == []


@BOTH
async def test_proxmox_out_of_reach_is_one_message_and_one_when_it_is_back(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101, 102, 103, 201)
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await poll(scene, 6)
    assert len(scene.alerts_told()) == 1
    assert "4" in scene.alerts_told()[0]
    assert scene.alerts_told()[0].startswith("🔴")
    pve.failures.clear()
    await poll(scene, 3)
    assert signs(scene) == ["🟢", "🟢"]


async def test_a_token_that_sees_nothing_is_a_fault_of_the_source(scene: Stage, pve: Pve) -> None:
    """If VM.Audit is lost, /cluster/resources answers 200 without guests. This must not look like four stops."""
    await watching(scene, 101, 102, 103, 201)
    pve.deny("VM.Audit")
    await poll(scene, 5)
    assert len(scene.alerts_told()) == 1
    assert "`VM.Audit`" in scene.alerts_told()[0]
    pve.allow_again()
    await poll(scene, 2)
    assert len(scene.alerts_told()) == 2


async def test_watched_right_after_a_start_is_no_alarm(scene: Stage, pve: Pve) -> None:
    """The list lags behind, so its first state does not count as a change."""
    await scene.say(scene.emma, "start", vmid=104)
    await scene.say(scene.emma, "monitor add", vmid=104)
    await poll(scene, 3)
    assert scene.alerts_told() == []
    pve.crash(104)
    await poll(scene)
    assert signs(scene) == ["🔴"]


async def test_a_threshold_and_a_full_storage_are_reported(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101, cpu=80)
    pve.set_use(101, cpu=0.95)
    pve.fill_storage("local-lvm", 0.97, node="pve1")
    await poll(scene, 4)
    told = sorted(scene.alerts_told())
    assert [text[0] for text in told] == ["⚠", "⚠"]
    assert any("CPU usage has reached 95% (threshold 80%)" in text for text in told)
    assert any("Storage `local-lvm` on `pve1` is 97% full" in text for text in told)


async def test_a_failed_backup_is_reported(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.backup_job(103, ends="job errors")
    await poll(scene, 6)
    (text,) = scene.alerts_told()
    assert text.startswith("⚠️ Backup of **103** `minecraft` failed\n`pve2` · ")
    assert "the job ended with errors" in text


async def test_a_quiet_guest_costs_one_read(bare_scene: Stage, pve: Pve) -> None:
    await bare_scene.start_bot(MONITOR_VM_IDS="101,102,103,104,105,106,201,202,203")
    await poll(bare_scene)
    before = len(pve.requests)
    await poll(bare_scene)
    assert [path for _, path, _ in pve.requests[before:]] == ["/cluster/resources"]


# -- on the way


@pytest.mark.parametrize("kind", ["reset", "unavailable"])
async def test_an_alert_is_sent_again_until_discord_takes_it(scene: Stage, pve: Pve, kind: str) -> None:
    """discord.py retries neither 503 nor a connection that breaks."""
    await watching(scene, 101)
    path = f"/channels/{scene.alerts.id}/messages"
    scene.server.reset("POST", path, 3) if kind == "reset" else posts_refused(scene, 503, 3)
    pve.crash(101)
    await poll(scene)
    assert len(scene.alerts_told()) == 1


async def test_an_alert_whose_answer_got_lost_is_there_once(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    path = f"/channels/{scene.alerts.id}/messages"
    scene.server.reset("POST", path, 1, after=True)
    pve.crash(101)
    await poll(scene)
    nonces = [request.body["nonce"] for request in scene.server.requests("POST", path)]
    assert len(nonces) == 2
    assert nonces[0] == nonces[1]
    assert len(scene.alerts_told()) == 1


async def test_an_alert_waits_for_the_next_run(scene: Stage, pve: Pve) -> None:
    """Discord refuses until the bot has died. The next bot sends the alert once and says that it is late."""
    await watching(scene, 101)
    fault = scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 503, 1000)
    pve.crash(101)
    await scene.poll()
    await scene.until(lambda: fault.met)
    scene.clock.skip(600)
    await scene.crash_bot()
    fault.times = fault.met
    scene.site.alert_delivery.wake()
    await scene.delivered()
    (text,) = scene.alerts_told()
    assert text.startswith("🔴")
    assert "late" in text


async def test_an_alert_that_arrived_just_before_the_bot_died_is_not_sent_again(
    scene: Stage, pve: Pve
) -> None:
    await watching(scene, 101)
    path = f"/channels/{scene.alerts.id}/messages"
    scene.server.reset("POST", path, 1, after=True)
    later = scene.server.fail("POST", path, 503, 1000)
    pve.crash(101)
    await scene.poll()
    await scene.until(lambda: later.met)
    await scene.crash_bot()
    scene.clock.skip(200)
    scene.site.alert_delivery.wake()
    await scene.delivered()
    assert len(scene.alerts_told()) == 1, "found in the channel"


async def test_an_alert_that_waits_goes_when_discord_is_back(scene: Stage) -> None:
    """It does not wait for the end of the five minutes after a refusal."""
    fault = scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 403, 1000)
    await scene.site.watch.alerts.post_notice("waits")
    await scene.until(lambda: fault.met and scene.site.alert_delivery.error)
    fault.times = fault.met
    await scene.server.drop_gateway(4000)
    await scene.delivered()
    assert scene.alerts_told() == ["waits"]


async def test_an_outage_that_begins_and_ends_unheard_is_one_line(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    fault = scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 503, 1000)
    pve.crash(101)
    await scene.poll(5)
    pve.revive(101)
    await scene.poll(15)
    fault.times = fault.met
    journal = rows_of(scene.site.journal)

    def is_delivered() -> bool:
        if not (journal.to_post() or journal.to_edit()):
            return True
        scene.clock.skip(400)  # the next try is five minutes away, as soon as the last one is over
        return False

    await scene.until(is_delivered, "the outage told")
    (text,) = scene.alerts_told()
    assert text.startswith("🟢 **101** `web01` recovered at")
    assert "late" in text


async def test_alerts_that_wait_are_sent_before_the_bot_ends(scene: Stage) -> None:
    scene.server.delay("POST", f"/channels/{scene.alerts.id}/messages", 0.3, 1)
    for text in ("first", "second", "third"):
        await scene.site.watch.alerts.post_notice(text)
    await scene.stop_bot()
    assert scene.alerts_told() == ["first", "second", "third"]


async def test_alerts_that_cannot_be_sent_do_not_keep_the_bot(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.FAREWELL_SECONDS", 0.2)
    posts_refused(scene)
    await scene.site.watch.alerts.post_notice("kept for the next run")
    began = time.monotonic()
    await scene.stop_bot()
    assert time.monotonic() - began < 10.0
    assert len(scene.server.requests("POST", f"/channels/{scene.alerts.id}/messages")) < 10


async def test_an_alert_that_discord_rejects_is_given_up(scene: Stage) -> None:
    scene.expected_errors.append("giving up an alert")
    scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 400, 2)  # its fixed sentence fails too
    await scene.site.watch.alerts.post_notice("lost")
    await scene.site.watch.alerts.post_notice("told")
    await scene.delivered()
    assert scene.alerts_told() == ["told"]


# -- muting


@BOTH
async def test_muted_incidents_are_reported_once_the_mute_ends(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    await watching(scene, 101)
    reply = await scene.say(scene.akiko, "monitor mute", target="guest/101", duration="8時間")
    assert not reply.ephemeral
    assert title_of(101, "web01") in reply.text
    assert ":t>" in reply.text
    assert ":R>" in reply.text
    pve.crash(101)
    await poll(scene, 3)
    assert scene.alerts_told() == []
    assert "🔕" in (await scene.say(scene.akiko, "monitor list")).text
    assert f"<@{scene.akiko.id}>" in (await scene.say(scene.emma, "monitor status")).text
    reply = await scene.say(scene.akiko, "monitor unmute", target="web01")
    assert t("{what}: alerts unmuted.", what=title_of(101, "web01")) in reply.text
    await poll(scene)
    assert signs(scene) == ["🔴"]


@walked(
    ("target", "subject"),
    [
        ("all", "all"),
        ("everything", "all"),
        ("101", "guest/101"),
        ("web01", "guest/101"),
        ("guest/101", "guest/101"),
        ("pve1", "node/pve1"),
        ("node/pve1", "node/pve1"),
        ("source", "source"),
    ],
)
async def test_a_target_may_be_typed(scene: Stage, target: str, subject: str) -> None:
    await scene.say(scene.emma, "monitor mute", target=target, duration="30m")
    (mute,) = scene.site.watch.alerts.mutes()
    assert (mute.target, mute.by) == (subject, "Emma")
    assert abs(mute.until - scene.clock.now() - 1800) < 30
    await scene.say(scene.emma, "monitor unmute", target=target)
    assert scene.site.watch.alerts.mutes() == ()


async def test_a_mute_outlives_the_bot_and_ends_by_itself(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    await scene.say(scene.emma, "monitor mute", target="all", duration="1h")
    await scene.restart_bot()
    pve.crash(101)
    await poll(scene, 3)
    assert scene.alerts_told() == []
    await poll(scene, later=3600)
    assert signs(scene) == ["🔴"]


async def test_completions_of_targets_and_durations(scene: Stage) -> None:
    await watching(scene, 103)

    async def offered(command: str, option: str, typed: str = "") -> dict[str, str]:
        found = await scene.server.autocomplete(scene.emma, scene.channel, command, option, typed)
        return {str(choice["value"]): str(choice["name"]) for choice in found}

    targets = await offered("monitor mute", "target")
    assert list(targets)[:5] == ["all", "guest/103", "node/pve1", "node/pve2", "node/pve3"]
    assert len(targets) <= 25
    assert "guest/101" in targets
    assert "guest/9000" not in targets
    assert targets["all"] == "Everything"
    assert targets["node/pve1"] == "Node pve1"
    assert list(await offered("monitor mute", "target", "web")) == ["guest/101"]
    assert next(iter(await offered("monitor mute", "target", "103"))) == "guest/103"
    assert list(await offered("monitor unmute", "target")) == ["!nothing:muted"], "one entry says why"
    await scene.say(scene.emma, "monitor mute", target="pve1", duration="1h")
    await scene.say(scene.emma, "monitor mute", target="source", duration="2h")
    assert await offered("monitor unmute", "target") == {
        "node/pve1": "Node pve1",
        "source": "The connection to Proxmox",
    }
    assert await offered("monitor mute", "duration") == {
        "30m": "30 min",
        "1h": "1 h",
        "2h": "2 h",
        "4h": "4 h",
        "8h": "8 h",
        "1d": "1 d",
        "7d": "7 d",
    }
    assert await offered("monitor mute", "duration", "45") == {"45m": "45 min", "45h": "1 d 21 h"}
    assert next(iter((await offered("monitor mute", "duration", "1h30m")).items())) == ("1h30m", "1 h 30 min")
    assert len(await offered("monitor mute", "duration", "nonsense")) == 7
    japanese = await scene.choices(scene.akiko, "monitor mute", "duration")
    assert japanese[0].replace(" ", "") == "30分"


# -- the history


@BOTH
async def test_the_history_newest_first_and_of_one_guest(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    assert t("No incidents yet.") in (await scene.say(scene.akiko, "monitor history")).text
    await watching(scene, 101, 201)
    pve.crash(101)
    await poll(scene)
    pve.crash(201)
    await poll(scene)
    text = (await scene.say(scene.akiko, "monitor history")).text
    assert t.plural("{n} incident", "{n} incidents", 2) in text
    assert text.index("**201**") < text.index("**101**")
    assert t("open") in text
    text = (await scene.say(scene.akiko, "monitor history", vmid=101)).text
    assert "**101**" in text
    assert "**201**" not in text
    assert (
        t.plural("{n} incident in 7 days", "{n} incidents in 7 days", 1)
        in (await scene.say(scene.akiko, "monitor list")).text
    )


async def test_a_long_history_is_paged(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    for _ in range(12):
        pve.stop_as(101)
        await scene.poll()
        pve.start_as_root(101)
        await scene.poll()
    post = post_of(await scene.say(scene.emma, "monitor history", vmid=101))
    assert "1/" in post.text
    last = next(button.custom_id for button in post.buttons if button.emoji == "⏭️")
    assert last is not None
    assert last.endswith(":101")
    await scene.press(scene.akiko, post, last)
    assert "2/" in post.text
    await scene.press(scene.akiko, post, "p1:history:next:99999:", force=True)
    assert "2/" in post.text, "beyond the end is the last"


# -- the test message


@BOTH
async def test_a_test_message_really_goes_there(scene: Stage) -> None:
    reply = await scene.say(scene.akiko, "monitor test")
    (post,) = scene.server.messages(scene.alerts)
    assert post.content.startswith("🔔")
    assert f"<#{scene.alerts.id}>" in reply.text
    (row,) = [each for each in walk(post_of(reply)._message.components) if each.get("url")]
    assert row["url"] == f"https://discord.com/channels/{scene.guild.id}/{scene.alerts.id}/{post.id}"


@pytest.mark.parametrize("status", [400, 403, 404, 503])
async def test_a_refused_test_alert_quotes_discord_and_is_over(scene: Stage, status: int) -> None:
    scene.expected_errors.append("giving up an alert")
    fault = scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", status, 1000)
    reply = await scene.say(scene.emma, "monitor test")
    assert "did not accept the test alert" in reply.text
    assert str(status) in reply.text
    assert "not sent again" in reply.text
    fault.times = fault.met
    scene.clock.skip(600)
    await scene.delivered()
    assert scene.alerts_told() == [], "not hours later"


async def test_a_test_behind_alerts_that_are_refused_says_why(scene: Stage) -> None:
    posts_refused(scene, 403)
    await scene.site.watch.alerts.post_notice("waits")
    reply = await scene.say(scene.emma, "monitor test")
    assert "403" in reply.text
    assert "not sent again" in reply.text
    assert (await scene.site.journal.backlog()).waiting == 1, "the alert itself waits on"


# -- the state of the watch


async def test_status_shows_every_healthy_part(scene: Stage) -> None:
    await watching(scene, 101)
    text = (await scene.say(scene.emma, "monitor status")).text
    assert "⚠️" not in text
    assert "all delivered" in text
    assert "not configured" in text
    assert "read <t:" in text


async def test_status_shows_every_fault(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    posts_refused(scene, 403)
    await scene.poll(3)
    await scene.until(lambda: scene.site.alert_delivery.error)
    text = (await scene.say(scene.emma, "monitor status")).text
    assert "3 failures in a row" in text
    assert "1 message waiting" in text
    assert "403" in text


async def test_status_names_the_things_that_the_token_cannot_see(scene: Stage, pve: Pve) -> None:
    pve.deny("Sys.Audit")
    await poll(scene, 6)
    text = (await scene.say(scene.emma, "monitor status")).text
    assert "lacks `Sys.Audit` on `/`" in text


# -- the disk


@BOTH
async def test_an_unreadable_list_is_set_aside_and_reported_and_its_copy_used(
    scene: Stage, language: str
) -> None:
    await watching(scene, 101)
    await watching(scene, 201)
    await scene.stop_bot()
    path = scene.directory / "monitor_list.json"
    path.write_text('{"version": 1, "guests": [{"vm')
    scene.expected_errors += ["watch list", "監視リスト"]
    await scene.start_bot(LANGUAGE=language)
    await scene.until(scene.alerts_told)
    aside = list(scene.directory.glob("monitor_list.json.corrupt-*"))
    assert [file.read_text() for file in aside] == ['{"version": 1, "guests": [{"vm']
    assert aside[0].name in scene.alerts_told()[0]
    assert len(scene.alerts_told()) == 1
    assert "**101**" in (await scene.say(scene.emma, "monitor list")).text


async def test_an_unreadable_journal_is_set_aside_and_reported(scene: Stage) -> None:
    await watching(scene, 101)
    await scene.stop_bot()
    (scene.directory / "journal.db").write_bytes(b"nothing of a database" * 500)
    scene.expected_errors += ["The journal could not be read", "cannot be understood"]
    await scene.start_bot()
    await scene.delivered()
    (aside,) = scene.directory.glob("journal.db.corrupt-*")
    assert scene.alerts_told() == [f"⚠️ {journal_lost(scene.t(), aside.name, read_only=False)}"]
    assert "**101**" in (await scene.say(scene.emma, "monitor list")).text


async def test_a_journal_that_cannot_be_written_changes_nothing(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mute is not changed. A poll's result is judged again, and reported once it can be stored."""
    scene.expected_errors += ["the journal cannot be written", "the journal refuses"]
    await watching(scene, 101)
    error = JournalFailed("ENOSPC")

    def refuse(_batch: object) -> None:
        raise error

    with monkeypatch.context() as full:
        full.setattr(scene.bot.journal, "commit", refuse)
        reply = await scene.say(scene.akiko, "monitor mute", target="all", duration="1h")
        scene.assert_refused(reply, scene.akiko, error)
        pve.crash(101)
        await scene.poll(2)
        await scene.until(scene.alerts_told)
        assert signs(scene) == ["🔴"]
        assert "ENOSPC" in scene.alerts_told()[0]
        assert "ENOSPC" in (await scene.say(scene.emma, "monitor status")).text
    await poll(scene)
    await scene.until(lambda: len(scene.alerts_told()) == 3)
    assert sorted(signs(scene)) == ["🔴", "🔴", "🟢"]
    assert any("**101**" in text for text in scene.alerts_told())


# -- the audit


async def test_changes_of_the_watch_are_recorded_with_their_person(scene: Stage) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101, cpu=90)
    await scene.say(scene.emma, "monitor add", vmid=101)
    await scene.say(scene.emma, "monitor mute", target="web01", duration="2h")
    await scene.say(scene.emma, "monitor mute", target="nobody", duration="2h")
    await scene.say(scene.emma, "monitor unmute", target="guest/101")
    await scene.say(scene.emma, "monitor test")
    await scene.say(scene.emma, "monitor remove", vmid=101)
    found = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 10))[0]][::-1]
    assert [(each.step, each.operation, each.vmid, each.detail) for each in found] == [
        (AuditStep.ENDED, "monitor_add", 101, "cpu=90"),
        (AuditStep.REFUSED, "monitor_add", 101, ""),
        (AuditStep.ENDED, "monitor_mute", 101, "web01 2h"),
        (AuditStep.REFUSED, "monitor_mute", None, "nobody 2h"),
        (AuditStep.ENDED, "monitor_unmute", 101, "guest/101"),
        (AuditStep.ENDED, "monitor_test", None, ""),
        (AuditStep.ENDED, "monitor_remove", 101, ""),
    ]
    assert {(each.actor.user_id, each.actor.name, each.actor.interaction_kind) for each in found} == {
        (scene.emma.id, "Emma", InteractionKind.COMMAND)
    }
    assert "AlreadyWatched" in found[1].outcome
    assert "UnknownTarget" in found[3].outcome
