"""Test every action for every level, scope and place, by every way in: the answer of each cell.

The expected answers come from the table of docs/access.md, which people read, and not from core/operations.py. An
operation, a command, a completion or a kind of button without a row here fails the test.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest

from cogs import buttons
from core.access.policy import (
    AccessRules,
    Actor,
    InteractionKind,
    Place,
    Scope,
    ScopeKind,
    decide,
    unknown_guest,
)
from core.errors import (
    AlreadyWatched,
    BotError,
    NameMismatch,
    NotAllowed,
    NotHere,
    NotMuted,
    NotWatched,
    OnlySomeGuests,
)
from core.guest import Guest, Kind, State
from core.guest_errors import (
    GuestNotFound,
    NotATemplate,
    NothingToChange,
    SnapshotExists,
    SnapshotNotFound,
    WrongKind,
    WrongState,
)
from core.levels import Level
from core.operations import Operation
from core.wanted_errors import NoSuchDashboard, NothingWithin, UnknownNode, UnknownTarget
from playground.discord.odd_presses import carried
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.discord.server import Channel
from playground.pve.server import Pve
from tests.bot.interaction.test_gate import INSIDE, OUTSIDE, place
from tests.support import stage
from tests.support.access_document import ADMIN, FOR_EVERYTHING, GUARDED, ON_ALERTS, OPERATOR, TABLE, VIEWER
from tests.support.catalogue import ACTING, ACTION, COMMAND, COMMANDS, READING
from tests.support.stage import Stage, post_of
from tests.support.walked import DEEP, EVERY_CELL
from ui.messages.operations import BUTTONS

bare_scene, pve = stage.bare_scene, stage.pve
undrawn = stage.undrawn
pytestmark = pytest.mark.usefixtures("undrawn")

# -- the table

PEOPLE = {
    "nobody": (0, 0, 0),
    "viewer": (VIEWER, VIEWER, VIEWER),
    "operator": (OPERATOR, OPERATOR, OPERATOR),
    "admin": (ADMIN, ADMIN, ADMIN),
    "game viewer": (0, VIEWER, 0),
    "game operator": (0, OPERATOR, 0),
    "game admin": (0, ADMIN, 0),
    "owner": (0, OPERATOR, 0),
    "viewer, game operator": (VIEWER, OPERATOR, VIEWER),
    "operator, game admin": (OPERATOR, ADMIN, OPERATOR),
}
"""Levels of each person: for everything, for guests with the tag `game`, and for others.

One person owns a guest with that tag.
"""
ALERTS_OUTSIDE = "alert channel outside"
FAR = ("direct message", "other guild")
PLACES = (tuple(INSIDE), tuple(OUTSIDE), (*FAR, ALERTS_OUTSIDE))
"""All places, in parts for the workers. The last one takes the alert channel out of the category, for good."""
EVERYWHERE = sum(PLACES, ())
in_places = pytest.mark.parametrize(
    "places",
    PLACES if EVERY_CELL else (EVERYWHERE,),
    ids=("inside", "outside", "far") if EVERY_CELL else ("everywhere",),
)


SOME_PEOPLE = ("admin", "game admin", "nobody")
"""One person for each kind of access: to everything, to some guests, and to nothing."""
PLAIN = ("nobody", "viewer", "operator", "admin")
APART = 3 if DEEP else 9
"""Number of parts into which the rows are divided for places where every answer is no. Each place has one part."""


def people_in(
    where: str, word: str, at: int, way: InteractionKind = InteractionKind.COMMAND
) -> Iterable[str]:
    """Return who asks for the row with the number `at` in a place.

    Where the answer depends on the level, two people have the level and the one below it. A third has it only on some
    guests, or in every other row is one of the others; with `--deep` both of these ask. Elsewhere each row has its
    turn in some places, and SOME_PEOPLE take turns. `decide` is asked for every cell below. `make access` asks the
    bot for every one, too.
    """
    on_an_alert = where == ALERTS_OUTSIDE and way is InteractionKind.BUTTON and word in ON_ALERTS
    if EVERY_CELL:
        return PEOPLE
    if where == INSIDE[0] or on_an_alert:
        needed, rest = TABLE[word], list(PEOPLE)
        level = max(needed, VIEWER)
        others = (f"game {PLAIN[level]}", rest[at // (1 if DEEP else 2) % len(rest)])
        asking = {PLAIN[level - 1], PLAIN[level], *(others if DEEP else (others[at % 2],))}
        return [name for name in PEOPLE if name in asking]
    turn = at + EVERYWHERE.index(where)
    return [] if turn % APART else [SOME_PEOPLE[turn // APART % len(SOME_PEOPLE)]]


def test_the_places_are_all_places() -> None:
    assert (*INSIDE, *OUTSIDE, *FAR, ALERTS_OUTSIDE) == EVERYWHERE


@dataclass(frozen=True)
class Cell:
    """Describe one request of one person.

    `about`: "game" or "other" for a guest, "everything", or "" if it is open.
    """

    word: str
    person: str
    place: str
    way: InteractionKind
    about: str = ""

    @property
    def answer(self) -> str:
        """Return "yes" or the reason for a refusal.

        The reasons are "here", "level", "hidden" and "some" (roles for only some guests).
        """
        alert = self.place == ALERTS_OUTSIDE and self.way is InteractionKind.BUTTON and self.word in ON_ALERTS
        if self.place not in INSIDE and not alert:
            return "here"
        everywhere, game, other = PEOPLE[self.person]
        needed, most = TABLE[self.word], max(PEOPLE[self.person])
        if self.about == "everything" or self.word in FOR_EVERYTHING:
            return "yes" if everywhere >= needed else "some" if most >= needed else "level"
        if not self.about:
            return "yes" if most >= needed else "level"
        level = game if self.about == "game" else other
        return "hidden" if not level else "yes" if level >= needed else "level"


def test_every_operation_has_a_row() -> None:
    missing = {operation.value.replace("_", " ") for operation in Operation} ^ TABLE.keys()
    assert not missing, f"say in the table of docs/access.md who may do this: {missing}"


# -- the decision itself

GAME = Guest(103, Kind.QEMU, "pve2", State.RUNNING, "minecraft", tags=("game", "owner-7"))
OTHER = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01", tags=("prod", "owner-8"))
NAMED = {"viewer": 1, "operator": 2, "admin": 3, "game viewer": 11, "game operator": 12, "game admin": 13}
RULES = AccessRules(
    10,
    20,
    30,
    {role: Level(role % 10) for role in NAMED.values()},
    {role: (Scope(ScopeKind.TAG, "game"),) for role in NAMED.values() if role > 10},
)
SPOTS = {
    INSIDE[0]: Place(10, 20, 40),
    "other category": Place(10, 21, 41),
    "no category": Place(10, None, 42),
    ALERTS_OUTSIDE: Place(10, 21, 30),
    "direct message": Place(None, None, 43),
    "other guild": Place(11, 20, 44),
    "other guild's channel of this number": Place(11, None, 30),
}
ABOUT: dict[str, list[Guest | None]] = {
    "": [None],
    "game": [GAME],
    "other": [OTHER, unknown_guest(999)],
    "everything": [None, GAME, OTHER],
}
WORDS = {
    NotHere: "here",
    NotAllowed: "level",
    GuestNotFound: "hidden",
    OnlySomeGuests: "some",
    type(None): "yes",
}


def roles_of(person: str) -> list[str]:
    return [role for role in person.split(", ") if role not in ("nobody", "owner")]


def test_every_cell_of_the_decision() -> None:
    cells, wrong = 0, []
    for operation, person, (spot, where), way, about in product(
        Operation, PEOPLE, SPOTS.items(), InteractionKind, ABOUT
    ):
        cell = Cell(operation.value.replace("_", " "), person, spot, way, about)
        roles = frozenset(NAMED[role] for role in roles_of(person))
        actor = Actor(7 if person == "owner" else 9, person, where, roles, way)
        for guest in ABOUT[about]:
            cells += 1
            refusal = decide(
                RULES, actor, operation, guest, guests=(GAME, OTHER), whole=about == "everything"
            )
            if WORDS[type(refusal)] != cell.answer:
                wrong.append((cell, guest, refusal))
    assert wrong == []
    assert cells > 50_000, cells


PROTECTED = replace(GAME, tags=(*GAME.tags, "protected"))
HOURS = 3600.0  # seconds


def test_every_cell_of_a_protected_guest() -> None:
    """Protection comes from a tag, from Proxmox' flag or from the bot's configuration.

    Each length of a mute is tried.
    """
    cells, wrong = 0, []
    seconds = (0.0, 1 * HOURS, 8 * HOURS, 8 * HOURS + 60, 24 * HOURS, 720 * HOURS)
    guests = ((PROTECTED, RULES), (replace(GAME, protected=True), RULES))
    ways = (*guests, (GAME, replace(RULES, protected=frozenset({103}))), (GAME, RULES))
    for operation, person, (guest, rules), lasts in product(Operation, PEOPLE, ways, seconds):
        word = operation.value.replace("_", " ")
        if word in FOR_EVERYTHING:
            continue
        protected = (guest, rules) != (GAME, RULES)
        guarded = word in GUARDED or (word == "monitor mute" and lasts > 8 * HOURS)
        needed = ADMIN if protected and guarded else TABLE[word]
        level = PEOPLE[person][1]
        expected = "yes" if level >= needed else "level"
        expected = "hidden" if not level else expected
        roles = frozenset(NAMED[role] for role in roles_of(person))
        actor = Actor(7 if person == "owner" else 9, person, SPOTS[INSIDE[0]], roles)
        refusal = decide(rules, actor, operation, guest, guests=(GAME, OTHER), seconds=lasts)
        cells += 1
        if WORDS[type(refusal)] != expected:
            wrong.append((word, person, guest.tags, lasts, refusal))
        if isinstance(refusal, NotAllowed):
            assert refusal.protected is (protected and guarded and level >= TABLE[word])
    assert wrong == []
    assert cells > 5_000, cells


# -- the real bot

RUNNING, STOPPED = {"game": 103, "other": 101}, {"game": 104, "other": 205}
DOWN = {"game": 106, "other": 201}
"""Guests that stopped by themselves and run again before the next poll, so that their alerts stay open."""
TEMPLATE = {"game": 9001, "other": 9000}
BOTH = ("game", "other")
POWER = [command.word for command in ACTING if command.action and command.action.power]


@dataclass(frozen=True)
class Row:
    """Describe a request by one way in.

    `harmless`: the refusal that follows if access is granted, so that nothing is changed; `None` if the request
    changes nothing anyway.
    `hidden`: the answer for a hidden guest, if it is not "not found".
    `known`: whether the guest is known from the start, so that no decision is made without it.
    """

    word: str
    about: str
    values: dict[str, Any]
    harmless: BotError | None = None
    hidden: BotError | None = None
    vmid: int = 0
    known: bool = False


NAMES = {103: "minecraft", 101: "web01", 104: "palworld", 205: "grafana"}


def unfit(word: str, about: str) -> tuple[int, BotError]:
    """Return a guest to which this cannot be done, and why: because of its kind, or else its state."""
    action, operation = ACTION[COMMAND[word].operation], COMMAND[word].operation
    vmid, state = RUNNING[about], State.RUNNING
    if state in action.states:
        vmid, state = STOPPED[about], State.STOPPED
    kind = Kind.LXC if vmid == 205 else Kind.QEMU
    if kind not in action.tasks:
        return vmid, WrongKind(vmid, NAMES[vmid], operation.value, kind)
    return vmid, WrongState(vmid, NAMES[vmid], operation.value, state)


def command_rows() -> Iterator[Row]:
    """Yield at least one row for every command."""
    yield Row("dashboard create", "", {"tag": "no-such"}, NothingWithin())
    yield Row("dashboard remove", "", {"dashboard": "no-such"}, NoSuchDashboard("no-such"))
    alone = (each.word for each in COMMANDS if "*" not in each.options)
    for word in (word for word in alone if word != "dashboard create"):
        yield Row(word, "everything" if word in FOR_EVERYTHING else "", {})
    yield Row("node info", "", {"node": "pve2"})
    yield Row("graph node", "", {"node": "no-such"}, UnknownNode("no-such"))
    yield Row("monitor mute", "everything", {"target": "node/pve3", "duration": "1h"})
    yield Row("monitor unmute", "everything", {"target": "node/pve2"}, NotMuted("node/pve2"))
    for about in BOTH:
        up, off, down = RUNNING[about], STOPPED[about], DOWN[about]
        name, snapshot, cores = ("minecraft", "v1-21", 6) if about == "game" else ("web01", "nginx-ok", 2)
        for word in (*READING, "access", "monitor history"):
            yield Row(word, about, {"vmid": up}, vmid=up)
        for word in ("delete", *POWER):
            vmid, refused = unfit(word, about)
            yield Row(word, about, {"vmid": vmid}, refused, vmid=vmid)
        yield Row("create", about, {"template_id": up, "name": "new"}, NotATemplate(up, name), vmid=up)
        yield Row("resize", about, {"vmid": up, "cores": cores}, NothingToChange(up, name), vmid=up)
        taken = {"vmid": up, "name": snapshot}
        yield Row("snapshot create", about, taken, SnapshotExists(up, name, snapshot), vmid=up)
        for word in ("snapshot rollback", "snapshot delete"):
            yield Row(
                word, about, {"vmid": up, "name": "no-such"}, SnapshotNotFound(up, name, "no-such"), vmid=up
            )
        yield Row("monitor add", about, {"vmid": up}, AlreadyWatched(up, name), vmid=up)
        yield Row("monitor remove", about, {"vmid": off}, NotWatched(off), vmid=off)
        mute = {"target": f"guest/{down}", "duration": "1h"}
        yield Row("monitor mute", about, mute, hidden=UnknownTarget(mute["target"]), vmid=down)
        target = f"guest/{up}"
        yield Row("monitor unmute", about, {"target": target}, NotMuted(target), UnknownTarget(target), up)


def completion_rows() -> Iterator[tuple[Row, str, str, Any]]:
    """Yield a request for every option that completes.

    Each item is the row, the option, the typed text and the expected choice (`None`: any choice).
    """
    for word, option, filled in (
        ("list", "node", {}),
        ("list", "tag", {}),
        ("list", "pool", {}),
        ("node info", "node", {}),
        ("graph node", "node", {}),
        ("access", "action", {}),
        ("dashboard create", "node", {}),
        ("dashboard create", "tag", {}),
        ("dashboard create", "pool", {}),
        ("dashboard remove", "dashboard", {}),
        ("monitor mute", "duration", {"target": "all"}),
    ):
        yield Row(word, "", filled), option, "", None
    for word in ("monitor mute", "monitor unmute"):
        yield Row(word, "everything", {}), "target", "everything", "all"
    for option in ("vmid", "who", "action", "since"):
        yield Row("audit", "everything", {}), option, "", None
    for about in BOTH:
        up = RUNNING[about]
        for word in (
            *(*READING, "access", "resize", "delete", *POWER),
            *("snapshot create", "snapshot rollback", "snapshot delete"),
            *("monitor add", "monitor remove", "monitor history"),
        ):
            yield Row(word, about, {}), "vmid", str(up), str(up)
        template = TEMPLATE[about]
        yield Row("create", about, {}), "template_id", str(template), str(template)
        snapshot = "v1-21" if about == "game" else "nginx-ok"
        for word in ("snapshot rollback", "snapshot delete"):
            yield Row(word, about, {"vmid": up}), "name", "", snapshot
        for word in ("monitor mute", "monitor unmute"):
            yield Row(word, about, {}), "target", str(DOWN[about]), f"guest/{DOWN[about]}"


class House:
    """Hold the real bot with all people, the guests that the rows need, and messages to press."""

    def __init__(self, scene: Stage, pve: Pve) -> None:
        self.scene, self.pve, make = scene, pve, scene.guild.create_role
        self.roles = {name: make(name) for name in (*NAMED, "root")}
        self.people = {
            name: scene.server.person(
                scene.guild,
                name.replace(", ", "-").replace(" ", "-"),
                locale="en-US",
                roles=[self.roles[role] for role in roles_of(name)],
            )
            for name in (*PEOPLE, "root")
        }
        self.root = self.people["root"]
        self.panel: SeenMessage
        self.alerts: dict[str, SeenMessage] = {}
        owner = f"owner-{self.people['owner'].id}"
        for vmid in (RUNNING["game"], STOPPED["game"], DOWN["game"], TEMPLATE["game"]):
            pve.guest(vmid).config["tags"] = f"Game;{owner}"
            pve.guest(vmid).pool = "lab"

    def settings(self) -> dict[str, str]:
        ids = {name: str(role.id) for name, role in self.roles.items()}

        def with_level(word: str) -> str:
            return " ".join(ids[name] for name in NAMED if name.endswith(word))

        narrowed = ", ".join(f'"{ids[name]}": ["tag:game"]' for name in NAMED if name.startswith("game"))
        return {
            "VIEWER_ROLE_IDS": with_level("viewer"),
            "OPERATOR_ROLE_IDS": with_level("operator"),
            "ADMIN_ROLE_IDS": f"{with_level('admin')} {ids['root']}",
            "ROLE_SCOPES": "{" + narrowed + "}",
            "CHANGES_PER_MINUTE": "0",
        }

    async def prepare(self) -> None:
        scene, pve = self.scene, self.pve
        for vmid in (*RUNNING.values(), *DOWN.values()):
            await scene.say(self.root, "monitor add", vmid=vmid)
        await scene.poll()
        for about, vmid in DOWN.items():
            pve.crash(vmid)
            await scene.poll()
            await scene.delivered()
            self.alerts[about] = scene.server.messages(scene.alerts)[-1]
        pve.revive_all(DOWN.values())
        for target in ("all", *(f"guest/{vmid}" for vmid in DOWN.values())):
            await scene.say(self.root, "monitor mute", target=target, duration="2d")
        for maker in (self.root, self.people["game admin"]):
            await scene.say(maker, "dashboard create")
        self.panel = post_of(await scene.say(self.root, "info", vmid=RUNNING["other"]))
        self.before = (scene.cluster(), scene.site.watch.entries, len(scene.changes()))

    def unchanged(self) -> None:
        scene = self.scene
        assert (scene.cluster(), scene.site.watch.entries, len(scene.changes())) == self.before

    # -- where

    def there(self, word: str) -> Channel | None:
        """Return the channel of this kind; `None` for a direct message."""
        scene = self.scene
        if word == "direct message":
            return None
        if word == "other guild":
            other = scene.server.guild("Other")
            return other.create_text_channel("proxmox", category=other.create_category("Proxmox"))
        if word == ALERTS_OUTSIDE:
            scene.server.move(scene.alerts, None)
            return scene.alerts
        return place(scene, word)

    def each(self, places: Iterable[str]) -> Iterator[tuple[str, Channel | None]]:
        """Yield each of the places, made when its turn comes."""
        return ((where, self.there(where)) for where in places)

    # -- what is said

    def error(self, cell: Cell, row: Row) -> BotError | None:
        """Return the expected refusal by access, or `None` if access is granted."""
        _, game, other = PEOPLE[cell.person]
        needed, most = TABLE[cell.word], max(PEOPLE[cell.person])
        asked = cell if row.known else Cell(cell.word, cell.person, cell.place, cell.way)
        answer = asked.answer if asked.answer != "yes" else cell.answer  # the gate knows of no guest yet
        if answer == "level":
            there = {"game": game, "other": other}.get(cell.about, most)
            level = there if row.known or asked.answer == "yes" else most
            return NotAllowed(Level(needed), Level(level))
        hidden = row.hidden or GuestNotFound(row.vmid)
        return {"here": NotHere(), "some": OnlySomeGuests(), "hidden": hidden}.get(answer)

    def of_some_guests(self, cell: Cell, row: Row, error: BotError) -> str:
        """Return the sentence for a level that is held for only some guests, before any guest was looked at."""
        everywhere, words = PEOPLE[cell.person][0], ("no", "viewer", "operator", "admin")
        asked = Cell(cell.word, cell.person, cell.place, cell.way)
        named = row.known or asked.answer == "yes" or cell.way is not InteractionKind.COMMAND
        if named or not isinstance(error, NotAllowed):
            return ""
        if not VIEWER <= everywhere < error.level:
            return ""
        needed, level, other = words[error.needed], words[error.level], words[everywhere]
        return (
            f"You need the “{needed}” level; yours is “{level}” for some guests and “{other}” for the others."
        )

    def check(self, cell: Cell, row: Row, reply: PressResult) -> None:
        person = self.people[cell.person]
        told, error = self.scene.told, self.error(cell, row)
        posts = [post for post in [reply.post, *reply.followups] if post is not None]
        if error is not None:
            no_less = self.of_some_guests(cell, row, error) or told(person, error)
            if isinstance(error, NotHere) and cell.place in (*OUTSIDE, ALERTS_OUTSIDE):
                no_less = self.scene.try_in(person, self.scene.channel.id)
            assert no_less in reply.text, f"{cell}: {reply.text!r} is not {no_less!r}"
            assert [post.ephemeral for post in posts if no_less in post.text] == [True], cell
        elif row.harmless is not None:
            assert told(person, row.harmless) in reply.text, f"{cell}: {reply.text!r} is not {row.harmless!r}"
        else:
            no = {told(person, each) for each in self.all_refusals(cell, row)}
            assert not no & {post.text for post in posts}, f"{cell}: {reply.text!r}"
            assert reply.text or reply.form is not None or reply.kind == "deferred_update", cell

    def all_refusals(self, cell: Cell, row: Row) -> list[BotError]:
        levels = [NotAllowed(Level(needed), Level(has)) for needed in range(1, 4) for has in range(needed)]
        return [
            NotHere(),
            OnlySomeGuests(),
            GuestNotFound(row.vmid),
            *levels,
            *([row.hidden] if row.hidden else []),
        ]


@pytest.fixture
async def house(bare_scene: Stage, pve: Pve) -> House:
    made = House(bare_scene, pve)
    await bare_scene.start_bot(**made.settings())
    await made.prepare()
    return made


def leaves(commands: list[dict[str, Any]], before: str = "") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield every command that can be given, with its options."""
    for command in commands:
        name, options = f"{before}{command['name']}", command.get("options", [])
        groups = [option for option in options if option["type"] in (1, 2)]
        if groups:
            yield from leaves(groups, f"{name} ")
        else:
            yield name, options


async def test_every_command_completion_and_button_has_a_row(house: House) -> None:
    scene = house.scene
    found = dict(leaves(scene.server.commands(scene.guild)))
    missing = found.keys() ^ {row.word for row in command_rows()}
    assert not missing, f"give it a row in command_rows: {missing}"
    completing = {
        (word, option["name"])
        for word, options in found.items()
        for option in options
        if option.get("autocomplete")
    }
    missing_options = completing ^ {(row.word, option) for row, option, _, _ in completion_rows()}
    assert not missing_options, f"give it a row in completion_rows: {missing_options}"
    ids = [custom_id for _, _, custom_id in button_rows(house)] + ["q1:no:0123456789abcdef"]
    for pattern, _, _ in buttons._HANDLERS:
        assert any(pattern.fullmatch(each) for each in ids), (
            f"give it a row in button_rows: {pattern.pattern}"
        )


@in_places
async def test_every_command(house: House, places: tuple[str, ...]) -> None:
    scene = house.scene
    for where, channel in house.each(places):
        rows = [row for row in command_rows() if where in INSIDE or row.about != "game"]
        for name, (at, row) in product(PEOPLE, enumerate(rows)):
            if name not in people_in(where, row.word, at):
                continue
            cell = Cell(row.word, name, where, InteractionKind.COMMAND, row.about)
            with carried(scene.server.world, channel):
                reply = await scene.say(house.people[name], row.word, **row.values)
            house.check(cell, row, reply)
            if scene.site.authorizer.read_only.refusal:
                assert (row.word, cell.answer) == ("readonly on", "yes"), cell
                await scene.say(house.root, "readonly off")
        house.unchanged()


@in_places
async def test_every_completion(house: House, places: tuple[str, ...]) -> None:
    scene = house.scene
    for where, channel in house.each(places):
        for name, (at, (row, option, typed, wanted)) in product(PEOPLE, enumerate(completion_rows())):
            if name not in people_in(where, row.word, at):
                continue
            cell = Cell(row.word, name, where, InteractionKind.COMPLETION, row.about)
            with carried(scene.server.world, channel):
                found = await scene.server.autocomplete(
                    house.people[name], scene.channel, row.word, option, typed, **row.values
                )
            values = [choice["value"] for choice in found if not choice["name"].startswith("⛔")]
            offered = wanted in values if wanted is not None else bool(values)
            assert offered is (cell.answer == "yes"), (cell, option, values)
            if where not in INSIDE:
                assert found == []
            elif cell.answer != "yes":
                assert len(found) <= 1, "at most the one entry that says why"


def button_rows(house: House) -> Iterator[tuple[Row, SeenMessage, str]]:
    """Yield every kind of button except those of questions: the request, its message and its custom_id.

    The choice in a menu is written as its custom_id with the value.
    """
    for what, word in (("list", "list"), ("test", "monitor test"), ("access", "access")):
        about = "everything" if word in FOR_EVERYTHING else ""
        yield Row(word, about, {}), house.panel, f"w1:{what}"
    for page, word in (
        ("list", "list"), ("watch", "monitor list"), ("nodes", "node list"), ("capacity", "storage"),
    ):  # fmt: skip
        yield Row(word, "", {}), house.panel, f"p1:{page}:next:0:::"
    yield Row("status", "", {}), house.panel, "p1:status:refresh"
    yield Row("health", "everything", {}), house.panel, "p1:doctor:next:0"
    yield Row("graph node", "", {}, UnknownNode("no-such")), house.panel, "c1:hour::nno-such"
    yield Row("graph node", "", {}, UnknownNode("no-such")), house.panel, "n1:chart:no-such"
    yield Row("node info", "", {}, UnknownNode("no-such")), house.panel, "s1:node:no-such"
    yield Row("monitor history", "", {}), house.panel, "p1:history:next:0:"
    mark = house.scene.site.dashboards.dashboards()[0][0].mark
    yield Row("status", "", {}), house.panel, f"d1:refresh:{mark}"
    yield Row("monitor history", "", {}), house.panel, f"d1:alerts:{mark}"
    yield Row("audit", "everything", {}), house.panel, "p1:audit:next:0:::::"
    for about in BOTH:
        up, fingerprint = RUNNING[about], house.scene.fingerprint
        for word in BUTTONS:
            vmid, refused = unfit(word, about)
            yield (
                Row(word, about, {}, refused, vmid=vmid),
                house.panel,
                f"g1:{word}:{vmid}:{fingerprint(vmid)}",
            )
        yield Row("info", about, {}, vmid=up), house.panel, f"g1:refresh:{up}"
        yield Row("info", about, {}, vmid=up), house.panel, f"g1:details:{up}"
        yield Row("graph guest", about, {}, vmid=up), house.panel, f"g1:chart:{up}"
        yield Row("graph guest", about, {}, vmid=up), house.panel, f"c1:hour:cpu:g{up}"
        yield Row("info", about, {}, vmid=up), house.panel, f"s1:guest:{up}"
        yield Row("snapshot list", about, {}, vmid=up), house.panel, f"g1:snapshots:{up}"
        yield Row("monitor history", about, {}, vmid=up), house.panel, f"p1:history:next:0:{up}"
        alert, down = house.alerts[about], DOWN[about]
        number = str(alert.buttons[0].custom_id).split(":")[2]
        runs = WrongState(down, "win11-dev" if about == "game" else "dns", "start", State.RUNNING)
        for what, word, harmless in (
            ("start", "start", runs),
            ("details", "info", None),
            ("ack", "acknowledge", None),
            ("mute1", "monitor mute", None),
            ("mute8", "monitor mute", None),
            ("unmute", "monitor unmute", None),
        ):
            yield Row(word, about, {}, harmless, vmid=down), alert, f"a1:{what}:{number}"


@in_places
async def test_every_button(house: House, places: tuple[str, ...]) -> None:
    scene = house.scene
    for where, channel in house.each(places):
        for name, (at, (row, post, custom_id)) in product(PEOPLE, enumerate(list(button_rows(house)))):
            if name not in people_in(where, row.word, at, InteractionKind.BUTTON):
                continue
            cell = Cell(row.word, name, where, InteractionKind.BUTTON, row.about)
            with carried(scene.server.world, channel):
                if custom_id.startswith("s1:"):
                    menu, _, value = custom_id.rpartition(":")
                    reply = await scene.choose(house.people[name], post, menu, [value])
                else:
                    reply = await scene.press(house.people[name], post, custom_id, force=True)
            house.check(cell, row, reply)
        house.unchanged()


@in_places
async def test_every_answer_to_a_question_and_every_form(house: House, places: tuple[str, ...]) -> None:
    """The person is an admin when the question appears, and has their current level when they answer."""
    for where, channel in house.each(places):
        await answer_everything(house, where, channel)


async def answer_everything(house: House, where: str, channel: Channel | None) -> None:
    scene = house.scene
    for name, (at, about) in product(PEOPLE, enumerate(BOTH)):
        if name not in people_in(where, "delete", at):
            continue
        person, up, off = house.people[name], RUNNING[about], STOPPED[about]
        label = "palworld" if about == "game" else "grafana"
        scene.server.give_role(person, house.roles["root"])
        stop = await scene.say(person, "stop", vmid=up)
        delete = await scene.say(person, "delete", vmid=off)
        yes = str(post_of(delete).buttons[0].custom_id)
        form = await scene.press(person, delete, yes)
        scene.server.take_role(person, house.roles["root"])
        with carried(scene.server.world, channel):
            pressed = await scene.press(person, delete, yes)
            sent = await scene.submit(person, form, "another name")
            cancelled = await scene.press(person, stop, "Cancel")
        cell, row = (
            Cell("delete", name, where, InteractionKind.BUTTON, about),
            Row("delete", about, {}, vmid=off, known=True),
        )
        house.check(cell, row, pressed)
        assert (pressed.form is not None) is (cell.answer == "yes"), cell
        wrong = Row("delete", about, {}, NameMismatch(off, label), vmid=off, known=True)
        house.check(Cell("delete", name, where, InteractionKind.FORM, about), wrong, sent)
        row = Row("stop", about, {}, vmid=up, known=True)
        house.check(Cell("stop", name, where, InteractionKind.BUTTON, about), row, cancelled)
    house.unchanged()
