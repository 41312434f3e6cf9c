"""Describe an operation: who may do it, and how Proxmox does it. core/operations.py has one row for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.guest import Kind, State
from core.levels import Effect, Level, Reach


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation. The fields from `tasks` on describe an action on a guest (`Effect.GUEST`)."""

    level: Level
    reach: Reach
    effect: Effect = Effect.NOTHING
    guarded: bool = False
    """Whether it needs an admin, the guest's name and a reason if the guest is protected."""
    guarded_after: float | None = None
    """Seconds. An operation that lasts longer counts as `guarded`. None: no such limit."""
    on_alerts: bool = False
    """Whether an alert has a button for it. The button works in the alert channel, even outside the category."""
    tasks: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    """By kind, the types of Proxmox' task, including those of HA. Other kinds do not have this operation."""
    states: frozenset[State] = frozenset()
    """States of the guest in which the operation is allowed."""
    becomes: State | None = None
    """State of the guest to wait for after the task; None: no state is waited for."""
    power: str = ""
    """Proxmox' word in `POST …/status/WORD`, if that is the whole request."""
    template: bool = False
    """Whether it applies to templates."""
    locks: frozenset[str] = frozenset()
    """Proxmox locks that do not prevent it."""
    asks: bool = False
    """Whether it asks for confirmation first."""
    asks_name: bool = False
    """Whether the guest's name must be typed even if the guest is not protected."""
    needs_unprotected: bool = False
    """Whether Proxmox refuses it while its own protection flag is set."""
    stops: bool = False
    """Whether the guest stops or is reset during it. The watch does not report that."""

    @property
    def changes(self) -> bool:
        """Whether `/readonly` refuses it and the limit of changes per minute counts it."""
        return self.effect >= Effect.LIST

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of guests that have this operation."""
        return frozenset(self.tasks)

    def guards(self, seconds: float) -> bool:
        """Return whether the operation is guarded if it lasts this long. `seconds`: 0 if it has no duration."""
        return self.guarded or (self.guarded_after is not None and seconds > self.guarded_after)
