"""Check access for every command, completion, button and form, and record every attempt.

discord.py calls `CommandTree.interaction_check` only for commands and autocomplete, so buttons and forms call
`refusal_of` themselves. The action checks access again in core. An attempt is recorded either here or in core.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import discord
from discord import app_commands, ui

from core.access.authorizer import Check
from core.access.policy import Actor, InteractionKind, Place
from core.access.rate_limit import RequestKind
from core.audit.record import AuditRecord, AuditStep, format_options, step_of
from core.audit.trail import DETAIL_MOST
from core.errors import AnswerTooLate, BotError, JournalFailed, Refused, TooQuick
from core.guest import Guest
from core.operations import OPERATIONS, Effect, Operation
from ui.cards import notice
from ui.discord.blocked import send_with_fallbacks
from ui.discord.failures import DISCORD_ERRORS, log_unexpected, send_with_retries
from ui.formatting import plain
from ui.interaction.context import Interaction, Services, services_of
from ui.interaction.empty_choices import nothing_chosen, refusal_choice
from ui.interaction.late import GIVEN_UP
from ui.interaction.refusal import refusal_card
from ui.messages.errors import unexpected_sentence

_log = logging.getLogger(__name__)

PRIVATE_RETRIES = (0.3, 0.6, 0.9)
FIRST_SECONDS, FOLLOWUP_SECONDS = 3.0, 14 * 60.0
"""Seconds in which Discord accepts the first answer, and seconds for later answers."""
_INTERACTION_KINDS = {
    discord.InteractionType.autocomplete: InteractionKind.COMPLETION,
    discord.InteractionType.component: InteractionKind.BUTTON,
    discord.InteractionType.modal_submit: InteractionKind.FORM,
}


def actor_of(interaction: Interaction) -> Actor:
    """Return the person with roles and place.

    They come only from this interaction, never from memory or from a `custom_id`.
    """
    user = interaction.user
    place = Place(interaction.guild_id, _category_of(interaction), interaction.channel_id)
    roles = frozenset(role.id for role in getattr(user, "roles", ()))  # a `User` (direct message) has none
    return Actor(
        user.id,
        user.display_name,
        place,
        roles,
        _INTERACTION_KINDS.get(interaction.type, InteractionKind.COMMAND),
    )


def _category_of(interaction: Interaction) -> int | None:
    """Return the category of the channel, or of its parent for a thread or forum post. None if unknown."""
    channel, guild = interaction.channel, interaction.guild
    if channel is None or guild is None:
        return None
    known = guild.get_channel_or_thread(channel.id) or channel
    try:
        category = getattr(known, "category_id", None)
    except discord.ClientException:  # a thread whose parent is not known
        return None
    return category if isinstance(category, int) else None


def operation_of(interaction: Interaction) -> Operation | None:
    """Return the operation of a command or its completion, None for any other interaction."""
    command = interaction.command
    return Operation(command.qualified_name.replace(" ", "_")) if command else None


def refusal_of(
    interaction: Interaction, operation: Operation | None, guest: Guest | None = None
) -> Refused | None:
    """Return why this interaction is refused, or None. `guest`: the guest in question, if known."""
    return services_of(interaction).authorizer.refusal(actor_of(interaction), operation, guest)


def authorize(interaction: Interaction, operation: Operation, guest: Guest | None = None) -> None:
    """Check access.

    Raises: the refusal that `refusal_of` returns.
    """
    services_of(interaction).authorizer.authorize(actor_of(interaction), operation, guest)


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


# -- recording


@dataclass(slots=True)
class Attempt:
    """One thing that a person asks of the bot. Its fields are filled in as they become known."""

    interaction: Interaction
    word: str
    vmid: int | None = None
    detail: str = ""
    reason: str = ""
    guest: Guest | None = None
    outcome: str = "OK"
    """Outcome to record if nothing is raised."""
    id: int | None = None
    begun: bool = False
    actor: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.actor = actor_of(self.interaction)

    @property
    def check(self) -> Check:
        """Return the access check of a guest for this attempt."""
        return self.services.authorizer.check_for(self.actor, Operation(self.word))

    def authorize(self, guest: Guest | None = None, *, whole: bool = False, seconds: float = 0.0) -> None:
        """Check access.

        `whole`: the attempt concerns more than guests, such as a node or everything.
        `seconds`: duration of the effect, such as of a mute.
        Raises: Refused.
        """
        self.guest = guest or self.guest
        self.services.authorizer.authorize(
            self.actor, Operation(self.word), guest, whole=whole, seconds=seconds
        )

    def start(self, *, unkept: bool = False) -> None:
        """Record that the attempt was allowed and is now carried out. Count a change against the limit of changes.

        `unkept`: carry it out even if it cannot be recorded.
        Raises: TooManyChanges, JournalFailed.
        """
        limit, counts = self.services.change_limit, OPERATIONS[Operation(self.word)].effect >= Effect.LIST
        if counts:
            limit.take(self.actor.user_id)
        try:
            self.id = self.record(AuditStep.ASKED)
        except JournalFailed:
            if not unkept:
                if counts:
                    limit.give_back(self.actor.user_id)
                raise
        self.begun = True

    def record(self, step: AuditStep, outcome: str = "") -> int | None:
        guest = self.guest or (self.services.cluster_cache.find(self.vmid) if self.vmid else None)
        entry = AuditRecord(
            step,
            self.actor,
            self.word,
            self.vmid,
            plain(self.detail, DETAIL_MOST),
            guest=guest.label if guest else "",
            node=guest.node if guest else "",
            state=guest.state.value if guest else "",
            reason=self.reason,
            outcome=outcome,
        )
        return self.services.audit.record(entry, self.id)

    def refuse(self, refusal: BotError) -> None:
        """Record that the attempt was refused or failed.

        A `TooQuick` that is only counted is not recorded. The next record contains the count.
        """
        if not isinstance(refusal, TooQuick) or refusal.skipped is not None:
            self.record(step_of(refusal), str(refusal))

    @property
    def services(self) -> Services:
        return services_of(self.interaction)


def record_attempt(
    interaction: Interaction, operation: Operation, vmid: int | None = None, detail: str = ""
) -> contextlib.AbstractContextManager[Attempt]:
    """Create the attempt of a command, and record it as `recording` does."""
    return recording(Attempt(interaction, operation.value, vmid, detail))


@contextlib.contextmanager
def recording(attempt: Attempt, detail: str | None = None) -> Iterator[Attempt]:
    """Record an attempt that the bot carries out itself. `core/actions/executor.py` records the actions on guests.

    `detail`: replaces the attempt's own detail.
    """
    interaction, operation = attempt.interaction, Operation(attempt.word)
    if detail is not None:
        attempt.detail = detail
    try:
        ensure_awaited(interaction)
        yield attempt
    except BotError as error:
        attempt.record(step_of(error), str(error))
        raise
    except BaseException as error:
        if is_given_up(interaction) and attempt.id is None:
            attempt.record(AuditStep.REFUSED, str(AnswerTooLate()))
            raise
        attempt.record(AuditStep.ENDED, f"unknown: {type(error).__name__}")
        raise
    if not attempt.begun and OPERATIONS[operation].effect is not Effect.NOTHING:
        raise AssertionError(f"{operation} was done without begin()")
    attempt.record(AuditStep.ENDED, attempt.outcome)


def is_given_up(interaction: Interaction) -> bool:
    """Return whether Discord no longer accepts an answer to the interaction (`ui/interaction/reply.py`)."""
    return GIVEN_UP in interaction.extras


def ensure_awaited(interaction: Interaction) -> None:
    """Check that somebody still waits for the answer.

    Raises: AnswerTooLate.
    """
    if is_given_up(interaction):
        raise AnswerTooLate


def attempt_of(interaction: Interaction) -> Attempt:
    """Create the attempt of a command, button or form from the words in which it arrived."""
    command = interaction.command
    if command is not None:
        options: dict[str, object] = {name: value for name, value in interaction.namespace}  # noqa: C416 - dict() fails, as `keys` is None
        vmid = options.get("vmid") or options.get("template_id")
        detail = format_options({name: value for name, value in options.items() if name != "vmid"})
        word = command.qualified_name.replace(" ", "_")
        return Attempt(interaction, word, vmid if isinstance(vmid, int) else None, detail)
    data: dict[str, object] = dict(interaction.data or {})
    return Attempt(interaction, plain(str(data.get("custom_id") or data.get("name", "?")), 100))


async def run_guarded(
    interaction: Interaction, work: Callable[[Attempt], Awaitable[BotError | None]]
) -> None:
    """Run the work of a button or form. Record and answer what it refuses or raises, because no caller would.

    The work fills in the attempt's fields as soon as it knows them.
    """
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    attempt = attempt_of(interaction)
    try:
        refusal = await work(attempt)
    except BotError as error:
        refusal = error
    except Exception as error:  # noqa: BLE001 - discord.py would only log it, without an answer to the person
        error_id = log_unexpected(error)
        attempt.record(AuditStep.ENDED, f"unknown: {type(error).__name__}")
        await reply_privately(interaction, notice(unexpected_sentence(t, error_id)))
        return
    if refusal is not None:
        attempt.refuse(refusal)
        await reply_privately(interaction, refusal_card(services_of(interaction), t, refusal, interaction))


async def reply_privately(interaction: Interaction, view: ui.LayoutView) -> None:
    """Show a card to this person only, whether or not the interaction was acknowledged. Does not raise."""
    services = services_of(interaction)
    t = services.texts.of_locale(str(interaction.locale))

    async def send(shown: ui.LayoutView) -> None:
        if interaction.response.is_done():
            await interaction.followup.send(view=shown, ephemeral=True)
        else:
            await interaction.response.send_message(view=shown, ephemeral=True)

    most = FOLLOWUP_SECONDS if interaction.response.is_done() else FIRST_SECONDS
    error = await send_with_retries(
        services.clock, lambda: send_with_fallbacks(t, view, send), PRIVATE_RETRIES, most
    )
    if error is not None:
        _log.warning("a private message could not be delivered: %r", error)


def _nothing_chosen(interaction: Interaction) -> Refused | None:
    """Return the refusal of the entry that only explains why there is nothing to choose.

    A completion is not refused, because another option may still contain that entry.
    """
    return None if interaction.type is discord.InteractionType.autocomplete else nothing_chosen(interaction)


class GatedTree(app_commands.CommandTree[discord.Client]):
    """The command tree, with the access check before each command and one handler for unexpected errors."""

    async def interaction_check(self, interaction: Interaction) -> bool:
        operation, typing = (
            operation_of(interaction),
            interaction.type is discord.InteractionType.autocomplete,
        )
        if typing and services_of(interaction).arrivals.late(interaction.id):
            return False  # Discord shows that the options could not be loaded
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
                await interaction.response.autocomplete(
                    refusal_choice(t, interaction, refusal, actor_of(interaction))
                )
        else:
            attempt_of(interaction).refuse(refusal)
            t = services_of(interaction).texts.of_locale(str(interaction.locale))
            services, actor = services_of(interaction), actor_of(interaction)
            await reply_privately(interaction, refusal_card(services, t, refusal, interaction, actor))
        return False

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """Answer an error that the command did not answer itself.

        Must not raise, because asyncio would only log it.
        """
        error_id = log_unexpected(error)
        t = services_of(interaction).texts.of_locale(str(interaction.locale))
        if interaction.type is discord.InteractionType.autocomplete:
            return  # Discord shows that the options could not be loaded
        if not isinstance(error, app_commands.CommandInvokeError):  # otherwise the command has recorded it
            attempt_of(interaction).record(AuditStep.REFUSED, type(error).__name__)
        await reply_privately(interaction, notice(unexpected_sentence(t, error_id)))
