"""Serve Discord's REST v10 over HTTP: authorization, rate limits, planned faults, checks of bodies, the journal.

The given `answer` function carries out the requests.
Sources: "HTTP API", "Rate Limits" and "Uploading Files" in Discord's developer documentation.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import BodyPartReader, web

from playground.discord import limits as discord_limits
from playground.discord.contract import Contract
from playground.discord.faults import Budget, FaultPlan, PlannedFault, RateLimits, Request

PREFIX = "/api/v10"
_JOURNAL_ENTRIES = 20_000
_REASONS = {401: "401: Unauthorized", 403: "403: Forbidden", 404: "404: Not Found"}


@dataclass(slots=True)
class Upload:
    """An uploaded file, with the attributes that SimCord reads (those of discord.File)."""

    fp: io.BytesIO
    filename: str
    description: str | None = None


@dataclass(slots=True)
class Call:
    """A decoded request on its way to the world."""

    method: str
    path: str
    body: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)
    reason: str | None = None
    raw: bytes | None = None
    """The body as it was sent, if it is JSON. None for a form with files."""


class CallRefused(Exception):
    """The world refuses a call, with an HTTP status and Discord's JSON error."""

    def __init__(self, status: int, payload: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {payload}")
        self.status, self.payload = status, payload


class CallHandler(Protocol):
    def __call__(self, call: Call) -> Any:
        """Carry out a call and return the JSON to answer with, None for 204.

        Raises: CallRefused.
        """


class Rest:
    """Serve the REST API. `done` is called with the journal entry of each request, before the answer is sent."""

    def __init__(
        self, token: Callable[[], str], answer: CallHandler, done: Callable[[Request], None]
    ) -> None:
        self._token, self._answer, self._done = token, answer, done
        self.faults = FaultPlan()
        self.limits = RateLimits()
        self.contract: Contract | None = None
        self.journal: list[Request] = []
        self.violations: list[str] = []
        self.down = False
        """True plays an outage: every answer is a 503."""
        self.missed: list[str] = []
        """The requests during outages, as `METHOD path`."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        arrived = time.monotonic()
        call = Call(request.method, "/" + request.match_info["tail"], params=dict(request.query))
        names: tuple[str, ...] = ()
        response: web.Response | None = None
        try:
            await _decode(request, call)
            names = tuple(item.filename for item in call.files)
            response = await self._respond(request, call)
        except ValueError:
            response = json_answer(400, {"message": "The request body contains invalid JSON.", "code": 50109})
        finally:
            status = response.status if response is not None else 0
            entry = Request(call.method, call.path, call.body, names, status, arrived)
            self.journal.append(entry)
            del self.journal[:-_JOURNAL_ENTRIES]
            self._done(entry)
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # never arrives: the connection is cut
        return response

    async def _respond(self, request: web.Request, call: Call) -> web.Response | None:
        """Return the answer, None if the connection is to be cut."""
        if self.down:
            self.missed.append(f"{call.method} {call.path}")
            return json_answer(503, {"message": "503: Service Unavailable", "code": 0})
        open_route = call.path.startswith(("/interactions/", "/webhooks/")) or call.path == "/gateway"
        if not open_route and request.headers.get("Authorization") != f"Bot {self._token()}":
            return json_answer(401, {"message": _REASONS[401], "code": 0})
        fault = self.faults.take(call.method, call.path, call.body)
        if fault is None:
            return self._perform(call)
        if fault.seconds and not fault.after:
            await asyncio.sleep(fault.seconds)
        effect = self._perform(call) if fault.after or fault.seconds else None
        if fault.seconds and fault.after:
            await asyncio.sleep(fault.seconds)
        return effect if fault.seconds else _faulty(fault)

    def _perform(self, call: Call) -> web.Response:
        budget = self.limits.spend(call.method, call.path)
        if budget.exceeded:
            headers = {"Retry-After": f"{budget.reset_after:.3f}", "X-RateLimit-Scope": "user"}
            return json_answer(429, _limited(budget.reset_after), budget, headers)
        if self.contract is not None:
            self._record(call, self.contract.breaches(call.method, call.path, call.body))
        broken = discord_limits.breaches(call.method, call.path, call.body, call.raw)
        if broken:
            self._record(call, broken)
            return json_answer(
                400, {"message": f"Invalid Form Body: {'; '.join(broken)}", "code": 50035}, budget
            )
        try:
            result = self._answer(call)
        except CallRefused as refused:
            if refused.status in (400, 501) or refused.status >= 500:
                self._record(call, [str(refused.payload.get("message"))])
            return json_answer(refused.status, refused.payload, budget)
        return json_answer(204 if result is None else 200, result, budget)

    def _record(self, call: Call, breaches: list[str]) -> None:
        self.violations += [f"{call.method} {call.path}: {breach}" for breach in breaches]


async def _decode(request: web.Request, call: Call) -> None:
    call.reason = request.headers.get("X-Audit-Log-Reason")
    if request.content_type.startswith("multipart/"):
        await _decode_form(request, call)
    elif request.can_read_body:
        raw = await request.read()
        call.body, call.raw = (json.loads(raw), raw) if raw else (None, None)


async def _decode_form(request: web.Request, call: Call) -> None:
    fields: dict[str, Any] = {}
    by_index: dict[str, Upload] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise ValueError("nested multipart")  # noqa: TRY004  # the body is at fault, not a type here
        name = part.name or ""
        data = bytes(await part.read(decode=False))
        if name == "payload_json":
            call.body = json.loads(data)
        elif part.filename:
            upload = Upload(io.BytesIO(data), part.filename)
            by_index[name.removeprefix("files[").removesuffix("]")] = upload
            call.files.append(upload)
        else:
            fields[name] = data.decode()
    if call.body is None:
        call.body = fields
    told = call.body.get("data", call.body) if isinstance(call.body, Mapping) else {}
    for attachment in (told or {}).get("attachments") or []:
        upload_of = by_index.get(str(attachment.get("id")))
        if upload_of is not None:
            upload_of.description = attachment.get("description")


def _faulty(fault: PlannedFault) -> web.Response | None:
    if fault.status == 0:
        return None
    if fault.page:
        return web.Response(
            status=fault.status, body=fault.page.encode(), headers={"Content-Type": fault.kind}
        )
    words = fault.message or f"{fault.status}: planned fault"
    body: dict[str, Any] = {"message": words, "code": fault.code}
    headers: dict[str, str] = {}
    if fault.status == 429:
        wait = 0.3 if fault.retry_after is None else fault.retry_after
        limited = _limited(wait, is_global=fault.is_global)
        body = {**limited, "message": fault.message, "code": fault.code} if fault.code else limited
        headers = {
            "Retry-After": f"{wait:.3f}",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Scope": "global" if fault.is_global else "shared",
        }
        if fault.is_global:
            headers["X-RateLimit-Global"] = "true"
    response = json_answer(fault.status, body, headers=headers)
    if not fault.via:
        del response.headers["Via"]
    return response


def _limited(wait: float, *, is_global: bool = False) -> dict[str, Any]:
    return {"message": "You are being rate limited.", "retry_after": wait, "global": is_global}


def json_answer(
    status: int, payload: Any, budget: Budget | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a JSON answer as Discord sends it.

    The type is exactly "application/json": with a charset after it discord.py reads the body as text. Via is
    Discord's proxy: without it discord.py takes a 429 for a ban and does not try again.
    """
    whole = {"Content-Type": "application/json", "Via": "1.1 google", **(headers or {})}
    if budget is not None:
        whole |= budget.headers()
    text = "" if payload is None else json.dumps(payload)
    if status == 204:  # without a body there is no type either, or discord.py would try to read it as JSON
        del whole["Content-Type"]
        return web.Response(status=status, headers=whole)
    return web.Response(status=status, headers=whole, body=text.encode())
