"""Carry out an order and show its outcome, on a card or on the guest's panel. Show panels."""

import contextlib
from collections.abc import Sequence

from discord import ui

from core.access.policy import place_refusal
from core.actions.inspector import GuestDetails
from core.actions.order import Order, Plan, Report
from core.errors import AnswerTooLate, BotError, ChangedMeanwhile
from core.guest import Guest
from core.guest_errors import GuestBusy
from core.operations import Operation
from core.tasks import Progress
from ui.cards import Item, card
from ui.formatting import Colour, title
from ui.guests.outcome import farewell_card, footer, outcome_text, working_card
from ui.guests.panel import guest_buttons, guest_panel
from ui.i18n import Text
from ui.interaction.attempt import ensure_awaited
from ui.interaction.buttons import refresh_button
from ui.interaction.context import actor_of
from ui.interaction.next_steps import force_stop_buttons, outcome_buttons
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import error_sentence
from ui.messages.operations import PANEL_ACTIONS
from ui.web_links import guest_page, web_links


async def act(
    site: Site, reply: Reply, order: Order, *, shown: Plan | None = None, may_ask: bool = False
) -> None:
    """Carry out the order, and show progress and outcome in the reply's message.

    `shown`: the plan that the person confirmed. `may_ask`: see `Executor.execute`.
    Raises: the errors of `Executor.execute`.
    """
    report = await _carry_out(site, reply, order, (), shown, may_ask=may_ask)
    text, colour = await _outcome_with_watch(site, reply.t, report)
    subject = report.plan.guest
    failed = [] if report.good else web_links(reply.t, site.web_url, guest_page(subject.kind, subject.vmid))
    buttons = [*outcome_buttons(reply.t, site, report), *failed]
    await reply.show(card(text, footer(reply.t, report), colour=colour, buttons=buttons))


async def act_on_panel(site: Site, reply: Reply, order: Order) -> None:
    """Carry out an order from a button. Its message becomes the guest's panel, with the outcome as the note.

    An error after the action began becomes the note, and is counted.
    Raises: the errors of `Executor.execute` before that; AnswerTooLate, ChangedMeanwhile and GuestBusy, and every
    error if the guest is hidden from this person.
    """
    known = site.cluster_cache.find(order.vmid)
    buttons: list[Item] = []
    if known:
        operations = _allowed_buttons(site, reply, known)
        buttons = guest_buttons(reply.t, known, site.name, operations, disabled=True, web_url=site.web_url)
    try:
        report = await _carry_out(site, reply, order, buttons, None)
    except (AnswerTooLate, ChangedMeanwhile, GuestBusy):
        raise  # nothing can be shown, or the panel is for another guest or another action
    except BotError as error:
        if _is_hidden(site, reply, order.vmid):  # other people may still see the panel
            raise
        begun = reply.working
        if begun:  # any other error is counted with its refusal
            site.services.measures.on_error(type(error).__name__)
        await _refresh_panel(site, reply, order.vmid, error_sentence(reply.t, error) if begun else "")
        if not begun:
            raise
        return
    text, _ = await _outcome_with_watch(site, reply.t, report)
    extras = force_stop_buttons(reply.t, site, report)
    await _refresh_panel(site, reply, order.vmid, f"{text}\n{footer(reply.t, report)}", extras)


def _is_hidden(site: Site, reply: Reply, vmid: int) -> bool:
    """Return whether the guest is hidden from this person.

    So is one that does not exist, if any guest is hidden from them: the answer must not tell the two apart.
    """
    guest = site.cluster_cache.find(vmid)
    actor = actor_of(reply.interaction)
    if guest is None:
        return site.authorizer.has_hidden_guests(actor)
    return site.authorizer.refusal(actor, Operation.INFO, guest) is not None


async def _refresh_panel(site: Site, reply: Reply, vmid: int, note: str, extras: Sequence[Item] = ()) -> None:
    """Show the panel again with current values, or the note, the error and a refresh button if it cannot be read."""
    try:
        await show_panel(site, reply, vmid, note, extras)
    except BotError as error:
        told = dict.fromkeys((note, error_sentence(reply.t, error)))  # the two may be the same sentence
        await reply.show(card(*told, colour=Colour.WARN, buttons=[refresh_button(reply.t, vmid, site.name)]))


async def show_panel(
    site: Site, reply: Reply, vmid: int, note: str = "", extras: Sequence[Item] = ()
) -> None:
    """Read the guest and show its panel: once its state is known, and again as the rest arrives.

    `extras`: further buttons, for the next step after the outcome in `note`.
    Raises: GuestNotFound, Refused, ProxmoxError.
    """
    check = site.authorizer.check_for(actor_of(reply.interaction), Operation.INFO)
    is_shown = False

    def panel_of(details: GuestDetails, *, cut_off: bool = False) -> ui.LayoutView:
        return guest_panel(
            reply.t,
            details,
            note,
            _allowed_buttons(site, reply, details.guest),
            site=site.name,
            cut_off=cut_off,
            extras=extras,
            web_url=site.web_url,
            fullest=site.watch.disks.known().get((vmid, details.guest.fingerprint)),
        )

    async with contextlib.aclosing(site.inspector.inspect(vmid, check)) as steps:
        async for details in steps:
            farewell = panel_of(details, cut_off=True) if details.unread else None
            if not is_shown:
                await reply.show(panel_of(details), farewell=farewell)
            elif not await reply.fill_in(panel_of(details), farewell=farewell):
                break
            is_shown = True


def _allowed_buttons(site: Site, reply: Reply, guest: Guest) -> tuple[Operation, ...]:
    """Return the actions whose buttons a panel may have in this place.

    A private panel has only the buttons of actions that its reader may carry out. A public panel is for everybody, so
    it has the buttons of all actions that work in its channel: in an alert channel outside the category only some do.
    Access is decided for the person who presses a button.
    """
    authorizer, actor = site.authorizer, actor_of(reply.interaction)
    if reply.is_private:
        refusals = {each: authorizer.refusal(actor, each, guest) for each in PANEL_ACTIONS}
    else:
        refusals = {each: place_refusal(authorizer.rules, actor, each) for each in PANEL_ACTIONS}
    return tuple(operation for operation, refusal in refusals.items() if refusal is None)


async def _carry_out(
    site: Site,
    reply: Reply,
    order: Order,
    buttons: list[Item] | tuple[()],
    shown: Plan | None,
    *,
    may_ask: bool = False,
) -> Report:
    ensure_awaited(reply.interaction)
    reply.about = order.vmid
    t, known = reply.t, site.cluster_cache.find(order.vmid)
    guest = title(known) if known else f"**{order.vmid}**"

    async def on_start() -> int | None:
        return await reply.start(
            working_card(t, order, guest, Progress(0), buttons), farewell_card(t, order, guest)
        )

    on_progress = reply.progress(lambda progress: working_card(t, order, guest, progress, buttons))
    try:
        return await site.executor.execute(
            order, on_progress, shown=shown, on_start=on_start, may_ask=may_ask, private=reply.is_private
        )
    finally:
        site.inspector.forget(order.vmid)


async def _outcome_with_watch(site: Site, t: Text, report: Report) -> tuple[str, Colour]:
    """Tell the watch about the outcome, and return its text and colour. Say if the guest left the watch list."""
    text, colour = outcome_text(t, report)
    if await site.watch.on_action_done(report):
        text += "\n" + t("It was also removed from the watch list.")
    return text, colour
