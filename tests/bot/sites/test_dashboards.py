"""Test that the admin of one site neither knows of the dashboards of another nor does anything to them."""

from core.errors import QuestionOver
from core.wanted_errors import NoSuchDashboard
from playground.discord.posts import SeenMessage
from tests.support import stage
from tests.support.sites import people as several
from tests.support.sites.people import People
from tests.support.stage import Stage

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language
colo, people = several.colo, several.people


def board_of(scene: Stage, site: str) -> SeenMessage:
    found = [
        post
        for post in scene.server.messages(scene.channel)
        if any(str(button.custom_id).startswith(f"d2:{site}:") for button in post.buttons)
    ]
    assert len(found) == 1, found
    return found[0]


async def test_dashboards_of_another_site_are_out_of_reach(bare_scene: Stage, people: People) -> None:
    scene, homely = bare_scene, people["homely"]
    for site in ("home", "colo"):
        await scene.say(people["chief"], "dashboard create", site=site)
    theirs, own = board_of(scene, "colo"), board_of(scene, "home")
    ((kept, _),) = scene.site_named("colo").dashboards.dashboards()
    listed = await scene.say(homely, "dashboard list")
    assert "colo" not in listed.text
    assert f"/{own.id}" in listed.text
    assert [
        choice for choice in await scene.choices(homely, "dashboard remove", "dashboard") if "colo" in choice
    ] == []
    link = f"https://discord.com/channels/1/{scene.channel.id}/{theirs.id}"
    for typed in (kept.mark, str(theirs.id), link):
        reply = await scene.say(homely, "dashboard remove", dashboard=typed)
        scene.assert_refused(reply, homely, NoSuchDashboard(typed))
    shown = theirs.text
    for custom_id in (f"d2:colo:refresh:{kept.mark}", f"d2:colo:alerts:{kept.mark}", "s2:colo:guest:101"):
        if custom_id[0] == "s":
            menu, _, value = custom_id.rpartition(":")
            reply = await scene.choose(homely, theirs, menu, [value])
        else:
            reply = await scene.press(homely, theirs, custom_id, force=True)
        assert reply.text.endswith(scene.told(homely, QuestionOver())), custom_id
    for on in (theirs, own):
        forged = await scene.press(homely, on, f"d2:home:refresh:{kept.mark}", force=True)
        assert scene.told(homely, NoSuchDashboard(kept.mark)) in forged.text
        assert on.exists, "a forged button removes no dashboard"
    refused = await scene.say(homely, "dashboard create", site="colo")
    assert refused.ephemeral
    assert theirs.text == shown
    assert [each.mark for each, _ in scene.site_named("colo").dashboards.dashboards()] == [kept.mark]
