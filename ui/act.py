"""From an order to its outcome on the screen, alike for commands, buttons and questions."""

from core.actions import Verb
from core.errors import BotError
from core.guest import State
from core.inspect import inspect
from core.order import Order, Plan, Report
from core.tasks import Progress
from ui.buttons import guest_button, refresh_button
from ui.cards import Item, card
from ui.outcomes import farewell, footer, outcome_text, working
from ui.panel import guest_buttons, panel
from ui.render import Colour, title
from ui.reply import Reply
from ui.sentences import sentence
from ui.services import Services
from ui.text import Text


async def act(services: Services, reply: Reply, order: Order, *, shown: Plan | None = None) -> None:
    """Carry it out, showing progress and the outcome in the reply's message."""
    t, guest = reply.t, _name(services, order)
    reply.on_farewell(lambda: farewell(t, order, guest))
    if shown is not None:  # the question's buttons go at once: what was pressed is under way
        await reply.show(working(t, order, guest, Progress(0)), working=True)
    report = await services.operations.carry_out(
        order, reply.progress(lambda progress: working(t, order, guest, progress)), shown=shown
    )
    text, colour = outcome_text(t, report)
    await reply.show(card(text, footer(t, report), colour=colour, buttons=_next_steps(t, report)))


async def act_on_panel(services: Services, reply: Reply, order: Order) -> None:
    """The same from a panel's button: the panel goes on as a panel, with the outcome as its note."""
    services.operations.hold_free(order.vmid)
    t, guest = reply.t, _name(services, order)
    reply.on_farewell(lambda: farewell(t, order, guest))
    known = services.reader.last.find(order.vmid) if services.reader.last else None
    buttons = guest_buttons(t, known, disabled=True) if known else []
    await reply.show(working(t, order, guest, Progress(0), buttons), working=True)
    try:
        report = await services.operations.carry_out(
            order, reply.progress(lambda progress: working(t, order, guest, progress, buttons))
        )
    except BotError:
        await _panel_or_refresh(services, reply, order, "")
        raise
    text, _ = outcome_text(t, report)
    await _panel_or_refresh(services, reply, order, f"{text}\n{footer(t, report)}")


async def _panel_or_refresh(services: Services, reply: Reply, order: Order, note: str) -> None:
    """The panel again; where the guest cannot be read just now, what is known and a button to try again."""
    try:
        await show_panel(services, reply, order.vmid, note)
    except BotError as error:
        buttons = [refresh_button(reply.t, order.vmid)]
        await reply.show(card(note, sentence(reply.t, error), colour=Colour.WARN, buttons=buttons))


async def show_panel(services: Services, reply: Reply, vmid: int, note: str = "") -> None:
    """Read the guest and show its panel."""
    details = await inspect(services.proxmox, services.planner, vmid)
    await reply.show(panel(reply.t, details, services.clock.now(), note))


def _name(services: Services, order: Order) -> str:
    known = services.reader.last.find(order.vmid) if services.reader.last else None
    return title(known) if known else f"**{order.vmid}**"


def _next_steps(t: Text, report: Report) -> list[Item]:
    """The button a person would look for now: start the new guest, or restart for the new size."""
    after, verb = report.after, report.plan.order.verb
    if not report.good or after is None:
        return []
    if verb is Verb.CREATE:
        return [guest_button(t, Verb.START, after.vmid)]
    if report.change and report.change.waits_for_restart:
        return [guest_button(t, Verb.REBOOT, after.vmid, label=t("Reboot now"))]
    if verb is Verb.SNAPSHOT_ROLLBACK and after.state is State.STOPPED:
        return [guest_button(t, Verb.START, after.vmid)]
    return []
