"""Check that the real bot reveals no hidden guest in ten thousand requests: `make leaks`.

    python -m tests.long_runs.leaks [REQUESTS] [--seed N]

The people may see only some guests. Each guest has numbers of its own: its VMID, and those in its private texts
(name, tags, pool, notes, snapshots). Everything that a request shows to the person is searched for numbers: new and
edited messages with their buttons and custom_ids, choices, forms. Only two kinds of number are allowed: those of
guests that the person may see, or could see since the bot last read the cluster, and those that the person typed. The
rules of access are written here a second time, apart from core/access/policy.py. A hidden VMID must get the same
answer as one that does not exist.

Each seed makes REQUESTS_A_SEED requests on a stage of its own. Meanwhile guests crash, move, and change their tags
and names. New guests take the VMIDs of removed ones. Actions run, tasks fail, and Proxmox is away at times.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from adapters.charts.process import ChartProcess
from core.charts.drawing import Drawing, encode
from core.operations import Operation
from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.pve.plan import TaskPlan
from playground.pve.server import Pve
from tests.long_runs.seeds import NO_MARK, NO_VMID, Finding, SeedResult, run_seeds
from tests.support.catalogue import EVERY_COMMAND, EVERY_COMPLETION, READING
from tests.support.scenes.patient_disk import patient_disk
from tests.support.scenes.shown import (
    act_and_wait,
    marks_in,
    numbers,
    recent_posts,
    whole,
    without_variable_parts,
)
from tests.support.stage import Stage, stage, working_tasks
from tests.support.watch.at_once import rows_of

FIRST, GUESTS, SINGLE = 731_000_101, 18, 731_000_105
"""The first VMID, the number of guests, and the only guest that `single` may see."""
TEMPLATES = (731_000_109, 731_000_113)
POOLS = ("lab", "lab/inner", "labor", "out")
TAGS = ("game", "Web", "gamer", "")
SCOPES = {
    "gamer": ("ADMIN", ["tag:game"]),
    "labber": ("OPERATOR", ["pool:lab"]),
    "noder": ("VIEWER", ["node:pve2"]),
    "single": ("OPERATOR", [f"vmid:{SINGLE}"]),
    "webber": ("ADMIN", ["tag:web", "node:pve3"]),
}
PEOPLE = (*SCOPES, "owner", "nobody")


class TaggedCluster:
    """Hold a cluster in which everything that could reveal a guest carries a number."""

    def __init__(self, pve: Pve, chance: random.Random) -> None:
        self.pve, self.chance, self._last = pve, chance, 831_000_000
        build_demo(pve)  # provides the nodes and storages
        pve.auth_delay = 0.0
        pve.vms.clear()
        pve.cts.clear()
        for vmid in range(FIRST, FIRST + GUESTS):
            self.add(vmid)

    @property
    def guests(self) -> list[Any]:
        return [*self.pve.vms, *self.pve.cts]

    @property
    def vmids(self) -> list[int]:
        return [guest.vmid for guest in self.guests]

    def secret(self) -> int:
        self._last += 1
        return self._last

    def add(self, vmid: int) -> None:
        """Add a guest with random tags and a random pool, two snapshots and a note."""
        own, chance = self.secret(), self.chance
        template = vmid in TEMPLATES
        config = {
            "cores": 2,
            "memory": "2048",
            "scsi0": f"local-lvm:vm-{vmid}-disk-0,size=8G",
            "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
            "tags": f"{chance.choice(TAGS)};t{own}".strip(";"),
            "description": f"d{own}",
        }
        more: dict[str, Any] = (
            {"template": True} if template else {"status": chance.choice(("running", "stopped"))}
        )
        if not template and vmid % 3 == 0:
            config["rootfs"] = config.pop("scsi0")
            guest = self.pve.add_ct(vmid, f"n{own}", node=chance.choice(NODES), config=config, **more)
        else:
            guest = self.pve.add_vm(vmid, f"n{own}", node=chance.choice(NODES), config=config, **more)
        for at in range(0 if template else 2):
            name = f"s{own}x{at}"
            guest.snapshots[name] = {"name": name, "snaptime": 1_700_000_000 + at, "description": f"d{own}"}
        self.put(guest, chance.choice(POOLS))

    def put(self, guest: Any, pool: str) -> None:
        """Put the guest into this pool, or into a new pool of its own below it."""
        self.pve._pool_leave(guest.vmid)
        name = self.chance.choice((pool, f"{pool}/p{self.secret()}"))
        self.pve.pools.setdefault(name, set()).add(guest.vmid)
        guest.pool = name

    def rename(self, guest: Any) -> None:
        name = f"n{self.secret()}"
        if guest in self.pve.cts:
            guest.config["hostname"] = name
        else:
            guest.name = guest.config["name"] = name

    def seen(self, name: str, person: Person) -> list[Any]:
        """Return the guests that this person may see by the settings of `SCOPES`."""

        def may_see(guest: Any) -> bool:
            tags = str(guest.config.get("tags") or "").lower().split(";")
            match name:
                case "gamer":
                    return "game" in tags
                case "labber":
                    return guest.pool == "lab" or str(guest.pool).startswith("lab/")
                case "noder":
                    return bool(guest.node == "pve2")
                case "single":
                    return bool(guest.vmid == SINGLE)
                case "webber":
                    return "web" in tags or guest.node == "pve3"
                case "owner":
                    return f"owner-{person.id}" in tags
            return False

        return [guest for guest in self.guests if may_see(guest)]

    @staticmethod
    def known_of(guest: Any) -> set[str]:
        return numbers(guest.vmid, guest.name, guest.config, guest.snapshots, guest.pool)


class LeakTrial:
    """Hold one stage, its people and the texts they received. `found` and `figures` are the result."""

    def __init__(self, scene: Stage, town: TaggedCluster, chance: random.Random) -> None:
        self.scene, self.town, self.pve, self.chance = scene, town, town.pve, chance
        self.found: list[Finding] = []
        self.figures = Counter[str]()
        make, server = scene.guild.create_role, scene.server
        roles = {name: make(name) for name in ("root", *SCOPES)}
        self.people = {
            name: server.person(
                scene.guild,
                name,
                display=name.title(),
                locale=chance.choice(("ja", "en-US")),
                roles=[roles[name]] if name in roles else [],
            )
            for name in ("root", *PEOPLE)
        }
        self.root = self.people["root"]
        ids = {name: str(role.id) for name, role in roles.items()}
        self.settings = {
            f"{level}_ROLE_IDS": " ".join(ids[name] for name in SCOPES if SCOPES[name][0] == level)
            for level in ("VIEWER", "OPERATOR", "ADMIN")
        }
        self.settings["ADMIN_ROLE_IDS"] += f" {ids['root']}"
        self.settings["ROLE_SCOPES"] = json.dumps({ids[name]: scopes for name, (_, scopes) in SCOPES.items()})
        self.settings["CHANGES_PER_MINUTE"] = "0"
        self._ever: dict[str, set[str]] = {name: set() for name in PEOPLE}
        self._lately: dict[str, set[str]] = {name: set() for name in PEOPLE}
        """Numbers that each person could see at some time since the bot last read the cluster.

        The bot does not know of later changes.
        """
        self._own: dict[int, tuple[str, str]] = {}
        """Answers by message ID: their owner, and the text last shown to them."""
        self._held: list[tuple[int, TaskPlan, PressResult]] = []
        """Actions held up in progress: the VMID, the task and the answer."""
        self._waiting: set[asyncio.Task[Any]] = set()
        """The bot's tasks of these actions, which no request waits for."""

    # -- allowed texts

    def now(self, name: str) -> set[str]:
        """Return the numbers of the guests that this person may see now."""
        found = set().union(*map(self.town.known_of, self.town.seen(name, self.people[name])))
        self._ever[name] |= found
        return found

    def _changing(self) -> None:
        """Remember each person's view, because a change follows."""
        for name in PEOPLE:
            self._lately[name] |= self.now(name)

    async def fresh(self) -> None:
        """Run a poll of the watch, so that the bot learns of every change."""
        away = bool(self.pve.failures)
        await self.scene.poll()
        await self.scene.delivered()  # an alert that is edited during a request would look like its answer
        if not away:
            self._lately = {name: self.now(name) for name in PEOPLE}

    def judge(self, name: str, request: str, shown: list[str], allowed: set[str]) -> None:
        for text in shown:
            if told := sorted(numbers(text) - allowed):
                self.found.append(Finding(request, f"{told} in {text[:1500]}"))

    # -- requests

    async def do(self, acting: Awaitable[Any]) -> Any:
        return await act_and_wait(self.scene, acting, self._waiting)

    def posts(self, person: Person) -> list[SeenMessage]:
        return recent_posts(self.scene, person)

    async def ask(self, name: str, words: str, acting: Callable[[], Awaitable[Any]]) -> PressResult | None:
        """Make one request as this person. Check everything that it shows to them."""
        person = self.people[name]
        before = {post.id: (post.text, whole(post)) for post in self.posts(person)}
        result = await self.do(acting())
        self.figures["requests"] += 1
        # a guest that a person may see for a moment may stay on their dashboard for longer
        for other in SCOPES:
            self.now(other)
        allowed = self.now(name) | self._lately[name] | numbers(words)
        if not isinstance(result, PressResult):
            self.judge(name, words, [json.dumps(result, ensure_ascii=False)], allowed)
            return None
        brought = [post for post in [result.post, *result.followups] if post is not None]
        # everybody sees dashboards; see check_dashboards
        brought = [post for post in brought if not marks_in(post)]
        new = [post for post in brought if before.get(post.id, ("", ""))[0] != post.text]
        self.judge(name, words, [*map(whole, new), repr(result.form), repr(result.choices)], allowed)
        for post in set(brought) - set(new):  # pressed messages, in which at most the buttons changed
            self.judge(name, words, [whole(post)], allowed | numbers(before[post.id][1]))
        for post in new:
            if post.id in before:  # an older message of somebody; its owner is unknown from now on
                self._own.pop(post.id, None)
            else:
                self._own[post.id] = (name, whole(post))
        return result

    def check_later_edits(self) -> None:
        """Check the newest answers that changed without a press, such as expired questions and progress."""
        for post in self.scene.server.messages(self.scene.channel)[-14:]:
            name, text = self._own.get(post.id, ("", ""))
            if name and whole(post) != text:
                self.now(name)
                self.judge(name, f"{name}: edited later", [whole(post)], self._ever[name] | numbers(text))
                self._own[post.id] = (name, whole(post))

    def check_dashboards(self) -> None:
        """Check that a dashboard of a person who may see only some guests shows none that they could never see.

        Root's dashboards are meant for everybody.
        """
        keeper = self.scene.site.dashboards
        for post in self.scene.server.messages(self.scene.channel):
            found = [keeper.find(mark) for mark in marks_in(post)]
            for name in [each.by.lower() for each in found if each is not None and each.by.lower() in SCOPES]:
                self.now(name)
                self.figures["dashboards"] += 1
                self.judge(name, f"{name}: their dashboard", [whole(post)], self._ever[name])

    async def command(self, name: str) -> None:
        command, options = self.chance.choice((*EVERY_COMMAND, *REVEALING))
        values = self.options(command, dict(options))
        words = f"{name}: /{command} {values}"
        person = self.people[name]
        reply = await self.ask(
            name, words, lambda: self.scene.server.slash(person, self.scene.channel, command, **values)
        )
        known = self.now(name) | self._lately[name]
        hidden = [vmid for vmid in self.town.vmids if vmid >= FIRST and str(vmid) not in known]
        option = "template_id" if command == "create" else "vmid"
        if reply is not None and values.get(option) in hidden:
            self.figures["twins"] += 1
            twin = values | {option: NO_VMID + self.chance.randrange(1000)}
            other = await self.ask(
                name,
                f"{name}: /{command} {twin}",
                lambda: self.scene.server.slash(person, self.scene.channel, command, **twin),
            )
            if other is not None and without_variable_parts(reply.text) != without_variable_parts(other.text):
                self.found.append(Finding(words, f"{reply.text!r} is told apart from {other.text!r}"))

    def options(self, command: str, values: dict[str, Any]) -> dict[str, Any]:
        chance, vmid = self.chance, self.vmid()
        guest = self.pve.guest(vmid)
        snapshots = [*(guest.snapshots if guest else ()), "no-such"]
        if "vmid" in values or (command in ("access", "monitor history") and chance.random() < 0.7):
            values["vmid"] = vmid
        if command.startswith("snapshot ") and "name" in values:
            values["name"] = chance.choice(snapshots)
        if command == "create":
            values = {
                "template_id": chance.choice((*TEMPLATES, vmid)),
                "name": f"new-{chance.randrange(100)}",
            }
            if chance.random() < 0.3:
                values["new_vmid"] = self.vmid()
        if "target" in values:
            values["target"] = self.target(vmid)
        if command == "monitor add" and chance.random() < 0.5:
            values["cpu"] = chance.choice((0, 50, 90))
        if command == "list":
            some = {
                "status": ("running", "stopped", "template", "other"),
                "kind": ("qemu", "lxc"),
                "node": (*NODES, "pve9"),
            }
            values = {key: chance.choice(of) for key, of in some.items() if chance.random() < 0.4}
        if command == "dashboard create":
            values = {"tag": chance.choice(("game", "web", "")), "pool": chance.choice((*POOLS, ""))}
            values = {key: value for key, value in values.items() if value}
        if command == "graph guest":
            values["period"] = chance.choice(("hour", "week"))
        if command == "access" and chance.random() < 0.4:
            values["action"] = chance.choice([each.value for each in Operation])
        if command in ("stop", "delete", "snapshot rollback") and chance.random() < 0.2:
            values["dry_run"] = True
        return values

    def vmid(self) -> int:
        if self._held and self.chance.random() < 0.4:
            return self._held[0][0]
        return self.chance.choice((*self.town.vmids, NO_VMID + self.chance.randrange(1000)))

    def target(self, vmid: int) -> str:
        guest = self.pve.guest(vmid)
        name = guest.name if guest else "n831999999"
        return self.chance.choice(
            (f"guest/{vmid}", str(vmid), name, "all", "source", "node/pve1", "pve2", "storage/ceph-vm")
        )

    async def completion(self, name: str) -> None:
        command, option, filled = self.chance.choice(EVERY_COMPLETION)
        filled = {key: self.vmid() if key == "vmid" else value for key, value in filled.items()}
        guest = self.chance.choice(self.town.guests)
        end = self.chance.choice(
            (str(guest.vmid), guest.name, *guest.snapshots, guest.node, "t83", "guest/", "/")
        )
        typed = end[: self.chance.randrange(len(end) + 1)]
        person, scene = self.people[name], self.scene
        words = f"{name}: /{command} {option}={typed!r} {filled}"
        await self.ask(
            name,
            words,
            lambda: scene.server.autocomplete(person, scene.channel, command, option, typed, **filled),
        )

    async def press(self, name: str) -> None:
        person, chance = self.people[name], self.chance
        posts = [post for post in self.posts(person) if post.buttons or chance.random() < 0.2]
        running = {reply.post.id for _, _, reply in self._held if reply.post}  # they change by themselves
        posts = [post for post in posts if post.id not in running]
        if not posts:
            return
        post = chance.choice(posts)
        shown = [str(button.custom_id) for button in post.buttons]
        custom_id = (
            chance.choice(shown) if shown and chance.random() < 0.7 else self.forged(alert=bool(post.content))
        )
        click = self.scene.server.click
        words = f"{name}: pressed {custom_id}{self.told_by(custom_id)}"
        reply = await self.ask(name, words, lambda: click(person, post, custom_id, force=True))
        if reply is not None and reply.form is not None:
            await self.form(name, reply)

    def told_by(self, custom_id: str) -> str:
        """Return words with the VMIDs of the alert behind this custom_id.

        Everybody who may press the alert's buttons reads these VMIDs.
        """
        kind, *rest = custom_id.split(":")
        incident = rows_of(self.scene.site.journal).incident(int(rest[1])) if kind == "a1" else None
        return f" of {[fact.vmid for fact in incident.guests]}" if incident else ""

    def forged(self, *, alert: bool) -> str:
        """Return a forged custom_id of a kind that this bot uses.

        An alert is a text message. Discord itself would refuse the other kinds on it.
        """
        chance, vmid = self.chance, self.vmid()
        known = self.scene.site.cluster_cache.find(vmid)
        fingerprint = known.fingerprint if known else "00000000"
        incidents = rows_of(self.scene.site.journal).history(None, 0, 20)[0]
        incident = chance.choice([each.id for each in incidents] or [1])
        boards = [each.mark for each, _ in self.scene.site.dashboards.dashboards()] or [NO_MARK]
        nonce = chance.choice([*self.scene.services.questions._open, NO_MARK])
        alerts = (
            f"a1:{chance.choice(('start', 'details', 'ack', 'mute1', 'mute8', 'unmute'))}:{incident}",
            f"a1:{chance.choice(('details', 'ack', 'mute1'))}:{incident}:r",
        )
        others = (
            f"g1:{chance.choice(('start', 'reboot', 'shutdown'))}:{vmid}:{fingerprint}",
            f"g1:refresh:{vmid}",
            f"g1:details:{vmid}",
            f"g1:snapshots:{vmid}",
            f"p1:list:next:{chance.randrange(4)}:{chance.choice(('', 'running', 'stopped'))}::",
            f"p1:watch:next:{chance.randrange(4)}:::",
            f"p1:{chance.choice(('nodes', 'capacity'))}:refresh:0:::",
            f"p1:nodes:refresh:0:::{chance.choice(NODES)}",
            f"g1:{chance.choice(('chart', 'disks'))}:{vmid}",
            f"c1:{chance.choice(('hour', 'week'))}::{chance.choice((f'g{vmid}', f'n{chance.choice(NODES)}'))}",
            f"n1:chart:{chance.choice(NODES)}",
            f"d1:{chance.choice(('refresh', 'alerts'))}:{chance.choice(boards)}",
            "p1:status:refresh",
            f"p1:history:next:{chance.randrange(4)}:{chance.choice((vmid, ''))}",
            f"q1:{chance.choice(('yes', 'no'))}:{nonce}",
        )
        return chance.choice(alerts if alert else alerts + others)

    async def form(self, name: str, shown: PressResult) -> None:
        assert shown.form is not None
        guest, person = self.chance.choice(self.town.guests), self.people[name]
        right = next((each.placeholder for each in shown.form.fields), "")
        typed = {each.custom_id: self.chance.choice((right, guest.name, "x")) for each in shown.form.fields}
        submit = self.scene.server.submit
        await self.ask(name, f"{name}: form {typed}", lambda: submit(person, shown, typed))

    # -- events meanwhile

    async def happening(self) -> None:
        chance, pve, town = self.chance, self.pve, self.town
        self._changing()
        guest = chance.choice(town.guests)
        happening = chance.choice(HAPPENINGS)
        self.figures[happening] += 1
        match happening:
            case "look":
                await self.fresh()
            case "away":
                pve.fail("GET", "/cluster/resources", 595, "No route to host")
                self.scene.clock.skip(11)
            case "unreadable":
                pve.fail("GET", f"/{guest.vmid}/status/current", 500, f"no such thing as {guest.name}")
            case "back":
                pve.failures.clear()
                await self.fresh()
            case "crash":
                running = [each.vmid for each in town.guests if each.status == "running"]
                pve.crash_all(chance.sample(running, min(len(running), chance.choice((1, 7)))))
                await self.fresh()
            case "revive":
                pve.revive_all(each.vmid for each in chance.sample(town.guests, 6) if not each.template)
                await self.fresh()
            case "tags":
                owner = f"owner-{self.people['owner'].id}"
                guest.config["tags"] = f"{chance.choice((*TAGS, owner, owner))};t{town.secret()}".strip(";")
            case "pool":
                town.put(guest, chance.choice(POOLS))
            case "move":
                pve.move_guest(guest.vmid, chance.choice(NODES))
            case "rename":
                town.rename(guest)
            case "another":
                if guest.vmid not in TEMPLATES:
                    pve.remove_guest(guest.vmid)
                    town.add(guest.vmid)
            case "born":
                gone = sorted({*range(FIRST, FIRST + GUESTS)} - {*town.vmids})
                if gone:
                    town.add(gone[0])
            case "task":
                kind = "vz" if guest in pve.cts else "qm"
                work = chance.choice(
                    ("start", "stop", "shutdown", "reboot", "snapshot", "rollback", "delsnapshot")
                )
                words = f"cannot {work} {guest.name}"
                pve.next_task(
                    f"{kind}{work}",
                    vmid=guest.vmid,
                    lines=(words,),
                    ends=chance.choice((words, "WARNINGS: 1")),
                )
            case "busy":
                await self.hold(guest)
            case "root":
                await self.root_acts(guest)
        if chance.random() < 0.5:
            await self.fresh()
        self.check_later_edits()
        self.check_dashboards()

    async def hold(self, guest: Any) -> None:
        """Start a long-running action as the person who may see everything."""
        await self.release()
        if guest.template or self.pve.failures:
            return
        work, kind = ("shutdown", "vz" if guest in self.pve.cts else "qm")
        if guest.status != "running":
            work = "start"
        if self.scene.site.cluster_cache.find(guest.vmid) is None:
            return
        plan = self.pve.next_task(f"{kind}{work}", vmid=guest.vmid, hold=True)
        before = working_tasks()
        reply = await self.scene.start_command(self.root, work, vmid=guest.vmid)
        self._waiting = working_tasks() - before
        self._held.append((guest.vmid, plan, reply))

    async def release(self) -> None:
        for _, plan, _ in self._held:
            plan.release()
        self._held.clear()
        self._waiting.clear()
        await self.scene.settled()
        self.pve._plans.clear()

    async def root_acts(self, guest: Any) -> None:
        """Run a command as the person who may see everything.

        The answer is in the channel, and everybody can press its buttons.
        """
        chance, scene = self.chance, self.scene
        command, options = chance.choice(
            (
                ("list", {}),
                ("status", {}),
                ("node list", {}),
                ("storage", {}),
                *((word, {"vmid": guest.vmid}) for word in READING),
                ("graph node", {"node": guest.node}),
                ("node info", {"node": guest.node}),
                ("dashboard create", {"pool": chance.choice(POOLS)}),
                ("dashboard list", {}),
                ("monitor add", {"vmid": guest.vmid}),
                ("monitor add", {"vmid": guest.vmid}),
                ("monitor list", {}),
                ("monitor history", {}),
                ("monitor mute", {"target": chance.choice((f"guest/{guest.vmid}", "node/pve1"))}),
                ("stop", {"vmid": guest.vmid}),
            )
        )
        if command == "monitor mute":
            options = options | {"duration": "8h"}
        await self.do(scene.server.slash(self.root, scene.channel, command, **options))

    # -- all of it

    async def run(self, requests: int, *, until_leak: bool) -> None:
        for vmid in self.chance.sample(self.town.vmids, 16):
            await self.scene.say(self.root, "monitor add", vmid=vmid)
        await self.fresh()
        ways = (self.command,) * 6 + (self.completion,) * 4 + (self.press,) * 5
        while self.figures["requests"] < requests and not (until_leak and self.found):
            if self.chance.random() < 0.25:
                await self.happening()
            await self.chance.choice(ways)(self.chance.choice(PEOPLE))
        self.pve.failures.clear()
        await self.release()


REVEALING: list[tuple[str, dict[str, Any]]] = [
    ("list", {}),
    *[("monitor history", {})] * 3,
    ("monitor list", {}),
    ("graph guest", {"vmid": FIRST}),
    ("node list", {}),
    ("node info", {"node": "pve1"}),
    ("dashboard create", {}),
]
"""Commands that reveal much. They are chosen more often."""
HAPPENINGS = (
    *(
        "look",
        "away",
        "unreadable",
        "back",
        "back",
        "back",
        "crash",
        "crash",
        "revive",
        "revive",
        "tags",
        "tags",
        "tags",
    ),
    *(
        "pool",
        "move",
        "rename",
        "another",
        "born",
        "born",
        "task",
        "task",
        "busy",
        "busy",
        "root",
        "root",
        "root",
    ),
)


async def written(_self: ChartProcess, drawing: Drawing) -> bytes:
    """Stand in for the process that draws. Its pictures say no more than their descriptions, which are searched."""
    return encode(drawing)


async def trial(seed: int, requests: int, directory: Path, *, until_leak: bool = False) -> SeedResult:
    chance = random.Random(seed)  # noqa: S311 - a seed for a repeatable test
    with Pve(nodes=NODES, seed=seed) as pve, patch.object(ChartProcess, "draw", written), patient_disk():
        town = TaggedCluster(pve, chance)
        async with stage(pve, directory) as scene:
            scene.expected_statuses.add(404)  # a press on a dashboard that was just removed
            made = LeakTrial(scene, town, chance)
            await scene.start_bot(**made.settings)
            await made.run(requests, until_leak=until_leak)
    return SeedResult(seed, made.found, made.figures)


def summary(figures: Counter[str]) -> str:
    return (
        f"{figures['requests']} requests, {figures['twins']} of a hidden VMID beside one that no guest has, "
        f"{figures['dashboards']} looks at dashboards of people who see some guests"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if anything leaked."""
    return run_seeds("tests.long_runs.leaks", __doc__, trial, HAPPENINGS, summary, arguments)


if __name__ == "__main__":
    sys.exit(main())
