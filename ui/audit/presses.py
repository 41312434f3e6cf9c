"""Answer the buttons below the audit trail: other pages, and views included or left out."""

import re
from dataclasses import replace

from core.audit.store import AuditFilter, TrailExtent
from ui.audit.commands import show_audit
from ui.audit.filters import choose_trail
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, is_private, services_of
from ui.interaction.reply import Reply


async def on_audit_press(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Show a page of the audit trail, always privately."""
    services, page = services_of(interaction), int(match["page"])
    wanted = AuditFilter(
        int(match["vmid"]) if match["vmid"] else None,
        int(match["person"]) if match["person"] else None,
        match["operation"],
        float(match["since"]) if match["since"] else None,
        int(match["until"]) if match["until"] else None,
        extent={"0": TrailExtent.CHANGES, "1": TrailExtent.ENTRIES}.get(
            match["readings"], TrailExtent.RECORDS
        ),
    )
    async with Reply(services, interaction, private=True, anew=not is_private(interaction)) as reply:
        with recording(attempt, f"page={page + 1}"):
            wanted = replace(wanted, site=choose_trail(attempt, ""))
            await show_audit(services, reply, wanted, page)
