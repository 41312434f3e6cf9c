"""The one way to Proxmox, and the only file that imports proxmoxer: a call in a thread of its own, behind a
semaphore of 4, held to the shape its answer must have. Every foreign exception is translated in one place,
`_translated`.
"""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from proxmoxer import ProxmoxAPI, ResourceException

from core.errors import BotError
from core.guest import Guest
from core.names import Upid
from core.proxmox_errors import BadAnswer, CertificateNotTrusted, TimedOut, Unreachable
from parts.proxmox_refusals import Refusal, said_no
from parts.proxmox_tls import OpenSockets, Transport, distrusted, lost, shown_fingerprint

CONCURRENT = 4
"""Calls in flight at once: pveproxy has three workers, and the other threads stay free for Discord's DNS."""
CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
CHANGE_SECONDS = 35.0
"""Reading a change's answer: pveproxy itself gives up on another node after 30 s."""
QUICK, QUICK_SECONDS = 2, 4.0
"""Storages are asked two at once, each for so long: the calls that are left are the watch's too."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API is and how it is trusted. `fingerprint` (SHA-256, colons allowed) replaces the CA."""

    host: str
    port: int
    user: str
    token_name: str
    token_value: str = field(repr=False)
    verify_ssl: bool | Path = True
    fingerprint: str | None = None


class Calls:
    """One session per worker thread: requests promises no thread-safe Session."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._local = threading.local()
        self._sockets, self._closed = OpenSockets(), False
        self._gate, self._quick = asyncio.Semaphore(CONCURRENT), asyncio.Semaphore(QUICK)

    def close(self) -> None:
        """End the calls that are under way, as failed; further ones are not sent."""
        self._closed = True
        self._sockets.shut()

    async def get(
        self,
        path: tuple[str, ...],
        shape: type | tuple[type, ...],
        guest: Guest | None = None,
        *,
        refusal: Refusal | None = None,
        quick: bool = False,
        **parameters: object,
    ) -> Any:
        """`quick`: it may be a storage that hangs, which must not hold the other calls."""
        answer = await self.call("get", path, refusal or Refusal(guest), parameters, quick=quick)
        if not isinstance(answer, shape):
            raise BadAnswer(self._endpoint.host)
        return answer

    async def task_of(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> str:
        """Send a change; its UPID. An answer that is none leaves open what happened."""
        answer = await self.call(method, path, Refusal(guest), parameters)
        if not isinstance(answer, str) or Upid.parse(answer) is None:
            raise BadAnswer(self._endpoint.host, changing=True)
        return answer

    async def call(
        self,
        method: str,
        path: tuple[str, ...],
        refusal: Refusal,
        parameters: dict[str, object],
        *,
        quick: bool = False,
    ) -> object:
        """The choke point: one thread, one semaphore, one translation of everything that can go wrong.

        A caller that gives up leaves its thread at work, which keeps its place among the four until it ends.
        """
        gates = (self._quick, self._gate) if quick else (self._gate,)
        async with contextlib.AsyncExitStack() as held:
            for gate in gates:
                await held.enter_async_context(gate)
            seconds = CHANGE_SECONDS if method != "get" else QUICK_SECONDS if quick else READ_SECONDS
            work = asyncio.create_task(
                asyncio.to_thread(self._blocking, method, path, refusal, parameters, seconds)
            )
            held.pop_all()

        def over(done: asyncio.Task[object]) -> None:
            for gate in gates:
                gate.release()
            if not done.cancelled():
                done.exception()  # whoever asked may have gone

        work.add_done_callback(over)
        answer = await asyncio.shield(work)
        changing = method != "get"
        if isinstance(answer, dict) and isinstance(answer.get("errors"), bytes):
            raise BadAnswer(self._endpoint.host, changing)  # so proxmoxer hands on a body that is not JSON
        return answer

    def _blocking(
        self,
        method: str,
        path: tuple[str, ...],
        refusal: Refusal,
        parameters: dict[str, object],
        seconds: float,
    ) -> object:
        changing = method != "get"
        given = {key: value for key, value in parameters.items() if value is not None}
        for last in (False, True) if not changing else (True,):
            if self._closed:
                raise Unreachable(self._endpoint.host)
            resource = self._api()(list(path))
            timeout = (CONNECT_SECONDS, seconds)
            resource._store["session"].auth.timeout = timeout
            try:
                return getattr(resource, method)(**given)
            except requests.exceptions.ConnectionError as error:
                # pveproxy closes idle connections after 5 s: a GET may meet one that is just being closed
                if last or self._closed or isinstance(error, requests.ConnectTimeout) or distrusted(error):
                    raise self._translated(error, refusal, changing) from error
            except Exception as error:
                raise self._translated(error, refusal, changing) from error
        raise Unreachable(self._endpoint.host)

    def _translated(self, error: Exception, refusal: Refusal, changing: bool) -> Exception:
        host = self._endpoint.host
        if distrusted(error):
            return CertificateNotTrusted(host, shown_fingerprint(host, self._endpoint.port, CONNECT_SECONDS))
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return Unreachable(host)
        if isinstance(error, requests.exceptions.Timeout):
            return TimedOut(host, changing)
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            return lost(error, host, changing)
        if isinstance(error, ResourceException):
            reason = str(error.content or "")
            return said_no(error.status_code, reason, error.errors, refusal, host, changing)
        if isinstance(error, BotError):
            return error
        return BadAnswer(
            host, changing
        )  # not JSON, no "data", not text: something else than Proxmox answered

    def _api(self) -> ProxmoxAPI:
        api = getattr(self._local, "api", None)
        if api is None:
            end = self._endpoint
            verify = end.verify_ssl
            if end.fingerprint and not isinstance(verify, Path):
                verify = False  # the pin is stricter than any CA; without it verification stays on
            api = ProxmoxAPI(
                f"[{end.host}]" if ":" in end.host else end.host,
                port=end.port,
                user=end.user,
                token_name=end.token_name,
                token_value=end.token_value,
                verify_ssl=str(verify) if isinstance(verify, Path) else verify,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            )
            session = api._store["session"]
            session.trust_env = False
            session.max_redirects = 0  # Proxmox sends none; following one would send a change twice
            session.mount("https://", Transport(end.fingerprint, verify is not False, self._sockets))
            self._local.api = api
        return api
