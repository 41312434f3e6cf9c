"""Test that what one person alone sees stays with them, whatever is pressed and however Discord or the bot fails.

`LANGUAGE` is English and the reader is Japanese, so that a card in the wrong language is noticed.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from core.audit.record import NOTHING_STARTED, UNKNOWN, AuditStep
from core.audit.store import AuditFilter
from core.errors import QuestionOver
from core.guest_errors import GuestNotFound
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import rows_of
from ui.discord.blocked import blocked_note

scene, bare_scene, pve = stage.scene, stage.bare_scene, stage.pve
language, undrawn, cast = stage.language, stage.undrawn, people.cast

JAPANESE = re.compile("[぀-ヿ一-鿿]")
PRIVATE_COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("help", {}),
    ("access", {}),
    ("audit", {}),
    ("health", {}),
    ("delete", {"vmid": 101}),
    ("start", {"vmid": 106}),
    ("snapshot rollback", {"vmid": 103, "name": "nothing"}),
)
"""Commands with a private answer. The last three are refused, and offer a next step."""


def written(post: SeenMessage) -> str:
    return json.dumps([post.text, post.components, post.attachments], ensure_ascii=False)


def seen_by_all(scene: Stage) -> dict[int, str]:
    """Return what everybody reads, by message."""
    return {
        post.id: written(post)
        for each in (scene.channel, scene.alerts)
        for post in scene.server.messages(each)
    }


def is_japanese(post: SeenMessage) -> bool:
    labels = [button.label for button in post.buttons if re.search("[A-Za-z]{2,}", button.label)]
    return bool(JAPANESE.search(post.text)) and all(map(JAPANESE.search, labels))


async def private_messages(scene: Stage) -> list[SeenMessage]:
    """Return private messages of each kind for the Japanese reader. Nobody else acts before."""
    who, pve = scene.akiko, scene.pve
    for name in ("a", "b", "c", "d", "e", "f"):
        await scene.say(who, "snapshot create", vmid=103, name=name)
    listed = await scene.say(who, "list")
    posts = [post_of(await scene.say(who, command, **given)) for command, given in PRIVATE_COMMANDS]
    posts.append(post_of(await scene.choose(who, listed, "s1:guest", ["104"])))
    posts += [
        post_of(await scene.press(who, listed, custom_id, force=True))
        for custom_id in (
            "g1:details:101",
            "g1:chart:101",
            "g1:disks:101",
            "n1:chart:pve1",
            "g1:snapshots:103",
        )
    ]
    pve.time_scale = 0.001
    panel = posts[PRIVATE_COMMANDS.index(("start", {"vmid": 106}))]
    panel = post_of(await scene.press(who, panel, "g1:details:106"))
    await scene.press(
        who, panel, scene.t(who)("Shutdown")
    )  # it does not obey, so that a force stop is offered
    posts.append(panel)
    assert all(post.ephemeral for post in posts), [post for post in posts if not post.ephemeral]
    return posts


async def press_everything(scene: Stage, posts: list[SeenMessage], check: Callable[[str], None]) -> list[str]:
    """Press each button once, also those of the private messages that open. Return the pressed ids."""
    pressed: dict[str, None] = {}
    for post in posts:
        await _press_all(scene, post, pressed, check)
    return list(pressed)


async def _press_all(
    scene: Stage, post: SeenMessage, pressed: dict[str, None], check: Callable[[str], None]
) -> None:
    while fresh := [
        each.custom_id
        for each in post.buttons
        if each.custom_id
        and not each.disabled
        and not each.custom_id.startswith("q1:no:")
        and kind_of(each.custom_id) not in map(kind_of, pressed)
    ]:
        custom_id = fresh[-1]
        pressed[custom_id] = None
        reply = await scene.press(scene.akiko, post, custom_id)
        check(custom_id)
        for opened in (reply.post, *reply.followups):
            if opened is not None and opened.id != post.id:
                await _press_all(scene, opened, pressed, check)


def kind_of(custom_id: str) -> str:
    """Return the part of a custom_id that says what a press does."""
    parts = custom_id.split(":")
    return ":".join(parts[:3] if parts[0] in ("g1", "p1") else parts[:2])


@pytest.mark.usefixtures("undrawn")
async def test_nothing_pressed_on_a_private_message_is_seen_by_others(scene: Stage) -> None:
    posts = await private_messages(scene)
    before = seen_by_all(scene)

    def check(custom_id: str) -> None:
        assert seen_by_all(scene) == before, custom_id
        for post in scene.server.all_messages(scene.channel):
            assert not post.ephemeral or is_japanese(post), f"{custom_id}: {post.text} {post.buttons}"

    pressed = await press_everything(scene, posts, check)
    assert {"q1:yes", "p3:a"} <= {kind_of(each)[:6] if each[0] == "q" else each[:4] for each in pressed}, (
        pressed
    )
    assert scene.pve.vm(106).status == "stopped"
    assert len(pressed) > 20, pressed


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("status", "code"), [(404, 10062), (404, 10015), (401, 50027)])
@pytest.mark.parametrize("where", ["/callback", "/webhooks/"])
async def test_a_private_answer_that_discord_refuses_is_shown_nowhere_else(
    scene: Stage, status: int, code: int, where: str
) -> None:
    posts = await private_messages(scene)
    before = seen_by_all(scene)
    scene.server.answer_wait = 0.0
    if where == "/callback":
        scene.server.ack_limit = 0.05  # there is no acknowledgement to wait for
    scene.expected_statuses |= {status, 404}
    refused = scene.server.fail("*", where, status, 1_000_000, code=code)
    assert len(await press_everything(scene, posts, lambda _custom_id: None)) > 10
    assert refused.met
    assert seen_by_all(scene) == before


async def begin_in_private(scene: Stage) -> PressResult:
    """Begin a shutdown from a private panel, and return that panel."""
    panel = await scene.press(scene.akiko, await scene.say(scene.emma, "start", vmid=104), "Details")
    scene.server.answer_wait = 0.0
    await scene.server.click(scene.akiko, post_of(panel), scene.t(scene.akiko)("Shutdown"))
    await scene.until(lambda: scene.sent("POST", "/status/shutdown"))
    return panel


async def outcome(scene: Stage) -> str:
    """Return the outcome of the last shutdown, once it is found out. By then anybody who is told has been."""

    def found() -> str:
        wanted = AuditFilter(operation="shutdown")
        record = rows_of(scene.site.journal).audit_page(wanted, 0, 1)[0][0].record
        known = record.step is AuditStep.ENDED and not record.outcome.startswith(UNKNOWN)
        return record.outcome if known else ""

    return await scene.until(found)


@pytest.mark.parametrize("end", ["crash_bot", "restart_bot"])
async def test_a_private_actions_result_found_by_the_next_run_is_posted_nowhere(
    scene: Stage, pve: Pve, end: str
) -> None:
    plan = pve.next_task("qmshutdown", vmid=104, hold=True)
    panel = await begin_in_private(scene)
    before = seen_by_all(scene)
    await scene.recorded()
    await getattr(scene, end)()
    assert is_japanese(post_of(panel)), "the farewell too"
    plan.release()
    assert await outcome(scene) == "OK"
    assert seen_by_all(scene) == before


async def test_a_private_actions_result_found_by_the_same_run_is_posted_nowhere(
    scene: Stage, pve: Pve
) -> None:
    pve.fail("POST", "/status/shutdown", 596, "Connection timed out")
    panel = await begin_in_private(scene)
    before = seen_by_all(scene)
    await scene.settled()
    assert is_japanese(post_of(panel))
    scene.clock.skip(60.0)
    assert await outcome(scene) == NOTHING_STARTED
    assert seen_by_all(scene) == before


async def force_stop_in_private(scene: Stage, pve: Pve) -> PressResult:
    """Ask for a force stop on a private panel whose guest did not shut down, and return the question."""
    pve.time_scale = 0.001
    refused = await scene.say(scene.akiko, "start", vmid=106)
    panel = await scene.press(scene.akiko, refused, "g1:details:106")
    await scene.press(scene.akiko, panel, scene.t(scene.akiko)("Shutdown"))
    return await scene.press(scene.akiko, panel, scene.t(scene.akiko)("Force stop…"))


@pytest.mark.parametrize("end", ["yes", "no", "lapse", "farewell", "restart", "blocked"])
async def test_a_question_on_a_private_message_is_private_to_its_end(
    scene: Stage, pve: Pve, end: str
) -> None:
    before = seen_by_all(scene)
    asked = await force_stop_in_private(scene, pve)
    question, t = post_of(asked), scene.t(scene.akiko)
    assert question.ephemeral
    assert is_japanese(question)
    answer, wanted = question.buttons[0].custom_id or "", ""
    if end in ("yes", "no"):
        wanted = t("Cancelled. Nothing was done.") if end == "no" else ""
        await scene.press(scene.akiko, question, answer.replace(":yes:", f":{end}:"))
    elif end == "lapse":
        wanted = t("Timed out. Nothing was done.")
        scene.clock.skip(61.0)
    elif end == "farewell":
        wanted = t("The bot is shutting down, so nothing was done.")
        await scene.stop_bot()
    else:
        await scene.crash_bot()
        if end == "blocked":
            scene.server.block("win11-dev", path_part="/callback")
            wanted = blocked_note(t)
        pressed = await scene.press(scene.akiko, question, answer)
        assert all(button.disabled for button in question.buttons)
        assert [post.text for post in pressed.followups] == [scene.told(scene.akiko, QuestionOver())]
    await scene.until(lambda: wanted in question.text, wanted)
    assert is_japanese(question)
    assert (pve.vm(106).status == "stopped") is (end == "yes")
    assert seen_by_all(scene) == before


async def test_a_press_does_not_tell_a_hidden_guest_from_none(bare_scene: Stage, cast: Cast) -> None:
    """A forged press for a guest that does not exist is refused as for a hidden one, and replaces no message."""
    scene, who = bare_scene, cast["game"]
    shown = post_of(await scene.say(who, "info", vmid=104))
    before = written(shown)
    for vmid in (101, 9999):
        reply = await scene.press(who, shown, f"g1:start:{vmid}:{'0' * 32}", force=True)
        scene.assert_refused(reply, who, GuestNotFound(vmid))
        assert reply.kind == "message"
        assert written(shown) == before


async def test_a_protected_guests_form_on_a_private_refusal_ends_in_private(
    bare_scene: Stage, pve: Pve
) -> None:
    scene, who = bare_scene, bare_scene.akiko
    await scene.start_bot(PROTECTED_VM_IDS="101", LANGUAGE="en")
    pve.act_as(101, "suspend")
    await scene.until(lambda: pve.vm(101).qmpstatus == "paused")
    await scene.poll()
    before = seen_by_all(scene)
    refused = await scene.say(who, "delete", vmid=101)
    asked = await scene.press(who, refused, scene.t(who)("Force stop…"))
    form = await scene.press(who, asked, str(post_of(asked).buttons[0].custom_id))
    await scene.submit(who, form, {"name": "web01", "reason": "why"})
    assert pve.vm(101).status == "stopped"
    assert is_japanese(post_of(asked))
    assert seen_by_all(scene) == before


PUBLIC_COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list", {}),
    ("list", {"status": "stopped", "kind": "lxc", "node": "pve3"}),
    ("status", {}),
    ("info", {"vmid": 101}),
    ("graph guest", {"vmid": 101}),
    ("graph node", {"node": "pve1"}),
    ("node list", {}),
    ("node info", {"node": "pve1"}),
    ("storage", {}),
    ("monitor list", {}),
    ("monitor history", {}),
    ("stop", {"vmid": 102, "dry_run": True}),
)


@pytest.mark.usefixtures("undrawn")
async def test_a_public_message_stays_in_the_bots_language_whoever_presses(scene: Stage) -> None:
    await scene.say(scene.emma, "monitor add", vmid=101)
    posts = [post_of(await scene.say(scene.emma, command, **given)) for command, given in PUBLIC_COMMANDS]

    def check(custom_id: str) -> None:
        for post in scene.server.all_messages(scene.channel):
            right = is_japanese(post) if post.ephemeral else not JAPANESE.search(written(post))
            assert right, f"{custom_id}: {post.text}"

    assert len(await press_everything(scene, posts, check)) > 20


@pytest.mark.usefixtures("undrawn")
async def test_a_scoped_presser_changes_no_message_about_hidden_guests(bare_scene: Stage, cast: Cast) -> None:
    """What they may see of it opens for them alone. The others go on reading their own."""
    scene = bare_scene
    for vmid in (101, 103):
        await scene.say(cast["admin"], "monitor add", vmid=vmid)
    scene.pve.crash(101)
    await scene.poll(3)
    await scene.delivered()
    posts = [post_of(await scene.say(cast["admin"], command, **given)) for command, given in PUBLIC_COMMANDS]
    before, cluster = seen_by_all(scene), scene.cluster()
    for post in posts:
        for button in [each for each in post.buttons if each.custom_id and not each.disabled]:
            await scene.press(cast["game"], post, str(button.custom_id))
            assert seen_by_all(scene) == before, button
        for menu in post.selects:
            await scene.choose(cast["game"], post, menu.custom_id, [menu.options[0][1]])
            assert seen_by_all(scene) == before, menu
    assert scene.cluster() == cluster
