"""Find out for each operation on which guests a person may use it.

The one access decision is asked for every operation, once for all guests that are alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.access.authorizer import Authorizer
from core.access.policy import Actor, is_protected, level_on, visible_guests
from core.actions.preconditions import failed_precondition
from core.errors import BotError, CannotWatchTemplate
from core.guest import Cluster, Guest, Kind
from core.guest_errors import GuestProtected, NotATemplate, TemplateRefused, WrongKind
from core.levels import Level, Reach
from core.operations import ACTIONS, OPERATIONS, Operation

NOT_FOR_IT = (CannotWatchTemplate, NotATemplate, TemplateRefused, WrongKind)
"""Errors that say that an operation does not exist for such a guest."""
LASTING = (*NOT_FOR_IT, GuestProtected)
"""Errors that refuse an action in every state of the guest."""


def refusals(authorizer: Authorizer, actor: Actor, guest: Guest | None) -> dict[Operation, BotError | None]:
    """Return for each operation the refusal it would get, or None. `guest=None`: the level on any guest is enough.

    This includes the refusals that apply in every state of the guest: by kind, template or Proxmox' protection flag.
    """
    return {
        operation: authorizer.refusal(actor, operation, guest) or _never(operation, guest)
        for operation in Operation
    }


def _never(operation: Operation, guest: Guest | None) -> BotError | None:
    """Return the error, apart from access, that refuses the operation in every state of the guest, or None."""
    if guest is not None and guest.template and operation is Operation.MONITOR_ADD:
        return CannotWatchTemplate(guest.vmid, guest.label)
    if guest is None or operation not in ACTIONS:
        return None
    found = failed_precondition(operation, guest)
    return found if isinstance(found, LASTING) else None


def exists_for(operation: Operation, guest: Guest) -> bool:
    """Return whether the operation exists for guests of this kind. Templates are a kind of their own."""
    return not isinstance(_never(operation, guest), NOT_FOR_IT)


@dataclass(frozen=True, slots=True)
class AllowedGuests:
    """The guests that a person sees and for which an operation exists, divided by whether it is allowed on them.

    `hidden`: there may be more guests that the person does not see.
    """

    on: tuple[Guest, ...]
    off: tuple[Guest, ...]
    hidden: bool

    @property
    def whole(self) -> bool:
        return not self.off and not self.hidden


def extents(
    authorizer: Authorizer, actor: Actor, cluster: Cluster | None, wanted: Iterable[Operation]
) -> dict[Operation, AllowedGuests]:
    """Return the guests on which each operation is allowed, for the operations on a single guest.

    The decision is the same for all guests with the same level, protection and kind, so it is asked for one of them.
    Templates are a kind of their own.
    """
    seen = visible_guests(authorizer.rules, actor, cluster.guests) if cluster else ()
    alike: dict[tuple[Level, bool, Kind, bool], list[Guest]] = {}
    for guest in seen:
        level, protected = level_on(authorizer.rules, actor, guest), is_protected(authorizer.rules, guest)
        alike.setdefault((level, protected, guest.kind, guest.template), []).append(guest)
    found = {}
    for operation in wanted:
        if OPERATIONS[operation].reach is Reach.GUEST:
            on: list[Guest] = []
            off: list[Guest] = []
            for guests in alike.values():
                if exists_for(operation, guests[0]):
                    refused = authorizer.refusal(actor, operation, guests[0]) is not None
                    (off if refused else on).extend(guests)
            found[operation] = AllowedGuests(_sorted(on), _sorted(off), authorizer.has_hidden_guests(actor))
    return found


def _sorted(guests: Iterable[Guest]) -> tuple[Guest, ...]:
    return tuple(sorted(guests, key=lambda guest: guest.vmid))
