"""The way to the Proxmox API: TLS as the settings want it, and sockets that can be shut while threads wait on them.

Beside proxmox_client.py the only file that knows requests and urllib3.
"""

import hashlib
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from core.proxmox_errors import ProxmoxError, TimedOut, Unreachable


class OpenSockets:
    """The sockets in use, so that closing can end the calls that wait on them: a thread cannot be cancelled."""

    def __init__(self) -> None:
        self._connections: WeakSet[HTTPSConnection] = WeakSet()
        self._shut = False
        self._lock = threading.Lock()

    def add(self, connection: HTTPSConnection) -> None:
        """Called before anything is sent on it. Refused once shut() was called while it was being made."""
        with self._lock:
            self._connections.add(connection)
            if self._shut:
                connection.close()
                raise urllib3.exceptions.NewConnectionError(connection, "the client is closed")

    def shut(self) -> None:
        with self._lock:
            self._shut, connections = True, list(self._connections)
        for connection in connections:
            with suppress(OSError):
                if connection.sock is not None:
                    socket.socket.shutdown(
                        connection.sock, socket.SHUT_RDWR
                    )  # SSLSocket would drop TLS first


def _pool_class(sockets: OpenSockets) -> type[HTTPSConnectionPool]:
    """urllib3's pool, whose connections are known to `sockets`."""

    class Connection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


class Transport(HTTPAdapter):
    """TLS as wanted: a pinned certificate, and old cluster CAs without keyUsage accepted (Python 3.13 is strict)."""

    def __init__(self, fingerprint: str | None, verify: bool, sockets: OpenSockets) -> None:
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


def shown_fingerprint(host: str, port: int, seconds: float) -> str | None:
    """SHA-256 of the certificate the server shows, for a person to compare. Sends nothing secret."""
    with suppress(OSError, ValueError):
        pem = ssl.get_server_certificate((host, port), timeout=seconds)
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    return None


def distrusted(error: Exception) -> bool:
    """Whether TLS failed for the certificate. Its other errors are connections that broke or never stood."""
    if not isinstance(error, requests.exceptions.SSLError):
        return False
    return any(words in str(error) for words in ("certificate verify failed", "ingerprint", "X509"))


def lost(error: requests.RequestException, host: str, changing: bool) -> ProxmoxError:
    """A connection that broke: before it stood nothing was sent, afterwards a change may have been."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    never = isinstance(
        reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError)
    )
    return Unreachable(host) if never or not changing else TimedOut(host, changing)
