"""Test three sites: one hangs (it accepts requests and never answers), one refuses the token, and one is fine.

The trouble of the first two must not affect the third.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from adapters.proxmox.transport.slots import SLOTS
from core.guest import Cluster
from core.proxmox import Lane
from core.proxmox_errors import TokenRefused
from playground.cluster.demo_cluster import NODES, build_demo
from playground.discord.server import Channel
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.watch.at_once import rows_of
from ui.interaction.services import Site

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

WRONG_TOKEN = "12345678-1234-1234-1234-123456789abc"


@pytest.fixture
def others() -> Iterator[tuple[Pve, Pve]]:
    """Provide two more clusters with the same VMIDs and node names. They must outlive the bot."""
    with ExitStack() as stack:
        made = [stack.enter_context(Pve(nodes=NODES)) for _ in range(2)]
        for each in made:
            build_demo(each)
            each.auth_delay = 0.0
        yield made[0], made[1]


def configure(scene: Stage, others: tuple[Pve, Pve]) -> tuple[Channel, Channel]:
    """Configure the three sites, and return the alert channels of the two in trouble."""
    colo, lab = (scene.guild.create_text_channel(name, category=scene.category) for name in ("colo", "lab"))
    scene.add_site("home", scene.pve)
    scene.add_site("colo", others[0], ALERT_CHANNEL_ID=str(colo.id))
    scene.add_site("lab", others[1], ALERT_CHANNEL_ID=str(lab.id), PROXMOX_TOKEN_VALUE=WRONG_TOKEN)
    return colo, lab


async def poll(scene: Stage, times: int = 1) -> None:
    """Poll every site as its loop does every minute. Each site's poll takes as long as it takes."""
    for _ in range(times):
        scene.clock.skip(60.0)
        await asyncio.gather(*(scene.seen_through(loop.poll_once()) for loop in scene.bot.monitor.loops))


async def delivered(scene: Stage) -> None:
    journals = [rows_of(site.journal) for site in scene.services.sites]
    await scene.until(
        lambda: not any(journal.to_post() or journal.to_edit() for journal in journals), "every alert sent"
    )


def told(scene: Stage, channel: Channel) -> list[str]:
    return [post.text for post in scene.server.messages(channel)]


# ---------------------------------------------------------------------- as fast as alone


async def use(scene: Stage, guest: str) -> tuple[list[tuple[str, str]], float]:
    """Use completions, views and actions many times. Return the requests to nodes, sorted, and the seconds.

    `guest`: the guest as it is typed.
    """
    before, began = len(scene.pve.requests), time.monotonic()
    for _ in range(5):
        for option in ("web01", guest):
            assert any(
                "web01" in choice for choice in await scene.choices(scene.emma, "info", "vmid", option)
            )
        assert "web01" in (await scene.say(scene.emma, "info", vmid=guest)).text
        assert "was shut down" in (await scene.say(scene.emma, "shutdown", vmid=guest)).text
        assert "was started" in (await scene.say(scene.emma, "start", vmid=guest)).text
    seconds = time.monotonic() - began
    requests = [(method, path.partition("UPID:")[0]) for method, path, _ in list(scene.pve.requests)[before:]]
    return sorted(request for request in requests if "/nodes/" in request[1]), seconds


async def hang_everything(scene: Stage, other: Pve) -> list[asyncio.Task[Cluster]]:
    """Fill each place of the site that hangs with a request that waits."""
    client = scene.site_named("colo").proxmox
    assert isinstance(client, ProxmoxClient)
    lanes = [lane for lane in Lane for _ in range(SLOTS[lane] + 2)]
    before = len(other.listeners[0].requests)
    waiting = [asyncio.create_task(client.in_lane(lane).cluster()) for lane in lanes]
    await scene.until(
        lambda: len(other.listeners[0].requests) == before + sum(SLOTS.values()), "every place taken"
    )
    return waiting


async def test_the_fine_site_answers_as_fast_as_alone(
    others: tuple[Pve, Pve], bare_scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hanging one has requests in each of its places all the time, and its watch waits too."""
    scene = bare_scene
    await scene.start_bot(CHANGES_PER_MINUTE="0")
    requests_alone, seconds_alone = await use(scene, "101")
    await scene.stop_bot()

    configure(scene, others)
    others[0].listeners[0].hung = True
    with monkeypatch.context() as hasty:
        hasty.setattr("adapters.proxmox.transport.http.CONNECT_SECONDS", 0.3)
        hasty.setattr("adapters.proxmox.transport.http.READ_SECONDS", 0.3)
        await scene.start_bot(FIRST_SITE="home", CHANGES_PER_MINUTE="0")
    assert [bool(site.watch.read_error) for site in scene.services.sites] == [True, False, True]
    waiting = await hang_everything(scene, others[0])
    watched = asyncio.create_task(scene.site_named("colo").watch.poll())
    requests, seconds = await use(scene, "home/101")
    assert requests == requests_alone
    assert seconds < 3 * seconds_alone + 1.0
    assert not any(task.done() for task in [*waiting, watched]), "it hung all the time"
    for task in (*waiting, watched):
        task.cancel()
    await asyncio.gather(*waiting, watched, return_exceptions=True)


@pytest.mark.parametrize(
    ("command", "option"), [("info", "vmid"), ("list", "node"), ("monitor mute", "target")]
)
async def test_completions_do_not_wait_for_a_site_that_hangs_before_its_first_failed_poll(
    others: tuple[Pve, Pve], bare_scene: Stage, command: str, option: str
) -> None:
    scene = bare_scene
    scene.add_site("home", scene.pve)
    scene.add_site("colo", others[0])
    await scene.start_bot()
    scene.clock.skip(60.0)
    others[0].listeners[0].hung = True
    began = time.monotonic()
    assert await scene.choices(scene.emma, command, option)
    assert time.monotonic() - began < 1.0
    assert scene.site_named("colo").watch.read_error is None


async def test_a_slow_site_is_waited_for_although_another_one_fails_at_once(
    others: tuple[Pve, Pve], bare_scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = bare_scene
    scene.add_site("home", scene.pve)
    scene.add_site("colo", others[0])
    await scene.start_bot()
    scene.clock.skip(60.0)

    async def refuse(_max_age: float = 0.0) -> Cluster:
        raise TokenRefused

    monkeypatch.setattr(scene.site_named("colo").cluster_cache, "read", refuse)
    scene.pve.listeners[0].slow = 0.3  # before and after each request
    scene.pve.add_vm(301, "only-home", node="pve1", status="stopped")
    assert "### ⚪ **301** `only-home`" in (await scene.say(scene.emma, "info", vmid="only-home")).text
    assert scene.site_named("colo").watch.read_error is None


async def test_a_chart_of_a_node_needs_no_answer_of_another_site(
    others: tuple[Pve, Pve], bare_scene: Stage
) -> None:
    scene = bare_scene
    scene.add_site("home", scene.pve)
    scene.add_site("lab", others[1], PROXMOX_TOKEN_VALUE=WRONG_TOKEN)
    await scene.start_bot(FIRST_SITE="home")
    reply = await scene.say(scene.emma, "graph node", node="pve1")
    assert post_of(reply).attachments == ["chart.png"]
    refused = await scene.say(scene.emma, "graph node", node="lab/pve1")
    scene.assert_refused(refused, scene.emma, TokenRefused())


async def test_the_fine_site_misses_no_interval(others: tuple[Pve, Pve], bare_scene: Stage) -> None:
    """Each loop polls by itself: many polls of one pass while the first of another still hangs."""
    scene = bare_scene
    configure(scene, others)
    await scene.start_bot()
    polls = {site.name: list[float]() for site in scene.services.sites}
    others[0].listeners[0].hung = True
    before = len(others[0].listeners[0].requests)
    for loop in scene.bot.monitor.loops:
        record_polls(loop._site, polls[loop._site.name])
        loop._poll.change_interval(seconds=0.1)
        loop._poll.restart()
    await passes(scene, lambda: polls["colo"], "the poll that hangs")
    end = len(polls["home"]) + 10
    await passes(scene, lambda: len(polls["home"]) >= end, "ten more polls")
    assert len(polls["colo"]) == 1
    assert len(others[0].listeners[0].requests) == before + 1
    assert len(polls["lab"]) >= 9, "a site that refuses is asked at each interval too"


async def passes(scene: Stage, condition: Callable[[], object], what: str) -> None:
    """Let an hour pass again and again, so that each run of a loop is due, until the condition is true."""

    def step() -> object:
        scene.clock.skip(3600.0)
        return condition()

    await scene.until(step, what)


def record_polls(site: Site, polls: list[float]) -> None:
    """Note each poll of a site."""
    poll = site.watch.poll

    async def recorded() -> None:
        polls.append(time.monotonic())
        await poll()

    setattr(site.watch, "poll", recorded)  # noqa: B010  # mypy forbids assigning to a method


# ---------------------------------------------------------------------- told once


async def test_each_trouble_is_reported_once_in_its_channel_and_the_watch_goes_on(
    others: tuple[Pve, Pve], bare_scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = bare_scene
    monkeypatch.setattr("adapters.proxmox.transport.http.CONNECT_SECONDS", 0.3)
    monkeypatch.setattr("adapters.proxmox.transport.http.READ_SECONDS", 0.3)
    colo, lab = configure(scene, others)
    others[0].listeners[0].hung = True
    await scene.start_bot(SITE_HOME_MONITOR_VM_IDS="101")
    await poll(scene, 6)
    scene.pve.crash(101)
    await poll(scene, 6)
    await delivered(scene)
    (hung,), (refused,), (crash,) = told(scene, colo), told(scene, lab), scene.alerts_told()
    assert hung.startswith("🔴 colo · No connection to Proxmox\n<t:")
    assert "token" in refused
    assert "web01" in crash
    assert "stopped unexpectedly" in crash

    await scene.crash_bot()  # as after kill -9
    await poll(scene, 4)
    await delivered(scene)
    assert [told(scene, channel) for channel in (scene.alerts, colo, lab)] == [[crash], [hung], [refused]]

    others[0].listeners[0].hung = False
    scene.pve.revive(101)
    await poll(scene, 3)
    await delivered(scene)
    assert len(told(scene, colo)) == 2, "the alert, and that it is over"
    assert told(scene, lab) == [refused]
    assert len(scene.alerts_told()) == 2
