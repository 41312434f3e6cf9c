"""Let the first of three entry points die in the middle of a hundred commands, and account for each of them."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.journal.store import SqliteJournal
from core.actions.expected_stops import ExpectedStops
from core.actions.order import Order, Plan
from core.actions.recovery import ActionRecovery
from core.actions.sender import Sender
from core.audit.record import AuditRecord, AuditStep
from core.audit.store import AuditEntry, AuditFilter
from core.audit.trail import AuditTrail
from core.clock import Clock
from core.entry_point import EntryPoint
from core.guest import Guest, Kind, State
from core.operations import Operation
from core.proxmox import Lane
from core.proxmox_errors import TimedOut
from playground.pve.network.listeners import Listener
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve
from proxmox_client import Endpoint, ProxmoxClient
from tests.adapters.proxmox.test_entry_points import LINUX
from tests.support.client_stage import PATIENCE, SECRET, client_of, sent
from tests.support.fakes import AKIKO
from tests.support.watch.at_once import at_once

COMMANDS, WORKERS = 100, 8
GUESTS = tuple(
    Guest(1000 + n, Kind.QEMU, f"pve{1 + n % 3}", State.RUNNING, f"vm{n}") for n in range(COMMANDS // 2)
)
LONGER = 1.0
"""Seconds that a command may take longer because of the death."""
SILENT_LONGER = 2.5
"""The same for a read that had arrived when all packets began to vanish: only the system's keep-alive can tell."""
RUNS = 3
"""Maximum number of runs. One with good times is enough, because a busy machine adds to them.

The other results must be right in each run.
"""

Death = Callable[[Listener], Coroutine[Any, Any, None]]


@dataclass
class Told:
    """The results of the commands. `upids`: by VMID, None if the person is told that the result is unknown."""

    seconds: dict[str, float] = field(default_factory=dict)
    upids: dict[int, str | None] = field(default_factory=dict)
    reads: int = 0

    def longest(self, kind: str) -> float:
        return max(seconds for name, seconds in self.seconds.items() if name.startswith(kind))


@contextmanager
def cluster() -> Iterator[Pve]:
    with Pve(nodes=("pve1", "pve2", "pve3")) as pve:
        for guest in GUESTS:
            pve.add_vm(guest.vmid, guest.label, node=guest.node, status="running")
        pve.give_bot(value=SECRET)
        pve.max_requests = 10_000
        pve.add_listener("pve2")
        pve.add_listener("pve3")
        for each in pve.listeners:
            each.slow = 0.02
        yield pve


def client_at(pve: Pve) -> ProxmoxClient:
    """Return a client of all addresses."""
    points = tuple(EntryPoint(each.host, each.port) for each in pve.listeners)
    return ProxmoxClient(Endpoint(points, BOT_USER, BOT_TOKEN, SECRET, Path(pve.ca_file)), Clock())


async def read(client: ProxmoxClient, guest: Guest, number: int) -> None:
    match number % 4:
        case 0:
            assert (await client.cluster()).find(guest.vmid)
        case 1:
            assert (await client.status(guest)).vmid == guest.vmid
        case 2:
            assert (await client.config(guest)).digest
        case _:
            await client.recent_tasks(guest, 5)


async def commands(pve: Pve, death: Death | None) -> Told:
    """Give a hundred commands, half of them changes, eight at once. After forty the first address dies."""
    client = client_at(pve)
    sender = Sender(client.in_lane(Lane.CHANGES), Clock())
    told, waiting = Told(), deque(range(COMMANDS))

    async def change(guest: Guest) -> None:
        try:
            _, told.upids[guest.vmid] = await sender.start(
                Plan(Order(Operation.STOP, guest.vmid, AKIKO), guest)
            )
        except TimedOut as error:
            assert error.changing, "it was sent, and no more is known"
            told.upids[guest.vmid] = None

    async def worker() -> None:
        while waiting:
            number = waiting.popleft()
            if number == 40 and death is not None:
                pve.call(death(pve.listeners[0]))
            guest, began = GUESTS[number // 2], time.monotonic()
            if number % 2:
                await change(guest)
            else:
                await read(client, guest, number // 2)
                told.reads += 1
            told.seconds[f"{'change' if number % 2 else 'read'} {number}"] = time.monotonic() - began

    try:
        await asyncio.gather(*(worker() for _ in range(WORKERS)))
        await settle(pve, client, told)
    finally:
        client.close()
    return told


async def settle(pve: Pve, client: ProxmoxClient, told: Told) -> None:
    """Look for the tasks of unknown results, as the recovery does: by reading, through another entry point."""
    for guest in GUESTS:
        if told.upids[guest.vmid] is None and received(pve)[guest.vmid]:
            async with asyncio.timeout(PATIENCE):
                while told.upids[guest.vmid] is None:
                    tasks = await client.recent_tasks(guest, 5)
                    told.upids[guest.vmid] = tasks[0].upid if tasks else None


def received(pve: Pve) -> Counter[int]:
    """Count the changes that reached the cluster, by VMID, whichever way they came in."""
    return Counter(int(path.split("/")[4]) for _, path, _ in sent(pve))


def account_for(pve: Pve, told: Told) -> None:
    """Check that no command is lost and none is sent twice."""
    assert told.reads == len(told.upids) == COMMANDS // 2
    at_cluster = received(pve)
    assert not [vmid for vmid, count in at_cluster.items() if count > 1], "sent twice"
    known = {vmid for vmid, upid in told.upids.items() if upid}
    assert known == set(at_cluster), "what was carried out is known, and nothing else is said to be"
    tasks = Counter(task["id"] for task in pve.tasks.values())
    assert {int(vmid): count for vmid, count in tasks.items()} == dict.fromkeys(known, 1)


async def compare(death: Death, most: dict[str, float]) -> None:
    longer: dict[str, float] = {}
    for _ in range(RUNS):
        found = []
        for each in (None, death):
            with cluster() as pve:
                found.append(await commands(pve, each))
                account_for(pve, found[-1])
                if each is not None:
                    others = sum(len(one.requests) for one in pve.listeners[1:])
                    assert others > COMMANDS // 2, "the others serve after the death"
        alive, dead = found
        longer = {kind: dead.longest(kind) - alive.longest(kind) for kind in most}
        if all(longer[kind] <= seconds for kind, seconds in most.items()):
            return
    pytest.fail(f"longer because of the death: {longer}")


async def test_the_first_of_three_is_killed() -> None:
    await compare(Listener.kill, {"read": LONGER, "change": LONGER})


@LINUX
async def test_the_first_of_three_loses_its_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change whose request or answer vanishes is unknown after `CHANGE_SILENCE`; that is not measured here."""
    monkeypatch.setattr("adapters.proxmox.transport.http.CHANGE_SILENCE", 1.0)
    await compare(Listener.silence, {"read": SILENT_LONGER})


class Nobody:
    """Inform nobody: the trail is what counts here."""

    async def notify(self, entry: AuditEntry) -> None:
        assert entry.record.step is AuditStep.ENDED


async def test_an_action_that_was_cut_off_is_looked_for_through_another_node(tmp_path: Path) -> None:
    """The node died with the answer, and the bot ended before it could look."""
    guest, clock = GUESTS[1], Clock()
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.open()
    trail = AuditTrail(at_once(journal), clock)
    with cluster() as pve:
        asked = AuditRecord(AuditStep.ASKED, AKIKO, Operation.STOP.value, guest.vmid, node=guest.node)
        attempt = await trail.record_first(asked)
        trail.record(replace(asked, step=AuditStep.SENDING), attempt)
        client = client_of(pve)
        upid = await client.power(guest, Operation.STOP)
        client.close()
        pve.call(pve.listeners[0].kill())

        await trail.flush()
        await trail.close_cut_off()
        several = client_at(pve)
        await ActionRecovery(several, clock, at_once(journal), trail, ExpectedStops(clock), Nobody()).run()
        several.close()
        await trail.flush()
        (found, *_), _ = journal.audit_page(AuditFilter(), 0, 1)
        assert (found.record.step, found.record.outcome) == (AuditStep.ENDED, "OK")
        assert found.record.upid == upid
        assert len(sent(pve)) == 1
    journal.close()
