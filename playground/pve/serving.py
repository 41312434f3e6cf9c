"""Start and stop the playground's Proxmox: a thread with its own event loop, and HTTPS on loopback.

Tenth layer over fakepve.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import tempfile
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import fakepve.server
from aiohttp import web, web_app

from playground.pve.network.certificates import Certificates, shared_certificates, sign_node
from playground.pve.network.listeners import Listener, port_of
from playground.pve.network.routes import WEB, SharedRoutes, add_tables
from playground.pve.node_facts import NodeFacts

setattr(fakepve.server, "web", WEB)  # noqa: B010 - mypy forbids assigning to another module's import

T = TypeVar("T")


class Transports(weakref.WeakValueDictionary[int, Any]):
    """Stand in for the loop's own table of transports, to remember every one.

    If a loop ends during the handshake of a connection, asyncio forgets that connection. A warning follows when the
    garbage collector finds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._all: weakref.WeakSet[Any] = weakref.WeakSet()

    def __setitem__(self, key: int, transport: Any) -> None:
        super().__setitem__(key, transport)
        self._all.add(transport)

    def close(self) -> None:
        """Close the connections that the loop has left open. Call this when the loop has ended."""
        for transport in self._all:
            sock, secure = transport._sock, getattr(transport._protocol, "_app_transport", None)  # noqa: SLF001  # nothing public leads to them
            if sock is not None:
                sock.close()
                transport._sock = None  # noqa: SLF001  # as its own end does
            if secure is not None:
                secure._closed = True  # noqa: SLF001  # as its own end does


PATIENCE = 180.0
"""Real seconds after which a wait fails. Ten thousand guests are added in one piece, on busy machines too."""


class Serving(NodeFacts):
    """A cluster that serves during the `with` block (or between open() and close())."""

    def __init__(
        self,
        *,
        nodes: Iterable[str] = ("pve1",),
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 1,
        old_ca: bool = False,
        version: str = "9.1.4",
    ) -> None:
        super().__init__(host, port, seed)
        self.port: int = port
        self.nodes: dict[str, dict[str, Any]] = {name: {"online": True} for name in nodes}
        self.version, self.release_version = version, ".".join(version.split(".")[:2])
        self._old_ca = old_ca
        self._certificates: Certificates | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        """Holds the certificates that only this cluster has."""
        self._signed = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.listeners: list[Listener] = []
        """The addresses of the cluster, the one of `host` and `port` first."""

    def open(self) -> Self:
        """Start serving, and return when requests are answered.

        Raises: RuntimeError if the cluster serves already, OSError if the port is taken.
        """
        if self._thread is not None:
            raise RuntimeError("already open")
        self._certificates = shared_certificates(sorted(self.nodes)[0], self.host, old_ca=self._old_ca)
        self._loop, self._transports = asyncio.new_event_loop(), Transports()
        self._loop._transports = self._transports  # type: ignore[attr-defined]  # noqa: SLF001  # see Transports
        self._thread = threading.Thread(target=self._run, name="pve", daemon=True)
        self._thread.start()
        try:
            self.call(self._serve())
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop serving, end everything that still runs, and remove the certificates that only this cluster has.

        May be called twice.
        """
        if self._loop is not None and self._thread is not None:
            if self._thread.is_alive():
                self.call(self._shut())
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join(PATIENCE)
            self._transports.close()
            self._loop.close()
            web_app._cached_build_middleware.cache_clear()  # noqa: SLF001  # it would keep this whole cluster
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

    def _register_stateful(self, router: SharedRoutes, prefixes: tuple[str, ...]) -> None:
        """Register only the JSON API. The format of Proxmox' own pages (extjs) would double the time of a start."""
        # unbound, because it is called for parts of this cluster
        register = super()._register_stateful.__func__
        add_tables(router, self, lambda part, into: register(part, into, prefixes[:1]))

    async def _serve(self) -> None:
        """Start as fakepve does, but with short grace periods.

        fakepve waits a minute for hanging requests, and half a minute for TLS at the end.
        """
        self._ending = asyncio.Event()
        self.runner = runner = web.AppRunner(self._build_app(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self.listeners = [await self._listen(self._made, self.port)]
        self.port = self.listeners[0].port

    def add_listener(self, node: str) -> Listener:
        """Serve the cluster at one more port, with a certificate of this node."""
        listener = self.call(self._listen(self._sign(node), 0))
        self.listeners.append(listener)
        return listener

    def _sign(self, node: str, days: float = 30.0, begins: float = -1.0) -> Certificates:
        """Make another certificate of a node. `begins`, `days`: days until it becomes valid, and until it ends."""
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="pve-")
        name = f"pve-ssl-{next(self._signed)}"
        return sign_node(self._made.ca_file, Path(self._directory.name), node, self.host, name, days, begins)

    async def _listen(self, made: Certificates, port: int) -> Listener:
        assert self.runner is not None  # noqa: S101 - _serve() made both
        assert self.runner.server is not None  # noqa: S101  # the same
        listener = Listener(self.runner.server, made, self.host, port)
        await listener.open()
        return listener

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        port = port_of(request.transport)
        listener = next((each for each in self.listeners if each.port == port), None)

        async def handle() -> web.StreamResponse:
            response: web.StreamResponse = await super(Serving, self)._middleware(request, handler)
            return response

        return await (listener.serve(request, handle, self._wait) if listener else handle())

    async def _shut(self) -> None:
        """Cut every connection: clients keep theirs open, and TLS would wait for their end."""
        if self._ending is not None:
            self._ending.set()
        for listener in self.listeners:
            await listener.close()
        await self.stop()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop from another thread, and return its result.

        Raises: RuntimeError before `open` or after `close`, TimeoutError, and the errors of the coroutine.
        """
        if self._loop is None:
            work.close()
            raise RuntimeError("not open")
        waiting: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return waiting.result(PATIENCE)

    def at_once(self, change: Callable[[], T]) -> T:
        """Make a change between two requests, so that no answer shows half of it."""
        if self._loop is None:
            return change()

        async def work() -> T:
            return change()

        return self.call(work())

    @property
    def ca_file(self) -> str:
        """Path of the cluster's root CA (PEM), for verify_ssl. Raises: RuntimeError before `open`."""
        return str(self._made.ca_file)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate that the first address shows at the start, `AA:BB:…`, as Proxmox shows it.

        Raises: RuntimeError before `open`.
        """
        return self._made.fingerprint

    @property
    def _made(self) -> Certificates:
        if self._certificates is None:
            raise RuntimeError("not open")
        return self._certificates
