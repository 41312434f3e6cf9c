"""Carry out the /monitor commands and show their cards. The page buttons use the same functions."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial

from core.access.policy import Actor, is_protected, level_on, listed_or_unknown, scoped_vmids
from core.errors import JournalFailed, NameMismatch, NoReason, NotMuted, OnlySomeGuests, Unconfirmed
from core.guest import Cluster, Guest
from core.operations import OPERATIONS, Level, Operation
from core.proxmox_errors import HalfGone, ProxmoxError
from core.validation import parse_duration
from core.wanted_errors import UnknownTarget
from core.watch.incidents.model import ALL, SOURCE, Incident, Topic, node_subject
from core.watch.incidents.transition import guest_targets
from core.watch.journal import Backlog
from core.watch.subjects import concerns, target_of, visible_part
from ui.formatting import plain
from ui.guests.lists import ROWS, page_of
from ui.interaction.context import Services
from ui.interaction.gate import Attempt, actor_of, record_attempt
from ui.interaction.options import cluster_for_completion
from ui.interaction.reply import Reply
from ui.messages.subjects import vmid_of
from ui.watch.status import AuditHealth, Health, outcome_of_test, status_card
from ui.watch.views import COUNTED_DAYS, history_card, muted_card, unmuted_card, watch_list_card

TEST_SECONDS = 10.0
REASON_MOST = 200
DAY = 86_400


async def show_watch_list(services: Services, reply: Reply, page: int = 0) -> None:
    """Show the watch list with the data at hand, even if neither Proxmox nor the journal answers."""
    actor, cluster = actor_of(reply.interaction), await cluster_for_completion(services)
    now = services.clock.now()
    entries = [
        entry for entry in services.watch.entries if is_visible_to(services, actor, entry.vmid, cluster)
    ]
    try:
        counts = services.journal.counts(now - COUNTED_DAYS * DAY)
    except JournalFailed:
        counts = {}
    await reply.show(watch_list_card(reply.t, services.watch, entries, cluster, page, now, counts))


async def show_history(services: Services, reply: Reply, vmid: int | None, page: int = 0) -> None:
    """Show one page of incidents. A page beyond the end becomes the last one.

    Scoped users see only incidents of guests that they may see, with the current names of these guests.
    Raises: GuestNotFound, JournalFailed.
    """
    authorizer, actor = services.authorizer, actor_of(reply.interaction)
    cluster = await cluster_for_completion(services)
    if vmid is not None:
        authorizer.authorize(actor, Operation.MONITOR_HISTORY, listed_or_unknown(cluster, vmid))
    exists = partial(is_visible_to, services, actor, cluster=cluster)
    narrowed, vmids = authorizer.has_hidden_guests(actor), {vmid} if vmid is not None else None
    if narrowed and vmids is None:
        known = {guest.vmid for guest in cluster.guests} if cluster else set()
        vmids = {each for each in known | scoped_vmids(authorizer.rules, actor) if exists(each)}
    page, _ = page_of(page, services.journal.history(vmids, 0, 0)[1])
    incidents, total = services.journal.history(vmids, page * ROWS, ROWS)
    if narrowed:
        incidents = tuple(visible_part(incident, exists, cluster) for incident in incidents)
    guest = cluster.find(vmid) if cluster and vmid else None
    label = guest.label if guest else ""
    await reply.show(history_card(reply.t, incidents, total, vmid, page, services.clock.now(), label))


async def show_status(services: Services, reply: Reply) -> None:
    cluster = await cluster_for_completion(services)
    actor, health = actor_of(reply.interaction), health_of(services)
    mutes = tuple(
        mute for mute in health.mutes if is_subject_visible_to(services, actor, mute.target, cluster)
    )
    unknown = tuple(each for each in health.unknown if is_visible_to(services, actor, each.vmid, cluster))
    stale = tuple(
        name for name in health.stale if is_subject_visible_to(services, actor, node_subject(name), cluster)
    )
    health = replace(health, mutes=mutes, unknown=unknown, stale=stale)
    if services.authorizer.has_hidden_guests(actor):
        exists = partial(is_visible_to, services, actor, cluster=cluster)
        open_ = services.watch.state.open.values()
        health = replace(health, open=sum(concerns(incident, exists) for incident in open_))
        if isinstance(health.read_error, HalfGone):
            health = replace(health, read_error=HalfGone(None, None))
    await reply.show(status_card(reply.t, health, cluster, services.clock.now()))


def health_of(services: Services) -> Health:
    """Return the health of the watch, without asking Proxmox."""
    watch = services.watch
    undelivered: Backlog | JournalFailed
    try:
        undelivered = services.journal.backlog(services.clock.now() - DAY)
    except JournalFailed as error:
        undelivered = error
    return Health(
        last_read=watch.last_read,
        interval=services.poll_seconds,
        read_error=watch.read_error,
        failures=watch.state.source.failures,
        open=len(watch.state.open),
        undelivered=undelivered,
        stuck=services.alert_delivery.error,
        journal_error=watch.journal_error,
        heartbeat=(services.heartbeat.error or "") if services.heartbeat.is_enabled else None,
        last_beat=services.heartbeat.last_beat,
        read_only=services.authorizer.read_only.refusal,
        audit=_audit_health(services),
        mutes=watch.mutes(),
        blind=watch.sees_tasks is False,
        unknown=watch.blind,
        stale=watch.stale,
    )


async def cluster_for_decision(attempt: Attempt, vmids: Iterable[int]) -> Cluster | None:
    """Return the list by which access to these guests is decided.

    It is read again if access depends on pools, tags or nodes. If Proxmox does not answer, operations that change
    neither guests nor the watch list use the last read.
    Raises: ProxmoxError for the other operations.
    """
    services, operation = attempt.services, Operation(attempt.word)
    if any(services.authorizer.needs_fresh_list(attempt.actor, operation, vmid) for vmid in vmids):
        if OPERATIONS[operation].changes:
            return await services.cluster_cache.read(max_age=0)
        return await cluster_for_completion(services, max_age=0)
    return await cluster_for_completion(services)


def _audit_health(services: Services) -> AuditHealth | None:
    posting = services.audit_delivery
    if not posting.is_enabled:
        return None
    try:
        return AuditHealth(posting.error, posting.backlog(), posting.blocked)
    except JournalFailed as error:
        return AuditHealth(posting.error or error.reason)


async def mute(
    services: Services, reply: Reply, target: str, duration: str, confirm: str = "", reason: str = ""
) -> None:
    """Mute a target.

    Raises: BadDuration, UnknownTarget, JournalFailed, Refused by access, and the errors of `confirm_protected`.
    """
    watch, interaction = services.watch, reply.interaction
    detail = f"{plain(target)} {plain(duration)}"
    with record_attempt(interaction, Operation.MONITOR_MUTE, detail=detail) as asked:
        seconds = parse_duration(duration)
        cluster = await cluster_for_decision(asked, (0,))  # the list is also needed to find the target
        subject = _subject_of(services, asked, target, cluster)
        asked.reason = plain(reason, REASON_MOST)
        await _guard_mute(asked, subject, cluster, seconds, confirm)
        asked.start()
        held = watch.mute(subject, seconds, asked.actor.name, asked.actor.user_id)
    vmid = vmid_of(subject)
    watched = vmid is None or watch.find(vmid) is not None
    await reply.show(muted_card(reply.t, held, cluster, services.clock.now(), watched=watched))


async def _guard_mute(
    asked: Attempt, subject: str, cluster: Cluster | None, seconds: float, confirm: str
) -> None:
    """Check the additional conditions of a long mute.

    A protected guest needs the same as for its reboot: an admin, the guest's name, and a reason. A node or
    everything needs an admin and a reason if it includes protected guests on the watch list.
    """
    if not OPERATIONS[Operation.MONITOR_MUTE].guards(seconds):
        return
    vmid = vmid_of(subject)
    if vmid is not None:
        guest = await _with_protection(asked, listed_or_unknown(cluster, vmid), seconds)
        asked.authorize(guest, seconds=seconds)
        confirm_protected(asked, guest, confirm)
        return
    rules = asked.services.authorizer.rules
    under = [
        guest
        for entry in asked.services.watch.entries
        if is_protected(rules, guest := listed_or_unknown(cluster, entry.vmid))
        and subject in guest_targets(guest.vmid, guest.node)
    ]
    for guest in under:
        asked.services.authorizer.authorize(asked.actor, Operation.MONITOR_MUTE, guest, seconds=seconds)
    if under and not asked.reason:
        raise NoReason


async def _with_protection(asked: Attempt, guest: Guest, seconds: float) -> Guest:
    """Return the guest with Proxmox' protection flag.

    Raises: ProxmoxError if the flag cannot be read and the person may not mute a protected guest.
    """
    try:
        return await asked.services.planner.configured(guest)
    except ProxmoxError:
        held, operation = replace(guest, protected=True), Operation.MONITOR_MUTE
        if asked.services.authorizer.refusal(asked.actor, operation, held, seconds=seconds):
            raise
        return guest


def confirm_protected(asked: Attempt, guest: Guest, confirm: str) -> None:
    """Check that the name and a reason were given, if the guest is protected.

    Raises: Unconfirmed, NameMismatch, NoReason.
    """
    if not is_protected(asked.services.authorizer.rules, guest):
        return
    if not confirm.strip():
        raise Unconfirmed(guest.vmid, guest.label, asked.word)
    if confirm.strip() != guest.label:
        raise NameMismatch(guest.vmid, guest.label)
    if not asked.reason:
        raise NoReason


async def unmute(services: Services, reply: Reply, target: str) -> None:
    """Lift a mute.

    Raises: UnknownTarget, NotMuted, JournalFailed, Refused by access.
    """
    watch = services.watch
    with record_attempt(reply.interaction, Operation.MONITOR_UNMUTE, detail=plain(target)) as asked:
        cluster = await cluster_for_decision(asked, (0,))
        held = {mute.target for mute in watch.mutes()}
        subject = _subject_of(services, asked, target, cluster, held)
        if subject not in held:
            raise NotMuted(subject)
        asked.start()
        watch.unmute(subject)
    await reply.show(unmuted_card(reply.t, subject, cluster))


def is_visible_to(services: Services, actor: Actor, vmid: int, cluster: Cluster | None) -> bool:
    """Return whether the person may know of this guest.

    A deleted guest is known to those who may see every guest, or whose scope has its VMID.
    """
    return level_on(services.authorizer.rules, actor, listed_or_unknown(cluster, vmid)) > Level.NONE


def is_subject_visible_to(services: Services, actor: Actor, subject: str, cluster: Cluster | None) -> bool:
    """Return whether the person may know of this subject.

    Scoped users see the nodes that host their guests, and no storages.
    """
    vmid, authorizer = vmid_of(subject), services.authorizer
    if vmid is not None:
        return is_visible_to(services, actor, vmid, cluster)
    if subject in (ALL, SOURCE) or not authorizer.has_hidden_guests(actor):
        return True
    nodes = authorizer.visible_cluster(actor, cluster).nodes if cluster else ()
    return subject in {node_subject(node.name) for node in nodes}


def authorize_subject(attempt: Attempt, subject: str, cluster: Cluster | None) -> None:
    """Check access to a mute: to the guest if it is about one, otherwise to the whole cluster.

    Raises: Refused.
    """
    vmid = vmid_of(subject)
    if vmid is None:
        attempt.authorize(whole=True)
    else:
        attempt.authorize(listed_or_unknown(cluster, vmid))


def _subject_of(
    services: Services,
    attempt: Attempt,
    target: str,
    cluster: Cluster | None,
    held: Collection[str] = (),
) -> str:
    """Return the subject that the person means, out of those that they may see.

    Raises: UnknownTarget, Refused by access.
    """
    actor = attempt.actor
    watched = {
        entry.vmid for entry in services.watch.entries if is_visible_to(services, actor, entry.vmid, cluster)
    }
    seen = services.authorizer.visible_cluster(actor, cluster) if cluster else None
    subject = target if target in held else target_of(target, seen, watched)
    if not is_subject_visible_to(services, actor, subject, cluster):
        raise UnknownTarget(target)
    attempt.vmid = vmid_of(subject)
    authorize_subject(attempt, subject, cluster)
    return subject


async def authorize_incident(attempt: Attempt, incident: Incident) -> None:
    """Check that the person may answer the alert: they need the level for everything that it is about.

    Raises: Refused.
    """
    vmids: list[int | None] = [fact.vmid for fact in incident.guests or incident.backups]
    if incident.topic in (Topic.NODE, Topic.STALE, Topic.SOURCE, Topic.STORAGE) or not vmids or None in vmids:
        attempt.authorize(whole=True)
        return
    cluster = await cluster_for_decision(attempt, (vmid or 0 for vmid in vmids))
    if len(vmids) > 1 and not all(
        is_visible_to(attempt.services, attempt.actor, vmid or 0, cluster) for vmid in vmids
    ):
        raise OnlySomeGuests
    for vmid in vmids:
        attempt.authorize(listed_or_unknown(cluster, vmid or 0))


async def send_test(services: Services, reply: Reply) -> None:
    """Send a real test message through the normal delivery, and show the result.

    A message that does not arrive in time is given up, because hours later it would only confuse people.
    Raises: JournalFailed.
    """
    rules = services.authorizer.rules
    with record_attempt(reply.interaction, Operation.MONITOR_TEST) as asked:
        asked.authorize(whole=True)
        asked.start()
        test = services.watch.send_test()
        posting = await services.alert_delivery.outcome(test, TEST_SECONDS)
        stuck = services.alert_delivery.error
        if posting is None or posting.posted is None:
            asked.outcome = (posting.error if posting else "") or stuck or "not in time"
            services.journal.give_up(test, asked.outcome)
    card = outcome_of_test(reply.t, posting, stuck, TEST_SECONDS, rules.guild_id, rules.alert_channel_id or 0)
    await reply.show(card)
