"""Make the requests of people: commands, completions, and presses of buttons, menus and forms."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from playground.discord.people import PressResult
from playground.discord.posts import SeenMessage
from tests.long_runs.crossings.checks import NONCE, Checks
from tests.long_runs.crossings.happenings import Happenings
from tests.long_runs.crossings.inputs import Inputs
from tests.long_runs.crossings.setup import Setup
from tests.support.catalogue import COMMAND, EVERY_COMPLETION
from tests.support.scenes.shown import NUMBER, whole, without_variable_parts
from tests.support.sites.meaning import PEOPLE, Want
from tests.support.sites.towns import NO_SITE, SITES


class Acts:
    """Make requests as one person after the other.

    Some requests about something hidden are made again about something that does not exist: the answers must agree.
    """

    def __init__(self, setup: Setup, chance: random.Random, checks: Checks, happenings: Happenings) -> None:
        self.scene, self.people, self.oracle, self.chance = setup.scene, setup.people, setup.oracle, chance
        self.checks, self.happenings = checks, happenings
        self.inputs = Inputs(setup, chance)

    async def command(self, name: str) -> None:
        command, options = self.inputs.able_command(name)
        values = self.inputs.options(name, command, dict(options))
        want = self.oracle.meant_by_command(name, command, values)
        reply = await self.run_command(name, command, values, want)
        await self.follow(name, reply)
        twin = self.inputs.twin(command, values, want)
        if twin is None or not isinstance(reply, PressResult):
            return
        self.checks.figures["twins"] += 1
        text = reply.text
        other = await self.run_command(name, command, twin, Want())
        if without_typed_parts(text) != without_typed_parts(other.text):
            self.checks.crossed(f"{name}: /{command} {values}", f"{text!r} is told apart from {other.text!r}")

    async def run_command(self, name: str, command: str, values: Mapping[str, Any], want: Want) -> Any:
        person, scene = self.people[name], self.scene
        typed = json.dumps([values.get(key) for key in ("vmid", "template_id", "target", "site", "node")])
        return await self.checks.ask(
            name,
            f"/{command} {values}",
            want,
            lambda: scene.server.slash(person, scene.channel, command, **values),
            typed=typed,
        )

    async def follow(self, name: str, reply: Any) -> None:
        """Confirm most questions, mostly as the person who was asked."""
        if not isinstance(reply, PressResult) or reply.post is None or self.chance.random() < 0.4:
            return
        if nonces := NONCE.findall(whole(reply.post)):
            who = name if self.chance.random() < 0.75 else self.chance.choice(tuple(PEOPLE))
            await self.press_button(who, reply.post, f"q1:yes:{nonces[0]}")

    async def completion(self, name: str) -> None:
        command, option, filled = self.chance.choice(EVERY_COMPLETION)
        filled = {
            key: self.inputs.typed_guest(*self.inputs.guest()) if key == "vmid" else value
            for key, value in filled.items()
        }
        site, guest = self.inputs.guest()
        end = self.chance.choice(
            (
                *(str(guest.vmid), guest.name, f"{site}/{guest.vmid}", f"{site}/{guest.name}"),
                *(f"{site} {guest.vmid}", f"{site}/", site, "t83", "guest/", "/", "pve"),
            )
        )
        typed = end[: self.chance.randrange(len(end) + 1)]
        person, scene = self.people[name], self.scene
        found = await self.checks.ask(
            name,
            f"/{command} {option}={typed!r} {filled}",
            Want(frozenset((each, None) for each in self.oracle.visible(name)), self.oracle.visible(name)),
            lambda: scene.server.autocomplete(person, scene.channel, command, option, typed, **filled),
            typed=typed,
        )
        head = re.match(r"[a-z]*", typed)
        if head and head[0] in set(SITES) - self.oracle.visible(name):
            self.checks.figures["twins"] += 1
            gone = NO_SITE + typed[head.end() :]
            other = await scene.server.autocomplete(person, scene.channel, command, option, gone, **filled)
            said, instead = (without_typed_parts(json.dumps(each)) for each in (found, other))
            if said != instead:
                self.checks.crossed(
                    f"{name}: completion of {typed!r}", f"{said} is told apart from {instead}"
                )
        if option not in ("vmid", "template_id"):
            return
        # the entry with this sign repeats what was typed
        offered = [choice for choice in found or () if not choice["name"].startswith("⛔")]
        pairs, values = self.oracle.pairs(name), [str(choice["value"]) for choice in offered]
        inserted = [value for value in values if NUMBER.search(value)]
        for value in inserted:
            at, _, vmid = value.partition("/")
            if not vmid.isdecimal() or (at, int(vmid)) not in pairs:
                self.checks.crossed(f"{name}: completion of {typed!r}", f"offers {value}")
        if inserted and self.chance.random() < 0.4:
            await self.use_choice(name, command, option, self.chance.choice(inserted))

    async def use_choice(self, name: str, command: str, option: str, value: str) -> None:
        """Send the command with the value that the completion inserted."""
        values = dict(COMMAND[command].example) | {option: value}
        self.checks.figures["inserted"] += 1
        reply = await self.run_command(name, command, values, self.oracle.meant(name, value))
        await self.follow(name, reply)

    async def press(self, name: str) -> None:
        chance = self.chance
        posts = [
            post for post in self.checks.posts(name) if post.buttons or post.selects or chance.random() < 0.2
        ]
        # the messages of actions that are held up change by themselves
        running = {reply.post.id for reply in self.happenings.replies_held_up() if reply.post}
        posts = [post for post in posts if post.id not in running]
        if not posts:
            return
        post = chance.choice(posts)
        shown = [str(button.custom_id) for button in post.buttons if button.style != "link"]
        shown += [f"{menu.custom_id}:{value}" for menu in post.selects for _, value in menu.options[:2]]
        if shown and chance.random() < 0.7:
            custom_id = chance.choice(shown)
            if chance.random() < 0.25:
                custom_id = self.inputs.of_another_site(custom_id)
        else:
            custom_id = self.inputs.forged(alert=bool(post.content))
        await self.press_button(name, post, custom_id)

    async def press_button(self, name: str, post: SeenMessage, custom_id: str) -> None:
        want = self.oracle.meant_by_button(name, custom_id)
        told = [str(vmid) for _, vmid in want.places if vmid]
        words = f"pressed {custom_id}" + (f" of {told}" if custom_id[0] == "a" else "")
        alert = custom_id[0] == "a"
        reply = await self.checks.ask(
            name, words, want, lambda: self.send_press(name, post, custom_id), alert=alert
        )
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
            self.checks.figures["twins"] += 1
            other = await self.checks.ask(
                name, f"pressed {gone}", Want(), lambda: self.send_press(name, post, gone)
            )
            said = other.followups[-1].text if other.followups else other.text
            if without_typed_parts(said) != without_typed_parts(text):
                self.checks.crossed(f"{name}: {words}", f"{text!r} is told apart from {said!r}")

    async def send_press(self, name: str, post: SeenMessage, custom_id: str) -> PressResult:
        """Press a button, or choose in a menu: then the value is the last field of `custom_id`."""
        person, server = self.people[name], self.scene.server
        if custom_id[0] != "s":
            return await server.click(person, post, custom_id, force=True)
        menu, _, value = custom_id.rpartition(":")
        return await server.choose(person, post, menu, [value])

    async def form(self, name: str, shown: PressResult, want: Want) -> None:
        assert shown.form is not None
        right = next((each.placeholder for each in shown.form.fields), "")
        typed = {each.custom_id: self.chance.choice((right, right, right, "x")) for each in shown.form.fields}
        submit, person = self.scene.server.submit, self.people[name]
        await self.checks.ask(name, f"form {typed}", want, lambda: submit(person, shown, typed))


def without_typed_parts(text: str) -> str:
    """Remove the parts that must differ: the VMID asked for, the site that was typed, and times."""
    text = without_variable_parts(text).replace("**100**", "**VMID**")
    return re.sub(rf"(?<![a-z0-9-])(?:{'|'.join((*SITES, NO_SITE))})(?![a-z0-9-])", "SITE", text)
