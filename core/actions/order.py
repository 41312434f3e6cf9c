"""Define orders, plans and reports: a person's request, its effects, and its result."""

from dataclasses import dataclass

from core.access.policy import Actor
from core.access.tag_authority import TagAuthority
from core.actions.resizing import Excess
from core.audit.record import format_options
from core.errors import ChangedMeanwhile, NameMismatch, NoReason, Unconfirmed
from core.guest import Fallback, Guest, GuestConfig, Snapshot
from core.operations import OPERATIONS, Operation
from core.tasks import TaskEnd, TaskResult


@dataclass(frozen=True, slots=True)
class Order:
    """The request of one person. `vmid` is the guest's, for CREATE the template's.

    `cores` are per socket, `memory_mb` is in MiB. `snapshot`, `description`: name and description of a snapshot.
    """

    operation: Operation
    vmid: int
    actor: Actor
    name: str | None = None
    """CREATE: name of the new guest."""
    new_vmid: int | None = None
    """CREATE: the requested VMID, None for the next free one."""
    cores: int | None = None
    memory_mb: int | None = None
    fingerprint: str | None = None
    """Fingerprint of the guest that the person saw or named (see `Guest.has_fingerprint`), None if they entered a
    VMID."""
    snapshot: str | None = None
    description: str = ""
    with_memory: bool = False
    typed: str | None = None
    """The guest's name as the person typed it to confirm, None if they were not asked."""
    reason: str = ""
    """The reason, in the person's words."""
    dry_run: bool = False
    """Whether to show the plan only."""

    @property
    def detail(self) -> str:
        """Return the options in one line, for the audit trail."""
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
        return format_options({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class Plan:
    """The effect of an order on a guest as just read. If a person is asked first, it is made again before acting."""

    order: Order
    guest: Guest
    config: GuestConfig | None = None
    """Only read for guarded operations."""
    snapshots: tuple[Snapshot, ...] = ()
    """The guest's snapshots, for DELETE and the operations on snapshots."""
    snapshot: Snapshot | None = None
    """The snapshot to roll back to or delete."""
    new_vmid: int | None = None
    """CREATE: VMID of the copy; None until the next free one is requested."""
    target: str | None = None
    """CREATE: the target node, if it is not the template's."""
    full: bool = False
    """CREATE: whether to make a full clone, because the storage does not support linked ones."""
    guarded: bool = False
    """Whether the guest is protected against this operation."""
    fallback: Fallback | None = None
    """The remaining backups and snapshots; only read by `Executor.plan`, for operations that must be confirmed."""
    stored: GuestConfig | None = None
    """RESIZE: the configuration including changes that wait for a restart."""
    excess: Excess | None = None
    """RESIZE: the requested amounts that the node does not have."""
    before: TagAuthority | None = None
    """SNAPSHOT_ROLLBACK: the access that the guest's tags and protection give now."""
    after: TagAuthority | None = None
    """The access that tags and protection will give: for CREATE the copy's, for SNAPSHOT_ROLLBACK the snapshot's.

    None if the snapshot's could not be read.
    """

    @property
    def change(self) -> "Change | None":
        """RESIZE: stored and new values, None if nothing differs. Cores are counted over all sockets."""
        order, now, cores, memory = self.order, self.config, None, None
        if now is None:
            return None
        stored = self.stored or now
        if order.cores is not None and order.cores != stored.cores:
            cores = (stored.total_cores, order.cores * stored.sockets)
        if order.memory_mb is not None and order.memory_mb != stored.memory_mb:
            memory = (stored.memory_mb, order.memory_mb)
        if not cores and not memory:
            return None
        return Change(
            cores,
            memory,
            cores_now=now.total_cores if now.total_cores != stored.total_cores else None,
            memory_now=now.memory_mb if now.memory_mb != stored.memory_mb else None,
        )

    @property
    def not_in_effect(self) -> tuple[int | None, int | None]:
        """RESIZE: requested cores and memory that are not in effect now; None for each that is."""
        order, now = self.order, self.config
        return (
            order.cores if now is not None and order.cores != now.cores else None,
            order.memory_mb if now is not None and order.memory_mb != now.memory_mb else None,
        )

    @property
    def withdraws_pending(self) -> bool:
        """RESIZE: whether the order only takes back a change that waits for a restart."""
        return self.change is not None and self.not_in_effect == (None, None)

    @property
    def needs_preview(self) -> bool:
        """Whether a person should see the plan first: it exceeds the node, or the copy gets owners or protection."""
        handed_on = (
            self.order.operation is Operation.CREATE
            and self.after is not None
            and self.after.has_owner_or_protection
        )
        return self.excess is not None or handed_on

    @property
    def needs_reason(self) -> bool:
        return self.guarded

    @property
    def needs_name(self) -> bool:
        """Whether the person has to type the guest's name."""
        return self.guarded or OPERATIONS[self.order.operation].asks_name

    def ensure_confirmed(self) -> None:
        """Check that the order contains the confirmations that this plan needs.

        Raises: NameMismatch, Unconfirmed, NoReason.
        """
        guest, order = self.guest, self.order
        if self.needs_name and order.typed is not None and order.typed != guest.label:
            raise NameMismatch(guest.vmid, guest.label)
        if self.needs_name and order.typed is None:
            raise Unconfirmed(guest.vmid, guest.label, order.operation.value)
        if self.needs_reason and not order.reason:
            raise NoReason

    def ensure_unchanged(self, shown: "Plan") -> None:
        """Check that this plan is still the one that the person agreed to.

        The guest and the snapshot must be the same, for RESIZE also the change and its excess, for DELETE the
        configuration and the snapshots, and for CREATE and SNAPSHOT_ROLLBACK `before` and `after`.
        Raises: ChangedMeanwhile.
        """
        same = self.guest.fingerprint == shown.guest.fingerprint and self.snapshot == shown.snapshot
        if self.order.operation is Operation.RESIZE:
            same = same and (self.change, self.excess) == (shown.change, shown.excess)
        if self.order.operation in (Operation.CREATE, Operation.SNAPSHOT_ROLLBACK):
            same = same and (self.before, self.after) == (shown.before, shown.after)
        if self.order.operation is Operation.DELETE:
            same = same and (self.config, self.snapshots) == (shown.config, shown.snapshots)
        if not same:
            raise ChangedMeanwhile(self.guest.vmid)


@dataclass(frozen=True, slots=True)
class Change:
    """A resize, as (before, after): cores over all sockets, memory in MiB; None if it stays the same.

    `waits_for_restart`: it takes effect at the next restart. Only known afterwards.
    `cores_now`, `memory_now`: current values, if an earlier change waits for a restart.
    """

    cores: tuple[int | None, int] | None
    memory_mb: tuple[int | None, int] | None
    waits_for_restart: bool = False
    cores_now: int | None = None
    memory_now: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How an order ended.

    `after`: the guest as read again, None if it is gone or unreadable. A new guest that is unreadable: as ordered.
    `settled=False`: the task ended well, but the guest is not yet in the expected state.
    `change`: the change that RESIZE made, None if it only took back one that waited for a restart.
    """

    plan: Plan
    task: TaskResult | None
    after: Guest | None
    seconds: float
    settled: bool = True
    change: Change | None = None

    @property
    def good(self) -> bool:
        """Whether it ended well, warnings included."""
        return self.task is None or self.task.end in (TaskEnd.OK, TaskEnd.WARNINGS)
