"""From the watch to its cards, alike for commands and for the buttons that turn their pages."""

from core.access import Operation
from core.durations import parse_duration
from core.errors import JournalFailed, NotMuted
from core.journal import Undelivered
from core.targets import target_of
from ui.gate import recorded
from ui.listing import ROWS
from ui.parameters import cluster_for_completion
from ui.render import plain
from ui.reply import Reply
from ui.services import Services
from ui.subjects import vmid_of
from ui.watching import COUNTED_DAYS, Health, history, muted, outcome_of_test, status, unmuted, watch_list

TEST_SECONDS = 10.0
DAY = 86_400


async def show_watch_list(services: Services, reply: Reply, page: int = 0) -> None:
    """With whatever is known: neither Proxmox nor the journal has to answer."""
    cluster = await cluster_for_completion(services)
    now = services.clock.now()
    try:
        counts = services.journal.counts(now - COUNTED_DAYS * DAY)
    except JournalFailed:
        counts = {}
    await reply.show(watch_list(reply.t, services.watch, cluster, page, now, counts))


async def show_history(services: Services, reply: Reply, vmid: int | None, page: int = 0) -> None:
    """A page beyond the end is the last. Raises JournalFailed."""
    incidents, total = services.journal.history(vmid, page * ROWS, ROWS)
    last = max(0, -(-total // ROWS) - 1)
    if page > last:
        page = last
        incidents, total = services.journal.history(vmid, page * ROWS, ROWS)
    await reply.show(history(reply.t, incidents, total, vmid, page, services.clock.now()))


async def show_status(services: Services, reply: Reply) -> None:
    cluster = await cluster_for_completion(services)
    await reply.show(status(reply.t, health_of(services), cluster, services.clock.now()))


def health_of(services: Services) -> Health:
    """How the watch is. Nothing is asked of Proxmox."""
    watch = services.watch
    undelivered: Undelivered | JournalFailed
    try:
        undelivered = services.journal.undelivered()
    except JournalFailed as error:
        undelivered = error
    return Health(
        last_read=watch.last_read,
        interval=services.interval,
        trouble=watch.trouble,
        failures=watch.state.source.failures,
        open=len(watch.state.open),
        undelivered=undelivered,
        stuck=services.delivery.error,
        journal_trouble=watch.journal_trouble,
        heartbeat=(services.heartbeat.failing or "") if services.heartbeat.wanted else None,
        beaten=services.heartbeat.taken,
        mutes=watch.mutes(),
        blind=watch.sees_tasks is False,
    )


async def mute(services: Services, reply: Reply, target: str, duration: str) -> None:
    """Raises BadDuration, UnknownTarget, JournalFailed."""
    watch, interaction = services.watch, reply.interaction
    detail = f"{plain(target)} {plain(duration)}"
    with recorded(interaction, Operation.MONITOR_MUTE, detail=detail) as asked:
        seconds = parse_duration(duration)
        cluster = await cluster_for_completion(services)
        subject = target_of(target, cluster, {entry.vmid for entry in watch.entries})
        asked.vmid = vmid_of(subject) or 0
        held = watch.mute(subject, seconds, interaction.user.display_name)
    await reply.show(muted(reply.t, held, cluster))


async def unmute(services: Services, reply: Reply, target: str) -> None:
    """Raises UnknownTarget, NotMuted, JournalFailed."""
    watch = services.watch
    with recorded(reply.interaction, Operation.MONITOR_UNMUTE, detail=plain(target)) as asked:
        cluster = await cluster_for_completion(services)
        held = {mute.target for mute in watch.mutes()}
        watched = {entry.vmid for entry in watch.entries}
        subject = target if target in held else target_of(target, cluster, watched)
        asked.vmid = vmid_of(subject) or 0
        if subject not in held:
            raise NotMuted(subject)
        watch.unmute(subject)
    await reply.show(unmuted(reply.t, subject, cluster))


async def send_test(services: Services, reply: Reply) -> None:
    """A real message through the real way, and what became of it. Raises JournalFailed.

    One that did not arrive is given up: hours later it would only puzzle people.
    """
    rules = services.rules
    with recorded(reply.interaction, Operation.MONITOR_TEST) as asked:
        test = services.watch.send_test()
        posting = await services.delivery.outcome(test, TEST_SECONDS)
        stuck = services.delivery.error
        asked.detail = "arrived"
        if posting is None or posting.posted is None:
            asked.detail = (posting.error if posting else "") or stuck or "not in time"
            services.journal.give_up(test, asked.detail)
    card = outcome_of_test(reply.t, posting, stuck, TEST_SECONDS, rules.guild_id, rules.alert_channel_id or 0)
    await reply.show(card)
