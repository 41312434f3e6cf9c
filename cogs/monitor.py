"""Declare the commands of /monitor, and run the loop that polls the watched guests."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands, tasks

from core.access.policy import unknown_guest
from core.audit.record import format_options
from core.errors import JournalFailed, NotWatched
from core.operations import Operation
from core.validation import checked_vmid
from ui.discord.failures import log_unexpected
from ui.formatting import ALARM, BACK, WARNING, plain, title
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction, Services
from ui.interaction.options import VMID, GuestId, complete_durations
from ui.interaction.reply import Reply
from ui.messages.startup import (
    journal_renewed,
    journal_stuck,
    journal_well,
    pools_unseen,
    watch_broken,
    watch_hangs,
    watch_works,
)
from ui.watch.access import cluster_for_decision
from ui.watch.commands import send_test, show_history, show_status, show_watch_list
from ui.watch.mutes import REASON_MOST, complete_mute_targets, complete_mutes, confirm_protected, mute, unmute
from ui.watch.views import added_card, muted_until, success_card

_log = logging.getLogger(__name__)

POLL_SECONDS = 150.0
"""Seconds after which a running poll counts as hung and is started again.

Two reads that run into every timeout of the client, the 12 s between them and the queries after them take less.
"""

FAILURES_BEFORE_REPORT = 2
"""Number of polls in a row that must fail with an unexpected error before the failure is reported."""

NAME_MOST = 255
CONFIRM = locale_str("Name of the guest, if it is protected")
REASON = locale_str("Reason, if the guest is protected")

SendLine = Callable[[str], Coroutine[Any, Any, None]]


class Monitor(commands.GroupCog, group_name="monitor", group_description=locale_str("Monitoring and alerts")):
    """Edit the watch list, and poll the watched guests.

    `say`: sends a line to the alert channel without the journal.

    `tasks.loop` follows the wall clock, backs off by itself on an `OSError`, and ends for good on any other
    exception. Therefore its body catches every exception and skips the extra runs after a clock jump. A watchdog
    on the monotonic clock restarts the loop when it has not run for two intervals.
    """

    def __init__(self, services: Services, say: SendLine) -> None:
        self._services, self._say = services, say
        self._ran, self._polling = services.clock.monotonic(), False
        self._sending: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._journal_trouble: JournalFailed | None = None
        self._breaks = 0
        self._hung = False
        self._pools: set[str] = set()
        self._poll.change_interval(seconds=services.poll_seconds)

    async def cog_load(self) -> None:
        self._sending = self._run_in_background(self._services.alert_delivery.run(), "alerts")
        self._run_in_background(self._watchdog(), "watchdog")
        self._poll.start()

    async def cog_unload(self) -> None:
        self._poll.cancel()
        for task in self._background:
            task.cancel()

    async def finish(self) -> None:
        """Try once more to send the waiting alerts before the bot ends. Nothing else sends meanwhile."""
        if self._sending is not None:  # otherwise sending was never started
            await self._services.alert_delivery.drain()

    def _run_in_background(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run the work as a task of its own. The loop does not wait for it."""
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    @tasks.loop(seconds=60)
    async def _poll(self) -> None:
        now = self._services.clock.monotonic()
        if now - self._ran < self._services.poll_seconds / 2 and self._poll.current_loop > 0:
            return  # an extra run, because the wall clock was set forward
        self._ran, self._polling = now, True
        try:
            await self._poll_once()
            self._report_failure(None)
            self._report_hang(None)
        except Exception as error:  # noqa: BLE001 - any exception that left this body would end the watch
            self._report_failure(log_unexpected(error))
        finally:
            self._polling = False

    def _report_failure(self, error_id: str | None) -> None:
        """Report once that two polls in a row failed because of a bug, and once that they work again."""
        t, before = self._services.texts.public, self._breaks
        self._breaks = 0 if error_id is None else before + 1
        if error_id is not None and self._breaks == FAILURES_BEFORE_REPORT:
            self._run_in_background(self._say(f"{ALARM} {watch_broken(t, error_id)}"), "word")
        elif error_id is None and before >= FAILURES_BEFORE_REPORT:
            self._run_in_background(self._say(f"{BACK} {watch_works(t)}"), "word")

    def _report_hang(self, seconds: float | None) -> None:
        """Report once that a poll has been running for `seconds`, and once that one has ended again."""
        t, before = self._services.texts.public, self._hung
        self._hung = seconds is not None
        if seconds is not None and not before:
            self._run_in_background(self._say(f"{ALARM} {watch_hangs(t, seconds)}"), "word")
        elif seconds is None and before:
            self._run_in_background(self._say(f"{BACK} {watch_works(t)}"), "word")

    async def _poll_once(self) -> None:
        watch = self._services.watch
        await watch.poll()
        self._report_journal(watch.journal_error)
        if watch.read_error is None:
            self._report_pools(self._services.authorizer.unseen_pools())
        self._report_renewal()
        well = watch.read_error is None and watch.journal_error is None and not watch.blind
        if well and self._services.connected():
            self._run_in_background(self._services.heartbeat.beat(), "heartbeat")

    def _report_pools(self, unseen: tuple[str, ...]) -> None:
        """Report each pool once when the settings name it but the cluster does not show it."""
        new, self._pools = set(unseen) - self._pools, set(unseen)
        if new:
            text = pools_unseen(self._services.texts.public, sorted(new))
            _log.warning("%s", text)
            with contextlib.suppress(JournalFailed):  # the log has it at least
                self._services.watch.post_notice(f"{WARNING} {text}")

    def _report_journal(self, trouble: JournalFailed | None) -> None:
        """Report once that the journal cannot be written, and once that it works again.

        The lines are sent without the journal, because it could not store them.
        """
        t, before = self._services.texts.public, self._journal_trouble
        self._journal_trouble = trouble
        if trouble is not None and before is None:
            _log.error("the journal cannot be written: %s", trouble.reason)
            self._run_in_background(self._say(f"{ALARM} {journal_stuck(t, trouble.reason)}"), "word")
        elif before is not None and trouble is None:
            self._run_in_background(self._say(f"{BACK} {journal_well(t)}"), "word")

    def _report_renewal(self) -> None:
        """Report once that the journal was recreated, through the new journal.

        Then store the read-only switch again, because the journal may have missed it.
        """
        care, switch = self._services.watch.maintenance, self._services.authorizer.read_only
        if care.renewed is not None:
            text = journal_renewed(self._services.texts.public, care.renewed.aside, whole=care.renewed.whole)
            with contextlib.suppress(JournalFailed):
                self._services.watch.post_notice(f"{WARNING} {text}")
                care.renewed = None
                switch.store()
        elif switch.store_error is not None:
            switch.store()

    async def _watchdog(self) -> None:
        interval = self._services.poll_seconds
        while True:
            await asyncio.sleep(interval / 2)
            silent = self._services.clock.monotonic() - self._ran
            if silent > 2 * interval and not (self._polling and silent < POLL_SECONDS):
                _log.error("the watch has not run for %.0f s and is started again", silent)
                if self._polling:
                    self._report_hang(silent)
                if self._poll.is_running():
                    self._poll.restart()
                else:  # `restart()` does nothing to a loop that has ended
                    self._poll.start()

    @app_commands.command(description=locale_str("Add a guest to the watch list, or change its thresholds"))
    @app_commands.describe(
        vmid=VMID,
        cpu=locale_str("CPU usage in percent that triggers an alert (0: off)"),
        memory=locale_str("Memory usage in percent that triggers an alert (0: off)"),
        disk=locale_str("Disk usage in percent that triggers an alert (0: off; containers only)"),
    )
    async def add(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[int, GuestId(watched=False)],
        cpu: int | None = None,
        memory: int | None = None,
        disk: int | None = None,
    ) -> None:
        watch = self._services.watch
        detail = format_options({"cpu": cpu, "memory": memory, "disk": disk})
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_ADD, vmid, detail) as attempt:
                planner, operation = self._services.planner, Operation.MONITOR_ADD
                age = planner.list_age(attempt.actor, operation, vmid)
                guest = await planner.finder.locate(vmid, attempt.check, max_age=age)
                attempt.guest = guest
                watch.check_entry(guest, cpu, memory, disk)
                attempt.start()
                before = watch.find(vmid)
                watch.add(guest, cpu, memory, disk)
            entry = watch.find(vmid)
            if entry is not None:
                until = muted_until(watch, vmid, guest.node)
                await reply.show(added_card(reply.t, guest, entry, before, until))

    @app_commands.command(description=locale_str("Remove a guest from the watch list"))
    @app_commands.describe(vmid=VMID, confirm=CONFIRM, reason=REASON)
    async def remove(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[int, GuestId(watched=True)],
        confirm: app_commands.Range[str, 0, NAME_MOST] = "",
        reason: app_commands.Range[str, 0, REASON_MOST] = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_REMOVE, vmid) as attempt:
                cluster = await cluster_for_decision(attempt, (checked_vmid(vmid),))
                guest = cluster.find(vmid) if cluster else None
                attempt.authorize(guest or unknown_guest(vmid))
                if self._services.watch.find(vmid) is None:
                    raise NotWatched(vmid)
                attempt.reason = plain(reason, REASON_MOST)
                known = await self._services.planner.with_protection(guest or unknown_guest(vmid))
                attempt.authorize(known)
                confirm_protected(attempt, known, confirm)
                attempt.start()
                self._services.watch.remove(vmid)
            name = title(guest) if guest else f"**{vmid}**"
            await reply.show(success_card(reply.t("{guest} was removed from the watch list.", guest=name)))

    @app_commands.command(name="list", description=locale_str("List the watched guests and their state"))
    async def list_watched(self, interaction: Interaction) -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_LIST):
                await show_watch_list(self._services, reply)

    @app_commands.command(name="mute", description=locale_str("Mute alerts for a while"))
    @app_commands.describe(
        target=locale_str("A guest, a node, or everything"),
        duration=locale_str("How long, such as 30m, 8h or 2d"),
        confirm=CONFIRM,
        reason=REASON,
    )
    @app_commands.autocomplete(target=complete_mute_targets, duration=complete_durations)
    async def mute_target(
        self,
        interaction: Interaction,
        target: str,
        duration: str,
        confirm: app_commands.Range[str, 0, NAME_MOST] = "",
        reason: app_commands.Range[str, 0, REASON_MOST] = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            await mute(self._services, reply, target, duration, confirm, reason)

    @app_commands.command(name="unmute", description=locale_str("Unmute alerts"))
    @app_commands.describe(target=locale_str("Muted guest, node or storage"))
    @app_commands.autocomplete(target=complete_mutes)
    async def unmute_target(self, interaction: Interaction, target: str) -> None:
        async with Reply(self._services, interaction) as reply:
            await unmute(self._services, reply, target)

    @app_commands.command(description=locale_str("Show the incident history, newest first"))
    @app_commands.describe(vmid=locale_str("Only this guest: VMID or name"))
    async def history(
        self, interaction: Interaction, vmid: app_commands.Transform[int, GuestId()] | None = None
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_HISTORY, vmid):
                await show_history(self._services, reply, None if vmid is None else checked_vmid(vmid))

    @app_commands.command(description=locale_str("Send a test alert to the alert channel"))
    async def test(self, interaction: Interaction) -> None:
        async with Reply(self._services, interaction) as reply:
            await send_test(self._services, reply)

    @app_commands.command(description=locale_str("Show the monitoring status: reads, alerts, mutes"))
    async def status(self, interaction: Interaction) -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_STATUS):
                await show_status(self._services, reply)
