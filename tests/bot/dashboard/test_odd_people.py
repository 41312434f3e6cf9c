"""Test dashboards and charts of people whose names hold markup and right-to-left marks, and who have many roles."""

import re

import pytest

from tests.support import stage
from tests.support.dashboard.boards import boards
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
undrawn = stage.undrawn

NAME = "\u202e**@everyone** `<@1>` [x](y) ||"
SCOPES = ("tag:game", "node:pve1")
ROLES = 40
"""Number of admin roles of one person."""


@pytest.mark.usefixtures("undrawn")
async def test_a_person_with_40_admin_roles_and_markup_in_their_name(bare_scene: Stage) -> None:
    scene, make = bare_scene, bare_scene.guild.create_role
    roles = [make(f"**{place}** \u202e@here <@&1>"[:100]) for place in range(ROLES)]
    odd = scene.server.person(scene.guild, "odd", display=NAME, locale="en-US", roles=roles)
    admin = make("admin")
    root = scene.server.person(scene.guild, "root", display="Root", locale="ja", roles=[admin])
    scopes = ", ".join(f'"{role.id}": ["{SCOPES[place % 2]}"]' for place, role in enumerate(roles))
    await scene.start_bot(
        ADMIN_ROLE_IDS=" ".join(str(role.id) for role in (admin, *roles)), ROLE_SCOPES=f"{{{scopes}}}"
    )
    await scene.poll()
    made = await scene.say(odd, "dashboard create")
    assert "only the guests that your roles cover" in made.text
    (board,) = await scene.until(lambda: [each for each in boards(scene) if each.pinned], "a dashboard")
    assert len(re.findall(r"<@&\d+>", board.text)) == 3
    assert "everyone" not in board.text
    listed = await scene.say(root, "dashboard list")
    assert f"<@{odd.id}>" in listed.text
    assert "everyone" not in listed.text
    (choice,) = await scene.choices(odd, "dashboard remove", "dashboard", "")
    assert len(choice) <= 100
    assert "\u202e" not in choice
    chart = await scene.say(odd, "graph guest", vmid=101)
    assert chart.post is not None
    assert "everyone" not in chart.text
    scene.server.fail("GET", f"/members/{odd.id}", 404, 1, code=10007)
    scene.clock.skip(600)
    gone = await scene.say(root, "dashboard list")
    assert "`**@everyone** ˋ<@1>ˋ [x](y) ||`" in gone.text
    await scene.say(root, "dashboard remove", dashboard=str(board.id))
    await scene.until(lambda: not board.exists, "it is removed")
