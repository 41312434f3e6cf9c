"""Test outages of every size over real sockets, as seen in the alert channel.

The bot, discord.py and proxmoxer are real. The time between two polls is skipped.
"""

from collections.abc import Iterable

import pytest

from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


async def poll(scene: Stage, times: int = 1, *, seconds: float = 60.0) -> list[str]:
    """Run this many polls a minute apart. Return their alerts once all have arrived."""
    before = len(scene.alerts_told())
    for _ in range(times):
        scene.clock.skip(seconds)
        await scene.seen_through(scene.site.watch.poll())
    await delivered(scene)
    return scene.alerts_told()[before:]


async def delivered(scene: Stage) -> None:
    journal = rows_of(scene.site.journal)
    await scene.until(lambda: not (journal.to_post() or journal.to_edit()), "every alert and edit delivered")


async def watching(scene: Stage, vmids: Iterable[int], **settings: str) -> None:
    await scene.start_bot(MONITOR_VM_IDS=",".join(map(str, vmids)), **settings)
    await poll(scene, 2)
    assert scene.alerts_told() == []


def reads(pve: Pve, since: int) -> list[str]:
    return [path for _, path, _ in list(pve.requests)[since:]]


async def test_a_dead_node_with_a_hundred_watched_guests_is_one_message(bare_scene: Stage, pve: Pve) -> None:
    vmids = pve.add_many(100, node="pve3")
    await watching(bare_scene, vmids)
    pve.node_offline("pve3")
    told = await poll(bare_scene, 5)
    assert len(told) == 1
    assert "`pve3`" in told[0]
    assert "**1000**" in told[0]
    assert len(told[0]) <= 2000
    pve.node_offline("pve3", expired=True)  # after 300 s its guests are unknown and have no name
    assert await poll(bare_scene, 5) == []
    pve.node_online("pve3", rebooted=True)
    told = await poll(bare_scene, 5)
    assert len(told) == 1
    assert told[0].startswith("🟢")


async def test_proxmox_out_of_reach_is_one_message(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, pve.add_many(100))
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    assert len(await poll(bare_scene, 10)) == 1
    pve.failures.clear()
    assert len(await poll(bare_scene, 3)) == 1


async def test_changes_while_proxmox_was_out_of_reach_are_one_digest(bare_scene: Stage, pve: Pve) -> None:
    vmids = pve.add_many(20)
    await watching(bare_scene, vmids)
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await poll(bare_scene, 4)
    pve.crash_all(vmids[:3])
    pve.failures.clear()
    told = await poll(bare_scene)
    assert len(told) == 2
    assert all(f"**{vmid}**" in told[1] for vmid in vmids[:3])


async def test_an_empty_list_is_no_message_about_guests(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, pve.add_many(100))
    pve.deny("VM.Audit")
    told = await poll(bare_scene, 10)
    assert len(told) == 1
    assert "`VM.Audit`" in told[0]
    assert "**1000**" not in told[0]
    pve.allow_again()
    told = await poll(bare_scene, 2)
    assert len(told) == 1
    assert "**1000**" not in told[0]


async def test_thirty_guests_that_stop_at_once_are_one_message(bare_scene: Stage, pve: Pve) -> None:
    vmids = pve.add_many(100)
    await watching(bare_scene, vmids)
    pve.crash_all(vmids[:30])
    told = await poll(bare_scene, 3)
    assert len(told) == 1
    assert "30" in told[0]
    pve.revive_all(vmids[:29])
    assert await poll(bare_scene, 2) == []
    pve.revive_all(vmids[29:30])
    told = await poll(bare_scene)
    assert len(told) == 1
    assert told[0].startswith("🟢")
    assert bare_scene.alerts_told()[0].startswith("🟢"), "the alert itself is rewritten"


async def test_a_restart_amid_an_incident_says_nothing_new_and_the_buttons_work(
    bare_scene: Stage, pve: Pve
) -> None:
    await watching(bare_scene, [101, 102])
    pve.crash(101)
    assert len(await poll(bare_scene)) == 1
    await bare_scene.restart_bot()
    assert await poll(bare_scene, 3) == []
    alert = bare_scene.server.messages(bare_scene.alerts)[0]
    await bare_scene.press(bare_scene.emma, alert, bare_scene.t()("Acknowledge"))
    await delivered(bare_scene)
    assert f"<@{bare_scene.emma.id}>" in bare_scene.alerts_told()[0]
    alert = bare_scene.server.messages(bare_scene.alerts)[0]
    await bare_scene.press(bare_scene.akiko, alert, bare_scene.t()("Start"))
    assert pve.guest(101).status == "running"
    told = await poll(bare_scene)
    assert len([text for text in told if text.startswith("🟢")]) == 1
    assert bare_scene.alerts_told()[0].startswith("🟢")


async def test_a_crash_of_the_bot_amid_an_incident_says_nothing_new(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [101, 102])
    pve.crash(101)
    assert len(await poll(bare_scene)) == 1
    await bare_scene.crash_bot()
    assert await poll(bare_scene, 3) == []
    pve.revive(101)
    assert len(await poll(bare_scene)) == 1


async def test_one_read_an_interval_for_a_thousand_watched_guests(bare_scene: Stage, pve: Pve) -> None:
    vmids = pve.add_many(1000)
    await watching(bare_scene, vmids)
    before = len(pve.requests)
    await poll(bare_scene)
    await poll(bare_scene)
    assert reads(pve, before) == ["/cluster/resources"] * 2
    pve.crash_all(vmids[:5])
    before = len(pve.requests)
    assert len(await poll(bare_scene)) == 5
    asked = reads(pve, before)
    assert asked.count("/cluster/resources") == 1
    assert sum(path.endswith("/status/current") for path in asked) == 5
    assert asked.count("/cluster/tasks") == 1
    assert len(asked) == 7
    pve.crash_all(vmids[5:50])
    before = len(pve.requests)
    assert len(await poll(bare_scene)) == 1
    assert reads(pve, before) == ["/cluster/resources"] * 2 + ["/cluster/tasks"]


@pytest.mark.parametrize("kind", ["unavailable", "reset"])
async def test_ten_minutes_without_discord_while_twenty_open_and_fifteen_close(
    bare_scene: Stage, pve: Pve, kind: str
) -> None:
    """Afterwards exactly the right messages are there, marked as late."""
    scene = bare_scene
    vmids = pve.add_many(20)
    await watching(scene, vmids, ALERT_REPEAT_MINUTES="0")
    path = f"/channels/{scene.alerts.id}/messages"
    fault = (
        scene.server.reset("POST", path, 10_000)
        if kind == "reset"
        else scene.server.fail("POST", path, 503, 10_000)
    )
    began = scene.clock.monotonic()
    watch = scene.site.watch

    async def quick() -> None:
        scene.clock.skip(60)
        await watch.poll()

    for group in range(4):  # five at a time, so that each has its own incident
        pve.crash_all(vmids[5 * group : 5 * group + 5])
        await quick()
    for group in range(3):
        pve.revive_all(vmids[5 * group : 5 * group + 5])
        await quick()
    while scene.clock.monotonic() - began < 600:
        await quick()
    assert scene.alerts_told() == []
    assert (await scene.site.journal.backlog()).waiting == 35
    fault.times = fault.met
    scene.site.alert_delivery.wake()  # a skipped clock would miss an attempt that is under way and fails
    await delivered(scene)
    told = scene.alerts_told()
    assert len(told) == 35
    openings, recoveries = told[:20], told[20:]
    assert [sum(f"**{vmid}**" in text for text in openings) for vmid in vmids] == [1] * 20
    assert [sum(f"**{vmid}**" in text for text in recoveries) for vmid in vmids] == [1] * 15 + [0] * 5
    assert [text[0] for text in openings] == ["🟢"] * 15 + ["🔴"] * 5
    assert {text[0] for text in recoveries} == {"🟢"}
    late = scene.t()("This message is {time} late.", time="").split()[0]
    assert all(late in text.rsplit("\n", 1)[-1] for text in told)
    assert await poll(scene, 3) == []


async def test_a_message_whose_answer_got_lost_is_there_once(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [101])
    bare_scene.server.reset("POST", f"/channels/{bare_scene.alerts.id}/messages", 2, after=True)
    pve.crash(101)
    assert len(await poll(bare_scene)) == 1
    assert await poll(bare_scene, 2) == []


async def test_a_bot_that_dies_after_discord_took_the_message_does_not_send_it_again(
    bare_scene: Stage, pve: Pve
) -> None:
    await watching(bare_scene, [101])
    bare_scene.server.reset("POST", f"/channels/{bare_scene.alerts.id}/messages", 1, after=True)
    pve.crash(101)
    bare_scene.clock.skip(60)
    await bare_scene.site.watch.poll()
    await bare_scene.until(lambda: len(bare_scene.alerts_told()) == 1, "the message")
    await bare_scene.crash_bot()
    assert await poll(bare_scene, 3) == []
    assert len(bare_scene.alerts_told()) == 1


async def test_the_cause_of_a_stop_is_reported(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [101, 102])
    pve.stop_as(101)
    told = await poll(bare_scene)
    assert len(told) == 1
    assert "`root@pam`" in told[0]
    assert told[0].startswith("⚪")


async def test_forty_stops_at_once_by_somebody_are_no_alarm(bare_scene: Stage, pve: Pve) -> None:
    """The cluster's task list has room for 25 of them."""
    vmids = pve.add_many(40, node="pve1")
    await watching(bare_scene, vmids)
    for vmid in vmids:
        pve.stop_as(vmid)
    told = await poll(bare_scene, 3)
    assert len(told) == 1
    assert told[0].startswith("⚪")
    assert "`root@pam`" in told[0]


async def test_a_backup_is_no_outage_and_a_failed_one_is_reported(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [103])
    plan = pve.backup_job(103, "pve2", mode="stop", hold=True)
    await bare_scene.until(lambda: pve.guest(103).status == "stopped", "the backup to stop it")
    assert await poll(bare_scene, 3) == []
    plan.release()
    await bare_scene.until(lambda: pve.guest(103).status == "running", "the backup's end")
    assert await poll(bare_scene, 3) == []
    pve.backup_job(103, "pve2", ends="job errors")
    told = await poll(bare_scene, 6)
    assert len(told) == 1
    assert "the job ended with errors" in told[0]


async def test_a_full_storage_is_reported_and_over(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [101])
    pve.fill_storage("local-lvm", 0.95)
    told = await poll(bare_scene, 4)
    assert told
    assert all("`local-lvm`" in text for text in told)
    pve.fill_storage("local-lvm", 0.5)
    assert len(await poll(bare_scene, 4)) == len(told)


async def test_a_guest_that_ha_starts_elsewhere_is_reported_as_back(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [105])
    pve.node_offline("pve3")
    assert len(await poll(bare_scene, 2)) == 1
    pve.ha_recover(105, "pve2")
    told = await poll(bare_scene, 2)
    assert len(told) == 1
    assert "`pve2`" in told[0]
