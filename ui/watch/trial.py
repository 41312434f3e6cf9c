"""Send a test alert through the normal delivery, and show its result."""

import asyncio
from dataclasses import dataclass

from discord import ui

from core.errors import BotError, UnexpectedFailure
from core.operations import Operation
from core.watch.journal import OutboxMessage
from ui.cards import card
from ui.discord.failures import log_unexpected
from ui.formatting import FAILED, MESSAGE_MOST, OK, Colour, fit_lines, format_duration
from ui.i18n import Text
from ui.interaction.attempt import record_attempt
from ui.interaction.context import Interaction
from ui.interaction.reply import Reply
from ui.interaction.services import Site
from ui.messages.errors import delivery_reason, error_sentence
from ui.sites.everywhere import whole_sites

TEST_SECONDS = 10.0
"""Maximum seconds to wait for a test message before it is given up."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a test message. `message`: None if it is not stored.

    `stuck`: why the last attempt to post or to edit alerts failed, "" if it did not.
    """

    message: OutboxMessage | None
    stuck: str
    guild_id: int
    channel_id: int

    @property
    def arrived(self) -> bool:
        return self.message is not None and self.message.posted is not None


async def send_test(reply: Reply, site: str = "") -> None:
    """Send a test message of the named site, or of each site, and show the results.

    Raises: UnknownSite, JournalFailed, Refused by access.
    """
    sites = whole_sites(reply.interaction, Operation.MONITOR_TEST, site)
    if len(sites) == 1:
        await reply.show(trial_card(reply.t, await _try_out(sites[0], reply.interaction)))
        return
    found = await asyncio.gather(*(_outcome(each, reply.interaction) for each in sites))
    lines, well = [], True
    for each, trial in zip(sites, found, strict=True):
        arrived = isinstance(trial, Trial) and trial.arrived
        said = error_sentence(reply.t, trial) if isinstance(trial, BotError) else _trial_text(reply.t, trial)
        link = f" {_link(trial)}" if isinstance(trial, Trial) and arrived else ""
        lines.append(f"{OK if arrived else FAILED} **{each.name}** · {said}{link}")
        well = well and arrived
    advice = "" if well else _advice(reply.t)
    colour = Colour.GOOD if well else Colour.BAD
    await reply.show(card(fit_lines(reply.t, lines, MESSAGE_MOST - 400), advice, colour=colour))


async def _outcome(site: Site, interaction: Interaction) -> Trial | BotError:
    """Try out one of several sites. Return the error instead of raising it: the other sites have their results."""
    try:
        return await _try_out(site, interaction)
    except BotError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a bug at one site must not hide the others
        return UnexpectedFailure(log_unexpected(error))


async def _try_out(site: Site, interaction: Interaction) -> Trial:
    """Send one test message, and wait for it.

    If it fails once or does not arrive in time, it is given up, because hours later it would only confuse people.
    Raises: JournalFailed, Refused by access.
    """
    rules = site.authorizer.rules
    with record_attempt(interaction, Operation.MONITOR_TEST, about=site) as asked:
        asked.authorize(whole=True)
        await asked.start()
        test = await site.watch.alerts.send_test()
        message = await site.alert_delivery.outcome(test, TEST_SECONDS)
        trial = Trial(message, site.alert_delivery.error, rules.guild_id, rules.alert_channel_id or 0)
        if not trial.arrived:
            asked.outcome = (message.error if message else "") or trial.stuck or "not in time"
            await site.journal.give_up(test, asked.outcome)
    return trial


def trial_card(t: Text, trial: Trial) -> ui.LayoutView:
    text = _trial_text(t, trial)
    if trial.arrived:
        button: ui.Button[ui.LayoutView] = ui.Button(label=t("Open the message"), url=_link(trial))
        return card(f"{OK} {text}", colour=Colour.GOOD, buttons=[button])
    return card(f"{FAILED} {text}", _advice(t), colour=Colour.BAD)


def _trial_text(t: Text, trial: Trial) -> str:
    channel, message = f"<#{trial.channel_id}>", trial.message
    if message is not None and message.posted is not None:
        return t("Test alert sent to {channel}.", channel=channel)
    reason = (message.error if message else "") or trial.stuck
    if reason:
        return t(
            "Discord did not accept the test alert for {channel}: {reason}",
            channel=channel,
            reason=delivery_reason(t, reason),
        )
    time = format_duration(t, TEST_SECONDS)
    return t("The test alert for {channel} did not arrive within {time}.", channel=channel, time=time)


def _link(trial: Trial) -> str:
    number = trial.message.posted if trial.message else None
    return f"https://discord.com/channels/{trial.guild_id}/{trial.channel_id}/{number}"


def _advice(t: Text) -> str:
    return t(
        "A test alert is not sent again; real alerts are repeated until they arrive. Check the "
        "channel and the bot's permissions there."
    )
