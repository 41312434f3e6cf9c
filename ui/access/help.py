"""Show a person the commands that they may use, grouped by task, for /help."""

from collections.abc import Collection, Sequence
from functools import partial

from discord import ui

from core.access.policy import Actor, level_everywhere
from core.errors import ReadOnly
from core.levels import Reach
from core.operations import OPERATIONS, Operation
from ui.access.extents import exists_for
from ui.access.groups import in_groups
from ui.cards import card
from ui.formatting import READ_ONLY, Colour, code
from ui.i18n import Text
from ui.interaction.command_mentions import CommandMentions
from ui.interaction.context import actor_of, services_of, visible_sites
from ui.interaction.gate import refusal_of
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import read_only_line

_NOT_LISTED = (Operation.HELP, Operation.ACKNOWLEDGE)
"""The command that was just used, and an operation that is only a button."""
_SELDOM = frozenset(
    {
        *(Operation.GRAPH_NODE, Operation.NODE_LIST, Operation.NODE_INFO, Operation.ACCESS),
        *(Operation.SUSPEND, Operation.RESUME, Operation.STOP, Operation.RESET),
        *(Operation.SNAPSHOT_ROLLBACK, Operation.SNAPSHOT_DELETE),
        *(
            Operation.MONITOR_HISTORY,
            Operation.MONITOR_UNMUTE,
            Operation.MONITOR_REMOVE,
            Operation.MONITOR_TEST,
        ),
        *(Operation.RESIZE, Operation.DELETE, Operation.HEALTH, Operation.DASHBOARD_LIST),
        *(Operation.READONLY_ON, Operation.READONLY_OFF, Operation.DASHBOARD_REMOVE),
    }
)
"""Operations that are rarely needed, or have a button where they are needed."""


async def show_help(reply: Reply) -> None:
    """Show the commands that the person may use here and now, on at least one site."""
    interaction, services = reply.interaction, services_of(reply.interaction)
    actor, sites = actor_of(interaction), visible_sites(interaction)
    wanted = [each for each in Operation if each not in _NOT_LISTED]
    refusals = {each: refusal_of(interaction, each) for each in wanted}
    allowed = [
        each
        for each, refusal in refusals.items()
        if refusal is None and any(_has_use(site, actor, each) for site in sites)
    ]
    held = next((each for each in refusals.values() if isinstance(each, ReadOnly)), None)
    example = f"{sites[0].name}/101" if len(sites) > 1 else ""
    await reply.show(help_card(reply.t, allowed, services.command_mentions, held, example))


def _has_use(site: Site, actor: Actor, operation: Operation) -> bool:
    """Return whether the person may do this on the site, to at least one of its guests if it is about a guest.

    Nothing is read for this. Before the first read access alone decides. People who may do it to every guest are told
    yes even if it exists for none of them.
    """
    if site.authorizer.refusal(actor, operation) is not None:
        return False
    cluster = site.cluster_cache.last
    if cluster is None or OPERATIONS[operation].reach is not Reach.GUEST:
        return True
    rows = site.authorizer.offered_rows(actor, operation, cluster)
    guest_index = site.authorizer.guest_index(cluster)
    is_everywhere = level_everywhere(site.authorizer.rules, actor) >= OPERATIONS[operation].level
    if is_everywhere and rows == guest_index.table.everyone:
        return True
    return bool(rows & guest_index.where((exists_for, operation), partial(exists_for, operation)))


def help_card(
    t: Text,
    allowed: Collection[Operation],
    mentions: CommandMentions,
    held: ReadOnly | None = None,
    example: str = "",
) -> ui.LayoutView:
    """Build the card of /help.

    `held`: the refusal of the commands that are missing only because of read-only mode.
    `example`: a guest written with its site; "": the person sees one site only.
    """
    groups = [f"**{t(name)}**\n{_commands(mentions, group)}" for name, group in in_groups(allowed)]
    read_only = f"{READ_ONLY} {read_only_line(t, held)}" if held else ""
    lines = [t("Press a command to fill it in.")] if mentions.known else []
    if any(OPERATIONS[each].reach is Reach.GUEST for each in allowed):
        lines.append(_what_to_type(t, example))
    foot = "\n".join(f"-# {line}" for line in lines)
    return card(f"### {t('Commands you can use')}", *groups, read_only, foot, colour=Colour.BUSY, apart=True)


def _commands(mentions: CommandMentions, group: Sequence[Operation]) -> str:
    """Return the commands of a group: the usual ones, and those of `_SELDOM` in small print below."""
    often = [each for each in group if each not in _SELDOM]
    seldom = [each for each in group if each in _SELDOM]
    lines = [" ".join(map(mentions.of, often)), f"-# {' '.join(map(mentions.of, seldom))}" if seldom else ""]
    return "\n".join(filter(None, lines))


def _what_to_type(t: Text, example: str) -> str:
    if example:
        return t("`vmid`: VMID, exact name or site/VMID ({example}).", example=code(example))
    return t("`vmid`: VMID or exact name.")
