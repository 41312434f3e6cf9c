"""Serve the HTTP side of the playground's Proxmox: rights, the form of requests, network trouble.

First layer over fakepve. The other layers use the names of fakepve that this file exports. Corrections name the
place in Proxmox' source that they follow.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from aiohttp import web
from fakepve import qemu
from fakepve import server as fake_server
from fakepve.model import FakeVm, PveError, TaskError
from fakepve.qemu import drives_of, split_drive
from fakepve.storage import _bytes as size_bytes

from playground.pve.network.proxy import Between

__all__ = [
    "FakeVm",
    "HttpTruth",
    "PveError",
    "TaskError",
    "Values",
    "drives_of",
    "fake_server",
    "size_bytes",
    "split_drive",
]

setattr(qemu, "natural", functools.lru_cache(maxsize=1024)(qemu.natural))  # noqa: B010 - mypy forbids assigning to another module's function
# `natural` parses the same few names of settings for each guest of each list.

Values = dict[str, Any]

# Paths that /access/permissions may report without an ACL entry (RPCEnvironment.pm get_effective_permissions).
USUAL_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
ON_8 = {"VM.GuestAgent.Audit": "VM.Monitor"}
"""The names of privileges in Proxmox VE 8 by those in 9. Proxmox VE 8 has no privileges VM.GuestAgent.*."""
# Accepted booleans in a form (JSONSchema.pm check_type), and JSON's own.
BOOLEANS = ("0", "1", 0, 1, True, False)


@dataclass
class _Hang:
    part: str
    seconds: float
    times: int | None
    acts: bool
    method: str


class HttpTruth(fake_server.FakePve):  # type: ignore[misc]  # fakepve ships no types: its class is Any here
    """fakepve with Proxmox' answers to bad tokens, bad booleans, unknown nodes and missing rights."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host=host, port=port)
        # Real seconds before a 401 is answered: 3 in Proxmox (AnyEvent.pm, every failed authentication).
        self.auth_delay = 0.0
        # Tokens without privilege separation: they have all rights of their user.
        self.full_tokens: set[str] = set()
        self._denied: set[tuple[str, str]] = set()
        self.clock_ahead = 0.0
        """Seconds by which the `Date` of each answer is ahead of the real time."""
        self._html_left = 0
        self._hangs: list[_Hang] = []
        self._pveproxy: asyncio.Semaphore | None = None
        self._work_seconds = 0.0
        self.in_flight = self.most_in_flight = 0
        """Number of API requests that wait for their answer, and the maximum so far."""
        self.between = Between()
        """Proxies and the like on the way to this cluster."""
        self._ending: asyncio.Event | None = None  # set when the server closes

    # ------------------------------------------------------------- plumbing

    async def _served(
        self, request: web.Request, handler: Callable[[Values, str], Awaitable[Any]]
    ) -> web.Response:
        """Check rights and parameters by the schema, convert the values, and answer with the result of `handler`."""
        user = request[fake_server.USER]
        match = self.resolve(request, fake_server.API)

        async def call(_match: object, values: Values) -> Any:
            return await handler(values, user)

        return web.json_response(
            {"data": await self.answer(request, match, await fake_server.params(request), user, call)}
        )

    def _record(self, request: web.Request, body: bytes) -> None:
        """Keep (method, path below /api2/json, parameters as sent) of the last `max_requests` requests.

        Secrets become `***`.
        """
        values: Values = fake_server.collect(request.query.items())
        if body and request.content_type == "application/json":
            sent = json.loads(body)
            values.update(sent if isinstance(sent, dict) else {"": sent})
        elif body:
            values.update(fake_server.collect(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)))
        for name in fake_server.SECRET_KEYS:
            if name in values:
                values[name] = "***"
        path = request.path
        self.requests.append((request.method, path.removeprefix(fake_server.API), values))
        del self.requests[: -self.max_requests]

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Serve a request to the API or to the web interface. `between` plays the proxies on the way.

        A 401 comes after `auth_delay` seconds, and without a body if the request had an API token. The connection is
        closed after an error. Follows AnyEvent.pm (response).
        """
        if blocked := self.between.instead(request):
            return blocked
        if request.path == "/":  # the web interface itself, which needs no login
            response: web.StreamResponse = web.Response(
                text="<title>Proxmox</title>", content_type="text/html"
            )
        else:
            response = await super()._middleware(request, handler)
        if response.status == 401:
            await self._wait(self.auth_delay)
            if request.headers.get("Authorization", "").startswith("PVEAPIToken="):
                response = web.Response(status=401, reason="Authentication failed!")
        if response.status >= 400:
            response.force_close()
        response.headers["Date"] = formatdate(time.time() + self.clock_ahead, usegmt=True)
        return await self.between.passed(request, response, self._wait)

    async def _wait(self, seconds: float) -> None:
        """Wait real seconds, cut short when the server closes."""
        if seconds > 0 and self._ending is not None:
            try:
                await asyncio.wait_for(self._ending.wait(), seconds)
            except TimeoutError:
                return

    async def _answer(self, request: web.Request, handler: Any, generic: Any, path_node: str | None) -> Any:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self._pveproxy is not None:
                async with self._pveproxy:
                    await self._wait(self._work_seconds)
            return await self._answer_now(request, handler, generic, path_node)
        finally:
            self.in_flight -= 1

    async def _answer_now(
        self, request: web.Request, handler: Any, generic: Any, path_node: str | None
    ) -> Any:
        if self._html_left > 0:
            self._html_left -= 1
            return web.Response(
                text="<html><head><title>Sign in</title></head><body>Gateway login</body></html>",
                content_type="text/html",
            )
        asked = request.method, request.path
        hang = next((h for h in self._hangs if h.method in ("", asked[0]) and h.part in asked[1]), None)
        if hang is not None and hang.times is not None:
            hang.times -= 1
            if hang.times <= 0:
                self._hangs.remove(hang)
        if hang is not None and not hang.acts:
            await self._wait(hang.seconds)
        try:
            self._check_request(request, generic, path_node, await fake_server.params(request))
        except PveError as problem:
            return fake_server.error(problem.status, problem.message, problem.errors)
        response = await super()._answer(request, handler, generic, path_node)
        if hang is not None and hang.acts:
            await self._wait(hang.seconds)
        return response

    def _check_request(self, request: web.Request, generic: Any, path_node: str | None, sent: Values) -> None:
        """Refuse unknown paths and nodes, loose booleans, and changes of guests without quorum, as Proxmox does.

        Raises: PveError. For a known path, missing rights come before all else.
        """
        match = generic or self.resolve(request, fake_server.API)
        info = match.methods.get(request.method) if match else None
        if info is None:
            # HTTPServer.pm rest_handler: no handler found.
            path = request.path.removeprefix(fake_server.API)
            raise PveError(501, f"Method '{request.method} {path}' not implemented")
        declared = (info.get("parameters") or {}).get("properties", {})
        user = request[fake_server.USER]
        if user is not None:
            # Rights are checked before the parameters and before existence (HTTPServer.pm rest_handler).
            self.check_permissions(user, info.get("permissions"), {**sent, **match.params}, declared)
        if path_node is not None and path_node not in self.nodes:
            # PVE::Cluster remote_node_ip.
            raise PveError(
                500,
                f"hostname lookup '{path_node}' failed - failed to get address info for: "
                f"{path_node}: Name or service not known",
            )
        wrong = {
            name: f"type check ('boolean') failed - got '{value}'"
            for name, value in sent.items()
            if declared.get(name, {}).get("type") == "boolean" and value not in BOOLEANS
        }
        if wrong:
            # JSONSchema.pm check_type: a boolean is 1 or 0.
            raise PveError(400, "Parameter verification failed.", wrong)
        if request.method != "GET" and "vmid" in match.params:
            self.need_quorum()  # PVE::Cluster check_cfs_quorum: /etc/pve is read-only

    # --------------------------------------------------------------- rights

    @property
    def is_old(self) -> bool:
        """Whether this is Proxmox VE 8."""
        return str(self.version).startswith("8.")

    def check_permissions(self, user: Any, perms: Any, values: Values, declared: Any = None) -> None:
        """Check the rights of a call. The agent's privilege has another name in Proxmox VE 8 (API2/Qemu/Agent.pm)."""
        if self.is_old and perms and "VM.GuestAgent." in json.dumps(perms):
            perms = {"check": ["perm", "/vms/{vmid}", list(ON_8.values())]}
        super().check_permissions(user, perms, values, declared)

    def allowed(self, user: str, path: str, priv: str) -> bool:
        """Return whether a user or token has a privilege on a path.

        deny() counts first. root@pam and its tokens have everything else, and so has everybody while there is no ACL.
        A token with privilege separation has what both the token and its user have (RPCEnvironment.pm permissions).
        """
        if any(
            priv == denied and (path == at or path.startswith(at.rstrip("/") + "/"))
            for denied, at in self._denied
        ):
            return False
        owner, separator, _ = user.partition("!")
        if self.acl is None or owner == "root@pam":
            return True
        if not separator or user in self.full_tokens:
            return self._granted(owner, path, priv)
        return self._granted(owner, path, priv) and self._granted(user, path, priv)

    def _granted(self, who: str, path: str, priv: str) -> bool:
        """Return whether the ACL grants the privilege on the path, on a path above it or on the guest's pool."""
        paths = [path]
        if self.pools and path.startswith("/vms/"):
            paths += [f"/pool/{name}" for name, ids in self.pools.items() if int(path.split("/")[2]) in ids]
        return any(self._holds(who, p, priv) for p in paths)

    def _holds(self, who: str, path: str, priv: str) -> bool:
        """Return whether the ACL entries of a user or token grant the privilege on a path.

        Roles on a path replace those from above it and do not add to them (AccessControl.pm roles).
        """
        nearest, held = 0, False
        for at, privs in self.acl.get(who, ()):
            if len(at) >= nearest and (at == "/" or path == at or path.startswith(at + "/")):
                held = priv in privs or (held and len(at) == nearest)
                nearest = len(at)
        return held

    async def _permissions(self, v: Values, user: str) -> dict[str, dict[str, int]]:
        """Serve GET /access/permissions: effective rights by path (AccessControl.pm, get_effective_permissions)."""
        who = v.get("userid") or user
        if who != user:
            self.require(user, "/access", "Sys.Audit")
        own = [at for name in (who, who.partition("!")[0]) for at, _ in (self.acl or {}).get(name, [])]
        paths = [v["path"]] if v.get("path") else sorted({*USUAL_PATHS, *own})
        every = set(fake_server.shapes.PRIVILEGES)
        if self.is_old:
            every = {name for name in every if not name.startswith("VM.GuestAgent.")} | {*ON_8.values()}
        held = {at: {priv: 1 for priv in sorted(every) if self.allowed(who, at, priv)} for at in paths}
        return {at: privs for at, privs in held.items() if privs}

    # ------------------------------------------------------------ scenarios

    def deny(self, privilege: str, path: str = "/") -> None:
        """Take `privilege` on `path` and below from everybody, until allow_again().

        The answer is 403 `Permission check failed (/vms/100, VM.PowerMgmt)`. root@pam and its
        tokens still pass what the schema checks, but not what the code of a call checks itself.

        Raises: ValueError, if there are no ACLs yet. Call give_bot() or grant() first.
        """
        if self.acl is None:
            raise ValueError("without ACLs everybody may do anything: call give_bot() or grant() first")
        self._denied.add((privilege, path))

    def allow_again(self) -> None:
        """Undo every deny()."""
        self._denied.clear()

    def html_instead_of_json(self, times: int = 1) -> None:
        """Answer the next requests with 200 and a page, like a login proxy in front of Proxmox."""
        self._html_left = times

    def limit_workers(self, workers: int, seconds: float) -> None:
        """Let each API request first occupy one of this many workers, like pveproxy with its three.

        `seconds`: real seconds that it occupies the worker; it is answered after them. `workers=0` ends it.
        """
        self._pveproxy = asyncio.Semaphore(workers) if workers else None
        self._work_seconds = seconds

    def hang(
        self,
        path_part: str,
        seconds: float = 30.0,
        *,
        times: int | None = None,
        acts: bool = False,
        method: str = "",
    ) -> None:
        """Delay requests whose path contains `path_part` by real seconds; `seconds=0` ends it.

        `method`: "" for any. `times`: number of requests, None for all. `acts`: Proxmox does the work first, and only
        its answer is late. A client then times out although its POST takes effect.
        """
        self._hangs = [h for h in self._hangs if h.part != path_part]
        if seconds > 0:
            self._hangs.append(_Hang(path_part, seconds, times, acts, method))
