"""Run the real `ProxmoxClient` over real proxmoxer and HTTPS, against Pve or a server that misbehaves byte by byte.

A test module takes the fixtures by assignment: `pve, client = client_stage.pve, client_stage.client`. All
requests of a test that uses the `pve` fixture are checked against `tests/support/pve_contract.py` at its end.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest

from core.clock import Clock
from core.entry_point import EntryPoint
from core.errors import BotError
from core.guest import Guest, Kind, State, Storage
from core.operations import Operation
from core.proxmox import Period
from playground.pve.network.certificates import make_certificates
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve
from proxmox_client import Endpoint, ProxmoxClient
from tests.support.catalogue import ACTION
from tests.support.pve_contract import complaints

PATIENCE = 60.0
"""Real seconds to wait before a test fails."""
SECRET = "5ec4e7-0f-7he-b07-70ken"

VM = Guest(100, Kind.QEMU, "pve1", State.RUNNING, "web01")
VM_STOPPED = Guest(101, Kind.QEMU, "pve2", State.STOPPED, "db01")
VM_TEMPLATE = Guest(900, Kind.QEMU, "pve1", State.STOPPED, "debian13", template=True)
CT = Guest(200, Kind.LXC, "pve1", State.RUNNING, "dns")
CT_STOPPED = Guest(201, Kind.LXC, "pve1", State.STOPPED, "proxy")
CT_TEMPLATE = Guest(901, Kind.LXC, "pve1", State.STOPPED, "alpine", template=True)

BOTH = pytest.mark.parametrize("guest", [VM, CT], ids=["qemu", "lxc"])
TEMPLATES = pytest.mark.parametrize("template", [VM_TEMPLATE, CT_TEMPLATE], ids=["qemu", "lxc"])

UPID = "UPID:pve1:0000A1B2:00C3D4E5:6716F2A0:qmstart:100:discordbot@pve!bot:"
_Call = Callable[[ProxmoxClient, Guest], Awaitable[Any]]

READS: dict[str, _Call] = {
    "cluster": lambda client, _guest: client.cluster(),
    "status": lambda client, guest: client.status(guest),
    "config": lambda client, guest: client.config(guest),
    "pending": lambda client, guest: client.pending(guest),
    "config_with_pending": lambda client, guest: client.config_with_pending(guest),
    "snapshots": lambda client, guest: client.snapshots(guest),
    "snapshot_config": lambda client, guest: client.snapshot_config(guest, "before"),
    "can_snapshot": lambda client, guest: client.can_snapshot(guest),
    "backups": lambda client, guest: client.backups(guest),
    "addresses": lambda client, guest: client.addresses(guest),
    "file_systems": lambda client, guest: client.file_systems(replace(guest, kind=Kind.QEMU)),
    "guest_history": lambda client, guest: client.guest_history(guest, Period.DAY),
    "node_history": lambda client, guest: client.node_history(guest.node, Period.YEAR),
    "recent_tasks": lambda client, guest: client.recent_tasks(guest, 3),
    "node_status": lambda client, _guest: client.node_status("pve1"),
    "ha_status": lambda client, _guest: client.ha_status(),
    "storage_history": lambda client, _guest: client.storage_history(Storage("local", "pve1", False, True)),
    "cluster_tasks": lambda client, _guest: client.cluster_tasks(),
    "node_tasks": lambda client, _guest: client.node_tasks("pve1", 1_790_000_000),
    "failed_backups": lambda client, _guest: client.failed_backups("pve1", 1_790_000_000),
    "next_id": lambda client, _guest: client.next_id(),
    "task_status": lambda client, _guest: client.task_status(UPID),
    "task_log": lambda client, _guest: client.task_log(UPID, 0, 20),
}
"""Every method that only reads."""


def _power(operation: Operation) -> _Call:
    return lambda client, guest: client.power(guest, operation)


CHANGES: dict[str, _Call] = {
    **{
        each.value: _power(each)
        for each, action in ACTION.items()
        if action.power and set(Kind) == set(action.tasks)
    },
    "clone": lambda client, guest: client.clone(guest, 120, "new", target="pve1", full=True),
    "resize": lambda client, guest: client.resize(guest, 4, 1024, "a" * 40),
    "snapshot_create": lambda client, guest: client.snapshot_create(
        guest, "before", "why\nand what", guest.kind is Kind.QEMU
    ),
    "snapshot_rollback": lambda client, guest: client.snapshot_rollback(guest, "before"),
    "snapshot_delete": lambda client, guest: client.snapshot_delete(guest, "before"),
    "delete": lambda client, guest: client.delete(guest),
}
"""Every change that both kinds of guest have, with all options."""
VM_CHANGES: dict[str, _Call] = {
    each.value: _power(each)
    for each, action in ACTION.items()
    if action.power and set(action.tasks) == {Kind.QEMU}
}
"""Every change that only VMs have."""
EVERY = READS | CHANGES
"""Every method, without the changes that only VMs have."""


def changes_of(guest: Guest) -> dict[str, _Call]:
    return CHANGES | VM_CHANGES if guest.kind is Kind.QEMU else CHANGES


def some_of(calls: dict[str, _Call], number: int, deep: bool) -> dict[str, _Call]:
    """Return every fourth of the calls, beginning with the one at `number` modulo 4. `deep`: return all."""
    return calls if deep else dict(list(calls.items())[number % 4 :: 4])


def client_of(server: "Pve | Rude", secret: str = SECRET, **changes: Any) -> ProxmoxClient:
    """Return a client that trusts this server's CA. `changes` override fields of `EntryPoint` and `Endpoint`."""
    of_point = {name: changes.pop(name) for name in ("host", "port", "fingerprint") if name in changes}
    address = replace(EntryPoint(server.host, server.port), **of_point)
    end = Endpoint((address,), BOT_USER, BOT_TOKEN, secret, Path(server.ca_file))
    return ProxmoxClient(replace(end, **changes), Clock())


def fill(pve: Pve) -> None:
    """Add the guests named above, and the bot's token."""
    config = {"cores": 2, "memory": "2048", "agent": "1"}
    pve.add_vm(VM.vmid, VM.label, node=VM.node, status="running", config=config)
    pve.add_vm(VM_STOPPED.vmid, VM_STOPPED.label, node=VM_STOPPED.node)
    pve.add_vm(VM_TEMPLATE.vmid, VM_TEMPLATE.label, node=VM_TEMPLATE.node, template=True)
    pve.add_ct(CT.vmid, CT.label, node=CT.node, status="running")
    pve.add_ct(CT_STOPPED.vmid, CT_STOPPED.label, node=CT_STOPPED.node)
    pve.add_ct(CT_TEMPLATE.vmid, CT_TEMPLATE.label, node=CT_TEMPLATE.node, template=True)
    pve.give_bot(value=SECRET)


@contextlib.contextmanager
def opened(**options: Any) -> Iterator[Pve]:
    """Run a cluster with these guests, and check all requests against the contract at the end."""
    with Pve(nodes=("pve1", "pve2"), **options) as made:
        fill(made)
        yield made
        assert [complaint for sent in made.requests for complaint in complaints(*sent)] == []


@pytest.fixture
def pve() -> Iterator[Pve]:
    with opened() as made:
        yield made


@pytest.fixture
def client(pve: Pve) -> ProxmoxClient:
    return client_of(pve)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set time-outs to a fraction of a second."""
    for name in ("CONNECT_SECONDS", "READ_SECONDS", "CHANGE_SECONDS"):
        monkeypatch.setattr(f"adapters.proxmox.transport.http.{name}", 0.4)


async def refusal(call: Awaitable[object]) -> BotError:
    """Return the error that a call raises."""
    with pytest.raises(BotError) as caught:
        await call
    return caught.value


def one_thread() -> None:
    """Make all calls from one thread, so that they share its connection."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s"
        await asyncio.sleep(0.005)


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s"
        time.sleep(0.005)


def sent(pve: Pve, method: str = "POST") -> list[tuple[str, str, dict[str, Any]]]:
    return [request for request in pve.requests if request[0] == method]


# -- the server that misbehaves


def answer(body: str | bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    """Build an HTTP answer."""
    raw = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(raw)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + raw


EMPTY_LIST = answer('{"data":[]}')
STARTED = answer(f'{{"data":"{UPID}"}}')


@dataclass(frozen=True)
class Cut:
    """Close the connection after sending `first`.

    `reset`: close it with a TCP reset, without the end message of TLS.
    """

    first: bytes = b""
    reset: bool = False


@dataclass(frozen=True)
class HeldAnswer:
    """Hold the request until `Rude.release` is set, then answer."""

    then: bytes


@dataclass(frozen=True)
class Drip:
    """Send the first `at_once` bytes, then one byte every `seconds` until `Rude.release` is set."""

    whole: bytes
    seconds: float
    at_once: int = 0


ServerStep = bytes | Cut | HeldAnswer | Drip


class Rude:
    """Run a TLS server that handles its requests as `steps` say, one step each. The last step repeats forever.

    `handshake`: `tls`: normal; `cut`: close during the handshake; `plain`: HTTP without TLS; `held`: wait for
    `release`; `drip`: send one byte every 0.25 seconds.
    `received`: the complete requests.
    `raw`: every byte of requests received, also of those cut short.
    `held`, `most_held`: how many requests `HeldAnswer` holds now, and at most held at once.
    """

    def __init__(self, directory: Path, *steps: ServerStep, handshake: str = "tls") -> None:
        self.steps: list[ServerStep] = list(steps) or [EMPTY_LIST]
        self.handshake = handshake
        self.release = threading.Event()
        self.received: list[str] = []
        self.raw = bytearray()
        self.connections = 0
        self.held = self.most_held = 0
        self._lock = threading.Lock()
        directory.mkdir(exist_ok=True)
        made = make_certificates(directory, "pve1", "127.0.0.1")
        self.ca_file, self.fingerprint = str(made.ca_file), made.fingerprint
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(made.cert_file, made.key_file)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = "127.0.0.1"
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def serving(self) -> list[threading.Thread]:
        """Return the thread of each connection. It ends with the connection."""
        return self._threads[1:]

    @property
    def asked(self) -> list[str]:
        """Return the method and the path of each complete request."""
        return [" ".join(request.split(" ", 2)[:2]).replace("/api2/json", "") for request in self.received]

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self.handshake == "cut":
                connection.recv(16)
                return
            if self.handshake == "plain":
                connection.recv(65536)
                connection.sendall(answer("<html>", "400 Bad Request", kind="text/html"))
                return
            if self.handshake == "held":
                self.release.wait(PATIENCE)
            if self.handshake == "drip":
                self._drip_handshake(connection)
                return
            with self._context.wrap_socket(connection, server_side=True) as secure:
                self._open.append(secure)
                while self._one(secure):
                    pass

    def _drip_handshake(self, connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = self._context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            secure.do_handshake()
        for byte in outgoing.read():
            connection.sendall(bytes([byte]))
            if self.release.wait(0.25):
                return

    def _one(self, secure: ssl.SSLSocket) -> bool:
        """Handle one request. Return whether the connection stays open."""
        whole = b""
        while b"\r\n\r\n" not in whole or len(whole.partition(b"\r\n\r\n")[2]) < _length(whole):
            read = secure.recv(65536)
            if not read:
                return False
            self.raw += read
            whole += read
        with self._lock:
            self.received.append(whole.decode())
            step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Cut):
            if step.first:
                secure.sendall(step.first)
            if step.reset:
                secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if isinstance(step, HeldAnswer):
            with self._lock:
                self.held += 1
                self.most_held = max(self.most_held, self.held)
            self.release.wait(PATIENCE)
            with self._lock:
                self.held -= 1
            step = step.then
        if isinstance(step, Drip):
            secure.sendall(step.whole[: step.at_once])
            for at in range(step.at_once, len(step.whole)):
                secure.sendall(step.whole[at : at + 1])
                if self.release.wait(step.seconds):
                    return False
            return True
        secure.sendall(step)
        return True


def _length(request: bytes) -> int:
    for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def with_every_method(
    client: ProxmoxClient, calls: dict[str, _Call], guests: Sequence[Guest] = (VM, CT)
) -> dict[str, object]:
    """Call each method with each guest. Return the results or errors by `method kind`."""
    found: dict[str, object] = {}
    for name, call in calls.items():
        for guest in guests:
            try:
                found[f"{name} {guest.kind}"] = await call(client, guest)
            except Exception as error:  # noqa: BLE001 - the error is the result
                found[f"{name} {guest.kind}"] = error
    return found
