"""Everything a cog, a button or a form may need, given by bot.py and changed by nobody."""

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
from core.audit.people import PeopleReader
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
    """A sign of life to whoever watches the watch. `wanted`: it is set up; `failing`: why the last one did not
    arrive, None while they do; `taken`: when one last did (Unix seconds)."""

    error: str | None
    last_beat: float | None

    @property
    def is_enabled(self) -> bool: ...

    async def beat(self) -> bool:
        """One. Does not raise."""


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
    """Whether Discord's gateway is there just now."""
    audit: AuditLog
    audit_delivery: AuditDelivery
    action_recovery: ActionRecovery
    """Finds out how what was cut off by the bot's end came out."""
    clock: Clock
    texts: Texts
    questions: Questions
    press: Callable[[Interaction, str], Awaitable[None]]
    """What a press on a lasting button does: presses.press."""
    timezone: datetime.tzinfo
    """In which a date begins (TIMEZONE)."""
    poll_seconds: float
    """Seconds between two reads of the watch."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    """How late interactions arrive."""
    open_replies: set[OpenReply] = field(default_factory=set)
    """Answers still under way, to be told when the bot ends."""


class _Serving(Protocol):
    services: Services


def services_of(interaction: Interaction) -> Services:
    """Buttons are made anew by discord.py for every press, so they find the services at the client."""
    return cast(_Serving, interaction.client).services
