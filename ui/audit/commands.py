"""Read the audit trail and show it, for the command and for the buttons below it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from discord import ui

from core.audit.store import AuditEntry, AuditFilter, TrailExtent
from ui.audit.csv_file import audit_csv
from ui.audit.filters import name_of
from ui.audit.page import audit_page
from ui.formatting import WARNING
from ui.guests.lists.cards import ROWS, page_of
from ui.interaction.answer import Attachment
from ui.interaction.context import gone_from
from ui.interaction.reply import Reply
from ui.interaction.services import Services

FILE_NAME = "audit.csv"


async def _write_waiting(services: Services) -> None:
    """Wait up to two seconds until all records so far are written, so that people see their latest actions."""
    await asyncio.gather(*(trail.flush(counts=True) for trail in services.trails))


async def show_audit(services: Services, reply: Reply, wanted: AuditFilter, page: int = 0) -> None:
    """Show one page of the audit trail. A page beyond the end becomes the last one.

    Raises: JournalFailed.
    """
    if wanted.until is None:
        await _write_waiting(services)
        wanted = replace(wanted, until=await services.audit_store.audit_last())
    found, total = await services.audit_store.audit_page(wanted, page * ROWS, ROWS)
    last, _ = page_of(page, total)
    if last != page:
        page = last
        found, total = await services.audit_store.audit_page(wanted, page * ROWS, ROWS)
    found = await _without_gone(reply, found)
    name, now, several = await _name(services, wanted), services.clock.now(), services.sites.several
    zone = services.timezone
    await reply.show(audit_page(reply.t, found, total, wanted, name, page, now, zone, several=several))


async def send_audit(services: Services, reply: Reply, wanted: AuditFilter) -> None:
    """Show the first page, and attach a file of all wanted attempts, or of the newest that fit Discord's size limit.

    If the page includes reading operations, the file has every attempt as stored, also questions that were answered.
    A person's next file is begun when Discord has received the previous one. A few files are made at a time.
    Raises: JournalFailed, TooQuick.
    """
    async with services.exports.take():
        await _send_audit(services, reply, wanted)


async def _send_audit(services: Services, reply: Reply, wanted: AuditFilter) -> None:
    t, journal = reply.t, services.audit_store
    await _write_waiting(services)
    several = services.sites.several
    for_file = replace(wanted, extent=TrailExtent.RECORDS) if wanted.extent is TrailExtent.ENTRIES else wanted
    data, count, whole = await audit_csv(
        journal, services.clock, for_file, services.timezone, with_sites=several
    )
    found, total = await journal.audit_page(wanted, 0, ROWS)
    found = await _without_gone(reply, found)
    if whole:
        note = t.plural("The file contains {n} record.", "The file contains {n} records.", count)
    else:
        note = f"{WARNING} " + t.plural(
            "Only the newest {n} record fits into the file. Narrow it down with `since` and "
            "the other options.",
            "Only the newest {n} records fit into the file. Narrow it down with `since` and "
            "the other options.",
            count,
        )
    name, now, zone = await _name(services, wanted), services.clock.now(), services.timezone
    page = partial(audit_page, t, found, total, wanted, name, 0, now, zone, several=several)
    attached: ui.File[ui.LayoutView] = ui.File(f"attachment://{FILE_NAME}")
    lost = f"{WARNING} {t('Discord did not accept the file. Narrow it down with `since` and the other options.')}"
    await reply.show_file(
        page(note=f"-# {note}", attached=attached), Attachment(FILE_NAME, data), page(note=f"-# {lost}")
    )


async def _without_gone(reply: Reply, found: Sequence[AuditEntry]) -> tuple[AuditEntry, ...]:
    """Remove the user ids of people who have left, so that their names are shown instead of mentions."""
    gone = await gone_from(reply.interaction, (each.record.actor.user_id for each in found))
    return tuple(_unmentioned(each) if each.record.actor.user_id in gone else each for each in found)


def _unmentioned(entry: AuditEntry) -> AuditEntry:
    record = entry.record
    return replace(entry, record=replace(record, actor=replace(record.actor, user_id=0)))


async def _name(services: Services, wanted: AuditFilter) -> str:
    return "" if wanted.person_id is None else await name_of(services, wanted.person_id, wanted.site)
