"""Test the buttons of alerts: their effects, who may press them where, after a restart, after the end, and forged."""

import asyncio
import re

import pytest

from core.access.policy import InteractionKind
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import ChangedMeanwhile, IncidentOver, JournalFailed, NotHere, NotMuted
from core.guest import State
from core.guest_errors import WrongState
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])
DEFERRED_UPDATE = 6


async def poll(scene: Stage, times: int = 1, *, later: float = 60.0) -> None:
    await scene.poll(times, later=later)
    await scene.delivered()


async def alarm(scene: Stage, pve: Pve, vmid: int = 101) -> SeenMessage:
    """Crash a guest and return its alert."""
    await scene.say(scene.emma, "monitor add", vmid=vmid)
    await poll(scene)
    pve.crash(vmid)
    await poll(scene)
    return scene.server.messages(scene.alerts)[-1]


def button(post: SeenMessage, what: str) -> str:
    """Return the custom_id of this button."""
    found = [str(one.custom_id) for one in post.buttons if f":{what}:" in str(one.custom_id)]
    assert len(found) == 1, (what, post.buttons)
    return found[0]


def whats(post: SeenMessage) -> list[str]:
    return [str(one.custom_id).split(":")[1] for one in post.buttons]


def answered_in_silence(scene: Stage, reply: PressResult) -> None:
    """Check that the press was acknowledged without a message of its own."""
    assert scene.server.requests("POST", "/callback")[-1].body["type"] == DEFERRED_UPDATE
    assert reply.followups == []


# -- start


@BOTH
async def test_start_starts_it_and_answers_by_a_message_of_its_own(scene: Stage, pve: Pve) -> None:
    t = scene.t()
    post = await alarm(scene, pve)
    before = post.text
    reply = await scene.press(scene.akiko, post, button(post, "start"))
    assert pve.vm(101).status == "running"
    assert post_of(reply).id != post.id
    assert not reply.ephemeral
    assert t("{guest} was started.", guest="**101** `web01`") in reply.text
    assert f"<@{scene.akiko.id}>" in reply.text
    assert post.text == before, "the alert is the watch's to edit"
    await poll(scene)
    assert post.text.startswith("🟢")
    assert whats(post) == ["details", "chart"]
    told = [one.text for one in scene.server.messages(scene.alerts)]
    assert len(told) == 3, "the alert, the answer, the recovery"


async def test_start_shows_that_it_works_while_it_does(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    plan = pve.next_task("qmstart", vmid=101, hold=True)
    pressing = asyncio.create_task(scene.press(scene.emma, post, button(post, "start")))
    shown = await scene.server.wait_message(scene.alerts, lambda one: one.thinking)
    assert shown.id != post.id
    plan.release()
    reply = await pressing
    assert "was started" in reply.text
    assert post_of(reply).id == shown.id


async def test_start_of_a_guest_that_runs_again_gets_the_usual_refusal(scene: Stage, pve: Pve) -> None:
    """The guest runs again, but no poll has seen it yet, so the alert still says that it is down."""
    post = await alarm(scene, pve)
    pve.revive(101)
    for person in (scene.akiko, scene.emma):
        reply = await scene.press(person, post, button(post, "start"))
        scene.assert_refused(reply, person, WrongState(101, "web01", "start", State.RUNNING))
    assert scene.changes() == []
    assert len(scene.alerts_told()) == 1


async def test_start_after_the_end_is_refused_too(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    start = button(post, "start")
    pve.revive(101)
    await poll(scene)
    reply = await scene.press(scene.emma, post, start, force=True)
    scene.assert_refused(reply, scene.emma, WrongState(101, "web01", "start", State.RUNNING))


async def test_start_does_not_reach_another_guest_of_this_number(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    pve.vm(101).name = pve.vm(101).config["name"] = "another"
    reply = await scene.press(scene.emma, post, button(post, "start"))
    scene.assert_refused(reply, scene.emma, ChangedMeanwhile(101))
    assert pve.vm(101).status == "stopped"


# -- details


@BOTH
async def test_details_are_for_the_presser_alone(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    before = post.text
    reply = await scene.press(scene.akiko, post, button(post, "details"))
    assert reply.ephemeral
    assert post_of(reply).id != post.id
    assert "**101** `web01`" in reply.text
    assert scene.t(scene.akiko)("stopped") in reply.text, "in the presser's own language"
    assert [one.label for one in post_of(reply).buttons if not one.disabled] == [
        scene.t(scene.akiko)(word) for word in ("Start", "Refresh", "Chart", "Disks and backups")
    ]
    assert post.text == before
    assert len(scene.alerts_told()) == 1


async def test_the_panel_of_the_details_acts_as_any_panel(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    panel = await scene.press(scene.emma, post, button(post, "details"))
    await scene.press(scene.emma, panel, "Start")
    assert pve.vm(101).status == "running"
    assert "**running**" in post_of(panel).text


# -- acknowledge


@BOTH
async def test_acknowledge_is_shown_and_ends_the_repeats(bare_scene: Stage, pve: Pve, language: str) -> None:
    scene = bare_scene
    await scene.start_bot(ALERT_REPEAT_MINUTES="5", LANGUAGE=language)
    post = await alarm(scene, pve)
    reply = await scene.press(scene.akiko, post, button(post, "ack"))
    answered_in_silence(scene, reply)
    await scene.delivered()
    assert f"<@{scene.akiko.id}>" in post.embeds[0]["description"].splitlines()[1]
    assert "ack" not in whats(post)
    assert "mute1" in whats(post)
    await poll(scene, 12)
    assert len(scene.alerts_told()) == 1
    pve.revive(101)
    await poll(scene)
    assert f"<@{scene.akiko.id}>" in post.text
    assert post.text.startswith("🟢")
    text = (await scene.say(scene.emma, "monitor history")).text
    assert f"<@{scene.akiko.id}>" in text


async def test_unacknowledged_incidents_are_repeated(bare_scene: Stage, pve: Pve) -> None:
    """A reminder can be acknowledged too. It is answered with a message, because a reminder is not edited."""
    scene = bare_scene
    await scene.start_bot(ALERT_REPEAT_MINUTES="5")
    post = await alarm(scene, pve)
    await poll(scene, 6)
    assert len(scene.alerts_told()) == 2
    again = scene.server.messages(scene.alerts)[1]
    still_open = r"🔴 Still open after 5 min(?: \d+ s)?: \*\*101\*\* `web01` stopped"
    assert re.match(still_open, again.text), again.text
    reply = await scene.press(scene.emma, again, button(again, "ack"))
    assert [one.text for one in reply.followups] == ["✅ Acknowledged. No more reminders for this incident."]
    assert reply.followups[0].ephemeral
    await scene.delivered()
    assert f"<@{scene.emma.id}>" in post.text, "the opening shows it"
    reply = await scene.press(scene.akiko, again, button(again, "ack"))
    assert f"<@{scene.emma.id}>" in reply.followups[0].text, "the first counts, and the second is told"
    reply = await scene.press(scene.emma, again, button(again, "mute1"))
    told = reply.followups[0].text
    assert told.startswith("✅ Muted until <t:"), told
    assert told.endswith(">: **101** `web01`."), told
    assert reply.followups[0].ephemeral
    await poll(scene, 12)
    assert len(scene.alerts_told()) == 2


# -- mute


@pytest.mark.parametrize(("what", "hours"), [("mute1", 1), ("mute8", 8)])
async def test_mute_is_shown_and_lasts_until_the_recovery(
    bare_scene: Stage, pve: Pve, what: str, hours: int
) -> None:
    scene = bare_scene
    await scene.start_bot(ALERT_REPEAT_MINUTES="5")
    post = await alarm(scene, pve)
    reply = await scene.press(scene.emma, post, button(post, what))
    answered_in_silence(scene, reply)
    await scene.delivered()
    assert "Muted until <t:" in post.text
    (mute,) = scene.site.watch.alerts.mutes()
    assert (mute.target, mute.by) == ("guest/101", "Emma")
    assert abs(mute.until - scene.clock.now() - hours * 3600) < 60
    await poll(scene, 12)
    assert len(scene.alerts_told()) == 1
    pve.revive(101)
    await poll(scene)
    assert scene.site.watch.alerts.mutes() == ()
    first, recovery = scene.server.messages(scene.alerts)
    assert first.id == post.id
    for message in (first, recovery):
        assert message.content.startswith("🟢")
        assert "The mute ended with the recovery." in message.text
    assert whats(first) == ["details", "chart"]
    assert whats(recovery) == []
    pve.crash(101)
    await poll(scene)
    assert scene.alerts_told()[-1].startswith("🔴"), "the next stop is told"


async def test_a_mute_by_command_outlasts_the_recovery_and_is_offered_back(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    await scene.press(scene.emma, post, button(post, "ack"))
    await scene.say(scene.emma, "monitor mute", target="guest/101", duration="2h")
    await scene.press(scene.emma, post, button(post, "mute1"))
    pve.revive(101)
    await poll(scene)
    assert len(scene.alerts_told()) == 1, "edited, and no word beside it"
    assert post.content.startswith("🟢")
    assert "Muted until <t:" in post.text
    assert whats(post) == ["details", "unmute", "chart"]
    answered_in_silence(scene, await scene.press(scene.emma, post, button(post, "unmute")))
    await scene.delivered()
    assert scene.site.watch.alerts.mutes() == ()
    assert "Muted" not in post.text
    assert whats(post) == ["details", "chart"]
    found = (await scene.site.journal.audit_page(AuditFilter(), 0, 1))[0][0].record
    assert (found.step, found.operation, found.vmid) == (AuditStep.ENDED, "monitor_unmute", 101)


async def test_a_mute_of_a_node_is_offered_back_after_its_recovery(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "monitor add", vmid=107)
    await poll(scene)
    pve.node_offline("pve3")
    await poll(scene, 2)
    post = scene.server.messages(scene.alerts)[-1]
    await scene.press(scene.emma, post, button(post, "mute8"))
    pve.node_online("pve3")
    await poll(scene)
    await scene.say(scene.emma, "monitor mute", target="guest/107", duration="2h")
    assert whats(post) == ["unmute", "nodechart"]
    await scene.press(scene.emma, post, button(post, "unmute"))
    assert [mute.target for mute in scene.site.watch.alerts.mutes()] == ["guest/107"], "only its own"


async def test_unmute_needs_a_mute(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    incident = button(post, "ack").split(":")[2]
    reply = await scene.press(scene.emma, post, f"a1:unmute:{incident}", force=True)
    assert scene.told(scene.emma, NotMuted("guest/101")) in reply.text


@pytest.fixture
async def scoped(bare_scene: Stage) -> Stage:
    """Provide a stage where akiko is an operator of guest 102 alone, and emma an admin."""
    scene = bare_scene
    operator, admin = scene.guild.create_role("operator"), scene.guild.create_role("admin")
    scene.akiko = scene.server.person(scene.guild, "aki", locale="en-US", roles=[operator])
    scene.emma = scene.server.person(scene.guild, "em", locale="en-US", roles=[admin])
    await scene.start_bot(
        OPERATOR_ROLE_IDS=str(operator.id),
        ADMIN_ROLE_IDS=str(admin.id),
        ROLE_SCOPES=f'{{"{operator.id}": ["vmid:102"]}}',
    )
    return scene


async def test_only_people_who_may_mute_the_guest_may_unmute_it(scoped: Stage, pve: Pve) -> None:
    scene = scoped
    for vmid, left in ((101, True), (102, False)):
        post = await alarm(scene, pve, vmid)
        await scene.say(scene.emma, "monitor mute", target=f"guest/{vmid}", duration="2h")
        pve.revive(vmid)
        await poll(scene)
        await scene.press(scene.akiko, post, button(post, "unmute"))
        held = {mute.target for mute in scene.site.watch.alerts.mutes()}
        assert (f"guest/{vmid}" in held) is left


# -- the log of a failed backup


async def failed_backup(scene: Stage, pve: Pve, vmid: int | None, node: str | None = None) -> SeenMessage:
    await poll(scene)
    pve.backup_job(vmid, node, ends="job errors")
    await poll(scene, 6)
    return scene.server.messages(scene.alerts)[-1]


@BOTH
async def test_details_of_a_failed_backup_are_the_end_of_its_log(scene: Stage, pve: Pve) -> None:
    post = await failed_backup(scene, pve, 101)
    assert whats(post) == ["details"]
    reply = await scene.press(scene.akiko, post, button(post, "details"))
    assert reply.ephemeral
    assert "INFO: Starting Backup of VM 101 (qemu)" in reply.text
    assert "```" in reply.text
    assert scene.changes() == []
    assert len(scene.alerts_told()) == 1


async def test_a_backups_log_is_shown_only_to_people_who_see_all_its_guests(scoped: Stage, pve: Pve) -> None:
    scene = scoped
    for vmid, node, seen in ((102, None, True), (101, None, False), (None, "pve1", False)):
        post = await failed_backup(scene, pve, vmid, node)
        reply = await scene.press(scene.akiko, post, button(post, "details"))
        assert reply.ephemeral
        assert ("INFO: Starting Backup" in reply.text) is seen, vmid
        reply = await scene.press(scene.emma, post, button(post, "details"))
        assert "INFO: Starting Backup" in reply.text, vmid


async def test_a_log_that_cannot_be_read_is_explained_in_a_sentence(scene: Stage, pve: Pve) -> None:
    post = await failed_backup(scene, pve, 101)
    pve.deny("Sys.Audit")
    reply = await scene.press(scene.emma, post, button(post, "details"))
    assert reply.ephemeral
    assert "```" not in reply.text


async def test_a_mute_can_be_taken_back(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    await scene.press(scene.emma, post, button(post, "mute1"))
    await scene.say(scene.emma, "monitor unmute", target="guest/101")
    await scene.delivered()
    assert "Muted" not in post.text


async def test_a_muted_node_is_the_node(scene: Stage, pve: Pve) -> None:
    pve.node_offline("pve3")
    await poll(scene)
    pve.node_online("pve3")
    await poll(scene, 2)
    await scene.say(scene.emma, "monitor add", vmid=107)
    pve.node_offline("pve3")
    await poll(scene, 2)
    post = scene.server.messages(scene.alerts)[-1]
    assert whats(post) == ["ack", "mute1", "mute8"]
    await scene.press(scene.emma, post, button(post, "mute8"))
    assert [mute.target for mute in scene.site.watch.alerts.mutes()] == ["node/pve3"]


# -- over, old, forged


@pytest.mark.parametrize("what", ["ack", "mute1", "mute8"])
async def test_an_incident_that_is_over_needs_no_answer(scene: Stage, pve: Pve, what: str) -> None:
    post = await alarm(scene, pve)
    custom_id = button(post, what)
    pve.revive(101)
    await poll(scene)
    text = post.text
    reply = await scene.press(scene.akiko, post, custom_id, force=True)
    assert [one.text for one in reply.followups] == [scene.told(scene.akiko, IncidentOver())]
    assert reply.followups[0].ephemeral
    assert post.text == text
    assert scene.site.watch.alerts.mutes() == ()


async def test_an_incident_nobody_knows_is_over(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    for what in ("start", "details", "ack", "mute1", "mute8"):
        reply = await scene.press(scene.emma, post, f"a1:{what}:999999", force=True)
        assert scene.told(scene.emma, IncidentOver()) in reply.text, what
        assert scene.changes() == [], what
        assert scene.site.watch.alerts.mutes() == (), what


async def test_other_words_do_nothing(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    for custom_id in ("a1:start:0", "a1:stop:1", "a1:ack:1:x", "a1:ack:-1", "a1:mute9:1", "a1:ack:"):
        await scene.press(scene.emma, post, custom_id, force=True)
        assert scene.changes() == [], custom_id
        assert scene.site.watch.alerts.mutes() == (), custom_id
        assert "Acknowledged" not in post.text, custom_id


async def test_a_forged_start_of_an_alert_that_has_none(scene: Stage, pve: Pve) -> None:
    """A guest with a busy CPU cannot be started from its alert."""
    await scene.say(scene.emma, "monitor add", vmid=101, cpu=50)
    pve.set_use(101, cpu=0.9)
    await poll(scene, 4)
    post = scene.server.messages(scene.alerts)[-1]
    assert "start" not in whats(post)
    incident = button(post, "ack").split(":")[2]
    reply = await scene.press(scene.emma, post, f"a1:start:{incident}", force=True)
    scene.assert_refused(reply, scene.emma, IncidentOver())


async def test_alert_buttons_work_after_a_restart(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    await scene.restart_bot()
    await scene.press(scene.akiko, post, button(post, "ack"))
    await scene.delivered()
    assert f"<@{scene.akiko.id}>" in post.text
    reply = await scene.press(scene.emma, post, button(post, "start"))
    assert "was started" in reply.text


async def test_a_journal_that_refuses_says_so(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await alarm(scene, pve)
    error = JournalFailed("ENOSPC")

    def refuse(_batch: object) -> None:
        raise error

    with monkeypatch.context() as full:
        full.setattr(scene.bot.journal, "commit", refuse)
        reply = await scene.press(scene.akiko, post, button(post, "ack"))
    assert [one.text for one in reply.followups] == [scene.told(scene.akiko, error)]
    assert "Acknowledged" not in post.text
    assert "ack" in whats(post)


async def test_a_press_that_discord_no_longer_takes_changes_nothing(scene: Stage, pve: Pve) -> None:
    """Discord has told the presser that the press failed."""
    post = await alarm(scene, pve)
    scene.expected_statuses.add(404)
    scene.server.ack_limit = 3.0
    scene.server.fail("POST", "/callback", 404, 2)
    await scene.press(scene.emma, post, button(post, "ack"))
    await scene.delivered()
    assert "Acknowledged" not in post.text


# -- where


@pytest.fixture
async def apart(bare_scene: Stage) -> Stage:
    """Provide a stage whose alert channel lies outside the category."""
    bare_scene.server.move(bare_scene.alerts, None)
    await bare_scene.start_bot()
    return bare_scene


async def test_in_an_alert_channel_outside_of_the_category_they_work(apart: Stage, pve: Pve) -> None:
    post = await alarm(apart, pve)
    panel = await apart.press(apart.akiko, post, button(post, "details"))
    assert panel.ephemeral
    assert "**101**" in panel.text
    await apart.press(apart.akiko, post, button(post, "ack"))
    await apart.press(apart.akiko, post, button(post, "mute1"))
    await apart.delivered()
    assert f"<@{apart.akiko.id}>" in post.text
    assert "Muted until" in post.text
    reply = await apart.press(apart.akiko, post, button(post, "start"))
    assert "was started" in reply.text
    assert pve.vm(101).status == "running"


async def test_a_panel_in_such_an_alert_channel_has_no_buttons_that_would_be_refused(
    apart: Stage, pve: Pve
) -> None:
    post = await alarm(apart, pve)
    panel = await apart.press(apart.emma, post, button(post, "details"))
    assert [one.label for one in post_of(panel).buttons] == ["Start", "Refresh", "Chart", "Disks and backups"]
    await apart.press(apart.emma, panel, "Start")
    assert [one.label for one in post_of(panel).buttons] == ["Refresh", "Chart", "Disks and backups"]
    assert pve.vm(101).status == "running"
    for operation in ("reboot", "shutdown"):
        forged = f"g1:{operation}:101:{apart.fingerprint(101)}"
        reply = await apart.press(apart.emma, post, forged, force=True)
        apart.assert_refused(reply, apart.emma, NotHere())
    assert pve.vm(101).status == "running"


async def test_no_command_works_in_an_alert_channel_outside_of_the_category(apart: Stage) -> None:
    for command in ("list", "monitor list", "monitor status", "help"):
        reply = await apart.say(apart.emma, command, channel=apart.alerts)
        apart.assert_refused(reply, apart.emma, NotHere())
    reply = await apart.say(apart.emma, "start", vmid=104, channel=apart.alerts)
    apart.assert_refused(reply, apart.emma, NotHere())
    assert await apart.server.autocomplete(apart.emma, apart.alerts, "info", "vmid", "") == []


async def test_an_alert_in_any_other_place_is_dead(apart: Stage, pve: Pve) -> None:
    """Such a place is a channel that was the alert channel once."""
    post = await alarm(apart, pve)
    await apart.stop_bot()
    settings = {"ALERT_CHANNEL_ID": str(apart.channel.id)}
    await apart.start_bot(**settings)
    before = post.text
    for what in ("start", "details", "ack", "mute1", "mute8"):
        reply = await apart.press(apart.akiko, post, button(post, what))
        apart.assert_refused(reply, apart.akiko, NotHere())
    assert apart.changes() == []
    assert post.text == before


async def test_presses_are_recorded(scene: Stage, pve: Pve) -> None:
    post = await alarm(scene, pve)
    await scene.press(scene.emma, post, button(post, "ack"))
    await scene.press(scene.emma, post, button(post, "mute8"))
    await scene.press(scene.emma, post, button(post, "start"))
    await scene.press(scene.emma, post, "a1:ack:999999", force=True)
    found = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 10))[0]][::-1][
        -4:
    ]
    assert [(each.step, each.operation, each.vmid, each.detail) for each in found] == [
        (AuditStep.ENDED, "acknowledge", 101, "guest/101"),
        (AuditStep.ENDED, "monitor_mute", 101, "guest/101 28800 s"),
        (AuditStep.ENDED, "start", 101, ""),
        (AuditStep.REFUSED, "acknowledge", None, "a1:ack:999999"),
    ]
    assert {(each.actor.user_id, each.actor.interaction_kind) for each in found} == {
        (scene.emma.id, InteractionKind.BUTTON)
    }
