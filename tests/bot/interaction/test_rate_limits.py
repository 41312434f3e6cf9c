"""Test Discord's rate limits, long and short: messages flow again afterwards, and an old edit delays nothing."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from playground.discord.faults import PlannedFault
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

LONG = 65.0
IN_VAIN = 3.0
"""Seconds until Discord gives up on a first answer."""
OLD_EDITS = "Maximum number of edits to messages older than 1 hour reached. Try again later"


def limit(scene: Stage, method: str, path: str, times: int = 1, *, is_global: bool = True) -> PlannedFault:
    """Limit requests as Discord does: for more than a minute, with the header of its proxy."""
    return scene.server.fail(method, path, 429, times, retry_after=LONG, is_global=is_global)


async def watching(scene: Stage, *vmids: int) -> str:
    """Start the bot with these guests watched. Return the path of the alert channel's messages."""
    await scene.start_bot(MONITOR_VM_IDS=",".join(map(str, vmids)))
    await scene.poll(2)
    return f"/channels/{scene.alerts.id}/messages"


async def later(scene: Stage, seconds: float, done: Callable[[], object] | None = None) -> None:
    """Let this many seconds pass, and go on until `done` holds (by default until every alert is there).

    A wait that begins only now ends as well.
    """
    journal = rows_of(scene.site.journal)

    def is_done() -> bool:
        if done() if done else not (journal.to_post() or journal.to_edit()):
            return True
        scene.clock.skip(seconds)
        return False

    await scene.until(is_done, "what was limited")


async def met(scene: Stage, fault: PlannedFault) -> None:
    await scene.until(lambda: fault.met, "the limit to be met")
    await asyncio.sleep(0.2)  # lets the call that would be cut off begin to wait


async def test_a_global_limit_on_an_alert_silences_none(bare_scene: Stage, pve: Pve) -> None:
    path = await watching(bare_scene, 101, 102)
    fault = limit(bare_scene, "POST", path)
    pve.crash(101)
    await bare_scene.poll()
    await met(bare_scene, fault)
    pve.crash(102)
    await bare_scene.poll(later=1.0)
    assert bare_scene.alerts_told() == []
    await bare_scene.until(lambda: "429" in bare_scene.site.alert_delivery.error, "the status to say why")
    asked = len(bare_scene.server.requests("POST", path))
    bare_scene.clock.skip(30.0)
    bare_scene.site.alert_delivery.wake()
    await asyncio.sleep(0.2)
    assert len(bare_scene.server.requests("POST", path)) == asked, "nothing is asked while the limit holds"
    await later(bare_scene, LONG)
    assert len(bare_scene.alerts_told()) == 2
    await bare_scene.until(lambda: not bare_scene.site.alert_delivery.error, "the status to be well again")
    reply = await bare_scene.say(bare_scene.emma, "info", vmid=103)
    assert "**103**" in reply.text


async def test_the_wait_that_a_proxy_names_is_kept_too(bare_scene: Stage, pve: Pve) -> None:
    """Without Via, as from Cloudflare, discord.py does not wait for it."""
    path = await watching(bare_scene, 101)
    fault = bare_scene.server.fail("POST", path, 429, retry_after=LONG, via=False)
    pve.crash(101)
    await bare_scene.poll()
    await met(bare_scene, fault)
    bare_scene.clock.skip(30.0)
    bare_scene.site.alert_delivery.wake()
    await asyncio.sleep(0.2)
    assert len(bare_scene.server.requests("POST", path)) == 1
    await later(bare_scene, LONG)
    assert len(bare_scene.alerts_told()) == 1


async def test_a_bot_that_ends_amid_a_short_limit_sends_what_waits(bare_scene: Stage, pve: Pve) -> None:
    """The end comes during discord.py's own wait for a global limit, which must not be cut off."""
    path = await watching(bare_scene, 101)
    fault = bare_scene.server.fail("POST", path, 429, retry_after=1.0, is_global=True)
    pve.crash(101)
    await bare_scene.poll()
    await met(bare_scene, fault)
    await bare_scene.stop_bot()
    assert len(bare_scene.alerts_told()) == 1


async def test_a_global_limit_on_an_edit_silences_none(bare_scene: Stage, pve: Pve) -> None:
    path = await watching(bare_scene, 101, 102)
    pve.crash(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    fault = limit(bare_scene, "PATCH", path)
    alert = bare_scene.server.messages(bare_scene.alerts)[0]
    await bare_scene.press(bare_scene.emma, alert, "Acknowledge")
    await met(bare_scene, fault)
    pve.crash(102)
    await bare_scene.poll(later=1.0)
    await later(bare_scene, LONG)
    assert len(bare_scene.alerts_told()) == 2
    assert f"<@{bare_scene.emma.id}>" in bare_scene.alerts_told()[0]


async def test_edits_of_an_old_message_hold_back_no_new_alert(bare_scene: Stage, pve: Pve) -> None:
    path = await watching(bare_scene, 101, 102, 103)
    for vmid in (101, 102):
        pve.crash(vmid)
        await bare_scene.poll()
    await bare_scene.delivered()
    first, second = bare_scene.server.messages(bare_scene.alerts)
    fault = bare_scene.server.fail(
        "PATCH", f"{path}/{first.id}", 429, 1000, retry_after=60.0, code=30046, message=OLD_EDITS
    )
    await bare_scene.press(bare_scene.emma, first, "Acknowledge")
    await met(bare_scene, fault)
    pve.crash(103)
    await bare_scene.poll(later=1.0)
    await bare_scene.until(lambda: len(bare_scene.alerts_told()) == 3, "the new alert")
    await bare_scene.press(bare_scene.emma, second, "Acknowledge")
    await bare_scene.until(
        lambda: f"<@{bare_scene.emma.id}>" in bare_scene.alerts_told()[1], "the other edit"
    )
    assert f"<@{bare_scene.emma.id}>" not in bare_scene.alerts_told()[0]
    assert fault.met == 1, "not asked again before the time that Discord named"
    await bare_scene.until(lambda: "edits" in bare_scene.site.alert_delivery.error, "the status to say why")
    fault.times = fault.met
    await later(bare_scene, 60.0)
    assert f"<@{bare_scene.emma.id}>" in bare_scene.alerts_told()[0]


@pytest.mark.parametrize("kind", ["slow", "short limits"])
async def test_an_edit_that_takes_its_time_holds_back_no_new_alert(
    bare_scene: Stage, pve: Pve, kind: str
) -> None:
    """Either Discord answers the edit late, or discord.py waits for its limits by itself."""
    path = await watching(bare_scene, 101, 102)
    pve.crash(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    first = bare_scene.server.messages(bare_scene.alerts)[0]
    if kind == "slow":
        bare_scene.server.delay("PATCH", f"{path}/{first.id}", 4.0)
    else:
        bare_scene.server.fail("PATCH", f"{path}/{first.id}", 429, 2, retry_after=2.0, code=30046)
    await bare_scene.press(bare_scene.emma, first, "Acknowledge")
    pve.crash(102)
    await bare_scene.poll(later=1.0)
    await bare_scene.until(lambda: len(bare_scene.alerts_told()) == 2, "the new alert")
    assert f"<@{bare_scene.emma.id}>" not in bare_scene.alerts_told()[0], "the edit is still under way"
    await bare_scene.delivered()


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, 50001), (400, 50083), (403, 50005), (400, 30046), (400, 20028), (403, 130000)],
    ids=["no access", "archived", "not its own", "old edits", "the channel's writes", "overload"],
)
async def test_an_edit_that_is_refused_holds_back_no_new_alert(
    bare_scene: Stage, pve: Pve, status: int, code: int
) -> None:
    path = await watching(bare_scene, 101, 102)
    pve.crash(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    first = bare_scene.server.messages(bare_scene.alerts)[0]
    fault = bare_scene.server.fail("PATCH", f"{path}/{first.id}", status, 1000, code=code)
    await bare_scene.press(bare_scene.emma, first, "Acknowledge")
    await met(bare_scene, fault)
    pve.crash(102)
    await bare_scene.poll()
    await bare_scene.until(lambda: len(bare_scene.alerts_told()) == 2, "the new alert")
    fault.times = fault.met
    await later(bare_scene, 301.0)
    assert f"<@{bare_scene.emma.id}>" in bare_scene.alerts_told()[0]


@pytest.mark.parametrize(("status", "code"), [(400, 20028), (400, 20016), (403, 130000), (400, 50013)])
async def test_a_limit_with_another_status_than_429_loses_no_alert_and_none_of_its_words(
    bare_scene: Stage, pve: Pve, status: int, code: int
) -> None:
    path = await watching(bare_scene, 101)
    bare_scene.server.fail("POST", path, status, 4, code=code, message="The write rate limit was hit")
    pve.crash(101)
    await bare_scene.poll()
    await later(bare_scene, 301.0)
    (told,) = bare_scene.alerts_told()
    assert "stopped unexpectedly" in told
    assert "`pve1`" in told
    assert (await bare_scene.site.journal.backlog()).given_up == 0


async def test_an_outcome_that_hits_a_limit_that_is_no_429_is_shown_whole(scene: Stage, pve: Pve) -> None:
    plan = pve.next_task("qmstart", hold=True)
    begun = await scene.start_command(scene.akiko, "start", vmid=104)
    fault = scene.server.fail("PATCH", "/webhooks/", 400, 1, code=20028)
    plan.release()
    await met(scene, fault)
    await later(scene, LONG, lambda: "started" in post_of(begun).text)
    assert "palworld" in post_of(begun).text
    await scene.settled()


# -- answers


async def test_a_limited_first_answer_is_shown_in_the_channel(scene: Stage) -> None:
    """Discord accepts no first answer after three seconds, so waiting for it would be useless."""
    scene.server.ack_limit = IN_VAIN
    limit(scene, "POST", "/callback", 10)
    reply = asyncio.create_task(scene.say(scene.emma, "info", vmid=101))
    await scene.until(lambda: scene.server.messages(scene.channel), "the answer")
    assert "**101**" in scene.server.messages(scene.channel)[0].text
    await reply


async def test_a_change_is_not_begun_while_its_answer_is_limited(scene: Stage) -> None:
    scene.server.ack_limit = IN_VAIN
    limit(scene, "POST", "/callback", 10)
    await scene.say(scene.akiko, "start", vmid=104)
    assert not scene.changes()


async def test_an_outcome_that_is_limited_is_shown_after_the_limit(scene: Stage, pve: Pve) -> None:
    plan = pve.next_task("qmstart", hold=True)
    begun = await scene.start_command(scene.akiko, "start", vmid=104)
    fault = limit(scene, "PATCH", "/webhooks/", is_global=False)
    plan.release()
    await met(scene, fault)
    await later(scene, LONG, lambda: "started" in post_of(begun).text)
    await scene.settled()


async def test_progress_in_the_channel_waits_for_its_limit(scene: Stage, pve: Pve) -> None:
    """Past the token's life. The outcome then follows in the same message."""
    plan = pve.next_task("qmclone", hold=True)
    begun = await scene.start_command(scene.akiko, "create", template_id=9000, name="web-02")
    scene.clock.skip(14 * 60)
    edits = f"/channels/{scene.channel.id}/messages/"
    fault = scene.server.fail("PATCH", edits, 429, 1, retry_after=10 * LONG)
    plan.say("transferred 1.0 GiB of 10.0 GiB (10.00%)")
    await met(scene, fault)
    reads = list[int]()
    for done in (20, 30):
        plan.say(f"transferred {done / 10:.1f} GiB of 10.0 GiB ({done}.00%)")
        reads.append(len(scene.sent("GET", "/log")))
        scene.clock.skip(5.0)
        await scene.until(lambda: len(scene.sent("GET", "/log")) > reads[-1] + 1)
    assert len(scene.server.requests("PATCH", edits)) == 1
    plan.release()
    await later(scene, 10 * LONG, lambda: "was created" in post_of(begun).text)
    await scene.settled()


async def test_a_private_message_that_is_limited_comes_after_the_limit(scene: Stage, pve: Pve) -> None:
    pve.hang("/status/current", 1.0, times=1)
    fault = limit(scene, "POST", "/webhooks/", is_global=False)
    asking = asyncio.create_task(scene.say(scene.akiko, "start", vmid=101))
    await met(scene, fault)
    await later(scene, LONG, asking.done)
    reply = await asking
    await scene.until(lambda: reply.followups, "the refusal")
    assert "**101**" in reply.followups[0].text


async def test_audit_lines_come_after_a_global_limit(bare_scene: Stage) -> None:
    audit = bare_scene.guild.create_text_channel("audit", category=bare_scene.category)
    await bare_scene.start_bot(AUDIT_CHANNEL_ID=str(audit.id))
    fault = limit(bare_scene, "POST", f"/channels/{audit.id}/messages")
    await bare_scene.say(bare_scene.akiko, "start", vmid=104)
    await met(bare_scene, fault)
    assert bare_scene.server.messages(audit) == []
    await later(bare_scene, LONG, lambda: bare_scene.server.messages(audit))


async def test_a_request_after_the_end_of_the_bot_is_a_lost_connection(scene: Stage) -> None:
    """One that has waited for a limit until then would otherwise log a traceback."""
    http = scene.bot.http
    await scene.stop_bot()
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.get_channel(scene.channel.id)
    await scene.start_bot()
