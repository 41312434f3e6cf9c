"""From an order to its outcome on the screen, alike for commands, buttons and questions."""

from core.access.policy import place_refusal
from core.actions.order import Order, Plan, Report
from core.errors import AnswerTooLate, BotError, ChangedMeanwhile, GuestBusy
from core.guest import State
from core.rights import Operation
from core.tasks import Progress
from core.verbs import Verb
from ui.cards import Item, card
from ui.formatting import Colour, title
from ui.guests.outcome import farewell_card, footer, outcome_text, working_card
from ui.guests.panel import POWER, guest_buttons, guest_panel
from ui.i18n import Text
from ui.interaction.buttons import guest_button, refresh_button
from ui.interaction.context import Services
from ui.interaction.gate import actor_of, ensure_awaited
from ui.interaction.reply import Reply
from ui.messages.errors import error_sentence


async def act(
    services: Services, reply: Reply, order: Order, *, shown: Plan | None = None, may_ask: bool = False
) -> None:
    """Carry it out, showing progress and the outcome in the reply's message. `may_ask`: see carry_out."""
    report = await _carry_out(services, reply, order, (), shown, may_ask=may_ask)
    text, colour = _outcome_with_watch(services, reply.t, report)
    buttons = _next_steps(reply.t, report)
    await reply.show(card(text, footer(reply.t, report), colour=colour, buttons=buttons))


async def act_on_panel(services: Services, reply: Reply, order: Order) -> None:
    """The same from a panel's button: the panel goes on as a panel, with the outcome as its note."""
    known = services.cluster_cache.find(order.vmid)
    verbs = _allowed_buttons(services, reply)
    buttons = guest_buttons(reply.t, known, verbs, disabled=True) if known else []
    try:
        report = await _carry_out(services, reply, order, buttons, None)
    except (
        AnswerTooLate,
        ChangedMeanwhile,
        GuestBusy,
    ):  # it is not this press's, or this guest's, panel to edit
        raise
    except BotError as error:
        if _is_hidden(services, reply, order.vmid):  # the others can still see it
            raise
        begun = reply.working
        await _refresh_panel(services, reply, order.vmid, error_sentence(reply.t, error) if begun else "")
        if not begun:
            raise
        return
    text, _ = _outcome_with_watch(services, reply.t, report)
    await _refresh_panel(services, reply, order.vmid, f"{text}\n{footer(reply.t, report)}")


def _is_hidden(services: Services, reply: Reply, vmid: int) -> bool:
    """Whether there is a guest of which this person may not know."""
    guest = services.cluster_cache.find(vmid)
    actor = actor_of(reply.interaction)
    return guest is not None and services.authorizer.refusal(actor, Operation.INFO, guest) is not None


async def _refresh_panel(services: Services, reply: Reply, vmid: int, note: str) -> None:
    """The panel as it is now; where the guest cannot be read, what is known and a button to try again."""
    try:
        await show_panel(services, reply, vmid, note)
    except BotError as error:
        told = dict.fromkeys((note, error_sentence(reply.t, error)))  # which may be one and the same
        await reply.show(card(*told, colour=Colour.WARN, buttons=[refresh_button(reply.t, vmid)]))


async def show_panel(services: Services, reply: Reply, vmid: int, note: str = "") -> None:
    """Read the guest and show its panel."""
    check = services.authorizer.check_for(actor_of(reply.interaction), Operation.INFO)
    details = await services.inspector.inspect(vmid, check)
    await reply.show(
        guest_panel(reply.t, details, services.clock.now(), note, _allowed_buttons(services, reply))
    )


def _allowed_buttons(services: Services, reply: Reply) -> tuple[Verb, ...]:
    """The buttons that a panel may have here: in an alert channel outside of the category not all of them work.

    Everybody sees them, and they are judged by who presses.
    """
    rules, actor = services.authorizer.rules, actor_of(reply.interaction)
    return tuple(verb for verb in POWER if place_refusal(rules, actor, Operation(verb.value)) is None)


async def _carry_out(
    services: Services,
    reply: Reply,
    order: Order,
    buttons: list[Item] | tuple[()],
    shown: Plan | None,
    *,
    may_ask: bool = False,
) -> Report:
    ensure_awaited(reply.interaction)
    t, known = reply.t, services.cluster_cache.find(order.vmid)
    guest = title(known) if known else f"**{order.vmid}**"

    async def on_start() -> int | None:
        return await reply.start(
            working_card(t, order, guest, Progress(0), buttons), farewell_card(t, order, guest)
        )

    on_progress = reply.progress(lambda progress: working_card(t, order, guest, progress, buttons))
    try:
        return await services.executor.execute(
            order, on_progress, shown=shown, on_start=on_start, may_ask=may_ask
        )
    finally:
        services.inspector.forget(order.vmid)


def _outcome_with_watch(services: Services, t: Text, report: Report) -> tuple[str, Colour]:
    """The outcome, with what it meant for the watch list."""
    text, colour = outcome_text(t, report)
    if services.watch.on_action_done(report):
        text += "\n" + t("It was taken off the watch list, too.")
    return text, colour


def _next_steps(t: Text, report: Report) -> list[Item]:
    """The button a person would look for now: start the new guest, or restart for the new size."""
    after, verb = report.after, report.plan.order.verb
    if not report.good or after is None:
        return []
    if verb is Verb.CREATE:
        return [guest_button(t, Verb.START, after)]
    if report.change and report.change.waits_for_restart and not report.plan.guarded:
        return [guest_button(t, Verb.REBOOT, after, label=t("Reboot now"))]
    if verb is Verb.SNAPSHOT_ROLLBACK and after.state is State.STOPPED:
        return [guest_button(t, Verb.START, after)]
    return []
