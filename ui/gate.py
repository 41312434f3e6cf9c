"""Where the bot may be used: the first check of commands and completions, and of every button and form.

discord.py runs CommandTree.interaction_check for commands and autocomplete only, so buttons and forms call
`refusal_of` themselves; the action decides once more in core.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import discord
from discord import app_commands, ui

from core.access import Actor, Operation, Place, decide
from core.audit import AuditRecord
from core.errors import BotError, Refused
from ui.cards import notice
from ui.sentences import sentence, unexpected
from ui.services import Interaction, Services, services_of
from ui.trouble import Trouble, incident_of

_log = logging.getLogger(__name__)


def actor_of(interaction: Interaction) -> Actor:
    """The person and the place, as this interaction tells them; nothing cached about the person, no custom_id."""
    user = interaction.user
    place = Place(interaction.guild_id, _category_of(interaction), interaction.channel_id)
    return Actor(user.id, user.display_name, place)


def _category_of(interaction: Interaction) -> int | None:
    """The channel's category, or its parent's for threads and forum posts; None where it cannot be known."""
    channel, guild = interaction.channel, interaction.guild
    if channel is None or guild is None:
        return None
    known = guild.get_channel_or_thread(channel.id) or channel
    try:
        category = getattr(known, "category_id", None)
    except discord.ClientException:  # a thread whose parent is not known
        return None
    return category if isinstance(category, int) else None


def refusal_of(
    services: Services, interaction: Interaction, operation: Operation | None = None
) -> Refused | None:
    """Why this interaction may not go on, or None. The refusal is recorded."""
    actor = actor_of(interaction)
    refusal = decide(services.rules, actor, operation)
    if refusal is not None and interaction.type is not discord.InteractionType.autocomplete:
        word = operation.value if operation else _word_of(interaction)
        services.audit.record(AuditRecord("refused", actor, word, 0, outcome=str(refusal)))
    return refusal


@dataclass(slots=True)
class Asked:
    """What a record is about, as far as it is known by its end."""

    vmid: int = 0
    detail: str = ""


@contextlib.contextmanager
def recorded(
    interaction: Interaction, operation: Operation, vmid: int = 0, detail: str = ""
) -> Iterator[Asked]:
    """Around what a person changes about the watch: who asked for what, and what came of it."""
    audit, actor, asked = services_of(interaction).audit, actor_of(interaction), Asked(vmid, detail)
    step, outcome = "ended", "OK"
    try:
        yield asked
    except BotError as error:
        step, outcome = "refused", str(error)
        raise
    finally:
        audit.record(AuditRecord(step, actor, operation.value, asked.vmid, asked.detail, outcome=outcome))


def _word_of(interaction: Interaction) -> str:
    command = interaction.command
    if command:
        return command.qualified_name
    data: dict[str, object] = dict(interaction.data or {})
    return str(data.get("custom_id", "?"))


async def guarded(interaction: Interaction, work: Callable[[], Awaitable[BotError | None]]) -> None:
    """Run what a button or form does, and answer whatever it refuses or raises: nothing above would."""
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    try:
        refusal = await work()
        if refusal is None:
            return
        view = notice(sentence(t, refusal))
    except BotError as error:
        view = notice(sentence(t, error))
    except Exception as error:  # noqa: BLE001 - discord.py would only log it, and the person wait in vain
        view = notice(unexpected(t, incident_of(error)))
    await tell_privately(interaction, view)


async def tell_privately(interaction: Interaction, view: ui.LayoutView) -> None:
    """A word to this person only, whether or not the interaction was acknowledged. Does not raise."""
    try:
        if interaction.response.is_done():
            await interaction.followup.send(view=view, ephemeral=True)
        else:
            await interaction.response.send_message(view=view, ephemeral=True)
    except Trouble as error:
        _log.warning("a private word could not be delivered: %r", error)


class GatedTree(app_commands.CommandTree[discord.Client]):
    """The command tree behind the gate, with one place for errors nobody expected."""

    async def interaction_check(self, interaction: Interaction) -> bool:
        services = services_of(interaction)
        refusal = refusal_of(services, interaction)
        if refusal is None:
            return True
        if interaction.type is discord.InteractionType.autocomplete:
            with contextlib.suppress(*Trouble):
                await interaction.response.autocomplete([])
        else:
            t = services.texts.of_locale(str(interaction.locale))
            await tell_privately(interaction, notice(sentence(t, refusal)))
        return False

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """What a command did not answer itself. Must not raise: asyncio would only log it."""
        incident = incident_of(error)
        t = services_of(interaction).texts.of_locale(str(interaction.locale))
        if interaction.type is discord.InteractionType.autocomplete:
            return  # Discord shows that the options could not be loaded
        await tell_privately(interaction, notice(unexpected(t, incident)))
