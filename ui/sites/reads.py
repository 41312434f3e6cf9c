"""Read several sites at once. A site that does not answer delays the others only for a short time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.errors import BotError, UnexpectedFailure
from core.guest import Cluster
from core.proxmox_errors import TimedOut
from ui.discord.failures import log_unexpected
from ui.formatting import WARNING, timestamp
from ui.i18n import Text
from ui.interaction.services import Site
from ui.messages.errors import reason_of
from ui.options.completions import WAIT_SECONDS, clusters_of

T = TypeVar("T")

BROKEN_SECONDS = 0.5
"""Seconds to wait for a site that the watch cannot read, if it can read another site."""


@dataclass(frozen=True, slots=True)
class SiteRead:
    """The last read of one site. `cluster`: None if there is none.

    `error`: why a new read failed or was late, None if it did not. `reads_for_completion` never sets it.
    """

    site: Site
    cluster: Cluster | None
    error: BotError | None = None

    @property
    def read_at(self) -> float | None:
        """Unix seconds of the read."""
        clock = self.site.services.clock
        return clock.now() - (clock.monotonic() - self.cluster.read_at) if self.cluster else None


async def read_sites(sites: Sequence[Site]) -> list[SiteRead]:
    """Read all sites at once. A site that fails or is late gives its last read and the error. Does not raise.

    A site is late after WAIT_SECONDS, or after BROKEN_SECONDS if the watch can read another site but not this one.
    """
    all_broken = all(site.watch.read_error for site in sites)
    waits = (
        WAIT_SECONDS if all_broken or site.watch.read_error is None else BROKEN_SECONDS for site in sites
    )
    return await asyncio.gather(*(_read(site, wait) for site, wait in zip(sites, waits, strict=True)))


async def read_one(site: Site) -> SiteRead:
    """Read one site, or return its last read with the error.

    Raises: ProxmoxError, if there is no last read.
    """
    try:
        return SiteRead(site, await site.cluster_cache.read())
    except BotError as error:
        if site.cluster_cache.last is None:
            raise
        return SiteRead(site, site.cluster_cache.last, error)


async def reads_for_completion(sites: Sequence[Site]) -> list[SiteRead]:
    """Read each site as completions of guests do, in the short time that Discord allows."""
    return [SiteRead(*each) for each in zip(sites, await clusters_of(sites), strict=True)]


async def _read(site: Site, wait: float) -> SiteRead:
    try:
        async with asyncio.timeout(wait):
            return SiteRead(site, await site.cluster_cache.read())
    except BotError as error:
        return SiteRead(site, site.cluster_cache.last, error)
    except TimeoutError:
        late = site.watch.read_error or TimedOut("", changing=False)
        return SiteRead(site, site.cluster_cache.last, late)
    except Exception as error:  # noqa: BLE001 - a bug at one site must not hide the others
        return SiteRead(site, site.cluster_cache.last, UnexpectedFailure(log_unexpected(error)))


async def part_of_each(reads: Sequence[SiteRead], make: Callable[[SiteRead], Awaitable[T]]) -> list[T]:
    """Return the part of an answer that `make` returns for each read.

    If the data of a site cause a bug in `make`, its part is that of a site that cannot be read.
    Raises: the BotErrors of `make`, and every error that it raises for a site without a read.
    """
    parts = []
    for read in reads:
        try:
            parts.append(await make(read))
        except BotError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug at one site must not hide the others
            unread = SiteRead(read.site, None, UnexpectedFailure(log_unexpected(error)))
            parts.append(await make(unread))
    return parts


def read_note(t: Text, read: SiteRead) -> str:
    """Say why a site could not be read, and how old its data is, in about 150 characters. "" if it is fresh."""
    if read.error is None:
        return ""
    reason = f"{WARNING} {reason_of(t, str(read.error))}"
    if read.read_at is None:
        return reason
    return f"{reason} · {t('as of {time}', time=timestamp(read.read_at))}"
