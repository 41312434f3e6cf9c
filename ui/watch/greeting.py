"""Write the bot's first message: watched guests, the channels for commands, and faults of the setup."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.guest import Cluster
from core.health.readiness import Finding, Problem
from core.operations import Operation
from core.watch.incidents.model import MessageKind
from core.watch.journal import OutboxMessage
from ui.formatting import MESSAGE_MOST, WARNING, fit_lines, more_word, title, title_of
from ui.i18n import Text
from ui.interaction.command_mentions import CommandMentions
from ui.messages.readiness import finding_line
from ui.messages.startup import pools_unseen, tasks_unseen
from ui.phone_lines import phone_lines
from ui.watch.alert_text import CONTENT_MOST

SIGN = "👋"
"""Begins the first message, and no other message of the bot about itself."""
NAMES_MOST, CHANNELS_MOST = 5, 5
_TROUBLES_MOST = 800  # characters


@dataclass(frozen=True, slots=True)
class GreetedSite:
    """The facts of a site for the first message.

    `name`: "" if it is the only one. `cluster`: None if the site is not ready. `watched`: VMIDs on the watch list.
    `sees_no_tasks`: the token shows no tasks. `unseen_pools`: pools of ROLE_SCOPES that Proxmox does not show.
    """

    name: str
    cluster: Cluster | None
    watched: tuple[int, ...]
    sees_no_tasks: bool = False
    unseen_pools: tuple[str, ...] = ()


def is_greeting(message: OutboxMessage) -> bool:
    return message.stored.post is MessageKind.WORD and message.stored.text.startswith(f"{SIGN} ")


def greeting_text(
    t: Text,
    sites: Sequence[GreetedSite],
    channels: Sequence[int],
    findings: Sequence[Finding],
    mentions: CommandMentions,
) -> str:
    """Write the first message. `channels`: where commands may be used. `findings`: of the check at the start."""
    count = sum(len(site.watched) for site in sites)
    first = t.plural(
        "The bot is ready and watches {n} guest.", "The bot is ready and watches {n} guests.", count
    )
    lines = [f"{SIGN} {first if count else t('The bot is ready, but no guest is watched yet.')}"]
    lines += _watched(t, sites)
    if channels:
        shown = fit_lines(t, (f"<#{number}>" for number in channels), 400, " ", lines_most=CHANNELS_MOST)
        lines.append(t("Type `/` in {channels} to use the commands.", channels=shown))
    if troubles := _troubles(t, sites, findings, mentions):
        lines += [f"**{t('Not working yet')}**", fit_lines(t, troubles, _TROUBLES_MOST)]
    return "\n".join(lines)[:CONTENT_MOST]


def _watched(t: Text, sites: Sequence[GreetedSite]) -> list[str]:
    """Return a line that names watched guests, with several sites one for each. Empty if the only site has none."""
    if len(sites) == 1:
        return [phone_lines((f"**{t('Watched')}**", *_names(t, sites[0])))] if sites[0].watched else []
    rows = [
        phone_lines((f"**{site.name}**", *(_names(t, site) if site.watched else [t("no guest watched")])))
        for site in sites
    ]
    return [fit_lines(t, rows, MESSAGE_MOST // 4)]


def _names(t: Text, site: GreetedSite) -> list[str]:
    known = {guest.vmid: guest for guest in site.cluster.guests} if site.cluster else {}
    names = [
        title(known[vmid]) if vmid in known else title_of(vmid, str(vmid))
        for vmid in site.watched[:NAMES_MOST]
    ]
    left = len(site.watched) - len(names)
    return [*names, *([more_word(t, left)] if left else [])]


def _troubles(
    t: Text, sites: Sequence[GreetedSite], findings: Sequence[Finding], mentions: CommandMentions
) -> list[str]:
    """Return a row for each thing that does not work yet, with its remedy."""
    rows = []
    if not any(site.watched for site in sites):
        command = mentions.of(Operation.MONITOR_ADD)
        rows.append(
            f"{WARNING} {t('Nothing raises an alert yet. Add guests with {command}.', command=command)}"
        )
    for finding in findings:
        if finding.problem is Problem.EVERYBODY_IS_ADMIN:
            text = t(
                "Everyone in the category is an admin. Set your roles in ADMIN_ROLE_IDS, OPERATOR_ROLE_IDS and "
                "VIEWER_ROLE_IDS."
            )
            rows.append(f"{WARNING} {text}")
        else:
            rows.append(finding_line(t, finding, in_discord=True))
    for site in sites:
        named = f"{site.name} · " if site.name and len(sites) > 1 else ""
        if site.sees_no_tasks:
            rows.append(f"{WARNING} {named}{tasks_unseen(t)}")
        if site.unseen_pools:
            rows.append(f"{WARNING} {named}{pools_unseen(t, site.unseen_pools)}")
    return rows
