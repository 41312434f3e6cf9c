"""Test a client of several addresses of one cluster: which one is used, and what happens when one fails."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.proxmox.transport import entry_points
from adapters.proxmox.transport.connections import Deadline
from adapters.proxmox.transport.exchange import Call, Try
from adapters.proxmox.transport.slots import SLOTS
from core.actions.order import Order, Plan
from core.actions.sender import Sender
from core.clock import Clock
from core.entry_point import EntryPoint
from core.operations import Operation
from core.proxmox import Lane
from core.proxmox_errors import CertificateNotTrusted, NodeUnreachable, TimedOut, Unreachable
from playground.pve.network.certificates import make_certificates
from playground.pve.network.listeners import Listener
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve
from proxmox_client import Endpoint, ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import (
    EMPTY_LIST,
    PATIENCE,
    SECRET,
    VM,
    HeldAnswer,
    Rude,
    client_of,
    opened,
    refusal,
    sent,
    until,
)
from tests.support.fakes import AKIKO

hasty = client_stage.hasty
SLACK = 1.0
"""Additional seconds that a busy machine may take."""
WITHIN = 1.0
"""Seconds that a dead address may cost."""
LINUX = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux drops packets like this"
)


def at(*listeners: Listener | Rude | EntryPoint, ca_file: str) -> ProxmoxClient:
    """Return a client of these addresses."""
    points = tuple(
        each if isinstance(each, EntryPoint) else EntryPoint(each.host, each.port) for each in listeners
    )
    return ProxmoxClient(Endpoint(points, BOT_USER, BOT_TOKEN, SECRET, Path(ca_file)), Clock())


@pytest.fixture
def pve() -> Iterator[Pve]:
    with opened() as made:
        made.add_listener("pve2")
        made.add_listener("pve3")
        yield made


@pytest.fixture
def client(pve: Pve) -> Iterator[ProxmoxClient]:
    made = at(*pve.listeners, ca_file=pve.ca_file)
    yield made
    made.close()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return what was logged about entry points so far."""
    caplog.set_level(logging.INFO, "adapters.proxmox")
    return lambda: [f"{each.levelname} {each.getMessage()}" for each in caplog.records]


def label(listener: Listener | Rude) -> str:
    return f"{listener.host}:{listener.port}"


def asked(listener: Listener) -> list[str]:
    """Return the requests that came in at this address, without the checks."""
    return [f"{method} {path}" for method, path in listener.requests if not path.endswith("/version")]


def checked(*listeners: Listener) -> bool:
    return all(any(path.endswith("/version") for _, path in each.requests) for each in listeners)


def stop_plan() -> Plan:
    return Plan(Order(Operation.STOP, VM.vmid, AKIKO), VM)


# -- which one is used


async def test_one_address_is_neither_checked_nor_logged(
    pve: Pve, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_points, "LOST_CHECK_SECONDS", 0.0)
    client = client_of(pve)
    await client.cluster()
    pve.call(pve.listeners[0].kill())
    for _ in range(3):
        assert str(await refusal(client.cluster())) == str(Unreachable(pve.host))
    pve.call(pve.listeners[0].open())
    await client.cluster()
    await asyncio.sleep(0.1)
    assert not checked(pve.listeners[0])
    assert lines() == []


async def test_the_first_one_serves_while_it_works_and_the_others_are_checked_once(
    pve: Pve, client: ProxmoxClient
) -> None:
    first, second, third = pve.listeners
    for _ in range(5):
        await client.cluster()
    await until(lambda: checked(second, third))
    await client.cluster()
    assert len(asked(first)) == 6
    assert [len(each.requests) for each in (second, third)] == [1, 1]
    assert not checked(first)


def test_no_address_is_no_cluster() -> None:
    with pytest.raises(ValueError, match="address"):
        ProxmoxClient(Endpoint((), BOT_USER, BOT_TOKEN, SECRET), Clock())


# -- a connection that fails


@pytest.mark.parametrize("used_before", [False, True])
async def test_a_read_goes_to_the_next_and_stays_there(
    pve: Pve, client: ProxmoxClient, used_before: bool
) -> None:
    first, second, third = pve.listeners
    if used_before:
        await client.cluster()
    pve.call(first.kill())
    began = time.monotonic()
    for _ in range(3):
        assert (await client.cluster()).guests
    assert time.monotonic() - began < WITHIN + SLACK
    assert (len(asked(second)), asked(third)) == (3, [])
    pve.call(first.open())
    await client.cluster()
    assert len(asked(second)) == 4, "the one that works stays in use"


async def test_a_read_that_is_cut_before_its_answer_is_answered_by_the_next(
    pve: Pve, client: ProxmoxClient
) -> None:
    first, second, _ = pve.listeners
    first.slow = 0.5
    reading = [asyncio.create_task(client.cluster()) for _ in range(4)]
    await until(lambda: len(asked(first)) == 4)
    pve.call(first.kill())
    began = time.monotonic()
    assert all(each.guests for each in await asyncio.gather(*reading))
    assert time.monotonic() - began < WITHIN + SLACK
    assert len(asked(second)) == 4


async def test_a_change_that_was_not_sent_goes_to_the_next(pve: Pve, client: ProxmoxClient) -> None:
    pve.call(pve.listeners[0].kill())
    assert (await client.power(VM, Operation.STOP)).startswith("UPID:pve1:")
    assert len(sent(pve)) == 1


async def test_a_change_that_may_have_been_sent_is_sent_nowhere_else_and_its_task_is_found_there(
    pve: Pve, client: ProxmoxClient
) -> None:
    first, second, _ = pve.listeners
    pve.hang("/status/stop", 5.0, acts=True)
    changing = asyncio.create_task(Sender(client, Clock()).start(stop_plan()))
    await until(lambda: pve.guest(VM.vmid).status == "stopped")
    pve.call(first.kill())
    _, upid = await changing
    assert upid is not None
    assert upid in {task.upid for task in await client.recent_tasks(VM, 5)}
    assert len(sent(pve)) == 1
    assert {line.split()[0] for line in asked(second)} == {"GET"}


async def test_the_error_of_a_change_that_may_have_been_sent_names_its_address(
    pve: Pve, client: ProxmoxClient
) -> None:
    first = pve.listeners[0]
    first.slow = 0.5
    changing = asyncio.create_task(client.power(VM, Operation.STOP))
    await until(lambda: asked(first))
    pve.call(first.kill())
    assert str(await refusal(changing)) == str(TimedOut(label(first), changing=True))


async def test_an_answer_that_takes_longer_than_a_connection_may_is_waited_for(
    pve: Pve, client: ProxmoxClient
) -> None:
    first, second, _ = pve.listeners
    first.slow = 0.6
    assert (await client.cluster()).guests
    assert await client.power(VM, Operation.STOP)
    assert (len(asked(first)), asked(second)) == (2, [])


async def test_connections_that_were_all_closed_are_no_reason_to_leave(
    pve: Pve, client: ProxmoxClient
) -> None:
    """pveproxy was restarted: each kept connection is dead, and the address works."""
    first, second, _ = pve.listeners
    first.slow = 0.1
    await asyncio.gather(*(client.cluster() for _ in range(4)))
    pve.call(first.kill())
    pve.call(first.open())
    for _ in range(4):
        await client.cluster()
    assert (len(asked(first)), asked(second)) == (8, [])


async def test_the_places_of_the_lanes_count_over_all_addresses(tmp_path: Path) -> None:
    with (
        Rude(tmp_path / "1", handshake="held") as one,
        Rude(tmp_path / "2", HeldAnswer(EMPTY_LIST)) as two,
    ):
        client = at(one, EntryPoint(two.host, two.port, two.fingerprint), ca_file=two.ca_file)
        reading = [asyncio.create_task(client.cluster()) for _ in range(12)]
        await until(lambda: two.held == SLOTS[Lane.READS])
        await asyncio.sleep(0.1)
        assert two.held == SLOTS[Lane.READS]
        two.release.set()
        await asyncio.gather(*reading)
        assert two.most_held <= SLOTS[Lane.READS]
        client.close()


async def test_nobody_is_left(pve: Pve, client: ProxmoxClient) -> None:
    for each in pve.listeners:
        pve.call(each.kill())
    named = ", ".join(label(each) for each in pve.listeners)
    for call in (client.cluster(), client.power(VM, Operation.STOP)):
        assert str(await refusal(call)) == str(Unreachable(named))
    pve.call(pve.listeners[2].open())
    assert (await client.cluster()).guests, "doubted ones are tried if nothing else is left"


@pytest.mark.parametrize("handshake", ["cut", "plain", "held", "drip"])
async def test_tls_that_is_never_established_sends_nothing(tmp_path: Path, handshake: str) -> None:
    with opened() as pve, Rude(tmp_path, handshake=handshake) as rude:
        for change in (False, True):
            client = at(rude, pve.listeners[0], ca_file=pve.ca_file)
            began = time.monotonic()
            if change:
                await client.power(VM, Operation.STOP)
            else:
                await client.cluster()
            assert time.monotonic() - began < WITHIN + SLACK
            client.close()
        rude.release.set()
        assert rude.raw == b""
        assert len(sent(pve)) == 1


async def test_a_name_that_hangs_in_the_resolver(pve: Pve, monkeypatch: pytest.MonkeyPatch) -> None:
    real, free = socket.getaddrinfo, threading.Event()

    def hangs(host: Any, *rest: Any, **named: Any) -> Any:
        if host == "pve.example.jp":
            free.wait(PATIENCE)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    client = at(EntryPoint("pve.example.jp", 8006), *pve.listeners, ca_file=pve.ca_file)
    began = time.monotonic()
    await client.power(VM, Operation.STOP)
    assert time.monotonic() - began < WITHIN + SLACK
    assert (await client.cluster()).guests
    free.set()
    client.close()


# -- packets that vanish, as after a power cut


@LINUX
async def test_a_silent_address_costs_a_read_less_than_a_second(pve: Pve, client: ProxmoxClient) -> None:
    first, second, _ = pve.listeners
    await client.cluster()
    pve.call(first.silence())
    began = time.monotonic()
    await client.cluster()
    assert time.monotonic() - began < WITHIN + SLACK, "on a connection that was kept"
    fresh = at(*pve.listeners, ca_file=pve.ca_file)
    began = time.monotonic()
    await fresh.cluster()
    assert time.monotonic() - began < WITHIN + SLACK, "on a new connection"
    await fresh.power(VM, Operation.STOP)
    assert len(asked(second)) == 3
    fresh.close()


@LINUX
@pytest.mark.parametrize("arrived", [False, True])
async def test_a_read_that_falls_silent_is_not_sent_to_the_same_address_again(
    pve: Pve, client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    """The end of a silent connection is no sign that the server closed it: TLS shows both in the same way."""
    first, second, _ = pve.listeners
    tried, run = list[str](), Try.run

    def noted(self: Try, call: Call, deadline: Deadline) -> object:
        if call.path != ("version",):
            tried.append(self.point.label)
        return run(self, call, deadline)

    await client.cluster()
    monkeypatch.setattr(Try, "run", noted)
    first.slow = 5.0 if arrived else 0.0
    reading = asyncio.create_task(client.cluster()) if arrived else None
    if arrived:
        await until(lambda: len(asked(first)) == 2)
    pve.call(first.silence())
    await (reading or client.cluster())
    assert tried == [label(first), label(second)]


@LINUX
async def test_a_change_on_a_connection_that_falls_silent_is_unknown(
    pve: Pve, client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.CHANGE_SILENCE", 0.5)
    first = pve.listeners[0]
    await client.cluster()
    pve.call(first.silence())
    error = await refusal(client.power(VM, Operation.STOP))
    assert str(error) == str(TimedOut(label(first), changing=True))
    assert sent(pve) == []
    fresh = at(*pve.listeners, ca_file=pve.ca_file)
    await fresh.power(VM, Operation.STOP)
    assert len(sent(pve)) == 1, "nothing was sent on a connection that was never made"
    fresh.close()


# -- an address that accepts and never answers


@pytest.mark.usefixtures("hasty")
async def test_after_a_read_without_an_answer_the_next_one_goes_elsewhere(
    pve: Pve, client: ProxmoxClient, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.QUICK_SECONDS", 0.4)
    first, second, _ = pve.listeners
    first.hung = True
    assert str(await refusal(client.cluster())) == str(TimedOut(label(first), changing=False))
    for _ in range(3):
        assert (await client.cluster()).guests
    assert (len(asked(first)), len(asked(second))) == (1, 3)
    await until(lines)
    assert lines() == [
        f"WARNING the entry point {label(first)} is lost: {TimedOut(label(first), changing=False)}"
    ]


@pytest.mark.usefixtures("hasty")
async def test_a_change_without_an_answer_is_unknown_and_looked_for_elsewhere(
    pve: Pve, client: ProxmoxClient
) -> None:
    first, second, third = pve.listeners
    pve.hang("/status/stop", 5.0, acts=True)
    _, upid = await Sender(client, Clock()).start(stop_plan())
    assert upid
    assert len(sent(pve)) == 1
    assert [len(asked(each)) for each in (first, second, third)] == [1, 1, 0]


# -- answers are not faults


@pytest.mark.parametrize("status", [502, 504, 595, 596, 599])
async def test_another_node_that_does_not_answer_is_no_fault_of_this_address(
    pve: Pve, client: ProxmoxClient, status: int
) -> None:
    first, second, third = pve.listeners
    pve.fail("GET", "/status/current", status, "Connection timed out")
    pve.fail("POST", "/status/stop", status, "Connection timed out")
    for call in (client.status(VM), client.power(VM, Operation.STOP)):
        assert isinstance(await refusal(call), (NodeUnreachable, TimedOut))
    await client.cluster()
    assert (len(asked(first)), asked(second), asked(third)) == (3, [], [])


# -- trust


async def test_a_distrusted_address_is_reported_and_stops_no_other(
    pve: Pve, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    other = tmp_path / "other"
    with Rude(other) as rude:
        client = at(rude, pve.listeners[0], ca_file=pve.ca_file)
        told = str(CertificateNotTrusted(label(rude), rude.fingerprint))
        assert str(await refusal(client.power(VM, Operation.STOP))) == told
        await client.power(VM, Operation.STOP)
        assert (await client.cluster()).guests
        assert rude.raw == b""
        assert len(sent(pve)) == 1
        await until(lines)
        assert lines() == [f"WARNING the entry point {label(rude)} is lost: {told}"]
        client.close()


async def test_each_address_has_its_own_pin(pve: Pve) -> None:
    pins = [EntryPoint(each.host, each.port, each.fingerprint) for each in pve.listeners]
    assert len({each.fingerprint for each in pins}) == 3
    client = at(*pins, ca_file=pve.ca_file)
    for each in pve.listeners[:2]:
        assert (await client.cluster()).guests
        pve.call(each.kill())
    assert (await client.cluster()).guests
    client.close()
    mixed_up = EntryPoint(pins[0].host, pins[0].port, pins[1].fingerprint)
    client = at(mixed_up, pins[1], ca_file=pve.ca_file)
    pve.call(pve.listeners[0].open())
    assert isinstance(await refusal(client.cluster()), CertificateNotTrusted)
    client.close()


async def test_a_wrong_pin_is_known_before_it_is_needed(
    pve: Pve, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    made = make_certificates(tmp_path, "pve9", "127.0.0.1")
    first, second, _ = pve.listeners
    client = at(first, EntryPoint(second.host, second.port, made.fingerprint), ca_file=pve.ca_file)
    await client.cluster()
    await until(lines)
    await client.cluster()
    assert lines() == [
        f"WARNING the entry point {label(second)} is lost: "
        f"{CertificateNotTrusted(label(second), second.fingerprint)}"
    ]
    client.close()


# -- lost and back


async def test_one_line_when_lost_and_one_when_back(
    pve: Pve, client: ProxmoxClient, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_points, "LOST_CHECK_SECONDS", 0.05)
    first = pve.listeners[0]
    await client.cluster()
    pve.call(first.kill())
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        await asyncio.gather(*(client.cluster() for _ in range(3)))
    assert lines() == [f"WARNING the entry point {label(first)} is lost: {Unreachable(label(first))}"]
    pve.call(first.open())
    async with asyncio.timeout(PATIENCE):
        while len(lines()) < 2:
            await client.cluster()
    assert lines()[1:] == [f"INFO the entry point {label(first)} works again"]


async def test_a_lost_address_is_checked_beside_the_calls_and_not_by_them(
    pve: Pve, client: ProxmoxClient, lines: Callable[[], list[str]]
) -> None:
    first, second, _ = pve.listeners
    pve.call(first.kill())
    await client.cluster()
    await until(lines)
    assert len(lines()) == 1
    before = len(first.requests)
    pve.call(first.open())
    for _ in range(20):
        await client.cluster()
    assert len(first.requests) == before, "not before 30 s"
    assert len(asked(second)) == 21


# -- the end


async def test_closing_cuts_the_calls_at_every_address(pve: Pve, client: ProxmoxClient) -> None:
    first, second, third = pve.listeners
    pve.call(first.kill())
    second.hung = third.hung = True
    reading = asyncio.create_task(client.cluster())
    await until(lambda: asked(second))
    client.close()
    async with asyncio.timeout(PATIENCE):
        assert isinstance(await refusal(reading), Unreachable)
    before = len(third.requests)
    assert isinstance(await refusal(client.cluster()), Unreachable)
    assert len(third.requests) == before
    assert asked(third) == []


async def test_a_read_that_nothing_answers_ends_at_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.proxmox.transport.http.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("adapters.proxmox.transport.http.READ_SECONDS", 0.5)
    with (
        Rude(tmp_path / "1", EMPTY_LIST, handshake="held") as one,
        Rude(tmp_path / "2", handshake="held") as two,
    ):
        client = at(one, two, one, two, ca_file=one.ca_file)
        began = time.monotonic()
        assert isinstance(await refusal(client.cluster()), TimedOut)
        assert time.monotonic() - began < 1.0 + SLACK
        client.close()
