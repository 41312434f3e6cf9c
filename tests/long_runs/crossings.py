"""Check in ten thousand requests that nothing crosses from one site to another: `make crossings`.

    python -m tests.long_runs.crossings [REQUESTS] [--seed N]

The bot has three sites. `oslo` and `bern` share VMIDs, names of guests and nodes; `rome` is a single host with VMIDs
of its own. Some people have roles for everything, others for one site or for some guests of one or two.

Each request says which guests of which sites it can mean. That is decided here a second time, apart from the product:
from what was typed or pressed, from the settings of `PEOPLE`, and from the guests. Then four things are checked:

- Effects are found on all sites: requests that change something, watch lists, mutes, acknowledgements, read-only
  mode. Each must be on a site, and about a guest, that the request can mean, and that the person may change.
- What is shown must name no site and no guest that the person may not see, no other site than the one that is meant,
  and no button of the time with one site.
- The audit trail must have a row of each site with an effect, and none of a site that is not meant.
- A site or guest that is hidden must get the same answer as one that does not exist.

Alerts must be about guests of the site that they name.

Each seed makes REQUESTS_A_SEED requests on a stage of its own. Meanwhile guests crash, move, are removed and made
again, and change their tags and names, also to those of guests of another site. Actions run, a site is away at times,
and the bot is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.levels import Level
from playground.cluster.demo_cluster import NODES
from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from playground.pve.plan import TaskPlan
from playground.pve.server import Pve
from tests.long_runs.leaks import NUMBER, numbers, whole
from tests.long_runs.seeds import Finding, SeedResult, run_seeds
from tests.support.catalogue import ACTING, COMMAND, EVERY_COMMAND, EVERY_COMPLETION
from tests.support.sites.meaning import PEOPLE, Oracle, Want, level_of
from tests.support.sites.towns import FIRST_SITE, NO_SITE, NODES_OF, SITES, TAGS, TEMPLATES, VMIDS, Town
from tests.support.stage import PATIENCE, Stage, post_of, stage, working_tasks
from tests.support.watch.at_once import rows_of

SITE_WORD = re.compile(rf"(?<![a-z0-9-])(?:{'|'.join(SITES)})(?![a-z0-9-])")
FORMER_BUTTON = re.compile(r'"custom_id": "[agps]1:')
FILE = "audit.csv"
NONCE = re.compile(r'"q1:yes:([0-9a-f]{16})"')
ASKING = (*PEOPLE, *(name for name, (level, _) in PEOPLE.items() if level == "ADMIN"))
"""Admins ask twice as often."""


@dataclass(frozen=True)
class Effect:
    """One change. `vmid`: None if it is not about one guest."""

    kind: str
    site: str
    vmid: int | None
    text: str


class CrossingTrial:
    """Hold one stage with its sites and people. `found` is the result."""

    def __init__(self, scene: Stage, towns: Mapping[str, Town], chance: random.Random) -> None:
        self.scene, self.towns, self.chance = scene, towns, chance
        self.found: list[Finding] = []
        self.figures = Counter[str]()
        roles = {name: scene.guild.create_role(name) for name, (level, _) in PEOPLE.items() if level}
        roles["root"] = scene.guild.create_role("root")
        self.people = {
            name: scene.server.person(
                scene.guild,
                name,
                display=name.title(),
                locale=chance.choice(("ja", "en-US")),
                roles=[roles[name]] if name in roles else [],
            )
            for name in (*PEOPLE, "root")
        }
        ids = {name: str(role.id) for name, role in roles.items()}
        levels = {name: level for name, (level, _) in PEOPLE.items()} | {"root": "ADMIN"}
        self.settings = {
            f"{level}_ROLE_IDS": " ".join(ids[name] for name in ids if levels[name] == level)
            for level in ("VIEWER", "OPERATOR", "ADMIN")
        }
        scopes = {ids[name]: list(scopes) for name, (_, scopes) in PEOPLE.items() if scopes}
        self.settings |= {"ROLE_SCOPES": json.dumps(scopes), "CHANGES_PER_MINUTE": "0"}
        self.settings["FIRST_SITE"] = FIRST_SITE
        for site, town in towns.items():
            scene.add_site(site, town.pve, NODE_NAME=NODES_OF[site][0])
        owners = {name: f"owner-{self.people[name].id}" for name in PEOPLE}
        self.oracle = Oracle(towns, owners, self.guests_of)
        self._own: dict[int, tuple[str, str]] = {}
        """Answers by message ID: their owner, and the text last shown to them."""
        self._alerts: dict[int, str] = {}
        self._held: list[tuple[TaskPlan, PressResult]] = []
        self._waiting: set[asyncio.Task[Any]] = set()
        self._options: dict[str, set[str]] = {}

    def guests_of(self, site: str, number: int) -> list[int]:
        incident = rows_of(self.scene.site_named(site).journal).incident(number)
        return [fact.vmid for fact in incident.guests] if incident else []

    # -- effects

    def state(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for site in self.scene.services.sites:
            watch = site.watch
            found[site.name] = {
                "requests": len(self.towns[site.name].pve.requests),
                "list": frozenset(watch.entries),
                "mutes": frozenset((mute.target, mute.until) for mute in watch.answers.mutes()),
                "acked": frozenset(each.id for each in watch.state.open.values() if each.acked),
                "read-only": site.authorizer.read_only.refusal is not None,
            }
        return found

    def effects(self, before: dict[str, dict[str, Any]]) -> Iterator[Effect]:
        after = self.state()
        for site, town in self.towns.items():
            was, now = before[site], after[site]
            for method, path, _ in list(town.pve.requests)[was["requests"] :]:
                if method != "GET":
                    match = re.search(r"/(?:qemu|lxc)/([0-9]+)", path)
                    yield Effect("requests", site, int(match[1]) if match else None, f"{method} {path}")
            for entry in was["list"] ^ now["list"]:
                yield Effect("list", site, entry.vmid, str(entry.vmid))
            for target, _ in was["mutes"] ^ now["mutes"]:
                match = re.fullmatch(r"guest/([0-9]+)", target)
                yield Effect("mutes", site, int(match[1]) if match else None, target)
            for number in now["acked"] - was["acked"]:  # removed guests end incidents
                yield Effect("acked", site, None, str(number))
            if was["read-only"] != now["read-only"]:
                yield Effect("read-only", site, None, "")

    def judge_effects(self, name: str, request: str, want: Want, found: list[Effect], *, alert: bool) -> None:
        pairs = self.oracle.pairs(name)
        for effect in found:
            self.figures["effects"] += 1
            site, vmid = effect.site, effect.vmid
            seen = bool(pairs & want.places) if alert else (site, vmid) in pairs
            may = level_of(name) >= Level.OPERATOR and (seen or self.oracle.is_whole(name, site))
            if not want.has(site, vmid):
                self.crossed(request, f"{effect} is not among {sorted(map(str, want.places))}")
            elif not may:
                self.crossed(request, f"{effect}, which this person may not see or change")

    def judge_trail(self, name: str, request: str, want: Want, after: int, found: list[Effect]) -> None:
        person = self.people[name].id
        rows = [
            each
            for each in rows_of(self.scene.services.journal).audit_after(after, 1000)[0]
            if each.record.actor.user_id == person
        ]
        sites = {each.site for each in rows}
        if wrong := sites - want.sites - want.filed - (want.named or frozenset()) - {""}:
            self.crossed(request, f"the audit trail says {wrong}: {rows}")
        if missing := {effect.site for effect in found} - sites:
            self.crossed(request, f"the audit trail says nothing of {missing}: {rows}")

    def crossed(self, request: str, found: str) -> None:
        self.found.append(Finding(request, found[:2000]))

    def judge(self, request: str, shown: list[str], told: set[str], sites: frozenset[str] | set[str]) -> None:
        for text in shown:
            if wrong := sorted(numbers(text) - told):
                self.crossed(request, f"{wrong} in {text}")
            if named := {*SITE_WORD.findall(text)} - sites:
                self.crossed(request, f"names {named} in {text}")
            if FORMER_BUTTON.search(text):
                self.crossed(request, f"a button without a site in {text}")

    # -- requests

    async def do(self, acting: Awaitable[Any]) -> Any:
        """Act, and wait until the bot has finished and recorded everything except the actions held up."""
        result = await acting
        while tasks := working_tasks() - self._waiting:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE)
            assert not late, f"still at work: {late}"
        await self.scene.recorded()
        return result

    def posts(self, name: str) -> list[SeenMessage]:
        server, scene, person = self.scene.server, self.scene, self.people[name]
        return server.messages(scene.channel, person)[-14:] + server.messages(scene.alerts, person)[-8:]

    async def ask(
        self,
        name: str,
        words: str,
        want: Want,
        acting: Callable[[], Awaitable[Any]],
        *,
        typed: str = "",
        alert: bool = False,
    ) -> Any:
        """Make one request as this person, and check all that comes of it. `typed`: texts that may be repeated."""
        self.oracle.note_views()
        self.oracle.note_typed(want, words)
        posts = {post.id: (post.text, whole(post)) for post in self.posts(name)}
        before, after = self.state(), rows_of(self.scene.services.journal).audit_last()
        result = await self.do(acting())
        self.figures["requests"] += 1
        self.oracle.note_views()
        found = list(self.effects(before))
        request = f"{name}: {words}"
        self.judge_effects(name, request, want, found, alert=alert)
        self.judge_trail(name, request, want, after, found)
        told = self.oracle.allowed_numbers(name) | numbers(words)
        may_name = {*SITE_WORD.findall(typed)} | (
            self.oracle.visible(name) if want.named is None else want.named & self.oracle.visible(name)
        )
        if not isinstance(result, PressResult):
            self.judge(request, [json.dumps(result, ensure_ascii=False)], told, may_name)
            return result
        brought = [post for post in [result.post, *result.followups] if post is not None]
        brought = [
            post for post in brought if not post.content
        ]  # alerts are edited at any time: `check_alerts`
        new = [post for post in brought if posts.get(post.id, ("", ""))[0] != post.text]
        files = [self.scene.server.attached(post, FILE).decode() for post in new if FILE in post.attachments]
        self.judge(request, [*map(whole, new), *files, repr(result.form)], told, may_name)
        for post in set(brought) - set(new):  # pressed messages, in which at most the buttons changed
            there = posts[post.id][1]
            self.judge(request, [whole(post)], told | numbers(there), may_name | {*SITE_WORD.findall(there)})
        for post in new:
            self.judge_sections(name, request, post.text)
            for nonce in NONCE.findall(whole(post)):
                self.oracle.questions[nonce] = name, want
            if post.id in posts:  # an older message of somebody; its owner is unknown from now on
                self._own.pop(post.id, None)
            else:
                self._own[post.id] = (name, whole(post))
        return result

    def judge_sections(self, name: str, request: str, text: str) -> None:
        """Check that each guest below the heading of a site is one of that site."""
        _, *sections = re.split(rf"(?:^|\n)### ({'|'.join(SITES)})(?: · [^\n]*)?\n", text)
        pairs = self.oracle.pairs(name)
        for site, rows in zip(sections[::2], sections[1::2], strict=True):
            for vmid in re.findall(r"\*\*(731[0-9]{6})\*\*", rows):
                self.figures["rows"] += 1
                if (site, int(vmid)) not in pairs:
                    self.crossed(request, f"{vmid} as one of {site} in {text}")

    def check_later_edits(self) -> None:
        """Check answers that changed without a press, such as expired questions and progress."""
        for post in self.scene.server.messages(self.scene.channel)[-14:]:
            name, text = self._own.get(post.id, ("", ""))
            if name and whole(post) != text:
                told = self.oracle.allowed_numbers(name, ever=True) | numbers(text)
                named = self.oracle.visible(name, ever=True) | {*SITE_WORD.findall(text)}
                self.judge(f"{name}: edited later", [whole(post)], told, named)
                self._own[post.id] = (name, whole(post))

    def check_alerts(self) -> None:
        """Check that each alert is about guests of the one site that it and its buttons name."""
        for post in self.scene.server.messages(self.scene.alerts)[-12:]:
            shown = whole(post)
            if not post.content or self._alerts.get(post.id) == shown:
                continue
            self._alerts[post.id] = shown
            self.figures["alerts"] += 1
            sites = {*SITE_WORD.findall(shown)}
            told = self.towns[min(sites)].told if len(sites) == 1 else set()
            if len(sites) != 1 or numbers(shown) - told or FORMER_BUTTON.search(shown):
                self.crossed("an alert", f"{sites}: {numbers(shown) - told} in {shown}")

    async def command(self, name: str) -> None:
        command, options = self.able_command(name)
        values = self.options(name, command, dict(options))
        want = self.oracle.meant_by_command(name, command, values)
        reply = await self.run_command(name, command, values, want)
        await self.follow(name, reply)
        twin = self.twin(command, values, want)
        if twin is None or not isinstance(reply, PressResult):
            return
        self.figures["twins"] += 1
        text = reply.text
        other = await self.run_command(name, command, twin, Want())
        if without_variable_parts(text) != without_variable_parts(other.text):
            self.crossed(f"{name}: /{command} {values}", f"{text!r} is told apart from {other.text!r}")

    def able_command(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a command, mostly one for which the level of the person is enough."""
        level, found = level_of(name), self.chance.choice(COMMANDS)
        for _ in range(30 if self.chance.random() < 0.8 else 0):
            if COMMAND[found[0]].level <= level:
                break
            found = self.chance.choice(COMMANDS)
        return found

    async def run_command(self, name: str, command: str, values: Mapping[str, Any], want: Want) -> Any:
        person, scene = self.people[name], self.scene
        typed = json.dumps([values.get(key) for key in ("vmid", "template_id", "target", "site", "node")])
        return await self.ask(
            name,
            f"/{command} {values}",
            want,
            lambda: scene.server.slash(person, scene.channel, command, **values),
            typed=typed,
        )

    def twin(self, command: str, values: dict[str, Any], want: Want) -> dict[str, Any] | None:
        """Return the same request about what does not exist, if it is about something hidden."""
        if want.places or want.several or self.chance.random() < 0.3:
            return None
        if "site" in values and "vmid" in values:
            return values | {"site": NO_SITE} if "/" not in values["vmid"] else None
        for key in ("vmid", "template_id", "target", "site"):
            site, slash, rest = str(values.get(key, "")).partition("/")
            if key == "site" and key in values:
                return values | {key: NO_SITE} if site in SITES else None
            if slash and site in SITES:
                return values | {key: f"{NO_SITE}/{rest}"}
            if key in ("vmid", "template_id") and site.isdecimal():
                return values | {key: str(731_900_000 + self.chance.randrange(1000))}
        return None

    async def follow(self, name: str, reply: Any) -> None:
        """Answer the question of an answer at once, mostly as the person who was asked."""
        if not isinstance(reply, PressResult) or reply.post is None or self.chance.random() < 0.4:
            return
        if nonces := NONCE.findall(whole(reply.post)):
            who = name if self.chance.random() < 0.75 else self.chance.choice(tuple(PEOPLE))
            await self.press_button(who, reply.post, f"q1:yes:{nonces[0]}")

    def options(self, name: str, command: str, values: dict[str, Any]) -> dict[str, Any]:
        chance = self.chance
        site, guest = self.guest_for(name, command)
        known = self._options[command]
        if "vmid" in values or (command in ("access", "monitor history", "audit") and chance.random() < 0.4):
            values["vmid"] = self.typed_guest(site, guest)
        if command == "create":
            values = {"template_id": self.typed_guest(site, guest), "name": f"new-{chance.randrange(100)}"}
            if chance.random() < 0.3:
                values["new_vmid"] = self.guest()[1].vmid
        if command.startswith("snapshot ") and "name" in values:
            made = [each for each in guest.snapshots if command != "snapshot create"]
            values["name"] = chance.choice([*made, f"new{chance.randrange(1000)}"])
        if "target" in values:
            values["target"] = self.target(site, guest)
        if "site" in known and chance.random() < (0.3 if "vmid" in values else 0.5):
            values["site"] = chance.choice((*SITES, *SITES, NO_SITE))
        if command == "list" and chance.random() < 0.4:
            values["node"] = chance.choice((*NODES, "solo", "oslo/pve2", "bern/pve2", "rome/solo"))
            values.pop("site", None)
        if command in ("stop", "delete") and chance.random() < 0.2:
            values["dry_run"] = True
        return values

    def guest(self) -> tuple[str, Any]:
        site = self.chance.choice(SITES)
        guests = self.towns[site].guests
        return site, self.chance.choice(guests)

    def guest_for(self, name: str, command: str) -> tuple[str, Any]:
        """Return a guest, mostly one that the person may see, in a state that fits the command."""
        action, pairs = COMMAND[command].action, self.oracle.pairs(name)
        found = self.guest()
        for _ in range(90 if self.chance.random() < 0.8 else 0):
            site, guest = found
            fits = action is None or (action.template and guest.template)
            if action is not None and not guest.template:
                fits = fits or guest.status in {str(each) for each in action.states}
            if fits and (site, guest.vmid) in pairs:
                break
            found = self.guest()
        return found

    def typed_guest(self, site: str, guest: Any) -> str:
        """Return a text for a guest: with its site or another, or without any."""
        chance = self.chance
        vmid = guest.vmid
        if chance.random() < 0.05:
            vmid = 731_900_000 + chance.randrange(1000)
        if chance.random() < 0.2:
            site = chance.choice((*SITES, NO_SITE))
        shape = chance.choice(("{site}/{vmid}",) * 5 + ("{site}/{name}", "{vmid}", "{vmid}", "{name}"))
        text = shape.format(site=site, vmid=vmid, name=guest.name)
        return text.upper() if chance.random() < 0.1 else text

    def target(self, site: str, guest: Any) -> str:
        chance = self.chance
        if chance.random() < 0.2:
            site = chance.choice((*SITES, NO_SITE))
        return chance.choice(
            (
                *(f"{site}/{guest.vmid}", f"{site}/guest/{guest.vmid}", f"{site}/{guest.name}"),
                *(str(guest.vmid), guest.name, f"guest/{guest.vmid}", "all", "source", "pve2"),
                *(f"{site}/everything", f"{site}/node/pve1", f"{site}/pve2", "node/pve1", f"{site}/source"),
            )
        )

    async def completion(self, name: str) -> None:
        command, option, filled = self.chance.choice(EVERY_COMPLETION)
        filled = {
            key: self.typed_guest(*self.guest()) if key == "vmid" else value for key, value in filled.items()
        }
        site, guest = self.guest()
        end = self.chance.choice(
            (
                *(str(guest.vmid), guest.name, f"{site}/{guest.vmid}", f"{site}/{guest.name}"),
                *(f"{site} {guest.vmid}", f"{site}/", site, "t83", "guest/", "/", "pve"),
            )
        )
        typed = end[: self.chance.randrange(len(end) + 1)]
        person, scene = self.people[name], self.scene
        found = await self.ask(
            name,
            f"/{command} {option}={typed!r} {filled}",
            Want(frozenset((each, None) for each in self.oracle.visible(name)), self.oracle.visible(name)),
            lambda: scene.server.autocomplete(person, scene.channel, command, option, typed, **filled),
            typed=typed,
        )
        head = re.match(r"[a-z]*", typed)
        if head and head[0] in set(SITES) - self.oracle.visible(name):
            self.figures["twins"] += 1
            gone = NO_SITE + typed[head.end() :]
            other = await scene.server.autocomplete(person, scene.channel, command, option, gone, **filled)
            said, instead = (without_variable_parts(json.dumps(each)) for each in (found, other))
            if said != instead:
                self.crossed(f"{name}: completion of {typed!r}", f"{said} is told apart from {instead}")
        if option not in ("vmid", "template_id"):
            return
        offered = [
            choice for choice in found or () if not choice["name"].startswith("⛔")
        ]  # repeats what was typed
        pairs, values = self.oracle.pairs(name), [str(choice["value"]) for choice in offered]
        inserted = [value for value in values if NUMBER.search(value)]
        for value in inserted:
            at, _, vmid = value.partition("/")
            if not vmid.isdecimal() or (at, int(vmid)) not in pairs:
                self.crossed(f"{name}: completion of {typed!r}", f"offers {value}")
        if inserted and self.chance.random() < 0.4:
            await self.use_choice(name, command, option, self.chance.choice(inserted))

    async def use_choice(self, name: str, command: str, option: str, value: str) -> None:
        """Send the command with what the completion inserted."""
        values = dict(COMMAND[command].example) | {option: value}
        self.figures["inserted"] += 1
        reply = await self.run_command(name, command, values, self.oracle.meant(name, value))
        await self.follow(name, reply)

    async def press(self, name: str) -> None:
        chance = self.chance
        posts = [post for post in self.posts(name) if post.buttons or post.selects or chance.random() < 0.2]
        running = {reply.post.id for _, reply in self._held if reply.post}  # they change by themselves
        posts = [post for post in posts if post.id not in running]
        if not posts:
            return
        post = chance.choice(posts)
        shown = [str(button.custom_id) for button in post.buttons if button.style != "link"]
        shown += [f"{menu.custom_id}:{value}" for menu in post.selects for _, value in menu.options[:2]]
        if shown and chance.random() < 0.7:
            custom_id = chance.choice(shown)
            if chance.random() < 0.25:
                custom_id = self.of_another_site(custom_id)
        else:
            custom_id = self.forged(alert=bool(post.content))
        await self.press_button(name, post, custom_id)

    async def press_button(self, name: str, post: SeenMessage, custom_id: str) -> None:
        want = self.oracle.meant_by_button(name, custom_id)
        told = [str(vmid) for _, vmid in want.places if vmid]
        words = f"pressed {custom_id}" + (f" of {told}" if custom_id[0] == "a" else "")
        alert = custom_id[0] == "a"
        reply = await self.ask(name, words, want, lambda: self.send_press(name, post, custom_id), alert=alert)
        text = reply.followups[-1].text if reply.followups else reply.text
        if reply.form is not None:
            await self.form(name, reply, want)
        elif (
            self.chance.random() < 0.4
            and custom_id[1] == "2"
            and not want.sites
            and want.named is None
            and not custom_id[3:].startswith("*")
        ):
            site = custom_id.split(":")[1]
            gone = custom_id.replace(f":{site}:", f":{NO_SITE}:")
            self.figures["twins"] += 1
            other = await self.ask(name, f"pressed {gone}", Want(), lambda: self.send_press(name, post, gone))
            said = other.followups[-1].text if other.followups else other.text
            if without_variable_parts(said) != without_variable_parts(text):
                self.crossed(f"{name}: {words}", f"{text!r} is told apart from {said!r}")

    async def send_press(self, name: str, post: SeenMessage, custom_id: str) -> PressResult:
        """Press a button, or choose in a menu: then the value is the last field of `custom_id`."""
        person, server = self.people[name], self.scene.server
        if custom_id[0] != "s":
            return await server.click(person, post, custom_id, force=True)
        menu, _, value = custom_id.rpartition(":")
        return await server.choose(person, post, menu, [value])

    def of_another_site(self, custom_id: str) -> str:
        """Name another site in the button, or none, as in one of the time with one site."""
        kind, *rest = custom_id.split(":")
        if kind[1] != "2":
            return custom_id
        if kind[0] != "p" and self.chance.random() < 0.3:
            return ":".join((f"{kind[0]}1", *rest[1:]))
        return ":".join((kind, self.chance.choice((*SITES, NO_SITE)), *rest[1:]))

    def forged(self, *, alert: bool) -> str:
        """Return a forged custom_id. An alert is a text message: Discord would refuse other kinds on it."""
        chance = self.chance
        there, guest = self.guest()
        site = chance.choice((there, there, *SITES, NO_SITE))
        known = self.scene.site_named(there).cluster_cache.find(guest.vmid)
        fingerprint = known.fingerprint if known else "00000000"
        incidents = rows_of(self.scene.site_named(there).journal).history(None, 0, 20)[0]
        number = chance.choice([each.id for each in incidents] or [1])
        nonce = chance.choice([*self.scene.services.questions._open, "0123456789abcdef"])
        what = chance.choice(("start", "details", "ack", "mute1", "mute8", "unmute"))
        alerts = (f"a2:{site}:{what}:{number}", f"a2:{site}:{what}:{number}:r", f"a1:{what}:{number}")
        act, node = chance.choice(("start", "reboot", "shutdown")), chance.choice(NODES)
        others = (
            *(f"g2:{site}:{act}:{guest.vmid}:{fingerprint}",) * 2,
            f"g1:{act}:{guest.vmid}:{fingerprint}",
            f"g1:refresh:{guest.vmid}",
            f"g1:details:{guest.vmid}",
            f"g1:snapshots:{guest.vmid}",
            f"g2:{site}:refresh:{guest.vmid}",
            f"p1:list:next:{chance.randrange(3)}:::",
            f"p1:history:next:{chance.randrange(3)}:",
            *(f"p2:{site}:{page}:n:{chance.randrange(3)}:::" for page in "lw"),
            f"p2:{site}:h:n:{chance.randrange(3)}:",
            f"p2:{site}:a:n:0:::::",
            *(f"p2:*:{page}:n:{chance.randrange(3)}:::" for page in "lw"),
            f"p2:*:h:n:{chance.randrange(3)}:",
            "p2:*:a:n:0:::::",
            *(f"p2:{each}:s:r" for each in (site, "*")),
            f"q1:{chance.choice(('yes', 'no'))}:{nonce}",
            f"s2:{site}:guest:{guest.vmid}",
            f"s2:*:guest:{site}/{guest.vmid}",
            f"s1:guest:{guest.vmid}",
            f"s2:{site}:node:{node}",
            f"s2:*:node:{site}/{node}",
            f"s1:node:{node}",
            f"n2:{site}:chart:{node}",
            *(f"c2:{site}:day::{target}" for target in (f"g{guest.vmid}", f"n{node}")),
            *(f"w1:{each}" for each in ("list", "test", "access")),
        )
        return chance.choice(alerts if alert else alerts + others)

    async def form(self, name: str, shown: PressResult, want: Want) -> None:
        assert shown.form is not None
        right = next((each.placeholder for each in shown.form.fields), "")
        typed = {each.custom_id: self.chance.choice((right, right, right, "x")) for each in shown.form.fields}
        submit, person = self.scene.server.submit, self.people[name]
        await self.ask(name, f"form {typed}", want, lambda: submit(person, shown, typed))

    # -- what happens meanwhile

    async def fresh(self) -> None:
        """Run a poll of each watch, so that the bot learns of every change."""
        away = {site for site, town in self.towns.items() if town.pve.failures}
        self.scene.clock.skip(60.0)
        for loop in self.scene.bot.monitor.loops:
            await self.scene.seen_through(loop.poll_once())
        self.oracle.settle(away)

    async def happening(self) -> None:
        chance, site = self.chance, self.chance.choice(SITES)
        town = self.towns[site]
        pve = town.pve
        self.oracle.note_views()
        if chance.random() < 0.5 and any(each.pve.failures for each in self.towns.values()):
            self.all_back()
            await self.fresh()
        guest = chance.choice(town.guests)
        happening = chance.choice(HAPPENINGS)
        self.figures[happening] += 1
        match happening:
            case "look":
                await self.fresh()
            case "away":
                pve.fail("GET", "/cluster/resources", 595, "No route to host")
                self.scene.clock.skip(11)
            case "back":
                self.all_back()
                await self.fresh()
            case "crash":
                running = [each.vmid for each in town.guests if each.status == "running"]
                pve.crash_all(chance.sample(running, min(len(running), chance.choice((1, 7)))))
                await self.fresh()
            case "revive":
                pve.revive_all(each.vmid for each in town.guests if not each.template)
                await self.fresh()
            case "tags":
                owner = f"owner-{self.people['owner'].id}"
                guest.config["tags"] = f"{chance.choice((*TAGS, owner, owner))};t{town.secret()}".strip(";")
            case "pool":
                town.put(guest)
            case "move":
                if site != "rome":
                    pve.move_guest(guest.vmid, chance.choice(NODES))
            case "rename":
                town.rename(guest)
            case "another":
                if guest.vmid not in TEMPLATES:
                    pve.remove_guest(guest.vmid)
                    town.add(guest.vmid)
            case "gone":
                if guest.vmid not in TEMPLATES and len(town.guests) > 3:
                    pve.remove_guest(guest.vmid)
            case "born":
                there = {each.vmid for each in town.guests}
                for vmid in [each for each in VMIDS[site] if each not in there][:1]:
                    town.add(vmid)
            case "busy":
                await self.hold(site, guest)
            case "writable":
                for each in self.scene.services.sites:
                    await each.authorizer.read_only.turn_off()
            case "restart":
                await self.release()
                await self.scene.restart_bot()
                await self.fresh()
            case "root":
                await self.root_acts(site, guest)
        if chance.random() < 0.5:
            await self.fresh()
        self.oracle.note_views()
        self.check_later_edits()
        self.check_alerts()

    def all_back(self) -> None:
        for town in self.towns.values():
            town.pve.failures.clear()

    async def hold(self, site: str, guest: Any) -> None:
        """Start a long-running action as the person who may see everything."""
        await self.release()
        pve = self.towns[site].pve
        known = self.scene.site_named(site).cluster_cache.find(guest.vmid)
        if guest.template or pve.failures or known is None:
            return
        if self.scene.site_named(site).authorizer.read_only.refusal:
            return
        work, kind = ("shutdown", "vz" if guest in pve.cts else "qm")
        if guest.status != "running":
            work = "start"
        plan = pve.next_task(f"{kind}{work}", vmid=guest.vmid, hold=True)
        before = working_tasks()
        reply = await self.scene.start_command(self.people["root"], work, vmid=f"{site}/{guest.vmid}")
        self._waiting = working_tasks() - before
        self._held.append((plan, reply))

    async def release(self) -> None:
        for plan, _ in self._held:
            plan.release()
        self._held.clear()
        self._waiting.clear()
        await self.scene.settled()
        for town in self.towns.values():
            town.pve._plans.clear()

    async def root_acts(self, site: str, guest: Any) -> None:
        """Run a command as the person who may do everything.

        The answer stands in the channel, and everybody can press its buttons.
        """
        named = f"{site}/{guest.vmid}"
        command, options = self.chance.choice(
            (
                ("list", {}),
                ("info", {"vmid": named}),
                ("info", {"vmid": named}),
                ("monitor add", {"vmid": named}),
                ("monitor add", {"vmid": named}),
                ("monitor list", {}),
                ("monitor history", {}),
                ("stop", {"vmid": named}),
                ("snapshot list", {"vmid": named}),
            )
        )
        root, scene = self.people["root"], self.scene
        reply = await self.do(scene.server.slash(root, scene.channel, command, **options))
        want = Want(frozenset({(site, guest.vmid)}))
        self.oracle.questions |= dict.fromkeys(NONCE.findall(whole(post_of(reply))), ("root", want))

    # -- all of it

    def learn_options(self) -> None:
        def walk(commands: list[dict[str, Any]], before: str) -> None:
            for command in commands:
                options = command.get("options", [])
                inner = [option for option in options if option["type"] in (1, 2)]
                name = f"{before}{command['name']}"
                walk(inner, f"{name} ")
                self._options[name] = {option["name"] for option in options}

        walk(self.scene.server.commands(self.scene.guild), "")

    async def run(self, requests: int, *, until_found: bool) -> None:
        self.learn_options()
        for site in self.scene.services.sites:
            for guest in self.towns[site.name].guests:
                if not guest.template:
                    known = site.cluster_cache.find(guest.vmid)
                    assert known is not None
                    await site.watch.add(known)
        await self.fresh()
        ways = (self.command,) * 8 + (self.completion,) * 3 + (self.press,) * 5
        while self.figures["requests"] < requests and not (until_found and self.found):
            if self.chance.random() < 0.25:
                await self.happening()
            await self.chance.choice(ways)(self.chance.choice(ASKING))
        self.all_back()
        await self.release()


REVEALING: list[tuple[str, dict[str, Any]]] = [
    ("list", {}),
    *[("monitor history", {})] * 3,
    ("monitor list", {}),
]
"""Commands that reveal much. They are chosen more often."""
COMMANDS = (*EVERY_COMMAND, *REVEALING, *((each.word, dict(each.example)) for each in ACTING))
HAPPENINGS = (
    *("look", "away", "back", "back", "crash", "crash", "crash", "revive", "revive", "tags", "tags", "tags"),
    *("pool", "move", "move", "rename", "rename", "another", "another", "gone", "born", "born"),
    *("busy", "busy", "writable", "writable", "restart", "root", "root", "root", "root"),
)


def without_variable_parts(text: str) -> str:
    """Remove the parts that must differ: the VMID asked for, the site that was typed, and times."""
    text = re.sub(r"<t:[0-9]+", "<t:", NUMBER.sub("VMID", text)).replace("**100**", "**VMID**")
    return re.sub(rf"(?<![a-z0-9-])(?:{'|'.join((*SITES, NO_SITE))})(?![a-z0-9-])", "SITE", text)


async def trial(seed: int, requests: int, directory: Path, *, until_found: bool = False) -> SeedResult:
    chance = random.Random(seed)  # noqa: S311 - a seed for a repeatable test
    with contextlib.ExitStack() as stack:
        towns = {
            site: Town(site, stack.enter_context(Pve(nodes=nodes, seed=seed)), chance)
            for site, nodes in NODES_OF.items()
        }
        async with stage(towns[FIRST_SITE].pve, directory) as scene:
            made = CrossingTrial(scene, towns, chance)
            await scene.start_bot(**made.settings)
            await made.run(requests, until_found=until_found)
    return SeedResult(seed, made.found, made.figures)


def summary(figures: Counter[str]) -> str:
    return (
        f"{figures['requests']} requests with {figures['effects']} effects, {figures['inserted']} with what a "
        f"completion inserted; {figures['alerts']} alerts; {figures['twins']} requests for something hidden beside "
        "one for nothing"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line. Return 1 if anything crossed."""
    return run_seeds("tests.long_runs.crossings", __doc__, trial, HAPPENINGS, summary, arguments)


if __name__ == "__main__":
    sys.exit(main())
