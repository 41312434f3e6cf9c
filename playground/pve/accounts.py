"""Play the administration of the playground's cluster: expiring users and tokens, its options and certificates.

Thirteenth layer over fakepve. Follows pve-access-control API2/User.pm and pve-manager API2/Cluster.pm.
"""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from playground.pve.network.http import PveError, Values
from playground.pve.scenes import Scenes


class Accounts(Scenes):
    """A cluster with accounts that can expire, options of the datacenter, and a certificate that can be replaced."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ends: dict[str, float] = {}
        """When a user or token (`user!token`) expires, in Unix time."""
        self.datacenter: Values = {}
        """The options of the datacenter."""

    def show_certificate(self, days: float = 30.0, begins: float = -1.0) -> None:
        """Sign a new certificate of the first node, and show it at the first address.

        `days`: days until it ends, negative if it has expired. `begins`: days until it becomes valid.
        """
        self.call(self.listeners[0].renew(self._sign(sorted(self.nodes)[0], days, begins)))

    def _authenticate(self, request: web.Request) -> Any:
        """Refuse an account that has expired (AccessControl.pm, verify_token)."""
        who = super()._authenticate(request)
        for name in (who, str(who).partition("!")[0]):
            if 0 < self.ends.get(name, 0) < time.time():
                raise PveError(401, f"{name} access expired")
        return who

    def _routes_truth_accounts(self) -> list[tuple[str, str, Any]]:
        return [("GET", "/access/users", self._users), ("GET", "/cluster/options", self._options)]

    async def _users(self, v: Values, user: str) -> list[Values]:
        """List the users, with their tokens if `full` is 1.

        Without User.Modify or Sys.Audit on /access/groups, a user sees only itself, and a token nobody.
        """
        may = any(self.allowed(user, "/access/groups", priv) for priv in ("User.Modify", "Sys.Audit"))
        owners = sorted({name.partition("!")[0] for name in self.apitokens} | {"root@pam"})
        rows = []
        for owner in owners:
            if not may and owner != user:
                continue
            row: Values = {"userid": owner, "enable": 1, "expire": int(self.ends.get(owner, 0))}
            if str(v.get("full")) == "1":
                row["tokens"] = [
                    {
                        "tokenid": name.partition("!")[2],
                        "expire": int(self.ends.get(name, 0)),
                        "privsep": int(name not in self.full_tokens),
                    }
                    for name in sorted(self.apitokens)
                    if name.startswith(f"{owner}!")
                ]
            rows.append(row)
        return rows

    async def _options(self, _v: Values, user: str) -> Values:
        """Show all options with Sys.Audit, without it only a few."""
        if self.allowed(user, "/", "Sys.Audit"):
            return dict(self.datacenter)
        return {name: self.datacenter[name] for name in ("console", "tag-style") if name in self.datacenter}
