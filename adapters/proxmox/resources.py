"""Parse `/cluster/resources`, the list of everything in a cluster: the largest and most frequent answer.

The usual form is decoded straight into typed rows, one piece of the body after the other. A body with anything
unusual in it is decoded like any other answer, and its values are converted one by one. Both ways make the same rows,
and these make the cluster.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from operator import attrgetter
from typing import Any

from adapters.proxmox.resource_rows import ResourceRow, convert_row, decode_rows, pieces_of
from adapters.proxmox.values import parse_flag, parse_tags
from core.guest import Cluster, Guest, Kind, Node, State, Storage

ROWS_MOST = 200_000
"""Maximum number of objects in a body that is decoded here."""
SHARED_MOST = 20_000
"""Maximum number of values of one kind that are kept to be shared."""


def decode_resources(body: bytes | bytearray, former: "FormerRead | None" = None) -> "Listed | None":
    """Read a body of the usual form; None for any other. `former`: the last read, which this one replaces.

    Values that `ResourceRow` lacks are skipped and never become objects.
    """
    if body.count(b"{") > ROWS_MOST:
        return None
    listed = Listed(former)
    try:
        for piece in pieces_of(body):
            if not piece.isascii():
                piece.decode("utf-8")  # the decoder does not check the texts that it skips
            listed.add(decode_rows(piece))
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None
    return listed


class FormerRead:
    """Keep the last read, and the values that many guests share.

    The next read takes unchanged guests from here. Two reads in memory then cost little more than one.
    """

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.texts: dict[str, str] = {}
        self.tags: dict[str, tuple[str, ...]] = {}
        self.sizes: dict[int | None, int | None] = {}
        self.counts: dict[float | None, float | None] = {}
        """A dictionary of its own, because 2 and 2.0 are one key."""

    def keep(self, cluster: Cluster) -> None:
        """Keep this read for the next one. Forget the shared values of a kind if there are too many."""
        self.cluster = cluster
        for values in (self.texts, self.tags, self.sizes, self.counts):
            if len(values) > SHARED_MOST:
                values.clear()


def parse_cluster(
    rows: "Listed | Iterable[Any]", read_at: float, former: FormerRead | None = None
) -> Cluster:
    """Make the cluster from the result of `decode_resources`, or from a list of anything.

    `read_at`: monotonic time of the read. `former`: the last read, which this one replaces.
    """
    if not isinstance(rows, Listed):
        listed = Listed(former)
        listed.add(convert_row(row) for row in rows if isinstance(row, dict))
        rows = listed
    return rows.cluster(read_at)


def _node(row: ResourceRow, name: str) -> Node:
    return Node(
        name=name,
        online=row.status != "offline",
        cpu=row.cpu,
        cpus=row.maxcpu,
        memory=row.mem,
        memory_total=row.maxmem,
        known=row.status != "unknown",
        disk=row.disk,
        disk_total=row.maxdisk,
        uptime=row.uptime,
    )


def _storage(row: ResourceRow, name: str, node: str, offline: Set[str]) -> Storage:
    """Make a storage.

    If its node has broadcast no state of it, its status is `unknown` and it has no figures (API2Tools.pm
    extract_storage_stats).
    """
    used, total = row.disk, row.maxdisk or None
    known = row.status == "available" and used is not None and total is not None
    return Storage(
        name=name,
        node=node,
        shared=parse_flag(row.shared),
        available=known and node not in offline,
        used=used,
        total=total,
        type=row.plugintype or "",
        content=row.content or "",
    )


class _Draft:
    """A guest that is being filled. It has the slots of Guest, and becomes one when its class is changed.

    `Guest(…)` takes more than three times as long, because its class is frozen. For a large list that would be most
    of the work.
    """

    __slots__ = tuple(Guest.__slots__)


_KINDS: Mapping[str | None, Kind] = {kind.value: kind for kind in Kind}
_STATES: Mapping[str | None, State] = {state.value: state for state in State}
_OTHERS = frozenset({"node", "storage", "pool"})


class Listed:
    """The part of the list that has been read so far: guests, and the rows of everything else.

    A guest that has not changed is the same object as in the former read.
    """

    def __init__(self, former: FormerRead | None = None) -> None:
        self._former = former or FormerRead()
        self._guests: list[Guest] = []
        self._others: list[ResourceRow] = []
        self._pools: set[str] = set()

    def add(self, rows: Iterable[ResourceRow]) -> None:
        """Add rows, with few calls for each: a cluster can have very many guests."""
        former = self._former
        text, size, count = former.texts.setdefault, former.sizes.setdefault, former.counts.setdefault
        former_guest, tags_of = former.cluster.find if former.cluster else _no_guest, former.tags
        for row in rows:
            kind, vmid, node, pool = _KINDS.get(row.type), row.vmid, row.node, row.pool
            if kind is None:
                if row.type in _OTHERS:
                    self._others.append(row)
                continue
            if pool:
                self._pools.add(text(pool, pool))
            if not node or vmid is None or vmid <= 0:
                continue
            draft: Any = _Draft()
            old = former_guest(vmid)
            name, used, total, tags, disk = row.name or None, row.mem, row.maxmem, row.tags, row.disk or None
            if old is None:
                draft.vmid, draft.name, draft.disk = vmid, name, disk
            else:
                draft.vmid = old.vmid
                draft.name = old.name if old.name == name else name
                draft.disk = old.disk if old.disk == disk else disk
            draft.kind = kind
            draft.node = text(node, node)
            draft.state = _STATES.get(row.status, State.UNKNOWN)
            draft.cpu = row.cpu
            draft.cpus = count(row.maxcpu, row.maxcpu)
            draft.memory = used
            draft.memory_total = size(total, total)
            draft.disk_total = size(row.maxdisk, row.maxdisk)
            draft.uptime = row.uptime
            draft.template = parse_flag(row.template) if row.template else False
            draft.lock = row.lock or None
            if not tags:
                draft.tags = ()
            elif tags in tags_of:
                draft.tags = tags_of[tags]
            else:
                draft.tags = tags_of[tags] = parse_tags(tags)
            draft.ha_managed = bool(row.hastate) and row.hastate != "ignored"
            draft.pool = text(pool, pool) if pool else None
            draft.protected = False
            draft.memory_seen_by_host = is_seen_by_host(kind, used, row.memhost, total)
            draft.__class__ = Guest
            if old is not None and old.uptime == row.uptime and old == draft:
                draft = old
            self._guests.append(draft)

    def cluster(self, read_at: float) -> Cluster:
        """Make the cluster, and keep it for the next read, which reuses what is unchanged."""
        rows = self._others
        nodes = sorted(
            (_node(row, row.node) for row in rows if row.type == "node" and row.node), key=attrgetter("name")
        )
        offline = {node.name for node in nodes if not node.online}
        guests = self._guests
        if offline:
            guests = [self._unknown(guest) if guest.node in offline else guest for guest in guests]
        storages = [
            _storage(row, row.storage, row.node, offline)
            for row in rows
            if row.type == "storage" and row.storage and row.node
        ]
        pools = self._pools | {row.pool for row in rows if row.pool and row.type == "pool"}
        cluster = Cluster(
            tuple(sorted(guests, key=attrgetter("vmid"))),
            tuple(nodes),
            read_at,
            tuple(sorted(storages, key=attrgetter("name", "node"))),
            tuple(sorted(pools)),
        )
        self._former.keep(cluster)
        return cluster

    def _unknown(self, guest: Guest) -> Guest:
        """Return a guest on an offline node as UNKNOWN, despite the list.

        pmxcfs repeats its last state for five minutes (status.c).
        """
        if guest.state is State.UNKNOWN:
            return guest
        unknown = replace(guest, state=State.UNKNOWN)
        old = self._former.cluster.find(guest.vmid) if self._former.cluster else None
        return old if old is not None and old == unknown else unknown


def _no_guest(_vmid: int) -> Guest | None:
    return None


def is_seen_by_host(kind: Kind, used: int | None, host: int | None, total: int | None) -> bool:
    """Return whether a guest's memory use is the host's figure and not the guest's own.

    `used`, `host` and `total`: the guest's `mem`, `memhost` and `maxmem`.
    Without balloon data Proxmox 9 reports `memhost` as a VM's `mem` (QemuServer.pm vmstatus). Proxmox 8 has no
    `memhost`. A use above the guest's total is not its own either.
    """
    if not used:
        return False
    return (kind is Kind.QEMU and used == host) or bool(total and used > total)
