"""Declare /access, /readonly on and /readonly off."""

from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from core.cluster_cache import FRESH_SECONDS
from core.operations import Operation
from ui.access.view import access_card
from ui.cards import card
from ui.formatting import OK, READ_ONLY, WARNING, Colour
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction, Services, site_of
from ui.interaction.guest_option import GuestOption, find_guest
from ui.interaction.options import VMID, cluster_for_completion, complete_operations
from ui.interaction.reply import Reply
from ui.messages.errors import read_only_line
from ui.messages.operations import operation_named
from ui.messages.startup import read_only_not_stored


class Access(commands.Cog):
    """Show people what they may do, and switch all changes off or on for everybody."""

    readonly = app_commands.Group(name="readonly", description=locale_str("Turn read-only mode on or off"))

    def __init__(self, services: Services) -> None:
        self._services = services

    @app_commands.command(description=locale_str("Show which actions you can use"))
    @app_commands.describe(action=locale_str("Only this action"), vmid=VMID)
    @app_commands.autocomplete(action=complete_operations)
    async def access(
        self,
        interaction: Interaction,
        action: str = "",
        vmid: app_commands.Transform[str, GuestOption()] | None = None,
    ) -> None:
        services = self._services
        async with Reply(services, interaction, private=True) as reply:
            found = await find_guest(interaction, vmid, Operation.ACCESS) if vmid else None
            site = site_of(interaction)
            with record_attempt(
                interaction, Operation.ACCESS, found.vmid if found else None, action
            ) as attempt:
                wanted = operation_named(services.texts, action) if action.strip() else None
                guest = None
                if found is not None:
                    age = (
                        0.0 if site.authorizer.has_hidden_guests(attempt.actor) else FRESH_SECONDS
                    )  # as fresh as for the access decision about a change
                    guest = await site.planner.finder.locate(found.vmid, attempt.check, max_age=age)
                    guest = await site.planner.with_protection(guest)
                cluster = await cluster_for_completion(site)
                view = access_card(reply.t, site.authorizer, attempt.actor, guest, wanted, cluster)
                await reply.show(view)

    @readonly.command(name="on", description=locale_str("Turn read-only mode on: guests cannot be changed"))
    async def turn_on(self, interaction: Interaction) -> None:
        switch = site_of(interaction).authorizer.read_only
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.READONLY_ON) as attempt:
                attempt.authorize(whole=True)
                attempt.start(even_unrecorded=True)  # the switch must work even if the disk is full
                was = switch.refusal is not None
                switch.turn_on(interaction.user.display_name, interaction.user.id)
            if switch.refusal:
                text = f"{READ_ONLY} {read_only_line(reply.t, switch.refusal)}"
                head = reply.t("Read-only mode is already on.") + "\n" if was else ""
                note = reply.t("Viewing, alerts and mutes still work. Turn it off with `/readonly off`.")
                warning = (
                    f"{WARNING} {read_only_not_stored(reply.t, switch.store_error)}"
                    if switch.store_error
                    else ""
                )
                await reply.show(card(f"{head}{text}", warning, f"-# {note}", colour=Colour.WARN))

    @readonly.command(name="off", description=locale_str("Turn read-only mode off"))
    async def turn_off(self, interaction: Interaction) -> None:
        switch = site_of(interaction).authorizer.read_only
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.READONLY_OFF) as attempt:
                attempt.authorize(whole=True)
                attempt.start()
                was = switch.refusal is not None
                switch.turn_off()
            text = reply.t("Read-only mode is now off.") if was else reply.t("Read-only mode is already off.")
            await reply.show(card(f"{OK} {text}", colour=Colour.GOOD))
