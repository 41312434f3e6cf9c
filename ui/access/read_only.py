"""Turn read-only mode on or off, on one site or on all, and show the result."""

from collections.abc import Awaitable, Callable, Mapping

from core.access.read_only import ReadOnlySwitch
from core.errors import BotError
from core.operations import Operation
from ui.cards import card
from ui.formatting import FAILED, MESSAGE_MOST, OK, READ_ONLY, WARNING, Colour, fit_lines
from ui.i18n import Text
from ui.interaction.attempt import Attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import error_sentence, read_only_line
from ui.messages.startup import read_only_not_stored
from ui.sites.everywhere import on_each_site, whole_sites


async def turn_on(reply: Reply, site: str = "") -> None:
    """Turn read-only mode on for the named site, or for all.

    Raises: UnknownSite, Refused by access; UnexpectedFailure if a bug occurred on every site.
    """
    person = reply.interaction.user

    async def act(switch: ReadOnlySwitch) -> None:
        await switch.turn_on(person.display_name, person.id)

    t = reply.t
    was, failed = await _switch(reply.interaction, Operation.READONLY_ON, site, act)
    said = {each: _turned_on(t, each.authorizer.read_only, was=before) for each, before in was.items()}
    for each, error in failed.items():
        switch = each.authorizer.read_only
        state = _turned_on(t, switch, was=False)[0] or f"{FAILED} {t('Read-only mode is still off.')}"
        said[each] = f"{state} {error_sentence(t, error)}", ""
    note = t("Guests cannot be changed. Viewing, alerts and mutes still work.")
    steps = reply.mention(Operation.READONLY_OFF)
    await reply.show(card(*_lines(t, said), f"-# {note}", steps, colour=Colour.WARN))


def _turned_on(t: Text, switch: ReadOnlySwitch, *, was: bool) -> tuple[str, str]:
    """Return the sentences about a switch, and a warning if it is not stored, else "". `was`: it was on before."""
    line = ""
    if switch.refusal is not None:
        since = read_only_line(t, switch.refusal)
        now = t("Read-only mode was turned on by {person}.", person=f"<@{switch.refusal.by_id}>")
        line = f"{READ_ONLY} {since if was or not switch.refusal.by_id else now}"
    head = t("Read-only mode is already on.") + "\n" if was else ""
    error = switch.store_error
    return head + line, f"{WARNING} {read_only_not_stored(t, error)}" if error else ""


async def turn_off(reply: Reply, site: str = "") -> None:
    """Turn read-only mode off for the named site, or for all. It stays on where that cannot be stored.

    Raises: UnknownSite, Refused by access, and the first error if it stays on everywhere.
    """
    t = reply.t
    was, failed = await _switch(reply.interaction, Operation.READONLY_OFF, site, ReadOnlySwitch.turn_off)
    said = {
        each: (
            f"{OK} {t('Read-only mode is now off.') if before else t('Read-only mode is already off.')}",
            "",
        )
        for each, before in was.items()
    }
    for each, error in failed.items():
        said[each] = f"{FAILED} {t('Read-only mode is still on.')} {error_sentence(t, error)}", ""
    await reply.show(card(*_lines(t, said), colour=Colour.WARN if failed else Colour.GOOD))


async def _switch(
    interaction: Interaction,
    operation: Operation,
    site: str,
    act: Callable[[ReadOnlySwitch], Awaitable[None]],
) -> tuple[dict[Site, bool], dict[Site, BotError]]:
    """Turn the switches. Return for each site whether its switch was on before, and the errors of the other sites."""

    async def turn(site: Site, _attempt: Attempt) -> bool:
        switch = site.authorizer.read_only
        was = switch.refusal is not None
        await act(switch)
        return was

    sites = whole_sites(interaction, operation, site)
    attempts = [Attempt(interaction, operation.value, about=each) for each in sites]
    # turning it on must work even if the disk is full
    return await on_each_site(attempts, turn, even_unrecorded=operation is Operation.READONLY_ON)


def _lines(t: Text, said: Mapping[Site, tuple[str, str]]) -> tuple[str, ...]:
    """Return the texts of the card: those of the only site, or one line for each."""
    if len(said) == 1:
        return next(iter(said.values()))
    lines = (f"**{site.name}** · {' '.join(' '.join(texts).split())}" for site, texts in said.items())
    return (fit_lines(t, lines, MESSAGE_MOST - 300),)
