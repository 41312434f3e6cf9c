"""What is asked for, what would happen, and what came of it."""

from dataclasses import dataclass

from core.access.policy import Actor
from core.access.tag_authority import TagAuthority
from core.actions.resizing import Excess
from core.errors import ChangedMeanwhile, NameMismatch, NoReason, Unconfirmed
from core.fallback import Fallback
from core.guest import Guest, GuestConfig, Snapshot
from core.options import format_options
from core.tasks import TaskEnd, TaskResult
from core.verbs import Verb


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
    fingerprint: str | None = None
    """The mark of the guest the person saw (a button's, see Guest.has_fingerprint), None where they named a VMID."""
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
        return format_options({name: getattr(self, name) for name in names})


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
    stored: GuestConfig | None = None
    """RESIZE: the configuration with what waits for a restart."""
    excess: Excess | None = None
    """RESIZE: what the node does not have."""
    before: TagAuthority | None = None
    """SNAPSHOT_ROLLBACK: what the guest's tags decide now."""
    after: TagAuthority | None = None
    """CREATE: what the copy's tags will decide; SNAPSHOT_ROLLBACK: what those in the snapshot would (None: they
    could not be read)."""

    @property
    def change(self) -> "Change | None":
        """RESIZE: stored and new, or None where nothing differs. Cores are counted over all sockets."""
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
    def unmet(self) -> tuple[int | None, int | None]:
        """RESIZE: the cores and the memory that are asked for and do not hold now; None for each that does."""
        order, now = self.order, self.config
        return (
            order.cores if now is not None and order.cores != now.cores else None,
            order.memory_mb if now is not None and order.memory_mb != now.memory_mb else None,
        )

    @property
    def withdraws_pending(self) -> bool:
        """RESIZE: what is asked for holds now, and only what waits for a restart is taken back."""
        return self.change is not None and self.unmet == (None, None)

    @property
    def needs_preview(self) -> bool:
        """Whether a person should see the plan before it is carried out, though nothing is lost by it."""
        handed_on = self.order.verb is Verb.CREATE and self.after is not None and self.after.has_effect
        return self.excess is not None or handed_on

    @property
    def needs_reason(self) -> bool:
        return self.guarded

    @property
    def needs_name(self) -> bool:
        """Whether the person has to type the guest's name."""
        return self.guarded or self.order.verb is Verb.DELETE

    def ensure_confirmed(self) -> None:
        """Raises NameMismatch, Unconfirmed and NoReason unless the order holds what this plan takes."""
        guest, order = self.guest, self.order
        if self.needs_name and order.typed is not None and order.typed != guest.label:
            raise NameMismatch(guest.vmid, guest.label)
        if self.needs_name and order.typed is None:
            raise Unconfirmed(guest.vmid, guest.label, order.verb.value)
        if self.needs_reason and not order.reason:
            raise NoReason

    def ensure_unchanged(self, shown: "Plan") -> None:
        """Raises ChangedMeanwhile unless this is still the guest a person agreed to, for RESIZE also the change, for
        DELETE also all that would be lost, for CREATE and SNAPSHOT_ROLLBACK also what tags would decide."""
        same = self.guest.fingerprint == shown.guest.fingerprint and self.snapshot == shown.snapshot
        if self.order.verb is Verb.RESIZE:
            same = same and (self.change, self.excess) == (shown.change, shown.excess)
        if self.order.verb in (Verb.CREATE, Verb.SNAPSHOT_ROLLBACK):
            same = same and (self.before, self.after) == (shown.before, shown.after)
        if self.order.verb is Verb.DELETE:
            same = same and (self.config, self.snapshots) == (shown.config, shown.snapshots)
        if not same:
            raise ChangedMeanwhile(self.guest.vmid)


@dataclass(frozen=True, slots=True)
class Change:
    """A resize, before and after: cores (over all sockets), memory in MiB; None where not asked for.

    `cores_now`, `memory_now`: what the guest runs with, where a change before this one waits for a restart.
    """

    cores: tuple[int | None, int] | None
    memory_mb: tuple[int | None, int] | None
    waits_for_restart: bool = False
    cores_now: int | None = None
    memory_now: int | None = None


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
