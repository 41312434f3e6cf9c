"""Read one Proxmox cluster step by step: each entry point, then the token, then the cluster as the token sees it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from adapters.proxmox.health_reads import HealthReads
from adapters.settings.load import SiteSettings
from core.access.policy import ScopeKind
from core.clock import Clock
from core.entry_point import EntryPoint
from core.errors import BotError
from core.guest import Cluster
from core.health.certificate import judge_certificate
from core.health.privileges import NEEDS, Inventory, Need, Rights, Token, judge_token
from core.health.proxmox import (
    judge_account,
    judge_clock,
    judge_cluster,
    judge_tags,
    judge_version,
    version_numbers,
)
from core.health.readiness import name_setting
from core.health.result import Result, error, failed, ok, unchecked
from core.proxmox_errors import CertificateNotTrusted, TimedOut, TokenRefused, Unreachable
from proxmox_client import Endpoint, ProxmoxClient
from startup.health.deadline import Late, in_time
from startup.health.probe import addresses_of, connect, probe

T = TypeVar("T")
AFTER_TOKEN = ("proxmox.version", "proxmox.privileges", "proxmox.guests", "proxmox.tags")
"""Checks that need a valid token."""


async def check_site(site: SiteSettings) -> list[Result]:
    """Check every entry point of a site, and the cluster through the first that works."""
    found: list[Result] = []
    usable: EntryPoint | None = None
    for point in site.entry_points:
        seen = await check_entry_point(site, point)
        found += seen
        if usable is None and not any(result.level == "error" for result in seen):
            usable = point
    if usable is None:
        return found + _unchecked(("proxmox.token", *AFTER_TOKEN), site.name)
    return found + await ClusterCheck(site, usable).run()


async def check_entry_point(site: SiteSettings, point: EntryPoint) -> list[Result]:
    """Check name, connection, certificate and clock of one entry point. The token need not be valid."""
    return await _EntryPointCheck(site, point).run()


class _EntryPointCheck:
    """Check name, connection, certificate and clock of one entry point, in this order."""

    def __init__(self, site: SiteSettings, point: EntryPoint) -> None:
        self._site, self._point = site, point
        label = f"[{point.host}]:{point.port}" if ":" in point.host else f"{point.host}:{point.port}"
        self._where = name_setting(label, site.name)
        self._values = {"host": point.host, "port": str(point.port)}

    async def run(self) -> list[Result]:
        host, port, where = self._point.host, self._point.port, self._where
        rest = ["proxmox.tcp", "proxmox.tls", "proxmox.clock"]
        try:
            addresses = await in_time(addresses_of(host, port))
        except (OSError, UnicodeError, Late):
            return [error("proxmox.dns", "dns_failed", where, **self._values), *_unchecked(rest, where)]
        found = [ok("proxmox.dns", "dns_ok", where, addresses=", ".join(addresses[:3]))]
        try:
            await in_time(connect(host, port))
        except (TimeoutError, ConnectionRefusedError, OSError, Late) as fault:
            word = "tcp_refused" if isinstance(fault, ConnectionRefusedError) else "tcp_failed"
            return [*found, error("proxmox.tcp", word, where, **self._values), *_unchecked(rest[1:], where)]
        found.append(ok("proxmox.tcp", "tcp_ok", where, **self._values))
        return found + await self._tls()

    async def _tls(self) -> list[Result]:
        point, where = self._point, self._where
        try:
            seen = await in_time(probe(point.host, point.port))
        except (ssl.SSLError, ConnectionError):
            return [error("proxmox.tls", "no_tls", where, **self._values), unchecked("proxmox.clock", where)]
        except (OSError, ValueError, Late):
            return [
                error("proxmox.tls", "tls_failed", where, **self._values),
                unchecked("proxmox.clock", where),
            ]
        line = f'PROXMOX_FINGERPRINT = "{seen.certificate.fingerprint}"'
        if len(self._site.entry_points) > 1:
            line = f'PROXMOX_FINGERPRINT = {{"{point.host}": "{seen.certificate.fingerprint}"}}'
        found = judge_certificate(
            seen.certificate,
            time.time(),
            where,
            trusted=await self._trusted(),
            pinned=point.fingerprint,
            verified=self._site.proxmox_verify_ssl is not False,
            hint=line,
        )
        return [*found, judge_clock("proxmox.clock", seen.offset, where)]

    async def _trusted(self) -> bool:
        """Return False only if the bot's own client rejects the certificate."""
        reads = HealthReads(_endpoint_of(self._site, self._point))
        try:
            await in_time(reads.version())
        except CertificateNotTrusted:
            return False
        except (BotError, Late):
            return True
        finally:
            reads.close()
        return True


class ClusterCheck:
    """Check the token, the version, and the privileges, guests, nodes and tags that the token sees.

    `needs`: the features that the token's privileges have to allow.
    `cluster`: the cluster as the token sees it, after `run`; None if it could not be read.
    """

    def __init__(self, site: SiteSettings, point: EntryPoint, needs: Sequence[Need] = NEEDS) -> None:
        self._site, self._where, self._needs = site, site.name, needs
        self.cluster: Cluster | None = None
        self._host = point.host
        endpoint = _endpoint_of(site, point)
        self._reads, self._client = HealthReads(endpoint), ProxmoxClient(endpoint, Clock())

    async def run(self) -> list[Result]:
        try:
            return await self._run()
        finally:
            self._reads.close()
            self._client.close()

    async def _run(self) -> list[Result]:
        site, where = self._site, self._where
        version = await self._read(self._reads.version)
        if isinstance(version, BotError):
            return [self._refused(version), *_unchecked(AFTER_TOKEN, where)]
        account = await self._read(self._reads.account)
        found: list[Result] = []
        if isinstance(account, BotError):
            found.append(ok("proxmox.token", "token_works", where, token=self._token))
        else:
            found.append(
                judge_account(account, site.proxmox_user, site.proxmox_token_name, time.time(), where)
            )
        found.append(judge_version(version, where))
        rights, cluster = await self._read(self._reads.rights), await self._read(self._client.cluster)
        if isinstance(cluster, Cluster):
            self.cluster = cluster
            found += judge_cluster(site.node_name, cluster, where)
        else:
            found.append(failed("proxmox.guests", cluster, where))
        if isinstance(rights, BotError):
            found.append(failed("proxmox.privileges", rights, where))
        else:
            found += self._judge_rights(rights, version, cluster)
        options = await self._read(self._reads.options)
        if isinstance(options, BotError) or not isinstance(cluster, Cluster):
            return [*found, unchecked("proxmox.tags", where)]
        tags = [tag for guest in cluster.guests for tag in guest.tags]
        return [*found, judge_tags(options, tags, self._scopes(ScopeKind.TAG), where)]

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T | BotError:
        """Return the answer, or why there is none. After Unreachable or TimedOut, ask once more."""
        try:
            try:
                return await in_time(read())
            except (Unreachable, TimedOut):
                return await in_time(read())
        except BotError as problem:
            return problem
        except Late:
            return TimedOut(self._host, changing=False)

    def _judge_rights(self, rights: Rights, version: str, cluster: object) -> list[Result]:
        pools = tuple(dict.fromkeys(self._scopes(ScopeKind.POOL)))
        inventory = Inventory(pools=pools)
        if isinstance(cluster, Cluster):
            storages = tuple(dict.fromkeys(storage.name for storage in cluster.storages))
            inventory = Inventory({guest.vmid: guest.pool for guest in cluster.guests}, storages, pools)
        token = Token(
            self._site.proxmox_user, self._site.proxmox_token_name, rights, version_numbers(version)[0]
        )
        return judge_token(token, inventory, self._where, self._needs)

    def _scopes(self, kind: ScopeKind) -> list[str]:
        return [
            scope.value for some in self._site.role_scopes.values() for scope in some if scope.kind is kind
        ]

    def _refused(self, problem: BotError) -> Result:
        if not isinstance(problem, TokenRefused):
            return failed("proxmox.token", problem, self._where)
        user, name = self._site.proxmox_user, self._site.proxmox_token_name
        values = {
            "token": self._token,
            "list": f"pveum user token list {user}",
            "line": f"pveum user token modify {user} {name} --regenerate 1",
        }
        return error("proxmox.token", "token_refused", self._where, **values)

    @property
    def _token(self) -> str:
        return f"{self._site.proxmox_user}!{self._site.proxmox_token_name}"


def _endpoint_of(site: SiteSettings, point: EntryPoint) -> Endpoint:
    """Return one entry point of a site alone, as the bot's client takes it."""
    return Endpoint(
        (point,),
        user=site.proxmox_user,
        token_name=site.proxmox_token_name,
        token_value=site.proxmox_token_value.reveal(),
        verify_ssl=site.proxmox_verify_ssl,
    )


def _unchecked(checks: list[str] | tuple[str, ...], where: str) -> list[Result]:
    return [unchecked(check, where) for check in checks]
