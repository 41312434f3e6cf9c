"""/monitor add, remove and list, and the loop that watches."""

import asyncio
import logging

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands, tasks

from core.access import Operation
from core.audit import AuditRecord
from core.errors import BotError
from ui.alerts import AlertSender, alert_text
from ui.cards import card
from ui.gate import actor_of
from ui.listing import watch_list
from ui.parameters import VMID, GuestId, cluster_for_completion
from ui.render import OK, Colour, title
from ui.reply import Reply, incident_of
from ui.services import Interaction, Services

_log = logging.getLogger(__name__)

LOOK_SECONDS = 90.0
"""A read that runs into every time-out of the client takes less; what hangs longer is started again."""


class Monitor(commands.GroupCog, group_name="monitor", group_description=locale_str("The watch list")):
    """The watch list, and the watch itself.

    tasks.loop follows the wall clock, backs off by itself on OSErrors and ends for good on other exceptions:
    so its body lets none out, runs that a clock jump makes up for are swallowed, and a watchdog on the
    monotonic clock starts the loop again when it has not run for two intervals.
    """

    def __init__(self, services: Services, client: discord.Client, sender: AlertSender) -> None:
        self._services, self._client, self._sender = services, client, sender
        self._ran, self._looking = services.clock.monotonic(), False
        self._background: list[asyncio.Task[None]] = []
        self._poll.change_interval(seconds=services.interval)

    async def cog_load(self) -> None:
        self._background = [
            asyncio.create_task(self._sender.run(), name="alerts"),
            asyncio.create_task(self._watchdog(), name="watchdog"),
        ]
        self._poll.start()

    async def cog_unload(self) -> None:
        self._poll.cancel()
        for task in self._background:
            task.cancel()

    @tasks.loop(seconds=60)
    async def _poll(self) -> None:
        now = self._services.clock.monotonic()
        if now - self._ran < self._services.interval / 2 and self._poll.current_loop > 0:
            return  # made up for a wall clock that was set forward
        self._ran, self._looking = now, True
        try:
            await self._look()
        except Exception as error:  # noqa: BLE001 - any exception that left this body would end the watch
            incident_of(error)
        finally:
            self._looking = False

    async def _look(self) -> None:
        for event in await self._services.watch.poll():
            _log.info("%r", event)
            text = alert_text(self._services.texts.public, event, self._services.watch.trouble)
            if text is not None:
                self._sender.put(text)

    async def _watchdog(self) -> None:
        interval = self._services.interval
        while True:
            await asyncio.sleep(interval / 2)
            silent = self._services.clock.monotonic() - self._ran
            if silent > 2 * interval and not (self._looking and silent < LOOK_SECONDS):
                _log.error("the watch has not run for %.0f s and is started again", silent)
                if self._poll.is_running():
                    self._poll.restart()
                else:  # restart() passes over a loop that has ended
                    self._poll.start()

    @app_commands.command(description=locale_str("Watch a guest"))
    @app_commands.describe(vmid=VMID)
    async def add(
        self, interaction: Interaction, vmid: app_commands.Transform[int, GuestId(watched=False)]
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            try:
                guest = await self._services.planner.locate(vmid)
                self._services.watch.add(guest)
            except BotError as error:
                self._record(interaction, Operation.MONITOR_ADD, vmid, error)
                raise
            self._record(interaction, Operation.MONITOR_ADD, vmid)
            text = reply.t("{guest} is being watched from now on.", guest=title(guest))
            await reply.show(card(f"{OK} {text}", colour=Colour.GOOD))

    @app_commands.command(description=locale_str("Watch a guest no longer"))
    @app_commands.describe(vmid=VMID)
    async def remove(
        self, interaction: Interaction, vmid: app_commands.Transform[int, GuestId(watched=True)]
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            try:
                self._services.watch.remove(vmid)
            except BotError as error:
                self._record(interaction, Operation.MONITOR_REMOVE, vmid, error)
                raise
            self._record(interaction, Operation.MONITOR_REMOVE, vmid)
            cluster = await cluster_for_completion(self._services)
            guest = cluster.find(vmid) if cluster else None
            name = title(guest) if guest else f"**{vmid}**"
            text = reply.t("{guest} is no longer being watched.", guest=name)
            await reply.show(card(f"{OK} {text}", colour=Colour.GOOD))

    @app_commands.command(name="list", description=locale_str("The watched guests and their state"))
    async def list_watched(self, interaction: Interaction) -> None:
        async with Reply(self._services, interaction) as reply:
            cluster = await cluster_for_completion(self._services)
            await reply.show(
                watch_list(reply.t, self._services.watch, cluster, 0, self._services.clock.now())
            )

    def _record(
        self, interaction: Interaction, operation: Operation, vmid: int, error: BotError | None = None
    ) -> None:
        step, outcome = ("refused", str(error)) if error else ("ended", "OK")
        self._services.audit.record(
            AuditRecord(step, actor_of(interaction), operation.value, vmid, outcome=outcome)
        )
