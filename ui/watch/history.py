"""Show the incidents of the chosen site, or of all sites that the person may see, newest first."""

import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from core.access.policy import Actor, listed_or_unknown, scoped_vmids
from core.guest import Cluster
from core.operations import Operation
from core.watch.incidents.model import Incident
from core.watch.subjects import visible_part
from ui.guests.lists.cards import ROWS, page_of
from ui.interaction.context import actor_of, chosen_site, gone_from, services_of
from ui.interaction.custom_ids import ALL_SITES
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.sites.option import asked_sites
from ui.sites.reads import read_sites
from ui.watch.access import is_visible_to
from ui.watch.views import history_card


@dataclass(frozen=True, slots=True)
class Past:
    """The incidents of one site that a person may see.

    `vmids`: only the incidents of these guests; None: all. `total`: number of incidents.
    """

    site: Site
    actor: Actor
    cluster: Cluster | None
    vmids: frozenset[int] | None
    total: int

    @classmethod
    async def of(cls, site: Site, actor: Actor, cluster: Cluster | None, vmid: int | None) -> "Past":
        """Count the incidents that the person may see. `vmid`: only those of this guest; None: all.

        Raises: Refused by access, JournalFailed.
        """
        authorizer, vmids = site.authorizer, None if vmid is None else frozenset({vmid})
        if vmid is not None:
            authorizer.authorize(actor, Operation.MONITOR_HISTORY, listed_or_unknown(cluster, vmid))
        elif authorizer.has_hidden_guests(actor):
            known = {guest.vmid for guest in cluster.guests} if cluster else set[int]()
            known |= scoped_vmids(authorizer.rules, actor)
            vmids = frozenset(each for each in known if is_visible_to(site, actor, each, cluster))
        _, total = await site.journal.history(vmids, 0, 0)
        return cls(site, actor, cluster, vmids, total)

    async def incidents(self, offset: int, limit: int) -> tuple[Incident, ...]:
        """Return incidents, newest first. Scoped users get them without hidden guests and without outdated names.

        Raises: JournalFailed.
        """
        found, _ = await self.site.journal.history(self.vmids, offset, limit)
        if not self.site.authorizer.has_hidden_guests(self.actor):
            return found

        def is_visible(vmid: int) -> bool:
            return is_visible_to(self.site, self.actor, vmid, self.cluster)

        return tuple(visible_part(incident, is_visible, self.cluster) for incident in found)

    async def sort_time(self, index: int) -> float:
        """Return the Unix time by which an incident is sorted among those of other sites.

        It is the earliest beginning of this incident and the newer ones, so that it never rises within the list. Some
        incidents open long after they began.
        `index`: place of the incident; the newest has 0.
        Raises: JournalFailed.
        """
        return await self.site.journal.earliest_beginning(self.vmids, index + 1)

    async def sorted_incidents(self, start: int, limit: int) -> list[tuple[float, Incident]]:
        """Return `incidents`, each with its `sort_time`.

        Raises: JournalFailed.
        """
        time = await self.sort_time(start - 1) if start else math.inf
        found = await self.incidents(start, limit)
        times = itertools.accumulate((incident.opened for incident in found), min, initial=time)
        return list(zip(itertools.islice(times, 1, None), found, strict=True))


async def show_history(reply: Reply, vmid: int | None, page: int = 0) -> None:
    """Show one page of incidents. A page beyond the end becomes the last one.

    Scoped users see only incidents of guests that they may see, without outdated names.
    Raises: Refused by access, JournalFailed.
    """
    interaction, services = reply.interaction, services_of(reply.interaction)
    actor, site = actor_of(interaction), chosen_site(interaction)
    reads = await read_sites(asked_sites(interaction))
    pasts = [await Past.of(read.site, actor, read.cluster, vmid) for read in reads]
    total = sum(past.total for past in pasts)
    page, _ = page_of(page, total)
    found = await newest(pasts, page * ROWS, ROWS)
    gone = await gone_from(interaction, (incident.acked_by_id for _, incident in found))
    guest = next((guest for read in reads if (guest := read.cluster and read.cluster.find(vmid or 0))), None)
    card = history_card(
        reply.t,
        [replace(each, acked_by_id=0) if each.acked_by_id in gone else each for _, each in found],
        total,
        vmid,
        page,
        services.clock.now(),
        guest.label if guest else "",
        site=site.name if site else ALL_SITES,
        names={incident.id: past.site.name for past, incident in found},
    )
    await reply.show(card)


async def newest(pasts: Sequence[Past], offset: int, limit: int) -> list[tuple[Past, Incident]]:
    """Return at most `limit` incidents of all sites, newest first, from the place `offset` on.

    Raises: JournalFailed.
    """
    starts = await skip(
        [past.total for past in pasts], lambda which, index: pasts[which].sort_time(index), offset
    )
    found = [
        [(time, past, incident) for time, incident in await past.sorted_incidents(start, limit)]
        for past, start in zip(pasts, starts, strict=True)
    ]
    merged = heapq.merge(*found, key=lambda each: -each[0])
    return [(past, incident) for _, past, incident in itertools.islice(merged, limit)]


async def skip(
    totals: Sequence[int], time_of: Callable[[int, int], Awaitable[float]], count: int
) -> list[int]:
    """Return for each of several lists how many of its items are among the `count` newest of all.

    Each list has its newest item first. `time_of`: returns the time of an item by its list and its index.
    Only a few items are read. Each round divides the items that are still to be skipped equally among the lists. The
    part whose last item is the newest of all last items can then be skipped as a whole.
    """
    starts = [0] * len(totals)
    while count > 0:
        left = [which for which, total in enumerate(totals) if starts[which] < total]
        if len(left) < 2:
            for which in left:
                starts[which] = min(totals[which], starts[which] + count)
            break
        step = max(1, count // len(left))
        parts = {which: min(step, totals[which] - starts[which]) for which in left}
        ends = {which: await time_of(which, starts[which] + parts[which] - 1) for which in left}
        which = max(left, key=lambda each: (ends[each], -each))
        starts[which] += parts[which]
        count -= parts[which]
    return starts
