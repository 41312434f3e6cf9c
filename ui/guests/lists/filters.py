"""Filter and sort the guests of /list."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from core.access.guest_index import GuestIndex
from core.access.policy import Scope, ScopeKind
from core.access.rows import Rows
from core.audit.record import format_options
from core.guest import Guest, Kind, State
from core.proxmox import FileSystem
from core.watch.incidents.disks import is_asked
from core.watch.incidents.model import Metric
from ui.formatting import code, kind_word, listed
from ui.i18n import N_, Marked, Text
from ui.phone_lines import SMALL, SMALL_PRINT, phone_lines

_NAME_MOST, _DIGITS = 16, 12
"""Maximum characters of a name in a button, and hex digits of the hash of a longer name."""
Disks: TypeAlias = Mapping[tuple[int, str], FileSystem]
_NO_DISKS: Disks = {}
_SHORT = "~"
"""Begins the short form of a name. No node, tag or pool begins with it."""


def short_name(name: str) -> str:
    """Return a name as a button keeps it. Discord limits a `custom_id`, so a long name becomes a hash."""
    if len(name) <= _NAME_MOST:
        return name
    return _SHORT + hashlib.sha256(name.encode(errors="replace")).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters and the order of /list. An empty field filters nothing; an empty `sort` means by VMID.

    `status`: running, stopped, other or template. `sort`: a key of `ORDERS`. `pool`: includes the pools in it.
    If the filters come from a button, a long node, tag or pool may be in its short form.
    """

    status: str = ""
    kind: str = ""
    node: str = ""
    sort: str = ""
    tag: str = ""
    pool: str = ""

    @property
    def detail(self) -> str:
        """Return the filters in one line, for the audit trail."""
        named = ("status", "kind", "node", "sort", "tag", "pool")
        return format_options({name: getattr(self, name) for name in named})

    def allows(self, guest: Guest) -> bool:
        """Return whether the guest has the status and kind. Nothing else is checked."""
        return (not self.status or self.status == status_of(guest)) and (
            not self.kind or self.kind == guest.kind.value
        )

    @property
    def narrow(self) -> bool:
        """Return whether there is any filter."""
        return any((self.status, self.kind, self.node, self.tag, self.pool))

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the fields for a button. The last three are left out if all are empty, as in earlier versions."""
        if not (self.sort or self.tag or self.pool):
            return (self.status, self.kind, self.node)
        names = map(short_name, (self.tag, self.pool))
        return (self.status, self.kind, short_name(self.node), self.sort, *names)

    @property
    def is_short(self) -> bool:
        """Return whether a name is in its short form."""
        return any(name.startswith(_SHORT) for name in (self.node, self.tag, self.pool))

    def restored(self, guests: Iterable[Guest]) -> "Filters":
        """Return the filters with full names. A name stays short if no node, tag or pool of the guests has it."""
        known: dict[str, dict[str, str]] = {"node": {}, "tag": {}, "pool": {}}
        for guest in guests:
            known["node"].setdefault(short_name(guest.node), guest.node)
            for tag in map(str.casefold, guest.tags):
                known["tag"].setdefault(short_name(tag), tag)
            for pool in pools_around(guest.pool):
                known["pool"].setdefault(short_name(pool), pool)
        short = {key: getattr(self, key) for key in known if getattr(self, key).startswith(_SHORT)}
        return replace(self, **{key: known[key].get(name, name) for key, name in short.items()})


def pools_around(pool: str | None) -> Iterator[str]:
    """Yield the pool and the pools that contain it, such as `lab/web` and `lab`."""
    while pool:
        yield pool
        pool = pool.rpartition("/")[0]


def status_of(guest: Guest) -> str:
    """Return the value of /list's option `status` that this guest matches."""
    if guest.template:
        return "template"
    return guest.state.value if guest.state in (State.RUNNING, State.STOPPED) else "other"


def share(used: int | None, total: int | None) -> float | None:
    """Return the used fraction, None if it is unknown."""
    return used / total if used is not None and total else None


def _figure(of: Callable[[Guest], float | None]) -> Callable[[Guest], tuple[float, str]]:
    """Return a key that puts the greatest figure first, and guests that do not run or have no figure last."""

    def key(guest: Guest) -> tuple[float, str]:
        figure = of(guest) if guest.state is State.RUNNING and not guest.template else None
        return (1.0 if figure is None else -1.0 - figure, "")

    return key


def _by_name(guest: Guest) -> tuple[float, str]:
    return (float(guest.name is None), (guest.name or "").casefold())


ORDERS: Mapping[str, Callable[[Guest], tuple[float, str]]] = {
    "cpu": _figure(lambda guest: guest.cpu),
    "memory": _figure(lambda guest: share(guest.memory, guest.memory_total)),
    "disk": _figure(lambda guest: share(guest.disk, guest.disk_total)),
    "uptime": _figure(lambda guest: guest.uptime),
    "name": _by_name,
}
"""The values of /list's option `sort`. Guests with equal keys stay in the order of their VMIDs."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The guests that match the filters, in the order that the filters name.

    `counts`: their number by state; None stands for the templates. `filters`: with full names, see `restored`.
    """

    guests: tuple[Guest, ...]
    counts: Mapping[State | None, int]
    filters: Filters = field(default=Filters())


def counted_as(guest: Guest) -> State | None:
    """Return the guest's key in `Selection.counts`."""
    return None if guest.template else guest.state


NO_SELECTION = Selection((), {})


def select(guest_index: GuestIndex, visible: Rows, filters: Filters, disks: Disks = _NO_DISKS) -> Selection:
    """Return the visible guests that match the filters. The result is kept with the read of the cluster.

    `disks`: the fullest file systems of VMs by VMID and fingerprint, for the order by disk.
    """
    known = disks if filters.sort == "disk" else _NO_DISKS
    found: Selection = guest_index.views.get(
        (filters, visible, tuple(known.items())), lambda: _select(guest_index, visible, filters, known)
    )
    return found


def _with_disk(guest: Guest, disks: Disks) -> Guest:
    """Return the guest with the usage of its disk, if only its agent knows it."""
    found = disks.get((guest.vmid, guest.fingerprint)) if is_asked(guest, Metric.DISK) else None
    return replace(guest, disk=found.used, disk_total=found.total) if found else guest


def _select(guest_index: GuestIndex, visible: Rows, filters: Filters, disks: Disks) -> Selection:
    if filters.is_short:
        filters = filters.restored(guest_index.guests_in(visible))
    rows = visible & guest_index.where((filters.status, filters.kind), filters.allows)
    wanted = (ScopeKind.NODE, filters.node), (ScopeKind.TAG, filters.tag), (ScopeKind.POOL, filters.pool)
    for kind, value in wanted:
        if value:
            rows &= guest_index.table.in_scopes([(Scope(kind, value),)])
    guests = (_with_disk(guest, disks) for guest in guest_index.guests_in(rows))
    found = sorted(guests, key=ORDERS[filters.sort]) if filters.sort in ORDERS else guests
    return Selection(tuple(found), guest_index.counted(rows, counted_as), filters)


def _status_word(t: Text, status: str) -> str:
    """Return the word for a value of the option `status`, "" for any other text."""
    return {
        "running": t("running"),
        "stopped": t("stopped"),
        "other": t("other states"),
        "template": t("template"),
    }.get(status, "")


_ORDERED: Mapping[str, Marked] = {
    "cpu": N_("Sorted by CPU"),
    "memory": N_("Sorted by memory"),
    "disk": N_("Sorted by disk"),
    "uptime": N_("Sorted by uptime"),
    "name": N_("Sorted by name"),
}


def filters_line(t: Text, filters: Filters) -> str:
    """Return a line that names the filters and the order, "" if there are none."""
    words = [_status_word(t, filters.status), kind_word(t, Kind(filters.kind)) if filters.kind else ""]
    words += [code(filters.node) if filters.node else ""]
    words += [t("tag {tag}", tag=code(filters.tag)) if filters.tag else ""]
    words += [t("pool {pool}", pool=code(filters.pool)) if filters.pool else ""]
    chosen = [word for word in words if word]
    parts = [t("Filter: {filters}", filters=listed(t, chosen))] if chosen else []
    parts += [t(_ORDERED[filters.sort])] if filters.sort in _ORDERED else []
    return f"\n{phone_lines(parts, SMALL_PRINT, SMALL)}" if parts else ""
