"""What is asked for, what would happen, and what came of it."""

from dataclasses import dataclass

from core.access import Actor
from core.actions import Verb
from core.errors import ChangedMeanwhile, NameMismatch, NoReason, Unconfirmed
from core.fallback import Fallback
from core.guest import Guest, GuestConfig, Snapshot
from core.options import in_one_line
from core.tasks import TaskEnd, TaskResult


@dataclass(frozen=True, slots=True)
class Order:
    """One wish of one person. `vmid` is the guest's, for CREATE the template's; memory is in MiB."""

    verb: Verb
    vmid: int
    actor: Actor
    name: str | None = None
    """CREATE: the new guest's name."""
    new_vmid: int | None = None
    """CREATE: the wished VMID, None for the next free one."""
    cores: int | None = None
    memory_mb: int | None = None
    mark: str | None = None
    """The mark of the guest the person saw (a button's, see Guest.bears), None where they named a VMID."""
    snapshot: str | None = None
    description: str = ""
    with_memory: bool = False
    typed: str | None = None
    """The guest's name as the person typed it to confirm, None where they were not asked."""
    reason: str = ""
    """Why, in the person's words."""
    dry_run: bool = False
    """Only to be shown."""

    @property
    def detail(self) -> str:
        """The options in one line, for the audit."""
        names = (
            "name",
            "new_vmid",
            "cores",
            "memory_mb",
            "snapshot",
            "with_memory",
            "description",
            "dry_run",
        )
        return in_one_line({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class Plan:
    """What an order would do to which guest, as just read: shown before a question, checked before acting."""

    order: Order
    guest: Guest
    config: GuestConfig | None = None
    snapshots: tuple[Snapshot, ...] = ()
    snapshot: Snapshot | None = None
    """The snapshot a rollback or delete speaks of."""
    new_vmid: int | None = None
    """CREATE: the VMID the copy gets; None while the next free one is to be asked for."""
    target: str | None = None
    """CREATE: another node than the template's."""
    full: bool = False
    """CREATE: a full copy, where the storage has no linked ones."""
    guarded: bool = False
    """The guest is protected against this."""
    fallback: Fallback | None = None
    """What is left to go back to; only read where the plan is to be shown."""

    @property
    def change(self) -> "Change | None":
        """RESIZE: old and new, or None where nothing differs. Cores are counted over all sockets."""
        order, config, cores, memory = self.order, self.config, None, None
        if config is None:
            return None
        if order.cores is not None and order.cores != config.cores:
            cores = (config.total_cores, order.cores * config.sockets)
        if order.memory_mb is not None and order.memory_mb != config.memory_mb:
            memory = (config.memory_mb, order.memory_mb)
        return Change(cores, memory) if cores or memory else None

    @property
    def takes_reason(self) -> bool:
        return self.guarded

    @property
    def takes_name(self) -> bool:
        """Whether the person has to type the guest's name."""
        return self.guarded or self.order.verb is Verb.DELETE

    def confirm(self) -> None:
        """Raises NameMismatch, Unconfirmed and NoReason unless the order holds what this plan takes."""
        guest, order = self.guest, self.order
        if self.takes_name and order.typed is not None and order.typed != guest.label:
            raise NameMismatch(guest.vmid, guest.label)
        if self.takes_name and order.typed is None:
            raise Unconfirmed(guest.vmid, guest.label, order.verb.value)
        if self.takes_reason and not order.reason:
            raise NoReason

    def held_against(self, shown: "Plan") -> None:
        """Raises ChangedMeanwhile unless this is still the guest a person agreed to, for RESIZE also the change, for
        DELETE also all that would be lost."""
        same = self.guest.mark == shown.guest.mark and self.snapshot == shown.snapshot
        if self.order.verb is Verb.RESIZE:
            same = same and self.change == shown.change
        if self.order.verb is Verb.DELETE:
            same = same and (self.config, self.snapshots) == (shown.config, shown.snapshots)
        if not same:
            raise ChangedMeanwhile(self.guest.vmid)


@dataclass(frozen=True, slots=True)
class Change:
    """A resize, before and after: cores (over all sockets), memory in MiB; None where not asked for."""

    cores: tuple[int | None, int] | None
    memory_mb: tuple[int | None, int] | None
    waits_for_restart: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """How an order ended. `after` is the guest as read again (None when it is gone or could not be read);
    of a new guest, what was ordered.

    `settled` is False when the task ended well but the guest is not yet in the state it should reach.
    """

    plan: Plan
    task: TaskResult | None
    after: Guest | None
    seconds: float
    settled: bool = True
    change: Change | None = None

    @property
    def good(self) -> bool:
        """Ended well, warnings included."""
        return self.task is None or self.task.end in (TaskEnd.OK, TaskEnd.WARNINGS)
