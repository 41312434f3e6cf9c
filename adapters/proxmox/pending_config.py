"""Parse a guest's configuration together with the changes that wait for a restart."""

from collections.abc import Iterable
from typing import Any

from adapters.proxmox.parse import parse_config, parse_pending
from core.guest import GuestConfig, Kind
from core.proxmox import Pending


def parse_config_with_pending(kind: Kind, rows: Iterable[Any]) -> tuple[GuestConfig, tuple[Pending, ...]]:
    """Parse `/pending` as the configuration in effect and the changes that wait for a restart.

    It has a row for each key of the configuration, with the current `value` (GuestHelpers.pm
    config_with_pending_array).
    """
    known = [row for row in rows if isinstance(row, dict)]
    values = {str(row.get("key")): row["value"] for row in known if "value" in row}
    pending = parse_pending(known)
    return parse_config(kind, values), tuple(item for item in pending if item.is_waiting)
