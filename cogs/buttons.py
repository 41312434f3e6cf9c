"""Handle presses on lasting buttons and choices in lasting menus, even after a restart.

The site of a press is found before access is decided. Each press passes the gate here, because CommandTree's check
does not cover buttons. Access is decided for the person who presses.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable

from core.audit.record import format_options
from core.errors import BotError, QuestionOver
from core.operations import Operation
from core.watch.incidents.offers import guest_of
from ui.access.commands import show_access
from ui.access.health import show_health
from ui.audit.presses import on_audit_press
from ui.charts.presses import chart_operation, on_chart_press
from ui.cluster.infrastructure import show_node, show_nodes, show_storages
from ui.cluster.presses import on_node_press, on_status_press
from ui.dashboard.presses import on_dashboard_press
from ui.guests.confirm import on_press
from ui.guests.lists.filters import Filters
from ui.guests.lists.sites import list_guests
from ui.guests.presses import guest_operation, on_guest_choice, on_guest_press
from ui.interaction.attempt import Attempt, recording
from ui.interaction.context import Interaction, actor_of, choose_site, is_private, services_of
from ui.interaction.custom_ids import (
    ALERT,
    ALL_SITES,
    AUDIT,
    CHART,
    DASHBOARD,
    GUEST,
    HEALTH,
    HISTORY,
    NODE,
    PAGE,
    QUESTION,
    STATUS,
    WELCOME,
    split_site,
)
from ui.interaction.gate import rate_limit_refusal, refusal_of, run_guarded
from ui.interaction.reply import Reply
from ui.interaction.selects import CHOICE
from ui.sites.pages import page_label, page_reply
from ui.watch.history import show_history
from ui.watch.presses import alert_operation, on_alert_press
from ui.watch.sites import list_watched
from ui.watch.trial import send_test


async def _page(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    services, page = services_of(interaction), int(match["page"])
    async with page_reply(services, interaction, attempt) as reply:
        if match["what"] == "list":
            named = ("status", "kind", "node", "sort", "tag", "pool")
            filters = Filters(*(match[name] or "" for name in named))
            with recording(attempt, f"{filters.detail} {page_label(match)}".strip()):
                await list_guests(reply, filters, page)
        elif match["what"] == "nodes" and (node := match["node"]):
            with recording(attempt, format_options({"node": node})):
                await show_node(reply, node)
        else:
            show = {"nodes": show_nodes, "capacity": show_storages}.get(match["what"], list_watched)
            with recording(attempt, page_label(match)):
                await show(reply, page)


async def _history(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    services, vmid = services_of(interaction), int(match["vmid"]) if match["vmid"] else None
    async with page_reply(services, interaction, attempt) as reply:
        with recording(attempt, page_label(match)):
            await show_history(reply, vmid, int(match["page"]))


async def _health(interaction: Interaction, match: re.Match[str], _attempt: Attempt) -> None:
    """Show a page of the health check's report, always privately. `show_health` records it."""
    async with Reply(
        services_of(interaction), interaction, private=True, anew=not is_private(interaction)
    ) as reply:
        again, full = match["move"] == "refresh", bool(match["full"])
        await show_health(reply, "", int(match["page"]), again=again, full=full)


async def _dashboard(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    await on_dashboard_press(interaction, match["what"], match["mark"], attempt)


async def _welcome(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    """Answer a button of the first message as its command does, privately."""
    async with Reply(services_of(interaction), interaction, private=True, anew=True) as reply:
        if match["what"] == "test":
            await send_test(reply)
            return
        with recording(attempt, ""):
            if match["what"] == "list":
                await list_guests(reply, Filters())
            else:
                await show_access(reply, attempt, "")


async def _question(interaction: Interaction, match: re.Match[str], attempt: Attempt) -> None:
    await on_press(interaction, match["answer"], match["nonce"], attempt)


_PAGES = {
    "list": Operation.LIST,
    "watch": Operation.MONITOR_LIST,
    "nodes": Operation.NODE_LIST,
    "capacity": Operation.STORAGE,
}


def _page_operation(match: re.Match[str]) -> Operation | None:
    if match["what"] == "nodes" and match["node"]:
        return Operation.NODE_INFO
    return _PAGES[match["what"]]


def _dashboard_operation(match: re.Match[str]) -> Operation | None:
    return Operation.STATUS if match["what"] == "refresh" else Operation.MONITOR_HISTORY


def _welcome_operation(match: re.Match[str]) -> Operation | None:
    return {"list": Operation.LIST, "test": Operation.MONITOR_TEST}.get(match["what"], Operation.ACCESS)


async def _vmid_of(attempt: Attempt, match: re.Match[str]) -> int | None:
    """Return the VMID of a button's guest, for the audit only. No decision depends on it."""
    found = match.groupdict()
    if number := found.get("vmid") or found.get("read"):
        return int(number)
    with contextlib.suppress(BotError):
        if "incident" in found:
            incident = await attempt.site.journal.incident(int(found["incident"]))
            return guest_of(incident) if incident else None
    return None


Handler = Callable[[Interaction, re.Match[str], Attempt], Awaitable[None]]
OperationOf = Callable[[re.Match[str]], Operation | None]

_HANDLERS: tuple[tuple[re.Pattern[str], OperationOf, Handler], ...] = (
    (GUEST, guest_operation, on_guest_press),
    (CHOICE, lambda _match: Operation.INFO, on_guest_choice),
    (NODE, lambda match: Operation.GRAPH_NODE if match["chart"] else Operation.NODE_INFO, on_node_press),
    (ALERT, alert_operation, on_alert_press),
    (CHART, chart_operation, on_chart_press),
    (PAGE, _page_operation, _page),
    (AUDIT, lambda _match: Operation.AUDIT, on_audit_press),
    (HISTORY, lambda _match: Operation.MONITOR_HISTORY, _history),
    (DASHBOARD, _dashboard_operation, _dashboard),
    (STATUS, lambda _match: Operation.STATUS, on_status_press),
    (HEALTH, lambda _match: Operation.HEALTH, _health),
    (WELCOME, _welcome_operation, _welcome),
    (QUESTION, lambda _match: None, _question),  # the action is stored in the question, not in the button
)
_OF_ALL_SITES = frozenset({PAGE, HISTORY, AUDIT, STATUS, HEALTH})
"""Buttons that may be about all sites."""
_OF_NO_SITE = frozenset({QUESTION, WELCOME})
"""Buttons without a site: an open question knows its site, and the first message is about the whole bot."""


async def on_button_press(interaction: Interaction, custom_id: str) -> None:
    """Handle a press on the button, or a choice in the menu, with this custom_id."""
    await run_guarded(interaction, lambda attempt: _pressed(interaction, custom_id, attempt))


def _finds_site(interaction: Interaction, named: str | None, pattern: re.Pattern[str]) -> bool:
    """Choose the site of a press, none for a button about all sites.

    A button that names no site was made while there was only one, so it belongs to that site (`Sites.first`).
    Return False if there is no such site, or if the person may see nothing of it.
    """
    sites = services_of(interaction).sites
    if not sites.several:
        return named is None
    if named == ALL_SITES:
        return pattern in _OF_ALL_SITES
    site = sites.first if named is None else sites.find(named)
    if site is None or not site.authorizer.sees_anything(actor_of(interaction)):
        return False
    choose_site(interaction, site)
    return True


async def _pressed(interaction: Interaction, custom_id: str, attempt: Attempt) -> BotError | None:
    """Carry out a press, or return why not.

    A custom_id that fits no pattern was forged or comes from another version. A site that this person may not see is
    refused like one that does not exist.
    """
    named, unnamed = split_site(custom_id)
    for pattern, asks, does in _HANDLERS:
        match = pattern.fullmatch(unnamed)
        if match is not None:
            operation = asks(match)
            if pattern not in _OF_NO_SITE and not _finds_site(interaction, named, pattern):
                return (
                    rate_limit_refusal(interaction, operation)
                    or refusal_of(interaction, operation)
                    or QuestionOver()
                )
            if operation is not None:
                attempt.word, attempt.detail = operation.value, custom_id
                attempt.vmid = await _vmid_of(attempt, match)
            # the rate limit counts an answer as a change, not as a read
            asks_for = Operation.ACKNOWLEDGE if pattern is QUESTION else operation
            refusal = rate_limit_refusal(interaction, asks_for) or refusal_of(interaction, operation)
            if refusal is None:
                await does(interaction, match, attempt)
            return refusal
    return rate_limit_refusal(interaction, None) or refusal_of(interaction, None) or QuestionOver()
