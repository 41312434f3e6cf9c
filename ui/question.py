"""Asking back before something is lost: one asker, sixty seconds, one press that counts.

A question is its plan on a card, a red button and a grey one. Nothing happens before the press; a question that
lapses goes grey and says so; a press after a restart finds nothing and is told that it is over.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from discord import ui

from core.errors import BotError, NameMismatch, NotYours, QuestionAnswered, QuestionOver
from core.order import Plan
from core.rights import Operation
from ui.act import act
from ui.buttons import FORM, question_buttons
from ui.cards import card
from ui.gate import Attempt, actor_of, guarded, permit, refusal_of
from ui.plans import plan_text, title_of_form, yes_label
from ui.render import Colour, plain
from ui.reply import Reply
from ui.services import Interaction, Services, services_of
from ui.text import Text
from ui.trouble import Trouble, incident_of

SECONDS = 60.0
FORM_NAME_MOST = 255
REMEMBERED = 500
"""How many answered questions are remembered, to tell a second press from a late one."""


@dataclass(slots=True)
class Question:
    """One open question. `typed`: what must be typed into a form, None where a press is enough."""

    nonce: str
    plan: Plan
    t: Text
    reply: Reply
    typed: str | None
    lapse: asyncio.Task[None] | None = field(default=None)


class Questions:
    """The open questions by nonce. Taking one out is what makes a press count once."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._open: dict[str, Question] = {}
        self._answered: deque[str] = deque(maxlen=REMEMBERED)

    async def ask(self, services: Services, reply: Reply, plan: Plan, *, typed: str | None = None) -> None:
        """Show the plan and its buttons as the reply's message, and wait for nobody."""
        question = Question(secrets.token_hex(8), plan, reply.t, reply, typed)
        self._open[question.nonce] = question
        question.lapse = asyncio.create_task(self._lapse(services, question))
        try:
            await reply.show(self._card(services, question))
        except BaseException:
            self.take(question.nonce)
            raise

    def find(self, nonce: str) -> Question:
        """Raises QuestionOver, or QuestionAnswered for a press after the one that counted."""
        if nonce in self._answered:
            raise QuestionAnswered
        question = self._open.get(nonce)
        if question is None:
            raise QuestionOver
        return question

    def take(self, nonce: str) -> Question:
        """The question, which is then answered. Raises as `find` does."""
        question = self.find(nonce)
        del self._open[nonce]
        self._answered.append(nonce)
        if question.lapse:
            question.lapse.cancel()
        return question

    def over(self, services: Services, question: Question, note: str) -> ui.LayoutView:
        """The question's card with grey buttons, and why."""
        return self._card(services, question, note, over=True)

    def _card(
        self, services: Services, question: Question, note: str = "", *, over: bool = False
    ) -> ui.LayoutView:
        t, plan = question.t, question.plan
        text = plan_text(t, plan, services.clock.now())
        limit = "" if over else f"-# {t('Answer within {n} seconds.', n=int(self._seconds))}"
        buttons = question_buttons(t, question.nonce, yes_label(t, plan), disabled=over)
        colour = Colour.QUIET if over else Colour.WARN
        return card(text, note or limit, colour=colour, buttons=buttons)

    async def _lapse(self, services: Services, question: Question) -> None:
        await services.clock.sleep(self._seconds)
        if self._open.pop(question.nonce, None) is not None:
            await self._end(services, question, question.t("Nobody answered in time, so nothing was done."))

    async def _end(self, services: Services, question: Question, note: str) -> None:
        try:
            await question.reply.show(self.over(services, question, note))
        except Exception as error:  # noqa: BLE001 - nobody awaits a lapse
            incident_of(error)

    async def close(self, services: Services) -> None:
        """The bot ends: no question outlives it."""
        questions = list(self._open.values())
        self._open.clear()
        for question in questions:
            if question.lapse:
                question.lapse.cancel()
        await asyncio.gather(*(self._end(services, one, _stopping(one.t)) for one in questions))


def _stopping(t: Text) -> str:
    return t("The bot is being stopped, so nothing was done.")


async def pressed(interaction: Interaction, answer: str, nonce: str, attempt: Attempt) -> None:
    """A press on a question's button, by anybody, at any time.

    Raises QuestionOver, QuestionAnswered, NotYours, and what access says to the roles of now.
    """
    services = services_of(interaction)
    try:
        question = services.questions.find(nonce)
    except QuestionOver:
        await _grey_out(interaction)
        raise
    _hold_to_asker(interaction, question, attempt)
    if answer == "yes" and question.typed is not None:
        t = services.texts.of_locale(str(interaction.locale))
        await interaction.response.send_modal(name_form(t, question))
        return
    question = services.questions.take(nonce)
    if answer == "no":
        async with Reply(services, interaction) as reply:
            note = question.t("Cancelled; nothing was done.")
            await reply.show(services.questions.over(services, question, note))
    else:
        await _carry_out(interaction, services, question)


async def _carry_out(interaction: Interaction, services: Services, question: Question) -> None:
    """What was agreed to. If it is refused after all, the question goes grey and the asker is told why."""
    async with Reply(services, interaction) as reply:
        try:
            order = replace(question.plan.order, actor=actor_of(interaction))  # with the roles of now
            await act(services, reply, order, shown=question.plan)
        except BotError:
            if not reply.working:
                note = question.t("It was not carried out.")
                await reply.show(services.questions.over(services, question, note))
            raise


async def _grey_out(interaction: Interaction) -> None:
    """A question from before a restart: its buttons do nothing any more, and should look so."""
    if interaction.message is None:
        return
    view = ui.LayoutView.from_message(interaction.message, timeout=1)
    for item in view.walk_children():
        if isinstance(item, ui.Button):
            item.disabled = True
    with contextlib.suppress(*Trouble):  # what matters is the word that follows
        await interaction.response.edit_message(view=view)


def _hold_to_asker(interaction: Interaction, question: Question, attempt: Attempt) -> None:
    """Raises NotYours, and what access says: who has lost the role since may not even cancel."""
    order = question.plan.order
    attempt.word, attempt.vmid, attempt.detail = order.verb.value, order.vmid, order.detail
    if interaction.user.id != order.actor.user_id:
        raise NotYours(order.actor.name)
    permit(interaction, Operation(order.verb.value), question.plan.guest)


def name_form(t: Text, question: Question) -> ui.Modal:
    """Typing the guest's name: the last step before a guest is lost."""
    form = ui.Modal(
        title=title_of_form(t, question.plan)[:45], custom_id=f"f1:{question.nonce}", timeout=SECONDS
    )
    field_: ui.TextInput[Any] = ui.TextInput(
        placeholder=plain(question.typed or "", 100), max_length=FORM_NAME_MOST, custom_id="name"
    )
    label = t("Type the name to delete it")[:45]
    form.add_item(ui.Label(text=label, description=t("This cannot be undone.")[:100], component=field_))
    return form


async def submitted(interaction: Interaction, custom_id: str, typed: str) -> None:
    """A form sent in, also one from before a restart: the same gate, asker and single use as for a button."""

    async def work(attempt: Attempt) -> BotError | None:
        services = services_of(interaction)
        refusal = refusal_of(interaction, None)
        if refusal is not None:
            return refusal
        match = FORM.fullmatch(custom_id)
        question = services.questions.find(match["nonce"] if match else "")
        _hold_to_asker(interaction, question, attempt)
        if typed.strip() != question.typed:
            raise NameMismatch(question.plan.guest.vmid, question.typed or "")
        await _carry_out(interaction, services, services.questions.take(question.nonce))
        return None

    await guarded(interaction, work)


def typed_into(data: Mapping[str, Any]) -> str:
    """What was typed into a form with one field, from the interaction's own data."""
    for row in data.get("components", ()):
        for inner in (row.get("component"), *row.get("components", ())):
            if isinstance(inner, dict) and isinstance(inner.get("value"), str):
                return str(inner["value"])
    return ""
