"""Let things happen between the requests: to guests, to the connection and to the bot, and commands of `root`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from playground.cluster.demo_cluster import NODES
from playground.discord.people import PressResult
from playground.pve.plan import TaskPlan
from tests.long_runs.crossings.checks import NONCE, Checks
from tests.long_runs.crossings.setup import Setup
from tests.support.scenes.shown import whole
from tests.support.sites.meaning import Want
from tests.support.sites.towns import SITES, TAGS, TEMPLATES, VMIDS
from tests.support.stage import post_of, working_tasks

HAPPENINGS = (
    *("look", "away", "back", "back", "crash", "crash", "crash", "revive", "revive", "tags", "tags", "tags"),
    *("pool", "move", "move", "rename", "rename", "another", "another", "gone", "born", "born"),
    *("busy", "busy", "writable", "writable", "restart", "root", "root", "root", "root"),
)


class Happenings:
    """Let one thing happen at a time."""

    def __init__(self, setup: Setup, chance: random.Random, checks: Checks) -> None:
        self.scene, self.towns, self.people, self.oracle = (
            setup.scene,
            setup.towns,
            setup.people,
            setup.oracle,
        )
        self.chance, self.checks = chance, checks
        self._held: list[tuple[TaskPlan, PressResult]] = []

    def replies_held_up(self) -> Iterator[PressResult]:
        """Yield the answers of the actions that are held up. They change by themselves."""
        return (reply for _, reply in self._held)

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
        self.checks.figures[happening] += 1
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
        self.checks.check_later_edits()
        self.checks.check_alerts()
        self.checks.check_dashboards()

    async def fresh(self) -> None:
        """Run a poll of each watch, so that the bot learns of every change."""
        away = {site for site, town in self.towns.items() if town.pve.failures}
        self.scene.clock.skip(60.0)
        for loop in self.scene.bot.monitor.loops:
            await self.scene.seen_through(loop.poll_once())
        self.oracle.settle(away)

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
        self.checks.held_up = working_tasks() - before
        self._held.append((plan, reply))

    async def release(self) -> None:
        for plan, _ in self._held:
            plan.release()
        self._held.clear()
        self.checks.held_up.clear()
        await self.scene.settled()
        for town in self.towns.values():
            town.pve._plans.clear()

    async def root_acts(self, site: str, guest: Any) -> None:
        """Run a command as the person who may do everything.

        The answer is in the channel, and everybody can press its buttons.
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
                ("dashboard create", {"site": site}),
            )
        )
        root, scene = self.people["root"], self.scene
        reply = await self.checks.do(scene.server.slash(root, scene.channel, command, **options))
        want = Want(frozenset({(site, guest.vmid)}))
        self.oracle.questions |= dict.fromkeys(NONCE.findall(whole(post_of(reply))), ("root", want))
