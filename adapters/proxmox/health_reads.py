"""Make the health check's reads of Proxmox over the same transport as the bot's. They need no further privileges."""

from typing import Any

from adapters.proxmox.transport.connections import Endpoint
from adapters.proxmox.transport.http import Calls
from adapters.proxmox.values import parse_time
from core.health.proxmox import Account


class HealthReads:
    """The reads of the health check at one cluster."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._calls, self._user, self._token = Calls(endpoint), endpoint.user, endpoint.token_name

    def close(self) -> None:
        self._calls.close()

    async def version(self) -> str:
        """Return the version of Proxmox VE. Raises: ProxmoxError."""
        found: str = await self._calls.get(
            ("version",), dict, read=lambda row: str(row.get("version", ""))[:40]
        )
        return found

    async def rights(self) -> dict[str, dict[str, object]]:
        """Return the token's effective privileges by path. Raises: ProxmoxError."""
        found: dict[str, dict[str, object]] = await self._calls.get(
            ("access", "permissions"), (dict, list), read=_rights
        )
        return found

    async def options(self) -> dict[str, object]:
        """Return the options of the datacenter that the token may see. Raises: ProxmoxError."""
        found: dict[str, object] = await self._calls.get(("cluster", "options"), dict)
        return found

    async def account(self) -> Account:
        """Return when the user and the token expire, from the list of users; unknown if the token is not listed.

        Raises: ProxmoxError.
        """
        found: Account = await self._calls.get(("access", "users"), list, read=self._account, full=1)
        return found

    def _account(self, rows: list[Any]) -> Account:
        for row in rows:
            if isinstance(row, dict) and row.get("userid") == self._user:
                tokens = row.get("tokens")
                listed = tokens if isinstance(tokens, list) else []
                token = next(
                    (
                        each
                        for each in listed
                        if isinstance(each, dict) and each.get("tokenid") == self._token
                    ),
                    None,
                )
                if token is None:
                    break
                return Account(parse_time(row.get("expire")) or 0, parse_time(token.get("expire")) or 0)
        return Account(known=False)


def _rights(data: Any) -> dict[str, dict[str, object]]:
    """Return the privileges by path. Proxmox sends an empty list for an account without any."""
    if not isinstance(data, dict):
        return {}
    return {str(path): dict(held) for path, held in data.items() if isinstance(held, dict)}
