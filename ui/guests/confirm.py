"""Ask for confirmation before something is lost, a protected guest is changed, or a plan has unexpected effects.

Only the asker may answer, within sixty seconds and only once. Opening the form starts the sixty seconds again, once.
A question shows the plan on a card with a button that confirms it and a grey one that cancels. If something is
destroyed or forced, the card and the first button are red. If the guest is to be deleted or is protected, that
button opens a form for the guest's name, and for a protected guest also a reason. Nothing happens before the answer.
A question that times out greys out its buttons and says so. A press after a restart is refused, because the question
is over.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from discord import ui

from core.actions.order import Order, Plan
from core.audit.record import CANCELLED, AuditStep
from core.errors import BotError, NotYours, QuestionOver, Unconfirmed
from core.operations import OPERATIONS, Operation
from ui.cards import card
from ui.discord.blocked import send_card_with_fallbacks
from ui.discord.failures import DISCORD_ERRORS, log_unexpected
from ui.formatting import Colour, plain, timestamp
from ui.guests.act import act
from ui.guests.confirmation_form import NAME_FIELD, REASON_FIELD, REASON_MOST, send_form, typed_fields
from ui.guests.plan import plan_parts, yes_label
from ui.i18n import Text
from ui.interaction.attempt import Attempt, ensure_awaited
from ui.interaction.buttons import question_buttons
from ui.interaction.context import Interaction, choose_site, is_private, named_site, services_of, site_of
from ui.interaction.custom_ids import FORM
from ui.interaction.gate import authorize, rate_limit_refusal, refusal_of, run_guarded
from ui.interaction.next_steps import NextStep, step_buttons
from ui.interaction.open_questions import SECONDS, Question
from ui.interaction.reply import Reply
from ui.interaction.services import Services, Site


async def ask(site: Site, reply: Reply, plan: Plan) -> None:
    """Show the plan and its buttons as the reply's message. Do not wait for the answer."""

    async def end(note: str) -> None:
        await reply.show(question_over(question, note))

    async def renew() -> None:
        await reply.try_to_show(_question_card(question))

    services = site.services
    question = Question(
        secrets.token_hex(8),
        plan,
        reply.t,
        end,
        site.name,
        renew=renew,
        deadline=services.clock.now() + SECONDS,
    )
    services.questions.add(question)
    question.lapse = asyncio.create_task(_lapse(services, question))
    try:
        await reply.show(_question_card(question))
    except BaseException:  # it may be shown all the same: a press is told that it is over
        if services.questions.lapse(question):
            question.lapse.cancel()
        raise


async def _renew(services: Services, question: Question) -> None:
    """Restart the timer once, because the asker has opened the form. Skip a question that is no longer open."""
    if not services.questions.is_open(question) or question.renewed:
        return
    question.renewed = True
    if question.lapse:
        question.lapse.cancel()
    question.lapse = asyncio.create_task(_lapse(services, question))
    question.deadline = services.clock.now() + SECONDS
    await question.renew()


async def _lapse(services: Services, question: Question) -> None:
    await services.clock.sleep(SECONDS)
    if services.questions.lapse(question):
        await _end(question, question.t("Timed out. Nothing was done."))


async def close_questions(services: Services) -> None:
    """End every open question and show that nothing was done, because the bot ends."""
    questions = services.questions.take_all()
    await asyncio.gather(*(_end(question, _stopping(question.t)) for question in questions))


async def _end(question: Question, note: str) -> None:
    try:
        await question.end(note)
    except Exception as error:  # noqa: BLE001 - nobody awaits a lapse
        log_unexpected(error)


def question_over(question: Question, note: str) -> ui.LayoutView:
    """Return the question's card with disabled buttons and the note, which says why the question is over."""
    return _question_card(question, note, over=True)


def _question_card(question: Question, note: str = "", *, over: bool = False) -> ui.LayoutView:
    t, plan = question.t, question.plan
    parts = plan_parts(t, plan, question.deadline)
    limit = "" if over else f"-# {t('Answer {time}.', time=timestamp(question.deadline))}"
    severe = OPERATIONS[plan.order.operation].asks
    buttons = question_buttons(t, question.nonce, yes_label(t, plan), severe=severe, disabled=over)
    colour = Colour.QUIET if over else Colour.BAD if severe else Colour.WARN
    return card(*parts, note or limit, colour=colour, buttons=buttons)


def _stopping(t: Text) -> str:
    return t("The bot is shutting down, so nothing was done.")


async def on_press(interaction: Interaction, answer: str, nonce: str, attempt: Attempt) -> None:
    """Handle a press on a question's button, by anybody, at any time.

    Raises: QuestionOver, QuestionAnswered, NotYours; Refused if the asker's current roles no longer allow the action;
    AnswerTooLate if the form cannot be sent.
    """
    services = services_of(interaction)
    plan = services.questions.plan_of(nonce)
    _describe(attempt, nonce)
    try:
        question = services.questions.find(nonce)
    except QuestionOver:
        if interaction.user.id == _asker_of(interaction, plan):
            await _disable_buttons(interaction)
        raise
    _ensure_asker(interaction, question)
    if answer == "yes" and question.plan.needs_name:
        t = services.texts.of_locale(str(interaction.locale))
        await send_form(interaction, t, question)
        await _renew(services, question)
        return
    question = services.questions.take(nonce)
    if answer == "no":
        attempt.record(AuditStep.PLANNED, CANCELLED)
        async with Reply(services, interaction) as reply:
            note = question.t("Cancelled. Nothing was done.")
            await reply.show(question_over(question, note))
    else:
        await _carry_out(question, attempt)


async def _carry_out(question: Question, attempt: Attempt) -> None:
    """Carry out the confirmed order. If it is refused after all, grey out the question and tell the asker why."""
    async with Reply(attempt.services, attempt.interaction) as reply:
        try:
            order = replace(question.plan.order, actor=attempt.actor)  # with the current roles
            await act(attempt.site, reply, order, shown=question.plan)
        except BotError:
            if not reply.working:
                note = question.t("Nothing was done.")
                await reply.show(question_over(question, note))
            raise


def _asker_of(interaction: Interaction, plan: Plan | None) -> int | None:
    """Return the asker's user id, None if unknown.

    For a question that is not remembered, it is the user of the command or press that the message answers.
    """
    if plan is not None:
        return plan.order.actor.user_id
    metadata = interaction.message.interaction_metadata if interaction.message else None
    return metadata.user.id if metadata else None


async def _disable_buttons(interaction: Interaction) -> None:
    """Grey out the buttons of a question that is over, because they no longer work."""
    if interaction.message is None:
        return
    view = ui.LayoutView.from_message(interaction.message, timeout=1)
    for item in view.walk_children():
        if isinstance(item, ui.Button):
            item.disabled = True
    texts, site = services_of(interaction).texts, named_site(interaction)
    t = texts.of_locale(str(interaction.locale)) if is_private(interaction) else texts.public
    with contextlib.suppress(*DISCORD_ERRORS):  # the asker is told in any case
        await send_card_with_fallbacks(
            t, view, lambda shown: interaction.response.edit_message(view=shown), site=site
        )


def _describe(attempt: Attempt, nonce: str) -> None:
    """Put the question's order and guest into the attempt, so that the audit trail names them whatever the result.

    Also note the question's site as that of the interaction. Do nothing for a question that is not remembered.
    """
    questions = attempt.services.questions
    plan, site = questions.plan_of(nonce), attempt.services.sites.find(questions.site_of(nonce) or "")
    if plan is not None and site is not None:
        choose_site(attempt.interaction, site)
        order = plan.order
        attempt.word, attempt.vmid, attempt.detail = order.operation.value, order.vmid, order.detail
        attempt.guest = plan.guest


def _ensure_asker(interaction: Interaction, question: Question) -> None:
    """Check that the asker answers, and still may do this. An asker who lost the role may not even cancel.

    Raises: NotYours; Refused if access is refused.
    """
    order = question.plan.order
    if interaction.user.id != order.actor.user_id:
        raise NotYours(order.actor.name, order.actor.user_id)
    asked = question.plan.guest
    now = site_of(interaction).cluster_cache.find(order.vmid) or asked  # its tags may have changed
    authorize(interaction, order.operation, replace(now, protected=asked.protected))


async def on_submit(interaction: Interaction, data: Mapping[str, Any]) -> None:
    """Handle a submitted form, even one from before a restart.

    The rules of a button apply: the gate is passed, and only the asker answers, once. `data`: as Discord sent it.
    """

    async def work(attempt: Attempt) -> BotError | None:
        services = services_of(interaction)
        match = FORM.fullmatch(str(data.get("custom_id", "")))
        typed = typed_fields(data)
        nonce = match["nonce"] if match else ""
        name, reason = typed.get(NAME_FIELD, "").strip(), plain(typed.get(REASON_FIELD, ""), REASON_MOST)
        _describe(attempt, nonce)
        attempt.detail, attempt.reason = f"{attempt.detail} typed={name}".strip(), reason
        # ACKNOWLEDGE: the rate limit counts an answer as a change, not as a read
        refusal = rate_limit_refusal(interaction, Operation.ACKNOWLEDGE) or refusal_of(interaction, None)
        if refusal is not None:
            return refusal
        question = services.questions.find(nonce)
        _ensure_asker(interaction, question)
        plan = replace(question.plan, order=replace(question.plan.order, typed=name, reason=reason))
        plan.ensure_confirmed()
        services.questions.take(question.nonce)
        await _carry_out(replace(question, plan=plan), attempt)
        return None

    await run_guarded(interaction, work)


async def ask_first(site: Site, reply: Reply, order: Order) -> None:
    """Show the plan and ask for confirmation. In a dry run only show the plan.

    Raises: AnswerTooLate, and the errors of `Executor.plan`.
    """
    ensure_awaited(reply.interaction)
    plan = await site.executor.plan(order)
    if order.dry_run:
        parts = plan_parts(reply.t, plan, site.services.clock.now())
        foot = f"-# {reply.t('Nothing was done.')}\n{reply.mention(order.operation)}"
        buttons = step_buttons(reply.t, site, order.actor, plan.guest, [NextStep.DETAILS])
        await reply.show(card(*parts, foot, colour=Colour.QUIET, buttons=buttons))
    else:
        await ask(site, reply, plan)


async def act_or_ask(site: Site, reply: Reply, order: Order) -> None:
    """Carry out the order, or ask first if the guest is protected or the plan has effects to be seen before.

    Raises: the errors of `act` and `ask_first`, except Unconfirmed.
    """
    try:
        await act(site, reply, order, may_ask=True)
    except Unconfirmed:
        await ask_first(site, reply, order)
