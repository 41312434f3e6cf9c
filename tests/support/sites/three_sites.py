"""Give the stage three sites. Two of them, home and colo, have the same VMIDs, names and nodes; lab has its own.

A test module takes the fixtures by assignment, as it takes those of `tests/support/stage.py`:

    bare_scene, pve = stage.bare_scene, three_sites.pve
    clusters, sites = three_sites.clusters, three_sites.sites
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support.stage import Stage
from tests.support.watch.at_once import rows_of
from ui.cards import notice
from ui.interaction.services import Site

HOME, COLO, LAB = "home", "colo", "lab"
NAMES = (HOME, COLO, LAB)
LAB_NODE, LAB_GUEST = "solo", 900
_UNNAMED = re.compile(r'"custom_id": "[acdgnps]1:[^"]*"')


@pytest.fixture
def clusters() -> Iterator[Mapping[str, Pve]]:
    """Provide the three clusters by the name of their site."""
    with Pve(nodes=NODES) as home, Pve(nodes=NODES) as colo, Pve(nodes=(LAB_NODE,)) as lab:
        for made in (home, colo):
            build_demo(made)
        lab.add_vm(LAB_GUEST, "bench", node=LAB_NODE, status="running")
        made_all = {HOME: home, COLO: colo, LAB: lab}
        for made in made_all.values():
            made.auth_delay = 0.0
        yield made_all


@pytest.fixture
def pve(clusters: Mapping[str, Pve]) -> Pve:
    """Provide the first cluster to the stage, which asks for one."""
    return clusters[HOME]


class Sites:
    """Hold the sites on the stage, and people who may do everything on all of them, on one, or on none."""

    def __init__(self, scene: Stage, clusters: Mapping[str, Pve]) -> None:
        self.scene, self.clusters = scene, clusters
        names = ("admin", *NAMES)
        self.roles = {name: scene.guild.create_role(name) for name in names}
        self.people = {name: self.person(name, "en-US") for name in names}
        self.people["nobody"] = scene.server.person(scene.guild, "nobody", display="Nobody", locale="en-US")
        for name, cluster in clusters.items():
            nodes = {"NODE_NAME": LAB_NODE} if name == LAB else {}
            scene.add_site(name, cluster, MONITOR_VM_IDS=str(LAB_GUEST if name == LAB else 101), **nodes)

    def __getitem__(self, name: str) -> Person:
        """Return a person: the admin of the site with this name, `admin` (of all sites), or `nobody`."""
        return self.people[name]

    def person(self, role: str, locale: str) -> Person:
        """Add another person with the role of this name."""
        server, guild = self.scene.server, self.scene.guild
        name = f"{role}-{locale}".lower()
        return server.person(guild, name, display=role.title(), locale=locale, roles=[self.roles[role]])

    async def start(self, **settings: str) -> None:
        """Start the bot. FIRST_SITE is home, if the settings do not say otherwise."""
        ids = {name: str(role.id) for name, role in self.roles.items()}
        scopes = ", ".join(f'"{ids[name]}": ["site:{name}"]' for name in NAMES)
        given = {
            "ADMIN_ROLE_IDS": " ".join(ids.values()),
            "ROLE_SCOPES": f"{{{scopes}}}",
            "CHANGES_PER_MINUTE": "0",
            "FIRST_SITE": HOME,
            **settings,
        }
        await self.scene.start_bot(**{name: value for name, value in given.items() if value})

    def site(self, name: str) -> Site:
        return self.scene.site_named(name)

    async def poll(self, name: str, times: int = 1) -> None:
        """Run the next polls of this site's watch."""
        names = [site.name for site in self.scene.services.sites]
        loop = self.scene.bot.monitor.loops[names.index(name)]
        for _ in range(times):
            self.scene.clock.skip(60.0)
            await self.scene.seen_through(loop.poll_once())

    async def crash(self, name: str, vmid: int) -> SeenMessage:
        """Let a watched guest crash, and return its alert."""
        self.clusters[name].crash(vmid)
        about, journal = f"{name} · **{vmid}**", rows_of(self.site(name).journal)
        for _ in range(2):
            await self.poll(name)
            await self.scene.until(lambda: not (journal.to_post() or journal.to_edit()), "the alert sent")
        posts = self.scene.server.messages(self.scene.alerts)
        return next(post for post in reversed(posts) if about in post.content)

    async def post(self) -> SeenMessage:
        """Post a public message of the bot without buttons, and return it. `press` works on it all the same."""
        channel = self.scene.bot.get_partial_messageable(self.scene.channel.id)
        sent = await channel.send(view=notice("…"))
        return await self.scene.server.wait_message(self.scene.channel, lambda post: post.id == sent.id)

    async def press(self, who: str, on: SeenMessage | PressResult, custom_id: str) -> PressResult:
        """Press a button with this custom_id, even if the message has no such button."""
        return await self.scene.press(self[who], on, custom_id, force=True)

    def changes(self) -> dict[str, list[str]]:
        """Return the paths of the changing requests that each site has received."""
        return {
            name: [path for method, path, _ in list(cluster.requests) if method != "GET"]
            for name, cluster in self.clusters.items()
        }


@pytest.fixture
async def sites(bare_scene: Stage, clusters: Mapping[str, Pve]) -> AsyncIterator[Sites]:
    """Provide the stage with three sites, before the bot is started.

    At the end, check that each button for something of a site names the site.
    """
    yield Sites(bare_scene, clusters)
    sent = [json.dumps(request.body, default=str) for request in bare_scene.server.journal]
    assert [found[0] for text in sent if (found := _UNNAMED.search(text))] == []
