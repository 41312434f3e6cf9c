"""Test that the guests a person used lately are offered first, and never one that they may not see now."""

from core.access.recent_guests import GUESTS_MOST, PEOPLE_MOST, RecentGuests
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


async def first(scene: Stage, command: str, count: int, typed: str = "", option: str = "vmid") -> list[str]:
    found = await scene.server.autocomplete(scene.emma, scene.channel, command, option, typed)
    return [str(choice["value"]) for choice in found[:count]]


async def test_the_latest_guests_come_first(scene: Stage) -> None:
    assert await first(scene, "info", 2) == ["101", "102"]
    await scene.say(scene.emma, "info", vmid="nas")
    await scene.say(scene.emma, "monitor history", vmid=104)
    assert await first(scene, "info", 4) == ["104", "107", "101", "102"]
    assert await first(scene, "shutdown", 3) == ["107", "101", "102"], "104 is stopped"
    assert (await first(scene, "shutdown", 25)).count("107") == 1
    assert await first(scene, "info", 2, "10") == ["101", "102"], "what is typed decides"


async def test_a_button_counts_as_well(scene: Stage) -> None:
    panel = post_of(await scene.say(scene.emma, "info", vmid=103))
    await scene.say(scene.emma, "info", vmid=101)
    await scene.press(scene.emma, panel, "g1:refresh:103")
    assert await first(scene, "info", 2) == ["103", "101"]


async def test_somebody_elses_guests_and_hidden_ones_stay_away(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    await scene.say(cast["admin"], "info", vmid=107)
    assert (await scene.choices(cast["operator"], "info", "vmid"))[0].startswith("🟢 101 ")
    await scene.say(cast["game"], "info", vmid=107)  # hidden
    await scene.say(cast["game"], "info", vmid=105)
    assert [each.split()[1] for each in await scene.choices(cast["game"], "info", "vmid")] == [
        "105",
        "103",
        "104",
    ]
    pve.guest(105).config["tags"] = ""
    await scene.site.cluster_cache.read(max_age=0)
    assert [each.split()[1] for each in await scene.choices(cast["game"], "info", "vmid")] == ["103", "104"]


def test_the_memory_is_bounded() -> None:
    recent = RecentGuests()
    for vmid in range(100, 200):
        recent.note(1, "home", vmid)
    assert recent.of(1, "home") == tuple(range(199, 199 - GUESTS_MOST, -1))
    recent.note(1, "home", 195)
    assert recent.of(1, "home")[0] == 195
    assert recent.of(1, "lab") == recent.of(2, "home") == ()
    for person in range(2, PEOPLE_MOST + 2):
        recent.note(person, "home", 100)
    assert recent.of(1, "home") == ()
    assert recent.of(2, "home") == (100,)
