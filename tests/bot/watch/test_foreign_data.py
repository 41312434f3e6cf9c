"""Test that hostile data from Proxmox, guests and proxies never blocks the event loop.

Memory and work are bounded too.
"""

import asyncio
import json
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from adapters.proxmox.guest_agent import ROWS_MOST, parse_addresses
from adapters.proxmox.transport.errors import TEXT_MOST, CallContext, make_error
from adapters.proxmox.transport.responses import Response, parse_response
from core.errors import BotError
from core.guest import Guest, Kind, State
from core.operations import Operation
from core.proxmox import TaskStatus
from core.proxmox_errors import AnswerTooLarge
from core.tasks import LOG_CHUNK, LOG_CHUNKS, TaskEnd, follow, percent_in
from playground.pve.server import Pve
from tests.support import stage
from tests.support.client_stage import UPID, VM, Rude, answer, client_of
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.formatting import plain
from ui.i18n import Texts
from ui.messages.errors import reason_of
from ui.messages.proxmox_errors import task_hint

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

BLOCK = 1.5
"""Seconds of CPU for which the loop may stand still. Without the tested limits it stood still for ten and more."""


async def longest_block(work: Awaitable[Any]) -> tuple[float, Any]:
    """Return the longest time that the loop was blocked, in seconds, and the result of the work or its `BotError`."""
    longest, last = 0.0, time.thread_time()

    async def tick() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.002)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.02)
    longest = 0.0
    try:
        result = await work
    except BotError as error:
        result = error
    await asyncio.sleep(0.01)
    ticking.cancel()
    return longest, result


def row(text: str) -> dict[str, Any]:
    return {"ip-address-type": "ipv4", "ip-address": text, "prefix": 8}


def many(count: int) -> list[dict[str, Any]]:
    return [row(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count)]


def interface(name: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "ip-addresses": list(rows)}


REAL = interface("ens18", row("192.168.1.9"), row("2001:db8::9"))


# -- addresses


@pytest.mark.parametrize("count", [20_000, 40_000])
async def test_info_of_a_guest_with_a_flood_of_addresses(scene: Stage, pve: Pve, count: int) -> None:
    pve.vm(101).agent = {"interfaces": [interface("eth0", *many(count))]}
    block, reply = await longest_block(scene.say(scene.emma, "info", vmid=101))
    assert block < BLOCK
    assert "10.0.0.0" in reply.text
    assert len(reply.text) < 4000


async def test_a_thousand_bridges_do_not_hide_the_real_interface(scene: Stage, pve: Pve) -> None:
    bridges = [
        interface(f"{('br-', 'veth', 'docker')[n % 3]}{n:x}", row(f"172.17.{n >> 8}.{n & 255}"))
        for n in range(1500)
    ]
    pve.vm(101).agent = {"interfaces": [*bridges, REAL]}
    reply = await scene.say(scene.emma, "info", vmid=101)
    assert "192.168.1.9" in reply.text
    assert reply.text.index("192.168.1.9") < reply.text.index("172.17.")


@walked("name", ["ens18", "eth0", "enp3s0", "wlp2s0", "bond0", "Ethernet 2", "Local Area Connection"])
@walked("count", [1_500, 20_000])
def test_physical_interfaces_come_first(name: str, count: int) -> None:
    others = [interface(f"veth{n:x}", row(f"172.16.{n >> 8 & 255}.{n & 255}")) for n in range(count)]
    real = {**REAL, "name": name}
    for at in (0, count // 2, count):
        found = parse_addresses([*others[:at], real, *others[at:]])
        assert found is not None
        assert found[:2] == ("192.168.1.9", "2001:db8::9")


def test_an_unknown_interface_comes_before_bridges_and_after_cards() -> None:
    rows = [interface("docker0", row("172.17.0.1")), interface("lan", row("10.1.1.1")), REAL]
    assert parse_addresses(rows) == ("192.168.1.9", "2001:db8::9", "10.1.1.1", "172.17.0.1")
    assert parse_addresses([*[interface("br0", *many(5000))], interface("br1", row("10.9.9.9"))]) is not None


def test_addresses_of_no_host_are_left_out() -> None:
    texts = ("0.0.0.0", "224.0.0.1", "127.0.0.2", "169.254.1.1", "::", "ff02::1", "fe80::1%eth0", "10.1.2.3")  # noqa: S104 - read, not bound
    assert parse_addresses([{"name": "eth0", "ip-addresses": [{"ip-address": text} for text in texts]}]) == (
        "10.1.2.3",
    )


def test_only_a_limited_number_of_rows_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def address(text: str) -> None:
        looked.append(text)

    monkeypatch.setattr("adapters.proxmox.guest_agent._address", address)
    parse_addresses([interface(f"eth{n}", *many(50)) for n in range(400)])
    parse_addresses([interface("eth0", *many(50_000))])
    assert len(looked) <= 2 * ROWS_MOST


@walked(
    "rows",
    [
        [interface("eth0", row("1" * 4_000_000))],
        [interface("eth0", row(":" * 4_000_000))],
        [interface("e" * 4_000_000, row("10.0.0.1"))],
        [{"inet": "1/" * 2_000_000, "inet6": ["x"] * 9}],
        [{"name": ["x"], "ip-addresses": {"a": 1}}, None, 7, "x"],
    ],
)
def test_texts_that_are_no_addresses_take_no_time(rows: list[Any]) -> None:
    began = time.thread_time()
    assert parse_addresses(rows) in (None, ("10.0.0.1",))
    assert time.thread_time() - began < BLOCK


# -- other bodies


BODIES = {
    "lists": '{"data":{"result":[' + ",".join(["[]"] * 1_300_000) + "]}}",
    "objects": '{"data":{"result":[' + ",".join(['{"a":1}'] * 400_000) + "]}}",
    "numbers": '{"data":{"result":[' + ",".join(["1"] * 1_900_000) + "]}}",
    "one number": '{"data":' + "1" * 4_000_000 + "}",
    "depth": '{"data":' + "[" * 2_000_000 + "}",
}


@pytest.mark.parametrize("name", list(BODIES))
async def test_a_body_with_too_much_in_it_is_not_decoded(tmp_path: Path, name: str) -> None:
    with Rude(tmp_path, answer(BODIES[name])) as rude:
        block, error = await longest_block(client_of(rude).addresses(VM))
    assert block < BLOCK
    assert isinstance(error, BotError)
    assert isinstance(error, AnswerTooLarge) == (name != "one number")


async def test_a_large_cluster_is_read_off_the_loop(tmp_path: Path) -> None:
    # 400 bytes for each, as Proxmox 9 sends
    guest = (
        '{"type":"qemu","vmid":%d,"node":"pve1","status":"running","name":"web","mem":1,"maxmem":2,"cpu":0.1,'
        '"maxcpu":4,"disk":0,"maxdisk":3,"uptime":9,"tags":"a;b","template":0,"more":"' + "x" * 240 + '"}'
    )
    body = '{"data":[' + ",".join(guest % (100 + n) for n in range(20_000)) + "]}"
    with Rude(tmp_path, answer(body)) as rude:
        block, cluster = await longest_block(client_of(rude).cluster())
    assert len(cluster.guests) == 20_000
    assert block < BLOCK


async def test_a_long_list_of_a_nodes_tasks_is_read_off_the_loop(tmp_path: Path) -> None:
    row = '{"upid":"UPID:pve1:000003EB:00001B6D:6B0830C8:vzdump:104:root@pam:","starttime":1,"status":"OK"}'
    body = '{"data":[' + ",".join([row] * 40_000) + "]}"
    with Rude(tmp_path, answer(body)) as rude:
        block, tasks = await longest_block(client_of(rude).node_tasks("pve1", 0))
    assert len(tasks) == 500, "as many as were asked for"
    assert block < BLOCK


# -- texts: cut first, then matched

LONG = {
    "VM 1": "VM 1 " * 12_000,
    "create": "create VM 1" * 6_000,
    "paths": "(/" * 30_000,
    "files": "can't lock file " * 4_000,
    "fields": "Rejected(" + "a='b" * 15_000 + ")",
    "words": "Rejected(" + "a" * 60_000 + ")",
    "escapes": "Rejected(message='" + "\\" * 60_000 + ")",
    "volumes": "base volume " * 5_000,
    "marks": "a" + "\u0316\u0301" * 100_000,
    "spaces": " " * 400_000,
    "digits": "1." * 200_000,
    "invisible": "\u200b" * 400_000,
}


@walked("name", list(LONG))
def test_no_pattern_and_no_normal_form_sees_a_long_text(name: str) -> None:
    text = LONG[name]
    began = time.thread_time()
    guest = Guest(100, Kind.QEMU, "pve1", State.RUNNING, text)
    for status in (400, 403, 500):
        error = make_error(status, text, {"vmid": text, "x": text}, CallContext(guest), "h", True)
        assert len(getattr(error, "message", "")) <= TEXT_MOST
        parse_response(Response(status, text, b""))
    for say in stage_texts():
        reason_of(say, text)
        task_hint(say, Operation.STOP, text)
    for most in (64, 300, 4000):
        assert len(plain(text, most)) <= most
    percent_in((text[:1000],))
    assert time.thread_time() - began < BLOCK


def stage_texts() -> list[Any]:
    return [Texts("en").public, Texts("ja").public]


def test_cut_texts_show_that_they_are_cut() -> None:
    assert plain("x" * 10_000, 10) == "xxxxxxxxx…"
    assert plain("\u200b" * 10_000 + "x", 10).endswith("…")
    assert plain("x" * 10, 10) == "x" * 10


async def test_a_long_refusal_at_the_socket(tmp_path: Path) -> None:
    """The body has 60 kB, and the reason phrase is as long as HTTP allows."""
    text = "VM 1 " * 12_000
    pages = answer(json.dumps({"data": None, "message": text}), "500 x"), answer("", f"500 {text}")
    for at, page in enumerate(pages):
        with Rude(tmp_path / str(at), page) as rude:
            block, error = await longest_block(client_of(rude).power(VM, Operation.STOP))
        assert block < BLOCK
        assert isinstance(error, BotError)
        assert len(str(error)) < 2_000


async def test_a_line_of_a_log_and_last_words_are_cut(tmp_path: Path) -> None:
    line = "x" * 1_000_000
    log = answer(json.dumps({"data": [{"n": 1, "t": line}, {"n": 2, "t": "50%"}]}))
    with Rude(tmp_path / "log", log) as rude:
        lines = await client_of(rude).task_log(UPID, 0, 500)
    assert [len(each) for each in lines] == [1000, 3]
    with Rude(
        tmp_path / "exit", answer(json.dumps({"data": {"status": "stopped", "exitstatus": line}}))
    ) as rude:
        status = await client_of(rude).task_status(UPID)
    assert status.exit is not None
    assert len(status.exit) <= 900


async def test_a_log_without_an_end_is_not_read_for_ever() -> None:
    """The last lines read within the limit are shown."""
    world = EndlessLog()
    result = await follow(world, world, UPID)  # type: ignore[arg-type]  # all that following asks for
    assert result.end is TaskEnd.ERROR
    assert world.read == LOG_CHUNKS
    assert len(result.log) == 5


class EndlessLog:
    """Simulate a failed task whose log grows as fast as it is read."""

    def __init__(self) -> None:
        self.read = 0

    def monotonic(self) -> float:
        return 0.0

    async def task_status(self, upid: str) -> Any:
        return TaskStatus(False, "failed")

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        self.read += 1
        return tuple(f"line {start + n}" for n in range(LOG_CHUNK))
