"""Store which sites the journal knows. A part of adapters/journal/store.py.

The table `meta` has the name of the site whose data has the key "" (`first_site`), and a number for every other site
that was ever configured (`site/<name>`). The ids of a site's incidents and messages are counted from its number times
`IDS_EACH` plus the Unix time, so they are unique over all sites.
"""

from __future__ import annotations

import sqlite3

from adapters.files.stored_sites import SiteNames, StoredSites, stored_key
from adapters.journal.schema import encode_text
from core.errors import JournalFailed

IDS_EACH = 10**12
SITES_MOST = 99
"""Maximum number of sites that were ever configured, besides the first. A number is never given to another site.

With more sites, a message's nonce would exceed Discord's 25 characters.
"""
_WITH_SITES = 4
"""The first version whose rows have a site."""
_FIRST, _NUMBER = "first_site", "site/"
"""The name of the first site's row in `meta`, and the beginning of the names of the others' rows."""
_RECORDS = "site/"
"""The beginning of each key in `records` that belongs to a site other than the first. The site and a slash follow.

No other key in `records` begins like this.
"""


def record_range(key: str) -> tuple[bytes, bytes]:
    """Return the lowest possible key of a site's records, and the first key beyond them. `key`: the site's.

    The keys of the first site ("") are no such range. For it, return the range of all other sites, to be left out.
    """
    prefix = f"{_RECORDS}{key}/" if key else _RECORDS
    return encode_text(prefix), encode_text(prefix[:-1] + chr(ord(prefix[-1]) + 1))


def record_prefix(key: str) -> str:
    """Return the beginning of the keys of a site's records. `key`: the site's."""
    return f"{_RECORDS}{key}/" if key else ""


def is_of_other_site(record_key: str) -> bool:
    """Return whether the key of a record can only belong to a site other than the first."""
    return record_key.startswith(_RECORDS)


def read_stored(db: sqlite3.Connection, version: int) -> StoredSites:
    """Return the sites that have data in a file. `version`: its applied steps (adapters/journal/schema.py)."""
    if version == 0:
        return StoredSites()
    if version < _WITH_SITES:
        tables = ("records", "incidents", "messages", "audit")[: 4 if version > 1 else 3]
        found = (db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608 - fixed words
        return StoredSites(plain=any(found))
    first, numbers = read_site_numbers(db)
    return StoredSites(first, _has_data(db, ""), frozenset(name for name in numbers if _has_data(db, name)))


def read_site_numbers(db: sqlite3.Connection) -> tuple[str | None, dict[str, int]]:
    """Return the site whose data has the key "" (None: it has no name yet), and the numbers of the others."""
    meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
    numbers = {
        name.removeprefix(_NUMBER): value
        for name, value in meta.items()
        if name.startswith(_NUMBER) and isinstance(value, int)
    }
    first = meta.get(_FIRST)
    return first if isinstance(first, str) else None, numbers


def as_meta(first: str | None, numbers: dict[str, int]) -> dict[str, object]:
    """Return the rows of `meta` that hold the first site and the numbers of the others."""
    rows: dict[str, object] = {f"{_NUMBER}{name}": number for name, number in numbers.items()}
    return rows if first is None else rows | {_FIRST: first}


def write_sites(db: sqlite3.Connection, configured: SiteNames) -> None:
    """Note FIRST_SITE, and give a number to each other site that has none.

    Raises: JournalFailed if there are too many sites.
    """
    if configured.first is not None:
        db.execute("REPLACE INTO meta VALUES (?, ?)", (_FIRST, configured.first))
    for name in configured.names:
        site_number(db, stored_key(name, configured.first))


def site_number(db: sqlite3.Connection, key: str) -> int:
    """Return the number of a site, 0 for the first one. A site without a number is given the next.

    Raises: JournalFailed if there are too many sites.
    """
    if not key:
        return 0
    _, numbers = read_site_numbers(db)
    if key not in numbers:
        numbers[key] = max(numbers.values(), default=0) + 1
        if numbers[key] > SITES_MOST:
            raise JournalFailed("too many sites")
        db.execute("INSERT INTO meta VALUES (?, ?)", (f"{_NUMBER}{key}", numbers[key]))
    return numbers[key]


def _has_data(db: sqlite3.Connection, key: str) -> bool:
    low, high = record_range(key)
    inside = "key >= :low AND key < :high" if key else "NOT (key >= :low AND key < :high)"
    queries = (
        f"SELECT 1 FROM records WHERE {inside} LIMIT 1",  # noqa: S608 - fixed words
        "SELECT 1 FROM incidents WHERE site = :key LIMIT 1",
        "SELECT 1 FROM messages WHERE site = :key LIMIT 1",
        "SELECT 1 FROM audit WHERE attempt IS NULL AND site = :key LIMIT 1",
    )
    values = {"low": low, "high": high, "key": key}
    return any(db.execute(query, values).fetchone() for query in queries)
