"""Talk with a target as the bot does, and compare every answer with its form."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from adapters.proxmox.health_reads import HealthReads
from adapters.proxmox.transport.connections import ApiConnection
from adapters.proxmox.transport.responses import parse_response
from core.errors import BotError
from core.guest import Guest
from proxmox_client import ProxmoxClient
from tests.support.contract.answers import form_of
from tests.support.contract.forms import Form
from tests.support.contract.target import Facts, Host, NoHost
from tests.support.contract.wire import Exchange, Wire, client_over, reads_over

T = TypeVar("T")


class _Noting:
    """Wrap a client, and note which of its methods are used."""

    def __init__(self, client: object, calls: set[str]) -> None:
        self._client, self._calls = client, calls

    def __getattr__(self, name: str) -> Any:
        self._calls.add(name)
        return getattr(self._client, name)


@dataclass
class Talk:
    """The talk of one case with the target. `complaints`: the faults of the answers so far.

    `calls`: the methods of the bot's clients that were used.
    """

    facts: Facts
    host: Host
    wire: Wire
    forms: Mapping[tuple[str, str], Form]
    complaints: list[str] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.wire.check = self._check
        endpoint = self.facts.endpoint
        self.bot = cast(ProxmoxClient, _Noting(client_over(endpoint, self.wire), self.calls))
        self.health = cast(HealthReads, _Noting(reads_over(endpoint, self.wire), self.calls))

    def guest(self, vmid: int) -> Guest:
        return self.facts.guest(vmid)

    def _check(self, exchange: Exchange) -> None:
        self.complaints += complaints_of(exchange, self.forms)

    def data(self) -> Any:
        """Return the data of the last answer, as it came."""
        return json.loads(bytes(self.wire.done[-1].response.body))["data"]

    def words(self, status: int) -> str:
        """Return the message of the last refusal, and its texts about single parameters.

        Raises: AssertionError, if the last answer has another status.
        """
        assert self.wire.done[-1].response.status == status
        found = parse_response(self.wire.done[-1].response)
        assert found is not None
        return " ".join([found.message, *(f"{name}: {text}" for name, text in found.fields.items())]).strip()

    async def until(self, read: Callable[[], Awaitable[T]], fits: Callable[[T], object]) -> T:
        """Read until the answer fits. Proxmox broadcasts some things only every ten seconds, or once a minute."""
        ends = time.monotonic() + self.facts.patience
        while not fits(found := await read()):
            assert time.monotonic() < ends, f"not within {self.facts.patience} s: {found}"
            await asyncio.sleep(self.facts.pause)
        return found

    async def end_of(self, upid: str) -> str:
        """Follow a task and return its exit text."""
        status = await self.until(lambda: self.bot.task_status(upid), lambda status: not status.running)
        assert status.exit is not None
        return status.exit

    async def done(self, call: Awaitable[str | None]) -> None:
        """Await a change and the end of its task, which must be good."""
        upid = await call
        if upid is not None:
            end = await self.end_of(upid)
            assert end == "OK" or end.startswith("WARNINGS: "), end

    async def refused(self, call: Awaitable[object], status: int = 500) -> tuple[BotError | None, str]:
        """Return the bot's error and Proxmox' words for a call that Proxmox refuses with this status.

        If only its task fails, the error is None and the words are the task's exit text.
        Raises: AssertionError, if nothing is refused.
        """
        try:
            answer = await call
        except BotError as error:
            return error, self.words(status)
        assert isinstance(answer, str), answer
        end = await self.end_of(answer)
        assert end != "OK", "it was not refused"
        return None, end

    def as_other(self, secret: str) -> ProxmoxClient:
        """Return a client whose token has another secret. Its exchanges are kept with the others."""
        endpoint = replace(self.facts.endpoint, token_value=secret)
        live = self.wire.connection is not None
        connection = ApiConnection(endpoint, endpoint.entry_points[0]) if live else None
        return client_over(endpoint, replace(self.wire, connection=connection))


Run = Callable[[Talk], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """A part of the contract. `needs_play`: only the playground can play it, not a real Proxmox in a container."""

    name: str
    run: Run
    needs_play: bool = False


def complaints_of(exchange: Exchange, forms: Mapping[tuple[str, str], Form]) -> list[str]:
    """Return the faults in the form of an answer. A refusal has no form: its case checks the words."""
    place = f"{exchange.method} {exchange.path}"
    found = parse_response(exchange.response)
    if found is None:
        return [f"{place}: no answer of Proxmox"]
    if found.refused:
        return (
            [] if found.message or exchange.response.status == 401 else [f"{place}: a refusal without words"]
        )
    form = form_of(exchange, forms)
    return [f"{place}: no form"] if form is None else list(form.check(found.data, place, exchange.when))


def talk_over(facts: Facts, forms: Mapping[tuple[str, str], Form], kept: Sequence[Exchange]) -> Talk:
    """Return a talk that replays the kept answers."""
    return Talk(replace(facts, pause=0.0, patience=1e9), NoHost(), Wire(None, kept), forms)


async def replay(
    case: Case, facts: Facts, forms: Mapping[tuple[str, str], Form], kept: Sequence[Exchange]
) -> list[str]:
    """Run a case over kept answers, and return its complaints."""
    talk = talk_over(facts, forms, kept)
    await case.run(talk)
    if len(talk.wire.done) != len(kept):
        talk.complaints.append(f"{len(talk.wire.done)} requests instead of {len(kept)}")
    return talk.complaints
