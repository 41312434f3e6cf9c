"""Set up TLS to the Proxmox API as configured, with sockets that can be shut while threads wait on them.

Only this file imports urllib3. requests is imported here, in adapters/proxmox/transport/exchange.py, in
adapters/proxmox/transport/connections.py and, first of all, in adapters/proxmox/transport/lean_requests.py.
"""

import errno
import functools
import hashlib
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from adapters.proxmox.transport.responses import TooLarge
from core.proxmox_errors import ProxmoxError, TimedOut, Unreachable

CHUNK = 65536
"""Bytes of a body that are read and unpacked at a time."""


class Sockets:
    """Hold the connection of one session, to cut it while a thread waits on it. A thread cannot be cancelled.

    The connection is held by a second descriptor, because the first is out of reach during the TLS handshake. The
    first is also out of reach while a body is read, if the server is to close the connection after the body.
    """

    def __init__(self) -> None:
        self._handle: int | None = None
        """A bare number: the garbage collector might close a socket object before `__del__` is called here."""
        self._connection: HTTPSConnection | None = None
        self._lock = threading.Lock()
        self.is_shut = False
        self.established = False
        """Whether TLS was established on the latest connection. A request may have been sent then."""
        self.is_kept = False
        """Whether the latest request went over a connection of an earlier one."""
        self.silence: float | None = None
        """Seconds without a sign of life from the other side after which a request fails. None: no such limit."""

    def start_request(self) -> None:
        """Note whether the next request finds an open connection, and apply `silence` to it."""
        with self._lock:
            self.is_kept = self._connection is not None and self._connection.sock is not None
            self.established = self.established and self.is_kept
            self._limit_silence()

    def start_connection(self) -> None:
        """Note that a new connection is being made."""
        with self._lock:
            self.established = self.is_kept = False

    def on_established(self) -> None:
        """Note that TLS is established: from now on something may be sent.

        Raises: ConnectionAbortedError after `shut` or `give_up`.
        """
        with self._lock:
            if self.is_shut:
                raise ConnectionAbortedError("the time is over, or the client is closed")
            self.established = True

    def give_up(self) -> bool:
        """Cut the connection for good unless it is established, and return whether it was cut.

        If it was cut, nothing has been sent, and nothing will be.
        """
        with self._lock:
            if self.established:
                return False
            self.is_shut = True
            self._drop(cut=True)
            return True

    def add(self, plain: socket.socket, connection: HTTPSConnection | None = None) -> None:
        """Register a connection before anything is sent on it.

        Raises: ConnectionAbortedError after `shut` or `give_up`, OSError if no further file can be opened.
        """
        with self._lock:
            self._drop()
            if self.is_shut:
                raise ConnectionAbortedError("the time is over, or the client is closed")
            self._handle, self._connection = plain.dup().detach(), connection
            self._limit_silence()

    def tidy(self) -> None:
        """Cut the connection after a request if it was closed or never established.

        Its descriptor may still be held elsewhere, for example by an exception that is not collected yet. The
        cut ends the connection all the same.
        """
        with self._lock:
            if self._connection is None or self._connection.sock is None:
                self._drop(cut=True)

    def shut(self) -> None:
        """Cut the connection for good. Every reader and writer fails at once."""
        with self._lock:
            self.is_shut = True
            self._drop(cut=True)

    def __del__(self) -> None:
        self._drop()

    def _limit_silence(self) -> None:
        """Let the system end the connection when the other side acknowledges nothing, as after a power cut.

        Works only on Linux. Elsewhere the deadline of the call ends it.
        """
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if self.silence is None or self._handle is None or option is None:
            return
        with socket.socket(fileno=self._handle) as handle:
            with suppress(OSError):
                handle.setsockopt(socket.IPPROTO_TCP, option, int(self.silence * 1000))
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
                handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            handle.detach()

    def _drop(self, *, cut: bool = False) -> None:
        if self._handle is None:
            return
        with socket.socket(fileno=self._handle) as handle:
            self._handle = self._connection = None
            if cut:
                with suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)


def _pool_class(sockets: Sockets) -> type[HTTPSConnectionPool]:
    """Return urllib3's pool class with connections that register with `sockets` before their first byte."""

    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sockets.start_connection()
            plain = super()._new_conn()
            try:
                sockets.add(plain, self)
            except OSError as error:
                plain.close()
                raise urllib3.exceptions.NewConnectionError(self, str(error)) from error
            return plain

        def connect(self) -> None:
            super().connect()
            sockets.on_established()

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def body_of(response: requests.Response, most: int) -> bytearray:
    """Return the unpacked body.

    Raises: TooLarge if it has more than `most` bytes, and everything that requests raises.
    """
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > most:
            response.close()
            raise TooLarge
    return body


@dataclass(frozen=True, slots=True)
class Trust:
    """The CAs to accept, in a file or folder; None: no CA is checked. `changed`: when the file changed, in ns."""

    authorities: str | None
    changed: int = 0

    @classmethod
    def of(cls, verify: bool | str) -> "Trust":
        """Return the trust that requests' `verify` means now. A renewed CA file leads to another one."""
        if verify is False:
            return cls(None)
        path = certifi.where() if verify is True else verify
        with suppress(OSError):
            return cls(path, Path(path).stat().st_mtime_ns)
        return cls(path)


@functools.lru_cache(maxsize=8)
def _context(trust: Trust) -> ssl.SSLContext:
    """Return the context for all connections with this trust.

    Loading certifi's CAs takes 30 ms, and the watch makes a new connection for nearly every read. A file that cannot
    be loaded has no CAs: then no certificate is accepted.
    """
    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = trust.authorities is not None  # urllib3 cannot set CERT_NONE beside it
    if trust.authorities is not None:
        is_folder = Path(trust.authorities).is_dir()
        with suppress(OSError):
            context.load_verify_locations(**{"capath" if is_folder else "cafile": trust.authorities})
    return context


class Transport(HTTPAdapter):
    """TLS as configured.

    Supports a pinned certificate, and old cluster CAs without keyUsage (Python 3.13 is strict).
    """

    def __init__(self, fingerprint: str | None, trust: Trust, sockets: Sockets) -> None:
        self._fingerprint, self._trust = fingerprint, trust
        self._pool_class = _pool_class(sockets)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._fingerprint:
            kwargs["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, ssl_context=_context(self._trust), **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool_class}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 - the signature of requests
        """Verify with the CAs that the context has. requests would load them again for each connection."""
        conn.cert_reqs = "CERT_REQUIRED" if self._trust.authorities else "CERT_NONE"
        conn.ca_certs = conn.ca_cert_dir = None


def presented_fingerprint(host: str, port: int, seconds: float, sockets: Sockets) -> str | None:
    """Return the SHA-256 of the certificate that the server shows, for a person to compare.

    Return None if the connection fails. Nothing secret is sent.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with suppress(OSError, ValueError), socket.create_connection((host, port), seconds) as plain:
            sockets.add(plain)
            with context.wrap_socket(plain, server_hostname=host) as secure:
                digest = hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest().upper()
                return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
        return None
    finally:
        sockets.tidy()


def is_distrusted(error: Exception) -> bool:
    """Return whether TLS failed because of the certificate. Other errors of TLS are broken connections."""
    if not isinstance(error, requests.exceptions.SSLError):
        return False
    return any(words in str(error) for words in ("certificate verify failed", "ingerprint", "X509"))


def is_keepalive_timeout(error: Exception) -> bool:
    """Return whether the error says that the system ended the connection because the other side gave no sign of life.

    While an answer is awaited over TLS, the error does not say it (`Try._was_silent`).
    """
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno == errno.ETIMEDOUT:
            return True
        link = link.__cause__ or link.__context__
    return False


def connection_lost(error: requests.RequestException, host: str, changing: bool) -> ProxmoxError:
    """Translate a broken connection.

    Return Unreachable for a read, or if there was no TCP connection. Return TimedOut for any other change, even if
    TLS was never established.
    """
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    never = isinstance(
        reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)
    )
    return Unreachable(host) if never or not changing else TimedOut(host, changing)
