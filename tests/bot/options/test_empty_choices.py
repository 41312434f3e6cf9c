"""Test a completion without choices: one entry gives the reason, and choosing it is refused and never acts."""

from collections.abc import Iterator

import pytest

from core.levels import Effect, Level
from core.operations import OPERATIONS, Operation
from core.wanted_errors import NothingChosen
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import COMMANDS, EVERY_COMPLETION, level_of
from tests.support.scenes import people
from tests.support.scenes.people import Cast
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.interaction import empty_choices
from ui.interaction.empty_choices import WORD

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
cast = people.cast


async def entry(
    scene: Stage, person: Person, command: str, option: str, **filled: object
) -> tuple[str, object]:
    """Return the label and the value of the only entry."""
    found = await scene.server.autocomplete(person, scene.channel, command, option, "", **filled)
    (one,) = found
    assert one["name"].startswith("⛔ ")
    assert len(one["name"]) <= 100
    return one["name"][2:], one["value"]


def operation_of(command: str) -> Operation:
    return Operation(command.replace(" ", "_"))


@walked("name", ["nobody", "viewer", "operator", "game"])
async def test_a_level_that_does_not_suffice(bare_scene: Stage, cast: Cast, name: str) -> None:
    scene, before = bare_scene, bare_scene.cluster()
    has = {"nobody": Level.NONE, "viewer": Level.VIEWER, "operator": Level.OPERATOR, "game": Level.ADMIN}[
        name
    ]
    for command, option, filled in EVERY_COMPLETION:
        whole = command == "audit" and name == "game"
        if level_of(command) <= has and not whole:
            continue
        said, value = await entry(scene, cast[name], command, option, **filled)
        if whole:
            assert said == "This affects all guests, but your roles only cover some of them."
        elif has is Level.NONE:
            assert said == "None of your roles may use this bot."
        else:
            assert said == f"Needs the “{level_of(command).name.lower()}” level", "a phone shows 40 columns"
        assert value == WORD, command
    assert scene.cluster() == before
    assert scene.changes() == []


async def test_a_language_of_its_reader(bare_scene: Stage, cast: Cast) -> None:
    scene = bare_scene
    akiko = scene.server.person(scene.guild, "a", display="A", locale="ja", roles=[cast.roles["operator"]])
    said, _ = await entry(scene, akiko, "stop", "vmid")
    assert said == "「管理者」の権限が必要"


async def test_read_only_mode(scene: Stage) -> None:
    await scene.say(scene.akiko, "readonly on")
    for command, option, filled in EVERY_COMPLETION:
        if OPERATIONS[operation_of(command)].effect >= Effect.LIST:
            said, _ = await entry(scene, scene.emma, command, option, **filled)
            assert said == "Read-only mode is on.", command


async def test_proxmox_that_never_answered(bare_scene: Stage, pve: Pve) -> None:
    pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await bare_scene.start_bot()
    for command, option in (("info", "vmid"), ("start", "vmid"), ("list", "node"), ("create", "template_id")):
        said, _ = await entry(bare_scene, bare_scene.emma, command, option)
        assert said == "Cannot read from Proxmox right now.", command
        typed = await bare_scene.choices(bare_scene.emma, command, option, "web")
        assert typed == [f"⛔ {said}"]


async def test_nothing_there_to_choose(scene: Stage, pve: Pve) -> None:
    for command, option, filled, words in (
        ("monitor remove", "vmid", {}, "None of your guests is on the watch list."),
        ("monitor unmute", "target", {}, "There is no mute you can remove."),
        ("snapshot rollback", "name", {}, "Choose a guest (vmid) first."),
        ("snapshot rollback", "name", {"vmid": 109}, "No snapshots found: the guest has none"),
        ("snapshot delete", "name", {"vmid": 999}, "No snapshots found: the guest has none"),
    ):
        said, _ = await entry(scene, scene.emma, command, option, **filled)
        assert said.startswith(words), said
    for guest in [one for one in [*pve.vms, *pve.cts] if one.template]:
        pve.remove_guest(guest.vmid)
    for guest in (*pve.vms, *pve.cts):
        guest.config["tags"], guest.pool = "", None
    await scene.site.cluster_cache.read(max_age=0)
    said, _ = await entry(scene, scene.emma, "create", "template_id")
    assert said == "There are no templates you can use."
    assert (await entry(scene, scene.emma, "list", "tag"))[0] == "None of your guests has a tag."
    assert (await entry(scene, scene.emma, "list", "pool"))[0] == "None of your guests is in a pool."


@walked(
    ("command", "option", "typed", "said"),
    [
        ("start", "vmid", "zzz", "⛔ No guest zzz found. See /list."),
        ("start", "vmid", "999", "⛔ No guest with VMID 999 found. See /list."),
        ("start", "vmid", "53", "⛔ 53 is not a VMID. A VMID is a number from 100 to 999999999."),
        ("stop", "vmid", "9001",
         "⛔ 9001 ubuntu2404 is a template and cannot do this. Create a guest from it with /create."),
        ("create", "template_id", "101", "⛔ 101 web01 is not a template. Choose a suggestion of template_id."),
        ("monitor add", "vmid", "9000", "⛔ 9000 debian13-cloud is a template and cannot be watched."),
        ("monitor history", "vmid", "999", "❔ 999 · not in the cluster right now"),
        ("audit", "vmid", "999", "❔ 999 · not in the cluster right now"),
        ("list", "node", "zzz", "❔ No matching guests."),
        ("list", "tag", "zzz", "❔ No matching guests."),
        ("list", "pool", "zzz", "❔ No matching guests."),
        ("monitor mute", "target", "zzz", "⛔ zzz is not a guest or node. Choose a suggestion, or enter all."),
        ("access", "action", "zzz", "⛔ zzz is not an action of this bot. Choose a suggestion."),
    ],
)  # fmt: skip
async def test_a_text_that_fits_nothing(
    scene: Stage, command: str, option: str, typed: str, said: str
) -> None:
    """The entry inserts the text itself, so the command gives the refusal that the entry announces."""
    found = await scene.server.autocomplete(scene.emma, scene.channel, command, option, typed)
    assert [(choice["name"], choice["value"]) for choice in found] == [(said, typed)]


async def test_no_guest_in_a_fitting_state(scene: Stage, pve: Pve) -> None:
    """If nothing is typed, the entry is offered.

    If a name is typed, its guest is: its state may have changed since the last read.
    """
    pve.remove_guest(109)  # the only paused one
    await scene.site.cluster_cache.read(max_age=0)
    said, value = await entry(scene, scene.emma, "resume", "vmid")
    assert said == "“Resume” is not possible in the current state of any guest."
    assert await scene.choices(scene.emma, "resume", "vmid", "web01") == ["🟢 101 web01 · pve1 · VM"]
    reply = await scene.say(scene.emma, "resume", vmid=value)
    scene.assert_refused(reply, scene.emma, NothingChosen("state", "resume"))
    assert "`/list` shows their states." in reply.text
    for guest in [*pve.vms, *pve.cts]:
        pve.remove_guest(guest.vmid)
    await scene.site.cluster_cache.read(max_age=0)
    assert (await entry(scene, scene.emma, "start", "vmid"))[0] == "Proxmox shows no guests."


async def test_a_hidden_guest_is_not_revealed(bare_scene: Stage, cast: Cast) -> None:
    """A hidden guest's snapshots get the same entry as those of a guest that does not exist."""
    scene = bare_scene
    hidden = await entry(scene, cast["game"], "snapshot rollback", "name", vmid=101)
    assert hidden == await entry(scene, cast["game"], "snapshot rollback", "name", vmid=999)
    assert (await entry(scene, cast["nobody"], "access", "vmid"))[0] == "You cannot do this with any guest."


CHOSEN: list[tuple[str, dict[str, object]]] = [
    *((command.word, {**command.example, "vmid": WORD}) for command in COMMANDS if "vmid" in command.example),
    ("create", {"template_id": WORD, "name": "new01"}),
    ("list", {"node": WORD}),
    ("list", {"tag": WORD, "pool": WORD}),
    ("snapshot rollback", {"vmid": 103, "name": WORD}),
    ("snapshot delete", {"vmid": 103, "name": WORD}),
    ("monitor mute", {"target": WORD, "duration": "1h"}),
    ("monitor mute", {"target": "101", "duration": WORD}),
    ("monitor unmute", {"target": WORD}),
    ("audit", {"who": WORD}),
]


@walked(("command", "options"), CHOSEN)
async def test_the_entry_does_nothing(scene: Stage, command: str, options: dict[str, object]) -> None:
    before = scene.cluster()
    reply = await scene.say(scene.emma, command, **options)
    scene.assert_refused(reply, scene.emma, NothingChosen())
    assert scene.cluster() == before
    assert scene.changes() == []
    assert scene.site.watch.entries == ()
    assert scene.site.watch.alerts.mutes() == ()


@pytest.fixture
def hung(scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Provide the stage while Proxmox answers late, with less patience for it than the bot has."""
    monkeypatch.setattr("ui.options.completions.WAIT_SECONDS", 0.4)
    monkeypatch.setattr(empty_choices, "RECHECK_SECONDS", 0.2)
    scene.clock.skip(11)
    pve.hang("/cluster/resources", 1.5)
    yield scene
    pve.hang("/cluster/resources", 0)


async def test_in_time_also_where_proxmox_hangs(hung: Stage) -> None:
    assert await hung.choices(hung.emma, "info", "vmid", "zzz") == ["⛔ No guest zzz found. See /list."]
    assert max(hung.server.ack_seconds.values()) < 1.2


async def test_a_snapshot_of_no_guest_in_time_also_where_proxmox_hangs(hung: Stage) -> None:
    said = await hung.choices(hung.emma, "snapshot rollback", "name", "daily", vmid="999")
    assert said == ["⛔ No guest with VMID 999 found. See /list."]


async def test_a_snapshot_is_not_called_missing_while_the_snapshots_cannot_be_read(
    scene: Stage, pve: Pve, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await scene.choices(scene.emma, "snapshot rollback", "name", "nosuch", vmid="103")
    assert said == ["⛔ 103 minecraft has no snapshot nosuch. See /snapshot list."]
    scene.clock.skip(60)
    monkeypatch.setattr("ui.options.completions.WAIT_SECONDS", 0.4)
    monkeypatch.setattr(empty_choices, "RECHECK_SECONDS", 0.2)
    pve.hang("/snapshot", 1.5)
    said = await scene.choices(scene.emma, "snapshot rollback", "name", "before", vmid="103")
    assert said == ["⛔ No snapshots found: the guest has none, or it cannot be read right now."]
