"""A truthful Proxmox VE cluster on loopback, for tests and for the demo.

fakepve speaks Proxmox' API over HTTPS but is untrue in places that would mislead a bot. `Pve` corrects them in
layers: pve_http (rights, parameters, trouble), pve_tasks, pve_config, pve_power, pve_guests, pve_metrics,
pve_resources; this file starts and stops it and
plays the scenarios. It runs on a thread with its own event loop, so synchronous and asynchronous tests use it alike:

    with Pve(nodes=("pve1", "pve2")) as pve:
        secret = pve.give_bot()
        pve.add_vm(100, "web01", node="pve1", status="running")
        api = ProxmoxAPI(pve.host, port=pve.port, user="discordbot@pve", token_name="bot", token_value=secret,
                         verify_ssl=pve.ca_file)

With `time_scale` 0 (the default) every task has ended when its request is answered, unless next_task() says
otherwise; 1 is real time. Guests, tasks and faults may be changed from any thread while it runs.

From fakepve itself: add_vm, add_ct, add_node, grant, fail(method, path_end, status, message, times=…), backup,
snapshot_lock, unlock, hold_config_lock, lose_quorum, regain_quorum, slow_network, flaky_network, time_scale.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import ssl
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from playground.pve_certs import Certificates, make_certificates
from playground.pve_plan import TaskPlan
from playground.pve_resources import ResourceTruth

__all__ = ["BOT_PRIVILEGES", "BOT_TOKEN", "BOT_USER", "Pve", "TaskPlan"]

T = TypeVar("T")

BOT_USER = "discordbot@pve"
BOT_TOKEN = "bot"
# The bot's privileges, as its README tells people to grant them (both roles; a test compares).
BOT_PRIVILEGES = (
    "VM.Audit",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Clone",
    "VM.Allocate",
    "VM.Config.CPU",
    "VM.Config.Memory",
    "VM.GuestAgent.Audit",
    "Datastore.AllocateSpace",
    "SDN.Use",
)
PATIENCE = 15.0


class Pve(ResourceTruth):
    """A cluster that serves while the `with` block (or open() … close()) lasts.

    host, port: where it listens; port 0 takes a free one, known after open(). seed: the guests' habits.
    old_ca: the root CA has no keyUsage, as on clusters installed before 2026-03.
    """

    def __init__(
        self,
        *,
        nodes: Iterable[str] = ("pve1",),
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 1,
        old_ca: bool = False,
    ) -> None:
        super().__init__(host, port, seed)
        self.port: int = port
        self.nodes = {name: {"online": True} for name in nodes}
        self.version, self.release_version = "9.1.4", "9.1"
        self._old_ca = old_ca
        self._certificates: Certificates | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None

    # ------------------------------------------------------------ lifecycle

    def open(self) -> Self:
        """Start serving; returns when requests are answered."""
        if self._thread is not None:
            raise RuntimeError("already open")
        self._directory = tempfile.TemporaryDirectory(prefix="pve-")
        self._certificates = make_certificates(
            Path(self._directory.name), sorted(self.nodes)[0], self.host, old_ca=self._old_ca
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="pve", daemon=True)
        self._thread.start()
        try:
            self.call(self.start(str(self._certificates.cert_file), str(self._certificates.key_file)))
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop serving, end what still runs, remove the certificates. May be called twice."""
        if self._loop is not None and self._thread is not None:
            if self._thread.is_alive():
                self.call(self._shut())
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join(PATIENCE)
            self._loop.close()
        self._loop = self._thread = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        assert self._loop is not None  # noqa: S101 - set by open() before the thread starts
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def start(self, certfile: str, keyfile: str) -> None:
        """fakepve's start, but without a minute's grace for hanging requests and half a one for TLS at the end."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certfile, keyfile)
        self._closing = asyncio.Event()
        self.runner = runner = web.AppRunner(self._build_app(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        assert runner.server is not None  # noqa: S101 - setup() made it
        self._server = await asyncio.get_running_loop().create_server(
            runner.server, self.host, self.port, ssl=context, ssl_shutdown_timeout=0.2
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        """Cut every connection: clients keep theirs open, and TLS would wait for their farewell."""
        if self._closing is not None:
            self._closing.set()
        serving = self.runner.server if self.runner else None
        open_ones = [handler.transport for handler in serving.connections] if serving else []
        if self._server is not None:
            self._server.close()
        await self.stop()
        for transport in open_ones:
            if transport is not None:
                transport.abort()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop from another thread and wait for its result."""
        if self._loop is None:
            work.close()
            raise RuntimeError("not open")
        waiting: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return waiting.result(PATIENCE)

    @property
    def ca_file(self) -> str:
        """Path of the cluster's root CA (PEM), for verify_ssl."""
        return str(self._made.ca_file)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the node's certificate, `AA:BB:…`, as Proxmox shows it."""
        return self._made.fingerprint

    @property
    def _made(self) -> Certificates:
        if self._certificates is None:
            raise RuntimeError("not open")
        return self._certificates

    # --------------------------------------------------------------- rights

    def give_bot(
        self,
        user: str = BOT_USER,
        token: str = BOT_TOKEN,
        value: str | None = None,
        *,
        privileges: Iterable[str] = BOT_PRIVILEGES,
        path: str = "/",
        privsep: bool = True,
    ) -> str:
        """Make a user and a token with the bot's least-privilege rights on `path`; returns the token's secret.

        With privilege separation (Proxmox' default) user and token both get the ACL. May be called again for
        other tokens; from the first call on, nobody but root@pam has rights without an ACL.
        """
        value = value or secrets.token_hex(16)
        tokenid = f"{user}!{token}"
        self.apitokens[tokenid] = value
        self.grant(user, path, *privileges)
        if privsep:
            self.grant(tokenid, path, *privileges)
        else:
            self.full_tokens.add(tokenid)
        return value

    # ------------------------------------------------------------ scenarios

    def move_guest(self, vmid: int, node: str) -> None:
        """The guest lives on another node from now on, as after a migration or an HA recovery."""
        self.nodes.setdefault(node, {"online": True})
        self.guest(vmid).node = node

    def crash(self, vmid: int) -> None:
        """The guest stops by itself: no task, no request."""
        guest = self.guest(vmid)
        self._seen(guest)
        guest.status = "stopped"
        if guest.guest.startswith("qemu/"):
            guest.qmpstatus = "stopped"
        else:
            guest.pid = None
        self._seen(guest)

    def revive(self, vmid: int) -> None:
        """The guest runs again, without a task."""
        guest = self.guest(vmid)
        guest.status, guest.started_at = "running", time.time()
        if guest.guest.startswith("qemu/"):
            guest.qmpstatus = "running"

    def pause_vm(self, vmid: int) -> None:
        """A running QEMU VM is paused: status `running`, qmpstatus (and /cluster/resources) `paused`."""
        self.vm(vmid).qmpstatus = "paused"

    def node_offline(self, name: str, *, expired: bool = False) -> None:
        """Requests for the node get 595. Its guests still look as before, for Proxmox forgets a node's broadcasts
        only after 300 s; with `expired` they are `unknown` and have neither name nor use."""
        self.set_node_offline(name)
        if expired:
            self.expired_nodes.add(name)

    def node_online(self, name: str) -> None:
        """Undo node_offline()."""
        self.set_node_offline(name, False)
        self.expired_nodes.discard(name)

    def full_storage(self, name: str) -> None:
        """Nothing more fits on the storage: clones and snapshots end in a task error."""
        self.storages[name]["avail"] = 0

    def start_as_root(self, vmid: int) -> str:
        """Start a guest with a task of root@pam, as another administrator would; returns the UPID."""
        vm, ct = self.vm(vmid), self.ct(vmid)
        if vm is not None:
            return str(self.call(self._do_start(vm, "root@pam", {})))
        return str(self.call(self._lxc_start("root@pam", {"node": ct.node, "vmid": vmid})))

    def ha_round(self) -> None:
        """The HA manager carries out what was asked of it while ha_held was True."""
        waiting, self._ha_waiting = self._ha_waiting, []

        async def act() -> None:
            for step in waiting:
                await step()

        self.call(act())
