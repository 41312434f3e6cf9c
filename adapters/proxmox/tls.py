"""The way to the Proxmox API: TLS as the settings want it, and sockets that can be shut while threads wait on them.

Beside proxmox_client.py the only file that knows requests and urllib3.
"""

import hashlib
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from core.proxmox_errors import ProxmoxError, TimedOut, Unreachable

CHUNK = 65536
"""Bytes of a body that are read, and unpacked, at once."""


CONTAINERS_MOST, ITEMS_MOST = 200_000, 1_000_000
"""Lists and objects, and commas, in a body. Decoding and collecting more of them would hold every thread up."""


class TooLarge(Exception):
    """A body is longer than it may be, or has more in it."""


class Sockets:
    """The connection of one session, so that it can be cut while a thread waits on it: a thread cannot be cancelled.

    It is held by a second descriptor. The first is not to be had during TLS' handshake, nor while a body is read
    after which the server closes.
    """

    def __init__(self) -> None:
        self._handle: int | None = None
        """A bare number: the garbage collector may end a socket object before it ends what would close it."""
        self._connection: HTTPSConnection | None = None
        self._lock = threading.Lock()
        self.is_shut = False
        self.stood = False
        """Whether TLS stood on the latest connection, so that a request may have been sent."""

    def add(self, plain: socket.socket, connection: HTTPSConnection | None = None) -> None:
        """Called before anything is sent on it. Raises ConnectionAbortedError once it was shut."""
        with self._lock:
            self._drop()
            if self.is_shut:
                raise ConnectionAbortedError("the time is over, or the client is closed")
            self._handle, self._connection = plain.dup().detach(), connection

    def tidy(self) -> None:
        """After a request: a connection that was closed, or never stood, is ended. Whoever else holds its descriptor,
        such as an exception that waits to be collected, holds nothing open."""
        with self._lock:
            if self._connection is None or self._connection.sock is None:
                self._drop(cut=True)

    def shut(self) -> None:
        """Cut it for good: whoever reads or writes on it fails at once."""
        with self._lock:
            self.is_shut = True
            self._drop(cut=True)

    def __del__(self) -> None:
        self._drop()

    def _drop(self, *, cut: bool = False) -> None:
        if self._handle is None:
            return
        with socket.socket(fileno=self._handle) as handle:
            self._handle = self._connection = None
            if cut:
                with suppress(OSError):
                    handle.shutdown(socket.SHUT_RDWR)


def _pool_class(sockets: Sockets) -> type[HTTPSConnectionPool]:
    """urllib3's pool, whose connection is known to `sockets` from its first byte on."""

    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sockets.stood = False
            plain = super()._new_conn()
            try:
                sockets.add(plain, self)
            except OSError as error:
                plain.close()
                raise urllib3.exceptions.NewConnectionError(self, str(error)) from error
            return plain

        def connect(self) -> None:
            super().connect()
            sockets.stood = True

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def body_of(response: requests.Response, most: int) -> bytes:
    """The body, unpacked. Raises TooLarge as soon as it has more than `most` bytes, or for what is in it, and what
    requests raises.
    """
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > most:
            response.close()
            raise TooLarge
    if body.count(b"[") + body.count(b"{") > CONTAINERS_MOST or body.count(b",") > ITEMS_MOST:
        raise TooLarge
    return bytes(body)


class Transport(HTTPAdapter):
    """TLS as wanted: a pinned certificate, and old cluster CAs without keyUsage accepted (Python 3.13 is strict)."""

    def __init__(self, fingerprint: str | None, verify: bool, sockets: Sockets) -> None:
        self._fingerprint, self._verify = fingerprint, verify
        self._pool_class = _pool_class(sockets)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = self._verify  # urllib3 sets the rest, and cannot set CERT_NONE beside it
        if self._fingerprint:
            kwargs["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, ssl_context=context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool_class}


def presented_fingerprint(host: str, port: int, seconds: float, sockets: Sockets) -> str | None:
    """SHA-256 of the certificate the server shows, for a person to compare. Sends nothing secret."""
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
    """Whether TLS failed for the certificate. Its other errors are connections that broke or never stood."""
    if not isinstance(error, requests.exceptions.SSLError):
        return False
    return any(words in str(error) for words in ("certificate verify failed", "ingerprint", "X509"))


def connection_lost(error: requests.RequestException, host: str, changing: bool) -> ProxmoxError:
    """A connection that broke: before it stood nothing was sent, afterwards a change may have been."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    never = isinstance(
        reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)
    )
    return Unreachable(host) if never or not changing else TimedOut(host, changing)
