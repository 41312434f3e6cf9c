"""Check access for every command, completion, button and form before anything is done.

discord.py calls `CommandTree.interaction_check` only for commands and completions, so the handlers of buttons and
forms call `rate_limit_refusal` and `refusal_of`. The action checks access again in core.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable

import discord
from discord import app_commands, ui

from core.access.policy import mildest
from core.access.rate_limit import RequestKind
from core.audit.record import AuditStep
from core.errors import BotError, Refused, TooQuick
from core.guest import Guest
from core.levels import Effect
from core.operations import OPERATIONS, Operation
from ui.cards import notice
from ui.discord.blocked import send_card_with_fallbacks
from ui.discord.failures import DISCORD_ERRORS, is_worth_a_traceback, log_unexpected, send_with_retries
from ui.interaction.answer import FIRST_RETRIES, FIRST_SECONDS, TOKEN_SECONDS
from ui.interaction.attempt import Attempt, attempt_of
from ui.interaction.context import (
    Interaction,
    actor_of,
    chosen_site,
    named_site,
    operation_of,
    services_of,
    site_of,
)
from ui.interaction.empty_choices import nothing_chosen, refusal_choice
from ui.interaction.refusal import refusal_card
from ui.messages.errors import unexpected_sentence

_log = logging.getLogger(__name__)


def refusal_of(
    interaction: Interaction, operation: Operation | None, guest: Guest | None = None
) -> Refused | None:
    """Return why this interaction is refused, or None. `guest`: the guest in question, if known.

    While none of several sites is chosen, the interaction is refused only if every site refuses it. The guest does
    not count then.
    """
    site, actor = chosen_site(interaction), actor_of(interaction)
    if site is not None:
        return site.authorizer.refusal(actor, operation, guest)
    return mildest(each.authorizer.refusal(actor, operation) for each in services_of(interaction).sites)


def authorize(interaction: Interaction, operation: Operation, guest: Guest | None = None) -> None:
    """Check access at the chosen site.

    Raises: the refusal that `refusal_of` returns; LookupError if none of several is chosen.
    """
    site_of(interaction).authorizer.authorize(actor_of(interaction), operation, guest)


def rate_limit_refusal(interaction: Interaction, operation: Operation | None) -> TooQuick | None:
    """Count this interaction against the person's rate limit, or return the refusal.

    This runs before access is decided, so that refused attempts count as well.
    """
    kind = RequestKind.READ
    if interaction.type is discord.InteractionType.autocomplete:
        kind = RequestKind.COMPLETION
    elif operation is not None and OPERATIONS[operation].effect is not Effect.NOTHING:
        kind = RequestKind.CHANGE
    return services_of(interaction).rate_limiter.take(interaction.user.id, kind)


async def run_guarded(
    interaction: Interaction, work: Callable[[Attempt], Awaitable[BotError | None]]
) -> None:
    """Run the work of a button or form. Record and answer its refusal or exception, because discord.py would not.

    `work`: fills in the attempt's fields as soon as they are known, and returns or raises the refusal.
    """
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    attempt = attempt_of(interaction)
    try:
        refusal = await work(attempt)
    except BotError as error:
        refusal = error
    except Exception as error:  # noqa: BLE001 - discord.py would only log it, without an answer to the person
        error_id = log_unexpected(error)
        services_of(interaction).measures.on_error(type(error).__name__)
        attempt.record(AuditStep.ENDED, f"unknown: {type(error).__name__}")
        await reply_privately(interaction, notice(unexpected_sentence(t, error_id)))
        return
    if refusal is not None:
        attempt.record_refusal(refusal)
        await reply_privately(interaction, refusal_card(services_of(interaction), t, refusal, interaction))


async def reply_privately(interaction: Interaction, view: ui.LayoutView) -> None:
    """Send a card that only this person sees. The interaction may have been acknowledged or not. Does not raise."""
    services = services_of(interaction)
    t = services.texts.of_locale(str(interaction.locale))

    async def send(shown: ui.LayoutView) -> None:
        if interaction.response.is_done():
            await interaction.followup.send(view=shown, ephemeral=True)
        else:
            await interaction.response.send_message(view=shown, ephemeral=True)

    most = TOKEN_SECONDS if interaction.response.is_done() else FIRST_SECONDS
    error = await send_with_retries(
        services.clock,
        lambda: send_card_with_fallbacks(t, view, send, site=named_site(interaction)),
        FIRST_RETRIES,
        most,
    )
    if error is not None:
        _log.warning("a private message could not be delivered: %r", error)


def _nothing_chosen(interaction: Interaction) -> Refused | None:
    """Return the refusal of a command whose option holds a completion's entry that only says why it is empty.

    Return None for a completion: the person may be about to replace that entry.
    """
    return None if interaction.type is discord.InteractionType.autocomplete else nothing_chosen(interaction)


_ARRIVED = "arrived"
"""Key of the monotonic time at which a command arrived, in the interaction's `extras`."""


def measure_command(interaction: Interaction) -> None:
    """Measure how long a command has taken. Ignore presses and forms."""
    services, arrived = services_of(interaction), interaction.extras.get(_ARRIVED)
    if arrived is not None and interaction.command is not None:
        seconds = services.clock.monotonic() - arrived
        services.measures.on_command(interaction.command.qualified_name, seconds)


class GatedTree(app_commands.CommandTree[discord.Client]):
    """Check access before each command and completion of the tree, and answer unexpected errors."""

    def __init__(self, client: discord.Client) -> None:
        super().__init__(client)
        logging.getLogger("discord.app_commands.tree").addFilter(is_worth_a_traceback)

    async def interaction_check(self, interaction: Interaction) -> bool:
        operation, typing = (
            operation_of(interaction),
            interaction.type is discord.InteractionType.autocomplete,
        )
        if typing and services_of(interaction).arrivals.late(interaction.id):
            return False  # Discord shows that the options could not be loaded
        interaction.extras[_ARRIVED] = services_of(interaction).clock.monotonic()
        refusal = (
            rate_limit_refusal(interaction, operation)
            or refusal_of(interaction, operation)
            or _nothing_chosen(interaction)
        )
        if refusal is None:
            return True
        if typing:
            with contextlib.suppress(*DISCORD_ERRORS):
                t = services_of(interaction).texts.of_locale(str(interaction.locale))
                await interaction.response.autocomplete(refusal_choice(t, refusal))
        else:
            attempt_of(interaction).record_refusal(refusal)
            t = services_of(interaction).texts.of_locale(str(interaction.locale))
            services, actor = services_of(interaction), actor_of(interaction)
            await reply_privately(interaction, refusal_card(services, t, refusal, interaction, actor))
        return False

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """Answer an error that the command did not answer itself. A completion gets no answer.

        Must not raise, because asyncio would only log it.
        """
        error_id = log_unexpected(error)
        services_of(interaction).measures.on_error(type(error).__name__)
        t = services_of(interaction).texts.of_locale(str(interaction.locale))
        if interaction.type is discord.InteractionType.autocomplete:
            return  # Discord shows that the options could not be loaded
        if not isinstance(error, app_commands.CommandInvokeError):  # otherwise the command has recorded it
            attempt_of(interaction).record(AuditStep.REFUSED, type(error).__name__)
        await reply_privately(interaction, notice(unexpected_sentence(t, error_id)))
