"""Mute targets and lift mutes: the commands, their conditions, and the completions of their options."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import NamedTuple

from discord import app_commands

from core.access.guest_index import TYPED_MOST, words_of
from core.access.policy import is_protected, listed_or_unknown, unknown_guest
from core.errors import NameMismatch, NoReason, NotMuted, Unconfirmed
from core.guest import Cluster, Guest
from core.operations import OPERATIONS, Operation
from core.proxmox_errors import ProxmoxError
from core.validation import parse_duration
from core.wanted_errors import UnknownTarget
from core.watch.incidents.model import ALL, guest_subject, node_subject, storage_subject
from core.watch.incidents.transition import guest_targets
from core.watch.subjects import target_of
from ui.formatting import kind_word, plain
from ui.interaction.attempt import Attempt, record_attempt
from ui.interaction.context import Interaction, Site, services_of, site_of
from ui.interaction.empty_choices import ChoiceKind, explain_empty
from ui.interaction.options import CHOICES_MOST, cluster_for_completion, offer_to, offers, offers_whole
from ui.interaction.reply import Reply
from ui.messages.subjects import subject_label, vmid_of
from ui.watch.access import authorize_subject, cluster_for_decision, is_subject_visible_to, is_visible_to
from ui.watch.views import muted_card, unmuted_card

REASON_MOST = 200


async def mute(
    site: Site, reply: Reply, target: str, duration: str, confirm: str = "", reason: str = ""
) -> None:
    """Mute a target.

    Raises: BadDuration, UnknownTarget, JournalFailed, ProxmoxError, Refused by access, and the errors of
    `confirm_protected`.
    """
    watch, interaction = site.watch, reply.interaction
    detail = f"{plain(target)} {plain(duration)}"
    with record_attempt(interaction, Operation.MONITOR_MUTE, detail=detail) as asked:
        seconds = parse_duration(duration)
        cluster = await cluster_for_decision(asked, (0,))  # no VMID is known yet
        subject = _subject_of(site, asked, target, cluster)
        asked.reason = plain(reason, REASON_MOST)
        await _guard_mute(asked, subject, cluster, seconds, confirm)
        asked.start()
        held = watch.mute(subject, seconds, asked.actor.name, asked.actor.user_id)
    vmid = vmid_of(subject)
    watched = vmid is None or watch.find(vmid) is not None
    await reply.show(muted_card(reply.t, held, cluster, site.services.clock.now(), watched=watched))


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
    rules = asked.site.authorizer.rules
    under = [
        guest
        for entry in asked.site.watch.entries
        if is_protected(rules, guest := listed_or_unknown(cluster, entry.vmid))
        and subject in guest_targets(guest.vmid, guest.node)
    ]
    for guest in under:
        asked.site.authorizer.authorize(asked.actor, Operation.MONITOR_MUTE, guest, seconds=seconds)
    if under and not asked.reason:
        raise NoReason


async def _with_protection(asked: Attempt, guest: Guest, seconds: float) -> Guest:
    """Return the guest with Proxmox' protection flag.

    Raises: ProxmoxError if the flag cannot be read and the person may not mute a protected guest.
    """
    try:
        return await asked.site.planner.configured(guest)
    except ProxmoxError:
        held, operation = replace(guest, protected=True), Operation.MONITOR_MUTE
        if asked.site.authorizer.refusal(asked.actor, operation, held, seconds=seconds):
            raise
        return guest


def confirm_protected(asked: Attempt, guest: Guest, confirm: str) -> None:
    """Check that the name and a reason were given, if the guest is protected.

    Raises: Unconfirmed, NameMismatch, NoReason.
    """
    if not is_protected(asked.site.authorizer.rules, guest):
        return
    if not confirm.strip():
        raise Unconfirmed(guest.vmid, guest.label, asked.word)
    if confirm.strip() != guest.label:
        raise NameMismatch(guest.vmid, guest.label)
    if not asked.reason:
        raise NoReason


async def unmute(site: Site, reply: Reply, target: str) -> None:
    """Lift a mute.

    Raises: UnknownTarget, NotMuted, JournalFailed, Refused by access.
    """
    watch = site.watch
    with record_attempt(reply.interaction, Operation.MONITOR_UNMUTE, detail=plain(target)) as asked:
        cluster = await cluster_for_decision(asked, (0,))
        held = {mute.target for mute in watch.mutes()}
        subject = _subject_of(site, asked, target, cluster, held)
        if subject not in held:
            raise NotMuted(subject)
        asked.start()
        watch.unmute(subject)
    await reply.show(unmuted_card(reply.t, subject, cluster))


def _subject_of(
    site: Site,
    attempt: Attempt,
    target: str,
    cluster: Cluster | None,
    held: Collection[str] = (),
) -> str:
    """Return the subject that the person means, out of those that they may see.

    Raises: UnknownTarget, Refused by access.
    """
    actor = attempt.actor
    watched = {entry.vmid for entry in site.watch.entries if is_visible_to(site, actor, entry.vmid, cluster)}
    seen = site.authorizer.visible_cluster(actor, cluster) if cluster else None
    subject = target if target in held else target_of(target, seen, watched)
    if not is_subject_visible_to(site, actor, subject, cluster):
        raise UnknownTarget(target)
    attempt.vmid = vmid_of(subject)
    authorize_subject(attempt, subject, cluster)
    return subject


# -- completions


@explain_empty(ChoiceKind.TARGET)
async def complete_mute_targets(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the targets of a mute: everything, guests (watched ones first), nodes and storages."""
    site = site_of(interaction)
    cluster = await cluster_for_completion(site)
    whole, listed = offers_whole(interaction), {entry.vmid for entry in site.watch.entries}
    there = cluster.vmids if cluster else frozenset[int]()
    gone = sorted(vmid for vmid in listed - there if offers(interaction, unknown_guest(vmid)))
    targets = [_Target(ALL)] if whole else []
    guests: list[_Target] = []
    if cluster:
        offer, t = offer_to(interaction, cluster), site.services.texts.of_locale(str(interaction.locale))
        guests = [
            _Target(guest_subject(row.guest.vmid), f"{row.text} {kind_word(t, row.guest.kind).casefold()}")
            for row in site.authorizer.guest_index(cluster).rows
            if not row.guest.template and offer.allows(row.guest.vmid)
        ]
    watched = {guest_subject(vmid) for vmid in listed}
    targets += [target for target in guests if target.subject in watched]
    targets += [_Target(guest_subject(vmid)) for vmid in gone]
    targets += [_Target(node_subject(node.name)) for node in (cluster.nodes if cluster and whole else ())]
    targets += [target for target in guests if target.subject not in watched]
    storages = dict.fromkeys(
        storage_subject(row.name, None if row.shared else row.node)
        for row in (cluster.storages if cluster and whole else ())
    )
    return _subject_choices(interaction, [*targets, *map(_Target, storages)], cluster, current)


@explain_empty(ChoiceKind.MUTED)
async def complete_mutes(interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
    """Complete the current mutes that the person may lift."""
    site = site_of(interaction)
    cluster = await cluster_for_completion(site)
    whole = offers_whole(interaction)
    held = [
        _Target(mute.target)
        for mute in site.watch.mutes()
        if ((vmid := vmid_of(mute.target)) is None and whole)
        or (vmid is not None and offers(interaction, listed_or_unknown(cluster, vmid)))
    ]
    return _subject_choices(interaction, held, cluster, current)


class _Target(NamedTuple):
    """A possible target of a mute. `text`: lower-case text to search in; "": its label."""

    subject: str
    text: str = ""


def _subject_choices(
    interaction: Interaction, targets: Iterable[_Target], cluster: Cluster | None, typed: str
) -> list[app_commands.Choice[str]]:
    """Return choices for the matching targets.

    Exact matches come first, because Enter takes the first choice. Labels are made only where they are needed.
    """
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    words, meant = words_of(typed), typed[:TYPED_MOST].strip()
    named = site_of(interaction).authorizer.guest_index(cluster).vmids_named(meant) if cluster else ()
    exact = {meant, node_subject(meant), f"guest/{meant}", *map(guest_subject, named)}
    first: list[str] = []
    found: list[str] = []
    for subject, text in targets:
        if len(subject) > 100 or (len(found) == CHOICES_MOST and subject not in exact):
            continue
        text = text or subject_label(t, subject, cluster).casefold()
        if all(word in text or word in subject.casefold() for word in words):
            (first if subject in exact else found).append(subject)
    return [
        app_commands.Choice(name=subject_label(t, subject, cluster), value=subject)
        for subject in [*first, *found][:CHOICES_MOST]
    ]
