"""Store the dashboards in journal.db. A part of adapters/journal/store.py.

`db`: the connection of a running transaction. `site`: stored key.
"""

from __future__ import annotations

import sqlite3

from adapters.journal.schema import encode_text
from core.codec import decode, encode
from core.dashboard.model import DASHBOARDS_MOST, LIMITED_MOST, Dashboard
from core.dashboard.ports import AddOutcome

_VALUES = "(site, mark, channel_id, extent, json) VALUES (?, ?, ?, ?, ?)"


def read_dashboards(db: sqlite3.Connection, site: str) -> dict[int, Dashboard | None]:
    """Return the dashboards of a site by id, oldest first. None stands for an unreadable one."""
    rows = db.execute("SELECT id, json FROM dashboards WHERE site = ? ORDER BY id", (site,))
    return {row["id"]: _decoded(row["json"]) for row in rows.fetchall()}


def add_dashboard(db: sqlite3.Connection, site: str, dashboard: Dashboard) -> AddOutcome:
    """Insert a dashboard, and return whether this was done or why not.

    Its channel may have none of the same extent, and the site may have `DASHBOARDS_MOST` at most. If it is limited to
    roles, the person who adds it may have `LIMITED_MOST` such dashboards at most.
    """
    values = _row(site, dashboard)
    (same,) = db.execute(
        "SELECT count(*) FROM dashboards WHERE site = ? AND channel_id = ? AND extent = ?",
        (site, dashboard.channel_id, values[3]),
    ).fetchone()
    if same:
        return AddOutcome.EXISTS
    found = read_dashboards(db, site).values()
    if len(found) >= DASHBOARDS_MOST:
        return AddOutcome.FULL
    own = [each for each in found if each and each.extent.roles and each.by_id == dashboard.by_id]
    if dashboard.extent.roles and len(own) >= LIMITED_MOST:
        return AddOutcome.OWN_FULL
    db.execute(f"INSERT INTO dashboards {_VALUES}", values)
    return AddOutcome.ADDED


def write_dashboard(db: sqlite3.Connection, site: str, dashboard: Dashboard) -> None:
    """Update the dashboard with the same mark, or insert it again if the journal has lost it."""
    db.execute(
        f"INSERT INTO dashboards {_VALUES} ON CONFLICT (mark) DO UPDATE SET json = excluded.json",
        _row(site, dashboard),
    )


def drop_dashboard(db: sqlite3.Connection, mark: str) -> None:
    db.execute("DELETE FROM dashboards WHERE mark = ?", (mark,))


def _row(site: str, dashboard: Dashboard) -> tuple[str, str, int, bytes, str]:
    extent = encode_text(encode(dashboard.extent))
    return site, dashboard.mark, dashboard.channel_id, extent, encode(dashboard)


def _decoded(text: object) -> Dashboard | None:
    try:
        return decode(Dashboard, str(text))
    except ValueError:
        return None
