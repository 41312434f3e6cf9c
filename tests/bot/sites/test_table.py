"""Test every command on every site by every way in: it acts on that site, and names that one only.

home and colo are given each command, and the ways take turns. `--deep` gives each command in each way, and the sites
take turns. `make access` tries every way on every site.

The commands come from tests/support/catalogue.py, and their options from Discord, so that a new command is covered by
itself. home and colo have the same VMIDs, names and nodes.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.audit.store import AuditEntry
from core.levels import Effect
from core.watch.incidents.model import ALL
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import COMMANDS, EVERY_COMPLETION, Command
from tests.support.scenes.shown import whole
from tests.support.scenes.walked_anew import KeptCluster, clear_watch
from tests.support.sites import three_sites
from tests.support.sites.three_sites import COLO, HOME, LAB, LAB_NODE, NAMES, Sites
from tests.support.stage import post_of
from tests.support.walked import DEEP, EVERY_CELL
from tests.support.watch.at_once import rows_of

bare_scene, pve = stage.bare_scene, three_sites.pve
undrawn = stage.undrawn
pytestmark = pytest.mark.usefixtures("undrawn")
clusters, sites = three_sites.clusters, three_sites.sites

on_each_site = pytest.mark.parametrize("name", NAMES)
on_either_first = pytest.mark.parametrize("name", NAMES if EVERY_CELL else (HOME, COLO))
"""home is FIRST_SITE, colo the first by name, and their VMIDs are the same: a wrong first one is noticed."""
WORD = re.compile(rf"(?<![a-z0-9-])(?:{'|'.join(NAMES)})(?![a-z0-9-])")
GUEST_OPTIONS = ("vmid", "template_id")
OF_NO_SITE = {"help", "dashboard remove"}  # a dashboard knows its own site
"""Commands that are about no site."""
EXAMPLES = sorted(
    {int(each.example[key]) for each in COMMANDS for key in GUEST_OPTIONS if key in each.example}
)
"""VMIDs of the guests that the examples need."""
SNAPSHOT = "nginx-ok"


@dataclass(frozen=True)
class Way:
    """One way to name a site. `person`: who asks."""

    word: str
    values: dict[str, Any]
    person: str = "admin"
    renamed: bool = False


class Table:
    """Walk one running bot through all rows of a site."""

    def __init__(self, sites: Sites, name: str) -> None:
        self.sites, self.scene, self.name = sites, sites.scene, name
        self.rows = 0
        self.seen = dict.fromkeys(NAMES, 0)
        """Number of requests that changed something on each site before the last reset."""
        self.renamed: set[str] = set()
        self.options = dict(leaves(self.scene.server.commands(self.scene.guild)))
        self.kept = {each: KeptCluster(cluster) for each, cluster in sites.clusters.items()}

    def vmid(self, example: int) -> int:
        """Return the VMID of the guest on the site that stands for one of the demo cluster."""
        return example + 800 if self.name == LAB else example

    # -- before a row

    async def reset(self, word: str) -> None:
        """Reset all sites for the next command. A mute or a switch that it lifts is set on all of them."""
        changed = {each for each, paths in self.sites.changes().items() if len(paths) != self.seen[each]}
        for each in changed | self.renamed:
            self.kept[each].restore()
        self.seen = {each: len(paths) for each, paths in self.sites.changes().items()}
        self.renamed.clear()
        for each in NAMES:
            site, offset = self.sites.site(each), 800 if each == LAB else 0
            await clear_watch(site)
            if word == "monitor remove":
                await site.cluster_cache.read(0)
                guest = site.cluster_cache.find(101 + offset)
                assert guest is not None
                await site.watch.add(guest)
            if word == "monitor unmute":
                for target in (ALL, f"guest/{101 + offset}"):
                    await site.watch.alerts.mute(target, 3600.0, "Noah")
            if word == "readonly off":
                await site.authorizer.read_only.turn_on("Noah", 7)
        self.scene.clock.skip(13.0)  # the bot keeps a read for 10 s, and what it did itself for 12 s

    # -- the results

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for site in self.scene.services.sites:
            watch, changes = site.watch, self.sites.changes()[site.name]
            open_incidents = watch.state.open.values()
            found[site.name] = (
                tuple(changes),
                watch.entries,
                tuple((mute.target, mute.until) for mute in watch.alerts.mutes()),
                tuple(each.id for each in open_incidents if each.acked),
                site.authorizer.read_only.refusal is None,
                tuple(each.mark for each, _ in site.dashboards.dashboards()),
            )
        return found

    def alerts(self) -> list[SeenMessage]:
        return [post for post in self.scene.server.messages(self.scene.alerts) if post.content]

    def rows_after(self, last: int) -> list[AuditEntry]:
        return list(rows_of(self.scene.services.audit_store).audit_after(last, 1000)[0])

    async def row(self, what: str, effect: bool, acting: Any, *, asks: bool = False) -> PressResult:
        """Act, and check that the site and no other is acted on, named and filed."""
        before, last = self.state(), rows_of(self.scene.services.audit_store).audit_last()
        reply: PressResult = await acting()
        shown = self.shown(what, reply)
        if asks:
            reply = await self.confirmed(what, reply)
            shown += self.shown(what, reply)
        after = self.state()
        changed = {each for each in NAMES if before[each] != after[each]}
        assert changed == ({self.name} if effect else set()), f"{what}: {reply.text}"
        assert {*WORD.findall(shown)} == {self.name}, f"{what}: {shown}"
        filed = self.rows_after(last)
        assert {each.site for each in filed} == {self.name}, f"{what}: {filed}"
        self.rows += 1
        return reply

    def shown(self, what: str, reply: PressResult) -> str:
        """Return all that a reply shows, with its invisible parts.

        Each lasting button or menu names the site, except for the list of the guests of all sites.
        """
        posts = [post for post in [reply.post, *reply.followups] if post is not None]
        for post in posts:
            lasting = [each.custom_id for each in post.buttons if each.style != "link"]
            for custom_id in [*lasting, *(menu.custom_id for menu in post.selects)]:
                kind, *rest = str(custom_id).split(":")
                assert kind == "q1" or custom_id == "w1:list" or (kind[1], rest[0]) == ("2", self.name), (
                    f"{what}: {custom_id}"
                )
        return "\n".join([*map(whole, posts), repr(reply.form)])

    async def confirmed(self, what: str, asked: PressResult) -> PressResult:
        """Answer a question with yes, and fill in its form."""
        person = self.asker
        yes = next(
            (each for each in post_of(asked).buttons if str(each.custom_id).startswith("q1:yes:")), None
        )
        assert yes is not None, f"{what}: {asked.text}"
        reply = await self.scene.press(person, asked, str(yes.custom_id))
        if reply.form is not None:
            assert self.name in reply.form.title, what
            typed = {each.custom_id: each.placeholder or "x" for each in reply.form.fields}
            reply = await self.scene.submit(person, reply, typed)
        return reply

    asker: Person


def leaves(commands: list[dict[str, Any]], before: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield every command that can be given, with its options."""
    for command in commands:
        name, options = f"{before}{command['name']}", command.get("options", [])
        groups = [option for option in options if option["type"] in (1, 2)]
        if groups:
            yield from leaves(groups, f"{name} ")
        else:
            yield name, {option["name"] for option in options}


def rename(cluster: Pve, vmid: int, name: str) -> None:
    guest: Any = cluster.guest(vmid)
    if guest in cluster.cts:
        guest.config["hostname"] = name
    else:
        guest.name = guest.config["name"] = name


@pytest.fixture
async def table(sites: Sites, name: str) -> Table:
    """Provide the running bot, with the guests of the examples on each site."""
    home, lab = sites.clusters[HOME], sites.clusters[LAB]
    for vmid in EXAMPLES:
        guest = home.guest(vmid)
        added = copy.deepcopy(guest)
        added.vmid, added.node, added.pool = vmid + 800, LAB_NODE, ""
        (lab.cts if guest in home.cts else lab.vms).append(added)
        rename(lab, added.vmid, f"lab-{guest.name}")
    for each, cluster in sites.clusters.items():
        guest = cluster.guest(901 if each == LAB else 101)
        guest.snapshots[f"of-{each}"] = {"name": f"of-{each}", "snaptime": 1_700_000_000, "description": ""}
        assert SNAPSHOT in guest.snapshots
    await sites.start()
    return Table(sites, name)


def ways(table: Table, command: Command) -> Iterator[Way]:
    """Yield the ways to name the site in a command."""
    options, site, example = table.options[command.word], table.name, dict(command.example)
    for option in GUEST_OPTIONS:
        if option not in options:
            continue
        vmid = table.vmid(int(example.get(option, 101)))
        name = str(table.sites.clusters[site].guest(vmid).name)
        for word, text in (("site/VMID", f"{site}/{vmid}"), ("site/name", f"{site.upper()} / {name}")):
            yield Way(word, example | {option: text})
        yield Way("unique name", example | {option: f"only-{vmid}"}, renamed=True)
        yield Way("VMID alone", example | {option: str(vmid)}, person=site)
        if site == LAB:
            yield Way("unique VMID", example | {option: str(vmid)})
    if command.word in ("graph node", "node info"):
        node = LAB_NODE if site == LAB else str(example["node"])
        yield Way("site/node", example | {"node": f"{site}/{node}"})
        yield Way("node alone", example | {"node": node}, person=site)
    if "site" in options:
        rest = {key: value for key, value in example.items() if key not in GUEST_OPTIONS}
        yield Way("site", rest | {"site": site})
    if "target" in options:
        vmid = table.vmid(101)
        name = str(table.sites.clusters[site].guest(vmid).name)
        for text in (f"{site}/{vmid}", f"{site}/{name}", f"{site}/everything"):
            yield Way(text, example | {"target": text})
        yield Way("VMID alone", example | {"target": str(vmid)}, person=site)


async def run(table: Table, command: Command, way: Way) -> None:
    await table.reset(command.word)
    scene, person = table.scene, table.sites[way.person]
    if way.renamed:
        (typed,) = [str(way.values[key]) for key in GUEST_OPTIONS if key in way.values]
        table.renamed.add(table.name)
        rename(table.sites.clusters[table.name], int(typed.removeprefix("only-")), typed)
    table.asker = person
    alerts = len(table.alerts())
    await table.row(
        f"/{command.word} {way}",
        command.effect is not Effect.NOTHING and command.word != "monitor test",
        lambda: scene.say(person, command.word, **way.values),
        asks=command.action is not None and command.action.asks,
    )
    said = [post.content for post in table.alerts()[alerts:]]
    assert len(said) == (command.word == "monitor test")
    assert all(f" {table.name} · " in text for text in said)


def taken(found: list[Way], name: str, at: int) -> list[Way]:
    """Return the ways in which a site is given the command with the number `at`.

    With `--deep` a command with fewer ways than there are sites is given on each site in all of them.
    """
    unique = [way for way in found if way.word == "unique VMID"]
    if EVERY_CELL or (DEEP and len(found) < len(NAMES)):
        return found
    if DEEP:
        turns = [way for turn, way in enumerate(found, at) if NAMES[turn % len(NAMES)] == name]
        return turns + [way for way in unique if way not in turns]
    if name == LAB:
        return unique if at % 3 == 0 else []
    return [found[(at + NAMES.index(name)) % len(found)]] if found else []


@on_each_site
async def test_every_command_by_every_way(table: Table, name: str) -> None:
    assert name == table.name
    for at, command in enumerate(COMMANDS):
        await table.reset(command.word)  # a rollback gives the guest the name of its snapshot
        found = list(ways(table, command))
        assert bool(found) != (command.word in OF_NO_SITE), f"how does /{command.word} find its site?"
        for way in taken(found, name, at):
            await run(table, command, way)
    every = len(COMMANDS) - len(OF_NO_SITE)
    least = 2 * every if EVERY_CELL else every if DEEP or name != LAB else 1
    assert table.rows >= least


@on_either_first
async def test_every_choice_inserts_the_site(table: Table, name: str) -> None:
    """A completion inserts the site and the VMID, which is one of the ways above."""
    scene, admin = table.scene, table.sites["admin"]
    chosen = [
        (command, option)
        for command in COMMANDS
        for option in (*GUEST_OPTIONS, "target")
        if option in table.options[command.word]
    ]
    assert {
        (word, option) for word, option, _ in EVERY_COMPLETION if option in (*GUEST_OPTIONS, "target")
    } <= {(command.word, option) for command, option in chosen}
    for command, option in chosen:
        await table.reset(command.word)
        vmid = table.vmid(int(command.example.get(option, 101)) if option != "target" else 101)
        value = f"{name}/{vmid}"
        for typed in (value, str(vmid), f"{name} {vmid}"):
            found = await scene.server.autocomplete(admin, scene.channel, command.word, option, typed)
            values = [choice["value"] for choice in found]
            assert value in values, (command.word, typed, values)
            if "/" in typed:
                assert values == [value]
        label = next(choice["name"] for choice in found if choice["value"] == value)
        assert {*WORD.findall(label)} == {name}, label
    for command in COMMANDS:
        if "site" in table.options[command.word]:
            found = await scene.server.autocomplete(admin, scene.channel, command.word, "site", name[:2])
            assert [choice["value"] for choice in found] == [name]
            theirs = await scene.server.autocomplete(
                table.sites[name], scene.channel, command.word, "site", ""
            )
            assert [choice["value"] for choice in theirs] == [name]


@on_either_first
async def test_every_other_completion_is_about_the_site(table: Table, name: str) -> None:
    """The snapshots are those of the guest on the site, and nodes are those of its cluster."""
    scene, admin = table.scene, table.sites["admin"]
    vmid = table.vmid(101)
    for command in COMMANDS:
        if "name" in command.completes:
            for typed in (f"{name}/{vmid}", f"{name}/{table.sites.clusters[name].guest(vmid).name}"):
                before = {each: len(cluster.requests) for each, cluster in table.sites.clusters.items()}
                found = await scene.server.autocomplete(
                    admin, scene.channel, command.word, "name", "", vmid=typed
                )
                made = {choice["value"] for choice in found}
                assert {each for each in made if str(each).startswith("of-")} == {f"of-{name}"}
                for each, cluster in table.sites.clusters.items():
                    if each != name:
                        read = [path for _, path, _ in list(cluster.requests)[before[each] :]]
                        assert not [path for path in read if "/snapshot" in path]
        if "node" in command.completes:
            found = await scene.server.autocomplete(admin, scene.channel, command.word, "node", f"{name}/")
            values = [str(choice["value"]) for choice in found]
            assert values
            assert all(value.startswith(f"{name}/") for value in values)
            await table.row(
                f"/{command.word} {values[0]}",
                command.effect is not Effect.NOTHING,
                lambda value=values[0], word=command.word: scene.say(admin, word, node=value),
            )


@on_either_first
async def test_every_button_of_panels_and_lists(table: Table, name: str) -> None:
    scene, admin = table.scene, table.sites["admin"]
    table.asker = admin
    pressed: list[str] = []
    for example in EXAMPLES:
        vmid = table.vmid(example)
        await table.reset("")
        shown = await scene.say(admin, "info", vmid=f"{name}/{vmid}")
        for button in [each for each in post_of(shown).buttons if not each.disabled]:
            custom_id = str(button.custom_id)
            kind = custom_id.split(":")[2]
            if kind in pressed:
                continue
            pressed.append(kind)
            if not DEEP and NAMES[len(pressed) % 2] != name:
                continue  # the other site has the turn
            await table.reset("")
            shown = await scene.say(admin, "info", vmid=f"{name}/{vmid}")
            await table.row(
                f"{custom_id} of a panel",
                kind not in ("refresh", "chart", "disks"),
                lambda shown=shown, custom_id=custom_id: scene.press(admin, shown, custom_id),
            )
    assert {*pressed} >= {"start", "reboot", "shutdown", "suspend", "resume", "refresh"}
    for letter in ("l:f:0:::", "w:f:0:::", "h:f:0:", "a:f:0:::::"):
        post = await table.sites.post()
        await table.row(
            letter,
            False,
            lambda post=post, letter=letter: table.sites.press("admin", post, f"p2:{name}:{letter}"),
        )
    if name != LAB:
        listed = await scene.say(admin, "list", site=name)
        for button in [each for each in post_of(listed).buttons if not each.disabled]:
            await table.row(
                "a page",
                False,
                lambda button=button: scene.press(admin, listed, str(button.custom_id), force=True),
            )


@on_either_first
async def test_every_button_of_an_alert(table: Table, name: str) -> None:
    """The same guest crashes on all sites, so that each has an open incident."""
    sites, scene = table.sites, table.scene
    alerts = {each: await sites.crash(each, three_sites.LAB_GUEST if each == LAB else 101) for each in NAMES}
    alert = alerts[name]
    assert {*WORD.findall(whole(alert))} == {name}
    for what, effect in (
        ("details", False),
        ("mute1", True),
        ("mute8", True),
        ("ack", True),
        ("start", True),
    ):
        custom_id = next(str(each.custom_id) for each in alert.buttons if f":{what}:" in str(each.custom_id))
        before, last = table.state(), rows_of(scene.services.audit_store).audit_last()
        reply = await sites.press("admin", alert, custom_id)
        after = table.state()
        assert {each for each in NAMES if before[each] != after[each]} == ({name} if effect else set()), what
        assert {each.site for each in table.rows_after(last)} == {name}, what
        assert {*WORD.findall(table.shown(what, reply))} == {name}, what
        await scene.until(
            lambda: (
                not (
                    rows_of(sites.site(name).journal).to_post() or rows_of(sites.site(name).journal).to_edit()
                )
            ),
            "edits",
        )
    listed = await scene.say(sites["admin"], "monitor history", site=name)
    vmid = three_sites.LAB_GUEST if name == LAB else 101
    assert re.findall(r"\*\*([0-9]+)\*\* `", listed.text) == [str(vmid)], listed.text
    for each, post in alerts.items():
        assert {*WORD.findall(whole(post))} == {each}
