"""Test nodes whose pvestatd hangs and guests with unknown state: they are queried one by one and reported."""

import asyncio
import time

import pytest

from adapters.proxmox.resources import parse_cluster
from core.guest import Guest, State
from core.proxmox_errors import TimedOut
from core.watch.incidents.model import Severity
from core.watch.incidents.state import GuestState, NodeState
from core.watch.incidents.unknown import blind_guests, stale_nodes
from core.watch.polling.status_poller import ASK_LEAST, StatusPoller
from core.watch.records import decode_state
from playground.pve.server import Pve
from tests.bot.watch.test_sockets import poll, reads, watching
from tests.support import stage
from tests.support.fakes import FakeClock, FakeProxmox, guest
from tests.support.stage import Stage
from tests.support.walked import walked
from tests.support.watch.steps import History, R, S, U, many

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


def answered(requests: list[str]) -> int:
    return sum(path.endswith("/status/current") for path in requests)


# -- over sockets


async def test_a_guest_that_stops_behind_a_hung_pvestatd_is_reported(bare_scene: Stage, pve: Pve) -> None:
    await watching(bare_scene, [101, 102])
    node = pve.guest(101).node
    pve.hang_pvestatd(node)
    told = await poll(bare_scene, 3)
    assert len(told) == 1
    assert told[0].startswith("⚠️")
    assert f"`{node}`" in told[0]
    status = (await bare_scene.say(bare_scene.emma, "monitor status")).text
    assert "⚠️" in status
    assert f"`{node}`" in status
    pve.crash(101)
    (text,) = await poll(bare_scene)
    assert text.startswith("🔴")
    assert "**101**" in text
    pve.revive(101)
    assert len(await poll(bare_scene)) == 1
    assert await poll(bare_scene, 40) == [], "every guest answers: nothing is unknown"
    assert bare_scene.site.watch.blind == ()
    pve.free_pvestatd(node)
    (text,) = await poll(bare_scene, 3)
    assert text.startswith("🟢")
    assert f"`{node}`" in text


async def test_a_hundred_guests_of_a_hung_pvestatd_take_turns(bare_scene: Stage, pve: Pve) -> None:
    vmids = pve.add_many(100, node="pve3")
    await watching(bare_scene, vmids)
    pve.hang_pvestatd("pve3")
    asked: set[str] = set()
    for _ in range(20):
        before = len(pve.requests)
        await poll(bare_scene)
        paths = [path for path in reads(pve, before) if path.endswith("/status/current")]
        assert len(paths) == ASK_LEAST
        asked |= set(paths)
    assert len(asked) == 100
    assert len(bare_scene.alerts_told()) == 1


async def test_a_node_that_hangs_altogether_is_shown_as_unknown_and_no_poll_gets_slow(
    bare_scene: Stage, pve: Pve
) -> None:
    vmids = pve.add_many(12, node="pve3")
    await watching(bare_scene, [101, *vmids])
    pve.hang_pvestatd("pve3")
    pve.hang("/nodes/pve3/", 60.0)
    watch = bare_scene.site.watch
    for _ in range(2):
        bare_scene.clock.skip(60)
        began = time.monotonic()
        await watch.poll()
        assert time.monotonic() - began < 30
    pve.hang("/nodes/pve3/", 0)
    pve.fail("GET", "/status/current", 595, "no route to host", times=10_000)
    told = await poll(bare_scene, 33)
    assert len(told) == 1 + len([text for text in told if text.startswith("⚠️")])
    (blind,) = [text for text in told if text.startswith("🔴")]
    assert "`pve3`" in blind
    assert "**1000**" in blind
    assert "**1011**" in blind
    assert {each.vmid for each in watch.blind} == set(vmids)
    assert watch.stale == ("pve3",)
    status = (await bare_scene.say(bare_scene.emma, "monitor status")).text
    assert "⚠️" in status
    assert "**1000**" in status
    assert "`pve3`" in status
    pve.fail("GET", "/status/current", 595, "", times=0)
    pve.free_pvestatd("pve3")
    told = await poll(bare_scene, 3)
    assert [text[0] for text in told] == ["🟢"] * len(told)
    assert told
    assert watch.blind == ()


# -- who is asked


class Hanging(FakeProxmox):
    """Let the guests in `hung` not answer."""

    hung: frozenset[str] = frozenset()
    was_asked: tuple[int, ...] = ()

    async def status(self, guest: Guest, *, quick: bool = False) -> Guest:
        assert quick
        self.was_asked = (*self.was_asked, guest.vmid)
        if guest.node in self.hung:
            raise TimedOut("pve", changing=False)
        return self._there(guest)


def asked_of(proxmox: Hanging) -> list[int]:
    return list(proxmox.was_asked)


def asking(*nodes: str, each: int = 10) -> tuple[StatusPoller, Hanging, list[Guest]]:
    proxmox = Hanging(FakeClock())
    listed = [
        guest(100 * number + at, U, node=node) for number, node in enumerate(nodes, 1) for at in range(each)
    ]
    proxmox.add(*(guest(one.vmid, R, node=one.node) for one in listed))
    return StatusPoller(proxmox, proxmox.clock), proxmox, listed


async def test_everybody_has_a_turn() -> None:
    turns, proxmox, listed = asking("pve1")
    for _ in range(2):
        assert len(await turns.ask(listed)) == ASK_LEAST
        proxmox.clock.advance(60)
    assert sorted(proxmox.was_asked) == [one.vmid for one in listed]


async def test_one_guest_of_a_silent_node_is_tried_and_the_other_nodes_get_the_rest() -> None:
    turns, proxmox, listed = asking("pve1", "pve2")
    proxmox.hung = frozenset({"pve1"})
    assert await turns.ask(listed) == {}
    proxmox.was_asked = ()
    assert len(await turns.ask(listed)) == ASK_LEAST - 1
    assert [vmid for vmid in asked_of(proxmox) if vmid < 200] == [105]
    proxmox.hung = frozenset()
    await turns.ask(listed)
    proxmox.was_asked = ()
    await turns.ask(listed)
    assert len([vmid for vmid in asked_of(proxmox) if vmid < 200]) > 1


@walked(("number", "asked"), [(1, 1), (5, 5), (100, 5), (101, 6), (400, 20), (3000, 25)])
async def test_the_number_is_bounded(number: int, asked: int) -> None:
    turns, _, listed = asking("pve1", each=1)
    more = [guest(1000 + at, U) for at in range(number)]
    assert len(await turns.ask([*listed, *more][:number])) <= asked


async def test_a_call_that_hangs_does_not_hold_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, proxmox, listed = asking("pve1")

    async def never(_guest: Guest, **_more: bool) -> Guest:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # nobody answers

    monkeypatch.setattr(proxmox, "status", never)
    monkeypatch.setattr("core.watch.polling.status_poller.ASK_SECONDS", 0.1)
    assert await asyncio.wait_for(turns.ask(listed), 60) == {}


# -- which nodes have no new figures


Row = dict[str, object]
VM: Row = {"type": "qemu", "node": "a"}
CT: Row = {"type": "lxc", "node": "a"}
STORE: Row = {"type": "storage", "node": "a", "status": "unknown"}


@walked(
    ("rows", "stale"),
    [
        ([{"type": "node", "node": "a", "status": "unknown"}], True),
        ([{"type": "node", "node": "a", "status": "online"}], False),
        ([VM | {"vmid": 100, "status": "unknown"}, VM | {"vmid": 101, "status": "unknown"}], True),
        ([VM | {"vmid": 100, "status": "unknown"}, VM | {"vmid": 101, "status": "running"}], False),
        ([VM | {"vmid": 100, "status": "running"}, CT | {"vmid": 101, "status": "unknown"}], True),
        ([STORE | {"storage": "local"}, STORE | {"storage": "nfs", "shared": 1}], True),
        ([STORE | {"storage": "nfs", "shared": 1}, STORE | {"storage": "smb", "shared": 1}], False),
        ([STORE | {"storage": "local"}], False),
        (
            [
                STORE | {"storage": "local", "status": "available", "disk": 1, "maxdisk": 2},
                STORE | {"storage": "n"},
            ],
            False,
        ),
        (
            [{"type": "node", "node": "a", "status": "offline"}, VM | {"vmid": 100, "status": "unknown"}],
            False,
        ),
    ],
)
def test_a_node_without_new_figures(rows: list[Row], stale: bool) -> None:
    node: Row = {"type": "node", "node": "a", "status": "online"}
    rows = rows if any(row["type"] == "node" for row in rows) else [node, *rows]
    assert stale_nodes(parse_cluster(rows, 0.0)) == (frozenset({"a"}) if stale else frozenset())


# -- step by step


STALE, FRESH = "opening stale", "recovery stale"
BLIND, SEEN = "opening blind", "recovery blind"


def starts(told: list[str]) -> list[str]:
    return [" ".join(words.split()[:2]) for words in told]


def test_a_hung_node_and_blindness_are_each_reported_once_with_their_ends() -> None:
    history = History(*many(8))
    history.see(R)
    for vmid in range(101, 109):
        history.put(vmid, U)
    assert starts(history.polls(2)) == [STALE]
    assert history.incident().level is Severity.WARNING
    assert starts(history.polls(60)) == [BLIND]
    assert (history.incident().level, len(history.incident().guests)) == (Severity.CRITICAL, 8)
    for vmid in range(101, 109):
        history.put(vmid, R)
    assert sorted(starts(history.polls(3))) == [SEEN, FRESH]


def test_an_unknown_state_is_reported_after_thirty_minutes() -> None:
    history = History(*many(2))
    history.put(102, R)
    history.see(R)
    history.put(101, U)
    assert history.polls(30) == []
    assert starts(history.polls(1)) == [BLIND]


def test_a_restart_of_the_bot_forgets_neither() -> None:
    history = History(*many(2))
    history.see(R)
    history.put(101, U)
    assert history.polls(20) == []
    history.restart()
    assert starts(history.polls(12)) == [BLIND]
    history.restart()
    assert history.polls(12) == []
    assert starts(history.see(R)) == [SEEN]


def test_the_guests_of_an_offline_node_are_reported_with_it() -> None:
    history = History()
    history.see(R)
    history.put(101, U)
    assert starts(history.polls(40)) == [STALE, BLIND]
    history.nodes["pve1"] = False
    assert starts(history.polls(40)) == ["opening node"]
    assert {each.topic.value for each in history.state.open.values()} == {"node"}


def test_a_guest_that_was_never_there_is_not_known() -> None:
    history = History(*many(2))
    del history.guests[102]
    assert starts(history.polls(40)) == [BLIND]
    assert [fact.vmid for fact in history.incident().guests] == [102]


def test_a_guest_that_is_gone_is_known_to_be_gone() -> None:
    history = History(*many(3))
    history.see(R)
    del history.guests[102]
    assert starts(history.polls(60)) == ["opening guest"]


def test_a_guest_that_is_no_longer_watched_ends_it_silently() -> None:
    history = History(*many(2))
    history.see(R)
    history.put(101, U)
    history.polls(40)
    history.entries = history.entries[1:]
    assert history.polls(2) == []
    assert not history.incident().open
    assert history.incident().forgotten


def test_blindness_does_not_take_back_an_earlier_stop() -> None:
    history = History(*many(2))
    assert history.see(R, S) == ["opening guest 101 stopped"]
    history.put(101, U)
    assert starts(history.polls(40)) == [BLIND]
    assert starts(history.see(R)) == [SEEN, "recovery guest"]


def test_data_of_former_versions_is_opened() -> None:
    """Its guests and nodes have neither field."""
    old = {
        "pulse": '{"elapsed":60.0,"clock":60.0,"unix":1790000000.0,"good":true,"last_id":7}',
        "guest/101": '{"vmid":101,"state":"running","node":"pve1","name":"web01"}',
        "guest/102": '{"vmid":102,"state":"io-error","node":"pve1"}',
        "node/pve1": '{"online":true}',
        "tasks": "{}",
        "failed": "[]",
    }
    state = decode_state(old, ())
    assert (state.running, state.asked) == (frozenset(), {})
    assert state.guests[101] == GuestState(101, State.RUNNING, node="pve1", name="web01")
    assert state.guests[102].state is State.IO_ERROR
    assert state.nodes == {"pve1": NodeState(True)}
    assert blind_guests(state, many(2)) == ()


def test_a_word_that_nobody_knows_is_not_a_known_state() -> None:
    rows = [{"type": "qemu", "vmid": 100, "node": "a", "status": "dreaming"}]
    assert parse_cluster(rows, 0.0).guests[0].state is State.UNKNOWN
