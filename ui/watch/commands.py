"""Show the watch list and the status of the watch of one site, without the parts that are hidden from a person.

ui/watch/sites.py shows those of several sites.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from core.access.policy import Actor
from core.errors import JournalFailed
from core.guest import Cluster
from core.operations import Operation
from core.proxmox_errors import HalfGone
from core.watch.incidents.disks import silent_guests
from core.watch.incidents.model import WatchEntry, node_subject
from core.watch.journal import Backlog
from core.watch.subjects import concerns
from ui.interaction.context import actor_of, gone_from
from ui.interaction.reply import Reply
from ui.interaction.services import Services, Site
from ui.options.completions import cluster_for_completion
from ui.watch.access import dashboards_of, is_subject_visible_to, is_visible_to
from ui.watch.status.cards import status_card
from ui.watch.status.words import AuditStatus, WatchStatus
from ui.watch.views import COUNTED_DAYS, watch_list_card

DAY = 86_400  # seconds


async def show_watch_list(site: Site, reply: Reply, page: int = 0) -> None:
    """Show one page of the watch list, even if neither Proxmox nor the journal answers."""
    actor, cluster = actor_of(reply.interaction), await cluster_for_completion(site)
    entries, counts = watched_entries(site, actor, cluster), await incident_counts(site)
    now = site.services.clock.now()
    await reply.show(
        watch_list_card(reply.t, site.watch, entries, cluster, page, now, counts, site=site.name)
    )


def watched_entries(site: Site, actor: Actor, cluster: Cluster | None) -> list[WatchEntry]:
    """Return the part of the watch list that the person may see."""
    return [entry for entry in site.watch.entries if is_visible_to(site, actor, entry.vmid, cluster)]


async def incident_counts(site: Site) -> dict[int, int]:
    """Return the number of incidents of the last COUNTED_DAYS days by VMID. Empty if the journal cannot be read."""
    try:
        return await site.journal.counts(site.services.clock.now() - COUNTED_DAYS * DAY)
    except JournalFailed:
        return {}


async def show_status(site: Site, reply: Reply) -> None:
    cluster = await cluster_for_completion(site)
    status = await visible_status(site, actor_of(reply.interaction), cluster)
    (status,) = await without_gone(reply, [status])
    steps = reply.mention(Operation.MONITOR_LIST, Operation.MONITOR_HISTORY)
    await reply.show(status_card(reply.t, status, cluster, site.services.clock.now(), steps))


async def without_gone(reply: Reply, statuses: Sequence[WatchStatus]) -> list[WatchStatus]:
    """Return the statuses. Mutes by people who have left lose the user id, so that the stored name is shown.

    Discord is asked for all people at once, so that a hung Discord costs one wait.
    """
    people = (mute.by_id for status in statuses for mute in status.mutes)
    gone = await gone_from(reply.interaction, people)
    return [
        replace(
            status,
            mutes=tuple(replace(mute, by_id=0) if mute.by_id in gone else mute for mute in status.mutes),
        )
        for status in statuses
    ]


async def visible_status(site: Site, actor: Actor, cluster: Cluster | None) -> WatchStatus:
    """Return the status of the watch, without parts that are hidden from the person."""
    status = await _watch_status_of(site)
    mutes = tuple(mute for mute in status.mutes if is_subject_visible_to(site, actor, mute.target, cluster))
    unknown = tuple(each for each in status.unknown if is_visible_to(site, actor, each.vmid, cluster))
    silent = tuple(each for each in status.unmeasured if is_visible_to(site, actor, each.vmid, cluster))
    stale = tuple(
        name for name in status.stale if is_subject_visible_to(site, actor, node_subject(name), cluster)
    )
    boards = dashboards_of(site, actor)
    status = replace(
        status,
        mutes=mutes,
        unknown=unknown,
        unmeasured=silent,
        stale=stale,
        dashboards=len(boards),
        troubled_dashboards=sum(fault is not None for _, fault in boards),
    )
    if site.authorizer.has_hidden_guests(actor):
        is_visible = partial(is_visible_to, site, actor, cluster=cluster)
        open_ = site.watch.state.open.values()
        status = replace(status, open=sum(concerns(incident, is_visible) for incident in open_))
        if isinstance(status.read_error, HalfGone):
            status = replace(status, read_error=HalfGone(None, None))
    return status


async def _watch_status_of(site: Site) -> WatchStatus:
    """Return the whole status of the watch except the dashboards, without asking Proxmox."""
    watch = site.watch
    undelivered: Backlog | JournalFailed
    try:
        undelivered = await site.journal.backlog(site.services.clock.now() - DAY)
    except JournalFailed as error:
        undelivered = error
    return WatchStatus(
        last_read=watch.last_read,
        interval=site.services.poll_seconds,
        read_error=watch.read_error,
        failures=watch.state.source.failures,
        open=len(watch.state.open),
        undelivered=undelivered,
        stuck=site.alert_delivery.error,
        journal_error=watch.journal_error,
        heartbeat=(site.services.heartbeat.error or "") if site.services.heartbeat.is_enabled else None,
        last_beat=site.services.heartbeat.last_beat,
        read_only=site.authorizer.read_only.refusal,
        audit=await _audit_status(site.services),
        mutes=watch.alerts.mutes(),
        sees_no_tasks=watch.sees_tasks is False,
        unknown=watch.blind,
        unmeasured=silent_guests(watch.state, watch.entries),
        stale=watch.stale,
    )


async def _audit_status(services: Services) -> AuditStatus | None:
    delivery, since = services.audit_delivery, services.clock.now() - DAY
    if not delivery.is_enabled:
        return None
    try:
        backlog = await delivery.backlog()
        left_out_at = delivery.left_out_at if delivery.left_out_at > since else 0.0
        return AuditStatus(delivery.error, backlog, delivery.blocked, delivery.rejected, left_out_at)
    except JournalFailed as error:
        return AuditStatus(delivery.error or error.reason)
