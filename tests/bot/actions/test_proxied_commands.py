"""Test commands and the watch behind a proxy.

Finished work is reported as finished, and unknown results as unknown.
"""

import pytest

from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditFilter
from core.guest_errors import GuestLocked
from core.proxmox_errors import BadAnswer, MissingPrivilege, Rejected
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of
from ui.messages.errors import error_sentence

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
BOTH = pytest.mark.parametrize("language", ["ja", "en"])


def audited(scene: Stage) -> list[AuditRecord]:
    return [each.record for each in rows_of(scene.site.journal).audit_page(AuditFilter(), 0, 50)[0]]


async def stop(scene: Stage, vmid: int = 101) -> str:
    question = await scene.say(scene.akiko, "stop", vmid=vmid)
    name = scene.pve.guest(vmid).name
    reply = await scene.press(scene.akiko, question, scene.t()("Force-stop {name}", name=name))
    return "\n".join([question.text, *(post.text for post in reply.followups)])


@BOTH
async def test_a_stop_whose_answer_was_a_page_is_followed_to_its_end(scene: Stage, pve: Pve) -> None:
    pve.between.page("/qemu/101/status/stop", 524, method="POST")
    await scene.say(scene.akiko, "monitor add", vmid=101)
    await scene.poll(2, later=5.0)  # the clocks of the node and the bot must not differ by more than a minute
    text = await stop(scene)
    assert scene.t()("{guest} was force-stopped.", guest=f"**101** `{pve.guest(101).name}`") in text
    assert "` `" not in text
    await scene.poll(3)
    await scene.delivered()
    assert scene.alerts_told() == []
    ended = next(record for record in audited(scene) if record.operation == "stop")
    assert (ended.step, ended.outcome) == (AuditStep.ENDED, "OK")
    assert ended.upid


@BOTH
@walked_anew("status", [200, 302, 403, 429, 524])
async def test_a_stop_whose_result_cannot_be_read_is_unknown_and_stays_expected(
    scene: Stage, pve: Pve, status: int
) -> None:
    """The guest goes down all the same, and its task cannot be read either."""
    await scene.say(scene.akiko, "monitor add", vmid=101)
    await scene.poll(2)
    pve.between.page("/qemu/101/status/stop", status, method="POST")
    pve.between.page("/nodes/pve1/tasks", 503, times=None)
    text = await stop(scene)
    error = BadAnswer(pve.host, changing=True, status=status)
    assert error_sentence(scene.t(), error) in text
    assert "` `" not in text
    assert "<html" not in text
    assert (str(status) in text) == (status >= 300)
    ended = next(record for record in audited(scene) if record.operation == "stop")
    assert ended.step is AuditStep.ENDED
    assert ended.outcome.startswith('unknown: {"error":"BadAnswer"')
    pve.between.nothing()
    assert pve.guest(101).status == "stopped"
    # well within the five minutes for which it is expected, on a busy machine too
    await scene.poll(3, later=20.0)
    await scene.delivered()
    assert scene.alerts_told() == []


@BOTH
async def test_requests_lost_on_the_way_are_unknown_too(scene: Stage, pve: Pve) -> None:
    pve.between.page("/qemu/104/status/start", 403, method="POST", acts=False)
    reply = await scene.say(scene.emma, "start", vmid=104)
    scene.assert_refused(reply, scene.emma, BadAnswer(pve.host, changing=True, status=403))
    assert pve.guest(104).status == "stopped"


@BOTH
async def test_refusals_behind_a_proxy_are_those_of_proxmox(scene: Stage, pve: Pve) -> None:
    pve.between.standard_phrases()
    start = "/nodes/pve2/qemu/104/status/start"
    for words, status, error in (
        ("VM is locked (migrate)", 500, GuestLocked(104, "palworld", "migrate")),
        (
            "Permission check failed (/vms/104, VM.PowerMgmt)",
            403,
            MissingPrivilege("VM.PowerMgmt", "/vms/104"),
        ),
        ("first line\nsecond line", 500, Rejected(500, "first line second line")),
    ):
        pve.fail("POST", start, status, words, times=1)
        scene.assert_refused(await scene.say(scene.emma, "start", vmid=104), scene.emma, error)


@BOTH
async def test_a_page_in_place_of_a_list_says_its_status(scene: Stage, pve: Pve) -> None:
    scene.clock.skip(11)
    pve.between.page("/cluster/resources", 520)
    reply = await scene.say(scene.emma, "list")
    scene.assert_refused(reply, scene.emma, BadAnswer(pve.host, status=520))
    assert "520" in reply.text


@BOTH
async def test_a_refusal_without_words_shows_no_empty_code(scene: Stage, pve: Pve) -> None:
    pve.between.page("/qemu/104/status/start", 500, body='{"data":null}', kind="application/json", acts=False)
    reply = await scene.say(scene.emma, "start", vmid=104)
    scene.assert_refused(reply, scene.emma, Rejected(500, ""))
    assert "`" not in reply.text
    assert "500" in reply.text


@BOTH
async def test_a_tunnel_that_answers_for_proxmox_is_an_outage_with_its_status(scene: Stage, pve: Pve) -> None:
    """Guests are not taken to be down because of it, and the alert outlives a restart."""
    await scene.say(scene.akiko, "monitor add", vmid=101)
    await scene.poll(2)
    pve.between.page("/api2/json/", 524, times=None)
    await scene.poll(4)
    await scene.delivered()
    (told,) = scene.alerts_told()
    assert error_sentence(scene.t(), BadAnswer(pve.host, status=524)) in told
    await scene.restart_bot()
    await scene.poll(2)
    pve.between.nothing()
    await scene.poll(3)
    await scene.delivered()
    first, *rest = scene.alerts_told()
    assert "🔴" not in first
    assert len(rest) == 1
