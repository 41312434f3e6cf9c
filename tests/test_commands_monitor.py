"""/monitor add, remove and list, the list on the disk, and the alerts."""

import json
import time
from pathlib import Path

import pytest

from cogs.monitor import Monitor
from core.errors import (
    AlreadyWatched,
    BadVmid,
    BotError,
    CannotWatchTemplate,
    GuestNotFound,
    NotWatched,
    StoreFailed,
)
from playground.pve import Pve
from tests import stage
from tests.stage import Stage
from ui.render import duration, named

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BOTH = pytest.mark.parametrize("language", ["ja", "en"])


async def look(scene: Stage, times: int = 1, *, later: float = 60.0) -> None:
    """The watch's next reads, as the loop makes them every minute, and the alerts that come of them sent."""
    cog = scene.bot.get_cog("Monitor")
    assert isinstance(cog, Monitor)
    for _ in range(times):
        scene.clock.skip(later)
        await cog._look()
    await scene.bot.sender.drain()


def stored(scene: Stage) -> dict[int, str]:
    document = json.loads((scene.directory / "monitor_list.json").read_text())
    return {entry["vmid"]: entry["state"] for entry in document["guests"]}


async def watching(scene: Stage, *vmids: int) -> None:
    for vmid in vmids:
        await scene.say(scene.emma, "monitor add", vmid=vmid)
    await look(scene)
    assert scene.alerts_told() == []


# -- the list


@BOTH
async def test_add_list_and_remove(scene: Stage) -> None:
    t = scene.t()
    assert (
        t("Nothing is watched yet. `/monitor add` puts a guest on the list.")
        in (await scene.say(scene.akiko, "monitor list")).text
    )
    for vmid, name in ((201, "dns"), (101, "web01")):
        reply = await scene.say(scene.akiko, "monitor add", vmid=vmid)
        assert t("{guest} is being watched from now on.", guest=named(vmid, name)) in reply.text
        assert not reply.ephemeral
    assert stored(scene) == {101: "unknown", 201: "unknown"}, "not seen by the watch yet"
    await look(scene)
    assert stored(scene) == {101: "running", 201: "running"}
    text = (await scene.say(scene.akiko, "monitor list")).text
    assert t.plural("Watching {n} guest", "Watching {n} guests", 2) in text
    assert text.index("**101**") < text.index("**201**")
    assert text.count(t("running")) == 2 and text.count("<t:") == 3, "since when, twice, and as of when"
    reply = await scene.say(scene.akiko, "monitor remove", vmid=101)
    assert t("{guest} is no longer being watched.", guest=named(101, "web01")) in reply.text
    assert stored(scene) == {201: "running"}
    assert scene.changes() == []


@pytest.mark.parametrize(
    ("command", "vmid", "error"),
    [
        ("monitor add", 101, AlreadyWatched(101, "web01")),
        ("monitor add", 9000, CannotWatchTemplate(9000, "debian13-cloud")),
        ("monitor add", 999, GuestNotFound(999)),
        ("monitor add", 0, BadVmid("0")),
        ("monitor remove", 102, NotWatched(102)),
        ("monitor remove", -7, BadVmid("-7")),
    ],
)
async def test_wrong_input_is_refused(scene: Stage, command: str, vmid: int, error: BotError) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    for person in (scene.akiko, scene.emma):
        scene.assert_refused(await scene.say(person, command, vmid=vmid), person, error)
    assert stored(scene) == {101: "unknown"}


async def test_the_list_outlives_the_bot(scene: Stage) -> None:
    await watching(scene, 101, 201)
    await scene.restart_bot()
    text = (await scene.say(scene.emma, "monitor list")).text
    assert "**101** `web01`" in text and "**201** `dns`" in text


async def test_the_first_list_comes_from_the_settings_and_an_old_bots_file_is_read(bare_scene: Stage) -> None:
    await bare_scene.start_bot(MONITOR_VM_IDS="101,201")
    assert sorted(stored(bare_scene)) == [101, 201]
    await bare_scene.stop_bot()
    (bare_scene.directory / "monitor_list.json").write_text("[102, 103]")
    await bare_scene.start_bot(MONITOR_VM_IDS="101")
    text = (await bare_scene.say(bare_scene.emma, "monitor list")).text
    assert "**102**" in text and "**103**" in text and "**101**" not in text


async def test_a_list_that_cannot_be_saved_is_not_changed(scene: Stage, tmp_path: Path) -> None:
    await watching(scene, 101)
    (tmp_path / "monitor_list.json").unlink()
    (tmp_path / "monitor_list.json").mkdir()  # a rename over a directory fails, whoever the tests run as
    reply = await scene.say(scene.emma, "monitor add", vmid=201)
    scene.assert_private(reply)
    reason = reply.text.split("`")[1]
    assert reply.text == scene.told(scene.emma, StoreFailed(reason))
    assert "**201**" not in (await scene.say(scene.emma, "monitor list")).text


async def test_completions_offer_what_fits(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101, 103)
    labels = await scene.choices(scene.emma, "monitor remove", "vmid")
    assert [label.split()[1] for label in labels] == ["101", "103"]
    labels = await scene.choices(scene.emma, "monitor add", "vmid")
    assert [label.split()[1] for label in labels][:3] == ["102", "104", "105"]
    pve.vms.remove(pve.vm(103))
    scene.clock.skip(11)
    assert await scene.choices(scene.emma, "monitor remove", "vmid") == ["🟢 101 web01 · pve1 · VM", "103"]
    await scene.say(scene.emma, "monitor remove", vmid=103)
    assert list(stored(scene)) == [101]


@BOTH
async def test_a_guest_that_is_gone_is_shown_as_not_found(scene: Stage, pve: Pve) -> None:
    await watching(scene, 103)
    pve.vms.remove(pve.vm(103))
    await look(scene, 3)
    assert scene.alerts_told() == []
    assert scene.t()("not found") in (await scene.say(scene.akiko, "monitor list")).text


async def test_a_long_list_is_paged(bare_scene: Stage, pve: Pve) -> None:
    for vmid in range(300, 325):
        pve.add_ct(vmid, f"extra-{vmid}", status="running")
    await bare_scene.start_bot(MONITOR_VM_IDS=",".join(str(vmid) for vmid in range(300, 325)))
    post = stage.post_of(await bare_scene.say(bare_scene.emma, "monitor list"))
    assert "1/3" in post.text and "**309**" in post.text and "**310**" not in post.text
    following = next(button.custom_id for button in post.buttons if button.emoji == "▶️")
    await bare_scene.press(bare_scene.akiko, post, following or "")
    assert "2/3" in post.text and "**310**" in post.text


# -- alerts


@BOTH
async def test_one_alert_when_it_stops_and_one_when_it_is_back(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101, 201)
    t = scene.t()
    pve.crash(101)
    await look(scene, 5)
    assert len(scene.alerts_told()) == 1
    assert scene.alerts_told()[0].startswith("🔴")
    for fact in (named(101, "web01"), t("VM"), "`pve1`", "<t:"):
        assert fact in scene.alerts_told()[0]
    pve.revive(101)
    await look(scene, 3)
    down = duration(t, 300)
    told = t(
        "{guest} is running again on {node}. It was down for {time}.",
        guest=named(101, "web01"),
        node="`pve1`",
        time=down,
    )
    assert scene.alerts_told()[1:] == [f"🟢 {told}"]
    pve.crash(201)
    await look(scene, 2)
    assert len(scene.alerts_told()) == 3


async def test_what_is_known_of_a_stop_outlives_the_bot(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.crash(101)
    await look(scene)
    await scene.restart_bot()
    await look(scene, 3)
    assert len(scene.alerts_told()) == 1
    pve.revive(101)
    await look(scene, 2)
    assert [text[0] for text in scene.alerts_told()] == ["🔴", "🟢"]


async def test_a_stop_while_the_bot_was_away_is_told(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    await scene.stop_bot()
    pve.crash(101)
    await scene.start_bot()
    await look(scene, 2)
    assert [text[0] for text in scene.alerts_told()] == ["🔴"]


@pytest.mark.parametrize("command", ["shutdown", "stop", "reboot"])
async def test_an_ordered_stop_is_no_alarm(scene: Stage, pve: Pve, command: str) -> None:
    await watching(scene, 101)
    reply = await scene.say(scene.emma, command, vmid=101)
    if command == "stop":
        await scene.press(scene.emma, reply, "Switch off web01")
    await look(scene, 3)
    if command != "reboot":
        assert pve.vm(101).status == "stopped"
        await scene.say(scene.emma, "start", vmid=101)
    await look(scene, 10)
    assert scene.alerts_told() == []
    pve.crash(101)
    await look(scene, 2)
    assert [text[0] for text in scene.alerts_told()] == ["🔴"], "the next one is an alarm again"


async def test_a_stop_during_the_action_is_no_alarm(scene: Stage, pve: Pve) -> None:
    """The watch reads while the task still runs."""
    await watching(scene, 101)
    plan = pve.next_task("qmshutdown", vmid=101, hold=True)
    await scene.begin(scene.emma, "shutdown", vmid=101)
    pve.crash(101)
    await look(scene, 2)
    plan.release()
    await scene.settled()
    await look(scene, 2)
    assert scene.alerts_told() == []


async def test_a_refused_stop_does_not_hide_the_real_one(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101)
    pve.deny("VM.PowerMgmt")
    await scene.say(scene.emma, "shutdown", vmid=101)
    pve.crash(101)
    await look(scene)
    assert [text[0] for text in scene.alerts_told()] == ["🔴"]


@BOTH
async def test_proxmox_out_of_reach_is_one_message_and_one_when_it_is_back(scene: Stage, pve: Pve) -> None:
    await watching(scene, 101, 102, 103, 201)
    t = scene.t()
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await look(scene, 6)
    assert len(scene.alerts_told()) == 1
    assert "4" in scene.alerts_told()[0] and scene.alerts_told()[0].startswith("⚠️")
    pve.failures.clear()
    await look(scene, 3)
    assert len(scene.alerts_told()) == 2
    told = t("Proxmox can be read again after {time}. Watching goes on.", time=duration(t, 360))
    assert scene.alerts_told()[1] == f"🟢 {told}"


async def test_a_token_that_sees_nothing_is_a_fault_of_the_source(scene: Stage, pve: Pve) -> None:
    """/cluster/resources answers 200 with no guests when VM.Audit is lost: not four stops."""
    await watching(scene, 101, 102, 103, 201)
    pve.deny("VM.Audit")
    await look(scene, 5)
    assert len(scene.alerts_told()) == 1
    assert "`VM.Audit`" in scene.alerts_told()[0]
    pve.allow_again()
    await look(scene, 2)
    assert len(scene.alerts_told()) == 2


async def test_unknown_is_not_stopped(scene: Stage, pve: Pve) -> None:
    """A dead node's guests look running, then unknown; neither is a stop."""
    await watching(scene, 105, 106, 107)
    pve.node_offline("pve3")
    await look(scene, 3)
    pve.node_offline("pve3", expired=True)
    await look(scene, 3)
    assert scene.alerts_told() == []
    pve.node_online("pve3")
    pve.crash(107)
    await look(scene, 2)
    assert len(scene.alerts_told()) == 1 and "**107**" in scene.alerts_told()[0]


async def test_one_read_however_many_are_watched(bare_scene: Stage, pve: Pve) -> None:
    await bare_scene.start_bot(MONITOR_VM_IDS="101,102,103,104,105,106,201,202,203")
    before = len(pve.requests)
    await look(bare_scene)
    assert [path for _, path, _ in pve.requests[before:]] == ["/cluster/resources"]


@pytest.mark.parametrize("kind", ["reset", "unavailable"])
async def test_an_alert_is_sent_again_until_discord_takes_it(scene: Stage, pve: Pve, kind: str) -> None:
    """discord.py retries neither 503 nor a connection that breaks."""
    await watching(scene, 101)
    path = f"/channels/{scene.alerts.id}/messages"
    scene.server.reset("POST", path, 3) if kind == "reset" else scene.server.fail("POST", path, 503, 3)
    pve.crash(101)
    await look(scene)
    assert len(scene.alerts_told()) == 1


async def test_alerts_that_wait_are_sent_before_the_bot_ends(scene: Stage) -> None:
    scene.server.delay("POST", f"/channels/{scene.alerts.id}/messages", 0.3, 1)
    for text in ("first", "second", "third"):
        scene.bot.sender.put(text)
    await scene.stop_bot()
    assert scene.alerts_told() == ["first", "second", "third"]


async def test_alerts_that_cannot_be_sent_do_not_keep_the_bot(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.FAREWELL_SECONDS", 0.2)
    scene.server.fail("POST", f"/channels/{scene.alerts.id}/messages", 503, 1000)
    scene.bot.sender.put("lost")
    began = time.monotonic()
    await scene.stop_bot()
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_an_alert_discord_refuses_for_good_does_not_hold_up_the_next(
    scene: Stage, pve: Pve, status: int
) -> None:
    await watching(scene, 101)
    path = f"/channels/{scene.alerts.id}/messages"
    refusal = scene.server.fail("POST", path, status)
    scene.expected_errors.append("refuses")
    pve.crash(101)
    await look(scene)
    assert scene.alerts_told() == [] and refusal.met == 1
    pve.revive(101)
    await look(scene)
    assert [text[0] for text in scene.alerts_told()] == ["🟢"]
    assert len(scene.logged) == 1


async def test_what_nobody_expected_does_not_end_the_sending(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.expected_errors.append("incident")
    sender = scene.bot.sender

    def broken(channel: int) -> None:
        raise KeyError(channel)

    with monkeypatch.context() as patched:
        patched.setattr(scene.bot, "get_partial_messageable", broken)
        sender.put("lost")
        await sender.drain()
    sender.put("told")
    await sender.drain()
    assert scene.alerts_told() == ["told"] and len(scene.logged) == 1


async def test_an_alert_whose_answer_got_lost_is_sent_again_under_the_same_nonce(scene: Stage) -> None:
    path = f"/channels/{scene.alerts.id}/messages"
    scene.server.reset("POST", path, 1, after=True)
    scene.bot.sender.put("once")
    scene.bot.sender.put("another")
    await scene.bot.sender.drain()
    nonces = [request.body["nonce"] for request in scene.server.requests("POST", path)]
    assert len(nonces) == 3 and len(set(nonces)) == 2 and nonces[0] == nonces[1]


async def test_watched_right_after_a_start_is_no_alarm(scene: Stage, pve: Pve) -> None:
    """The list lags behind: what it says at first is no change."""
    await scene.say(scene.emma, "start", vmid=104)
    await scene.say(scene.emma, "monitor add", vmid=104)
    await look(scene, 3)
    assert scene.alerts_told() == []
    pve.crash(104)
    await look(scene)
    assert [text[0] for text in scene.alerts_told()] == ["🔴"]


async def test_a_dead_nodes_guest_is_not_listed_as_running(scene: Stage, pve: Pve) -> None:
    await watching(scene, 107)
    pve.node_offline("pve3")
    scene.clock.skip(11)
    text = (await scene.say(scene.emma, "monitor list")).text
    assert "unknown" in text and "running" not in text


async def test_a_deleted_guest_goes_off_the_list(scene: Stage, pve: Pve) -> None:
    await watching(scene, 104)
    question = await scene.say(scene.emma, "delete", vmid=104)
    form = await scene.press(scene.emma, question, "Delete palworld …")
    await scene.submit(scene.emma, form, "palworld")
    assert "It was taken off the watch list, too." in question.text
    assert stored(scene) == {}


async def test_an_ordered_stop_is_remembered_over_a_restart(scene: Stage) -> None:
    await watching(scene, 101)
    await scene.say(scene.emma, "shutdown", vmid=101)
    await scene.restart_bot()
    await look(scene, 3)
    assert scene.alerts_told() == []


async def test_a_list_that_cannot_be_written_stops_no_alarm(scene: Stage, pve: Pve, tmp_path: Path) -> None:
    await watching(scene, 101, 201)
    (tmp_path / "monitor_list.json").unlink()
    (tmp_path / "monitor_list.json").mkdir()
    pve.crash(101)
    await look(scene)
    pve.crash(201)
    await look(scene)
    assert [text[0] for text in scene.alerts_told()] == ["🔴", "⚠", "🔴"], "the trouble is told once"
    (tmp_path / "monitor_list.json").rmdir()
    await look(scene)
    assert stored(scene) == {101: "stopped", 201: "stopped"}


@BOTH
async def test_an_unreadable_list_is_set_aside_told_and_its_copy_used(scene: Stage, language: str) -> None:
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
