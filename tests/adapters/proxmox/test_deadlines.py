"""Test the deadline of a call: a slow answer ends there, its socket is closed and its place is free again."""

import asyncio
import contextlib
import gc
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.proxmox.transport.connections import Endpoint
from adapters.proxmox.transport.http import (
    CHANGE_SECONDS,
    CONNECT_SECONDS,
    QUEUE_SECONDS,
    READ_SECONDS,
    Calls,
)
from core.entry_point import EntryPoint
from core.operations import Operation
from core.proxmox_errors import AnswerTooLarge, BadAnswer, TimedOut
from playground.pve.network.proxy import packed
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import (
    EMPTY_LIST,
    STARTED,
    VM,
    Cut,
    Drip,
    HeldAnswer,
    Rude,
    ServerStep,
    answer,
    client_of,
    opened,
    refusal,
    until,
)

pve, client = client_stage.pve, client_stage.client

IN_ALL = 1.0
"""Deadline of these tests in seconds, including the time to connect."""
AMPLE = 15.0
"""Seconds that a call may take on a busy machine."""


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.CONNECT_SECONDS", IN_ALL / 2)
    for name in ("READ_SECONDS", "CHANGE_SECONDS", "QUICK_SECONDS"):
        monkeypatch.setattr(f"adapters.proxmox.transport.http.{name}", IN_ALL / 2)


LONG = answer('{"data":[' + " " * 500 + "]}")
DRIPS: dict[str, ServerStep] = {
    "a body": Drip(LONG, 0.2, at_once=len(LONG) - 400),
    "a body that closes": Drip(
        LONG.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"), 0.2, at_once=200
    ),
    "headers": Drip(LONG, 0.2, at_once=20),
    "a status line": Drip(LONG, 0.2),
    "one header for ever": Drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300, 0.2, at_once=20),
    "provisional answers": Drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.02, at_once=0),
    "chunks": Drip(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100, 0.1, at_once=47
    ),
    "a refusal": Drip(answer("x" * 300, "500 Internal Server Error"), 0.2, at_once=150),
}


@pytest.mark.parametrize("name", list(DRIPS))
@pytest.mark.usefixtures("brief")
async def test_an_answer_that_drips_ends_at_the_deadline(tmp_path: Path, name: str) -> None:
    with Rude(tmp_path, DRIPS[name]) as rude:
        client, began = client_of(rude), time.monotonic()
        assert str(await refusal(client.cluster())) == str(TimedOut("127.0.0.1", changing=False))
        assert str(await refusal(client.power(VM, Operation.STOP))) == str(
            TimedOut("127.0.0.1", changing=True)
        )
        assert time.monotonic() - began < 2 * AMPLE
        assert len(rude.received) == 2, "neither was repeated"


@pytest.mark.usefixtures("brief")
async def test_a_handshake_that_drips_ends_at_the_deadline_and_sent_nothing(tmp_path: Path) -> None:
    with Rude(tmp_path, handshake="drip") as rude:
        client, began = client_of(rude), time.monotonic()
        for call in (client.cluster(), client.power(VM, Operation.STOP)):
            assert str(await refusal(call)) == str(TimedOut("127.0.0.1", changing=False))
        assert time.monotonic() - began < 2 * AMPLE
        assert rude.received == []


@pytest.mark.usefixtures("brief")
async def test_a_read_that_is_tried_twice_has_one_deadline(tmp_path: Path) -> None:
    slow = Drip(LONG, 0.2, at_once=20)
    with Rude(tmp_path, EMPTY_LIST, Cut(), slow) as rude:
        client = client_of(rude)
        await client.cluster()
        began = time.monotonic()
        assert isinstance(await refusal(client.cluster()), TimedOut)
        assert time.monotonic() - began < AMPLE
        assert len(rude.received) == 3


@pytest.mark.usefixtures("brief")
async def test_dripping_answers_hold_no_place_and_no_thread(tmp_path: Path) -> None:
    """Four such answers would otherwise hold the bot for minutes."""
    before = threading.active_count()
    drip = DRIPS["a body that closes"]
    with Rude(tmp_path, drip, drip, drip, drip, EMPTY_LIST) as rude:
        client = client_of(rude)
        hanging = [asyncio.create_task(client.cluster()) for _ in range(4)]
        await until(lambda: len(rude.received) == 4)
        began = time.monotonic()
        assert (await client.cluster()).guests == ()
        assert time.monotonic() - began < AMPLE
        for call in hanging:
            assert isinstance(await refusal(call), TimedOut)
    await until(lambda: threading.active_count() <= before + 5)


@pytest.mark.usefixtures("brief")
async def test_a_name_that_is_not_looked_up_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs in the system's resolver cannot be cut. The caller still gets an answer."""
    free = threading.Event()

    def hangs(*_: object, **__: object) -> None:
        free.wait(client_stage.PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with opened() as pve:
        client = client_of(pve, host="pve.example.jp")
        monkeypatch.setattr(socket, "getaddrinfo", hangs)
        began = time.monotonic()
        assert isinstance(await refusal(client.cluster()), TimedOut)
        assert time.monotonic() - began < AMPLE
        free.set()


async def test_a_request_that_waits_too_long_is_refused_and_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.QUEUE_SECONDS", 0.2)
    with Rude(tmp_path, HeldAnswer(STARTED)) as rude:
        client = client_of(rude)
        hanging = [asyncio.create_task(client.power(VM, Operation.START)) for _ in range(4)]
        await until(lambda: rude.held == 4)
        assert str(await refusal(client.power(VM, Operation.STOP))) == str(
            TimedOut("127.0.0.1", changing=False)
        )
        rude.release.set()
        await asyncio.gather(*hanging)
        assert len(rude.received) == 4


def test_a_poll_of_the_watch_ends_before_its_watchdog_calls_it_dead() -> None:
    read = CONNECT_SECONDS + READ_SECONDS + 1.0
    assert 4 * read + 12.0 < 150.0
    assert CONNECT_SECONDS + CHANGE_SECONDS > 30
    assert QUEUE_SECONDS < 60


@pytest.mark.usefixtures("brief")
async def test_the_playground_drips(pve: Pve, client: ProxmoxClient) -> None:
    pve.between.drip("/cluster/resources", 0.3)
    assert isinstance(await refusal(client.cluster()), TimedOut)
    pve.between.nothing()
    assert (await client.cluster()).guests


# -- sizes


@contextlib.contextmanager
def memory_within(megabytes: float) -> Iterator[None]:
    """Check that this process uses at most this much more memory in this block."""
    over, stop = threading.Event(), threading.Event()

    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = held()

    def watch() -> None:
        while not stop.wait(0.01):
            if held() - before > megabytes * 2**20:
                over.set()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not over.is_set()


@pytest.mark.parametrize("part", ["/cluster/resources", "/status/current"])
async def test_a_small_body_that_unpacks_to_a_huge_one_is_not_read(
    pve: Pve, client: ProxmoxClient, part: str
) -> None:
    """400 kB of gzip unpack to 414 MB of JSON."""
    pve.between.bomb(part, 414 * 10**6, times=1)
    with memory_within(150):
        call = client.cluster() if part == "/cluster/resources" else client.status(VM)
        assert str(await refusal(call)) == str(AnswerTooLarge(pve.host))
    assert (await client.cluster()).guests


@pytest.mark.parametrize("how", ["gzip", "gzip, gzip", "deflate"])
async def test_a_huge_body_is_not_read_however_it_is_packed(tmp_path: Path, how: str) -> None:
    inner, _, outer = how.partition(", ")
    assert len(zlib.decompress(packed(3 * 10**6, inner), zlib.MAX_WBITS | 32)) == 3 * 10**6
    body = packed(100 * 10**6, inner)
    if outer:
        body = gzip.compress(body)
    with Rude(tmp_path, answer(body, "200 OK", f"Content-Encoding: {how}")) as rude:
        with memory_within(60):
            assert isinstance(await refusal(client_of(rude).snapshots(VM)), AnswerTooLarge)
        error = await refusal(client_of(rude).power(VM, Operation.STOP))
        assert str(error) == str(AnswerTooLarge("127.0.0.1", changing=True))


async def test_a_long_body_that_is_not_packed(tmp_path: Path) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (20 * 2**20)
    with Rude(tmp_path, endless) as rude:
        assert isinstance(await refusal(client_of(rude).cluster()), AnswerTooLarge)
        assert isinstance(await refusal(client_of(rude).cluster()), BadAnswer)


# -- a call that nobody waits for any more: its thread ends by itself


async def test_a_failure_that_nobody_waits_for_is_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise asyncio logs "exception was never retrieved", with the text of the exception."""
    calls, goes_on, ended = (
        Calls(Endpoint((EntryPoint("127.0.0.1", 8006),), "bot@pve", "bot", "secret")),
        threading.Event(),
        threading.Event(),
    )
    begun = asyncio.Event()

    def blocking(_self: Calls, *_arguments: Any) -> object:
        loop.call_soon_threadsafe(begun.set)
        goes_on.wait(60)
        ended.set()
        raise RuntimeError("late")

    monkeypatch.setattr(Calls, "_blocking", blocking)
    loop, noise = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: noise.append(str(context["message"])))
    asking = asyncio.create_task(calls.get(("version",), dict))
    await begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    del asking
    goes_on.set()
    await asyncio.wait(left_at_work(), timeout=60)  # does not ask for their results
    assert ended.is_set()
    gc.collect()
    await asyncio.sleep(0)
    assert noise == []


def left_at_work() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
