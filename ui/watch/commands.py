"""Carry out the /monitor commands and show their cards. The page buttons use the same functions."""

from dataclasses import replace
from functools import partial

from core.access.policy import listed_or_unknown, scoped_vmids
from core.errors import JournalFailed
from core.operations import Operation
from core.proxmox_errors import HalfGone
from core.watch.incidents.model import node_subject
from core.watch.journal import Backlog
from core.watch.subjects import concerns, visible_part
from ui.guests.lists import ROWS, page_of
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Services, Site, actor_of
from ui.interaction.options import cluster_for_completion
from ui.interaction.reply import Reply
from ui.watch.access import is_subject_visible_to, is_visible_to
from ui.watch.status import AuditHealth, Health, outcome_of_test, status_card
from ui.watch.views import COUNTED_DAYS, history_card, watch_list_card

TEST_SECONDS = 10.0
DAY = 86_400


async def show_watch_list(site: Site, reply: Reply, page: int = 0) -> None:
    """Show the watch list with the data at hand, even if neither Proxmox nor the journal answers."""
    actor, cluster = actor_of(reply.interaction), await cluster_for_completion(site)
    now = site.services.clock.now()
    entries = [entry for entry in site.watch.entries if is_visible_to(site, actor, entry.vmid, cluster)]
    try:
        counts = site.journal.counts(now - COUNTED_DAYS * DAY)
    except JournalFailed:
        counts = {}
    await reply.show(
        watch_list_card(reply.t, site.watch, entries, cluster, page, now, counts, site=site.name)
    )


async def show_history(site: Site, reply: Reply, vmid: int | None, page: int = 0) -> None:
    """Show one page of incidents. A page beyond the end becomes the last one.

    Scoped users see only incidents of guests that they may see, with the current names of these guests.
    Raises: GuestNotFound, JournalFailed.
    """
    authorizer, actor = site.authorizer, actor_of(reply.interaction)
    cluster = await cluster_for_completion(site)
    if vmid is not None:
        authorizer.authorize(actor, Operation.MONITOR_HISTORY, listed_or_unknown(cluster, vmid))
    exists = partial(is_visible_to, site, actor, cluster=cluster)
    narrowed, vmids = authorizer.has_hidden_guests(actor), {vmid} if vmid is not None else None
    if narrowed and vmids is None:
        known = {guest.vmid for guest in cluster.guests} if cluster else set()
        vmids = {each for each in known | scoped_vmids(authorizer.rules, actor) if exists(each)}
    page, _ = page_of(page, site.journal.history(vmids, 0, 0)[1])
    incidents, total = site.journal.history(vmids, page * ROWS, ROWS)
    if narrowed:
        incidents = tuple(visible_part(incident, exists, cluster) for incident in incidents)
    guest = cluster.find(vmid) if cluster and vmid else None
    label = guest.label if guest else ""
    now = site.services.clock.now()
    await reply.show(history_card(reply.t, incidents, total, vmid, page, now, label, site=site.name))


async def show_status(site: Site, reply: Reply) -> None:
    cluster = await cluster_for_completion(site)
    actor, health = actor_of(reply.interaction), health_of(site)
    mutes = tuple(mute for mute in health.mutes if is_subject_visible_to(site, actor, mute.target, cluster))
    unknown = tuple(each for each in health.unknown if is_visible_to(site, actor, each.vmid, cluster))
    stale = tuple(
        name for name in health.stale if is_subject_visible_to(site, actor, node_subject(name), cluster)
    )
    health = replace(health, mutes=mutes, unknown=unknown, stale=stale)
    if site.authorizer.has_hidden_guests(actor):
        exists = partial(is_visible_to, site, actor, cluster=cluster)
        open_ = site.watch.state.open.values()
        health = replace(health, open=sum(concerns(incident, exists) for incident in open_))
        if isinstance(health.read_error, HalfGone):
            health = replace(health, read_error=HalfGone(None, None))
    await reply.show(status_card(reply.t, health, cluster, site.services.clock.now()))


def health_of(site: Site) -> Health:
    """Return the health of the watch, without asking Proxmox."""
    watch = site.watch
    undelivered: Backlog | JournalFailed
    try:
        undelivered = site.journal.backlog(site.services.clock.now() - DAY)
    except JournalFailed as error:
        undelivered = error
    return Health(
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
        audit=_audit_health(site.services),
        mutes=watch.mutes(),
        blind=watch.sees_tasks is False,
        unknown=watch.blind,
        stale=watch.stale,
    )


def _audit_health(services: Services) -> AuditHealth | None:
    delivery = services.audit_delivery
    if not delivery.is_enabled:
        return None
    try:
        return AuditHealth(delivery.error, delivery.backlog(), delivery.blocked)
    except JournalFailed as error:
        return AuditHealth(delivery.error or error.reason)


async def send_test(site: Site, reply: Reply) -> None:
    """Send a real test message through the normal delivery, and show the result.

    A message that does not arrive in time is given up, because hours later it would only confuse people.
    Raises: JournalFailed.
    """
    rules = site.authorizer.rules
    with record_attempt(reply.interaction, Operation.MONITOR_TEST) as asked:
        asked.authorize(whole=True)
        asked.start()
        test = site.watch.send_test()
        message = await site.alert_delivery.outcome(test, TEST_SECONDS)
        stuck = site.alert_delivery.error
        if message is None or message.posted is None:
            asked.outcome = (message.error if message else "") or stuck or "not in time"
            site.journal.give_up(test, asked.outcome)
    card = outcome_of_test(reply.t, message, stuck, TEST_SECONDS, rules.guild_id, rules.alert_channel_id or 0)
    await reply.show(card)
