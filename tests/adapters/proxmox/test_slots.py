"""Test that requests to Proxmox are sent in turns: one person, node or guest agent never holds up everybody."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from dataclasses import replace

import pytest

from adapters.proxmox.transport import slots
from adapters.proxmox.transport.slots import HANGING_MOST, LATE_MOST, SLOTS, RequestSlots
from core.guest import Guest
from core.proxmox import Lane, asker
from core.proxmox_errors import QueueFull
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import CT, VM, refusal, until

pve, client = client_stage.pve, client_stage.client

AKIKO, EMMA = 1, 2
IN_TIME = 10.0
"""Seconds for an undelayed call on a busy machine. A call that hangs holds its place for longer."""


class Turns:
    """Ask for slots as several people, and note who got one, in this order."""

    def __init__(self) -> None:
        self.slots, self.given = RequestSlots(), list[str]()
        self.held: dict[str, Callable[[], None]] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def ask(self, name: str, person: int | None, lane: Lane = Lane.READS, **about: object) -> None:
        async def wait() -> None:
            give_back = await self.slots.acquire(lane, **about)  # type: ignore[arg-type]  # keywords of acquire
            self.given.append(name)
            self.held[name] = give_back

        context = copy_context()
        context.run(asker.set, person)
        self.tasks[name] = asyncio.get_running_loop().create_task(wait(), context=context)

    async def end(self, name: str) -> None:
        self.held.pop(name)()
        await settled()

    async def end_all(self) -> None:
        while self.held:
            await self.end(next(iter(self.held)))


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def quickly_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LATE_SECONDS", 0.05)


async def test_people_take_turns() -> None:
    turns = Turns()
    for at in range(40):
        turns.ask(f"akiko {at}", AKIKO)
    await settled()
    turns.ask("emma 0", EMMA)
    turns.ask("emma 1", EMMA)
    await settled()
    assert turns.given == [f"akiko {at}" for at in range(SLOTS[Lane.READS])]
    for at in range(4):
        await turns.end(f"akiko {at}")
    assert turns.given[4:] == ["akiko 4", "emma 0", "akiko 5", "emma 1"]
    await turns.end_all()
    assert turns.given[8:] == [f"akiko {at}" for at in range(6, 40)]


async def test_the_bot_itself_waits_like_one_person() -> None:
    """The checks of interrupted actions must not hold up a person's change."""
    turns = Turns()
    for lane in (Lane.CHANGES, Lane.READS):
        for at in range(4):
            turns.ask(f"{lane} {at}", None, lane)
    for at in range(8):
        turns.ask(f"check {at}", None, Lane.CHANGES)
    turns.ask("change", AKIKO, Lane.CHANGES)
    await settled()
    first = len(turns.given)
    for name in list(turns.held):
        await turns.end(name)
    assert "change" in turns.given[first : first + 2 + SLOTS[Lane.READS]]


async def test_a_person_has_a_limited_number_of_waiting_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "PERSON_PLACES", 5)
    monkeypatch.setattr(slots, "PLACES", 8)
    turns, most = Turns(), SLOTS[Lane.READS] + 5
    for at in range(most):
        turns.ask(f"akiko {at}", AKIKO)
        await settled()
    turns.ask("too many", AKIKO)
    for at in range(3):
        turns.ask(f"emma {at}", EMMA)
    await settled()
    turns.ask("beyond all", None)
    await settled()
    for refused in ("too many", "beyond all"):
        assert isinstance(turns.tasks[refused].exception(), QueueFull)
    await turns.end_all()
    assert len(turns.given) == most + 3, "everybody else was served"
    turns.ask("later", AKIKO)
    await settled()
    assert turns.given[-1] == "later"


async def test_a_caller_can_leave_the_queue_at_any_moment() -> None:
    turns = Turns()
    for at in range(6):
        turns.ask(f"akiko {at}", AKIKO)
    await settled()
    turns.tasks["akiko 4"].cancel()
    await settled()
    turns.held.pop("akiko 0")()  # grants a slot to the next one, which is cancelled before it runs
    turns.tasks["akiko 5"].cancel()
    await settled()
    assert turns.given == [f"akiko {at}" for at in range(4)]
    turns.ask("emma", EMMA)
    turns.ask("gone", AKIKO)
    turns.ask("ken", 3)
    await settled()
    assert turns.given[-1] == "emma", "no slot was lost"
    turns.tasks["gone"].cancel()
    turns.held.pop("akiko 1")()  # at the same moment
    await settled()
    assert turns.given[-1] == "ken"


async def test_a_request_begins_at_the_moment_another_ends() -> None:
    """It does not wait until its task gets its turn: Proxmox would have nothing to do until then."""
    turns, begun = Turns(), list[Callable[[], None]]()
    for at in range(SLOTS[Lane.READS]):
        turns.ask(f"akiko {at}", AKIKO)
    turns.ask("next", AKIKO, begin=begun.append)
    await settled()
    turns.held.pop("akiko 0")()
    assert len(begun) == 1
    turns.tasks["next"].cancel()
    turns.ask("last", EMMA)
    await settled()
    assert "last" not in turns.given, "what has begun keeps its slot when its caller gives up"
    begun[0]()
    await settled()
    assert turns.given[-1] == "last"
    turns.ask("one more", EMMA)
    begun[0]()
    await settled()
    assert "one more" not in turns.given, "a slot is given back once"


async def test_requests_that_may_hang_are_not_left_for_the_end() -> None:
    """Only two per node run at once. If all of them came last, the other slots would be idle then."""
    turns = Turns()
    for at in range(SLOTS[Lane.READS]):
        turns.ask(f"akiko {at}", AKIKO)
    for name, may_hang in (("a", False), ("b", False), ("c", False), ("agent 1", True), ("agent 2", True)):
        turns.ask(name, EMMA, node="pve1", may_hang=may_hang)
    await settled()
    await turns.end_all()
    assert turns.given[-5:] == ["a", "agent 1", "b", "agent 2", "c"]


# -- what hangs


@contextlib.contextmanager
def hanging(pve: Pve, part: str) -> Iterator[None]:
    pve.hang(part, 30.0)
    try:
        yield
    finally:
        pve.hang(part, 0)


def about(pve: Pve, part: str) -> int:
    return sum(part in path for _, path, _ in list(pve.requests))


async def ended(client: ProxmoxClient, *calls: Awaitable[object]) -> None:
    """Cut the calls that still hang."""
    client.close()
    await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize(("guest", "part"), [(VM, "/agent/"), (CT, "/interfaces")], ids=["qemu", "lxc"])
@pytest.mark.usefixtures("quickly_late")
async def test_a_hung_agent_holds_up_nothing_else(
    pve: Pve, client: ProxmoxClient, guest: Guest, part: str
) -> None:
    with hanging(pve, part):
        asked = [asyncio.create_task(client.addresses(guest)) for _ in range(20)]
        await until(lambda: about(pve, part) == HANGING_MOST)
        async with asyncio.timeout(IN_TIME):
            await asyncio.gather(*(client.config(guest) for _ in range(20)))
        assert about(pve, part) == HANGING_MOST, "more would block the node's pvedaemon"
        with hanging(pve, "/config"):
            more = [asyncio.create_task(client.config(guest)) for _ in range(20)]
            await until(lambda: pve.in_flight >= HANGING_MOST + SLOTS[Lane.READS])  # they hold no slots
        assert not any(call.done() for call in asked)
        await ended(client, *asked, *more)


@pytest.mark.usefixtures("quickly_late")
async def test_a_hung_node_holds_up_only_requests_about_it(pve: Pve, client: ProxmoxClient) -> None:
    away = replace(VM, node="pve2", vmid=101)
    with hanging(pve, "/nodes/pve2/"):
        asked = [asyncio.create_task(client.config(away)) for _ in range(20)]
        # one more begins once the first is late
        await until(lambda: about(pve, "/nodes/pve2/") >= SLOTS[Lane.READS])
        async with asyncio.timeout(IN_TIME):
            await asyncio.gather(*(client.config(VM) for _ in range(20)))
            asked += [asyncio.create_task(client.in_lane(Lane.CHANGES).config(away)) for _ in range(2)]
            await client.in_lane(Lane.CHANGES).config(VM)
        assert about(pve, "/nodes/pve2/") <= SLOTS[Lane.READS] + HANGING_MOST + 2
        await ended(client, *asked)


@pytest.mark.usefixtures("quickly_late")
async def test_a_limited_number_of_requests_runs_late() -> None:
    turns = Turns()
    most = LATE_MOST + SLOTS[Lane.READS]
    for at in range(most + 5):
        turns.ask(f"read {at}", AKIKO, node=f"pve{at}")
    await until(lambda: len(turns.given) == most)
    await asyncio.sleep(0.2)
    assert len(turns.given) == most
    await turns.end("read 0")
    assert len(turns.given) == most + 1
    await turns.end_all()
    await until(lambda: len(turns.given) == most + 5)


async def test_requests_without_a_place_are_not_sent(
    pve: Pve, client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PERSON_PLACES", 0)
    assert isinstance(await refusal(client.config(VM)), QueueFull)
    assert pve.requests == []


class Answer:
    """Something big."""


async def test_an_answer_is_freed_when_its_call_has_ended(
    client: ProxmoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of a large cluster must not wait for a full garbage collection."""
    monkeypatch.setattr("adapters.proxmox.client_reads.parse_config", lambda *_: Answer())
    gc.disable()
    try:
        answer = weakref.ref(await client.config(VM))
        async with asyncio.timeout(60):
            while answer() is not None:  # noqa: ASYNC110  # the thread of the call drops it later
                await asyncio.sleep(0.005)
    finally:
        gc.enable()
