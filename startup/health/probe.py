"""Look at an entry point step by step: name, connection, certificate, clock.

The bot's own client does not tell these steps apart. Nothing secret is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.health.certificate import Certificate

CLOCK_SECONDS = 5.0
"""Maximum seconds to read the clock."""
_HEAD_MOST = 65536  # bytes
_VERSION, _UTC_TIME = 0xA0, 0x17  # tags of DER


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer of a TLS server. `offset`: seconds by which its clock is ahead; None if it showed no time."""

    certificate: Certificate
    offset: float | None


async def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a name.

    Raises: OSError, UnicodeError.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


async def connect(host: str, port: int) -> None:
    """Connect and disconnect.

    Raises: OSError.
    """
    async with _connected(host, port, None):
        pass


async def probe(host: str, port: int) -> Seen:
    """Return the certificate and the clock of a server, without trusting it.

    Raises: OSError (ssl.SSLError if it does not speak TLS), ValueError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with _connected(host, port, context) as (reader, writer):
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        return Seen(certificate_of(der), await _clock(reader, writer, host))


@contextlib.asynccontextmanager
async def _connected(
    host: str, port: int, context: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_HEAD_MOST)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _clock(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> float | None:
    """Ask for the page of the web interface, which needs no log-in, and compare the time in its headers."""
    name = f"[{host}]" if ":" in host else host
    before = time.time()
    try:
        async with asyncio.timeout(CLOCK_SECONDS):
            writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == b"date":
            return offset_of(value.decode("latin-1").strip(), before, time.time())
    return None


def offset_of(date: str, before: float, after: float) -> float | None:
    """Return the seconds by which another clock is ahead of this machine's.

    It showed `date` at a moment between `before` and `after`, two times of this machine's clock.
    """
    try:
        there = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
    return there - min(max(there, before - 1), after)  # `date` has whole seconds


def certificate_of(der: bytes) -> Certificate:
    """Return the fingerprint of a certificate, and the times between which it is valid.

    RFC 5280, 4.1: the dates are the fifth part of the signed data, or the fourth if it has no version.
    Raises: ValueError.
    """
    try:
        _, whole = next(_parts(der))
        _, signed = next(_parts(whole))
        inner = list(_parts(signed))
        _, dates = inner[4 if inner[0][0] == _VERSION else 3]
        begins, ends = (_time(*part) for part in _parts(dates))
    except (IndexError, StopIteration) as fault:
        raise ValueError("not a certificate") from fault
    digest = hashlib.sha256(der).hexdigest().upper()
    fingerprint = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    return Certificate(
        fingerprint, begins.timestamp(), ends.timestamp(), f"{begins:%Y-%m-%d}", f"{ends:%Y-%m-%d}"
    )


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each value in DER."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size, at = int.from_bytes(data[at : at + width]), at + width
        yield tag, data[at : at + size]
        at += size


def _time(tag: int, text: bytes) -> datetime:
    words = text.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year; RFC 5280, 4.1.2.5.1
        words = ("19" if int(words[:2]) >= 50 else "20") + words
    return datetime.strptime(words, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
