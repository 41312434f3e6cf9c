"""Build, send and read the form in which the asker confirms with the guest's name, and sometimes a reason."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord
from discord import ui

from core.errors import AnswerTooLate
from core.operations import Operation
from ui.discord.blocked import is_blocked
from ui.discord.failures import DISCORD_ERRORS
from ui.formatting import plain
from ui.guests.plan import title_of_form
from ui.i18n import Text
from ui.interaction.context import Interaction
from ui.interaction.open_questions import SECONDS, Question

FORM_NAME_MOST = 255  # characters
REASON_MOST = 200  # characters
NAME_FIELD, REASON_FIELD = "name", "reason"


async def send_form(interaction: Interaction, t: Text, question: Question) -> None:
    """Send the form, without the guest's name if Discord blocks it.

    Raises: AnswerTooLate, if Discord does not accept it.
    """
    try:
        try:
            await interaction.response.send_modal(confirmation_form(t, question))
        except discord.HTTPException as error:
            if not is_blocked(error):
                raise
            await interaction.response.send_modal(confirmation_form(t, question, bare=True))
    except DISCORD_ERRORS as error:
        raise AnswerTooLate from error


def confirmation_form(t: Text, question: Question, *, bare: bool = False) -> ui.Modal:
    """Return the form for the guest's name, and for a protected guest the reason.

    `bare`: do not show the guest's name anywhere.
    """
    plan = question.plan
    shown = replace(plan, guest=replace(plan.guest, name=None)) if bare else plan
    form = ui.Modal(
        title=title_of_form(t, shown, question.site)[:45], custom_id=f"f1:{question.nonce}", timeout=SECONDS
    )
    name: ui.TextInput[Any] = ui.TextInput(
        placeholder=plain(shown.guest.label, 100), max_length=FORM_NAME_MOST, custom_id=NAME_FIELD
    )
    lost = (
        t("This cannot be undone.")
        if plan.order.operation is Operation.DELETE
        else t("This guest is protected.")
    )
    form.add_item(
        ui.Label(text=t("Enter the name of the guest")[:45], description=lost[:100], component=name)
    )
    if plan.needs_reason:
        reason: ui.TextInput[Any] = ui.TextInput(max_length=REASON_MOST, custom_id=REASON_FIELD)
        kept = t("Recorded in the audit trail.")[:100]
        form.add_item(ui.Label(text=t("Reason")[:45], description=kept, component=reason))
    return form


def typed_fields(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of a form's fields by custom_id, from the interaction's raw data. Any data is accepted."""
    found = {}
    rows = data.get("components")
    for row in rows if isinstance(rows, list) else ():
        held = row if isinstance(row, dict) else {}
        inside = held.get("components")
        for inner in (held.get("component"), *(inside if isinstance(inside, list) else ())):
            if isinstance(inner, dict) and isinstance(inner.get("value"), str):
                found[str(inner.get("custom_id", ""))] = str(inner["value"])
    return found
