"""Record the attempts of people: who asked for what with which options, and how it ended.

core/actions records the steps of an action on a guest. All other attempts are recorded here. So are actions that end
outside of core: the gate refuses them, the guest is not found, or their question is cancelled.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.access.authorizer import Check
from core.access.policy import Actor
from core.audit.log_line import DETAIL_MOST
from core.audit.record import AuditRecord, AuditStep, failure_step, format_options
from core.audit.store import Ticket
from core.audit.trail import AuditLog
from core.errors import AnswerTooLate, BotError, JournalFailed, TooQuick
from core.guest import Guest
from core.levels import Effect
from core.operations import OPERATIONS, Operation
from ui.discord.late import GIVEN_UP
from ui.formatting import plain
from ui.interaction.context import Interaction, actor_of, chosen_site, services_of, site_of
from ui.interaction.services import Services, Site


@dataclass(slots=True)
class Attempt:
    """One thing that a person asks of the bot. Its fields are filled in as they become known."""

    interaction: Interaction
    word: str
    """Word of the operation. While that is not known: the custom_id of the button or form."""
    vmid: int | None = None
    detail: str = ""
    reason: str = ""
    guest: Guest | None = None
    outcome: str = "OK"
    """Outcome to record if nothing is raised."""
    ticket: Ticket | None = None
    """Stands for the attempt's first record."""
    begun: bool = False
    """Whether `start` has allowed the work."""
    about: Site | None = None
    """The site, if it is not the one of the interaction."""
    actor: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.actor = actor_of(self.interaction)

    @property
    def check(self) -> Check:
        """Return a function that decides whether this attempt is allowed on a guest."""
        return self.site.authorizer.check_for(self.actor, Operation(self.word))

    def authorize(self, guest: Guest | None = None, *, whole: bool = False, seconds: float = 0.0) -> None:
        """Check access, and note the guest for the record.

        `whole`: the attempt concerns more than guests, such as a node or everything.
        `seconds`: duration of the effect, such as of a mute.
        Raises: Refused.
        """
        self.guest = guest or self.guest
        self.site.authorizer.authorize(self.actor, Operation(self.word), guest, whole=whole, seconds=seconds)

    async def start(self, *, even_unrecorded: bool = False) -> None:
        """Store that the attempt was allowed and is now carried out.

        Count it against the change limit if it changes a guest or the watch list.
        `even_unrecorded`: carry it out even if it cannot be recorded.
        Raises: TooManyChanges, JournalFailed.
        """
        limit, counts = self.services.change_limit, OPERATIONS[Operation(self.word)].effect >= Effect.LIST
        if counts:
            limit.take(self.actor.user_id)
        try:
            self.ticket = await self._trail.record_first(self._make_record(AuditStep.ASKED))
        except JournalFailed:
            if not even_unrecorded:
                if counts:
                    limit.give_back(self.actor.user_id)
                raise
        self.begun = True

    def record(self, step: AuditStep, outcome: str = "") -> None:
        """Queue a record of this step in the site's audit trail, or in the trail of attempts without a site."""
        self._trail.record(self._make_record(step, outcome), self.ticket)

    @property
    def _trail(self) -> AuditLog:
        site = self.about or chosen_site(self.interaction)
        return site.audit if site else self.services.audit

    def _make_record(self, step: AuditStep, outcome: str = "") -> AuditRecord:
        site = self.about or chosen_site(self.interaction)
        listed = site.cluster_cache.find(self.vmid) if site and self.vmid else None
        guest = self.guest or listed
        return AuditRecord(
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

    def record_refusal(self, refusal: BotError) -> None:
        """Record that the attempt was refused or failed.

        A `TooQuick` whose `skipped` is None is not recorded. The next one that is recorded has it in its count.
        """
        if not isinstance(refusal, TooQuick) or refusal.skipped is not None:
            self.record(failure_step(refusal), str(refusal))

    @property
    def services(self) -> Services:
        return services_of(self.interaction)

    @property
    def site(self) -> Site:
        """Return the site that the attempt is about. Raises: LookupError if none of several is chosen yet."""
        return self.about or site_of(self.interaction)


def record_attempt(
    interaction: Interaction,
    operation: Operation,
    vmid: int | None = None,
    detail: str = "",
    *,
    about: Site | None = None,
) -> contextlib.AbstractContextManager[Attempt]:
    """Create an attempt at the operation, and record it as `recording` does.

    `about`: the attempt's site, if it is not the one of the interaction.
    """
    return recording(Attempt(interaction, operation.value, vmid, detail, about=about))


@contextlib.contextmanager
def recording(attempt: Attempt, detail: str | None = None) -> Iterator[Attempt]:
    """Record how the work in the block ends. Do not use it for actions on guests, which the executor records.

    `detail`: replaces `attempt.detail`.
    Raises: AnswerTooLate if nobody waits for the answer; AssertionError if the operation has an effect and the block
    ended without an error and without `start`.
    """
    interaction, operation = attempt.interaction, Operation(attempt.word)
    if detail is not None:
        attempt.detail = detail
    try:
        ensure_awaited(interaction)
        yield attempt
    except BotError as error:
        attempt.record(failure_step(error), str(error))
        raise
    except BaseException as error:
        if _is_given_up(interaction) and attempt.ticket is None:
            attempt.record(AuditStep.REFUSED, str(AnswerTooLate()))
            raise
        attempt.record(AuditStep.ENDED, f"unknown: {type(error).__name__}")
        raise
    if not attempt.begun and OPERATIONS[operation].effect is not Effect.NOTHING:
        raise AssertionError(f"{operation} was done without start()")
    attempt.record(AuditStep.ENDED, attempt.outcome)


def _is_given_up(interaction: Interaction) -> bool:
    """Return whether Discord no longer accepts an answer to the interaction (ui/discord/late.py)."""
    return GIVEN_UP in interaction.extras


def ensure_awaited(interaction: Interaction) -> None:
    """Check that somebody still waits for the answer.

    Raises: AnswerTooLate.
    """
    if _is_given_up(interaction):
        raise AnswerTooLate


def attempt_of(interaction: Interaction) -> Attempt:
    """Create the attempt of an interaction.

    Its word, VMID and detail come from the name and options of a command. The word of a component or form is its
    custom_id. The detail of a menu is its chosen values.
    """
    command = interaction.command
    if command is not None:
        options: dict[str, object] = {name: value for name, value in interaction.namespace}  # noqa: C416 - dict() fails, as `keys` is None
        typed = str(options.get("vmid") or options.get("template_id") or "")
        vmid = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else None
        kept = {name: value for name, value in options.items() if name != "vmid" or vmid is None}
        return Attempt(interaction, command.qualified_name.replace(" ", "_"), vmid, format_options(kept))
    data: dict[str, object] = dict(interaction.data or {})
    chosen = data.get("values")
    detail = plain(" ".join(map(str, chosen)), 100) if isinstance(chosen, list) else ""
    return Attempt(
        interaction, plain(str(data.get("custom_id") or data.get("name", "?")), 100), detail=detail
    )
