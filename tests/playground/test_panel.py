"""Test the panel beside the channels: its requests, the steps of the tour, and the breakages.

test_page.py tests all of it in a browser.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from playground.cluster.breakages import CUT, FILLED, HUNG, VICTIMS, Breakages
from playground.cluster.demo_cluster import NODES, WATCHED, build_demo
from playground.cluster.life import DAZED, FILLING, LONELY
from playground.cluster.orders import STATE, Orders
from playground.discord.server import DiscordServer
from playground.panel.page import LOOPBACK, DemoGuild, DemoPage, PageAddress, build_guild
from playground.panel.panel import HERE, ClusterState, Panel
from playground.panel.steps import STEPS
from playground.panel.words import BREAKAGES, LABELS
from playground.pve.server import Pve
from playground.visitor import PATIENCE

# --- the requests ---


class Visit:
    """A panel without a bot or a cluster. `orders` and `resets`: those that the panel has sent."""

    def __init__(self, server: DiscordServer, stage: DemoGuild) -> None:
        self.orders: list[dict[str, object]] = []
        self.resets: list[str] = []
        self.cluster = ClusterState()
        self.panel = Panel(
            server,
            stage,
            site="home",
            run=1,
            cluster=self.cluster,
            order=self.orders.append,
            reset=self.resets.append,
        )
        self.pages = DemoPage(server, stage)
        self.browser: aiohttp.ClientSession

    async def ask(
        self, path: str, body: object = None, *, method: str = "POST", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        base, secret = self.pages.url.split("#")
        headers = {"X-Simcord-Capability": secret} | (headers or {})
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.browser.request(
            method, f"{base}demo/{path}", data=data if method == "POST" else None, headers=headers
        ) as response:
            return response.status, await response.json()

    async def after_step(self) -> dict[str, Any]:
        """Return the state once the step has ended. Each look is a request, so that the step goes on.

        Raises: TimeoutError.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                _, state = await self.ask("state", method="GET")
                if not state["acting"]:
                    return dict(state)


@pytest_asyncio.fixture
async def visit() -> AsyncIterator[Visit]:
    async with DiscordServer() as server, aiohttp.ClientSession() as browser:
        made = Visit(server, build_guild(server, "en"))
        made.browser = browser
        await made.pages.start(made.panel)
        yield made
        await made.panel.close()
        await made.pages.stop()


async def test_only_the_page_itself_may_press_and_only_existing_buttons(visit: Visit) -> None:
    for headers in (
        {"X-Simcord-Capability": "guessed"},
        {"Origin": "http://example.com"},
        {"Host": "example.com"},
    ):
        for path in ("state", "break", "reset"):
            base, _ = visit.pages.url.split("#")
            async with visit.browser.post(f"{base}demo/{path}", data=b"{}", headers=headers) as response:
                assert response.status in (401, 404), (headers, path)
    for path, body in (
        ("break", {"name": "everything"}),
        ("break", {"name": ["guest"]}),
        ("break", {}),
        ("mend", b""),
        ("break", b"[]"),
        ("break", b"{"),
        ("break", b'"' + b"x" * 5000 + b'"'),
        ("by-itself", {"on": "yes"}),
        ("act", {"step": "nothing"}),
        ("skip", {"step": None}),
        ("reset", {"language": "tlh"}),
    ):
        assert (await visit.ask(path, body))[0] == 400, (path, body)
    assert (await visit.ask("nothing", {}))[0] == 404
    assert (await visit.ask("break", method="GET"))[0] == 405
    assert (visit.orders, visit.resets) == ([], [])


async def test_presses_are_orders_and_a_second_reset_is_ignored(visit: Visit) -> None:
    assert [one["name"] for one in (await visit.ask("state", method="GET"))[1]["breakages"]] == list(
        BREAKAGES
    )
    for path, body in (("break", {"name": "node"}), ("mend", {"name": "node"}), ("by-itself", {"on": False})):
        assert (await visit.ask(path, body))[0] == 200
    assert (await visit.ask("begin", {}))[1]["begun"]
    assert visit.orders == [{"break": "node"}, {"mend": "node"}, {"by_itself": False}, {"by_itself": False}]
    visit.cluster.hear('{"broken": ["node"], "by_itself": false}')
    state = (await visit.ask("state", method="GET"))[1]
    assert [one["name"] for one in state["breakages"] if one["broken"]] == ["node"]
    assert not state["byItself"]
    for language in ("ja", "en"):
        assert (await visit.ask("reset", {"language": language}))[1]["resetting"]
    assert visit.resets == ["ja"]


async def test_a_step_that_cannot_be_done_says_so_and_can_be_skipped(visit: Visit) -> None:
    """There is no bot here, and so neither commands nor an alert."""
    for key in ("list", "alert"):
        assert (await visit.ask("act", {"step": key}))[0] == 200
        assert (await visit.after_step())["failed"]
    for step in STEPS:
        await visit.ask("skip", {"step": step.key})
    state = (await visit.ask("act", {"step": "crash"}))[1]
    assert all(step["done"] for step in state["steps"])
    assert visit.orders == [], "what is done is not done again"


async def test_a_step_is_being_done_until_the_bot_has_answered_or_for_too_long(visit: Visit) -> None:
    """An impatient visitor presses again. Only the first press counts."""
    await visit.ask("begin", {})
    visit.panel.patience = 0.0
    await visit.ask("act", {"step": "crash"})
    assert (await visit.after_step())["failed"]
    visit.panel.patience = 30.0
    visit.orders.clear()
    for _ in range(3):
        state = (await visit.ask("act", {"step": "crash"}))[1]
        await asyncio.sleep(0)
        assert (state["acting"], state["failed"]) == (True, False)
    assert visit.orders == [{"break": "guest"}]
    await visit.ask("skip", {"step": "crash"})
    assert not (await visit.after_step())["failed"]


async def test_a_step_that_fails_unexpectedly_says_so_too(
    visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    def order(_order: dict[str, object]) -> None:
        raise BrokenPipeError  # the process of the cluster has died

    visit.panel.order = order
    await visit.ask("act", {"step": "crash"})
    assert (await visit.after_step())["failed"]
    assert "BrokenPipeError" in caplog.text
    await visit.panel.close()


async def test_the_page_loads_nothing_from_elsewhere(visit: Visit) -> None:
    base = visit.pages.url.split("#")[0]
    for path in ("", *visit.panel.files):
        async with visit.browser.get(base + path.lstrip("/")) as response:
            text = await response.text()
            assert response.status == 200
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//|@import|url\(""", text), path
        assert path or all(file in text for file in visit.panel.files)


async def test_in_a_container_it_listens_everywhere_and_answers_its_own_machine_only() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as browser:
        stage = build_guild(server)
        for host, listens in ((LOOPBACK, False), ("0.0.0.0", True)):  # noqa: S104 - that is what is tested
            pages = DemoPage(server, stage, PageAddress(host))
            await pages.start()
            port = pages.place.ports[0]
            for address in ("127.0.0.1", "127.0.0.2"):
                try:
                    async with browser.get(f"http://{address}:{port}/") as response:
                        assert response.status == (200 if address == LOOPBACK else 403)
                except aiohttp.ClientConnectorError:
                    assert not listens
                    assert address != LOOPBACK
                else:
                    assert listens or address == LOOPBACK
            await pages.stop()


# --- the sentences ---


def test_each_sentence_is_there_in_both_languages() -> None:
    texts = [
        *LABELS.values(),
        *(text for step in STEPS for text in (step.title, step.text)),
        *(text for words in BREAKAGES.values() for text in (words.title, words.sight)),
    ]
    for text in texts:
        assert set(text) == {"ja", "en"}
        assert text["ja"] != text["en"]
    used = set(re.findall(r"labels\.(\w+)", (HERE / "demo.js").read_text("utf-8")))
    assert used == set(LABELS)
    assert "innerHTML" not in (HERE / "demo.js").read_text("utf-8")


# --- the cluster ---


@pytest.fixture
def pve() -> Iterator[Pve]:
    made = Pve(nodes=NODES)
    build_demo(made)
    with made:
        made.give_bot()
        yield made


def test_breakages_are_mended_and_each_change_is_reported_once(pve: Pve) -> None:
    seconds = itertools.count()
    told: list[Any] = []

    def tell(line: str) -> None:
        assert line.startswith(STATE)
        told.append(json.loads(line.removeprefix(STATE)))

    orders = Orders(Breakages(pve), lambda: float(next(seconds)), tell)

    def obey(line: str) -> None:
        orders.receive(line)
        orders.wait(0.0)

    obey("")
    assert told == [{"broken": [], "by_itself": True}]
    for name in BREAKAGES:
        for _ in range(2):
            obey(json.dumps({"break": name}))
        for _ in range(2):
            obey(json.dumps({"mend": name}))
        assert [one["broken"] for one in told[1:]] == [[name], []], name
        del told[1:]
    for nonsense in ("x", "[]", "{}", '{"break": "everything"}', '{"break": 1}', '{"by_itself": "no"}'):
        obey(nonsense)
    assert len(told) == 1
    all_at_once = [json.dumps({"break": name}) for name in BREAKAGES]
    for line in all_at_once:
        obey(line)
    assert told[-1]["broken"] == list(BREAKAGES)
    obey('{"by_itself": false}')
    assert not told[-1]["by_itself"]
    stands_still = orders.lived()
    assert stands_still == orders.lived() > 0
    obey('{"by_itself": true}')
    assert orders.lived() > stands_still


def test_the_killed_guest_is_watched_and_exists(pve: Pve) -> None:
    breakages = Breakages(pve)
    assert set(VICTIMS) <= set(WATCHED)
    for vmid in VICTIMS:
        breakages.change("guest", broken=True)
        assert pve.guest(vmid).status == "stopped"
        breakages.change("guest", broken=False)
        assert breakages.broken() == []
        pve.remove_guest(vmid)
    breakages.change("guest", broken=True)  # none is left
    assert breakages.broken() == []


def test_a_guest_that_somebody_else_stopped_is_not_killed_again(pve: Pve) -> None:
    breakages = Breakages(pve)
    pve.crash(VICTIMS[0])
    assert breakages.broken() == []
    breakages.change("guest", broken=True)
    assert breakages.broken() == ["guest"]
    assert pve.guest(VICTIMS[1]).status == "stopped"
    breakages.change("guest", broken=False)
    assert pve.guest(VICTIMS[0]).status == "stopped"


def test_people_and_the_life_of_the_cluster_break_different_things() -> None:
    assert FILLED != FILLING
    assert CUT != LONELY
    assert HUNG != DAZED
