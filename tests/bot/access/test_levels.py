"""Test roles, scopes and owners on the real bot: each person's choices, answers and refusals.

No answer reveals a hidden name.
"""

import logging
import random
from itertools import product
from typing import Any

import pytest

from core.access.policy import InteractionKind
from core.audit.folding import ROWS_MOST
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import NotAllowed, NotYours, QuestionAnswered, QuestionOver
from core.guest_errors import GuestNotFound
from core.levels import Level
from playground.discord.people import Person, PressResult
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import EVERY_COMMAND, EVERY_COMPLETION, level_of
from tests.support.scenes import people
from tests.support.scenes.people import GAME, Cast
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, answer_of, post_of

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
cast = people.cast


@walked_anew(
    ("name", "level"), [("nobody", Level.NONE), ("viewer", Level.VIEWER), ("operator", Level.OPERATOR)]
)
async def test_operations_above_a_level_are_refused_in_private_and_recorded(
    bare_scene: Stage, cast: Cast, name: str, level: Level
) -> None:
    scene, before = bare_scene, bare_scene.cluster()
    above = [(command, options) for command, options in EVERY_COMMAND if level_of(command) > level]
    for at, (command, options) in enumerate(above):
        if at == ROWS_MOST - 10:  # more in a minute are only counted
            scene.clock.skip(61.0)
        reply = await scene.say(cast[name], command, **options)
        scene.assert_refused(reply, cast[name], NotAllowed(level_of(command), level))
    for command, option, filled in EVERY_COMPLETION:
        if level_of(command) > level:
            (why,) = await scene.choices(cast[name], command, option, **filled)
            assert why.startswith("⛔ "), command
    assert scene.cluster() == before
    assert scene.changes() == []
    assert scene.site.watch.entries == ()
    assert scene.site.watch.alerts.mutes() == ()
    own = AuditFilter(person_id=cast[name].id)
    records = [each.record for each in (await scene.site.journal.audit_page(own, 0, 100))[0]][::-1]
    asked = [(AuditStep.REFUSED, command.replace(" ", "_")) for command, _ in above]
    assert [(each.step, each.operation) for each in records] == list(dict.fromkeys(asked)), "repeats are one"
    assert {(each.actor.user_id, each.actor.interaction_kind) for each in records} == {
        (cast[name].id, InteractionKind.COMMAND)
    }


async def test_each_level_does_its_own(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene = bare_scene
    assert "17 guests" in (await scene.say(cast["viewer"], "list")).text
    panel = await scene.say(cast["viewer"], "info", vmid=104)
    refused = await scene.press(cast["viewer"], panel, "Start")
    scene.assert_refused(refused, cast["viewer"], NotAllowed(Level.OPERATOR, Level.VIEWER))
    assert pve.vm(104).status == "stopped"
    await scene.press(cast["operator"], panel, "Start")
    assert pve.vm(104).status == "running"
    question = await scene.say(cast["admin"], "stop", vmid=104)
    await scene.press(cast["admin"], question, "Force-stop palworld")
    assert pve.vm(104).status == "stopped"


async def test_a_scoped_admin_sees_and_does_their_own_alone(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene, game = bare_scene, cast["game"]
    for vmid in (101, 104):
        await scene.say(cast["admin"], "monitor add", vmid=vmid)
        await scene.say(cast["admin"], "monitor mute", target=str(vmid), duration="2h")
    listed = (await scene.say(game, "list")).text
    assert "3 guests" in listed
    assert "minecraft" in listed
    assert "web01" not in listed
    assert "1 watched guest" in (await scene.say(game, "monitor list")).text
    assert "web01" not in (await scene.say(game, "monitor status")).text
    for command, options in EVERY_COMMAND:
        if "vmid" in options:
            reply = await scene.say(game, command, **{**options, "vmid": 101})
            scene.assert_refused(reply, game, GuestNotFound(101))
    panel = await scene.say(cast["admin"], "info", vmid=101)
    for button in ("Reboot", "Refresh"):
        pressed = await scene.press(game, panel, button)
        told = scene.told(game, GuestNotFound(101))
        assert told in pressed.text
    assert [choice for choice in await scene.choices(game, "info", "vmid") if "web01" in choice] == []
    assert len(await scene.choices(game, "info", "vmid")) == len(GAME)
    question = await scene.say(game, "stop", vmid=103)
    await scene.press(game, question, "Force-stop minecraft")
    assert pve.vm(103).status == "stopped"


async def test_the_owner_tag_makes_an_operator_of_that_guest(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    scene, owner = bare_scene, cast["nobody"]
    pve.guest(104).config["tags"] = f"game;owner-{owner.id}"
    await scene.poll()
    await scene.say(owner, "start", vmid=104)
    assert pve.vm(104).status == "running"
    reply = await scene.say(owner, "stop", vmid=104)
    scene.assert_refused(reply, owner, NotAllowed(Level.ADMIN, Level.OPERATOR))
    scene.assert_refused(await scene.say(owner, "start", vmid=205), owner, GuestNotFound(205))
    assert "1 guest" in (await scene.say(owner, "list")).text
    assert [choice.split()[1] for choice in await scene.choices(owner, "shutdown", "vmid")] != []
    pve.guest(104).config["tags"] = "game"
    scene.clock.skip(11)
    scene.assert_refused(await scene.say(owner, "shutdown", vmid=104), owner, GuestNotFound(104))
    assert pve.vm(104).status == "running"


@walked_anew(
    ("command", "options", "yes"),
    [
        ("stop", {"vmid": 103}, "Force-stop minecraft"),
        ("delete", {"vmid": 104}, "Delete palworld…"),
        ("snapshot rollback", {"vmid": 103, "name": "before-event"}, "Roll back minecraft"),
    ],
)
async def test_a_press_after_losing_the_role_is_refused_and_recorded(
    bare_scene: Stage, cast: Cast, command: str, options: dict[str, Any], yes: str
) -> None:
    scene, game = bare_scene, cast["game"]
    question = await scene.say(game, command, **options)
    scene.server.take_role(game, cast.roles["game"])
    for button in (yes, "Cancel"):
        reply = await scene.press(game, question, button)
        scene.assert_refused(reply, game, GuestNotFound(options["vmid"]))
    assert scene.changes() == []
    last = (await scene.site.journal.audit_page(AuditFilter(person_id=game.id), 0, 2))[0]
    told = [(each.record.step, each.record.actor.interaction_kind) for each in last]
    assert told == [
        (AuditStep.REFUSED, InteractionKind.BUTTON),
        (AuditStep.PLANNED, InteractionKind.COMMAND),
    ], "one row for both presses"
    assert [button.disabled for button in post_of(question).buttons] == [False, False]
    scene.server.give_role(game, cast.roles["game"])
    await scene.press(game, question, "Cancel")


async def test_a_form_after_losing_the_role_is_refused_and_recorded(
    bare_scene: Stage, cast: Cast, pve: Pve
) -> None:
    scene, admin = bare_scene, cast["admin"]
    question = await scene.say(admin, "delete", vmid=104)
    form = await scene.press(admin, question, "Delete palworld…")
    scene.server.take_role(admin, cast.roles["admin"])
    scene.assert_refused(await scene.submit(admin, form, "palworld"), admin, GuestNotFound(104))
    assert pve.vm(104) is not None
    assert scene.changes() == []
    assert [button.disabled for button in post_of(question).buttons] == [False, False], "it is still open"
    (last,) = (await scene.site.journal.audit_page(AuditFilter(), 0, 1))[0]
    assert (last.record.step, last.record.actor.interaction_kind) == (AuditStep.REFUSED, InteractionKind.FORM)


async def test_forged_replayed_and_foreign_presses_are_refused_and_recorded(
    bare_scene: Stage, cast: Cast
) -> None:
    scene, admin = bare_scene, cast["admin"]
    panel = await scene.say(admin, "info", vmid=101)
    question = await scene.say(admin, "stop", vmid=101)
    presses: list[tuple[Person, PressResult, str, Any]] = [
        (admin, panel, "g1:delete:101:00000000", QuestionOver()),
        (admin, panel, "x9:whatever", QuestionOver()),
        (cast["nobody"], panel, "g1:refresh:101", NotAllowed(Level.VIEWER, Level.NONE)),
        (cast["game"], question, post_of(question).buttons[0].custom_id or "", NotYours("Admin", admin.id)),
    ]
    for person, post, custom_id, error in presses:
        scene.assert_refused(await scene.press(person, post, custom_id, force=True), person, error)
    yes = post_of(question).buttons[0].custom_id or ""
    await scene.press(admin, question, "Cancel")
    scene.assert_refused(await scene.press(admin, question, yes, force=True), admin, QuestionAnswered())
    assert scene.changes() == []
    records = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 9))[0]]
    assert (
        sum(
            each.step is AuditStep.REFUSED and each.actor.interaction_kind is InteractionKind.BUTTON
            for each in records
        )
        == 5
    )


async def test_no_hidden_name_is_ever_shown(bare_scene: Stage, cast: Cast, pve: Pve) -> None:
    """One person who may see three guests sends seeded requests of every kind. No answer names another guest."""
    scene, game, chance = bare_scene, cast["game"], random.Random(7)  # noqa: S311 - a seed for a repeatable test
    hidden = [guest for guest in [*pve.vms, *pve.cts] if guest.vmid not in GAME]
    names = {guest.name for guest in hidden}
    for vmid in (101, 102, 104):
        await scene.say(cast["admin"], "monitor add", vmid=vmid)
    panel = await scene.say(cast["admin"], "info", vmid=101)
    pages = await scene.say(cast["admin"], "list")
    told: list[str] = []
    for _ in range(120):
        command, options = chance.choice(EVERY_COMMAND)
        values = dict(options)
        if "vmid" in values:
            values["vmid"] = chance.choice(hidden).vmid
        if "template_id" in values:
            values["template_id"] = chance.choice((9000, 9001, 101))
        if "target" in values:
            values["target"] = chance.choice(
                (f"guest/{chance.choice(hidden).vmid}", "102", "all", "node/pve1")
            )
        told.append((await scene.say(game, command, **values)).text)
    for command, option, filled in EVERY_COMPLETION:
        for typed in ("", "w", "1", "db"):
            told += await scene.choices(game, command, option, typed, **filled)
    for on, button in ((panel, "Refresh"), (panel, "Reboot")):
        reply = await scene.press(game, on, button)
        told += [post.text for post in reply.followups] or [reply.text]
    forward = next(button.custom_id for button in post_of(pages).buttons if button.emoji == "▶️")
    told.append((await scene.press(game, pages, forward or "")).text)
    assert [(name, text) for text in told for name in names if name in text] == []
    assert scene.changes() == []


@walked_anew(("way", "away"), product(("command", "button", "question"), (False, True)))
async def test_a_hidden_guest_that_is_busy_is_as_one_that_is_not_there(
    bare_scene: Stage, cast: Cast, pve: Pve, away: bool, way: str
) -> None:
    scene, game = bare_scene, cast["game"]
    panel = await scene.say(game, "info", vmid=104)
    shown = panel.text
    plan = pve.next_task("qmreboot", vmid=101, hold=True)
    await scene.start_command(cast["admin"], "reboot", vmid=101)
    scene.clock.skip(11)
    if away:
        pve.fail("GET", "/cluster/resources", 595, "No route to host")
    told = []
    for vmid in (101, 999):
        if way == "button":
            press = scene.server.click(game, post_of(panel), f"g1:start:{vmid}:00000000", force=True)
            reply = await press
        else:
            reply = await scene.server.slash(
                game, scene.channel, "start" if way == "command" else "stop", vmid=vmid
            )
        await reply.until(lambda reply: reply.answer and reply.answer.text not in ("", "…", shown))
        told.append(answer_of(reply).text.replace(str(vmid), "VMID"))
    assert told[0] == told[1]
    pve.failures.clear()
    plan.release()
    await scene.settled()


async def test_a_press_on_the_panel_of_a_hidden_guest_leaves_it_to_those_who_see_it(
    bare_scene: Stage, cast: Cast
) -> None:
    """The panel is another person's answer. Somebody who may not know of the guest must not replace it."""
    scene, game = bare_scene, cast["game"]
    panel = await scene.say(cast["admin"], "info", vmid=101)
    before = (panel.text, post_of(panel).buttons)
    for button in ("Reboot", "Shutdown", "Refresh"):
        reply = await scene.press(game, panel, button)
        scene.assert_refused(reply, game, GuestNotFound(101))
        assert (panel.text, post_of(panel).buttons) == before
    assert scene.changes() == []


@pytest.mark.parametrize("name", ["", "VIEWER_ROLE_IDS", "OPERATOR_ROLE_IDS", "ADMIN_ROLE_IDS"])
async def test_without_any_role_there_is_a_warning_at_the_start(
    bare_scene: Stage, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Without any role everybody is an admin.

    Once one of the three settings is set, a person without a role has no level.
    """
    scene = bare_scene
    role = scene.guild.create_role("some")
    with caplog.at_level(logging.INFO, logger="bot"):
        await scene.start_bot(**({name: str(role.id)} if name else {}))
        await scene.until(lambda: any("ready:" in record.getMessage() for record in caplog.records))
    warned = [record for record in caplog.records if "everyone in the category" in record.getMessage()]
    assert [record.levelno for record in warned] == ([] if name else [logging.WARNING])
    reply = await scene.say(scene.emma, "readonly on")
    if name:
        scene.assert_refused(reply, scene.emma, NotAllowed(Level.ADMIN, Level.NONE))
    else:
        assert scene.site.authorizer.read_only.refusal is not None
