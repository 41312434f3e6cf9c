"""Test answers from something in Discord's place, and limits announced in advance: no alert is lost.

Such an answer is not taken for a refusal by Discord.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from playground.discord.faults import Window
from playground.pve.server import Pve
from tests.support import stage as stages
from tests.support.process_stage import ProcessStage, process_stage
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of
from tests.support.walked import DEEP
from tests.support.watch.at_once import rows_of

scene, bare_scene, pve, language = stages.scene, stages.bare_scene, stages.pve, stages.language

PORTAL = "<title>Hotel WLAN</title>"
PAGES = [
    (200, PORTAL, "text/html"),
    (200, '{"id": "12', "application/json"),
    (200, "null", "application/json"),
    (400, "<h1>400 Bad Request</h1>", "text/html"),
    (401, "<h1>Log in</h1>", "text/html"),
    (404, "not found", "text/plain"),
    (413, "", ""),
]
"""Status, text and content type of each."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


async def watching(scene: Stage, *vmids: int) -> str:
    """Start the bot with these guests watched. Return the path of the alert channel's messages."""
    await scene.start_bot(MONITOR_VM_IDS=",".join(map(str, vmids)))
    await scene.poll(2)
    return f"/channels/{scene.alerts.id}/messages"


async def later(scene: Stage, step: float = 301.0, done: Callable[[], bool] | None = None) -> None:
    """Let time pass until `done` holds; by default until every alert is there."""
    journal = rows_of(scene.site.journal)

    def is_done() -> bool:
        scene.clock.skip(step)
        return done() if done else not (journal.to_post() or journal.to_edit())

    await scene.until(is_done, "what was held up")


async def test_a_page_in_place_of_an_answer_costs_no_alert_and_no_edit(bare_scene: Stage, pve: Pve) -> None:
    path = await watching(bare_scene, 101)
    for status, page, kind in PAGES:
        before = len(bare_scene.alerts_told())
        fault = bare_scene.server.fail("POST", path, status, 8, page=page or " ", kind=kind)
        pve.crash(101)
        await bare_scene.poll()
        await later(bare_scene)
        assert fault.met == 8, (status, page)
        (told,) = bare_scene.alerts_told()[before:]
        assert "stopped unexpectedly" in told, "whole: it was not Discord that took offence"
        assert "`pve1`" in told, "whole: it was not Discord that took offence"
        fault = bare_scene.server.fail("PATCH", path, status, 8, page=page or " ", kind=kind)
        alert = bare_scene.server.messages(bare_scene.alerts)[before]
        await bare_scene.press(bare_scene.emma, alert, "Acknowledge")
        await later(bare_scene)
        assert fault.met == 8, (status, page)
        assert f"<@{bare_scene.emma.id}>" in alert.text, (status, page)
        pve.revive(101)
        await bare_scene.poll(2)
        await bare_scene.delivered()
    assert (await bare_scene.site.journal.backlog()).given_up == 0


@walked_anew(("status", "page", "kind"), PAGES)
async def test_a_page_in_place_of_discords_response_to_an_answer_loses_no_outcome(
    scene: Stage, pve: Pve, status: int, page: str, kind: str
) -> None:
    plan = pve.next_task("qmstart", hold=True)
    begun = await scene.start_command(scene.akiko, "start", vmid=104)
    scene.server.fail("PATCH", "/webhooks/", status, 2, page=page or " ", kind=kind)
    plan.release()
    await later(scene, 5.0, lambda: "started" in post_of(begun).text)
    await scene.settled()


@pytest.mark.parametrize(("status", "page", "kind"), PAGES if DEEP else PAGES[::3])
async def test_a_page_at_the_log_in_ends_no_bot(
    stage: ProcessStage, status: int, page: str, kind: str
) -> None:
    stage.server.fail("GET", "/users/@me", status, 1, page=page or " ", kind=kind)
    bot = await stage.launch()
    await stage.until(lambda: stage.server.gateway.connected, "Discord to be tried again", alive=True)
    assert "not the cause" in bot.output()


async def test_a_limit_named_in_advance_delays_alerts_and_loses_none(bare_scene: Stage, pve: Pve) -> None:
    """Discord's headers say how long a bucket lasts. discord.py sends nothing while that is more than 30 s."""
    path = await watching(bare_scene, 101, 102)
    bare_scene.server.limits.windows["POST /channels/:id/messages"] = Window(9, 33.0)
    pve.crash(101)
    await bare_scene.poll()
    await bare_scene.delivered()
    pve.crash(102)
    await bare_scene.poll(later=1.0)
    await bare_scene.until(lambda: "429" in bare_scene.site.alert_delivery.error, "the limit")
    assert len(bare_scene.server.requests("POST", path)) == 1
    await later(bare_scene, 1.0)
    assert len(bare_scene.alerts_told()) == 2
