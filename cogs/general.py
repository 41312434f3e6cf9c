"""Declare /status, /list, /info, /create, /resize, /delete and /help."""

from dataclasses import replace

from discord import app_commands
from discord.app_commands import Choice, locale_str
from discord.ext import commands

from core.operations import Operation
from ui.access.help import show_help
from ui.cluster.commands import show_cluster_status
from ui.guests.act import show_panel
from ui.guests.confirm import act_or_ask, ask_first
from ui.guests.lists.choices import complete_nodes, complete_pools, complete_tags
from ui.guests.lists.filters import Filters
from ui.guests.lists.sites import list_guests, typed_filters
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Services
from ui.options.completions import DRY_RUN, VMID
from ui.options.guest import GuestOption
from ui.options.typed_guest import find_guest
from ui.sites.option import SITE, SiteName, choose_typed_site

STATUSES = [
    Choice(name=locale_str("running"), value="running"),
    Choice(name=locale_str("stopped"), value="stopped"),
    Choice(name=locale_str("template"), value="template"),
    Choice(name=locale_str("other states"), value="other"),
]
ORDERS = [
    Choice(name=locale_str("CPU usage"), value="cpu"),
    Choice(name=locale_str("memory usage"), value="memory"),
    Choice(name=locale_str("disk usage (containers)"), value="disk"),
    Choice(name=locale_str("uptime"), value="uptime"),
    Choice(name=locale_str("name"), value="name"),
]
KINDS = [Choice(name=locale_str("VM"), value="qemu"), Choice(name=locale_str("CT"), value="lxc")]


class General(commands.Cog):
    """Show the cluster and the commands. List, show, create, resize and delete guests."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @app_commands.command(description=locale_str("Show nodes, storages, guests and open incidents"))
    @app_commands.describe(site=SITE)
    async def status(self, interaction: Interaction, site: SiteName = "") -> None:
        async with Reply(self._services, interaction) as reply:
            with record_attempt(interaction, Operation.STATUS):
                choose_typed_site(interaction, site)
                await show_cluster_status(reply)

    @app_commands.command(name="list", description=locale_str("List guests"))
    @app_commands.describe(
        status=locale_str("Only with this status"),
        kind=locale_str("Only VMs or containers"),
        node=locale_str("Only this node"),
        tag=locale_str("Only guests with this tag"),
        pool=locale_str("Only guests in this pool"),
        sort=locale_str("Order of the guests (default: by VMID)"),
        site=SITE,
    )
    @app_commands.choices(status=STATUSES, kind=KINDS, sort=ORDERS)
    @app_commands.autocomplete(node=complete_nodes, tag=complete_tags, pool=complete_pools)
    async def list_guests(
        self,
        interaction: Interaction,
        status: str = "",
        kind: str = "",
        node: str = "",
        tag: str = "",
        pool: str = "",
        sort: str = "",
        site: SiteName = "",
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            filters = Filters(status, kind, node, sort, tag, pool)
            with record_attempt(interaction, Operation.LIST, detail=filters.detail):
                await list_guests(reply, typed_filters(interaction, filters, site))

    @app_commands.command(description=locale_str("Show a guest and its controls"))
    @app_commands.describe(vmid=VMID)
    async def info(self, interaction: Interaction, vmid: app_commands.Transform[str, GuestOption()]) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, Operation.INFO)
            with record_attempt(interaction, Operation.INFO, guest.vmid):
                await show_panel(guest.site, reply, guest.vmid)

    @app_commands.command(description=locale_str("Create a guest from a template"))
    @app_commands.describe(
        template_id=locale_str("Template to clone"),
        name=locale_str("Name: letters, digits and hyphens"),
        new_vmid=locale_str("New VMID (default: the next free one)"),
    )
    async def create(
        self,
        interaction: Interaction,
        template_id: app_commands.Transform[str, GuestOption(Operation.CREATE)],
        name: str,
        new_vmid: int | None = None,
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            template = await find_guest(interaction, template_id, Operation.CREATE)
            order = replace(
                template.order(interaction, Operation.CREATE), name=name.strip(), new_vmid=new_vmid
            )
            await act_or_ask(template.site, reply, order)

    @app_commands.command(description=locale_str("Change cores or memory"))
    @app_commands.describe(
        vmid=VMID,
        cores=locale_str("Cores per socket"),
        memory_mb=locale_str("Memory in MiB"),
    )
    async def resize(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.RESIZE)],
        cores: int | None = None,
        memory_mb: int | None = None,
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, Operation.RESIZE)
            order = replace(guest.order(interaction, Operation.RESIZE), cores=cores, memory_mb=memory_mb)
            await act_or_ask(guest.site, reply, order)

    @app_commands.command(description=locale_str("Delete a guest permanently (asks for its name)"))
    @app_commands.describe(vmid=VMID, dry_run=DRY_RUN)
    async def delete(
        self,
        interaction: Interaction,
        vmid: app_commands.Transform[str, GuestOption(Operation.DELETE)],
        dry_run: bool = False,
    ) -> None:
        async with Reply(self._services, interaction) as reply:
            guest = await find_guest(interaction, vmid, Operation.DELETE)
            order = replace(guest.order(interaction, Operation.DELETE), dry_run=dry_run)
            await ask_first(guest.site, reply, order)

    @app_commands.command(description=locale_str("Show the commands you can use"))
    async def help(self, interaction: Interaction) -> None:
        async with Reply(self._services, interaction, private=True) as reply:
            with record_attempt(interaction, Operation.HELP):
                await show_help(reply)
