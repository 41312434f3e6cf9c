"""Choose what people type and press: commands with their options, texts for guests, and buttons, also forged ones."""

from __future__ import annotations

import random
from typing import Any

from playground.cluster.demo_cluster import NODES
from tests.long_runs.crossings.setup import Setup
from tests.long_runs.seeds import NO_MARK, NO_VMID
from tests.support.catalogue import ACTING, COMMAND, EVERY_COMMAND
from tests.support.sites.meaning import Want, level_of
from tests.support.sites.towns import NO_SITE, SITES
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of

REVEALING: list[tuple[str, dict[str, Any]]] = [
    ("list", {}),
    *[("monitor history", {})] * 3,
    ("monitor list", {}),
    *[("dashboard create", {}), ("dashboard list", {})] * 2,
]
"""Commands that reveal much. They are chosen more often."""
COMMANDS = (*EVERY_COMMAND, *REVEALING, *((each.word, dict(each.example)) for each in ACTING))


class Inputs:
    """Choose at random, mostly inputs that have a chance to succeed."""

    def __init__(self, setup: Setup, chance: random.Random) -> None:
        self.scene, self.towns, self.oracle, self.chance = setup.scene, setup.towns, setup.oracle, chance
        self._known_options = options_of_commands(setup.scene)

    def able_command(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a command, mostly one for which the level of the person is enough."""
        level, found = level_of(name), self.chance.choice(COMMANDS)
        for _ in range(30 if self.chance.random() < 0.8 else 0):
            if COMMAND[found[0]].level <= level:
                break
            found = self.chance.choice(COMMANDS)
        return found

    def options(self, name: str, command: str, values: dict[str, Any]) -> dict[str, Any]:
        chance = self.chance
        site, guest = self.guest_for(name, command)
        known = self._known_options[command]
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
        if command == "dashboard remove":
            values["dashboard"] = self.dashboard()
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
            vmid = NO_VMID + chance.randrange(1000)
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

    def dashboard(self) -> str:
        """Return the mark of a dashboard of any site."""
        found = [each.mark for site in self.scene.services.sites for each, _ in site.dashboards.dashboards()]
        return self.chance.choice(found or [NO_MARK])

    def twin(self, command: str, values: dict[str, Any], want: Want) -> dict[str, Any] | None:
        """Return the options of a request about something hidden, with something that does not exist in its place.

        Return None for some of these requests at random, and for all others.
        """
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
                return values | {key: str(NO_VMID + self.chance.randrange(1000))}
        return None

    def of_another_site(self, custom_id: str) -> str:
        """Name another site in the button, or none, as the buttons of a bot with one site do."""
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
        nonce = chance.choice([*self.scene.services.questions._open, NO_MARK])
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
            *(f"d2:{site}:{each}:{self.dashboard()}" for each in ("refresh", "alerts")),
            f"d1:refresh:{self.dashboard()}",
            *(f"w1:{each}" for each in ("list", "test", "access")),
        )
        return chance.choice(alerts if alert else alerts + others)


def options_of_commands(scene: Stage) -> dict[str, set[str]]:
    """Return the names of the options of each registered command."""
    known: dict[str, set[str]] = {}

    def walk(commands: list[dict[str, Any]], before: str) -> None:
        for command in commands:
            options = command.get("options", [])
            inner = [option for option in options if option["type"] in (1, 2)]
            name = f"{before}{command['name']}"
            walk(inner, f"{name} ")
            known[name] = {option["name"] for option in options}

    walk(scene.server.commands(scene.guild), "")
    return known
