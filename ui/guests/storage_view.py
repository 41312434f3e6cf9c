"""Show how full the file systems of a guest are, and its backups, for the person who asks."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from discord import ui

from core.errors import BotError
from core.guest import Backups, Guest, Kind, State
from core.operations import Operation
from core.proxmox import FileSystem
from core.proxmox_errors import GuestMoved, MissingPrivilege, TimedOut
from ui.bars import usage_bar
from ui.cards import card
from ui.formatting import BACKUP, UNSURE, WARNING, Colour, code, fit_lines, moment, title
from ui.i18n import Text
from ui.interaction.context import actor_of
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import reason_of
from ui.sizes import format_size, format_usage

T = TypeVar("T")

READ_SECONDS = 5.0
"""Seconds to wait for the guest agent, and for the backups. If one hangs, the other is shown."""
SYSTEMS_MOST, BACKUPS_MOST = 10, 5
"""Maximum number of file systems and of backups to list. Those left out are counted."""
NEARLY = 0.9
"""Used fraction at which a file system is marked."""


async def show_storage_of(site: Site, reply: Reply, vmid: int) -> None:
    """Show the file systems, which the agent of a VM reports, and the backups.

    Raises: GuestNotFound, Refused, ProxmoxError.
    """

    async def read(guest: Guest) -> ui.LayoutView:
        asks = guest.kind is Kind.QEMU and guest.state is State.RUNNING and not guest.template
        systems, backups = await asyncio.gather(
            _in_time(site.proxmox.file_systems(guest)) if asks else _nothing(),
            _in_time(site.proxmox.backups(guest)),
        )
        return _storage_view_card(reply.t, guest, systems, backups, site.services.clock.now())

    check = site.authorizer.check_for(actor_of(reply.interaction), Operation.INFO)
    await reply.show(await site.planner.finder.run_on_listed(vmid, read, check))


async def _nothing() -> None:
    return None


async def _in_time(read: Awaitable[T]) -> T | BotError:
    """Return the result, or the error if Proxmox refuses or takes too long.

    Raises: GuestMoved.
    """
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await read
    except GuestMoved:
        raise
    except BotError as error:
        return error
    except TimeoutError:
        return TimedOut("", changing=False)


def _storage_view_card(
    t: Text,
    guest: Guest,
    systems: Sequence[FileSystem] | BotError | None,
    backups: Backups | BotError,
    now: float,
) -> ui.LayoutView:
    """Build the card. `systems`: None if the guest is not a running VM, so that no guest agent can be asked.

    The list of the cluster has the root file system of a container.
    """
    if systems is None and guest.kind is Kind.LXC and guest.disk_total and guest.disk is not None:
        systems = (FileSystem("/", "", guest.disk, guest.disk_total),)
    parts = [f"### {title(guest)}", f"**{t('File systems')}**\n{_systems(t, systems)}"]
    parts.append(f"**{t('Backups')}**\n{_backups(t, backups, now)}")
    full = not isinstance(systems, BotError) and any(each.fill >= NEARLY for each in systems or ())
    return card(*parts, colour=Colour.WARN if full else Colour.BUSY)


def _systems(t: Text, systems: Sequence[FileSystem] | BotError | None) -> str:
    if isinstance(systems, MissingPrivilege):
        privilege = code(systems.privilege or "VM.GuestAgent.Audit", 60)
        return f"{UNSURE} {t('unknown: the API token lacks the privilege {privilege}', privilege=privilege)}"
    if isinstance(systems, BotError):
        reason = reason_of(t, str(systems))
        return f"{UNSURE} {t('unknown: the guest agent does not answer ({reason})', reason=reason)}"
    if systems is None:
        return f"{UNSURE} {t('unknown while the guest is not running')}"
    if not systems:
        return f"{UNSURE} {t('unknown: the guest agent lists no file systems')}"
    return fit_lines(t, map(_system, systems), 1800, lines_most=SYSTEMS_MOST)


def _system(each: FileSystem) -> str:
    mark = f" {WARNING}" if each.fill >= NEARLY else ""
    kind = f" · {code(each.type, 16)}" if each.type else ""
    return f"{usage_bar(each.fill)} {code(each.mountpoint, 60)}{mark}\n-# {format_usage(each.used, each.total)}{kind}"


def _backups(t: Text, backups: Backups | BotError, now: float) -> str:
    if isinstance(backups, BotError):
        return f"{UNSURE} {t('unknown')} ({reason_of(t, str(backups))})"
    lines = []
    for each in backups.found[:BACKUPS_MOST]:
        size = f"{format_size(each.size)} · " if each.size is not None else ""
        lines.append(f"{BACKUP} {moment(t, each.taken, now)}\n-# {size}{code(each.storage, 40)}")
    left = len(backups.found) - BACKUPS_MOST
    lines += [f"-# {t.plural('{n} older one', '{n} older ones', left)}"] if left > 0 else []
    lines = lines or [f"{WARNING} {t('No backups found')}"]
    if backups.unread:
        names = fit_lines(t, (code(name, 40) for name in backups.unread), 200, " ")
        lines.append(f"{WARNING} {t('Cannot list the backups on: {storages}', storages=names)}")
    return "\n".join(lines)
