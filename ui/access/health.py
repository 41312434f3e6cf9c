"""Check the setup of the running bot, and show the results to an admin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from discord import ui

from core.health.reports import CheckReport
from core.health.result import Verdict, exit_code
from core.operations import Operation
from ui.cards import card
from ui.formatting import MESSAGE_MOST, Colour
from ui.guests.lists.cards import list_footer
from ui.i18n import Text
from ui.interaction.attempt import record_attempt
from ui.interaction.buttons import health_buttons
from ui.interaction.context import chosen_site, services_of
from ui.interaction.custom_ids import ALL_SITES
from ui.interaction.reply import Reply
from ui.messages.health import discord_line, passed_lines, summary_line
from ui.sites.everywhere import whole_sites

PAGE_MOST = MESSAGE_MOST - 400
"""Characters of the lines of one page."""
_ORDER = (Verdict.ERROR, Verdict.WARNING, Verdict.UNCHECKED, Verdict.OK)
_COLOURS = (Colour.GOOD, Colour.WARN, Colour.BAD)


async def show_health(
    reply: Reply, site: str = "", page: int = 0, *, again: bool = True, full: bool = False
) -> None:
    """Check the named site, or all of them and the bot itself, and show a page of the results.

    `again`: do not show a report that is minutes old. `full`: as in `health_card`.
    Raises: UnknownSite, Refused by access.
    """
    services = services_of(reply.interaction)
    detail = f"page={page + 1}" if page else ""
    sites = whole_sites(reply.interaction, Operation.HEALTH, site, detail)
    with contextlib.ExitStack() as attempts:
        for each in sites:
            found = record_attempt(reply.interaction, Operation.HEALTH, detail=detail, about=each)
            attempts.enter_context(found).authorize(whole=True)
        report = await services.health.read([each.name for each in sites], again=again)
        chosen = chosen_site(reply.interaction)
        whole = ALL_SITES if services.sites.several else ""
        named = chosen.name if chosen and whole else whole
        await reply.show(health_card(reply.t, report, page, named, full=full))


def health_card(t: Text, report: CheckReport, page: int, site: str, *, full: bool = False) -> ui.LayoutView:
    """Show a line for each result, the worst first. `page` counts from 0. `site`: as for the buttons of a page.

    `full`: good results get a line each, too; otherwise only their names are shown.
    """
    ordered = sorted(report.results, key=lambda result: _ORDER.index(result.level))
    fine = [] if full else [result for result in ordered if result.level is Verdict.OK]
    lines = [discord_line(t, result) for result in ordered if result not in fine]
    mixed = {result.check for result in ordered if result.level is not Verdict.OK}
    pages = _split_pages([*lines, *passed_lines(t, fine, mixed)], PAGE_MOST)
    page = min(page, len(pages) - 1)
    head = f"### {t('Setup check')}\n{summary_line(t, report.results)}"
    return card(
        head,
        "\n".join(pages[page]),
        list_footer(t, page, len(pages), report.at),
        colour=_COLOURS[exit_code(report.results)],
        buttons=health_buttons(t, page, len(pages), site, full=full, more=bool(fine)),
    )


def _split_pages(lines: Iterable[str], most: int) -> list[list[str]]:
    """Return the lines in pages of at most `most` characters. Longer lines are cut. There is at least one page."""
    pages, room = [list[str]()], most
    for line in lines:
        if len(line) + 1 > room and pages[-1]:
            pages.append([])
            room = most
        pages[-1].append(line[:most])
        room -= len(line) + 1
    return pages
