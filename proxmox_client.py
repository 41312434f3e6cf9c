"""The shared proxmoxer wrapper: the only file that imports proxmoxer.

Every call is checked (path segments against Proxmox' own patterns), sent in a thread behind a semaphore of 4,
held to the shape its answer must have, and turned into the dataclasses of core/. Every foreign exception is
translated in one place, `_translated`.
"""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
from proxmoxer import ProxmoxAPI, ResourceException

from core.actions import Verb
from core.clock import Clock
from core.errors import BadVmid, BotError
from core.fallback import Backup, Backups
from core.guest import Cluster, Guest, GuestConfig, Kind, Snapshot, TaskSummary
from core.names import Upid, checked_snapshot_name, checked_vmid
from core.proxmox import Pending, TaskStatus
from core.proxmox_errors import (
    BadAnswer,
    CertificateNotTrusted,
    ProxmoxError,
    TaskUnknown,
    TimedOut,
    Unreachable,
)
from parts.proxmox_backups import ask_all
from parts.proxmox_paths import guest_path, node_path, storage_path, task_path
from parts.proxmox_refusals import Refusal, said_no
from parts.proxmox_rows import (
    parse_addresses,
    parse_backup_storages,
    parse_backups,
    parse_cluster,
    parse_config,
    parse_pending,
    parse_snapshots,
    parse_status,
    parse_tasks,
)
from parts.proxmox_tls import OpenSockets, Transport, distrusted, lost, shown_fingerprint

CONCURRENT = 4
"""Calls in flight at once: pveproxy has three workers, and the other threads stay free for Discord's DNS."""
CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
CHANGE_SECONDS = 35.0
"""Reading a change's answer: pveproxy itself gives up on another node after 30 s."""
QUICK, QUICK_SECONDS, BACKUPS_SECONDS = 2, 4.0, 5.0
"""Storages are asked two at once, each for so long, and all together: the calls that are left are the watch's too."""

_POWER = {Verb.START: "start", Verb.REBOOT: "reboot", Verb.SHUTDOWN: "shutdown", Verb.STOP: "stop"}


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


class ProxmoxClient:
    """Keeps core.proxmox.Proxmox. One session per worker thread: requests promises no thread-safe Session."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint, self._clock = endpoint, clock
        self._local = threading.local()
        self._sockets, self._closed = OpenSockets(), False
        self._gate, self._quick = asyncio.Semaphore(CONCURRENT), asyncio.Semaphore(QUICK)
        self.identity = f"{endpoint.user}!{endpoint.token_name}"

    def close(self) -> None:
        """End the calls that are under way, as failed; further ones are not sent."""
        self._closed = True
        self._sockets.shut()

    # -- reading

    async def cluster(self) -> Cluster:
        rows = await self._get(("cluster", "resources"), list)
        return parse_cluster(rows, self._clock.monotonic())

    async def status(self, guest: Guest) -> Guest:
        return parse_status(guest, await self._get((*guest_path(guest), "status", "current"), dict, guest))

    async def config(self, guest: Guest) -> GuestConfig:
        row = await self._get((*guest_path(guest), "config"), dict, guest, current=1)
        return parse_config(guest.kind, row)

    async def pending(self, guest: Guest) -> tuple[Pending, ...]:
        return parse_pending(await self._get((*guest_path(guest), "pending"), list, guest))

    async def snapshots(self, guest: Guest) -> tuple[Snapshot, ...]:
        return parse_snapshots(await self._get((*guest_path(guest), "snapshot"), list, guest))

    async def backups(self, guest: Guest) -> Backups:
        """Storages that do not answer in time are named, and what the others say is not lost."""
        rows = await self._get(self._storages_of(guest), list, quick=True, content="backup", enabled=1)
        names, away = parse_backup_storages(rows)
        backups = await ask_all(names, lambda name: self._backups_on(guest, name), BACKUPS_SECONDS)
        return replace(backups, unread=(*away, *backups.unread))

    def _storages_of(self, guest: Guest) -> tuple[str, ...]:
        return ("nodes", node_path(guest.node), "storage")

    async def _backups_on(self, guest: Guest, name: str) -> tuple[Backup, ...] | None:
        """None where this storage cannot be asked: the others still can."""
        path = (*self._storages_of(guest), storage_path(name), "content")
        try:
            rows = await self._get(path, list, quick=True, content="backup", vmid=guest.vmid)
        except ProxmoxError:
            return None
        return parse_backups(guest.kind, name, rows)

    async def can_snapshot(self, guest: Guest) -> bool:
        row = await self._get((*guest_path(guest), "feature"), dict, guest, feature="snapshot")
        return bool(row.get("hasFeature"))

    async def addresses(self, guest: Guest) -> tuple[str, ...] | None:
        if guest.kind is Kind.LXC:
            return parse_addresses(await self._get((*guest_path(guest), "interfaces"), list, guest))
        row = await self._get((*guest_path(guest), "agent", "network-get-interfaces"), dict, guest)
        interfaces = row.get("result")
        return parse_addresses(interfaces) if isinstance(interfaces, list) else None

    async def recent_tasks(self, guest: Guest, limit: int) -> tuple[TaskSummary, ...]:
        rows = await self._get(
            ("nodes", node_path(guest.node), "tasks"), list, vmid=guest.vmid, limit=limit, source="all"
        )
        return parse_tasks(rows)

    async def cluster_tasks(self) -> tuple[TaskSummary, ...]:
        return parse_tasks(await self._get(("cluster", "tasks"), list))

    async def next_id(self) -> int:
        answer = await self._get(("cluster", "nextid"), (str, int))
        try:
            return checked_vmid(int(answer))
        except (ValueError, BadVmid):
            raise BadAnswer(self._endpoint.host) from None

    async def task_status(self, upid: str) -> TaskStatus:
        row = await self._get((*task_path(upid), "status"), dict, refusal=Refusal(None, TaskUnknown(upid)))
        running = row.get("status") != "stopped"
        return TaskStatus(running, None if running else str(row.get("exitstatus", "unexpected status")))

    async def task_log(self, upid: str, start: int, limit: int) -> tuple[str, ...]:
        rows = await self._get((*task_path(upid), "log"), list, start=start, limit=limit)
        return tuple(str(row.get("t", "")) for row in rows if isinstance(row, dict))

    # -- changing

    async def power(self, guest: Guest, verb: Verb) -> str:
        return await self._task_of("post", (*guest_path(guest), "status", _POWER[verb]), guest)

    async def clone(self, template: Guest, newid: int, name: str, *, target: str | None, full: bool) -> str:
        return await self._task_of(
            "post",
            (*guest_path(template), "clone"),
            template,
            newid=checked_vmid(newid),
            target=node_path(target) if target else None,
            full=1 if full else None,
            **{"name" if template.kind is Kind.QEMU else "hostname": name},
        )

    async def resize(
        self, guest: Guest, cores: int | None, memory_mb: int | None, digest: str | None
    ) -> str | None:
        """QEMU by POST (a task, whose errors can be followed), LXC by PUT (its only verb, done when it answers)."""
        parameters: dict[str, object] = {"cores": cores, "memory": memory_mb, "digest": digest}
        if guest.kind is Kind.QEMU:
            return await self._task_of("post", (*guest_path(guest), "config"), guest, **parameters)
        if await self._call("put", (*guest_path(guest), "config"), Refusal(guest), parameters) is not None:
            raise BadAnswer(self._endpoint.host, changing=True)
        return None

    async def delete(self, guest: Guest) -> str:
        """With its entries in backup jobs, replication and HA: the next guest with this VMID must not inherit them.

        Disks that are not in the configuration stay (destroy-unreferenced-disks=0).
        """
        parameters: dict[str, object] = {"purge": 1, "destroy-unreferenced-disks": 0}
        return await self._task_of("delete", guest_path(guest), guest, **parameters)

    async def snapshot_create(self, guest: Guest, name: str, description: str, memory: bool) -> str:
        return await self._task_of(
            "post",
            (*guest_path(guest), "snapshot"),
            guest,
            snapname=checked_snapshot_name(name, guest.kind),
            description=description or None,
            vmstate=1 if memory else None,
        )

    async def snapshot_rollback(self, guest: Guest, name: str) -> str:
        path = (*guest_path(guest), "snapshot", checked_snapshot_name(name), "rollback")
        return await self._task_of("post", path, guest)

    async def snapshot_delete(self, guest: Guest, name: str) -> str:
        return await self._task_of(
            "delete", (*guest_path(guest), "snapshot", checked_snapshot_name(name)), guest
        )

    # -- the one way in

    async def _get(
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
        answer = await self._call("get", path, refusal or Refusal(guest), parameters, quick=quick)
        if not isinstance(answer, shape):
            raise BadAnswer(self._endpoint.host)
        return answer

    async def _task_of(self, method: str, path: tuple[str, ...], guest: Guest, **parameters: object) -> str:
        """Send a change; its UPID. An answer that is none leaves open what happened."""
        answer = await self._call(method, path, Refusal(guest), parameters)
        if not isinstance(answer, str) or Upid.parse(answer) is None:
            raise BadAnswer(self._endpoint.host, changing=True)
        return answer

    async def _call(
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
