"""Test every completion for every person in every state: it is never empty, and what it announces then happens."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from core.guest_errors import SnapshotNotFound
from playground.discord.people import Person
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import COMMANDS, Command
from tests.support.scenes.people import Cast
from tests.support.stage import Stage
from tests.support.walked import DEEP

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

OTHERWISE = {"Read-only mode is on.": "Read-only mode was turned on"}
"""The beginning of the sentence of an entry, where it differs from the entry. An entry has no names and times."""
CELLS = [(command, option) for command in COMMANDS for option in command.completes]
MISSING = {
    "no templates": [("create", "template_id")],
    "no snapshots": [("snapshot rollback", "name"), ("snapshot delete", "name")],
}
"""The options whose choices are missing in a state."""


async def prepare(scene: Stage, pve: Pve, state: str) -> dict[str, Person]:
    """Start the bot with a person of each kind, and bring about the state."""
    cast = Cast(scene)
    owner = scene.server.person(scene.guild, "owner", display="Owner", locale="en-US")
    pve.guest(101).config["tags"] = f"owner-{owner.id}"
    for guest in [*pve.vms, *pve.cts]:
        if state == "empty" or (state == "no templates" and guest.template):
            pve.remove_guest(guest.vmid)
        if state == "no snapshots":
            guest.snapshots.clear()
    if state == "away":
        pve.fail("GET", "/cluster/resources", 595, "No route to host")
    await scene.start_bot(**cast.settings)
    if state == "read-only":
        await scene.say(cast["admin"], "readonly on")
    return {**cast.people, "owner": owner}


def unmarked(text: str) -> str:
    return re.sub(r"`|\*\*", "", text)


def asked(state: str, people: Iterable[str]) -> Iterator[tuple[str, Command, str, str]]:
    """Yield who types what at which option of which command.

    In the state "as usual" every second person types at every option, in turns; with `--deep` everybody does. In the
    other states two people do. Where snapshots or templates are missing, everybody types at the options that offer
    them.
    """
    names, everywhere = list(people), state == "as usual"
    for at, (command, option) in enumerate(CELLS):
        if state in MISSING and (command.word, option) not in MISSING[state]:
            continue
        turn = [names[at % len(names)], names[(at + 3) % len(names)]]
        half = [name for place, name in enumerate(names) if (place + at) % 2 == 0 or DEEP]
        asking = names if state in MISSING else {*half, *turn} if everywhere else {*turn}
        for name in (each for each in names if each in asking):
            yield name, command, option, ""
            if name in turn or state in MISSING:
                yield name, command, option, "zzz"


@pytest.mark.parametrize("state", ["as usual", "read-only", "away", "empty", *MISSING])
async def test_no_completion_is_ever_empty(bare_scene: Stage, pve: Pve, state: str) -> None:
    scene = bare_scene
    people = await prepare(scene, pve, state)
    before = (scene.cluster(), scene.site.watch.entries, scene.site.watch.alerts.mutes())
    hidden = [guest.name for guest in [*pve.vms, *pve.cts] if "game" not in guest.config.get("tags", "")]
    chosen = set[tuple[str, str, str]]()
    for name, command, option, typed in asked(state, people):
        person, filled = people[name], dict(command.completes[option])
        cell = (name, command.word, option, typed)
        found = await scene.server.autocomplete(person, scene.channel, command.word, option, typed, **filled)
        assert found, cell
        if name in ("game", "nobody"):
            assert not [one for one in found for each in hidden if each in one["name"]], cell
        if found[0]["name"].startswith("⛔"):
            assert len(found) == 1, cell
            same = (command.word, option, found[0]["name"])
            if same not in chosen:
                await check_chosen(
                    scene, person, command.word, {**command.example, **filled}, option, found[0]
                )
            chosen.add(same)
    assert (scene.cluster(), scene.site.watch.entries, scene.site.watch.alerts.mutes()) == before
    assert scene.changes() == []


async def check_chosen(
    scene: Stage, person: Person, word: str, filled: dict[str, Any], option: str, entry: dict[str, Any]
) -> None:
    """Choose the entry, and check that the command is refused with its words, or with the same level."""
    reply = await scene.say(person, word, **{**filled, option: entry["value"]})
    said = entry["name"].removeprefix("⛔ ").replace("Needs the “", "You need the “")
    assert unmarked(reply.text).find(OTHERWISE.get(said, said)) >= 0, (word, option, said, reply.text)
    scene.assert_private(reply, missing_snapshot(scene, filled, option, entry["value"]))


def missing_snapshot(
    scene: Stage, filled: dict[str, Any], option: str, value: str
) -> SnapshotNotFound | None:
    """Return the refusal of a typed name that no snapshot has. Its next step is the list of snapshots."""
    guest = (
        scene.site.cluster_cache.find(filled.get("vmid", 0)) if (option, value) == ("name", "zzz") else None
    )
    return SnapshotNotFound(guest.vmid, guest.label, value) if guest else None
