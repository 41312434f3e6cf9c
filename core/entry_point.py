"""Name one address of a cluster's API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One address of the API of a cluster, that of a node.

    `host`: IPv6 without brackets. `fingerprint`: SHA-256 of its certificate, colons allowed; None: it is not pinned.
    """

    host: str
    port: int
    fingerprint: str | None = None
