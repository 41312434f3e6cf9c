"""Everything a cog, a button or a form may need, given by bot.py and changed by nobody."""

import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import discord

from core.access.authorizer import Judge
from core.access.rate_limit import ChangeLimit, Pace
from core.actions.executor import Operations
from core.actions.inspector import Inspector
from core.actions.planner import Planner
from core.actions.recovery import CutOff
from core.audit.people import PeopleReader
from core.audit.trail import Audit
from core.clock import Clock
from core.cluster_cache import ClusterReader, SnapshotReader
from core.delivery.alerts import Delivery
from core.delivery.audit import AuditPosting
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

    failing: str | None
    taken: float | None

    @property
    def wanted(self) -> bool: ...

    async def beat(self) -> bool:
        """One. Does not raise."""


class OpenReply(Protocol):
    async def say_farewell(self) -> None:
        """Tell the person that the bot ends."""


@dataclass(frozen=True, slots=True)
class Services:
    judge: Judge
    limit: ChangeLimit
    pace: Pace
    proxmox: Proxmox
    reader: ClusterReader
    snapshots: SnapshotReader
    inspector: Inspector
    people: PeopleReader
    planner: Planner
    operations: Operations
    watch: Watch
    journal: Journal
    delivery: Delivery
    heartbeat: Heartbeat
    connected: Callable[[], bool]
    """Whether Discord's gateway is there just now."""
    audit: Audit
    audit_posting: AuditPosting
    cut_off: CutOff
    """Finds out how what was cut off by the bot's end came out."""
    clock: Clock
    texts: Texts
    questions: Questions
    press: Callable[[Interaction, str], Awaitable[None]]
    """What a press on a lasting button does: presses.press."""
    zone: datetime.tzinfo
    """In which a date begins (TIMEZONE)."""
    interval: float
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
