"""Show the progress and the outcome of an action, in the same form for all actions."""

from collections.abc import Iterable, Sequence

from discord import ui

from core.actions.order import Change, Order, Report
from core.guest import Guest, State
from core.operations import Operation
from core.tasks import Progress, TaskEnd
from ui.bars import progress_bar
from ui.cards import Item, card
from ui.formatting import (
    FAILED,
    OK,
    UNSURE,
    WARNING,
    WORKING,
    Colour,
    code,
    code_block,
    format_duration,
    plain,
    state_word,
    title,
)
from ui.guests.caveats import clone_caveats, excess_lines, running_lines
from ui.i18n import Marked, Text
from ui.messages.operations import WORDS
from ui.messages.proxmox_errors import task_hint
from ui.messages.task_words import known_end
from ui.sizes import format_memory


def _say(t: Text, message: Marked, guest: str, order: Order) -> str:
    """Format a sentence of the operation's row with every value that it may contain."""
    return t(message, guest=guest, name=code(order.name or ""), snapshot=code(order.snapshot or ""))


def working_card(
    t: Text, order: Order, guest: str, progress: Progress, buttons: Sequence[Item] = ()
) -> ui.LayoutView:
    """Return the card of a running action: progress, time so far, and a note if it is slow or Proxmox is silent.

    `guest`: the guest's title.
    """
    lines = [f"{WORKING} {_say(t, WORDS[order.operation].working, guest, order)}"]
    if progress.percent is not None:
        lines.append(f"{progress_bar(progress.percent / 100)} {progress.percent:.0f}%")
    notes = []
    if progress.elapsed >= 1:
        notes.append(t("{time} elapsed", time=format_duration(t, progress.elapsed)))
    if progress.out_of_sight:
        notes.append(t("Proxmox is not answering; the task may still be running"))
    elif progress.elapsed >= 60:
        notes.append(t("still running; this message will show the result"))
    if notes:
        lines.append(f"-# {' · '.join(notes)}")
    return card("\n".join(lines), colour=Colour.BUSY, buttons=buttons)


def farewell_card(t: Text, order: Order, guest: str) -> ui.LayoutView:
    """Return the card for an action that is still running when the bot ends."""
    text = t(
        "The bot is shutting down. Tasks already started continue in Proxmox; check the result with `/info`."
    )
    return card(
        f"{WARNING} {_say(t, WORDS[order.operation].working, guest, order)}\n{text}", colour=Colour.WARN
    )


def outcome_text(t: Text, report: Report) -> tuple[str, Colour]:
    """Return the text and colour of the outcome, from the task's result and the guest's state afterwards."""
    order, task = report.plan.order, report.task
    guest = title(_subject(report))
    words = WORDS[order.operation]
    if task and task.end is TaskEnd.VANISHED:
        text = t(
            "{guest}: the task is no longer in Proxmox, so the result is unknown. Check with `/info`.",
            guest=title(report.plan.guest),
        )
        return f"{UNSURE} {text}", Colour.WARN
    if task and task.end is TaskEnd.LOST:
        text = t(
            "{guest}: Proxmox stopped answering, so the result is unknown. The task may still "
            "be running. Check with `/info` later.",
            guest=title(report.plan.guest),
        )
        return f"{UNSURE} {text}", Colour.WARN
    if task and task.end is TaskEnd.ERROR:
        lines = [f"{FAILED} {_say(t, words.failed, title(report.plan.guest), order)}"]
        advice = task_hint(t, order.operation, task.message)
        known = known_end(t, task.message)
        if not known:
            said = plain(task.message, 300)
            lines.append(code(said, 300) if said else t("Proxmox gave no reason."))
        if advice or known:
            lines.append(advice or t("Reason: {reason}", reason=known))
        return _with_log("\n".join(lines), _log_without_error(task.message, task.log)), Colour.BAD
    withdrawn = order.operation is Operation.RESIZE and report.change is None
    lines = [f"{OK} {guest}: {_withdrawn(t)}" if withdrawn else f"{OK} {_say(t, words.done, guest, order)}"]
    colour = Colour.GOOD
    if not report.settled and report.after is None:
        text = t("The task succeeded, but {guest} cannot be read right now. Check with `/info`.", guest=guest)
        lines, colour = [f"{WARNING} {text}"], Colour.WARN
    elif not report.settled:
        state = state_word(t, report.after.state if report.after else State.UNKNOWN)
        lines = [
            f"{WARNING} {t('The task succeeded, but {guest} is still “{state}”.', guest=guest, state=state)}"
        ]
        if report.plan.guest.ha_managed:
            lines.append(t("HA manages this guest and acts on its own schedule. Check again with `/info`."))
        colour = Colour.WARN
    lines += _particulars(t, report)
    if task and task.end is TaskEnd.WARNINGS:
        lines[0] = lines[0].replace(OK, WARNING, 1)
        lines.append(t("Warnings from Proxmox:"))
        return _with_log("\n".join(lines), task.log), Colour.WARN
    return "\n".join(lines), colour


def _withdrawn(t: Text) -> str:
    return t("The pending change was reverted.")


def _subject(report: Report) -> Guest:
    """Return the guest that the sentence names: a clone after it was made, otherwise the guest of the plan."""
    if report.plan.order.operation is Operation.CREATE and report.after is not None and report.good:
        return report.after
    return report.plan.guest


def _particulars(t: Text, report: Report) -> list[str]:
    plan, lines = report.plan, []
    if plan.order.operation is Operation.CREATE and report.after:
        node = code(report.after.node)
        lines.append(t("Cloned from {template} on node {node}.", template=title(plan.guest), node=node))
        lines += clone_caveats(t, plan)
    if report.change:
        lines += change_lines(t, report.change)
        lines += excess_lines(t, plan)
        if report.change.waits_for_restart:
            lines.append(t("Takes effect after `/reboot` (rebooting inside the guest isn't enough)."))
            if plan.guarded:  # then the card has no reboot button
                lines.append(t("The guest is protected: `/reboot` asks for its name and a reason."))
        elif plan.guest.state is State.STOPPED:
            lines.append(t("Takes effect at the next start."))
        else:
            lines.append(t("Already in effect."))
    if plan.order.operation is Operation.SNAPSHOT_ROLLBACK and report.after:
        lines.append(t("Current state of the guest: {state}", state=state_word(t, report.after.state)))
    return lines


def change_lines(t: Text, change: Change) -> list[str]:
    lines = []
    if change.cores:
        before, after = change.cores
        lines.append(
            t("Cores: {before} → {after}", before=t("all") if before is None else before, after=after)
        )
    if change.memory_mb:
        old, new = change.memory_mb
        lines.append(
            t("Memory: {before} → {after}", before=format_memory(old or 0), after=format_memory(new))
        )
    return lines + running_lines(t, change)


def _log_without_error(message: str, log: Iterable[str]) -> tuple[str, ...]:
    """Return the log without lines that repeat the task's error, which Proxmox appends after `TASK ERROR:`."""
    told = " ".join(message.split())

    def repeats(line: str) -> bool:
        said = " ".join(line.strip().removeprefix("TASK ERROR:").split())
        return bool(said) and (
            said == told or (line.strip().startswith("TASK ERROR:") and told.startswith(said))
        )

    return tuple(line for line in log if not repeats(line))


def _with_log(text: str, log: tuple[str, ...]) -> str:
    block = code_block(log)
    return f"{text}\n{block}" if block else text


def footer(t: Text, report: Report) -> str:
    """Return the person and the duration, in small print."""
    return f"-# <@{report.plan.order.actor.user_id}> · {format_duration(t, report.seconds)}"
