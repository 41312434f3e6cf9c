"""Name the sites in stored data, and decide at the start whether the stored data fits the configured sites.

Data of the only site is stored under the key "", unless it was one of several (adapters/journal/shared.py). With
several sites this key belongs to the site in FIRST_SITE, so that the journal and the read-only files stay as they are
when a second site is added. Every other site is stored under its name. The file of the watch lists names all sites,
if there are several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

NO_SITE = "*"
"""Key of data that belongs to no site, if there are several. No site has this name."""


@dataclass(frozen=True, slots=True)
class SiteNames:
    """The names of the configured sites, in order. The only site has the name "".

    `first`: FIRST_SITE, or the configured name of the only site. None if there is neither.
    """

    names: tuple[str, ...] = ("",)
    first: str | None = None

    @property
    def several(self) -> bool:
        return self.names != ("",)


ONLY_SITE = SiteNames()


@dataclass(frozen=True, slots=True)
class StoredSites:
    """The sites that have stored data.

    `first`: the site that owns the key "", None if it was never named. `plain`: whether there is data under "".
    `named`: the sites that have data under their own names.
    """

    first: str | None = None
    plain: bool = False
    named: frozenset[str] = frozenset()


class SiteFaultKind(StrEnum):
    """Why the stored data does not fit the configured sites."""

    MISSING = "missing"  # there is data under "", and nothing says which of the configured `sites` owns it
    CHANGED = "changed"  # the data under "" is that of `site`, and FIRST_SITE names another site or none
    GONE = "gone"  # the data under "" is that of `site`, which is not configured; FIRST_SITE names another
    TAKEN = "taken"  # FIRST_SITE names `site`, which has data under its own name; there is data under "", too
    UNNEEDED = "unneeded"  # as TAKEN, without data under "": FIRST_SITE can be removed
    UNCLEAR = "unclear"  # a single site is configured, and nothing says which of the lists of several `sites` it owns


class SiteFault(Exception):
    """The stored data does not fit the configured sites. Nothing was changed."""

    def __init__(self, kind: SiteFaultKind, site: str = "", sites: Sequence[str] = ()) -> None:
        super().__init__(kind, site, tuple(sites))
        self.kind, self.site, self.sites = kind, site, tuple(sites)


def stored_key(name: str, first: str | None) -> str:
    """Return the key of a site's data. `first`: the site that owns the key "", None if none does."""
    return "" if name == first else name


def check_sites(configured: SiteNames, stored: StoredSites) -> None:
    """Check that the stored data fits the configured sites.

    Raises: SiteFault.
    """
    first = configured.first
    if not configured.several or first == stored.first is not None:
        return
    if stored.first is not None:
        if stored.first in configured.names:
            raise SiteFault(SiteFaultKind.CHANGED, stored.first)
        if first is not None:
            raise SiteFault(SiteFaultKind.GONE, stored.first)
    elif first is None:
        if stored.plain:
            raise SiteFault(SiteFaultKind.MISSING, sites=configured.names)
    elif first in stored.named:
        raise SiteFault(SiteFaultKind.TAKEN if stored.plain else SiteFaultKind.UNNEEDED, first)
