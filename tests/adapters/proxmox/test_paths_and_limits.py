"""Test the client's limits: only the intended paths, and at most four calls at once."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.proxmox.transport.slots import SLOTS
from core.errors import BotError
from core.guest import Guest, Kind
from core.operations import Operation
from core.proxmox import Lane
from core.proxmox_errors import Unreachable
from core.validation import Upid
from core.wanted_errors import BadSnapshotName
from proxmox_client import ProxmoxClient
from tests.support.client_stage import (
    CT,
    EMPTY_LIST,
    EVERY,
    STARTED,
    UPID,
    VM,
    VM_TEMPLATE,
    HeldAnswer,
    Rude,
    answer,
    client_of,
    opened,
    refusal,
    until,
)
from tests.support.pve_contract import complaints
from tests.support.walked import walked

CONCURRENT = SLOTS[Lane.READS]

# -- hostile values (proxmoxer joins path segments as text, requests resolves `..`, pveproxy unescapes `%2F`)

EVIL = (
    "",
    ".",
    "..",
    "../../../qemu/101/status/stop",
    "/access/users",
    "//127.0.0.1/x",
    "pve1/../../access/users",
    "pve1/qemu/101/status/stop",
    "pve1%2F..%2F..%2Faccess",
    "pve1?x=1",
    "pve1#",
    "pve1\n",
    "pve1 ",
    "pve1\\..",
    "pve1;x",
    "pve1\x00",
    "ｐｖｅ１",
    "a?force=1",
    "a/rollback",
    "٣٣٣",
    "x" * 300,
    "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:../..:root@pam:",
    "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:100?x=1:root@pam:",
    "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:%2e%2e%2f:root@pam:",
    "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:100:root@pam:/../../status",
    "UPID:../../access:0000A1B2:00C3D4E5:6716F2A0:qmstart:100:root@pam:",
)
HOSTILE = st.one_of(
    st.sampled_from(EVIL),
    st.text(max_size=12),
    st.text(alphabet="ab1-_./%?#\\:; \n\x00\u202e", max_size=12),
    st.builds(
        lambda at, text: UPID[:at] + text + UPID[at:], st.integers(0, len(UPID)), st.sampled_from(EVIL)
    ),
)
VMIDS = st.one_of(HOSTILE, st.integers(), st.booleans(), st.none())

Attempt = Callable[[ProxmoxClient], Awaitable[object]]


def attempts(text: str, vmid: Any) -> list[tuple[str, Attempt]]:
    """Return every way in which a value gets into a path, and the only path that may result."""
    here = f"/nodes/pve1/qemu/100/snapshot/{text}"
    moved, other = replace(VM, node=text), replace(VM, vmid=vmid)
    task = Upid.parse(text)
    node = task.node if task else ""
    return [
        (f"/nodes/{text}/qemu/100/status/current", lambda client: client.status(moved)),
        (f"/nodes/{text}/qemu/100/status/stop", lambda client: client.power(moved, Operation.STOP)),
        (f"/nodes/{text}/tasks", lambda client: client.recent_tasks(moved, 1)),
        (f"/nodes/pve1/qemu/{vmid}/config", lambda client: client.config(other)),
        (f"/nodes/pve1/qemu/{vmid}", lambda client: client.delete(other)),
        (f"{here}/rollback", lambda client: client.snapshot_rollback(VM, text)),
        (here, lambda client: client.snapshot_delete(VM, text)),
        ("/nodes/pve1/qemu/100/snapshot", lambda client: client.snapshot_create(VM, text, "", False)),
        (
            "/nodes/pve1/qemu/900/clone",
            lambda client: client.clone(VM_TEMPLATE, vmid, "new", target=text, full=False),
        ),
        (f"/nodes/{node}/tasks/{text}/status", lambda client: client.task_status(text)),
        (f"/nodes/{node}/tasks/{text}/log", lambda client: client.task_log(text, 0, 1)),
    ]


def test_hostile_values_never_reach_the_wire() -> None:
    with opened() as pve:

        async def tried(text: str, vmid: Any) -> None:
            client = client_of(pve)
            for path, attempt in attempts(text, vmid):
                pve.requests.clear()
                with contextlib.suppress(BotError, ValueError, TypeError):
                    await attempt(client)
                if pve.requests:
                    (request,) = pve.requests
                    assert request[1] == path
                    assert complaints(*request) == []

        @settings(max_examples=80)
        @given(HOSTILE, VMIDS)
        def try_once(text: str, vmid: Any) -> None:
            asyncio.run(tried(text, vmid))

        try_once()


@walked("text", EVIL)
def test_no_evil_value_is_sent(text: str) -> None:
    with opened() as pve:

        async def tried() -> None:
            client = client_of(pve)
            for _, attempt in attempts(text, text):
                with pytest.raises((BotError, ValueError, TypeError)):
                    await attempt(client)

        asyncio.run(tried())
        assert pve.requests == []


@walked("name", ["current", "Current", "pending", "PENDING"])
async def test_reserved_snapshot_names_are_not_sent(name: str) -> None:
    with opened() as pve:
        client = client_of(pve)
        for call in (
            client.snapshot_create(VM, name, "", False),
            client.snapshot_rollback(VM, name),
            client.snapshot_delete(VM, name),
        ):
            assert isinstance(await refusal(call), BadSnapshotName)
        assert isinstance(await refusal(client.snapshot_create(CT, "vzdump", "", False)), BadSnapshotName)
        assert pve.requests == []


async def test_an_unknown_kind_is_not_sent() -> None:
    hostile: Any = "qemu/101/status/stop?"
    with opened() as pve:
        with pytest.raises(ValueError, match="not a valid Kind"):
            await client_of(pve).status(replace(VM, kind=hostile))
        assert pve.requests == []


def test_every_well_formed_value_is_sent() -> None:
    """This is the other half: the checks refuse no name that Proxmox allows."""
    with opened() as pve:

        async def tried() -> None:
            client = client_of(pve)
            for attempt in (
                client.snapshot_delete(VM, "a" * 40),
                client.snapshot_delete(VM, "Before_update-2"),
                client.status(Guest(999_999_999, Kind.LXC, "node-2", VM.state)),
                client.task_status(UPID.replace("bot:", "bot-2_x.y:")),
            ):
                with contextlib.suppress(BotError):
                    await attempt

        asyncio.run(tried())
        assert len(pve.requests) == 4


# -- at most four at once


async def resolved() -> None:
    """Look up a name and run other work in threads, as Discord's side needs to."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        await loop.getaddrinfo("localhost", 443, type=socket.SOCK_STREAM)
        assert await asyncio.to_thread(lambda: 7) == 7


async def test_at_most_four_calls_and_the_other_threads_stay_free(tmp_path: Path) -> None:
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        client = client_of(rude)
        calls = [asyncio.create_task(client.cluster()) for _ in range(12)]
        await until(lambda: rude.held == CONCURRENT)
        for _ in range(3):
            await resolved()
        assert (rude.held, len(rude.received)) == (CONCURRENT, CONCURRENT)
        assert not any(call.done() for call in calls)
        rude.release.set()
        await asyncio.gather(*calls)
        assert len(rude.received) == 12
        assert rude.most_held == CONCURRENT == 4


async def test_callers_that_give_up_do_not_free_the_places_of_their_threads(tmp_path: Path) -> None:
    """Completions give up after two seconds. A hung node must not take a thread with each of them."""
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        client = client_of(rude)
        for _ in range(3):
            calls = [asyncio.create_task(client.cluster()) for _ in range(CONCURRENT)]
            await until(lambda: rude.held == CONCURRENT)
            await resolved()
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)
        await resolved()
        assert (rude.held, len(rude.received)) == (CONCURRENT, CONCURRENT)
        rude.release.set()
        await until(lambda: rude.held == 0)
        assert (await client.cluster()).guests == ()
        assert rude.most_held == CONCURRENT


async def test_a_caller_that_gives_up_while_waiting_takes_no_place(tmp_path: Path) -> None:
    with Rude(tmp_path, HeldAnswer(EMPTY_LIST)) as rude:
        client = client_of(rude)
        working = [asyncio.create_task(client.cluster()) for _ in range(CONCURRENT)]
        await until(lambda: rude.held == CONCURRENT)
        waiting = [asyncio.create_task(client.power(VM, Operation.STOP)) for _ in range(5)]
        await asyncio.sleep(0)
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)
        rude.release.set()
        await asyncio.gather(*working)
        for _ in range(2 * CONCURRENT):
            await client.cluster()
        assert not [line for line in rude.asked if line.startswith("POST")]


async def test_an_abandoned_call_that_fails_is_nobodys_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Rude(tmp_path, HeldAnswer(answer("", "500 boom"))) as rude:
        client = client_of(rude)
        call = asyncio.create_task(client.cluster())
        await until(lambda: rude.held == 1)
        call.cancel()
        await asyncio.wait([call])
        rude.release.set()
        await until(lambda: rude.held == 0)
        await refusal(client.cluster())
    assert caplog.records == []


async def test_every_method_keeps_to_the_limit(tmp_path: Path) -> None:
    with Rude(tmp_path, HeldAnswer(STARTED)) as rude:
        client = client_of(rude)

        async def call_of(name: str) -> object:
            return await EVERY[name](client, VM)

        calls = [asyncio.create_task(call_of(name)) for name in EVERY]
        await until(lambda: rude.held == CONCURRENT)
        rude.release.set()
        await asyncio.wait(calls)
        for call in calls:
            call.exception()
        assert rude.most_held <= CONCURRENT
        assert len(rude.received) == len(EVERY)


# -- the end


@pytest.mark.parametrize("handshake", ["tls", "held"])
async def test_closing_ends_running_calls_and_sends_nothing_more(tmp_path: Path, handshake: str) -> None:
    with Rude(tmp_path, HeldAnswer(STARTED), handshake=handshake) as rude:
        client = client_of(rude)
        calls = [asyncio.create_task(client.power(VM, Operation.STOP)) for _ in range(6)]
        await until(lambda: rude.connections == CONCURRENT)
        if handshake == "tls":
            await until(lambda: rude.held == CONCURRENT)
        begun = len(rude.received)
        client.close()
        if handshake == "held":
            rude.release.set()
        async with asyncio.timeout(10):
            await asyncio.wait(calls)
        errors = [call.exception() for call in calls]
        if handshake == "tls":  # four were sent and may be carried out
            assert sorted(type(error).__name__ for error in errors) == ["TimedOut"] * 4 + ["Unreachable"] * 2
        else:
            assert {type(error) for error in errors} == {Unreachable}
        assert isinstance(await refusal(client.cluster()), Unreachable)
        assert len(rude.received) == begun
        client.close()
        assert isinstance(await refusal(client.status(VM)), Unreachable)
