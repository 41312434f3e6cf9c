"""Carry out operations on whole sites: on the chosen one, or on each of several."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from core.access.policy import mildest
from core.audit.record import failure_step
from core.errors import BotError, JournalFailed, OnlySomeSites, Refused, StoreFailed, UnexpectedFailure
from core.operations import Operation
from ui.discord.failures import log_unexpected
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, actor_of, choose_site, chosen_site, services_of, visible_sites
from ui.interaction.services import Site
from ui.sites.option import choose_typed_site

T = TypeVar("T")


def whole_sites(interaction: Interaction, operation: Operation, typed: str, detail: str = "") -> list[Site]:
    """Return the site that was typed, or all sites if none was.

    The caller checks access to a site that was typed, and to the bot's only site. Sites where the person may see
    nothing do not count, unless there are no others. A refusal is recorded in the audit trail.
    Raises: UnknownSite; OnlySomeSites if the person may do it on only some sites, the refusal if on none.
    """
    with recording_refusals(Attempt(interaction, operation.value, detail=detail)):
        choose_typed_site(interaction, typed)
        site, seen = chosen_site(interaction), seen_sites(interaction)
        if site is None and (refusal := refusal_on_all(interaction, operation, seen)):
            raise refusal
    if site is None and len(seen) == 1:
        choose_site(interaction, seen[0])
    return seen if site is None else [site]


def seen_sites(interaction: Interaction) -> list[Site]:
    """Return the sites where the person may see anything. If there are none, return all of them."""
    return visible_sites(interaction) or list(services_of(interaction).sites)


def allowed_sites(interaction: Interaction, operation: Operation) -> list[Site]:
    """Return the sites on which the person may do this as a whole."""
    actor, sites = actor_of(interaction), services_of(interaction).sites
    return [site for site in sites if site.authorizer.refusal(actor, operation, whole=True) is None]


def refusal_on_all(interaction: Interaction, operation: Operation, sites: Iterable[Site]) -> Refused | None:
    """Return why the person may not do this on all of these sites, or None."""
    actor = actor_of(interaction)
    refusals = [site.authorizer.refusal(actor, operation, whole=True) for site in sites]
    if None not in refusals:
        return mildest(refusals)
    return OnlySomeSites() if any(refusals) else None


@contextlib.contextmanager
def recording_refusals(attempt: Attempt) -> Iterator[None]:
    """Record in the audit trail that an attempt was refused before anything was begun."""
    try:
        yield
    except BotError as error:
        attempt.record(failure_step(error), str(error))
        raise


async def on_each_site(
    attempts: Iterable[Attempt],
    act: Callable[[Site, Attempt], Awaitable[T]],
    *,
    even_unrecorded: bool = False,
) -> tuple[dict[Site, T], dict[Site, BotError]]:
    """Do something on the site of each attempt. Return the results, and the errors of the other sites.

    These errors are JournalFailed, StoreFailed, and UnexpectedFailure for a bug.
    Each attempt is recorded when its turn comes. `even_unrecorded`: as in `Attempt.start`. A bug at one site does not
    keep the other sites from their turn.
    Raises: every other BotError, such as Refused, which leaves out the sites that follow; the first error if nothing
    could be done on any site.
    """
    done: dict[Site, T] = {}
    failed: dict[Site, BotError] = {}
    for attempt in attempts:
        try:
            with recording(attempt):
                attempt.authorize(whole=True)
                await attempt.start(even_unrecorded=even_unrecorded)
                done[attempt.site] = await act(attempt.site, attempt)
        except (JournalFailed, StoreFailed) as error:
            failed[attempt.site] = error
        except BotError:
            raise
        except Exception as error:  # noqa: BLE001 - all sites are meant, and the others may be in order
            failed[attempt.site] = UnexpectedFailure(log_unexpected(error))
    if failed and not done:
        raise next(iter(failed.values()))
    return done, failed
