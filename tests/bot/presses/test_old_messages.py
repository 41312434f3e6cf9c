"""Press everything on old messages as a person who has lost the rights that they had when these were shown.

Public messages and the person's own private ones are tried. The answers say no more than the person may know now.
They change nothing, and cost Proxmox nothing where the person may know nothing.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.errors import NotAllowed, NotHere
from core.guest_errors import GuestNotFound
from core.levels import Level
from playground.discord.people import Person, PressResult
from playground.discord.posts import SeenMessage
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.people import GAME, Cast
from tests.support.stage import Stage, post_of
from ui.interaction.custom_ids import DASHBOARD

bare_scene, pve, language, undrawn = stage.bare_scene, stage.pve, stage.language, stage.undrawn

HIDDEN = ("`web01`", "`proxy`", "`win11-dev`", "web01 ", "101 web01")
"""Names of guests that the role `game` does not see, as messages show them."""
COMMANDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list", {}),
    ("status", {}),
    ("info", {"vmid": 101}),
    ("info", {"vmid": 103}),
    ("snapshot list", {"vmid": 101}),
    ("graph guest", {"vmid": 101}),
    ("graph node", {"node": "pve1"}),
    ("node list", {}),
    ("node info", {"node": "pve1"}),
    ("storage", {}),
    ("monitor list", {}),
    ("monitor history", {}),
    ("audit", {}),
    ("health", {}),
    ("dashboard create", {}),
    ("dashboard list", {}),
)
PRIVATE = (
    "g1:details:101",
    "g1:chart:101",
    "g1:disks:101",
    "n1:chart:pve1",
    "g1:snapshots:101",
    "p1:status:refresh",
)
"""Presses that are answered in a private message, or change one."""


def whole(post: SeenMessage) -> str:
    return json.dumps([post.text, post.components, post.attachments], ensure_ascii=False)


class Former:
    """All messages that were shown to a person while they were an admin, and the form of a question."""

    def __init__(self, scene: Stage, who: Person) -> None:
        self.scene, self.who = scene, who
        self.posts: list[SeenMessage] = []
        self.form: PressResult | None = None

    async def show(self) -> None:
        scene, who = self.scene, self.who
        scene.pve.crash(106)
        for vmid in (101, 103):
            await scene.say(who, "monitor add", vmid=vmid)
        await scene.poll()
        self.posts = [post_of(await scene.say(who, command, **options)) for command, options in COMMANDS]
        board = await self.board()
        alerts = f"d1:alerts:{scene.site.dashboards.dashboards()[0][0].mark}"
        for custom_id in (*PRIVATE, alerts):
            self.posts.append(post_of(await scene.press(who, board, custom_id, force=True)))
        self.posts.append(post_of(await scene.choose(who, board, "s1:guest", ["101"])))
        scene.pve.crash(101)
        await scene.poll()
        await scene.delivered()
        self.posts += [board, scene.server.messages(scene.alerts)[-1]]
        self.posts = list({post.id: post for post in self.posts}.values())

    async def ask(self) -> None:
        """Ask two questions, and open the form of one."""
        stop = await self.scene.say(self.who, "stop", vmid=107)
        delete = await self.scene.say(self.who, "delete", vmid=106)
        self.form = await self.scene.press(self.who, delete, str(post_of(delete).buttons[0].custom_id))
        assert self.form.form is not None
        self.posts += [post_of(stop), post_of(delete)]

    async def board(self) -> SeenMessage:
        def found() -> list[SeenMessage]:
            return [each for each in self.scene.server.messages(self.scene.channel) if each.pinned]

        return (await self.scene.until(found, "a dashboard"))[0]

    async def press_all(self) -> AsyncIterator[tuple[str, PressResult, str]]:
        """Press each button and choose in each menu. Yield the name of the press, the reply, and all new text."""
        scene, who = self.scene, self.who
        for post in self.posts:
            for button in post.buttons:
                shown, custom_id = whole(post), str(button.custom_id)
                yield (
                    custom_id,
                    (reply := await scene.press(who, post, custom_id, force=True)),
                    _new(reply, shown),
                )
            for menu in post.selects:
                shown, value = whole(post), "101" if "guest" in menu.custom_id else "pve1"
                yield (
                    menu.custom_id,
                    (reply := await scene.choose(who, post, menu.custom_id, [value])),
                    _new(reply, shown),
                )


def _new(reply: PressResult, shown: str) -> str:
    """Return the text that a person reads and that the pressed message did not have."""
    posts = [post for post in (reply.post, *reply.followups) if post is not None and post.exists]
    return "\n".join(post.text for post in posts if whole(post) != shown)


@pytest.mark.usefixtures("undrawn")
async def test_a_person_who_lost_their_rights_learns_and_does_nothing_more(
    bare_scene: Stage, pve: Pve
) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    who = cast["admin"]
    former = Former(scene, who)
    await former.show()

    def everybody_else() -> tuple[dict[int, str], dict[int, Any], int]:
        """Return the texts that other people read, the state of the cluster, and the requests that it got."""
        return {post.id: whole(post) for post in former.posts}, scene.cluster(), len(pve.requests)

    async def refused(told: set[str]) -> None:
        before, count = everybody_else(), 0
        async for custom_id, reply, new in former.press_all():
            assert new in told, f"{custom_id}: {new}"
            assert reply.followups or reply.ephemeral
            count += 1
        assert count > 70 or not former.posts[1:], "everything was pressed"
        assert everybody_else() == before
        assert scene.site.watch.alerts.mutes() == ()

    await former.ask()
    everything, former.posts = former.posts, [former.posts[0]]
    scene.server.move(scene.channel, None)
    await refused({scene.told(who, NotHere()), scene.try_in(who, scene.alerts.id)})
    scene.server.move(scene.channel, scene.category)
    former.posts = everything

    scene.server.take_role(who, cast.roles["admin"])
    gone = {scene.told(who, GuestNotFound(vmid)) for vmid in (106, 107)}
    assert former.form is not None
    assert (await scene.submit(who, former.form, "win11-dev")).text in gone
    await refused({scene.told(who, NotAllowed(Level.VIEWER, Level.NONE)), *gone})

    scene.server.give_role(who, cast.roles["game"])
    cluster = scene.cluster()
    async for custom_id, reply, new in former.press_all():
        if DASHBOARD.fullmatch(custom_id) and not (reply.post and reply.post.ephemeral):
            # A dashboard shows everybody the same, and may have renewed itself meanwhile.
            new = "\n".join(post.text for post in reply.followups)
        assert not [name for name in HIDDEN if name in new], f"{custom_id}: {new}"
    now = scene.cluster()
    assert {vmid for vmid in now if now[vmid] != cluster[vmid]} <= GAME
