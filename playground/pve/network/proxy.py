"""Play proxies and gateways between a client and Proxmox, and slow connections.

They answer with pages (whether the request was carried out or not), replace reason phrases by the standard ones, move
the text of refusals to the reason phrase, send answers byte by byte, or send small bodies that unpack to large ones.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from aiohttp import web

Wait = Callable[[float], Awaitable[None]]
"""Function that waits real seconds, cut short when the server closes."""

TUNNEL_PAGE = "<html>origin error</html>"
CHUNK = 2**20  # bytes
_PHRASES = {one.value: one.phrase for one in HTTPStatus}


@dataclass
class _Rule:
    """A rule for requests with this method and this part in their path. `method`: "" for any.

    `times=None`: until it is removed.
    """

    method: str
    part: str
    times: int | None

    def takes(self, request: web.Request) -> bool:
        return self.method in ("", request.method) and self.part in request.path and self.times != 0

    def use(self) -> None:
        if self.times is not None:
            self.times -= 1


@dataclass
class _Page(_Rule):
    status: int
    reason: str | None
    body: str
    kind: str
    acts: bool

    def response(self) -> web.Response:
        return web.Response(
            status=self.status, reason=self.reason, text=self.body, content_type=self.kind or None
        )


@dataclass
class _Drip(_Rule):
    seconds: float


@dataclass
class _Bomb(_Rule):
    packed: bytes


class Between:
    """Answer instead of Proxmox, or change its answers on their way back. `nothing` ends all of it."""

    def __init__(self) -> None:
        self.pages: list[_Page] = []
        self._drips: list[_Drip] = []
        self._bombs: list[_Bomb] = []
        self._standard = self._old = False

    def nothing(self) -> None:
        """Pass all answers unchanged again."""
        self.pages, self._drips, self._bombs = [], [], []
        self._standard = self._old = False

    def page(
        self,
        part: str,
        status: int = 524,
        *,
        method: str = "",
        reason: str | None = None,
        body: str = TUNNEL_PAGE,
        kind: str = "text/html",
        times: int | None = 1,
        acts: bool = True,
    ) -> None:
        """Answer with a page. `acts`: Proxmox carries out the requests; otherwise they do not reach it."""
        self.pages.append(_Page(method, part, times, status, reason, body, kind, acts))

    def standard_phrases(self) -> None:
        """Replace reason phrases by the standard ones, as Caddy and Traefik do; the body stays Proxmox' own."""
        self._standard = True

    def old_refusals(self) -> None:
        """Move the text of refusals to the reason phrase, as Proxmox did before http-server 5.2."""
        self._old = True

    def drip(self, part: str, seconds: float = 10.0, *, method: str = "", times: int | None = None) -> None:
        """Send the headers at once, then a byte of the body every `seconds`."""
        self._drips.append(_Drip(method, part, times, seconds))

    def bomb(self, part: str, size: int, *, method: str = "", times: int | None = None) -> None:
        """Answer with gzip that unpacks to `size` bytes: JSON with blanks before it."""
        self._bombs.append(_Bomb(method, part, times, packed(size)))

    def instead(self, request: web.Request) -> web.Response | None:
        """Return the page for a request that must not reach Proxmox, None if there is none."""
        page = next((page for page in self.pages if not page.acts and page.takes(request)), None)
        if page is not None:
            page.use()
        return page.response() if page else None

    async def passed(
        self, request: web.Request, response: web.StreamResponse, wait: Wait
    ) -> web.StreamResponse:
        """Apply the rules to an answer."""
        if page := next((page for page in self.pages if page.acts and page.takes(request)), None):
            page.use()
            response = page.response()
        elif self._old and response.status >= 400 and isinstance(response, web.Response):
            response = web.Response(status=response.status, reason=response.reason)
            response.headers["Server"] = "pve-api-daemon/3.0"
        if self._standard and response.status >= 400:
            phrase = _PHRASES.get(response.status, f"status code {response.status}")  # as Go writes it
            response.set_status(response.status, phrase)
            response.headers["Server"] = "Caddy"
        if bomb := next((bomb for bomb in self._bombs if bomb.takes(request)), None):
            bomb.use()
            headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
            return web.Response(body=bomb.packed, headers=headers)
        if drip := next((drip for drip in self._drips if drip.takes(request)), None):
            drip.use()
            return await _dripped(request, response, drip.seconds, wait)
        return response


async def _dripped(
    request: web.Request, response: web.StreamResponse, seconds: float, wait: Wait
) -> web.StreamResponse:
    body = response.body if isinstance(response, web.Response) else b""
    whole = body if isinstance(body, bytes) else b""
    slow = web.StreamResponse(status=response.status, reason=response.reason)
    slow.content_type = response.content_type
    slow.content_length = len(whole)
    await slow.prepare(request)
    for at in range(len(whole)):
        await slow.write(whole[at : at + 1])
        await wait(seconds)
    await slow.write_eof()
    return slow


@cache
def packed(size: int, form: str = "gzip") -> bytes:
    """Return gzip or zlib ("deflate") that unpacks to `size` bytes: blanks, and then JSON.

    A block of blanks is packed once and repeated.
    """
    end = json.dumps({"data": []}).encode()
    whole, rest = divmod(max(0, size - len(end)), CHUNK)
    blanks = b" " * CHUNK
    first, last = (zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS) for _ in range(2))
    block = first.compress(blanks) + first.flush(zlib.Z_FULL_FLUSH)
    body = block * whole + last.compress(blanks[:rest] + end) + last.flush()
    check = zlib.crc32 if form == "gzip" else zlib.adler32
    total = check(b"")
    for _ in range(whole):
        total = check(blanks, total)
    total = check(blanks[:rest] + end, total)
    if form == "gzip":
        return b"\x1f\x8b\x08" + bytes(7) + body + struct.pack("<II", total, size & 0xFFFFFFFF)
    return b"\x78\xda" + body + struct.pack(">I", total)
