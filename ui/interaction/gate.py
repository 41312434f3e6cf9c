"""Who may do what, where: the first check of commands and completions, and of every button and form.

discord.py runs CommandTree.interaction_check for commands and autocomplete only, so buttons and forms call
`refusal_of` themselves; the action decides once more in core. Every attempt is recorded, here or there.
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
from core.audit.trail import DETAIL_MOST, AuditRecord, AuditStep, step_of
from core.errors import AnswerTooLate, BotError, JournalFailed, Refused, TooQuick
from core.guest import Guest
from core.options import format_options
from core.rights import RIGHTS, Effect, Operation
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
"""How long Discord takes a first answer, and what follows it."""
_INTERACTION_KINDS = {
    discord.InteractionType.autocomplete: InteractionKind.COMPLETION,
    discord.InteractionType.component: InteractionKind.BUTTON,
    discord.InteractionType.modal_submit: InteractionKind.FORM,
}


def actor_of(interaction: Interaction) -> Actor:
    """The person, their roles and the place, as this interaction tells them; nothing remembered, no custom_id."""
    user = interaction.user
    place = Place(interaction.guild_id, _category_of(interaction), interaction.channel_id)
    roles = frozenset(role.id for role in getattr(user, "roles", ()))  # a User, in a direct message, has none
    return Actor(
        user.id,
        user.display_name,
        place,
        roles,
        _INTERACTION_KINDS.get(interaction.type, InteractionKind.COMMAND),
    )


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


def operation_of(interaction: Interaction) -> Operation | None:
    """What a command, or the completion of one, asks for."""
    command = interaction.command
    return Operation(command.qualified_name.replace(" ", "_")) if command else None


def refusal_of(
    interaction: Interaction, operation: Operation | None, guest: Guest | None = None
) -> Refused | None:
    """Why this interaction may not go on, or None. `guest`: the one it is about, where that is known."""
    return services_of(interaction).authorizer.refusal(actor_of(interaction), operation, guest)


def authorize(interaction: Interaction, operation: Operation, guest: Guest | None = None) -> None:
    """Raises what `refusal_of` says."""
    services_of(interaction).authorizer.authorize(actor_of(interaction), operation, guest)


def rate_limit_refusal(interaction: Interaction, operation: Operation | None) -> TooQuick | None:
    """Take this interaction from what its person may ask for, or say why not. Asked before anything is judged, so
    that trying in vain is not free."""
    kind = RequestKind.READ
    if interaction.type is discord.InteractionType.autocomplete:
        kind = RequestKind.COMPLETION
    elif operation is not None and RIGHTS[operation].effect is not Effect.NOTHING:
        kind = RequestKind.CHANGE
    return services_of(interaction).rate_limiter.take(interaction.user.id, kind)


# -- recording


@dataclass(slots=True)
class Attempt:
    """Something a person asks of the bot, as far as it is known by its end."""

    interaction: Interaction
    word: str
    vmid: int | None = None
    detail: str = ""
    reason: str = ""
    guest: Guest | None = None
    outcome: str = "OK"
    """How it ended, where nothing is raised."""
    id: int | None = None
    begun: bool = False
    actor: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.actor = actor_of(self.interaction)

    @property
    def check(self) -> Check:
        """Judges a guest for this attempt."""
        return self.services.authorizer.check_for(self.actor, Operation(self.word))

    def authorize(self, guest: Guest | None = None, *, whole: bool = False, seconds: float = 0.0) -> None:
        """Raises the Refused that access decides on. `whole`: it is about more than guests."""
        self.guest = guest or self.guest
        self.services.authorizer.authorize(
            self.actor, Operation(self.word), guest, whole=whole, seconds=seconds
        )

    def start(self, *, unkept: bool = False) -> None:
        """It was allowed, and is done now. Raises TooManyChanges, and JournalFailed: what cannot be kept is not
        done, unless it may be `unkept`."""
        limit, counts = self.services.change_limit, RIGHTS[Operation(self.word)].effect >= Effect.LIST
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
        """Record that it was refused, or has failed, unless it is one of a flood, of which the next record tells."""
        if not isinstance(refusal, TooQuick) or refusal.skipped is not None:
            self.record(step_of(refusal), str(refusal))

    @property
    def services(self) -> Services:
        return services_of(self.interaction)


@contextlib.contextmanager
def record_attempt(
    interaction: Interaction, operation: Operation, vmid: int | None = None, detail: str = ""
) -> Iterator[Attempt]:
    """Around what the bot itself does for a person; actions on guests are recorded by core/actions/executor.py."""
    attempt = Attempt(interaction, operation.value, vmid, detail)
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
    if not attempt.begun and RIGHTS[operation].effect is not Effect.NOTHING:
        raise AssertionError(f"{operation} was done without begin()")
    attempt.record(AuditStep.ENDED, attempt.outcome)


def is_given_up(interaction: Interaction) -> bool:
    """Whether Discord takes no answer to it any more (ui/interaction/reply.py)."""
    return GIVEN_UP in interaction.extras


def ensure_awaited(interaction: Interaction) -> None:
    """Raises AnswerTooLate where nobody awaits what would be done."""
    if is_given_up(interaction):
        raise AnswerTooLate


def attempt_of(interaction: Interaction) -> Attempt:
    """What a command, button or form wants, in the words it came in."""
    command = interaction.command
    if command is not None:
        options: dict[str, object] = {name: value for name, value in interaction.namespace}  # noqa: C416 - it has keys() of another kind
        vmid = options.get("vmid") or options.get("template_id")
        detail = format_options({name: value for name, value in options.items() if name != "vmid"})
        word = command.qualified_name.replace(" ", "_")
        return Attempt(interaction, word, vmid if isinstance(vmid, int) else None, detail)
    data: dict[str, object] = dict(interaction.data or {})
    return Attempt(interaction, plain(str(data.get("custom_id") or data.get("name", "?")), 100))


async def run_guarded(
    interaction: Interaction, work: Callable[[Attempt], Awaitable[BotError | None]]
) -> None:
    """Run what a button or form does, and record and answer whatever it refuses or raises: nothing above would.

    The work says of the attempt what it is, as soon as it knows.
    """
    t = services_of(interaction).texts.of_locale(str(interaction.locale))
    attempt = attempt_of(interaction)
    try:
        refusal = await work(attempt)
    except BotError as error:
        refusal = error
    except Exception as error:  # noqa: BLE001 - discord.py would only log it, and the person wait in vain
        error_id = log_unexpected(error)
        attempt.record(AuditStep.ENDED, f"unknown: {type(error).__name__}")
        await reply_privately(interaction, notice(unexpected_sentence(t, error_id)))
        return
    if refusal is not None:
        attempt.refuse(refusal)
        await reply_privately(interaction, refusal_card(services_of(interaction), t, refusal))


async def reply_privately(interaction: Interaction, view: ui.LayoutView) -> None:
    """A word to this person only, whether or not the interaction was acknowledged. Does not raise."""
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
        _log.warning("a private word could not be delivered: %r", error)


def _nothing_chosen(interaction: Interaction) -> Refused | None:
    """While one types, that entry may still stand in another option."""
    return None if interaction.type is discord.InteractionType.autocomplete else nothing_chosen(interaction)


class GatedTree(app_commands.CommandTree[discord.Client]):
    """The command tree behind the gate, with one place for errors nobody expected."""

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
            await reply_privately(interaction, refusal_card(services, t, refusal, actor))
        return False

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """What a command did not answer itself. Must not raise: asyncio would only log it."""
        error_id = log_unexpected(error)
        t = services_of(interaction).texts.of_locale(str(interaction.locale))
        if interaction.type is discord.InteractionType.autocomplete:
            return  # Discord shows that the options could not be loaded
        if not isinstance(error, app_commands.CommandInvokeError):  # else what it did has told of itself
            attempt_of(interaction).record(AuditStep.REFUSED, type(error).__name__)
        await reply_privately(interaction, notice(unexpected_sentence(t, error_id)))
