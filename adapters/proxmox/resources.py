"""Parse `/cluster/resources`, the list of everything in a cluster: the largest and most frequent answer.

The usual form is decoded straight into typed rows. A body with anything unusual in it is decoded like any other
answer, and its values are converted one by one. Both ways make the same rows, and these make the cluster.
"""

from collections.abc import Iterable, Mapping, Set
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from adapters.proxmox.values import (
    NUMBER_LIMIT,
    TEXT_MOST,
    WHOLE_LIMIT,
    parse_flag,
    parse_number,
    parse_tags,
    parse_text,
    parse_vmid,
    parse_whole,
)
from core.guest import Cluster, Guest, Kind, Node, State, Storage

ROWS_MOST = 200_000
"""Maximum number of objects in a body that is decoded here."""
SHARED_MOST = 20_000
"""Maximum number of values of one kind that are kept to be shared."""

_Text = Annotated[str, msgspec.Meta(max_length=TEXT_MOST)]
_Whole = Annotated[int, msgspec.Meta(gt=-WHOLE_LIMIT, lt=WHOLE_LIMIT)]
_Number = Annotated[float, msgspec.Meta(gt=-NUMBER_LIMIT, lt=NUMBER_LIMIT)]


class ResourceRow(msgspec.Struct, gc=False):
    """The values of one row that the bot uses. None: missing or unusable. A text may be empty."""

    type: str | None = None
    vmid: int | None = None
    node: _Text | None = None
    status: str | None = None
    name: _Text | None = None
    cpu: _Number | None = None
    maxcpu: _Number | None = None
    mem: _Whole | None = None
    memhost: _Whole | None = None
    maxmem: _Whole | None = None
    disk: _Whole | None = None
    maxdisk: _Whole | None = None
    uptime: _Whole | None = None
    template: bool | int | str | None = None
    lock: _Text | None = None
    tags: str | None = None
    hastate: _Text | None = None
    pool: _Text | None = None
    storage: _Text | None = None
    shared: bool | int | str | None = None


class _Body(msgspec.Struct, gc=False):
    data: tuple[ResourceRow, ...]


_decoder = msgspec.json.Decoder(_Body)


def decode_resources(body: bytes | bytearray) -> tuple[ResourceRow, ...] | None:
    """Decode a body of the usual form; None for any other.

    Most values of a row are skipped and never become objects.
    """
    if body.count(b"{") > ROWS_MOST:
        return None
    try:
        if not body.isascii():
            body.decode("utf-8")  # the decoder does not check the texts that it skips
        return _decoder.decode(body).data
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None


def _row(row: Mapping[str, Any]) -> ResourceRow:
    """Convert a row of any form, value by value."""
    return ResourceRow(
        type=_word(row.get("type")),
        vmid=parse_vmid(row.get("vmid")),
        node=parse_text(row.get("node")),
        status=_word(row.get("status")),
        name=parse_text(row.get("name")),
        cpu=parse_number(row.get("cpu")),
        maxcpu=parse_number(row.get("maxcpu")),
        mem=parse_whole(row.get("mem")),
        memhost=parse_whole(row.get("memhost")),
        maxmem=parse_whole(row.get("maxmem")),
        disk=parse_whole(row.get("disk")),
        maxdisk=parse_whole(row.get("maxdisk")),
        uptime=parse_whole(row.get("uptime")),
        template=parse_flag(row.get("template")),
        lock=parse_text(row.get("lock")),
        tags=_word(row.get("tags")),
        hastate=parse_text(row.get("hastate")),
        pool=parse_text(row.get("pool")),
        storage=parse_text(row.get("storage")),
        shared=parse_flag(row.get("shared")),
    )


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


class FormerRead:
    """Keep the last read, and the values that many guests share.

    The next read takes from here what has not changed. Two reads in memory then cost little more than one.
    """

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.texts: dict[str, str] = {}
        self.tags: dict[str, tuple[str, ...]] = {}
        self.sizes: dict[int | None, int | None] = {}
        self.counts: dict[float | None, float | None] = {}
        """A dictionary of its own, because 2 and 2.0 are one key."""

    def keep(self, cluster: Cluster) -> None:
        self.cluster = cluster
        for values in (self.texts, self.tags, self.sizes, self.counts):
            if len(values) > SHARED_MOST:
                values.clear()


def parse_cluster(rows: Iterable[Any], read_at: float, former: FormerRead | None = None) -> Cluster:
    """Parse the rows: a tuple from `decode_resources`, or a list of anything.

    `read_at`: monotonic time of the read. `former`: the last read, which this one replaces.
    """
    former = former or FormerRead()
    if not isinstance(rows, tuple):
        rows = tuple(_row(row) for row in rows if isinstance(row, dict))
    nodes = sorted(
        (_node(row, row.node) for row in rows if row.type == "node" and row.node), key=attrgetter("name")
    )
    offline = {node.name for node in nodes if not node.online}
    guests = _guests(rows, offline, former)
    storages = [
        _storage(row, row.storage, row.node, offline)
        for row in rows
        if row.type == "storage" and row.storage and row.node
    ]
    pools = {row.pool for row in rows if row.pool and row.type in ("pool", "qemu", "lxc")}
    cluster = Cluster(
        tuple(guests),
        tuple(nodes),
        read_at,
        tuple(sorted(storages, key=attrgetter("name", "node"))),
        tuple(sorted(pools)),
    )
    former.keep(cluster)
    return cluster


def _node(row: ResourceRow, name: str) -> Node:
    return Node(
        name=name,
        online=row.status != "offline",
        cpu=row.cpu,
        cpus=row.maxcpu,
        memory=row.mem,
        memory_total=row.maxmem,
        known=row.status != "unknown",
    )


def _storage(row: ResourceRow, name: str, node: str, offline: Set[str]) -> Storage:
    """Make a storage.

    Without a broadcast its status is `unknown` and it has no figures (API2Tools.pm extract_storage_stats).
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
    )


class _Draft:
    """A guest that is being filled. It has the slots of Guest, and becomes one when its class is changed.

    `Guest(…)` takes more than three times as long, because its class is frozen. For a large list that would be most
    of the work.
    """

    __slots__ = tuple(Guest.__slots__)


_KINDS: Mapping[str | None, Kind] = {kind.value: kind for kind in Kind}
_STATES: Mapping[str | None, State] = {state.value: state for state in State}


def _guests(rows: Iterable[ResourceRow], offline: Set[str], former: FormerRead) -> list[Guest]:
    """Make the guests, sorted by VMID. A guest that has not changed is the same object as in `former`.

    A guest on an offline node is UNKNOWN, whatever the list says: pmxcfs repeats its last state for five minutes
    (status.c).
    There are no calls per value, because a cluster can have very many guests.
    """
    found: list[Guest] = []
    text, size, count = former.texts.setdefault, former.sizes.setdefault, former.counts.setdefault
    former_guest, tags_of = former.cluster.find if former.cluster else _no_guest, former.tags
    for row in rows:
        kind, vmid, node = _KINDS.get(row.type), row.vmid, row.node
        if kind is None or not node or vmid is None or vmid <= 0:
            continue
        draft: Any = _Draft()
        old = former_guest(vmid)
        name, used, total, tags, pool = row.name or None, row.mem, row.maxmem, row.tags, row.pool
        draft.vmid = vmid
        draft.kind = kind
        draft.node = text(node, node)
        draft.state = State.UNKNOWN if node in offline else _STATES.get(row.status, State.UNKNOWN)
        draft.name = old.name if old is not None and old.name == name else name
        draft.cpu = row.cpu
        draft.cpus = count(row.maxcpu, row.maxcpu)
        draft.memory = used
        draft.memory_total = size(total, total)
        draft.disk = row.disk or None
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
        found.append(old if old is not None and old.uptime == row.uptime and old == draft else draft)
    found.sort(key=attrgetter("vmid"))
    return found


def _no_guest(_vmid: int) -> Guest | None:
    return None


def is_seen_by_host(kind: Kind, used: int | None, host: int | None, total: int | None) -> bool:
    """Return whether a guest's memory use is the host's figure and not the guest's own.

    Without balloon data Proxmox 9 reports `memhost` as a VM's `mem` (QemuServer.pm vmstatus). Proxmox 8 has no
    `memhost`. A use above the guest's total is not its own either.
    """
    if not used:
        return False
    return (kind is Kind.QEMU and used == host) or bool(total and used > total)
