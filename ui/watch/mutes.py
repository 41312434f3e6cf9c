"""Mute targets and lift mutes, and check the conditions of long mutes."""

from collections.abc import Collection
from dataclasses import replace

from core.access.policy import is_protected, listed_or_unknown
from core.errors import NameMismatch, NoReason, NotMuted, Unconfirmed
from core.guest import Cluster, Guest
from core.operations import OPERATIONS, Operation
from core.proxmox_errors import ProxmoxError
from core.validation import parse_duration
from core.wanted_errors import UnknownTarget
from core.watch.incidents.model import ALL, Mute
from core.watch.incidents.transition import guest_targets
from core.watch.subjects import means_all, target_of
from ui.formatting import plain
from ui.interaction.attempt import Attempt, record_attempt
from ui.interaction.context import services_of
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.subjects import vmid_of
from ui.sites.everywhere import on_each_site, recording_refusals, whole_sites
from ui.sites.reads import read_sites
from ui.watch.access import authorize_subject, cluster_for_decision, is_subject_visible_to, is_visible_to
from ui.watch.mute_targets import choose_target
from ui.watch.views import muted_card, muted_everywhere_card, unmuted_card, unmuted_everywhere_card

REASON_MOST = 200  # characters


async def mute(reply: Reply, target: str, duration: str, confirm: str = "", reason: str = "") -> None:
    """Mute a target.

    Raises: BadDuration, UnknownTarget, SeveralTargets, JournalFailed, ProxmoxError, Refused by access, and the errors
    of `confirm_protected`.
    """
    interaction, detail = reply.interaction, f"{plain(target)} {plain(duration)}"
    if services_of(interaction).sites.several and means_all(target):
        await _mute_all_sites(reply, duration, detail, reason)
        return
    with record_attempt(interaction, Operation.MONITOR_MUTE, detail=detail) as asked:
        seconds = parse_duration(duration)
        target = await choose_target(interaction, target)
        site = asked.site
        subject, cluster = await _find_subject(asked, target)
        asked.reason = plain(reason, REASON_MOST)
        await _guard_mute(asked, subject, cluster, seconds, confirm)
        await asked.start()
        made = await site.watch.alerts.mute(subject, seconds, asked.actor.name, asked.actor.user_id)
    vmid = vmid_of(subject)
    watched = vmid is None or site.watch.find(vmid) is not None
    now, steps = site.services.clock.now(), reply.mention(Operation.MONITOR_UNMUTE)
    await reply.show(muted_card(reply.t, made, cluster, now, watched=watched, steps=steps))


async def _guard_mute(
    attempt: Attempt, subject: str, cluster: Cluster | None, seconds: float, confirm: str
) -> None:
    """Check the additional conditions of a long mute.

    A protected guest needs the same as for its reboot: an admin, the guest's name, and a reason. A node or
    everything needs an admin and a reason if it includes protected guests on the watch list. Proxmox' protection flag
    is only read for a single guest.
    Raises: NoReason, ProxmoxError, Refused by access, and the errors of `confirm_protected`.
    """
    if not OPERATIONS[Operation.MONITOR_MUTE].guards(seconds):
        return
    vmid = vmid_of(subject)
    if vmid is not None:
        guest = await _with_protection(attempt, listed_or_unknown(cluster, vmid), seconds)
        attempt.authorize(guest, seconds=seconds)
        confirm_protected(attempt, guest, confirm)
        return
    rules = attempt.site.authorizer.rules
    under = [
        guest
        for entry in attempt.site.watch.entries
        if is_protected(rules, guest := listed_or_unknown(cluster, entry.vmid))
        and subject in guest_targets(guest.vmid, guest.node)
    ]
    for guest in under:
        attempt.site.authorizer.authorize(attempt.actor, Operation.MONITOR_MUTE, guest, seconds=seconds)
    if under and not attempt.reason:
        raise NoReason


async def _with_protection(attempt: Attempt, guest: Guest, seconds: float) -> Guest:
    """Return the guest with its current tags and Proxmox' protection flag.

    If they cannot be read, return the guest as it was to people who may mute even a protected guest.
    Raises: ProxmoxError for other people.
    """
    try:
        return await attempt.site.planner.configured(guest)
    except ProxmoxError:
        assumed, operation = replace(guest, protected=True), Operation.MONITOR_MUTE
        if attempt.site.authorizer.refusal(attempt.actor, operation, assumed, seconds=seconds):
            raise
        return guest


def confirm_protected(attempt: Attempt, guest: Guest, confirm: str) -> None:
    """Check that the name and a reason were given, if the guest is protected.

    Raises: Unconfirmed, NameMismatch, NoReason.
    """
    if not is_protected(attempt.site.authorizer.rules, guest):
        return
    if not confirm.strip():
        raise Unconfirmed(guest.vmid, guest.label, attempt.word)
    if confirm.strip() != guest.label:
        raise NameMismatch(guest.vmid, guest.label)
    if not attempt.reason:
        raise NoReason


async def unmute(reply: Reply, target: str) -> None:
    """Lift a mute.

    Raises: UnknownTarget, SeveralTargets, NotMuted, JournalFailed, ProxmoxError, Refused by access.
    """
    interaction = reply.interaction
    if services_of(interaction).sites.several and means_all(target):
        await _unmute_all_sites(reply, plain(target))
        return
    with record_attempt(interaction, Operation.MONITOR_UNMUTE, detail=plain(target)) as asked:
        target = await choose_target(interaction, target, lifting=True)
        site = asked.site
        muted = {mute.target for mute in site.watch.alerts.mutes()}
        subject, cluster = await _find_subject(asked, target, muted)
        if all(mute.target != subject for mute in site.watch.alerts.mutes()):
            raise NotMuted(subject)
        await asked.start()
        await site.watch.alerts.unmute(subject)
    await reply.show(unmuted_card(reply.t, subject, cluster, reply.mention(Operation.MONITOR_LIST)))


async def _mute_all_sites(reply: Reply, duration: str, detail: str, reason: str) -> None:
    """Mute everything on all sites that the person may see, or nothing if they may not do it on each of them.

    Raises: BadDuration, NoReason, Refused by access, and the first error if nothing could be muted.
    """
    interaction, operation = reply.interaction, Operation.MONITOR_MUTE
    sites = whole_sites(interaction, operation, "", detail)
    with recording_refusals(Attempt(interaction, operation.value, detail=detail)):
        seconds = parse_duration(duration)
        attempts = [
            Attempt(interaction, operation.value, None, detail, plain(reason, REASON_MOST), about=site)
            for site in sites
        ]
        for read, asked in zip(await read_sites(sites), attempts, strict=True):
            await _guard_mute(asked, ALL, read.cluster, seconds, "")

    async def act(site: Site, attempt: Attempt) -> Mute:
        return await site.watch.alerts.mute(ALL, seconds, attempt.actor.name, attempt.actor.user_id)

    made, failed = await on_each_site(attempts, act)
    now = sites[0].services.clock.now()
    await reply.show(muted_everywhere_card(reply.t, made, failed, now))


async def _unmute_all_sites(reply: Reply, detail: str) -> None:
    """Lift the mutes of everything, on each site that has one.

    Raises: NotMuted, Refused by access, and the first error if nothing could be lifted.
    """
    interaction, operation = reply.interaction, Operation.MONITOR_UNMUTE
    sites = [
        site
        for site in whole_sites(interaction, operation, "", detail)
        if ALL in {mute.target for mute in site.watch.alerts.mutes()}
    ]
    with recording_refusals(Attempt(interaction, operation.value, detail=detail)):
        if not sites:
            raise NotMuted(ALL)
    attempts = [Attempt(interaction, operation.value, detail=detail, about=site) for site in sites]
    lifted, failed = await on_each_site(attempts, lambda site, _asked: site.watch.alerts.unmute(ALL))
    await reply.show(unmuted_everywhere_card(reply.t, lifted, failed))


async def _find_subject(
    attempt: Attempt, target: str, muted: Collection[str] = ()
) -> tuple[str, Cluster | None]:
    """Return the subject that the person means, and the list by which access to it was decided.

    Raises: UnknownTarget, Refused by access; ProxmoxError for a name while the cluster could never be read.
    """
    cluster = await cluster_for_decision(attempt, (0,))  # the VMID is not known yet, and no scope has 0
    try:
        return _subject_of(attempt, target, cluster, muted), cluster
    except UnknownTarget:
        if cluster is not None:
            raise
    cluster = await attempt.site.cluster_cache.read()
    return _subject_of(attempt, target, cluster, muted), cluster


def _subject_of(attempt: Attempt, target: str, cluster: Cluster | None, muted: Collection[str]) -> str:
    """Return the subject that the person means, check access to it, and note its guest in the attempt.

    Only subjects that the person may see count. `muted`: muted subjects, which may be gone.
    Raises: UnknownTarget, Refused by access.
    """
    site, actor = attempt.site, attempt.actor
    watched = {entry.vmid for entry in site.watch.entries if is_visible_to(site, actor, entry.vmid, cluster)}
    seen = site.authorizer.visible_cluster(actor, cluster) if cluster else None
    subject = target if target in muted else target_of(target, seen, watched)
    if not is_subject_visible_to(site, actor, subject, cluster):
        raise UnknownTarget(target)
    attempt.vmid = vmid_of(subject)
    authorize_subject(attempt, subject, cluster)
    return subject
