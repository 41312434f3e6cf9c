"""Define the form of the answer on every path that the bot uses, with the fields that the bot reads.

Types and units are those of the API's schema of Proxmox VE 8.4 to 9.2, and of the sources named in adapters/proxmox.
"""

from collections.abc import Mapping

from core.guest import Kind
from tests.support.contract.forms import (
    GIB,
    MIB,
    TIB,
    Flag,
    Form,
    Map,
    Nothing,
    Number,
    Row,
    Rows,
    Scalar,
    Steps,
    Text,
    Time,
    UpidOf,
)
from tests.support.contract.forms import whole as integer
from tests.support.contract.target import Facts
from tests.support.contract.wire import Exchange
from tests.support.pve_contract import row_of

Forms = Mapping[tuple[str, str], Form]

NAME = Text(r"[A-Za-z0-9][A-Za-z0-9.-]*")
SNAPSHOT = Text(r"[A-Za-z][\w-]+")
VMID = integer(100, 999_999_999)
SHARE = Number(0, 1.5)
"""A fraction of all CPUs. A short burst may be a little more than all of them."""
MEMORY, SIZE = integer(0, 2 * TIB), integer(0, 64 * TIB)
SECONDS = integer(0, 10 * 365 * 86400)
YEAR = Time(366 * 86400)
WORDS = Text(r"[a-z-]+")
TAGS = Text(r"[a-z0-9_.+-]+(?:[;, ][a-z0-9_.+-]+)*")
NODE_STATES = Text(r"online|offline|unknown")
STORAGE_STATES = Text(r"available|unknown")
STORAGE_TYPES = Text(r"dir|lvm|lvmthin|nfs|cifs|btrfs|zfspool|rbd|cephfs|pbs|iscsi|iscsidirect|esxi|zfs")
CONTENTS = Text(r"(?:(?:images|rootdir|vztmpl|iso|backup|snippets|import|none)(?:,|$))+")
LOCKS = Text(r"backup|clone|create|disk|migrate|mounted|rollback|snapshot|snapshot-delete|suspend(?:ing|ed)")
RUN_STATES = Text(
    r"running|stopped|paused|prelaunch|suspended|io-error|internal-error|guest-panicked|shutdown"
)
EXIT = Text(r"OK|[\s\S]{4,}")
TASK_TYPE = Text(r"[a-z][A-Za-z0-9_-]+")
USER = Text(r"[^\s@]+@[a-z0-9.-]+(?:![A-Za-z0-9._-]+)?")
UPID = Text(r"UPID:[A-Za-z0-9-]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:\w+:[^:\s]*:[^:\s]+:")

_BOUNDS = {"mem": ("maxmem", 4.0), "disk": ("maxdisk", 1.0)}
"""By field: the field with its total, in the same unit, and the maximum multiple of the total.

A VM without a balloon driver shows the memory of its process.
"""
_GUEST_FIGURES: dict[str, Form] = {
    "cpu": SHARE,
    "mem": MEMORY,
    "disk": SIZE,
    "uptime": integer(0, 86400),
    "maxmem": integer(64 * MIB, 16 * GIB),
    "maxdisk": integer(128 * MIB, 512 * GIB),
}
"""The figures of the contract's own guests, which are small and young.

The bounds find a wrong unit: the figures would be too small in KiB.
"""


def _guest_row() -> Row:
    # A new guest has neither name nor figures until the next broadcast of pvestatd.
    return Row(
        {
            "vmid": VMID,
            "node": NAME,
            "type": Text("qemu|lxc"),
            "status": Text(f"unknown|{RUN_STATES.pattern}"),
        },
        {
            **_GUEST_FIGURES,
            "name": NAME,
            "maxcpu": Number(1, 1024),
            "memhost": MEMORY,
            "template": Flag(),
            "lock": LOCKS,
            "tags": TAGS,
            "hastate": WORDS,
            "pool": NAME,
        },
        _BOUNDS,
    )


def _node_row() -> Row:
    figures: dict[str, Form] = {
        "cpu": SHARE,
        "maxcpu": integer(1, 1024),
        "mem": integer(GIB // 4, 2 * TIB),
        "maxmem": integer(GIB, 2 * TIB),
        "disk": integer(GIB // 4, 16 * TIB),
        "maxdisk": integer(GIB, 16 * TIB),
        "uptime": SECONDS,
    }
    return Row({"node": NAME, "status": NODE_STATES}, figures, {**_BOUNDS, "mem": ("maxmem", 1.0)})


def _storage_row() -> Row:
    figures: dict[str, Form] = {"disk": SIZE, "maxdisk": integer(GIB, 64 * TIB)}
    named: dict[str, Form] = {"storage": NAME, "node": NAME, "status": STORAGE_STATES}
    described: dict[str, Form] = {"plugintype": STORAGE_TYPES, "content": CONTENTS, "shared": Flag()}
    return Row({**named, **described}, figures, {"disk": ("maxdisk", 1.0)})


def _resources() -> Rows:
    pool = Row({"pool": NAME})
    kinds = {
        "qemu": _guest_row(),
        "lxc": _guest_row(),
        "node": _node_row(),
        "storage": _storage_row(),
        "pool": pool,
    }
    return Rows(kinds, by="type", least=3)


def _status(kind: Kind) -> Row:
    needed: dict[str, Form] = {
        **_GUEST_FIGURES,
        "status": Text("running|stopped"),
        "name": NAME,
        "cpus": Number(1, 1024),
        "ha": Row({"managed": Flag()}),
    }
    optional: dict[str, Form] = {"lock": LOCKS, "tags": TAGS, "template": Flag()}
    if kind is Kind.QEMU:
        needed["qmpstatus"] = RUN_STATES
        optional["memhost"] = MEMORY
    return Row(needed, optional, _BOUNDS)


def _config(kind: Kind) -> Row:
    size = r"size=\d+(?:\.\d+)?[KMGT]"
    volume = rf"[a-z][\w.-]+:[\w./-]+(?:,[\w-]+=[^,]+)*,{size}(?:,[\w-]+=[^,]+)*|none,media=cdrom"
    fields: dict[str, Form] = {
        "cores": integer(1, 8192, text=True),
        "memory": integer(16, 4_178_944, text=True),  # MiB; QEMU's is a text
    }
    others: dict[str, Form] = {
        "digest": Text(r"[0-9a-f]{40}"),  # a snapshot has none
        "protection": Flag(),
        "description": Text(),
        "tags": TAGS,
        "parent": SNAPSHOT,
        "agent": Text(r"(?:enabled=)?[01](?:,.+)?"),
        "sockets": integer(1, 128, text=True),
        "balloon": integer(0, 4_178_944, text=True),
        "scsi0": Text(volume),
        "rootfs": Text(volume),
        "ide2": Text(volume),
        "lock": LOCKS,
    }
    return Row(
        {**fields, **({"rootfs": Text(volume)} if kind is Kind.LXC else {"scsi0": Text(volume)})}, others
    )


_VALUE = Scalar()
_PENDING = Rows(
    Row(
        {"key": Text(r"[a-z][\w-]*")},
        {"value": _VALUE, "pending": _VALUE, "delete": integer(0, 2, text=True)},
    ),
    least=3,
)
_SNAPSHOTS = Rows(
    Row(
        {"name": SNAPSHOT},
        {
            "snaptime": Time(7200),
            "description": Text(r"[\s\S]*"),
            "vmstate": Flag(),
            "parent": SNAPSHOT,
            "snapstate": Text("prepare|commit|delete"),
        },
    ),
    least=1,
)
_FEATURE = Row({"hasFeature": Flag()})
_ADDRESSES = Rows(Row({"ip-address": Text(r"[0-9a-f.:%\w]+")}))
_INTERFACES = Rows(
    Row(
        {"name": Text(r"[\w@.-]+")},
        {"inet": Text(r"[\d.]+/\d+"), "inet6": Text(r"[0-9a-f:]+/\d+"), "ip-addresses": _ADDRESSES},
    ),
    least=1,
)
_AGENT_ADDRESSES = Row(
    {
        "result": Rows(
            Row(
                {"name": Text(r"[\w@.-]+")},
                {"ip-addresses": _ADDRESSES},
            ),
            least=1,
        )
    }
)
_FILE_SYSTEMS = Row(
    {
        "result": Rows(
            Row(
                {"name": Text(), "mountpoint": Text(r"[/A-Z].*"), "type": Text(r"[A-Za-z0-9]+")},
                {"used-bytes": integer(MIB, 64 * TIB), "total-bytes": integer(GIB, 64 * TIB)},
                {"used-bytes": ("total-bytes", 1.0)},
            ),
            least=1,
        )
    }
)

_RATE = Number(0, 100 * GIB)
_PRESSURE = {
    f"pressure{name}": Number(0, 100)
    for name in ("cpusome", "cpufull", "iosome", "iofull", "memorysome", "memoryfull")
}
_GUEST_SAMPLE = Row(
    {"time": Time(2 * 7200)},
    {
        **_PRESSURE,
        **dict.fromkeys(("netin", "netout", "diskread", "diskwrite"), _RATE),
        "cpu": SHARE,
        "mem": Number(0, 2 * TIB),
        "memhost": Number(0, 2 * TIB),
        "maxmem": Number(64 * MIB, 16 * GIB),
        "disk": Number(0, 64 * TIB),
        "maxdisk": Number(128 * MIB, 512 * GIB),
    },
    _BOUNDS,
)
_NODE_SAMPLE = Row(
    {"time": Time(2 * 7200)},
    {
        **_PRESSURE,
        **dict.fromkeys(("netin", "netout"), _RATE),
        "cpu": SHARE,
        "iowait": Number(0, 1.0),
        "memused": Number(GIB // 4, 2 * TIB),
        "memtotal": Number(GIB, 2 * TIB),
        "rootused": Number(GIB // 4, 16 * TIB),
        "roottotal": Number(GIB, 16 * TIB),
    },
    {"memused": ("memtotal", 1.0), "rootused": ("roottotal", 1.0)},
)
_STORAGE_SAMPLE = Row(
    {"time": Time(14 * 86400)},
    {"used": Number(0, 64 * TIB), "total": Number(GIB, 64 * TIB)},
    {"used": ("total", 1.0)},
)
_WEEK = {8: (10800, 59, 71), 9: (1800, 335, 337)}
_HOUR = {8: (60, 59, 71), 9: (60, 59, 61)}
"""By generation: step in seconds, and least and greatest number of rows.

Proxmox 8 sends up to ten rows more than the period has.
"""

_AMOUNTS = Row(
    {"used": integer(GIB // 4, 16 * TIB), "total": integer(GIB, 16 * TIB)}, most={"used": ("total", 1.0)}
)
_SWAP = Row({"used": integer(0, 2 * TIB), "total": integer(0, 2 * TIB)}, most={"used": ("total", 1.0)})
_NODE_STATUS = Row(
    {
        "cpu": SHARE,
        "cpuinfo": Row({"cpus": integer(1, 4096)}),
        "loadavg": Rows(Text(r"\d+\.\d+"), least=3, most=3),
        "memory": _AMOUNTS,
        "rootfs": _AMOUNTS,
        "uptime": SECONDS,
        "pveversion": Text(r"pve-manager/[89]\.\d+\.\d+\S*/[0-9a-f]+"),
        "current-kernel": Row({"release": Text(r"\d+\.\d+\S+")}),
    },
    # Swap is off in a container.
    {"swap": _SWAP, "kversion": Text(r"Linux \d+\.\d+\S* .*")},
)
_QUORUM = Row({"quorate": Flag()})
_LRM = Row({"node": NAME, "status": Text(r"[\w-]+ \([^()]+, .+\)")})
_FENCING = Row({}, {"armed-state": Text("armed|standby|disarming|disarmed")})
_HA = Rows({"quorum": _QUORUM, "lrm": _LRM, "fencing": _FENCING}, by="type", least=1)

_TASK: dict[str, Form] = {
    "upid": UPID,
    "node": NAME,
    "type": TASK_TYPE,
    "id": Text(r"\S*"),
    "user": USER,
    "starttime": YEAR,
}
_TASK_END: dict[str, Form] = {"endtime": YEAR, "status": EXIT, "tokenid": Text(r"[A-Za-z0-9._-]+")}
_TASKS = Rows(Row(_TASK, _TASK_END))
_TASK_STATUS = Row({"status": Text("running|stopped")}, {"exitstatus": EXIT})
_LOG = Rows(Row({"t": Text(r"[\s\S]*"), "n": integer(1, 10**6)}), least=1)
_STORAGES = Rows(Row({"storage": NAME, "active": Flag()}))
_CONTENT = Rows(
    Row(
        {
            "volid": Text(r"[\w.-]+:backup/vzdump-(?:qemu|lxc)-\d+-[\d_-]+\.\S+"),
            "ctime": Time(7200),
            "format": Text(r"[a-z.0-9]+"),
        },
        {"size": integer(256, 16 * GIB), "subtype": Text("qemu|lxc")},
    )
)

_ACCOUNT = Row(
    {"userid": USER, "expire": integer(0, 4_102_444_800)},
    {"tokens": Rows(Row({"tokenid": Text(r"[A-Za-z0-9._-]+"), "expire": integer(0, 4_102_444_800)}))},
)
_OPTIONS = Row(
    {},
    {
        "registered-tags": Rows(TAGS),
        "user-tag-access": Row(
            {"user-allow": Text("none|list|existing|free")}, {"user-allow-list": Rows(TAGS)}
        ),
    },
)
_PLAIN: Forms = {
    ("GET", "/version"): Row({"version": Text(r"[89]\.\d+(?:\.\d+)?\S*")}),
    ("GET", "/access/permissions"): Map(r"/.*", Map(r"[A-Z][A-Za-z]+(?:\.[A-Za-z]+)+", Flag())),
    ("GET", "/access/users"): Rows(_ACCOUNT, least=1),
    ("GET", "/cluster/options"): _OPTIONS,
    ("GET", "/cluster/resources"): _resources(),
    ("GET", "/cluster/tasks"): _TASKS,
    ("GET", "/cluster/nextid"): Text(r"[1-9]\d{2,8}"),
    ("GET", "/cluster/ha/status/current"): _HA,
    ("GET", "/nodes/{node}/tasks"): _TASKS,
    ("GET", "/nodes/{node}/tasks/{upid}/status"): _TASK_STATUS,
    ("GET", "/nodes/{node}/tasks/{upid}/log"): _LOG,
    ("GET", "/nodes/{node}/status"): _NODE_STATUS,
    ("GET", "/nodes/{node}/storage"): _STORAGES,
    ("GET", "/nodes/{node}/storage/{storage}/content"): _CONTENT,
    ("GET", "/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces"): _AGENT_ADDRESSES,
    ("GET", "/nodes/{node}/qemu/{vmid}/agent/get-fsinfo"): _FILE_SYSTEMS,
    ("GET", "/nodes/{node}/lxc/{vmid}/interfaces"): _INTERFACES,
}


def forms_of(facts: Facts) -> Forms:
    """Return the form of each path's answer, by method and path as the schema writes it."""
    step, least, most = _HOUR[facts.generation]
    forms = dict(_PLAIN)
    forms["GET", "/nodes/{node}/rrddata"] = Steps(_NODE_SAMPLE, step, least, most)
    forms["GET", "/nodes/{node}/storage/{storage}/rrddata"] = Steps(_STORAGE_SAMPLE, *_WEEK[facts.generation])
    for kind in Kind:
        guest = f"/nodes/{{node}}/{kind.value}/{{vmid}}"
        forms |= {
            ("GET", f"{guest}/status/current"): _status(kind),
            ("GET", f"{guest}/config"): _config(kind),
            ("GET", f"{guest}/pending"): _PENDING,
            ("GET", f"{guest}/snapshot"): _SNAPSHOTS,
            ("GET", f"{guest}/snapshot/{{snapname}}/config"): _config(kind),
            ("GET", f"{guest}/feature"): _FEATURE,
            ("GET", f"{guest}/rrddata"): Steps(_GUEST_SAMPLE, step, least, most),
        }
    forms["PUT", "/nodes/{node}/lxc/{vmid}/config"] = Nothing()
    return forms


TASKS = {
    "start": "start",
    "shutdown": "shutdown",
    "stop": "stop",
    "reboot": "reboot",
    "reset": "reset",
    "suspend": "pause",
    "resume": "resume",
    "clone": "clone",
    "config": "config",
    "snapshot": "snapshot",
    "snapshot/{snapname}/rollback": "rollback",
    "snapshot/{snapname}": "delsnapshot",
    "": "destroy",
}
"""The task type of each change without its qm or vz, by the path after the VMID and without `status/`."""


def form_of(exchange: Exchange, forms: Forms) -> Form | None:
    """Return the form of an exchange's answer: that of its path, or the UPID of the task that it starts.

    Returns None if the path has no form.
    """
    row = row_of(exchange.method, exchange.path)
    if row is None:
        return None
    form = forms.get((exchange.method, row.path))
    if form is not None or exchange.method == "GET":
        return form
    places = row.match(exchange.method, exchange.path) or {}
    prefix = "qm" if "/qemu/" in exchange.path else "vz"
    word = row.path.partition("{vmid}")[2].removeprefix("/status").strip("/")
    ha = {"hastart", "hastop"} if word in ("start", "stop", "shutdown") else set()
    return UpidOf(frozenset({prefix + TASKS[word], *ha}), places["vmid"])
