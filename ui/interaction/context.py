"""Define the services for cogs, buttons and forms. bot.py provides them, and nobody changes them."""

import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import discord

from core.access.authorizer import Authorizer
from core.access.rate_limit import ChangeLimit, RateLimiter
from core.actions.executor import Executor
from core.actions.inspector import Inspector
from core.actions.planner import Planner
from core.actions.recovery import ActionRecovery
from core.audit.store import PeopleReader
from core.audit.trail import AuditLog
from core.clock import Clock
from core.cluster_cache import ClusterCache, SnapshotCache
from core.delivery.alerts import AlertDelivery
from core.delivery.audit import AuditDelivery
from core.proxmox import Proxmox
from core.watch.journal import Journal
from core.watch.service import Watch
from ui.i18n import Texts
from ui.interaction.late import Arrivals
from ui.interaction.open_questions import Questions

Interaction = discord.Interaction[discord.Client]


class Heartbeat(Protocol):
    """Send signs of life to a monitor outside of the bot.

    `wanted`: whether it is set up. `failing`: why the last one did not arrive, None if it did.
    `taken`: Unix seconds of the last one that arrived.
    """

    error: str | None
    last_beat: float | None

    @property
    def is_enabled(self) -> bool: ...

    async def beat(self) -> bool:
        """Send one sign of life. Does not raise."""


class OpenReply(Protocol):
    async def say_farewell(self) -> None:
        """Tell the person that the bot ends."""


@dataclass(frozen=True, slots=True)
class Services:
    authorizer: Authorizer
    change_limit: ChangeLimit
    rate_limiter: RateLimiter
    proxmox: Proxmox
    cluster_cache: ClusterCache
    snapshot_cache: SnapshotCache
    inspector: Inspector
    people_cache: PeopleReader
    planner: Planner
    executor: Executor
    watch: Watch
    journal: Journal
    alert_delivery: AlertDelivery
    heartbeat: Heartbeat
    connected: Callable[[], bool]
    """Returns whether the gateway to Discord is connected now."""
    audit: AuditLog
    audit_delivery: AuditDelivery
    action_recovery: ActionRecovery
    """Finds out the results of actions that the end of an earlier run cut off."""
    clock: Clock
    texts: Texts
    questions: Questions
    press: Callable[[Interaction, str], Awaitable[None]]
    """Handles a press on a lasting button: `presses.press`."""
    timezone: datetime.tzinfo
    """Time zone in which dates begin (TIMEZONE)."""
    poll_seconds: float
    """Seconds between two polls of the watch."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Measures how late interactions arrive."""
    open_replies: set[OpenReply] = field(default_factory=set)
    """Unfinished answers, to be told when the bot ends."""


class _Serving(Protocol):
    services: Services


def services_of(interaction: Interaction) -> Services:
    """Return the services of the client.

    discord.py makes a new button object for every press, so buttons cannot hold the services themselves.
    """
    return cast(_Serving, interaction.client).services
