"""Declare the commands of /monitor, and run the loops of each site: polls, alerts, dashboards and disk usage."""

import asyncio
import logging
from collections.abc import Sequence

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands, tasks

from core.access.policy import unknown_guest
from core.audit.record import format_options
from core.errors import NotWatched
from core.operations import Operation
from core.validation import checked_vmid
from core.watch.liveness import find_ailments
from ui.dashboard.presence import Presence
from ui.discord.failures import log_unexpected
from ui.formatting import plain, title
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services, Site
from ui.options.completions import VMID, complete_durations
from ui.options.guest import GuestOption
from ui.options.typed_guest import find_guest
from ui.sites.option import SITE, SiteName, choose_typed_site, find_vmid
from ui.sites.vitals import read_vitals
from ui.watch.access import cluster_for_decision
from ui.watch.history import show_history
from ui.watch.mute_targets import complete_mute_targets, complete_mutes
from ui.watch.mutes import REASON_MOST, confirm_protected, mute, unmute
from ui.watch.reports import Pulse, WatchReports
from ui.watch.sites import list_watched, report_status
from ui.watch.trial import send_test
from ui.watch.views import added_card, muted_until, success_card

_log = logging.getLogger(__name__)

POLL_SECONDS = 150.0
"""Minimum seconds after which a running poll counts as hung and is started again.

Unless they wait for a slot, all requests of one poll take less: two reads of the cluster, each until the client's
deadline, 12 s between them, and the queries about guests, tasks and backups.
"""

NAME_MOST = 255  # characters
CONFIRM = locale_str("Guest name, if it is protected")
REASON = locale_str("Reason, if the guest is protected")


class WatchLoop:
    """Poll the watched guests of one site, send its alerts, keep its dashboards, and ask for its disk usage.

    `tasks.loop` follows the wall clock, backs off by itself on errors of a connection such as `OSError`, and ends for
    good on any other exception. Therefore its body catches every exception and skips the extra runs after a clock
    jump. A watchdog on the monotonic clock restarts the loop when no poll has begun for two intervals. It leaves a
    running poll at least `POLL_SECONDS` to end.
    """

    def __init__(self, site: Site, reports: WatchReports, pulse: Pulse, presence: Presence) -> None:
        self._site, self._services, self._reports, self._pulse = site, site.services, reports, pulse
        self._presence = presence
        self._ran, self._polling = self._services.clock.monotonic(), False
        self._sending: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._poll.change_interval(seconds=self._services.poll_seconds)

    def start(self) -> None:
        self._sending = asyncio.create_task(self._site.alert_delivery.run(), name="alerts")
        self._watching = asyncio.create_task(self._watchdog(), name="watchdog")
        self._keeping = asyncio.create_task(self._site.dashboards.run(), name="dashboards")
        self._asking = asyncio.create_task(self._site.watch.disks.run(), name="disks")
        self._poll.start()

    def cancel(self) -> None:
        self._poll.cancel()
        self._reports.cancel()
        self._pulse.cancel()
        for task in filter(None, (self._sending, self._watching, self._keeping, self._asking)):
            task.cancel()

    async def finish(self) -> None:
        """Try once more to send the waiting alerts before the bot ends, and let a dashboard's request end."""
        if self._sending is not None:  # otherwise sending was never started
            await asyncio.gather(self._site.alert_delivery.drain(), self._site.dashboards.finish())

    @tasks.loop(seconds=60)
    async def _poll(self) -> None:
        now = self._services.clock.monotonic()
        if now - self._ran < self._services.poll_seconds / 2 and self._poll.current_loop > 0:
            return  # an extra run, because the wall clock was set forward
        self._ran, self._polling = now, True
        try:
            await self.poll_once()
            self._reports.report_failure(None)
            self._reports.report_hang(None)
        except Exception as error:  # noqa: BLE001 - any exception that left this body would end the watch
            self._pulse.note(self._site.name, well=False)
            self._reports.report_failure(log_unexpected(error))
        finally:
            self._polling = False

    async def poll_once(self) -> None:
        watch = self._site.watch
        await watch.poll()
        self._site.dashboards.on_poll()
        await self._presence.show(self._services.sites)
        await self._reports.report_poll()
        well = watch.read_error is None and watch.journal_error is None and not watch.blind
        well = well and self._services.connected()
        if well and self._services.heartbeat.is_enabled:
            well = not find_ailments(await read_vitals(self._services, (self._site,)))
        self._pulse.note(self._site.name, well=well)

    async def _watchdog(self) -> None:
        interval = self._services.poll_seconds
        while True:
            await asyncio.sleep(interval / 2)
            silent = self._services.clock.monotonic() - self._ran
            if silent > 2 * interval and not (self._polling and silent < POLL_SECONDS):
                _log.error("the watch has not run for %.0f s and is started again", silent)
                if self._polling:
                    self._reports.report_hang(silent)
                if self._poll.is_running():
                    self._poll.restart()
                else:  # `restart()` does nothing to a loop that has ended
                    self._poll.start()


class Monitor(commands.GroupCog, group_name="monitor", group_description=locale_str("Monitoring and alerts")):
    """Carry out /monitor, and run the loops of each site."""

    def __init__(self, services: Services, loops: Sequence[WatchLoop]) -> None:
        self._services, self.loops = services, tuple(loops)

    async def cog_load(self) -> None:
        for loop in self.loops:
            loop.start()

    async def cog_unload(self) -> None:
        for loop in self.loops:
            loop.cancel()

    async def finish(self) -> None:
        """Finish the loops of all sites before the bot ends."""
        await asyncio.gather(*(loop.finish() for loop in self.loops))

    @app_commands.command(description=locale_str("Watch a guest, or change its thresholds"))
    @app_commands.describe(
        vmid=VMID,
        cpu=locale_str("Alert at this CPU usage in percent (0: off)"),
        memory=locale_str("Alert at this memory usage in percent (0: off)"),
        disk=locale_str("Alert at this disk usage in percent (0: off)"),
    )
    async def add(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(watched=False)],
        cpu: int | None = None,
        memory: int | None = None,
        disk: int | None = None,
    ) -> None:
        detail = format_options({"cpu": cpu, "memory": memory, "disk": disk})
        async with Reply(self._services, interaction) as reply:
            found = await find_guest(interaction, vmid, Operation.MONITOR_ADD)
            watch, planner, number = found.site.watch, found.site.planner, found.vmid
            with record_attempt(interaction, Operation.MONITOR_ADD, number, detail) as attempt:
                age = planner.list_age(attempt.actor, Operation.MONITOR_ADD, number)
                guest = await planner.finder.locate(number, attempt.check, max_age=age)
                attempt.guest = guest
                watch.check_entry(guest, cpu, memory, disk)
                await attempt.start()
                before = watch.find(number)
                await watch.add(guest, cpu, memory, disk)
            entry = watch.find(number)
            if entry is not None:
                until, now = muted_until(watch, number, guest.node), self._services.clock.now()
                steps = reply.mention(Operation.MONITOR_LIST)
                await reply.show(added_card(reply.t, guest, entry, before, now, until, steps))

    @app_commands.command(description=locale_str("Stop watching a guest"))
    @app_commands.describe(vmid=VMID, confirm=CONFIRM, reason=REASON)
    async def remove(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(watched=True)],
        confirm: app_commands.Range[str, 0, NAME_MOST] = "",
        reason: app_commands.Range[str, 0, REASON_MOST] = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            found = await find_guest(interaction, vmid, Operation.MONITOR_REMOVE)
            watch, number = found.site.watch, found.vmid
            with record_attempt(interaction, Operation.MONITOR_REMOVE, number) as attempt:
                cluster = await cluster_for_decision(attempt, (checked_vmid(number),))
                guest = cluster.find(number) if cluster else None
                attempt.authorize(guest or unknown_guest(number))
                if watch.find(number) is None:
                    raise NotWatched(number)
                attempt.reason = plain(reason, REASON_MOST)
                known = await found.site.planner.with_protection(guest or unknown_guest(number))
                attempt.authorize(known)
                confirm_protected(attempt, known, confirm)
                await attempt.start()
                await watch.remove(number)
            name = title(guest) if guest else f"**{number}**"
            text = reply.t("{guest} was removed from the watch list.", guest=name)
            await reply.show(success_card(text, reply.mention(Operation.MONITOR_LIST)))

    @app_commands.command(name="list", description=locale_str("List watched guests"))
    @app_commands.describe(site=SITE)
    async def list_watch(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_LIST):
                choose_typed_site(interaction, site)
                await list_watched(reply)

    @app_commands.command(name="mute", description=locale_str("Mute alerts for a while"))
    @app_commands.describe(
        target=locale_str("Guest, node, storage, or everything"),
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
            await mute(reply, target, duration, confirm, reason)

    @app_commands.command(name="unmute", description=locale_str("Unmute alerts"))
    @app_commands.describe(target=locale_str("Muted guest, node or storage, or everything"))
    @app_commands.autocomplete(target=complete_mutes)
    async def unmute_target(self, interaction: Interaction, target: str) -> None:
        async with Reply(self._services, interaction) as reply:
            await unmute(reply, target)

    @app_commands.command(description=locale_str("Show past incidents"))
    @app_commands.describe(vmid=locale_str("Only this guest: VMID or name"), site=SITE)
    async def history(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption()] | None = None,
        site: SiteName = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            number = await find_vmid(interaction, vmid, site, Operation.MONITOR_HISTORY)
            with record_attempt(interaction, Operation.MONITOR_HISTORY, number):
                choose_typed_site(interaction, site)
                await show_history(reply, None if number is None else checked_vmid(number))

    @app_commands.command(description=locale_str("Send a test alert"))
    @app_commands.describe(site=SITE)
    async def test(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            await send_test(reply, site)

    @app_commands.command(description=locale_str("Show the monitoring status"))
    @app_commands.describe(site=SITE)
    async def status(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.MONITOR_STATUS):
                choose_typed_site(interaction, site)
                await report_status(reply)
